"""An item of the meta-benchmark: a session, a repository's recipe, and a sealed truth.

A builder is given the session and the repository. Everything whose name begins with `truth` is
sealed: it is read by the audit and by scoring, and never reaches a builder. `docs/evals-items.md`
shows the folder. Reading an item runs nothing and needs no network; `states` does, where the
repository consists of releases that are not in the cache yet.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from agent.qualify import Code
from evals import recipe
from evals.archive import EXECUTABLE, SourceFile, safe_parts
from evals.errors import RecipeError
from evals.history import tree_id
from evals.recipe import Recipe, Sha1

ITEMS = Path(__file__).parent / "items"
"""The items that come with Kettle."""

TRUTH = "truth.toml"
START = "truth/start"
"""The user's uncommitted edits: files laid over the start commit."""
BANK = "truth/bank.toml"
VERIFIER = "truth/verifier"
"""The reference verifier: `judge.py`, and files that it needs."""
DOCKERFILE = "truth/environment/Dockerfile"
"""Of the reference environment, where the usual one will not do."""
SEALED = "truth"
"""Names that begin so are never given to a builder."""

MIN_RIGHT = 3
"""Independent right solutions in a bank, beside the gold one."""
MIN_WRONG = 5
"""Plausible wrong solutions in a bank."""

Kind = Literal[
    "bug", "feature", "refactoring", "performance", "error handling", "cli", "concurrency"
]


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    return text


