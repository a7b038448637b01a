"""Events after they have happened: acknowledged by their agency, and swept away when they are old."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, delete, func, select, tuple_, update
from sqlmodel import Session, col

from app.kit.columns import columns_of
from app.kit.house import House, Work
from app.kit.refusals import NotPermitted
from app.people.actors import Actor
from app.people.words import PostKind
from app.webhooks.models import Attempt, Delivery, Endpoint, Event
from app.webhooks.payloads import AcknowledgedOut
from app.webhooks.queries.events import agency_of
from app.webhooks.words import DeliveryState

KEPT: Final = timedelta(days=90)
LOOKED_AT_AT_ONCE: Final = 5_000
SWEPT_AT_ONCE: Final = 1_000
_D, _E = columns_of(Delivery), columns_of(Event)


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


# -- sweeping --------------------------------------------------------------------------------------------------------

_OPEN = (
    _D.state.in_((DeliveryState.WAITING, DeliveryState.EXHAUSTED)),
    col(Endpoint.id) == _D.endpoint_id,
    col(Endpoint.removed_at).is_(None),
)
"""A delivery that its agency may still want: it waits, is held, or was given up and neither retried nor cancelled."""
_FIRST_OPEN = select(_D.id).where(_D.event_id == _E.id, *_OPEN).limit(1).scalar_subquery()
"""Looked up event by event. As `NOT EXISTS` it might be a reason to read all deliveries, once for each event."""


@dataclass
class SweepPlace:
    """How far this process has looked for old events, so that those that wait for long are not seen again and again."""

    after: tuple[datetime, UUID] | None = None
    """The moment and id of the last one looked at; None: begin with the oldest."""


def sweep_events(house: House) -> int:
    """Removes old events of which nothing is open any more, with their deliveries and attempts; answers how many.

    It looks at so many events at a time, and goes on from there the next time; behind the last it begins anew.
    """
    place: SweepPlace = house.parts["event_sweep"]
    until = house.clock() - KEPT
    with house.database.read() as session:
        rows = session.execute(_old(until, place.after)).all()
    ids = [row.id for row in rows if row.open is None][:SWEPT_AT_ONCE]
    swept = house.database.perform(lambda session: _sweep(session, ids)) if ids else 0
    place.after = _last_looked_at(rows, ids)
    return swept


def _old(until: datetime, after: tuple[datetime, UUID] | None) -> Select[Any]:
    statement = select(_E.id, _E.at, _FIRST_OPEN.label("open")).where(_E.at < until)
    if after is not None:
        statement = statement.where(tuple_(_E.at, _E.id) > after)
    return statement.order_by(_E.at, _E.id).limit(LOOKED_AT_AT_ONCE)


def _last_looked_at(rows: Sequence[Row[Any]], ids: Sequence[UUID]) -> tuple[datetime, UUID] | None:
    """The last event that was swept, if more of them may have been; or the last one, if there may be others."""
    if len(ids) == SWEPT_AT_ONCE:
        return next((row.at, row.id) for row in rows if row.id == ids[-1])
    return (rows[-1].at, rows[-1].id) if len(rows) == LOOKED_AT_AT_ONCE else None


def _sweep(session: Session, ids: Sequence[UUID]) -> int:
    """Removes those of these events of which nothing is open even when they are locked, with their deliveries."""
    locked = session.scalars(select(_E.id).where(_E.id.in_(ids)).with_for_update(skip_locked=True)).all()
    deliveries = select(_D.id).where(_D.event_id.in_(locked)).order_by(_D.id)
    session.execute(deliveries.with_for_update())  # what is retried, sent or recovered at this moment is first finished
    kept = set(session.scalars(select(_D.event_id).where(_D.event_id.in_(locked), *_OPEN)))
    gone = [event_id for event_id in locked if event_id not in kept]
    connection = session.connection()
    theirs = select(_D.id).where(_D.event_id.in_(gone))
    connection.execute(delete(Attempt).where(col(Attempt.delivery_id).in_(theirs)))
    connection.execute(delete(Delivery).where(col(Delivery.event_id).in_(gone)))
    connection.execute(delete(Event).where(col(Event.id).in_(gone)))
    return len(gone)
