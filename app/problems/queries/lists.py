"""Lists of problems, and of assignments."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Row,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    text,
)
from sqlmodel import col

from app.agencies.models import Category
from app.agencies.words import AgencyCode, CategoryClass, CategoryCode
from app.areas.queries import remembered as remembered_areas
from app.areas.words import AreaCode
from app.kit.columns import Moment
from app.kit.database import dialect_of
from app.kit.house import Work
from app.kit.paging import Page, Slice
from app.kit.rendering import RenderedPage, as_object, cut
from app.kit.words import Line, Timestamp
from app.people.actors import Actor
from app.problems import policy
from app.problems.models import AssignmentRow, ProblemRow
from app.problems.schemas.answers import (
    DeskItemOut,
    ProblemItemOut,
)
from app.problems.words import ENDED, AssignmentState, Priority, State
from app.workdays.words import Day

Desk = Annotated[Line, Field(max_length=40, pattern=r"^(mine|(kelurahan|kecamatan|city|agency):[A-Za-z0-9.-]{2,20})$")]


class Filters(BaseModel):
    """What a list of problems is narrowed to."""

    model_config = ConfigDict(frozen=True)

    area: AreaCode | None = Field(None, description="This area and all below it.")
    state: Annotated[tuple[State, ...], Field(max_length=11, description="In any of these states.")] = ()
    category: CategoryCode | None = Field(None, description="This category and those below it.")
    class_: CategoryClass | None = Field(None, alias="class", description="Of categories of this class.")
    agency: AgencyCode | None = Field(None, description="An agency that has a part in it.")
    priority: Priority | None = Field(None, description="Of this priority.")
    recorded_from: Day | None = Field(None, description="First day on which it was recorded.")
    recorded_to: Day | None = Field(None, description="Last day on which it was recorded.")
    words: Annotated[Line, Field(max_length=200)] | None = Field(None, description="Each of these begins a word of it.")
    overdue: bool | None = Field(None, description="Whether a limit has passed.")
    desk: Desk | None = Field(None, description="`mine`, or an office such as `kecamatan:35.75.03`.")
    updated_since: Timestamp | None = Field(
        None, description="For people; not for synchronising, where late commits would be missed."
    )


_NOW: BindParameter[datetime] = bindparam("now", type_=Moment)


def problems(work: Work[Actor], slicing: Slice, filters: Filters) -> RenderedPage[ProblemItemOut]:
    """The problems that the caller may see, newest first, narrowed by the filters; rendered by the database."""
    statement = _listing(dialect_of(work.session), work.caller.seat, slicing, filters, _zone_of_caller(work))
    items = work.session.connection().execute(statement, {"now": work.now}).scalars().all()
    return cut(items, slicing, "created_at", "id")


@lru_cache(maxsize=1_000)
def _listing(dialect: str, seat: Actor, slicing: Slice, filters: Filters, zone: str) -> Any:
    """The statement of a list: kept, because offices look at the same few lists all day."""
    conditions = _conditions(dialect, seat, filters, ZoneInfo(zone))
    statement = _items(dialect).where(policy.see.where(seat, _NOW), *conditions)
    return slicing.apply(statement, col(ProblemRow.created_at), col(ProblemRow.id))


@cache
def _items(dialect: str) -> Any:
    """Problems as `ProblemItemOut`."""
    members = {
        "id": col(ProblemRow.id),
        "number": col(ProblemRow.number),
        "version": col(ProblemRow.version),
        "state": col(ProblemRow.state),
        "state_label": _STATE_LABEL,
        "title": col(ProblemRow.title),
        "category": col(ProblemRow.category_code),
        "class": col(ProblemRow.class_code),
        "area": col(ProblemRow.area_code),
        "priority": col(ProblemRow.priority),
        "lead": col(ProblemRow.lead_agency),
        "desk": col(ProblemRow.desk),
        "desk_until": col(ProblemRow.desk_until),
        "due_at": col(ProblemRow.due_at),
        "overdue": _late(),
        "created_at": col(ProblemRow.created_at),
        "updated_at": col(ProblemRow.updated_at),
    }
    return select(as_object(dialect, members))


_STATE_LABEL = case(
    {literal_column(f"'{state.value}'"): literal_column(f"'{state.label}'") for state in State},
    value=col(ProblemRow.state),
)


def _conditions(dialect: str, seat: Actor, filters: Filters, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    """What each filter that was given asks for; days are judged in the zone."""
    office = seat.office if filters.desk == "mine" else filters.desk
    choices: list[tuple[Any, Callable[[Any], ColumnElement[bool]]]] = [
        (filters.area, in_area),
        (filters.state or None, col(ProblemRow.state).in_),
        (filters.category, _in_category),
        (filters.class_, lambda value: col(ProblemRow.class_code) == value),
        (filters.agency, _has_part_of),
        (filters.priority, lambda value: col(ProblemRow.priority) == value),
        (filters.recorded_from, lambda day: col(ProblemRow.created_at) >= _midnight(day, zone)),
        (filters.recorded_to, lambda day: col(ProblemRow.created_at) < _midnight(day + timedelta(days=1), zone)),
        (filters.words, lambda words: _matching(dialect, words)),
        (filters.overdue, lambda wanted: _late() if wanted else ~_late()),
        (office, lambda value: col(ProblemRow.desk) == value),
        (filters.updated_since, lambda moment: col(ProblemRow.updated_at) >= moment),
    ]
    return [condition(value) for value, condition in choices if value is not None]


def _in_category(code: str) -> ColumnElement[bool]:
    """Problems of a category and of all below it, however deep."""
    below = select(col(Category.code)).where(col(Category.code) == code).cte(recursive=True)
    below = below.union(select(col(Category.code)).where(col(Category.parent_code) == below.c.code))
    return col(ProblemRow.category_code).in_(select(below.c.code))


def _late() -> ColumnElement[bool]:
    passed = or_(col(ProblemRow.desk_until) < _NOW, col(ProblemRow.due_at) < _NOW)
    return and_(col(ProblemRow.state).not_in(ENDED), func.coalesce(passed, False))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The start of a day there."""
    return datetime.combine(day, time.min, zone)


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


def _zone_of_caller(work: Work[Actor]) -> str:
    """The zone in which the caller's days are judged: that of their area, or of the city served."""
    code = work.caller.area_code or work.house.settings.city
    area = remembered_areas(work.session, [code]).get(code)
    return area.time_zone if area else "Asia/Jakarta"


_WITHOUT_APOSTROPHES = str.maketrans("", "", "'’‘ʼ`´")


def search_words(*texts: str | None) -> str:
    """Text as the words filter compares it: letters and digits, folded, each word once (`Tapa'an` is `tapaan`)."""
    told = " ".join(text for text in texts if text).translate(_WITHOUT_APOSTROPHES)
    folded = unicodedata.normalize("NFKD", told).casefold()
    return " ".join(dict.fromkeys(re.findall(r"[a-z0-9]+", folded)))


def _matching(dialect: str, words: str) -> ColumnElement[bool]:
    """Problems that have, for each word asked for, a word beginning with it; both databases use an index."""
    asked = search_words(words).split()
    if not asked:
        return col(ProblemRow.id).is_(None)
    if dialect == "postgresql":
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
