"""A photo that comes in pieces, over tus: whatever breaks, it ends as the right picture or as a clear no."""

import fcntl
import hashlib
import os
import socket
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import anyio
import httpx
import pytest
from fastapi import FastAPI
from httpx import Response
from sqlalchemy import update
from sqlmodel import col, select

from app.assembly import assemble
from app.evidence.actions import await_photo, receive, store_of
from app.evidence.actions import sweep as sweep_photos
from app.evidence.models import Photo
from app.evidence.pictures import Claim, develop
from app.evidence.queries import data_of
from app.kit.ids import new_id
from app.kit.refusals import MEDIA_TYPE
from app.people.models import Account, Post
from app.problems.models import ProblemPhoto
from app.sync import uploads
from app.sync.models import Upload
from app.sync.routes import uploads as routes
from app.sync.uploads import Incoming, sweep_uploads
from tests.conftest import Databases, SettableClock, settings_for
from tests.deploy.serving import environment, serving
from tests.evidence.pictures import encoded, from_a_phone, street
from tests.sync.pieces import PIECE, TUS, UPLOADS, base64, promise
from tests.town import Someone, Town, populate

PHOTO = from_a_phone()
OTHER = encoded(street(320, 200))
DAY = timedelta(days=1)
NAMED = b64encode(b"01936f0e-8d3c-7000-8000-000000000000").decode()


async def try_create(who: Someone, data: bytes, photo_id: UUID) -> Response:
    return await who.post(UPLOADS, headers=promise(data, photo_id))


async def create(who: Someone, data: bytes = PHOTO, photo_id: UUID | None = None) -> UUID:
    """An upload that nothing has come of yet."""
    upload_id = photo_id or new_id()
    answer = await try_create(who, data, upload_id)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/v1{UPLOADS}/{upload_id}"
    return upload_id


async def send(who: Someone, upload_id: UUID, offset: int, data: Any, **headers: str) -> Response:
    sent = PIECE | {"Upload-Offset": str(offset)} | headers
    return await who.town.speak(who, "PATCH", f"{UPLOADS}/{upload_id}", content=data, headers=sent)


async def head(who: Someone, upload_id: UUID) -> Response:
    return await who.town.speak(who, "HEAD", f"{UPLOADS}/{upload_id}", headers=TUS)


async def offset_of(who: Someone, upload_id: UUID) -> int:
    answer = await head(who, upload_id)
    assert answer.status_code == 200, answer.text
    return int(answer.headers["upload-offset"])


async def end(who: Someone, upload_id: UUID) -> Response:
    return await who.town.speak(who, "DELETE", f"{UPLOADS}/{upload_id}", headers=TUS)


