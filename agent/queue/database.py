"""Connects to the queue's database, SQLite or PostgreSQL, and keeps its tables current.

SQLite needs nothing to be started: one file, write-ahead log, writers wait for each other. A URL of
PostgreSQL makes the same queue serve many machines. Every connection is checked before it is used;
a database that went away and came back is found again. Work that fails because the database is gone
is tried again for `patience_s`, whole: each piece of work is one transaction.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
import tenacity
from sqlalchemy import (
    Connection,
    Double,
    Engine,
    create_engine,
    event,
    func,
    inspect,
    literal_column,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)

from agent.errors import InputError, KettleError

T = TypeVar("T")

HEAD = "0002"
"""The newest migration; older tables are brought here, newer ones are refused."""
BUSY_S = 30.0
"""How long a writer of SQLite waits for its turn. A turn takes under a millisecond."""
RETRY_S = 2.0
"""Longest wait between two tries at a database that is away."""
MIGRATION_LOCK = 0x6B6574746C65
"""Key of the PostgreSQL lock under which one process migrates."""
_EACH = "kettle_each"
"""Marks connections on which SQLite begins no transaction, so that each statement is its own."""
POOL = 3
"""Connections a process keeps: its own work and its heartbeat."""


class DatabaseGone(KettleError):
    """The database does not answer; what was being done is not done."""


def data_dir() -> Path:
    """The folder of what cannot be made again: `KETTLE_DATA`, else in the user's data folder."""
    named = os.environ.get("KETTLE_DATA")
    share = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(named) if named else Path(share) / "kettle"


def work_dir(url: str) -> Path:
    """The folder of a queue's builds under way; every queue has its own, since numbers repeat."""
    return data_dir() / "work" / hashlib.sha256(url.encode()).hexdigest()[:12]


def default_url() -> str:
    """The queue to use when none is named: `KETTLE_QUEUE`, else a file in `data_dir()`."""
    return os.environ.get("KETTLE_QUEUE") or f"sqlite:///{data_dir() / 'queue.db'}"


