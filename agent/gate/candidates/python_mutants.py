"""Places in Python code to mutate; see `agent.gate.candidates.mutants` for the operators."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from agent.gate.candidates.edit import Edit
from agent.gate.syntax import Unparsed, parse

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


def python_edits(source: bytes) -> Iterator[Edit]:
    """Every mutation of one place of a Python source.

    Raises:
        Unparsed: it is not valid Python.
    """
    tree = parse(source)
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    yield from _edits(tree, source, starts)


def python_differs(before: bytes, after: bytes) -> bool:
    """True when a mutant is valid Python and not the same program."""
    try:
        return ast.dump(parse(after)) != ast.dump(parse(before))
    except Unparsed:
        return False


def _edits(tree: ast.Module, source: bytes, starts: list[int]) -> Iterator[Edit]:
    def place(node: ast.expr | ast.stmt) -> tuple[int, int]:
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return starts[node.lineno - 1] + node.col_offset, starts[end_line - 1] + end_column

    def text(node: ast.expr) -> str:
        start, end = place(node)
        return source[start:end].decode("utf-8", "replace")

    # Nothing hangs on a text that stands alone, on a type and on a release's number.
    idle: list[ast.AST | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            idle.append(node)
        elif isinstance(node, (ast.arg, ast.AnnAssign)):
            idle.append(node.annotation)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            idle.append(node.returns)
    idle += [
        node
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == "__version__" for t in node.targets)
    ]
    left_alone = {id(inner) for node in idle if node is not None for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in left_alone:
            continue
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            new = _ARITHMETIC[type(node.op)]
            left, right = text(node.left), text(node.right)
            yield Edit(*place(node), f"({left}) {new} ({right})", f"operator {new}", node.lineno)
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = text(node.left), text(node.comparators[0])
            for new in _RELATIONAL.get(type(node.ops[0]), ()):
                what = f"comparison {new}"
                yield Edit(*place(node), f"({left}) {new} ({right})", what, node.lineno)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
            yield Edit(*place(node), f"({text(node.operand)})", "sign dropped", node.lineno)
        elif isinstance(node, (ast.Break, ast.Continue)):
            new = "continue" if isinstance(node, ast.Break) else "break"
            yield Edit(*place(node), new, f"statement {new}", node.lineno)
        elif isinstance(node, ast.BoolOp):
            new = "or" if isinstance(node.op, ast.And) else "and"
            parts = f" {new} ".join(f"({text(v)})" for v in node.values)
            yield Edit(*place(node), parts, f"logic {new}", node.lineno)
        elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
            condition = text(node.test)
            yield Edit(
                *place(node.test), f"not ({condition})", "condition negated", node.test.lineno
            )
        elif isinstance(node, ast.Constant):
            changed = _constant(node.value)
            if changed is not None:
                yield Edit(*place(node), changed, f"constant {changed[:20]}", node.lineno)
        elif isinstance(node, _DELETABLE):
            new = "return None" if isinstance(node, ast.Return) and node.value else "pass"
            yield Edit(*place(node), new, f"statement {new}", node.lineno)


def _constant(value: object) -> str | None:
    if isinstance(value, bool):
        return str(not value)
    if isinstance(value, (int, float)):
        return repr(value + 1)
    if isinstance(value, str) and value:
        return repr("")
    return None
