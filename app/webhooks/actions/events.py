"""Events after they have happened: acknowledged by their agency, and swept away when they are old."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update
from sqlmodel import Session, col

from app.kit.house import House, Work
from app.kit.refusals import NotPermitted
from app.people.actors import Actor
from app.people.words import PostKind
from app.webhooks.models import Attempt, Delivery, Event
from app.webhooks.payloads import AcknowledgedOut
from app.webhooks.queries.events import agency_of
from app.webhooks.words import DeliveryState

KEPT: Final = timedelta(days=90)
SWEPT_AT_ONCE: Final = 1_000


def acknowledge(work: Work[Actor], ids: Sequence[UUID]) -> AcknowledgedOut:
    """The caller's agency has these events. Saying it again changes nothing; another agency's are unknown.

    An officer reads them, and hides none from the agency's system.
    """
    if work.caller.kind is not PostKind.HEAD:
        raise NotPermitted("The head of the agency, or a system of it, says what it has.")
    statement = (
        update(Event)
        .where(col(Event.agency_code) == agency_of(work.caller), col(Event.id).in_(ids))
        .values(open_id=None, acknowledged_at=func.coalesce(col(Event.acknowledged_at), work.now))
        .returning(col(Event.id))
    )
    known = set(work.session.connection().execute(statement).scalars())
    unknown = [each for each in dict.fromkeys(ids) if each not in known]
    return AcknowledgedOut(acknowledged=len(known), unknown=unknown)


def sweep_events(house: House) -> int:
    """Removes old events of which nothing waits any more, with their deliveries and attempts; answers how many."""
    old: Any = (
        select(col(Event.id))
        .where(
            col(Event.at) < house.clock() - KEPT,
            ~exists().where(col(Delivery.event_id) == col(Event.id), col(Delivery.state) == DeliveryState.WAITING),
        )
        .order_by(col(Event.at))
    )
    with house.database.read() as session:
        if session.scalar(old.limit(1)) is None:
            return 0

    def unit(session: Session) -> int:
        ids = session.scalars(old.limit(SWEPT_AT_ONCE).with_for_update(skip_locked=True)).all()
        deliveries = select(col(Delivery.id)).where(col(Delivery.event_id).in_(ids))
        connection = session.connection()
        connection.execute(delete(Attempt).where(col(Attempt.delivery_id).in_(deliveries)))
        connection.execute(delete(Delivery).where(col(Delivery.event_id).in_(ids)))
        connection.execute(delete(Event).where(col(Event.id).in_(ids)))
        return len(ids)

    return house.database.perform(unit)
