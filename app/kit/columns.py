"""Column types that mean the same on SQLite and PostgreSQL."""

from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import JSON, ColumnElement, DateTime, Dialect, String, Table, bindparam, inspect
from sqlalchemy.dialects.postgresql import JSONB, VARCHAR
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import SQLModel

Member = TypeVar("Member", bound=StrEnum)

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}  # a constraint without a name could not be dropped by a later migration

Document = JSON().with_variant(JSONB(), "postgresql")
"""A JSON document."""


def table_of(model: type[SQLModel]) -> Table:
    """A model's table, apart from its mapping: reading and writing it makes no objects of the model."""
    table: Table = inspect(model).local_table
    return table


def columns_of(model: type[SQLModel]) -> Any:
    """The columns of a model's table, by name."""
    return table_of(model).c


def among(column: Any, name: str, *, is_one: bool) -> ColumnElement[bool]:
    """Whether the column is one of the values bound under this name; where there is but one, in a plainer statement."""
    condition: ColumnElement[bool] = (
        column == bindparam(name) if is_one else column.in_(bindparam(name, expanding=True))
    )
    return condition


def bound(values: Collection[Any]) -> Any:
    """The values as the parameter of `among`."""
    return next(iter(values)) if len(values) == 1 else list(values)


def Code(length: int) -> TypeEngine[str]:  # noqa: N802 - reads as the type it makes
    """A short code compared byte by byte, so that "everything below 35.75" is one range on every database."""
    return String(length).with_variant(VARCHAR(length, collation="C"), "postgresql")


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime; a naive one is refused, because it would be somebody's local time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class EnumText(TypeDecorator[Member]):
    """An enum stored by value in a text column: no native type, so adding a member needs no migration."""

    impl = String
    cache_ok = True

    def __init__(self, members: type[Member], length: int = 32) -> None:
        self.members = members
        super().__init__(length)

    @property
    def python_type(self) -> type[Member]:
        return self.members

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else self.members(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> Member | None:
        return None if value is None else self.members(value)
