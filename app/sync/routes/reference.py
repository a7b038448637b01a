"""HTTP of the reference data that a phone keeps."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from app.kit.refusals import NotModified, Unauthenticated, refused
from app.people.actors import ActorDoor
from app.sync.queries import packs
from app.sync.queries.packs import PackNotFound
from app.sync.schemas import PackOut
from app.sync.words import Pack

router = APIRouter(prefix="/sync/reference", tags=["sync"])

PackName = Annotated[str, Path(max_length=40, json_schema_extra={"enum": [each.value for each in Pack]})]


@router.get(
    "/{pack}",
    summary="Read a reference pack",
    response_model=PackOut,
    responses=refused(Unauthenticated, PackNotFound) | {304: {"description": "As you hold it already."}},
)
async def read_pack(
    door: ActorDoor,
    pack: PackName,
    if_none_match: Annotated[str | None, Header(include_in_schema=False)] = None,
    accept_encoding: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Areas, categories, agencies, calendar, or steps with labels and limits: all of your city, never in part.

    Each pull tells the present ETag of every pack: ask for one only when it differs from the one you hold.
    """
    found = await door.read(lambda work: packs.pack(work, pack))
    is_packed = "gzip" in accept_encoding
    etag = f'W/"{found.etag}"' if is_packed else f'"{found.etag}"'  # strong is said of one run of bytes only
    if found.is_held(if_none_match):
        raise NotModified(etag)
    headers = {"ETag": etag, "Vary": "Accept-Encoding"} | ({"Content-Encoding": "gzip"} if is_packed else {})
    return Response(found.packed if is_packed else found.body, media_type="application/json", headers=headers)
