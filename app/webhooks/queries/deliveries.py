"""Questions about deliveries: what was sent to an endpoint, what waits for it, what came of each attempt."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, false, select
from sqlalchemy.orm import load_only
from sqlmodel import Session, col

from app.kit.house import Work
from app.kit.paging import Page, Slice
from app.kit.refusals import NotFound
from app.people.actors import Actor
from app.webhooks import policy
from app.webhooks.models import Attempt, Delivery, Endpoint, Event
from app.webhooks.queries.endpoints import endpoint_seen
from app.webhooks.schemas import AttemptOut, DeliveryOut, LoggedDeliveryOut
from app.webhooks.words import DeliveryStanding, DeliveryState, EndpointState, EventType

_ATTEMPTS_TOLD = 100


class DeliveryNotFound(NotFound):
    code = "delivery_not_found"
    title, judul = "No such delivery, or not yours to see", "Pengiriman tidak ditemukan"


def standing_of(delivery: Delivery, endpoint: Endpoint) -> DeliveryStanding:
    """How a delivery stands, which its endpoint decides while it waits.

    What waits for an endpoint that was removed is cancelled, though its row may not say so yet.
    """
    if delivery.state is not DeliveryState.WAITING:
        return DeliveryStanding(delivery.state)
    if endpoint.removed_at is not None:
        return DeliveryStanding.CANCELLED
    is_held = endpoint.state is not EndpointState.ACTIVE and not delivery.is_ping
    return DeliveryStanding.HELD if is_held else DeliveryStanding.WAITING


def _stands_as(wanted: DeliveryStanding, endpoint: Endpoint) -> ColumnElement[bool]:
    """The deliveries of this endpoint that stand so: the same as `standing_of`, for the table."""
    waits = col(Delivery.state) == DeliveryState.WAITING
    is_removed = endpoint.removed_at is not None
    is_active = endpoint.state is EndpointState.ACTIVE
    match wanted:
        case DeliveryStanding.WAITING if is_removed:
            return false()
        case DeliveryStanding.WAITING:
            return waits if is_active else and_(waits, col(Delivery.is_ping))
        case DeliveryStanding.HELD:
            return false() if is_removed or is_active else and_(waits, ~col(Delivery.is_ping))
        case DeliveryStanding.CANCELLED if is_removed:
            return col(Delivery.state).in_((DeliveryState.CANCELLED, DeliveryState.WAITING))
        case _:
            return col(Delivery.state) == DeliveryState(wanted)


def deliveries(
    work: Work[Actor], slicing: Slice, endpoint_id: UUID, state: DeliveryStanding | None, type_: EventType | None
) -> Page[DeliveryOut]:
    """Deliveries to an endpoint, newest first."""
    endpoint = endpoint_seen(work, endpoint_id)
    statement = (
        _with_event().options(load_only(*_SHORT, raiseload=True)).where(col(Delivery.endpoint_id) == endpoint_id)
    )
    if state is not None:
        statement = statement.where(_stands_as(state, endpoint))
    if type_ is not None:
        statement = statement.where(col(Event.type) == type_)
    rows = work.session.execute(slicing.apply(statement, col(Delivery.id))).all()
    shown, after = slicing.cut(rows, "id")
    return Page(items=[DeliveryOut(**_shown(row, endpoint)) for row in shown], next=after)


_SHORT: Any = (Event.id, Event.type, Event.at, Event.problem_id, Event.version)
"""What a list shows of an event: payloads of a page would be megabytes."""


def _with_event() -> Any:
    return select(Delivery, Event, col(Delivery.id).label("id")).join(Event, col(Event.id) == col(Delivery.event_id))


def delivery_seen(work: Work[Actor], delivery_id: UUID, *, locked: bool = False) -> Row[Any]:
    """A delivery that the caller may see, with its event and its endpoint; `locked` until commit."""
    policy.only_concerned(work.caller, policy.see)
    statement = (
        _with_event()
        .add_columns(Endpoint)
        .join(Endpoint, col(Endpoint.id) == col(Delivery.endpoint_id))
        .where(col(Delivery.id) == delivery_id, policy.see.where(work.caller, work.now))
    )
    if locked:
        statement = statement.with_for_update(of=Delivery, key_share=True)
    found: Row[Any] | None = work.session.execute(statement).one_or_none()
    if found is None:
        raise DeliveryNotFound
    return found


def delivery(work: Work[Actor], delivery_id: UUID) -> LoggedDeliveryOut:
    """One delivery with its payload and its attempts."""
    return logged(work.session, delivery_seen(work, delivery_id))


def logged(session: Session, row: Row[Any]) -> LoggedDeliveryOut:
    """A delivery with its payload and its attempts, as the wire shows it."""
    latest = session.scalars(
        select(Attempt)
        .where(col(Attempt.delivery_id) == row.Delivery.id)
        .order_by(col(Attempt.id).desc())
        .limit(_ATTEMPTS_TOLD)
    ).all()
    return LoggedDeliveryOut(
        **_shown(row, row.Endpoint),
        payload=row.Event.payload,
        log=[AttemptOut.model_validate(attempt) for attempt in reversed(latest)],
    )


def _shown(row: Row[Any], endpoint: Endpoint) -> dict[str, Any]:
    delivery: Delivery = row.Delivery
    event: Event = row.Event
    standing = standing_of(delivery, endpoint)
    return {
        "id": delivery.id,
        "endpoint": delivery.endpoint_id,
        "event": event.id,
        "type": event.type,
        "at": event.at,
        "problem": event.problem_id,
        "version": event.version,
        "state": standing,
        "state_label": standing.label,
        "attempts": delivery.attempts,
        "next_at": delivery.next_at if standing is DeliveryStanding.WAITING else None,
        "ping": delivery.is_ping,
        "created_at": delivery.created_at,
        "settled_at": delivery.settled_at,
    }
