"""The outcome, from evidence: which commits solved it, and would a test notice?

What the commits change is read, not run: code or documents, tests or none, a line or many, the
session's own share of them. Running the tests on both states is `agent.qualify.trial`.
"""

from __future__ import annotations

import re
from collections import Counter as Lines
from collections.abc import Sequence

from agent.asked import MAX_PROMPT_CHARS
from agent.origin.outcome import OutcomeCandidate, find_outcome
from agent.project import is_test_path
from agent.qualify.case import Case
from agent.qualify.code import is_code, is_looks, is_settings
from agent.qualify.reasons import commit_cited
from agent.repo import Repository
from agent.scrub import Scrubber
from agent.session.model import Edit, Session

NO_OUTCOME_SCORE = 0.22
"""Below this no commit is like the session's work."""
UNSURE_OUTCOME_SCORE = 0.3
"""Below this a person should look."""
TRIVIAL_LINES = 3
"""Lines of code changed by an outcome from which it can be more than a typo."""
STRUGGLE = 0.15
"""Worth of a journey from which a change of few lines was hard to find."""
SMALL_LINES = 8
"""Lines of its own up to which a session without tests may leave nothing to discriminate."""
WIDE_FILES = 25
"""Files of code from which a commit holds more than one task, if nothing ties it to the session."""
LITTLE_SHARE = 0.15
"""Share of a wide commit's lines below which the session's work in it is one thing among others."""
LITTLE_COVERAGE = 0.2
"""Share of the session's lines below which a commit is hardly the session's work, or was redone."""
ANEW_SCORE = 0.55
"""Score from which a later commit without the session's lines is believed to do its task anew."""
WIDE_LINES = 800
"""Changed lines of code from which a commit holds more than one task."""
CLEAR_COVERAGE = 0.8
"""Share of the session's lines from which its part of a wide commit can be told from the rest."""
MAX_CITED = 3
"""Files cited for one reason."""

PERSONAL = frozenset(("e-mail", "name", "user name", "home path", "host name"))
"""Kinds of replaced text that are no secrets; their placeholders leave a task as it is."""

_WORD = re.compile(r"[^\s'\"`,;()<>]{12,300}")
"""What a secret in a prompt looks like at least."""
_TRANSCRIPT = re.compile(r"(?:^|/)\.specstory/history/[^/]+\.md$|\.aider\.chat\.history")

_PLATFORM = re.compile(
    rb"^(?:import|from) (?:winreg|win32\w*|pywintypes|msvcrt|RPi|smbus2?|AppKit|Cocoa|objc|UIKit)\b"
    rb"|^(?:\w+ ?= ?)?ctypes\.(?:WinDLL|OleDLL|windll|oledll)\b|^using System\.Windows\b",
    re.MULTILINE,
)
"""Lines at the margin, so not guarded, that need another platform or a device to load at all."""


def look(case: Case) -> None:
    """Find the outcome and add what speaks against it.

    Args:
        case: with its repository and start state; gets `outcomes`.
    """
    repository, start = case.repository, case.start
    assert repository is not None  # noqa: S101 (origins come first)
    assert start is not None  # noqa: S101
    case.outcomes = find_outcome(case.session, repository, start, evidence=case.seen)
    best = case.outcomes[0] if case.outcomes else None
    if best is None or best.score < NO_OUTCOME_SCORE:
        cite = [commit_cited(best.commits[-1])] if best else [commit_cited(start.commit)]
        case.object("no outcome", "no later commit is like what the session did", *cite)
        return
    if best.score < UNSURE_OUTCOME_SCORE:
        text = f"the likeliest later commit scores only {best.score}"
        case.object("no outcome", text, *case.commits(), grave=False)
    code = [path for path in best.sources if is_code(path)]
    tests = [path for path in best.tests if is_code(path)]
    if _not_code(case, code, tests):
        return
    lines = _changed_lines(repository, best.commits, code)
    own = _own_lines(case)
    if code and (lines <= TRIVIAL_LINES or (0 < own <= TRIVIAL_LINES)):
        # A short fix that a test notices and that took pains is no typo.
        text = f"the outcome changes {lines} lines of code, the session itself {own}"
        if not tests or case.journey.worth < STRUGGLE:
            cite = case.commits(*code[:MAX_CITED])
            case.object("trivial", text, *cite, grave=not tests)
    elif 0 < own <= SMALL_LINES and not tests:
        text = f"the session changes {own} lines, and nothing tests them"
        case.object("trivial", text, *case.commits(), grave=False)
    _secrets(case, repository, best, code)
    _separable(case, repository, best, code, lines)
    _proposed(case, tests)
    _platform(case, repository, code, tests)
    if start.method == "time" and start.commit not in repository.commit(best.commits[0]).parents:
        text = "no contents were seen, and the outcome does not follow the commit of that time"
        case.object("start state unrecoverable", text, *case.commits(), grave=False)


