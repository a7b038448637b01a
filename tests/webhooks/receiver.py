"""A system of an agency, as a real HTTP server on loopback that keeps what it got, byte for byte.

It runs on a loop of its own in a thread of its own, so it serves tests with and without a loop, other processes, and
benchmarks alike:

    with receiving() as receiver:
        settings = settings_for(database_url, tmp_path, **LOOPBACK)      # webhooks may go to loopback
        ... make an endpoint with `receiver.url`, or `receiver.url_of("/other")` ...
        arrived = receiver.wait_for(3)               # blocks until three came; in a coroutine: await receiver.came(3)
        assert arrived[0].body == b"…"
        assert arrived[0].headers["webhook-id"] == "…"        # names in lower case
        assert arrived[0].at - committed_at < 1               # `time.time()` when the last byte was there

What it answers is an `Answering`: a `Reply`, a function `(Arrived) -> Reply`, or a coroutine function that is given the
bare connection and may do anything (the hostile ones below: `drips_head`, `drips_body`, `endless_body`, `gzip_bomb`,
`never_answers`, `resets`, `garbage`).

    receiver.answer = Reply(503, {"Retry-After": "120"})              # from now on, to everything
    receiver.answer_at("/dead", never_answers)                        # to one path only
    receiver.answer_next(Reply(500), Reply(500), Reply(410))          # these first, one each, then the above
    receiver.answer = failing(15, chance=random.Random(1))            # 500 to 15 in a hundred
    receiver.arrived                                                  # all so far, in order of arrival
    receiver.ids()                                                    # their `webhook-id`s, in order, with duplicates
    receiver.delivered_ids()                                          # the ones that were answered 2xx
    receiver.connections                                              # how many connections were accepted
    receiver.written                      # bytes that the hostile ones could get rid of; under TLS, with its buffers

`receiving(context=…)` speaks TLS; `certificate_for("127.0.0.1")` makes one that nobody vouches for. `never_accepting()`
is a port where the three-way handshake never ends. `nobody_there()` is one where nobody listens.
"""

import asyncio
import gzip
import inspect
import ipaddress
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typing_extensions import TypeIs

LOOPBACK: Mapping[str, Any] = {
    "webhook_http": True,
    "webhook_ports": (0,),
    "webhook_networks": ("127.0.0.0/8", "::1/128"),
}
"""Settings with which webhooks may be sent to a receiver of a test."""
WAIT_SECONDS = 20.0
DRIP_SECONDS = 0.02


@dataclass(frozen=True)
class Arrived:
    """A request as it came."""

    method: str
    path: str
    """With the query, as in the first line."""
    headers: Mapping[str, str]
    """Names in lower case."""
    head: bytes
    """First line and headers, byte for byte, with the empty line that ends them."""
    body: bytes
    at: float
    """`time.time()` when the last byte was there."""
    connection: int
    """Counts from 1 in the order of accepting: two requests with the same number came over the same connection."""


