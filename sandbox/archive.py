"""Tar archives whose content nobody vouches for.

A tree that comes out of a container may name absolute paths, climb out with `..`, hide devices and
pipes, or claim to be endless. `read` gives only what is harmless as data; whoever writes it to
the host's disk still decides where. Symbolic links are kept as data and never followed.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sandbox.errors import TransferError

TREE_BYTES = 1 << 30
# More files than any source tree with its dependencies has.
MEMBERS = 500_000
PATH_BYTES = 4096
LAST_MTIME = 1 << 33
# Headers and padding: a share of the content, and a floor for small files and many of them.
OVERHEAD_SHARE = 0.5
OVERHEAD_BYTES = 4 << 20


@dataclass(frozen=True)
class Member:
    """A file, directory or symbolic link.

    Attributes:
        path: relative, normalised, without `..`; surrogate escapes for bytes that are not UTF-8.
        kind: "file", "directory" or "link".
        mode: permissions, without set-user-id, set-group-id and sticky bits.
        data: content of a file.
        target: where a symbolic link points, as it stands there.
        uid: owner.
        gid: group.
        mtime: seconds since 1970.
    """

    path: str
    kind: str
    mode: int
    data: bytes = b""
    target: str = ""
    uid: int = 0
    gid: int = 0
    mtime: int = 0

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.kind == "file"


def overhead(size: int) -> int:
    """How much larger than its content an archive of this content may be."""
    return int(size * OVERHEAD_SHARE) + OVERHEAD_BYTES


def read(data: bytes, *, limit_bytes: int = TREE_BYTES, members: int = MEMBERS) -> list[Member]:
    """Reads all members of an archive, gzipped or not.

    Hard links become files of their own. The top directory itself is left out.

    Raises:
        TransferError: a member is a device, a pipe or a socket, has an absolute path or one with
            `..`, appears twice, lies below a link; the archive is damaged or larger than allowed.
    """
    found: dict[str, Member] = {}
    left = limit_bytes
    for info, content in _walk(data, limit_bytes):
        path = _safe_path(info.name)
        if path == "":
            continue
        if len(found) >= members:
            raise TransferError(f"The archive has more than {members} members.")
        kind, mode, target = "file", info.mode & 0o777, ""
        if info.isdir():
            kind = "directory"
        elif info.issym():
            kind, mode, target = "link", 0o777, info.linkname
        elif info.islnk():
            linked = found.get(_safe_path(info.linkname))
            if linked is None or not linked.is_file:
                raise TransferError(f"The hard link {path!r} points at no file in the archive.")
            content = linked.data
        elif not info.isreg():
            raise TransferError(f"{path!r} is a device, a pipe or something else that is no file.")
        mtime = min(max(0, int(info.mtime)), LAST_MTIME)
        member = Member(path, kind, mode, content, target, info.uid, info.gid, mtime)
        left -= len(content)
        if left < 0:
            raise TransferError(f"The archive holds more than {limit_bytes} bytes.")
        if path in found and not (kind == found[path].kind == "directory"):
            raise TransferError(f"{path!r} is in the archive twice.")
        found[path] = member
    for path in found:
        parent = path.rpartition("/")[0]
        while parent:
            above = found.get(parent)
            if above is not None and above.kind != "directory":
                raise TransferError(f"{path!r} lies below something that is no directory.")
            parent = parent.rpartition("/")[0]
    return list(found.values())


def clean(data: bytes, owner: tuple[int, int] | None = None) -> bytes:
    """Writes an archive anew with only what `read` lets through.

    Args:
        data: the archive, gzipped or not.
        owner: user and group number for all members; None keeps theirs.

    Raises:
        TransferError: as `read`.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in read(data):
            info = tarfile.TarInfo(member.path)
            info.mode, info.mtime = member.mode, member.mtime
            info.uid, info.gid = owner or (member.uid, member.gid)
            if member.kind == "directory":
                info.type = tarfile.DIRTYPE
            elif member.kind == "link":
                info.type, info.linkname = tarfile.SYMTYPE, member.target
            info.size = len(member.data)
            tar.addfile(info, io.BytesIO(member.data))
    return packed.getvalue()


def pack(files: Mapping[str, bytes]) -> bytes:
    """Writes files as an archive, the same bytes for the same files.

    Args:
        files: content by path. All belong to root and date from 1970; scripts (`.sh`) may be run.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.mode = 0o755 if path.endswith(".sh") else 0o644
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def _walk(data: bytes, limit_bytes: int) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Goes through an archive, and turns what a damaged one raises into an error of ours."""
    try:
        if data[:2] == b"\x1f\x8b":
            data = _gunzip(data, limit_bytes + overhead(limit_bytes))
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for info in tar:
                content = b""
                if info.isreg():
                    if info.size > limit_bytes or info.issparse():
                        raise TransferError(f"{info.name!r} is larger than {limit_bytes} bytes.")
                    stream = tar.extractfile(info)
                    content = stream.read() if stream else b""
                    if len(content) != info.size:
                        raise TransferError("The archive is damaged: it ends in a file.")
                yield info, content
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError) as error:
        raise TransferError(f"The archive is damaged: {error}.") from error


def _gunzip(data: bytes, limit_bytes: int) -> bytes:
    """Unpacks gzip data that may be made to explode."""
    stream = zlib.decompressobj(wbits=31)
    out = stream.decompress(data, limit_bytes)
    if stream.unconsumed_tail or not stream.eof:
        raise TransferError(f"The archive is cut off, or holds more than {limit_bytes} bytes.")
    return out


def _safe_path(name: str) -> str:
    """A member's name as a relative path; empty for the top directory."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise TransferError(f"{name!r} leads out of the archive.")
    path = "/".join(parts)
    if len(path.encode("utf-8", "surrogateescape")) > PATH_BYTES:
        raise TransferError("A name in the archive is longer than any path can be.")
    return path
