"""A queue survives what happens to its database."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

import agent.queue
from agent.errors import InputError
from agent.queue import consent, entries
from agent.queue.database import HEAD, Database, DatabaseGone
from agent.queue.leases import Leases
from tests import postgres
from tests.agent.queue.conftest import REPOSITORY, WHO

MIGRATIONS = str(Path(agent.queue.__file__).parent / "migrations")


def old_queue(place: Path) -> None:
    """A queue as the first version of its tables had it, with one session in it."""
    engine = create_engine(f"sqlite:///{place}")
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO consents (id, repository, source, contributor, tools, granted_at, "
                "text_version) VALUES (1, 'example.org/dana/voice', 'x', :who, '', 1.0, '1')"
            ),
            {"who": WHO},
        )
        connection.execute(
            text(
                "INSERT INTO entries (digest, key, path, format, turns, repository, source, "
                "contributor, consent, worth, state, approved, added_at, changed_at, waiting, "
                "not_before, attempts, token, beat, reserved, dollars, spending, minutes) VALUES "
                "('d', 'k', '/s', 'codex', 1, 'example.org/dana/voice', 'x', :who, 1, 0.5, "
                "'queued', 0, 1.0, 1.0, 1, 0, 0, 0, 0, 0, 0, 0, 0)"
            ),
            {"who": WHO},
        )
    engine.dispose()


def test_an_older_queue_is_migrated_and_keeps_its_sessions(tmp_path: Path) -> None:
    old_queue(tmp_path / "queue.db")
    database = Database(str(tmp_path / "queue.db"))
    claim = Leases(database).claim("worker")
    assert claim is not None
    assert claim.path == "/s"
    database.close()


def test_the_newest_migration_is_the_one_that_kettle_expects() -> None:
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_newer_queue_is_refused_with_advice(tmp_path: Path) -> None:
    place = str(tmp_path / "queue.db")
    database = Database(place)
    database.run(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    database.close()
    with pytest.raises(InputError, match="newer Kettle"):
        Database(place)


def test_many_processes_may_open_a_new_queue_at_once(url: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            Database(url, patience_s=30).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_file_that_disappears_is_missed_and_found_again(tmp_path: Path) -> None:
    place = tmp_path / "queue.db"
    database = Database(str(place))
    consent.grant(database, REPOSITORY, WHO)
    os.rename(place, tmp_path / "aside.db")
    with pytest.raises(DatabaseGone, match="nothing is lost"):
        consent.listed(database)
    assert not place.exists(), "nothing may be written beside the real one"
    patient = threading.Timer(0.3, os.rename, (tmp_path / "aside.db", place))
    patient.start()
    waiting = Database(str(place), patience_s=60, create=False)
    assert len(consent.listed(waiting)) == 1
    assert len(consent.listed(database)) == 1
    waiting.close()
    database.close()


def test_a_server_that_restarts_is_waited_for(server: postgres.Postgres) -> None:
    database = Database(server.fresh("restarted"), patience_s=60)
    consent.grant(database, REPOSITORY, WHO)
    server.stop()
    with pytest.raises(DatabaseGone):
        Database(server.url("restarted"))
    back = threading.Timer(0.3, server.start)
    back.start()
    assert len(consent.listed(database)) == 1
    assert entries.counts(database) == {}
    back.join()
    database.close()


@pytest.mark.parametrize("named", ["mysql://host/x", "sqlite://", "://"])
def test_a_url_that_is_none_is_a_users_mistake(named: str) -> None:
    with pytest.raises(InputError):
        Database(named)
