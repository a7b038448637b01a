"""One engine, two kinds of transaction: a read, or a write that is committed before anybody is told.

SQLite has one writer. A write takes a lock of this process and then `BEGIN IMMEDIATE`; it never begins as a read that
is upgraded, because two of those that meet can only fail. Between processes the busy timeout decides.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy
from pydantic import ConfigDict, TypeAdapter
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Engine,
    Executable,
    Insert,
    Text,
    Update,
    bindparam,
    cast,
    event,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlmodel import Session, SQLModel

from app.kit.columns import Moment, columns_of, table_of
from app.kit.refusals import Busy
from app.kit.settings import Settings
from app.kit.shelves import Shelves, session_info

AnswerT = TypeVar("AnswerT")

_JSON: TypeAdapter[Any] = TypeAdapter(Any, config=ConfigDict(ser_json_inf_nan="constants"))
"""Of whatever columns hold: ids, moments, documents. A number that is none is refused by the database, not lost."""

_TRIES = 3
_SQLITE_BUSY_MILLISECONDS = 15_000
_IN_BACKGROUND = 2
"""Threads that use the database beside those of requests: one makes the rounds, one is the courier's."""
_POSTGRESQL_PATIENCE: Mapping[str, int] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""How long it waits for a server, or a network, that says nothing: seconds, and milliseconds in the last one."""
_STATEMENTS_KEPT = 500
"""Of each kind: they differ by the columns that are not empty."""
_RETRYABLE = {"40001", "40P01", "23505"}
"""Serialization failure, deadlock, and a unique value taken by a transaction that we could not see yet."""


class Again(Exception):
    """What was read before locking no longer holds: roll back and run the unit of work again."""


class Database:
    """The store behind one assembled app. `commit(` stands here and nowhere else."""

    def __init__(self, settings: Settings) -> None:
        url = make_url(settings.database_address)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._one_writer = threading.Lock()
        self._shelves = Shelves()
        self._patience = settings.pool_wait_seconds
        options: dict[str, Any] = {
            "pool_size": settings.pool_size + _IN_BACKGROUND,
            "max_overflow": 0,
            "pool_timeout": settings.pool_wait_seconds,
            "hide_parameters": True,  # an error must not carry names and numbers into the log
        }
        if self.is_sqlite:
            if url.database:
                settings.data_dir.mkdir(parents=True, exist_ok=True)
            options["connect_args"] = {"timeout": _SQLITE_BUSY_MILLISECONDS / 1000, "check_same_thread": False}
            options["poolclass"] = sqlalchemy.pool.QueuePool
        else:  # the address says it better, where it says anything
            patience = {name: value for name, value in _POSTGRESQL_PATIENCE.items() if name not in url.query}
            options["connect_args"] = patience
        self.engine: Engine = sqlalchemy.create_engine(url, **options)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            event.listen(self.engine, "reset", _end_sqlite)
        else:
            event.listen(self.engine, "connect", _speak_in_utc)
        event.listen(self.engine, "before_cursor_execute", _refuse_writing)
        alone = {} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._reading = self.engine.execution_options(ujung_read=True, **alone)
        whole = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._surveying = self.engine.execution_options(ujung_read=True, **whole)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A unit of work that changes nothing; one that tries is refused. Its rows can still be read afterwards.

        On PostgreSQL each statement sees what was committed before it, in a transaction or not, so none is opened.
        """
        with self._translated(), self._reading.connect() as connection, self._session(connection) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A read whose statements all see the same moment: what one of them leaves out, no other has moved past.

        It ends like a write, because a driver that rolls back forgets the statements that it has prepared.
        """
        with self._translated(), self._surveying.connect() as connection, self._session(connection) as session:
            yield session
            session.commit()

    @contextmanager
    def write(self, edition: str | None = None) -> Iterator[Session]:
        """A unit of work that is committed when the block ends, and rolled back when it raises.

        `edition` is that of the reference data, where it is known (see `shelves`).
        """
        with self._translated(), self._turn(), self.engine.connect() as plain:
            connection = plain.execution_options(ujung_write=True)
            with self._session(connection, edition) as session:
                yield session
                session.commit()

    def perform(self, unit: Callable[[Session], AnswerT], edition: str | None = None) -> AnswerT:
        """Runs a unit of work in a write, and again if its ground was taken away."""
        for _ in range(_TRIES):
            try:
                with self.write(edition) as session:
                    return unit(session)
            except Again:
                continue
        raise Busy("The record is being moved by others.")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """SQLite: one writer of this process at a time."""
        if not self.is_sqlite:
            yield
            return
        if not self._one_writer.acquire(timeout=_SQLITE_BUSY_MILLISECONDS / 1000):
            raise Busy("The database has been writing for too long.")
        try:
            yield
        finally:
            self._one_writer.release()

    def _session(self, connection: Connection, edition: str | None = None) -> Session:
        info = session_info(self._shelves, edition)
        return Session(bind=connection, autoflush=False, expire_on_commit=False, info=info)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlalchemy.exc.TimeoutError as error:
            raise Busy("All database connections are in use.") from error
        except OperationalError as error:
            if _state(error) in _RETRYABLE:
                raise Again from error
            if "database is locked" in str(error.orig):
                raise Busy("The database is being written by another process.") from error
            raise
        except DBAPIError as error:
            if _state(error) in _RETRYABLE:
                raise Again from error
            raise

    def close(self) -> None:
        """Closes every connection."""
        self.engine.dispose()


def dialect_of(session: Session) -> str:
    """Which database the session speaks to: `sqlite` or `postgresql`."""
    return session.get_bind().dialect.name


def resolving_insert(session: Session, table: type[SQLModel]) -> Any:
    """An insert of this database that can say what to do `on_conflict_…`."""
    dialect = postgresql if dialect_of(session) == "postgresql" else sqlite
    return dialect.insert(table)


def write_rows(session: Session, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
    """Runs one statement for each of these rows, in one go; a single one without what a driver does for many."""
    session.connection().execute(statement, rows if len(rows) > 1 else rows[0])


def insert_rows(session: Session, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts rows that name every column; columns that are empty in all of them are left out, for they cost too."""
    columns = tuple(name for name in rows[0] if any(row[name] is not None for row in rows))
    if dialect_of(session) == "sqlite":
        _write_columns(session, _inserting(table, columns), rows)
        return
    given = [{name: row[name] for name in columns} for row in rows]
    if len(rows) == 1:
        write_rows(session, _inserting(table, columns), given)
    else:
        _write_array(session, table, _inserting_array(table, columns), given)


