"""Tables of people."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from app.kit.columns import Code, Document, EnumText, Moment
from app.people.words import PostKind


class Account(SQLModel, table=True):
    """Someone who can log in."""

    __tablename__ = "account"

    id: UUID = Field(primary_key=True)
    username: str = Field(unique=True, sa_type=Code(64))
    name: str = Field(max_length=120)
    password_hash: str = Field(max_length=200)
    must_change_password: bool = False
    """Whether the password is a one-time password, good for choosing another and nothing else."""
    created_at: datetime = Field(sa_type=Moment)
    disabled_at: datetime | None = Field(default=None, sa_type=Moment)


class Post(SQLModel, table=True):
    """An office held by someone for a time. The office goes on when its holder changes; this row does not."""

    __tablename__ = "post"
    __table_args__ = (
        Index("ix_post_account", "account_id", "since"),
        Index("ix_post_area", "area_code", "kind"),
        Index("ix_post_agency", "agency_code", "kind"),
        Index("ix_post_kind", "kind", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    kind: PostKind = Field(sa_type=EnumText(PostKind))
    area_code: str | None = Field(default=None, foreign_key="area.code", sa_type=Code(13))
    agency_code: str | None = Field(default=None, foreign_key="agency.code", sa_type=Code(20))
    acting: bool = False
    """Held for someone else or until somebody is appointed: Plt or Plh."""
    since: datetime = Field(sa_type=Moment)
    until: datetime | None = Field(default=None, sa_type=Moment)
    """The moment it stopped, or will stop, being held; None while no end is known."""


class DeviceSession(SQLModel, table=True):
    """One device that is logged in. The token itself is known to the device alone."""

    __tablename__ = "device_session"
    __table_args__ = (Index("ix_device_session_account", "account_id", "id"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    token_hash: str = Field(max_length=64, unique=True)
    """SHA-256 of the token, in hexadecimal."""
    device: str = Field(max_length=120)
    created_at: datetime = Field(sa_type=Moment)
    expires_at: datetime = Field(sa_type=Moment)
    last_used_at: datetime = Field(sa_type=Moment)
    """Accurate to ten minutes."""
    revoked_at: datetime | None = Field(default=None, sa_type=Moment)


class ApiKey(SQLModel, table=True):
    """What a system of an agency shows instead of a login. The key itself is known to that system alone."""

    __tablename__ = "api_key"
    __table_args__ = (Index("ix_api_key_agency", "agency_code", "id"),)

    id: UUID = Field(primary_key=True)
    agency_code: str = Field(foreign_key="agency.code", sa_type=Code(20))
    name: str = Field(max_length=120)
    """What the agency calls the system that holds it."""
    prefix: str = Field(max_length=16)
    """The beginning of the key, by which people tell keys apart."""
    token_hash: str = Field(max_length=64, unique=True)
    """SHA-256 of the key, in hexadecimal."""
    verbs: list[Any] = Field(sa_type=Document)
    """The `KeyVerb`s it may do, by value."""
    created_at: datetime = Field(sa_type=Moment)
    created_by: UUID | None = Field(default=None, foreign_key="account.id")
    expires_at: datetime | None = Field(default=None, sa_type=Moment)
    last_used_at: datetime | None = Field(default=None, sa_type=Moment)
    """Accurate to ten minutes."""
    revoked_at: datetime | None = Field(default=None, sa_type=Moment)
