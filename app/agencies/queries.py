"""Questions about agencies, categories, and who is responsible."""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import literal, select
from sqlmodel import Session, col

from app.agencies.models import Agency, Category, Responsibility
from app.agencies.schemas import AgencyOut, CategoryOut, ResponsibilityOut
from app.agencies.words import AgencyKind, CategoryClass
from app.areas.words import ancestors_of
from app.kit import shelves
from app.kit.paging import Page, Slice
from app.kit.refusals import NotFound, Unprocessable

_DEEPEST = 8
"""Levels of the category tree that are followed; a bound, should the tree ever have a circle."""


class AgencyNotFound(NotFound):
    code, title, judul = "agency_not_found", "No agency has this code", "Tidak ada instansi dengan kode ini"


class UnknownAgency(Unprocessable):
    code, title = "unknown_agency", "The agency named here is not known"
    judul = "Instansi yang disebut tidak dikenal"


class UnknownCategory(Unprocessable):
    code, title = "unknown_category", "The category named here is not known"
    judul = "Kategori yang disebut tidak dikenal"


def find_agencies(session: Session, codes: Iterable[str]) -> dict[str, Agency]:
    """The agencies of these codes that exist."""
    wanted = set(codes)
    if not wanted:
        return {}
    return {agency.code: agency for agency in session.scalars(select(Agency).where(col(Agency.code).in_(wanted)))}


def find_categories(session: Session, codes: Iterable[str]) -> dict[str, Category]:
    """The categories of these codes that exist."""
    wanted = set(codes)
    if not wanted:
        return {}
    rows = session.scalars(select(Category).where(col(Category.code).in_(wanted)))
    return {category.code: category for category in rows}


def remembered_agencies(session: Session, codes: Collection[str]) -> dict[str, Agency]:
    """The agencies of these codes, from what this process remembers; to be read only."""
    return shelves.remembered(
        session, "agencies", codes, lambda missing: shelves.apart(session, find_agencies(session, missing))
    )


def remembered_categories(session: Session, codes: Collection[str]) -> dict[str, Category]:
    """The categories of these codes, from what this process remembers; to be read only."""
    return shelves.remembered(
        session, "categories", codes, lambda missing: shelves.apart(session, find_categories(session, missing))
    )


def known_agency(session: Session, code: str) -> Agency:
    """The agency that a request names in passing; refused where there is none."""
    agency = session.get(Agency, code)
    if agency is None:
        raise UnknownAgency
    return agency


def known_category(session: Session, code: str) -> Category:
    """The category that a request names in passing; refused where there is none."""
    category = session.get(Category, code)
    if category is None:
        raise UnknownCategory
    return category


def responsible_for(session: Session, category_code: str, area_code: str) -> str | None:
    """The agency that solves this category here, or None where no rule says."""
    return responsible_agencies(session, [(category_code, area_code)]).get((category_code, area_code))


