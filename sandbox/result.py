"""What a command in a sandbox came to."""

from __future__ import annotations

import codecs
from dataclasses import dataclass


@dataclass(frozen=True)
class CommandResult:
    """A command that ran; failing or running out of time is a result, not an error.

    Attributes:
        exit_code: as a shell gives it (128 + signal when killed); None when it ran out of time.
        output: standard output and error as text; of a long one the head, a line that says how
            much was left out and where all of it is, and the tail.
        output_bytes: how much the command wrote.
        spool: path in the container of a file with the whole output.
        timed_out: the time was up and the command was ended.
        seconds: how long it ran, without the time spent waiting for an offer's answer.
        cwd: the directory that it ended in.
    """

    exit_code: int | None
    output: str
    output_bytes: int
    spool: str
    timed_out: bool
    seconds: float
    cwd: str


def join_output(head: bytes, tail: bytes, total: int, spool: str, note: str = "") -> str:
    """Makes text of the ends of an output, cut between characters, not within.

    Args:
        head: its first bytes.
        tail: its last bytes; empty when head is all of it.
        total: bytes in all.
        spool: where the whole output lies.
        note: something the reader must know, added as a line of its own.
    """
    if tail or total > len(head):
        # An incremental decoder keeps back a character whose end is missing.
        first = codecs.getincrementaldecoder("utf-8")("replace").decode(head)
        start = 0
        while start < min(3, len(tail)) and tail[start] & 0xC0 == 0x80:
            start += 1
        last = tail[start:].decode("utf-8", "replace")
        left_out = max(0, total - len(head) - len(tail) + start)
        text = f"{first}\n[... {left_out} bytes left out; all of it is in {spool} ...]\n{last}"
    else:
        text = head.decode("utf-8", "replace")
    if note:
        text += f"{'' if not text or text.endswith(chr(10)) else chr(10)}[{note}]\n"
    return text
