"""Reading the aggregate: from its tables, or from its facts alone."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, select
from sqlmodel import Session, col

from app.journal.facts import Author, Fact
from app.journal.models import Entry, Text
from app.kit.columns import Moment, among, bound, columns_of
from app.kit.database import dialect_of
from app.kit.rendering import Record
from app.problems import policy
from app.problems.lifecycle.evolve import fold
from app.problems.lifecycle.merging import CORRECTING, fields_of
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.models import AssignmentRow, ProblemPhoto, ProblemRow

PROBLEM_FIELDS = tuple(
    each.name for each in fields(Problem) if each.name not in ("photos", "assignments", "lurah_vacant")
)
"""Fields of the aggregate that are columns of its table."""
PART_FIELDS = tuple(each.name for each in fields(Assignment))

_PROBLEMS, _PARTS, _PHOTOS = columns_of(ProblemRow), columns_of(AssignmentRow), columns_of(ProblemPhoto)
_PROBLEM = Record({name: _PROBLEMS[name] for name in PROBLEM_FIELDS})
_PART = Record({"sequence": _PARTS.sequence, **{name: _PARTS[name] for name in PART_FIELDS}})
_PHOTO = Record({"version": _PHOTOS.version, "photo_id": _PHOTOS.photo_id})
_NOW: BindParameter[datetime] = bindparam("now", type_=Moment)


@cache
def _loading(dialect: str, is_one: bool) -> Any:
    of_it = {
        _PART: _PARTS.problem_id == _PROBLEMS.id,
        _PHOTO: _PHOTOS.problem_id == _PROBLEMS.id,
    }
    return select(
        _PROBLEM.one(dialect),
        *(select(record.many(dialect)).where(its).scalar_subquery() for record, its in of_it.items()),
        policy.lurah_is_missing(_NOW),
    ).where(among(_PROBLEMS.id, "ids", is_one=is_one))


def load(session: Session, ids: Collection[UUID], now: datetime) -> dict[UUID, Problem]:
    """The aggregates of these ids, fresh from the tables, in one statement."""
    if not ids:
        return {}
    statement = _loading(dialect_of(session), len(ids) == 1)
    rows = session.connection().execute(statement, {"ids": bound(ids), "now": now})
    return {problem.id: problem for problem in (_problem(*row) for row in rows)}


def _problem(problem: str, parts: str | None, photos: str | None, lurah_vacant: bool) -> Problem:
    ordered = sorted(_PART.read_many(parts), key=itemgetter("sequence"))
    return Problem(
        **_PROBLEM.read(problem),
        photos=tuple(each["photo_id"] for each in sorted(_PHOTO.read_many(photos), key=itemgetter("version"))),
        assignments=tuple(Assignment(**{name: part[name] for name in PART_FIELDS}) for part in ordered),
        lurah_vacant=bool(lurah_vacant),
    )


@dataclass(frozen=True)
class Correction:
    """Which fields a fact changed, and whose fact it is."""

    version: int
    account_id: UUID | None
    fields: frozenset[str]


def corrections_since(session: Session, ids: Collection[UUID], base: int) -> dict[UUID, list[Correction]]:
    """What was corrected in these problems after a version, in one statement."""
    if not ids:
        return {}
    rows = session.connection().execute(_CORRECTIONS, {"ids": list(ids), "base": base})
    found: dict[UUID, list[Correction]] = {}
    for subject, version, account_id, kind, data in rows:
        found.setdefault(subject, []).append(Correction(version, account_id, fields_of(kind, data)))
    return found


_ENTRIES = columns_of(Entry)
_CORRECTIONS = select(_ENTRIES.subject, _ENTRIES.version, _ENTRIES.account_id, _ENTRIES.kind, _ENTRIES.data).where(
    _ENTRIES.subject.in_(bindparam("ids", expanding=True)),
    _ENTRIES.version > bindparam("base"),
    _ENTRIES.kind.in_(CORRECTING),
)


def refold(session: Session, problem_id: UUID, until: int | None = None) -> Problem | None:
    """The problem as its facts make it, read from the journal alone; as it was at the version `until`."""
    entries = [each for each in entries_of(session, problem_id) if until is None or each.version <= until]
    bodies = bodies_of(session, entries)
    return fold(
        (
            Fact(
                entry.kind,
                entry.data,
                {name: body or "" for name, body in bodies[entry.subject, entry.version].items()},
                entry.kind_version,
            ),
            entry.at,
            Author(entry.account_id, **entry.author),
            entry.log,
            entry.position,
        )
        for entry in entries
    )


def entries_of(session: Session, problem_id: UUID) -> Sequence[Entry]:
    statement = select(Entry).where(col(Entry.subject) == problem_id).order_by(col(Entry.version))
    return session.scalars(statement).all()


def bodies_of(session: Session, entries: Iterable[Entry]) -> dict[tuple[UUID, int], dict[str, str | None]]:
    """The free text of each entry, by its subject and version; None where it was erased."""
    names = {
        (entry.subject, entry.version): {name: UUID(kept["id"]) for name, kept in entry.data.get("texts", {}).items()}
        for entry in entries
    }
    wanted = {each for texts in names.values() for each in texts.values()}
    found = (
        dict(session.execute(select(col(Text.id), col(Text.body)).where(col(Text.id).in_(wanted))).all())
        if wanted
        else {}
    )
    return {entry: {name: found.get(each) for name, each in texts.items()} for entry, texts in names.items()}
