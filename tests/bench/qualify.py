"""How long judgement from evidence takes, and how much memory, for many sessions of one repository.

The repository and the sessions are made here; the sessions differ in their prompts alone. Each goes
the whole way: start state, licence, outcome. Run alone: `python -m tests.bench qualify`.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent.qualify import Row, qualify_files
from agent.qualify.many import Work
from tests.agent import projects

WORKERS = 2
SESSIONS = 500
WARM_SESSIONS = 100
"""After these every worker has read the history."""
COMMITS = 2_000
LONG_COMMITS = 50_000
FILES = 40
"""Files that the other commits change in turn."""
BEGAN = 1_740_823_200
"""The session's project begins at this time, in seconds since 1970, an hour before the session."""
STEP_S = 60
TARGET_P50_S = 2.0
TARGET_S = 300.0
TARGET_GROWTH = 1.2
"""Peak memory of a worker after all sessions over that after the warm ones."""


def main() -> bool:
    """Print the figures; True when all targets are met."""
    with tempfile.TemporaryDirectory(prefix="kettle-bench-") as folder:
        place = Path(folder)
        work = Work(repo=str(_repository(place / "many", COMMITS)), cache=place / "cache")
        paths = _sessions(place / "sessions", SESSIONS)
        warm = list(qualify_files(paths[:WARM_SESSIONS], work, workers=WORKERS))
        before = _peak_mb()
        began = time.monotonic()
        rows = list(qualify_files(paths, work, workers=WORKERS))
        whole = time.monotonic() - began
        growth = _peak_mb() / before
        long = Work(repo=str(_repository(place / "long", LONG_COMMITS)), cache=place / "cache")
        far = list(qualify_files(paths[: 2 * WORKERS], long, workers=WORKERS))
        judged = all(r.qualification and r.qualification.start for r in (*warm, *rows, *far))
    met = [
        _say("seconds a session, p50", _p50(rows), TARGET_P50_S),
        _say(f"seconds for {SESSIONS} sessions of one repository", whole, TARGET_S),
        _say(f"peak memory after {SESSIONS} over {WARM_SESSIONS} sessions", growth, TARGET_GROWTH),
        _say(f"seconds a session, p50, of {LONG_COMMITS} commits", _p50(far), None),
    ]
    return judged and all(met)


def _say(name: str, value: float, target: float | None) -> bool:
    met = target is None or value <= target
    goal = "" if target is None else f"<= {target:g} {'ok' if met else 'miss'}"
    sys.stdout.write(f"{name:<52} {value:8.2f} {goal}\n")
    return met


def _p50(rows: list[Row]) -> float:
    return statistics.median(r.qualification.seconds for r in rows if r.qualification)


def _peak_mb() -> float:
    """Of the largest process that has ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _sessions(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    paths = []
    for number in range(count):
        lines = projects.claude_code(Path("/home/dana/voice"))
        lines[0]["message"] = {"role": "user", "content": f"{projects.PROMPT} ({number})"}
        paths.append(folder / f"{number:03}.jsonl")
        paths[-1].write_text("".join(json.dumps(line) + "\n" for line in lines))
    return paths


def _repository(path: Path, commits: int) -> Path:
    """A bare repository in which the session's project and its outcome lie half-way."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
    first = {
        "voice.py": projects.START,
        "pyproject.toml": '[project]\nname = "voice"\nversion = "1"\n',
        "LICENSE": "SPDX-License-Identifier: MIT\n",
    }
    done = {"voice.py": projects.FIXED, "test_voice.py": projects.TEST}
    half = commits // 2
    stream = []
    for number in range(commits):
        files = {f"part_{number % FILES}.py": f"def part():\n    return {number}\n"}
        if number == 0:
            files |= first
        # The filler ends when the project's hour begins, and goes on after it.
        when = BEGAN + (number - half) * STEP_S
        if number == half:
            files = done
            when += 2 * 3600
        elif number > half:
            when += 4 * 3600
        stream.append(_commit(f"part {number}", when, files))
    subprocess.run(
        ["git", "-C", str(path), "fast-import", "--quiet"], input=b"".join(stream), check=True
    )
    return path


def _commit(message: str, when: int, files: dict[str, str]) -> bytes:
    parts = [f"commit refs/heads/main\ncommitter Dana <dana@example.org> {when} +0000\n"]
    parts.append(f"data {len(message)}\n{message}\n")
    for name, text in files.items():
        parts.append(f"M 100644 inline {name}\ndata {len(text)}\n{text}\n")
    return "".join(parts).encode()


if __name__ == "__main__":
    sys.exit(not main())
