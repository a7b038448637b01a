"""HTTP of events: an agency without a server of its own fetches them, and says which it has."""

from fastapi import APIRouter, Response

from app.kit.doors import WRITES
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import NotPermitted, Refusal, Unauthenticated, refused
from app.people.actors import EventsDoor
from app.people.queries import NoPost, PasswordChangeRequired, PostNotHeld
from app.webhooks.actions import events as actions
from app.webhooks.payloads import AcknowledgedOut, AcknowledgeIn, EventOut
from app.webhooks.queries import events

router = APIRouter(prefix="/events", tags=["webhooks"])

_ANYBODY: tuple[type[Refusal], ...] = (Unauthenticated, NoPost, PostNotHeld, PasswordChangeRequired, NotPermitted)


@router.get("", summary="Fetch events", response_model=Page[EventOut], responses=refused(*_ANYBODY, BadCursor))
async def list_events(door: EventsDoor, slicing: Slicing) -> Response:
    """What your agency has not acknowledged, oldest first: the same payloads as are sent to endpoints.

    For an agency without a server of its own, with a key that names `events`; from the moment there is such a key,
    everything is kept for it. An event comes again until it is acknowledged, so drop what you know by its `id`. Begin
    at the first page each time: one that was slow to be written may stand before what you have read. Kept for 90 days.
    """
    page = await door.read(lambda work: events.unacknowledged(work, slicing))
    return page.response(door.link(page.next))


@router.post("/acknowledgements", summary="Acknowledge events", responses=refused(*_ANYBODY, *WRITES))
async def acknowledge_events(body: AcknowledgeIn, door: EventsDoor) -> AcknowledgedOut:
    """You have these, and they are not listed any more. It stops no delivery to an endpoint."""
    return await door.write(lambda work: actions.acknowledge(work, body.ids))
