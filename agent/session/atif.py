"""A session as an ATIF trajectory, for every tool that reads Harbor's format.

Each turn becomes a step. What ATIF has no field for stands under `extra`: text that a tool put into
a prompt, places in the raw file, edits, exit codes.
"""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import Any

import atif
from pydantic_core import to_jsonable_python

from agent.session.model import Session, ToolCall, Turn

SCHEMA_VERSION = "ATIF-v1.7"
"""The version written: the newest that Harbor's own agents write, with nothing needed from 1.8."""


def to_atif(session: Session) -> atif.Trajectory:
    """Convert a session.

    Args:
        session: any session; one without turns becomes a single system step that says so.

    Returns:
        A trajectory that ATIF's own validator has accepted.
    """
    steps = [_step(number, turn) for number, turn in enumerate(session.turns, 1)]
    if not steps:
        steps = [atif.Step(step_id=1, source="system", message="The session holds no turns.")]
    return atif.Trajectory(
        schema_version=SCHEMA_VERSION,
        session_id=session.id or session.digest[:32],
        agent=atif.Agent(
            name=session.format,
            version=session.tool_version or "unknown",
            model_name=session.model,
        ),
        steps=steps,
        notes="; ".join(session.notes) or None,
        final_metrics=atif.FinalMetrics(total_steps=len(steps)),
        extra=_extra(session),
    )


def _extra(session: Session) -> dict[str, Any]:
    given: dict[str, Any] = {
        "converter": f"kettle {version('kettle')}" if _installed() else "kettle",
        "raw_sha256": session.digest,
        "cwd": session.cwd,
        "git": session.git.model_dump(exclude_none=True) or None,
        "unknown_records": session.unknown or None,
        "damaged": [place.as_dict() for place in session.damaged] or None,
    }
    return {key: value for key, value in given.items() if value is not None}


def _installed() -> bool:
    try:
        version("kettle")
    except ModuleNotFoundError:
        return False
    return True


def _step(number: int, turn: Turn) -> atif.Step:
    extra: dict[str, Any] = {"raw": turn.source.as_dict()}
    if turn.injected:
        extra["injected"] = turn.injected
    if turn.sidechain:
        extra["is_sidechain"] = True
    agent = turn.role == "agent"
    calls = [_call(number, place, call) for place, call in enumerate(turn.calls, 1)]
    if calls and not agent:
        # ATIF allows calls to the agent alone; a person's attachments stay readable as extra.
        extra["attachments"] = to_jsonable_python([call for call, _ in calls], exclude_none=True)
    results = [result for _, result in calls if result is not None]
    return atif.Step(
        step_id=number,
        timestamp=turn.timestamp.isoformat() if turn.timestamp else None,
        source=turn.role,
        message=turn.text,
        model_name=turn.model if agent else None,
        reasoning_content=(turn.thinking or None) if agent else None,
        tool_calls=[call for call, _ in calls] if agent and calls else None,
        observation=atif.Observation(results=results) if agent and results else None,
        extra=extra,
    )


def _call(
    step: int, place: int, call: ToolCall
) -> tuple[atif.ToolCall, atif.ObservationResult | None]:
    # Ids are only unique within a session's own tool, so the step tells twins apart.
    name = f"{step}.{place}" + (f":{call.id}" if call.id else "")
    did: dict[str, Any] = {}
    if call.edits:
        did["edits"] = to_jsonable_python(call.edits, exclude_none=True)
    if call.command is not None:
        did["exit_code"] = call.command.exit_code
    if call.failed is not None:
        did["failed"] = call.failed
    made = atif.ToolCall(
        tool_call_id=name,
        function_name=call.tool or "unknown",
        arguments=_finite(call.arguments),
        extra=_finite(did) or None,
    )
    if call.result is None:
        return made, None
    return made, atif.ObservationResult(source_call_id=name, content=call.result)


def _finite(value: Any) -> Any:
    """The value with numbers that JSON does not know written as text."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
