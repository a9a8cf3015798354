"""Read a source distribution as data: every file's path, bytes and executable bit.

Nothing is unpacked on the host and nothing is run, so no member can write anywhere. An archive is
refused as a whole when one member is not a plain file or folder, when a path is absolute, climbs,
or enters `.git`, or when the archive is larger than a source distribution can sanely be.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from evals.errors import RecipeError

MAX_UNPACKED_BYTES = 256 * 1024 * 1024
"""Unpacked size of one archive: a hundred times that of the projects in use, and fits in memory."""
MAX_MEMBERS = 20_000
"""Members of one archive; the largest projects on the index have a few thousand."""
MAX_PATH_CHARACTERS = 1024
"""Length of one path; file systems stop at 4096 bytes."""
EXECUTABLE = 0o100
"""The owner's execute bit: the only permission that git keeps."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a tree."""

    path: str
    """POSIX, relative, without `.` and `..`."""
    data: bytes
    executable: bool = False


def read_sdist(archive: Path) -> list[SourceFile]:
    """The files of a source distribution, without its top folder and its generated metadata.

    Args:
        archive: a `.tar.gz` with one folder at its top, as the packaging standards want it.

    Returns:
        The files in the order of their paths. `PKG-INFO` at the top and every `*.egg-info` folder
        are left out: a packager made them, the repository never had them.

    Raises:
        RecipeError: the archive is damaged, too large, or holds a member that is refused.
    """
    files: dict[str, SourceFile] = {}
    tops: set[str] = set()
    try:
        with gzip.open(archive) as stream, _open(_Bounded(stream, archive.name)) as tar:
            for count, member in enumerate(tar, start=1):
                if count > MAX_MEMBERS:
                    raise RecipeError(f"{archive.name} holds more than {MAX_MEMBERS} members.")
                top, *rest = safe_parts(member.name, archive.name)
                tops.add(top)
                if member.isdir():
                    continue
                if not member.isreg():
                    raise RecipeError(
                        f"{archive.name}: {member.name!r} is a link, a device or a pipe. "
                        "Only plain files and folders are taken from an archive."
                    )
                if not rest:
                    raise RecipeError(
                        f"{archive.name}: {member.name!r} lies outside the top folder."
                    )
                content = tar.extractfile(member)
                data = content.read() if content else b""
                if _is_generated(rest):
                    continue
                path = "/".join(rest)
                files[path] = SourceFile(path, data, bool(member.mode & EXECUTABLE))
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise RecipeError(f"{archive.name} cannot be read as a .tar.gz: {error}.") from error
    if len(tops) != 1 or not files:
        raise RecipeError(f"{archive.name} does not hold one folder with files in it.")
    return [files[path] for path in sorted(files)]


def safe_parts(path: str, where: str) -> list[str]:
    """The parts of a path that stays inside its tree.

    Args:
        path: as the archive or the recipe names it; a leading `./` is dropped.
        where: name of the archive or recipe, for the message.

    Raises:
        RecipeError: the path is absolute, climbs, enters `.git`, is empty, too long, or holds
            control characters.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if (
        not parts
        or path.startswith("/")
        or "\\" in path
        or len(path) > MAX_PATH_CHARACTERS
        or any(part == ".." or part.lower() == ".git" for part in parts)
        or not path.isprintable()
    ):
        raise RecipeError(f"{where}: the path {path[:80]!r} is refused: it could leave the tree.")
    return parts


def _is_generated(parts: list[str]) -> bool:
    return parts == ["PKG-INFO"] or any(part.endswith(".egg-info") for part in parts[:-1])


def _open(stream: BinaryIO) -> tarfile.TarFile:
    # A stream ("r|") is read once, front to back, so that the bound below really bounds it.
    return tarfile.open(fileobj=stream, mode="r|")


class _Bounded(io.RawIOBase, BinaryIO):
    """A stream that fails once more bytes were read than an archive may hold."""

    def __init__(self, stream: gzip.GzipFile, name: str) -> None:
        self._stream = stream
        self._name = name
        self._left = MAX_UNPACKED_BYTES

    def read(self, size: int = -1, /) -> bytes:
        if size < 0 or size > self._left:
            size = self._left + 1
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise RecipeError(f"{self._name} unpacks to more than {MAX_UNPACKED_BYTES} bytes.")
        return data
