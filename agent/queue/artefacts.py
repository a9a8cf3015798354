"""Where finished environments go: a folder, or an object store by URL; whole or not at all.

A folder gets an environment by one rename. An object store has no rename, so the files are uploaded
under a name made of their content, and one small pointer, written last, makes them an environment:

    <store>/<name>.json            the pointer: every file with its size, mode and SHA-256
    <store>/objects/<digest>/…     the files

Publishing the same environment again changes nothing, so a worker that died in the middle of it is
simply followed by another that does it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, Protocol

import fsspec  # type: ignore[import-untyped]

from agent.environment import TASK
from agent.errors import InputError
from agent.publish import publish

POINTER = ".json"
OBJECTS = "objects"


class Store(Protocol):
    """A place for finished environments."""

    def publish(self, folder: Path, name: str) -> str:
        """Make an environment appear, in place of one of the same name.

        Args:
            folder: the environment; it stays where it is.
            name: a plain file name.

        Returns:
            Its location, for `remove` and `fetch`.

        Raises:
            OSError: the disk is full, the store does not answer; nothing appeared.
            InputError: something that is no environment is in the way.
        """

    def names(self) -> list[str]:
        """The environments that are there, sorted."""


def open_store(url: str) -> Store:
    """The store that a URL or a path names.

    Raises:
        InputError: there is no such kind of store, or what it needs is not installed.
    """
    if "://" not in url or url.startswith("file://"):
        return FolderStore(Path(url.removeprefix("file://")))
    return ObjectStore(url)


def remove(location: str) -> bool:
    """Take an environment away, wherever it was published; says whether it was there."""
    if "://" in location:
        url, _, name = location.rpartition("/")
        return ObjectStore(url).remove(name)
    place = Path(location)
    if not (place / TASK).is_file():
        return False
    # Out of sight first: whoever looks sees all of it or nothing.
    aside = place.with_name(f".removed-{place.name}")
    shutil.rmtree(aside, ignore_errors=True)
    os.rename(place, aside)
    shutil.rmtree(aside)
    return True


class FolderStore:
    """Environments as folders of one folder.

    Attributes:
        root: the folder; made when something is published.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()

    def publish(self, folder: Path, name: str) -> str:
        """See `Store`."""
        publish(folder, self.root / name)
        return str(self.root / name)

    def names(self) -> list[str]:
        """See `Store`."""
        return sorted(place.parent.name for place in self.root.glob(f"[!.]*/{TASK}"))


class ObjectStore:
    """Environments in an object store that fsspec reaches.

    Attributes:
        url: where they lie, such as `s3://bucket/environments`.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            found = fsspec.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise InputError(f"The store {url} cannot be used: {error}.") from error
        self._files: Any = found[0]
        self._root = str(found[1]).rstrip("/")

    def publish(self, folder: Path, name: str) -> str:
        """See `Store`."""
        files: dict[str, dict[str, Any]] = {}
        for place in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest = hashlib.sha256(place.read_bytes()).hexdigest()
            status = place.stat()
            files[place.relative_to(folder).as_posix()] = {
                "sha256": digest,
                "bytes": status.st_size,
                "mode": f"{status.st_mode & 0o777:o}",
            }
        listing = json.dumps(files, sort_keys=True)
        whole = hashlib.sha256(listing.encode()).hexdigest()
        objects = f"{OBJECTS}/{whole}"
        for path in files:
            self._files.pipe_file(f"{self._root}/{objects}/{path}", (folder / path).read_bytes())
        old = self._pointer(name)
        pointer = {"name": name, "objects": objects, "files": files}
        self._files.pipe_file(f"{self._root}/{name}{POINTER}", json.dumps(pointer).encode())
        if old and old["objects"] != objects:
            self._delete(str(old["objects"]))
        return f"{self.url}/{name}"

    def fetch(self, name: str, to: Path) -> Path:
        """Bring an environment back as a folder.

        Raises:
            InputError: there is none of that name, or a file is not what was published.
        """
        pointer = self._pointer(name)
        if pointer is None:
            raise InputError(f"{self.url} holds no environment {name!r}.")
        for path, about in pointer["files"].items():
            data = self._files.cat_file(f"{self._root}/{pointer['objects']}/{path}")
            if hashlib.sha256(data).hexdigest() != about["sha256"]:
                raise InputError(f"{self.url}/{name}: {path} is not what was published.")
            place = to / path
            if not place.resolve().is_relative_to(to.resolve()):
                raise InputError(f"{self.url}/{name} names a file outside of itself: {path!r}.")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            place.chmod(int(about["mode"], 8) & 0o777)
        return to

    def remove(self, name: str) -> bool:
        """Take an environment away; says whether it was there."""
        pointer = self._pointer(name)
        if pointer is None:
            return False
        self._files.rm_file(f"{self._root}/{name}{POINTER}")
        self._delete(str(pointer["objects"]))
        return True

    def names(self) -> list[str]:
        """See `Store`."""
        try:
            found = self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return []
        names = (str(path).rsplit("/", 1)[-1] for path in found)
        return sorted(name.removesuffix(POINTER) for name in names if name.endswith(POINTER))

    def _pointer(self, name: str) -> dict[str, Any] | None:
        try:
            value = json.loads(self._files.cat_file(f"{self._root}/{name}{POINTER}"))
        except FileNotFoundError:
            return None
        return value if isinstance(value, dict) else None

    def _delete(self, objects: str) -> None:
        shared = (self._pointer(name) for name in self.names())
        if all(other is None or other["objects"] != objects for other in shared):
            self._files.rm(f"{self._root}/{objects}", recursive=True)
