"""What a builder is told before it begins: the evidence as text, as JSON, and as a first draft."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agent import scaffold
from agent.asked import read_prompt
from agent.assemble import patched_tree
from agent.errors import DraftError
from agent.origin.evidence import task_end
from agent.origin.expectation import edits_after, speaks
from agent.origin.outcome import OutcomeCandidate
from agent.origin.patch import Outcome, outcome_patch, scratch
from agent.origin.start import StartState
from agent.project import Project, detect, is_test_path
from agent.repo import Repository
from agent.scrub import Scrubber
from agent.session.model import Session

MAX_LISTED_CHARS = 5_000
"""Of the test files named in origin.json: what a terminal shows in one piece is about 10 kB."""
MAX_SHOWN = 8
"""Candidates listed in origin.md."""
MAX_LATER_PROMPTS = 6
"""Quoted in the first instruction; a session with more of them wanders."""


@dataclass(frozen=True)
class Origin:
    """What the origin search found.

    Attributes:
        start: the start state.
        candidates: possible outcomes, the likeliest first.
        outcome: the recommended one; None when nothing later looks like it.
        start_patch: the uncommitted changes at the start, as a patch on the start commit.
        start_tree: commit or tree of the start state, uncommitted changes included.
        after_tree: commit or tree with the outcome applied; None without one that applies.
        project: what kind of project the start state is.
        date: the day of the session; packages are resolved as of it.
        attempts: the session's own attempts as files, with what is expected of them; see
            `agent.origin.expectation`.
    """

    start: StartState
    candidates: list[OutcomeCandidate]
    outcome: Outcome | None
    start_patch: bytes
    start_tree: str
    after_tree: str | None
    project: Project
    date: str
    attempts: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The start state in a few words."""
        return self.start.label


def survey(
    session: Session,
    repository: Repository,
    start: StartState,
    candidates: list[OutcomeCandidate],
) -> Origin:
    """Complete what the origin search found with the trees and the kind of project.

    Args:
        session: as recorded.
        repository: its repository.
        start: the likely start state.
        candidates: what may have solved the task, the likeliest first; that one is the outcome.

    Raises:
        RepositoryError: a commit is missing.
    """
    commits = candidates[0].commits if candidates else []
    outcome = outcome_patch(repository, start, commits) if commits else None
    start_tree, start_patch = start.commit, b""
    if start.overlay:
        with scratch(repository, start.tree) as work:
            work.put(start.overlay)
            start_patch = work.diff(start.tree, work.tree())
        start_tree = patched_tree(repository, start.commit, start_patch, "uncommitted work")
    after = None
    changed: set[str] = set()
    if outcome is not None and outcome.patch:
        try:
            after = patched_tree(repository, start_tree, outcome.patch, "the outcome")
            changed = {c.path for c in repository.changed(start_tree, after)}
        except DraftError:
            after = None
    tests = sorted(p for p in changed if is_test_path(p))
    # The outcome's tests tell the runner, also where they are the project's first.
    tree = repository.tree(start_tree)
    tree |= {p: e for p, e in repository.tree(after or start_tree).items() if p in tests}
    project = detect(tree, lambda path: repository.blob(tree[path].sha), tests)
    moment = session.started or session.ended or repository.commit(start.commit).committed
    return Origin(
        start=start,
        candidates=candidates,
        outcome=outcome,
        start_patch=start_patch,
        start_tree=start_tree,
        after_tree=after,
        project=project,
        date=_date(moment),
    )


def first_draft(
    session: Session, repository: Repository, origin: Origin, *, base: str
) -> dict[str, bytes]:
    """The scaffold as files of a draft; see `agent.scaffold`.

    Args:
        session: whose user's words become the instruction.
        repository: where the outcome's files come from.
        origin: what the origin search found.
        base: the image to rest on, pinned by digest where a registry gave one.
    """
    commits = origin.outcome.commits if origin.outcome else []
    lines = [
        f'start_commit = "{origin.start.commit}"',
        f"outcome_commits = {json.dumps(commits)}",
        f'base = "{base}"',
        "verifier_timeout_s = 300",
        "agent_timeout_s = 1800",
    ]
    files = {
        "kettle.toml": ("\n".join(lines) + "\n").encode(),
        "instruction.md": scaffold.instruction(wish(session)).encode(),
        **scaffold.verifier(),
    }
    if origin.start_patch:
        files["start.patch"] = origin.start_patch
    changed: set[str] = set()
    if origin.after_tree:
        changed = {c.path for c in repository.changed(origin.start_tree, origin.after_tree)}
        files |= scaffold.solution(repository, origin.start_tree, origin.after_tree)
        files |= scaffold.overlay(repository, origin.after_tree, changed)
    tests = b"\n".join(
        content for path, content in files.items() if path.startswith("tests/files/")
    )
    packages = ["git"] if re.search(rb"[\"']git[\"']", tests) else []
    files["environment/Dockerfile"] = scaffold.dockerfile(
        origin.project.model_copy(update={"base": base}),
        packages=packages,
        version_hint=_version_hint(repository, origin),
    ).encode()
    return files


