"""`python -m agent batch`: drain the queue; `batch report`: what came of it."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.commands.console import JsonOption, err, out, print_json
from agent.commands.depth import Depth
from agent.commands.exits import EPILOG_EXIT_CODES, ExitCode
from agent.commands.queue import QueueOption


class Engine(StrEnum):
    """Where workers run."""

    local = "local"
    ray = "ray"


batch = typer.Typer(invoke_without_command=True, epilog=EPILOG_EXIT_CODES)


@batch.callback()
def drain(
    context: typer.Context,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="Builds at once.")] = 2,
    engine: Annotated[
        Engine,
        typer.Option(
            help="Where they run. local: processes of this machine. ray: a Ray cluster "
            "(docs/cluster.md)."
        ),
    ] = Engine.local,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Builder, as for `build`. Default: by the keys that are set."
        ),
    ] = None,
    to: Annotated[
        str, typer.Option("--out", "-o", help="Folder or object store of finished environments.")
    ] = "environments",
    work: Annotated[
        str,
        typer.Option(help="Folder of builds under way; shared by all machines. Default: yours."),
    ] = "",
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="End when no session is left to work on.")
    ] = False,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Budget of this batch: US dollars.")
    ] = None,
    max_day_cost: Annotated[
        float | None,
        typer.Option(min=0, help="Budget of all batches on the queue in a UTC day: US dollars."),
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option(min=0, help="Budget of this batch: minutes until it stops.")
    ] = None,
    item_cost: Annotated[
        float | None, typer.Option(min=0, help="Budget of one session: US dollars.")
    ] = None,
    item_minutes: Annotated[
        float | None, typer.Option(min=0, help="Budget of one session: minutes.")
    ] = 60,
    turns: Annotated[
        int | None, typer.Option(min=1, help="Budget of one session: replies of the model.")
    ] = 100,
    repeats: Annotated[
        int, typer.Option(min=1, help="How often the gate grades nop and oracle.")
    ] = 3,
    depth: Annotated[
        Depth,
        typer.Option(help="core: does it work. full: also wrong and rewritten solutions, cheats."),
    ] = Depth.full,
    gate_minutes: Annotated[
        float, typer.Option(min=0.1, help="Time of each run of the gate.")
    ] = 20,
    max_attempts: Annotated[
        int, typer.Option(min=1, help="Failed attempts before a session is set aside.")
    ] = 3,
    min_free_gb: Annotated[
        float, typer.Option(min=0, help="Free disk below which nothing is begun, in GiB.")
    ] = 5,
    min_free_memory_gb: Annotated[
        float,
        typer.Option(min=0, help="Free memory below which nothing is begun, in GiB."),
    ] = 1,
    job: Annotated[str, typer.Option(hidden=True)] = "build",
    lease: Annotated[float, typer.Option(hidden=True, min=1)] = 60,
    queue: QueueOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON event a line to stdout.")
    ] = False,
) -> int | None:
    """Drain the queue: qualify, build and publish, the worthiest sessions first.

    Ctrl-C lets the workers finish what they do; a second one stops them, and the next batch goes on
    where they stood. Budgets hold across all workers, wherever they run.

    Try:

      python -m agent batch --workers 2 --until-empty

      python -m agent batch -w 8 -m anthropic:claude-opus-5-5 --max-cost 50 --item-cost 2

      python -m agent batch --engine ray -w 64 --work /shared/work -o s3://lab/environments

      python -m agent batch report --html report.html
    """
    if context.invoked_subcommand is not None:
        return None
    from agent.batch.crew import Crew, Hands
    from agent.batch.display import Events, LiveTable
    from agent.batch.settings import BatchSettings, begin
    from agent.batch.worker import DATABASE_PATIENCE_S, job_named
    from agent.queue.database import Database, opened

    with opened(queue) as first:
        url = first.url
    settings = BatchSettings(
        queue=url,
        out=to if "://" in to else str(Path(to).absolute()),
        work=str(Path(work).absolute()) if work else "",
        model=model,
        job=job,
        turns=turns,
        item_dollars=item_cost,
        item_minutes=item_minutes,
        day_dollars=max_day_cost,
        batch_dollars=max_cost,
        batch_minutes=max_minutes,
        repeats=repeats,
        depth=depth.value,
        gate_minutes=gate_minutes,
        max_attempts=max_attempts,
        lease_s=lease,
        least_free_bytes=int(min_free_gb * 2**30),
        least_free_memory_bytes=int(min_free_memory_gb * 2**30),
    )
    job_named(job)
    if engine is Engine.ray:
        from agent.batch.cluster import ready

        ready(settings)
    database = Database(url, patience_s=DATABASE_PATIENCE_S, create=False)
    number = begin(database, settings)
    table = LiveTable(err)
    listener = Events() if as_json else table
    # Ray prints what happens to its nodes; standard output is for events alone.
    with redirect_stdout(sys.stderr), nullcontext() if as_json else table:
        hands: Hands
        if engine is Engine.ray:
            from agent.batch.cluster import RayHands

            hands = RayHands(settings, number, workers)
        else:
            from agent.batch.local import LocalHands

            hands = LocalHands(settings, number, workers)
        crew = Crew(database, settings, number, hands, until_empty=until_empty, listener=listener)
        ended = crew.run()
    database.close()
    return ExitCode.ACCEPTED if ended else ExitCode.INTERRUPTED


@batch.command()
def report(
    number: Annotated[
        int | None, typer.Argument(metavar="[BATCH]", help="A batch. Default: the newest.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that was ever in the queue, not one batch.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page to this file.")] = None,
    queue: QueueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what came of a batch: the funnel, the reasons with examples, cost and time.

    Try:

      python -m agent batch report --html report.html

      python -m agent batch report 3 --json
    """
    from dataclasses import asdict, is_dataclass

    from agent.batch import report as reports
    from agent.batch.settings import newest
    from agent.queue.database import opened

    with opened(queue) as database:
        chosen = None if everything else number or newest(database)
        if html is not None:
            html.write_text(reports.report(database, chosen), encoding="utf-8")
        found = reports.facts(database, chosen)
    if as_json:

        def plain(value: object) -> object:
            if is_dataclass(value) and not isinstance(value, type):
                return asdict(value)
            return [plain(v) for v in value] if isinstance(value, list) else value

        print_json({name: plain(value) for name, value in found.items()})
        return
    for name, count, share in found["funnel"]:
        out.print(f"{count:6d}  {share:3.0f} %  {name}", highlight=False)
    for ended in found["endings"]:
        out.print(f"{ended.count:6d}  {ended.state} {ended.kind}", markup=False, highlight=False)
    out.print(f"{found['total_minutes']:.1f} minutes, ${found['total_dollars']:.2f}")
    if html is not None:
        out.print(f"written to {html}", highlight=False)
