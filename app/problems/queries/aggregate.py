"""Reading the aggregate: from its tables, or from its facts alone."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Row, String, bindparam, cast, func, select
from sqlmodel import Session, col

from app.journal.facts import Author, Fact
from app.journal.models import Entry, Text
from app.kit.columns import Moment
from app.problems import policy
from app.problems.lifecycle.evolve import fold
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.models import AssignmentRow, ProblemPhoto, ProblemRow

PROBLEM_FIELDS = tuple(
    each.name for each in fields(Problem) if each.name not in ("photos", "assignments", "lurah_vacant")
)
"""Fields of the aggregate that are columns of its table."""
PART_FIELDS = tuple(each.name for each in fields(Assignment))

_FIRST_OF_PART = len(PROBLEM_FIELDS)
_AFTER_PARTS = _FIRST_OF_PART + len(PART_FIELDS)
_NOW: BindParameter[datetime] = bindparam("now", type_=Moment)
_PHOTOS = (
    select(
        func.aggregate_strings(
            cast(col(ProblemPhoto.version), String) + ":" + cast(col(ProblemPhoto.photo_id), String), ","
        )
    )
    .where(col(ProblemPhoto.problem_id) == col(ProblemRow.id))
    .scalar_subquery()
)
"""The versions with which photos came, and their ids, as one text: an array is not the same on both databases."""
_LOADING: Any = (
    select(
        *(col(getattr(ProblemRow, name)) for name in PROBLEM_FIELDS),
        *(col(getattr(AssignmentRow, name)).label(f"part_{name}") for name in PART_FIELDS),
        policy.lurah_is_missing(_NOW),
        _PHOTOS,
    )
    .select_from(ProblemRow)
    .outerjoin(AssignmentRow, col(AssignmentRow.problem_id) == col(ProblemRow.id))
    .where(col(ProblemRow.id).in_(bindparam("ids", expanding=True)))
    .order_by(col(ProblemRow.id), col(AssignmentRow.sequence))
)


def load(session: Session, ids: Collection[UUID], now: datetime) -> dict[UUID, Problem]:
    """The aggregates of these ids, fresh from the tables, in one statement."""
    if not ids:
        return {}
    rows: dict[UUID, list[Row[Any]]] = {}
    for row in session.execute(_LOADING, {"ids": list(ids), "now": now}):
        rows.setdefault(row[0], []).append(row)
    return {problem_id: _problem(of_it) for problem_id, of_it in rows.items()}


def _problem(rows: Sequence[Row[Any]]) -> Problem:
    """The problem of these rows, one for each part of it; one without a part where it has none."""
    first = rows[0]
    lurah_vacant, photos = first[_AFTER_PARTS:]
    parts = (row[_FIRST_OF_PART:_AFTER_PARTS] for row in rows if row[_FIRST_OF_PART] is not None)
    return Problem(
        **dict(zip(PROBLEM_FIELDS, first, strict=False)),
        photos=_in_order(photos),
        assignments=tuple(Assignment(**dict(zip(PART_FIELDS, part, strict=True))) for part in parts),
        lurah_vacant=lurah_vacant,
    )


def _in_order(photos: str | None) -> tuple[UUID, ...]:
    if photos is None:
        return ()
    pairs = (photo.split(":") for photo in photos.split(","))
    return tuple(UUID(photo_id) for _, photo_id in sorted((int(version), photo_id) for version, photo_id in pairs))


def refold(session: Session, problem_id: UUID) -> Problem | None:
    """The problem as its facts make it, read from the journal alone."""
    entries = entries_of(session, problem_id)
    bodies = bodies_of(session, entries)
    return fold(
        (
            Fact(
                entry.kind,
                entry.data,
                {name: body or "" for name, body in bodies[entry.version].items()},
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


def bodies_of(session: Session, entries: Iterable[Entry]) -> dict[int, dict[str, str | None]]:
    """The free text of each entry, by its version; None where it was erased."""
    names = {
        entry.version: {name: UUID(kept["id"]) for name, kept in entry.data.get("texts", {}).items()}
        for entry in entries
    }
    wanted = {each for texts in names.values() for each in texts.values()}
    found = (
        dict(session.execute(select(col(Text.id), col(Text.body)).where(col(Text.id).in_(wanted))).all())
        if wanted
        else {}
    )
    return {version: {name: found.get(each) for name, each in texts.items()} for version, texts in names.items()}
