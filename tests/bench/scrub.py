"""How much of what is planted the scrubber finds, what it leaves of code, and how fast it is.

Run alone: `python -m tests.bench scrub`.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from agent.scrub import Scrubber
from tests.planted import CODE, CORPUS

TARGET_RECALL = 0.99
TARGET_SECONDS_PER_MB = 2.0
"""A session of ten megabytes then takes no longer than the build of its image."""
PACKAGES = (
    "_pytest",
    "alembic",
    "docker",
    "git",
    "httpx2",
    "jinja2",
    "requests",
    "sqlalchemy",
    "yaml",
)
"""Installed packages whose sources are scrubbed as if somebody had just written them."""
TARGET_PROGRAMS = 0.01
"""Share of their modules in which a placeholder may stand in code; what a repository has is left
alone, so this is of new work only."""
REPEATS = 60
"""Copies of the code that make about a megabyte with the planted lines between them."""


def main() -> bool:
    """Print one line per figure; True when every target is met."""
    missed = Counter(kind for kind, value, text in CORPUS if value in Scrubber().text(text))
    recall = 1 - missed.total() / len(CORPUS)
    changed = [line for line in CODE.splitlines() if Scrubber().text(line) != line]
    body = "\n".join([CODE * REPEATS, *(text for _, _, text in CORPUS)] * 4)
    began = time.process_time()
    Scrubber().text(body)
    pace = (time.process_time() - began) / (len(body) / 1e6)
    _line(f"planted values found, of {len(CORPUS)}", recall, recall >= TARGET_RECALL, "share")
    for kind, count in missed.most_common():
        sys.stdout.write(f"    missed: {count} × {kind}\n")
    _line(f"lines of code changed, of {CODE.count(chr(10))}", len(changed), not changed, "lines")
    _line("scrubbing a megabyte", pace, pace <= TARGET_SECONDS_PER_MB, "s")
    real = _real_code()
    return recall >= TARGET_RECALL and not changed and pace <= TARGET_SECONDS_PER_MB and real


def _real_code() -> bool:
    modules = lines = touched = 0
    programs: list[str] = []
    for path in _sources():
        source = path.read_text("utf-8", "replace")
        scrubbed = Scrubber().text(source)
        pairs = list(zip(source.split("\n"), scrubbed.split("\n"), strict=False))
        modules, lines = modules + 1, lines + len(pairs)
        touched += sum(old != new for old, new in pairs)
        if scrubbed != source and _program(scrubbed) != _program(source):
            programs.append(path.name)
    share = len(programs) / modules
    met = share <= TARGET_PROGRAMS
    _line(f"lines of installed packages changed, of {lines}", touched, True, "lines")
    _line(f"modules whose code changed, of {modules}", share, met, "share")
    sys.stdout.write(f"    changed: {', '.join(programs) or 'none'}\n")
    return met


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        for folder in (found.submodule_search_locations or ()) if found else ():
            yield from sorted(Path(folder).rglob("*.py"))


def _program(source: str) -> str:
    """What a module does: its syntax tree without comments and texts that nobody uses."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            held = getattr(node, name, None)
            if isinstance(held, list):
                setattr(node, name, [part for part in held if not _is_text(part)])
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _line(name: str, measured: float, met: bool, unit: str) -> None:
    sys.stdout.write(f"{name:<52} {measured:8.3f} {unit:<10} {'ok' if met else 'miss'}\n")
