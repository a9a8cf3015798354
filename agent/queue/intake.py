"""Brings sessions into the queue: read, matched with a consent, or refused with the reason.

A session is known by the digest of its bytes, so adding it again changes nothing. It is kept where
it lies and read again when it is built; if it has changed by then, the build says so.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.clone import remote_url
from agent.errors import InputError, RepositoryError, SessionError
from agent.gitcommand import GitError, run_git
from agent.journey import travel
from agent.origin.find import repository_of
from agent.queue import consent
from agent.queue.database import Database
from agent.queue.entries import Added, Candidate, add
from agent.session import load
from agent.session.model import Session

MAX_DEPTH = 6
"""Folders below a named folder that are looked into."""
MAX_SESSIONS = 100_000
"""Of one `add`; a wrong folder must not fill the queue."""
MAX_KEY_CHARS = 400
"""Of a session's own id, which comes from its file."""


@dataclass(frozen=True)
class Taken:
    """What became of one session.

    Attributes:
        path: where it lies.
        result: see `entries.Added`; `refused` when it did not enter.
        why: of a refusal, in one line.
    """

    path: Path
    result: Added | str
    why: str = ""


def take(database: Database, path: Path, by: str, repository: str | None = None) -> Taken:
    """Bring one session into the queue, if a consent covers it.

    Args:
        database: the queue's.
        path: the session, a file or a folder.
        by: whose session it is.
        repository: which repository it is about; None takes it from the session.

    Raises:
        InputError: `by` or `repository` cannot be used. What is wrong with the session itself is a
            refusal, never an exception.
    """
    key = consent.repository_key(repository) if repository else None
    who = consent.contributor_name(by)
    try:
        session = load(path)
        str(path).encode()
    except SessionError as error:
        return Taken(path, "refused", str(error))
    except UnicodeEncodeError:
        return Taken(path, "refused", "its name is no valid text: rename it")
    return take_loaded(database, session, who, key or _key_of(session))


def take_loaded(database: Database, session: Session, who: str, key: str | None) -> Taken:
    """Bring a session that was read already into the queue, see `take`.

    Args:
        database: the queue's.
        session: the session.
        who: see `consent.contributor_name`.
        key: see `consent.repository_key`; None when nobody knows.
    """
    path = session.path
    if key is None:
        return Taken(path, "refused", "it names no repository: say which with --repo")
    agreement = consent.find(database, key, who, session.format)
    if agreement is None:
        why = (
            f"{who} has not opted in for {session.format} sessions about {key}: "
            f"python -m agent queue opt-in --repo {_address(key)} --by {who}"
        )
        return Taken(path, "refused", why)
    candidate = Candidate(
        digest=session.digest,
        key=_own_key(session, who),
        path=str(path.absolute()),
        format=session.format,
        turns=len(session.turns),
        worth=round(travel(session).worth, 4),
        consent=agreement,
    )
    return Taken(path, add(database, candidate))


def sessions_in(named: Iterable[str]) -> Iterator[Path]:
    """The sessions that paths, folders and globs name.

    Raises:
        InputError: a name matches nothing, or there are more than `MAX_SESSIONS`.
    """
    count = 0
    for name in named:
        place = Path(name).expanduser()
        places = [place] if place.exists() else [Path(p) for p in _matches(str(place))]
        if not places:
            raise InputError(f"There is nothing at {name}.")
        for one in places:
            for found in _within(one, MAX_DEPTH):
                count += 1
                if count > MAX_SESSIONS:
                    raise InputError(f"There are more than {MAX_SESSIONS:,} files; name fewer.")
                yield found


def whoami() -> str | None:
    """The person at this machine as git knows them, or None."""
    try:
        said = run_git(Path("/"), ["config", "--global", "user.email"], network=True)
    except (GitError, OSError):
        return None
    return said.decode("utf-8", "replace").strip() or None


def _address(key: str) -> str:
    return key.removeprefix("local") if key.startswith("local/") else f"https://{key}"


def _matches(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else []


def _within(place: Path, depth: int) -> Iterator[Path]:
    """A session, or the sessions in a folder; of a folder's files only those that are sessions."""
    if not place.is_dir():
        yield place
        return
    if _is_session(place):
        yield place
        return
    if depth == 0:
        return
    for child in sorted(place.iterdir()):
        if child.is_symlink() or child.name == ".git":
            continue
        if child.is_dir():
            yield from _within(child, depth - 1)
        elif _is_session(child):
            yield child


def _is_session(place: Path) -> bool:
    try:
        # A folder that merely holds one session is read as that session.
        return load(place).path == place
    except SessionError:
        return False


def _own_key(session: Session, who: str) -> str:
    """What a session keeps while it grows; with the contributor in it, so that nobody's session can
    take the place of somebody else's."""
    if not session.id:
        return f"digest:{session.digest}"
    own = session.id[:MAX_KEY_CHARS].encode("utf-8", "replace")
    return f"{session.format}:{hashlib.sha256(who.encode() + bytes(1) + own).hexdigest()}"


def _key_of(session: Session) -> str | None:
    address = repository_of(session)
    try:
        return remote_url(address).key if address else None
    except RepositoryError:
        return None
