"""The oracle with a part taken out: each file, and each hunk.

A verifier that rewards half of the work lets a solver stop halfway. Parts that no behaviour hangs
on (documents, tests, comments, blank lines, a release's number) are not taken out.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.gate.outcome import Outcome
from agent.gate.syntax import Unparsed, parse
from agent.grading import Candidate, variant
from agent.project import is_test_path

_DOCUMENT = re.compile(
    r"\.(md|rst|txt|adoc|png|jpe?g|gif|svg|po|pot)$|(^|/)(docs?|changelog\.d|news|\.github)/"
    r"|(^|/)(change(s|log)|news|history|licen[cs]e|authors|readme)[^/]*$"
    r"|(^|/)(package-lock\.json|yarn\.lock|uv\.lock|poetry\.lock|bun\.lockb?)$",
    re.IGNORECASE,
)
_NO_CODE = re.compile(r"^\s*(#.*|//.*|/?\*.*)?$")


@dataclass(frozen=True)
class Wrong:
    """A candidate that should earn nothing.

    Attributes:
        candidate: the candidate.
        what: how it differs from the oracle, in words.
        diff: the same as a unified diff from the oracle.
    """

    candidate: Candidate
    what: str
    diff: str


def is_code(path: str) -> bool:
    """True for a file whose content the behaviour hangs on, as far as its name tells."""
    return not _DOCUMENT.search(path) and not is_test_path(path)


def partials(outcome: Outcome) -> Iterator[Wrong]:
    """The oracle less one file or one hunk; whole files first."""
    changed = {p: c for p, c in outcome.changed.items() if is_code(p)}
    if len(changed) > 1:
        for path, (before, after) in changed.items():
            if _is_text(before) and _is_text(after) and not _tells(before or b"", after or b""):
                continue
            if _same_program(path, before or b"", after or b""):
                continue
            yield Wrong(
                variant(f"without {path}", {path: before}),
                f"without the change to {path}",
                diff_of(path, after, before),
            )
    for path, (before, after) in changed.items():
        if before is None or after is None or not (_is_text(before) and _is_text(after)):
            continue
        hunks = list(_without_hunks(before, after))
        if len(hunks) < 2:
            # With one hunk alone, taking it out is taking the file out.
            continue
        for number, content in enumerate(hunks, start=1):
            if content is not None and not _same_program(path, content, after):
                yield Wrong(
                    variant(f"without {path} hunk {number}", {path: content}),
                    f"without change {number} of {len(hunks)} in {path}",
                    diff_of(path, after, content),
                )


def diff_of(path: str, before: bytes | None, after: bytes | None) -> str:
    """A unified diff between two contents, for people."""
    old = (before or b"").decode("utf-8", "replace").splitlines()
    new = (after or b"").decode("utf-8", "replace").splitlines()
    return "\n".join(
        difflib.unified_diff(old, new, f"oracle/{path}", f"variant/{path}", lineterm="")
    )


def _without_hunks(before: bytes, after: bytes) -> Iterator[bytes | None]:
    """The new content with one change undone, for each change; None where it tells nothing."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if tag == "equal":
            continue
        told = _tells(b"".join(old[i1:i2]), b"".join(new[j1:j2]))
        yield b"".join([*new[:j1], *old[i1:i2], *new[j2:]]) if told else None


def _tells(before: bytes, after: bytes) -> bool:
    """True when the lines differ by more than comments and blank lines."""

    def code(data: bytes) -> list[str]:
        lines = data.decode("utf-8", "replace").splitlines()
        return [line.strip() for line in lines if not _NO_CODE.match(line)]

    return code(before) != code(after)


def _same_program(path: str, one: bytes, other: bytes) -> bool:
    """True when two Python sources differ by docstrings, formatting and the version alone."""
    if not path.endswith(".py"):
        return False
    try:
        return _program(one) == _program(other)
    except Unparsed:
        return False


def _program(source: bytes) -> str:
    tree = parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module):
            node.body = [n for n in node.body if not _is_version(n)]
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
    return ast.dump(tree)


def _is_version(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and all(
        isinstance(t, ast.Name) and t.id in ("__version__", "VERSION", "version")
        for t in node.targets
    )


def _is_text(data: bytes | None) -> bool:
    return data is None or b"\0" not in data[:8192]
