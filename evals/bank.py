"""A bank's solutions as candidates that any environment of the item can be asked about.

Every candidate is a whole final state: the true start tree with a solution's edits. It is expressed
as the difference to the environment's own work tree, so it means the same in whatever environment a
builder made; what a builder installed beside the project's files stays. An environment that starts
from the wrong tree is thus judged on the right final states, and its start is scored by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from agent.environment import Environment, session_copy
from agent.gate import outcome
from agent.gate.candidates.exploits import EXPLOITS
from agent.grading import Candidate
from agent.tree import Entry, Tree
from evals.archive import SourceFile
from evals.errors import RecipeError
from evals.item import Item, Solution, States, edited
from sandbox.errors import TransferError

Role = Literal["nop", "gold", "right", "wrong", "exploit"]


@dataclass(frozen=True)
class Known:
    """A candidate whose verdict is known.

    Attributes:
        role: what it is in the bank.
        candidate: for `agent.grading.Grader.grade`.
        passes: whether a sound verifier gives it the full reward.
        why: what it does, for reports.
    """

    role: Role
    candidate: Candidate
    passes: bool
    why: str

    @property
    def name(self) -> str:
        """As reports call it."""
        return self.candidate.name


def known(item: Item, states: States, environment: Environment, base: Tree) -> list[Known]:
    """Everything in an item's bank as candidates of one environment.

    Args:
        item: an accept item.
        states: its trees, from `evals.item.states`.
        environment: what will grade; a builder's, or the reference.
        base: the work tree in the environment's image: `Grader.base_tree()`.

    Returns:
        nop, gold, the right, the wrong and the exploits, in this order.

    Raises:
        RecipeError: an edit of the bank does not fit, or the item has no bank.
    """
    bank = item.bank
    if bank is None:
        raise RecipeError(f"{item.name} has no bank: it is a reject item.")
    foreign = _foreign(environment, states)

    def candidate(name: str, tree: Mapping[str, SourceFile]) -> Candidate:
        return Candidate(name, changes=_changes(base, states, tree, foreign))

    def solved(solution: Solution, role: Literal["right", "wrong"]) -> Known:
        tree = final_tree(item, states, solution)
        made = candidate(f"{role}: {solution.name}", tree)
        return Known(role, made, role == "right", solution.why)

    nop = candidate("nop", states.start)
    return [
        Known("nop", nop, False, "nothing is done"),
        Known("gold", candidate("gold", states.gold), True, "what really landed"),
        *(solved(solution, "right") for solution in bank.right),
        *(solved(solution, "wrong") for solution in bank.wrong),
        *_exploits(states, nop),
    ]


def final_tree(item: Item, states: States, solution: Solution) -> dict[str, SourceFile]:
    """The whole tree that a solution of the bank leaves.

    Raises:
        RecipeError: an edit does not fit.
    """
    tree = states.start if solution.base == "start" else states.gold
    return edited(tree, solution.edit, f"{item.name}, {solution.name}")


def as_tree(files: Mapping[str, SourceFile]) -> Tree:
    """An item's files as the tree of files that grading works with."""
    return Tree(
        {
            path: Entry("file", 0o755 if file.executable else 0o644, file.data)
            for path, file in files.items()
        }
    )


def _exploits(states: States, nop: Candidate) -> Iterator[Known]:
    start = as_tree(states.start)
    landed = outcome.compare(start, as_tree(states.gold))
    for exploit in EXPLOITS:
        made = exploit.candidate(start, landed)
        if made is not None:
            made = replace(made, changes={**nop.changes, **made.changes})
            yield Known("exploit", made, False, exploit.relies_on)


def _changes(
    base: Tree, states: States, tree: Mapping[str, SourceFile], foreign: frozenset[str]
) -> dict[str, bytes | None]:
    changes: dict[str, bytes | None] = {
        path: file.data
        for path, file in tree.items()
        if base.read(path) != file.data and not session_copy(path)
    }
    for path in {*states.start, *foreign}:
        if path not in tree and path in base.entries:
            changes[path] = None
    return changes


def _foreign(environment: Environment, states: States) -> frozenset[str]:
    """Files that a builder took for part of the start state, and that are none."""
    packed = environment.start
    if packed is None:
        return frozenset()
    try:
        tree = Tree.from_tar(packed)
    except TransferError:
        return frozenset()
    return frozenset(path for path, _ in tree.files()) - states.start.keys()