class Database:
    """A queue's database.

    Attributes:
        url: as it was named.
        is_sqlite: whether it is one file on this machine.
        now: SQL for the database's time, in seconds since 1970.
    """

    def __init__(
        self, url: str | None = None, *, patience_s: float = 0.0, create: bool = True
    ) -> None:
        """Connect, making or migrating the tables when that is needed.

        Args:
            url: SQLAlchemy's URL, or the path of an SQLite file; None for `default_url()`.
            patience_s: seconds to go on trying when the database is away.
            create: make an SQLite file that is not there; a worker waits for it instead.

        Raises:
            InputError: the URL is none, or the tables were made by a newer Kettle.
            DatabaseGone: it does not answer.
        """
        parsed = _url(url or default_url())
        self.url = parsed.render_as_string(hide_password=False)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._patience_s = patience_s
        if self.is_sqlite:
            self._engine = _sqlite(Path(str(parsed.database)), create)
            self.now: Any = literal_column("((julianday('now') - 2440587.5) * 86400.0)", Double)
        else:
            self._engine = create_engine(
                parsed,
                pool_size=POOL,
                connect_args={"connect_timeout": 10, "client_encoding": "utf8"},
            )
            self.now = func.date_part("epoch", func.clock_timestamp())
        each = {_EACH: True} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._each = self._engine.execution_options(**each)
        self.run(self._migrate)

    def __str__(self) -> str:
        return make_url(self.url).render_as_string(hide_password=True)

    def upsert(self, table: type[Any]) -> Any:
        """An INSERT that may say what to do about rows that are there."""
        dialect = sqlite if self.is_sqlite else postgresql
        return dialect.insert(table)

    def time(self, connection: Connection) -> float:
        """The database's time, in seconds since 1970."""
        return float(connection.execute(sqlalchemy.select(self.now)).scalar_one())

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do some work in one transaction.

        Args:
            work: gets the connection; may be called again when the database was away.

        Raises:
            DatabaseGone: the database is away for longer than the patience.
        """
        return self._patiently(self._engine, work)

    def one(self, work: Callable[[Connection], T]) -> T:
        """Do some work in which each statement is a transaction by itself: faster for one."""
        return self._patiently(self._each, work)

    def _patiently(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        def once() -> T:
            with engine.begin() as connection:
                return work(connection)

        try:
            return once()
        except SQLAlchemyError as error:
            # A server that was restarted closed all kept connections; the next one is new.
            if not self._patience_s and not _was_lost(error):
                raise self._gone(error) from error

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=RETRY_S),
            stop=tenacity.stop_before_delay(self._patience_s),
            reraise=True,
        )
        try:
            return retrying(once)
        except SQLAlchemyError as error:
            raise self._gone(error) from error

    def _gone(self, error: SQLAlchemyError) -> Exception:
        """What to raise for an error of the database: itself, if it is no absence."""
        if not _may_pass(error):
            return error
        said = str(getattr(error, "orig", error)).strip().splitlines()
        return DatabaseGone(
            f"The queue's database {self} cannot be used: {said[0] if said else error}. "
            "Bring it back, or name another with --queue; nothing is lost."
        )

    def _migrate(self, connection: Connection) -> None:
        if _version(connection) == HEAD:
            return
        if not self.is_sqlite:
            connection.execute(select_lock())
        found = _version(connection)
        if found == HEAD:
            return
        # Imported late: only the first start with a new version of the tables needs it.
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory
        from alembic.util.exc import CommandError

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        try:
            if found is not None:
                ScriptDirectory.from_config(config).get_revision(found)
            command.upgrade(config, "head")
        except CommandError as error:
            raise InputError(
                f"The queue {self} was made by a newer Kettle (its tables are at {found}, this "
                f"Kettle knows {HEAD}). Use that Kettle, or name another queue with --queue."
            ) from error


def select_lock() -> sqlalchemy.Select[Any]:
    """A lock that ends with the transaction and that every migrating process takes."""
    return sqlalchemy.select(func.pg_advisory_xact_lock(MIGRATION_LOCK))


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row else None


def _url(named: str) -> URL:
    try:
        url = make_url(named) if "://" in named else URL.create("sqlite", database=named)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise InputError(f"{named!r} is no database URL: {error}.") from error
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return url
    raise InputError(
        f"The queue lives in an SQLite file or in PostgreSQL, not in {named!r}. Give a path, or a "
        "URL such as postgresql://user@host/kettle."
    )


def _sqlite(file: Path, create: bool) -> Engine:
    try:
        # Made here once, so that a file that disappears later is missed instead of made anew.
        if create:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
    except OSError as error:
        raise InputError(f"The queue {file} cannot be made: {error.strerror}.") from error
    engine = create_engine(
        URL.create("sqlite", database=f"file:{file}", query={"mode": "rw", "uri": "true"}),
        pool_size=POOL,
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def connected(raw: Any, record: Any) -> None:
        # Transactions are begun by us: the driver's own would take the write lock too late.
        raw.isolation_level = None
        raw.execute("PRAGMA journal_mode=WAL")
        # With the write-ahead log, NORMAL survives the death of every process; only a power cut
        # can lose the last moments, and then a phase is done again.
        raw.execute("PRAGMA synchronous=NORMAL")
        raw.execute("PRAGMA foreign_keys=ON")
        record.info["file"] = _identity(file)

    @event.listens_for(engine, "checkout")
    def checked_out(raw: Any, record: Any, proxy: Any) -> None:
        # A connection to a file that was taken away would go on writing into nothing.
        if record.info.get("file") != _identity(file):
            raise DisconnectionError(f"{file} is another file now")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if not connection.get_execution_options().get(_EACH):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _identity(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)


def _may_pass(error: BaseException) -> bool:
    """Whether the database is away, locked or full, rather than asked for something wrong."""
    if isinstance(error, DisconnectionError):
        return True
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error, SQLAlchemyError) and _was_lost(error)


def _was_lost(error: SQLAlchemyError) -> bool:
    return isinstance(error, DatabaseError) and bool(error.connection_invalidated)


@contextmanager
def opened(url: str | None = None, *, patience_s: float = 0.0) -> Iterator[Database]:
    """A database that is closed again; arguments as of `Database`."""
    database = Database(url, patience_s=patience_s)
    try:
        yield database
    finally:
        database.close()
