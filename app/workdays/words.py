"""Words of time: the stages that have a limit, its units, and why a day is off."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app.kit.words import Line


class Stage(StrEnum):
    """A stretch of a problem's way that must not take longer than its limit."""

    ENDORSE = "endorse"
    ACCEPT = "accept"
    ANSWER = "answer"
    RESOLVE = "resolve"
    CONFIRM = "confirm"
    CLARIFY = "clarify"

    @property
    def label(self) -> str:
        return {
            "endorse": "Persetujuan lurah",
            "accept": "Verifikasi kecamatan",
            "answer": "Tanggapan pertama perangkat daerah",
            "resolve": "Penyelesaian",
            "confirm": "Konfirmasi hasil",
            "clarify": "Kelengkapan dari kelurahan",
        }[self]


class Unit(StrEnum):
    """What a limit is counted in."""

    WORKING_DAYS = "working_days"
    HOURS = "hours"

    @property
    def label(self) -> str:
        return {"working_days": "hari kerja", "hours": "jam"}[self]


class DayKind(StrEnum):
    """Why a day differs from a plain weekday or weekend."""

    NATIONAL_HOLIDAY = "national_holiday"
    JOINT_LEAVE = "joint_leave"
    CLOSED = "closed"
    OPENED = "opened"

    @property
    def label(self) -> str:
        return {
            "national_holiday": "Libur nasional",
            "joint_leave": "Cuti bersama",
            "closed": "Diliburkan",
            "opened": "Tetap masuk kerja",
        }[self]


FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 12, 31)

Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
"""A day the calendar can speak about."""

Year = Annotated[int, Field(ge=FIRST_DAY.year, le=LAST_DAY.year)]

DayCount = Annotated[int, Field(ge=1, le=1_000)]

LimitAmount = Annotated[int, Field(ge=1, le=1_000)]

ClassCode = Annotated[str, Field(pattern=r"^[a-z_]{1,32}$", examples=["ordinary"])]

Note = Annotated[
    Line, Field(max_length=200, description="The decree or the occasion.", examples=["Hari Jadi Kota Pasuruan"])
]