def is_refused(answer: Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    if answer.request.method != "HEAD":  # whose answers have no body
        assert answer.json()["code"] == code


def reached(answer: Response, offset: int) -> None:
    assert answer.status_code == 204, answer.text
    assert answer.headers["upload-offset"] == str(offset)
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert not answer.content


def stored(town: Town, photo_id: UUID) -> Photo | None:
    with town.house.database.read() as session:
        return session.get(Photo, photo_id)


def promised(town: Town, upload_id: UUID) -> Upload | None:
    with town.house.database.read() as session:
        return session.get(Upload, upload_id)


def file_of(town: Town, upload_id: UUID) -> Path:
    return town.house.settings.data_dir / "uploads" / str(upload_id)


def is_kept(town: Town, photo_id: UUID, who: Someone, data: bytes = PHOTO) -> None:
    """The right picture is there, and nothing is left of how it came."""
    photo = stored(town, photo_id)
    assert photo is not None
    right = develop(data, Claim(), max_bytes=len(data), max_pixels=10_000_000)
    assert data_of(town.house, photo, small=False) == right.data
    assert data_of(town.house, photo, small=True) == right.thumbnail
    assert (photo.sha256, photo.width, photo.height) == (right.sha256, right.width, right.height)
    assert (photo.size, photo.account_id) == (len(right.data), who.actor.account_id)
    upload = promised(town, photo_id)
    assert upload is None or upload.completed_at is not None
    assert not file_of(town, photo_id).exists()


@pytest.fixture
def operator(town: Town) -> Someone:
    return town.operator("Bakalan")


# -- as it should be --------------------------------------------------------------------------------------------------


async def test_a_photo_comes_in_pieces(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    assert await offset_of(operator, upload_id) == 0
    for start in range(0, len(PHOTO), 1_000):
        piece = PHOTO[start : start + 1_000]
        assert stored(town, upload_id) is None
        reached(await send(operator, upload_id, start, piece), start + len(piece))
        assert await offset_of(operator, upload_id) == start + len(piece)
    assert start > 3_000, "in several"
    is_kept(town, upload_id, operator)


async def test_head_tells_how_far_it_has_come(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO[:1_000])
    answer = await head(operator, upload_id)
    assert answer.status_code == 200
    assert answer.headers["upload-offset"] == "1000"
    assert answer.headers["upload-length"] == str(len(PHOTO))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert parsedate_to_datetime(answer.headers["upload-expires"]) == town.clock.now + 7 * DAY
    metadata = dict(each.split(" ") for each in answer.headers["upload-metadata"].split(","))
    assert b64decode(metadata["id"]).decode() == str(upload_id)
    assert b64decode(metadata["sha256"]).decode() == hashlib.sha256(PHOTO).hexdigest()


async def test_it_fills_in_what_a_problem_awaits(town: Town, operator: Someone) -> None:
    problem, photo_id = await operator.report(), new_id()
    sha256, account_id = hashlib.sha256(PHOTO).hexdigest(), operator.actor.account_id
    with town.house.database.write() as session:
        session.add(await_photo(photo_id, sha256, len(PHOTO), account_id, town.clock.now))
        session.flush()
        problem_id = UUID(problem["id"])
        session.add(ProblemPhoto(photo_id=photo_id, problem_id=problem_id, version=1, seen_before=False, late=False))
    picture = f"/problems/{problem['id']}/photos/{photo_id}"
    for small in ("true", "false"):
        is_refused(await operator.get(picture, params={"small": small}), 404, "photo_awaited")
    upload_id = await create(operator, photo_id=photo_id)
    reached(await send(operator, upload_id, 0, PHOTO), len(PHOTO))
    is_kept(town, photo_id, operator)
    shown_now = await operator.get(picture)
    assert (shown_now.status_code, shown_now.headers["content-type"]) == (200, "image/jpeg")


async def test_a_photo_larger_than_other_bodies_comes_in_one_piece(town: Town, operator: Someone) -> None:
    large = PHOTO + bytes(2 * 1_048_576)
    upload_id = await create(operator, large)
    reached(await send(operator, upload_id, 0, large), len(large))
    is_kept(town, upload_id, operator, large)


async def test_what_uploads_can_do(town: Town, operator: Someone) -> None:
    answer = await town.speak(operator, "OPTIONS", UPLOADS)
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-extension"] == "creation,checksum,expiration,termination"
    assert answer.headers["tus-checksum-algorithm"] == "sha256,sha1"
    assert answer.headers["tus-max-size"] == str(town.house.settings.max_photo_bytes)


async def test_patch_under_another_name(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    sent = PIECE | {"Upload-Offset": "0"}
    place = f"{UPLOADS}/{upload_id}"
    is_refused(await operator.post(place, content=PHOTO, headers=sent), 405, "method_not_allowed")
    sent["X-HTTP-Method-Override"] = "PATCH"
    reached(await operator.post(place, content=PHOTO, headers=sent), len(PHOTO))
    is_kept(town, upload_id, operator)


# -- a lost answer ----------------------------------------------------------------------------------------------------


async def test_the_same_promise_again_is_the_same_upload(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO[:1_000])
    town.clock.advance(DAY)
    assert await create(operator, photo_id=upload_id) == upload_id
    assert await offset_of(operator, upload_id) == 1_000
    upload = promised(town, upload_id)
    assert upload is not None
    assert upload.expires_at == town.clock.now + 6 * DAY
    reached(await send(operator, upload_id, 1_000, PHOTO[1_000:]), len(PHOTO))
    assert await create(operator, photo_id=upload_id) == upload_id
    assert await offset_of(operator, upload_id) == len(PHOTO)


async def test_the_last_piece_again_is_harmless(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO)
    again = await send(operator, upload_id, 0, PHOTO)
    is_refused(again, 409, "wrong_offset")
    assert again.headers["upload-offset"] == str(len(PHOTO))
    reached(await send(operator, upload_id, len(PHOTO), b""), len(PHOTO))
    is_kept(town, upload_id, operator)


async def test_an_id_promises_one_photo_of_one_account(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    longer, changed = PHOTO + b"x", PHOTO[:-1] + b"x"
    is_refused(await try_create(operator, longer, upload_id), 409, "id_reused")
    is_refused(await try_create(operator, changed, upload_id), 409, "id_reused")
    is_refused(await try_create(town.lurah("Bakalan"), PHOTO, upload_id), 409, "id_reused")
    reached(await send(operator, upload_id, 0, PHOTO), len(PHOTO))
    is_kept(town, upload_id, operator)


async def test_a_photo_that_came_another_way_is_not_sent_again(town: Town, operator: Someone) -> None:
    problem, photo_id = await operator.report(), new_id()
    files = {"file": ("bukti.jpg", PHOTO, "image/jpeg")}
    town.good(await operator.post(f"/problems/{problem['id']}/photos", files=files, data={"id": str(photo_id)}), 201)
    is_refused(await try_create(operator, OTHER, photo_id), 409, "id_reused")
    is_refused(await try_create(town.lurah("Bakalan"), PHOTO, photo_id), 409, "id_reused")
    await create(operator, photo_id=photo_id)
    assert await offset_of(operator, photo_id) == len(PHOTO)


# -- pieces that do not fit -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 999, 1_001, len(PHOTO)])
async def test_a_piece_begins_where_the_file_ends(town: Town, operator: Someone, offset: int) -> None:
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO[:1_000])
    answer = await send(operator, upload_id, offset, PHOTO[offset : offset + 500])
    is_refused(answer, 409, "wrong_offset")
    assert answer.headers["upload-offset"] == "1000"
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert file_of(town, upload_id).read_bytes() == PHOTO[:1_000]


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
async def test_a_piece_that_is_damaged_on_the_way_is_cut_off(town: Town, operator: Someone, algorithm: str) -> None:
    def checksum(data: bytes) -> dict[str, str]:
        return {"Upload-Checksum": f"{algorithm} {base64(hashlib.new(algorithm, data).digest())}"}

    upload_id = await create(operator)
    reached(await send(operator, upload_id, 0, PHOTO[:1_000], **checksum(PHOTO[:1_000])), 1_000)
    is_refused(await send(operator, upload_id, 1_000, b"x" * 500, **checksum(PHOTO[:500])), 460, "checksum_mismatch")
    assert file_of(town, upload_id).read_bytes() == PHOTO[:1_000]
    reached(await send(operator, upload_id, 1_000, PHOTO[1_000:], **checksum(PHOTO[1_000:])), len(PHOTO))
    is_kept(town, upload_id, operator)


async def test_never_more_than_was_promised(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO[:1_000])

    async def without_end() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            assert file_of(town, upload_id).stat().st_size <= len(PHOTO)
            yield b"x" * 700

    is_refused(await send(operator, upload_id, 1_000, without_end()), 413, "body_too_large")
    assert file_of(town, upload_id).read_bytes() == PHOTO[:1_000]
    reached(await send(operator, upload_id, 1_000, PHOTO[1_000:]), len(PHOTO))


async def test_what_is_not_as_promised_begins_anew(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    damaged = PHOTO[:2_000] + bytes([PHOTO[2_000] ^ 1]) + PHOTO[2_001:]
    reached(await send(operator, upload_id, 0, damaged[:-1]), len(PHOTO) - 1)
    is_refused(await send(operator, upload_id, len(PHOTO) - 1, damaged[-1:]), 422, "upload_damaged")
    assert stored(town, upload_id) is None
    assert await offset_of(operator, upload_id) == 0
    reached(await send(operator, upload_id, 0, PHOTO), len(PHOTO))
    is_kept(town, upload_id, operator)


@pytest.mark.parametrize(("content", "code"), [(b"siluman" * 100, "photo_format"), (PHOTO[:3_000], "photo_unreadable")])
async def test_what_is_no_photo_ends_the_upload(town: Town, operator: Someone, content: bytes, code: str) -> None:
    upload_id = await create(operator, content)
    is_refused(await send(operator, upload_id, 0, content), 422, code)
    is_refused(await head(operator, upload_id), 404, "upload_not_found")
    assert stored(town, upload_id) is None
    assert promised(town, upload_id) is None
    assert not file_of(town, upload_id).exists()


async def test_what_is_awaited_takes_no_other_photo(town: Town, operator: Someone) -> None:
    """The operation came between the promise and its last byte, and names another photo."""
    upload_id = await create(operator)
    with town.house.database.write() as session:
        named = hashlib.sha256(OTHER).hexdigest()
        session.add(await_photo(upload_id, named, len(OTHER), operator.actor.account_id, town.clock.now))
    is_refused(await send(operator, upload_id, 0, PHOTO), 409, "id_reused")
    photo = stored(town, upload_id)
    assert photo is not None
    assert photo.is_awaited


# -- who --------------------------------------------------------------------------------------------------------------


async def test_nobody_else_sees_it(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO[:1_000])
    for other in (town.lurah("Bakalan"), town.camat("Bugul Kidul"), town.admin):
        for answer in (
            await head(other, upload_id),
            await send(other, upload_id, 1_000, PHOTO[1_000:]),
            await end(other, upload_id),
        ):
            is_refused(answer, 404, "upload_not_found")
    assert file_of(town, upload_id).read_bytes() == PHOTO[:1_000]
    is_refused(await head(operator, new_id()), 404, "upload_not_found")
    answer = await town.client.head(f"/api/v1{UPLOADS}/{upload_id}", headers=TUS)
    is_refused(answer, 401, "unauthenticated")


async def test_whose_post_has_ended_still_brings_what_is_awaited(town: Town, operator: Someone) -> None:
    begun, awaited = await create(operator, OTHER), new_id()
    with town.house.database.write() as session:
        sha256 = hashlib.sha256(PHOTO).hexdigest()
        session.add(await_photo(awaited, sha256, len(PHOTO), operator.actor.account_id, town.clock.now))
        ended = update(Post).where(col(Post.id) == operator.actor.post_id).values(until=town.clock.now)
        session.connection().execute(ended)
    is_refused(await try_create(operator, PHOTO, new_id()), 403, "no_post")
    await create(operator, photo_id=awaited)
    reached(await send(operator, awaited, 0, PHOTO), len(PHOTO))
    is_kept(town, awaited, operator)
    reached(await send(operator, begun, 0, OTHER), len(OTHER))
    is_kept(town, begun, operator, OTHER)
    with town.house.database.write() as session:
        disabled = update(Account).where(col(Account.id) == operator.actor.account_id)
        session.connection().execute(disabled.values(disabled_at=town.clock.now))
    is_refused(await try_create(operator, PHOTO, awaited), 401, "unauthenticated")


# -- shapes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0", ""])
async def test_another_version_is_refused(town: Town, operator: Someone, version: str | None) -> None:
    upload_id = await create(operator)
    said = {} if version is None else {"Tus-Resumable": version}
    for method, path in (
        ("POST", UPLOADS),
        ("HEAD", f"{UPLOADS}/{upload_id}"),
        ("PATCH", f"{UPLOADS}/{upload_id}"),
        ("DELETE", f"{UPLOADS}/{upload_id}"),
    ):
        sent = {k: v for k, v in (promise(PHOTO, new_id()) | PIECE).items() if k not in TUS} | {"Upload-Offset": "0"}
        answer = await town.speak(operator, method, path, headers=sent | said)
        is_refused(answer, 412, "unknown_tus_version")
        assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
    assert await offset_of(operator, upload_id) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"Upload-Length": "0"},
        {"Upload-Length": "-1"},
        {"Upload-Length": "1e3"},
        {"Upload-Length": "9" * 40},
        {"Upload-Length": ""},
        {"Upload-Metadata": ""},
        {"Upload-Metadata": "id siluman"},
        {"Upload-Metadata": f"id {base64('siluman')},sha256 {base64('0' * 64)}"},
        {"Upload-Metadata": f"id {NAMED}"},
        {"Upload-Metadata": f"id {NAMED},sha256 {base64('0' * 63)}"},
        {"Upload-Metadata": f"id {NAMED},sha256 {base64('x' * 64)}"},
        {"Upload-Metadata": f"id {base64(bytes([255, 254]))},sha256 {base64('0' * 64)}"},
    ],
    ids=str,
)
async def test_a_promise_has_a_size_an_id_and_a_hash(town: Town, operator: Someone, wrong: Mapping[str, str]) -> None:
    answer = await operator.post(UPLOADS, headers=promise(PHOTO, new_id(), **wrong))
    is_refused(answer, 422, "invalid_request")
    assert "siluman" not in answer.text
    with town.house.database.read() as session:
        assert session.exec(select(Upload)).all() == []


async def test_a_promise_is_no_larger_than_a_photo_may_be(town: Town, operator: Someone) -> None:
    limit = town.house.settings.max_photo_bytes
    allowed = promise(PHOTO, new_id(), **{"Upload-Length": str(limit)})
    assert (await operator.post(UPLOADS, headers=allowed)).status_code == 201
    larger = promise(PHOTO, new_id(), **{"Upload-Length": str(limit + 1)})
    is_refused(await operator.post(UPLOADS, headers=larger), 413, "photo_too_large")


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"Upload-Offset": "-1"}, 422, "invalid_request"),
        ({"Upload-Offset": "x"}, 422, "invalid_request"),
        ({"Upload-Checksum": "md5 1B2M2Y8AsgTpgAmY7PhCfg=="}, 422, "invalid_request"),
        ({"Upload-Checksum": "sha256"}, 460, "checksum_mismatch"),
        ({"Upload-Checksum": "sha256 siluman"}, 422, "invalid_request"),
        ({"Content-Type": "application/octet-stream"}, 415, "unknown_media_type"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "unknown_media_type"),
    ],
    ids=str,
)
async def test_a_piece_has_an_offset_and_is_nothing_else(
    town: Town, operator: Someone, wrong: dict[str, str], status: int, code: str
) -> None:
    upload_id = await create(operator)
    is_refused(await send(operator, upload_id, 0, PHOTO, **wrong), status, code)
    assert await offset_of(operator, upload_id) == 0


