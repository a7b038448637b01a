"""HTTP of the exchange itself: pull and push."""

import gzip
from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from app.kit.doors import Door
from app.kit.house import Work
from app.kit.refusals import BodyTooLarge, Unauthenticated, refused
from app.people.actors import Actor, ActorDoor
from app.people.queries import NoPost, PasswordChangeRequired, PostNotHeld
from app.sync.actions.contact import known_device, note_contact, state_of
from app.sync.actions.devices import DeviceRevoked
from app.sync.queries.pull import pull
from app.sync.schemas import PullIn, PullOut

router = APIRouter(prefix="/sync", tags=["sync"])

_PACKED_FROM_BYTES = 1_000


def answered(request: Request, text: str) -> Response:
    """JSON, packed where whoever asks can unpack it: phones pay by the byte."""
    body, headers = text.encode(), {"Vary": "Accept-Encoding"}
    if len(body) >= _PACKED_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=6, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type="application/json")


def pulled(door: Door[Actor], said: PullIn) -> str:
    """In a thread already: the answer of a pull, read in one snapshot; then whatever is to be noted of it."""

    def question(work: Work[Actor]) -> tuple[str, Callable[[], None]]:
        device = known_device(work.session, work.caller.account_id, said.device)
        found = pull(work, said)
        text = found.json(state_of(device, said.device, work.now))
        return text, lambda: note_contact(door.house, work.caller, device, said.device, found.held, work.now)

    text, note = door.ask(question, whole=True)
    note()
    return text


@router.post(
    "/pull",
    summary="What happened since",
    response_model=PullOut,
    responses=refused(Unauthenticated, NoPost, PostNotHeld, PasswordChangeRequired, DeviceRevoked, BodyTooLarge),
)
async def pull_documents(body: PullIn, request: Request, door: ActorDoor) -> Response:
    """Documents of the logs of your post that changed since your cursors, all as of one moment.

    A first pull has no cursors. Ask again at once while `more` is true; what each member asks of a phone stands in the
    guide for phones.
    """
    return await door.steps(lambda: answered(request, pulled(door, body)))
