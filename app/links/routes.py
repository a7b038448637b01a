"""HTTP of links: giving them, for people; and the page that one opens, for whoever holds it."""

from collections.abc import Callable
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from app.evidence.models import Photo
from app.evidence.pictures import Claim
from app.evidence.queries import data_of
from app.kit.doors import WRITES, PublicDoor, Replayed
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import (
    BodyTooLarge,
    NotPermitted,
    Refusal,
    Unauthenticated,
    refused,
)
from app.links import actions, pages, queries
from app.links.actions import AssignmentOver, Filled, FormNotFilled, LinkNotActive, LinkTooLong
from app.links.queries import LinkNotFound, LinkOver
from app.links.schemas import LinkIn, LinkKept, LinkOut
from app.people.actors import ActorDoor
from app.people.queries import NoPost, PasswordChangeRequired, PostNotHeld
from app.problems.queries.details import AssignmentNotFound
from app.problems.queries.records import PhotoNotFound

router = APIRouter(tags=["assignments"])
page_router = APIRouter(include_in_schema=False)
"""Under `/t/`, for browsers; whoever has the address needs no account."""

_GIVING: tuple[type[Refusal], ...] = (Unauthenticated, NoPost, PostNotHeld, PasswordChangeRequired, NotPermitted)
_FIELDS = ("note", "percent", "resolution", "reason", "reason_code", "belongs_to", "text")
_FIELD_BYTES = 32 * 1024


@router.post(
    "/assignments/{assignment_id}/links",
    status_code=201,
    summary="Give a link to an assignment",
    responses=refused(*_GIVING, *WRITES, AssignmentNotFound, AssignmentOver, LinkTooLong),
)
async def create_link(assignment_id: UUID, body: LinkIn, door: ActorDoor) -> LinkOut:
    """For an agency without any system: the link opens a page on which the agency moves this assignment, and no other.

    Whoever may revoke the assignment, or refuse it for the agency, gives links. The link is sent to `email`, or passed
    on by yourself. Its address is stored nowhere, and can be read again here as long as the link is good.
    """
    try:
        made = await door.write(lambda work: actions.create_link(work, assignment_id, body))
    except Replayed as first:  # what is remembered of an answer opens nothing
        before = LinkKept.model_validate_json(first.body)
        again = await door.read(lambda work: queries.given_before(work, before))
        raise Replayed(first.status, again.model_dump_json()) from None
    return queries.with_address(door.house, made)


@router.get(
    "/assignments/{assignment_id}/links",
    summary="List the links of an assignment",
    responses=refused(*_GIVING, AssignmentNotFound, BadCursor),
)
async def list_links(assignment_id: UUID, door: ActorDoor, slicing: Slicing) -> Page[LinkOut]:
    """Newest first, with the address of those that are still good, and what became of their mail."""
    page = await door.read(lambda work: queries.links(work, assignment_id, slicing))
    door.link(page.next)
    return page


@router.post(
    "/links/{link_id}/revoke",
    summary="Revoke a link",
    responses=refused(*_GIVING, *WRITES, LinkNotFound, LinkNotActive),
)
async def revoke_link(link_id: UUID, door: ActorDoor) -> LinkKept:
    """From now on it opens nothing. What was done through it stays."""
    return await door.write(lambda work: actions.revoke_link(work, link_id))


# -- the page --------------------------------------------------------------------------------------------------------


@page_router.api_route("/t/{token}", methods=["GET", "HEAD"])
async def open_link(token: str, door: PublicDoor, done: str = "") -> Response:
    """The page. Opening it changes nothing: mail scanners and previews open links too."""

    def look() -> Response:
        with door.house.database.read() as session:
            shown = queries.shown(session, door.house, token, door.house.clock())
        return _html(pages.page(shown, done=done))

    return await _answered(door, look)


@page_router.post("/t/{token}")
async def use_link(token: str, request: Request, door: PublicDoor) -> Response:
    """One form of the page. Done: back to the page; refused: the page again, with why and with what was filled in."""
    try:
        filled = await _filled(request)
    except (HTTPException, ValueError) as error:  # a charset that is none is a plain ValueError
        filled = Filled(verb="", form="")
        is_large = isinstance(error, HTTPException) and error.status_code == BodyTooLarge.status
        unread = BodyTooLarge() if is_large else FormNotFilled()
        return await _answered(door, lambda: _again(door, token, unread, filled))

    def take() -> Response:
        try:
            verb = actions.submit(door.house, token, filled)
        except (LinkNotFound, LinkOver):
            raise
        except Refusal as refusal:
            return _again(door, token, refusal, filled)
        return RedirectResponse(f"/t/{token}?done={verb}", 303, headers=pages.HEADERS)

    return await _answered(door, take)


@page_router.api_route("/t/{token}/photos/{photo_id}", methods=["GET", "HEAD"])
async def see_link_photo(token: str, photo_id: str, door: PublicDoor, small: str = "") -> Response:
    """A photo of the problem."""

    def look() -> Response:
        try:
            named = UUID(photo_id)
        except ValueError:
            raise PhotoNotFound from None
        with door.house.database.read() as session:
            photo: Photo = queries.photo(session, door.house, token, named, door.house.clock())
        data = data_of(door.house, photo, small=bool(small))
        return Response(data, media_type=photo.media_type, headers=pages.HEADERS)

    return await _answered(door, look)


async def _answered(door: PublicDoor, work: Callable[[], Response]) -> Response:
    """One hop; a refusal is a page too."""
    try:
        return await door.steps(work)
    except Refusal as refusal:
        return _html(pages.apology(refusal), refusal)


def _again(door: PublicDoor, token: str, refusal: Refusal, filled: Filled) -> Response:
    with door.house.database.read() as session:
        shown = queries.shown(session, door.house, token, door.house.clock())
    return _html(pages.page(shown, refusal=refusal, filled=filled), refusal)


def _html(page: str, refusal: Refusal | None = None) -> Response:
    headers = {**(refusal.headers if refusal else {}), **pages.HEADERS}
    return HTMLResponse(page, refusal.status if refusal else 200, headers=headers)


async def _filled(request: Request) -> Filled:
    """The form that was sent; the framework refuses one that it cannot read."""
    async with request.form(max_files=1, max_fields=20, max_part_size=_FIELD_BYTES) as form:
        said = {name: value for name in ("verb", "form", *_FIELDS) if isinstance(value := form.get(name), str)}
        file = form.get("photo")
        photo = await file.read() if isinstance(file, UploadFile) else b""
        claim = Claim(file.content_type, file.filename) if photo and isinstance(file, UploadFile) else Claim()
    return Filled(said.pop("verb", ""), said.pop("form", "")[:64], said, photo, claim)
