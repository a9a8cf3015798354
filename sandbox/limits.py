"""What a sandbox may use up."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """Upper bounds on one container; every one of them is always enforced.

    Attributes:
        cpus: processor cores; more than the engine has means all it has.
        memory_bytes: memory and swap together.
        processes: processes and threads at one time.
        disk_bytes: what the container may write to its file system, and the largest single file.
            The file system has no quota, so a watchdog measures; a fast writer can overshoot by
            what it writes between two looks.
        lifetime_s: seconds from creation until the container is ended, whatever it does.
    """

    cpus: float = 2.0
    memory_bytes: int = 4 * GIB
    processes: int = 1024
    disk_bytes: int = 10 * GIB
    lifetime_s: float = 3 * 60 * 60
