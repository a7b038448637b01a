"""The examples for agencies, docs/receivers, run as they are: real processes that are sent really signed requests."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from app.kit.ids import new_id
from app.people.words import KeyVerb
from app.webhooks.payloads import example_of
from app.webhooks.signing import new_secret, signed_headers
from app.webhooks.words import EventType
from tests.problems import situations
from tests.town import Someone, Town, picture
from tests.webhooks.ears import add_key, events_of

RECEIVERS = Path(__file__).parents[2] / "docs" / "receivers"
BODY = json.dumps(example_of(EventType.PROBLEM_ASSIGNED), separators=(",", ":")).encode()
SECRET, NEW_SECRET = new_secret(), new_secret()
PATIENCE_SECONDS = 60


def _command(name: str, port: int) -> list[str]:
    """How a receiver is started; skips where what it runs on is not installed."""
    match name:
        case "receive.py":
            return [sys.executable, str(RECEIVERS / name), str(port)]
        case "receive.mjs":
            return [_installed("node"), str(RECEIVERS / name), str(port)]
        case _:
            return [_installed("php"), "-S", f"127.0.0.1:{port}", str(RECEIVERS / name)]


def _installed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


@dataclass(frozen=True)
class Receiving:
    """A receiver that runs."""

    address: str
    inbox: Path

    def post(self, headers: dict[str, str], body: bytes = BODY) -> int:
        return httpx.post(self.address, headers=headers, content=body, timeout=PATIENCE_SECONDS).status_code

    @property
    def kept(self) -> dict[str, bytes]:
        """What it wrote down."""
        return {file.name: file.read_bytes() for file in self.inbox.iterdir()}


@contextmanager
def _running(name: str, inbox: Path) -> Iterator[Receiving]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = _command(name, port)
    environment = os.environ | {"WEBHOOK_SECRET": SECRET, "INBOX": str(inbox)}
    inbox.mkdir()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=inbox.parent
    ) as process:
        try:
            assert process.stdout is not None
            heard = ""
            while not re.search(r"http://127\.0\.0\.1:\d+", heard):
                line = process.stdout.readline()
                assert line, heard
                heard += line
            yield Receiving(f"http://127.0.0.1:{port}/", inbox)
        finally:
            process.kill()


@pytest.fixture(scope="module", params=["receive.py", "receive.php", "receive.mjs"])
def receiving(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    with _running(request.param, tmp_path_factory.mktemp("agency") / "inbox") as running:
        yield running


def _signed(
    *secrets: str, body: bytes = BODY, ago: timedelta = timedelta(), message_id: str | None = None
) -> dict[str, str]:
    return signed_headers(secrets or [SECRET], message_id or str(new_id()), datetime.now(UTC) - ago, body)


def test_what_we_signed_is_kept_byte_for_byte(receiving: Receiving) -> None:
    body = BODY.replace(b'":', b'" :  ') + "\n é".encode()  # as no JSON library would write it
    headers = _signed(body=body)
    assert receiving.post(headers, body) == 204
    assert receiving.kept[f"{headers['webhook-id']}.json"] == body


def test_what_comes_again_is_kept_once(receiving: Receiving) -> None:
    before = len(receiving.kept)
    headers = _signed()
    again = _signed(message_id=headers["webhook-id"], ago=timedelta(seconds=-2))  # another attempt, signed anew
    assert [receiving.post(each) for each in (headers, headers, again)] == [204, 204, 204]
    assert len(receiving.kept) == before + 1


@pytest.mark.parametrize("former_first", [True, False])
def test_while_a_secret_is_exchanged_one_signature_that_fits_is_enough(
    receiving: Receiving, *, former_first: bool
) -> None:
    secrets = [SECRET, NEW_SECRET] if former_first else [NEW_SECRET, SECRET]
    assert receiving.post(_signed(*secrets)) == 204


@pytest.mark.parametrize("minutes", [4.9, -4.9])
def test_a_few_minutes_are_forgiven(receiving: Receiving, minutes: float) -> None:
    assert receiving.post(_signed(ago=timedelta(minutes=minutes))) == 204


@pytest.mark.parametrize("minutes", [5.1, 60 * 24 * 400, -5.1])
def test_an_old_timestamp_is_refused_however_well_it_is_signed(receiving: Receiving, minutes: float) -> None:
    _refused(receiving, _signed(ago=timedelta(minutes=minutes)))


def test_another_secret_is_refused(receiving: Receiving) -> None:
    _refused(receiving, _signed(NEW_SECRET))


def test_another_body_is_refused(receiving: Receiving) -> None:
    _refused(receiving, _signed(), BODY + b" ")


def _spoilt(headers: dict[str, str]) -> Iterator[dict[str, str]]:
    signature = headers["webhook-signature"]
    yield headers | {"webhook-id": str(new_id())}
    yield headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}
    yield headers | {"webhook-timestamp": "soon"}
    yield headers | {"webhook-timestamp": ""}
    yield headers | {"webhook-signature": signature.removeprefix("v1,")}
    yield headers | {"webhook-signature": signature.replace("v1,", "v2,")}
    yield headers | {"webhook-signature": signature[:-1]}
    yield headers | {"webhook-signature": ("v1,A" if signature[3] != "A" else "v1,B") + signature[4:]}
    yield headers | {"webhook-signature": ""}
    for missing in headers:
        yield {name: value for name, value in headers.items() if name != missing}
    somewhere = "../" * 8 + "etc/passwd-xxxxxxx"
    yield signed_headers([SECRET], somewhere, datetime.now(UTC), BODY)


def test_whatever_is_spoilt_is_refused(receiving: Receiving) -> None:
    for headers in _spoilt(_signed()):
        _refused(receiving, headers)


def test_what_is_too_long_is_not_read(receiving: Receiving) -> None:
    body = b"x" * 70_000
    _refused(receiving, _signed(body=body), body, status=413)


def test_an_event_as_long_as_may_be_is_taken(receiving: Receiving) -> None:
    body = b"x" * 20_000
    assert receiving.post(_signed(body=body), body) == 204


def test_where_it_cannot_be_written_down_it_is_not_taken(tmp_path: Path, receiving: Receiving) -> None:
    """So that it comes again."""
    aside = receiving.inbox.with_name("aside")
    receiving.inbox.rename(aside)
    try:
        try:
            status = receiving.post(_signed())
        except httpx.RemoteProtocolError:  # Python's server closes the connection, which is as good as a no
            status = 500
        assert status == 500
    finally:
        aside.rename(receiving.inbox)


def _refused(receiving: Receiving, headers: dict[str, str], body: bytes = BODY, status: int = 401) -> None:
    before = receiving.kept
    assert receiving.post(headers, body) == status
    assert receiving.kept == before


# -- the other way ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def address(town_app: FastAPI) -> AsyncIterator[str]:
    """The town, served for programs that are not ours."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(town_app, lifespan="off", log_config=None, access_log=False))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


