"""The engine: what it starts is gone afterwards, whatever happens, and nothing else is."""

from __future__ import annotations

import gc
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker.errors
import pytest

from sandbox.engine import Engine
from sandbox.errors import EngineUnavailable, ImageError, SandboxError, SandboxLost
from sandbox.limits import Limits
from tests.sandbox.conftest import PATIENCE_S, wait_until
from tests.sandbox.line import Line

ROOT = Path(__file__).parents[2]
# A program that makes a sandbox, prints its run, and goes on as told.
OWNER = """
import sys, time
from sandbox.engine import Engine
engine = Engine.connect()
sandbox = engine.create(sys.argv[1])
sandbox.run("true")
print(engine.run_id, flush=True)
{then}
"""


def start_owner(image: str, then: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(then=then), image],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def left(engine: Engine, run_id: str) -> int:
    only = {"label": f"kettle.run={run_id}"}
    found = engine.client.api.containers(all=True, filters=only)
    return len(found) + len(engine.client.api.images(filters=only))


def long_dead() -> dict[str, str]:
    """Labels of something whose time is up, of a run that only this test knows."""
    return {
        "kettle.run": f"old-{secrets.token_hex(4)}",
        "kettle.owner": "elsewhere/1-1",
        "kettle.expires": "1000",
    }


def test_leaving_the_block_removes_everything(engine: Engine, base_image: str) -> None:
    with Engine.connect() as mine:
        mine.create(base_image).run("true")
        mine.create(base_image)
        assert left(engine, mine.run_id) == 2
    assert left(engine, mine.run_id) == 0
    with pytest.raises(SandboxError, match="closed"):
        mine.create(base_image)


def test_a_closed_sandbox_is_gone_and_says_so(engine: Engine, base_image: str) -> None:
    with engine.create(base_image) as sandbox:
        assert engine.client.containers.get(sandbox.id)
    sandbox.close()
    with pytest.raises(docker.errors.NotFound):
        engine.client.containers.get(sandbox.id)
    with pytest.raises(SandboxLost, match="closed"):
        sandbox.run("true")


def test_labels_say_whose_it_is_and_until_when(engine: Engine, base_image: str) -> None:
    with engine.create(base_image, purpose="trial", limits=Limits(lifetime_s=100)) as sandbox:
        labels = engine.client.api.inspect_container(sandbox.id)["Config"]["Labels"]
        assert labels["kettle.run"] == engine.run_id
        assert labels["kettle.purpose"] == "trial"
        assert 0 < int(labels["kettle.expires"]) - time.time() <= 100
        assert f"/{os.getpid()}-" in labels["kettle.owner"]


@pytest.mark.parametrize(
    ("then", "end"),
    [
        ("pass", None),
        ("sys.exit(1)", None),
        ("raise ValueError", None),
        ("sandbox.run('sleep 60')", signal.SIGINT),
        ("sandbox.run('sleep 60')", signal.SIGTERM),
        ("sandbox.run('sleep 60')", signal.SIGHUP),
        ("time.sleep(60)", signal.SIGTERM),
        ("engine.create(sys.argv[1])", signal.SIGINT),
        ("while True: engine.create(sys.argv[1]).close()", signal.SIGINT),
        ("while True: sandbox.put('/x', bytes(1000000))", signal.SIGINT),
    ],
)
def test_a_program_that_ends_leaves_nothing(
    engine: Engine, base_image: str, then: str, end: signal.Signals | None
) -> None:
    process, run_id = start_owner(base_image, then)
    with process:
        assert left(engine, run_id) >= 1 or end is None
        if end is not None:
            process.send_signal(end)
        process.wait(PATIENCE_S)
    assert left(engine, run_id) == 0


def test_what_a_killed_program_left_is_removed_by_the_next(engine: Engine, base_image: str) -> None:
    process, run_id = start_owner(base_image, "sandbox.run('sleep 60')")
    with process:
        assert left(engine, run_id) == 1
        process.kill()
    # Whoever connects first, be it another program on this machine.
    with Engine.connect():
        assert left(engine, run_id) == 0


def test_what_a_live_program_has_is_left_alone(engine: Engine, base_image: str) -> None:
    process, run_id = start_owner(base_image, "sys.stdin.read()")
    with process, engine.create(base_image) as sandbox:
        with Engine.connect() as other:
            other.reap()
        assert left(engine, run_id) == 1
        assert sandbox.run("echo on").output == "on\n"
        process.kill()


