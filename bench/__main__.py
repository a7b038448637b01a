"""The command line: `python3 run.py bench --help`."""

import asyncio
import os
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from bench import profiles, sync_stand, sync_tables, tables, webhooks_stand, webhooks_tables
from bench.jobs import Job
from bench.rounds import cores, measure
from bench.stand import Scale, standing
from bench.sync import measure_sync
from bench.webhooks import measure_webhooks

QUICK = Scale(problems=20_000, fewer_problems=2_000, rounds=8, warm_up=2, requests=160)


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Two minutes, over fewer problems.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Put the tables into docs/performance.md.")] = False,
    profile: Annotated[Job | None, typer.Option(help="Instead, tell where the API's time goes for one job.")] = None,
    statements: Annotated[bool, typer.Option("--statements", help="Also show each job's SQL statements.")] = False,
    anywhere: Annotated[bool, typer.Option("--anywhere", help="Tie no process to a core of its own.")] = False,
    sync: Annotated[bool, typer.Option("--sync", help="Instead, measure how phones synchronise.")] = False,
    webhooks: Annotated[
        bool, typer.Option("--webhooks", help="Instead, measure how agencies' systems are told.")
    ] = False,
    problems: Annotated[int | None, typer.Option(min=1, help="Problems in the large store.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1)] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="Requests of a job in one round.")] = None,
) -> None:
    """Measures the app beside a bare FastAPI and asyncpg route: list, read, report, one step."""
    console = Console(width=None if os.isatty(1) else 150)
    if sync:
        _synchronising(console, quick=quick, write=write, anywhere=anywhere, problems=problems, rounds=rounds)
        return
    if webhooks:
        _telling(console, quick=quick, write=write, anywhere=anywhere, rounds=rounds)
        return
    scale = QUICK if quick or profile else Scale()
    given = {"problems": problems, "rounds": rounds, "requests": requests}
    scale = replace(scale, **{name: value for name, value in given.items() if value is not None})
    core = None if anywhere or profile else _core()
    with console.status("Starting PostgreSQL") as status, standing(scale, status.update) as stand:
        if profile is not None:
            status.stop()
            profiles.show(stand, profile, console)
            return
        figures = asyncio.run(measure(stand, scale, core, status.update))
        status.stop()
        if statements:
            tables.show_statements(figures, console)
        console.print(tables.told(figures))
        for drawn in tables.draw(figures):
            drawn.show(console)
        if write:
            tables.write(figures)


def _synchronising(
    console: Console, *, quick: bool, write: bool, anywhere: bool, problems: int | None, rounds: int | None
) -> None:
    scale = sync_stand.QUICK if quick else sync_stand.SyncScale()
    scale = replace(scale, problems=problems or scale.problems, rounds=rounds or scale.rounds)
    core = None if anywhere else _core()
    with console.status("Starting PostgreSQL") as status, sync_stand.sync_standing(scale, status.update) as stand:
        figures = measure_sync(stand, scale, core, status.update)
        status.stop()
        sync_tables.show(figures, console)
        if write:
            sync_tables.write(figures)


def _telling(console: Console, *, quick: bool, write: bool, anywhere: bool, rounds: int | None) -> None:
    scale = webhooks_stand.QUICK if quick else webhooks_stand.WebhookScale()
    scale = replace(scale, rounds=rounds or scale.rounds)
    core = None if anywhere else _core()
    with (
        console.status("Starting PostgreSQL") as status,
        webhooks_stand.webhook_standing(scale, status.update) as stand,
    ):
        figures = measure_webhooks(stand, scale, core, status.update)
        status.stop()
        webhooks_tables.show(figures, console)
        if write:
            webhooks_tables.write(figures)


def _core() -> int | None:
    """The core of the APIs; PostgreSQL, started from here, stays on the others with the clients."""
    core, others = cores()
    if core is not None:
        os.sched_setaffinity(0, others)
    return core


if __name__ == "__main__":
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(bench)
    command()