def wish(session: Session) -> str:
    """What the user asked for, verbatim: the first prompt, and later ones of the same task.

    A later prompt counts when the agent answered it with edits, or when it sets the agent right:
    thanks and questions do neither.
    Of a session that goes on and on the first prompt alone is sure to be of its first task.
    """
    until = task_end(session)
    asked = [
        turn.text.strip()
        for number, turn in enumerate(session.turns[:until])
        if speaks(turn)
        and (
            edits_after(session, number, until)
            or read_prompt(number, turn.text, first=False).corrects
        )
    ]
    later = [text for text in asked if text != session.first_prompt.strip()]
    if len(later) > MAX_LATER_PROMPTS:
        later = []
    return f"\n\n{scaffold.LATER}\n".join([session.first_prompt.strip(), *later])


def facts(session: Session, repository: Repository, origin: Origin) -> str:
    """`origin.json`: what a recipe or a script needs, on one line and short."""
    changed: list[str] = []
    neighbours: list[str] = []
    if origin.after_tree:
        tree = repository.tree(origin.after_tree)
        paths = {c.path for c in repository.changed(origin.start_tree, origin.after_tree) if c.new}
        changed = scaffold.collected_tests(origin.project, paths)
        neighbours = scaffold.collected_tests(origin.project, [p for p in tree if is_test_path(p)])
    value = {
        "start": origin.start.commit,
        "method": origin.start.method,
        "fit": round(origin.start.fit, 3),
        "outcome": origin.outcome.commits if origin.outcome else [],
        "project": origin.project.model_dump(),
        "date": origin.date,
        "lock": _lock_command(repository, origin),
        "test_files": _bounded(changed),
        "neighbours": _bounded(neighbours),
    }
    return json.dumps(value) + "\n"


def report(session: Session, repository: Repository, origin: Origin) -> str:
    """`origin.md`: the evidence as a person would want to read it."""
    lines = ["# What Kettle found out", "", "## Start state", ""]
    lines.append(f"{origin.start.commit}: {origin.label}")
    lines += [f"- {reason}" for reason in origin.start.reasons]
    lines += [f"- {line}" for line in origin.start.uncommitted_lists]
    others = origin.start.candidates[1:MAX_SHOWN]
    lines += ["", "Other candidates:"] if others else []
    for candidate in others:
        lines.append(
            f"- {candidate.commit[:12]} {candidate.committed:%Y-%m-%d %H:%M} fit "
            f"{candidate.fit:.2f}: {candidate.subject}"
        )
    lines += ["", "## Outcome", ""]
    if origin.outcome is None:
        lines.append("No later commit looks like the outcome of this session.")
    else:
        lines.append(f"Recommended: {', '.join(origin.outcome.commits)}")
        lines += [f"- {note}" for note in origin.outcome.notes]
        if origin.after_tree is None:
            lines.append("- its change does not apply to the start state; see the history")
    for possible in origin.candidates[:MAX_SHOWN]:
        names = ", ".join(c[:12] for c in possible.commits)
        lines.append(f"- {names} (score {possible.score:.2f}): {'; '.join(possible.reasons)}")
    lines += ["", "## Project", "", *(f"- {r}" for r in origin.project.reasons)]
    lock = _lock_command(repository, origin)
    lines += [
        "",
        "## Aids (plain scripts, use them or not)",
        "",
        "- `/workbench/aids/lock-python.sh` and `lock-node.sh`: resolve the dependencies as of "
        f"{origin.date}, write the lock file that the Dockerfile installs, install it here.",
        *([f"  Here: `{lock}`"] if lock else []),
        "- `/workbench/aids/compare_states.py`: run test files on both states, list the tests that "
        "tell them apart, write `tests/expected.json`.",
        "- `/workbench/aids/user_examples.py`: demand the user's own `>>>` examples (Python).",
        "- Each says at its top how it is called.",
        "",
    ]
    # Subjects and branch names are other people's words.
    return Scrubber().text("\n".join(lines))


def _lock_command(repository: Repository, origin: Origin) -> str:
    """How the dependencies are locked, for the checkout at the start state; "" if nobody knows."""
    aids, environment = "/workbench/aids", "/workbench/draft/environment"
    given = f"/workbench/repo {origin.date} {environment}"
    if origin.project.language == "python":
        hint = _version_hint(repository, origin)
        return f"{hint}{aids}/lock-python.sh {given}/requirements.lock /opt/venv"
    if origin.project.language == "node":
        manager = origin.project.package_manager
        bun = f"BUN_VERSION={scaffold.BUN_VERSION}"
        return f"{bun} {aids}/lock-node.sh {given}/deps {manager}"
    return ""


def _version_hint(repository: Repository, origin: Origin) -> str:
    """A variable for build systems that ask git for the version, which the image does not have."""
    manifest = repository.read(origin.start.commit, "pyproject.toml") or b""
    manifest += repository.read(origin.start.commit, "setup.py") or b""
    manifest += repository.read(origin.start.commit, "setup.cfg") or b""
    if not re.search(rb"setuptools[-_]scm|hatch-vcs|pbr|versioningit|dunamai", manifest):
        return ""
    tag = repository.version(origin.start.commit) or ""
    found = re.search(r"(\d+(?:\.\d+)+)", tag)
    version = found.group(1) if found else "0.0.1"
    return f"SETUPTOOLS_SCM_PRETEND_VERSION={version} PBR_VERSION={version} "


def _bounded(paths: list[str]) -> list[str]:
    kept: list[str] = []
    total = 0
    for path in paths:
        total += len(path) + 4
        if total > MAX_LISTED_CHARS // 2:
            break
        kept.append(path)
    return kept


def _date(moment: datetime) -> str:
    """A moment as the package clients take it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
