"""Sending one delivery again, and cancelling one."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row

from app.kit.house import Work
from app.kit.refusals import Conflict
from app.people.actors import Actor
from app.webhooks import policy
from app.webhooks.actions.endpoints import EndpointRemoved, note_of_admin
from app.webhooks.bell import bell_of, ring_after_commit
from app.webhooks.models import Delivery
from app.webhooks.queries.deliveries import delivery_seen, logged
from app.webhooks.schemas import LoggedDeliveryOut
from app.webhooks.words import DeliveryState


class DeliveryArrived(Conflict):
    code, title = "delivery_arrived", "This delivery has arrived"
    judul = "Pengiriman ini sudah diterima"


def retry(work: Work[Actor], delivery_id: UUID) -> LoggedDeliveryOut:
    """The delivery is due now, and its attempts start again; what has arrived is sent once more, as the same event.

    One that is being sent at this moment goes on; should that fail, its attempts start again from there. Where its
    endpoint is paused or disabled, it is held.
    """
    row = _managed(work, delivery_id)
    if row.Endpoint.removed_at is not None:
        raise EndpointRemoved
    delivery: Delivery = row.Delivery
    is_under_way = delivery.lease is not None and delivery.next_at > work.now
    delivery.state, delivery.settled_at, delivery.attempts = DeliveryState.WAITING, None, 0
    if not is_under_way:
        delivery.next_at, delivery.lease = work.now, None
    note_of_admin(work, "delivery.retried", row.Endpoint, delivery=str(delivery_id))
    ring_after_commit(work.session, bell_of(work.house))
    return logged(work.session, row)


def cancel(work: Work[Actor], delivery_id: UUID) -> LoggedDeliveryOut:
    """The delivery is not tried again. One that is being sent at this moment may still arrive."""
    row = _managed(work, delivery_id)
    delivery: Delivery = row.Delivery
    if delivery.state is DeliveryState.DELIVERED:
        raise DeliveryArrived
    if delivery.state is not DeliveryState.CANCELLED:
        delivery.state, delivery.settled_at, delivery.lease = DeliveryState.CANCELLED, work.now, None
        note_of_admin(work, "delivery.cancelled", row.Endpoint, delivery=str(delivery_id))
    return logged(work.session, row)


def _managed(work: Work[Actor], delivery_id: UUID) -> Row[Any]:
    """A delivery as it is now, locked, whose endpoint the caller may manage."""
    row = delivery_seen(work, delivery_id, locked=True)
    policy.only_managing(work.caller, row.Endpoint, work.now)
    return row
