"""How much of what is planted the scrubber finds, what it leaves of code, and how fast it is.

Run alone: `python -m tests.bench scrub`.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from agent.scrub import Scrubber
from tests.planted import CODE, CORPUS

TARGET_RECALL = 0.99
TARGET_SECONDS_PER_MB = 2.0
"""A session of ten megabytes then takes no longer than the build of its image."""
REPEATS = 60
"""Copies of the code that make about a megabyte with the planted lines between them."""


def main() -> bool:
    """Print one line per figure; True when every target is met."""
    missed = Counter(kind for kind, value, text in CORPUS if value in Scrubber().text(text))
    recall = 1 - missed.total() / len(CORPUS)
    changed = [line for line in CODE.splitlines() if Scrubber().text(line) != line]
    body = "\n".join([CODE * REPEATS, *(text for _, _, text in CORPUS)] * 4)
    began = time.process_time()
    Scrubber().text(body)
    pace = (time.process_time() - began) / (len(body) / 1e6)
    _line(f"planted values found, of {len(CORPUS)}", recall, recall >= TARGET_RECALL, "share")
    for kind, count in missed.most_common():
        sys.stdout.write(f"    missed: {count} × {kind}\n")
    _line(f"lines of code changed, of {CODE.count(chr(10))}", len(changed), not changed, "lines")
    _line("scrubbing a megabyte", pace, pace <= TARGET_SECONDS_PER_MB, "s")
    return recall >= TARGET_RECALL and not changed and pace <= TARGET_SECONDS_PER_MB


def _line(name: str, measured: float, met: bool, unit: str) -> None:
    sys.stdout.write(f"{name:<52} {measured:8.3f} {unit:<10} {'ok' if met else 'miss'}\n")
