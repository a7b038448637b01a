"""The command line: `ujung serve`, and what an operator does beside it."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.table import Table
from sqlmodel import Session

from app.areas.actions import import_areas
from app.areas.register import read_rows
from app.areas.schemas import ImportSummary
from app.areas.words import Level
from app.assembly import assemble, create_app
from app.backups.commands import SETTINGS, backup, restore
from app.client.commands import phone
from app.journal.actions import administration
from app.kit.house import House, Work
from app.kit.leaving import leave_within
from app.kit.logs import configure_logs
from app.kit.migrations import at_head, upgrade
from app.kit.refusals import Conflict, Refusal
from app.kit.settings import Settings
from app.kit.version import app_version
from app.people.actions.posts import create_admin
from app.people.passwords import one_time_password
from app.people.schemas import AccountIn
from app.problems.words import State
from app.registers.commands import agencies, problems
from app.town.demo import MadeDemo, make_demo
from app.town.seed import SownTown, sow_town

EXAMPLES = ("lurah.bakalan", "camat.bugul-kidul", "petugas.pupr")
_GRACE_SECONDS = 20
"""In which requests under way may end, and at the same time what works in the background."""

app = typer.Typer(
    name="ujung",
    help="Ujung Tombak: problems of the kelurahan, recorded, endorsed, solved. Settings are the variables UJUNG_….",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
areas = typer.Typer(help="Territory.", no_args_is_help=True)
admin = typer.Typer(help="Whoever operates the system.", no_args_is_help=True)
app.add_typer(areas, name="areas")
app.add_typer(admin, name="admin")
app.add_typer(agencies, name="agencies")
app.add_typer(problems, name="problems")
app.add_typer(phone, name="phone")
app.command()(backup)
app.command()(restore)
_console = Console()


class NotMigrated(Conflict):
    code, title = "not_migrated", "The database is not at this version's schema; run `ujung migrate` first"
    judul = "Skema basis data belum sesuai; jalankan `ujung migrate` dahulu"


class UnreadableFile(Conflict):
    code, title, judul = "unreadable_file", "The file cannot be read", "Berkas tidak dapat dibaca"


@app.callback()
def _give_house(context: typer.Context) -> None:
    """Rooms that have commands of their own open the house, or read the settings alone, through the context."""
    context.obj = _house
    context.meta[SETTINGS] = _settings


# -- serving ---------------------------------------------------------------------------------------------------------


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen at; else UJUNG_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="0 takes a free one; else UJUNG_PORT.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="With the demo town of Pasuruan, made where it is not.")] = False,
) -> None:
    """Migrates the database and serves the API."""
    with _told_to_stop(), _house(host=host, port=port) as house:
        settings = house.settings
        upgrade(settings.database_address)
        made = _make_demo(house) if demo else None
        api = create_app(settings, house=house)
        config = uvicorn.Config(
            api,
            host=settings.host,
            port=settings.port,
            server_header=False,
            access_log=False,
            log_config=None,
            proxy_headers=bool(settings.trusted_proxies),  # anybody can send them, and logins are throttled by address
            forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        socket = config.bind_socket()  # our own, to tell which port it is where any free one was asked for
        socket.listen()  # who comes as soon as it is told waits, and is not refused
        docs = f"http://{_reachable(settings.host)}:{socket.getsockname()[1]}/docs"
        if made is None:
            typer.echo(f"Docs  {docs}")
        else:
            _tell_demo(*made, docs)
        _Server(config, api).run(sockets=[socket])


class _Server(uvicorn.Server):
    """Tells what works in the background to stop when it is told itself, and not when the last connection is closed."""

    def __init__(self, config: uvicorn.Config, api: FastAPI) -> None:
        super().__init__(config)
        self._api = api

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        asyncio.get_running_loop().call_soon_threadsafe(self._leave)  # amid a signal no thread may be begun

    def _leave(self) -> None:
        leave_within()
        stop: asyncio.Event | None = getattr(self._api.state, "stop", None)
        if stop is not None:  # else it has not begun
            stop.set()


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """To be told to stop is no failure, also for the first process of a container, which no signal ends by itself."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _reachable(host: str) -> str:
    """The host as a browser on this machine reaches it."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return host if address.version == 4 else f"[{host}]"


@app.command()
def worker() -> None:
    """Does what becomes due and delivers webhooks, where UJUNG_BACKGROUND keeps the API from it; as many as wished."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "app.worker"])  # noqa: S606 - signals then reach the worker itself


# -- setting up ------------------------------------------------------------------------------------------------------


@app.command()
def migrate() -> None:
    """Brings the database to this version's schema."""
    with _house() as house:
        upgrade(house.settings.database_address)
        typer.echo("The database is at the newest migration.")


@app.command()
def seed() -> None:
    """Sows Kota Pasuruan: areas, limits, agencies, categories, responsibilities. Changes nothing that is there."""
    with _house(migrated=True) as house:
        _tell_sown(sow_town(house))


@app.command()
def demo() -> None:
    """Makes the demo town, in which people and their problems are invented; only in an empty installation."""
    with _house(migrated=True) as house:
        _tell_demo(*_make_demo(house), None)


