"""Wire shapes of time."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from app.kit.words import In, Out
from app.workdays.words import DayKind, LimitAmount, Note, Stage, Unit


class DueOut(Out):
    """The day on which so many working days are over."""

    area: str = Field(examples=["35.75"])
    from_: date = Field(serialization_alias="from", description="Not counted itself.", examples=["2025-02-20"])
    days: int = Field(examples=[99])
    due_on: date = Field(examples=["2025-07-31"])
    due_at: datetime = Field(description="The last second of that day there.", examples=["2025-07-31T16:59:59Z"])


class SpecialDayOut(Out):
    """A day that is not what its weekday promises."""

    day: date = Field(examples=["2025-03-28"])
    name: str = Field(examples=["Cuti Bersama Hari Suci Nyepi"])
    kind: DayKind
    kind_label: str = Field(examples=["Cuti bersama"])
    working: bool = Field(description="Whether offices work that day.")


class CalendarOut(Out):
    """A year of one area."""

    area: str = Field(examples=["35.75"])
    time_zone: str = Field(examples=["Asia/Jakarta"])
    year: int = Field(examples=[2025])
    working_days: int = Field(description="How many the year has.", examples=[237])
    days: list[SpecialDayOut]


class OverrideIn(In):
    """What is decided for a day."""

    working: bool = Field(description="false: the day is off. true: offices work, though it is a weekend or a holiday.")
    note: Note


class OverrideOut(Out):
    """A day decided against the national calendar."""

    id: UUID
    day: date = Field(examples=["2026-02-09"])
    area: str | None = Field(
        description="The area it holds for, with all below it; null: everywhere.", examples=["35.75"]
    )
    working: bool
    note: str = Field(examples=["Hari Jadi Kota Pasuruan"])


class LimitIn(In):
    """How long a stage may take."""

    amount: LimitAmount
    unit: Unit


class LimitOut(Out):
    """How long a stage may take for problems of one class."""

    class_: str = Field(serialization_alias="class", examples=["ordinary"])
    stage: Stage
    stage_label: str = Field(examples=["Penyelesaian"])
    amount: int = Field(examples=[14])
    unit: Unit
    unit_label: str = Field(examples=["hari kerja"])