async def _run(
    script: str, address: str, key: str, arguments: Sequence[str] = (), *, folder: Path
) -> tuple[int, str, str]:
    for program in ("bash", "curl", "jq"):
        _installed(program)
    process = await asyncio.create_subprocess_exec(
        RECEIVERS / script,
        *arguments,
        cwd=folder,
        env=os.environ | {"UJUNG_URL": address, "UJUNG_KEY": key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode(), complained.decode()


async def _progress(who: Someone, problem: dict[str, Any]) -> list[dict[str, Any]]:
    history = who.town.good(await who.get(f"/problems/{problem['id']}/history"), 200)
    return [each for each in history["items"] if each["kind"].endswith("progressed")]


async def test_progress_is_reported_with_a_photo_once_however_often_it_is_sent(
    town: Town, address: str, tmp_path: Path
) -> None:
    problem = await situations.agency_works(town)
    part = next(each["id"] for each in problem["assignments"] if each["agency"] == "PUPR")
    key = add_key(town.house, "PUPR", KeyVerb.READ, KeyVerb.PROGRESS, KeyVerb.ATTACH)
    (tmp_path / "foto.jpg").write_bytes(picture())
    report = [part, "60", 'Saluran "Mawar" dikeruk 24 meter.', "foto.jpg"]
    for _ in range(2):
        status, said, complained = await _run("send_progress.sh", address, key, report, folder=tmp_path)
        assert (status, complained) == (0, "")
        assert json.loads(said)["number"] == problem["number"]
    (told,) = await _progress(town.camat("Bugul Kidul"), problem)
    assert told["data"]["percent"] == 60
    assert told["data"]["note"] == 'Saluran "Mawar" dikeruk 24 meter.'
    assert len(told["data"]["photos"]) == 1
    shown = town.good(await town.camat("Bugul Kidul").get(f"/problems/{problem['id']}"), 200)
    assert shown["photos"] == told["data"]["photos"]


async def test_a_report_that_is_refused_says_why(town: Town, address: str, tmp_path: Path) -> None:
    problem = await situations.agency_works(town)
    part = next(each["id"] for each in problem["assignments"] if each["agency"] == "PUPR")
    key = add_key(town.house, "PUPR", KeyVerb.READ)
    status, _, complained = await _run("send_progress.sh", address, key, [part, "60", "Dikeruk."], folder=tmp_path)
    assert status != 0
    assert "403" in complained
    assert key not in complained
    assert await _progress(town.camat("Bugul Kidul"), problem) == []


async def test_events_are_fetched_written_down_and_acknowledged(town: Town, address: str, tmp_path: Path) -> None:
    key = add_key(town.house, "PUPR", KeyVerb.EVENTS)
    await situations.agency_works(town)
    events = {f"{each.id}.json": json.loads(each.payload) for each in events_of(town.house, "PUPR")}
    assert len(events) == 3
    status, said, complained = await _run("fetch_events.sh", address, key, folder=tmp_path)
    assert (status, said, complained) == (0, "3 acknowledged\n", "")
    assert {file.name: json.loads(file.read_text()) for file in (tmp_path / "inbox").iterdir()} == events
    assert (await _run("fetch_events.sh", address, key, folder=tmp_path))[:2] == (0, "")