# -- what breaks off --------------------------------------------------------------------------------------------------


async def broken_off(app: FastAPI, who: Someone, upload_id: UUID, *pieces: bytes, **headers: str) -> None:
    """Sends these pieces of one PATCH from 0 on, and is gone."""
    messages = [{"type": "http.request", "body": each, "more_body": True} for each in pieces]
    said = PIECE | who.headers | {"Upload-Offset": "0", "Content-Length": str(len(PHOTO))} | headers
    scope = {
        "type": "http",
        "method": "PATCH",
        "path": f"/api/v1{UPLOADS}/{upload_id}",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in said.items()],
    }

    async def hear() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def say(_message: Any) -> None:
        """Nobody listens."""

    await app(scope, hear, say)


async def test_what_came_before_the_connection_broke_is_kept(town: Town, town_app: FastAPI, operator: Someone) -> None:
    upload_id = await create(operator)
    await broken_off(town_app, operator, upload_id, PHOTO[:700], PHOTO[700:1_500])
    assert await offset_of(operator, upload_id) == 1_500
    reached(await send(operator, upload_id, 1_500, PHOTO[1_500:]), len(PHOTO))
    is_kept(town, upload_id, operator)


async def test_what_cannot_be_checked_is_not_kept(town: Town, town_app: FastAPI, operator: Someone) -> None:
    upload_id, checksum = await create(operator), f"sha256 {base64(hashlib.sha256(PHOTO).digest())}"
    await broken_off(town_app, operator, upload_id, PHOTO[:1_500], **{"Upload-Checksum": checksum})
    assert await offset_of(operator, upload_id) == 0


