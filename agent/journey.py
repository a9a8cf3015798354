"""How a session went: what was asked, where the agent got stuck, who set it right.

Only what the session plainly shows is counted: failing commands, edits made over and over, changes
taken back, prompts that correct. The numbers become an estimate of what a task is worth, since a
task that a strong model stumbled over teaches more than one that it did at once.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.origin.evidence import task_end
from agent.session.model import Session, Turn

Kind = Literal["task", "question", "greeting", "probe", "shell", "vague"]

MAX_PROMPT_CHARS = 100_000
"""How much of a prompt is looked at."""
VAGUE_WORDS = 6
"""A prompt of fewer words that names nothing in the code leaves open what is wanted."""
STUCK_RUN = 3
"""Failing commands in a row from which an agent counts as stuck."""
MANY_EDITS = 4
"""Edits of one file from which it counts as worked over."""

_PROBE = re.compile(
    r"\b(?:reply|respond|answer)\s+(?:with|only|exactly)\b.{0,60}\b(?:exactly|only|marker|just|ok|"
    r"pass|token)\b|^\W*(?:what is )?\d+\s*[+*x-]\s*\d+\W*$|\breturn the required token\b",
    re.IGNORECASE | re.DOTALL,
)
_GREETING = re.compile(
    r"^\W*(?:hi|hello|hey|hallo|yo|test|testing|ping|thanks?|thank you|ok|okay|good morning)"
    r"(?:\s+\w+){0,2}\W*$",
    re.IGNORECASE,
)
_SHELL = re.compile(
    r"^\s*(?:\$\s|sudo |cd |ls\b|chmod |git (?:add|commit|push|pull|status|checkout|stash|log)\b|"
    r"for \w+ in |npm (?:i|install|run|start)\b|pip3? install|source |export \w+=|cat |rm -|mkdir |"
    r"[\w-]+\n[\w-]+\s*$)"
)
_ASKS = re.compile(
    r"^\W*(?:what|why|how|where|when|which|who|is|are|does|do|can you (?:explain|tell|show)|"
    r"explain|tell me|show me|should (?:i|we))\b|[?？]\s*$",
    re.IGNORECASE,
)
_WANTS = re.compile(
    r"\b(?:add|fix|implement|create|make|change|update|remove|delete|refactor|rename|replace|write|"
    r"support|build|convert|move|extract|improve|migrate|allow|enable|prevent|handle|rewrite|"
    r"correct|should|must|need(?:s)? to|doesn'?t|does not|broken|bug|error|fails?|crash)",
    re.IGNORECASE,
)
_NAMES = re.compile(r"`[^`]+`|[\w-]+\.\w{1,5}\b|\b\w+_\w+\b|\b[a-z]+[A-Z]\w+|--\w+|/\w+|\w+\(\)")
_CORRECTS = re.compile(
    r"^\W*(?:no\b|nope|not (?:that|what|like)|wrong|still\b|that'?s not|"
    r"you (?:forgot|missed|broke)|revert|undo|again|it (?:does not|doesn'?t|still))|"
    r"\b(?:still (?:fail|not|broken|doesn)|"
    r"doesn'?t work|not working|same error|wrong chat|you broke|put (?:it|that) back|i said)\b",
    re.IGNORECASE,
)
_COMMITS = re.compile(
    r"\b(?:group|split|organi[sz]e)\b.{0,60}\bcommits?\b|"
    r"^\W*(?:please\s+)?(?:commit|push|merge|rebase)\b|"
    r"^\W*(?:please\s+)?create (?:a |the )?(?:pr|pull request|release|branch|tag)\b",
    re.IGNORECASE | re.DOTALL,
)
_SMALL = re.compile(
    r"^\W*(?:please\s+)?(?:add|write|fix|correct|update|remove)\s+(?:a|an|the|this)?\s*"
    r"(?:\w+\s+)?(?:comment|typo|docstring|spelling)\b",
    re.IGNORECASE,
)
_WRONG_CHAT = re.compile(r"\bwrong (?:chat|window|session|terminal)\b", re.IGNORECASE)
_TAKEN_BACK = re.compile(r"\bgit\s+(?:checkout\s+(?:--|HEAD|\.)|restore\b|reset\s+--hard|revert\b)")
_SECRETS = re.compile(
    r"\b(?:invalid api key|missing api key|api key (?:is )?(?:not set|required|missing)|"
    r"not logged in|authentication required|unauthorized|access denied|credentials? (?:not found|"
    r"missing|required)|permission_denied)\b",
    re.IGNORECASE,
)
_DEPLOYS = re.compile(
    r"\b(?:deploy(?:ed|ing)?\s+(?:to|it|this)|production (?:server|database)|kubectl|"
    r"terraform apply|ssh \w+@|vercel|heroku|cloud run|rollout)\b",
    re.IGNORECASE,
)


class Prompt(BaseModel):
    """One of the user's messages."""

    model_config = ConfigDict(extra="forbid")

    turn: int
    """Index of the turn in the session."""
    kind: Kind
    head: str
    """The first words."""
    corrects: bool = False
    """True when it sets the agent right."""


