"""Keyset pages: newest first, no COUNT, a cursor that names the last row seen."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import Select, TypeDecorator, tuple_
from sqlalchemy.types import TypeEngine

from app.kit.refusals import InvalidRequest

ItemT = TypeVar("ItemT")
SelectT = TypeVar("SelectT", bound=Select[*tuple[Any, ...]])

MAXIMUM = 200


class BadCursor(InvalidRequest):
    code, title, judul = "bad_cursor", "This cursor was not given by us", "Penanda halaman tidak dikenal"


class Page(BaseModel, Generic[ItemT]):
    """One page of a list."""

    items: list[ItemT]
    next: str | None = Field(description="Give it as `after` to read on; null on the last page.")


@dataclass(frozen=True)
class Slice:
    """Which part of a list is asked for."""

    limit: int
    after: str | None

    def apply(self, statement: SelectT, *keys: Any, descending: bool = True) -> SelectT:
        """The statement ordered by `keys` (unique together), from behind the cursor, one row longer than the page."""
        ordered = statement.order_by(*(key.desc() if descending else key.asc() for key in keys)).limit(self.limit + 1)
        seen = self.seen(*keys)
        if seen is None:
            return ordered
        place = tuple_(*keys)
        return ordered.where(place < seen if descending else place > seen)

    def seen(self, *keys: Any) -> tuple[Any, ...] | None:
        """What the cursor says of the last row of the page before; None on the first page."""
        return None if self.after is None else _decode(self.after, keys)

    def cut(self, rows: Sequence[ItemT], *keys: str) -> tuple[Sequence[ItemT], str | None]:
        """The rows of this page, and the cursor of the next one; `keys` are the rows' attributes, in order."""
        if len(rows) <= self.limit:
            return rows, None
        last = rows[self.limit - 1]
        return rows[: self.limit], encode([getattr(last, key) for key in keys])


async def _slice(
    limit: Annotated[int, Query(ge=1, le=MAXIMUM, description="Items on a page.")] = 50,
    after: Annotated[str | None, Query(max_length=400, description="The `next` of the page before.")] = None,
) -> Slice:
    return Slice(limit, after)


Slicing = Annotated[Slice, Depends(_slice)]


def encode(values: Sequence[Any]) -> str:
    """The cursor of a row with these keys."""
    text = json.dumps([value.isoformat() if hasattr(value, "isoformat") else str(value) for value in values])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str, keys: Sequence[Any]) -> tuple[Any, ...]:
    try:
        texts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(texts, list) or len(texts) != len(keys) or not all(isinstance(each, str) for each in texts):
            raise ValueError(cursor)
        return tuple(_typed(text, _kind(key.type)) for text, key in zip(texts, keys, strict=True))
    except (ValueError, OverflowError, RecursionError) as error:
        raise BadCursor from error


def _kind(column_type: TypeEngine[Any]) -> type[Any]:
    """What a key of this type is in Python; a decorated type that does not say is what it decorates."""
    kind: type[Any] = column_type.python_type
    if kind is object and isinstance(column_type, TypeDecorator):
        return _kind(column_type.impl_instance)
    return kind


def _typed(text: str, kind: type[Any]) -> Any:
    value = kind.fromisoformat(text) if hasattr(kind, "fromisoformat") else kind(text)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a naive moment")
        value = value.astimezone(UTC)
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("too large a number")
    if isinstance(value, str) and (not value.isprintable()):
        raise ValueError("not a key")
    return value
