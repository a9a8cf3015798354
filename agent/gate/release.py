"""Releases of the project itself that an image holds beside the work tree: which can carry the fix.

A test runner may depend on the very project that it tests: jest needs `ms` through `debug`, vitest
needs `defu`. npm then installs a release of it, and no builder can leave it out. Such a release is
no leak where two things hold:

- it is not newer than the start state says it is. Releases are cut from a history that the outcome
  lies after, so one with a lower number was made before it. An equal number is usually the last
  release before the start, but a project may raise its number before the work that it is for; and a
  version that says nothing (`0.0.0-development`) puts every release after it.
- none of its files holds a line or a name that only the solution has. One is enough here, where two
  make a copy elsewhere: the code is the project's own, so nothing in it is like the solution by
  chance. This also finds a release whose number was doctored.

Where the solution adds no line and no name to look for, only a lower number will do.
"""

from __future__ import annotations

import json
import re
from typing import Any

_SEMVER = re.compile(
    r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-([0-9A-Za-z.-]{1,200}))?(?:\+[0-9A-Za-z.-]*)?"
)
Order = tuple[int, int, int, tuple[tuple[int, int, str], ...]]


def order(version: str) -> Order | None:
    """A key that sorts versions as Semantic Versioning 2.0.0 does (§11); None for no version."""
    match = _SEMVER.fullmatch(version)
    if match is None:
        return None
    major, minor, patch = (int(n) for n in match.groups()[:3])
    # A release comes after all that lead up to it; numbers come before words.
    before = match.group(4)
    steps: list[tuple[int, int, str]] = [(2, 0, "")]
    if before is not None:
        parts = before.split(".")
        steps = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts]
        steps.append((-1, 0, ""))
    return major, minor, patch, tuple(steps)


def is_earlier(manifest: bytes, start: bytes, *, can_be_told: bool) -> bool:
    """Whether an installed release cannot be newer than the start state, by its package.json.

    Args:
        manifest: package.json of the release.
        start: package.json of the start state.
        can_be_told: whether the solution has lines or names to look for in the release.
    """
    installed, known = (order(str(said(data).get("version"))) for data in (manifest, start))
    if installed is None or known is None:
        return False
    return installed < known or (installed == known and can_be_told)


def said(manifest: bytes) -> dict[str, Any]:
    """What a package.json says; nothing when it is no such."""
    try:
        found = json.loads(manifest)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
