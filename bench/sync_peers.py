"""What synchronising is held against: the drivers themselves, with tuples, and nobody to ask for permission."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import JSON, Table
from sqlmodel import SQLModel

from app.sync.queries.documents import KEPT_AFTER_END
from app.town.seed import CITY
from bench.stand import plain
from bench.sync_stand import SyncStand, open_file

Row = dict[str, Any]
Statement = tuple[Any, list[list[Any]]]
"""SQL, and the values of each row."""

_PROBLEM = (
    "id, number, version, position, state, title, description, seen_on, source, source_ref, address, landmark, rt, rw, "
    "priority, escalation, origin, endorsed, plan, target_on, desk, desk_until, due_at, promised_at, hold_review_on, "
    "resolution, rating, closing, planned_in, created_at, updated_at, area_code, category_code, main_id, resolved_at, "
    "closed_at, author_id, latitude, longitude"
)
_PART = (
    "assignment.id, assignment.state, by_hand, instruction, delegated_to, offered_at, assignment.due_at, done_at, "
    "assignment.hold_review_on, assignment.resolution, note, agency_code, is_lead, is_required, is_binding, "
    "hold_proposed_at"
)
_WANTED = """FROM problem
    WHERE city_code = {city} AND (state NOT IN ('closed', 'resolved')
        OR CASE state WHEN 'closed' THEN closed_at ELSE resolved_at END >= {horizon})
    ORDER BY area_code, position LIMIT {most}"""
_OF_THEM = f"(SELECT id, version {_WANTED}) AS problem"
FETCHES: Final = (
    f"SELECT {_PROBLEM} {_WANTED}",
    f"SELECT problem.id, {_PART} FROM {_OF_THEM} JOIN assignment ON problem_id = problem.id",
    (
        "SELECT subject, kind, journal_entry.version, at, author ->> 'name', author ->> 'post' "
        f"FROM {_OF_THEM} JOIN journal_entry ON subject = problem.id AND journal_entry.version > problem.version - 3"
    ),
    f"SELECT problem_id, count(*) FROM {_OF_THEM} JOIN problem_comment ON problem_id = problem.id GROUP BY problem_id",
    f"SELECT problem_id, photo_id FROM {_OF_THEM} JOIN problem_photo ON problem_id = problem.id",
)
"""What documents are made of: problems, their assignments, last three facts, comments counted, and photos."""


@dataclass(frozen=True)
class Written:
    """The rows that one push left in a table: new ones, and of others what it changed."""

    table: Table
    new: Sequence[Row]
    changed: Sequence[Row]
    """With the columns of the key, and those that differ in any of these rows."""


class Peer(Protocol):
    """A driver at the store and at its twin."""

    def fetch(self, documents: int) -> list[list[tuple[Any, ...]]]:
        """The rows of as many documents, by table."""

    def mark(self) -> None:
        """A push comes next."""

    def written(self, operation_id: UUID, problem_ids: Sequence[UUID]) -> list[Statement]:
        """What the push has written since the mark, as statements that write the same."""

    def write(self, statements: Sequence[Statement]) -> None:
        """The same rows into the twin, in one transaction."""

    def close(self) -> None:
        """It is needed no more."""


def _tables() -> list[Table]:
    return list(SQLModel.metadata.sorted_tables)


def _key(table: Table) -> list[str]:
    return [column.name for column in table.primary_key]


def _sorted_out(table: Table, rows: Sequence[Row], before: Sequence[Row | None]) -> Written:
    """Which of the rows are new, and what differs in the others."""
    pairs = list(zip(rows, before, strict=True))
    differ = {name for row, old in pairs if old is not None for name in row if row[name] != old[name]}
    kept = [*_key(table), *sorted(differ - {*_key(table)})]
    changed = [{name: row[name] for name in kept} for row, old in pairs if old is not None] if differ else []
    return Written(table, [row for row, old in pairs if old is None], changed)


class Psycopg:
    """PostgreSQL, by psycopg."""

    def __init__(self, stand: SyncStand) -> None:
        self._store = psycopg.connect(plain(stand.postgresql), autocommit=True)
        self._twin = psycopg.connect(plain(stand.postgresql_twin), autocommit=True)

    def fetch(self, documents: int) -> list[list[tuple[Any, ...]]]:
        named = {name: f"%({name})s" for name in ("city", "horizon", "most")}
        given = {"city": CITY, "horizon": datetime.now(UTC) - KEPT_AFTER_END, "most": documents}
        return [self._store.execute(each.format(**named), given).fetchall() for each in FETCHES]

    def mark(self) -> None:
        """Rows know the transaction that wrote them."""

    def written(self, operation_id: UUID, problem_ids: Sequence[UUID]) -> list[Statement]:
        del problem_ids
        found = self._store.execute("SELECT xmin FROM sync_operation WHERE id = %s", (operation_id,)).fetchone()
        assert found is not None
        written: list[Statement] = []
        for table in _tables():
            rows = self._rows(self._store, table, ["xmin"], found)
            if rows:
                before = [self._row(table, row) for row in rows]
                written += _statements(_sorted_out(table, rows, before), "%s")
        return written

    def _row(self, table: Table, row: Row) -> Row | None:
        found = self._rows(self._twin, table, _key(table), [row[name] for name in _key(table)])
        return found[0] if found else None

    @staticmethod
    def _rows(
        connection: psycopg.Connection[Any], table: Table, columns: Sequence[str], values: Sequence[Any]
    ) -> list[Row]:
        cursor = connection.execute(f'SELECT * FROM "{table.name}" WHERE {_where(columns, "%s")}', values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def write(self, statements: Sequence[Statement]) -> None:
        with self._twin.transaction(), self._twin.cursor() as cursor:
            for statement, rows in statements:
                cursor.executemany(statement, rows)

    def close(self) -> None:
        self._store.close()
        self._twin.close()


sqlite3.register_adapter(Jsonb, lambda document: json.dumps(document.obj))


class Sqlite:
    """SQLite, by the driver of the standard library. It writes documents as JSON itself, as psycopg does."""

    def __init__(self, stand: SyncStand) -> None:
        self._store, self._twin = open_file(stand.sqlite), open_file(stand.sqlite_twin)
        self._last: Mapping[str, int] = {}

    def fetch(self, documents: int) -> list[list[tuple[Any, ...]]]:
        named = {name: f":{name}" for name in ("city", "horizon", "most")}
        horizon = (datetime.now(UTC) - KEPT_AFTER_END).replace(tzinfo=None).isoformat(" ")
        given = {"city": CITY, "horizon": horizon, "most": documents}
        return [self._store.execute(each.format(**named), given).fetchall() for each in FETCHES]

    def mark(self) -> None:
        self._last = {
            table.name: self._store.execute(f'SELECT coalesce(max(rowid), 0) FROM "{table.name}"').fetchone()[0]
            for table in _tables()
        }

    def written(self, operation_id: UUID, problem_ids: Sequence[UUID]) -> list[Statement]:
        del operation_id
        ids = ", ".join(f"'{each.hex}'" for each in problem_ids)
        written: list[Statement] = []
        for table in _tables():
            changed = {
                "problem": f"id IN ({ids})",
                "sight": f"problem_id IN ({ids})",
                "log_head": f"log IN (SELECT area_code FROM problem WHERE id IN ({ids}))",
            }.get(table.name, "false")
            rows = self._rows(self._store, table, f"rowid > {self._last[table.name]} OR {changed}", ())
            if rows:
                before = [self._row(table, row) for row in rows]
                written += _statements(_sorted_out(table, rows, before), "?")
        return written

    def _row(self, table: Table, row: Row) -> Row | None:
        found = self._rows(self._twin, table, _where(_key(table), "?"), [row[name] for name in _key(table)])
        return found[0] if found else None

    @staticmethod
    def _rows(connection: sqlite3.Connection, table: Table, where: str, values: Sequence[Any]) -> list[Row]:
        cursor = connection.execute(f'SELECT * FROM "{table.name}" WHERE {where}', values)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        documents = [column.name for column in table.columns if isinstance(column.type, JSON)]
        return [row | {name: json.loads(row[name]) for name in documents if row[name] is not None} for row in rows]

    def write(self, statements: Sequence[Statement]) -> None:
        self._twin.execute("BEGIN IMMEDIATE")
        for statement, rows in statements:
            self._twin.executemany(statement, rows)
        self._twin.execute("COMMIT")

    def close(self) -> None:
        self._store.close()
        self._twin.close()


def _statements(written: Written, place: str) -> Iterator[Statement]:
    """One statement for all new rows, and one for all that changed; columns that are empty in all are left out."""
    table, key = written.table.name, _key(written.table)
    if written.new:
        names = [name for name in written.new[0] if any(row[name] is not None for row in written.new)]
        into, places = ", ".join(f'"{name}"' for name in names), ", ".join([place] * len(names))
        rows = [[_value(row[name]) for name in names] for row in written.new]
        yield f'INSERT INTO "{table}" ({into}) VALUES ({places})', rows
    if written.changed:
        names = [name for name in written.changed[0] if name not in key]
        setting, where = (", ".join(f'"{name}" = {place}' for name in names), _where(key, place))
        rows = [[_value(row[name]) for name in (*names, *key)] for row in written.changed]
        yield f'UPDATE "{table}" SET {setting} WHERE {where}', rows


def _where(names: Sequence[str], place: str) -> str:
    return " AND ".join(f'"{name}" = {place}' for name in names)


def _value(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, dict | list) else value
