"""Finds sessions of opted-in repositories where tools keep them: on this machine, and in Entire's
branch of the repository itself.

Local stores belong to the person at the machine, whose name the caller gives. A session that does
not name its repository is told by the folder it ran in: if that is a clone of an opted-in one, the
address in its git configuration says so (the file is read as text; git is not run there).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.clone import remote_url
from agent.errors import KettleError, RepositoryError, SessionError
from agent.folder import safe_name
from agent.origin.find import repository_of
from agent.queue import consent
from agent.queue.consent import Agreement
from agent.queue.database import Database, data_dir
from agent.queue.intake import Taken, take_loaded
from agent.repo import Repository
from agent.session import load
from agent.session.model import Session

STORES: tuple[tuple[str, str], ...] = (
    ("claude_code", ".claude/projects/*/*.jsonl"),
    ("codex", ".codex/sessions/*/*/*/rollout-*.jsonl*"),
    ("gemini_cli", ".gemini/tmp/*/chats/session-*.json*"),
    ("cline", ".cline/data/tasks/*"),
    ("cline", ".config/*/User/globalStorage/saoudrizwan.claude-dev/tasks/*"),
    ("cline", "Library/Application Support/*/User/globalStorage/saoudrizwan.claude-dev/tasks/*"),
    ("cline", ".vscode-server/data/User/globalStorage/saoudrizwan.claude-dev/tasks/*"),
    ("cline_sdk", ".cline/data/sessions/*"),
    ("opencode", ".local/share/opencode/storage/session/*/*.json"),
)
"""Where each tool keeps its sessions, below the home folder."""

ENTIRE_BRANCH = "refs/heads/entire/checkpoints/v1"
_CHECKPOINT = re.compile(r"\A([0-9a-f]{2})/([0-9a-f]{10})/(?:(\d{1,4})/)?([\w.-]+)\Z")
MAX_CONFIG_BYTES = 256 * 1024
"""Of a clone's git configuration."""
MAX_PARTS = 50_000
"""Files of one OpenCode session."""

Tell = Callable[[Taken], None]


@dataclass(frozen=True)
class Stamp:
    """What tells whether a session's files have changed since they were looked at."""

    modified: float
    size: int


def collect(
    database: Database,
    by: str,
    *,
    home: Path | None = None,
    entire: bool = True,
    tell: Tell = lambda _: None,
    seen: dict[Path, Stamp] | None = None,
) -> dict[str, int]:
    """Bring in every session of an opted-in repository that is found.

    Args:
        database: the queue's.
        by: whose the local stores are.
        home: the home folder; None for the user's own.
        entire: also look into the repositories' Entire branches.
        tell: gets what became of each session.
        seen: sessions that were looked at before and are passed over unless they changed; updated.

    Returns:
        How many sessions by result.
    """
    counts: dict[str, int] = {}
    agreements = consent.listed(database)
    who = consent.contributor_name(by)

    def count(taken: Taken) -> None:
        counts[taken.result] = counts.get(taken.result, 0) + 1
        tell(taken)

    mine = {a.repository for a in agreements if a.contributor == who}
    if mine:
        for path in local_sessions(home or Path.home(), seen):
            try:
                session = load(path)
            except SessionError as error:
                count(Taken(path, "refused", str(error)))
                continue
            key = repository_of_local(session)
            # Other sessions are nobody's business: they are not even counted.
            if key in mine:
                count(take_loaded(database, session, who, key))
    if entire:
        for repository in sorted({a.repository for a in agreements}):
            some = [a for a in agreements if a.repository == repository]
            try:
                for path, author in checkpoints(some):
                    try:
                        count(take_loaded(database, load(path), author, repository))
                    except SessionError as error:
                        count(Taken(path, "refused", str(error)))
            except KettleError as error:
                count(Taken(Path(some[0].source), "refused", str(error)))
    return counts


def local_sessions(home: Path, seen: dict[Path, Stamp] | None = None) -> Iterator[Path]:
    """Sessions in the tools' own stores, those passed over that have not changed."""
    for tool, pattern in STORES:
        for place in sorted(home.glob(pattern)):
            stamp = _stamp(place)
            if stamp is None or (seen is not None and seen.get(place) == stamp):
                continue
            if seen is not None:
                seen[place] = stamp
            if tool == "opencode":
                if exported := _opencode(place):
                    yield exported
            else:
                yield place


