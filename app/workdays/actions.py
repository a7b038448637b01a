"""Writing time: what is decided for a day, and how long a stage may take."""

from datetime import date
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from app.areas import queries as areas
from app.journal import actions as journal
from app.kit.house import Work
from app.kit.ids import new_id
from app.kit.refusals import NotFound
from app.workdays.limits import NATIONAL_NORMS
from app.workdays.models import CalendarOverride, Limit
from app.workdays.queries import limit_out, override_out
from app.workdays.schemas import LimitIn, LimitOut, OverrideIn, OverrideOut
from app.workdays.words import Stage


class OverrideNotFound(NotFound):
    code, title, judul = "override_not_found", "Nothing was decided for this day", "Belum ada ketetapan untuk hari ini"


class LimitNotFound(NotFound):
    code, title, judul = "limit_not_found", "This class has no such limit", "Kelas ini tidak memiliki batas waktu itu"


def put_override(work: Work[Any], day: date, area_code: str | None, body: OverrideIn) -> OverrideOut:
    """Decides whether a day is worked, in an area and all below or everywhere, in place of any decision before."""
    if area_code is not None:
        areas.known(work.session, area_code)
    decided = _decided(work.session, day, area_code)
    if decided is None:
        decided = CalendarOverride(id=new_id(), day=day, area_code=area_code, **body.model_dump())
        work.session.add(decided)
    elif (decided.working, decided.note) == (body.working, body.note):
        return override_out(decided)
    else:
        decided.working, decided.note = body.working, body.note
    journal.administration(work, "calendar.overridden", _subject(decided), **body.model_dump(mode="json"))
    return override_out(decided)


def delete_override(work: Work[Any], day: date, area_code: str | None) -> OverrideOut:
    """Gives the day back to the calendar, and answers what had been decided."""
    decided = _decided(work.session, day, area_code)
    if decided is None:
        raise OverrideNotFound
    work.session.delete(decided)
    journal.administration(
        work, "calendar.override_removed", _subject(decided), working=decided.working, note=decided.note
    )
    return override_out(decided)


def _decided(session: Session, day: date, area_code: str | None) -> CalendarOverride | None:
    return session.scalar(
        select(CalendarOverride).where(
            col(CalendarOverride.day) == day, col(CalendarOverride.area_code).is_not_distinct_from(area_code)
        )
    )


def _subject(decided: CalendarOverride) -> str:
    return f"{decided.day} {decided.area_code or 'everywhere'}"


def put_limit(work: Work[Any], class_code: str, stage: Stage, body: LimitIn) -> LimitOut:
    """Sets a limit; it counts for the stages that begin, or are recomputed, from now on."""
    limit = work.session.get(Limit, (class_code, stage))
    if limit is None:
        raise LimitNotFound
    before = {"amount": limit.amount, "unit": limit.unit.value}
    after = body.model_dump(mode="json")
    if after != before:
        limit.amount, limit.unit = body.amount, body.unit
        journal.administration(work, "limit.changed", f"{class_code} {stage}", before=before, after=after)
    return limit_out(limit)


def seed_limits(session: Session) -> int:
    """Gives every class and stage that has no limit yet the national norm; answers how many there were."""
    set_already = {(limit.class_code, limit.stage) for limit in session.scalars(select(Limit))}
    missing = [
        Limit(class_code=class_code, stage=stage, amount=allowance.amount, unit=allowance.unit)
        for class_code, stages in NATIONAL_NORMS.items()
        for stage, allowance in stages.items()
        if (class_code, stage) not in set_already
    ]
    session.add_all(missing)
    return len(missing)
