"""Run a project's tests on the start state and on the outcome, and say which tests tell them apart.

    python3 compare_states.py --runner pytest [--neighbours FILE …] --tests FILE …

Makes /tmp/states/start (the draft's start commit and start.patch) and /tmp/states/after (the same
with solution/ applied). Each in turn becomes /app, where the project is installed in place, the
draft's tests/files are laid over it, and the kit's own runner (tests/suites.py) runs the test
files, on the outcome's state several times, the last time in reversed order, in another time zone
and with another hash seed. Writes tests/expected.json for judge.py. Tests whose result varies are
left out and named. Prints a summary; the last line is JSON.

It ends in time: a run has a limit, and where running the neighbours, too, would take more than is
left of the whole, it stays with the outcome's own tests and says so.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib
from typing import Any

DRAFT = pathlib.Path("/workbench/draft")
STATES = pathlib.Path("/tmp/states")
WORK_TREE = pathlib.Path("/app")
REPEATS = 3
"""Runs on the outcome's state; a test that fails in one of them is left out as unreliable."""
OTHERWISE = {
    "KIT_ORDER": "reversed",
    "KIT_HASH_SEED": "4711",
    "TZ": "Pacific/Kiritimati",
    "LANG": "C",
}
"""What the last run changes, as the gate does: a verdict that minds it is none."""
RUN_S = 100.0
"""Seconds for one run of the tests: five of them fit into TOTAL_S."""
TOTAL_S = 540.0
"""Seconds for all runs: a command of the terminal ends after 600, and copying takes some, too."""
SHOWN = 10
LEAST_LIMIT_S = 30.0
SLOWER = 10.0
"""How much slower a grading machine may be."""


def run(*argv: str, cwd: pathlib.Path | None = None) -> bytes:
    """Run a program and give its output; ends with its complaint when it fails."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def make_states() -> tuple[pathlib.Path, pathlib.Path]:
    """Write the two states; returns their folders."""
    choices = tomllib.loads((DRAFT / "kettle.toml").read_text())
    shutil.rmtree(STATES, ignore_errors=True)
    start, after = STATES / "start", STATES / "after"
    start.mkdir(parents=True)
    # Not `git archive`: it gives up when the clone lacks a single file.
    index = {**os.environ, "GIT_INDEX_FILE": str(STATES / "index")}
    for arguments in (
        ["read-tree", choices["start_commit"]],
        ["checkout-index", "-a", f"--prefix={start}/"],
    ):
        subprocess.run(["git", *arguments], cwd="/workbench/repo", env=index, capture_output=True)
    uncommitted = DRAFT / "start.patch"
    if uncommitted.is_file() and uncommitted.stat().st_size:
        run("git", "apply", "--whitespace=nowarn", str(uncommitted), cwd=start)
    shutil.copytree(start, after, symlinks=True)
    oracle = DRAFT / "solution" / "oracle.patch"
    if oracle.is_file() and oracle.stat().st_size:
        run("patch", "-p1", "--forward", "--silent", "-i", str(oracle), cwd=after)
    extra = DRAFT / "solution" / "files"
    if extra.is_dir():
        shutil.copytree(extra, after, dirs_exist_ok=True)
    return start, after


def suite(
    tree: pathlib.Path,
    given: argparse.Namespace,
    files: list[str],
    changed: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Run test files on a state, with changed variables; returns the report of tests/suites.py."""
    shutil.rmtree(WORK_TREE, ignore_errors=True)
    shutil.copytree(tree, WORK_TREE, symlinks=True)
    overlay = DRAFT / "tests" / "files"
    argv = [sys.executable, str(DRAFT / "tests" / "suites.py"), "--runner", given.runner]
    argv += ["--tree", str(WORK_TREE), "--timeout", str(given.timeout)]
    argv += ["--overlay", str(overlay)] if overlay.is_dir() else []
    for argument in given.arg:
        argv += [f"--arg={argument}"]
    environment = {**os.environ, **(changed or {})}
    done = subprocess.run([*argv, *files], env=environment, capture_output=True)
    try:
        report: dict[str, Any] = json.loads(done.stdout.decode(errors="replace").splitlines()[-1])
    except (ValueError, IndexError):
        said = done.stderr.decode(errors="replace")[-3000:]
        return {"complete": False, "outcomes": {}, "log": said, "timed_out": False, "seconds": 0}
    return report


