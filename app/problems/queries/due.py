"""What has become due, for the rounds of the system."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlmodel import Session, col

from app.problems.models import AssignmentRow, ProblemRow
from app.problems.queries.details import EARLIEST_ZONE
from app.problems.words import ENDED, AssignmentState, State


def unanswered(session: Session, now: datetime, limit: int) -> Sequence[tuple[str, UUID]]:
    """Work that nobody confirmed or disputed in time: (log, problem)."""
    return _due(
        session,
        limit,
        col(ProblemRow.state) == State.AWAITING_CONFIRMATION,
        col(ProblemRow.desk_until) < now,
    )


def to_resume(session: Session, now: datetime, limit: int) -> Sequence[tuple[str, UUID]]:
    """Pauses whose day of review has come somewhere in the country: (log, problem)."""
    today = now.astimezone(EARLIEST_ZONE).date()
    paused = exists().where(
        col(AssignmentRow.problem_id) == col(ProblemRow.id),
        col(AssignmentRow.state) == AssignmentState.ON_HOLD,
        col(AssignmentRow.hold_review_on) <= today,
    )
    return _due(
        session,
        limit,
        col(ProblemRow.state) == State.ON_HOLD,
        or_(col(ProblemRow.hold_review_on) <= today, paused),
    )


def unanswered_holds(session: Session, before: datetime, limit: int) -> Sequence[tuple[str, UUID, UUID]]:
    """Holds proposed before a moment that nobody agreed to or declined: (log, problem, assignment)."""
    statement = (
        select(col(ProblemRow.area_code), col(ProblemRow.id), col(AssignmentRow.id))
        .join(AssignmentRow, col(AssignmentRow.problem_id) == col(ProblemRow.id))
        .where(col(AssignmentRow.hold_proposed_at) < before)
        .order_by(col(AssignmentRow.hold_proposed_at))
        .limit(limit)
    )
    return session.execute(statement).all()


def duplicates_to_tell(session: Session, limit: int) -> Sequence[tuple[str, UUID]]:
    """Duplicates whose main problem has ended, or goes on again, since they were last told: (log, problem)."""
    main = ProblemRow.__table__.alias()  # type: ignore[attr-defined]
    ended = main.c.state.in_(ENDED)
    statement = (
        select(col(ProblemRow.area_code), col(ProblemRow.id))
        .join(main, main.c.id == col(ProblemRow.main_id))
        .where(
            or_(
                and_(ended, col(ProblemRow.main_outcome).is_(None)),
                and_(~ended, col(ProblemRow.main_outcome).is_not(None)),
            )
        )
        .limit(limit)
    )
    return session.execute(statement).all()


def _due(session: Session, limit: int, *conditions: ColumnElement[bool]) -> Sequence[tuple[str, UUID]]:
    statement = (
        select(col(ProblemRow.area_code), col(ProblemRow.id))
        .where(*conditions)
        .order_by(col(ProblemRow.id))
        .limit(limit)
    )
    return session.execute(statement).all()
