"""Reading the aggregate: from its tables, or from its facts alone."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session, col

from app.journal.facts import Author, Fact
from app.journal.models import Entry, Text
from app.problems import policy
from app.problems.lifecycle.evolve import fold
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.models import AssignmentRow, ProblemPhoto, ProblemRow

_PROBLEM_FIELDS = frozenset(each.name for each in fields(Problem)) - {"assignments", "lurah_vacant"}


_ASSIGNMENT_FIELDS = frozenset(each.name for each in fields(Assignment))


@dataclass(frozen=True)
class Loaded:
    """A problem with the rows it was read from."""

    problem: Problem
    row: ProblemRow
    parts: Mapping[UUID, AssignmentRow]


def load(session: Session, ids: Collection[UUID], now: datetime) -> dict[UUID, Loaded]:
    """The aggregates of these ids, fresh from the tables, in two statements."""
    if not ids:
        return {}
    fresh = {"populate_existing": True}
    found = session.execute(
        select(ProblemRow, policy.lurah_is_missing(now)).where(col(ProblemRow.id).in_(ids)).execution_options(**fresh)
    ).all()
    parts: dict[UUID, list[AssignmentRow]] = {}
    for part in session.scalars(
        select(AssignmentRow)
        .where(col(AssignmentRow.problem_id).in_(ids))
        .order_by(col(AssignmentRow.problem_id), col(AssignmentRow.sequence))
        .execution_options(**fresh)
    ):
        parts.setdefault(part.problem_id, []).append(part)
    return {row.id: _loaded(row, vacant, parts.get(row.id, [])) for row, vacant in found}


def _loaded(row: ProblemRow, vacant: bool, parts: Sequence[AssignmentRow]) -> Loaded:
    problem = Problem(
        **{name: getattr(row, name) for name in _PROBLEM_FIELDS},
        assignments=tuple(Assignment(**{name: getattr(part, name) for name in _ASSIGNMENT_FIELDS}) for part in parts),
        lurah_vacant=vacant,
    )
    return Loaded(problem, row, {part.id: part for part in parts})


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


def ordered_photos_of(session: Session, ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    statement = (
        select(col(ProblemPhoto.problem_id), col(ProblemPhoto.photo_id))
        .where(col(ProblemPhoto.problem_id).in_(ids))
        .order_by(col(ProblemPhoto.version))
    )
    photos: dict[UUID, list[UUID]] = {}
    for problem_id, photo_id in session.execute(statement):
        photos.setdefault(problem_id, []).append(photo_id)
    return photos


def photos_of(session: Session, ids: Collection[UUID]) -> dict[UUID, frozenset[UUID]]:
    """The photos sent to each of these problems."""
    return {problem_id: frozenset(photos) for problem_id, photos in ordered_photos_of(session, ids).items()}
