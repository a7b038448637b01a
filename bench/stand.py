"""What is measured stands here: PostgreSQL with a large and a small store, and the APIs over them, each one process."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from math import ceil
from pathlib import Path

from sqlalchemy import make_url

from app.assembly import assemble
from app.kit.migrations import upgrade
from app.kit.settings import Settings
from bench import city, store
from tests.postgres import running

PROJECT = Path(__file__).resolve().parents[1]
OURS, BARE = "app.main:app", "bench.bare:app"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    problems: int = 100_000
    fewer_problems: int = 10_000
    """In the store that tells whether cost grows."""
    rounds: int = 16
    warm_up: int = 2
    """Rounds whose figures are thrown away."""
    requests: int = 320
    """Of one job, to one API, in one round."""
    kelurahan: int = 34
    """Of each city, that have problems."""


@dataclass(frozen=True)
class Stand:
    """Addresses of the stores, and where the APIs write."""

    large: str
    small: str
    folder: Path
    problems: int
    fewer_problems: int


@contextmanager
def standing(scale: Scale, tell: Tell) -> Iterator[Stand]:
    """A PostgreSQL that survives power cuts (`fsync`), and the stores in it, for as long as the block lasts."""
    with (
        running(fsync=True) as server,
        tempfile.TemporaryDirectory(prefix="ujung-bench-", ignore_cleanup_errors=True) as folder,
    ):
        small = server.create()
        tell("one week of three cities, by the app's own write path")
        week = first_week(small, Path(folder), scale.kelurahan)
        weeks, fewer = (max(1, ceil(each / week.problems)) for each in (scale.problems, scale.fewer_problems))
        fewer = min(weeks, fewer)
        tell(f"{fewer * week.problems:,} problems in the small store, {weeks * week.problems:,} in the large one")
        store.put_back(plain(small), week, 0, fewer, weeks)
        large = server.create(template=small)
        store.put_back(plain(large), week, fewer, weeks, weeks)
        store.fill_bare(plain(large))
        try:
            yield Stand(large, small, Path(folder), weeks * week.problems, fewer * week.problems)
        finally:
            for address in (large, small):
                server.drop(address)


def first_week(address: str, folder: Path, kelurahan: int) -> store.Week:
    """The last whole week before today, lived in an empty database and taken out of it."""
    upgrade(address)
    today = datetime.now(UTC).date()
    monday = datetime.combine(today - timedelta(days=today.weekday() + 7), time(1), UTC)
    clock = city.Calendar(datetime.now(UTC))
    house = assemble(settings_of(address, folder), clock=clock)
    try:
        people = city.settle(house)
        city.Week(house, clock, people, monday, kelurahan).live()
    finally:
        house.database.close()
    return store.take_out(plain(address))


def settings_of(address: str, folder: Path) -> Settings:
    """As an installation has them that runs a worker beside the API."""
    return Settings(_env_file=None, database_url=address, data_dir=folder, background=False, log_json=True)


def plain(address: str) -> str:
    """The address as drivers themselves read it."""
    return make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)


def with_options(address: str, options: str) -> str:
    """The same store, by connections that begin with these settings of PostgreSQL."""
    return make_url(address).update_query_dict({"options": options}).render_as_string(hide_password=False)


@contextmanager
def serving(
    app: str, address: str, folder: Path, core: int | None, settings: Mapping[str, str] | None = None
) -> Iterator[tuple[int, int]]:
    """Process and port of an API over a store; what it logs goes to a file, as production's does to its collector."""
    words = [app, *([] if core is None else [str(core)])]
    with attended("bench.server", words, folder, {**settings_for(address, folder), **(settings or {})}) as (
        process,
        port,
    ):
        yield process.pid, int(port)


def settings_for(address: str, folder: Path) -> dict[str, str]:
    """The environment of a process over a store; a worker runs beside it."""
    return {
        "BENCH_DATABASE": plain(address),
        "UJUNG_DATABASE_URL": address,
        "UJUNG_DATA_DIR": str(folder),
        "UJUNG_BACKGROUND": "false",
        "UJUNG_LOG_JSON": "true",
    }


@contextmanager
def attended(
    module: str, words: Sequence[str], folder: Path, settings: Mapping[str, str]
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A process of ours and the first line that it said; it ends by itself when its standard input does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UJUNG_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    log = folder / "api.log"
    with (
        log.open("a") as told,
        subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=folder,
            env={**environment, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdin is not None
        said = process.stdout.readline().strip()
        if not said:
            raise RuntimeError(f"{' '.join([module, *words])} did not start: {log.read_text()[-2000:]}")
        try:
            yield process, said
        finally:
            process.stdin.close()
