"""JavaScript and TypeScript as syntax trees, by tree-sitter's own grammars.

Only files that parse without an error are touched, and what a rewriting makes is parsed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

MAX_SOURCE_BYTES = 1 << 20
"""Larger sources are generated or bundled."""
_GRAMMARS = {
    ".js": "javascript",
    ".cjs": "javascript",
    ".mjs": "javascript",
    ".jsx": "javascript",
    ".ts": "typescript",
    ".cts": "typescript",
    ".mts": "typescript",
    ".tsx": "tsx",
}


def is_script(path: str) -> bool:
    """True for a file of JavaScript or TypeScript with code in it, not a declaration file."""
    return _grammar(path) != "" and not path.endswith((".d.ts", ".d.mts", ".d.cts", ".min.js"))


def is_typed(path: str) -> bool:
    """True for TypeScript."""
    return _grammar(path) in ("typescript", "tsx")


def parsed(path: str, source: bytes) -> Node | None:
    """The root of the syntax tree; None for what is no script or does not parse as a whole."""
    if not is_script(path) or len(source) > MAX_SOURCE_BYTES or b"\0" in source:
        return None
    try:
        source.decode()
    except UnicodeDecodeError:
        return None
    root = Parser(_language(_grammar(path))).parse(source).root_node
    return None if root.has_error else root


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it, in the order of the source."""
    stack = [node]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(reversed(one.children))


def text(node: Node) -> str:
    """A node's own source."""
    return (node.text or b"").decode()


def replaced(source: bytes, changes: Iterable[tuple[int, int, str]]) -> bytes:
    """A source with parts replaced: begin, end (in bytes), and the new text; none may overlap."""
    for begin, end, new in sorted(changes, reverse=True):
        source = source[:begin] + new.encode() + source[end:]
    return source


def _grammar(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return _GRAMMARS.get("." + name.rsplit(".", 1)[-1], "") if "." in name else ""


@cache
def _language(name: str) -> Language:
    return Language(
        {
            "javascript": tree_sitter_javascript.language,
            "typescript": tree_sitter_typescript.language_typescript,
            "tsx": tree_sitter_typescript.language_tsx,
        }[name]()
    )
