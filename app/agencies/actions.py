"""Changing agencies, categories and rules, and sowing the first ones."""

import itertools
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import insert, select
from sqlmodel import Session, SQLModel, col

from app.agencies.models import Agency, Category, Responsibility
from app.agencies.queries import (
    AgencyNotFound,
    agency_out,
    category_out,
    known_agency,
    known_category,
    lines_of_descent,
    responsibility_out,
)
from app.agencies.schemas import (
    AgencyChange,
    AgencyIn,
    AgencyOut,
    AgencyRow,
    CategoryChange,
    CategoryIn,
    CategoryOut,
    ResponsibilityOut,
    ResponsibilityRemoved,
)
from app.agencies.words import AgencyKind, CategoryClass
from app.areas import queries as areas
from app.journal import actions as journal
from app.kit.house import Work
from app.kit.ids import new_id
from app.kit.refusals import Conflict, NotFound

_INITIALS_MAXIMUM = 16


class AgencyExists(Conflict):
    code, title, judul = "agency_exists", "An agency of this code exists", "Kode instansi ini sudah ada"


class CategoryExists(Conflict):
    code, title, judul = "category_exists", "A category of this code exists", "Kode kategori ini sudah ada"


class CategoryInCircle(Conflict):
    code = "category_in_circle"
    title, judul = "A category cannot lie below itself", "Kategori tidak dapat berada di bawah dirinya sendiri"


class CategoryNotFound(NotFound):
    code, title, judul = "category_not_found", "No category has this code", "Tidak ada kategori dengan kode ini"


class RuleNotFound(NotFound):
    code, title, judul = "rule_not_found", "No such responsibility rule", "Aturan kewenangan tidak ada"


def create_agency(work: Work[Any], body: AgencyIn) -> AgencyOut:
    """A new agency."""
    session = work.session
    if session.get(Agency, body.code) is not None:
        raise AgencyExists
    city = body.city or work.house.settings.city
    areas.known(session, city)
    agency = Agency(
        code=body.code,
        name=body.name,
        kind=body.kind,
        city_code=city,
        has_accounts=body.has_accounts,
        active=True,
        email=body.email,
    )
    session.add(agency)
    journal.administration(work, "agency.created", agency.code, name=agency.name, kind=agency.kind, city=city)
    return agency_out(agency)


def change_agency(work: Work[Any], code: str, body: AgencyChange) -> AgencyOut:
    """The agency with what was given changed."""
    agency = work.session.get(Agency, code)
    if agency is None:
        raise AgencyNotFound
    changes = _change(agency, body, clearable=frozenset({"email"}))
    journal.administration(work, "agency.changed", code, **changes)
    return agency_out(agency)


def create_category(work: Work[Any], body: CategoryIn) -> CategoryOut:
    """A new category."""
    session = work.session
    if session.get(Category, body.code) is not None:
        raise CategoryExists
    if body.parent_code is not None:
        known_category(session, body.parent_code)
    category = Category(
        code=body.code,
        label=body.label,
        class_=body.class_,
        proof_required=body.proof_required,
        parent_code=body.parent_code,
        active=True,
    )
    session.add(category)
    journal.administration(work, "category.created", body.code, **body.model_dump(mode="json", by_alias=True))
    return category_out(category)


def change_category(work: Work[Any], code: str, body: CategoryChange) -> CategoryOut:
    """The category with what was given changed; problems keep the class they were recorded under."""
    category = work.session.get(Category, code)
    if category is None:
        raise CategoryNotFound
    if body.parent_code is not None:
        known_category(work.session, body.parent_code)
        if code in lines_of_descent(work.session, [body.parent_code])[body.parent_code]:
            raise CategoryInCircle
    changes = _change(category, body, clearable=frozenset({"parent_code"}))
    journal.administration(work, "category.changed", code, **changes)
    return category_out(category)


