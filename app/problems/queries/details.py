"""One problem, as its reader may see it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import Session, col

from app.agencies.models import Agency, Category
from app.agencies.queries import remembered_agencies, remembered_categories
from app.areas.models import Area
from app.areas.queries import remembered as remembered_areas
from app.areas.schemas import PointOut
from app.journal.facts import Author
from app.kit.house import Work
from app.kit.refusals import NotFound
from app.people.actors import Actor
from app.people.words import PostKind
from app.problems import policy
from app.problems.lifecycle.context import Context
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.lifecycle.steps import PART_STEPS, STEPS, is_open, is_part_open
from app.problems.models import AssignmentRow, ProblemRow, Reading
from app.problems.queries.aggregate import load
from app.problems.schemas.answers import AssignmentOut, MainOut, NextStepOut, ProblemOut
from app.problems.words import OPEN, State
from app.workdays.queries import remembered_calendars, remembered_limits

EARLIEST_ZONE = ZoneInfo("Asia/Jayapura")
"""Where a day begins first in Indonesia."""


class ProblemNotFound(NotFound):
    code, title, judul = "problem_not_found", "No such problem, or not yours to see", "Masalah tidak ditemukan"


class AssignmentNotFound(NotFound):
    code = "assignment_not_found"
    title, judul = "No such assignment, or not yours to see", "Disposisi tidak ditemukan"


def visible(work: Work[Actor], problem_id: UUID) -> Problem:
    """A problem that the caller may see; everybody else is told that there is none."""
    found = load(work.session, [problem_id], work.now).get(problem_id)
    if found is None or not policy.see.holds(work.caller, found, work.now):
        raise ProblemNotFound
    return found


def problem(work: Work[Actor], problem_id: UUID) -> ProblemOut:
    """A problem as this caller may see it now."""
    return shape(work, [visible(work, problem_id)])[0]


def is_news(work: Work[Actor], shown: ProblemOut) -> bool:
    """Whether it is shown to the kecamatan in a state that nobody there had opened yet."""
    if work.caller.kind not in (PostKind.STAFF, PostKind.CAMAT):
        return False
    known = select(col(Reading.position)).where(col(Reading.problem_id) == shown.id, col(Reading.log) == shown.area)
    return (work.session.scalar(known) or 0) < shown.position


def view_of(work: Work[Actor]) -> str:
    """What else than the version an answer depends on: who sees it, and the day."""
    return f"{work.caller.view} {work.caller.account_id} {work.now.astimezone(EARLIEST_ZONE).date()}"


def problem_of(session: Session, assignment_id: UUID) -> UUID:
    """The problem that an assignment is part of."""
    statement = select(col(AssignmentRow.problem_id)).where(col(AssignmentRow.id) == assignment_id)
    problem_id = session.scalar(statement)
    if problem_id is None:
        raise AssignmentNotFound
    return problem_id


def assignment(work: Work[Actor], assignment_id: UUID) -> AssignmentOut:
    """One agency's part, where the caller may see the problem."""
    try:
        shown = problem(work, problem_of(work.session, assignment_id))
    except ProblemNotFound:
        raise AssignmentNotFound from None
    found = next((each for each in shown.assignments if each.id == assignment_id), None)
    if found is None:
        raise AssignmentNotFound
    return found


def shape(work: Work[Actor], problems: Sequence[Problem]) -> list[ProblemOut]:
    """Problems as their caller may see them, with the names of whatever they mention; statements do not grow."""
    session = work.session
    codes = {code for each in problems for code in (each.area_code, each.district_code, each.city_code)}
    areas = remembered_areas(session, codes)
    categories = remembered_categories(session, {each.category_code for each in problems})
    agencies = remembered_agencies(
        session,
        {part.agency_code for each in problems for part in each.assignments}
        | {each.origin.partition(":")[2] for each in problems if each.origin.startswith("agency:")},
    )
    mains = _mains(session, {each.main_id for each in problems if each.main_id})
    limits = remembered_limits(session)
    days = remembered_calendars(session, {each.area_code: areas[each.area_code].time_zone for each in problems})
    shaped = []
    for each in problems:
        context = Context(
            actor=work.caller,
            author=author_of(work.caller),
            now=work.now,
            calendar=days[each.area_code],
            limits=limits,
        )
        shaped.append(_shape(each, context, areas, categories[each.category_code], agencies, mains))
    return shaped


def author_of(actor: Actor | None) -> Author:
    """How facts name who made them."""
    if actor is None:
        return Author(None, "Sistem", "system")
    return Author(actor.account_id, actor.name, actor.view, actor.acting)


