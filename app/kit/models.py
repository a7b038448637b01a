"""The kit's tables: answers kept so that a request sent twice has effect once, and the reference data's edition."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from app.kit.columns import Moment


class RememberedAnswer(SQLModel, table=True):
    """The first answer to a request that named itself, by Idempotency-Key or by an id the client chose."""

    __tablename__ = "remembered_answer"

    account_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True, max_length=200)
    fingerprint: str = Field(max_length=64)
    """SHA-256 of method, path, post and body: the same key with another request is refused."""
    status: int
    body: str
    at: datetime = Field(sa_type=Moment, index=True)


class ReferenceEdition(SQLModel, table=True):
    """One row, which triggers change with every change of areas, agencies, categories, limits and the calendar."""

    __tablename__ = "reference_edition"

    id: int = Field(default=1, primary_key=True)
    edition: str = Field(max_length=36)
