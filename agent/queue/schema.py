"""The queue's tables.

Times are seconds since 1970 by the database's own clock, as floats; they are for people and for
waiting, never for deciding whether a worker is alive (see `agent.queue.leases`). A change of these
tables needs a migration (`agent/queue/migrations`).
"""

from __future__ import annotations

from typing import Literal, get_args

from sqlalchemy import Boolean, Double, ForeignKey, Index, String, Text, desc
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

State = Literal[
    "queued",
    "qualifying",
    "building",
    "gated",
    "accepted",
    "rejected",
    "needs-a-person",
    "failed",
]
STATES: tuple[State, ...] = get_args(State)
OPEN_STATES: tuple[State, ...] = ("queued", "qualifying", "building", "gated")
"""States in which there is still work to do."""

Kind = Literal[
    "input", "provider", "infrastructure", "unfinished", "gate", "budget", "worker-died", "bug"
]
"""Why an entry failed; `unfinished` is the builder's own word that it cannot do it."""


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {float: Double, str: Text}  # noqa: RUF012 (SQLAlchemy's own way)


class Consent(Base):
    """Somebody's agreement that sessions of theirs about one repository become environments."""

    __tablename__ = "consents"

    id: Mapped[int] = mapped_column(primary_key=True)
    repository: Mapped[str] = mapped_column(String(500))
    """The repository's identity, the same for every way of writing its address."""
    source: Mapped[str]
    """What the repository is cloned from: its address, or a local clone."""
    contributor: Mapped[str] = mapped_column(String(320))
    """Whose sessions: usually an e-mail address; lower case."""
    tools: Mapped[str] = mapped_column(default="")
    """Names of session formats, comma-separated; empty means every tool."""
    granted_at: Mapped[float]
    until: Mapped[float | None]
    """When it ends by itself; None means never."""
    withdrawn_at: Mapped[float | None]
    text_version: Mapped[str] = mapped_column(String(80))
    """Which text was agreed to: its version and the beginning of its SHA-256."""

    __table_args__ = (Index("consents_of", "repository", "contributor"),)


class Entry(Base):
    """One session in the queue."""

    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the session's raw bytes."""
    key: Mapped[str] = mapped_column(String(500), unique=True)
    """What a session keeps while it grows: its format and its own id."""
    path: Mapped[str]
    format: Mapped[str] = mapped_column(String(40))
    turns: Mapped[int]
    repository: Mapped[str] = mapped_column(String(500))
    source: Mapped[str]
    contributor: Mapped[str] = mapped_column(String(320))
    consent: Mapped[int] = mapped_column(ForeignKey("consents.id"), index=True)
    worth: Mapped[float]
    """In [0, 1]: how stuck the agent got; the worthiest go first."""

    state: Mapped[str] = mapped_column(String(20), default="queued")
    kind: Mapped[str | None] = mapped_column(String(20))
    """Of a failure, a `Kind`; of a rejection, the gravest reason's code."""
    reason: Mapped[str | None]
    """One line for a person."""
    verdict: Mapped[str | None]
    """The qualification as JSON, once there is one."""
    approved: Mapped[bool] = mapped_column(Boolean, default=False)
    """A person said that it is to be built whatever the evidence says."""
    environment: Mapped[str | None]
    """Name of the published environment."""

    added_at: Mapped[float]
    changed_at: Mapped[float]
    waiting: Mapped[bool] = mapped_column(Boolean, default=True)
    """True while a worker may claim it."""
    not_before: Mapped[float] = mapped_column(default=0.0)
    """No claim before this time: a failed attempt waits before the next."""
    attempts: Mapped[int] = mapped_column(default=0)
    """How often it failed in ways that count against it."""

    worker: Mapped[str | None] = mapped_column(String(200), index=True)
    """Who holds the lease; None when nobody does."""
    token: Mapped[int] = mapped_column(default=0)
    """Raised by every claim: what a worker writes with an older one is refused."""
    beat: Mapped[int] = mapped_column(default=0)
    """Raised by every heartbeat."""
    claimed_at: Mapped[float | None]
    batch: Mapped[int | None]
    reserved: Mapped[float] = mapped_column(default=0.0)
    """Dollars that the running attempt may spend, set aside in the ledgers."""
    dollars: Mapped[float] = mapped_column(default=0.0)
    """Spent by finished attempts."""
    spending: Mapped[float] = mapped_column(default=0.0)
    """Spent by the running attempt, as of its last heartbeat."""
    minutes: Mapped[float] = mapped_column(default=0.0)
    """Worked on by finished attempts."""

    __table_args__ = (
        Index("claimable", "waiting", desc("worth"), "id"),
        Index("entries_by_state", "state", "kind"),
        Index("entries_of", "repository", "contributor"),
    )


class Attempt(Base):
    """One worker's go at one entry, once it is over."""

    __tablename__ = "attempts"

    id: Mapped[int] = mapped_column(primary_key=True)
    entry: Mapped[int] = mapped_column(index=True)
    batch: Mapped[int | None] = mapped_column(index=True)
    worker: Mapped[str] = mapped_column(String(200))
    began: Mapped[float]
    ended: Mapped[float]
    state: Mapped[str] = mapped_column(String(20))
    """The entry's state afterwards."""
    kind: Mapped[str | None] = mapped_column(String(20))
    reason: Mapped[str | None]
    dollars: Mapped[float]
    phases: Mapped[str] = mapped_column(default="{}")
    """Seconds by phase, as JSON."""


class Batch(Base):
    """One run of `batch`."""

    __tablename__ = "batches"

    id: Mapped[int] = mapped_column(primary_key=True)
    began: Mapped[float]
    ended: Mapped[float | None]
    settings: Mapped[str]
    """As JSON."""


class Ledger(Base):
    """Money spent and set aside, for one batch or one day."""

    __tablename__ = "ledgers"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    """`batch:<id>` or `day:<YYYY-MM-DD>` in UTC."""
    dollars: Mapped[float] = mapped_column(default=0.0)
    reserved: Mapped[float] = mapped_column(default=0.0)


class Provider(Base):
    """A model provider that asked for patience; all workers wait together."""

    __tablename__ = "providers"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    not_before: Mapped[float]
    reason: Mapped[str]
