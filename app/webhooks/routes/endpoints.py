"""HTTP of endpoints: an agency's systems, and what they are sent again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query

from app.agencies.queries import UnknownAgency
from app.agencies.words import AgencyCode
from app.areas.queries import UnknownArea
from app.kit.doors import WRITES
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import IdReused, NotPermitted, Refusal, Unauthenticated, refused
from app.people.actions.keys import AgencyRequired
from app.people.actors import EndpointsDoor
from app.people.queries import NoPost, PasswordChangeRequired, PostNotHeld, VerbNotGranted
from app.people.routes.own import unstored
from app.webhooks.actions import endpoints as actions
from app.webhooks.actions.endpoints import (
    EndpointRemoved,
    RecoveryRangeRefused,
    TooManyEndpoints,
    TooManyRecoveries,
)
from app.webhooks.guard import EndpointUrlRefused
from app.webhooks.queries import endpoints
from app.webhooks.queries.endpoints import EndpointNotFound
from app.webhooks.schemas import (
    EndpointChange,
    EndpointIn,
    EndpointOut,
    EndpointSecretOut,
    Pinged,
    RecoveryIn,
    RecoveryOut,
    Rotation,
)

router = APIRouter(prefix="/endpoints", tags=["webhooks"])

ANYBODY: tuple[type[Refusal], ...] = (
    *(Unauthenticated, NoPost, PostNotHeld, PasswordChangeRequired),
    *(VerbNotGranted, NotPermitted),
)
_MANAGING = (*ANYBODY, *WRITES, EndpointNotFound, EndpointRemoved)

_new = {
    "what concerns its assignments": {
        "summary": "Only what the agency acts on",
        "value": {
            "url": "https://sim.pupr.pasuruankota.example/ujung-tombak",
            "description": "SIM PUPR, server utama",
            "events": ["problem.assigned", "assignment.revoked", "problem.commented"],
        },
    },
    "one kecamatan": {
        "summary": "Everything, of one kecamatan",
        "value": {"url": "https://bugulkidul.pupr.pasuruankota.example/masuk", "area": "35.75.03"},
    },
}


@router.get("", summary="List endpoints", responses=refused(*ANYBODY, BadCursor))
async def list_endpoints(
    door: EndpointsDoor,
    slicing: Slicing,
    agency: Annotated[AgencyCode | None, Query(description="Of this agency, for an admin, who sees all.")] = None,
    removed: Annotated[bool, Query(description="Those that were removed, instead of those in use.")] = False,
) -> Page[EndpointOut]:
    """The addresses to which your agency's events are sent, newest first, and how each stands."""
    page = await door.read(lambda work: endpoints.endpoints(work, slicing, agency, removed=removed))
    door.link(page.next)
    return page


@router.post(
    "",
    status_code=201,
    summary="Create an endpoint",
    dependencies=[Depends(unstored)],
    responses=refused(
        *ANYBODY,
        *WRITES,
        EndpointUrlRefused,
        AgencyRequired,
        UnknownAgency,
        UnknownArea,
        TooManyEndpoints,
        IdReused,
    ),
)
async def create_endpoint(
    door: EndpointsDoor, body: Annotated[EndpointIn, Body(openapi_examples=_new)]
) -> EndpointSecretOut:
    """From now on what happens is sent there, signed with the secret that this answer tells.

    The secret is kept sealed, and told once: the same request sent again has effect once, and is answered without it.
    """
    return await door.write(
        lambda work: actions.create(work, body), key=body.id, body=body, kept=actions.without_secret
    )


@router.get("/{endpoint_id}", summary="Read an endpoint", responses=refused(*ANYBODY, EndpointNotFound))
async def read_endpoint(endpoint_id: UUID, door: EndpointsDoor) -> EndpointOut:
    """One endpoint and how it stands; also one that was removed."""
    return await door.read(lambda work: endpoints.endpoint(work, endpoint_id))


@router.patch(
    "/{endpoint_id}",
    summary="Change an endpoint",
    responses=refused(*_MANAGING, EndpointUrlRefused, UnknownArea),
)
async def change_endpoint(endpoint_id: UUID, door: EndpointsDoor, body: EndpointChange) -> EndpointOut:
    """Its address, what it is sent, whether it is sent to. While it is paused, what happens is held for it.

    Making it active clears its failures, also where it had been disabled, and sends what was held, in order.
    """
    return await door.write(lambda work: actions.change(work, endpoint_id, body))


@router.delete("/{endpoint_id}", summary="Remove an endpoint", responses=refused(*ANYBODY, *WRITES, EndpointNotFound))
async def remove_endpoint(endpoint_id: UUID, door: EndpointsDoor) -> EndpointOut:
    """Nothing is sent to it any more: what waited for it is cancelled. Its deliveries stay listed."""
    return await door.write(lambda work: actions.remove(work, endpoint_id))


@router.post(
    "/{endpoint_id}/secret",
    summary="Exchange the secret",
    dependencies=[Depends(unstored)],
    responses=refused(*_MANAGING),
)
async def rotate_secret(endpoint_id: UUID, door: EndpointsDoor, body: Rotation | None = None) -> EndpointSecretOut:
    """A new secret, told in this answer only. The one before signs beside it for 24 hours, unless `now` is true.

    With an Idempotency-Key it is exchanged once, and the repeated answer is without it.
    """
    at_once = body is not None and body.now
    return await door.write(
        lambda work: actions.rotate(work, endpoint_id, at_once=at_once), kept=actions.without_secret
    )


@router.post("/{endpoint_id}/ping", status_code=202, summary="Ping an endpoint", responses=refused(*_MANAGING))
async def ping_endpoint(endpoint_id: UUID, door: EndpointsDoor) -> Pinged:
    """Sends a `webhook.ping`, once, also where the endpoint is paused or disabled; its delivery tells how it went."""
    return await door.write(lambda work: actions.ping(work, endpoint_id))


@router.post(
    "/{endpoint_id}/recoveries",
    status_code=202,
    summary="Have events sent again",
    responses=refused(*_MANAGING, RecoveryRangeRefused, TooManyRecoveries, IdReused),
)
async def recover_events(endpoint_id: UUID, door: EndpointsDoor, body: RecoveryIn) -> RecoveryOut:
    """What happened between two moments and has not arrived is sent, in the background, each under its `webhook-id`.

    That includes deliveries that were cancelled or had used up their attempts, and events from before the endpoint was
    made. Asking twice sends nothing twice.
    """
    return await door.write(lambda work: actions.recover(work, endpoint_id, body), key=body.id, body=body)


@router.get(
    "/{endpoint_id}/recoveries",
    summary="List what was asked to be sent again",
    responses=refused(*ANYBODY, EndpointNotFound, BadCursor),
)
async def list_recoveries(endpoint_id: UUID, door: EndpointsDoor, slicing: Slicing) -> Page[RecoveryOut]:
    """What was asked for this endpoint, newest first, and how far each has come."""
    page = await door.read(lambda work: endpoints.recoveries(work, slicing, endpoint_id))
    door.link(page.next)
    return page
