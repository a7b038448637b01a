"""HTTP of photo uploads: tus 1.0 with creation, checksum, expiration and termination."""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine
from email.utils import format_datetime
from typing import Annotated, Any, Final
from uuid import UUID

import anyio
from anyio import to_thread
from fastapi import APIRouter, Header, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from app.evidence.actions import receive
from app.evidence.pictures import PhotoFormat, PhotoTooLarge, PhotoTooManyPixels, PhotoUnreadable
from app.kit.doors import Door
from app.kit.edge import UPLOAD_MEDIA_TYPE
from app.kit.house import Work
from app.kit.refusals import (
    BodyTooLarge,
    IdReused,
    InvalidRequest,
    MethodNotAllowed,
    Refusal,
    Unauthenticated,
    Unprocessable,
    refused,
)
from app.kit.settings import Settings
from app.people.actors import Person, PersonDoor
from app.people.queries import NoPost
from app.sync import uploads
from app.sync.models import Upload
from app.sync.uploads import (
    Checksum,
    ChecksumMismatch,
    Incoming,
    Promise,
    UploadBusy,
    UploadDamaged,
    UploadNotFound,
    WrongOffset,
)

TUS: Final = "1.0.0"
EXTENSIONS: Final = "creation,checksum,expiration,termination"
ALGORITHMS: Final = ("sha256", "sha1")
SILENCE_SECONDS = 30.0
"""How long nothing may come of a piece until it counts as broken off: a connection that is lost may never be closed."""


class UnknownTusVersion(Refusal):
    status, code = 412, "unknown_tus_version"
    title, judul = "Uploads speak tus 1.0.0", "Unggahan memakai protokol tus 1.0.0"


class UnknownMediaType(Refusal):
    status, code = 415, "unknown_media_type"
    title, judul = f"A piece comes as {UPLOAD_MEDIA_TYPE}", f"Potongan dikirim sebagai {UPLOAD_MEDIA_TYPE}"


