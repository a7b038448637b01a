"""Where synchronising is measured: stores on PostgreSQL and SQLite, a twin of each, and a store that is large."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection, delete, insert, select
from sqlmodel import SQLModel

from app import tables as _every_table  # noqa: F401 - the metadata knows them then
from app.kit.migrations import upgrade
from bench import store
from bench.stand import Tell, first_week, plain
from tests.postgres import Server, running

_CHUNK = 2_000


@dataclass(frozen=True)
class SyncScale:
    """How much is measured."""

    problems: int = 600_000
    """In the large store, that tells whether a pull of a little costs more where there is much."""
    fewer_problems: int = 52_000
    """In the store that is pulled and pushed to; one in five is a document of Pasuruan."""
    documents: int = 10_000
    """Of one first pull."""
    page: int = 1_000
    news: int = 10
    """Documents of one pull that brings a little."""
    operations: int = 500
    few_operations: int = 50
    """Of the push that tells whether statements grow."""
    rounds: int = 7
    warm_up: int = 1
    """Rounds whose figures are thrown away."""
    requests: int = 60
    """Small pulls in one round."""
    kelurahan: int = 34
    """Of each city, that have problems."""
    new: int = 500
    """Problems on a page whose bytes are counted."""
    first: int = 2_000
    """Open problems of a first synchronising whose bytes are counted."""


QUICK = SyncScale(problems=60_000, fewer_problems=16_000, documents=3_000, rounds=4, requests=30)


@dataclass(frozen=True)
class SyncStand:
    """Addresses of the stores, and where the APIs write."""

    postgresql: str
    sqlite: str
    postgresql_twin: str
    sqlite_twin: str
    large: str
    small: str
    folder: Path
    problems: int
    """In the store that is pulled and pushed to."""
    most_problems: int
    least_problems: int


@contextmanager
def sync_standing(scale: SyncScale, tell: Tell) -> Iterator[SyncStand]:
    """A PostgreSQL that survives power cuts, SQLite files on the same disk, and the stores in them."""
    with (
        running(fsync=True) as server,
        tempfile.TemporaryDirectory(prefix="ujung-bench-", ignore_cleanup_errors=True) as name,
    ):
        folder = Path(name)
        small = server.create()
        tell("one week of three cities, by the app's own write path")
        week = first_week(small, folder, scale.kelurahan)
        weeks, most = (max(1, ceil(each / week.problems)) for each in (scale.fewer_problems, scale.problems))
        tell(f"a store of {weeks * week.problems:,} problems, on both databases, and its twins")
        postgresql = _filled(server, small, week, weeks)
        sqlite = f"sqlite:///{folder / 'store.db'}"
        copy_store(postgresql, sqlite)
        sqlite_twin = f"sqlite:///{folder / 'twin.db'}"
        shutil.copyfile(folder / "store.db", folder / "twin.db")
        postgresql_twin = server.create(template=postgresql)
        tell(f"a store of {most * week.problems:,} problems")
        large = _filled(server, small, week, most)
        store.put_back(plain(small), week, 0, 1, 1)
        addresses = postgresql, postgresql_twin, large, small
        try:
            yield SyncStand(
                postgresql=postgresql,
                sqlite=sqlite,
                postgresql_twin=postgresql_twin,
                sqlite_twin=sqlite_twin,
                large=large,
                small=small,
                folder=folder,
                problems=weeks * week.problems,
                most_problems=most * week.problems,
                least_problems=week.problems,
            )
        finally:
            for address in addresses:
                server.drop(address)


def _filled(server: Server, people: str, week: store.Week, weeks: int) -> str:
    """A copy of the database with nobody but people, in which the week was lived so many times, until today."""
    address = server.create(template=people)
    store.put_back(plain(address), week, 0, weeks, weeks)
    return address


def copy_store(source: str, target: str) -> None:
    """Puts all rows of a store into a new one of another kind of database."""
    upgrade(target)
    reading, writing = sqlalchemy.create_engine(source), sqlalchemy.create_engine(target)
    try:
        with reading.connect() as old, writing.begin() as new:
            for table in reversed(SQLModel.metadata.sorted_tables):
                new.execute(delete(table))
            for table in SQLModel.metadata.sorted_tables:
                _copy_rows(table, old, new)
        with writing.connect() as new:
            new.exec_driver_sql("ANALYZE")
            new.commit()
    finally:
        reading.dispose()
        writing.dispose()


def _copy_rows(table: sqlalchemy.Table, old: Connection, new: Connection) -> None:
    rows = old.execution_options(yield_per=_CHUNK).execute(select(table))
    for chunk in rows.mappings().partitions(_CHUNK):
        new.execute(insert(table), [dict(row) for row in chunk])


def open_file(address: str) -> sqlite3.Connection:
    """A plain connection to a store of SQLite, as careful about the disk as the app's."""
    connection = sqlite3.connect(address.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 15000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection
