"""What kind of project a tree of files is: language, package manager, test runner, base image.

Read from the manifests alone, as data; nothing of the project is run. A wrong guess costs a builder
a few turns, so what was guessed and from which file is kept as reasons.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

BOOKWORM = "debian:bookworm-slim"
TRIXIE = "debian:trixie-slim"
BASES = (BOOKWORM, TRIXIE)

BOOKWORM_PYTHON = (3, 11)
"""Python of Debian 12."""
BOOKWORM_NODE = 18
"""Node's major version in Debian 12."""

MAX_MANIFEST_BYTES = 2_000_000
"""A larger manifest is not parsed: real ones are a few kB."""

_TEST_PATH = re.compile(
    r"(^|/)(tests?|testing|__tests__|specs?|e2e)/"
    r"|(^|/)(test_[^/]*|[^/]*_test|tests|conftest)\.py$"
    r"|\.(test|spec)\.[cm]?[jt]sx?$"
    r"|(^|/)test[^/]*\.[cm]?js$",
    re.IGNORECASE,
)


def is_test_path(path: str) -> bool:
    """True when a path looks like a test or a test's data, by the conventions of its language."""
    return bool(_TEST_PATH.search(path))


class Project(BaseModel):
    """What the manifests of a tree say."""

    model_config = ConfigDict(extra="forbid")

    language: Literal["python", "node", "other"]
    runner: Literal[
        "pytest", "unittest", "node:test", "jest", "vitest", "mocha", "bun", "unknown"
    ] = "unknown"
    package_manager: Literal["pip", "npm", "bun", "pnpm", "yarn", "none"] = "none"
    base: str = BOOKWORM
    name: str = ""
    reasons: list[str] = Field(default_factory=list)


def detect(
    paths: Iterable[str], read: Callable[[str], bytes], tests: Iterable[str] = ()
) -> Project:
    """Tell what kind of project a tree is.

    Args:
        paths: all file paths of the tree, relative to its root.
        read: gives the content of one of them.
        tests: the test files that matter (the outcome's); they decide between two languages.

    Returns:
        The project; `language` is `other` when no manifest is known.
    """
    known = set(paths)

    def text(path: str) -> str:
        if path not in known:
            return ""
        data = read(path)
        return data.decode("utf-8", "replace") if len(data) <= MAX_MANIFEST_BYTES else ""

    scripts = [t for t in tests if re.search(r"\.[cm]?[jt]sx?$", t)]
    modules = [t for t in tests if t.endswith(".py")]
    has_python = bool(
        known & {"pyproject.toml", "setup.py", "setup.cfg", "requirements.txt"}
    ) or any(p.endswith(".py") and "/" not in p for p in known)
    has_node = "package.json" in known
    if has_node and (not has_python or len(scripts) > len(modules)):
        return _node(known, text, scripts)
    if has_python or modules:
        return _python(known, text, modules or [p for p in known if is_test_path(p)], read)
    return Project(language="other", reasons=["no pyproject.toml, setup.py or package.json"])


def _python(
    known: set[str], text: Callable[[str], str], tests: list[str], read: Callable[[str], bytes]
) -> Project:
    reasons = []
    manifest = _toml(text("pyproject.toml"))
    declared = manifest.get("project", {})
    floor = str(declared.get("requires-python", ""))
    if not floor and (
        m := re.search(r"python_requires\s*=\s*['\"]?([^'\"\n]+)", text("setup.cfg"))
    ):
        floor = m.group(1)
    minimum = re.search(r">=?\s*3\.(\d+)", floor)
    base = BOOKWORM
    if minimum and (3, int(minimum.group(1))) > BOOKWORM_PYTHON:
        base = TRIXIE
        reasons.append(f"requires Python {floor}, newer than Debian 12 has")
    sample = [t for t in tests if t in known and t.endswith(".py")][:20]
    bodies = "\n".join(read(t).decode("utf-8", "replace") for t in sample)
    uses_pytest = (
        "import pytest" in bodies
        or "pytest" in manifest.get("tool", {})
        or "pytest.ini" in known
        or "conftest.py" in bodies
        or any(p.endswith("conftest.py") for p in known)
        or bool(re.search(r"^(async )?def test_", bodies, re.MULTILINE))
    )
    runner: Literal["pytest", "unittest"] = (
        "unittest" if "unittest" in bodies and not uses_pytest else "pytest"
    )
    reasons.append(f"Python, tests run with {runner}")
    return Project(
        language="python",
        runner=runner,
        package_manager="pip",
        base=base,
        name=str(declared.get("name", "")),
        reasons=reasons,
    )


def _node(known: set[str], text: Callable[[str], str], tests: list[str]) -> Project:
    reasons = []
    manifest = _json(text("package.json"))
    needs: dict[str, Any] = {}
    for key in ("dependencies", "devDependencies"):
        if isinstance(manifest.get(key), dict):
            needs |= manifest[key]
    script = " ".join(str(s) for s in _dict(manifest.get("scripts")).values())
    manager: Literal["npm", "bun", "pnpm", "yarn"] = "npm"
    if known & {"bun.lock", "bun.lockb"}:
        manager = "bun"
    elif "pnpm-lock.yaml" in known:
        manager = "pnpm"
    elif "yarn.lock" in known:
        manager = "yarn"
    bodies = "\n".join(text(t) for t in tests[:20])
    runner: Literal["bun", "vitest", "jest", "mocha", "node:test", "unknown"] = "unknown"
    if "bun:test" in bodies or re.search(r"\bbun test\b", script):
        runner = "bun"
    elif "node:test" in bodies:
        runner = "node:test"
    elif "vitest" in needs or "vitest" in script:
        runner = "vitest"
    elif "jest" in needs or "jest" in script:
        runner = "jest"
    elif "mocha" in needs or "mocha" in script:
        runner = "mocha"
    elif "node --test" in script or "node --experimental-test" in script:
        runner = "node:test"
    floor = re.search(r"(\d+)", str(_dict(manifest.get("engines")).get("node", "")))
    base = BOOKWORM
    if floor and int(floor.group(1)) > BOOKWORM_NODE:
        base = TRIXIE
        reasons.append(f"engines.node asks for {floor.group(1)}, newer than Debian 12 has")
    elif runner == "vitest" or "typescript" in needs:
        # Today's build tools of the TypeScript world no longer start on Node 18.
        base = TRIXIE
        reasons.append("TypeScript tools want Node 20")
    reasons.append(f"Node with {manager}, tests run with {runner}")
    return Project(
        language="node",
        runner=runner,
        package_manager=manager,
        base=base,
        name=str(manifest.get("name", "")),
        reasons=reasons,
    )


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _json(text: str) -> dict[str, Any]:
    try:
        return _dict(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
