"""HTTP of agencies, categories and responsibility rules."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.agencies import actions, queries
from app.agencies.actions import AgencyExists, CategoryExists, CategoryInCircle, CategoryNotFound, RuleNotFound
from app.agencies.queries import AgencyNotFound, UnknownAgency, UnknownCategory
from app.agencies.schemas import (
    AgencyChange,
    AgencyIn,
    AgencyOut,
    CategoryChange,
    CategoryIn,
    CategoryOut,
    ResponsibilityIn,
    ResponsibilityOut,
    ResponsibilityRemoved,
)
from app.agencies.words import AgencyCode, AgencyKind, CategoryClass, CategoryCode
from app.areas.queries import UnknownArea
from app.areas.words import AreaCode
from app.kit.doors import WRITES, CallerDoor, ReferenceDoor
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import NotPermitted, Unauthenticated, refused
from app.kit.rules import by_admin

router = APIRouter()


@router.get("/agencies", tags=["agencies"], summary="Agencies", responses=refused(Unauthenticated, BadCursor))
async def list_agencies(
    door: ReferenceDoor,
    slicing: Slicing,
    kind: Annotated[AgencyKind | None, Query(description="Of this kind.")] = None,
    active: Annotated[bool | None, Query(description="Only those that are given new work, or only the others.")] = None,
) -> Page[AgencyOut]:
    """The bodies that solve problems, by code. One without accounts is moved by whoever assigned, `by_hand`."""
    page = await door.read(lambda work: queries.agencies(work.session, slicing, kind=kind, active=active))
    door.link(page.next)
    return page


@router.get(
    "/agencies/{code}", tags=["agencies"], summary="One agency", responses=refused(Unauthenticated, AgencyNotFound)
)
async def read_agency(door: ReferenceDoor, code: Annotated[AgencyCode, Path()]) -> AgencyOut:
    """One agency by its code."""
    return await door.read(lambda work: queries.agency(work.session, code))


@router.get("/categories", tags=["agencies"], summary="Categories", responses=refused(Unauthenticated, BadCursor))
async def list_categories(
    door: ReferenceDoor,
    slicing: Slicing,
    parent: Annotated[CategoryCode | None, Query(description="Only those directly below this one.")] = None,
    class_: Annotated[CategoryClass | None, Query(alias="class", description="Of this class.")] = None,
    active: Annotated[
        bool | None, Query(description="Only those offered for new problems, or only the others.")
    ] = None,
) -> Page[CategoryOut]:
    """The tree of categories, by code; the class decides the limits.

    Where `proof_required` is set, finishing a problem needs a photo.
    """
    page = await door.read(
        lambda work: queries.categories(work.session, slicing, parent=parent, class_=class_, active=active)
    )
    door.link(page.next)
    return page


@router.get(
    "/responsibilities", tags=["agencies"], summary="Who is responsible", responses=refused(Unauthenticated, BadCursor)
)
async def list_responsibilities(
    door: ReferenceDoor,
    slicing: Slicing,
    category: Annotated[CategoryCode | None, Query(description="Rules for this category itself.")] = None,
    area: Annotated[
        AreaCode | None, Query(description="Rules that reach this area: its own, and of all above.")
    ] = None,
    agency: Annotated[AgencyCode | None, Query(description="Rules that name this agency.")] = None,
) -> Page[ResponsibilityOut]:
    """Rules of the shape category × area → agency, of which the nearest one counts.

    The category itself goes before the one above it; then the smaller area before the larger.
    """
    page = await door.read(
        lambda work: queries.responsibilities(work.session, slicing, category=category, area=area, agency=agency)
    )
    door.link(page.next)
    return page


@router.post(
    "/admin/agencies",
    status_code=201,
    tags=["admin"],
    summary="Create an agency",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, AgencyExists, UnknownArea),
)
async def create_agency(door: CallerDoor, body: AgencyIn) -> AgencyOut:
    """A new body that problems can be assigned to."""
    return await door.write(by_admin(lambda work: actions.create_agency(work, body)))


@router.patch(
    "/admin/agencies/{code}",
    tags=["admin"],
    summary="Change an agency",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, AgencyNotFound),
)
async def change_agency(door: CallerDoor, code: Annotated[AgencyCode, Path()], body: AgencyChange) -> AgencyOut:
    """Its name, its kind, its e-mail address, whether it has accounts, whether it is given new work. The code stays."""
    return await door.write(by_admin(lambda work: actions.change_agency(work, code, body)))


@router.post(
    "/admin/categories",
    status_code=201,
    tags=["admin"],
    summary="Create a category",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, CategoryExists, UnknownCategory),
)
async def create_category(door: CallerDoor, body: CategoryIn) -> CategoryOut:
    """A new kind of problem, at the root or below another."""
    return await door.write(by_admin(lambda work: actions.create_category(work, body)))


@router.patch(
    "/admin/categories/{code}",
    tags=["admin"],
    summary="Change a category",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, CategoryNotFound, CategoryInCircle, UnknownCategory),
)
async def change_category(door: CallerDoor, code: Annotated[CategoryCode, Path()], body: CategoryChange) -> CategoryOut:
    """Its label, class, place in the tree, whether proof is required, whether it is offered.

    The code stays; problems already recorded keep the class they have.
    """
    return await door.write(by_admin(lambda work: actions.change_category(work, code, body)))


@router.put(
    "/admin/responsibilities/{category}/{area}",
    tags=["admin"],
    summary="Say who is responsible",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, UnknownCategory, UnknownArea, UnknownAgency),
)
async def put_responsibility(
    door: CallerDoor,
    category: Annotated[CategoryCode, Path()],
    area: Annotated[AreaCode, Path()],
    body: ResponsibilityIn,
) -> ResponsibilityOut:
    """From now on this agency is proposed for the category in the area and below it."""
    return await door.write(by_admin(lambda work: actions.put_responsibility(work, category, area, body.agency)))


@router.delete(
    "/admin/responsibilities/{category}/{area}",
    tags=["admin"],
    summary="Delete a responsibility rule",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, RuleNotFound),
)
async def delete_responsibility(
    door: CallerDoor, category: Annotated[CategoryCode, Path()], area: Annotated[AreaCode, Path()]
) -> ResponsibilityRemoved:
    """The rule no longer counts; the next nearest one does."""
    return await door.write(by_admin(lambda work: actions.delete_responsibility(work, category, area)))
