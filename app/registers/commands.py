"""The command line only: what the operator types, one action, what the operator is told."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.agencies.actions import AgenciesTaken
from app.kit.house import House
from app.kit.refusals import Unprocessable
from app.problems.words import State
from app.registers.actions import Order, RefusedRow, Told, import_agencies, import_problems

_SHOWN = 20

problems = typer.Typer(help="Problems.", no_args_is_help=True)
agencies = typer.Typer(help="Agencies.", no_args_is_help=True)

OpenHouse = Callable[..., AbstractContextManager[House]]
"""Assembles the house for one command; the roof gives it as the context's object."""

_REMARKS = {
    "cleaned": "without characters that no text may hold",
    "address_shortened": "address shortened, whole in the description",
    "place_omitted": "without a place",
    "answer_not_believed": "left open: the time of the answer cannot be right",
}
_RefusedFile = Annotated[Path | None, typer.Option("--refused", help="CSV that is to hold every refused row.")]
_AsJson = Annotated[bool, typer.Option("--json", help="The counts as JSON, for programs.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Do everything, keep nothing.")]


class UnwritableFile(Unprocessable):
    code, title, judul = "unwritable_file", "The file cannot be written", "Berkas tidak dapat ditulis"


@problems.command("import")
def import_register(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8) or XLSX, with headings.")],
    mapping: Annotated[Path, typer.Option(help="TOML: which column is which field; see docs/registers.md.")],
    on_behalf_of: Annotated[str, typer.Option(help="The post that stands behind it, such as monitor:35.75.")],
    dry_run: _DryRun = False,
    refused: _RefusedFile = None,
    as_json: _AsJson = False,
) -> None:
    """Takes in a register of problems. Interrupted, the same command goes on; no row is taken twice."""
    open_house: OpenHouse = context.obj
    with open_house(migrated=True) as house, _refused_rows(refused) as keep:
        order = Order(file=file, mapping=mapping, on_behalf_of=on_behalf_of, dry_run=dry_run)
        with _bar() as bar:
            task = bar.add_task("Reading", total=None)
            told = import_problems(
                house, order, lambda done, rows: bar.update(task, description="Rows", completed=done, total=rows)
            )
        keep(told.refused)
        _tell_refused(told.refused, refused)
        if as_json:
            typer.echo(json.dumps(told.counts))
        else:
            _tell(told)


@agencies.command("import")
def import_list(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8) or XLSX with a column name; perhaps code, kind, accounts.")],
    city: Annotated[str | None, typer.Option(help="Code of the city they serve; else UJUNG_CITY.")] = None,
    dry_run: _DryRun = False,
    refused: _RefusedFile = None,
    as_json: _AsJson = False,
) -> None:
    """Takes in a list of agencies: adds what is missing, changes nothing that is there."""
    open_house: OpenHouse = context.obj
    with open_house(migrated=True) as house, _refused_rows(refused) as keep:
        taken, rows = import_agencies(house, file, city or house.settings.city, dry_run=dry_run)
        keep(rows)
        _tell_refused(rows, refused)
        _tell_agencies(taken, len(rows), as_json=as_json, dry_run=dry_run)


@contextmanager
def _refused_rows(path: Path | None) -> Iterator[Callable[[Sequence[RefusedRow]], None]]:
    """Where refused rows are kept. The file is opened before anything is done, so that it can be written in the end."""
    if path is None:
        yield lambda _rows: None
        return
    try:
        file: IO[str] = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UnwritableFile(f"{path}: {error.strerror}.") from error
    with file:
        writer = csv.writer(file)
        writer.writerow(("line", "reason"))
        yield lambda rows: writer.writerows((each.line, each.reason) for each in rows)


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


# -- what is told ----------------------------------------------------------------------------------------------------


def _tell_refused(rows: Sequence[RefusedRow], path: Path | None) -> None:
    for each in rows[:_SHOWN]:
        typer.echo(f"line {each.line}: {each.reason}", err=True)
    if len(rows) > _SHOWN:
        where = f", all of them in {path}" if path else "; --refused FILE keeps them all"
        typer.echo(f"and {len(rows) - _SHOWN:,} more refused{where}", err=True)


def _tell(told: Told) -> None:
    name = "dry run, nothing kept" if told.run is None else f"import {told.run}"
    table = Table("", "rows", title=f"{told.register}: {name}")
    table.columns[1].justify = "right"
    table.add_row("in the file", f"{told.rows:,}")
    table.add_section()
    table.add_row("taken", f"{told.taken:,}")
    table.add_row("taken before", f"{told.taken_before:,}")
    table.add_row("refused", f"{len(told.refused):,}")
    table.add_section()
    parts = {
        "marked as duplicates": told.duplicates,
        "in the ordinary way, the row they repeat being none": told.mains_missing,
        **{_REMARKS[name]: count for name, count in sorted(told.remarks.items())},
        "taken before, and otherwise in this file": told.differing,
    }
    for what, count in parts.items():
        if count:
            table.add_row(what, f"{count:,}")
    table.add_section()
    for state in State:
        if told.states[state]:
            table.add_row(state.label, f"{told.states[state]:,}")
    table.add_section()
    for reason, count in Counter(each.reason for each in told.refused).most_common(_SHOWN):
        table.add_row(f"refused: {reason}", f"{count:,}")
    Console().print(table)


def _tell_agencies(taken: AgenciesTaken, refused: int, *, as_json: bool, dry_run: bool) -> None:
    counts = {
        "added": taken.added,
        "unchanged": taken.unchanged,
        "offices_of_territory": taken.offices_of_territory,
        "refused": refused,
    }
    if as_json:
        typer.echo(json.dumps(counts))
        return
    table = Table("", "rows", title="Agencies" + (": dry run, nothing kept" if dry_run else ""))
    table.columns[1].justify = "right"
    for what, count in counts.items():
        table.add_row(what.replace("_", " "), f"{count:,}")
    Console().print(table)
