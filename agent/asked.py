"""What one message of a user is: a task, a question, a review, a greeting, a program's request.

Judged by its form alone. Its words are matched, never obeyed.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["task", "question", "review", "machine", "greeting", "probe", "shell", "vague"]
"""What a message is. `review` asks for a look, an analysis or a plan and for no change; `machine`
was written by a program that wants an answer in a fixed form."""

MAX_PROMPT_CHARS = 100_000
"""How much of a prompt is looked at."""
MAX_HEAD_CHARS = 120
"""Of a prompt, as a report shows it."""
OPENING_CHARS = 400
"""Where a message says what it is; later on it quotes and explains."""
VAGUE_WORDS = 6
"""A prompt of fewer words that names nothing in the code leaves open what is wanted."""

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
_REVIEWS = re.compile(
    r"^\W*(?:(?:please|can you|could you|i want you to|i need you to|let'?s)\s+)*"
    r"(?:(?:re-?)?(?:review|audit|assess|evaluate|analy[sz]e|investigate|research|verify|explain|"
    r"summari[sz]e|compare|triage|brainstorm|discuss|look (?:into|at)|check (?:if|whether|the)|"
    r"do an? (?:\w+ )?(?:analysis|review|audit)))\b",
    re.IGNORECASE,
)
_AND_ACTS = re.compile(
    r"\b(?:and|then|to)\s+(?:\w+\s+){0,2}(?:fix|solve|implement|add|update|change|remove|apply|"
    r"address|improve|refactor|rename|replace|write|make|create)\b|\bimplement(?:ation)?\b",
    re.IGNORECASE,
)
_NO_CHANGES = re.compile(
    r"\b(?:no code changes?|read[- ]only|do not (?:edit|modify|change|write)|don'?t (?:edit|modify|"
    r"change|write)|without (?:editing|changing|modifying)|just (?:the )?analysis|review only)\b",
    re.IGNORECASE,
)
_PERSONA = re.compile(r"^\W*You are (?:a|an|the|my)\b", re.IGNORECASE)
_FIXED_FORM = re.compile(
    r"\b(?:respond|reply|answer|output|return|produce)\b.{0,80}"
    r"\b(?:json|yaml|xml|only|exactly|schema|format)\b",
    re.IGNORECASE | re.DOTALL,
)
_ONE_ANSWER = re.compile(
    r"\b(?:return|reply|respond|answer|output|print)\b.{0,20}\bonly\b.{0,20}"
    r"\b(?:code block|json|yaml|word|line|sentence|number|code|text)\b",
    re.IGNORECASE | re.DOTALL,
)
"""The end of a request that wants an answer and no work on files."""
_HELD_ELSEWHERE = re.compile(
    r"\b(?:open|review|inline|unresolved|outstanding|PR) "
    r"(?:comments?|feedback|findings|threads?)\b|"
    r"\b(?:PR|pull request|issue)s? ?#\d+|\b(?:in|of|on) this (?:branch|PR)\b|"
    r"\bfailing (?:tests?|build|ci)\b",
    re.IGNORECASE,
)
"""What a request points at when its substance stands on a server or in a state of the machine."""
_GO_AHEAD = re.compile(
    r"^\W*(?:yes|yep|yeah|y|ok(?:ay)?|sure|go(?: ahead| on)?|do (?:it|that|this|so)|proceed|"
    r"continue|please do|sounds good|let'?s (?:do|go|try)|agreed?|approved?|make it so|option \w|"
    r"implement (?:it|this|that|the plan)|fix (?:it|them|this|that|all)|"
    r"create a plan and implement\w*)\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"https?://\S+")
_PICTURE = re.compile(r"\[image[^\]]{0,200}\]|<image\b", re.IGNORECASE)
_NAMES = re.compile(
    r"`[^`]+`|\b[\w-]{1,80}\.\w{1,5}\b|\b\w+_\w+\b|\b[a-z]+[A-Z]\w+|--\w+|/\w+|\b\w+\(\)"
)
_CORRECTS = re.compile(
    r"^\W*(?:no\b|nope|not (?:that|what|like)|wrong|still\b|that'?s not|"
    r"you (?:forgot|missed|broke)|revert|undo|again|it (?:does not|doesn'?t|still))|"
    r"\b(?:still (?:fail|not|broken|doesn)|"
    r"doesn'?t work|not working|same error|wrong chat|you broke|put (?:it|that) back|i said)\b",
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
    words: int = 0
    """Words that are its own: links and pictures left out."""
    link: str = ""
    """The first address that it names."""
    picture: bool = False
    """True when it shows a picture."""
    elsewhere: str = ""
    """The comments, request, branch or failing tests that it points at without saying what."""
    goes_ahead: bool = False
    """True when it only agrees to what the agent proposed."""


def read_prompt(number: int, text: str, *, first: bool) -> Prompt:
    """One message of the user.

    Args:
        number: index of its turn.
        text: its words.
        first: True for the session's first message, which cannot correct anything.
    """
    text = text[:MAX_PROMPT_CHARS]
    link = _LINK.search(text)
    bare = _PICTURE.sub(" ", _LINK.sub(" ", text))
    elsewhere = _HELD_ELSEWHERE.search(text[:OPENING_CHARS])
    return Prompt(
        turn=number,
        kind=_kind(text, first=first),
        head=" ".join(text.split())[:MAX_HEAD_CHARS],
        corrects=not first and bool(_CORRECTS.search(text[:OPENING_CHARS])),
        words=len(re.findall(r"\w+", bare)),
        link=link[0][:MAX_HEAD_CHARS] if link else "",
        picture=bool(_PICTURE.search(text)),
        elsewhere=elsewhere[0] if elsewhere else "",
        goes_ahead=bool(_GO_AHEAD.match(text)),
    )


def _kind(text: str, *, first: bool) -> Kind:
    if _PROBE.search(text[:2000]):
        return "probe"
    if _GREETING.match(text):
        return "greeting"
    if _PERSONA.match(text) and _FIXED_FORM.search(text):
        return "machine"
    if first and _ONE_ANSWER.search(text[-OPENING_CHARS:]):
        return "machine"
    if _SHELL.match(text) and not _WANTS.search(text):
        return "shell"
    if _REVIEWS.match(text) and (_NO_CHANGES.search(text) or not _AND_ACTS.search(text)):
        return "review"
    wants, names = bool(_WANTS.search(text)), bool(_NAMES.search(text))
    words = len(re.findall(r"\w+", text))
    if _ASKS.search(text.strip()) and (not wants or (not names and words <= 2 * VAGUE_WORDS)):
        return "question"
    return (
        "task" if names or (wants and words >= VAGUE_WORDS) or words > 4 * VAGUE_WORDS else "vague"
    )
