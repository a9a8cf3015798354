"""Tool calls within a script, as Codex' code mode records them.

There the model writes JavaScript that calls tools: `await tools.exec_command({cmd: "ls"})`. Calls
are read out of the text where their arguments are plain literals; nothing is run, and what is
computed is left alone.
"""

from __future__ import annotations

import re
from typing import Any

MAX_SCRIPT_CHARS = 100_000
"""Longest script that is read; longer ones carry documents."""

_CALL = re.compile(r"\btools\.(\w{1,80})\s*\(\s*")
_KEY = re.compile(r"\s*(?:(\w{1,80})|\"(\w{1,80})\"|'(\w{1,80})')\s*:\s*")
_STRING = re.compile(
    r"\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\$]|\\.|\$(?!\{))*)`", re.S
)
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?(?![\w.])")
_WORD = re.compile(r"(true|false|null|undefined)\b")
_BETWEEN = re.compile(r"\s*(,|\}|\))")
_ESCAPE = re.compile(r"\\(?:u([\da-fA-F]{4})|x([\da-fA-F]{2})|(.))", re.S)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "\n": ""}
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}


def calls(script: str) -> list[tuple[str, dict[str, Any]]]:
    """The tools that a script calls, in the order of its text.

    Args:
        script: the script.

    Returns:
        Names with those arguments that stand as literals; a lone string is kept under "input".
    """
    if len(script) > MAX_SCRIPT_CHARS:
        return []
    return [(match[1], _arguments(script, match.end())) for match in _CALL.finditer(script)]


def _arguments(script: str, at: int) -> dict[str, Any]:
    if script[at : at + 1] != "{":
        value, _ = _literal(script, at)
        return {"input": value} if isinstance(value, str) else {}
    found: dict[str, Any] = {}
    at += 1
    while key := _KEY.match(script, at):
        value, end = _literal(script, key.end())
        between = _BETWEEN.match(script, end) if end else None
        if between is None:
            break
        found[key[1] or key[2] or key[3]] = value
        if between[1] != ",":
            break
        at = between.end()
    return found


def _literal(script: str, at: int) -> tuple[Any, int]:
    """A literal's value and where it ends; 0 when there is none."""
    if string := _STRING.match(script, at):
        body = next(part for part in string.groups() if part is not None)
        return _ESCAPE.sub(_character, body), string.end()
    if number := _NUMBER.match(script, at):
        text = number.group()
        return (float(text) if "." in text else int(text)), number.end()
    if word := _WORD.match(script, at):
        return _WORDS[word[1]], word.end()
    return None, 0


def _character(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code:
        value = int(code, 16)
        return "\ufffd" if 0xD800 <= value < 0xE000 else chr(value)
    return _ESCAPED.get(match[3], match[3])
