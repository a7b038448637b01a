"""Tables of the journal."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.kit.columns import Code, Document, Moment


class LogHead(SQLModel, table=True):
    """How far one kelurahan's log reaches. Its row lock makes writers of one kelurahan take turns."""

    __tablename__ = "log_head"

    log: str = Field(primary_key=True, sa_type=Code(13))
    position: int = 0
    next_number: int = 1
    """The next number that a problem of this kelurahan is given, the part behind its code."""
    floor: int = 0
    """Up to this position, marks of what has gone were swept away: who read no further has to begin anew."""


class Entry(SQLModel, table=True):
    """A fact in its log. Rows are only ever added."""

    __tablename__ = "journal_entry"
    __table_args__ = (UniqueConstraint("subject", "version"), Index("ix_journal_entry_at", "at"))

    log: str = Field(primary_key=True, sa_type=Code(13), foreign_key="log_head.log")
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    subject: UUID
    version: int
    kind: str = Field(max_length=64)
    kind_version: int = 1
    at: datetime = Field(sa_type=Moment)
    happened_at: datetime | None = Field(default=None, sa_type=Moment)
    account_id: UUID | None = None
    author: dict[str, Any] = Field(sa_type=Document)
    data: dict[str, Any] = Field(sa_type=Document)


class Text(SQLModel, table=True):
    """Free text of a fact, apart from it, so that it can be erased and the log stays whole."""

    __tablename__ = "journal_text"

    id: UUID = Field(primary_key=True)
    salt: str = Field(max_length=32)
    body: str


class Administration(SQLModel, table=True):
    """What an admin did: the journal of administration, apart from the logs of problems."""

    __tablename__ = "administration_entry"

    id: UUID = Field(primary_key=True)
    at: datetime = Field(sa_type=Moment, index=True)
    account_id: UUID | None = Field(default=None, index=True)
    post_id: UUID | None = None
    kind: str = Field(max_length=64)
    subject: str = Field(max_length=200)
    data: dict[str, Any] = Field(sa_type=Document)
