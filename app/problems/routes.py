"""HTTP of problems: parse, one query or action, shape."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Response, UploadFile

from app.agencies.words import AgencyCode
from app.evidence.actions import receive
from app.evidence.models import Photo
from app.evidence.pictures import (
    Claim,
    PhotoFormat,
    PhotoTooLarge,
    PhotoTooManyPixels,
    PhotoUnreadable,
)
from app.evidence.queries import PhotoAwaited, data_of
from app.kit.doors import WRITES, Door
from app.kit.house import Work
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import (
    BodyTooLarge,
    IdReused,
    NotPermitted,
    Refusal,
    Unauthenticated,
    VersionMismatch,
    refused,
)
from app.people.actors import Actor, ActorDoor, AskDoor, AttachDoor, CommentDoor, ReadDoor, StepDoor
from app.people.queries import NoPost, PasswordChangeRequired, PostNotHeld
from app.problems import actions
from app.problems.lifecycle.context import (
    DayNotPossible,
    OutsideScope,
    ReasonRequired,
    StepNotAllowed,
    TooEarly,
    TooLate,
    UnknownCode,
)
from app.problems.lifecycle.ending import AppealedBefore, MainNotPossible, ProofRequired, UnknownPhoto
from app.problems.lifecycle.kecamatan import AuthorityUndecided
from app.problems.lifecycle.kelurahan import AlreadyAccepted, LocalNotYours, PlaceRequired, SeenInFuture
from app.problems.lifecycle.parts import AuthorityBinding, LetterRequired, OwnerRequired, PartStepNotAllowed
from app.problems.queries import details, lists, records
from app.problems.queries.details import AssignmentNotFound, ProblemNotFound
from app.problems.queries.lists import Filters
from app.problems.queries.records import PhotoNotFound
from app.problems.schemas.answers import (
    AssignmentOut,
    CommentOut,
    DeskItemOut,
    HistoryOut,
    PhotoOut,
    ProblemItemOut,
    ProblemOut,
    ReporterOut,
    StepsOut,
)
from app.problems.schemas.parts import AssignmentStepIn
from app.problems.schemas.reports import Base, CommentIn, EditIn, ReportIn
from app.problems.schemas.steps import StepIn, StepsIn
from app.problems.words import AssignmentState

problems = APIRouter(tags=["problems"])
assignments = APIRouter(tags=["assignments"])

_ANYBODY: tuple[type[Refusal], ...] = (Unauthenticated, NoPost, PostNotHeld, PasswordChangeRequired)
_WRITE = (*_ANYBODY, NotPermitted, *WRITES, VersionMismatch, BodyTooLarge)
CONTENT = (
    UnknownCode,
    SeenInFuture,
    PlaceRequired,
    DayNotPossible,
    ReasonRequired,
    ProofRequired,
    UnknownPhoto,
)
STEP = (
    *_WRITE,
    *CONTENT,
    ProblemNotFound,
    OutsideScope,
    StepNotAllowed,
    AlreadyAccepted,
    TooEarly,
    TooLate,
    AuthorityUndecided,
    MainNotPossible,
    AppealedBefore,
)


PART = (
    AssignmentNotFound,
    PartStepNotAllowed,
    AuthorityBinding,
    LetterRequired,
    OwnerRequired,
    ProofRequired,
    UnknownPhoto,
    DayNotPossible,
    UnknownCode,
)
"""What a verb on an agency's part may meet."""


def _looked_at(door: Door[Actor], problem_id: UUID) -> ProblemOut:
    """In a thread already: the problem; that the kecamatan has looked at it is noted, once for each state of it."""

    def question(work: Work[Actor]) -> tuple[ProblemOut, bool]:
        problem = _tagged(door, lambda work: details.problem(work, problem_id))(work)
        return problem, details.is_news(work, problem)

    problem, is_news = door.ask(question)
    if is_news:
        actions.note_reading(door.house, problem)
    return problem


def _tagged(door: Door[Actor], answer: Callable[[Work[Actor]], ProblemOut]) -> Callable[[Work[Actor]], ProblemOut]:
    """The same answer, its version and view set as the response's ETag.

    All that it says is part of the view: a limit that passes, or a main problem that moves on, raises no version here.
    """

    def tagging(work: Work[Actor]) -> ProblemOut:
        problem = answer(work)
        door.tag(problem.version, f"{details.view_of(work)} {problem.model_dump_json()}")
        return problem

    return tagging