@dataclass(frozen=True)
class Reply:
    """An answer as a decent server gives it; `closes` ends the connection after it."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    closes: bool = False

    def to_bytes(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += ["Connection: close"] if self.closes else []
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Line:
    """The bare connection, for whoever does not answer decently; it counts what the other side took."""

    def __init__(self, receiver: "Receiver", writer: asyncio.StreamWriter) -> None:
        self._receiver = receiver
        self._writer = writer

    async def write(self, data: bytes) -> None:
        """Comes back when the kernel has taken all of it."""
        self._writer.write(data)
        await self._writer.drain()
        await asyncio.sleep(0)  # the loop must hear that the other side has gone
        self._receiver.written += len(data)

    def reset(self) -> None:
        """Ends the connection as a machine does that has lost its memory."""
        taken: socket.socket = self._writer.get_extra_info("socket")
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Hostile = Callable[[Arrived, Line], Awaitable[None]]
"""Does with the connection what it likes; it is closed when the coroutine returns."""
Answering = Reply | Callable[[Arrived], Reply] | Hostile


class Receiver:
    """Keeps what arrived, and answers as it is told. All of it may be used from any thread."""

    def __init__(self, scheme: str) -> None:
        self.answer: Answering = Reply()
        self.connections = 0
        self.written = 0
        self.port = 0
        self.scheme = scheme
        self._arrived: list[Arrived] = []
        self._replied: list[tuple[Arrived, int]] = []
        self._next: list[Answering] = []
        self._by_path: dict[str, Answering] = {}
        self._open: set[asyncio.StreamWriter] = set()
        self._changed = threading.Condition()

    @property
    def url(self) -> str:
        return self.url_of("/hook")

    def url_of(self, path: str) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    @property
    def arrived(self) -> list[Arrived]:
        with self._changed:
            return list(self._arrived)

    def ids(self) -> list[str]:
        """The `webhook-id` of everything that arrived, in order, with duplicates."""
        return [each.headers.get("webhook-id", "") for each in self.arrived]

    def delivered_ids(self) -> list[str]:
        """The `webhook-id` of what was answered with 2xx, in order, with duplicates."""
        with self._changed:
            return [each.headers.get("webhook-id", "") for each, status in self._replied if 200 <= status < 300]

    def forget(self) -> None:
        """What arrived so far is forgotten."""
        with self._changed:
            self._arrived.clear()
            self._replied.clear()

    def answer_next(self, *answers: Answering) -> None:
        """The next requests, on whatever path, are answered with these, one each."""
        with self._changed:
            self._next += answers

    def answer_next_as_ever(self) -> None:
        """What `answer_next` was told and did not come to pass is forgotten."""
        with self._changed:
            self._next.clear()

    def answer_at(self, path: str, answer: Answering) -> None:
        """Requests of this path are answered so from now on."""
        with self._changed:
            self._by_path[path] = answer

    def wait_for(self, count: int, seconds: float = WAIT_SECONDS) -> list[Arrived]:
        """Blocks until so many arrived, and answers with all that did; raises AssertionError where it takes longer."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self._arrived) >= count, seconds)
            assert came, f"{len(self._arrived)} of {count} requests arrived within {seconds} s"
            return list(self._arrived)

    async def came(self, count: int, seconds: float = WAIT_SECONDS) -> list[Arrived]:
        """`wait_for`, for a coroutine: its loop goes on meanwhile."""
        return await asyncio.to_thread(self.wait_for, count, seconds)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        if self.scheme == "http":  # `drain` then waits for the kernel; under TLS it would wait for ever
            writer.transport.set_write_buffer_limits(0)
        self._open.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                while await self._serve_one(reader, writer, number):
                    pass
        finally:
            writer.close()
            self._open.discard(writer)

    async def end(self) -> None:
        """Ends what is open; called on the receiver's own loop."""
        await _some_turns()  # so that whoever was just accepted is known
        for writer in self._open:
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await _some_turns()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        arrived = await _read(reader, number)
        with self._changed:
            self._arrived.append(arrived)
            answer = self._next.pop(0) if self._next else self._by_path.get(arrived.path, self.answer)
            self._changed.notify_all()
        if not isinstance(answer, Reply):
            said = answer(arrived, Line(self, writer)) if _is_hostile(answer) else answer(arrived)
            if not isinstance(said, Reply):
                await said
                return False
            answer = said
        with self._changed:
            self._replied.append((arrived, answer.status))
        writer.write(answer.to_bytes())
        await writer.drain()
        return not answer.closes


async def _some_turns() -> None:
    """A transport opens and closes some turns of the loop after it was told."""
    for _ in range(5):
        await asyncio.sleep(0)


def _is_hostile(answer: Callable[..., Reply | Awaitable[None]]) -> TypeIs[Hostile]:
    return inspect.iscoroutinefunction(answer)


async def _read(reader: asyncio.StreamReader, number: int) -> Arrived:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _version = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert "transfer-encoding" not in headers, "webhooks say how long they are"
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Arrived(method, path, headers, head, body, time.time(), number)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unheard Of"


