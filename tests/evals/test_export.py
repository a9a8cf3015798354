"""An item as a Harbor task of its own: what the solver gets, and what judges it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from agent.environment import Environment
from evals.export import export
from tests.evals import voice

SEALED = [voice.CANARY.encode(), b"exclaims by formatting", b"parrots the one example"]


def test_the_solver_gets_session_and_repository_and_nothing_sealed(tmp_path: Path) -> None:
    made = export(voice.make(tmp_path / "items"), tmp_path / "tasks")
    task = Environment.load(made.path)
    given = dict(task.files("environment"))
    assert {
        f"environment/{n}" for n in ("Dockerfile", "repository.bundle", "session.jsonl")
    } <= given.keys()
    for name, data in given.items():
        assert not any(word in data for word in SEALED), name
    truth = json.loads(gzip.decompress((made.path / "tests" / "truth.json.gz").read_bytes()))
    assert [len(truth["candidates"][role]) for role in ("nop", "gold", "right", "wrong")] == [
        1,
        1,
        3,
        5,
    ]
