"""HTTP of territory."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.areas import queries
from app.areas.queries import AreaNotFound, NothingToLookFor
from app.areas.schemas import AreaOut
from app.areas.words import AreaCode, AreaName, Level
from app.kit.doors import ReferenceDoor
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import Unauthenticated, refused

router = APIRouter(prefix="/areas", tags=["areas"])


@router.get("", summary="List or look for areas", responses=refused(Unauthenticated, BadCursor, NothingToLookFor))
async def list_areas(
    door: ReferenceDoor,
    slicing: Slicing,
    parent: Annotated[
        AreaCode | None, Query(description="Directly below this area; with `level` or `q`, anywhere below.")
    ] = None,
    level: Annotated[Level | None, Query(description="Of this level only.")] = None,
    q: Annotated[
        AreaName | None,
        Query(
            description="Part of a name. Case, spaces, accents and apostrophes do not matter: `tapaan` finds Tapa'an, "
            "`Kandang Sapi` finds Kandangsapi. One or two letters are looked for at the beginning only."
        ),
    ] = None,
) -> Page[AreaOut]:
    """The areas in force, ordered by code; with `q` by name, those that begin with it first.

    A kecamatan and a kelurahan may share a name: `level`, `parent` and `path` tell them apart.
    """
    page = await door.read(lambda work: queries.areas(work.session, slicing, work.now.date(), parent, level, q))
    door.link(page.next)
    return page


@router.get("/{code}", summary="Read an area", responses=refused(Unauthenticated, AreaNotFound))
async def read_area(code: AreaCode, door: ReferenceDoor) -> AreaOut:
    """One area by its code, also one whose code was given up."""
    return await door.read(lambda work: queries.area(work.session, code))
