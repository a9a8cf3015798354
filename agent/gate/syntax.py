"""Python sources as syntax trees, for checks that run side by side.

CPython 3.11 counts the depth of a tree in one place for all threads, and refuses a sound source
when two are parsed at once ("AST constructor recursion depth mismatch"): one is parsed at a time.
"""

from __future__ import annotations

import ast
import threading

_lock = threading.Lock()


class Unparsed(Exception):
    """A source that its language's parser does not take."""


def parse(source: bytes | str) -> ast.Module:
    """The tree of a source.

    Raises:
        Unparsed: it is not valid Python.
    """
    with _lock:
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
            raise Unparsed(str(e)) from e
