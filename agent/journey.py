"""How a session went: what was asked, where the agent got stuck, who set it right.

Only what the session plainly shows is counted: failing commands, edits made over and over, changes
taken back, prompts that correct. The numbers become an estimate of what a task is worth, since a
task that a strong model stumbled over teaches more than one that it did at once.
"""

from __future__ import annotations

import re
from collections import Counter

from pydantic import BaseModel, ConfigDict, Field

from agent.asked import MAX_PROMPT_CHARS, OPENING_CHARS, Kind, Prompt, read_prompt
from agent.origin.evidence import is_aside, task_end
from agent.session.model import Session, Turn

STUCK_RUN = 3
"""Failing commands in a row from which an agent counts as stuck."""
MANY_EDITS = 4
"""Edits of one file from which it counts as worked over."""

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
    r"\b(?:deploy(?:ed|ing)?\s+(?:to|it|this|the)|production (?:server|database)|"
    r"kubectl (?:apply|rollout)|terraform apply|gcloud run deploy)\b|\bssh \w+@",
    re.IGNORECASE,
)


_WRITES = re.compile(
    r"\bsed\s+-i|(?<![0-9&=<-])>>?\s*(?!&|/dev/null|/tmp|\$TMP)[\w./\"'$~]|\btee\b|\bapply_patch\b|"
    r"\bgit\s+(?:apply|am|mv|rm|merge|cherry-pick|revert)\b|\bpatch\s+-p|\bperl\s+-p?i|"
    r"(?:^|[;&|]\s*)(?:cp|mv|rm|touch)\s|--(?:write|fix)\b|"
    r"\b(?:python3?|node|ruby|perl|sh)\s+(?:-\s*)?<<"
)
"""Commands that may change files of a project; running tests or git's log is none of them."""
_DELEGATES = re.compile(
    r"^(?:task|(?:spawn_|sub_?|dispatch_|run_sub_?)?agents?|delegate\w*)$", re.I
)


class Journey(BaseModel):
    """What a session's course shows about its first task."""

    model_config = ConfigDict(extra="forbid")

    prompts: list[Prompt] = Field(default_factory=list)
    """The user's messages up to the end of the first task, in order."""
    calls: int = 0
    edits: int = 0
    files_edited: int = 0
    writes: int = 0
    """Commands that may have changed files of the project."""
    delegated: list[int] = Field(default_factory=list)
    """Turns in which work was handed to another agent, whose edits may not show."""
    first_change: int | None = None
    """Turn of the first edit of the project or writing command; None when nothing was changed."""
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

    @property
    def changes_nothing(self) -> bool:
        """True when nothing shows that the first task changed a file of the project."""
        return self.first_change is None

    @property
    def asked_in(self) -> Prompt | None:
        """The message that the first change answers; None when nothing was changed."""
        if self.first_change is None:
            return None
        before = [prompt for prompt in self.prompts if prompt.turn < self.first_change]
        return before[-1] if before else None


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
            edits = call.edits if call.failed is not True else []
            journey.edits += len(edits)
            edited.update(edit.path for edit in edits)
            delegates = bool(_DELEGATES.match(call.tool))
            if delegates:
                journey.delegated.append(number)
            writes = call.command is not None and bool(_WRITES.search(call.command.command))
            journey.writes += writes
            ours = any(not is_aside(edit.path, session.cwd) for edit in edits)
            if (ours or writes) and journey.first_change is None:
                journey.first_change = number
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
    prompt = read_prompt(number, text, first=not journey.prompts)
    journey.prompts.append(prompt)
    if len(journey.prompts) == 1:
        journey.small = bool(_SMALL.match(text))
        journey.only_git = bool(_COMMITS.search(text[:OPENING_CHARS]))
    if prompt.corrects:
        journey.corrections.append(number)
    if _WRONG_CHAT.search(text):
        journey.wrong_chat.append(number)
    if _DEPLOYS.search(text):
        journey.deploys.append(number)


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