async def test_a_connection_that_is_silent_has_broken_off(
    town: Town, operator: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "SILENCE_SECONDS", 0.05)
    upload_id = await create(operator)

    async def lost() -> AsyncIterator[bytes]:
        yield PHOTO[:1_000]
        await anyio.sleep_forever()

    reached(await send(operator, upload_id, 0, lost()), 1_000)
    reached(await send(operator, upload_id, 1_000, PHOTO[1_000:]), len(PHOTO))
    is_kept(town, upload_id, operator)


@pytest.mark.parametrize("files_are_locked", [True, False])
async def test_one_at_a_time_writes(
    town: Town, operator: Someone, files_are_locked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not files_are_locked:  # as where the system has no such locks
        monkeypatch.setattr(uploads, "_locked", lambda _file, _path: True)
    upload_id, halfway, go_on = await create(operator), anyio.Event(), anyio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield PHOTO[:1_000]
        halfway.set()
        await go_on.wait()
        yield PHOTO[1_000:]

    async def first() -> None:
        reached(await send(operator, upload_id, 0, slowly()), len(PHOTO))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await halfway.wait()
        assert await offset_of(operator, upload_id) == 1_000
        is_refused(await send(operator, upload_id, 1_000, PHOTO[1_000:]), 423, "upload_busy")
        is_refused(await end(operator, upload_id), 423, "upload_busy")
        go_on.set()
    is_kept(town, upload_id, operator)


async def test_nor_does_another_process(town: Town, operator: Someone) -> None:
    """A lock of a file belongs to who opened it, in whichever process."""
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO[:1_000])
    with file_of(town, upload_id).open("rb") as elsewhere:
        fcntl.flock(elsewhere, fcntl.LOCK_EX)
        is_refused(await send(operator, upload_id, 1_000, PHOTO[1_000:]), 423, "upload_busy")
        assert await offset_of(operator, upload_id) == 1_000
    reached(await send(operator, upload_id, 1_000, PHOTO[1_000:]), len(PHOTO))