def _not_code(case: Case, code: Sequence[str], tests: Sequence[str]) -> bool:
    """Whether the outcome, or what the session did, is no code at all."""
    assert case.seen is not None  # noqa: S101
    edited = case.seen[0].edited
    best = case.outcomes[0]
    if not code and not tests:
        text = "its outcome changes no code"
        case.object("not a code task", text, *case.commits(*best.sources[:MAX_CITED]))
        return True
    if edited and not any(is_code(path) for path in edited) and not case.journey.delegated:
        paths = [commit_cited(case.outcomes[0].commits[-1], p) for p in sorted(edited)[:MAX_CITED]]
        case.object("not a code task", "the session edits no code", *paths)
    if not code:
        text = "its outcome changes tests alone"
        case.object("not a code task", text, *case.commits(*tests[:MAX_CITED]), grave=False)
    elif not tests and all(map(is_settings, code)):
        text = "its outcome changes settings or data alone"
        case.object("not a code task", text, *case.commits(*code[:MAX_CITED]), grave=False)
    elif not tests and all(is_looks(path) or is_settings(path) for path in code):
        text = "its outcome changes only how something looks, and no test covers that"
        case.object("cannot be built or tested", text, *case.commits(*code[:MAX_CITED]))
    elif not tests and (own := list(filter(is_code, edited))) and all(map(is_looks, own)):
        text = "the session's own part of it changes only how something looks, without a test"
        case.object("cannot be built or tested", text, *case.commits(*own[:MAX_CITED]), grave=False)
    return False


def _separable(
    case: Case, repository: Repository, best: OutcomeCandidate, code: Sequence[str], lines: int
) -> None:
    """Whether the task's share of the commits can be told from what else they hold."""
    assert case.seen is not None  # noqa: S101
    if best.coverage is not None and best.coverage < LITTLE_COVERAGE:
        # Work that was thrown away and done anew by a person is what Kettle looks for.
        ended = case.session.ended
        anew = ended is not None and repository.commit(best.commits[-1]).authored > ended
        if not anew or best.score < ANEW_SCORE:
            text = f"only {best.coverage:.0%} of the lines that the session left are in it"
            case.object("no outcome", text, *case.commits(), grave=False)
    elif (
        best.precision is not None
        and best.precision < LITTLE_SHARE
        and (best.coverage or 0.0) < CLEAR_COVERAGE
        and lines > WIDE_LINES
    ):
        text = f"the session's work is {best.precision:.0%} of the lines that it adds"
        case.object("no outcome", text, *case.commits(), grave=False)
    if case.seen[0].edited:
        return
    changes = repository.changes(best.commits)
    brought = {c.path for some in changes.values() for c in some if c.new and not c.old}
    transcripts = sorted(path for path in brought if _TRANSCRIPT.search(path))
    if len(transcripts) > 1:
        text = "the commit carries several sessions' work, and no edits tell this one's apart"
        case.object("no outcome", text, *case.commits(*transcripts[:MAX_CITED]), grave=False)
    elif len(code) > WIDE_FILES:
        text = f"the commit changes {len(code)} files of code, and no edits tell the task's apart"
        case.object("no outcome", text, *case.commits(), grave=False)


