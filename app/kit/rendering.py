"""What the database renders as JSON, instead of handing out rows that are made into objects here.

Two uses. A page of a list passes through this process as text: half of what a list costs is making objects of its rows
and JSON of the objects (docs/performance.md tells how much); what an item looks like stays declared by its model, and a
test holds the rendered items against it. A record with a hundred columns arrives as one text, because each column of a
result costs as much as a short statement does.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import reduce
from typing import Any, Generic, TypeVar
from uuid import UUID

from fastapi import Response
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Date,
    Float,
    String,
    Uuid,
    case,
    cast,
    func,
    literal_column,
    select,
    type_coerce,
)

from app.kit.columns import EnumText, Moment
from app.kit.paging import Slice, encode

ItemT = TypeVar("ItemT")

_NO_FRACTION: tuple[Any, Any] = (literal_column("'.000000'"), literal_column("''"))
"""Whole seconds are written without a fraction, as pydantic writes them."""


def as_object(dialect: str, members: Mapping[str, Any]) -> ColumnElement[str]:
    """A row as the text of a JSON object for clients; to be made once, for that costs more than to run it."""
    return cast(object_of(dialect, members), String).label("item")


def object_of(dialect: str, members: Mapping[str, Any]) -> Any:
    """A row as a JSON object that can itself be a member of another."""
    is_postgresql = dialect == "postgresql"
    shown = _shown_by_postgresql if is_postgresql else _shown_by_sqlite
    pairs: list[Any] = []
    for name, column in members.items():
        pairs += [literal_column(f"'{name}'"), column.json if isinstance(column, Nested) else shown(column)]
    return func.json_build_object(*pairs) if is_postgresql else func.json_object(*pairs)


@dataclass(frozen=True)
class Nested:
    """A member that is JSON already."""

    json: Any


def list_of(dialect: str, item: Any, rows: Any) -> Nested:
    """One item for each of the rows (a statement's `FROM` in its order), as a JSON array."""
    gather = func.json_agg if dialect == "postgresql" else func.json_group_array
    gathered = select(gather(item)).select_from(rows).scalar_subquery()
    if dialect == "postgresql":
        return Nested(func.coalesce(gathered, literal_column("'[]'::json")))
    return Nested(func.json(gathered))


def shown(dialect: str, column: Any) -> Any:
    """A column as a JSON value for clients."""
    return _shown_by_postgresql(column) if dialect == "postgresql" else _shown_by_sqlite(column)


def _shown_by_postgresql(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, Moment):
        shape: ColumnElement[str] = literal_column('\'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\'')
        return func.replace(func.to_char(func.timezone(literal_column("'UTC'"), column), shape), *_NO_FRACTION)
    return column


def _shown_by_sqlite(column: ColumnElement[Any]) -> ColumnElement[Any]:
    text = type_coerce(column, String)
    if isinstance(column.type, Moment):
        return func.replace(func.replace(text, " ", "T"), *_NO_FRACTION) + "Z"
    if isinstance(column.type, Uuid):
        places = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        parts = [func.substr(text, start, length, type_=String) for start, length in places]
        return reduce(lambda left, right: left + "-" + right, parts)
    if isinstance(column.type, Boolean):
        return func.json(case((column, "true"), else_="false"))
    return column


class Record:
    """Columns that travel as one JSON array from the database into this process, and are values again here."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = list(columns.values())
        self._values = [(name, _value_of(column.type)) for name, column in columns.items()]

    def one(self, dialect: str) -> ColumnElement[str]:
        """The record of a row."""
        return cast(self._packed(dialect), String)

    def many(self, dialect: str) -> ColumnElement[str]:
        """The records of all rows of an aggregate, in no order."""
        gather = func.json_agg if dialect == "postgresql" else func.json_group_array
        return cast(gather(self._packed(dialect)), String)

    def _packed(self, dialect: str) -> Any:
        if dialect == "postgresql":
            return func.json_build_array(*self._columns)
        return func.json_array(*(_packed_by_sqlite(column) for column in self._columns))

    def read(self, text: str) -> dict[str, Any]:
        """The values of one record."""
        return self._read(json.loads(text))

    def read_many(self, text: str | None) -> list[dict[str, Any]]:
        """The values of many; nothing where there were none."""
        return [self._read(each) for each in json.loads(text)] if text else []

    def _read(self, packed: list[Any]) -> dict[str, Any]:
        return {
            name: each if value is None or each is None else value(each)
            for (name, value), each in zip(self._values, packed, strict=True)
        }


def _packed_by_sqlite(column: Any) -> Any:
    """SQLite writes fifteen digits of a number into JSON; seventeen are needed to read the same one back."""
    if isinstance(column.type, Float):
        return case((column.is_not(None), func.printf(literal_column("'%!.17g'"), column)))
    return column


def _value_of(kind: Any) -> Callable[[Any], Any] | None:
    """How a value of a column is read from JSON; None where it is what JSON gives."""
    if isinstance(kind, EnumText):
        return kind.members
    if isinstance(kind, Moment):
        return _moment
    for type_, value in ((Uuid, UUID), (Date, date.fromisoformat), (Boolean, bool), (Float, float)):
        if isinstance(kind, type_):
            return value
    return None


def _moment(text: str) -> datetime:
    """PostgreSQL writes an offset; what SQLite keeps is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class RenderedPage(Generic[ItemT]):
    """A page of items that are JSON already."""

    def __init__(self, items: Sequence[str], after: str | None) -> None:
        self.items = items
        self.next = after

    def response(self, headers: Mapping[str, str]) -> Response:
        """The page as an answer, in the shape of `Page`."""
        body = f'{{"items":[{",".join(self.items)}],"next":{json.dumps(self.next)}}}'
        return Response(body, media_type="application/json", headers=dict(headers))


def cut(items: Sequence[str], page: Slice, *keys: str) -> RenderedPage[Any]:
    """The items of this page, of one more that was read; the cursor is what the last one says under `keys`."""
    if len(items) <= page.limit:
        return RenderedPage(items, None)
    shown = items[: page.limit]
    last = json.loads(shown[-1])
    return RenderedPage(shown, encode([last[key] for key in keys]))
