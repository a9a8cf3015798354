"""Who agreed to what: consent per repository and contributor, its scope, its end, its proof.

Consent is checked when a session enters, when work on it begins, before each phase and with every
heartbeat, always by the database's clock. A withdrawn record stays, as proof of what was agreed
when; it holds no content of any session.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, and_, insert, or_, select, update

from agent.clone import remote_url
from agent.errors import InputError
from agent.queue.database import Database
from agent.queue.schema import Consent
from agent.session import formats

TEXT_VERSION = "1"
"""Of `consent.md`; raise it with every change of meaning."""
PROOF_DIGITS = 16
"""Of the text's SHA-256 in a record: enough to tell which wording was agreed to."""


@dataclass(frozen=True)
class Agreement:
    """A consent as it stands in the database.

    Attributes:
        id: its number.
        repository: the repository's identity.
        source: what the repository is cloned from.
        contributor: whose sessions.
        tools: names of session formats; empty means every tool.
        granted_at: seconds since 1970.
        until: when it ends by itself, seconds since 1970; None means never.
        withdrawn_at: when it was withdrawn, seconds since 1970.
        text_version: which text was agreed to.
    """

    id: int
    repository: str
    source: str
    contributor: str
    tools: tuple[str, ...]
    granted_at: float
    until: float | None
    withdrawn_at: float | None
    text_version: str

    def as_dict(self) -> dict[str, Any]:
        """For a script."""
        return asdict(self) | {
            name: _moment(getattr(self, name)) for name in ("granted_at", "until", "withdrawn_at")
        }

    def as_provenance(self) -> dict[str, Any]:
        """What travels in an environment: everything but who it was.

        The contributor stands there as a digest: whoever knows the address can confirm it, and
        nobody else reads it off.
        """
        who = hashlib.sha256(f"{self.repository}\0{self.contributor}".encode()).hexdigest()
        return {
            "consent": self.id,
            "repository": self.repository if not self.repository.startswith("local/") else "local",
            "contributor_sha256": who,
            "tools": list(self.tools) or "all",
            "granted_at": _moment(self.granted_at),
            "until": _moment(self.until),
            "text_version": self.text_version,
        }


@cache
def consent_text() -> str:
    """The words that a contributor agrees to."""
    return (Path(__file__).parent / "consent.md").read_text(encoding="utf-8")


def text_version() -> str:
    """Names the wording: its version and the beginning of its SHA-256."""
    digest = hashlib.sha256(consent_text().encode()).hexdigest()
    return f"{TEXT_VERSION}-{digest[:PROOF_DIGITS]}"


def repository_key(source: str) -> str:
    """A repository's identity, the same for every way of writing its address.

    Args:
        source: a URL, `owner/name` on a host, or a local path.

    Raises:
        InputError: it is neither an address that Kettle clones from nor a folder that exists.
    """
    place = Path(source).expanduser()
    if "://" not in source and place.exists():
        return f"local/{place.resolve()}"
    if "://" not in source and "@" not in source and source.count("/") > 1:
        source = f"https://{source}"
    return remote_url(source).key


def contributor_name(by: str) -> str:
    """A contributor as records hold it.

    Raises:
        InputError: there is no name.
    """
    name = " ".join(by.split()).lower()
    if not name or len(name) > 300 or not name.isprintable():
        raise InputError(f"{by[:80]!r} names no contributor: give an e-mail address with --by.")
    return name