def roots(home: Path) -> list[Path]:
    """The folders to watch: of each store the part of its path that has no wildcard."""
    fixed = {home / pattern.split("*", 1)[0].rstrip("/") for _, pattern in STORES}
    return sorted(place for place in fixed if place.is_dir())


def repository_of_local(session: Session) -> str | None:
    """The identity of a session's repository: what it says itself, else what its folder says."""
    address = repository_of(session) or (_remote(Path(session.cwd)) if session.cwd else None)
    try:
        return remote_url(address).key if address else None
    except RepositoryError:
        return None


def checkpoints(agreements: list[Agreement]) -> Iterator[tuple[Path, str]]:
    """Sessions in a repository's Entire branch by contributors who opted in, as folders.

    The contributor is the author of the commit that brought the checkpoint: what the checkpoint
    says about itself is a claim.

    Args:
        agreements: consents for this one repository.

    Returns:
        Each session's folder, below `data_dir()`, and whose it is.
    """
    agreed = {a.contributor for a in agreements}
    with Repository.open(agreements[0].source) as repository:
        repository.update()
        if not repository.has(ENTIRE_BRANCH):
            return
        tip = repository.resolve(ENTIRE_BRANCH)
        authors: dict[str, str] = {}
        commits = repository.commits([tip])
        changes = repository.changes([commit.sha for commit in commits])
        for commit in reversed(commits):
            for change in changes[commit.sha]:
                if change.new:
                    authors[change.path] = commit.email.lower()
        folders: dict[str, dict[str, str]] = {}
        for path, entry in repository.tree(tip).items():
            if (match := _CHECKPOINT.match(path)) and authors.get(path) in agreed:
                folder = "/".join(filter(None, match.groups()[:3]))
                folders.setdefault(folder, {})[match[4]] = entry.sha
        place = data_dir() / "sessions" / safe_name(agreements[0].repository)
        for folder, files in sorted(folders.items()):
            transcript = next((name for name in ("full.jsonl", "full.log") if name in files), None)
            if transcript is None:
                continue
            name = f"{folder}/{transcript}"
            try:
                for file, sha in files.items():
                    _put(place / folder / file, repository.blob(sha))
            except RepositoryError:
                continue  # the clone lacks the blob: mirrors drop large ones
            yield place / folder, authors[name]


def _put(place: Path, data: bytes) -> None:
    if place.is_file() and place.stat().st_size == len(data) and place.read_bytes() == data:
        return
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.part")
    part.write_bytes(data)
    os.replace(part, place)


def _stamp(place: Path) -> Stamp | None:
    """Of a file, or of the files in a session's folder together."""
    try:
        if place.is_dir():
            inner = [child.stat() for child in place.iterdir() if child.is_file()]
            return Stamp(
                max((s.st_mtime for s in inner), default=0.0), sum(s.st_size for s in inner)
            )
        status = place.stat()
    except OSError:
        return None
    return Stamp(status.st_mtime, status.st_size)


def _remote(cwd: Path) -> str | None:
    """The address of `origin` of the clone that a folder lies in, read from its configuration."""
    if not cwd.is_absolute():
        return None
    for folder in (cwd, *cwd.parents):
        config = folder / ".git" / "config"
        try:
            with config.open(encoding="utf-8", errors="replace") as file:
                text = file.read(MAX_CONFIG_BYTES)
        except OSError:
            continue
        section = re.search(r'^\[remote "origin"\]\s*$(.*?)(?=^\[|\Z)', text, re.M | re.S)
        found = re.search(r"^\s*url\s*=\s*(\S+)", section[1], re.M) if section else None
        return found[1] if found else None
    return None


def _opencode(place: Path) -> Path | None:
    """OpenCode keeps a session in many small files; puts them together as its export does.

    storage/session/<project>/<id>.json
    storage/message/<id>/<message>.json
    storage/part/<message>/<part>.json
    """
    storage = place.parents[2]
    try:
        info = json.loads(place.read_text(encoding="utf-8"))
        messages = []
        for file in sorted((storage / "message" / place.stem).glob("*.json"))[:MAX_PARTS]:
            parts = sorted((storage / "part" / file.stem).glob("*.json"))[:MAX_PARTS]
            message = json.loads(file.read_text(encoding="utf-8"))
            read = [json.loads(part.read_text(encoding="utf-8")) for part in parts]
            messages.append({"info": message, "parts": read})
    except (OSError, ValueError):
        return None
    if not messages:
        return None
    to = data_dir() / "sessions" / "opencode" / f"{safe_name(place.stem)}.json"
    _put(to, json.dumps({"info": info, "messages": messages}).encode())
    return to