@areas.command("import")
def import_register(
    file: Annotated[Path, typer.Argument(help="CSV with the columns code and name; all of Indonesia takes seconds.")],
) -> None:
    """Takes in a register of areas, whole or not at all: adds, renames, removes nothing."""
    with _house(migrated=True) as house, _console.status("Reading") as status:
        try:
            rows = read_rows(file)
        except OSError as error:
            raise UnreadableFile(f"{file}: {error.strerror}.") from error
        status.update(f"Writing {len(rows):,} areas")

        def unit(session: Session) -> ImportSummary:
            summary = import_areas(session, rows)
            counts = {name: getattr(summary, name) for name in ("added", "renamed", "refined")}
            administration(Work(session, None, house.clock(), house), "areas.imported", file.name, **counts)
            return summary

        summary = house.database.perform(unit)
        status.stop()
        _tell_import(summary)


@admin.command("create")
def create(
    username: Annotated[str, typer.Argument(help="Lower-case letters, digits, `.` and `-`.")],
    name: Annotated[str, typer.Option(help="The person's name.")],
) -> None:
    """Opens an admin's account with a one-time password, which is shown here and nowhere else."""
    with _house(migrated=True) as house:
        said = AccountIn(username=username, name=name)
        password = create_admin(house, said.username, said.name)
        typer.echo(f"Username           {username}")
        typer.echo(f"One-time password  {password}")
        typer.echo("It is good for choosing another one: POST /api/v1/auth/sessions, then POST /api/v1/me/password.")


@app.command()
def version() -> None:
    """Tells the version."""
    typer.echo(app_version())


# -- the house of one command ----------------------------------------------------------------------------------------


@contextmanager
def _house(*, migrated: bool = False, **given: Any) -> Iterator[House]:
    """The assembled house for one command; every refusal ends it with one sentence and exit code 1."""
    with _settings(**given) as settings:
        house = assemble(settings)
        try:
            if migrated and not at_head(house.database):
                raise NotMigrated
            yield house
        finally:
            house.database.close()


@contextmanager
def _settings(**given: Any) -> Iterator[Settings]:
    """The settings of one command; every refusal ends it with one sentence and exit code 1."""
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
        configure_logs(as_json=settings.log_json)
        yield settings
    except Refusal as refusal:
        _refuse(refusal.title if refusal.detail is None else f"{refusal.title}: {refusal.detail}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        _refuse(": ".join([*(str(part) for part in first["loc"]), first["msg"]]))
    except SettingsError as error:
        _refuse(str(error))


def _refuse(sentence: str) -> None:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


def _make_demo(house: House) -> tuple[MadeDemo, str | None]:
    """The demo town under the password of the settings, or under a new one, which is answered."""
    sow_town(house)
    chosen: SecretStr | None = house.settings.demo_password
    if chosen is not None and chosen.get_secret_value():
        return make_demo(house, chosen), None
    password = one_time_password()
    return make_demo(house, password), password.get_secret_value()


# -- what is told ----------------------------------------------------------------------------------------------------


def _tell_demo(made: MadeDemo, password: str | None, docs: str | None) -> None:
    typer.echo("")
    typer.echo("Ujung Tombak, the demo town of Pasuruan: people and problems are invented.")
    if made.is_new:
        states = ", ".join(f"{made.states.get(state, 0)} {state.label}" for state in State)
        typer.echo(f"Made {made.accounts} accounts, {made.problems} problems, {made.photos} pictures. {states}.")
    if docs:
        typer.echo(f"Docs      {docs}")
    typer.echo(f"Accounts  {', '.join(EXAMPLES)}, tapem, walikota, admin")
    if password is None:
        typer.echo("Password  as UJUNG_DEMO_PASSWORD says, for every demo account")
    else:
        typer.echo(f"Password  {password}")
        typer.echo("          for every demo account, made at this start and stored nowhere; the next start makes")
        typer.echo("          another one, unless UJUNG_DEMO_PASSWORD names one")
    typer.echo("")


def _tell_sown(sown: SownTown) -> None:
    agencies = sown.agencies
    typer.echo(
        f"Added {sown.areas.added} areas, {sown.limits} limits, {agencies.agencies} agencies, "
        f"{agencies.categories} categories, {agencies.responsibilities} responsibilities."
    )


def _tell_import(summary: ImportSummary) -> None:
    table = Table("", "areas", title="Register of areas")
    table.columns[1].justify = "right"
    for what in ("added", "renamed", "refined", "unchanged"):
        table.add_row(what, f"{getattr(summary, what):,}")
    table.add_section()
    for level in Level:
        table.add_row(level.label, f"{summary.levels.get(level, 0):,}")
    _console.print(table)
    if summary.absent:
        shown = ", ".join(summary.absent[:10])
        more = f" and {len(summary.absent) - 10:,} more" if len(summary.absent) > 10 else ""
        _console.print(f"In store, but not in the file, and left as they are: {shown}{more}.")


if __name__ == "__main__":
    app()