@problems.post(
    "/problems",
    status_code=201,
    summary="Record a problem",
    responses=refused(*_WRITE, *CONTENT, OutsideScope, LocalNotYours, IdReused),
)
async def report_problem(body: ReportIn, door: ActorDoor) -> ProblemOut:
    """An operator's report waits for the lurah; a lurah's goes up, or is handled locally where `local` says how.

    An emergency goes up at once. Sending the same `id` with the same body again has effect once.
    """
    return await door.write(_tagged(door, lambda work: actions.report(work, body)), key=body.id, body=body)


@problems.get(
    "/problems",
    summary="List problems",
    response_model=Page[ProblemItemOut],
    responses=refused(*_ANYBODY, BadCursor),
)
async def list_problems(door: ReadDoor, slicing: Slicing, filters: Annotated[Filters, Query()]) -> Response:
    """The problems that your post may see, newest first."""
    page = await door.read(lambda work: lists.problems(work, slicing, filters))
    return page.response(door.link(page.next))


@problems.post("/problems/steps", summary="Take a step on several problems", responses=refused(*_WRITE))
async def take_steps(body: StepsIn, door: ActorDoor) -> StepsOut:
    """Up to 500 steps in one transaction. Each is done or refused by itself; the refused ones say why."""
    return await door.write(lambda work: actions.steps(work, body))


@problems.get(
    "/problems/{problem_id}",
    summary="Read a problem",
    responses=refused(*_ANYBODY, ProblemNotFound) | {304: {"description": "As you hold it already."}},
)
async def read_problem(problem_id: UUID, door: ReadDoor) -> ProblemOut:
    """The whole problem with its assignments, what you may do now (`may`), and whose desk it lies on (`next_step`).

    That somebody at its kecamatan opened it is noted, and told to the phones of the kelurahan.
    """
    return await door.steps(lambda: _looked_at(door, problem_id))


@problems.patch("/problems/{problem_id}", summary="Correct a problem", responses=refused(*STEP))
async def edit_problem(problem_id: UUID, body: EditIn, door: ActorDoor) -> ProblemOut:
    """The verb `edit`: what is left out stays, null clears. Once accepted, a reason is needed."""
    return await door.write(_tagged(door, lambda work: actions.step(work, problem_id, body)))


@problems.post("/problems/{problem_id}/steps", summary="Take a step", responses=refused(*STEP))
async def take_step(problem_id: UUID, body: StepIn, door: AskDoor) -> ProblemOut:
    """One verb, as `may` of the problem offers it. Answers the problem as it then stands. A system may only `ask`."""
    return await door.write(_tagged(door, lambda work: actions.step(work, problem_id, body)))


@problems.get(
    "/problems/{problem_id}/history",
    summary="Read what happened",
    responses=refused(*_ANYBODY, ProblemNotFound, BadCursor),
)
async def read_history(problem_id: UUID, door: ReadDoor, slicing: Slicing) -> Page[HistoryOut]:
    """Every fact about the problem, oldest first, from the journal of its kelurahan."""
    page = await door.read(lambda work: records.history(work, problem_id, slicing))
    door.link(page.next)
    return page


@problems.get(
    "/problems/{problem_id}/comments",
    summary="List comments",
    responses=refused(*_ANYBODY, ProblemNotFound, BadCursor),
)
async def list_comments(problem_id: UUID, door: ReadDoor, slicing: Slicing) -> Page[CommentOut]:
    """What was said about the problem to your side, newest first."""
    page = await door.read(lambda work: records.comments(work, problem_id, slicing))
    door.link(page.next)
    return page


@problems.post(
    "/problems/{problem_id}/comments",
    status_code=201,
    summary="Comment",
    responses=refused(*_WRITE, ProblemNotFound, StepNotAllowed, IdReused),
)
async def comment_on_problem(problem_id: UUID, body: CommentIn, door: CommentDoor) -> CommentOut:
    """Whoever sees an open problem may comment. With `base`, so may a device that did not know that it had ended."""
    return await door.write(lambda work: actions.comment(work, problem_id, body), key=body.id, body=body)


