"""Every entry is worked on once at a time, whoever dies and whatever clocks do."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import update

from agent.batch.pace import LONGEST_S, SharedPace
from agent.queue import entries, ledger
from agent.queue.consent import Agreement
from agent.queue.database import Database
from agent.queue.entries import Candidate
from agent.queue.leases import Claim, LeaseLost, Leases, Observer
from agent.queue.ledger import Limits
from agent.queue.schema import Entry, Provider

THREADS = 8
SESSIONS = 60


def fill(database: Database, agreement: Agreement, count: int) -> None:
    some = [
        Candidate(f"{n:064x}", f"k{n}", f"/s/{n}", "codex", 1, n / count, agreement)
        for n in range(count)
    ]
    entries.add_many(database, some)


def claimed(leases: Leases, worker: str = "worker", **more: object) -> Claim:
    claim = leases.claim(worker, **more)  # type: ignore[arg-type]
    assert claim is not None
    return claim


def test_no_entry_is_claimed_twice_and_none_is_forgotten(
    url: str, database: Database, agreement: Agreement
) -> None:
    fill(database, agreement, SESSIONS)
    taken: list[int] = []

    def work(name: str) -> None:
        own = Database(url, patience_s=60)
        leases = Leases(own)
        while claim := leases.claim(name):
            taken.append(claim.id)
            leases.finish(claim, "accepted")
        own.close()

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == SESSIONS
    assert entries.counts(database) == {"accepted": {"": SESSIONS}}


def test_the_worthiest_goes_first(database: Database, agreement: Agreement) -> None:
    fill(database, agreement, 5)
    worths = [claimed(Leases(database)).worth for _ in range(5)]
    assert worths == sorted(worths, reverse=True)


def test_a_silent_worker_loses_its_lease_and_writes_nothing_any_more(
    database: Database, agreement: Agreement
) -> None:
    fill(database, agreement, 1)
    leases = Leases(database)
    now = [0.0]
    observer = Observer(leases, lease_s=60, clock=lambda: now[0])
    lost = claimed(leases, "lost")
    leases.enter(lost, "building")
    assert observer.look(leases.running()) == []
    now[0] = 59.0
    leases.beat(lost)
    assert observer.look(leases.running()) == []
    now[0] = 118.0
    assert observer.look(leases.running()) == [], "a beat was seen 59 s ago"
    now[0] = 119.0
    assert observer.look(leases.running()) == [lost.id]
    other = claimed(leases, "other")
    assert (other.id, other.state, other.attempts) == (lost.id, "building", 1)
    for write in (leases.beat, lambda claim: leases.finish(claim, "accepted")):
        with pytest.raises(LeaseLost):
            write(lost)
    leases.beat(other)


@pytest.mark.parametrize("jump", [-1e7, 1e7])
def test_a_clock_that_jumps_ends_no_lease_and_stops_nobody_for_long(
    database: Database, agreement: Agreement, jump: float
) -> None:
    fill(database, agreement, 2)
    leases = Leases(database)
    observer = Observer(leases, lease_s=60)
    held = claimed(leases)
    SharedPace(database, "model").refused(30, "busy")
    # What the database's clock said before it jumped.
    moves = (Entry.claimed_at, Entry.changed_at, Entry.added_at)
    moved = update(Entry).values({column: column - jump for column in moves})
    database.run(lambda c: c.execute(moved))
    moved = update(Provider).values(not_before=Provider.not_before - jump)
    database.run(lambda c: c.execute(moved))
    assert observer.look(leases.running()) == []
    leases.beat(held)
    leases.finish(held, "accepted")
    assert claimed(leases).id != held.id
    pace = SharedPace(database, "model")
    assert pace.wait_s() <= LONGEST_S
    pace.refused(5, "busy")
    assert 0 < pace.wait_s() <= 5


def test_a_session_that_kills_its_workers_is_set_aside(
    database: Database, agreement: Agreement
) -> None:
    fill(database, agreement, 1)
    leases = Leases(database, max_attempts=3)
    for number in range(3):
        claimed(leases, f"w{number}")
        assert leases.died(f"w{number}", "killed by signal 9") == 1
    assert leases.claim("next") is None
    (entry,) = entries.listed(database)
    assert (entry["state"], entry["kind"]) == ("failed", "worker-died")
    assert "signal 9" in entry["reason"]
    assert entries.retry(database, [entry["id"]]) == 1
    assert claimed(leases).attempts == 0


def test_a_worker_that_had_to_be_killed_to_stop_has_failed_at_nothing(
    database: Database, agreement: Agreement
) -> None:
    fill(database, agreement, 1)
    leases = Leases(database, max_attempts=1)
    claimed(leases, "slow")
    assert leases.died("slow", "killed by signal 9", counts=False) == 1
    assert claimed(leases, "next").attempts == 0


def test_a_failed_attempt_waits_and_another_goes_on(
    database: Database, agreement: Agreement
) -> None:
    fill(database, agreement, 1)
    leases = Leases(database)
    claim = claimed(leases)
    leases.enter(claim, "building", verdict="{}")
    leases.again(claim, "provider", "the provider answered 529\0", after_s=3600)
    assert leases.claim("worker") is None
    (entry,) = entries.listed(database)
    assert (entry["state"], entry["kind"], entry["attempts"]) == ("building", "provider", 1)
    entries.retry(database, [entry["id"]])
    leases.again(claimed(leases), "provider", "again", after_s=0, counts=False)
    assert claimed(leases).attempts == 0


def test_no_number_of_workers_spends_more_than_there_is(
    database: Database, agreement: Agreement
) -> None:
    fill(database, agreement, 4)
    leases = Leases(database)
    limits = Limits(item=1.0, batch=2.5, day=10.0)
    first = claimed(leases, batch=1, limits=limits)
    claimed(leases, "second", batch=1, limits=limits)
    assert leases.claim("third", batch=1, limits=limits) is None, "0.5 is left"
    leases.finish(first, "accepted", dollars=0.25)
    assert claimed(leases, "third", batch=1, limits=limits).allowed == 1.0
    leases.died("second", "killed")
    assert ledger.spent(database, "batch:1") == (0.25, 1.0)