def grant(
    database: Database,
    repository: str,
    by: str,
    *,
    source: str | None = None,
    tools: Sequence[str] = (),
    until: date | None = None,
) -> Agreement:
    """Record that a contributor agrees; an earlier consent for the same pair is superseded.

    Args:
        database: the queue's.
        repository: its address or path.
        by: the contributor.
        source: what to clone from, when that is not `repository`.
        tools: names of session formats; none means all.
        until: the last day on which it holds, in UTC.

    Raises:
        InputError: a tool is unknown, the repository is no address, or `until` has passed.
    """
    known = sorted(module.NAME for module in formats.modules())
    if unknown := sorted(set(tools) - set(known)):
        raise InputError(f"There is no tool {unknown[0]!r}. Kettle knows: {', '.join(known)}.")
    values: dict[str, Any] = {
        "repository": repository_key(repository),
        "source": _source(source or repository),
        "contributor": contributor_name(by),
        "tools": ",".join(sorted(set(tools))),
        "until": None if until is None else _end_of(until),
        "withdrawn_at": None,
        "text_version": text_version(),
    }

    def work(connection: sqlalchemy.Connection) -> Agreement:
        now = database.time(connection)
        if values["until"] is not None and values["until"] <= now:
            raise InputError(f"--until {until} has passed already.")
        same = _of(values["repository"], values["contributor"])
        old = connection.scalars(select(Consent.id).where(same, Consent.withdrawn_at.is_(None)))
        new = connection.execute(
            insert(Consent).values(granted_at=now, **values).returning(Consent.__table__)
        ).one()
        agreement = _agreement(new)
        _supersede(connection, list(old), agreement, now)
        return agreement

    return database.run(work)


def find(database: Database, repository: str, contributor: str, tool: str) -> Agreement | None:
    """The consent that covers a session, if there is one.

    Args:
        database: the queue's.
        repository: identity, see `repository_key`.
        contributor: see `contributor_name`.
        tool: the session's format.
    """
    query = select(Consent.__table__).where(_of(repository, contributor), holds(database))
    rows = database.one(lambda connection: connection.execute(query).all())
    covering = [a for a in map(_agreement, rows) if not a.tools or tool in a.tools]
    return covering[-1] if covering else None


def listed(database: Database, *, ended: bool = False) -> list[Agreement]:
    """All consents that hold, and with `ended` also those that do not."""
    query = select(Consent.__table__).order_by(Consent.id)
    if not ended:
        query = query.where(holds(database))
    return database.one(lambda c: [_agreement(row) for row in c.execute(query)])


def by_id(database: Database, number: int) -> Agreement:
    """One consent, whether it holds or not."""
    query = select(Consent.__table__).where(Consent.id == number)
    return database.one(lambda c: _agreement(c.execute(query).one()))


def withdraw(database: Database, repository: str, by: str | None) -> list[Agreement]:
    """End the consents for a repository, of one contributor or of all.

    Returns:
        What was ended.
    """
    which = [Consent.repository == repository_key(repository), Consent.withdrawn_at.is_(None)]
    if by is not None:
        which.append(Consent.contributor == contributor_name(by))
    change = update(Consent).where(*which).values(withdrawn_at=database.now)
    returned = change.returning(Consent.__table__)
    return database.run(lambda c: [_agreement(row) for row in c.execute(returned).all()])


def holds(database: Database) -> ColumnElement[bool]:
    """SQL: whether a consent holds now."""
    lasting = or_(Consent.until.is_(None), Consent.until > database.now)
    return and_(Consent.withdrawn_at.is_(None), lasting)


def _supersede(
    connection: sqlalchemy.Connection, old: Sequence[int], new: Agreement, now: float
) -> None:
    """The new consent takes over the sessions of the old ones."""
    from agent.queue.schema import Entry

    if old:
        connection.execute(update(Consent).where(Consent.id.in_(old)).values(withdrawn_at=now))
        taken = update(Entry).where(Entry.consent.in_(old))
        connection.execute(taken.values(consent=new.id, source=new.source))


def _of(repository: str, contributor: str) -> ColumnElement[bool]:
    return and_(Consent.repository == repository, Consent.contributor == contributor)


def _agreement(row: Any) -> Agreement:
    values = dict(row._mapping)
    values["tools"] = tuple(filter(None, values["tools"].split(",")))
    return Agreement(**values)


def _source(text: str) -> str:
    place = Path(text).expanduser()
    return str(place.resolve()) if "://" not in text and place.exists() else remote_url(text).url


def _end_of(day: date) -> float:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    return midnight + 24 * 60 * 60


def _moment(seconds: float | None) -> str | None:
    return (
        None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat("T", "seconds")
    )
