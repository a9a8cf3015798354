"""A tree of files as data: carried out of a container, compared, edited, and packed for another.

Nothing here touches a disk. What comes in is validated by `sandbox.archive`, so paths are relative,
without `..`, and nothing lies below a symlink.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sandbox import archive

DIRECTORY_MODE = 0o755
FILE_MODE = 0o644


@dataclass(frozen=True)
class Entry:
    """A file, directory or symlink.

    Attributes:
        mode: permission bits; always 0o777 for a symlink.
        data: content of a file.
        target: of a symlink.
    """

    kind: Literal["file", "directory", "link"]
    mode: int = FILE_MODE
    data: bytes = b""
    target: str = ""
    uid: int = 0
    gid: int = 0

    def same(self, other: Entry) -> bool:
        """True when both are the same but for their owners."""
        return (self.kind, self.mode, self.data, self.target) == (
            other.kind,
            other.mode,
            other.data,
            other.target,
        )


@dataclass(frozen=True)
class Delta:
    """What makes one tree of another.

    Attributes:
        removed: paths that go, whole directories by their own name only.
        put: what is new or different.
    """

    removed: tuple[str, ...]
    put: Mapping[str, Entry]

    @property
    def empty(self) -> bool:
        """True when both trees are the same."""
        return not self.removed and not self.put


@dataclass(frozen=True)
class Tree:
    """Files by path."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    @classmethod
    def from_tar(cls, data: bytes) -> Tree:
        """Read a tar archive, gzipped or not.

        Raises:
            sandbox.errors.TransferError: the archive holds something that is not plain data.
        """
        kinds: dict[str, Literal["file", "directory", "link"]] = {
            "file": "file",
            "directory": "directory",
            "link": "link",
        }
        return cls(
            {
                m.path: Entry(kinds[m.kind], m.mode, m.data, m.target, m.uid, m.gid)
                for m in archive.read(data)
            }
        )

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Path and content of every regular file, sorted."""
        for path in sorted(self.entries):
            if self.entries[path].kind == "file":
                yield path, self.entries[path].data

    def read(self, path: str) -> bytes | None:
        """Content of a regular file; None when there is none."""
        entry = self.entries.get(path)
        return entry.data if entry is not None and entry.kind == "file" else None

    def edited(self, changes: Mapping[str, bytes | None]) -> Tree:
        """The tree with files written (bytes) or taken out (None); owners and modes stay."""
        entries = dict(self.entries)
        sample = next(iter(entries.values()), Entry("file"))
        for path, content in changes.items():
            if content is None:
                entries.pop(path, None)
                continue
            old = entries.get(path)
            mode = old.mode if old is not None and old.kind == "file" else FILE_MODE
            entries[path] = Entry("file", mode, content, uid=sample.uid, gid=sample.gid)
            parent = path.rpartition("/")[0]
            while parent and entries.get(parent, Entry("file")).kind != "directory":
                entries[parent] = Entry("directory", DIRECTORY_MODE, uid=sample.uid, gid=sample.gid)
                parent = parent.rpartition("/")[0]
        return Tree(entries)

    def delta(self, other: Tree) -> Delta:
        """What must be done to this tree to make it the other."""
        put = {
            path: entry
            for path, entry in other.entries.items()
            if path not in self.entries or not self.entries[path].same(entry)
        }
        removed: list[str] = []
        for path in sorted(self.entries):
            gone = path not in other.entries
            turned = not gone and other.entries[path].kind != self.entries[path].kind
            below = bool(removed) and path.startswith(removed[-1] + "/")
            if (gone or turned) and not below:
                removed.append(path)
        return Delta(tuple(removed), put)

    def pack(self, prefix: str = "", owner: tuple[int, int] | None = None) -> bytes:
        """The tree as an uncompressed tar.

        Args:
            prefix: folder that all members lie in; it gets no member of its own.
            owner: uid and gid of all members; None keeps each one's own.
        """
        return pack(self.entries, prefix, owner)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of paths, kinds, modes and contents."""
        state = hashlib.sha256()
        for path in sorted(self.entries):
            e = self.entries[path]
            name = path.encode("utf-8", "surrogateescape")
            target = e.target.encode("utf-8", "surrogateescape")
            state.update(b"%d:%s:%s:%o:" % (len(name), name, e.kind.encode(), e.mode))
            state.update(hashlib.sha256(e.data + target).digest())
        return state.hexdigest()


def pack(
    entries: Mapping[str, Entry], prefix: str = "", owner: tuple[int, int] | None = None
) -> bytes:
    """Pack entries as an uncompressed tar; see `Tree.pack`."""
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer,
        mode="w",
        format=tarfile.PAX_FORMAT,
        encoding="utf-8",
        errors="surrogateescape",
    ) as tar:
        for path in sorted(entries):
            entry = entries[path]
            info = tarfile.TarInfo(f"{prefix}/{path}" if prefix else path)
            info.mode = entry.mode
            info.uid, info.gid = owner or (entry.uid, entry.gid)
            if entry.kind == "directory":
                info.type = tarfile.DIRTYPE
            elif entry.kind == "link":
                info.type, info.linkname = tarfile.SYMTYPE, entry.target
            info.size = len(entry.data)
            tar.addfile(info, io.BytesIO(entry.data))
    return buffer.getvalue()
