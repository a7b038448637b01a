"""What a decision may look at besides the problem: who acts, what time it is, the calendar, and what was looked up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from app.agencies.models import Agency, Category
from app.areas.models import Area
from app.journal.facts import Author
from app.kit.refusals import Conflict, NotPermitted, Unprocessable
from app.people.actors import Actor
from app.problems.lifecycle.record import Problem
from app.problems.words import State
from app.workdays.calendar import Calendar
from app.workdays.limits import Limits


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything is here before deciding begins; a decision reads no database and no clock."""

    actor: Actor | None
    """None is the system, which acts when a limit has passed, or an import, which acts on behalf of a post."""
    author: Author
    now: datetime
    calendar: Calendar
    limits: Limits
    categories: Mapping[str, Category] = field(default_factory=dict)
    agencies: Mapping[str, Agency] = field(default_factory=dict)
    areas: Mapping[str, Area] = field(default_factory=dict)
    other: Problem | None = None
    """The main problem, or the one linked to."""
    local_sample_percent: int = 0

    @property
    def is_automatic(self) -> bool:
        """Whether nobody decides this: the system acts because a limit has passed."""
        return self.actor is None and not self.author.is_import

    @property
    def today(self) -> date:
        """The day it is in the problem's own time zone."""
        return self.calendar.local_day(self.now)

    def due(self, problem: Problem, stage: str, start: datetime) -> datetime:
        """When a stage that began at `start` is due, by the problem's class."""
        return self.limits.due(self.calendar, problem.class_code, stage, start)


class StepNotAllowed(Conflict):
    code = "step_not_allowed"
    title, judul = "The problem does not stand where this can be done", "Langkah ini tidak berlaku pada status sekarang"

    def __init__(self, problem: Problem, verb: str) -> None:
        super().__init__(state=problem.state.value, verb=verb)


class TooEarly(Conflict):
    code, title, judul = "too_early", "Not yet: a limit has to pass first", "Belum waktunya: tenggat belum lewat"


class TooLate(Conflict):
    code, title, judul = "too_late", "The time for this has passed", "Waktunya sudah lewat"


class OutsideScope(NotPermitted):
    code, title, judul = "outside_scope", "This lies outside your area", "Di luar wilayah kewenangan Anda"


class ReasonRequired(Unprocessable):
    code, title, judul = "reason_required", "Say why", "Alasan wajib diisi"


class DayNotPossible(Unprocessable):
    code, title, judul = "day_not_possible", "This day is not possible here", "Tanggal tidak sesuai"


class UnknownCode(Unprocessable):
    code, title, judul = "unknown_code", "This code names nothing in force", "Kode tidak dikenal atau tidak berlaku"


def in_force(found: Mapping[str, Any], code: str, what: str) -> Any:
    """The looked-up record of a code, or the refusal that it is not known or no longer used."""
    record = found.get(code)
    if record is None or (record.valid_to is not None if isinstance(record, Area) else not record.active):
        raise UnknownCode(f"{what}: unknown, or no longer in force", field=what)
    return record


def desk_until(problem: Problem, context: Context) -> datetime | None:
    """Until when the office that now has the problem on its desk should have moved it."""
    lead = problem.lead
    match problem.state:
        case State.SUBMITTED:
            return context.due(problem, "endorse", context.now)
        case State.HANDLED_LOCALLY:
            return context.calendar.end_of(problem.target_on) if problem.target_on else problem.due_at
        case State.FORWARDED | State.ACCEPTED:
            return context.due(problem, "accept", context.now)
        case State.RETURNED:
            return context.due(problem, "clarify", context.now)
        case State.ASSIGNED:
            return lead.due_at if lead else None
        case State.IN_PROGRESS:
            return problem.due_at
        case State.ON_HOLD:
            day = problem.hold_review_on or (lead.hold_review_on if lead else None)
            return context.calendar.end_of(day) if day else None
        case State.AWAITING_CONFIRMATION:
            return context.due(problem, "confirm", context.now)
        case State.CLOSED if problem.appeal_pending:
            return context.due(problem, "confirm", context.now)
    return None
