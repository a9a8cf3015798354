"""Disqualifiers that the session alone shows, looked for before any repository is opened.

They cost milliseconds, so that a thousand sessions cost minutes: greetings and smoke tests,
questions and reviews that change nothing, prompts of programs, shell commands, git's own work,
typos.
"""

from __future__ import annotations

from agent.asked import Prompt
from agent.qualify.case import Case
from agent.session.model import Session

OPEN_QUESTION_CHARS = 60
"""A shorter opening question that never names its subject leaves everything open."""
SPECIFIC_CHARS = 40
"""A longer message among the first ones says what it is about."""
MANY_MISSING_SECRETS = 3
"""Commands that failed for want of a login or a key, from which the work depends on them."""
FEW_WORDS = 12
"""A prompt with fewer words of its own and a link or a picture says little without it."""
POINTING_WORDS = 25
"""A prompt with fewer words that points at comments or a branch leaves what is asked to them."""
SAID_WORDS = 40
"""From this many words before the first change, the user has said what is wanted."""


def look(case: Case) -> None:
    """Add what the session alone says against itself.

    Args:
        case: gets the reasons.
    """
    journey = case.journey
    if not journey.prompts:
        case.object("unclear intent", "no user says anything in it")
        return
    first = journey.prompts[0]
    where = case.turn(first.turn)
    _kind(case, first)
    if journey.small:
        case.object("trivial", "it asks for no more than a comment or a typo", where)
    if journey.only_git and not case.hopeless:
        case.object("not a code task", "it asks for nothing but git's work", where)
    if journey.wrong_chat:
        turns = [case.turn(turn) for turn in journey.wrong_chat]
        text = "a message was meant for another conversation"
        case.object("unclear intent", text, *turns, grave=False)
    if len(journey.missing_secrets) >= MANY_MISSING_SECRETS:
        turns = [case.turn(turn) for turn in journey.missing_secrets[:5]]
        text = "commands failed for want of a login or a key"
        case.object("needs secrets or live services", text, *turns, grave=False)
    if first.turn in journey.deploys:
        text = "it asks for a deployment"
        case.object("needs secrets or live services", text, where, grave=False)
    if first.words < FEW_WORDS and (first.link or first.picture):
        what = "in a picture" if first.picture else "behind a link"
        text = f"what is asked stands {what}, which the session does not hold"
        case.object("unclear intent", text, where, grave=False)
    elif first.words < POINTING_WORDS and first.elsewhere:
        text = f"what is asked stands elsewhere: {first.elsewhere}"
        case.object("unclear intent", text, where, grave=False)
    _measure(case)


def _measure(case: Case) -> None:
    """Few words and many edits: what was done came from the agent, not from the user."""
    journey = case.journey
    asked = journey.asked_in
    if asked is None:
        return
    words = sum(prompt.words for prompt in journey.prompts if prompt.turn <= asked.turn)
    if words < min(SAID_WORDS, journey.edits):
        text = f"{words} words led to {journey.edits} edits, so that most was the agent's choice"
        case.object("unclear intent", text, case.turn(asked.turn), grave=False)


def records_edits(session: Session) -> bool:
    """True when an edit would show in the session: some exports drop tool calls or their results.

    Args:
        session: the session.
    """
    return any(True for _ in session.calls()) and not any("no tool" in n for n in session.notes)


def _kind(case: Case, first: Prompt) -> None:
    journey = case.journey
    where = case.turn(first.turn)
    shells = [p for p in journey.prompts if p.kind == "shell"]
    unchanged = journey.changes_nothing and records_edits(case.session)
    if journey.kind == "probe":
        case.object("not a code task", "the prompt only tries whether the agent answers", where)
    elif journey.kind == "greeting":
        case.object("not a code task", "the prompt is a greeting", where)
    elif len(shells) > len(journey.prompts) / 2:
        text = "most of the user's messages are commands for a shell"
        case.object("unclear intent", text, where)
    elif first.kind == "machine" and journey.changes_nothing:
        text = "a program asks for an answer in a fixed form, and nothing is changed"
        case.object("not a code task", text, where)
    elif journey.edits and journey.changes_nothing and not journey.delegated:
        text = "whatever it edits lies outside the project"
        case.object("not a code task", text, where)
    elif first.kind == "review" and unchanged:
        text = "the user asks for a review, an analysis or a plan, and nothing is changed"
        case.object("not a code task", text, where)
    elif first.kind == "question" and len(first.head) < OPEN_QUESTION_CHARS and not _names(case):
        text = "it begins with an open question and never names its subject"
        case.object("unclear intent", text, where)
    elif journey.kind == "question" and unchanged:
        text = "the user asks questions, and nothing is changed"
        case.object("not a code task", text, where)
    elif journey.kind == "vague":
        case.object("unclear intent", "the user does not say what is wanted", where, grave=False)
    elif unchanged and not journey.delegated:
        text = "nothing is changed in the session, so that only words tie it to a commit"
        case.object("no outcome", text, where, grave=False)
    elif first.kind == "review":
        _grown(case, first)


def _grown(case: Case, first: Prompt) -> None:
    """A review that became a change: fine where the user agreed to what the agent proposed."""
    asked = case.journey.asked_in
    if asked is None or asked.turn == first.turn or asked.goes_ahead:
        case.notes.append("the task is what the agent proposed and the user agreed to")
        return
    text = "it opens with a review; what was changed was asked for later"
    cite = (case.turn(first.turn), case.turn(asked.turn))
    case.object("unclear intent", text, *cite, grave=False)


def _names(case: Case) -> bool:
    prompts = case.journey.prompts[:3]
    return any(p.kind == "task" and len(p.head) > SPECIFIC_CHARS for p in prompts)
