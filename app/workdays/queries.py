"""Reading time."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlmodel import Session, col

from app.areas import queries as areas
from app.areas.words import ancestors_of
from app.kit import shelves
from app.kit.paging import Page, Slice
from app.workdays.calendar import Calendar, SpecialDay
from app.workdays.limits import Allowance, Limits
from app.workdays.models import CalendarOverride, Limit
from app.workdays.schemas import CalendarOut, DueOut, LimitOut, OverrideOut, SpecialDayOut
from app.workdays.words import DayKind


def load_calendar(session: Session, area_code: str, time_zone: str) -> Calendar:
    """The calendar of an area: the national one, and what was decided for it, for an area above it, or everywhere."""
    return load_calendars(session, {area_code: time_zone})[area_code]


def load_calendars(session: Session, time_zones: Mapping[str, str]) -> dict[str, Calendar]:
    """The calendars of several areas, given with their time zones, in one statement."""
    column = col(CalendarOverride.area_code)
    above = {code: {code, *ancestors_of(code)} for code in time_zones}
    concerned = or_(column.is_(None), column.in_(set().union(*above.values())))
    overrides = session.scalars(select(CalendarOverride).where(concerned)).all()
    return {
        code: Calendar(
            ZoneInfo(zone),
            _decided(each for each in overrides if each.area_code is None or each.area_code in above[code]),
        )
        for code, zone in time_zones.items()
    }


def _decided(overrides: Iterable[CalendarOverride]) -> dict[date, SpecialDay]:
    """What counts on each day: the decision nearest to the area."""
    nearest_last = sorted(overrides, key=lambda override: len(override.area_code or ""))
    return {override.day: _special(override) for override in nearest_last}


def _special(override: CalendarOverride) -> SpecialDay:
    return SpecialDay(override.day, override.note, DayKind.OPENED if override.working else DayKind.CLOSED)


def load_limits(session: Session) -> Limits:
    """All limits as they are now."""
    limits = session.scalars(select(Limit))
    return Limits({(limit.class_code, limit.stage): Allowance(limit.amount, limit.unit) for limit in limits})


def remembered_limits(session: Session) -> Limits:
    """All limits, from what this process remembers."""
    return shelves.remembered(session, "limits", ["all"], lambda _: {"all": load_limits(session)})["all"]


def remembered_calendars(session: Session, time_zones: Mapping[str, str]) -> dict[str, Calendar]:
    """The calendars of several areas, given with their time zones, from what this process remembers."""
    return shelves.remembered(
        session,
        "calendars",
        time_zones.keys(),
        lambda missing: load_calendars(session, {code: time_zones[code] for code in missing}),
    )


def due(session: Session, area_code: str, start: date | None, days: int, now: datetime) -> DueOut:
    """When so many working days after `start`, or after today, are over in an area."""
    area = areas.known(session, area_code)
    calendar = load_calendar(session, area.code, area.time_zone)
    first = start or calendar.local_day(now)
    last = calendar.add(first, days)
    return DueOut(area=area.code, from_=first, days=days, due_on=last, due_at=calendar.end_of(last))


def year_of(session: Session, area_code: str, year: int | None, now: datetime) -> CalendarOut:
    """A year of an area, this one where none is named: the days that are not what their weekday promises."""
    area = areas.known(session, area_code)
    calendar = load_calendar(session, area.code, area.time_zone)
    year = year or calendar.local_day(now).year
    return CalendarOut(
        area=area.code,
        time_zone=area.time_zone,
        year=year,
        working_days=len(calendar.working_days(year)),
        days=[special_day_out(special) for special in calendar.special_days(year)],
    )


def special_day_out(special: SpecialDay) -> SpecialDayOut:
    """A special day as the wire shows it."""
    return SpecialDayOut(
        day=special.day,
        name=special.name,
        kind=special.kind,
        kind_label=special.kind.label,
        working=special.working,
    )


def overrides(session: Session, slicing: Slice) -> Page[OverrideOut]:
    """What was decided against the national calendar, the latest day first."""
    keys = col(CalendarOverride.day), col(CalendarOverride.id)
    rows = session.scalars(slicing.apply(select(CalendarOverride), *keys)).all()
    shown, after = slicing.cut(rows, "day", "id")
    return Page(items=[override_out(override) for override in shown], next=after)


def override_out(override: CalendarOverride) -> OverrideOut:
    """An override as the wire shows it."""
    return OverrideOut(
        id=override.id, day=override.day, area=override.area_code, working=override.working, note=override.note
    )


def limits(session: Session, slicing: Slice) -> Page[LimitOut]:
    """Every limit, by class and stage."""
    keys = col(Limit.class_code), col(Limit.stage)
    rows = session.scalars(slicing.apply(select(Limit), *keys, descending=False)).all()
    shown, after = slicing.cut(rows, "class_code", "stage")
    return Page(items=[limit_out(limit) for limit in shown], next=after)


def limit_out(limit: Limit) -> LimitOut:
    """A limit as the wire shows it."""
    return LimitOut(
        class_=limit.class_code,
        stage=limit.stage,
        stage_label=limit.stage.label,
        amount=limit.amount,
        unit=limit.unit,
        unit_label=limit.unit.label,
    )