def update_rows(session: Session, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Changes rows that are known by their `id`; all name the same columns."""
    columns = tuple(sorted(name for name in rows[0] if name != "id"))
    named = [{**row, "its_id": row["id"]} for row in rows]
    if dialect_of(session) == "sqlite":
        _write_columns(session, _updating(table, columns), named)
    elif len(rows) == 1:
        write_rows(session, _updating(table, columns), named)
    else:
        _write_array(session, table, _updating_array(table, columns), rows)


@lru_cache(maxsize=_STATEMENTS_KEPT)
def _inserting(table: type[SQLModel], columns: tuple[str, ...]) -> Insert:
    return insert(table_of(table)).values({name: bindparam(name) for name in columns})


@lru_cache(maxsize=_STATEMENTS_KEPT)
def _updating(table: type[SQLModel], columns: tuple[str, ...]) -> Update:
    named: dict[str, Any] = {name: bindparam(name) for name in columns}
    return update(table_of(table)).where(columns_of(table).id == bindparam("its_id")).values(named)


# -- many rows -------------------------------------------------------------------------------------------------------
#
# The toolkit makes each value of each row ready by itself, and the driver sends PostgreSQL each row by itself. For the
# three thousand rows of what a phone did in some days that costs more than all that is decided about them.


def _write_columns(session: Session, statement: Insert | Update, rows: Sequence[Mapping[str, Any]]) -> None:
    """Runs it on SQLite for each row. Values are made ready by column, and one that comes again and again only once."""
    sql, places = _on_sqlite(statement)
    columns = [_made_ready([row[name] for row in rows], make) for name, make in places]
    session.connection().exec_driver_sql(sql, list(zip(*columns, strict=True)))


@lru_cache(maxsize=_STATEMENTS_KEPT)
def _on_sqlite(statement: Insert | Update) -> tuple[str, list[tuple[str, Callable[[Any], Any] | None]]]:
    """The statement as the driver takes it, and for each place in it the name and what makes its values ready."""
    dialect = sqlite.dialect()
    compiled: Any = statement.compile(dialect=dialect)
    types = [(name, compiled.binds[name].type.dialect_impl(dialect)) for name in compiled.positiontup]
    return str(compiled), [(name, type_.bind_processor(dialect)) for name, type_ in types]


def _made_ready(values: list[Any], make: Callable[[Any], Any] | None) -> list[Any]:
    if make is None:
        return values
    ready: list[Any] = []
    last = made = None
    for value in values:
        if value is not last or not ready:
            last, made = value, None if value is None else make(value)
        ready.append(made)
    return ready


def _write_array(
    session: Session, table: type[SQLModel], statement: Executable, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Runs it on PostgreSQL once, for all rows of a JSON array."""
    moments = [name for name in rows[0] if isinstance(columns_of(table)[name].type, Moment)]
    if any(row[name] is not None and row[name].tzinfo is None for row in rows for name in moments):
        raise ValueError("a moment needs a time zone")  # as text it would be taken for one of the server's zone
    session.connection().execute(statement, {"rows": _JSON.dump_json(rows).decode()})


@lru_cache(maxsize=_STATEMENTS_KEPT)
def _inserting_array(table: type[SQLModel], columns: tuple[str, ...]) -> Insert:
    return insert(table_of(table)).from_select(columns, select(*_in_array(table, columns)))


@lru_cache(maxsize=_STATEMENTS_KEPT)
def _updating_array(table: type[SQLModel], columns: tuple[str, ...]) -> Update:
    of_it = _in_array(table, ("id", *columns))
    given = {name: of_it[name] for name in columns}
    return update(table_of(table)).where(columns_of(table).id == of_it.id).values(given)


def _in_array(table: type[SQLModel], columns: tuple[str, ...]) -> Any:
    """The columns of the array's rows, each value of the type that it has in the table."""
    its_type: ColumnElement[Any] = literal_column(f'NULL::"{table_of(table).name}"')
    array = cast(bindparam("rows", type_=Text), JSON)
    return func.json_populate_recordset(its_type, array).table_valued(*columns, name="given").c


def _refuse_writing(
    connection: Connection, _cursor: Any, sql: str, _parameters: Any, _context: Any, _many: bool
) -> None:
    """In a read nothing could be rolled back."""
    if sql.startswith(("INSERT", "UPDATE", "DELETE")) and connection.get_execution_options().get("ujung_read"):
        raise RuntimeError("a read must not write")


def _state(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _speak_in_utc(connection: Any, _record: Any) -> None:
    """In a zone east of it, the last hours that Python knows would be told as a year that it does not know."""
    connection.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late and be the wrong one
    for name, value in _SQLITE_PRAGMAS.items():
        connection.execute(f"PRAGMA {name} = {value}")


_SQLITE_PRAGMAS: Mapping[str, str | int] = {
    "busy_timeout": _SQLITE_BUSY_MILLISECONDS,
    "journal_mode": "WAL",
    "foreign_keys": "ON",
    "synchronous": "FULL",
    "temp_store": "MEMORY",
}


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("ujung_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _end_sqlite(connection: Any, _record: object, _state: object) -> None:
    """A COMMIT that failed left its transaction open, and with it the lock of the file; the pool thinks it is over."""
    connection.rollback()