class TusRoute(APIRoute):
    """Says in every answer, a refusal too, which version it speaks."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def speaking(request: Request) -> Response:
            try:
                response = await handle(request)
            except Refusal as refusal:
                refusal.headers["Tus-Resumable"] = TUS
                raise
            response.headers["Tus-Resumable"] = TUS
            return response

        return speaking


router = APIRouter(prefix="/sync/uploads", tags=["sync"], route_class=TusRoute)

TusResumable = Annotated[str | None, Header(description="The version of tus: `1.0.0`.", examples=[TUS])]
_PHOTO: tuple[type[Refusal], ...] = (PhotoTooLarge, PhotoTooManyPixels, PhotoFormat, PhotoUnreadable)
_ANY: tuple[type[Refusal], ...] = (Unauthenticated, UnknownTusVersion)
_OWN: tuple[type[Refusal], ...] = (*_ANY, UploadNotFound, UploadBusy)
_TEXT: Final = {"schema": {"type": "string"}}


def _answering(status: int, description: str, *headers: str) -> dict[int | str, dict[str, Any]]:
    told = {"description": description, "headers": dict.fromkeys(headers, _TEXT)}
    return {status: told}


@router.options(
    "",
    status_code=204,
    response_class=Response,
    summary="What uploads can do",
    responses=refused(Unauthenticated)
    | _answering(204, "As headers.", "Tus-Version", "Tus-Extension", "Tus-Checksum-Algorithm", "Tus-Max-Size"),
)
async def read_upload_options(door: PersonDoor) -> Response:
    """Version, extensions, checksum algorithms and the largest size in bytes, in the headers that tus names."""
    await door.read(lambda work: None)
    return _answer(
        204,
        {
            "Tus-Version": TUS,
            "Tus-Extension": EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
            "Tus-Max-Size": str(door.house.settings.max_photo_bytes),
        },
    )


@router.post(
    "",
    status_code=201,
    response_class=Response,
    summary="Promise a photo",
    responses=refused(*_ANY, NoPost, IdReused, UploadBusy, *_PHOTO)
    | _answering(201, "Its address and until when it lasts.", "Location", "Upload-Expires"),
)
async def create_upload(
    request: Request,
    door: PersonDoor,
    tus_resumable: TusResumable = None,
    upload_length: Annotated[str | None, Header(description="The photo's size in bytes.", examples=["183504"])] = None,
    upload_metadata: Annotated[
        str | None,
        Header(
            description="`id`, a UUIDv7 chosen by the client, and `sha256` of the whole photo in hex; each value in "
            "Base64. Other names are passed over."
        ),
    ] = None,
) -> Response:
    """Begins the upload of a photo; its id becomes the photo's.

    The bytes may come before the operation that shows the photo, or after it. The same promise again is answered with
    the same address, so a lost answer does no harm. An upload lasts seven days.
    """

    def take() -> Upload:
        def create(work: Work[Person]) -> Upload:
            _check_version(tus_resumable)
            return uploads.create(work, _promise(door.house.settings, upload_length, upload_metadata))

        upload = door.act(create)
        _come_so_far(door, upload)
        return upload

    upload = await door.steps(take)
    return _answer(201, {"Location": f"{request.url.path}/{upload.id}"}, upload)


@router.head(
    "/{upload_id}",
    response_class=Response,
    summary="How far an upload has come",
    responses=refused(*_OWN, *_PHOTO)
    | _answering(200, "As headers.", "Upload-Offset", "Upload-Length", "Upload-Expires", "Upload-Metadata"),
)
async def read_upload(upload_id: UUID, door: PersonDoor, tus_resumable: TusResumable = None) -> Response:
    """The bytes that are safe here, and how many there will be. Where they are as many, the photo is kept."""

    def look() -> tuple[Upload, int]:
        upload = _find(door, upload_id, tus_resumable)
        return upload, _come_so_far(door, upload)

    upload, offset = await door.steps(look)
    metadata = f"id {_base64(str(upload.id))},sha256 {_base64(upload.sha256)}"
    headers = {"Upload-Length": str(upload.size), "Upload-Metadata": metadata, "Cache-Control": "no-store"}
    return _answer(200, {"Upload-Offset": str(offset)} | headers, upload)


@router.patch(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    summary="Send a piece of a photo",
    responses=refused(*_OWN, WrongOffset, IdReused, UnknownMediaType, ChecksumMismatch, UploadDamaged, *_PHOTO)
    | _answering(204, "How far the upload has come.", "Upload-Offset", "Upload-Expires"),
    openapi_extra={"requestBody": {"content": {UPLOAD_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def append_to_upload(
    upload_id: UUID,
    request: Request,
    door: PersonDoor,
    tus_resumable: TusResumable = None,
    upload_offset: Annotated[
        str | None, Header(description="Where the piece begins: how far the upload has come.", examples=["0"])
    ] = None,
    upload_checksum: Annotated[
        str | None, Header(description="Of this piece: `sha256` or `sha1`, and the hash in Base64.")
    ] = None,
) -> Response:
    """Goes on where the upload stands. A piece that breaks off is kept as far as it came, unless it has a checksum.

    With the last byte the photo is checked against its promised hash, made anew as every photo is, and kept. If it is
    not what was promised, everything is thrown away and the upload stands at 0; if it is no photo, the upload ends.
    """
    with Incoming(door.house, upload_id) as incoming:

        def begin() -> Upload:
            upload = _find(door, upload_id, tus_resumable)
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != UPLOAD_MEDIA_TYPE:
                raise UnknownMediaType
            offset, checksum = _count("Upload-Offset", upload_offset), _checksum(upload_checksum)
            if upload.completed_at is None:
                incoming.begin(upload, offset, checksum)
            elif offset != upload.size:
                raise WrongOffset(upload.size)
            return upload

        def end() -> int:
            offset = incoming.end()
            if offset == upload.size:
                _finish(door, upload, incoming)
            return offset

        upload = await door.steps(begin)
        if upload.completed_at is None:
            await _write_piece(request, incoming)
            offset = await door.steps(end)
        else:
            offset = upload.size
    return _answer(204, {"Upload-Offset": str(offset)}, upload)


@router.post("/{upload_id}", include_in_schema=False)
async def append_by_another_method(
    upload_id: UUID,
    request: Request,
    door: PersonDoor,
    x_http_method_override: Annotated[str, Header()] = "",
    tus_resumable: TusResumable = None,
    upload_offset: Annotated[str | None, Header()] = None,
    upload_checksum: Annotated[str | None, Header()] = None,
) -> Response:
    """PATCH, for clients whose own library knows no such method."""
    if x_http_method_override != "PATCH":
        raise MethodNotAllowed(headers={"Allow": "DELETE, HEAD, PATCH"})
    return await append_to_upload(upload_id, request, door, tus_resumable, upload_offset, upload_checksum)


@router.delete(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    summary="Give an upload up",
    responses=refused(*_OWN),
)
async def end_upload(upload_id: UUID, door: PersonDoor, tus_resumable: TusResumable = None) -> Response:
    """What has come of it is thrown away. A photo that was kept stays."""

    def end() -> None:
        _find(door, upload_id, tus_resumable)
        with Incoming(door.house, upload_id) as incoming:
            incoming.hold()
            door.act(lambda work: uploads.remove(work, upload_id))
            incoming.remove()

    await door.steps(end)
    return _answer(204, {})


# -- in the thread of a hop -------------------------------------------------------------------------------------------


def _find(door: Door[Person], upload_id: UUID, version: str | None) -> Upload:
    """The caller's upload; only who is known hears what is wrong with the request."""
    upload = door.ask(lambda work: uploads.find(work, upload_id))
    _check_version(version)
    return upload


