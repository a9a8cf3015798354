"""What the commands share: where they print, and options that mean the same everywhere.

Standard output carries the result (a summary, or JSON with `--json`); progress and errors go to
standard error.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

err = Console(stderr=True)
out = Console()

SessionArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SESSION", help="A recorded session: a file or a folder, in its tool's own format."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress; only the result and errors.")
]


def print_json(value: Any) -> None:
    """Print one JSON document as the command's result."""
    print(json.dumps(value, indent=2, default=str))  # noqa: T201 (this is the output)
