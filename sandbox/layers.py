"""Layers that an environment's build leaves for the next one.

Installing what a project needs is most of the work of a build, and the next draft, the same session
built again or another session about the project needs the same. The engine's builder finds a layer
again as long as an image has it, so the last layer of every stage gets a tag, `kettle-layers:ID`.
All that is known of these layers stands in the engine; no list beside it can go wrong.

They go when they are `KEPT_DAYS` old, since what package archives offer grows old too, the oldest
first beyond `KEPT` or `KEPT_BYTES`, and all of them where the engine's disk is nearly full.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

import docker

from sandbox.daemon import engine_errors
from sandbox.errors import SandboxError

HELD = "kettle-layers"
KEPT_DAYS = 7.0
KEPT = 30
"""Builds of a busy day or two. A layer counts once however many builds end in it."""
KEPT_BYTES = 12 << 30
"""On the engine's disk, what builds share counted once: thirty usual builds, of 0.2 to 0.4 GB each
beside what they share, or a few with large dependencies."""
LEAST_FREE_BYTES = 10 << 30
"""On the engine's disk: as much as a sandbox may write."""
_DAY_S = 24 * 60 * 60


def hold(client: docker.DockerClient, layers: Sequence[str], image: str | None) -> None:
    """Tags the last layers of a build's stages.

    Args:
        client: connected to the engine.
        layers: ids of what the build made or found, whole or cut.
        image: what came of it, which is not kept itself; None if it failed.
    """
    api: Any = client.api
    found: dict[str, dict[str, Any]] = {}
    with contextlib.suppress(SandboxError), engine_errors("look at the layers of a build"):
        for layer in dict.fromkeys(layers):
            about = api.inspect_image(layer)
            found[str(about["Id"])] = about
        found.pop(image or "", None)
        parents = {about["Parent"] for about in found.values()}
        for name, about in found.items():
            # One with a tag is a base image, or held already.
            if name not in parents and not about["RepoTags"]:
                api.tag(name, HELD, name.removeprefix("sha256:")[:12])


def trim(client: docker.DockerClient, disk: str) -> None:
    """Removes layers that were kept long enough.

    Args:
        client: connected to the engine.
        disk: folder of the engine's data; one of another machine is not looked at.
    """
    api: Any = client.api
    images = api.images(name=HELD)
    parts = {str(image["Id"]): _parts(api, str(image["Id"])) for image in images}
    for tag in outlived(images, parts, time.time(), full=_nearly_full(disk)):
        # Refused while something rests on it; then its time comes at a later start.
        with contextlib.suppress(SandboxError), engine_errors("remove a layer"):
            api.remove_image(tag)


def outlived(
    images: Sequence[Mapping[str, Any]],
    parts: Mapping[str, Mapping[str, int]],
    now: float,
    *,
    full: bool,
) -> list[str]:
    """Tags of layers whose time is up.

    Args:
        images: as the engine lists them.
        parts: by an image's id, the bytes of each step that it rests on, by the step's id.
        now: seconds since 1970.
        full: whether the disk is nearly full, so that none can stay.
    """
    oldest = now - KEPT_DAYS * _DAY_S
    counted: dict[str, int] = {}
    tags: list[str] = []
    for place, image in enumerate(sorted(images, key=lambda image: -int(image["Created"]))):
        counted |= parts.get(str(image["Id"]), {})
        beyond = place >= KEPT or sum(counted.values()) > KEPT_BYTES
        if full or beyond or int(image["Created"]) < oldest:
            tags += [t for t in image["RepoTags"] or () if t.startswith(f"{HELD}:")]
    return tags


def _parts(api: Any, image: str) -> dict[str, int]:
    """The bytes of each step of an image that the engine made itself, by the step's id."""
    with contextlib.suppress(SandboxError), engine_errors("look at a layer"):
        steps = api.history(image)
        return {str(s["Id"]): int(s["Size"]) for s in steps if s["Id"] != "<missing>"}
    return {}


def _nearly_full(folder: str) -> bool:
    try:
        return shutil.disk_usage(folder).free < LEAST_FREE_BYTES
    except OSError:
        return False
