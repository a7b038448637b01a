"""Reading territory."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, or_, select
from sqlmodel import Session, col

from app.areas.models import Area
from app.areas.schemas import AreaBrief, AreaOut, PointOut
from app.areas.words import Level, ancestors_of, label_of, search_key
from app.kit import shelves
from app.kit.paging import Page, Slice
from app.kit.refusals import InvalidRequest, NotFound, Unprocessable

_BEHIND_DOT = "/"
_BEHIND_Z = "{"
_LETTERS_TO_LOOK_INSIDE = 3


class AreaNotFound(NotFound):
    code, title, judul = "area_not_found", "No area has this code", "Tidak ada wilayah dengan kode ini"


class UnknownArea(Unprocessable):
    code, title, judul = "unknown_area", "The area named here is not known", "Wilayah yang disebut tidak dikenal"


class NothingToLookFor(InvalidRequest):
    code, title = "nothing_to_look_for", "Look for at least one letter or digit"
    judul = "Cari dengan sedikitnya satu huruf atau angka"


def find(session: Session, codes: Collection[str]) -> dict[str, Area]:
    """Those of the areas that are in store, by code."""
    if not codes:
        return {}
    return {area.code: area for area in session.scalars(select(Area).where(col(Area.code).in_(set(codes))))}


def remembered(session: Session, codes: Collection[str]) -> dict[str, Area]:
    """The same, from what this process remembers; to be read only."""
    return shelves.remembered(session, "areas", codes, lambda missing: shelves.apart(session, find(session, missing)))


def known(session: Session, code: str) -> Area:
    """The area that a request names in passing; refused where there is none."""
    area = session.get(Area, code)
    if area is None:
        raise UnknownArea
    return area


def within(column: Any, above: str) -> ColumnElement[bool]:
    """The codes of `above` and of all areas below it: one range of an index."""
    codes: ColumnElement[bool] = and_(column >= above, column < above + _BEHIND_DOT)
    return codes


def area(session: Session, code: str) -> AreaOut:
    """One area."""
    found = session.get(Area, code)
    if found is None:
        raise AreaNotFound
    return _shaped(session, [found])[0]


def areas(
    session: Session, slicing: Slice, today: date, parent: str | None, level: Level | None, looked_for: str | None
) -> Page[AreaOut]:
    """The areas in force, by code; or those whose names hold what is looked for, by name, the best first."""
    wanted = _in_force(today)
    if level is not None:
        wanted &= col(Area.level) == level
    if parent is not None:
        if level is None and looked_for is None:
            wanted &= col(Area.parent_code) == parent
        else:
            wanted &= within(col(Area.code), parent) & (col(Area.code) != parent)
    if looked_for is not None:
        return _found(session, slicing, wanted, search_key(looked_for))
    rows = session.scalars(slicing.apply(select(Area).where(wanted), col(Area.code), descending=False)).all()
    shown, after = slicing.cut(rows, "code")
    return Page(items=_shaped(session, shown), next=after)


def _in_force(today: date) -> ColumnElement[bool]:
    return or_(col(Area.valid_to).is_(None), col(Area.valid_to) >= today)


def _found(session: Session, slicing: Slice, wanted: ColumnElement[bool], key: str) -> Page[AreaOut]:
    """Names that begin with the key, then names that hold it further in.

    The first are one range of the index. The second take a walk over all names, so that is only done where the first
    do not fill the page, and never for a letter or two.
    """
    if not key:
        raise NothingToLookFor
    keys = name, _ = col(Area.search_name), col(Area.code)
    seen = slicing.seen(*keys)
    inside_already = seen is not None and not seen[0].startswith(key)
    begins = and_(name >= key, name < key + _BEHIND_Z)
    found: list[Area] = []
    if not inside_already:
        statement = select(Area).where(begins, wanted)
        found += session.scalars(slicing.apply(statement, *keys, descending=False))
    if len(found) <= slicing.limit and len(key) >= _LETTERS_TO_LOOK_INSIDE:
        statement = select(Area).where(name.contains(key), not_(begins), wanted)
        rest = slicing if inside_already else replace(slicing, after=None)
        found += session.scalars(rest.apply(statement, *keys, descending=False))
    shown, after = slicing.cut(found, "search_name", "code")
    return Page(items=_shaped(session, shown), next=after)


def _shaped(session: Session, found: Sequence[Area]) -> list[AreaOut]:
    above = find(session, {code for each in found for code in ancestors_of(each.code)})
    return [_out(each, [above[code] for code in ancestors_of(each.code)]) for each in found]


def _out(shown: Area, above: Sequence[Area]) -> AreaOut:
    point = None
    if shown.latitude is not None and shown.longitude is not None:
        point = PointOut(lat=shown.latitude, lon=shown.longitude)
    return AreaOut(
        code=shown.code,
        name=shown.name,
        level=shown.level,
        level_label=label_of(shown.code),
        parent=AreaBrief.model_validate(above[0]) if above else None,
        path=[each.name for each in reversed(above)],
        time_zone=shown.time_zone,
        valid_from=shown.valid_from,
        valid_to=shown.valid_to,
        predecessor_code=shown.predecessor_code,
        postal_code=shown.postal_code,
        point=point,
    )
