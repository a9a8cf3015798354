"""Nobody's session is touched without consent, and consent can be taken back."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from agent.errors import InputError
from agent.queue import artefacts, consent, entries, purge
from agent.queue.consent import Agreement
from agent.queue.database import Database, work_dir
from agent.queue.intake import take
from agent.queue.leases import LeaseLost, Leases
from tests.agent.queue.conftest import REPOSITORY, WHO, Write


def test_a_session_without_consent_does_not_enter(database: Database, write: Write) -> None:
    refused = take(database, write(), WHO, REPOSITORY)
    assert refused.result == "refused"
    assert "opt-in" in refused.why
    assert entries.listed(database) == []


@pytest.mark.parametrize(
    ("by", "tools"), [("somebody@example.org", ()), (WHO, ("codex",))], ids=["who", "tool"]
)
def test_consent_covers_only_what_it_names(
    database: Database, write: Write, by: str, tools: tuple[str, ...]
) -> None:
    consent.grant(database, REPOSITORY, by, tools=tools)
    assert take(database, write(), WHO, REPOSITORY).result == "refused"


def test_consent_is_found_however_the_repository_is_written(
    database: Database, write: Write
) -> None:
    consent.grant(database, "git@example.org:Dana/Voice.git", WHO.upper())
    assert take(database, write(), WHO, REPOSITORY).result == "added"


def test_a_day_that_has_passed_and_an_unknown_tool_are_refused(database: Database) -> None:
    with pytest.raises(InputError, match="passed"):
        consent.grant(database, REPOSITORY, WHO, until=date(2020, 1, 1))
    with pytest.raises(InputError, match="claude_code"):
        consent.grant(database, REPOSITORY, WHO, tools=["clod"])


def test_work_stops_when_the_consent_ends(
    database: Database, agreement: Agreement, write: Write
) -> None:
    take(database, write(), WHO, REPOSITORY)
    leases = Leases(database)
    claim = leases.claim("worker")
    assert claim is not None
    leases.enter(claim, "building")
    consent.withdraw(database, REPOSITORY, WHO)
    with pytest.raises(LeaseLost, match="consent") as lost:
        leases.beat(claim)
    assert lost.value.gone
    with pytest.raises(LeaseLost):
        leases.enter(claim, "gated")


def test_opting_out_deletes_what_was_derived_and_nothing_else(
    database: Database, agreement: Agreement, write: Write, tmp_path: Path
) -> None:
    theirs = write("s1")
    take(database, theirs, WHO, REPOSITORY)
    consent.grant(database, REPOSITORY, "eve@example.org")
    take(database, write("s2"), "eve@example.org", REPOSITORY)
    leases = Leases(database)
    store = artefacts.open_store(str(tmp_path / "environments"))
    for _ in range(2):
        claim = leases.claim("worker")
        assert claim is not None
        made = tmp_path / "made"
        made.mkdir(exist_ok=True)
        (made / "task.toml").write_text("")
        leases.finish(claim, "accepted", environment=store.publish(made, f"e{claim.id}"))
        (work_dir(database.url) / str(claim.id)).mkdir(parents=True)

    listed = purge.derived(database, REPOSITORY, WHO)
    assert (len(listed.entries), len(listed.environments), len(listed.folders)) == (1, 1, 1)
    assert len(entries.listed(database)) == 2, "listing deletes nothing"

    done = purge.opt_out(database, REPOSITORY, WHO)
    assert done.kept == {}
    assert [row["contributor"] for row in entries.listed(database)] == ["eve@example.org"]
    assert len(store.names()) == 1
    assert len(list(work_dir(database.url).iterdir())) == 1
    assert theirs.exists(), "a contributor's own file is theirs"
    record = [a for a in consent.listed(database, ended=True) if a.contributor == WHO]
    assert record[0].withdrawn_at is not None, "the record stays as proof"
    assert take(database, theirs, WHO, REPOSITORY).result == "refused"


def test_provenance_names_the_terms_but_not_the_person(agreement: Agreement) -> None:
    record = json.dumps(agreement.as_provenance())
    assert agreement.text_version in record
    assert WHO not in record