@contextmanager
def receiving(context: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Receiver]:
    """A receiver until the block ends; with a TLS context it speaks TLS. `port` 0 takes any that is free."""
    receiver = Receiver("http" if context is None else "https")
    loop = asyncio.new_event_loop()
    listening = socket.create_server(("127.0.0.1", port), backlog=512)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)  # so the hostile ones soon meet a full one
    receiver.port = listening.getsockname()[1]
    loop.set_exception_handler(lambda _loop, _said: None)  # peers that go away are what this is for

    async def live(stop: asyncio.Event) -> None:
        server = await asyncio.start_server(receiver.serve, sock=listening, ssl=context, limit=1 << 20)
        started.set()
        await stop.wait()
        loop.remove_reader(listening)  # a server that is closed while it accepts would leave a socket open
        await receiver.end()
        server.close()

    started, stop = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(live(stop)), name="receiver", daemon=True)
    thread.start()
    assert started.wait(WAIT_SECONDS)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(WAIT_SECONDS)
        loop.close()


def failing(percent: int, chance: random.Random, status: int = 500) -> Callable[[Arrived], Reply]:
    """Answers so many of a hundred with `status`, by chance, and the others with 200."""
    return lambda _arrived: Reply(status if chance.random() * 100 < percent else 200)


def redirecting(to: str, status: int = 302) -> Reply:
    return Reply(status, {"Location": to})


async def never_answers(_arrived: Arrived, _line: Line) -> None:
    await asyncio.Event().wait()


async def drips_head(_arrived: Arrived, line: Line) -> None:
    await line.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        await line.write(b"X")
        await asyncio.sleep(DRIP_SECONDS)


async def drips_body(_arrived: Arrived, line: Line) -> None:
    await line.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    while True:
        await line.write(b"x")
        await asyncio.sleep(DRIP_SECONDS)


async def endless_head(_arrived: Arrived, line: Line) -> None:
    await line.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        await line.write(b"X-More: " + b"m" * 1000 + b"\r\n")


async def endless_hints(_arrived: Arrived, line: Line) -> None:
    while True:
        await line.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")


async def endless_body(_arrived: Arrived, line: Line) -> None:
    await line.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await line.write(b"400\r\n" + b"e" * 1024 + b"\r\n")


BOMB = gzip.compress(bytes(12_000_000))
"""Twelve kilobytes that want to be twelve megabytes."""


async def gzip_bomb(_arrived: Arrived, line: Line) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n"
    await line.write(head.encode() + BOMB)


async def resets(_arrived: Arrived, line: Line) -> None:
    line.reset()


async def resets_amid(_arrived: Arrived, line: Line) -> None:
    await line.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    line.reset()


async def closes_amid(_arrived: Arrived, line: Line) -> None:
    await line.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")


async def closes(_arrived: Arrived, _line: Line) -> None:
    return


async def garbage(_arrived: Arrived, line: Line) -> None:
    await line.write(b"\x00\xff SSH-2.0-OpenSSH_9.9 \r\n\r\n garbage \r\n\r\n")


@contextmanager
def never_accepting() -> Iterator[str]:
    """The URL of a port whose queue of waiting connections is full, so that connecting never ends."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook"


def nobody_there() -> str:
    """The URL of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return f"http://127.0.0.1:{port}/hook"


@dataclass(frozen=True)
class Certificate:
    """A certificate that vouches for itself."""

    serving: ssl.SSLContext
    """For `receiving(context=…)`."""
    trusting: ssl.SSLContext
    """Of a client that takes this certificate, and no other, for good."""


def certificate_for(folder: Path, host: str = "127.0.0.1") -> Certificate:
    """Made new, good for a day for this host; `folder` takes its files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    try:
        host_name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        host_name = x509.DNSName(host)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([host_name]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "certificate.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(chain, private)
    return Certificate(serving, ssl.create_default_context(cafile=str(chain)))
