"""What comes over a real socket and is nothing that anybody should send: it is answered, and the server stays."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import select
from sqlmodel import col

from app.kit.house import House
from app.kit.refusals import every_refusal
from app.people.models import Post
from app.people.words import PostKind
from tests.fuzz.ledger import Ledger
from tests.town import Town

PATIENCE_SECONDS = 20
UNREADABLE = {400}
"""Of two readers of HTTP, the stricter one need not pass it on to the app."""
NO_ANSWER = 0
ENDS_EARLY = {"nothing", "only line ends", "half a body", "half a form"}
"""Where whoever sends it hangs up."""


def asked(target: str, *headers: str, method: str = "GET", body: str | bytes = b"", version: str = "HTTP/1.1") -> bytes:
    """One request as bytes, nothing checked, nothing encoded; `{token}` is a lurah's."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"{method} {target} {version}", "Host: kelurahan.example", "Connection: close", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


API = "/api/v1"
LURAH = "Authorization: Bearer {token}"
JSON = "Content-Type: application/json"

PATHS = {
    "percent without digits": ({422}, asked(f"{API}/areas/%", LURAH)),
    "percent with letters": ({422}, asked(f"{API}/areas/%zz", LURAH)),
    "half a percent": ({422}, asked(f"{API}/areas/%4", LURAH)),
    "NUL, encoded": ({422}, asked(f"{API}/areas/%00", LURAH)),
    "NUL, twice encoded": ({422}, asked(f"{API}/areas/%2500", LURAH)),
    "NUL, bare": ({400}, asked(f"{API}/areas/\x00", LURAH)),
    "half a surrogate pair": ({422}, asked(f"{API}/areas/%ed%a0%80", LURAH)),
    "UTF-8 too long": ({422}, asked(f"{API}/areas/%c0%af", LURAH)),
    "UTF-8 cut off": ({422}, asked(f"{API}/areas/%e2%82", LURAH)),
    "latin-1, bare": ({400}, asked(f"{API}/areas/\xe9", LURAH)),
    "a slash, encoded": ({404}, asked(f"{API}/areas/35%2f75", LURAH)),
    "up and away": ({404}, asked(f"{API}/../../etc/passwd", LURAH)),
    "up and away, encoded": ({404}, asked(f"{API}/%2e%2e/%2e%2e/etc/passwd", LURAH)),
    "up among the assets": ({404}, asked("/assets/../../app/main.py")),
    "up among the assets, encoded": ({404}, asked("/assets/%2e%2e/%2e%2e/app/main.py")),
    "NUL among the assets": ({404}, asked("/assets/%00")),
    "half a pair among the assets": ({404}, asked("/assets/%ed%a0%80")),
    "a name too long among the assets": ({404}, asked("/assets/" + "a" * 5000)),
    "a drawing of NUL": ({422}, asked("/docs/%00.svg")),
    "two slashes": ({404}, asked(f"/{API}//areas", LURAH)),
    "a slash behind": ({404}, asked(f"{API}/areas/", LURAH)),
    "a fragment": ({200, 404}, asked(f"{API}/areas#bakalan", LURAH)),
    "no slash before": ({404}, asked("healthz")),
    "a star": ({404}, asked("*")),
    "options of a star": ({404}, asked("*", method="OPTIONS")),
    "a whole address": ({200, 404}, asked("http://elsewhere.example/api/v1/areas", LURAH)),
    "another scheme": ({404}, asked("file:///etc/passwd")),
    "a blank inside": ({400}, asked(f"{API}/areas/35 75", LURAH)),
    "long": ({422}, asked(f"{API}/areas/" + "3" * 8_000, LURAH)),
    "very long": ({400}, asked(f"{API}/areas/" + "3" * 200_000, LURAH)),
    "very many parts": ({404}, asked("/a" * 4_000)),
}
QUERIES = {
    "percent everywhere": ({422}, asked(f"{API}/problems?%zz=%ff&&&==&%00=%00&area=%ed%a0%80", LURAH)),
    "NUL in words": ({422}, asked(f"{API}/problems?words=%00", LURAH)),
    "half a pair in words": ({200}, asked(f"{API}/problems?words=%ed%a0%80", LURAH)),
    "half a pair as cursor": ({422}, asked(f"{API}/problems?after=%ed%a0%80", LURAH)),
    "NUL as name": ({422}, asked(f"{API}/areas?q=%00", LURAH)),
    "half a pair as name": ({422}, asked(f"{API}/areas?q=%ed%a0%80", LURAH)),
    "one name twice": ({422}, asked(f"{API}/problems?limit=1&limit=siluman", LURAH)),
    "many names": ({200}, asked(f"{API}/problems?" + "&".join(f"n{number}=1" for number in range(9_000)), LURAH)),
    "many states": ({422}, asked(f"{API}/problems?" + "state=submitted&" * 3_000, LURAH)),
    "only an ampersand": ({200}, asked(f"{API}/problems?&", LURAH)),
    "a semicolon": ({422}, asked(f"{API}/problems?limit=1;limit=2", LURAH)),
    "a language of NUL": ({422}, asked("/openapi.json?lang=%00")),
}
METHODS = {
    "unknown": ({405}, asked(f"{API}/areas", LURAH, method="SILUMAN")),
    "in small letters": ({405}, asked(f"{API}/areas", LURAH, method="get")),
    "with a blank": ({400}, asked(f"{API}/areas", LURAH, method="GE T")),
    "very long": ({405}, asked(f"{API}/areas", LURAH, method="G" * 10_000)),
    "none": ({400}, asked(f"{API}/areas", LURAH, method="")),
    "connect": ({404}, asked("kelurahan.example:443", method="CONNECT")),
    "trace": ({405}, asked(f"{API}/areas", LURAH, method="TRACE")),
    "head": ({405}, asked(f"{API}/areas", LURAH, method="HEAD")),
    "HTTP/2's preface": ({404}, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/0.9": ({200}, b"GET /healthz\r\n\r\n"),
    "HTTP/1.0": ({200}, b"GET /healthz HTTP/1.0\r\n\r\n"),
    "HTTP/9.9": ({200}, asked("/healthz", version="HTTP/9.9")),
    "no HTTP": ({400}, asked("/healthz", version="SILUMAN")),
    "TLS": ({400}, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300)),
    "nothing": ({0}, b""),
    "only line ends": ({0}, b"\r\n" * 50),
    "only NUL": ({400}, bytes(2_000)),
    "a websocket": (
        {401},
        asked(
            f"{API}/problems",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
        ).replace(b"Connection: close", b"Connection: close, Upgrade"),
    ),
}
HEADERS = {
    "no host": ({200}, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"),
    "two hosts": ({200}, asked("/healthz", "Host: elsewhere.example")),
    "a host of NUL": ({400}, b"GET /healthz HTTP/1.1\r\nHost: \x00\r\nConnection: close\r\n\r\n"),
    "a host that is none": (
        {200},
        asked(f"{API}/problems?limit=1", LURAH).replace(b"kelurahan.example", b"[::siluman"),
    ),
    "NUL in a value": ({400}, asked(f"{API}/areas", LURAH, "X-Post: \x00")),
    "NUL in a name": ({400}, asked(f"{API}/areas", LURAH, "X-\x00: 1")),
    "bytes in a value": ({422}, asked(f"{API}/areas", LURAH, "X-Post: \xff\xfe")),
    "bytes as token": ({401}, asked(f"{API}/areas", "Authorization: Bearer \xed\xa0\x80\xff")),
    "a line folded": ({200}, asked(f"{API}/areas", LURAH, "X-Folded: a\r\n b")),
    "a lonely line end": ({400}, asked(f"{API}/areas", LURAH, "X-Split: a\rb\nc")),
    "a blank before the colon": ({400}, asked(f"{API}/areas", LURAH, "X-Blank : 1")),
    "no colon": ({400}, asked(f"{API}/areas", LURAH, "siluman")),
    "no name": ({400}, asked(f"{API}/areas", LURAH, ": 1")),
    "two tokens": ({200}, asked(f"{API}/areas", LURAH, "Authorization: Bearer siluman")),
    "many": ({200}, asked(f"{API}/areas", LURAH, *(f"X-{number}: 1" for number in range(3_000)))),
    "a long one": ({200}, asked(f"{API}/areas", LURAH, "X-Long: " + "x" * 30_000)),
    "a very long one": ({200}, asked(f"{API}/areas", LURAH, "X-Long: " + "x" * 300_000)),
    "many cookies": ({200}, asked(f"{API}/areas", LURAH, "Cookie: " + "a=b; " * 5_000)),
    "many languages": ({401}, asked(f"{API}/problems", "Accept-Language: " + "en;q=0.1," * 3_000)),
    "a quality that is none": ({401}, asked(f"{API}/problems", "Accept-Language: en;q=nan,id;q=inf,en;q=1e999")),
    "many ETags": (
        {404},
        asked(f"{API}/problems/01936f0e-8d3c-7000-8000-000000000000", LURAH, "If-None-Match: " + '"a",' * 5_000),
    ),
}
BODIES = {
    "a length that is none": ({400}, asked(f"{API}/problems", LURAH, JSON, "Content-Length: siluman", method="POST")),
    "a negative length": ({400}, asked(f"{API}/problems", LURAH, JSON, "Content-Length: -1", method="POST")),
    "a length with a sign": (
        {400},
        asked(f"{API}/problems", LURAH, JSON, "Content-Length: +2", method="POST", body="{}"),
    ),
    "two lengths": (
        {400},
        asked(f"{API}/problems", LURAH, JSON, "Content-Length: 2", "Content-Length: 3", method="POST", body="{}"),
    ),
    "a length of other digits": (
        {400},
        asked(f"{API}/problems", LURAH, JSON, "Content-Length: \xb2", method="POST", body="{}"),
    ),
    "a length and chunks": (
        {422},
        asked(
            f"{API}/problems",
            LURAH,
            JSON,
            "Content-Length: 2",
            "Transfer-Encoding: chunked",
            method="POST",
            body="0\r\n\r\n{}",
        ),
    ),
    "chunks that are none": (
        {400},
        asked(
            f"{API}/problems",
            LURAH,
            JSON,
            "Transfer-Encoding: chunked",
            method="POST",
            body="siluman\r\n{}\r\n0\r\n\r\n",
        ),
    ),
    "a negative chunk": (
        {400},
        asked(
            f"{API}/problems", LURAH, JSON, "Transfer-Encoding: chunked", method="POST", body="-2\r\n{}\r\n0\r\n\r\n"
        ),
    ),
    "a chunk beyond all": (
        {400},
        asked(
            f"{API}/problems",
            LURAH,
            JSON,
            "Transfer-Encoding: chunked",
            method="POST",
            body="f" * 40 + "\r\n{}\r\n0\r\n\r\n",
        ),
    ),
    "another transfer": (
        {400},
        asked(f"{API}/problems", LURAH, JSON, "Transfer-Encoding: gzip", method="POST", body="{}"),
    ),
    "squeezed": (
        {422},
        asked(
            f"{API}/problems",
            LURAH,
            JSON,
            "Content-Encoding: gzip",
            "Content-Length: 4",
            method="POST",
            body=b"\x1f\x8b\x08\x00",
        ),
    ),
    "half a body": (
        {0},
        asked(f"{API}/problems", LURAH, JSON, "Content-Length: 500", method="POST", body='{"title": "Lampu'),
    ),
    "half a form": (
        {0},
        asked(
            f"{API}/auth/token",
            "Content-Type: multipart/form-data; boundary=x",
            "Content-Length: 500",
            method="POST",
            body="--x\r\nCon",
        ),
    ),
    "a body that was not asked for": ({200}, asked(f"{API}/areas", LURAH, "Content-Length: 7", body="siluman")),
    "more than was said": (
        {422},
        asked(f"{API}/problems", LURAH, JSON, "Content-Length: 2", method="POST", body="{}" * 500),
    ),
    "a form of NUL": (
        {422},
        asked(
            f"{API}/auth/token",
            "Content-Type: application/x-www-form-urlencoded",
            "Content-Length: 37",
            method="POST",
            body="username=%00&password=%ed%a0%80&x=%zz",
        ),
    ),
    "another charset": (
        {422},
        asked(
            f"{API}/problems",
            LURAH,
            "Content-Type: application/json; charset=siluman",
            "Content-Length: 2",
            method="POST",
            body="{}",
        ),
    ),
    "a boundary of NUL": (
        {422},
        asked(
            f"{API}/auth/token",
            'Content-Type: multipart/form-data; boundary="\x01"',
            "Content-Length: 2",
            method="POST",
            body="--",
        ),
    ),
    "a boundary that is none": (
        {422},
        asked(
            f"{API}/auth/token",
            "Content-Type: multipart/form-data; boundary=",
            "Content-Length: 2",
            method="POST",
            body="--",
        ),
    ),
}
MESSAGES = {"path": PATHS, "query": QUERIES, "method": METHODS, "header": HEADERS, "body": BODIES}


@contextmanager
def served(app: FastAPI, http: str) -> Iterator[tuple[str, int]]:
    """The app under uvicorn, with this reader of HTTP; answers where."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=http, log_config=None, access_log=False, server_header=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listening.close()
        assert not thread.is_alive()


def say(address: tuple[str, int], message: bytes, *, ends: bool) -> bytes:
    """Sends it, and hears what is said until the line is closed; `ends` closes one's own half first."""
    heard = b""
    with closing(socket.create_connection(address, PATIENCE_SECONDS)) as line:
        with suppress(BrokenPipeError, ConnectionResetError):  # it need not want to hear all of it
            line.sendall(message)
            if ends:
                line.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while part := line.recv(65_536):
                heard += part
    return heard


@pytest.mark.parametrize("http", ["httptools", "h11"])
def test_whatever_comes_is_answered_and_the_server_stays(
    http: str, town_house: House, town_app: FastAPI, subtests: pytest.Subtests
) -> None:
    token = f"uji-{_lurah(town_house)}".encode()
    ledger = Ledger(town_house.database.engine)
    codes = {refusal.code for refusal in every_refusal()}
    with served(town_app, http) as address:
        for part, messages in MESSAGES.items():
            for wrong, (expected, message) in messages.items():
                with subtests.test(f"{part}: {wrong}"):
                    heard = say(address, message.replace(b"{token}", token), ends=wrong in ENDS_EARLY)
                    head, _, body = heard.partition(b"\r\n\r\n")
                    status = int(head.split()[1]) if head else NO_ANSWER
                    assert status in expected | UNREADABLE, heard[:300]
                    if status > 400 and body:
                        assert json.JSONDecoder().raw_decode(body.decode())[0]["code"] in codes
                    assert ledger.changes == 0
            assert say(address, asked("/healthz"), ends=False).endswith(b'{"status":"ok"}')


def _lurah(house: House) -> str:
    """The account that this lurah's token of the town is made of."""
    with house.database.read() as session:
        account = session.scalar(select(col(Post.account_id)).where(col(Post.kind) == PostKind.LURAH).limit(1))
    assert account is not None
    return account.hex


async def test_of_a_name_that_comes_twice_the_last_counts(town: Town) -> None:
    report = json.dumps(town.problem(title="Lampu padam"))[:-1] + ', "title": "Jalan berlubang"}'
    answer = await town.operator("Bakalan").post(
        "/problems", content=report, headers={"Content-Type": "application/json"}
    )
    assert town.good(answer, 201)["title"] == "Jalan berlubang"
