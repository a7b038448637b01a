"""HTTP of what a kelurahan and its kecamatan know of each other: the board, and taking note."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.areas.queries import UnknownArea
from app.areas.words import AreaCode
from app.kit.doors import WRITES
from app.kit.refusals import NotPermitted, Refusal, Unauthenticated, refused
from app.people.actors import ActorDoor
from app.problems.lifecycle.context import OutsideScope
from app.sync.actions import receipts
from app.sync.actions.receipts import ReceiptAhead
from app.sync.policy import AreaTooWide
from app.sync.queries import board
from app.sync.schemas import BoardOut, ReceiptsIn, TakenNoteOut

router = APIRouter(prefix="/sync", tags=["sync"])

_LOOKING: tuple[type[Refusal], ...] = (Unauthenticated, NotPermitted, OutsideScope, UnknownArea, AreaTooWide)
Area = Annotated[AreaCode | None, Query(description="A city, a kecamatan or a kelurahan; without one, your own.")]


@router.get("/board", summary="How do the kelurahan stand?", responses=refused(*_LOOKING))
async def read_board(door: ActorDoor, area: Area = None) -> BoardOut:
    """Every kelurahan of an area: how far the kecamatan has what it recorded, and what its devices still hold.

    The first of these that is true is how a kelurahan stands: `never`, no device of it has spoken yet; `silent` and
    `late`, the last contact is more working days ago than the city allows; `unsent`, its devices hold operations;
    `behind`, no device of the kecamatan has all of it yet; else `in_sync`.
    """
    return await door.read(lambda work: board.board(work, area))


@router.get(
    "/board.csv",
    summary="The board for a spreadsheet",
    response_class=Response,
    responses=refused(*_LOOKING)
    | {200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "UTF-8, with headings."}},
)
async def export_board(door: ActorDoor, area: Area = None) -> Response:
    """The same rows under the same names, as CSV; what a spreadsheet would take for a formula begins with `'`."""
    text = await door.read(lambda work: board.board_csv(work, area))
    headers = {"Content-Disposition": 'attachment; filename="board.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.post(
    "/receipts",
    summary="Take note of what a kelurahan recorded",
    responses=refused(Unauthenticated, NotPermitted, OutsideScope, ReceiptAhead, *WRITES),
)
async def acknowledge(door: ActorDoor, body: ReceiptsIn) -> TakenNoteOut:
    """Staff or camat say up to which position of each log they took note; no further than their post was delivered.

    All of it or none. A receipt never moves back: a lower position leaves it as it is.
    """
    return await door.write(lambda work: receipts.acknowledge(work, body))
