"""The first draft of an environment: everything that evidence alone can fill in.

A builder starts from this instead of from nothing: the choices that the origin search recommends,
the user's first words as the instruction, a Dockerfile for the kind of project that the manifests
show, the outcome's sources as the oracle, and the outcome's own tests laid aside for the verifier.
Every part is a guess that the builder may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources

from jinja2 import Environment as Templates
from jinja2 import StrictUndefined

from agent.errors import RepositoryError
from agent.gitrecords import SUBMODULE, SYMLINK
from agent.project import Project, is_test_path
from agent.repo import Repository
from agent.verifier import kit_files

BUN_VERSION = "1.3.8"
"""Bun as the npm registry carries it; the newest one that was tried."""
MAX_OVERLAY_BYTES = 16 * 2**20
"""Of the test files that the verifier brings along. A larger suite is cut to what changed."""

LATER = "Later the user wrote:"
"""Stands above each prompt that changed or widened what the first one asked for."""
NO_NETWORK_NOTE = """

Added by the environment's author:
The code lies in `/app`. There is no network.
"""

EARLIER_NOTE = (
    "What the user says of results is about an earlier attempt, which is not in the tree.\n"
)
"""Added where later prompts stand: a solver would look for those results in its own tree."""

_STEERING = re.compile(
    r"(^|/)(conftest\.py|pytest\.ini|\.pytest\.ini|tox\.ini|setup\.cfg|pyproject\.toml"
    r"|jest\.config\.[cm]?[jt]s(on)?|vitest\.config\.[cm]?[jt]s|\.mocharc[^/]*|bunfig\.toml)$"
)
"""Files that steer a test runner; the verifier uses the outcome's, not the solver's."""
_COLLECTED = {
    "pytest": re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$"),
    "unittest": re.compile(r"(^|/)(test[^/]*|[^/]*_test)\.py$"),
    "node:test": re.compile(r"(\.|-|_|/)tests?\.[cm]?[jt]s$|(^|/)tests?/[^/]+\.[cm]?js$"),
    "jest": re.compile(r"\.(test|spec)\.[cm]?[jt]sx?$|(^|/)__tests__/.*\.[cm]?[jt]sx?$"),
    "vitest": re.compile(r"\.(test|spec)\.[cm]?[jt]sx?$"),
    "mocha": re.compile(r"\.(test|spec)\.[cm]?[jt]s$|(^|/)tests?/.*\.[cm]?js$"),
    "bun": re.compile(r"(\.|_)(test|spec)\.[cm]?[jt]sx?$"),
}
"""Which files each runner collects by default."""
_SAFE_PACKAGE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.+-")

JUDGE = '''"""Demands the outcome's own tests, named in expected.json.

Better are checks of behaviour through the kit, which the graded code cannot reach: see kit.py.
"""

import json

import kit

with open("/tests/expected.json") as file:
    expected = json.load(file)

kit.hidden_tests(
    expected["runner"],
    files=expected["files"],
    fail_to_pass=expected["fail_to_pass"],
    pass_to_pass=expected["pass_to_pass"],
    args=expected["args"],
    timeout_s=expected["timeout_s"],
)
kit.verdict()
'''


def instruction(wish: str) -> str:
    """The instruction: the user's words, and what the environment's author must add."""
    return wish + NO_NETWORK_NOTE + (EARLIER_NOTE if f"\n{LATER}\n" in wish else "")


def dockerfile(project: Project, *, packages: Iterable[str] = (), version_hint: str = "") -> str:
    """The Dockerfile for a kind of project.

    Args:
        project: what the manifests say; gives language and base.
        packages: further Debian packages.
        version_hint: Python only: a shell assignment before the install, for projects that ask
            git for their version, such as `SETUPTOOLS_SCM_PRETEND_VERSION=1.2 `.

    Raises:
        ValueError: a package's name is not one.
    """
    wanted = list(packages)
    for package in wanted:
        if not package or not set(package) <= _SAFE_PACKAGE:
            raise ValueError(f"{package!r} is no Debian package name")
    values: dict[str, object] = {
        "base": project.base,
        "packages": "".join(f" {p}" for p in wanted),
    }
    if project.language == "python":
        values["version_hint"] = version_hint
    elif project.language == "node":
        values["bun"] = BUN_VERSION if project.package_manager == "bun" else ""
    return _template(f"{project.language}.Dockerfile", **values)


def solution(repository: Repository, start: str, after: str) -> dict[str, bytes]:
    """The oracle: `solve.sh`, one patch of the sources, and binary files whole.

    Args:
        repository: the repository.
        start: commit or tree of the start state.
        after: commit or tree with the outcome applied.

    Returns:
        Content by path relative to the draft.
    """
    files = {"solution/solve.sh": _template("solve.sh").encode()}
    patches = []
    for change in repository.changed(start, after):
        if is_test_path(change.path) or SUBMODULE in (change.old_mode, change.new_mode):
            continue
        patch = repository.diff(start, after, [change.path])
        if b"\nGIT binary patch\n" not in patch:
            patches.append(patch)
        elif change.new:
            files[f"solution/files/{change.path}"] = repository.blob(change.new)
    files["solution/oracle.patch"] = b"".join(patches)
    return files


def collected_tests(project: Project, paths: Iterable[str]) -> list[str]:
    """The paths that the project's runner would collect, sorted."""
    pattern = _COLLECTED.get(project.runner)
    return sorted(p for p in paths if pattern and pattern.search(p))


def overlay(repository: Repository, after: str, changed: set[str]) -> dict[str, bytes]:
    """What the verifier brings along: the outcome's tests, their data and the runner's settings.

    Args:
        repository: the repository.
        after: commit or tree with the outcome applied.
        changed: paths that the outcome changes; they come along whatever the size of the rest.

    Returns:
        Content by path relative to the draft, below `tests/files/`.
    """
    tree = repository.tree(after)
    wanted = [p for p in tree if is_test_path(p) or _STEERING.search(p)]
    wanted.sort(key=lambda p: (p not in changed, not _STEERING.search(p), p))
    files: dict[str, bytes] = {}
    total = 0
    for path in wanted:
        mode, sha = tree[path]
        if mode in (SUBMODULE, SYMLINK):
            continue
        try:
            content = repository.blob(sha)
        except RepositoryError:
            continue  # the clone lacks it; tests that need it fail on both states
        total += len(content)
        if total > MAX_OVERLAY_BYTES and path not in changed:
            break
        files[f"tests/files/{path}"] = content
    return files


def verifier() -> dict[str, bytes]:
    """The kit and a judge that demands the outcome's own tests."""
    return {**kit_files(), "tests/judge.py": JUDGE.encode()}


def _template(name: str, **values: object) -> str:
    text = (resources.files("agent") / "templates" / name).read_text(encoding="utf-8")
    # Dockerfiles and scripts, not HTML.
    templates = Templates(  # noqa: S701
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return templates.from_string(text).render(**values)
