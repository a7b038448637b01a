"""Questions about problems: one of them, lists of them, what happened to one, what is due."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, and_, exists, func, or_, select, text
from sqlmodel import Session, col

from app.agencies.models import Agency, Category
from app.agencies.queries import find_agencies, find_categories
from app.agencies.words import CategoryClass
from app.areas.models import Area
from app.areas.queries import find as find_areas
from app.evidence.models import Photo
from app.journal.facts import Author, Fact
from app.journal.models import Entry, Text
from app.kit.house import Work
from app.kit.paging import Page, Slice
from app.kit.refusals import NotFound
from app.people.actors import Actor
from app.people.words import PostKind
from app.problems import policy
from app.problems.facts import FACTS
from app.problems.lifecycle.context import Context
from app.problems.lifecycle.evolve import fold
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.lifecycle.steps import PART_STEPS, STEPS, is_open, is_part_open
from app.problems.models import AssignmentRow, Comment, ProblemPhoto, ProblemRow
from app.problems.schemas import (
    AssignmentOut,
    CommentOut,
    DeskItemOut,
    HistoryOut,
    MainOut,
    NextStepOut,
    PhotoOut,
    PointOut,
    ProblemItemOut,
    ProblemOut,
)
from app.problems.words import ENDED, OPEN, AssignmentState, Priority, State
from app.workdays.queries import load_calendars, load_limits

_PROBLEM_FIELDS = frozenset(each.name for each in fields(Problem)) - {"assignments", "lurah_vacant"}
_ASSIGNMENT_FIELDS = frozenset(each.name for each in fields(Assignment))
_EARLIEST_ZONE = ZoneInfo("Asia/Jayapura")
"""Where a day begins first in Indonesia."""


class ProblemNotFound(NotFound):
    code, title, judul = "problem_not_found", "No such problem, or not yours to see", "Masalah tidak ditemukan"


class AssignmentNotFound(NotFound):
    code = "assignment_not_found"
    title, judul = "No such assignment, or not yours to see", "Disposisi tidak ditemukan"


@dataclass(frozen=True)
class Loaded:
    """A problem with the rows it was read from."""

    problem: Problem
    row: ProblemRow
    parts: Mapping[UUID, AssignmentRow]


# -- loading the aggregate -------------------------------------------------------------------------------------------


def load(session: Session, ids: Collection[UUID], now: datetime) -> dict[UUID, Loaded]:
    """The aggregates of these ids, fresh from the tables, in two statements."""
    if not ids:
        return {}
    fresh = {"populate_existing": True}
    found = session.execute(
        select(ProblemRow, policy.lurah_is_missing(now)).where(col(ProblemRow.id).in_(ids)).execution_options(**fresh)
    ).all()
    parts: dict[UUID, list[AssignmentRow]] = {}
    for part in session.scalars(
        select(AssignmentRow)
        .where(col(AssignmentRow.problem_id).in_(ids))
        .order_by(col(AssignmentRow.problem_id), col(AssignmentRow.sequence))
        .execution_options(**fresh)
    ):
        parts.setdefault(part.problem_id, []).append(part)
    return {row.id: _loaded(row, vacant, parts.get(row.id, [])) for row, vacant in found}


def _loaded(row: ProblemRow, vacant: bool, parts: Sequence[AssignmentRow]) -> Loaded:
    problem = Problem(
        **{name: getattr(row, name) for name in _PROBLEM_FIELDS},
        assignments=tuple(Assignment(**{name: getattr(part, name) for name in _ASSIGNMENT_FIELDS}) for part in parts),
        lurah_vacant=vacant,
    )
    return Loaded(problem, row, {part.id: part for part in parts})


def refold(session: Session, problem_id: UUID) -> Problem | None:
    """The problem as its facts make it, read from the journal alone."""
    entries = _entries(session, problem_id)
    bodies = _bodies(session, entries)
    return fold(
        (
            Fact(
                entry.kind,
                entry.data,
                {name: body or "" for name, body in bodies[entry.version].items()},
                entry.kind_version,
            ),
            entry.at,
            Author(entry.account_id, **entry.author),
            entry.log,
            entry.position,
        )
        for entry in entries
    )


def _entries(session: Session, problem_id: UUID) -> Sequence[Entry]:
    statement = select(Entry).where(col(Entry.subject) == problem_id).order_by(col(Entry.version))
    return session.scalars(statement).all()


def _bodies(session: Session, entries: Iterable[Entry]) -> dict[int, dict[str, str | None]]:
    """The free text of each entry, by its version; None where it was erased."""
    names = {
        entry.version: {name: UUID(kept["id"]) for name, kept in entry.data.get("texts", {}).items()}
        for entry in entries
    }
    wanted = {each for texts in names.values() for each in texts.values()}
    found = (
        dict(session.execute(select(col(Text.id), col(Text.body)).where(col(Text.id).in_(wanted))).all())
        if wanted
        else {}
    )
    return {version: {name: found.get(each) for name, each in texts.items()} for version, texts in names.items()}


# -- one problem -----------------------------------------------------------------------------------------------------


def visible(work: Work[Actor], problem_id: UUID) -> Loaded:
    """A problem that the caller may see; everybody else is told that there is none."""
    loaded = load(work.session, [problem_id], work.now).get(problem_id)
    if loaded is None or not policy.see.holds(work.caller, loaded.problem, work.now):
        raise ProblemNotFound
    return loaded


def problem(work: Work[Actor], problem_id: UUID) -> ProblemOut:
    """A problem as this caller may see it now."""
    return shape(work, [visible(work, problem_id).problem])[0]


def view_of(work: Work[Actor]) -> str:
    """What else than the version an answer depends on: who sees it, and the day."""
    return f"{work.caller.view} {work.caller.account_id} {work.now.astimezone(_EARLIEST_ZONE).date()}"


def problem_of(session: Session, assignment_id: UUID) -> UUID:
    """The problem that an assignment is part of."""
    statement = select(col(AssignmentRow.problem_id)).where(col(AssignmentRow.id) == assignment_id)
    problem_id = session.scalar(statement)
    if problem_id is None:
        raise AssignmentNotFound
    return problem_id


def assignment(work: Work[Actor], assignment_id: UUID) -> AssignmentOut:
    """One agency's part, where the caller may see the problem."""
    shown = problem(work, problem_of(work.session, assignment_id))
    found = next((each for each in shown.assignments if each.id == assignment_id), None)
    if found is None:
        raise AssignmentNotFound
    return found


