"""Writing territory: taking in a register of areas."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

from sqlalchemy import bindparam, insert, select, text, update
from sqlmodel import Session, col

from app.areas.models import Area
from app.areas.register import Row, checked
from app.areas.schemas import AreaIn, ImportSummary
from app.areas.words import TIME_ZONES, ancestors_of, level_of, parent_of, search_key


@dataclass(frozen=True)
class _Known:
    """What is in store of an area."""

    name: str
    postal_code: str | None
    latitude: float | None
    longitude: float | None
    valid_to: date | None


def import_areas(session: Session, rows: Iterable[tuple[str, str] | Row]) -> ImportSummary:
    """Takes in a register: adds what is new, renames what is renamed, removes nothing; one bad row refuses them all.

    A postal code or point that the register leaves out stays as it is in store.
    """
    known = _known(session)
    areas = checked(rows, known)
    new = [area for area in areas if area.code not in known]
    changed = {
        area.code: now
        for area in areas
        if area.code in known and (now := _merged(area, known[area.code])) != known[area.code]
    }
    renamed = sum(now.name != known[code].name for code, now in changed.items())
    _insert(session, new)
    _update(session, changed)
    return ImportSummary(
        added=len(new),
        renamed=renamed,
        refined=len(changed) - renamed,
        unchanged=len(areas) - len(new) - len(changed),
        levels=Counter(level_of(area.code) for area in areas),
        absent=_absent(areas, known),
    )


def _known(session: Session) -> dict[str, _Known]:
    details = (Area.name, Area.postal_code, Area.latitude, Area.longitude, Area.valid_to)
    return {code: _Known(*rest) for code, *rest in session.execute(select(col(Area.code), *map(col, details)))}


def _merged(area: AreaIn, known: _Known) -> _Known:
    return replace(
        known,
        name=area.name,
        postal_code=area.postal_code or known.postal_code,
        latitude=known.latitude if area.lat is None else area.lat,
        longitude=known.longitude if area.lon is None else area.lon,
    )


def _absent(areas: Sequence[AreaIn], known: Mapping[str, _Known]) -> list[str]:
    """What is in force below an area of the register and on a level of the register, but not in it."""
    named = {area.code for area in areas}
    levels = {level_of(code) for code in named}
    return sorted(
        code
        for code in known.keys() - named
        if known[code].valid_to is None and level_of(code) in levels and not named.isdisjoint(ancestors_of(code))
    )


def _insert(session: Session, areas: Sequence[AreaIn]) -> None:
    """Inserts level by level, the planner told of each before the next.

    A planner that believes the table as small as it was looks up each parent by reading all of it: 26 s instead of 4.
    """
    connection = session.connection()
    for _, level in groupby(areas, key=lambda area: len(area.code)):
        connection.execute(insert(Area), [_row(area) for area in level])
        connection.execute(text("ANALYZE area"))


def _row(area: AreaIn) -> dict[str, object]:
    return {
        "code": area.code,
        "name": area.name,
        "search_name": search_key(area.name),
        "level": level_of(area.code),
        "parent_code": parent_of(area.code),
        "time_zone": TIME_ZONES[area.code[:2]],
        "postal_code": area.postal_code,
        "latitude": area.lat,
        "longitude": area.lon,
    }


def _update(session: Session, changed: Mapping[str, _Known]) -> None:
    if not changed:
        return
    statement = update(Area).where(col(Area.code) == bindparam("its_code"))
    session.connection().execute(
        statement,
        [
            {
                "its_code": code,
                "name": now.name,
                "search_name": search_key(now.name),
                "postal_code": now.postal_code,
                "latitude": now.latitude,
                "longitude": now.longitude,
            }
            for code, now in changed.items()
        ],
    )
