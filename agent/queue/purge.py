"""Withdrawing consent: what was derived from somebody's sessions, listed and deleted."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from agent.errors import KettleError
from agent.queue import artefacts, consent, entries
from agent.queue.consent import Agreement
from agent.queue.database import Database, data_dir, work_dir
from agent.queue.schema import Batch


@dataclass
class Derived:
    """What exists because of sessions whose consent ends.

    Attributes:
        agreements: the consents.
        entries: numbers of queue entries.
        running: those of them that a worker holds; it stops with its next heartbeat.
        environments: locations of published environments.
        folders: of builds, with trajectories and drafts.
        copies: of sessions that Kettle made, never the contributor's own files.
        kept: what could not be deleted, with the reason.
    """

    agreements: list[Agreement] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    running: list[int] = field(default_factory=list)
    environments: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For a script."""
        return {**vars(self), "agreements": [a.as_dict() for a in self.agreements]}


def derived(database: Database, repository: str, by: str | None = None) -> Derived:
    """What would be deleted if the consent for a repository ended.

    Args:
        database: the queue's.
        repository: its address or path.
        by: one contributor; None for all.
    """
    key = consent.repository_key(repository)
    who = consent.contributor_name(by) if by else None
    found = Derived()
    for agreement in consent.listed(database, ended=True):
        wanted = who is None or agreement.contributor == who
        if agreement.repository == key and wanted and agreement.withdrawn_at is None:
            found.agreements.append(agreement)
    ours = data_dir() / "sessions"
    for row in entries.listed(database, repository=key, contributor=who):
        found.entries.append(row["id"])
        if row["worker"]:
            found.running.append(row["id"])
        if row["environment"]:
            found.environments.append(row["environment"])
        for folder in work_folders(database, row["id"], row["batch"]):
            found.folders.append(str(folder))
        if Path(row["path"]).is_relative_to(ours):
            found.copies.append(row["path"])
    return found


def opt_out(database: Database, repository: str, by: str | None = None) -> Derived:
    """End the consent and delete what was derived; returns what that was.

    The consent ends first, so that nothing new comes into being meanwhile.
    """
    found = derived(database, repository, by)
    consent.withdraw(database, repository, by)
    # Read again: a worker may have published in between; from here on none can.
    last = derived(database, repository, by)
    last.agreements = found.agreements
    for location in last.environments:
        try:
            artefacts.remove(location)
        except (OSError, KettleError) as error:
            last.kept[location] = str(error)
    for folder in (*last.folders, *last.copies):
        place = Path(folder)
        try:
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        except OSError as error:
            last.kept[folder] = str(error)
    entries.remove(database, last.entries)
    return last


def work_folders(database: Database, number: int, batch: int | None) -> list[Path]:
    """Where builds of an entry keep their things: as its last batch says, and by default."""
    places = {work_dir(database.url)}
    if batch is not None:
        query = select(Batch.settings).where(Batch.id == batch)
        settings = database.one(lambda c: c.execute(query).scalar_one_or_none())
        if settings and (named := json.loads(settings).get("work")):
            places.add(Path(named))
    return sorted(place / str(number) for place in places if (place / str(number)).is_dir())
