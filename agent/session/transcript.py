"""Puts a session together while a format reads its records.

A format says what it meets, in the order of the file: a person's message, an agent's message, a
call, a result, a record it does not know. `Transcript` keeps the order, joins results to calls,
leaves out what stands there twice, and fills in what follows from the turns themselves (times,
the model that did most of the work, git facts revealed by commands).
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from agent.session import calls, gitfacts
from agent.session.injected import split, without_binaries
from agent.session.model import GitFacts, Session, Source, ToolCall, Turn
from agent.session.raw import Raw, RawFile

MAX_DAMAGED = 1000
"""Damaged places that are listed one by one; more are only counted in a note."""


class Transcript:
    """The session so far."""

    def __init__(self, form: str, raw: Raw) -> None:
        """Start an empty session.

        Args:
            form: name of the format.
            raw: what the user named.
        """
        self.session = Session(format=form, path=raw.path, digest="")
        self.cwd: str | None = None
        """The working directory that commands run in unless they say otherwise."""
        self.prompted = False
        """True once a person has said something."""
        self._raw = raw
        self._used: list[RawFile] = []
        self._pending: dict[str, ToolCall] = {}
        self._damaged = 0
        self._notes: set[str] = set()

    def reads(self, file: RawFile) -> RawFile:
        """Say that a file belongs to the session; its bytes become part of the digest."""
        if file not in self._used:
            self._used.append(file)
        return file

    def user(
        self, said: str, source: Source, at: datetime | None = None, *, sidechain: bool = False
    ) -> Turn | None:
        """A message of the user; what tools put into it is parted from the person's words."""
        text, injected = split(without_binaries(said))
        if not text and not injected:
            return None
        return self.add(
            Turn(
                role="user",
                text=text,
                injected=injected,
                timestamp=at,
                sidechain=sidechain,
                source=source,
            )
        )

    def agent(
        self,
        source: Source,
        at: datetime | None = None,
        *,
        text: str = "",
        thinking: str = "",
        model: str | None = None,
        sidechain: bool = False,
    ) -> Turn:
        """A message of the agent; calls are added with `call`."""
        return self.add(
            Turn(
                role="agent",
                text=without_binaries(text),
                thinking=thinking,
                model=model or None,
                timestamp=at,
                sidechain=sidechain,
                source=source,
            )
        )

    def system(self, text: str, source: Source, at: datetime | None = None) -> Turn:
        """A note that the tool itself wrote."""
        return self.add(Turn(role="system", text=text, timestamp=at, source=source))

    def add(self, turn: Turn) -> Turn:
        """Append a turn."""
        self.session.turns.append(turn)
        if turn.role == "user" and not turn.sidechain and turn.text.strip():
            self.prompted = True
        return turn

    def last_agent(self, source: Source, at: datetime | None = None) -> Turn:
        """The agent's turn that is under way, or a new one."""
        turns = self.session.turns
        if turns and turns[-1].role == "agent" and not turns[-1].sidechain:
            return turns[-1]
        return self.agent(source, at)

    def call(
        self,
        turn: Turn,
        tool: str,
        arguments: Any,
        source: Source,
        *,
        call_id: str = "",
        at: datetime | None = None,
    ) -> ToolCall:
        """A tool call of a turn.

        Args:
            turn: the agent's turn.
            tool: the tool's name as recorded.
            arguments: an object; JSON text of one; or a plain text, kept under "input".
            source: where it stands.
            call_id: what its result will refer to.
            at: when it was made.
        """
        call = ToolCall(
            id=call_id,
            tool=tool,
            arguments=calls.arguments(arguments),
            timestamp=at,
            source=source,
        )
        turn.calls.append(call)
        if call_id:
            self._pending[call_id] = call
        return call

    def drop(self, call: ToolCall) -> None:
        """Take a call back that others tell better."""
        for turn in reversed(self.session.turns):
            kept = [made for made in turn.calls if made is not call]
            if len(kept) < len(turn.calls):
                turn.calls = kept
                return

    def find(self, call_id: str) -> ToolCall | None:
        """The call with an id, if there is one."""
        return self._pending.get(call_id) if call_id else None

    def result(self, call: ToolCall, output: str | None, *, failed: bool | None = None) -> None:
        """The result of a call; a second one for the same call is appended."""
        if output is not None:
            output = without_binaries(output)
            call.result = output if call.result is None else f"{call.result}\n{output}"
        if failed is not None:
            call.failed = failed

    def unknown(self, kind: object) -> None:
        """Count a record of a type that the format does not know."""
        name = str(kind)[:100]
        self.session.unknown[name] = self.session.unknown.get(name, 0) + 1

    def damaged(self, source: Source) -> None:
        """Report a place that could not be read."""
        self._damaged += 1
        if self._damaged <= MAX_DAMAGED:
            self.session.damaged.append(source)

    def note(self, text: str) -> None:
        """Something that a reader should know; the same note is kept once."""
        if text not in self._notes:
            self._notes.add(text)
            self.session.notes.append(text)

    def finish(self, git: GitFacts | None = None) -> Session:
        """The session, with everything that follows from its turns filled in."""
        session = self.session
        if git is not None:
            session.git = git
        session.cwd = session.cwd or self.cwd
        models: Counter[str] = Counter()
        for turn in session.turns:
            if turn.role == "agent" and turn.model and not turn.sidechain:
                models[turn.model] += 1 + len(turn.calls)
            for call in turn.calls:
                calls.interpret(call, self.cwd or session.cwd)
        if models:
            session.model = models.most_common(1)[0][0]
        self._times()
        if self._damaged > MAX_DAMAGED:
            self.note(
                f"{self._damaged} places could not be read; the first {MAX_DAMAGED} are listed"
            )
        gitfacts.complete(session)
        session.digest = self._raw.digest(self._used)
        for file in self._used:
            file.forget()
        return session

    def _times(self) -> None:
        moments = [t.timestamp for t in self.session.turns if t.timestamp]
        if moments:
            session = self.session
            session.started = min([*moments, *([session.started] if session.started else [])])
            session.ended = max([*moments, *([session.ended] if session.ended else [])])