def passed(report: dict[str, Any]) -> set[str]:
    """The tests that passed."""
    return {test for test, outcome in report["outcomes"].items() if outcome == "passed"}


def limit(seconds: float, most: float) -> float:
    """Seconds until a suite that hangs is stopped: ample for a slow machine, short for a cheat."""
    return min(most, max(LEAST_LIMIT_S, SLOWER * seconds))


def compare(
    given: argparse.Namespace, files: list[str], start: pathlib.Path, after: pathlib.Path
) -> tuple[dict[str, Any], dict[str, Any], set[str], list[str]] | str:
    """Both states' reports, the tests that always pass on the outcome, and the unreliable ones.

    Returns the reason instead where it would not come to its end in time.
    """
    began = time.monotonic()
    first = suite(after, given, files)
    took = time.monotonic() - began
    if first["timed_out"]:
        return f"a run on the outcome's state takes more than {given.timeout:g} s"
    if took * REPEATS > given.deadline - time.monotonic():
        return (
            f"a run takes {took:.0f} s, and {REPEATS} more of them do not fit into "
            f"{given.total:g} s"
        )
    before = suite(start, given, files)
    steady = passed(first)
    for number in range(2, REPEATS + 1):
        steady &= passed(suite(after, given, files, OTHERWISE if number == REPEATS else None))
    unreliable = sorted(passed(first) - steady)
    return first, before, steady, unreliable


def main() -> None:
    """Compare, print, write tests/expected.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner", required=True)
    parser.add_argument("--arg", action="append", default=[])
    parser.add_argument("--timeout", type=float, default=RUN_S, help="seconds for one run")
    parser.add_argument("--total", type=float, default=TOTAL_S, help="seconds for all runs")
    parser.add_argument("--neighbours", nargs="*", default=[])
    parser.add_argument("--tests", nargs="+", required=True)
    given = parser.parse_args()
    given.deadline = time.monotonic() + given.total
    start, after = make_states()
    files = sorted({*given.tests, *given.neighbours})
    compared = compare(given, files, start, after)
    if given.neighbours and (
        isinstance(compared, str) or not (compared[0]["complete"] and compared[2])
    ):
        why = compared if isinstance(compared, str) else "it does not run to its end"
        print(f"the whole suite: {why}; only the outcome's own tests are taken")
        files = sorted(given.tests)
        compared = compare(given, files, start, after)
    if isinstance(compared, str):
        print(f"time ran out: {compared}")
        print(json.dumps({"out_of_time": compared}))
        return
    first, before, steady, unreliable = compared
    old = passed(before)
    fail_to_pass, pass_to_pass = sorted(steady - old), sorted(steady & old)
    expected = {
        "runner": given.runner,
        "files": files,
        "args": given.arg,
        "fail_to_pass": fail_to_pass,
        "pass_to_pass": pass_to_pass,
        "timeout_s": limit(first["seconds"], given.timeout),
    }
    (DRAFT / "tests" / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    for name, report in (("start", before), ("outcome", first)):
        counts: dict[str, int] = {}
        for outcome in report["outcomes"].values():
            counts[outcome] = counts.get(outcome, 0) + 1
        print(f"{name}: {counts or 'no test ran'} in {report['seconds']} s")
    for title, tests in (("tell the states apart", fail_to_pass), ("unreliable", unreliable)):
        print(f"{title}: {len(tests)}")
        print("".join(f"  {t}\n" for t in tests[:SHOWN]), end="")
    if not first["complete"] or not steady:
        print("end of the runner's output on the outcome's state:")
        print(first["log"][-3000:])
    summary = {
        "complete": bool(first["complete"]),
        "fail_to_pass": len(fail_to_pass),
        "pass_to_pass": len(pass_to_pass),
        "unreliable": len(unreliable),
        "ran": len(first["outcomes"]),
        "files": len(files),
    }
    print(json.dumps(summary))


main()
