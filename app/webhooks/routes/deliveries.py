"""HTTP of deliveries: the log of what was sent to an endpoint, and what its agency makes of it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.kit.doors import WRITES
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import refused
from app.people.actors import EndpointsDoor
from app.webhooks.actions import deliveries as actions
from app.webhooks.actions.deliveries import DeliveryArrived
from app.webhooks.actions.endpoints import EndpointRemoved
from app.webhooks.queries import deliveries
from app.webhooks.queries.deliveries import DeliveryNotFound
from app.webhooks.queries.endpoints import EndpointNotFound
from app.webhooks.routes.endpoints import ANYBODY
from app.webhooks.schemas import DeliveryOut, LoggedDeliveryOut
from app.webhooks.words import DeliveryStanding, EventType

router = APIRouter(tags=["webhooks"])


@router.get(
    "/endpoints/{endpoint_id}/deliveries",
    summary="List deliveries",
    responses=refused(*ANYBODY, EndpointNotFound, BadCursor),
)
async def list_endpoint_deliveries(
    endpoint_id: UUID,
    door: EndpointsDoor,
    slicing: Slicing,
    state: Annotated[DeliveryStanding | None, Query(description="Those that stand so.")] = None,
    type_: Annotated[EventType | None, Query(alias="type", description="Events of this type.")] = None,
) -> Page[DeliveryOut]:
    """What was sent to an endpoint and what waits for it, newest first.

    `held` is what waits while the endpoint is paused by hand or disabled; nothing of it is lost.
    """
    page = await door.read(lambda work: deliveries.deliveries(work, slicing, endpoint_id, state, type_))
    door.link(page.next)
    return page


@router.get("/deliveries/{delivery_id}", summary="Read a delivery", responses=refused(*ANYBODY, DeliveryNotFound))
async def read_delivery(delivery_id: UUID, door: EndpointsDoor) -> LoggedDeliveryOut:
    """What was sent, byte for byte, and what came of each attempt: status, time taken, why it failed, the answer."""
    return await door.read(lambda work: deliveries.delivery(work, delivery_id))


@router.post(
    "/deliveries/{delivery_id}/retry",
    summary="Send a delivery again",
    responses=refused(*ANYBODY, *WRITES, DeliveryNotFound, EndpointRemoved),
)
async def retry_delivery(delivery_id: UUID, door: EndpointsDoor) -> LoggedDeliveryOut:
    """It is due now, and its attempts start again. What has arrived is sent once more, under the same `webhook-id`."""
    return await door.write(lambda work: actions.retry(work, delivery_id))


@router.post(
    "/deliveries/{delivery_id}/cancel",
    summary="Cancel a delivery",
    responses=refused(*ANYBODY, *WRITES, DeliveryNotFound, DeliveryArrived),
)
async def cancel_delivery(delivery_id: UUID, door: EndpointsDoor) -> LoggedDeliveryOut:
    """It is not tried again, whether it waits or has used up its attempts. It can still be sent by a retry."""
    return await door.write(lambda work: actions.cancel(work, delivery_id))
