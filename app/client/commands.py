"""`ujung phone`: the reference phone in a terminal, so that anyone can try flight mode in a minute."""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from app.client.backoff import Backoff
from app.client.outbox import TooLong
from app.client.phone import NoPost, OtherAccount, Phone
from app.client.protocol import AppTooOld, LoggedOut, Refused, Revoked, Server, Unreachable
from app.client.store import MadeByNewerApp, Store
from app.client.sync import Summary, Sync
from app.client.words import Problem, Tick, Waiting
from app.kit.clock import system_clock
from app.kit.ids import new_id

phone = typer.Typer(help="A phone: records without signal, synchronises with it.", no_args_is_help=True)

_TRIES = 4
_TIMEOUT = httpx.Timeout(30, connect=10)
_TICKS = {
    Tick.RECORDED: "·   on this phone",
    Tick.RECEIVED: "✓   received",
    Tick.DELIVERED: "✓✓  delivered",
    Tick.ACKNOWLEDGED: "✓✓✓ acknowledged",
}
_SHOWN = 50

StoreFile = Annotated[Path, typer.Option("--store", envvar="UJUNG_PHONE_STORE", help="The phone's file.")]
Named = Annotated[str, typer.Argument(metavar="PROBLEM", help="Its number, its id, or how its id ends.")]
_STORE = Path("var/phone.db")


@phone.command()
def login(
    url: Annotated[str, typer.Argument(help="Of the server, such as http://127.0.0.1:8000.")],
    username: str,
    name: Annotated[str, typer.Option(help="What this phone is called on the kecamatan's board.")] = "Terminal",
    store: StoreFile = _STORE,
) -> None:
    """Logs in. Again at any time: nothing that waits is lost."""
    password = typer.prompt("Password", hide_input=True)
    with _phone(store, logged_in=False) as it, _http(url) as http:
        answer = Server(http).log_in(username, password, name)
        it.adopt(url, username, answer, name)
        if answer["must_change_password"]:
            typer.echo("This is a one-time password: choose another one on the docs page, then log in again.")
        _tell_posts(it)


@phone.command()
def post(
    chosen: Annotated[str | None, typer.Argument(metavar="POST", help="How its id begins or ends.")] = None,
    store: StoreFile = _STORE,
) -> None:
    """Which of your posts acts and reads; with a word, another one."""
    with _phone(store) as it:
        if chosen is not None:
            held = [row["id"] for row in it.store.rows("SELECT id FROM post ORDER BY id")]
            it.use_post(_one([each for each in held if each.startswith(chosen) or each.endswith(chosen)], chosen))
        _tell_posts(it)


# -- recording ---------------------------------------------------------------------------------------------------------


@phone.command()
def report(
    title: str,
    category: Annotated[str, typer.Option(help="Its code, such as saluran-tersumbat.")],
    landmark: Annotated[str, typer.Option(help="Near what: a problem has a place.")],
    area: Annotated[str | None, typer.Option(help="Code of the kelurahan; else that of your post.")] = None,
    description: Annotated[str | None, typer.Option(help="What is wrong.")] = None,
    seen_on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Else today.")] = None,
    store: StoreFile = _STORE,
) -> None:
    """Records a problem."""
    with _phone(store) as it:
        day = (seen_on or datetime.now().astimezone()).date()
        data = {
            "title": title,
            "category": _known_category(it, category),
            "area": area or it.store.value("SELECT area FROM post WHERE id = ?", it.post),
            "seen_on": day.isoformat(),
            "landmark": landmark,
            **({} if description is None else {"description": description}),
        }
        _tell_saved(it.record("report", data).problem)


@phone.command()
def comment(problem: Named, text: str, store: StoreFile = _STORE) -> None:
    """Remarks on a problem."""
    with _phone(store) as it:
        found = _named(it, problem)
        it.record("comment", {"text": text}, problem=found.id)
        _tell_saved(found.id)


@phone.command()
def step(
    problem: Named,
    verb: Annotated[str, typer.Argument(help="Such as forward, accept, edit, confirm; docs/lifecycle.md has all.")],
    said: Annotated[str, typer.Option(help='What the verb carries, as JSON: {"reason": "…"}.')] = "{}",
    agency: Annotated[str | None, typer.Option(help="For a step of this agency's part.")] = None,
    store: StoreFile = _STORE,
) -> None:
    """Any verb on a problem, or on an agency's part of it."""
    with _phone(store) as it:
        found = _named(it, problem)
        try:
            data = json.loads(said)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            _refuse("--said wants a JSON object.")
        parts = found.document["assignments"] if found.document else []
        part = _one([each["id"] for each in parts if each["agency"] == agency][-1:], agency) if agency else None
        it.record(verb, data, problem=found.id, assignment=part)
        _tell_saved(found.id)


@phone.command()
def photo(problem: Named, file: Path, store: StoreFile = _STORE) -> None:
    """Adds a photo to a problem."""
    with _phone(store) as it:
        found = _named(it, problem)
        try:
            content = file.read_bytes()
        except OSError as error:
            _refuse(f"{file}: {error.strerror}.")
        it.attach(found.id, content)
        _tell_saved(found.id)


# -- synchronising -----------------------------------------------------------------------------------------------------


@phone.command()
def sync(store: StoreFile = _STORE) -> None:
    """Sends what waits and brings what happened. Interrupted, the next one goes on."""
    with _phone(store) as it, _http(it.store.setting("address")) as http:
        server = Server(http, it.store.setting("token"))
        with _bar() as told:
            summary = Sync(it, server, Backoff(random.random, time.sleep, _TRIES), told=told).run()
        _tell_summary(it, summary)


@phone.command("list")
def list_problems(store: StoreFile = _STORE) -> None:
    """What this phone shows: what the server told, with what was done here laid over it."""
    with _phone(store) as it:
        found = it.problems()
        labels = (it.pack("steps") or {}).get("labels", {})
        table = Table("problem", "state", "tick", "title", "not told yet")
        table.columns[0].no_wrap = table.columns[2].no_wrap = True
        for each in found[:_SHOWN]:
            state = each.document["state"] if each.document else ""
            table.add_row(
                each.document["number"] if each.document else f"…{each.id[-8:]}",
                labels.get("State", {}).get(state, state),
                _TICKS[each.tick],
                each.title,
                ", ".join(one.verb for one in each.pending),
            )
        Console().print(table)
        if len(found) > _SHOWN:
            typer.echo(f"and {len(found) - _SHOWN:,} more")


@phone.command()
def status(store: StoreFile = _STORE) -> None:
    """What waits and since when, what was refused and why, how far everything has come."""
    with _phone(store) as it:
        waiting, refused, photos = it.outbox(), it.quarantine(), it.photos()
        typer.echo(f"Last sync  {it.store.setting('synced_at', 'never')}")
        since = f", since {waiting[0].recorded_at}" if waiting else ""
        typer.echo(f"Waiting    {len(waiting)} operations{since}; {sum(not each.refusal for each in photos)} photos")
        ticks = list(it.ticks().values())
        typer.echo("Problems   " + ", ".join(f"{ticks.count(tick)} {tick}" for tick in Tick))
        _tell_refusals("Held", [each for each in waiting if each.refusal])
        _tell_refusals("Refused", refused)
        for each in photos:
            if each.refusal:
                typer.echo(f"Refused: photo …{each.id[-8:]}: {each.refusal}", err=True)
        if it.store.setting("clock_wrong"):
            typer.echo("This phone's clock is wrong by more than ten minutes.", err=True)
        if it.store.setting("upgrade"):
            typer.echo("A newer app should be installed, when there is time.", err=True)


# -- one command -------------------------------------------------------------------------------------------------------


