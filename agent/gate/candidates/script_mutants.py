"""Places in JavaScript and TypeScript to mutate; see `agent.gate.candidates.mutants`."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from agent.gate.candidates.edit import Edit
from agent.gate.candidates.script import is_typed, parsed, text, walk
from agent.gate.syntax import Unparsed

_BINARY: dict[str, tuple[str, ...]] = {
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
    "%": ("*",),
    "**": ("*",),
    "&": ("|",),
    "|": ("&",),
    "<<": (">>",),
    ">>": ("<<",),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
    "===": ("!==",),
    "!==": ("===",),
    "&&": ("||",),
    "||": ("&&",),
    "??": ("&&",),
}
_NO_VALUE = ("import_statement", "export_statement", "literal_type", "import_specifier")
"""Parents of strings that are names or types, not values."""


def script_edits(path: str, source: bytes) -> Iterator[Edit]:
    """Every mutation of one place of a script.

    Raises:
        Unparsed: it does not parse as a whole.
    """
    root = parsed(path, source)
    if root is None:
        raise Unparsed
    for node in walk(root):
        for new, what, at in _changes(node, is_typed(path)):
            yield Edit(at.start_byte, at.end_byte, new, what, at.start_point[0] + 1)


def script_differs(path: str, before: bytes, after: bytes) -> bool:
    """True when a mutant parses and is not the same text."""
    return before != after and parsed(path, after) is not None


def _changes(node: Node, typed: bool) -> Iterator[tuple[str, str, Node]]:
    """New text, the operator in words, and the node that is replaced."""
    if node.type == "binary_expression":
        operator = node.child_by_field_name("operator")
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if operator is not None and left is not None and right is not None:
            kind = "logic" if text(operator) in ("&&", "||", "??") else "operator"
            for new in _BINARY.get(text(operator), ()):
                yield f"({text(left)}) {new} ({text(right)})", f"{kind} {new}", node
    elif node.type in ("if_statement", "while_statement", "do_statement"):
        condition = node.child_by_field_name("condition")
        if condition is not None:
            yield f"(!{text(condition)})", "condition negated", condition
    elif node.type == "ternary_expression":
        condition = node.child_by_field_name("condition")
        if condition is not None:
            yield f"!({text(condition)})", "condition negated", condition
    elif node.type == "unary_expression" and text(node)[:1] in ("!", "-"):
        argument = node.child_by_field_name("argument")
        if argument is not None:
            yield f"({text(argument)})", "sign dropped", node
    elif node.type in ("true", "false") and not _is_name(node):
        new = "false" if node.type == "true" else "true"
        yield new, f"constant {new}", node
    elif node.type == "number" and text(node).isdigit() and not _is_name(node):
        new = str(int(text(node)) + 1)
        yield new, f"constant {new[:20]}", node
    elif node.type == "string" and len(text(node)) > 2 and not _is_name(node):
        yield "''", "constant ''", node
    elif node.type == "template_string" and len(text(node)) > 2:
        yield "``", "constant ``", node
    elif node.type == "return_statement" and node.named_child_count:
        yield ("return undefined as never;" if typed else "return;"), "statement return", node
    elif node.type in ("throw_statement", "expression_statement"):
        first = node.named_children[0] if node.named_children else None
        if first is not None and first.type != "string":  # a string alone is a directive
            yield ";", "statement deleted", node
    elif node.type in ("break_statement", "continue_statement") and not node.named_child_count:
        new = "continue" if node.type == "break_statement" else "break"
        yield f"{new};", f"statement {new}", node


def _is_name(node: Node) -> bool:
    parent = node.parent
    if parent is None or parent.type in _NO_VALUE:
        return True
    if parent.type in ("pair", "property_signature", "method_definition", "enum_assignment"):
        key = parent.child_by_field_name("key") or parent.child_by_field_name("name")
        return key is not None and key.start_byte == node.start_byte
    return False
