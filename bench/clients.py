"""Sixteen clients over loopback, light enough that the API is what is measured."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

CLIENTS = 16


@dataclass(frozen=True)
class Request:
    """One request, and the status it should be answered with."""

    method: str
    path: str
    token: str | None = None
    body: bytes | None = None
    status: int = 200

    @property
    def headers(self) -> list[tuple[str, str]]:
        given = [("host", "bench"), ("accept", "application/json")]
        if self.token is not None:
            given.append(("authorization", f"Bearer {self.token}"))
        if self.body is not None:
            given += [("content-type", "application/json"), ("content-length", str(len(self.body)))]
        return given

    def encoded(self) -> bytes:
        head = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + (self.body or b"")


_NOTHING = Request("GET", "/nothing")


@dataclass(frozen=True)
class Answers:
    """What a crowd of clients was answered, in the order of the requests."""

    bodies: Sequence[bytes]
    latencies: Sequence[float]
    """Seconds from sending to the last byte."""
    seconds: float
    """From the first request to the last answer."""


class _Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    async def speak(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the server closed the connection")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self._received) < end + 4 + length:
            return
        body = bytes(self._received[end + 4 : end + 4 + length])
        self._received.clear()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Crowd:
    """Clients of one server, connected and taken in."""

    def __init__(self, connections: Sequence[_Connection]) -> None:
        self._connections = connections

    async def ask(self, requests: Sequence[Request], *, at_once: int = CLIENTS) -> Answers:
        """Every request once, each by whichever client is free; raises where an answer is not the one expected."""
        waiting = iter([(place, request, request.encoded()) for place, request in enumerate(requests)])
        bodies: list[bytes] = [b""] * len(requests)
        latencies: list[float] = [0.0] * len(requests)
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for connection in self._connections[:at_once]:
                group.create_task(_work(connection, waiting, bodies, latencies))
        return Answers(bodies, latencies, time.perf_counter() - started)


@asynccontextmanager
async def crowd_of(port: int) -> AsyncIterator[Crowd]:
    """Sixteen clients, for a while that is shorter than a server keeps idle connections."""
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(_Connection, "127.0.0.1", port))[1] for _ in range(CLIENTS)]
    try:
        for connection in connections:
            await connection.speak(_NOTHING.encoded())
        yield Crowd(connections)
    finally:
        for connection in connections:
            connection.close()


async def _work(
    connection: _Connection,
    waiting: Iterator[tuple[int, Request, bytes]],
    bodies: list[bytes],
    latencies: list[float],
) -> None:
    for place, request, encoded in waiting:
        sent = time.perf_counter()
        status, bodies[place] = await connection.speak(encoded)
        latencies[place] = time.perf_counter() - sent
        if status != request.status:
            raise RuntimeError(f"{request.method} {request.path}: {status} {bodies[place][:300]!r}")