@contextmanager
def _phone(file: Path, *, logged_in: bool = True) -> Iterator[Phone]:
    """The phone of one command; whatever stops it is told in one sentence, with exit code 1."""
    try:
        opened = Store(file)
        try:
            it = Phone(opened, system_clock, new_id)
            if logged_in and it.store.setting("token") is None:
                _refuse("Nobody is logged in on this phone: ujung phone login URL USERNAME")
            yield it
        finally:
            opened.close()
    except Revoked:
        _refuse("This phone was revoked. Everything on it is erased.")
    except LoggedOut as refused:
        _refuse(f"{_sentence(refused)} Nothing is lost: ujung phone login URL USERNAME")
    except AppTooOld as refused:
        _refuse(f"{_sentence(refused)} Nothing is lost: update the app.")
    except Unreachable as unreachable:
        _refuse(f"{_sentence(unreachable)} Nothing is lost; it goes on with the next sync.")
    except (Refused, NoPost, OtherAccount, TooLong, MadeByNewerApp, ValueError) as error:
        _refuse(str(error))


def _http(address: str) -> httpx.Client:
    return httpx.Client(base_url=address, timeout=_TIMEOUT, headers={"Accept-Language": "en"})


def _refuse(sentence: str) -> Any:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


def _sentence(error: Exception) -> str:
    return f"{str(error).rstrip('.')}."


def _one(found: Sequence[Any], word: str) -> Any:
    if len(found) != 1:
        _refuse(f"{word}: {'none' if not found else 'more than one'} is called so.")
    return found[0]


def _named(it: Phone, word: str) -> Problem:
    """The problem of this number or id; an id may be told by its end."""
    every = it.problems()
    exact = [each for each in every if word in (each.id, each.document and each.document["number"])]
    return _one(exact or [each for each in every if len(word) >= 4 and each.id.endswith(word.lstrip("…"))], word)  # type: ignore[no-any-return] # one of those given


def _known_category(it: Phone, code: str) -> str:
    """Better told now than when it is refused, days later; before the first sync nothing is known."""
    pack = it.pack("categories")
    codes = [each["code"] for each in pack["items"]] if pack else [code]
    if code not in codes:
        _refuse(f"There is no category {code}. There are: {', '.join(codes)}.")
    return code


# -- what is told ------------------------------------------------------------------------------------------------------


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def told(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(_STAGES[stage])
            bar.update(tasks[stage], completed=done, total=total)

        yield told


_STAGES = {"operations": "Operations up", "documents": "Documents down", "photos": "Photo, bytes up"}


def _tell_saved(problem: str) -> None:
    typer.echo(f"Saved on this phone: …{problem[-8:]}")


def _tell_posts(it: Phone) -> None:
    for row in it.store.rows("SELECT id, label FROM post ORDER BY id"):
        typer.echo(f"{'*' if row['id'] == it.post else ' '} …{row['id'][-8:]}  {row['label']}")


def _tell_summary(it: Phone, summary: Summary) -> None:
    typer.echo(
        f"{summary.operations} operations up, {summary.documents} documents down, {summary.photos} photos up; "
        f"{len(it.outbox())} operations wait."
    )
    if summary.rewound:
        typer.echo("The server was restored from a backup: what this phone still kept was sent again.")
    if summary.mismatched:
        typer.echo(f"Counted otherwise than the server, and read anew: {', '.join(summary.mismatched)}", err=True)
    for why in summary.photo_refusals:
        typer.echo(f"A photo was refused: {why}", err=True)
    _tell_refusals("Refused", it.quarantine())


def _tell_refusals(title: str, operations: Sequence[Waiting]) -> None:
    for each in operations:
        refusal = each.refusal or {}
        why = refusal.get("detail") or refusal.get("title") or refusal.get("code", "")
        typer.echo(f"{title}: {each.verb} on …{each.problem[-8:]} of {each.recorded_at}: {why}", err=True)