class Journey(BaseModel):
    """What a session's course shows about its first task."""

    model_config = ConfigDict(extra="forbid")

    prompts: list[Prompt] = Field(default_factory=list)
    """The user's messages up to the end of the first task, in order."""
    calls: int = 0
    edits: int = 0
    files_edited: int = 0
    failed_calls: int = 0
    longest_failure: int = 0
    """Failing commands in a row."""
    worked_over: list[str] = Field(default_factory=list)
    """Files edited again and again."""
    taken_back: list[int] = Field(default_factory=list)
    """Turns in which changes were thrown away."""
    corrections: list[int] = Field(default_factory=list)
    """Turns in which the user set the agent right."""
    wrong_chat: list[int] = Field(default_factory=list)
    """Turns in which the user says that a message was meant for another conversation."""
    missing_secrets: list[int] = Field(default_factory=list)
    """Turns whose commands failed for want of a login or a key."""
    deploys: list[int] = Field(default_factory=list)
    """Turns in which the user asks for work on a deployment."""
    small: bool = False
    """True when the first message asks for a comment or a typo."""
    only_git: bool = False
    """True when the first message asks for commits, or every command was git's without an edit."""
    worth: float = 0.0
    """In [0, 1]: how much the agent struggled."""

    @property
    def kind(self) -> Kind:
        """What the first message is; the most telling of the first three decides."""
        kinds = [prompt.kind for prompt in self.prompts[:3]]
        return "task" if "task" in kinds else kinds[0] if kinds else "vague"


def travel(session: Session) -> Journey:
    """Reads the course of a session's first task.

    Args:
        session: the session.
    """
    until = task_end(session)
    journey = Journey()
    edited: Counter[str] = Counter()
    commands: list[str] = []
    run = 0
    for number, turn in enumerate(session.turns[:until]):
        if turn.role == "user" and turn.text.strip() and not turn.sidechain:
            _ask(journey, number, turn)
        for call in turn.calls:
            journey.calls += 1
            code = call.command.exit_code if call.command else None
            failed = call.failed is True or code not in (None, 0)
            journey.failed_calls += failed
            run = run + 1 if failed else 0
            journey.longest_failure = max(journey.longest_failure, run)
            if call.failed is not True:
                journey.edits += len(call.edits)
                edited.update(edit.path for edit in call.edits)
            if call.command is not None:
                commands.append(call.command.command)
                if _TAKEN_BACK.search(call.command.command):
                    journey.taken_back.append(number)
                if failed and _SECRETS.search(call.command.output[:MAX_PROMPT_CHARS]):
                    journey.missing_secrets.append(number)
    journey.files_edited = len(edited)
    journey.worked_over = [path for path, count in edited.most_common() if count >= MANY_EDITS]
    journey.only_git = journey.only_git or (
        bool(commands) and not journey.edits and all("git " in text for text in commands)
    )
    journey.worth = _worth(journey)
    return journey


def _ask(journey: Journey, number: int, turn: Turn) -> None:
    text = turn.text[:MAX_PROMPT_CHARS]
    corrects = bool(journey.prompts) and bool(_CORRECTS.search(text[:400]))
    head = " ".join(text.split())[:120]
    journey.prompts.append(Prompt(turn=number, kind=_kind(text), head=head, corrects=corrects))
    if len(journey.prompts) == 1:
        journey.small = bool(_SMALL.match(text))
        journey.only_git = bool(_COMMITS.search(text[:400]))
    if corrects:
        journey.corrections.append(number)
    if _WRONG_CHAT.search(text):
        journey.wrong_chat.append(number)
    if _DEPLOYS.search(text):
        journey.deploys.append(number)


def _kind(text: str) -> Kind:
    if _PROBE.search(text[:2000]):
        return "probe"
    if _GREETING.match(text):
        return "greeting"
    if _SHELL.match(text) and not _WANTS.search(text):
        return "shell"
    wants, names = bool(_WANTS.search(text)), bool(_NAMES.search(text))
    words = len(re.findall(r"\w+", text))
    if _ASKS.search(text.strip()) and (not wants or (not names and words <= 2 * VAGUE_WORDS)):
        return "question"
    return (
        "task" if names or (wants and words >= VAGUE_WORDS) or words > 4 * VAGUE_WORDS else "vague"
    )


def _worth(journey: Journey) -> float:
    share = journey.failed_calls / journey.calls if journey.calls else 0.0
    signs = (
        0.25 * min(1.0, len(journey.corrections) / 2),
        0.20 * min(1.0, journey.longest_failure / (2 * STUCK_RUN)),
        0.15 * min(1.0, 4 * share),
        0.15 * min(1.0, len(journey.worked_over) / 3),
        0.10 * min(1.0, len(journey.taken_back)),
        0.15 * min(1.0, journey.edits / 30),
    )
    return round(sum(signs), 3)
