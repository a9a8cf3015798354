"""Shell commands and their outputs: exit codes as tools print them, and files seen through `cat`.

Every tool frames a command's output in its own way; `outcome` takes the frame off. `view` answers
only for commands that print a file or a range of its lines and nothing else.
"""

from __future__ import annotations

import posixpath
import re
import shlex

from pydantic_core import from_json

from agent.session import listing
from agent.session.model import Command, FileView

MAX_COMMAND_CHARS = 20_000
"""Longest command that is split into words; what is longer carries a document."""
_NEAR_CHARS = 600
"""Characters at either end of a result within which tools write their frames."""
_MARKS = ("xit code", "xit Code", "exited with code", "<returncode>", "Process Group PGID")
"""One of these stands in every frame, so that results without any are left alone."""

_FRAMES: tuple[re.Pattern[str], ...] = (
    re.compile(
        r"\A(?:Chunk ID: \S+\n)?Exit code: (?P<code>-?\d+)\nWall time: [^\n]*\n"
        r"(?:Total output lines: (?P<cut>\d+)\n)?Output:\n(?P<output>.*)\Z",
        re.DOTALL,
    ),
    re.compile(
        r"\A(?:Command: [^\n]*\n)?(?:Chunk ID: \S+\n)?(?:Wall time: [^\n]*\n)?"
        r"Process exited with code (?P<code>-?\d+)\n"
        r"(?:Original token count: \d+\n)?(?:Total output lines: (?P<cut>\d+)\n)?"
        r"Output:\n(?P<output>.*)\Z",
        re.DOTALL,
    ),
    re.compile(r"\AExit code:? (?P<code>-?\d+)(?:\n(?P<output>.*))?\Z", re.DOTALL),
    re.compile(
        r"\A\s*<returncode>(?P<code>-?\d+)</returncode>\s*<output>\n?(?P<output>.*?)</output>\s*\Z",
        re.DOTALL,
    ),
    re.compile(
        r"\A(?P<output>.*?)\n?<shellId: [^>]* completed with exit code (?P<code>-?\d+)>\s*\Z",
        re.DOTALL,
    ),
    re.compile(
        r"\A(?P<output>.*?)\n?\[The command completed with exit code (?P<code>-?\d+)\.\].*\Z",
        re.DOTALL,
    ),
    re.compile(
        r"\A(?P<output>.*?)\n?\[Command finished with exit code (?P<code>-?\d+)\]\s*\Z", re.DOTALL
    ),
    re.compile(
        r"\A(?:Command: [^\n]*\n)?(?:Directory: [^\n]*\n)?(?:Output|Stdout): (?P<output>.*?)\n"
        r"(?:Stderr: [^\n]*\n)?(?:Error: [^\n]*\n)?Exit Code: (?P<code>-?\d+)(?:\n.*)?\Z",
        re.DOTALL,
    ),
    # Gemini CLI names the exit code only when it is not 0.
    re.compile(
        r"\AOutput: (?P<output>(?:(?!\n(?:Error|Signal): ).)*)\n(?P<code>)"
        r"Process Group PGID: \d+\s*\Z",
        re.DOTALL,
    ),
    re.compile(
        r"\A\(?Command (?:exited|completed|failed) with exit code (?P<code>-?\d+)\)?\.?\s*"
        r"(?:Output:)?\n?(?P<output>.*)\Z",
        re.DOTALL,
    ),
)
_SPECIAL = set("|&;<>`$*?[]{}~#()")
_RANGE = re.compile(r"(\d+),(\d+)p\Z")
_SLASHES = re.compile(r"^[A-Za-z]:[\\/]")


def outcome(printed: str) -> tuple[int | None, str]:
    """The exit code and the output within a tool's frame.

    Args:
        printed: a command's result as recorded.

    Returns:
        The exit code, or None when the result does not say; and the output without the frame.
    """
    if printed.startswith('{"output":'):
        try:
            value = from_json(printed)
        except ValueError:
            value = None
        if isinstance(value, dict) and isinstance(value.get("output"), str):
            facts = value.get("metadata")
            code = facts.get("exit_code") if isinstance(facts, dict) else None
            return (code if isinstance(code, int) else None), value["output"]
    ends = printed[:_NEAR_CHARS], printed[-_NEAR_CHARS:]
    if not any(mark in end for mark in _MARKS for end in ends):
        return None, printed
    for frame in _FRAMES:
        match = frame.match(printed)
        if match:
            return _small(match["code"] or "0"), match["output"] or ""
    return None, printed


def steps(command: str) -> list[list[str]] | None:
    """The simple commands of a chain of `&&`, as words.

    Returns:
        None when the command uses anything else of the shell (pipes, redirections, patterns,
        variables), or cannot be split into words.
    """
    if len(command) > MAX_COMMAND_CHARS:
        return None
    found: list[list[str]] = []
    for part in command.split("&&"):
        if _has_special(part):
            return None
        try:
            words = shlex.split(part)
        except ValueError:
            return None
        if not words:
            return None
        found.append(words)
    return found


def view(command: Command) -> FileView | None:
    """The file that a command printed, when its output is exactly that.

    Args:
        command: a finished command. Understood are `cat FILE`, `sed -n A,Bp FILE`,
            `head -n N FILE`, `head FILE` and the same after `cd DIR &&`.
    """
    if command.exit_code != 0:
        return None
    parts = steps(command.command.strip())
    if parts is None:
        return None
    folder = ""
    while len(parts) > 1 and parts[0][0] == "cd" and len(parts[0]) == 2:
        folder = posixpath.join(folder, parts.pop(0)[1])
    if len(parts) != 1:
        return None
    words = parts[0]
    seen: tuple[str, int, int | None] | None = None
    if words[0] == "cat" and len(words) == 2 and not words[1].startswith("-"):
        seen = (words[1], 1, None)
    elif words[0] == "sed" and len(words) == 4 and words[1] == "-n":
        lines = _RANGE.match(words[2])
        if lines and len(lines[1]) < 10 and len(lines[2]) < 10:
            seen = (words[3], int(lines[1]), int(lines[2]))
    elif words[0] == "head":
        seen = _head(words)
    if seen is None or seen[1] < 1 or seen[0] in ("-", ""):
        return None
    if listing.cut(command.output):
        return None
    path, start, end = seen
    if folder and not path.startswith("/") and not _SLASHES.match(path):
        path = posixpath.join(folder, path)
    count = command.output.count("\n") + (not command.output.endswith("\n"))
    whole = start == 1 and (end is None or count < end)
    return FileView(path=path, text=command.output, start_line=start, whole=whole)


def _head(words: list[str]) -> tuple[str, int, int | None] | None:
    if len(words) == 2 and not words[1].startswith("-"):
        return words[1], 1, 10
    if len(words) == 3 and re.fullmatch(r"-n?\d{1,9}", words[1]):
        return words[2], 1, int(words[1].lstrip("-n"))
    if len(words) == 4 and words[1] == "-n" and re.fullmatch(r"\d{1,9}", words[2]):
        return words[3], 1, int(words[2])
    return None


def _has_special(part: str) -> bool:
    """True when the shell would do more than split words, quoted text left aside."""
    bare = re.sub(r"'[^']*'", "''", part)
    bare = re.sub(r'"[^"$`\\]*"', '""', bare)
    return any(c in _SPECIAL or c in "\n" for c in bare)


def _small(digits: str) -> int | None:
    return int(digits) if len(digits) <= 11 else None
