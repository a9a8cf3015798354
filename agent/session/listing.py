"""The text of a file out of what a reading tool printed about it.

Reading tools number the lines (`     1→text`, `1: text`, `00001| text`, `1. text`), wrap the text
in tags, and close with remarks. The text is recovered only when every line fits the pattern and
the numbers follow one another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBERED = re.compile(r"[ ]*(\d+)(→|\t| ?\| ?|: ?|\. ?)")
_OPENING_TAG = re.compile(
    r"\s*(?:<path>[^\n]*</path>\s*)?(?:<type>file</type>\s*)?"
    r"<(?P<tag>content|file|file_content)(?:\s[^<>\n]*)?>\n?"
)
_END_REMARK = re.compile(r"\(End of file[^\n]*\)\Z")
_MORE_REMARK = re.compile(
    r"(?:\((?:File has more lines|Showing lines|Output capped)[^\n]*\)|\[[^\n]*(?:truncated|"
    r"more lines|lines omitted)[^\n]*\])\Z",
    re.IGNORECASE,
)
_CUT_WORDS = ("truncated", "TRUNCATED", "Truncated", "omitted", "elided", "left out", "tokens")
_CUT = re.compile(
    r"(?:\.\.\.|…|\[|<)[^\n]{0,60}(?:truncated|omitted|elided|left out|tokens|persisted-output)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reading tool showed of a file."""

    text: str
    start_line: int
    whole: bool | None
    """None when the output does not say."""


def content(printed: str) -> Seen | None:
    """The file's text, or None when the output is not plainly a file's text.

    Args:
        printed: the tool's result.
    """
    body = printed.rstrip()
    if body.endswith("</system-reminder>"):
        body = body[: body.rfind("\n<system-reminder>")].rstrip()
    tagged = _OPENING_TAG.match(body)
    if tagged and body.endswith(f"</{tagged['tag']}>"):
        body = body[tagged.end() : -len(tagged["tag"]) - 3]
    whole: bool | None = None
    text, _, last = body.rstrip().rpartition("\n")
    if _END_REMARK.match(last):
        body, whole = text.rstrip("\n"), True
    elif _MORE_REMARK.match(last):
        body, whole = text.rstrip("\n"), False
    numbered = unnumbered(body)
    if numbered is None:
        if not tagged or cut(body):
            return None
        return Seen(body, 1, whole)
    seen, start = numbered
    if whole and start != 1:
        whole = False
    return Seen(seen, start, whole)


def cut(printed: str) -> bool:
    """True when a tool says that it left something out of an output."""
    if not any(word in printed for word in _CUT_WORDS) and "<persisted-output" not in printed:
        return False
    return _CUT.search(printed) is not None


def unnumbered(printed: str) -> tuple[str, int] | None:
    """Take line numbers off.

    Args:
        printed: lines that each begin with their number.

    Returns:
        The text with a closing newline and the first line's number; None when any line has no
        number, or when the numbers do not follow one another.
    """
    lines = printed.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    first = _NUMBERED.match(lines[0]) if lines else None
    if first is None:
        return None
    start = int(first.group(1)) if len(first.group(1)) < 10 else 0
    mark = first.group(2).lstrip(" ")[0]
    kept: list[str] = []
    for number, line in enumerate(lines, start):
        match = _NUMBERED.match(line)
        if match is None:
            # Trailing blanks of an empty line are often trimmed away, the mark included.
            if line.strip() != str(number):
                return None
            kept.append("")
            continue
        if match.group(2).lstrip(" ")[0] != mark or match.group(1).lstrip("0") != str(number):
            return None
        kept.append(line[match.end() :])
    return "\n".join(kept) + "\n", start
