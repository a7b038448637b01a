"""Tables of time."""

from datetime import date
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from app.kit.columns import Code, EnumText
from app.workdays.words import Stage, Unit


class CalendarOverride(SQLModel, table=True):
    """A day that is off, or worked, against the national calendar; in an area and all below it, or everywhere."""

    __tablename__ = "calendar_override"
    __table_args__ = (
        Index("uq_calendar_override_area_day", "area_code", "day", unique=True),
        Index(
            "uq_calendar_override_everywhere",
            "day",
            unique=True,
            sqlite_where=text("area_code IS NULL"),
            postgresql_where=text("area_code IS NULL"),
        ),
        Index("ix_calendar_override_day_id", "day", "id"),
    )

    id: UUID = Field(primary_key=True)
    day: date
    area_code: str | None = Field(default=None, foreign_key="area.code", sa_type=Code(13))
    working: bool
    note: str = Field(max_length=200)


class Limit(SQLModel, table=True):
    """How long a stage may take for problems of one class."""

    __tablename__ = "time_limit"

    class_code: str = Field(primary_key=True, max_length=32)
    stage: Stage = Field(primary_key=True, sa_type=EnumText(Stage))
    amount: int
    unit: Unit = Field(sa_type=EnumText(Unit))
