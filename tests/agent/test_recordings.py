"""Recorded builders: their commands still run, and what they built still passes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.build import BuildSettings, build_session
from agent.models import open_model
from agent.models.base import Message

RECORDING = Path(__file__).parent / "recordings" / "dataclaw-windows.json"
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
