"""A judge with the kit, against trees that attack it; all tests share one container."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from agent.grading import PROCESSES
from agent.tree import Entry, pack
from agent.verifier import kit_files
from sandbox.container import Sandbox
from sandbox.engine import Engine
from sandbox.limits import Limits

ASKS_TWICE = """\
import kit

kit.check("the answer", kit.call_python("work", "answer") == 42)
kit.check("again", kit.call_python("work", "answer") == 42)
kit.verdict()
"""
HONEST = "def answer():\n    return 42\n"


@dataclass(frozen=True)
class Judged:
    """What a judge left: its rewards by name (none without a verdict) and its output."""

    rewards: dict[str, float]
    log: str

    @property
    def reward(self) -> float | None:
        return self.rewards.get("reward")


class Bench:
    """A container in which trees are judged one after the other."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        for name, data in kit_files().items():
            box.put(f"/{name}", data)

    def judge(
        self,
        work: str,
        judge: str = ASKS_TWICE,
        timeout_s: float = 60,
        env: Mapping[str, str] | None = None,
    ) -> Judged:
        """Grade a tree of one module as root, as `tests/test.sh` does."""
        self.box.run("rm -rf /app /logs /tmp/kit-* /tmp/left", cwd="/")
        tree = {"app": Entry("directory", 0o777, uid=1000, gid=1000)}
        tree["app/work.py"] = Entry("file", 0o666, work.encode(), uid=1000, gid=1000)
        self.box.put_tree("/", pack(tree))
        self.box.put("/tests/judge.py", judge.encode())
        done = self.box.run("sh /tests/test.sh", cwd="/", timeout_s=timeout_s, env=env)
        assert not done.timed_out, done.output
        reward = self.box.run("cat /logs/verifier/reward.json 2>/dev/null", cwd="/").output
        return Judged(json.loads(reward) if reward.strip() else {}, done.output)


@pytest.fixture(scope="module")
def bench(engine: Engine, base_image: str) -> Iterator[Bench]:
    limits = Limits(cpus=2, memory_bytes=512 << 20, processes=PROCESSES)
    with engine.create(base_image, network=False, limits=limits, purpose="judge") as box:
        yield Bench(box)


def test_an_honest_tree_earns_the_reward_and_a_wrong_one_does_not(bench: Bench) -> None:
    right, wrong = bench.judge(HONEST), bench.judge(HONEST.replace("42", "41"))
    assert (right.reward, wrong.reward) == (1, 0), right.log + wrong.log


def test_what_the_judge_wrote_can_be_read_by_whoever_started_it(bench: Bench) -> None:
    bench.judge(HONEST)
    read = bench.box.run("cat /logs/verifier/reward.json; ls -A /logs/verifier", user="solver")
    assert read.output.split() == ['{"reward":', "1}checks.json", "reward.json"]


STOPPER = """\
import os, signal
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        # Whatever comes to kill this user is stopped first, as fast as can be.
        while True:
            try:
                os.kill(-1, signal.SIGSTOP)
            except OSError:
                pass
    os._exit(0)
def answer():
    return 41
"""


def test_a_process_that_stops_its_killer_is_killed_all_the_same(bench: Bench) -> None:
    judge = ASKS_TWICE.replace('"answer")', '"answer", timeout_s=1)')
    judged = bench.judge(STOPPER, judge)
    assert judged.reward == 0, judged.log
    assert "python" not in bench.box.run("ps -eo uid,comm | awk '$1 >= 20000'").output


FORK_BOMB = """\
import os
def answer():
    while True:
        try:
            os.fork()
        except OSError:
            pass
"""


def test_a_fork_bomb_earns_nothing(bench: Bench) -> None:
    judged = bench.judge(FORK_BOMB, ASKS_TWICE.replace('"answer")', '"answer", timeout_s=1)'))
    assert judged.reward == 0, judged.log


def test_two_fork_bombs_side_by_side_leave_the_judge_its_verdict(bench: Bench) -> None:
    judged = bench.judge(
        FORK_BOMB + "answer()\n",
        "import kit\n"
        "argv = [kit.python(), 'work.py']\n"
        "with kit.start(argv, cwd=kit.checkout()), kit.start(argv, cwd=kit.checkout()) as second:\n"
        "    kit.check('it ends', not second.wait(2).timed_out)\n"
        "kit.verdict()\n",
    )
    assert judged.reward == 0, judged.log


