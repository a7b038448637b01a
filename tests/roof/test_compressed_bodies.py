"""A body may come packed with gzip: it is unpacked while it is read, and bounded as if it had come unpacked."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.kit.edge import Edge
from app.kit.refusals import MEDIA_TYPE
from tests.conftest import settings_for
from tests.town import Town, picture

PACKED = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
MEGABYTE = 1_048_576


async def report(town: Town, content: bytes | AsyncIterator[bytes], **headers: str) -> Response:
    lurah = town.lurah("Bakalan")
    return await lurah.post("/problems", content=content, headers=PACKED | headers)


def is_refused(answer: Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE


async def in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def packed(town: Town, **other: Any) -> bytes:
    return gzip.compress(json.dumps(town.problem(**other)).encode())


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP "])
async def test_a_packed_report_is_a_report(town: Town, encoding: str) -> None:
    answer = await report(town, packed(town, title="Jembatan bambu lapuk"), **{"Content-Encoding": encoding})
    assert town.good(answer, 201)["title"] == "Jembatan bambu lapuk"


async def test_it_may_come_byte_by_byte(town: Town) -> None:
    answer = await report(town, in_pieces(packed(town, description="Hujan sejak pagi. " * 80), 1))
    assert town.good(answer, 201)["description"].startswith("Hujan sejak pagi.")


async def test_an_idempotency_key_knows_the_report_packed_or_not(town: Town) -> None:
    problem, lurah = town.problem(), town.lurah("Bakalan")
    named = {"Idempotency-Key": "kunci-1"}
    first = town.good(await report(town, gzip.compress(json.dumps(problem).encode()), **named), 201)
    plain = await lurah.post(
        "/problems", content=json.dumps(problem), headers=named | {"Content-Type": PACKED["Content-Type"]}
    )
    assert town.good(plain, 201)["id"] == first["id"]


async def test_a_form_may_be_packed_too(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem = await lurah.report()
    form = AsyncClient().build_request("POST", "http://testserver", files={"file": ("bukti.jpg", picture())})
    answer = await lurah.post(
        f"/problems/{problem['id']}/photos",
        content=gzip.compress(form.read()),
        headers={"Content-Type": form.headers["content-type"], "Content-Encoding": "gzip"},
    )
    assert town.good(answer, 201)["problem_id"] == problem["id"]


async def test_identity_is_no_packing(town: Town) -> None:
    answer = await report(town, json.dumps(town.problem()).encode(), **{"Content-Encoding": "identity"})
    town.good(answer, 201)


async def test_nobody_behind_the_edge_sees_that_it_was_packed(tmp_path: Path) -> None:
    seen: dict[bytes | str, bytes] = {}

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.update(scope["headers"], body=(await receive())["body"])
        await PlainTextResponse("")(scope, receive, send)

    edge = Edge(inside, settings_for("sqlite://", tmp_path))
    async with AsyncClient(transport=ASGITransport(app=edge), base_url="http://testserver") as client:
        await client.post("/", content=gzip.compress(b"hujan"), headers=PACKED)
    assert seen["body"] == b"hujan"
    assert b"host" in seen
    assert not {b"content-encoding", b"content-length"} & set(seen)


def unfinished(data: bytes) -> bytes:
    """Everything that says what was packed, and not that it was all."""
    packing = zlib.compressobj(wbits=31)
    return packing.compress(data) + packing.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("wrong", ["nothing", "garbage", "plain", "cut", "unfinished", "flipped", "more behind"])
async def test_what_is_no_gzip_is_not_well_formed(town: Town, wrong: str) -> None:
    good = packed(town)
    content = {
        "nothing": b"",
        "garbage": b"siluman" * 100,
        "plain": gzip.decompress(good),
        "cut": good[:-1],
        "unfinished": unfinished(gzip.decompress(good)),
        "flipped": good[:-6] + bytes([good[-6] ^ 1]) + good[-5:],
        "more behind": good + b"siluman",
    }[wrong]
    for sent in (content, in_pieces(content, 7)):
        answer = await report(town, sent)
        is_refused(answer, 422, "invalid_request")
        assert "siluman" not in answer.text
    assert (await town.lurah("Bakalan").get("/problems")).json()["items"] == []


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd", "siluman", ""])
async def test_another_packing_is_refused_by_name(town: Town, encoding: str) -> None:
    answer = await report(town, packed(town), **{"Content-Encoding": encoding})
    is_refused(answer, 415, "unknown_encoding")
    assert answer.headers["accept-encoding"] == "gzip"


async def test_the_bound_counts_what_is_unpacked(town: Town) -> None:
    def of_size(size: int) -> bytes:
        content = json.dumps(town.problem()).encode()
        return gzip.compress(content + b" " * (size - len(content)))

    town.good(await report(town, of_size(MEGABYTE)), 201)
    is_refused(await report(town, of_size(MEGABYTE + 1)), 413, "body_too_large")


async def test_a_bomb_takes_no_memory(town: Town) -> None:
    """One gigabyte in one megabyte, as one piece and as many."""
    packing = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packing.compress(b"[" * MEGABYTE) for _ in range(1024)) + packing.flush()
    assert len(bomb) < MEGABYTE, "what is sent is not what is refused"
    for content in (bomb, in_pieces(bomb, 65_536)):
        tracemalloc.start()
        try:
            answer = await report(town, content)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        is_refused(answer, 413, "body_too_large")
        assert most < 8 * MEGABYTE


async def test_what_unpacks_to_nothing_is_bounded_as_it_comes(town: Town) -> None:
    """Empty blocks for ever: the bound counts what is sent, too."""
    sent = 0

    async def empty_blocks() -> AsyncIterator[bytes]:
        nonlocal sent
        packing = zlib.compressobj(wbits=31)
        yield packing.compress(b"[") + packing.flush(zlib.Z_SYNC_FLUSH)
        block = packing.flush(zlib.Z_FULL_FLUSH) or b"\0\0\0\xff\xff"
        while True:
            sent += len(block) * 10_000
            yield block * 10_000

    is_refused(await report(town, empty_blocks()), 413, "body_too_large")
    assert sent < 2 * MEGABYTE