def _change(row: SQLModel, body: BaseModel, clearable: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Sets what was given; answers each change as [before, after]. A null says nothing but where it clears."""
    changes: dict[str, Any] = {}
    for field, value in body.model_dump(exclude_unset=True).items():
        before = getattr(row, field)
        if value != before and (value is not None or field in clearable):
            setattr(row, field, value)
            changes[field.removesuffix("_")] = [before, value]
    return changes


def put_responsibility(work: Work[Any], category: str, area: str, agency: str) -> ResponsibilityOut:
    """From now on this agency solves the category in the area and below, where no nearer rule says otherwise."""
    known_category(work.session, category)
    areas.known(work.session, area)
    known_agency(work.session, agency)
    rule, before = _put(work, category, area, agency, learned_from=None)
    journal.administration(work, "responsibility.put", f"{category} {area}", agency=agency, before=before)
    return responsibility_out(rule)


def delete_responsibility(work: Work[Any], category: str, area: str) -> ResponsibilityRemoved:
    """The rule no longer counts."""
    rule = _rule(work.session, category, area)
    if rule is None:
        raise RuleNotFound
    work.session.delete(rule)
    journal.administration(work, "responsibility.deleted", f"{category} {area}", agency=rule.agency_code)
    return ResponsibilityRemoved(category=category, area=area, agency=rule.agency_code)


def teach(work: Work[Any], category_code: str, area_code: str, agency_code: str, problem_id: UUID) -> None:
    """Keeps what was decided about one problem as the rule for the next."""
    _, before = _put(work, category_code, area_code, agency_code, learned_from=problem_id)
    journal.administration(
        work,
        "responsibility.learned",
        f"{category_code} {area_code}",
        agency=agency_code,
        before=before,
        problem=str(problem_id),
    )


def _put(
    work: Work[Any], category: str, area: str, agency: str, learned_from: UUID | None
) -> tuple[Responsibility, str | None]:
    """The rule as it now is, and the agency it named before."""
    rule = _rule(work.session, category, area)
    before = rule.agency_code if rule else None
    if rule is None:
        rule = Responsibility(
            id=new_id(), category_code=category, area_code=area, agency_code=agency, created_at=work.now
        )
        work.session.add(rule)
    rule.agency_code, rule.learned_from, rule.created_at = agency, learned_from, work.now
    work.session.flush()
    return rule, before


def _rule(session: Session, category: str, area: str) -> Responsibility | None:
    statement = select(Responsibility).where(
        col(Responsibility.category_code) == category, col(Responsibility.area_code) == area
    )
    return session.scalars(statement).one_or_none()


@dataclass(frozen=True)
class Sown:
    """How many rows a sowing added."""

    agencies: int
    categories: int
    responsibilities: int


Rows = Iterable[Mapping[str, str]]


def sow(
    session: Session, city: str, now: datetime, agencies: Rows = (), categories: Rows = (), responsibilities: Rows = ()
) -> Sown:
    """Adds what is missing of a town's seed, and changes nothing that is there.

    `agencies` have code, name, kind, has_accounts; `categories`, parents first, code, label, parent, class and
    proof_required; `responsibilities`, for the whole city, category and agency. A rule is sown with its category only,
    so that one an admin has deleted does not come back at the next start.
    """
    new_agencies = _missing(session, Agency, [_agency_row(row, city) for row in agencies])
    new_categories = _missing(session, Category, [_category_row(row) for row in categories])
    sown = {row["code"] for row in new_categories}
    rules = [
        {
            "id": new_id(),
            "category_code": row["category"],
            "area_code": city,
            "agency_code": row["agency"],
            "created_at": now,
        }
        for row in responsibilities
        if row["category"] in sown
    ]
    for table, rows in ((Agency, new_agencies), (Category, new_categories), (Responsibility, rules)):
        if rows:
            session.connection().execute(insert(table), rows)
    return Sown(len(new_agencies), len(new_categories), len(rules))


@dataclass(frozen=True)
class AgenciesTaken:
    """What taking in a list of agencies did."""

    added: int
    unchanged: int
    """Of this name, or of this code, already there for this city."""
    offices_of_territory: int
    """Kelurahan and kecamatan, which are areas here, and not agencies."""


_TERRITORY = frozenset({"kelurahan", "desa", "kecamatan"})
_KIND_BY_FIRST_WORD = {
    **{kind.value: kind for kind in AgencyKind if kind not in (AgencyKind.EXTERNAL, AgencyKind.OTHER)},
    "uptd": AgencyKind.UNIT,
    "upt": AgencyKind.UNIT,
    "perumda": AgencyKind.BUMD,
    "perusahaan": AgencyKind.BUMD,
}


def take_agencies(work: Work[Any], city: str, rows: Iterable[AgencyRow]) -> AgenciesTaken:
    """Adds the agencies of a list that this city does not have yet, by name or code; changes nothing that is there.

    A kind that the list does not tell is read off the first word of the name, a code is made of its initials.
    """
    areas.known(work.session, city)
    known = work.session.execute(select(col(Agency.code), col(Agency.name), col(Agency.city_code))).all()
    codes = {code for code, _, _ in known}
    there = {key for code, name, where in known if where == city for key in (code, name.casefold())}
    added: list[dict[str, Any]] = []
    unchanged = offices = 0
    for row in rows:
        first = row.name.split()[0].casefold()
        if first in _TERRITORY:
            offices += 1
        elif row.name.casefold() in there or row.code in there:
            unchanged += 1
        else:
            code = _free_code(row.code or _initials(row.name), codes)
            kind = row.kind or _KIND_BY_FIRST_WORD.get(first, AgencyKind.OTHER)
            codes.add(code)
            there |= {code, row.name.casefold()}
            added.append(
                {
                    "code": code,
                    "name": row.name,
                    "kind": kind,
                    "city_code": city,
                    "has_accounts": row.has_accounts,
                    "active": True,
                    "email": row.email,
                }
            )
    if added:
        work.session.connection().execute(insert(Agency), added)
    journal.administration(
        work, "agencies.imported", city, added=len(added), unchanged=unchanged, offices_of_territory=offices
    )
    return AgenciesTaken(len(added), unchanged, offices)


def _initials(name: str) -> str:
    """`DPUPR` of Dinas Pekerjaan Umum dan Penataan Ruang: the capitals that words begin with, or the only word."""
    letters = re.findall(r"[A-Z0-9]", name.upper()) if " " not in name else re.findall(r"\b[A-Z]", name)
    return "".join(letters)[:_INITIALS_MAXIMUM] or "X"


def _free_code(code: str, codes: Container[str]) -> str:
    """The code, or with -2, -3 … behind it where another agency has it: codes are one of a kind everywhere."""
    if code not in codes:
        return code
    return next(other for count in itertools.count(2) if (other := f"{code}-{count}") not in codes)


def _missing(
    session: Session, table: type[Agency] | type[Category], rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    code = col(table.code)
    known = set(session.scalars(select(code).where(code.in_([row["code"] for row in rows]))))
    return [row for row in rows if row["code"] not in known]


def _agency_row(row: Mapping[str, str], city: str) -> dict[str, Any]:
    return {
        "code": row["code"],
        "name": row["name"],
        "kind": AgencyKind(row["kind"]),
        "city_code": city,
        "has_accounts": _yes(row["has_accounts"]),
        "active": True,
    }


def _category_row(row: Mapping[str, str]) -> dict[str, Any]:
    return {
        "code": row["code"],
        "label": row["label"],
        "parent_code": row["parent"] or None,
        "class": CategoryClass(row["class"]),
        "proof_required": _yes(row["proof_required"]),
        "active": True,
    }


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"yes or no, not {text!r}")
    return text == "yes"
