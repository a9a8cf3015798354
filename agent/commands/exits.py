"""Exit codes of every command."""

from __future__ import annotations

from enum import IntEnum

EPILOG_EXIT_CODES = (
    "Exit codes: 0 accepted, 2 bad input, 3 session rejected, 4 gate failed or budget spent, "
    "5 infrastructure (engine, network, provider, disk), 130 interrupted."
)


class ExitCode(IntEnum):
    """What the exit status says."""

    ACCEPTED = 0
    BUG = 1
    """Something that Kettle did not foresee; worth a report."""
    BAD_INPUT = 2
    REJECTED = 3
    GATE_FAILED = 4
    INFRASTRUCTURE = 5
    INTERRUPTED = 130
