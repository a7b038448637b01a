"""Reference packs: what a phone keeps of areas, categories, agencies, the calendar and the steps.

They are rendered once for each edition of the reference data, city and year, and remembered as the bytes they are sent
as, so that a pull can tell every pack's ETag without asking the database.
"""

import gzip
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import ModuleType
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import Session, col

from app.agencies import words as agencies
from app.agencies.models import Agency, Category
from app.agencies.queries import agency_out, category_out, remembered_agencies
from app.areas import words as areas
from app.areas.models import Area
from app.areas.queries import remembered as remembered_areas
from app.areas.queries import within
from app.areas.words import LENGTH_OF_LEVEL, Level, label_of
from app.kit import shelves
from app.kit.house import Work
from app.kit.refusals import NotFound
from app.people import words as people
from app.people.actors import Actor
from app.problems import words as problems
from app.problems.lifecycle.steps import PART_STEPS, STEPS
from app.sync import words as sync
from app.sync.schemas import (
    AgenciesPackOut,
    AreasPackOut,
    CalendarPackOut,
    CategoriesPackOut,
    PackAreaOut,
    PackOut,
    PackStepOut,
    PointOut,
    StepsPackOut,
)
from app.sync.words import Pack
from app.workdays import words as workdays
from app.workdays.models import Limit
from app.workdays.queries import limit_out, remembered_calendars, special_day_out


class PackNotFound(NotFound):
    code, title, judul = "pack_not_found", "There is no such reference pack", "Paket data acuan ini tidak ada"


@dataclass(frozen=True)
class Rendered:
    """A pack as it is sent."""

    body: bytes
    packed: bytes
    """The same under gzip."""
    etag: str
    """The first digits of the body's SHA-256, without the quotes that HTTP puts around."""

    def is_held(self, if_none_match: str | None) -> bool:
        """Whether one of the ETags of this header is the present one."""
        return self.etag in {each.strip().removeprefix("W/").strip('"') for each in (if_none_match or "").split(",")}


def pack(work: Work[Actor], name: str) -> Rendered:
    """The pack of this name, for the caller's city and the day it is there."""
    if name not in frozenset(Pack):
        raise PackNotFound
    city = city_of(work)
    return _packs(work.session, city, today_in(work, city))[Pack(name)]


def pack_etags(session: Session, city_code: str, today: date) -> dict[str, str]:
    """The ETag of each pack of a city; no statement once this edition's packs are rendered."""
    return {name.value: rendered.etag for name, rendered in _packs(session, city_code, today).items()}


def city_of(work: Work[Actor]) -> str:
    """The city whose reference data the caller works with."""
    caller = work.caller
    if caller.area_code is not None:
        return caller.area_code[:_CITY]
    if caller.agency_code is not None:
        return remembered_agencies(work.session, [caller.agency_code])[caller.agency_code].city_code
    return work.house.settings.city


def today_in(work: Work[Actor], city_code: str) -> date:
    """The day it is in a city."""
    area = remembered_areas(work.session, [city_code])[city_code]
    return work.now.astimezone(ZoneInfo(area.time_zone)).date()


def _packs(session: Session, city: str, today: date) -> Mapping[Pack, Rendered]:
    """All packs of a city; those of the year."""
    place = city, today.year

    def load(_missing: Any) -> dict[tuple[str, int], Mapping[Pack, Rendered]]:
        made: dict[Pack, PackOut] = {
            Pack.AREAS: _areas(session, city),
            Pack.CATEGORIES: _categories(session),
            Pack.AGENCIES: _agencies(session, city),
            Pack.CALENDAR: _calendar(session, city, today.year),
            Pack.STEPS: _steps(session),
        }
        return {place: {name: _rendered(each) for name, each in made.items()}}

    return shelves.remembered(session, "reference packs", [place], load)[place]


def _rendered(made: PackOut) -> Rendered:
    body = made.model_dump_json(by_alias=True).encode()
    return Rendered(body, gzip.compress(body, mtime=0), hashlib.sha256(body).hexdigest()[:16])


def _areas(session: Session, city: str) -> AreasPackOut:
    found = session.scalars(select(Area).where(within(col(Area.code), city)).order_by(col(Area.code)))
    return AreasPackOut(items=[_area(each) for each in found])


def _area(area: Area) -> PackAreaOut:
    point = None
    if area.latitude is not None and area.longitude is not None:
        point = PointOut(lat=area.latitude, lon=area.longitude)
    return PackAreaOut(
        code=area.code,
        name=area.name,
        level=area.level,
        level_label=label_of(area.code),
        parent=area.parent_code,
        time_zone=area.time_zone,
        valid_to=area.valid_to,
        point=point,
    )


def _categories(session: Session) -> CategoriesPackOut:
    found = session.scalars(select(Category).order_by(col(Category.code)))
    return CategoriesPackOut(items=[category_out(each) for each in found])


def _agencies(session: Session, city: str) -> AgenciesPackOut:
    found = session.scalars(select(Agency).where(col(Agency.city_code) == city).order_by(col(Agency.code)))
    return AgenciesPackOut(items=[agency_out(each) for each in found])


def _calendar(session: Session, city: str, year: int) -> CalendarPackOut:
    zone = remembered_areas(session, [city])[city].time_zone
    calendar, years = remembered_calendars(session, {city: zone})[city], [year - 1, year, year + 1]
    days = [special_day_out(day) for each in years for day in calendar.special_days(each)]
    return CalendarPackOut(area=city, time_zone=zone, years=years, days=days)


def _steps(session: Session) -> StepsPackOut:
    limits = session.scalars(select(Limit).order_by(col(Limit.class_code), col(Limit.stage)))
    return StepsPackOut(
        problem=[
            _step(verb, {source: step.targets(source) for source in step.sources}) for verb, step in STEPS.items()
        ],
        assignment=[
            _step(verb, {source: {step.to} - {None, source} for source in step.sources})
            for verb, step in PART_STEPS.items()
        ],
        labels={kind.__name__: {word.value: word.label for word in kind} for kind in _LABELLED},
        limits=[limit_out(each) for each in limits],
    )


def _step(verb: Any, ways: Mapping[StrEnum, Collection[Any]]) -> PackStepOut:
    targets = {source.value: sorted(each.value for each in ways[source]) for source in sorted(ways)}
    return PackStepOut(verb=verb.value, label=verb.label, sources=list(targets), targets=targets)


def _labelled(module: ModuleType) -> list[Any]:
    """The enumerations of a room's words that people read under labels."""
    kinds = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, StrEnum)]
    return [each for each in kinds if each.__module__ == module.__name__ and len(each) and hasattr(each, "label")]


_CITY: Final = LENGTH_OF_LEVEL[Level.REGENCY]
_WORDS: Final = (problems, sync, agencies, areas, people, workdays)
_LABELLED: Final = [each for module in _WORDS for each in _labelled(module)]
