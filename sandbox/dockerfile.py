"""Rewrites the FROM lines of a Dockerfile's text, and nothing else in it.

Used on the copy of a Dockerfile that goes to the engine, never on the file on disk. What cannot be
understood is left exactly as it is: the engine then says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

_ESCAPE_DIRECTIVE = re.compile(r"#\s*escape\s*=\s*([\\`])\s*$", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*\w+\s*=")
_HEREDOC = re.compile(r"<<-?\s*([\"']?)([A-Za-z_]\w*)\1")
_HEREDOC_INSTRUCTIONS = ("run", "copy", "add")
_FROM = re.compile(
    r"^(?P<head>\s*FROM\s+)(?P<flags>(?:--\S+\s+)*)(?P<image>\S+)"
    r"(?P<tail>(?:\s+AS\s+(?P<name>\S+))?\s*)$",
    re.IGNORECASE,
)
_ARG = re.compile(r"^\s*ARG\s+(?P<name>[A-Za-z_]\w*)=(?P<value>\S*)\s*$", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)\}|(?P<bare>[A-Za-z_]\w*))")
_PLAIN_VALUE = re.compile(r"[\w.:/@,*\[\]+=%-]+")
"""Build argument values that need no quoting in a Dockerfile; others are not passed."""


@dataclass(frozen=True)
class _Instruction:
    lines: tuple[str, ...]
    """The lines as they stand in the file, endings included."""
    text: str
    """The same as one line when it is a single line, else empty: enough for FROM and ARG."""


def rewrite_from(
    text: str,
    replace: Callable[[str], str | None],
    arguments: Mapping[str, str],
    platform: str | None = None,
) -> str:
    """Puts other images behind the FROM lines.

    Args:
        text: a Dockerfile.
        replace: gets an image reference as written (build arguments with a default filled in) and
            returns the image to use instead, or None to leave that stage alone.
        arguments: build arguments declared at the start of every stage that rests on a replaced
            image: environment for the stage's RUN steps that is no part of the finished image.
        platform: the engine's own, such as "linux/amd64"; a stage that asks for another is left.

    Returns:
        The Dockerfile with its FROM lines rewritten and the build arguments added.
    """
    defaults: dict[str, str] = {}
    stages: dict[str, bool] = {}  # stage name -> whether it rests on a replaced image
    out: list[str] = []
    for instruction in _instructions(text):
        out.extend(instruction.lines)
        argument = _ARG.match(instruction.text) if not stages else None
        if argument:
            defaults[argument["name"]] = argument["value"].strip("\"'")
        line = _FROM.match(instruction.text)
        if line is None:
            continue
        image = _filled_in(line["image"], defaults)
        if image.lower() in stages:
            replaced = stages[image.lower()]
        else:
            wanted = image != "scratch" and _runs_here(line["flags"], platform)
            new = replace(image) if wanted and "$" not in image else None
            replaced = new is not None
            if new is not None and new != line["image"]:
                ending = instruction.lines[0][len(instruction.lines[0].rstrip("\r\n")) :]
                out[-1] = f"{line['head']}{line['flags']}{new}{line['tail'].rstrip()}{ending}"
        # A stage without a name can only be referred to by number, and not by FROM.
        stages[(line["name"] or f"#{len(stages)}").lower()] = replaced
        if replaced:
            if not out[-1].endswith("\n"):
                out[-1] += "\n"
            out.extend(
                f"ARG {name}={value}\n"
                for name, value in sorted(arguments.items())
                if _PLAIN_VALUE.fullmatch(value)
            )
    return "".join(out)


def _runs_here(flags: str, platform: str | None) -> bool:
    asked = re.search(r"--platform=(\S+)", flags, re.IGNORECASE)
    return asked is None or asked[1] == platform


def _filled_in(image: str, defaults: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        return defaults.get(match["braced"] or match["bare"], match[0])

    return _VARIABLE.sub(value, image)


def _instructions(text: str) -> Iterator[_Instruction]:
    """Splits a Dockerfile as the engine does: continued lines, comments, here-documents."""
    lines = text.splitlines(keepends=True)
    escape = _escape_character(lines)
    position = 0
    while position < len(lines):
        start = position
        first = lines[start].strip()
        position += 1
        if not first or first.startswith("#"):
            yield _Instruction((lines[start],), "")
            continue
        last = first
        while last.endswith(escape) and position < len(lines):
            following = lines[position].strip()
            position += 1
            # Inside a continued instruction the engine drops comments and empty lines.
            if following and not following.startswith("#"):
                last = following
        if first.lower().startswith(_HEREDOC_INSTRUCTIONS):
            for _, word in _HEREDOC.findall("".join(lines[start:position])):
                position = _after_heredoc(lines, position, word)
        whole = tuple(lines[start:position])
        yield _Instruction(whole, lines[start].rstrip("\r\n") if len(whole) == 1 else "")


def _after_heredoc(lines: list[str], position: int, word: str) -> int:
    for index in range(position, len(lines)):
        if lines[index].strip() == word:
            return index + 1
    # Never closed, so it was no here-document, such as a shell's `<<` shift.
    return position


def _escape_character(lines: list[str]) -> str:
    for line in lines:
        found = _ESCAPE_DIRECTIVE.match(line.strip())
        if found:
            return found[1]
        if not _DIRECTIVE.match(line.strip()):
            break
    return "\\"
