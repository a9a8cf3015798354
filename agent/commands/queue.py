"""`python -m agent queue …`: who opted in, which sessions wait, and what became of them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.console import JsonOption, QuietOption, err, out, print_json
from agent.commands.exits import ExitCode
from agent.errors import InputError

if TYPE_CHECKING:
    from agent.queue.intake import Taken

queue = typer.Typer(
    help="The opt-in queue: consent, intake, and what became of each session.",
    no_args_is_help=True,
    epilog="Nothing enters without a consent. Begin with `queue opt-in --help`.",
)

QueueOption = Annotated[
    str | None,
    typer.Option(
        "--queue",
        help="The queue: an SQLite file, or a PostgreSQL URL. Default: KETTLE_QUEUE, else a file "
        "in your data folder.",
    ),
]
RepoOption = Annotated[str, typer.Option(help="The repository: a URL or a local clone.")]
OneRepoOption = Annotated[
    str | None, typer.Option(help="Only this repository: a URL or a local clone.")
]
ByOption = Annotated[
    str | None,
    typer.Option(help="Whose sessions, usually an e-mail address. Default: git's user.email."),
]
IdsArgument = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]...", help="Numbers from `queue list`.")
]
StateOption = Annotated[
    list[str] | None, typer.Option("--state", "-s", help="Only in this state; may be repeated.")
]
KindOption = Annotated[
    str | None, typer.Option(help="Only with this kind of failure or reason of rejection.")
]


@queue.command("opt-in")
def opt_in(
    repo: RepoOption,
    by: Annotated[str, typer.Option(help="Whose sessions, usually an e-mail address.")],
    tools: Annotated[
        str, typer.Option(help="Only sessions of these tools, comma-separated. Default: all.")
    ] = "",
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The last day on which it holds. Default: open."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", help="Clone from here instead of the repository's own address."),
    ] = None,
    queue: QueueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record that a contributor agrees that sessions about a repository become environments.

    Shows the text that is agreed to; its version is kept with the record.

    Try:

      python -m agent queue opt-in --repo https://github.com/o/r --by dana@example.org

      python -m agent queue opt-in --repo o.git --by dana --tools codex --until 2027-01-01
    """
    from agent.queue import consent
    from agent.queue.database import opened

    names = [name.strip() for name in tools.split(",") if name.strip()]
    day = until.date() if until else None
    with opened(queue) as database:
        agreed = consent.grant(database, repo, by, source=source, tools=names, until=day)
    if as_json:
        print_json(agreed.as_dict())
        return
    out.print(consent.consent_text(), markup=False, highlight=False)
    scope = ", ".join(agreed.tools) or "every tool"
    end = f"until {day}" if day else "until it is withdrawn"
    out.print(
        f"Recorded as consent {agreed.id} (text {agreed.text_version}): {agreed.contributor} for "
        f"{agreed.repository}, {scope}, {end}.",
        soft_wrap=True,
        markup=False,
    )


@queue.command("opt-out")
def opt_out(
    repo: RepoOption,
    by: Annotated[
        str | None, typer.Option(help="Whose consent ends. Default: everybody's for this one.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be deleted.")
    ] = False,
    queue: QueueOption = None,
    as_json: JsonOption = False,
) -> int:
    """Withdraw a consent and delete what was derived from the sessions.

    Running builds stop within seconds. A contributor's own session files are never touched.

    Try:

      python -m agent queue opt-out --repo https://github.com/o/r --by dana@example.org --dry-run
    """
    from agent.queue import purge
    from agent.queue.database import opened

    with opened(queue) as database:
        work = purge.derived if dry_run else purge.opt_out
        found = work(database, repo, by)
    if as_json:
        print_json(found.as_dict())
    else:
        would = "would be " if dry_run else ""
        for title, things in (
            (f"consents {would}withdrawn", [f"{a.id} {a.contributor}" for a in found.agreements]),
            (f"queue entries {would}removed", [str(number) for number in found.entries]),
            (f"running builds {would}stopped", [str(number) for number in found.running]),
            (f"environments {would}deleted", found.environments),
            (f"build folders {would}deleted", found.folders),
            (f"copies of sessions {would}deleted", found.copies),
            ("could not be deleted", [f"{k}: {v}" for k, v in found.kept.items()]),
        ):
            if things:
                out.print(f"{title}: {len(things)}", highlight=False)
                for thing in things:
                    out.print(f"  {thing}", markup=False, highlight=False, soft_wrap=True)
        if not found.agreements:
            out.print("There is no consent that holds for it.")
    return ExitCode.INFRASTRUCTURE if found.kept else ExitCode.ACCEPTED


