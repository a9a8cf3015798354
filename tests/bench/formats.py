"""Loads every real session below a folder and exports each as ATIF: one row a session.

Real sessions are no part of Kettle; `KETTLE_SESSIONS` names the folder. Files that are no session
are counted, not judged. Run alone: `KETTLE_SESSIONS=… python -m tests.bench formats`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import atif

from agent.errors import SessionError
from agent.session import Session, load
from agent.session.atif import to_atif

FOLDER = "KETTLE_SESSIONS"
HEAD = ("format", "turns", "prompts", "calls", "results", "edits", "seen", "unknown", "damaged")


def main() -> bool:
    """Print a table; True when every session has turns and a prompt and makes valid ATIF."""
    if FOLDER not in os.environ:
        sys.stdout.write(f"real sessions: not loaded; {FOLDER} names no folder of them\n")
        return True
    folder = Path(os.environ[FOLDER])
    none, bad = 0, 0
    sys.stdout.write(f"{HEAD[0]:<15}" + "".join(f"{name:>8}" for name in HEAD[1:]) + "\n")
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            session = load(path)
        except SessionError:
            none += 1
            continue
        wrong = "" if session.turns and session.prompts else "nothing in it"
        try:
            atif.Trajectory.model_validate_json(json.dumps(to_atif(session).to_json_dict()))
        except ValueError as error:
            wrong = f"no valid ATIF: {str(error)[:200]}"
        bad += bool(wrong)
        name, numbers = session.format, "".join(f"{count:>8}" for count in _counts(session))
        sys.stdout.write(f"{name:<15}{numbers}  {path.relative_to(folder)} {wrong}\n")
    sys.stdout.write(f"{none} files are no sessions; {bad} sessions with faults\n")
    return not bad


def _counts(session: Session) -> tuple[int, ...]:
    calls = list(session.calls())
    return (
        len(session.turns),
        len(session.prompts),
        len(calls),
        sum(call.result is not None for call in calls),
        sum(len(call.edits) for call in calls),
        sum(len(call.views) for call in calls),
        sum(session.unknown.values()),
        len(session.damaged),
    )
