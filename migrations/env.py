"""How Alembic meets our databases: one tree for both, one transaction for an upgrade, plain types in the files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import sqlalchemy
from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Connection, Engine, TypeDecorator, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

import app.tables  # noqa: F401 - fills SQLModel.metadata
from app.kit.settings import Settings

_ONE_AT_A_TIME = 5_147_083  # any number that nobody else uses as an advisory lock of this database


def _address() -> str:
    """What the caller gave, what `-x url=` gave, or the database of the settings."""
    given = context.config.attributes.get("database_url") or context.get_x_argument(as_dictionary=True).get("url")
    return str(given or Settings().database_address)


def _plain(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """A migration names no type of ours: it must still run when that type is long gone."""
    if kind != "type":
        return False
    if isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    if isinstance(item, JSON) and not isinstance(item, JSONB):
        autogenerate.imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


def _numbered(
    migrations: MigrationContext, _revision: str | Iterable[str | None], directives: list[MigrationScript]
) -> None:
    """Names revisions 0001, 0002, …, so that the folder reads in order."""
    del migrations
    script = ScriptDirectory.from_config(context.config)
    numbers = [int(each.revision) for each in script.walk_revisions()]
    for directive in directives:
        directive.rev_id = f"{max(numbers, default=0) + 1:04d}"


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    """What SQLModel knows of. The search of problems by words is each database's own, and made in the migrations."""
    if kind == "table":
        return not str(name).startswith("problem_search")
    return not (kind == "index" and name == "ix_problem_words")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # else the driver would run DDL outside of any transaction
    connection.execute("PRAGMA foreign_keys = OFF")  # altering a table rebuilds it, and others may point at it
    connection.execute("PRAGMA busy_timeout = 15000")


def _take_turn(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ONE_AT_A_TIME})


def _check_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
        raise RuntimeError(f"rows point at nothing: {broken[:5]}")


def _engine() -> Engine:
    address = sqlalchemy.make_url(_address())
    engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        if address.database:
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    return engine


def _migrate() -> None:
    with _engine().connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=SQLModel.metadata,
            render_as_batch=True,
            render_item=_plain,
            process_revision_directives=_numbered,
            include_name=_ours,
            compare_type=True,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            _take_turn(connection)
            before = context.get_context().get_current_heads()
            context.run_migrations()
            if context.get_context().get_current_heads() != before:
                _check_references(connection)


_migrate()
