"""A session's raw bytes, read safely: the only module here that opens files.

A `Raw` is what the user named: one file, or a folder of files. Formats look at it to recognise
their own (`head`, `sample`, `names`) and then read it (`records`, `document`, `text`). Contract:

- A file's size is fixed when it is opened; what a running tool appends later is not read.
- UTF-8, UTF-16 and UTF-32 are understood, with or without a byte order mark; bytes that do not
  fit the encoding become U+FFFD and their place is reported, never an exception.
- Lines are parsed one by one and never held together in raw and parsed form.
- A line that is no JSON, is nested too deeply or holds an absurd number is reported as damaged.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any

import zstandard
from pydantic_core import from_json

from agent.errors import SessionError
from agent.session.model import Source

HEAD_BYTES = 64 * 1024
"""Bytes of a file that are looked at to guess its encoding and format."""
SAMPLE_RECORDS = 200
"""Lines that are parsed to recognise a format: tools write long preambles of hooks and progress."""
SAMPLE_BYTES = 8 * 1024 * 1024
"""Bytes after which sampling stops, so that recognising costs nothing beside loading."""
MAX_BYTES = 1024 * 1024 * 1024
"""Largest file that is read (1 GiB): the biggest session seen in the wild has 120 MB."""
MAX_LINE_BYTES = 256 * 1024 * 1024
"""Longest line that is read in one piece; the rest of a longer one counts as damaged lines."""
MAX_FILES = 5000
"""Files of a folder that are considered: OpenHands writes one per event, thousands at most."""
READ_BYTES = 1024 * 1024
"""Bytes per read while hashing and transcoding."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(slots=True)
class Line:
    """One line of a line-based file."""

    number: int
    """From 1."""
    value: dict[str, Any] | None
    """The parsed object; None when the line is damaged or no object."""
    damaged: bool
    """True when something of the line was lost; the value may be there all the same."""


class Bounded(io.RawIOBase):
    """A binary stream that ends after a fixed number of bytes."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        """Always: this is a reader."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what is left of the allowance."""
        data = self._stream.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the stream beneath."""
        self._stream.close()
        super().close()


class RawFile:
    """One raw file of a session."""

    def __init__(self, path: Path, name: str = "") -> None:
        """Look at a file.

        Args:
            path: where it lies.
            name: how `Source.file` calls it; "" for a session that is one file.

        Raises:
            SessionError: it cannot be opened, is no regular file, or is larger than `MAX_BYTES`.
        """
        self.path = path
        self.name = name
        try:
            if not path.is_file():
                raise SessionError(
                    f"{path} is not a regular file, so no session can be read from it."
                )
            self.size = path.stat().st_size
            if self.size > MAX_BYTES:
                raise SessionError(
                    f"{path} has {self.size:,} bytes; Kettle reads sessions of at most "
                    f"{MAX_BYTES:,}. Cut it at a line's end and try again."
                )
            with path.open("rb") as stream:
                start = stream.read(min(HEAD_BYTES, self.size))
        except OSError as error:
            raise SessionError(f"{path} cannot be read: {error.strerror or error}.") from error
        self.compressed = start.startswith(_ZSTD_MAGIC)
        if self.compressed:
            start = self._read_compressed_head()
        self.encoding, self._bom = _encoding(start)
        self.head = start[self._bom :].decode(self.encoding, "replace")

    def source(self, *, line: int | None = None, index: int | None = None) -> Source:
        """A pointer to a place in this file."""
        return Source(self.name, line, index)

    @property
    def looks_binary(self) -> bool:
        """True when the start is no text in any encoding we know."""
        odd = sum(1 for c in self.head if c == "\ufffd" or (c < " " and c not in "\t\n\r\x1b\x00"))
        return "\0" in self.head[:1024] or odd * 10 > max(len(self.head), 1)

    @cached_property
    def sample(self) -> list[dict[str, Any]]:
        """The first JSON objects of a line-based file; empty when it is not line-based.

        A JSON document on one line counts as a line-based file with one record.
        """
        if not self.head.lstrip().startswith("{"):
            return []
        found: list[dict[str, Any]] = []
        read = 0
        for number, raw in self._raw_lines():
            if number > SAMPLE_RECORDS or read > SAMPLE_BYTES:
                break
            read += len(raw)
            value, _ = parse(raw)
            if number == 1 and len(raw) >= self.size and self.encoding == "utf-8":
                self.__dict__["document"] = value
            if isinstance(value, dict):
                found.append(value)
            elif number == 1 and raw.strip() in (b"{", b"[", b""):
                return []
        return found

    def records(self) -> Iterator[Line]:
        """Every line that is not blank, parsed."""
        for number, raw in self._raw_lines():
            if not raw or raw.isspace():
                continue
            value, damaged = parse(raw)
            if isinstance(value, dict):
                yield Line(number, value, damaged)
            else:
                yield Line(number, None, True)

    @cached_property
    def document(self) -> Any:
        """The whole file as one JSON value, or None when it is none."""
        if not self.head.lstrip().startswith(("{", "[")) or len(self.sample) > 1:
            return None
        value, _ = parse(self.content())
        return value

    def forget(self) -> None:
        """Drop what `document` and `sample` hold, so that only the session stays in memory."""
        self.__dict__.pop("document", None)
        self.__dict__.pop("sample", None)

    def content(self) -> bytes:
        """The whole file as UTF-8 without a byte order mark."""
        with self._open() as stream:
            data = stream.read()
        if self.encoding == "utf-8":
            return data
        return data.decode(self.encoding, "replace").encode()

    def text(self) -> tuple[str, bool]:
        """The whole file as text with plain newlines, and whether bytes were lost in decoding."""
        text = self.content().decode("utf-8", "replace")
        return text.replace("\r\n", "\n").replace("\r", "\n"), "\ufffd" in text

    def digest(self, into: Any) -> None:
        """Feed the raw bytes to a hash object."""
        with self.path.open("rb") as stream:
            bounded = Bounded(stream, self.size)
            while chunk := bounded.read(READ_BYTES):
                into.update(chunk)

    def _open(self) -> IO[bytes]:
        try:
            stream: IO[bytes] = self.path.open("rb")
        except OSError as error:
            raise SessionError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        bounded: IO[bytes] = io.BufferedReader(Bounded(stream, self.size), READ_BYTES)
        if self.compressed:
            inflated = zstandard.ZstdDecompressor().stream_reader(
                bounded, read_across_frames=True, closefd=True
            )
            bounded = io.BufferedReader(Bounded(inflated, MAX_BYTES), READ_BYTES)
        reader = bounded
        try:
            reader.read(self._bom)
        except zstandard.ZstdError as error:
            raise self._torn(error) from error
        return reader

    def _raw_lines(self) -> Iterator[tuple[int, bytes]]:
        """Lines as UTF-8 with their numbers, without holding the file."""
        with self._open() as stream:
            lines = iter(partial(stream.readline, MAX_LINE_BYTES), b"")
            if self.encoding != "utf-8":
                text = io.TextIOWrapper(stream, self.encoding, errors="replace", newline="\n")
                lines = (line.encode() for line in text)
            number = 0
            while True:
                try:
                    raw = next(lines, None)
                except zstandard.ZstdError:
                    # A torn archive: what came before is a session still.
                    yield number + 1, b"\0"
                    return
                if raw is None:
                    return
                number += 1
                yield number, raw

    def _read_compressed_head(self) -> bytes:
        try:
            with self.path.open("rb") as stream:
                reader = zstandard.ZstdDecompressor().stream_reader(stream)
                return reader.read(HEAD_BYTES)
        except zstandard.ZstdError as error:
            raise self._torn(error) from error

    def _torn(self, error: Exception) -> SessionError:
        return SessionError(
            f"{self.path} is a Zstandard archive that cannot be unpacked ({error}). "
            "Export the session again, or unpack what is left with `zstd -d`."
        )


class Raw:
    """What the user named as a session: a file or a folder."""

    def __init__(self, path: Path) -> None:
        """Look at a path.

        Raises:
            SessionError: there is nothing at the path, or it cannot be read.
        """
        self.path = path
        try:
            exists, folder = path.exists(), path.is_dir()
        except OSError as error:
            raise SessionError(f"{path} cannot be looked at: {error}.") from error
        if not exists:
            raise SessionError(
                f"There is no file or folder {path}. Check the spelling, or name the file that "
                "your coding agent wrote."
            )
        self.is_folder = folder
        self._opened: dict[str, RawFile] = {}

    @cached_property
    def names(self) -> list[str]:
        """Files of a folder, relative and sorted, at most `MAX_FILES`; empty for a file."""
        if not self.is_folder:
            return []
        found: list[str] = []
        stack = [self.path]
        while stack and len(found) < MAX_FILES:
            folder = stack.pop()
            try:
                entries = sorted(folder.iterdir())
            except OSError:
                continue
            for entry in entries:
                if entry.is_symlink() or entry.name == ".git":
                    continue
                if entry.is_dir():
                    stack.append(entry)
                elif entry.is_file():
                    found.append(entry.relative_to(self.path).as_posix())
        return sorted(found[:MAX_FILES])

    @cached_property
    def file(self) -> RawFile | None:
        """The file itself, or None for a folder."""
        return None if self.is_folder else RawFile(self.path)

    def open(self, name: str) -> RawFile:
        """A file of the folder, or beside the file, opened once."""
        if name not in self._opened:
            base = self.path if self.is_folder else self.path.parent
            self._opened[name] = RawFile(base / name, name)
        return self._opened[name]

    def digest(self, used: list[RawFile]) -> str:
        """SHA-256 over the raw bytes of the files that a format read, in sorted order."""
        total = hashlib.sha256()
        for raw in sorted(used, key=lambda f: f.name):
            raw.digest(total)
        return total.hexdigest()


def parse(raw: bytes) -> tuple[Any, bool]:
    """One JSON value.

    Args:
        raw: UTF-8 bytes, maybe with faults.

    Returns:
        The value and whether something was lost. The value is None when nothing could be read.
    """
    try:
        return from_json(raw), False
    except ValueError as error:
        reason = str(error)
    if not any(fault in reason for fault in _MENDABLE):
        return None, True
    # Faults that leave a readable record: bytes of another encoding, half a surrogate pair
    # (JavaScript cuts strings there), bare control characters.
    mended = raw.decode("utf-8", "replace")
    mended = _SURROGATES.sub(_mend_half, mended)
    mended = _CONTROL.sub(_escape_control, mended)
    try:
        return from_json(mended), True
    except ValueError:
        return None, True


# Escaped backslashes and whole pairs are matched first, so that only halves are left to mend.
_SURROGATES = re.compile(
    r"\\\\|\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}"
    r"|(?P<half>\\u[dD][89a-fA-F][\da-fA-F]{2})"
)
_MENDABLE = ("unicode", "hex escape", "control character")
"""What the parser says of the faults that `parse` can mend."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _mend_half(match: re.Match[str]) -> str:
    return r"\ufffd" if match["half"] else match.group()


def _escape_control(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def _encoding(start: bytes) -> tuple[str, int]:
    """Name of the encoding and length of the byte order mark, from a file's first bytes."""
    for mark, name in _BOMS:
        if start.startswith(mark):
            return name, len(mark)
    pairs = start[:1024]
    if len(pairs) >= 4:
        half = len(pairs) // 2
        if pairs[1::2].count(0) * 10 > half * 9 and pairs[0::2].count(0) * 10 < half:
            return "utf-16-le", 0
        if pairs[0::2].count(0) * 10 > half * 9 and pairs[1::2].count(0) * 10 < half:
            return "utf-16-be", 0
    return "utf-8", 0


def record(value: Any) -> dict[str, Any]:
    """The value when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """The value when it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """The value when it is a string, else ""."""
    return value if isinstance(value, str) else ""


def word_set(listing: str) -> frozenset[str]:
    """The words of a listing, for sets of names that read best as text."""
    return frozenset(listing.split())


def number(value: Any) -> int | None:
    """The value when it is a whole number of a sane size, else None."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        return None
    return value
