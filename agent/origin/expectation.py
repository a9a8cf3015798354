"""What became of a session's own attempts: which states it passed through, and which of them hold.

An attempt is the work tree as the session's edits left it at some point, replayed on the start
state. Evidence says what to expect of it: where the user then said that it does not work and the
agent went on editing, it was wrong; where the landed outcome is exactly what the session left, or
the user was content and the tests passed, it was right; where nothing tells, nothing is expected.
Only what is plain is used, because the gate holds verifiers to it.

The attempts travel with the environment as patches on the start state, without secrets and personal
data, so that they can be graded without the session.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.origin.attempt import Attempt, replay
from agent.origin.evidence import collect, is_aside, may_write, task_end
from agent.origin.patch import scratch
from agent.origin.start import StartState, known_paths
from agent.origin.times import began, zone_shift
from agent.project import is_test_path
from agent.repo import Repository
from agent.scrub import Scrubber
from agent.session.model import Session, Turn

MAX_ATTEMPTS = 3
"""Of one session: the last state, and the states at the last complaints."""
MAX_PATCH_BYTES = 1 << 20
"""A larger attempt holds generated files, and no reader could judge it."""
QUOTED_CHARS = 160
RECORD = "attempts.json"
FOLDER = "attempts"

_COMPLAINS = re.compile(
    r"^\W*(?:no\b|nope|not (?:that|what|quite|yet)|wrong|still\b|almost|nearly|hmm|that'?s not|"
    r"you (?:forgot|missed|broke)|it (?:still|does not|doesn'?t)|"
    r"there'?s (?:still )?a (?:bug|problem))|"
    r"\b(?:still (?:fails?|not|broken|wrong|doesn'?t|get)|doesn'?t work|does not work|"
    r"not working|same error|blows up|crashes|you broke|now (?:fails|breaks)|"
    r"(?:but|and) (?:now )?(?:it|this|that) (?:fails|breaks|crashes))\b|"
    r"^\s*(?:\w+\.)*[A-Z]\w*(?:Error|Exception): |^Traceback \(most recent call last\)",
    re.IGNORECASE | re.MULTILINE,
)
_CONTENT = re.compile(
    r"\b(?:works(?: now| great| fine| well)?|perfect|great|awesome|excellent|lgtm|looks good|"
    r"thank(?:s| you)|well done|nice(?: work)?|that'?s it|exactly)\b",
    re.IGNORECASE,
)
_RESERVED = re.compile(
    r"\b(?:can'?t|cannot|(?:could|have|has|did) ?n[o']t|not yet|the rest|the others?|"
    r"later|tomorrow|partly|so far|except|apart from|though)\b",
    re.IGNORECASE,
)
"""Content with a part of the work says nothing of the whole."""
_TESTS_RUN = re.compile(
    r"\b(?:pytest|unittest|tox|nox|(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?test\S*|jest|vitest|mocha|"
    r"node\s+--test|make\s+(?:test|check))\b"
)
_FORMATS = re.compile(
    r"\b(?:ruff\s+format|black|isort|prettier|eslint\s+--fix|biome|npm\s+(?:run\s+)?(?:format|lint))"
)

Verdict = Literal["pass", "fail", "unknown"]
"""`unknown` where the evidence does not tell."""


class Expected(BaseModel):
    """An attempt, and what the session makes of it."""

    model_config = ConfigDict(extra="forbid")

    name: str
    """`last`, or `before turn N` for the state at a complaint."""
    patch: str = ""
    """File below `attempts/` with its patch on the start state; "" when there is none."""
    expected: Verdict = "unknown"
    reasons: list[str] = Field(default_factory=list)
    """Why, one sentence each, with the turn where one shows it."""
    doubts: list[str] = Field(default_factory=list)
    """What the replay may have missed."""


class Attempts(BaseModel):
    """The record of all attempts; stands in `provenance/attempts.json`."""

    model_config = ConfigDict(extra="forbid")

    attempts: list[Expected] = Field(default_factory=list)
    note: str = ""
    """Why there are none; "" when there are some."""


def find_attempts(
    session: Session,
    repository: Repository,
    start: StartState,
    after_tree: str | None,
) -> tuple[Attempts, dict[str, bytes]]:
    """The attempts of a session's first task, with their patches by file name.

    Args:
        session: the session as recorded, before it is scrubbed.
        repository: its repository.
        start: its start state.
        after_tree: commit or tree with the outcome applied to the start state; None without one.
    """
    when = began(session, zone_shift(session, repository.all_commits()))
    _, paths = collect(session, known_paths(repository, repository.all_commits(), when))
    until = task_end(session)
    scrubber = Scrubber(session)
    record = Attempts()
    patches: dict[str, bytes] = {}
    last = replay(session, repository, start, paths, until_turn=until)
    if not last.files:
        record.note = "no edit of the session could be replayed"
        return record, patches
    states: list[tuple[Expected, Attempt]] = []
    for turn, quote in _complaints(session, until, scrubber):
        state = replay(session, repository, start, paths, until_turn=turn)
        if state.files and state.files != last.files:
            why = f"turn {turn}: the user says of it: {quote}"
            known = Expected(name=f"before turn {turn}", expected="fail", reasons=[why])
            states.append((known, state))
    states = states[-(MAX_ATTEMPTS - 1) :]
    states.append((_last(session, repository, after_tree, last, until, scrubber), last))
    for known, state in states:
        _doubt(known, state, session, until)
        patch = _patch(repository, start, state, scrubber)
        if not patch or len(patch) > MAX_PATCH_BYTES:
            known.expected = "unknown"
            known.doubts.append("its patch is empty or too large")
        else:
            known.patch = re.sub(r"\W+", "-", known.name) + ".patch"
            patches[known.patch] = patch
        record.attempts.append(known)
    return record, patches


def as_files(record: Attempts, patches: Mapping[str, bytes]) -> dict[str, bytes]:
    """The record and the patches, by path below a folder such as `provenance/`."""
    text = json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False)
    return {
        RECORD: text.encode("utf-8", "replace"),
        **{f"{FOLDER}/{name}": patch for name, patch in patches.items()},
    }


def _complaints(session: Session, until: int | None, scrubber: Scrubber) -> list[tuple[int, str]]:
    """Turns in which the user says that what was done does not work, with the user's words.

    Only those that the agent answered with edits: a complaint that nothing came of may be mistaken.
    """
    found = []
    asked = False
    for number, turn in enumerate(session.turns[:until]):
        if not speaks(turn):
            continue
        if asked and edits_after(session, number, until):
            match = _COMPLAINS.search(turn.text[:2000])
            if match:
                found.append((number, _quote(turn.text, scrubber, match.start())))
        asked = True
    return found


def edits_after(session: Session, number: int, until: int | None) -> bool:
    """Whether the agent edits the project between a prompt and the next one."""
    for turn in session.turns[number + 1 : until]:
        if speaks(turn):
            return False
        edits = [edit for c in turn.calls if c.failed is not True for edit in c.edits]
        if any(not is_aside(edit.path, session.cwd) for edit in edits):
            return True
    return False


def _last(
    session: Session,
    repository: Repository,
    after_tree: str | None,
    attempt: Attempt,
    until: int | None,
    scrubber: Scrubber,
) -> Expected:
    """What to expect of the state in which the session ended."""
    known = Expected(name="last")
    same = _same_as_outcome(repository, after_tree, attempt)
    if same:
        known.expected = "pass"
        known.reasons.append(same)
        return known
    last_edit = max(
        (n for n, t in enumerate(session.turns[:until]) for c in t.calls if c.edits), default=0
    )
    tested = _last_test_run(session, last_edit, until)
    verdicts = [(n, t.text) for n, t in enumerate(session.turns) if n > last_edit and speaks(t)]
    if verdicts:
        number, text = verdicts[0]
        complains, content = _COMPLAINS.search(text[:2000]), _CONTENT.search(text[:2000])
        reserved = _RESERVED.search(text[:2000])
        if complains and not content:
            known.expected = "fail"
            quote = _quote(text, scrubber, complains.start())
            known.reasons.append(f"turn {number}: after the last edit the user says: {quote}")
        elif content and not complains and not reserved and tested is not None and tested[1] == 0:
            known.expected = "pass"
            known.reasons.append(f"turn {tested[0]}: the tests pass after the last edit")
            quote = _quote(text, scrubber)
            known.reasons.append(f"turn {number}: then the user says: {quote}")
    if known.expected == "unknown":
        known.reasons.append(
            "the outcome differs from what the session left, and nobody says of that whether it "
            "works"
        )
        if tested is not None and tested[1]:
            known.reasons.append(
                f"turn {tested[0]}: the last test run ends with exit code {tested[1]}, perhaps for "
                "reasons older than the session: look whether it is wrong"
            )
    return known


def _same_as_outcome(repository: Repository, after_tree: str | None, attempt: Attempt) -> str:
    """Why the attempt is the outcome itself; "" when it is not."""
    if after_tree is None:
        return ""
    tree = repository.tree(after_tree)
    code = {p: data for p, data in attempt.files.items() if not is_test_path(p)}
    if not code:
        return ""
    for path, data in code.items():
        entry = tree.get(path)
        if (entry is None) != (data is None):
            return ""
        if entry is not None and repository.blob(entry.sha) != data:
            return ""
    return f"the outcome has exactly what the session left in {', '.join(sorted(code)[:5])}"


def _last_test_run(
    session: Session, since: int, until: int | None
) -> tuple[int, int | None] | None:
    """The turn and the exit code of the last test run after the last edit."""
    found = None
    for number, turn in enumerate(session.turns[:until]):
        for call in turn.calls if number >= since else ():
            command = call.command
            if command is not None and _TESTS_RUN.search(command.command):
                found = (number, command.exit_code)
    return found


def _doubt(known: Expected, attempt: Attempt, session: Session, until: int | None) -> None:
    """Note what the replay may have missed; an attempt that is not whole proves nothing."""
    if attempt.unapplied:
        paths = sorted({one.path for one in attempt.unapplied})
        known.doubts.append(
            f"{len(attempt.unapplied)} edits could not be replayed, in {', '.join(paths[:5])}"
        )
        known.expected = "unknown"
    writing = [
        call.command.command
        for turn in session.turns[:until]
        for call in turn.calls
        if call.command is not None
        and may_write(call.command.command)
        and not _TESTS_RUN.search(call.command.command)
        and not _FORMATS.search(call.command.command)
    ]
    if writing:
        known.doubts.append(
            f"{len(writing)} commands may have changed files in ways that are not replayed"
        )


def _patch(
    repository: Repository, start: StartState, attempt: Attempt, scrubber: Scrubber
) -> bytes:
    """The attempt as a patch on the start state; what it adds is scrubbed."""
    with scratch(repository, start.tree) as work:
        work.put(start.overlay)
        before = work.tree()
        files: dict[str, bytes | None] = {}
        for path, data in attempt.files.items():
            if data is None or b"\0" in data:
                files[path] = data
                continue
            entry = repository.entry(start.tree, path)
            old = start.overlay.get(path)
            if old is None and path not in start.overlay and entry is not None:
                old = repository.blob(entry.sha)
            files[path] = _scrubbed(old or b"", data, scrubber)
        work.put(files)
        return work.diff(before, work.tree())


def _scrubbed(old: bytes, new: bytes, scrubber: Scrubber) -> bytes:
    """New content with what is new in it scrubbed: the rest is public already."""
    before = old.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    after = new.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    parts = []
    for tag, _, _, j1, j2 in difflib.SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        text = "".join(after[j1:j2])
        parts.append(text if tag == "equal" else scrubber.text(text))
    return "".join(parts).encode("utf-8", "surrogateescape")


def _quote(text: str, scrubber: Scrubber, at: int = 0) -> str:
    """The text's beginning, or what stands around a place in it."""
    # Scrubbed before it is cut: half of a token does not look like one.
    scrubbed = scrubber.text(text)
    # Scrubbing moves the place a little; what stands before it is as telling.
    begin = max(0, at - QUOTED_CHARS // 4) if at > QUOTED_CHARS else 0
    return ("… " if begin else "") + " ".join(scrubbed[begin:].split())[:QUOTED_CHARS]


def speaks(turn: Turn) -> bool:
    """Whether a turn holds words of the user."""
    return turn.role == "user" and bool(turn.text.strip()) and not turn.sidechain
