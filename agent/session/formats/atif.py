"""ATIF, Harbor's Agent Trajectory Interchange Format, versions 1.0 to 1.8.

Steps of `source` system, user and agent, with tool calls and their observations. Read leniently:
unknown keys are no reason to refuse. Converters keep the original tool's facts under `extra`, and
those of Claude Code's results are used.
"""

from __future__ import annotations

from typing import Any

from agent.session.chat import plain
from agent.session.clock import when
from agent.session.formats import claude_code
from agent.session.gitfacts import clean_remote
from agent.session.model import GitFacts, Session, Source
from agent.session.raw import Raw, items, record, text
from agent.session.transcript import Transcript

NAME = "atif"


def matches(raw: Raw) -> bool:
    """True for a document whose `schema_version` is ATIF's."""
    file = raw.file
    if file is None or ('"schema_version"' not in file.head and '"steps"' not in file.head):
        return False
    document = record(file.document)
    return text(document.get("schema_version")).startswith("ATIF-") and isinstance(
        document.get("steps"), list
    )


def load(raw: Raw) -> Session:
    """Read one trajectory."""
    file = raw.file
    assert file is not None  # noqa: S101 (`matches` looked)
    out = Transcript(NAME, raw)
    document = record(out.reads(file).document)
    session = out.session
    session.id = text(document.get("session_id"))
    agent = record(document.get("agent"))
    session.tool_version = text(agent.get("version")) or None
    extra = {**record(agent.get("extra")), **record(document.get("extra"))}
    folders = [text(c) for c in [extra.get("cwd"), *items(extra.get("cwds"))]]
    session.cwd = next((c for c in folders if c), None)
    branches = [text(b) for b in [extra.get("git_branch"), *items(extra.get("git_branches"))]]
    git = GitFacts(
        repository=clean_remote(text(extra.get("repository"))),
        commit=text(extra.get("commit")) or None,
        branch=next((b for b in branches if b), None),
    )
    model = text(agent.get("model_name")) or None
    if agent.get("name"):
        out.note(f"a trajectory of {text(agent.get('name'))}")
    for index, raw_step in enumerate(items(document.get("steps"))):
        _step(record(raw_step), out, file.source(index=index), model)
    for raw_subagent in items(document.get("subagent_trajectories")):
        for raw_step in items(record(raw_subagent).get("steps")):
            _step(record(raw_step), out, file.source(), model, sidechain=True)
    return out.finish(git)


def _step(
    step: dict[str, Any],
    out: Transcript,
    source: Source,
    model: str | None,
    *,
    sidechain: bool = False,
) -> None:
    at = when(step.get("timestamp"))
    said = plain(step.get("message"))
    extra = record(step.get("extra"))
    sidechain = sidechain or extra.get("is_sidechain") is True
    who = step.get("source")
    if step.get("is_copied_context") is True:
        out.note("steps copied from an earlier trajectory were left out")
    elif who == "user":
        out.user(said, source, at, sidechain=sidechain)
    elif who == "system":
        out.system(said, source, at)
    elif who == "agent":
        turn = out.agent(
            source,
            at,
            text=said,
            thinking=text(step.get("reasoning_content")),
            model=text(step.get("model_name")) or model,
            sidechain=sidechain,
        )
        made = []
        for raw_call in items(step.get("tool_calls")):
            given = record(raw_call)
            made.append(
                out.call(
                    turn,
                    text(given.get("function_name")),
                    given.get("arguments"),
                    source,
                    call_id=text(given.get("tool_call_id")),
                    at=at,
                )
            )
        for position, raw_result in enumerate(
            items(record(step.get("observation")).get("results"))
        ):
            _result(record(raw_result), position, made, out, text(extra.get("cwd")) or None)
    else:
        out.unknown(f"step of source {who}")


def _result(
    result: dict[str, Any], position: int, made: list[Any], out: Transcript, cwd: str | None
) -> None:
    call = out.find(text(result.get("source_call_id")))
    if call is None:
        if position >= len(made):
            if made or result.get("content") is not None:
                out.unknown("result without its call")
            return
        call = made[position]
    told = record(result.get("extra"))
    metadata = record(told.get("tool_result_metadata"))
    original = record(metadata.get("raw_tool_result"))
    failed = told.get("tool_result_is_error", metadata.get("is_error"))
    printed = plain(original.get("content")) if original else plain(result.get("content"))
    out.result(call, printed, failed=failed if isinstance(failed, bool) else None)
    if original:
        claude_code.enrich(call, metadata.get("tool_use_result"), cwd)
