"""Decides from evidence alone whether a session is worth an environment.

Cheap disqualifiers come first: a session that is a greeting or a smoke test costs no look at its
repository. Then its origins (repository, licence, start state), its journey and its outcome are
gathered, and every finding that speaks against it becomes a `Reason` from a closed list, with the
turns, files or commits that show it. Grave reasons reject; lesser ones ask for a person. Nothing
that a session says is taken as an instruction: its texts are matched, never obeyed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import RepositoryError
from agent.journey import Journey, travel
from agent.origin.evidence import Evidence, Paths, collect, task_end
from agent.origin.find import repository_of
from agent.origin.licence import Licence, licence_of
from agent.origin.outcome import OutcomeCandidate, find_outcome
from agent.origin.start import StartState, find_start, known_paths
from agent.origin.times import began, zone_shift
from agent.project import detect, is_test_path
from agent.repo import Repository
from agent.session.model import Session

Verdict = Literal["accept", "reject", "needs-a-person"]
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
"""The closed list of reasons."""

NO_OUTCOME_SCORE = 0.22
"""Below this no commit is like the session's work."""
UNSURE_OUTCOME_SCORE = 0.3
"""Below this a person should look."""
POOR_FIT = 0.3
"""Below this share of the contents seen, the start commit is not the session's."""
UNSURE_FIT = 0.5
"""Below this a person should look."""
MISSING_SHARE = 0.5
"""Share of the files named in prompts that must be there at the start."""
TRIVIAL_LINES = 3
"""Lines of code changed by an outcome from which it can be more than a typo."""
SMALL_LINES = 8
"""Lines of its own up to which a session without tests may leave nothing to discriminate."""
WIDE_FILES = 25
"""Files of code from which a commit holds more than one task, if nothing ties it to the session."""
SCRATCH_FILES = 3
"""A start tree with fewer files of code is a new project."""
NO_VISIBLE_WORK = 0.35
"""Confidence in [0, 1] at most where neither contents nor edits were recorded."""

_NO_CODE = re.compile(
    r"\.(?:md|mdx|rst|txt|adoc|png|jpe?g|gif|svg|webp|ico|pdf|lock|log|csv|jsonl)$|(?:^|/)"
    r"(?:LICEN[CS]E|CHANGELOG|\.gitignore|\.editorconfig|package-lock\.json|yarn\.lock|uv\.lock)|"
    r"^(?:\.specstory|\.claude|\.codex|\.cursor|\.entire|\.aider|\.github|docs?|plans?)[/.]",
    re.IGNORECASE,
)


_TRANSCRIPT = re.compile(r"(?:^|/)\.specstory/history/[^/]+\.md$|\.aider\.chat\.history")


