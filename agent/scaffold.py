"""The first draft of an environment: everything that evidence alone can fill in.

A builder starts from this instead of from nothing. It holds the choices that the origin search
recommends, the user's first words as the instruction, a Dockerfile for the kind of project that the
manifests show, the outcome as the oracle, and the outcome's own tests laid aside for the verifier.
Every part is a guess that the builder may change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources

from jinja2 import Environment as Templates
from jinja2 import StrictUndefined

from agent.project import Project, is_test_path

BUN_VERSION = "1.3.8"
"""Bun as the npm registry carries it; the newest one that was tried."""

_SAFE_PACKAGE = "abcdefghijklmnopqrstuvwxyz0123456789.+-"


@dataclass(frozen=True)
class Change:
    """One file that the outcome changes.

    Attributes:
        path: relative to the repository's root.
        mode: git's mode of the file afterwards (0o100644, 0o100755, 0o120000); 0 when deleted.
        content: the bytes afterwards (for a link, its target); None when deleted.
        patch: the change as a unified diff in git's form; empty for binary files.
    """

    path: str
    mode: int
    content: bytes | None
    patch: bytes = b""

    @property
    def is_test(self) -> bool:
        """True when the file belongs to the outcome's tests."""
        return is_test_path(self.path)


@dataclass
class Scaffold:
    """Files of a draft under construction, by path relative to the draft."""

    files: dict[str, bytes] = field(default_factory=dict)

    def add(self, path: str, content: str | bytes) -> None:
        """Put a file into the draft; text is written as UTF-8."""
        self.files[path] = content.encode() if isinstance(content, str) else content


def dockerfile(
    project: Project,
    *,
    packages: tuple[str, ...] = (),
    install_project: bool = True,
    version_hint: str = "",
    install: str = "npm ci --ignore-scripts --no-audit --no-fund",
) -> str:
    """The Dockerfile for a kind of project.

    Args:
        project: what the manifests say; gives language and base.
        packages: further Debian packages.
        install_project: Python only: install the project itself in place.
        version_hint: Python only: a shell assignment before the install, for projects that ask
            git for their version, such as `SETUPTOOLS_SCM_PRETEND_VERSION=1.2 `.
        install: Node only: the command that installs the locked dependencies.

    Raises:
        ValueError: a package's name is not one.
    """
    for package in packages:
        if not package or set(package) - set(_SAFE_PACKAGE):
            raise ValueError(f"{package!r} is no Debian package name")
    values: dict[str, object] = {
        "base": project.base,
        "packages": "".join(f" {p}" for p in packages),
    }
    if project.language == "python":
        values |= {"install_project": install_project, "version_hint": version_hint}
    elif project.language == "node":
        values |= {
            "bun": BUN_VERSION if "bun" in (project.runner, project.package_manager) else "",
            "install": install,
        }
    return _template(f"{project.language}.Dockerfile", **values)


def solution_files(changes: list[Change]) -> dict[str, bytes]:
    """The oracle: `solve.sh` and one patch; binary files go beside it whole."""
    files = {"solution/solve.sh": _template("solve.sh").encode()}
    files["solution/oracle.patch"] = b"".join(c.patch for c in changes if c.patch)
    for change in changes:
        if not change.patch and change.content is not None:
            files[f"solution/files/{change.path}"] = change.content
    return files


def _template(name: str, **values: object) -> str:
    text = (resources.files("agent") / "templates" / name).read_text(encoding="utf-8")
    # Dockerfiles and scripts, not HTML.
    templates = Templates(  # noqa: S701
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return templates.from_string(text).render(**values)
