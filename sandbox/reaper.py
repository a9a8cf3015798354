"""Who owns a container: labels that let a later run tell the leavings of a dead run.

An owner is a process on a machine since a boot, in a process namespace: its number alone would be
given to another one day. Where that cannot be compared (the engine serves another machine, or
another container's processes), only the expiry counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

RUN = "kettle.run"
OWNER = "kettle.owner"
EXPIRES = "kettle.expires"
PURPOSE = "kettle.purpose"
# What is built may outlive its run by at most a day; containers carry their own lifetime.
IMAGE_LIFETIME_S = 24 * 60 * 60
# Seconds after its expiry for the run that owns a container to remove it by itself.
EXPIRY_GRACE_S = 60


def labels(run_id: str, lifetime_s: float, purpose: str = "") -> dict[str, str]:
    """The labels of something that this process starts."""
    expires = str(int(time.time() + lifetime_s))
    return {RUN: run_id, OWNER: owner(), EXPIRES: expires, PURPOSE: purpose}


def is_abandoned(found: Mapping[str, str]) -> bool:
    """Whether the labels are those of a run that is dead, or of a thing that has expired.

    Labels can be forged by whoever built an image, so anything malformed counts as not ours.
    """
    if RUN not in found:
        return False
    expires = found.get(EXPIRES, "")
    if expires.isdigit() and int(expires) + EXPIRY_GRACE_S < time.time():
        return True
    return is_dead(found.get(OWNER, ""))


def owner() -> str:
    """This process, in words that no other process at any time has."""
    return f"{_place()}/{os.getpid()}-{_start_time(os.getpid())}"


def is_dead(name: str) -> bool:
    """Whether an `owner` is known to be gone; False where that cannot be told from here."""
    place, _, process = name.rpartition("/")
    pid, _, started = process.partition("-")
    if not place or place != _place() or not pid.isdigit():
        return False
    return _start_time(int(pid)) != started


@cache
def _place() -> str:
    """This boot of this machine, and the process namespace; empty where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    # A zombie does nothing any more: its run is over.
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
