"""Office hours: the demo town's life is told in working days and hours, so that it reads the same on any day."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from app.workdays.calendar import Calendar

MINUTES_A_DAY = 8 * 60
_OPENS_AT = time(8, 0)
_LATEST = MINUTES_A_DAY - 1
_SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?")


def minutes_of(span: str) -> int:
    """Working minutes of a span such as `2d3h` or `40m`; a day has eight hours."""
    match = _SPAN.fullmatch(span)
    if match is None or not span:
        raise ValueError(f"a span looks like 2d3h10m, not {span!r}")
    days, hours, minutes = (int(part or 0) for part in match.groups())
    return days * MINUTES_A_DAY + hours * 60 + minutes


@dataclass(frozen=True)
class OfficeHours:
    """Looks back from a moment through the hours that offices work."""

    calendar: Calendar
    now: datetime

    def back(self, minutes: int) -> datetime:
        """The moment so many working minutes ago; for 0 the latest minute in which offices worked."""
        local = self.now.astimezone(self.calendar.zone)
        today = local.date()
        opened = datetime.combine(today, _OPENS_AT, self.calendar.zone)
        worked = int((local - opened).total_seconds() // 60)
        if not self.calendar.is_working(today) or worked < 0:
            today, worked = self.calendar.add(today, -1), _LATEST
        days, minute = divmod(min(worked, _LATEST) - minutes, MINUTES_A_DAY)
        day = self.calendar.add(today, days)
        return (datetime.combine(day, _OPENS_AT, self.calendar.zone) + timedelta(minutes=minute)).astimezone(UTC)