def responsible_agencies(session: Session, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The active agency for each (category, area) that a rule covers, in two statements for any number of them.

    A rule of the category itself goes before one of its parents; among those, the smaller area before the larger.
    """
    wanted = set(places)
    if not wanted:
        return {}
    lines = lines_of_descent(session, {category for category, _ in wanted})
    above = {area: _upward(area) for _, area in wanted}
    rules = _rules(
        session,
        {category for line in lines.values() for category in line},
        {area for areas in above.values() for area in areas},
    )
    answer = {}
    for category, area in wanted:
        choices = (rules.get((each, place)) for each in lines.get(category, ()) for place in above[area])
        agency = next((choice for choice in choices if choice), None)
        if agency:
            answer[category, area] = agency
    return answer


def lines_of_descent(session: Session, codes: Iterable[str]) -> dict[str, list[str]]:
    """Each category with its ancestors, nearest first."""
    category: Any = Category.__table__  # type: ignore[attr-defined]
    parent = category.alias()
    start = select(
        category.c.code.label("start"), category.c.code, category.c.parent_code, literal(0).label("distance")
    )
    line: Any = start.where(category.c.code.in_(codes)).cte("line", recursive=True)
    line = line.union_all(
        select(line.c.start, parent.c.code, parent.c.parent_code, line.c.distance + 1)
        .join(parent, parent.c.code == line.c.parent_code)
        .where(line.c.distance < _DEEPEST)
    )
    lines: dict[str, list[str]] = {}
    for start_code, code in session.execute(select(line.c.start, line.c.code).order_by(line.c.distance)):
        lines.setdefault(start_code, []).append(code)
    return lines


def _upward(area_code: str) -> list[str]:
    """The area and what lies above it, nearest first."""
    return [area_code, *ancestors_of(area_code)]


def _rules(session: Session, categories: Iterable[str], areas: Iterable[str]) -> dict[tuple[str, str], str]:
    statement = (
        select(col(Responsibility.category_code), col(Responsibility.area_code), col(Responsibility.agency_code))
        .join(Agency, col(Agency.code) == col(Responsibility.agency_code))
        .where(
            col(Responsibility.category_code).in_(categories),
            col(Responsibility.area_code).in_(areas),
            col(Agency.active),
        )
    )
    return {(category, area): agency for category, area, agency in session.execute(statement)}


def agencies(
    session: Session, page: Slice, *, kind: AgencyKind | None = None, active: bool | None = None
) -> Page[AgencyOut]:
    """Agencies, by code."""
    statement = select(Agency)
    if kind is not None:
        statement = statement.where(col(Agency.kind) == kind)
    if active is not None:
        statement = statement.where(col(Agency.active).is_(active))
    rows = session.scalars(page.apply(statement, col(Agency.code), descending=False)).all()
    items, after = page.cut(rows, "code")
    return Page(items=[agency_out(agency) for agency in items], next=after)


def agency(session: Session, code: str) -> AgencyOut:
    """One agency."""
    found = session.get(Agency, code)
    if found is None:
        raise AgencyNotFound
    return agency_out(found)


def categories(
    session: Session,
    page: Slice,
    *,
    parent: str | None = None,
    class_: CategoryClass | None = None,
    active: bool | None = None,
) -> Page[CategoryOut]:
    """Categories, by code."""
    statement = select(Category)
    if parent is not None:
        statement = statement.where(col(Category.parent_code) == parent)
    if class_ is not None:
        statement = statement.where(col(Category.class_) == class_)
    if active is not None:
        statement = statement.where(col(Category.active).is_(active))
    rows = session.scalars(page.apply(statement, col(Category.code), descending=False)).all()
    items, after = page.cut(rows, "code")
    return Page(items=[category_out(category) for category in items], next=after)


def responsibilities(
    session: Session, page: Slice, *, category: str | None = None, area: str | None = None, agency: str | None = None
) -> Page[ResponsibilityOut]:
    """Responsibility rules, by category and area; those of an area are its own and the ones of what lies above it."""
    statement = select(Responsibility)
    if category is not None:
        statement = statement.where(col(Responsibility.category_code) == category)
    if area is not None:
        statement = statement.where(col(Responsibility.area_code).in_(_upward(area)))
    if agency is not None:
        statement = statement.where(col(Responsibility.agency_code) == agency)
    keys = col(Responsibility.category_code), col(Responsibility.area_code)
    rows = session.scalars(page.apply(statement, *keys, descending=False)).all()
    items, after = page.cut(rows, "category_code", "area_code")
    return Page(items=[responsibility_out(rule) for rule in items], next=after)


def agency_out(agency: Agency) -> AgencyOut:
    return AgencyOut(
        code=agency.code,
        name=agency.name,
        kind=agency.kind,
        kind_label=agency.kind.label,
        city=agency.city_code,
        has_accounts=agency.has_accounts,
        active=agency.active,
        email=agency.email,
    )


def category_out(category: Category) -> CategoryOut:
    return CategoryOut(
        code=category.code,
        label=category.label,
        class_=category.class_,
        class_label=category.class_.label,
        proof_required=category.proof_required,
        parent_code=category.parent_code,
        active=category.active,
    )


def responsibility_out(rule: Responsibility) -> ResponsibilityOut:
    return ResponsibilityOut(
        category=rule.category_code,
        area=rule.area_code,
        agency=rule.agency_code,
        learned_from=rule.learned_from,
        created_at=rule.created_at,
    )
