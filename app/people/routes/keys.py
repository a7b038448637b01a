"""HTTP of keys: what a system of an agency shows instead of a login."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.agencies.queries import UnknownAgency
from app.agencies.words import AgencyCode
from app.kit.doors import WRITES
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import NotPermitted, Unauthenticated, refused
from app.people import queries
from app.people.actions import keys
from app.people.actions.keys import AgencyInactive, AgencyRequired, ExpiryPassed
from app.people.actors import ActorDoor
from app.people.queries import KeyNotFound
from app.people.routes.own import unstored
from app.people.schemas import ApiKeyIn, ApiKeyMade, ApiKeyOut

router = APIRouter(prefix="/api-keys", tags=["systems"])


@router.get("", summary="Keys of agencies' systems", responses=refused(Unauthenticated, NotPermitted, BadCursor))
async def list_api_keys(
    door: ActorDoor,
    slicing: Slicing,
    agency: Annotated[AgencyCode | None, Query(description="Of this agency; others see their own only.")] = None,
) -> Page[ApiKeyOut]:
    """The keys of your agency, for an admin those of all, newest first; those that are over included."""
    page = await door.read(lambda work: queries.api_keys(work, slicing, agency))
    door.link(page.next)
    return page


@router.post(
    "",
    status_code=201,
    summary="Make a key",
    dependencies=[Depends(unstored)],
    responses=refused(
        Unauthenticated, NotPermitted, *WRITES, UnknownAgency, AgencyRequired, AgencyInactive, ExpiryPassed
    ),
)
async def create_api_key(door: ActorDoor, body: ApiKeyIn) -> ApiKeyMade:
    """The head of an agency makes keys for its systems; an admin makes them for an agency that is named.

    A key does what its verbs say and nothing else, on the problems of its agency only; histories name it as their
    author. It is said in this answer and never again. Sent again with the same Idempotency-Key, no second key is
    made, and `token` is null.
    """
    return await door.write(lambda work: keys.create(work, body), kept=keys.without_token)


@router.post(
    "/{key_id}/revoke",
    summary="Revoke a key",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, KeyNotFound),
)
async def revoke_api_key(door: ActorDoor, key_id: UUID) -> ApiKeyOut:
    """The key opens nothing any more, from the next request on. Saying it again changes nothing."""
    return await door.write(lambda work: keys.revoke(work, key_id))
