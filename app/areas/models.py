"""Tables of territory."""

from datetime import date

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from app.areas.words import Level
from app.kit.columns import Code, EnumText


class Area(SQLModel, table=True):
    """A node of the official tree. A code that was given up keeps its row, with `valid_to` set."""

    __tablename__ = "area"
    __table_args__ = (
        Index("ix_area_parent_code", "parent_code", "code"),
        Index("ix_area_level_code", "level", "code"),
        Index("ix_area_search_name_code", "search_name", "code"),
    )

    code: str = Field(primary_key=True, sa_type=Code(13))
    name: str = Field(max_length=120)
    search_name: str = Field(sa_type=Code(120))
    """The name as people type it: lower case, letters and digits only (`tapaan`, `kandangsapi`)."""
    level: Level = Field(sa_type=EnumText(Level))
    parent_code: str | None = Field(default=None, foreign_key="area.code", sa_type=Code(13))
    time_zone: str = Field(max_length=40)
    """IANA name; "today" and working days are judged in it."""
    valid_from: date | None = None
    valid_to: date | None = None
    """The last day the code was in force; None while it is."""
    predecessor_code: str | None = Field(default=None, sa_type=Code(13))
    """The code this area had before, where it was recoded."""
    postal_code: str | None = Field(default=None, max_length=5)
    latitude: float | None = None
    longitude: float | None = None
