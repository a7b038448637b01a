"""HTTP of what waits for a person: proposals, and operations in quarantine."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.areas.words import AreaCode
from app.kit.doors import WRITES
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import IdReused, NotPermitted, Refusal, Unauthenticated, refused
from app.people.actors import ActorDoor
from app.people.queries import NoPost, PasswordChangeRequired, PostNotHeld
from app.problems.routes import CONTENT, PART, STEP
from app.sync.actions import decisions as actions
from app.sync.actions.decisions import AlreadySettled, ReasonNeeded
from app.sync.queries import decisions
from app.sync.queries.decisions import ProposalNotFound, QuarantinedNotFound
from app.sync.schemas import AcceptIn, AdoptIn, ComparedProposalOut, DismissIn, ProposalOut, QuarantinedOut

router = APIRouter(prefix="/sync", tags=["sync"])

_ANYBODY: tuple[type[Refusal], ...] = (Unauthenticated, NoPost, PostNotHeld, PasswordChangeRequired)
_DECIDING = (*_ANYBODY, NotPermitted, *WRITES, AlreadySettled)

InArea = Annotated[AreaCode | None, Query(description="Of this area and all below it.")]
IsSettled = Annotated[bool, Query(description="Those that were settled, instead of those that wait.")]


@router.get("/proposals", summary="List proposals", responses=refused(*_ANYBODY, BadCursor))
async def list_proposals(
    door: ActorDoor, slicing: Slicing, area: InArea = None, settled: IsSettled = False
) -> Page[ProposalOut]:
    """Corrections that came late, in your area or from you, newest first: others had changed the same fields."""
    page = await door.read(lambda work: decisions.proposals(work, slicing, area, settled=settled))
    door.link(page.next)
    return page


@router.get("/proposals/{proposal_id}", summary="Compare a proposal", responses=refused(*_ANYBODY, ProposalNotFound))
async def read_proposal(proposal_id: UUID, door: ActorDoor) -> ComparedProposalOut:
    """Field by field: as its author knew it, as others made it, as it is proposed; and who, and when."""
    return await door.read(lambda work: decisions.read_proposal(work, proposal_id))


@router.post(
    "/proposals/{proposal_id}/accept",
    summary="Accept a proposal",
    responses=refused(*_DECIDING, ProposalNotFound, ReasonNeeded, *STEP),
)
async def accept_proposal(proposal_id: UUID, body: AcceptIn, door: ActorDoor) -> ComparedProposalOut:
    """The proposed values are taken, as your own correction and under your rights."""
    return await door.write(lambda work: actions.accept_proposal(work, proposal_id, body.reason))


@router.post(
    "/proposals/{proposal_id}/dismiss",
    summary="Dismiss a proposal",
    responses=refused(*_DECIDING, ProposalNotFound, *STEP),
)
async def dismiss_proposal(proposal_id: UUID, body: DismissIn, door: ActorDoor) -> ComparedProposalOut:
    """The values stay as they are; its author reads why."""
    return await door.write(lambda work: actions.dismiss_proposal(work, proposal_id, body.reason))


@router.get("/quarantine", summary="List operations in quarantine", responses=refused(*_ANYBODY, BadCursor))
async def list_quarantine(
    door: ActorDoor, slicing: Slicing, area: InArea = None, settled: IsSettled = False
) -> Page[QuarantinedOut]:
    """Operations of phones that were refused, in your area or from you, newest first. None of them is lost."""
    page = await door.read(lambda work: decisions.quarantine(work, slicing, area, settled=settled))
    door.link(page.next)
    return page


@router.get(
    "/quarantine/{operation_id}",
    summary="Read an operation in quarantine",
    responses=refused(*_ANYBODY, QuarantinedNotFound),
)
async def read_quarantined(operation_id: UUID, door: ActorDoor) -> QuarantinedOut:
    """The operation as it came, and why it was refused."""
    return await door.read(lambda work: decisions.read_quarantined(work, operation_id))


@router.post(
    "/quarantine/{operation_id}/adopt",
    summary="Adopt an operation",
    responses=refused(*_DECIDING, QuarantinedNotFound, IdReused, *STEP, *PART, *CONTENT),
)
async def adopt_operation(operation_id: UUID, body: AdoptIn, door: ActorDoor) -> QuarantinedOut:
    """It is done after all, under your rights and on behalf of whoever recorded it; what waited behind it goes on."""
    return await door.write(lambda work: actions.adopt(work, operation_id, body.data))


@router.post(
    "/quarantine/{operation_id}/dismiss",
    summary="Dismiss an operation",
    responses=refused(*_DECIDING, QuarantinedNotFound, *STEP),
)
async def dismiss_operation(operation_id: UUID, body: DismissIn, door: ActorDoor) -> QuarantinedOut:
    """It stays undone, and what waited behind it is judged anew. Whoever sent it may take it back so."""
    return await door.write(lambda work: actions.dismiss(work, operation_id, body.reason))
