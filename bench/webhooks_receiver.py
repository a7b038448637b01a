"""A system of an agency: `python -m bench.webhooks_receiver` tells its port, and listens until standard input ends.

It is as cheap as it can be, so that it is not what is measured: it looks for the length and the id, notes when the last
byte was there, and answers 200 without a word. To `/dead…` it never answers. `GET /taken/N` tells of what arrived, as
soon as there are so many, and forgets it.
"""

import asyncio
import http.client
import json
import re
import subprocess
import sys
import threading
import time
import zlib
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from bench.stand import attended

DEAD: Final = "/dead"
LIFETIME_SECONDS: Final = 7_200.0
KEPT: Final = 200_000
"""Arrivals that are kept until somebody takes them; older ones are forgotten."""
LONGEST: Final = 65_536
"""Bytes of one request; who sends more is hung up on."""
PATIENCE_SECONDS: Final = 90.0
"""Who waits longer than this for webhooks learns that they are lost."""
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb"webhook-id: *(\S+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Arrival:
    """A webhook that came."""

    id: str
    path: str
    at: float
    """`time.monotonic()` when its last byte was there, which is the same clock in every process."""
    checksum: int
    """CRC-32 of the body."""


class _Counter:
    """What came, and who waits to hear of it."""

    def __init__(self) -> None:
        self._arrivals: deque[tuple[str, str, float, int]] = deque(maxlen=KEPT)
        self._waiting: tuple[int, asyncio.Transport] | None = None

    def note(self, head: bytes, path: str, body: bytes, at: float) -> None:
        found = _ID.search(head)
        self._arrivals.append((found[1].decode() if found else "", path, at, zlib.crc32(body)))
        if self._waiting is not None and len(self._arrivals) >= self._waiting[0]:
            _, transport = self._waiting
            self._tell(transport)

    def ask(self, count: int, transport: asyncio.Transport) -> None:
        """Told at once, or when so many have come; only the last one to ask is told."""
        self._waiting = (count, transport)
        if len(self._arrivals) >= count:
            self._tell(transport)

    def _tell(self, transport: asyncio.Transport) -> None:
        body = json.dumps(list(self._arrivals)).encode()
        self._arrivals.clear()
        self._waiting = None
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, counter: _Counter) -> None:
        self._counter = counter
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by name

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        head = bytes(self._received[: max(end, 0)])
        length = _LENGTH.search(head)
        whole = end + 4 + (int(length[1]) if length else 0)
        if end >= 0 and len(self._received) >= whole:
            at = time.monotonic()
            self._answer(head, bytes(self._received[end + 4 : whole]), at, self._transport)
            del self._received[:whole]
        elif len(self._received) > LONGEST:
            self._transport.abort()

    def _answer(self, head: bytes, body: bytes, at: float, transport: asyncio.Transport) -> None:
        method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        if method == "GET":
            self._counter.ask(int(path.rpartition("/")[2]), transport)
            return
        self._counter.note(head, path, body, at)
        if not path.startswith(DEAD):
            transport.write(_OK)


async def _receive() -> None:
    loop, ended, counter = asyncio.get_running_loop(), asyncio.Event(), _Counter()

    def wait_for_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_end, daemon=True).start()
    loop.call_later(LIFETIME_SECONDS, ended.set)
    server = await loop.create_server(lambda: _Connection(counter), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()


def main() -> None:
    """Takes webhooks until standard input ends, on the fastest loop there is."""
    try:
        import uvloop  # noqa: PLC0415 - where it is installed, as servers take it
    except ImportError:
        asyncio.run(_receive())
    else:
        uvloop.run(_receive())


# -- as others see it ------------------------------------------------------------------------------------------------


class Receiver:
    """A receiver that runs, and what came of what is waited for."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process.pid
        self._process = process
        self._port = port

    def url_of(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def wait_for(self, ids: Collection[str], patience: float = PATIENCE_SECONDS) -> dict[str, Arrival]:
        """The first arrival of each of these; what else came is forgotten. Raises where none comes for so long."""
        came: dict[str, Arrival] = {}
        wanted = set(ids)
        while missing := wanted - came.keys():
            for arrival in self._take(len(missing), patience):
                if arrival.id in missing:
                    came.setdefault(arrival.id, arrival)
        return came

    def stop(self) -> None:
        """Hangs up on everybody, those who wait for an answer of the dead one included."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _take(self, count: int, patience: float) -> list[Arrival]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=patience)
        try:
            connection.request("GET", f"/taken/{count}")
            return [Arrival(*each) for each in json.loads(connection.getresponse().read())]
        except TimeoutError as error:
            raise RuntimeError(f"{count} webhooks were waited for, and they did not come") from error
        finally:
            connection.close()


@contextmanager
def receiving(folder: Path) -> Iterator[Receiver]:
    """A receiver in a process of its own, for as long as the block lasts."""
    with attended("bench.webhooks_receiver", [], folder, {}) as (process, port):
        yield Receiver(process, int(port))


if __name__ == "__main__":
    main()
