from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.gate import CheckVerdict, GateReport, GateSettings, clock, conditions, run
from agent.gate.report import as_text
from agent.grading import NOP, Grader
from sandbox.engine import Engine
from tests.agent.gate.bad import Bad
from tests.agent.gate.environments import make
from tests.agent.gate.flaky import FLAKY, LUCK
from tests.agent.gate.test_core import failed, text_of

SETTINGS = GateSettings(repeats=3, only=("stable",))

needs_a_compiler = pytest.mark.skipif(
    clock.library(conditions.CLOCK_S) is None,
    reason="no C compiler here, so the clock cannot be moved",
)


def report_of(engine: Engine, base_image: str, folder: Path, bad: Bad) -> GateReport:
    return run(engine, make(folder / "e", base=base_image, **bad.given), settings=SETTINGS)


@pytest.mark.parametrize(
    "bad",
    [pytest.param(b, marks=needs_a_compiler if "later" in b.says else ()) for b in FLAKY],
    ids=lambda b: b.name.replace(" ", "-"),
)
def test_what_changes_the_verdict_is_named(
    engine: Engine, base_image: str, tmp_path: Path, bad: Bad
) -> None:
    report = report_of(engine, base_image, tmp_path, bad)
    assert failed(report) == {"stable"}, as_text(report)
    check = report.check("stable")
    assert bad.says in check.summary
    if bad is not LUCK:
        for label in check.details["conditions"]:
            assert (label in check.summary) == (bad.says in label), check.summary
        assert "reward 1 at first, reward 0 with" in text_of(check)
    assert "At first:" in text_of(check)


def test_a_sound_verdict_minds_none_of_it(engine: Engine, base_image: str, tmp_path: Path) -> None:
    check = run(engine, make(tmp_path / "e", base=base_image), settings=SETTINGS).check("stable")
    assert check.verdict is CheckVerdict.PASS
    for word in ("time zone", "locale", "PYTHONHASHSEED", "order", "processors"):
        assert any(word in label for label in check.details["conditions"])


@needs_a_compiler
class TestTheMovedClock:
    PROBE = """
import datetime, json, os, queue, subprocess, sys, tempfile, threading, time
began = time.monotonic()
seen = {"year": datetime.datetime.now().year, "date": int(subprocess.check_output(["date", "+%Y"]))}
threading.Event().wait(0.05)
try:
    queue.Queue().get(timeout=0.05)
except queue.Empty:
    pass
try:
    subprocess.run(["sleep", "60"], timeout=0.05)
except subprocess.TimeoutExpired:
    pass
seen["waited"] = time.monotonic() - began
with tempfile.NamedTemporaryFile() as f:
    seen["age"] = time.time() - os.stat(f.name).st_mtime
    os.utime(f.name, (10**9, 10**9))
    seen["given"] = os.stat(f.name).st_mtime
    subprocess.run(["touch", "-d", "@1000000007", f.name])
    seen["touched"] = os.stat(f.name).st_mtime
seen["old"] = time.time() - os.stat("/etc/passwd").st_mtime
print(json.dumps(seen))
"""

    def test_programs_see_another_year_and_nothing_else_changes(
        self, engine: Engine, base_image: str, tmp_path: Path
    ) -> None:
        made = make(
            tmp_path / "e",
            base=base_image,
            judge="import kit, json, os, time\n"
            f"seen = json.loads(kit.run(['python3', '-c', {self.PROBE!r}]).out)\n"
            "years = {seen['year'], seen['date'], time.gmtime().tm_year}\n"
            "kit.check('one year', len(years) == 1, str(seen))\n"
            "kit.check('later', years.pop() - YEAR in (3, 4), str(seen))\n"
            "kit.check('waits end', seen['waited'] < 30, str(seen))\n"
            "kit.check('new files are new', abs(seen['age']) < 30, str(seen))\n"
            "kit.check('given times', (seen['given'], seen['touched']) == (1e9, 1e9 + 7))\n"
            "kit.check('old files are older', seen['old'] > 1137 * 86400, str(seen))\n"
            "kit.verdict()\n".replace("YEAR", str(datetime.now(UTC).year)),
        )
        image = engine.build(made.archive("environment")).id
        later = conditions.later()
        assert later is not None
        grade = Grader(engine, made, image).grade(NOP, later)
        assert grade.passed, grade.log
        assert grade.arranged