def shape(work: Work[Actor], problems: Sequence[Problem]) -> list[ProblemOut]:
    """Problems as their caller may see them, with the names of whatever they mention; statements do not grow."""
    session = work.session
    codes = {code for each in problems for code in (each.area_code, each.district_code, each.city_code)}
    areas = find_areas(session, codes)
    categories = find_categories(session, {each.category_code for each in problems})
    agencies = find_agencies(
        session,
        {part.agency_code for each in problems for part in each.assignments}
        | {each.origin.partition(":")[2] for each in problems if each.origin.startswith("agency:")},
    )
    photos = _photos_of(session, [each.id for each in problems])
    mains = _mains(session, {each.main_id for each in problems if each.main_id})
    limits = load_limits(session)
    days = load_calendars(session, {each.area_code: areas[each.area_code].time_zone for each in problems})
    shaped = []
    for each in problems:
        context = Context(
            actor=work.caller,
            author=author_of(work.caller),
            now=work.now,
            calendar=days[each.area_code],
            limits=limits,
        )
        shaped.append(
            _shape(each, context, areas, categories[each.category_code], agencies, photos.get(each.id, []), mains)
        )
    return shaped


def author_of(actor: Actor | None, on_behalf_of: str | None = None) -> Author:
    """How facts name who made them."""
    if actor is None:
        return Author(None, "Sistem", "system", on_behalf_of=on_behalf_of)
    return Author(actor.account_id, actor.name, actor.view, actor.acting, on_behalf_of)


