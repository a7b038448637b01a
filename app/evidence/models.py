"""Tables of evidence."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from app.kit.columns import Moment


class Photo(SQLModel, table=True):
    """A photo that is stored, or still awaited. The record that owns it decides who may see it.

    What phones recorded offline may name a photo before its bytes come; until then only id, hash and size are known.
    """

    __tablename__ = "photo"

    id: UUID = Field(primary_key=True)
    sha256: str = Field(max_length=64, index=True)
    """Of the bytes as they were sent."""
    perceptual_hash: str | None = Field(default=None, max_length=16, index=True)
    """What the picture looks like, in 64 bits: the same for a copy that was scaled or saved again."""
    width: int | None = None
    height: int | None = None
    size: int
    """Bytes of the stored picture; while it is awaited, of what was promised."""
    media_type: str = Field(max_length=40)
    stored_name: str | None = Field(default=None, max_length=80, unique=True)
    """None while the bytes are awaited."""
    thumbnail_name: str | None = Field(default=None, max_length=80)
    account_id: UUID | None = None
    """Who sent it; None for the system."""
    created_at: datetime = Field(sa_type=Moment)

    @property
    def is_awaited(self) -> bool:
        """Whether its bytes are still to come."""
        return self.stored_name is None
