"""HTTP of time."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.areas.queries import UnknownArea
from app.areas.words import AreaCode
from app.kit.doors import WRITES, CallerDoor, ReferenceDoor
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import NotPermitted, Unauthenticated, refused
from app.kit.rules import by_admin
from app.workdays import actions, queries
from app.workdays.actions import LimitNotFound, OverrideNotFound
from app.workdays.schemas import CalendarOut, DueOut, LimitIn, LimitOut, OverrideIn, OverrideOut
from app.workdays.words import ClassCode, Day, DayCount, Stage, Year

router = APIRouter()

OfArea = Annotated[AreaCode | None, Query(description="The area whose calendar counts; without one, the city.")]
DecidedFor = Annotated[AreaCode | None, Query(description="Holds there and in all below; without one, everywhere.")]


@router.get(
    "/workdays", tags=["workdays"], summary="Count working days", responses=refused(Unauthenticated, UnknownArea)
)
async def count_working_days(
    door: ReferenceDoor,
    days: Annotated[DayCount, Query(description="How many working days.", examples=[99])],
    area: OfArea = None,
    from_: Annotated[Day | None, Query(alias="from", description="Not counted itself; without one, today.")] = None,
) -> DueOut:
    """The day on which so many working days are over.

    Weekends, national holidays, collective leave and days closed by decision do not count. The 99th working day after
    20 February 2025 was 31 July 2025.
    """
    return await door.read(
        lambda work: queries.due(work.session, area or work.house.settings.city, from_, days, work.now)
    )


@router.get("/calendar", tags=["workdays"], summary="Read a year", responses=refused(Unauthenticated, UnknownArea))
async def read_calendar(
    door: ReferenceDoor,
    area: OfArea = None,
    year: Annotated[Year | None, Query(description="Without one, this year.")] = None,
) -> CalendarOut:
    """Holidays, collective leave, and days closed or opened by decision.

    Offices work on all other weekdays, and on no other Saturday or Sunday. For years without a decree yet, the dates
    are foreseen, not decided.
    """
    return await door.read(lambda work: queries.year_of(work.session, area or work.house.settings.city, year, work.now))


@router.get(
    "/admin/calendar/overrides",
    tags=["admin"],
    summary="List decided days",
    responses=refused(Unauthenticated, NotPermitted, BadCursor),
)
async def list_overrides(door: CallerDoor, slicing: Slicing) -> Page[OverrideOut]:
    """Days decided against the national calendar, the latest first."""
    page = await door.read(by_admin(lambda work: queries.overrides(work.session, slicing)))
    door.link(page.next)
    return page


@router.put(
    "/admin/calendar/overrides/{day}",
    tags=["admin"],
    summary="Close or open a day",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, UnknownArea),
)
async def put_override(door: CallerDoor, day: Day, body: OverrideIn, area: DecidedFor = None) -> OverrideOut:
    """Decides whether offices work that day, because decrees change in the middle of a year.

    The decision nearest to a kelurahan counts: its own before its kecamatan's, the city's before one for everywhere.
    """
    return await door.write(by_admin(lambda work: actions.put_override(work, day, area, body)))


@router.delete(
    "/admin/calendar/overrides/{day}",
    tags=["admin"],
    summary="Give a day back to the calendar",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, OverrideNotFound),
)
async def delete_override(door: CallerDoor, day: Day, area: DecidedFor = None) -> OverrideOut:
    """The day is again what the calendar makes of it. Answers what had been decided."""
    return await door.write(by_admin(lambda work: actions.delete_override(work, day, area)))


@router.get(
    "/admin/limits",
    tags=["admin"],
    summary="List the time limits",
    responses=refused(Unauthenticated, NotPermitted, BadCursor),
)
async def list_limits(door: CallerDoor, slicing: Slicing) -> Page[LimitOut]:
    """How long each stage may take, by class and stage."""
    page = await door.read(by_admin(lambda work: queries.limits(work.session, slicing)))
    door.link(page.next)
    return page


@router.put(
    "/admin/limits/{class_code}/{stage}",
    tags=["admin"],
    summary="Set a time limit",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, LimitNotFound),
)
async def put_limit(door: CallerDoor, class_code: ClassCode, stage: Stage, body: LimitIn) -> LimitOut:
    """Counts for stages that begin from now on. Hours are clock hours, nights and holidays included."""
    return await door.write(by_admin(lambda work: actions.put_limit(work, class_code, stage, body)))
