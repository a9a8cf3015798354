"""Recorded builders: their commands still run, and what they built still passes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.build import BuildSettings, build_session
from agent.gate import GateSettings
from agent.models import open_model
from agent.models.base import Message
from evals.item import find
from evals.recipe import materialise

RECORDINGS = Path(__file__).parent / "recordings"
RECORDING = RECORDINGS / "dataclaw-windows.json"
SESSION = "KETTLE_DATACLAW_SESSION"
REPOSITORY = "KETTLE_DATACLAW_REPOSITORY"


def test_a_recording_is_a_builder() -> None:
    model = open_model(f"replay:{RECORDING}")
    reply = model.query("", [Message("user", text="Build it.")])
    assert reply.calls[0].command.startswith("cat /workbench/origin.md")
    assert reply.llm_calls == 0


@pytest.mark.skipif(
    SESSION not in os.environ or REPOSITORY not in os.environ,
    reason=f"the real session and a clone of its repository: set {SESSION} and {REPOSITORY}",
)
@pytest.mark.timeout(1800)
def test_a_thinking_model_s_build_of_a_real_session_passes_its_gate_again(tmp_path: Path) -> None:
    result = build_session(
        Path(os.environ[SESSION]),
        BuildSettings(
            repo=os.environ[REPOSITORY], model=f"replay:{RECORDING}", out=tmp_path / "out"
        ),
    )
    assert result.status == "accepted", result.report


def test_a_thinking_model_s_build_of_an_item_passes_its_gate_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))
    (item,) = find(["tally-cents"])
    result = build_session(
        item.session,
        BuildSettings(
            repo=str(materialise(item.folder, tmp_path / "repository").path),
            model=f"replay:{RECORDINGS / 'tally-cents.json'}",
            out=tmp_path / "out",
            # Its submission was judged by the whole gate; the core tells whether it still builds.
            gate=GateSettings(depth="core"),
        ),
    )
    assert result.status == "accepted", result.report
    assert result.report is not None
    assert result.report.isolation == "isolated"
