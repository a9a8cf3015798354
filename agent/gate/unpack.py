"""What lies inside a file: members of archives, compressed bytes, sources in a source map.

Files are known by their first bytes, not by their names, because a download cache names them by
digests. Everything is bounded: depth, members and bytes.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import io
import json
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

import zstandard

from agent.gate.layers import LayerFile

MAX_DEPTH = 3
"""A wheel in a compressed archive in a cache; deeper nesting is nobody's build."""
MAX_EXPANDED_BYTES = 128 << 20
"""Of one file, unpacked, all depths together."""
MAX_MEMBERS = 20_000
MAX_GIT_OBJECT_BYTES = 1 << 20
"""A loose object larger than this is data; git's own names tell it then."""
MIN_BASE64_CHARS = 80
"""Shorter runs are digests and keys."""
_ZIP_END_BYTES = 66_000
"""A zip's directory ends within so many bytes of the file's end: its comment has 64 KiB at most."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{%d,}={0,2}" % MIN_BASE64_CHARS)
_INLINE_MAP = re.compile(rb"sourceMappingURL=data:[^,\s]{0,80};base64,([A-Za-z0-9+/=]+)")
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def expanded(file: LayerFile) -> Iterator[LayerFile]:
    """A file itself and what is in it; names of what is inside follow a `!`."""
    yield from _expanded(file, _Allowance())


def decoded(text: bytes) -> Iterator[bytes]:
    """What each long run of base64 in a text says."""
    for match in _BASE64.finditer(text):
        try:
            yield base64.b64decode(match.group() + b"=" * (-len(match.group()) % 4))
        except binascii.Error:
            continue


class _Allowance:
    """What may still be unpacked."""

    def __init__(self) -> None:
        self.left = MAX_EXPANDED_BYTES

    def take(self, data: bytes) -> bytes:
        self.left -= len(data)
        return data


def _expanded(file: LayerFile, allowance: _Allowance, depth: int = 0) -> Iterator[LayerFile]:
    yield file
    if depth >= MAX_DEPTH or allowance.left <= 0:
        return
    try:
        for name, data in _inside(file, allowance):
            path = f"{file.path}!{name}"
            yield from _expanded(LayerFile(file.layer, path, data), allowance, depth + 1)
    except (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, RecursionError):
        return
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError):
        return


def _inside(file: LayerFile, allowance: _Allowance) -> Iterator[tuple[str, bytes]]:
    data = file.data
    head = data[:6]
    if head[:2] == b"\x1f\x8b":
        yield "", allowance.take(zlib.decompressobj(wbits=31).decompress(data, allowance.left))
    elif head[:3] == b"BZh":
        yield "", allowance.take(bz2.BZ2Decompressor().decompress(data, allowance.left))
    elif head == b"\xfd7zXZ\0":
        yield "", allowance.take(lzma.LZMADecompressor().decompress(data, allowance.left))
    elif head[:4] == b"\x28\xb5\x2f\xfd":
        with zstandard.ZstdDecompressor().stream_reader(data) as source:
            yield "", allowance.take(source.read(allowance.left))
    elif data[257:262] == b"ustar":
        yield from _tar(data, allowance)
    elif head[:4] == b"PK\x03\x04" or b"PK\x05\x06" in data[-_ZIP_END_BYTES:]:
        # pip's older cache puts a header of its own before the wheel; zip minds only the end.
        yield from _zip(data, allowance)
    elif head[:2] in _ZLIB and len(data) <= MAX_GIT_OBJECT_BYTES:
        plain = zlib.decompressobj().decompress(data, MAX_GIT_OBJECT_BYTES)
        if re.match(rb"(blob|commit|tree|tag) \d+\0", plain):
            yield "git object", allowance.take(plain)
    elif file.path.endswith(".map"):
        yield "sources", allowance.take(_sources(data))
    elif match := _INLINE_MAP.search(data):
        yield "sources", allowance.take(_sources(base64.b64decode(match.group(1))))


def _tar(data: bytes, allowance: _Allowance) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for count, member in enumerate(archive):
            if count >= MAX_MEMBERS or allowance.left <= 0:
                return
            source = archive.extractfile(member) if member.isreg() else None
            if source is not None:
                yield member.name, allowance.take(source.read(allowance.left))


def _zip(data: bytes, allowance: _Allowance) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist()[:MAX_MEMBERS]:
            if info.is_dir() or allowance.left <= 0:
                continue
            with archive.open(info) as source:
                yield info.filename, allowance.take(source.read(allowance.left))


def _sources(source_map: bytes) -> bytes:
    """The sources that a source map carries (Source Map revision 3, `sourcesContent`)."""
    said = json.loads(source_map)
    sources = said.get("sourcesContent") if isinstance(said, dict) else None
    texts = [s for s in sources if isinstance(s, str)] if isinstance(sources, list) else []
    return "\n".join(texts).encode("utf-8", "replace")