def _shape(
    problem: Problem,
    context: Context,
    areas: Mapping[str, Area],
    category: Category,
    agencies: Mapping[str, Agency],
    mains: Mapping[UUID, MainOut],
) -> ProblemOut:
    actor, state = context.actor, problem.state
    assert actor is not None, "an answer has a reader"
    desk = problem.desk
    return ProblemOut(
        **{name: getattr(problem, name) for name in _AS_THEY_ARE},
        state=state,
        state_label=state.label,
        category=problem.category_code,
        category_label=category.label,
        class_=problem.class_code,
        area=problem.area_code,
        area_name=areas[problem.area_code].name,
        point=None
        if problem.latitude is None or problem.longitude is None
        else PointOut(lat=problem.latitude, lon=problem.longitude),
        main=mains.get(problem.main_id) if problem.main_id else None,
        lead=problem.lead_agency,
        assignments=[_part_out(problem, part, context, agencies) for part in problem.assignments],
        photos=list(problem.photos),
        overdue=is_overdue(state, problem.desk_until, problem.due_at, context.now),
        may=[
            verb
            for verb in STEPS
            if policy.MAY[verb].ever(actor.kind)
            and is_open(problem, verb, context)
            and policy.MAY[verb].holds(actor, problem, context.now)
            and actor.grants(f"problem.{verb}")
        ],
        next_step=None
        if desk is None
        else NextStepOut(desk=desk, desk_label=_desk_label(desk, areas, agencies), until=problem.desk_until),
    )


_AS_THEY_ARE = (
    "id",
    "number",
    "version",
    "position",
    "title",
    "description",
    "proof_required",
    "address",
    "landmark",
    "rt",
    "rw",
    "seen_on",
    "source",
    "source_ref",
    "priority",
    "escalation",
    "origin",
    "endorsed",
    "plan",
    "target_on",
    "hold_review_on",
    "resolution",
    "rating",
    "closing",
    "planned_in",
    "due_at",
    "promised_at",
    "created_at",
    "updated_at",
)


def _part_out(problem: Problem, part: Assignment, context: Context, agencies: Mapping[str, Agency]) -> AssignmentOut:
    record = policy.Part(problem, part)
    actor = context.actor
    assert actor is not None, "an answer has a reader"
    return AssignmentOut(
        id=part.id,
        problem_id=problem.id,
        agency=part.agency_code,
        agency_name=agencies[part.agency_code].name,
        lead=part.is_lead,
        required=part.is_required,
        state=part.state,
        state_label=part.state.label,
        binding=part.is_binding,
        by_hand=part.by_hand,
        instruction=part.instruction,
        delegated_to=part.delegated_to,
        resolution=part.resolution,
        note=part.note,
        offered_at=part.offered_at,
        answered_at=part.answered_at,
        done_at=part.done_at,
        due_at=part.due_at,
        hold_proposed=part.hold_proposed_at is not None,
        hold_review_on=part.hold_review_on,
        may=[
            verb
            for verb in PART_STEPS
            if is_part_open(problem, part, verb)
            and policy.MAY_PART[verb].holds(actor, record, context.now)
            and actor.grants(f"assignment.{verb}")
        ],
    )


_OFFICE_LABELS = {"kelurahan": "Kelurahan", "kecamatan": "Kecamatan", "city": "Tata Pemerintahan"}


def _desk_label(desk: str, areas: Mapping[str, Area], agencies: Mapping[str, Agency]) -> str:
    kind, _, code = desk.partition(":")
    if kind == "agency":
        return agencies[code].name if code in agencies else code
    name = areas[code].name if code in areas else code
    return f"{_OFFICE_LABELS[kind]} {name}"


def is_overdue(state: State, desk_until: datetime | None, due_at: datetime | None, now: datetime) -> bool:
    """Open, and either the desk it lies on or the whole has passed its limit."""
    return state in OPEN and any(each is not None and each < now for each in (desk_until, due_at))


def _mains(session: Session, ids: Collection[UUID]) -> dict[UUID, MainOut]:
    if not ids:
        return {}
    found = session.execute(
        select(
            col(ProblemRow.id),
            col(ProblemRow.number),
            col(ProblemRow.state),
            col(ProblemRow.lead_agency),
            col(ProblemRow.due_at),
        ).where(col(ProblemRow.id).in_(ids))
    )
    return {
        each: MainOut(id=each, number=number, state=state, state_label=state.label, lead=lead, due_at=due_at)
        for each, number, state, lead, due_at in found
    }
