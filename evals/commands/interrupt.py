"""Ctrl-C and SIGTERM where threads are at work in containers."""

from __future__ import annotations

import os
import signal
import sys

from evals.commands.show import err
from sandbox.engine import close_all

INTERRUPTED = 130
"""Exit code."""


class Interruptible:
    """Ends the program at Ctrl-C and SIGTERM without waiting for what its threads are at.

    Everything that counts is on the disk; only containers must go.

    Args:
        comfort: what the user should know then.
    """

    def __init__(self, comfort: str) -> None:
        self._comfort = comfort

    def __enter__(self) -> None:
        signal.signal(signal.SIGTERM, _interrupt)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            close_all()
            err.print(f"Interrupted. {self._comfort}")
            sys.stderr.flush()
            os._exit(INTERRUPTED)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
