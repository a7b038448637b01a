"""Pages that the database renders: a row becomes JSON where it lies, and passes through this process as text.

Half of what a list costs is making objects of its rows and JSON of the objects (docs/performance.md tells how much).
What a page looks like stays declared by its model, which the document shows and a test holds against the rendered rows.
"""

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Generic, TypeVar

from fastapi import Response
from sqlalchemy import Boolean, ColumnElement, String, Uuid, case, cast, func, literal_column, type_coerce
from sqlmodel import Session

from app.kit.columns import Moment
from app.kit.paging import Slice, encode

ItemT = TypeVar("ItemT")

_NO_FRACTION = (literal_column("'.000000'"), literal_column("''"))
"""Whole seconds are written without a fraction, as pydantic writes them."""


def dialect_of(session: Session) -> str:
    """The database that will render."""
    return session.get_bind().dialect.name


def as_object(dialect: str, members: Mapping[str, Any]) -> ColumnElement[str]:
    """A row as the text of a JSON object with these members; to be made once, for it costs more than to run it."""
    is_postgresql = dialect == "postgresql"
    member = _on_postgresql if is_postgresql else _on_sqlite
    pairs = [part for name, column in members.items() for part in (literal_column(f"'{name}'"), member(column))]
    rendered = func.json_build_object(*pairs) if is_postgresql else func.json_object(*pairs)
    return cast(rendered, String).label("item")


def _on_postgresql(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, Moment):
        shape: ColumnElement[str] = literal_column('\'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\'')
        return func.replace(func.to_char(func.timezone(literal_column("'UTC'"), column), shape), *_NO_FRACTION)
    return column


def _on_sqlite(column: ColumnElement[Any]) -> ColumnElement[Any]:
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