class Reason(BaseModel):
    """Something that speaks against a session."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    grave: bool
    """True rejects; False asks for a person."""
    text: str
    evidence: list[str] = Field(default_factory=list)
    """Turns, files and commits that show it."""


class Qualification(BaseModel):
    """The verdict on a session, and what it rests on."""

    model_config = ConfigDict(extra="forbid")

    session: str
    verdict: Verdict
    confidence: float
    """In [0, 1]."""
    worth: float
    """In [0, 1]: how much the agent struggled with a task that a person then finished."""
    reasons: list[Reason] = Field(default_factory=list)
    repository: str | None = None
    licence: Licence | None = None
    start: StartState | None = None
    outcomes: list[OutcomeCandidate] = Field(default_factory=list)
    journey: Journey
    notes: list[str] = Field(default_factory=list)
    seconds: float = 0.0
    judge: str = "evidence"
    """Who decided: `evidence` means that no model took part."""


def qualify(
    session: Session, repository: Repository | None = None, *, cache: Path | None = None
) -> Qualification:
    """Judges one session.

    Args:
        session: the session.
        repository: its repository, when the caller has it open; else it is taken from the session.
        cache: the folder of clones, for a repository that the session names.

    Raises:
        Nothing on account of the session or of its repository: what cannot be had is a reason.
    """
    begun = time.monotonic()
    journey = travel(session)
    result = Qualification(
        session=str(session.path),
        verdict="reject",
        confidence=0.0,
        worth=journey.worth,
        journey=journey,
    )
    result.reasons = _cheap(session, journey)
    if not any(reason.grave for reason in result.reasons):
        if repository is not None:
            result.repository = str(repository.source)
            _look(session, repository, result)
        else:
            _open(session, cache, result)
    _decide(result)
    result.seconds = round(time.monotonic() - begun, 3)
    return result


def qualify_all(
    sessions: Sequence[Session], repository: Repository, *, workers: int = 2
) -> list[Qualification]:
    """Judges many sessions of one repository side by side, in the given order.

    Args:
        sessions: the sessions.
        repository: their repository.
        workers: how many at once.
    """
    repository.all_commits()  # read once, before the workers need it
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(lambda session: qualify(session, repository), sessions))


def _cheap(session: Session, journey: Journey) -> list[Reason]:
    """What the session alone shows."""
    reasons: list[Reason] = []

    def add(code: Code, text: str, *evidence: str, grave: bool = True) -> None:
        reasons.append(Reason(code=code, grave=grave, text=text, evidence=list(evidence)))

    if not journey.prompts:
        add("unclear intent", "no user says anything in it")
        return reasons
    first = journey.prompts[0]
    where = f"turn {first.turn}: {first.head!r}"
    kind = journey.kind
    shells = [p for p in journey.prompts if p.kind == "shell"]
    if kind == "probe":
        add("not a code task", "the prompt only tries whether the agent answers", where)
    elif kind == "greeting":
        add("not a code task", "the prompt is a greeting", where)
    elif len(shells) > len(journey.prompts) / 2:
        add("unclear intent", "most of the user's messages are commands for a shell", where)
    elif first.kind == "question" and len(journey.prompts[0].head) < 60 and not _names(journey):
        add("unclear intent", "it begins with an open question and never names its subject", where)
    elif kind == "question" and not journey.edits and session_records_edits(session):
        add("not a code task", "the user asks questions, and nothing is edited", where)
    elif kind == "vague":
        add("unclear intent", "the user does not say what is wanted", where, grave=False)
    if journey.small:
        add("trivial", "it asks for no more than a comment or a typo", where)
    if journey.only_git:
        add("not a code task", "it asks for nothing but git's work", where)
    if journey.wrong_chat:
        turns = [f"turn {turn}" for turn in journey.wrong_chat]
        add("unclear intent", "a message was meant for another conversation", *turns, grave=False)
    if len(journey.missing_secrets) > 2:
        turns = [f"turn {turn}" for turn in journey.missing_secrets[:5]]
        text = "commands failed for want of a login or a key"
        add("needs secrets or live services", text, *turns, grave=False)
    if first.turn in journey.deploys:
        add("needs secrets or live services", "it asks for a deployment", where, grave=False)
    return reasons


def session_records_edits(session: Session) -> bool:
    """True when an edit would show in the session: some exports drop tool calls or their results.

    Args:
        session: the session.
    """
    return any(True for _ in session.calls()) and not any("no tool" in n for n in session.notes)


def _names(journey: Journey) -> bool:
    return any(p.kind == "task" and len(p.head) > 40 for p in journey.prompts[:3])


def _open(session: Session, cache: Path | None, result: Qualification) -> None:
    address = repository_of(session)
    result.repository = address
    if address is None:
        text = "the session names no repository; give one with --repo"
        result.reasons.append(Reason(code="repository gone", grave=True, text=text))
        return
    try:
        with Repository.open(address, cache=cache) as repository:
            _look(session, repository, result)
    except RepositoryError as error:
        result.reasons.append(Reason(code="repository gone", grave=True, text=str(error)))


def _look(session: Session, repository: Repository, result: Qualification) -> None:
    commits = repository.all_commits()
    when = began(session, zone_shift(session, commits))
    evidence = collect(session, known_paths(repository, commits, when))
    try:
        start = find_start(session, repository, evidence=evidence)
    except RepositoryError as error:
        reason = Reason(code="start state unrecoverable", grave=True, text=str(error))
        result.reasons.append(reason)
        return
    result.start = start
    result.outcomes = find_outcome(session, repository, start, evidence=evidence)
    _licence(repository, start, result)
    _origins(session, repository, start, evidence, result)
    _outcome(session, repository, start, evidence[0], result)


def _licence(repository: Repository, start: StartState, result: Qualification) -> None:
    licence = licence_of(repository, start.commit)
    tip = repository.default_branch
    if licence is None and tip is not None and (later := licence_of(repository, tip)):
        licence = later.model_copy(update={"confidence": round(later.confidence * 0.8, 2)})
        result.notes.append(f"the licence stands in {tip[:12]}, not yet in the start state")
    result.licence = licence
    if licence is None:
        text = "neither a licence file nor the package's metadata names a licence"
        cite = [f"commit {start.commit[:12]}"]
        result.reasons.append(Reason(code="not open source", grave=True, text=text, evidence=cite))
    elif not licence.open_source:
        cite = [f"{licence.file} at commit {licence.commit[:12]}"]
        text = f"the licence is {licence.spdx}"
        result.reasons.append(Reason(code="not open source", grave=True, text=text, evidence=cite))


def _origins(
    session: Session,
    repository: Repository,
    start: StartState,
    evidence: tuple[Evidence, Paths],
    result: Qualification,
) -> None:
    seen, paths = evidence
    tree = set(repository.tree(start.commit)) | set(start.overlay)
    cite = [f"commit {start.commit[:12]}"]

    def add(code: Code, text: str, *more: str, grave: bool) -> None:
        result.reasons.append(Reason(code=code, grave=grave, text=text, evidence=[*cite, *more]))

    named = {
        path
        for path in paths.named(session.first_prompt)
        if path in seen.mentioned and path not in seen.edited
    }
    missing = sorted(named - tree)
    verified = start.method == "recorded" or (start.observed > 0 and start.fit >= UNSURE_FIT)
    if named and not verified and len(missing) >= MISSING_SHARE * len(named):
        text = "files that the first prompt names are in no commit of that time"
        add("start state unrecoverable", text, *missing[:5], grave=True)
    elif start.observed >= 2 and start.fit < POOR_FIT and start.method != "recorded":
        text = f"only {start.fit:.0%} of the contents seen are in the best commit"
        add("start state unrecoverable", text, grave=True)
    elif start.observed >= 2 and start.fit < UNSURE_FIT:
        text = f"only {start.fit:.0%} of the contents seen are in the start commit"
        add("start state unrecoverable", text, grave=False)
    code = [path for path in tree if not _NO_CODE.search(path)]
    if len(code) < SCRATCH_FILES:
        add("from scratch", f"the start tree holds {len(code)} files of code", grave=True)
        return
    project = detect(
        sorted(tree),
        lambda path: repository.read(start.commit, path) or b"",
        filter(is_test_path, tree),
    )
    if project.language == "other":
        text = "it is no Python or Node project that Kettle knows how to build"
        add("cannot be built or tested", text, grave=False)


def _outcome(
    session: Session,
    repository: Repository,
    start: StartState,
    seen: Evidence,
    result: Qualification,
) -> None:
    def add(code: Code, text: str, *cite: str, grave: bool = True) -> None:
        result.reasons.append(Reason(code=code, grave=grave, text=text, evidence=list(cite)))

    best = result.outcomes[0] if result.outcomes else None
    if best is None or best.score < NO_OUTCOME_SCORE:
        cite = [f"commit {best.commits[-1][:12]}: score {best.score}"] if best else []
        add("no outcome", "no later commit is like what the session did", *cite)
        return
    cite = [f"commit {sha[:12]}" for sha in best.commits]
    if best.score < UNSURE_OUTCOME_SCORE:
        text = f"the likeliest later commit scores only {best.score}"
        add("no outcome", text, *cite, grave=False)
    code = [path for path in best.sources if not _NO_CODE.search(path)]
    tests = [path for path in best.tests if not _NO_CODE.search(path)]
    if not code and not tests:
        add("not a code task", "its outcome changes no code", *cite, *best.sources[:3])
        return
    if seen.edited and all(_NO_CODE.search(path) for path in seen.edited):
        add("not a code task", "the session edits no code", *sorted(seen.edited)[:3])
    if not code:
        add("not a code task", "its outcome changes tests alone", *cite, *tests[:3], grave=False)
    lines = _changed_lines(repository, best.commits, code)
    own = _own_lines(session)
    if code and (lines <= TRIVIAL_LINES or (0 < own <= TRIVIAL_LINES)):
        text = f"the outcome changes {lines} lines of code, the session itself {own}"
        add("trivial", text, *cite, *code[:3])
    if 0 < own <= SMALL_LINES and not tests and lines > TRIVIAL_LINES:
        text = f"the session changes {own} lines, and nothing tests them"
        add("trivial", text, *cite, grave=False)
    _separable(repository, best, code, bool(seen.edited), add)
    if start.method == "time" and not _follows(repository, start, best):
        text = "no contents were seen, and the outcome does not follow the commit of that time"
        add("start state unrecoverable", text, *cite, grave=False)


def _separable(
    repository: Repository,
    best: OutcomeCandidate,
    code: Sequence[str],
    tied: bool,
    add: Callable[..., None],
) -> None:
    """Whether a commit's share of the task can be told from what else it holds."""
    if tied:
        return
    cite = [f"commit {sha[:12]}" for sha in best.commits]
    changes = repository.changes(best.commits)
    brought = {c.path for some in changes.values() for c in some if c.new and not c.old}
    transcripts = sorted(path for path in brought if _TRANSCRIPT.search(path))
    if len(transcripts) > 1:
        text = "the commit carries several sessions' work, and no edits tell this one's apart"
        add("no outcome", text, *cite, *transcripts[:3], grave=False)
    elif len(code) > WIDE_FILES:
        text = f"the commit changes {len(code)} files of code, and no edits tell the task's apart"
        add("no outcome", text, *cite, grave=False)


