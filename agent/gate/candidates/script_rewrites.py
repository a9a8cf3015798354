"""Rewrites of JavaScript and TypeScript that do not change what the code does.

Comments dropped and lines indented otherwise; names that the oracle introduces and that nothing
outside of their file can see renamed; new function declarations, which are hoisted, moved to the
end of their module; texts of new errors reworded where the instruction does not name them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tree_sitter import Node

from agent.gate.candidates.partial import is_code
from agent.gate.candidates.script import is_script, parsed, replaced, text, walk
from agent.gate.outcome import Outcome

_MEANT_FOR_TOOLS = re.compile(
    r"@ts-|@jsx|eslint|prettier|istanbul|c8 ignore|v8 ignore|biome|webpack|@vite|[#@]__|"
    r"<reference|sourceMappingURL|@vitest|@jest"
)
"""Comments that compilers, bundlers and test runners obey."""
_VERBATIM = ("template_string", "string", "jsx_text", "regex", "hash_bang_line")
"""Nodes whose lines must stay as they are."""
_GLOBALS = frozenset(
    (
        *("arguments", "console", "document", "event", "exports", "fetch", "global", "globalThis"),
        *("history", "location", "module", "name", "navigator", "origin", "parent", "performance"),
        *("process", "require", "screen", "self", "status", "top", "undefined", "window"),
    )
)
"""Names that mean something where they are not declared."""


@dataclass(frozen=True)
class _Module:
    path: str
    before: Node | None
    after: Node
    source: bytes


def script_rewrites(outcome: Outcome, instruction: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """What each rewrite is, with the files that it changes; {} where it does not fit."""
    modules = list(_modules(outcome))
    rewrites: tuple[tuple[str, Mapping[str, bytes]], ...] = (
        ("scripts: comments gone, indented otherwise", {m.path: _bare(m) for m in modules}),
        ("scripts: names of the oracle renamed", {m.path: _renamed(m) for m in modules}),
        ("scripts: new functions at the end of their module", {m.path: _last(m) for m in modules}),
        ("scripts: errors reworded", {m.path: _reworded(m, instruction) for m in modules}),
    )
    sources = {m.path: m.source for m in modules}
    for what, made in rewrites:
        changes = {
            path: content
            for path, content in made.items()
            if content != sources[path] and parsed(path, content) is not None
        }
        yield what, changes


def _modules(outcome: Outcome) -> Iterator[_Module]:
    for path, (before, after) in outcome.changed.items():
        if after is not None and is_script(path) and is_code(path):
            root = parsed(path, after)
            old = parsed(path, before) if before is not None else None
            # Without the old names nothing can be known to be new.
            if root is not None and (before is None or old is not None):
                yield _Module(path, old, root, after)


def _bare(module: _Module) -> bytes:
    changes = []
    for node in walk(module.after):
        if node.type == "comment" and not _MEANT_FOR_TOOLS.search(text(node)):
            # A comment of several lines ends a statement as a line end does.
            changes.append((node.start_byte, node.end_byte, "\n" if "\n" in text(node) else " "))
    source = replaced(module.source, changes)
    root = parsed(module.path, source)
    if root is None:
        return module.source
    kept: set[int] = set()
    for node in walk(root):
        if node.type in _VERBATIM:
            kept.update(range(node.start_point[0] + 1, node.end_point[0] + 1))
    lines = []
    for number, line in enumerate(source.splitlines(keepends=True)):
        if number in kept:
            lines.append(line)
        elif line.strip():
            body = line.lstrip(b" \t")
            lines.append(b"\t" * ((len(line) - len(body) + 1) // 2) + body)
    return b"".join(lines)


def _renamed(module: _Module) -> bytes:
    names = _own_names(module)
    changes = [
        (node.start_byte, node.end_byte, _other(text(node)))
        for node in walk(module.after)
        if node.type == "identifier" and text(node) in names
    ]
    return replaced(module.source, changes)


def _own_names(module: _Module) -> set[str]:
    """Names that the oracle declares and that only this file can know."""
    declared: set[str] = set()
    barred: set[str] = set(_GLOBALS)
    texts: list[str] = []
    for node in walk(module.after):
        if node.type == "identifier":
            if _declares(node):
                declared.add(text(node))
            if _is_public(node):
                barred.add(text(node))
        elif node.type in ("shorthand_property_identifier", "statement_identifier") or (
            node.type == "shorthand_property_identifier_pattern"
        ):
            # `{ name }` says the property's name, too.
            barred.add(text(node))
        elif node.type in ("string", "template_string"):
            texts.append(text(node))
    old = {text(n) for n in walk(module.before)} if module.before is not None else set()
    written = " ".join(texts)
    if re.search(r"\b(?:eval|with)\s*\(|new Function\b", module.source.decode()):
        return set()
    return {n for n in declared - barred - old if n not in written}


def _declares(node: Node) -> bool:
    parent = node.parent
    if parent is None:
        return False
    if parent.type in ("variable_declarator", "function_declaration"):
        named = parent.child_by_field_name("name")
        return named is not None and named.start_byte == node.start_byte
    if parent.type == "formal_parameters":
        return True
    if parent.type in ("required_parameter", "optional_parameter"):
        # `constructor(private x)` declares a property; an annotated `this` is no name.
        return not any(c.type in ("accessibility_modifier", "readonly") for c in parent.children)
    return False


def _is_public(node: Node) -> bool:
    """True where a name is imported, exported, or stands for more than a local value."""
    parent = node.parent
    if parent is None:
        return True
    if parent.type in (
        "import_specifier",
        "import_clause",
        "namespace_import",
        "export_specifier",
        "export_statement",
        "function_signature",
        "class_declaration",
        "enum_declaration",
        "internal_module",
        "module",
        "ambient_declaration",
        "catch_clause",
    ):
        return True
    if parent.type in ("required_parameter", "optional_parameter"):
        return not _declares(node)
    if not _declares(node):
        return False
    # An exported declaration, whatever lies between it and the keyword.
    above: Node | None = parent
    while above is not None and above.type not in ("statement_block", "program", "class_body"):
        if above.type == "ambient_declaration":
            return True
        if above.type == "export_statement":
            return above.child_by_field_name("declaration") is not None and _names(above, node)
        above = above.parent
    return False


def _names(export: Node, node: Node) -> bool:
    """Whether a name is what an export statement declares, not a parameter inside of it."""
    parent = node.parent
    return parent is not None and parent.type in ("variable_declarator", "function_declaration")


def _other(name: str) -> str:
    """Another name with the same first letter: in JSX its case tells components from elements."""
    return f"{name[0]}{hashlib.sha256(name.encode()).hexdigest()[:7]}"


def _last(module: _Module) -> bytes:
    old = set()
    if module.before is not None:
        old = {_function_name(n) for n in module.before.named_children}
    signatures = {_function_name(n) for n in walk(module.after) if n.type == "function_signature"}
    free = [
        node
        for node in module.after.named_children
        if _function_name(node) and _function_name(node) not in old | signatures
    ]
    if not free or module.after.named_children[-1:] == free:
        return module.source
    moved = [(n.start_byte, n.end_byte, "") for n in free]
    tail = "".join(f"\n{text(node)}\n" for node in reversed(free))
    return replaced(module.source, moved).rstrip() + b"\n" + tail.encode()


def _function_name(node: Node) -> str:
    """Name of a function declaration, exported or not; "" for anything else."""
    if node.type == "export_statement" and text(node).startswith("export "):
        inner = node.child_by_field_name("declaration")
        if inner is None or any(c.type in ("default", "decorator") for c in node.children):
            return ""
        node = inner
    if node.type not in (
        "function_declaration",
        "generator_function_declaration",
        "function_signature",
    ):
        return ""
    named = node.child_by_field_name("name")
    return text(named) if named is not None else ""


def _reworded(module: _Module, instruction: str) -> bytes:
    old = {text(n) for n in _messages(module.before)} if module.before is not None else set()
    changes = []
    for node in _messages(module.after):
        words = text(node)[1:-1]
        if text(node) in old or len(words.split()) <= 2 or words in instruction:
            continue
        if not any(part.strip() in instruction for part in re.split(r"\$\{[^}]*\}", words)):
            changes.append((node.end_byte - 1, node.end_byte - 1, " (in other words)"))
    return replaced(module.source, changes)


def _messages(root: Node) -> Iterator[Node]:
    """Texts of the errors that are thrown."""
    for node in walk(root):
        if node.type != "throw_statement" or not node.named_children:
            continue
        made = node.named_children[0]
        arguments = made.child_by_field_name("arguments") if made.type == "new_expression" else None
        for argument in arguments.named_children if arguments is not None else ():
            if argument.type in ("string", "template_string"):
                yield argument
