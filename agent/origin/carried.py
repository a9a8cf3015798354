"""Commits that carry the session's own transcript.

Several tools write their transcripts into the work tree (`.specstory/`, `.aider.chat.history.md`,
`.claude/`), and people commit them along with the work. The first commit that carries a session's
words was made during it or after it: it cannot be the start, and it is likely the outcome.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from agent.errors import RepositoryError
from agent.gitrecords import Change
from agent.repo import Repository
from agent.session.model import Session

MIN_PROMPT_CHARS = 30
"""A shorter first prompt ("go on") would be found in any transcript."""
KEY_CHARS = 300
"""How much of the first prompt is looked for."""
MAX_BYTES = 20_000_000
"""A larger transcript is not searched."""
MAX_READ = 400
"""Transcript versions read in one history."""

_TRANSCRIPT = re.compile(
    r"(?:^|/)(?:\.specstory/|\.aider\.chat|\.claude/|\.codex/|\.cursor/|\.cline/|transcripts?/|"
    r"chats?/|sessions?/)"
)


def carried(
    session: Session, repository: Repository, changes: Mapping[str, Sequence[Change]]
) -> dict[str, str]:
    """The commits that bring the session's transcript into the history.

    Args:
        session: the session.
        repository: its repository.
        changes: the commits to look at, with the files that they change.

    Returns:
        By commit, the transcript's path.
    """
    prompt = session.first_prompt[: 2 * KEY_CHARS]
    key = _plain(prompt)[:KEY_CHARS]
    if len(key) < MIN_PROMPT_CHARS:
        return {}
    # The longest run of plain words is the same in every export; it rules most files out fast.
    run = max(re.findall(r"[A-Za-z0-9 ,.]+", prompt), key=len, default="").strip().encode()
    found: dict[str, str] = {}
    holds: dict[str, bool] = {}
    for sha, changed in changes.items():
        for change in changed:
            if not change.new or not _TRANSCRIPT.search(change.path):
                continue
            for blob in (change.new, change.old):
                if blob and blob not in holds and len(holds) < MAX_READ:
                    holds[blob] = _holds(repository, blob, run, key)
            # A later commit that only adds to the transcript brings nothing of this session.
            if holds.get(change.new) and not holds.get(change.old):
                found[sha] = change.path
    return found


def _holds(repository: Repository, blob: str, run: bytes, key: str) -> bool:
    try:
        data = repository.blob(blob)
    except RepositoryError:
        return False
    if len(data) > MAX_BYTES or run not in data:
        return False
    return key in _plain(data.decode("utf-8", "replace"))


def _plain(text: str) -> str:
    # Exports quote and indent prompts differently; the words stay. JSON escapes line ends.
    return re.sub(r"[\s>#`*_\\]+|\\n", "", text)