def test_who_grades_may_ask_for_an_early_end_of_what_hangs(bench: Bench) -> None:
    patient = ASKS_TWICE.replace('"answer")', '"answer", timeout_s=500)', 1)
    judged = bench.judge("import time\ntime.sleep(600)\n", patient, env={"KIT_PATIENCE_S": "1"})
    # The first child would have had 499 seconds more; the judge stops asking after it.
    assert judged.rewards == {"reward": 0, "spared_s": 499}, judged.log


@pytest.mark.parametrize(("brief", "held"), [("", "2 of 3"), ("1", "1 of 2")])
def test_who_grades_may_ask_for_the_first_failure_alone(
    bench: Bench, brief: str, held: str
) -> None:
    judge = (
        "import kit\n"
        "kit.check('one', True)\n"
        "@kit.check('two')\n"
        "def _():\n    assert kit.call_python('work', 'answer') == 2\n"
        "kit.check('three', True)\n"
        "kit.verdict()\n"
    )
    judged = bench.judge("def answer():\n    return 1\n", judge, env={"KIT_BRIEF": brief})
    assert judged.reward == 0
    assert f"{held} checks hold" in judged.log


def test_a_tree_that_gives_no_value_earns_nothing_wherever_the_judge_asks(bench: Bench) -> None:
    for work in ("import os\nos._exit(0)\n", "1 / 0\n", "def answer():\n    return object\n"):
        judged = bench.judge(work)
        assert judged.reward == 0, judged.log


VALUES = """\
import os, sys
def raw(text):
    for fd in range(3, 20):
        try:
            os.write(fd, text)
        except OSError:
            pass
    os._exit(0)
def nan():
    return float("nan")
def large():
    raw(b'[{"value": 1e999}]')
def digits():
    raw(b'[{"value": ' + b"9" * 3_000_000 + b"}]")
def deep():
    raw(b'[{"value": ' + b"[" * 200_000 + b"]" * 200_000 + b"}]")
def flood():
    while True:
        os.write(1, b"x" * 65536)
def twice():
    raw(b'[{"value": 42}][{"value": 42}]')
def loud():
    raise ValueError("y" * 5_000_000)
"""


def test_values_that_are_none_hold_in_no_comparison(bench: Bench) -> None:
    judge = """\
import kit

for name in ("nan", "large"):
    value = kit.call_python("work", name)
    kit.check(f"{name} is a text", isinstance(value, str), repr(value))
for name in ("digits", "deep", "twice"):
    try:
        kit.check(name, False, repr(kit.call_python("work", name))[:80])
    except kit.ChildFailed:
        kit.check(name, True)
flood = kit.run(["python3", "-c", "import work; work.flood()"], timeout_s=1)
kit.check("flood", flood.timed_out and len(flood.stdout) <= kit.OUTPUT_LIMIT_BYTES)
try:
    kit.call_python("work", "loud")
except kit.Raised as e:
    kit.check("loud", len(e.message) < 5000 and e.kind == "ValueError")
kit.verdict()
"""
    judged = bench.judge(VALUES, judge)
    assert judged.reward == 1, judged.log


SWAPPER = """\
import os, sys, time
def serve():
    os.makedirs("d", exist_ok=True)
    os.makedirs("e", exist_ok=True)
    print("ready", flush=True)
    while True:
        for kind in ("link", "folder"):
            try:
                os.rename("d", "e/%d" % time.monotonic_ns())
            except OSError:
                pass
            try:
                os.symlink(sys.argv[1], "d") if kind == "link" else os.mkdir("d")
            except OSError:
                pass
if __name__ == "__main__":
    serve()
"""


def test_a_running_child_cannot_lead_the_judge_out_of_the_tree(bench: Bench) -> None:
    judge = """\
import os
import kit

tree = kit.checkout()
with kit.start(["python3", "work.py", "/tests"], cwd=tree) as server:
    seen = []
    for _ in range(3000):
        try:
            seen.append(tree.read("d/judge.py"))
        except kit.ChildFailed:
            pass
        try:
            tree.write("d/planted", "x")
        except kit.ChildFailed:
            pass
        tree.remove("d/kit.py")
kit.check("nothing was read", not seen)
kit.check("nothing was written", not os.path.exists("/tests/planted"))
kit.check("nothing was removed", os.path.exists("/tests/kit.py"))
kit.verdict()
"""
    judged = bench.judge(SWAPPER, judge)
    assert judged.reward == 1, judged.log


