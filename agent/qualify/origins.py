"""Origins, from evidence: does the repository exist, is the start state recoverable, is it open?"""

from __future__ import annotations

import re

from agent.errors import RepositoryError
from agent.origin.evidence import collect
from agent.origin.licence import licence_of
from agent.origin.start import StartState, find_start, known_paths
from agent.origin.times import began, zone_shift
from agent.project import detect, is_test_path
from agent.qualify.case import Case
from agent.qualify.code import is_code
from agent.qualify.reasons import Citation, Code, commit_cited
from agent.repo import Repository

POOR_FIT = 0.3
"""Below this share of the contents seen, the start commit is not the session's."""
UNSURE_FIT = 0.5
"""Below this a person should look."""
GUESSED_SHARE = 0.5
"""How much a file counts that was seen whole only after something may have changed it."""
MISSING_SHARE = 0.5
"""Share of the files named in the prompt, or edited, that must be there at the start."""
SCRATCH_FILES = 3
"""A start tree with fewer files of code is a new project."""
LATER_LICENCE = 0.8
"""Factor on the confidence in a licence that was only stated later."""
MAX_CITED = 5
"""Files cited for one reason."""

_BUILDABLE = re.compile(
    r"(?:^|^[^/]+/)(?:go\.mod|Cargo\.toml|pom\.xml|build\.gradle(?:\.kts)?|Gemfile|composer\.json|"
    r"mix\.exs|[^/]+\.csproj|[^/]+\.sln|CMakeLists\.txt|meson\.build|Makefile|Rakefile|"
    r"deno\.jsonc?|pyproject\.toml|package\.json|stack\.yaml|[^/]+\.cabal|dune-project|build\.zig)$"
)
"""Manifests of projects that a builder can build in a Linux container, at the root or below it."""
_ELSEWHERE = re.compile(
    r"\.(?:xcodeproj|xcworkspace)/|\.(?:uproject|unity)$|(?:^|/)ProjectSettings/"
)
"""Files of projects that build on another platform, or in an editor with a licence."""


def look(case: Case) -> None:
    """Find the start state and the licence; add what speaks against them.

    Args:
        case: with its repository; gets `seen`, `start`, `tree`, `licence` and `project`.
    """
    repository = _repository(case)
    commits = repository.all_commits()
    when = began(case.session, zone_shift(case.session, commits))
    case.seen = collect(case.session, known_paths(repository, commits, when))
    try:
        case.start = find_start(case.session, repository, evidence=case.seen)
    except RepositoryError as error:
        case.object("start state unrecoverable", str(error))
        return
    entries = repository.tree(case.start.commit)
    case.tree = frozenset(entries) | frozenset(case.start.overlay)
    _licence(case, repository, case.start)
    _start(case, case.start)
    _project(case, repository, case.start)


def _repository(case: Case) -> Repository:
    assert case.repository is not None  # noqa: S101 (callers open it first)
    return case.repository


def _licence(case: Case, repository: Repository, start: StartState) -> None:
    licence = licence_of(repository, start.commit)
    tip = repository.default_branch
    if licence is None and tip is not None and (later := licence_of(repository, tip)):
        confidence = round(later.confidence * LATER_LICENCE, 2)
        licence = later.model_copy(update={"confidence": confidence})
        case.notes.append(f"the licence stands in {tip[:12]}, not yet in the start state")
    case.licence = licence
    if licence is None:
        text = "neither a licence file nor the package's metadata names a licence"
        case.object("not open source", text, commit_cited(start.commit))
    elif not licence.open_source:
        text = f"the licence is {licence.spdx}"
        case.object("not open source", text, commit_cited(licence.commit, licence.file))


def _start(case: Case, start: StartState) -> None:
    assert case.seen is not None  # noqa: S101
    seen, paths = case.seen
    cite = commit_cited(start.commit)
    named = {
        path
        for path in paths.named(case.session.first_prompt)
        if path in seen.mentioned and path not in seen.edited
    }
    missing = sorted(named - case.tree)
    known = _explained(start)
    verified = start.method == "recorded" or (start.observed > 0 and known >= UNSURE_FIT)
    unrecoverable: Code = "start state unrecoverable"
    if named and not verified and len(missing) >= MISSING_SHARE * len(named):
        text = "files that the first prompt names are in no commit of that time"
        case.object(unrecoverable, text, cite, *_files(start, missing))
    elif start.observed >= 2 and known < POOR_FIT and start.method != "recorded":
        text = f"only {known:.0%} of the contents seen are in the best commit or recovered"
        case.object(unrecoverable, text, cite)
    elif start.observed >= 2 and known < UNSURE_FIT:
        text = f"only {known:.0%} of the contents seen are in the start commit or recovered"
        case.object(unrecoverable, text, cite, grave=False)
    _unknown(case, start)


def _explained(start: StartState) -> float:
    """Share in [0, 1] of the files seen that the commit or the uncommitted work accounts for."""
    if not start.fit:
        return 0.0  # nothing ties the session to this commit rather than to any other
    laid_over = len(start.recovered) + GUESSED_SHARE * len(start.guessed)
    return min(1.0, start.fit + laid_over / max(1, start.observed))


def _unknown(case: Case, start: StartState) -> None:
    """Files that the session changed, though nothing shows how they were before."""
    assert case.seen is not None  # noqa: S101
    _, paths = case.seen
    changed: dict[str, bool] = {}
    for turn in case.session.turns[: case.until]:
        for call in turn.calls:
            for edit in call.edits if call.failed is not True else ():
                path = paths.relative(edit.path)
                if path is not None and is_code(path) and path not in changed:
                    known = path in case.tree or edit.before is not None
                    changed[path] = known or edit.kind in ("create", "write")
    lost = sorted(path for path, known in changed.items() if not known)
    if lost:
        text = f"{len(lost)} of {len(changed)} changed files were uncommitted and never seen whole"
        grave = len(lost) > MISSING_SHARE * len(changed)
        case.object("start state unrecoverable", text, *_files(start, lost), grave=grave)


def _project(case: Case, repository: Repository, start: StartState) -> None:
    code = [path for path in case.tree if is_code(path)]
    if len(code) < SCRATCH_FILES:
        text = f"the start tree holds {len(code)} files of code"
        case.object("from scratch", text, commit_cited(start.commit))
        return
    case.project = detect(
        sorted(case.tree),
        lambda path: start.overlay.get(path) or repository.read(start.commit, path) or b"",
        filter(is_test_path, case.tree),
    )
    if any(_ELSEWHERE.search(path) for path in case.tree):
        text = "the project is built on another platform or in an editor of its own"
        shown = sorted(path for path in case.tree if _ELSEWHERE.search(path))
        case.object("cannot be built or tested", text, *_files(start, shown), grave=False)
    elif case.project.language == "other":
        manifests = sorted(path for path in case.tree if _BUILDABLE.search(path))
        if manifests:
            case.notes.append(
                f"built with {manifests[0]}: a builder that can think is needed, `baseline` knows "
                "Python and Node alone"
            )
        else:
            text = "no manifest says how it is built"
            case.object("cannot be built or tested", text, commit_cited(start.commit), grave=False)


def _files(start: StartState, paths: list[str]) -> list[Citation]:
    return [commit_cited(start.commit, path) for path in paths[:MAX_CITED]]
