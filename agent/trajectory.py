"""A build's trajectory: written as it happens, resumed after any crash.

Two files lie beside each other. The journal (`trajectory.jsonl`) is the truth: one line for each
step and each command's result, written and synced before anything else happens. `trajectory.json`
is the same as one ATIF document, replaced whole after every turn. Death at any byte leaves at most
a torn last line in the journal, which the next `Trajectory.open` cuts off.

Conversation, spending and document are all folded from the same lines, whether those were written
just now or read back, so that a resumed build cannot differ from one that was never interrupted.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import atif

import agent
from agent.budget import Spending
from agent.errors import InputError, KettleError
from agent.models.base import Call, CallResult, Message, Native, Reply, Usage, encodable
from tools import terminal

SCHEMA = "ATIF-v1.8"


class Trajectory:
    """One build's steps, on disk and as the conversation they make.

    Attributes:
        system: the system prompt; empty before `begin`.
        messages: the conversation so far; its only writers are this class's methods.
        spending: what the build has spent, earlier runs included.
        accepted: whether a submission was accepted.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        """Not for callers: use `Trajectory.open`."""
        self.system = ""
        self.messages: list[Message] = []
        self.spending = Spending()
        self.accepted = False
        self._path = path
        self._descriptor = descriptor
        self._size = 0
        self._agent: atif.Agent | None = None
        self._session: str | None = None
        self._steps: list[atif.Step] = []

    @classmethod
    def open(cls, path: Path, *, model: str) -> Trajectory:
        """Begin a trajectory, or take up the one that is there.

        Args:
            path: the ATIF document; the journal lies beside it, with the suffix `.jsonl`.
            model: name of the model that answers from now on.

        Raises:
            InputError: another build is writing it, or the journal is damaged.
            KettleError: it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        journal = path.with_suffix(".jsonl")
        descriptor = os.open(journal, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        trajectory = cls(path, descriptor)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(
                    f"Another build is writing {journal}. Wait for it, or choose another output."
                ) from error
            trajectory._read_back(journal)
            if trajectory._agent is None:
                trajectory._write({"kind": "start", **_start(model)})
        except BaseException:
            os.close(descriptor)
            raise
        return trajectory

    @property
    def resumed(self) -> bool:
        """Whether there is a conversation to go on with."""
        return bool(self.messages)

    @property
    def outstanding(self) -> tuple[Call, ...]:
        """The calls of the newest reply that have no result yet."""
        calls: tuple[Call, ...] = ()
        given: set[str] = set()
        for message in self.messages[-2:]:
            if message.role == "assistant":
                calls, given = message.calls, set()
            else:
                given |= {result.call_id for result in message.results}
        return tuple(call for call in calls if call.id not in given)

    @property
    def commands(self) -> list[str]:
        """Every command that came back, in order: run again, they rebuild the sandbox."""
        commands = []
        for step in self._steps:
            results = step.observation.results if step.observation else []
            whole = {result.source_call_id for result in results}
            commands += [
                str(call.arguments["command"])
                for call in step.tool_calls or []
                if call.tool_call_id in whole and not (call.extra or {}).get("error")
            ]
        return commands

    def begin(self, system: str, first: str) -> None:
        """Record the system prompt and the first user message."""
        # Death between the two lines leaves the first.
        if not self.system:
            self._step(source="system", message=system)
        self.say(first)

    def say(self, text: str) -> None:
        """Record a user message."""
        self._step(source="user", message=text)

    def reply(self, reply: Reply, model: str) -> None:
        """Record what the model answered, before any of its commands runs."""
        deterministic = reply.llm_calls == 0
        extra: dict[str, Any] = {"stop": reply.stop}
        if reply.recorded is not None:
            extra["recorded_usage"] = asdict(reply.recorded)
        calls = [
            atif.ToolCall(
                tool_call_id=call.id,
                function_name=terminal.NAME,
                arguments={"command": call.command},
                extra={"error": call.error} if call.error else None,
            )
            for call in reply.calls
        ]
        self._step(
            native=reply.native,
            source="agent",
            model_name=model,
            message=reply.text,
            reasoning_content=(reply.reasoning or None) if not deterministic else None,
            tool_calls=calls or None,
            metrics=None if deterministic else _metrics(reply.usage),
            llm_call_count=reply.llm_calls,
            extra=extra,
        )

    def result(self, call: Call, content: str) -> None:
        """Record what one command gave back."""
        result = atif.ObservationResult(source_call_id=call.id, content=encodable(content))
        self._write({"kind": "result", "result": result.model_dump(exclude_none=True)})

    def submission(self, report: str | None) -> None:
        """Record what became of a submission.

        Args:
            report: why it was sent back; None when it was accepted.
        """
        if report is None:
            self._step(source="system", message="Accepted.", extra={"submission": "accepted"})
        else:
            self._step(source="user", message=report, extra={"submission": "sent back"})

    def document(self) -> atif.Trajectory:
        """The whole trajectory as ATIF."""
        if self._agent is None:
            raise KettleError("The trajectory was never begun.")
        spent = self.spending
        return atif.Trajectory(
            schema_version=SCHEMA,
            session_id=self._session,
            agent=self._agent,
            steps=self._steps,
            final_metrics=atif.FinalMetrics(
                total_prompt_tokens=spent.input_tokens,
                total_completion_tokens=spent.output_tokens,
                total_cached_tokens=spent.cached_tokens,
                total_cost_usd=None if spent.unpriced else spent.dollars,
                total_steps=len(self._steps),
                extra={
                    "turns": spent.turns,
                    "submissions": spent.submissions,
                    "seconds": round(spent.seconds, 1),
                    "queries_without_price": spent.unpriced,
                    "accepted": self.accepted,
                },
            ),
        )

    def save(self) -> None:
        """Replace the ATIF document by the present state, in one step.

        Raises:
            KettleError: it cannot be written.
        """
        text = self.document().model_dump_json(exclude_none=True, indent=1)
        partial = self._path.with_suffix(".json.part")
        try:
            partial.write_text(text + "\n", encoding="utf-8")
            partial.replace(self._path)
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def close(self) -> None:
        """Save the document and let go of the journal; harmless when done twice."""
        if self._descriptor < 0:
            return
        try:
            self.save()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Trajectory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _step(self, *, native: Native | None = None, **fields: Any) -> None:
        step = atif.Step(
            step_id=len(self._steps) + 1,
            timestamp=datetime.now(UTC).isoformat(timespec="milliseconds"),
            **{**fields, "message": encodable(fields["message"])},
        )
        line: dict[str, Any] = {"kind": "step", "step": step.model_dump(exclude_none=True)}
        if native is not None:
            line["native"] = asdict(native)
        self._write(line)

    def _write(self, line: dict[str, Any]) -> None:
        line["seconds"] = round(self.spending.seconds, 3)
        data = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._descriptor, data[written:], self._size + written)
            os.fsync(self._descriptor)
        except OSError as error:
            # A torn line must stay the last one: the next line would be glued to it.
            os.ftruncate(self._descriptor, self._size)
            raise _unwritable(self._path.with_suffix(".jsonl"), error) from error
        self._size += len(data)
        self._fold(line)

    def _read_back(self, journal: Path) -> None:
        data = journal.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        seconds = 0.0
        for number, raw in enumerate(whole.splitlines(), start=1):
            try:
                line = json.loads(raw)
                self._fold(line)
                seconds = float(line["seconds"])
            except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
                raise InputError(
                    f"Line {number} of {journal} is damaged ({type(error).__name__}). Move the "
                    "file away to build anew."
                ) from error
        self.spending = replace(self.spending, seconds_before=seconds)
        if len(whole) < len(data):
            os.ftruncate(self._descriptor, len(whole))
        self._size = len(whole)

    def _fold(self, line: dict[str, Any]) -> None:
        """Take one line into the steps, the conversation and the spending."""
        if line["kind"] == "start":
            self._agent = atif.Agent.model_validate(line["agent"])
            self._session = str(line["session_id"])
        elif line["kind"] == "result":
            self._fold_result(atif.ObservationResult.model_validate(line["result"]))
        else:
            step = atif.Step.model_validate(line["step"])
            given = line.get("native")
            native = Native(str(given["model"]), given["content"]) if given else None
            self._steps.append(step)
            self._fold_step(step, native)

    def _fold_result(self, result: atif.ObservationResult) -> None:
        step = next(step for step in reversed(self._steps) if step.source == "agent")
        results = [*(step.observation.results if step.observation else []), result]
        step.observation = atif.Observation(results=results)
        told = CallResult(result.source_call_id or "", str(result.content or ""))
        if self.messages[-1].role == "assistant":
            self.messages.append(Message(role="user", results=(told,)))
        else:
            last = self.messages[-1]
            self.messages[-1] = replace(last, results=(*last.results, told))

    def _fold_step(self, step: atif.Step, native: Native | None) -> None:
        extra, text = step.extra or {}, str(step.message)
        if "submission" in extra:
            self.spending.submissions += 1
            self.accepted = extra["submission"] == "accepted"
        if step.source == "user":
            self.messages.append(Message(role="user", text=text))
        elif step.source == "agent":
            self.spending.add(_usage(step.metrics))
            # A refused turn is no part of the conversation: asked again, the model may answer.
            if extra.get("stop") != "refusal":
                self.messages.append(
                    Message(
                        role="assistant",
                        text=text,
                        calls=_calls(step.tool_calls or ()),
                        reasoning=step.reasoning_content or "",
                        native=native,
                    )
                )
        elif not self.system:
            self.system = text


def _start(model: str) -> dict[str, Any]:
    described = atif.Agent(
        name="kettle",
        version=agent.__version__,
        model_name=model,
        tool_definitions=[{"type": "function", "function": dict(terminal.DEFINITION)}],
    )
    return {"session_id": str(uuid.uuid4()), "agent": described.model_dump(exclude_none=True)}


def _calls(given: Sequence[atif.ToolCall]) -> tuple[Call, ...]:
    return tuple(
        Call(
            call.tool_call_id,
            str(call.arguments["command"]),
            error=str((call.extra or {}).get("error", "")),
        )
        for call in given
    )


def _metrics(usage: Usage) -> atif.Metrics:
    extra = {"cache_write_tokens": usage.cache_write_tokens} if usage.cache_write_tokens else None
    return atif.Metrics(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        cost_usd=usage.dollars,
        extra=extra,
    )


def _usage(metrics: atif.Metrics | None) -> Usage:
    if metrics is None:
        return Usage()
    return Usage(
        input_tokens=metrics.prompt_tokens or 0,
        output_tokens=metrics.completion_tokens or 0,
        cached_tokens=metrics.cached_tokens or 0,
        cache_write_tokens=(metrics.extra or {}).get("cache_write_tokens", 0),
        dollars=metrics.cost_usd,
    )


def _unwritable(path: Path, error: OSError) -> KettleError:
    return KettleError(
        f"{path} cannot be written: {error.strerror}. Make room and start again: the build resumes."
    )
