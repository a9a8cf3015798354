"""Why a session is not accepted: a closed list, and what a reason points at.

Every reason cites turns, files or commits, so that a person can look. Reasons that rest on facts
which Kettle verified itself are `fixed`: no model may lift them, whatever it says.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from agent.session.model import Session, Source

Code = Literal[
    "repository gone",
    "start state unrecoverable",
    "not open source",
    "no outcome",
    "trivial",
    "from scratch",
    "unclear intent",
    "not a code task",
    "cannot be built or tested",
    "needs secrets or live services",
    "secrets that cannot be scrubbed",
    "no opt-in",
]
"""The closed list."""

By = Literal["evidence", "origins", "journey", "outcome"]
"""Who found a reason: the evidence itself, or a sub-agent with a model."""

MAX_QUOTE_CHARS = 160
"""Of a prompt or a path, as a report shows it."""


class Meaning(NamedTuple):
    """What a reason says, and who may lift it."""

    text: str
    fixed: bool = False


MEANINGS: dict[Code, Meaning] = {
    "repository gone": Meaning(
        "The session names no repository, or the one that it names cannot be cloned.", fixed=True
    ),
    "start state unrecoverable": Meaning(
        "No commit, with the uncommitted work that the session shows laid over it, holds what the "
        "session saw before it changed anything."
    ),
    "not open source": Meaning(
        "No licence is stated, at the start commit or later, or the stated one is not open source.",
        fixed=True,
    ),
    "no outcome": Meaning(
        "No later commit is like what the session did, or none can be told from other work in it."
    ),
    "trivial": Meaning(
        "A line or two, a comment, a name: nothing tells a good solution from none."
    ),
    "from scratch": Meaning(
        "The start state holds no project yet, or the session only scaffolds a new one.", fixed=True
    ),
    "unclear intent": Meaning(
        "What the user wants cannot be told from the prompts: an open question, shell commands, a "
        "message meant for another conversation, a text behind a link or in a picture."
    ),
    "not a code task": Meaning(
        "A greeting, a question, a review, documents, configuration, or work that git or another "
        "service does; nothing that the project's code would show."
    ),
    "cannot be built or tested": Meaning(
        "The project needs another platform, is of no kind that can be built, or only its looks "
        "change and no test covers them."
    ),
    "needs secrets or live services": Meaning(
        "The work depends on a login, a key, a deployment or a service that is on line."
    ),
    "secrets that cannot be scrubbed": Meaning(
        "A secret of the session is part of the task, so that a placeholder would change it.",
        fixed=True,
    ),
    "no opt-in": Meaning("The person whose session it is has not agreed to its use.", fixed=True),
}
"""The closed list with its meanings; `docs/verdicts.md` is made of it."""


class Citation(BaseModel):
    """A place that a person can look at: a turn, a commit, or a file."""

    model_config = ConfigDict(extra="forbid")

    turn: int | None = None
    """Index of the turn in the session, from 0."""
    raw: str = ""
    """The turn's place in the raw file, such as `rollout.jsonl:12`."""
    commit: str = ""
    """Full name of the commit."""
    path: str = ""
    """A file, in the commit where one is named."""
    quote: str = ""
    """What stands there, in short."""

    def __str__(self) -> str:
        if self.turn is not None:
            where = f"turn {self.turn}" + (f" ({self.raw})" if self.raw else "")
        elif self.commit:
            where = f"commit {self.commit[:12]}" + (f", {self.path}" if self.path else "")
        else:
            where = self.path
        return f"{where}: {self.quote!r}" if self.quote else where


class Reason(BaseModel):
    """Something that speaks against a session."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    grave: bool
    """True rejects; False asks for a person."""
    text: str
    evidence: list[Citation] = Field(default_factory=list)
    """Turns, files and commits that show it."""
    by: By = "evidence"


def turn_cited(session: Session, turn: int, quote: str = "") -> Citation:
    """A turn with its place in the raw file.

    Args:
        session: the session.
        turn: index of the turn, from 0.
        quote: the words that matter; the turn's first ones when empty.
    """
    at = session.turns[turn]
    words = quote or " ".join(at.text.split())
    return Citation(
        turn=turn, raw=_place(at.source, session.path.name), quote=words[:MAX_QUOTE_CHARS]
    )


def commit_cited(commit: str, path: str = "") -> Citation:
    """A commit, and a file in it.

    Args:
        commit: full name of the commit.
        path: the file; none when empty.
    """
    return Citation(commit=commit, path=path)


def _place(source: Source, name: str) -> str:
    file = source.file or name
    if source.line is not None:
        return f"{file}:{source.line}"
    return f"{file}[{source.index}]" if source.index is not None else file