@problems.post(
    "/problems/{problem_id}/photos",
    status_code=201,
    summary="Send a photo",
    responses=refused(
        *_WRITE,
        ProblemNotFound,
        StepNotAllowed,
        IdReused,
        PhotoTooLarge,
        PhotoTooManyPixels,
        PhotoUnreadable,
        PhotoFormat,
    ),
)
async def send_photo(
    problem_id: UUID,
    file: Annotated[UploadFile, File(description="JPEG, PNG, WebP or HEIC.")],
    door: AttachDoor,
    id: Annotated[UUID | None, Form(description="A UUIDv7 chosen by the client.")] = None,  # noqa: A002 - the wire's word
    base: Annotated[Base | None, Form()] = None,
) -> PhotoOut:
    """The photo is turned upright and re-encoded; position, camera and whatever else it carried are gone."""
    data = await file.read()
    claim = Claim(media_type=file.content_type, file_name=file.filename)
    expected = door.expected_version

    def take() -> PhotoOut:
        door.ask(lambda work: actions.check_attachable(work, problem_id))
        prepared = receive(door.house, data, claim)
        return door.act(lambda work: actions.attach(work, problem_id, prepared, id, base), expected)

    return await door.steps(take)


@problems.get(
    "/problems/{problem_id}/photos/{photo_id}",
    summary="See a photo",
    response_class=Response,
    responses=refused(*_ANYBODY, ProblemNotFound, PhotoNotFound, PhotoAwaited)
    | {
        200: {
            "description": "The picture.",
            "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def see_photo(
    problem_id: UUID,
    photo_id: UUID,
    door: ReadDoor,
    small: Annotated[bool, Query(description="The thumbnail, at most 320 pixels wide.")] = False,
) -> Response:
    """The bytes, for whoever may see the problem."""

    def look() -> tuple[Photo, bytes]:
        photo = door.ask(lambda work: records.photo(work, problem_id, photo_id))
        return photo, data_of(door.house, photo, small=small)

    photo, data = await door.steps(look)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=86400, immutable"}
    return Response(data, media_type=photo.media_type, headers=headers)


@problems.post(
    "/problems/{problem_id}/reporter",
    summary="Read who told the kelurahan",
    responses=refused(*_ANYBODY, NotPermitted, *WRITES, ProblemNotFound),
)
async def read_reporter(problem_id: UUID, door: ActorDoor) -> ReporterOut:
    """The reporter's name and number, for the kelurahan and its kecamatan. That you read it is noted, hence a POST."""
    return await door.write(lambda work: actions.read_reporter(work, problem_id))


@assignments.get("/assignments", summary="List assignments", responses=refused(*_ANYBODY, BadCursor))
async def list_assignments(
    door: ReadDoor,
    slicing: Slicing,
    state: Annotated[list[AssignmentState] | None, Query(max_length=7, description="In any of these states.")] = None,
    agency: Annotated[AgencyCode | None, Query(description="Of this agency.")] = None,
    lead: Annotated[bool | None, Query(description="Only those that lead, or only those that support.")] = None,
) -> Page[DeskItemOut]:
    """An agency's desk; for the territory, the assignments of the problems it sees. Newest first."""
    page = await door.read(lambda work: lists.desk(work, slicing, state=tuple(state or ()), agency=agency, lead=lead))
    door.link(page.next)
    return page


@assignments.get(
    "/assignments/{assignment_id}",
    summary="Read an assignment",
    responses=refused(*_ANYBODY, AssignmentNotFound),
)
async def read_assignment(assignment_id: UUID, door: ReadDoor) -> AssignmentOut:
    """One agency's part, with what you may do with it now."""
    return await door.read(lambda work: details.assignment(work, assignment_id))


@assignments.post(
    "/assignments/{assignment_id}/steps",
    summary="Take a step on an assignment",
    responses=refused(
        *_WRITE,
        *PART,
    ),
)
async def take_assignment_step(assignment_id: UUID, body: AssignmentStepIn, door: StepDoor) -> ProblemOut:
    """One verb on an agency's part. Answers the problem as it then stands."""
    return await door.write(_tagged(door, lambda work: actions.step_part(work, assignment_id, body)))


router = APIRouter()
router.include_router(problems)
router.include_router(assignments)