def _shape(
    problem: Problem,
    context: Context,
    areas: Mapping[str, Area],
    category: Category,
    agencies: Mapping[str, Agency],
    photos: list[UUID],
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
        photos=photos,
        overdue=is_overdue(state, problem.desk_until, problem.due_at, context.now),
        may=[
            verb
            for verb in STEPS
            if policy.MAY[verb].ever(actor.kind)
            and is_open(problem, verb, context)
            and policy.MAY[verb].holds(actor, problem, context.now)
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
            if is_part_open(problem, part, verb) and policy.MAY_PART[verb].holds(actor, record, context.now)
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


def _photos_of(session: Session, ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    statement = (
        select(col(ProblemPhoto.problem_id), col(ProblemPhoto.photo_id))
        .where(col(ProblemPhoto.problem_id).in_(ids))
        .order_by(col(ProblemPhoto.version))
    )
    photos: dict[UUID, list[UUID]] = {}
    for problem_id, photo_id in session.execute(statement):
        photos.setdefault(problem_id, []).append(photo_id)
    return photos


def photos_of(session: Session, ids: Collection[UUID]) -> dict[UUID, frozenset[UUID]]:
    """The photos sent to each of these problems."""
    return {problem_id: frozenset(photos) for problem_id, photos in _photos_of(session, ids).items()}


# -- lists -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a list of problems is narrowed to."""

    area: str | None = None
    state: Sequence[State] = ()
    category: str | None = None
    class_code: CategoryClass | None = None
    agency: str | None = None
    priority: Priority | None = None
    first_day: date | None = None
    last_day: date | None = None
    words: str | None = None
    overdue: bool | None = None
    desk: str | None = None
    updated_since: datetime | None = None


_ITEM_COLUMNS: tuple[Any, ...] = (
    col(ProblemRow.id),
    col(ProblemRow.number),
    col(ProblemRow.version),
    col(ProblemRow.state),
    col(ProblemRow.title),
    col(ProblemRow.category_code),
    col(ProblemRow.class_code),
    col(ProblemRow.area_code),
    col(ProblemRow.priority),
    col(ProblemRow.lead_agency),
    col(ProblemRow.desk),
    col(ProblemRow.desk_until),
    col(ProblemRow.due_at),
    col(ProblemRow.created_at),
    col(ProblemRow.updated_at),
)


def problems(work: Work[Actor], slicing: Slice, filters: Filters) -> Page[ProblemItemOut]:
    """The problems that the caller may see, newest first, narrowed by the filters."""
    statement = select(*_ITEM_COLUMNS).where(policy.see.where(work.caller, work.now), *_conditions(work, filters))
    rows = work.session.execute(slicing.apply(statement, col(ProblemRow.created_at), col(ProblemRow.id))).all()
    shown, after = slicing.cut(rows, "created_at", "id")
    return Page(items=[_item(row, work.now) for row in shown], next=after)


def _item(row: Row[Any], now: datetime) -> ProblemItemOut:
    return ProblemItemOut(
        id=row.id,
        number=row.number,
        version=row.version,
        state=row.state,
        state_label=row.state.label,
        title=row.title,
        category=row.category_code,
        class_=row.class_code,
        area=row.area_code,
        priority=row.priority,
        lead=row.lead_agency,
        desk=row.desk,
        desk_until=row.desk_until,
        due_at=row.due_at,
        overdue=is_overdue(row.state, row.desk_until, row.due_at, now),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _conditions(work: Work[Actor], filters: Filters) -> list[ColumnElement[bool]]:
    """What each filter that was given asks for."""
    office = work.caller.office if filters.desk == "mine" else filters.desk
    choices: list[tuple[Any, Callable[[Any], ColumnElement[bool]]]] = [
        (filters.area, in_area),
        (filters.state or None, col(ProblemRow.state).in_),
        (filters.category, _in_category),
        (filters.class_code, lambda value: col(ProblemRow.class_code) == value),
        (filters.agency, _has_part_of),
        (filters.priority, lambda value: col(ProblemRow.priority) == value),
        (filters.first_day, lambda day: col(ProblemRow.created_at) >= _midnight(work, day)),
        (filters.last_day, lambda day: col(ProblemRow.created_at) < _midnight(work, day + timedelta(days=1))),
        (filters.words, lambda words: _matching(work.session, words)),
        (filters.overdue, lambda wanted: _late(work.now) if wanted else ~_late(work.now)),
        (office, lambda value: col(ProblemRow.desk) == value),
        (filters.updated_since, lambda moment: col(ProblemRow.updated_at) >= moment),
    ]
    return [condition(value) for value, condition in choices if value is not None]


def _in_category(code: str) -> ColumnElement[bool]:
    below = select(col(Category.code)).where(or_(col(Category.code) == code, col(Category.parent_code) == code))
    return col(ProblemRow.category_code).in_(below)


def _late(now: datetime) -> ColumnElement[bool]:
    passed = or_(col(ProblemRow.desk_until) < now, col(ProblemRow.due_at) < now)
    return and_(col(ProblemRow.state).not_in(ENDED), func.coalesce(passed, False))


def _midnight(work: Work[Actor], day: date) -> datetime:
    """The start of a day where the caller is."""
    return datetime.combine(day, time.min, _zone_of_caller(work))


def in_area(code: str) -> ColumnElement[bool]:
    """Problems of an area and of all below it."""
    match len(code):
        case 13:
            return col(ProblemRow.area_code) == code
        case 8:
            return col(ProblemRow.district_code) == code
        case 5:
            return col(ProblemRow.city_code) == code
        case _:
            return and_(col(ProblemRow.city_code) >= f"{code}.", col(ProblemRow.city_code) < f"{code}/")


def _has_part_of(agency: str) -> ColumnElement[bool]:
    return exists().where(
        col(AssignmentRow.problem_id) == col(ProblemRow.id),
        col(AssignmentRow.agency_code) == agency,
        col(AssignmentRow.state) != AssignmentState.REVOKED,
    )


def _zone_of_caller(work: Work[Actor]) -> ZoneInfo:
    """The zone in which the caller's days are judged: that of their area, or of the city served."""
    code = work.caller.area_code or work.house.settings.city
    zone = work.session.scalar(select(col(Area.time_zone)).where(col(Area.code) == code))
    return ZoneInfo(zone or "Asia/Jakarta")


def search_words(*texts: str | None) -> str:
    """Text as the words filter compares it: letters and digits, folded, each word once."""
    folded = unicodedata.normalize("NFKD", " ".join(text for text in texts if text)).casefold()
    return " ".join(dict.fromkeys(re.findall(r"[a-z0-9]+", folded)))


def _matching(session: Session, words: str) -> ColumnElement[bool]:
    """Problems that have, for each word asked for, a word beginning with it; both databases use an index."""
    asked = search_words(words).split()
    if not asked:
        return col(ProblemRow.id).is_(None)
    if session.get_bind().dialect.name == "postgresql":
        query = " & ".join(f"{word}:*" for word in asked)
        return func.to_tsvector(text("'simple'"), col(ProblemRow.words)).op("@@")(
            func.to_tsquery(text("'simple'"), query)
        )
    match = " ".join(f'"{word}"*' for word in asked)
    found = text(
        "SELECT problem_id FROM problem_search_row JOIN problem_search ON problem_search.rowid = number "
        "WHERE problem_search MATCH :match"
    ).bindparams(match=match)
    return col(ProblemRow.id).in_(found)


def desk(
    work: Work[Actor], slicing: Slice, *, state: Sequence[AssignmentState], agency: str | None, lead: bool | None
) -> Page[DeskItemOut]:
    """Assignments: for an agency its own desk; for territory those of the problems it sees."""
    actor = work.caller
    statement = select(AssignmentRow, *_DESK_COLUMNS).join(
        ProblemRow, col(ProblemRow.id) == col(AssignmentRow.problem_id)
    )
    if actor.kind.in_agency:
        statement = statement.where(
            col(AssignmentRow.agency_code) == actor.agency_code, col(AssignmentRow.state) != AssignmentState.REVOKED
        )
    else:
        statement = statement.where(policy.see.where(actor, work.now))
    if agency is not None:
        statement = statement.where(col(AssignmentRow.agency_code) == agency)
    if state:
        statement = statement.where(col(AssignmentRow.state).in_(state))
    if lead is not None:
        statement = statement.where(col(AssignmentRow.is_lead).is_(lead))
    rows = work.session.execute(slicing.apply(statement, col(AssignmentRow.offered_at), col(AssignmentRow.id))).all()
    shown = [_desk_item(row) for row in rows]
    items, after = slicing.cut(shown, "offered_at", "id")
    return Page(items=list(items), next=after)


_DESK_COLUMNS: tuple[Any, ...] = (
    col(ProblemRow.number),
    col(ProblemRow.title),
    col(ProblemRow.area_code),
    col(ProblemRow.category_code),
    col(ProblemRow.priority),
    col(ProblemRow.state).label("problem_state"),
)


def _desk_item(row: Row[Any]) -> DeskItemOut:
    part: AssignmentRow = row.AssignmentRow
    return DeskItemOut(
        id=part.id,
        problem_id=part.problem_id,
        number=row.number,
        title=row.title,
        area=row.area_code,
        category=row.category_code,
        priority=row.priority,
        agency=part.agency_code,
        lead=part.is_lead,
        state=part.state,
        state_label=part.state.label,
        problem_state=row.problem_state,
        offered_at=part.offered_at,
        due_at=part.due_at,
    )


# -- what happened, what was said, what was shown --------------------------------------------------------------------


def history(work: Work[Actor], problem_id: UUID, slicing: Slice) -> Page[HistoryOut]:
    """Everything that happened to a problem, oldest first; internal comments of another side are left out."""
    visible(work, problem_id)
    statement = select(Entry).where(col(Entry.subject) == problem_id)
    entries = work.session.scalars(slicing.apply(statement, col(Entry.version), descending=False)).all()
    shown, after = slicing.cut(entries, "version")
    hidden = _hidden_comments(work, problem_id, shown)
    bodies = _bodies(work.session, shown)
    items = [
        HistoryOut(
            position=entry.position,
            log=entry.log,
            version=entry.version,
            kind=entry.kind,
            label=FACTS[entry.kind].label,
            at=entry.at,
            happened_at=entry.happened_at,
            by={**entry.author, "post_label": _post_label(entry.author["post"])},
            data={name: value for name, value in entry.data.items() if name != "texts"} | bodies[entry.version],
        )
        for entry in shown
        if entry.data.get("comment") not in hidden
    ]
    return Page(items=items, next=after)


def _hidden_comments(work: Work[Actor], problem_id: UUID, entries: Iterable[Entry]) -> set[str]:
    """Ids of internal comments among these entries that stay on another side."""
    internal = {entry.data["comment"] for entry in entries if entry.data.get("internal")}
    if not internal:
        return set()
    statement = select(col(Comment.id)).where(
        col(Comment.problem_id) == problem_id,
        col(Comment.internal),
        col(Comment.side) != policy.territory_side(work.caller),
    )
    return internal & {str(each) for each in work.session.scalars(statement)}


def _post_label(post: str) -> str:
    kind = post.partition(":")[0]
    return PostKind(kind).label if kind in frozenset(PostKind) else "Sistem"


def comments(work: Work[Actor], problem_id: UUID, slicing: Slice) -> Page[CommentOut]:
    """What was said about a problem, newest first, as far as it was said to this side."""
    visible(work, problem_id)
    statement = select(Comment).where(
        col(Comment.problem_id) == problem_id,
        or_(~col(Comment.internal), col(Comment.side) == policy.territory_side(work.caller)),
    )
    rows = work.session.scalars(slicing.apply(statement, col(Comment.at), col(Comment.id))).all()
    shown, after = slicing.cut(rows, "at", "id")
    return Page(items=[comment_out(each) for each in shown], next=after)


def comment_out(comment: Comment) -> CommentOut:
    return CommentOut(
        id=comment.id,
        problem_id=comment.problem_id,
        text=comment.text,
        internal=comment.internal,
        late=comment.late,
        at=comment.at,
        by=comment.author,
        post=comment.post,
    )


def photo(work: Work[Actor], problem_id: UUID, photo_id: UUID) -> Photo:
    """A photo of a problem that the caller may see."""
    visible(work, problem_id)
    statement = (
        select(Photo)
        .join(ProblemPhoto, col(ProblemPhoto.photo_id) == col(Photo.id))
        .where(col(ProblemPhoto.problem_id) == problem_id, col(Photo.id) == photo_id)
    )
    found = work.session.scalar(statement)
    if found is None:
        raise PhotoNotFound
    return found


class PhotoNotFound(NotFound):
    code, title, judul = "photo_not_found", "No such photo of this problem", "Foto tidak ditemukan pada masalah ini"


def photo_out(owned: ProblemPhoto, photo: Photo) -> PhotoOut:
    return PhotoOut(
        id=photo.id,
        problem_id=owned.problem_id,
        width=photo.width,
        height=photo.height,
        size=photo.size,
        sha256=photo.sha256,
        seen_before=owned.seen_before,
        late=owned.late,
        created_at=photo.created_at,
    )


# -- what is due -----------------------------------------------------------------------------------------------------


def unanswered(session: Session, now: datetime, limit: int) -> Sequence[tuple[str, UUID]]:
    """Work that nobody confirmed or disputed in time: (log, problem)."""
    return _due(
        session,
        limit,
        col(ProblemRow.state) == State.AWAITING_CONFIRMATION,
        col(ProblemRow.desk_until) < now,
    )


def to_resume(session: Session, now: datetime, limit: int) -> Sequence[tuple[str, UUID]]:
    """Pauses whose day of review has come somewhere in the country: (log, problem)."""
    today = now.astimezone(_EARLIEST_ZONE).date()
    paused = exists().where(
        col(AssignmentRow.problem_id) == col(ProblemRow.id),
        col(AssignmentRow.state) == AssignmentState.ON_HOLD,
        col(AssignmentRow.hold_review_on) <= today,
    )
    return _due(
        session,
        limit,
        col(ProblemRow.state) == State.ON_HOLD,
        or_(col(ProblemRow.hold_review_on) <= today, paused),
    )


def unanswered_holds(session: Session, before: datetime, limit: int) -> Sequence[tuple[str, UUID, UUID]]:
    """Holds proposed before a moment that nobody agreed to or declined: (log, problem, assignment)."""
    statement = (
        select(col(ProblemRow.area_code), col(ProblemRow.id), col(AssignmentRow.id))
        .join(AssignmentRow, col(AssignmentRow.problem_id) == col(ProblemRow.id))
        .where(col(AssignmentRow.hold_proposed_at) < before)
        .order_by(col(AssignmentRow.hold_proposed_at))
        .limit(limit)
    )
    return session.execute(statement).all()


def duplicates_to_tell(session: Session, limit: int) -> Sequence[tuple[str, UUID]]:
    """Duplicates whose main problem has ended, or goes on again, since they were last told: (log, problem)."""
    main = ProblemRow.__table__.alias()  # type: ignore[attr-defined]
    ended = main.c.state.in_(ENDED)
    statement = (
        select(col(ProblemRow.area_code), col(ProblemRow.id))
        .join(main, main.c.id == col(ProblemRow.main_id))
        .where(
            or_(
                and_(ended, col(ProblemRow.main_outcome).is_(None)),
                and_(~ended, col(ProblemRow.main_outcome).is_not(None)),
            )
        )
        .limit(limit)
    )
    return session.execute(statement).all()


def _due(session: Session, limit: int, *conditions: ColumnElement[bool]) -> Sequence[tuple[str, UUID]]:
    statement = (
        select(col(ProblemRow.area_code), col(ProblemRow.id))
        .where(*conditions)
        .order_by(col(ProblemRow.id))
        .limit(limit)
    )
    return session.execute(statement).all()
