"""Sessions enter once, and grown ones take the place of their older copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import InputError
from agent.queue import consent, entries
from agent.queue.consent import Agreement
from agent.queue.database import Database
from agent.queue.intake import sessions_in, take
from agent.queue.leases import LeaseLost, Leases
from tests.agent.queue.conftest import REPOSITORY, WHO, Write


def test_adding_again_changes_nothing(
    database: Database, agreement: Agreement, write: Write, tmp_path: Path
) -> None:
    path = write()
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(path.read_bytes())
    results = [take(database, one, WHO, REPOSITORY).result for one in (path, path, copy)]
    assert results == ["added", "known", "known"]
    assert len(entries.listed(database)) == 1


def test_a_grown_session_takes_the_place_of_its_older_copy(
    database: Database, agreement: Agreement, write: Write
) -> None:
    path = write(turns=2)
    older = path.read_bytes()
    take(database, path, WHO, REPOSITORY)
    leases = Leases(database)
    claim = leases.claim("worker")
    assert claim is not None
    write(turns=6)
    assert take(database, path, WHO, REPOSITORY).result == "grown"
    with pytest.raises(LeaseLost):
        leases.beat(claim)
    (entry,) = entries.listed(database)
    assert (entry["id"], entry["turns"], entry["state"]) == (claim.id, 6, "queued")
    path.write_bytes(older)
    assert take(database, path, WHO, REPOSITORY).result == "older"


def test_nobody_takes_the_place_of_somebody_elses_session(
    database: Database, agreement: Agreement, write: Write
) -> None:
    path = write(turns=2)
    take(database, path, WHO, REPOSITORY)
    consent.grant(database, REPOSITORY, "eve@example.org")
    write(turns=6)
    assert take(database, path, "eve@example.org", REPOSITORY).result == "added"
    assert sorted(row["turns"] for row in entries.listed(database)) == [2, 6]


def test_folders_and_globs_are_searched_for_sessions(write: Write, tmp_path: Path) -> None:
    write("s1")
    write("s2", folder=tmp_path / "sessions" / "deep")
    (tmp_path / "sessions" / "notes.txt").write_text("no session")
    names = [path.name for path in sessions_in([str(tmp_path / "sessions")])]
    assert sorted(names) == ["s1.jsonl", "s2.jsonl"]
    found = sessions_in([str(tmp_path / "**" / "s*.jsonl")])
    assert sorted(path.name for path in found) == ["s1.jsonl", "s2.jsonl"]
    with pytest.raises(InputError, match="nothing at"):
        list(sessions_in([str(tmp_path / "none")]))


def test_a_file_that_is_no_session_is_refused_with_the_reason(
    database: Database, agreement: Agreement, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b"\0\1\2")
    refused = take(database, broken, WHO, REPOSITORY)
    assert (refused.result, "binary" in refused.why) == ("refused", True)
