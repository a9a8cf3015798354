"""What a verifier demands that nobody told the solver: names and texts only the solution has.

A name or a text that stands in the tests, that the oracle introduces, and that neither the
instruction nor the start state holds cannot be known to a solver. Found in the syntax trees of the
tests, so what a test defines for itself, and its comments, are no demand. The builder traces one by
a heading with it in `provenance/trace.md`, above a quotation (`> …`) of the instruction: only words
that stand there count, whatever is written around them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tree_sitter import Node

from agent.environment import Environment
from agent.gate.candidates.script import parsed, text, walk
from agent.gate.marks import standard_names
from agent.gate.outcome import Outcome
from agent.gate.syntax import Unparsed, parse
from agent.tree import Tree

TRACE = "provenance/trace.md"
"""Where the builder says which words of the instruction lead to a demand."""
MIN_TEXT_CHARS = 12
"""Shorter texts recur in unrelated code."""
MIN_QUOTED_CHARS = 8
"""A shorter quotation stands in any instruction."""
_OURS = frozenset({"tests/kit.py", "tests/suites.py"})
_NAMES = frozenset({"import_specifier", "property_identifier", "shorthand_property_identifier"})


def untold(environment: Environment, outcome: Outcome, start: Tree) -> dict[str, str]:
    """What the tests demand and nobody told, each with the file that demands it."""
    said = _squeezed(environment.instruction)
    # What Python brings along is known to every solver.
    names = {n for n in outcome.names if n not in standard_names() and _squeezed(n) not in said}
    added = _added(outcome)
    traced = quoted(environment)
    found: dict[str, str] = {}
    for path, data in environment.files("tests"):
        if path in _OURS:
            continue
        for word, is_text in _demands(path, data):
            known = word not in names
            if known and is_text and len(word) >= MIN_TEXT_CHARS and " " in word.strip():
                known = word not in added or _squeezed(word) in said or _holds(start, word)
            if not known and word not in traced:
                found.setdefault(word, path)
    return found


def _demands(path: str, data: bytes) -> Iterator[tuple[str, bool]]:
    """Names that a test takes from the project, and its texts, the latter with True."""
    if not path.endswith(".py"):
        root = parsed(path, data)
        yield from _script_demands(root) if root is not None else ()
        return
    try:
        tree = parse(data)
    except Unparsed:
        return
    documentation = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((name.name, False) for name in node.names)
        elif isinstance(node, ast.Attribute):
            yield node.attr, False
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, False
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from () if id(node) in documentation else _within(node.value)


def _script_demands(root: Node) -> Iterator[tuple[str, bool]]:
    for node in walk(root):
        if node.type == "string_fragment":
            yield from _within(text(node))
        elif node.type in _NAMES:
            yield text(node.child_by_field_name("name") or node), False


def _within(value: str) -> Iterator[tuple[str, bool]]:
    """A text and the names in it: tests hold dotted paths and lines of code in strings, too."""
    yield value, True
    yield from ((name, False) for name in re.findall(r"[A-Za-z_]\w+", value))


def _added(outcome: Outcome) -> str:
    """The oracle's new lines; texts of the start state are sorted out by the caller."""
    lines = []
    for before, after in outcome.changed.values():
        old = set((before or b"").splitlines())
        lines += [line for line in (after or b"").splitlines() if line not in old]
    return b"\n".join(lines).decode("utf-8", "replace")


def _holds(start: Tree, word: str) -> bool:
    return any(word.encode() in data for _, data in start.files())


def quoted(environment: Environment) -> set[str]:
    """What the builder traced by words that the instruction really holds: the headings."""
    data = environment.read(TRACE)
    if data is None:
        return set()
    said = " ".join(environment.instruction.split())
    found = set()
    for part in re.split(r"^#+\s*", data.decode("utf-8", "replace"), flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        quoted = [" ".join(q.split()) for q in re.findall(r"^>\s*(.+)$", body, re.MULTILINE)]
        if any(len(q) >= MIN_QUOTED_CHARS and q in said for q in quoted):
            found.add(heading.strip().strip("`"))
    return found


def _squeezed(words: str) -> str:
    """Letters and digits alone: `--dry-run` tells a solver of `dry_run`."""
    return re.sub(r"[\W_]+", "", words).lower()
