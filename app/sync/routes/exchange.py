"""HTTP of the exchange itself: pull and push."""

import gzip
import json
from collections.abc import Callable
from typing import cast

from fastapi import APIRouter, Request, Response

from app.kit.doors import Door
from app.kit.house import Work
from app.kit.refusals import BodyTooLarge, Refusal, Unauthenticated, refused
from app.people.actors import Actor, ActorDoor, Person
from app.people.queries import NoPost, PasswordChangeRequired, PostNotHeld
from app.sync.actions.contact import Known, known_device, note_contact, state_of
from app.sync.actions.devices import DeviceRevoked
from app.sync.actions.push import Pushed, SchemaUnknown, ServerRewound, push, still_waiting
from app.sync.queries.pull import pull
from app.sync.schemas import PullIn, PullOut, PushIn, PushOut

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
        known = known_device(work.session, work.caller.account_id, said.device)
        found = pull(work, said)
        text = found.json(state_of(known, said.device, work.now))
        return text, lambda: note_contact(door.house, work.caller, known.device, said.device, found.held, work.now)

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


@router.post(
    "/push",
    summary="What was done offline",
    response_model=PushOut,
    responses=refused(
        Unauthenticated, PasswordChangeRequired, DeviceRevoked, ServerRewound, SchemaUnknown, BodyTooLarge
    ),
)
async def push_operations(body: PushIn, request: Request, door: ActorDoor) -> Response:
    """Each operation has one outcome, and one that is refused harms no other: it is kept for a person to settle.

    Sent again, an operation has no second effect and is answered as the first time; what was held is judged anew. The
    body may come packed with gzip. `pull` is answered after the push, with its effects.
    """
    own: Door[Person] = cast(Door[Person], door.for_account())

    def exchange() -> Response:
        done = push(own, body)
        device = state_of(Known(done.device, has_last=True), body.device, door.house.clock())
        answer = PushOut(
            outcomes=done.outcomes, device=device, pull=None, pull_refused=None, server_time=door.house.clock()
        )
        pushed = answer.model_dump_json(by_alias=True, exclude={"pull", "pull_refused"})
        answer_of_pull, refusal = ("null", "null") if body.pull is None else _pulled_beside(door, body.pull, done)
        return answered(request, f'{pushed[:-1]},"pull":{answer_of_pull},"pull_refused":{refusal}}}')

    return await door.steps(exchange)


def _pulled_beside(door: Door[Actor], said: PullIn, done: Pushed) -> tuple[str, str]:
    """The answer of a pull that came with a push, or why there is none: the push is done either way.

    What the device still holds is by now what it said, and what was held of the push.
    """
    asking = still_waiting(said, done.device)
    try:
        return pulled(door, asking), "null"
    except Refusal as refusal:
        return "null", json.dumps(refusal.body())