# -- a crash ----------------------------------------------------------------------------------------------------------

CRASHES = ("bytes", "picture", "row")
"""The last thing that was done: bytes on disk, picture stored, row written."""
WAYS_ON = ("head", "piece", "promise")


@pytest.mark.parametrize("way", WAYS_ON)
@pytest.mark.parametrize("done", CRASHES)
async def test_after_a_crash_the_next_request_finishes(town: Town, operator: Someone, done: str, way: str) -> None:
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO[:1_000])
    if done == "row":
        reached(await send(operator, upload_id, 1_000, PHOTO[1_000:]), len(PHOTO))
    if done == "picture":
        receive(town.house, PHOTO)
    file_of(town, upload_id).write_bytes(PHOTO)
    if way == "head":
        assert await offset_of(operator, upload_id) == len(PHOTO)
    elif way == "piece":
        reached(await send(operator, upload_id, len(PHOTO), b""), len(PHOTO))
    else:
        await create(operator, photo_id=upload_id)
    upload = promised(town, upload_id)
    assert upload is not None
    assert upload.completed_at is not None
    assert await offset_of(operator, upload_id) == len(PHOTO)
    town.clock.advance(7 * DAY)
    sweep_uploads(town.house)
    sweep_photos(town.house)
    is_kept(town, upload_id, operator)
    names = [name for chunk in store_of(town.house).names() for name in chunk]
    assert len(names) == 2, "the picture and its thumbnail"


