"""Print what a Python project declares that it needs, one requirement a line, without running it.

    python3 python_requirements.py TREE LEVEL

LEVEL: `all` takes every requirements file and extra that names tests or development; `tests` only
those that name tests; `plain` the project's own dependencies and pytest; `bare` pytest alone.
Standard library only, because it runs where nothing is installed yet.
"""

from __future__ import annotations

import ast
import configparser
import contextlib
import pathlib
import re
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

TEST_NAMES = re.compile(r"^(tests?|testing|pytest|unit|ci)$", re.IGNORECASE)
ALL_NAMES = re.compile(r"test|^dev|develop|^ci$|^all$", re.IGNORECASE)


def load_toml(path: pathlib.Path) -> dict[str, Any]:
    """A TOML file's content; {} when there is none that can be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, tomllib.TOMLDecodeError):
        return {}


def setup_py(path: pathlib.Path) -> dict[str, Any]:
    """Literal requirements of a setup.py, read from its syntax."""
    found: dict[str, Any] = {}
    try:
        tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, SyntaxError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in (
            "install_requires",
            "tests_require",
            "extras_require",
        ):
            with contextlib.suppress(ValueError):
                found[node.arg] = ast.literal_eval(node.value)
    return found


def poetry(requirements: dict[str, Any]) -> Iterator[str]:
    """Poetry's table of caret versions as plain requirements."""
    for name, wanted in requirements.items():
        if name == "python":
            continue
        if isinstance(wanted, dict):
            if wanted.get("optional") or not isinstance(wanted.get("version"), str):
                continue
            wanted = wanted["version"]
        if not isinstance(wanted, str):
            continue
        caret = re.fullmatch(r"\^(\d+)(\.\d+)*", wanted)
        if caret:
            major = int(caret.group(1))
            upper = f",<{major + 1}" if major else ""
            yield f"{name}>={wanted[1:]}{upper}"
        elif re.match(r"~\d", wanted):
            yield f"{name}~={wanted[1:]}"
        elif re.match(r"[<>=!~]", wanted):
            yield name + wanted
        else:
            yield name


def group(groups: dict[str, Any], name: str, seen: tuple[str, ...] = ()) -> Iterator[str]:
    """A dependency group with its `include-group` entries (PEP 735)."""
    for item in groups.get(name, []) if name not in seen else []:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict) and "include-group" in item:
            yield from group(groups, item["include-group"], (*seen, name))


def requirements(tree: pathlib.Path, level: str) -> Iterator[str]:
    """Every requirement that the manifests declare, at a level."""
    manifest = load_toml(tree / "pyproject.toml")
    project = manifest.get("project", {})
    wanted = TEST_NAMES if level == "tests" else ALL_NAMES
    yield "pytest"
    # Setuptools before 70.1 makes no wheel without it, and projects rarely say so.
    yield "wheel"
    yield from manifest.get("build-system", {}).get("requires", ["setuptools"])
    if level == "bare":
        return
    yield from project.get("dependencies", [])
    old = setup_py(tree / "setup.py")
    if isinstance(old.get("install_requires"), list):
        yield from old["install_requires"]
    config = configparser.ConfigParser()
    try:
        config.read(tree / "setup.cfg", encoding="utf-8")
        yield from config.get("options", "install_requires", fallback="").splitlines()
    except (configparser.Error, UnicodeDecodeError):
        config = configparser.ConfigParser()
    tool = manifest.get("tool", {}).get("poetry", {})
    yield from poetry(tool.get("dependencies", {}))
    if (tree / "requirements.txt").is_file():
        yield f"-r {tree / 'requirements.txt'}"
    if level == "plain":
        return
    for name, extra in project.get("optional-dependencies", {}).items():
        if wanted.search(name):
            yield from extra
    groups = manifest.get("dependency-groups", {})
    for name in groups:
        if wanted.search(name):
            yield from group(groups, name)
    for name, extra in tool.get("group", {}).items():
        if wanted.search(name):
            yield from poetry(extra.get("dependencies", {}))
    yield from poetry(tool.get("dev-dependencies", {}))
    if isinstance(old.get("tests_require"), list):
        yield from old["tests_require"]
    if isinstance(old.get("extras_require"), dict):
        for name, extra in old["extras_require"].items():
            if wanted.search(str(name)) and isinstance(extra, list):
                yield from extra
    if config.has_section("options.extras_require"):
        for name, extra in config.items("options.extras_require"):
            if wanted.search(name):
                yield from extra.splitlines()
    for path in sorted([*tree.glob("*requirements*.txt"), *tree.glob("requirements/*.txt")]):
        purpose = re.sub(r"[-_.]?requirements[-_.]?", "", path.stem)
        if path.name != "requirements.txt" and wanted.search(purpose):
            yield f"-r {path}"


def main() -> None:
    """Print each requirement once."""
    tree = pathlib.Path(sys.argv[1]).resolve()
    own = str(load_toml(tree / "pyproject.toml").get("project", {}).get("name", "")).lower()
    seen = set()
    for line in requirements(tree, sys.argv[2]):
        line = line.strip()
        # A project that names itself in an extra (`pkg[test]`) is already in the tree.
        itself = own and re.match(rf"{re.escape(own)}\[", line, re.IGNORECASE)
        if line and not line.startswith("#") and not itself and line not in seen:
            seen.add(line)
            print(line)


main()