def _secrets(
    case: Case, repository: Repository, best: OutcomeCandidate, code: Sequence[str]
) -> None:
    """A secret of the prompts that the outcome needs: a placeholder would change the task."""
    scrubber = Scrubber(case.session)

    def secret(text: str) -> bool:
        before = +scrubber.counts
        scrubber.text(text)
        return bool(set(scrubber.counts - before) - PERSONAL)

    for prompt in case.journey.prompts:
        said = case.session.turns[prompt.turn].text[:MAX_PROMPT_CHARS]
        words = set(_WORD.findall(said)) if secret(said) else set()
        secrets = [word.encode() for word in words if secret(word)]
        if secrets and any(
            word in repository.patch_of(sha, code) for sha in best.commits for word in secrets
        ):
            text = "the outcome's code holds a secret that the user wrote into a prompt"
            cite = case.turn(prompt.turn, "(not shown)")
            case.object("secrets that cannot be scrubbed", text, cite, *case.commits())
            return


def _platform(
    case: Case, repository: Repository, code: Sequence[str], tests: Sequence[str]
) -> None:
    """Code that loads nowhere but on another platform or beside a device."""
    assert case.start is not None  # noqa: S101
    for path in code:
        line = _PLATFORM.search(repository.read(case.start.commit, path) or b"")
        if line:
            said = line[0].decode("utf-8", "replace")
            text = f"what is changed loads on another platform or beside a device alone: {said}"
            cite = commit_cited(case.start.commit, path)
            case.object("cannot be built or tested", text, cite, grave=not tests)
            return


def _proposed(case: Case, tests: Sequence[str]) -> None:
    """Work that the agent proposed and the user only agreed to: without tests nothing fixes it."""
    asked = case.journey.asked_in
    first = case.journey.prompts[0]
    if (
        asked is not None
        and asked.goes_ahead
        and first.kind in ("review", "question")
        and not tests
    ):
        text = "the agent proposed the change, the user agreed, and nothing tests it"
        cite = (case.turn(first.turn), case.turn(asked.turn))
        case.object("unclear intent", text, *cite, grave=False)


def _changed_lines(repository: Repository, commits: Sequence[str], paths: Sequence[str]) -> int:
    """Lines that commits add to or take from files; the larger of the two for each commit."""
    total = 0
    for sha in commits:
        lines = repository.patch_of(sha, paths).split(b"\n")
        added = sum(line[:1] == b"+" and line[:4] != b"+++ " for line in lines)
        taken = sum(line[:1] == b"-" and line[:4] != b"--- " for line in lines)
        total += max(added, taken)
    return total


def _own_lines(case: Case) -> int:
    """Lines that the session's first task put into files of code or took out, by its edits."""
    assert case.seen is not None  # noqa: S101
    _, paths = case.seen
    session: Session = case.session
    total = 0
    for turn in session.turns[: case.until]:
        total += sum(
            line.startswith("+") and not line.startswith("+++") and bool(line[1:].strip())
            for block in re.findall(r"```diff\n(.*?)```", turn.text, re.DOTALL)
            for line in block.split("\n")
        )
        for call in turn.calls:
            for edit in call.edits if call.failed is not True else ():
                path = paths.relative(edit.path)
                if path is not None and is_code(path) and not is_test_path(path):
                    total += _lines_of(edit)
    return total


def _lines_of(edit: Edit) -> int:
    """Lines that an edit adds, or takes away when those are more."""
    if edit.patch and edit.new is None:
        lines = edit.patch.split("\n")
        new = [line[1:] for line in lines if line.startswith("+")]
        gone = [line[1:] for line in lines if line.startswith("-")]
    elif edit.new is not None:
        before, after = (edit.old or edit.before or "").split("\n"), edit.new.split("\n")
        new = list((Lines(after) - Lines(before)).elements())
        gone = list((Lines(before) - Lines(after)).elements())
    else:
        return 0
    return max(sum(bool(line.strip()) for line in side) for side in (new, gone))
