"""The repository that a session names: in its git facts, or in what its commands printed."""

from __future__ import annotations

import re
from collections import Counter

from agent.clone import remote_url
from agent.errors import RepositoryError
from agent.session.model import Session

MAX_OUTPUT_CHARS = 200_000
"""How much of one command's output is searched; remotes are printed in a few lines."""

PUBLIC_HOSTS = ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org")
"""Hosts whose public repositories need no login over https, whatever address was recorded."""

_REMOTE = re.compile(
    r"(?P<remote>\b(?:origin|upstream)\s+)?"
    r"(?P<url>(?:https?|ssh|git)://[^\s'\"<>)\]]+|git@[\w.-]+:[\w./-]+)"
)
_NAME = re.compile(r"\A[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*\Z")
_ASKING = re.compile(r"\bgit\b.*\b(?:remote|clone|push|fetch|pull|config)\b|\bgh\s", re.DOTALL)


def repository_of(session: Session) -> str | None:
    """The address of a session's repository, in a form that is safe to clone from.

    Returns:
        An address for `Repository.open`, or None when the session names none. Never a local path.
    """
    if session.git.repository and (found := _address(session.git.repository)):
        return found
    votes: Counter[str] = Counter()
    for call in session.calls():
        if call.command is None or not _ASKING.search(call.command.command):
            continue
        text = call.command.command + "\n" + call.command.output[:MAX_OUTPUT_CHARS]
        for match in _REMOTE.finditer(text):
            if found := _address(match["url"].rstrip(".,;:")):
                # A line of `git remote -v` says more than an address that some command printed.
                votes[found] += 10 if match["remote"] and "origin" in match["remote"] else 1
    return votes.most_common(1)[0][0] if votes else None


def _address(text: str) -> str | None:
    text = text.strip()
    if _NAME.match(text):
        text = f"https://github.com/{text}"
    elif re.match(r"\A[\w-]+\.[\w.-]+/[\w.-]+/[\w./-]+\Z", text):
        text = f"https://{text}"
    try:
        remote = remote_url(text)
    except RepositoryError:
        return None
    if remote.host in PUBLIC_HOSTS:
        names = remote.path.split("/")
        if len(names) < 2:
            return None
        # Pages below a repository (issues, pulls, files) name it too; elsewhere, groups nest.
        path = "/".join(names[:2]) if remote.host != "gitlab.com" else remote.path.split("/-/")[0]
        return f"https://{remote.host}/{path.removesuffix('.git')}"
    return remote.url