def _come_so_far(door: Door[Person], upload: Upload) -> int:
    """How far an upload has come. What a crash left whole and not kept is finished first."""
    if upload.completed_at is not None:
        return upload.size
    with Incoming(door.house, upload.id) as incoming:
        size = incoming.size
        if size == upload.size:
            incoming.hold()
            try:
                _finish(door, upload, incoming)
            except UploadDamaged:
                return 0
        return size


def _finish(door: Door[Person], upload: Upload, incoming: Incoming) -> None:
    """All bytes are there, and the file is held: the picture is stored, then its row written, then the file removed."""
    data = incoming.whole(upload)
    try:
        prepared = receive(door.house, data)
    except (Unprocessable, BodyTooLarge):  # sent again it would be no better
        door.act(lambda work: uploads.remove(work, upload.id))
        incoming.remove()
        raise
    door.act(lambda work: uploads.complete(work, upload.id, prepared))
    incoming.remove()


# -- the piece --------------------------------------------------------------------------------------------------------


async def _write_piece(request: Request, incoming: Incoming) -> None:
    """Writes what comes, until there is no more or the connection is lost. What is refused is taken back."""
    chunks = request.stream()
    try:
        while True:
            with anyio.fail_after(SILENCE_SECONDS):
                chunk = await anext(chunks, b"")
            if not chunk:
                return
            await to_thread.run_sync(incoming.write, chunk)
    except (ClientDisconnect, TimeoutError):
        return
    except Exception:
        await to_thread.run_sync(incoming.give_up)
        raise


# -- headers ----------------------------------------------------------------------------------------------------------


def _answer(status: int, headers: dict[str, str], upload: Upload | None = None) -> Response:
    expiring = {"Upload-Expires": format_datetime(upload.expires_at, usegmt=True)} if upload else {}
    return Response(status_code=status, headers=headers | expiring)


def _check_version(version: str | None) -> None:
    if version != TUS:
        raise UnknownTusVersion(headers={"Tus-Version": TUS})


def _promise(settings: Settings, length: str | None, metadata: str | None) -> Promise:
    size, said = _count("Upload-Length", length), _metadata(metadata)
    if not size:
        raise InvalidRequest("Upload-Length: a photo is not empty.")
    if size > settings.max_photo_bytes:
        raise PhotoTooLarge(limit=settings.max_photo_bytes)
    sha256 = said.get("sha256", "").lower()
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise InvalidRequest("Upload-Metadata: sha256, the photo's hash in hex.")
    try:
        return Promise(UUID(said.get("id", "")), size, sha256)
    except ValueError:
        raise InvalidRequest("Upload-Metadata: id, a UUID.") from None


def _metadata(header: str | None) -> dict[str, str]:
    pairs = [each.strip().partition(" ") for each in (header or "").split(",")]
    try:
        return {name: b64decode(value, validate=True).decode() for name, _, value in pairs}
    except ValueError:
        raise InvalidRequest("Upload-Metadata: pairs of a name and a value in Base64, between commas.") from None


def _count(name: str, header: str | None) -> int:
    if header is None or not re.fullmatch("[0-9]{1,15}", header):
        raise InvalidRequest(f"{name}: a number of bytes.")
    return int(header)


def _checksum(header: str | None) -> Checksum | None:
    if header is None:
        return None
    algorithm, _, value = header.partition(" ")
    if algorithm not in ALGORITHMS:
        raise InvalidRequest(f"Upload-Checksum: {' or '.join(ALGORITHMS)}.")
    try:
        return Checksum(algorithm, b64decode(value, validate=True))
    except ValueError:
        raise InvalidRequest("Upload-Checksum: the hash in Base64.") from None


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
