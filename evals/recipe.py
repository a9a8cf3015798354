"""Turn an item's recipe into the git repository that its session was about.

An item commits no code of the project: `recipe.toml` names consecutive releases on the package
index with their hashes, and `materialise` makes one commit of each, so that the session's start and
its outcome stand in one history. A repository that we wrote ourselves is given as folders of files
instead. The recipe states every commit's id; what comes out has those ids or is refused.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from evals.archive import EXECUTABLE, SourceFile, read_sdist, safe_parts
from evals.errors import RecipeError
from evals.history import Snapshot, commit_ids, git, write_history
from evals.index import PipSettings, obtain
from sandbox.cache import cache_dir

RECIPE = "recipe.toml"

Sha1 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
OneLine = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f<>]{1,200}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Release(_Table):
    """A commit that holds a release's source distribution."""

    version: Name
    file: Name
    """Its name on the index, a `.tar.gz`."""
    sha256: Sha256
    date: AwareDatetime
    """When the release was uploaded; becomes the commit's time."""
    commit: Sha1 | None = None
    """The id that the commit must have; None only while an item is being written."""


class State(_Table):
    """A commit that holds our own files: a folder's, laid over those of the commit before."""

    version: Name
    """A name for the state."""
    folder: Name
    """Folder in the item whose files are added or replace others."""
    deleted: tuple[str, ...] = ()
    """Paths that go away."""
    message: str
    date: AwareDatetime
    commit: Sha1 | None = None
    """As in a release."""


class Recipe(_Table):
    """`recipe.toml`: what the repository of an item consists of."""

    project: Name
    """The project's name on the index, or of the repository that we wrote."""
    licence: str
    """SPDX expression of the repository's licence."""
    author: OneLine
    """Author and committer of every commit, without the address."""
    address: OneLine
    """Their e-mail address; a reserved domain, as nobody should get mail."""
    release: tuple[Release, ...] = ()
    state: tuple[State, ...] = ()
    summary: str = Field(default="Release {version}")
    """Commit message of a release."""

    @property
    def steps(self) -> tuple[Release | State, ...]:
        """All commits, releases first, oldest first."""
        return (*self.release, *self.state)


class MaterialisedRepository(_Table):
    """A repository made by a recipe."""

    path: Path
    commits: dict[str, str]
    """Commit ids by version, oldest first; the last is what the default branch points to."""


def load(item: Path) -> Recipe:
    """Read an item's recipe.

    Raises:
        RecipeError: there is none, or it is not valid; the message says where.
    """
    path = item / RECIPE
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}. Is {item} an item?") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RecipeError(f"{path}: {place}: {first['msg']}.") from error


def materialise(
    item: Path, to: Path, *, cache: Path | None = None, settings: PipSettings | None = None
) -> MaterialisedRepository:
    """Make an item's repository.

    Args:
        item: the item's folder.
        to: where the repository goes. One that is there already is kept when it has the recipe's
            commits and no changes.
        cache: folder that keeps the downloads; Kettle's own when None.
        settings: how to reach the package index; pip's configuration when None.

    Raises:
        RecipeError: the recipe is wrong, a file is gone or not the expected one, or `to` is taken.
        IndexUnavailable: the package index cannot be reached.
    """
    recipe = load(item)
    if not recipe.steps:
        raise RecipeError(f"{item / RECIPE} names no commits.")
    versions = [step.version for step in recipe.steps]
    expected = [step.commit for step in recipe.steps]
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        if not (to / ".git").is_dir() or commit_ids(to) != expected or git(to, "status", "-s"):
            raise RecipeError(f"{to} holds something else. Name a folder that does not exist yet.")
        return MaterialisedRepository(
            path=to, commits=dict(zip(versions, commit_ids(to), strict=True))
        )
    if to.exists():
        to.rmdir()
    snapshots = [
        Snapshot(_message(recipe, step) + "\n", step.date.astimezone(UTC), files)
        for step, files in zip(
            recipe.steps, trees(item, cache=cache, settings=settings), strict=True
        )
    ]
    ids = write_history(snapshots, f"{recipe.author} <{recipe.address}>", to)
    for version, wanted, got in zip(versions, expected, ids, strict=True):
        if wanted is not None and wanted != got:
            shutil.rmtree(to)
            raise RecipeError(
                f"{item / RECIPE}: the commit of {version} became {got}, not {wanted}. "
                "The recipe and its files do not fit together."
            )
    return MaterialisedRepository(path=to, commits=dict(zip(versions, ids, strict=True)))


def trees(
    item: Path, *, cache: Path | None = None, settings: PipSettings | None = None
) -> list[list[SourceFile]]:
    """The files of every commit of an item's repository, oldest first.

    Args:
        item: the item's folder.
        cache: as `materialise`.
        settings: as `materialise`.

    Raises:
        RecipeError: as `materialise`.
        IndexUnavailable: as `materialise`.
    """
    recipe = load(item)
    downloads = (cache or cache_dir()) / "releases"
    made: list[list[SourceFile]] = []
    for step in recipe.steps:
        if isinstance(step, Release):
            archive = obtain(recipe.project, step.file, step.sha256, downloads, settings)
            made.append(read_sdist(archive))
        else:
            made.append(_laid_over(made[-1] if made else (), item, step))
    return made


def _message(recipe: Recipe, step: Release | State) -> str:
    if isinstance(step, State):
        return step.message
    return recipe.summary.format(version=step.version)


def _laid_over(before: Sequence[SourceFile], item: Path, state: State) -> list[SourceFile]:
    files = {file.path: file for file in before}
    for path in state.deleted:
        if files.pop(path, None) is None:
            raise RecipeError(f"{item / RECIPE}: {path!r} is to be deleted, but is not there.")
    folder = item / state.folder
    for source in sorted(folder.rglob("*")):
        if source.is_symlink() or not source.is_file():
            continue
        path = "/".join(safe_parts(source.relative_to(folder).as_posix(), str(folder)))
        executable = bool(source.stat().st_mode & EXECUTABLE)
        files[path] = SourceFile(path, source.read_bytes(), executable)
    return [files[path] for path in sorted(files)]
