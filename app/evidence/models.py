"""Tables of evidence."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from app.kit.columns import Moment


class Photo(SQLModel, table=True):
    """A photo that is stored. The record that owns it decides who may see it."""

    __tablename__ = "photo"

    id: UUID = Field(primary_key=True)
    sha256: str = Field(max_length=64, index=True)
    """Of the bytes as they were sent."""
    perceptual_hash: str = Field(max_length=16, index=True)
    """What the picture looks like, in 64 bits: the same for a copy that was scaled or saved again."""
    width: int
    height: int
    size: int
    """Bytes of the stored picture."""
    media_type: str = Field(max_length=40)
    stored_name: str = Field(max_length=80, unique=True)
    thumbnail_name: str = Field(max_length=80)
    account_id: UUID | None = None
    """Who sent it; None for the system."""
    created_at: datetime = Field(sa_type=Moment)