@queue.command("consents")
def consents(
    ended: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    queue: QueueOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who agreed to what."""
    from agent.queue import consent
    from agent.queue.database import opened
    from agent.queue.tables import consents_table

    with opened(queue) as database:
        found = consent.listed(database, ended=ended)
    if as_json:
        print_json([agreement.as_dict() for agreement in found])
    else:
        out.print(consents_table(found))


@queue.command()
def add(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Sessions: files, folders or globs.")
    ],
    repo: OneRepoOption = None,
    by: ByOption = None,
    queue: QueueOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Put sessions into the queue.

    A session that is there already changes nothing; one that grew takes the place of its older
    copy. Sessions stay where they are until they are built.

    Try:

      python -m agent queue add rollout.jsonl --by dana@example.org

      python -m agent queue add sessions/ 'more/**/*.jsonl' --repo https://github.com/o/r
    """
    from agent.queue.database import opened
    from agent.queue.intake import sessions_in, take

    who = _who(by)
    taken = []
    with opened(queue) as database:
        for path in sessions_in(paths):
            one = take(database, path, who, repo)
            taken.append(one)
            if not quiet:
                _tell(one)
    counts = Counter(one.result for one in taken)
    if as_json:
        print_json(
            {
                "counts": counts,
                "sessions": [
                    {"path": str(t.path), "result": t.result, "why": t.why} for t in taken
                ],
            }
        )
    else:
        _summary(counts)
    return _status(counts)


@queue.command()
def collect(
    by: ByOption = None,
    no_entire: Annotated[
        bool, typer.Option("--no-entire", help="Do not look into the repositories' branches.")
    ] = False,
    queue: QueueOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Find sessions of opted-in repositories and put them into the queue.

    Looks where Cline, Claude Code, Codex, Gemini CLI and OpenCode keep theirs on this machine, and
    into the Entire branch of every opted-in repository.

    Try:

      python -m agent queue collect --by dana@example.org
    """
    from agent.queue.collect import collect as find
    from agent.queue.database import opened

    with opened(queue) as database:
        tell = (lambda _: None) if quiet else _tell
        counts = find(database, _who(by), entire=not no_entire, tell=tell)
    if as_json:
        print_json(counts)
    else:
        _summary(counts)
    return ExitCode.ACCEPTED


@queue.command()
def watch(by: ByOption = None, queue: QueueOption = None) -> None:
    """Collect continuously, as soon as a tool has finished writing. Ctrl-C ends it.

    Try:

      python -m agent queue watch --by dana@example.org
    """
    from agent.queue.database import opened
    from agent.queue.watch import watch as follow

    with opened(queue, patience_s=WATCH_PATIENCE_S) as database:
        err.print("watching; Ctrl-C ends it", style="dim")
        follow(database, _who(by), tell=_tell)


WATCH_PATIENCE_S = 3600.0
"""Seconds that `watch` waits for a database that is away."""


@queue.command("list")
def list_entries(
    state: StateOption = None,
    kind: KindOption = None,
    repo: OneRepoOption = None,
    by: Annotated[str | None, typer.Option(help="Only of this contributor.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    queue: QueueOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the sessions, the worthiest first, each with why it was rejected or failed.

    States: queued, qualifying, building, gated, accepted, rejected, needs-a-person, failed.

    Try:

      python -m agent queue list --state rejected

      python -m agent queue list --kind "no outcome" --json
    """
    from agent.queue import entries
    from agent.queue.consent import contributor_name, repository_key
    from agent.queue.database import opened
    from agent.queue.tables import counts_line, entries_table

    with opened(queue) as database:
        rows = entries.listed(
            database,
            states=state or (),
            kind=kind,
            repository=repository_key(repo) if repo else None,
            contributor=contributor_name(by) if by else None,
            limit=limit,
        )
        counts = entries.counts(database)
    if as_json:
        print_json([{k: v for k, v in row.items() if k != "verdict"} for row in rows])
        return
    if rows:
        out.print(entries_table(rows))
    out.print(counts_line(counts), highlight=False)


@queue.command()
def show(
    number: Annotated[int, typer.Argument(metavar="ID", help="A number from `queue list`.")],
    queue: QueueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one session: its state, the verdict with all reasons and evidence, every attempt.

    Try:

      python -m agent queue show 17
    """
    from agent.queue import entries
    from agent.queue.database import opened
    from agent.queue.tables import entry_view

    with opened(queue) as database:
        entry = entries.shown(database, number)
    if as_json:
        print_json(entry)
    else:
        out.print(entry_view(entry))


@queue.command()
def retry(
    ids: IdsArgument = None,
    state: StateOption = None,
    kind: KindOption = None,
    approve: Annotated[
        bool, typer.Option("--approve", help="Build them whatever the evidence says.")
    ] = False,
    queue: QueueOption = None,
    as_json: JsonOption = False,
) -> int:
    """Let sessions that are done begin again; recorded work is taken up.

    Try:

      python -m agent queue retry 17 18

      python -m agent queue retry --state failed --kind provider

      python -m agent queue retry 21 --approve
    """
    from agent.queue import entries
    from agent.queue.database import opened

    with opened(queue) as database:
        chosen = _chosen(database, ids, state, kind)
        count = entries.retry(database, chosen, approve=approve)
    if as_json:
        print_json({"retried": count})
    else:
        out.print(f"{count} begin again", highlight=False)
    return ExitCode.ACCEPTED if count else ExitCode.BAD_INPUT


@queue.command()
def remove(
    ids: IdsArgument = None,
    state: StateOption = None,
    kind: KindOption = None,
    queue: QueueOption = None,
    as_json: JsonOption = False,
) -> int:
    """Take sessions out of the queue; work on them stops. Environments stay where they are.

    Try:

      python -m agent queue remove 17

      python -m agent queue remove --state rejected
    """
    from agent.queue import entries
    from agent.queue.database import opened

    with opened(queue) as database:
        count = entries.remove(database, _chosen(database, ids, state, kind))
    if as_json:
        print_json({"removed": count})
    else:
        out.print(f"{count} removed", highlight=False)
    return ExitCode.ACCEPTED if count else ExitCode.BAD_INPUT


def _chosen(
    database: object, ids: list[int] | None, states: list[str] | None, kind: str | None
) -> list[int]:
    from agent.queue import entries
    from agent.queue.database import Database

    assert isinstance(database, Database)  # noqa: S101 (imported late)
    if not ids and not states and not kind:
        raise InputError("Say which: give numbers, or filter with --state and --kind.")
    rows = entries.listed(database, ids=ids, states=states or (), kind=kind)
    return [row["id"] for row in rows]


def _who(by: str | None) -> str:
    from agent.queue.intake import whoami

    who = by or whoami()
    if not who:
        raise InputError("Whose sessions are these? Say so with --by.")
    return who


def _tell(taken: Taken) -> None:
    from agent.console import printable

    why = f": {taken.why}" if taken.why else ""
    line = f"{taken.result:<8}{_short(taken.path)}{why}"
    err.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _short(path: Path) -> str:
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)


def _summary(counts: dict[str, int]) -> None:
    parts = [f"{number} {name}" for name, number in sorted(counts.items())]
    out.print(", ".join(parts) or "nothing found", highlight=False)


def _status(counts: dict[str, int]) -> int:
    entered = sum(number for name, number in counts.items() if name != "refused")
    return ExitCode.ACCEPTED if entered else ExitCode.BAD_INPUT
