"""Marks of what has gone are swept away after more than a year; whoever read no further begins anew."""

from datetime import timedelta

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.engine import CursorResult
from sqlmodel import Session, col

from app.journal.actions import lock
from app.journal.models import LogHead
from app.kit.house import House
from app.problems.models import Sight

KEPT = timedelta(days=400)
"""No device is logged in for longer."""
_LOGS_AT_ONCE = 100


def sweep_gone(house: House) -> int:
    """Removes old marks and raises the floors of their logs; answers how many marks."""
    before = house.clock() - KEPT
    old = (col(Sight.gone), col(Sight.at) < before)
    with house.database.read() as session:
        logs = session.scalars(select(col(Sight.log)).where(*old).distinct().limit(_LOGS_AT_ONCE)).all()
    if not logs:
        return 0

    def unit(session: Session) -> int:
        heads = lock(session, logs)
        highest = (
            select(func.max(col(Sight.position)))
            .where(col(Sight.log) == col(LogHead.log), *old)
            .correlate(LogHead)
            .scalar_subquery()
        )
        connection = session.connection()
        raised = case((highest > col(LogHead.floor), highest), else_=col(LogHead.floor))
        connection.execute(update(LogHead).where(col(LogHead.log).in_(heads)).values(floor=raised))
        swept: CursorResult[tuple[()]] = connection.execute(delete(Sight).where(col(Sight.log).in_(heads), *old))
        return swept.rowcount

    return house.database.perform(unit)
