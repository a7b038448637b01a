"""The arithmetic of working days, pure: no database, no clock."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

from holidays import GOVERNMENT, PUBLIC, country_holidays

from app.workdays.words import DayKind

_SATURDAY = 5
_END_OF_DAY = time(23, 59, 59)


@dataclass(frozen=True)
class SpecialDay:
    """A day that is not what its weekday promises, and why."""

    day: date
    name: str
    kind: DayKind

    @property
    def working(self) -> bool:
        return self.kind is DayKind.OPENED


@lru_cache(maxsize=128)
def national_days(year: int) -> Mapping[date, SpecialDay]:
    """National holidays and collective leave of a year; for a year without a decree yet, what can be foreseen."""
    days: dict[date, SpecialDay] = {}
    for category, kind in (GOVERNMENT, DayKind.JOINT_LEAVE), (PUBLIC, DayKind.NATIONAL_HOLIDAY):
        known = country_holidays("ID", years=year, categories=category, language="id")
        days |= {day: SpecialDay(day, name, kind) for day, name in known.items()}
    return MappingProxyType(days)


@lru_cache(maxsize=128)
def _national_working_days(year: int) -> tuple[date, ...]:
    first, last = date(year, 1, 1), date(year, 12, 31)
    days = (first + timedelta(days=count) for count in range((last - first).days + 1))
    return tuple(day for day in days if _is_working_nationally(day))


def _is_working_nationally(day: date) -> bool:
    return day.weekday() < _SATURDAY and day not in national_days(day.year)


class Calendar:
    """The working days of one place: weekdays without holidays and collective leave, and what was decided there."""

    def __init__(self, zone: ZoneInfo, decided: Mapping[date, SpecialDay] | None = None) -> None:
        self.zone = zone
        self._decided = dict(decided or {})
        self._years: dict[int, tuple[date, ...]] = {}

    def is_working(self, day: date) -> bool:
        """Whether offices work that day."""
        if day in self._decided:
            return self._decided[day].working
        return _is_working_nationally(day)

    def special_days(self, year: int) -> list[SpecialDay]:
        """The days of a year that are not what their weekday promises, in order; what was decided here counts."""
        days = {**national_days(year), **{day: special for day, special in self._decided.items() if day.year == year}}
        return [days[day] for day in sorted(days)]

    def local_day(self, moment: datetime) -> date:
        """The day it is here at that moment."""
        return moment.astimezone(self.zone).date()

    def end_of(self, day: date) -> datetime:
        """The last second of a day here, in UTC."""
        return datetime.combine(day, _END_OF_DAY, self.zone).astimezone(UTC)

    def add(self, day: date, count: int) -> date:
        """The count-th working day after `day`, or before it where count is negative; for 0 the day itself."""
        if count == 0:
            return day
        year = day.year
        days = self.working_days(year)
        place = bisect_right(days, day) - 1 + count if count > 0 else bisect_left(days, day) + count
        while place < 0:
            year -= 1
            days = self.working_days(year)
            place += len(days)
        while place >= len(days):
            place -= len(days)
            year += 1
            days = self.working_days(year)
        return days[place]

    def due(self, start: datetime, working_days: int) -> datetime:
        """The end, in UTC, of the n-th working day after the day that `start` falls on here."""
        return self.end_of(self.add(self.local_day(start), working_days))

    def working_days_between(self, start: datetime, end: datetime) -> int:
        """The working days after the day of `start`, the day of `end` included; negative where `end` is earlier."""
        return self._count_until(self.local_day(start), self.local_day(end))

    def _count_until(self, first: date, last: date) -> int:
        if last < first:
            return -self._count_until(last, first)
        whole_years = sum(len(self.working_days(year)) for year in range(first.year, last.year))
        skipped = bisect_right(self.working_days(first.year), first)
        return whole_years + bisect_right(self.working_days(last.year), last) - skipped

    def working_days(self, year: int) -> tuple[date, ...]:
        """The working days of a year, in order."""
        if year not in self._years:
            decided = {day: special.working for day, special in self._decided.items() if day.year == year}
            untouched = (day for day in _national_working_days(year) if day not in decided)
            opened = (day for day, working in decided.items() if working)
            self._years[year] = tuple(sorted([*untouched, *opened]))
        return self._years[year]
