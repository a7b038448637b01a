"""Tables of synchronising."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.kit.columns import Code, Document, EnumText, Moment
from app.sync.words import Outcome, Settlement


class SyncDevice(SQLModel, table=True):
    """An app on a phone, under one account; a phone that changes hands is another row."""

    __tablename__ = "sync_device"
    __table_args__ = (Index("ix_sync_device_area", "area_code", "last_contact_at"),)

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    id: UUID = Field(primary_key=True)
    name: str = Field(max_length=120)
    area_code: str | None = Field(default=None, sa_type=Code(13))
    """The area of the post it last spoke for."""
    schema_version: int
    accepted: int = 0
    """The number of the last operation taken from it; numbers have no gap."""
    safe: int = 0
    """Operations up to this number are in a backup."""
    waiting: int = 0
    """Operations it still held when it last spoke."""
    waiting_since: datetime | None = Field(default=None, sa_type=Moment)
    """When the oldest of them was recorded, by its clock."""
    skew_seconds: int | None = None
    """How far its clock was ahead of ours."""
    first_contact_at: datetime = Field(sa_type=Moment)
    last_contact_at: datetime = Field(sa_type=Moment)
    revoked_at: datetime | None = Field(default=None, sa_type=Moment)
    """From here on it is told to erase what it holds."""


class SyncContact(SQLModel, table=True):
    """When a device last spoke for a post of an area: one phone may speak for several, and is missed in each."""

    __tablename__ = "sync_contact"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "device_id"], ["sync_device.account_id", "sync_device.id"]),
        Index("ix_sync_contact_area", "area_code", "at"),
    )

    account_id: UUID = Field(primary_key=True)
    device_id: UUID = Field(primary_key=True)
    area_code: str = Field(primary_key=True, sa_type=Code(13))
    at: datetime = Field(sa_type=Moment)
    """Accurate to ten minutes."""


class SyncOperation(SQLModel, table=True):
    """An operation that was taken, and what became of it: its answer if it comes again."""

    __tablename__ = "sync_operation"
    __table_args__ = (UniqueConstraint("account_id", "device_id", "number"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID
    device_id: UUID
    number: int
    fingerprint: str = Field(max_length=64)
    """SHA-256 of the operation: the same id with another body is refused."""
    outcome: Outcome = Field(sa_type=EnumText(Outcome))
    problem_id: UUID
    version: int | None = None
    """Of the problem, once the operation had its effect."""
    refusal: dict[str, Any] | None = Field(default=None, sa_type=Document)
    proposal_id: UUID | None = None
    received_at: datetime = Field(sa_type=Moment)


class _Waiting(SQLModel):
    """What waits for a person, and what it keeps of the operation it came with."""

    id: UUID = Field(primary_key=True)
    """The operation's."""
    verb: str = Field(max_length=64)
    base: int
    """The version its author knew."""
    account_id: UUID
    author: str = Field(max_length=160)
    post: str = Field(max_length=40)
    recorded_at: datetime = Field(sa_type=Moment)
    received_at: datetime = Field(sa_type=Moment)
    settlement: Settlement | None = Field(default=None, sa_type=EnumText(Settlement))
    settled_at: datetime | None = Field(default=None, sa_type=Moment)
    settled_by: str | None = Field(default=None, max_length=160)


class Quarantined(_Waiting, table=True):
    """An operation that was refused, kept whole until a person adopts or dismisses it."""

    __tablename__ = "sync_quarantined"
    __table_args__ = (
        Index("ix_sync_quarantined_log", "log", "received_at", "id"),
        Index("ix_sync_quarantined_author", "account_id", "received_at", "id"),
        Index("ix_sync_quarantined_sender", "account_id", "device_id", "problem_id"),
        Index("ix_sync_quarantined_problem", "problem_id"),
    )

    log: str | None = Field(default=None, sa_type=Code(13))
    """The kelurahan it concerns; None where it names none that there is."""
    problem_id: UUID
    assignment_id: UUID | None = None
    data: dict[str, Any] = Field(sa_type=Document)
    refusal: dict[str, Any] = Field(sa_type=Document)
    device_id: UUID


class Proposal(_Waiting, table=True):
    """Values that came late: somebody else had changed the same fields meanwhile, and a person decides."""

    __tablename__ = "sync_proposal"
    __table_args__ = (
        Index("ix_sync_proposal_log", "log", "received_at", "id"),
        Index("ix_sync_proposal_author", "account_id", "received_at", "id"),
        Index("ix_sync_proposal_problem", "problem_id"),
    )

    log: str = Field(sa_type=Code(13))
    problem_id: UUID = Field(foreign_key="problem.id")
    yours: dict[str, Any] = Field(sa_type=Document)
    """The proposed values, by field."""


class Delivery(SQLModel, table=True):
    """How far a post of the kecamatan holds a log: the furthest cursor that came back from it."""

    __tablename__ = "sync_delivery"

    log: str = Field(primary_key=True, sa_type=Code(13))
    post_id: UUID = Field(primary_key=True)
    position: int
    at: datetime = Field(sa_type=Moment)


class Receipt(SQLModel, table=True):
    """How far a person at the kecamatan took note of a log."""

    __tablename__ = "sync_receipt"

    log: str = Field(primary_key=True, sa_type=Code(13))
    position: int
    at: datetime = Field(sa_type=Moment)
    account_id: UUID
    post: str = Field(max_length=40)


class Silence(SQLModel, table=True):
    """A kelurahan that has not been heard of for too long, from when that was noticed until it speaks again."""

    __tablename__ = "sync_silence"

    log: str = Field(primary_key=True, sa_type=Code(13))
    at: datetime = Field(sa_type=Moment)


class Upload(SQLModel, table=True):
    """A photo whose bytes are coming; its real size is that of its file. Its id becomes the photo's."""

    __tablename__ = "sync_upload"
    __table_args__ = (Index("ix_sync_upload_expires", "expires_at"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID
    size: int
    """Declared, in bytes."""
    sha256: str = Field(max_length=64)
    """Declared, of the whole."""
    created_at: datetime = Field(sa_type=Moment)
    expires_at: datetime = Field(sa_type=Moment)
    completed_at: datetime | None = Field(default=None, sa_type=Moment)
