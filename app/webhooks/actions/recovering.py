"""Recoveries: what an agency asked to be sent again is found some events at a time, in the background."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, func, select, tuple_, update
from sqlmodel import Session, col

from app.kit.columns import columns_of, table_of
from app.kit.database import resolving_insert, write_rows
from app.kit.house import House
from app.webhooks.actions.publishing import asks_for, delivery_row
from app.webhooks.models import Delivery, Endpoint, Event, Recovery
from app.webhooks.words import DeliveryState, EventType

EVENTS_AT_ONCE = 500
"""Events that are looked at in one transaction."""


@dataclass(frozen=True)
class _Chunk:
    """The next events of one recovery."""

    recovery_id: UUID
    endpoint_id: UUID
    before: UUID | None
    """How far the recovery had come when these were read."""
    reached: UUID | None
    events: Sequence[UUID]
    """Without pings: who was pinged is asked again by another ping."""
    asked_for: frozenset[UUID]
    """Those of the events that the endpoint asks for."""
    is_last: bool


def recover_some(house: House) -> bool:
    """Works on one of the open recoveries; answers whether there was one.

    Done twice, or by two at once, it has effect once: a delivery that was given up waits again, whatever the endpoint
    asks for by now, and where there was none, one is made if the endpoint asks for the event.
    """
    with house.database.read() as session:
        chunk = _next_chunk(session)
    if chunk is None:
        return False
    house.database.perform(lambda session: _recover(session, chunk, house.clock()))
    return True


def _next_chunk(session: Session) -> _Chunk | None:
    reached, earlier = columns_of(Event).at, table_of(Recovery).alias().c
    has_earlier = exists().where(
        earlier.endpoint_id == col(Recovery.endpoint_id), earlier.done_at.is_(None), earlier.id < col(Recovery.id)
    )
    statement = (
        select(Recovery, Endpoint, reached.label("reached_at"))
        .join(Endpoint, col(Endpoint.id) == col(Recovery.endpoint_id))
        .outerjoin(Event, col(Event.id) == col(Recovery.reached))
        .where(col(Recovery.done_at).is_(None), ~has_earlier)  # of one endpoint one after another, lest two meet
        .order_by(func.random())  # so that a long one does not keep the others waiting
        .limit(1)
    )
    found = session.execute(statement).one_or_none()
    if found is None:
        return None
    recovery, endpoint = found.Recovery, found.Endpoint
    rows = [] if endpoint.removed_at is not None else _events(session, endpoint, recovery, found.reached_at)
    return _Chunk(
        recovery_id=recovery.id,
        endpoint_id=endpoint.id,
        before=recovery.reached,
        reached=rows[-1].id if rows else recovery.reached,
        events=[row.id for row in rows if row.type is not EventType.PING],
        asked_for=frozenset(row.id for row in rows if _asks_for(endpoint, row)),
        is_last=len(rows) < EVENTS_AT_ONCE,
    )


def _events(
    session: Session, endpoint: Endpoint, recovery: Recovery, reached_at: datetime | None
) -> Sequence[Row[Any]]:
    event = columns_of(Event)
    statement = select(event.id, event.type, event.area_code, event.left_code).where(
        event.agency_code == endpoint.agency_code, event.at >= recovery.since, event.at < recovery.until
    )
    if reached_at is not None:
        statement = statement.where(tuple_(event.at, event.id) > (reached_at, recovery.reached))
    return session.execute(statement.order_by(event.at, event.id).limit(EVENTS_AT_ONCE)).all()


def _asks_for(endpoint: Endpoint, event: Row[Any]) -> bool:
    return asks_for(endpoint.event_types, endpoint.area_prefix, event.type, event.area_code, event.left_code)


def _recover(session: Session, chunk: _Chunk, now: datetime) -> None:
    locked = session.get(Recovery, chunk.recovery_id, with_for_update=True, populate_existing=True)
    if locked is None or locked.done_at is not None or locked.reached != chunk.before:
        return  # another process was faster
    event, delivery = columns_of(Event), columns_of(Delivery)
    still_there = select(event.id).where(event.id.in_(chunk.events)).order_by(event.id)  # old ones are swept away
    events = session.scalars(still_there.with_for_update(read=True, key_share=True)).all()
    statement = (
        select(delivery.id, delivery.event_id, delivery.state)
        .where(delivery.endpoint_id == chunk.endpoint_id, delivery.event_id.in_(events))
        .order_by(delivery.id)
    )
    known = session.execute(statement.with_for_update(key_share=True)).all()  # as they stand once they are locked
    given_up = [row.id for row in known if row.state in (DeliveryState.EXHAUSTED, DeliveryState.CANCELLED)]
    if given_up:
        again = {"state": DeliveryState.WAITING, "attempts": 0, "next_at": now, "lease": None, "settled_at": None}
        session.connection().execute(update(Delivery).where(col(Delivery.id).in_(given_up)).values(again))
    missing = chunk.asked_for.intersection(events).difference(row.event_id for row in known)
    if missing:
        rows = [delivery_row(event_id, chunk.endpoint_id, now) for event_id in chunk.events if event_id in missing]
        write_rows(session, resolving_insert(session, Delivery).on_conflict_do_nothing(), rows)
    locked.reached = chunk.reached
    locked.found += len(given_up) + len(missing)
    locked.done_at = now if chunk.is_last else None
    session.flush()
