"""Mutants of the lines that the oracle changed in Python files.

The operators are the sufficient set of Offutt, Lee, Rothermel, Untch and Zapf ("An experimental
determination of sufficient mutant operators", ACM TOSEM 5(2), 1996) as far as Python has them:
arithmetic (AOR), relational (ROR) and logical (LCR) operators replaced, conditions negated (UOI);
with constants replaced and statements deleted (SDL; Deng, Offutt and Li, "Empirical evaluation of
the statement deletion mutation operator", ICST 2013). Each mutant changes one place of the source
text, so that everything else stays as it was written.
"""

from __future__ import annotations

import ast
import difflib
import random
from collections.abc import Iterator
from dataclasses import dataclass

from agent.gate.candidates.partial import Wrong, diff_of, is_code
from agent.gate.outcome import Outcome
from agent.grading import variant

MAX_SOURCE_BYTES = 1 << 20
"""Larger sources are generated."""

_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.Pow: "*",
    ast.BitAnd: "|",
    ast.BitOr: "&",
    ast.LShift: ">>",
    ast.RShift: "<<",
}
_RELATIONAL: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
_DELETABLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Return, ast.Delete)


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str
    what: str
    line: int


def mutants(outcome: Outcome, *, limit: int, seed: int) -> list[Wrong]:
    """A sample of mutants, spread over files and lines.

    Args:
        outcome: what the oracle changes.
        limit: at most so many.
        seed: decides the sample.
    """
    found: dict[tuple[str, int], list[Wrong]] = {}
    for path, (before, after) in outcome.changed.items():
        if after is None or not path.endswith(".py") or not is_code(path):
            continue
        for edit, content in _mutated(before or b"", after):
            name = f"{path}:{edit.line} {edit.what}"
            wrong = Wrong(variant(name, {path: content}), name, diff_of(path, after, content))
            found.setdefault((path, edit.line), []).append(wrong)
    chance = random.Random(seed)  # noqa: S311 (a sample that can be repeated)
    lines = [found[key] for key in sorted(found)]
    for group in lines:
        chance.shuffle(group)
    chance.shuffle(lines)
    # Round after round one mutant of each line, so that no line takes all the places.
    rounds = max((len(group) for group in lines), default=0)
    spread = [group[n] for n in range(rounds) for group in lines if n < len(group)]
    return spread[:limit]


def has_python(outcome: Outcome) -> bool:
    """True when the oracle changes Python code."""
    return any(p.endswith(".py") and is_code(p) and a for p, (_, a) in outcome.changed.items())


def _mutated(before: bytes, after: bytes) -> Iterator[tuple[_Edit, bytes]]:
    if len(after) > MAX_SOURCE_BYTES:
        return
    try:
        tree = ast.parse(after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    old, new = before.splitlines(), after.splitlines()
    touched: set[int] = set()
    for tag, _, _, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag in ("insert", "replace"):
            touched.update(range(j1 + 1, j2 + 1))
    starts = [0]
    for line in after.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for edit in _edits(tree, after, starts):
        if edit.line not in touched:
            continue
        content = after[: edit.start] + edit.text.encode() + after[edit.end :]
        try:
            if ast.dump(ast.parse(content)) == ast.dump(tree):
                continue
        except (SyntaxError, ValueError):
            continue
        yield edit, content


def _edits(tree: ast.Module, source: bytes, starts: list[int]) -> Iterator[_Edit]:
    def place(node: ast.expr | ast.stmt) -> tuple[int, int]:
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return starts[node.lineno - 1] + node.col_offset, starts[end_line - 1] + end_column

    def text(node: ast.expr) -> str:
        start, end = place(node)
        return source[start:end].decode("utf-8", "replace")

    documented = {
        id(body[0].value)
        for owner in ast.walk(tree)
        if isinstance(owner, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and (body := owner.body)
        and isinstance(body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            new = _ARITHMETIC[type(node.op)]
            left, right = text(node.left), text(node.right)
            yield _Edit(*place(node), f"({left}) {new} ({right})", f"operator {new}", node.lineno)
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = text(node.left), text(node.comparators[0])
            for new in _RELATIONAL.get(type(node.ops[0]), ()):
                what = f"comparison {new}"
                yield _Edit(*place(node), f"({left}) {new} ({right})", what, node.lineno)
        elif isinstance(node, ast.BoolOp):
            new = "or" if isinstance(node.op, ast.And) else "and"
            parts = f" {new} ".join(f"({text(v)})" for v in node.values)
            yield _Edit(*place(node), parts, f"logic {new}", node.lineno)
        elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
            condition = text(node.test)
            yield _Edit(
                *place(node.test), f"not ({condition})", "condition negated", node.test.lineno
            )
        elif isinstance(node, ast.Constant) and id(node) not in documented:
            changed = _constant(node.value)
            if changed is not None:
                yield _Edit(*place(node), changed, f"constant {changed[:20]}", node.lineno)
        elif isinstance(node, _DELETABLE):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue
            new = "return None" if isinstance(node, ast.Return) and node.value else "pass"
            yield _Edit(*place(node), new, f"statement {new}", node.lineno)


def _constant(value: object) -> str | None:
    if isinstance(value, bool):
        return str(not value)
    if isinstance(value, (int, float)):
        return repr(value + 1)
    if isinstance(value, str) and value:
        return repr("")
    return None