def _follows(repository: Repository, start: StartState, best: OutcomeCandidate) -> bool:
    return start.commit in repository.commit(best.commits[0]).parents


def _changed_lines(repository: Repository, commits: Sequence[str], paths: Sequence[str]) -> int:
    """Lines that commits add to or take from files; the larger of the two for each commit."""
    total = 0
    for sha in commits:
        lines = repository.patch_of(sha, paths).split(b"\n")
        added = sum(line[:1] == b"+" and line[:4] != b"+++ " for line in lines)
        taken = sum(line[:1] == b"-" and line[:4] != b"--- " for line in lines)
        total += max(added, taken)
    return total


def _own_lines(session: Session) -> int:
    """Lines that the session's first task put into files, as far as its edits say."""
    total = 0
    for turn in session.turns[: task_end(session)]:
        total += sum(
            line.startswith("+") and not line.startswith("+++") and bool(line[1:].strip())
            for block in re.findall(r"```diff\n(.*?)```", turn.text, re.DOTALL)
            for line in block.split("\n")
        )
        for call in turn.calls:
            for edit in call.edits if call.failed is not True else ():
                if edit.patch and edit.new is None:
                    new = [li[1:] for li in edit.patch.split("\n") if li.startswith("+")]
                    total += sum(bool(line.strip()) for line in new)
                elif edit.new is not None:
                    had = set((edit.old or edit.before or "").split("\n"))
                    new = [li for li in edit.new.split("\n") if li not in had]
                    total += sum(bool(line.strip()) for line in new)
    return total


def _decide(result: Qualification) -> None:
    grave = [reason for reason in result.reasons if reason.grave]
    result.reasons.sort(key=lambda reason: not reason.grave)
    start, best = result.start, result.outcomes[0] if result.outcomes else None
    if grave:
        result.verdict = "reject"
        result.confidence = round(min(0.95, 0.7 + 0.1 * len(grave)), 2)
        return
    result.verdict = "needs-a-person" if result.reasons else "accept"
    if start is None or best is None:
        return
    origin = 0.95 if start.method == "recorded" else start.fit if start.observed else 0.5
    licence = result.licence.confidence if result.licence else 0.0
    sure = min(1.0, 2 * best.score) * (0.5 + origin / 2) * (0.5 + licence / 2)
    if start.method == "time" and not result.journey.edits:
        sure = min(sure, NO_VISIBLE_WORK)
    result.confidence = round(sure * (1 if result.verdict == "accept" else 0.6), 2)
