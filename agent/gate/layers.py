"""Every file that an image ever held: its layers one by one, deleted files included.

A file that a later step deletes is still in the image for whoever has it, so looking at a container
is not enough. Layers of the base image are passed over: they are older than the project.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import docker

from sandbox.errors import SandboxError

MAX_SEARCHED_BYTES = 64 << 20
"""Of one file; larger ones are searched in their first part, and named in the report."""
_BLOCK_BYTES = 1 << 20
_SPOOLED_BYTES = 32 << 20
"""A layer is kept in memory up to here, beyond that in a temporary file."""


@dataclass(frozen=True)
class LayerFile:
    """A regular file in a layer.

    Attributes:
        layer: position among the image's layers, from 0 for the lowest.
        path: absolute in the image; members of an archive follow a `!`.
        data: content, bounded.
        whole: False when only the first part was read.
    """

    layer: int
    path: str
    data: bytes
    whole: bool = True


def added_files(
    client: docker.DockerClient, image: str, bases: Iterable[str] = (), *, local: bool = True
) -> Iterator[LayerFile]:
    """All regular files in the layers of an image that none of its bases has.

    Args:
        client: connected to the engine.
        image: id of the image.
        bases: names of images whose layers are passed over.
        local: read layers in place where they can be reached; else from the image's archive.

    Raises:
        SandboxError: the engine does not hand out the image.
    """
    order = _layers(client, image)
    known = {layer for base in bases for layer in _layers(client, base)}
    new = [layer for layer in order if layer not in known]
    if not new:
        return
    folders = _folders(client, image, order) if local else {}
    if folders:
        for layer in new:
            yield from _walk(order.index(layer), folders[layer])
        return
    try:
        stream = client.images.get(image).save(chunk_size=_BLOCK_BYTES)
        with tarfile.open(fileobj=_Blocks(stream), mode="r|") as outer:
            for member in outer:
                if not member.isreg() or not _may_be_layer(member.name):
                    continue
                source = outer.extractfile(member)
                if source is None:
                    continue
                with tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES) as spool:
                    state = hashlib.sha256()
                    while block := source.read(_BLOCK_BYTES):
                        state.update(block)
                        spool.write(block)
                    name = f"sha256:{state.hexdigest()}"
                    if name in new:
                        spool.seek(0)
                        yield from _files(order.index(name), spool)
    except docker.errors.DockerException as e:
        raise SandboxError(f"The engine does not hand out the image: {e}") from e
    except tarfile.TarError as e:
        raise SandboxError(f"The image cannot be read as an archive: {e}") from e


def history(client: docker.DockerClient, image: str) -> list[str]:
    """The commands that made an image's layers, the lowest first, and what it is set to at last.

    The last entry is the image's own configuration (variables, labels, entry point).
    """
    try:
        found = client.images.get(image)
        entries = found.history()
    except docker.errors.DockerException as e:
        raise SandboxError(f"The engine does not tell the image's history: {e}") from e
    commands = [str(e.get("CreatedBy", "")) for e in reversed(entries)]
    return [*commands, json.dumps(found.attrs.get("Config") or {}, ensure_ascii=False)]


def _layers(client: docker.DockerClient, image: str) -> list[str]:
    try:
        attributes = client.images.get(image).attrs
    except docker.errors.ImageNotFound:
        return []
    except docker.errors.DockerException as e:
        raise SandboxError(f"The engine does not know the image {image}: {e}") from e
    return [str(layer) for layer in (attributes.get("RootFS") or {}).get("Layers") or []]


def _folders(client: docker.DockerClient, image: str, order: list[str]) -> dict[str, str]:
    """Where the engine keeps each layer on this machine; empty when that cannot be looked at.

    Reading them in place spares writing the whole image, base included, into an archive: seconds
    for each image.
    """
    driver = client.images.get(image).attrs.get("GraphDriver") or {}
    data = driver.get("Data") or {}
    if driver.get("Name") != "overlay2":
        return {}
    lower = str(data.get("LowerDir") or "").split(":")
    folders = [folder for folder in (*reversed(lower), str(data.get("UpperDir") or "")) if folder]
    if len(folders) != len(order) or not all(os.access(f, os.R_OK | os.X_OK) for f in folders):
        return {}
    return dict(zip(order, folders, strict=True))


def _walk(layer: int, top: str) -> Iterator[LayerFile]:
    for folder, _, names in os.walk(top, followlinks=False):
        for name in names:
            path = os.path.join(folder, name)
            try:
                # Neither a symlink nor a pipe of the image may lead or hold the host.
                handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                continue
            with os.fdopen(handle, "rb") as f:
                status = os.fstat(f.fileno())
                if not stat.S_ISREG(status.st_mode):
                    continue
                data = f.read(MAX_SEARCHED_BYTES)
            yield LayerFile(layer, path[len(top) :], data, whole=len(data) == status.st_size)


def _may_be_layer(name: str) -> bool:
    return name.endswith("/layer.tar") or name.startswith("blobs/sha256/")


def _files(layer: int, spool: tempfile.SpooledTemporaryFile[bytes]) -> Iterator[LayerFile]:
    try:
        with tarfile.open(fileobj=spool, mode="r:") as tar:
            for member in tar:
                if not member.isreg():
                    continue
                source = tar.extractfile(member)
                data = source.read(MAX_SEARCHED_BYTES) if source else b""
                path = "/" + member.name.lstrip("./")
                if member.name.startswith("."):
                    path = "/" + member.name.removeprefix("./")
                yield LayerFile(layer, path, data, whole=len(data) == member.size)
    except tarfile.ReadError:
        # A blob that is no layer, such as the image's configuration.
        return


class _Blocks(io.RawIOBase):
    """An iterator of blocks as a file that can be read once."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts = [self._rest]
        have = len(self._rest)
        while size < 0 or have < size:
            block = next(self._blocks, None)
            if block is None:
                break
            parts.append(block)
            have += len(block)
        data = b"".join(parts)
        if size < 0:
            self._rest = b""
            return data
        self._rest = data[size:]
        return data[:size]
