"""What an import looks up: who stands behind it, what rows are read against, and what was taken before."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import Session, col

from app.agencies.models import Agency, Category
from app.agencies.queries import find_categories
from app.areas.models import Area
from app.areas.queries import within
from app.areas.words import Level, lies_in
from app.kit.refusals import NotPermitted, Unprocessable
from app.people.models import Account, Post
from app.people.queries import held
from app.people.words import PostKind
from app.problems.models import ProblemRow
from app.problems.words import Closing
from app.registers.mapping import BadMapping
from app.registers.mapping import Mapping as RegisterMapping
from app.registers.models import ImportRun, TakenRow
from app.registers.rows import Ground
from app.registers.words import folded
from app.workdays.queries import load_calendar, load_limits

_MAY_IMPORT = frozenset({PostKind.OPERATOR, PostKind.LURAH, PostKind.STAFF, PostKind.CAMAT, PostKind.MONITOR})
"""Posts of the territory that record problems."""


class PostUnknown(Unprocessable):
    code, title = "post_unknown", "A post is named as facts name it, such as monitor:35.75"
    judul = "Jabatan disebut seperti pada catatan, misalnya monitor:35.75"


class PostVacant(NotPermitted):
    code, title = "post_vacant", "Nobody holds this post now"
    judul = "Jabatan ini sedang tidak dipegang siapa pun"


def area_of_holder(session: Session, on_behalf_of: str, now: datetime) -> str:
    """The area of a post that is named like `monitor:35.75` and that somebody holds now."""
    name, _, place = on_behalf_of.partition(":")
    if name not in _MAY_IMPORT or not place:
        raise PostUnknown("It must be of the territory, and one that records problems.")
    statement = (
        select(col(Post.id))
        .join(Account, col(Account.id) == col(Post.account_id))
        .where(col(Post.kind) == name, col(Post.area_code) == place, held(now), col(Account.disabled_at).is_(None))
    )
    if session.scalar(statement.limit(1)) is None:
        raise PostVacant
    return place


def look_up(session: Session, mapping: RegisterMapping, on_behalf_of: str, now: datetime) -> Ground:
    """Everything that rows are read against; refused where the mapping names what is not there."""
    area_code = area_of_holder(session, on_behalf_of, now)
    zones = _zones(session, area_code)
    agencies = session.scalars(select(Agency).where(col(Agency.active))).all()
    unknown = mapping.agency_codes - {each.code for each in agencies}
    if unknown:
        raise BadMapping(f"handled_by: no active agency has the code {' or '.join(sorted(unknown))}.")
    categories = find_categories(session, mapping.category_codes)
    unknown = mapping.category_codes - {code for code, each in categories.items() if each.active}
    if unknown:
        raise BadMapping(f"category: no active category has the code {' or '.join(sorted(unknown))}.")
    unknown = set(mapping.area.values.values()) - zones.keys()
    if unknown:
        raise BadMapping(f"area: no kelurahan or desa of {area_code} has the code {' or '.join(sorted(unknown))}.")
    return Ground(
        mapping=mapping,
        area_code=area_code,
        zones=zones,
        agencies={(each.city_code, folded(name)): each.code for each in agencies for name in (each.name, each.code)},
        by_hand=frozenset(each.code for each in agencies if not each.has_accounts),
        targets=_targets(session, area_code, categories, now),
        now=now,
    )


def _zones(session: Session, area_code: str) -> dict[str, ZoneInfo]:
    """Every kelurahan and desa in force of an area, with its time zone."""
    statement = select(col(Area.code), col(Area.time_zone)).where(
        within(col(Area.code), area_code), col(Area.level) == Level.VILLAGE, col(Area.valid_to).is_(None)
    )
    zones = {code: ZoneInfo(zone) for code, zone in session.execute(statement)}
    if not zones:
        raise PostUnknown("There is no kelurahan or desa in its area.")
    return zones


def _targets(session: Session, area_code: str, categories: dict[str, Category], now: datetime) -> dict[str, date]:
    area = session.get(Area, area_code)
    assert area is not None, "a post is held in an area that is there"
    calendar, limits = load_calendar(session, area_code, area.time_zone), load_limits(session)
    return {
        code: calendar.local_day(limits.due(calendar, each.class_, "resolve", now)) for code, each in categories.items()
    }


def unfinished(session: Session, wanted: Mapping[str, Any]) -> ImportRun | None:
    """The interrupted run that this one continues: of the same file and mapping, on behalf of the same post."""
    statement = select(ImportRun).filter_by(**wanted).where(col(ImportRun.finished_at).is_(None))
    return session.scalars(statement.order_by(col(ImportRun.number)).limit(1)).one_or_none()


def taken(session: Session, register: str, row_ids: Collection[str]) -> dict[str, str]:
    """The fingerprints of those rows that were taken before."""
    statement = select(col(TakenRow.row_id), col(TakenRow.fingerprint)).where(
        col(TakenRow.register_name) == register, col(TakenRow.row_id).in_(row_ids)
    )
    return dict(session.execute(statement).all())


@dataclass(frozen=True)
class Main:
    """A problem that others can be duplicates of."""

    problem_id: UUID
    area: str


def mains(session: Session, register: str, row_ids: Collection[str], area_code: str) -> dict[str, Main]:
    """The problems that these rows became, where others can be their duplicates.

    A duplicate's own main stands for it; one that was withdrawn or rejected, or lies elsewhere by now, is none.
    """
    statement = (
        select(col(TakenRow.row_id), ProblemRow)
        .join(ProblemRow, col(ProblemRow.id) == col(TakenRow.problem_id))
        .where(col(TakenRow.register_name) == register, col(TakenRow.row_id).in_(row_ids))
    )
    found: dict[str, ProblemRow] = dict(session.execute(statement).all())
    above = {each.main_id for each in found.values() if each.main_id is not None}
    roots = {each.id: each for each in session.scalars(select(ProblemRow).where(col(ProblemRow.id).in_(above)))}
    meant = {row_id: roots.get(each.main_id, each) if each.main_id else each for row_id, each in found.items()}
    return {
        row_id: Main(each.id, each.area_code)
        for row_id, each in meant.items()
        if each.closing not in (Closing.DUPLICATE, Closing.WITHDRAWN, Closing.REJECTED)
        and lies_in(each.area_code, area_code)
    }