Pattern = Annotated[str, AfterValidator(_regex)]
"""A regular expression, searched without regard to case."""
Canary = Annotated[str, StringConstraints(pattern=r"^kettle-canary-[0-9a-f]{16}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Intent(_Table):
    """Something that the user wants, as far as it can be checked from outside."""

    text: str
    turn: int = Field(default=1, ge=1)
    """Which of the user's prompts asks for it, from 1."""
    marks: tuple[Pattern, ...] = ()
    """An instruction keeps the intent when all of these are found in it."""


class Truth(_Table):
    """`truth.toml`: what is known of an item and must not reach a builder."""

    canary: Canary
    """Stands in the sealed files and nowhere else, so that a leak can be searched for."""
    verdict: Literal["accept", "reject"]
    reasons: tuple[Code, ...] = ()
    """Rejects only: the right reason first, then others that are also true."""
    why: str = ""
    """Rejects only: what shows the reason."""
    language: Literal["python", "javascript"]
    kind: Kind | None = None
    prompt: Literal["clear", "vague"] = "clear"
    start: Sha1 | None = None
    """The commit below the start state."""
    start_deleted: tuple[str, ...] = ()
    """Files of the start commit that the user had deleted."""
    start_tree: Sha1 | None = None
    """git's id of the start state's tree, uncommitted edits included."""
    outcome: tuple[Sha1, ...] = ()
    """The commits that really solved it, oldest first."""
    final_attempt: Literal["right", "wrong", "none"] = "none"
    """What the session itself ends with."""
    fail_to_pass: tuple[str, ...] = ()
    """Tests of the outcome that fail at the start state."""
    intent: tuple[Intent, ...] = ()
    leaks: tuple[Pattern, ...] = ()
    """Parts of the solution that no user said; an instruction must hold none of them."""
    gaps: tuple[str, ...] = ()
    """Where the outcome does less or more than was asked; a verifier must not demand these."""

    @model_validator(mode="after")
    def _complete(self) -> Truth:
        if self.verdict == "reject":
            if not self.reasons or not self.why:
                raise ValueError("a reject item names its reasons and says why")
        elif not (self.start and self.start_tree and self.outcome and self.kind and self.intent):
            raise ValueError("an accept item has kind, start, start_tree, outcome and intents")
        return self


class Edit(_Table):
    """A change of one file: all of it, or one place that is found by its text."""

    file: str
    find: str = ""
    """Text that stands exactly once in the file."""
    to: str = ""
    """Where the replaced text ends: the first such text at or after `find`; "" for its own end."""
    replace: str = ""
    """What stands there afterwards."""
    content: str | None = None
    """The whole file, new or instead of the old one."""
    delete: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Edit:
        ways = (bool(self.find), self.content is not None, self.delete)
        if sum(ways) != 1:
            raise ValueError(f"{self.file}: an edit has one of find, content and delete")
        return self


class Solution(_Table):
    """A possible final state whose verdict is known."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_ ,-]{2,60}$")]
    why: str
    """What it does, and why that is right or wrong."""
    base: Literal["start", "gold"] = "start"
    """What the edits are laid over."""
    edit: tuple[Edit, ...]


class Bank(_Table):
    """`truth/bank.toml`: solutions with known verdicts. The gold one is the outcome's own tree."""

    canary: Canary
    gold: tuple[Edit, ...] = ()
    """Edits that complete the outcome, where what landed is partial or wrong."""
    right: tuple[Solution, ...] = Field(min_length=MIN_RIGHT)
    wrong: tuple[Solution, ...] = Field(min_length=MIN_WRONG)

    @model_validator(mode="after")
    def _names(self) -> Bank:
        names = [solution.name for solution in (*self.right, *self.wrong)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two solutions are named {twice[0]!r}")
        return self


@dataclass(frozen=True)
class Item:
    """An item as its folder has it.

    Attributes:
        folder: where it lies.
        recipe: how its repository is made.
        truth: what is known of it.
        bank: known solutions; None for a reject item.
        session: the raw session, a file or a folder.
    """

    folder: Path
    recipe: Recipe
    truth: Truth
    bank: Bank | None
    session: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all its files: names and contents."""
        state = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                name = path.relative_to(self.folder).as_posix().encode()
                content = hashlib.sha256(path.read_bytes()).digest()
                state.update(b"%d:%b:%b" % (len(name), name, content))
        return state.hexdigest()

    @property
    def verifier(self) -> dict[str, bytes]:
        """The reference verifier's own files by name; the kit is not among them."""
        folder = self.folder / VERIFIER
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


@dataclass(frozen=True)
class States:
    """The trees of an accept item, by path.

    Attributes:
        start: the true start state, the user's uncommitted edits included.
        gold: the start state as the outcome leaves it.
    """

    start: Mapping[str, SourceFile]
    gold: Mapping[str, SourceFile]

    @property
    def start_tree(self) -> str:
        """Git's id of the start state."""
        return tree_id(self.start.values())


def load(folder: Path) -> Item:
    """Read an item.

    Raises:
        RecipeError: a part is missing or not valid; the message says where.
    """
    made = recipe.load(folder)
    truth = _read(folder / TRUTH, Truth)
    found = sorted(folder.glob("session*"))
    if len(found) != 1:
        raise RecipeError(
            f"{folder} must hold one file or folder named session*, not {len(found)}."
        )
    bank = None
    if truth.verdict == "accept":
        bank = _read(folder / BANK, Bank)
        if not (folder / VERIFIER / "judge.py").is_file():
            raise RecipeError(f"{folder} has no {VERIFIER}/judge.py, the reference verifier.")
        commits = {step.commit for step in made.steps}
        for commit in (truth.start, *truth.outcome):
            if commit not in commits:
                raise RecipeError(f"{folder / TRUTH} names {commit}, which the recipe does not.")
    return Item(folder, made, truth, bank, found[0])


def find(names: Sequence[str] = (), items_dir: Path = ITEMS) -> list[Item]:
    """Items by name or folder, in the given order; all of a folder when none is named.

    Raises:
        RecipeError: there is no such item, or one cannot be read.
    """
    if not names:
        names = sorted(path.parent.name for path in items_dir.glob(f"*/{recipe.RECIPE}"))
        if not names:
            raise RecipeError(f"{items_dir} holds no items.")
    return [load(place(name, items_dir)) for name in names]


def place(name: str, items_dir: Path = ITEMS) -> Path:
    """The folder of an item that is given by its name or its folder.

    Raises:
        RecipeError: there is none.
    """
    folder = items_dir / name if (items_dir / name).is_dir() else Path(name)
    if not (folder / recipe.RECIPE).is_file():
        raise RecipeError(f"There is no item {name!r}. `python -m evals items` lists them.")
    return folder


def states(item: Item) -> States:
    """The start state and the gold state of an accept item.

    Raises:
        RecipeError: the recipe or the truth does not fit.
        IndexUnavailable: a release is not in the cache and the package index cannot be reached.
    """
    truth, bank = item.truth, item.bank
    if bank is None:
        raise RecipeError(f"{item.name} is a reject item: it has no start state to build on.")
    trees = dict(zip((s.commit for s in item.recipe.steps), recipe.trees(item.folder), strict=True))
    start = {file.path: file for file in trees[truth.start]}
    for path in truth.start_deleted:
        if start.pop(path, None) is None:
            raise RecipeError(f"{item.name}: start_deleted names {path!r}, which is not there.")
    overlay = item.folder / START
    for source in sorted(overlay.rglob("*")):
        if source.is_file() and not source.is_symlink():
            path = "/".join(safe_parts(source.relative_to(overlay).as_posix(), str(overlay)))
            executable = bool(source.stat().st_mode & EXECUTABLE)
            start[path] = SourceFile(path, source.read_bytes(), executable)
    landed = {file.path: file for file in trees[truth.outcome[-1]]}
    return States(start, edited(landed, bank.gold, f"{item.name}, gold"))


def edited(
    tree: Mapping[str, SourceFile], edits: Sequence[Edit], where: str
) -> dict[str, SourceFile]:
    """A tree with edits made, one after the other.

    Args:
        tree: files by path.
        edits: what to change.
        where: for the message.

    Raises:
        RecipeError: an edit does not fit the tree.
    """
    made = dict(tree)
    for edit in edits:
        path = "/".join(safe_parts(edit.file, where))
        old = made.get(path)
        if edit.content is not None:
            made[path] = SourceFile(path, edit.content.encode(), bool(old and old.executable))
            continue
        if old is None:
            raise RecipeError(f"{where}: {path} is not in the tree.")
        if edit.delete:
            del made[path]
            continue
        text = old.data.decode()
        if text.count(edit.find) != 1:
            count = text.count(edit.find)
            raise RecipeError(f"{where}: {path} holds {edit.find[:60]!r} {count} times, not once.")
        begin = text.index(edit.find)
        end = text.find(edit.to, begin) if edit.to else begin + len(edit.find)
        if end < 0:
            raise RecipeError(f"{where}: {path} holds no {edit.to[:60]!r} after the place found.")
        text = text[:begin] + edit.replace + text[end + len(edit.to) :]
        made[path] = SourceFile(path, text.encode(), old.executable)
    return made


_T = TypeVar("_T", bound=BaseModel)


def _read(path: Path, model: type[_T]) -> _T:
    try:
        return model.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise RecipeError(f"{path}: {at + ': ' if at else ''}{first['msg']}.") from error