def test_what_has_expired_is_removed_though_its_program_lives(
    engine: Engine, base_image: str
) -> None:
    labels = long_dead()
    found = engine.client.containers.create(base_image, labels=labels)
    fresh = {**labels, "kettle.expires": str(int(time.time()) + 600)}
    spared = engine.client.containers.create(base_image, labels=fresh)
    try:
        engine.reap()
        names = {c["Id"] for c in engine.client.api.containers(all=True)}
        assert found.id not in names
        # Another machine's, whose processes cannot be seen from here.
        assert spared.id in names
    finally:
        spared.remove()


def test_two_that_reap_at_once_do_not_get_in_each_others_way(
    engine: Engine, base_image: str
) -> None:
    labels = long_dead()
    for _ in range(6):
        engine.client.containers.create(base_image, labels=labels)
    failures: list[BaseException] = []

    def reap() -> None:
        try:
            with Engine.connect():
                pass
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=reap) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert left(engine, labels["kettle.run"]) == 0


def test_a_missing_image_is_named(engine: Engine) -> None:
    with pytest.raises(ImageError, match="no-such-image-here"):
        engine.create("no-such-image-here:1")


def test_no_engine_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineUnavailable, match="Start Docker"):
        Engine.connect()


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Line]:
    if os.environ.get("DOCKER_HOST"):
        pytest.skip("the engine is not behind the local socket")
    line = Line(tmp_path / "engine.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{line.path}")
    yield line
    line.cut()
    gc.collect()


# The SDK leaves a socket open whose connection was refused.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "call",
    [
        lambda engine, sandbox, image: sandbox.run("sleep 60"),
        lambda engine, sandbox, image: sandbox.put("/x", b"x"),
        lambda engine, sandbox, image: sandbox.get("/etc/passwd"),
        lambda engine, sandbox, image: sandbox.get_tree("/etc"),
        lambda engine, sandbox, image: engine.create(image),
        lambda engine, sandbox, image: engine.build(b""),
        lambda engine, sandbox, image: engine.reap(),
    ],
)
def test_an_engine_that_dies_in_the_middle_is_an_error_at_once(
    line: Line,
    base_image: str,
    engine: Engine,
    call: Callable[[Engine, object, str], object],
) -> None:
    mine = Engine.connect()
    sandbox = mine.create(base_image)
    sandbox.run("true")
    # In the middle of the command; the other calls find the engine gone.
    cutter = threading.Timer(0.3, line.cut)
    cutter.start()
    if "run" not in call.__code__.co_names:
        cutter.join()
    began = time.monotonic()
    with pytest.raises((EngineUnavailable, SandboxLost)):
        call(mine, sandbox, base_image)
    sandbox.close()
    mine.close()
    assert time.monotonic() - began < PATIENCE_S
    assert left(engine, mine.run_id) == 1
    for found in engine.client.api.containers(
        all=True, filters={"label": f"kettle.run={mine.run_id}"}
    ):
        engine.client.api.remove_container(found["Id"], force=True)


def test_sandboxes_work_side_by_side(engine: Engine, base_image: str) -> None:
    results: list[str] = []

    def work(number: int) -> None:
        with engine.create(base_image) as sandbox:
            for _ in range(20):
                results.append(sandbox.run(f"echo {number}").output)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(f"{n}\n" for n in range(4) for _ in range(20))


def test_threads_take_turns_in_one_sandbox(engine: Engine, base_image: str) -> None:
    with engine.create(base_image) as sandbox:
        outputs: list[str] = []
        threads = [
            threading.Thread(target=lambda n=n: outputs.append(sandbox.run(f"echo {n}").output))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outputs) == [f"{n}\n" for n in range(8)]


def test_an_interrupted_command_is_ended_and_the_sandbox_goes_on(
    engine: Engine, base_image: str
) -> None:
    with engine.create(base_image) as sandbox:
        sandbox.run("true")
        timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            sandbox.run("sleep 4321")
        timer.join()
        assert wait_until(lambda: sandbox.run("pgrep -fx 'sleep 4321'").exit_code == 1)
