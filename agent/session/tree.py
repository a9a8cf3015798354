"""The tree of a conversation whose lines name their parents, and the path that was followed.

A person who goes back and asks again leaves a branch behind: two children of one line. The path to
the last leaf is the conversation. Trees in the wild are torn (compaction, redacted ids, lines of
other tools) and may even hold a cycle, so a missing parent is bridged by the line before, and no
line is visited twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Node:
    """One line of the tree."""

    parent: str | None
    before: str | None
    """The line before it in the file: the bridge where the parent is missing."""
    message: str
    """Lines of one message of the model share this name; "" for others."""
    stays: bool
    """True for lines that are part of the conversation wherever they hang: results of parallel
    calls, notes."""


@dataclass
class Tree:
    """The lines of one file, in its order."""

    nodes: dict[str, Node] = field(default_factory=dict)
    leaf: str | None = None
    """The last line that somebody said."""
    _last: str | None = None
    _parents: set[str] = field(default_factory=set)
    _branched: bool = False

    def add(
        self, name: str, parent: str | None, message: str, *, spoken: bool, stays: bool
    ) -> None:
        """Append a line.

        Args:
            name: its own name, not seen before.
            parent: the name of its parent.
            message: the message that it is a piece of, or "".
            spoken: True when it is a person's or the model's.
            stays: True when it is kept on whatever branch it hangs.
        """
        self.nodes[name] = Node(parent, self._last, message, stays or not spoken)
        if parent is not None:
            self._branched |= parent in self._parents
            self._parents.add(parent)
        self._last = name
        if spoken:
            self.leaf = name

    def kept(self) -> set[str] | None:
        """Names of the lines on the path that was followed; None when nothing branches off."""
        if self.leaf is None or not self._branched:
            return None
        path: set[str] = set()
        at: str | None = self.leaf
        while at is not None and at not in path:
            path.add(at)
            node = self.nodes[at]
            at = node.parent if node.parent in self.nodes else node.before
        messages = {self.nodes[name].message for name in path} - {""}
        return path | {
            name for name, node in self.nodes.items() if node.stays or node.message in messages
        }
