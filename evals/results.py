"""A run's folder: attempts with all they made, and the log of what they were worth.

Below the run's folder:

    results.jsonl                     one line for each finished attempt, synced; the last line of
                                      an attempt counts
    work/<item>/                      session and repository, as every builder gets them
    attempts/<builder>/<item>/<n>/
        lock                          held while somebody works on it
        build/                        what the builder made, Kettle's own build folder included
        built.json                    how the builder ended; written whole, never again
        score.json                    the score with every grade

Several processes may work on one run at once: each attempt has its own lock, and lines are appended
under a lock of the file. Death at any byte leaves at most a torn last line, which is cut off before
the next one is written.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.errors import InputError
from agent.folder import safe_name
from evals.builders import Built
from evals.score import Score

RESULTS = "results.jsonl"
BUILT = "built.json"
SCORE = "score.json"
SLUG_CHARS = 48
"""Of a builder's name in a path; the end tells most of a recording's path."""

Key = tuple[str, str, int]
"""Builder, item and number of the attempt."""


class Result(BaseModel):
    """One line of the log."""

    model_config = ConfigDict(extra="forbid")

    builder: str
    control: bool
    item: str
    attempt: int
    """From 1."""
    item_digest: str
    repository: str
    """The item's project: items of one repository form a cluster."""
    public: bool
    """Whether the item comes with Kettle, so that a model may have seen it."""
    status: Literal["scored", "not run"]
    why: str = ""
    """Why it was not run."""
    built: Built | None = None
    score: Score | None = None
    """Without the single grades, which stand in score.json."""
    seconds: float = 0.0
    """Wall time of building and scoring."""

    @property
    def key(self) -> Key:
        """Names the attempt."""
        return self.builder, self.item, self.attempt


class Run:
    """A run's folder.

    Args:
        path: the folder; made when it is not there.

    Raises:
        InputError: the folder cannot be used, or holds something else.
    """

    def __init__(self, path: Path, *, make: bool = True) -> None:
        self.path = path
        if not make and not (path / RESULTS).is_file():
            raise InputError(f"{path} is not the folder of a run: it has no {RESULTS}.")
        if path.is_dir() and not (path / RESULTS).exists() and any(path.iterdir()):
            raise InputError(f"{path} holds something that is not a run. Name another --out.")
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / RESULTS).touch()
        except OSError as error:
            raise InputError(f"The folder {path} cannot be used: {error.strerror}.") from error

    def results(self) -> dict[Key, Result]:
        """The last result of every attempt, in the order of the log.

        Raises:
            InputError: a line other than a torn last one cannot be read.
        """
        found: dict[Key, Result] = {}
        data = (self.path / RESULTS).read_bytes()
        whole, _, _torn = data.rpartition(b"\n")
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                result = Result.model_validate_json(line)
            except ValidationError as error:
                why = error.errors()[0]["msg"]
                raise InputError(f"{self.path / RESULTS}, line {number}: {why}.") from error
            found[result.key] = result
        return found

    def append(self, result: Result) -> None:
        """Add a line to the log; it is on the disk when this returns."""
        line = result.model_dump_json().encode() + b"\n"
        with (self.path / RESULTS).open("r+b") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            data = log.read()
            log.seek(len(data) if data.endswith(b"\n") else data.rfind(b"\n") + 1)
            log.truncate()
            log.write(line)
            log.flush()
            os.fsync(log.fileno())

    def attempt(self, key: Key) -> Path:
        """The folder of an attempt."""
        builder, item, number = key
        return self.path / "attempts" / slug(builder) / safe_name(item) / str(number)

    def work(self, item: str) -> Path:
        """The folder with an item's session and repository."""
        return self.path / "work" / safe_name(item)


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a folder's lock.

    Args:
        folder: made when it is not there.
        wait: until whoever holds it is done.

    Yields:
        Whether it was free.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def slug(builder: str) -> str:
    """A builder's name as one component of a path; two names never give the same."""
    plain = safe_name(builder)
    if plain == builder and len(plain) <= SLUG_CHARS:
        return plain
    mark = hashlib.sha256(builder.encode()).hexdigest()[:6]
    return f"{plain[-SLUG_CHARS:].strip('.-')}-{mark}"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, and synced."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


_T = TypeVar("_T", bound=BaseModel)


def read_whole(path: Path, model: type[_T]) -> _T | None:
    """A file written by `write_whole`; None when it is missing or of another form."""
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
