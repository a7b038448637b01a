"""Recoveries: what an agency asked to be sent again is found some events at a time, in the background."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, func, select, tuple_, update
from sqlmodel import Session, col

from app.areas.words import lies_in
from app.kit.columns import columns_of, table_of
from app.kit.database import resolving_insert, write_rows
from app.kit.house import House
from app.kit.ids import new_id
from app.webhooks.models import Delivery, Endpoint, Event, Recovery
from app.webhooks.words import DeliveryState, EventType

EVENTS_AT_ONCE = 500
"""Events that are looked at in one transaction."""


@dataclass(frozen=True)
class _Chunk:
    """The next events of one recovery, as far as they belong to the endpoint."""

    recovery_id: UUID
    endpoint_id: UUID
    before: UUID | None
    """How far the recovery had come when these were read."""
    reached: UUID | None
    events: Sequence[UUID]
    is_last: bool


def recover_some(house: House) -> bool:
    """Works on one of the open recoveries; answers whether there was one.

    Done twice, or by two at once, it has effect once: a delivery is made where none is, and one that was given up waits
    again.
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
        events=[row.id for row in rows if _belongs_to(endpoint, row)],
        is_last=len(rows) < EVENTS_AT_ONCE,
    )


def _events(
    session: Session, endpoint: Endpoint, recovery: Recovery, reached_at: datetime | None
) -> Sequence[Row[Any]]:
    event = columns_of(Event)
    statement = select(event.id, event.type, event.area_code).where(
        event.agency_code == endpoint.agency_code, event.at >= recovery.since, event.at < recovery.until
    )
    if reached_at is not None:
        statement = statement.where(tuple_(event.at, event.id) > (reached_at, recovery.reached))
    return session.execute(statement.order_by(event.at, event.id).limit(EVENTS_AT_ONCE)).all()


def _belongs_to(endpoint: Endpoint, event: Row[Any]) -> bool:
    """Whether the endpoint wants it; who was pinged is asked again by another ping."""
    is_its_type = event.type is not EventType.PING and (not endpoint.event_types or event.type in endpoint.event_types)
    prefix = endpoint.area_prefix
    return is_its_type and (prefix is None or event.area_code is None or lies_in(event.area_code, prefix))


def _recover(session: Session, chunk: _Chunk, now: datetime) -> None:
    locked = session.get(Recovery, chunk.recovery_id, with_for_update=True, populate_existing=True)
    if locked is None or locked.done_at is not None or locked.reached != chunk.before:
        return  # another process was faster
    delivery = columns_of(Delivery)
    statement = select(delivery.id, delivery.event_id, delivery.state).where(
        delivery.endpoint_id == chunk.endpoint_id, delivery.event_id.in_(chunk.events)
    )
    known = session.execute(statement.with_for_update(key_share=True)).all() if chunk.events else []
    given_up = [row.id for row in known if row.state in (DeliveryState.EXHAUSTED, DeliveryState.CANCELLED)]
    if given_up:
        again = {"state": DeliveryState.WAITING, "attempts": 0, "next_at": now, "lease": None, "settled_at": None}
        session.connection().execute(update(Delivery).where(col(Delivery.id).in_(given_up)).values(again))
    theirs = {row.event_id for row in known}
    missing = [event_id for event_id in chunk.events if event_id not in theirs]
    if missing:
        rows = [_delivery(event_id, chunk.endpoint_id, now) for event_id in missing]
        write_rows(session, resolving_insert(session, Delivery).on_conflict_do_nothing(), rows)
    locked.reached = chunk.reached
    locked.found += len(given_up) + len(missing)
    locked.done_at = now if chunk.is_last else None
    session.flush()


def _delivery(event_id: UUID, endpoint_id: UUID, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "event_id": event_id,
        "endpoint_id": endpoint_id,
        "state": DeliveryState.WAITING,
        "attempts": 0,
        "next_at": now,
        "lease": None,
        "is_ping": False,
        "created_at": now,
        "settled_at": None,
    }
