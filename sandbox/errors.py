"""Errors of the container engine and of what runs in it.

    SandboxError
     ├─ EngineUnavailable   no container engine answers
     ├─ ImageError          an image cannot be had
     │   └─ BuildFailed         a Dockerfile does not build; carries the end of the build log
     ├─ SandboxLost         the container or its dispatcher is gone
     ├─ SandboxFull         the container wrote more than its disk limit and was ended
     └─ TransferError       a path cannot be carried in or out (missing, too large, not a file)

A command that fails, or runs out of time, is no error: it is a `CommandResult`.
"""

from __future__ import annotations


class SandboxError(Exception):
    """Trouble with the container engine or a container; never the fault of a candidate."""


class EngineUnavailable(SandboxError):
    """No container engine answers."""


class ImageError(SandboxError):
    """An image cannot be had."""


class BuildFailed(ImageError):
    """A Dockerfile does not build.

    Attributes:
        log: the end of the build's output, as text.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class SandboxLost(SandboxError):
    """The container or its dispatcher is gone."""


class SandboxFull(SandboxLost):
    """The container wrote more than its disk limit and was ended."""


class TransferError(SandboxError):
    """A path cannot be carried into or out of the container."""
