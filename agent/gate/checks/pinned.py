"""The check that the image will be the same one next year."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from agent.environment import DOCKERFILE
from agent.gate.said import Said, failed, listing, not_applicable, passed
from agent.gate.trials import Trials

_SEPARATOR = re.compile(r"&&|\|\||;|\n")
_PIP = re.compile(r"^(?:\S*/)?(?:pip[\d.]*|uv pip|python[\d.]* -m pip|pipx|uv tool) install\b")
_NPM = re.compile(r"^(?:npm|pnpm|yarn|bun)(?: global)? (?:i|install|add)\b")
_PIPED = re.compile(r"\b(?:curl|wget)\b[^|]*https?://[^|]*\|\s*(?:sudo )?(?:ba|da)?sh\b")
_MOVING = re.compile(r"\b(?:curl|wget)\b.*https?://\S*/(?:latest|main|master|HEAD)/")
_FIXED = re.compile(r"\bgit\b.*\b(?:checkout|reset|switch)\b.*\b[0-9a-f]{7,40}\b")
_LOCKED = ("--require-hashes", "--exclude-newer", "--no-index", "--constraint", "-c", "--before")
"""Options that tie releases to a list, a folder or a date."""
_TAKES_VALUE = re.compile(
    r"-[rcifteCp]|--(requirement|constraint|(extra-)?index-url|find-links|target|editable|prefix"
    r"|root|python|config-settings|registry|cache)"
)
_RELEASE = re.compile(r"^[A-Za-z0-9][\w.-]*(\[[\w,. -]*\])?$")
_RANGE = re.compile(r"^[A-Za-z0-9][\w.-]*(\[[\w,. -]*\])?\s*([<>~!]=?|\^)")
_PACKAGE = re.compile(r"^(@[\w.-]+/)?[\w.-]+(@(latest|next|\^.*|~.*|\*|>.*))?$")
_TOOLS = frozenset({"pip", "wheel"})
"""What installs is no part of what is installed."""
_FROM = re.compile(r"^FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_ARG = re.compile(r"^ARG\s+(\w+)=(\S+)", re.IGNORECASE)


def pinned(trials: Trials) -> Said:
    """The image is made of releases that are named, so it does not drift.

    In the Dockerfile no base image goes without a tag or by `latest`, no package of pip, uv, npm,
    pnpm, yarn or bun is installed by its bare name or by a range (unless hashes, constraints or a
    date tie it down), no repository is cloned without a commit, and nothing is fetched from a
    moving address or piped into a shell. Debian's packages change little within a release and are
    not judged, nor are requirement files.
    """
    dockerfile = trials.environment.read(DOCKERFILE)
    if dockerfile is None:
        return not_applicable("a prebuilt image")
    found = drifting(dockerfile.decode("utf-8", "replace"))
    if found:
        return failed(
            "the image drifts: " + found[0],
            listing(found, "Next month these may be something else:"),
            "Name the release (name==1.2.3, name@1.2.3, a digest, a commit), as of the session's "
            "date.",
        )
    return passed("every release is named")


def drifting(dockerfile: str) -> list[str]:
    """What a Dockerfile takes as it comes, in a few words each; empty when all is named."""
    text = re.sub(r"\\\s*\n", " ", dockerfile)
    return [*_bases(text), *_commands(text)]


def _bases(text: str) -> Iterator[str]:
    stages: set[str] = {"scratch"}
    values: dict[str, str] = {}
    for line in text.splitlines():
        if argument := _ARG.match(line.strip()):
            values[argument[1]] = argument[2].strip("\"'")
        said = _FROM.match(line.strip())
        if said is None:
            continue
        image = re.sub(r"\$\{?(\w+)\}?", lambda m: values.get(m[1], m[0]), said[1])
        _, _, tag = image.rpartition("/")[2].partition(":")
        if image.lower() not in stages and "@" not in image and tag in ("", "latest"):
            yield f"FROM {image}"
        if said[2]:
            stages.add(said[2].lower())


def _commands(text: str) -> Iterator[str]:
    runs = [
        re.sub(r"^\s*RUN\s+(--\S+\s+)*", "", line, flags=re.IGNORECASE)
        for line in text.splitlines()
        if re.match(r"\s*RUN\s", line, re.IGNORECASE)
    ]
    fixed = any(_FIXED.search(run) for run in runs)
    for run in runs:
        if _PIPED.search(run):
            yield _short(run)
        for part in _SEPARATOR.split(run):
            command = re.sub(r"^(\s*\w+=\S*)*\s*", "", part).strip()
            if (re.search(r"\bgit clone\b", command) and not fixed) or _MOVING.search(command):
                yield _short(command)
            elif _PIP.match(command):
                yield from (f"pip: {name}" for name in _packages(command) if _floats(name))
            elif _NPM.match(command):
                names = [n for n in _packages(command) if _PACKAGE.match(n)]
                yield from (f"npm: {name}" for name in names)


def _packages(command: str) -> list[str]:
    """What an install command names; nothing when something else ties the releases down."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    if any(word.split("=")[0] in _LOCKED for word in words):
        return []
    after = next((i for i, w in enumerate(words) if w in ("install", "add", "i")), 0) + 1
    given = zip(words[after - 1 :], words[after:], strict=False)
    return [
        word
        for before, word in given
        if not (_TAKES_VALUE.fullmatch(before) or word.startswith("-"))
    ]


def _floats(name: str) -> bool:
    if name in _TOOLS or name in (".", "..") or name.endswith((".whl", ".gz", ".zip")):
        return False
    return bool(_RELEASE.match(name) or _RANGE.match(name)) and "==" not in name


def _short(command: str) -> str:
    return " ".join(command.split())[:160]