async def test_a_crash_after_damage_begins_anew(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO[:1_000])
    file_of(town, upload_id).write_bytes(PHOTO[:-1] + bytes([PHOTO[-1] ^ 1]))
    assert await offset_of(operator, upload_id) == 0
    reached(await send(operator, upload_id, 0, PHOTO), len(PHOTO))
    is_kept(town, upload_id, operator)


def headers_of_somebody(address: str, folder: Path) -> dict[str, str]:
    house = assemble(settings_for(address, folder))
    try:
        return Town(house, httpx.AsyncClient(), SettableClock()).operator("Bakalan").headers
    finally:
        house.database.close()


@pytest.mark.xdist_group("crash")
def test_a_server_that_is_killed_meanwhile_loses_nothing(
    databases: Databases, database_kind: str, tmp_path: Path
) -> None:
    """Two servers over one folder. One is killed in the middle of a piece, and the other goes on from there."""
    photo, half, photo_id = PHOTO + bytes(600_000), 300_000, new_id()
    with databases.fresh(database_kind, populate) as address, ExitStack() as stack:
        token = headers_of_somebody(address, tmp_path)
        given = environment(tmp_path, {"database_url": address, "background": "false"})
        one, other = (stack.enter_context(serving(tmp_path, given)) for _ in range(2))
        phone = stack.enter_context(httpx.Client(base_url=other.address, headers=token, timeout=60))
        place = phone.post(f"/api/v1{UPLOADS}", headers=promise(photo, photo_id)).headers["location"]
        line = stack.enter_context(
            socket.create_connection((urlsplit(one.address).hostname, urlsplit(one.address).port))
        )
        said = token | PIECE | {"Host": one.place, "Upload-Offset": "0", "Content-Length": str(len(photo))}
        spoken = "\r\n".join([f"PATCH {place} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items())])
        line.sendall(spoken.encode() + b"\r\n\r\n" + photo[:half])
        while int(phone.head(place, headers=TUS).headers["upload-offset"]) < half:
            assert one.process.poll() is None
        rest = PIECE | {"Upload-Offset": str(half)}
        busy = phone.patch(place, content=photo[half:], headers=rest)
        assert (busy.status_code, busy.json()["code"]) == (423, "upload_busy")
        one.process.kill()
        one.process.wait()
        assert phone.head(place, headers=TUS).headers["upload-offset"] == str(half)
        reached(phone.patch(place, content=photo[half:], headers=rest), len(photo))
        assert phone.head(place, headers=TUS).headers["upload-offset"] == str(len(photo))
    assert [path.read_bytes() for path in (tmp_path / "photos").rglob("*[0-9a-f].jpg")] == [
        develop(photo, Claim(), max_bytes=len(photo), max_pixels=10_000_000).data
    ]
    assert list((tmp_path / "uploads").iterdir()) == []


# -- what is left behind ----------------------------------------------------------------------------------------------


async def test_an_upload_lasts_a_week(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO[:1_000])
    town.clock.advance(7 * DAY - timedelta(seconds=1))
    assert sweep_uploads(town.house) == 0
    assert await offset_of(operator, upload_id) == 1_000
    town.clock.advance(timedelta(seconds=1))
    is_refused(await head(operator, upload_id), 404, "upload_not_found")
    is_refused(await send(operator, upload_id, 1_000, PHOTO[1_000:]), 404, "upload_not_found")
    assert sweep_uploads(town.house) == 1
    assert promised(town, upload_id) is None
    assert not file_of(town, upload_id).exists()
    assert sweep_uploads(town.house) == 0
    await create(operator, photo_id=upload_id)
    assert await offset_of(operator, upload_id) == 0


async def test_a_promise_renewed_in_time_goes_on(town: Town, operator: Someone) -> None:
    """It had run out, and no round had come yet."""
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO[:1_000])
    town.clock.advance(8 * DAY)
    await create(operator, photo_id=upload_id)
    assert sweep_uploads(town.house) == 0
    reached(await send(operator, upload_id, 1_000, PHOTO[1_000:]), len(PHOTO))
    is_kept(town, upload_id, operator)


async def test_a_photo_stays_when_its_upload_is_forgotten(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO)
    town.clock.advance(8 * DAY)
    assert sweep_uploads(town.house) == 1
    sweep_photos(town.house)
    is_kept(town, upload_id, operator)
    await create(operator, photo_id=upload_id)
    assert await offset_of(operator, upload_id) == len(PHOTO), "a phone that asks so late hears that it came"


async def test_files_of_no_upload_are_swept_a_day_after_their_last_byte(town: Town, operator: Someone) -> None:
    upload_id = await create(operator)
    await send(operator, upload_id, 0, PHOTO[:1_000])
    folder = file_of(town, upload_id).parent
    old, fresh, foreign = folder / str(new_id()), folder / str(new_id()), folder / "README.txt"
    ages = {file_of(town, upload_id): 25, old: 25, fresh: 23, foreign: 25}
    for file, hours in ages.items():
        file.touch()
        written = (town.clock.now - timedelta(hours=hours)).timestamp()
        os.utime(file, (written, written))
    with Incoming(town.house, UUID(old.name)) as elsewhere:
        elsewhere.hold()
        assert sweep_uploads(town.house) == 0, "somebody writes it"
    assert sweep_uploads(town.house) == 1
    assert {each.name for each in folder.iterdir()} == {str(upload_id), fresh.name, "README.txt"}


async def test_an_upload_is_given_up(town: Town, operator: Someone) -> None:
    upload_id, kept = await create(operator), await create(operator, OTHER)
    await send(operator, upload_id, 0, PHOTO[:1_000])
    await send(operator, kept, 0, OTHER)
    for each in (upload_id, kept):
        answer = await end(operator, each)
        assert (answer.status_code, answer.headers["tus-resumable"]) == (204, "1.0.0")
        is_refused(await head(operator, each), 404, "upload_not_found")
        is_refused(await end(operator, each), 404, "upload_not_found")
    assert not file_of(town, upload_id).exists()
    is_kept(town, kept, operator, OTHER)