PEEPER = """\
import glob, os
def answer():
    found = []
    places = ["/tests", "/tests/judge.py", "/logs/verifier", "/app/mark", "/solution"]
    places += [f"/proc/{os.getppid()}/{x}" for x in ("mem", "environ", "fd", "cwd", "root/tests")]
    places += glob.glob("/tmp/kit-*/work") + glob.glob("/proc/1/fd")
    mine = os.path.dirname(os.getcwd())
    for place in places:
        if place.startswith(mine):
            continue
        try:
            with open(place, "ab") as f:
                found.append("wrote " + place)
        except OSError:
            pass
        try:
            os.listdir(place); found.append("listed " + place)
        except OSError:
            pass
        try:
            with open(place, "rb") as f:
                f.read(1); found.append("read " + place)
        except OSError:
            pass
    for target in (os.getppid(), 1):
        try:
            os.kill(target, 0); found.append(f"may signal {target}")
        except OSError:
            pass
    return found
"""


def test_a_child_reaches_neither_the_judge_nor_another_copy(bench: Bench) -> None:
    judge = """\
import kit

other = kit.checkout()
first = kit.checkout()
seen = kit.call_python("work", "answer", cwd=first)
kit.check("nothing in reach", seen == [], repr(seen))
kit.verdict()
"""
    judged = bench.judge(PEEPER, judge)
    assert judged.reward == 1, judged.log


HOG = """\
def answer():
    blocks = []
    while True:
        blocks.append(bytearray(64 << 20))
"""


def test_a_child_that_takes_all_memory_dies_and_the_judge_lives(bench: Bench) -> None:
    judge = "import kit\n@kit.check('a')\ndef _():\n    kit.call_python('work', 'answer')\n"
    judged = bench.judge(HOG, judge + "kit.verdict()\n")
    assert judged.reward == 0, judged.log


def test_hanging_everywhere_ends_with_a_verdict(bench: Bench) -> None:
    judge = """\
import kit

kit.AFTER_TIMEOUT_S = (0.5, 0.2)
for number in range(20):
    @kit.check(f"check {number}")
    def _():
        kit.call_python("work", "answer", timeout_s=1)
kit.verdict()
"""
    judged = bench.judge("import time\ndef answer():\n    time.sleep(3600)\n", judge)
    assert judged.reward == 0, judged.log


@pytest.mark.parametrize(
    "judge",
    ["import kit\nkit.check('a', True)\n", "raise SystemExit(0)\n", "1 / 0\n"],
    ids=["no-verdict", "plain-exit", "crash"],
)
def test_a_judge_without_a_verdict_writes_no_reward(bench: Bench, judge: str) -> None:
    assert bench.judge(HONEST, judge).reward is None


LINGERER = """\
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            for path in ("/logs/verifier/reward.json", "/logs/verifier/reward.txt"):
                try:
                    open(path, "w").write('{"reward": 1}')
                except OSError:
                    pass
    os._exit(0)
def answer():
    return 41
"""


def test_what_the_solver_left_running_and_what_a_child_leaves_is_ended(bench: Bench) -> None:
    bench.box.run(
        "(while :; do echo 1 > /logs/verifier/reward.txt; done) >/dev/null 2>&1 </dev/null &",
        user="solver",
        cwd="/",
    )
    judged = bench.judge(LINGERER)
    assert judged.reward == 0, judged.log
    left = bench.box.run("ps -eo uid=,args= | awk '$1 >= 1000'").output
    assert left == "", left


def test_the_help_names_every_call_with_its_arguments(bench: Bench) -> None:
    told = bench.box.run("python3 -I -S /tests/kit.py --help").output
    for call in (
        "kit.run(argv: Sequence[str], *, cwd: Checkout | None = None, timeout_s: float",
        "kit.call_python(module: str, function: str, args: Sequence[Any] = ()",
        "kit.check(name: str, condition: object = …, why: str = '')",
        "kit.verdict() -> None",
        ".write(name: str, data: str | bytes, *, executable: bool = False)",
    ):
        assert call in told, told
    assert "0x" not in told
