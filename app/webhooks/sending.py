"""One attempt to deliver: a POST of signed bytes, bounded in time and in what is read, whatever the receiver does."""

import asyncio
import dataclasses
import email.utils
import re
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

import httpcore

from app.kit.settings import Settings
from app.kit.version import app_version
from app.kit.words import without_control_characters
from app.webhooks.guard import (
    AddressRefused,
    EndpointUrlRefused,
    Guard,
    GuardedBackend,
    Lookups,
    NameNotFound,
    Resolve,
    Target,
    guard_of,
)
from app.webhooks.wire import ANSWER_BYTES, AnswerTooLong, TlsFailed, Wire
from app.webhooks.words import ANSWER_KEPT, Fault

DETAIL_MAXIMUM: Final = 300
KEPT_SECONDS: Final = 4.0
"""How long a connection is kept for the next delivery; many servers close theirs after five."""
KEPT_CONNECTIONS: Final = 64
_SELF_TEST_SECONDS: Final = 2.0
_LOOPBACK_NAME: Final = "loopback.invalid"
_OURSELVES: Final = ("127.0.0.1", "::1", "::ffff:127.0.0.1", _LOOPBACK_NAME)
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


class SenderUnsafe(Exception):
    """The guard lets this process reach itself, so nothing is sent."""


@dataclass(frozen=True)
class Answer:
    """What came of an attempt."""

    status: int | None
    """Of the first line, also where what followed it was bad; None where nothing came."""
    fault: Fault | None
    """None where it arrived."""
    detail: str | None
    """The fault in a few words for whoever looks after the endpoint; at most 300 characters."""
    text: str | None
    """The beginning of the body as it came, packed or not; at most `ANSWER_KEPT` characters."""
    milliseconds: int
    retry_after: timedelta | None
    """How long the receiver wants to be left alone, as it says: perhaps for years."""

    @property
    def arrived(self) -> bool:
        return self.fault is None


@dataclass
class _Said:
    """What the receiver has said so far."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class _Connection:
    """HTTP over a wire that may be used again."""

    origin: httpcore.Origin
    wire: Wire
    http: httpcore.AsyncHTTP11Connection


class Sender:
    """Sends webhooks, over connections that are kept for a while. It belongs to one event loop.

    It follows no redirect, knows no proxy, unpacks nothing, and sends nothing at all unless its self-test was passed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        guard: Guard | None = None,
        resolve: Resolve | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard or guard_of(settings)
        self._backend = GuardedBackend(self._guard, resolve or Lookups())
        self._limit_seconds = settings.webhook_timeout_seconds
        self._given_context = context
        self._name = f"ujung-tombak/{app_version()}"
        self._kept: list[_Connection] = []
        self._is_safe = False

    async def check_itself(self) -> None:
        """Tries to reach a port of this machine by several names; raises `SenderUnsafe` unless each is refused.

        What the settings allow explicitly is left out of this, so that the test means the same everywhere.
        """
        strict = GuardedBackend(dataclasses.replace(self._guard, networks=()), _resolve_to_ourselves)
        try:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                for host in _OURSELVES:
                    await _expect_refusal(strict, host, listening.getsockname()[1])
        except OSError as error:
            raise SenderUnsafe("The self-test of the sender could not be made.") from error
        self._is_safe = True

    async def send(self, url: str, headers: Mapping[str, str], body: bytes, now: datetime) -> Answer:
        """Posts these bytes once; what goes wrong at the other end, or on the way, is told in the answer.

        `headers` are added to those of every delivery. `now` is what a date in `Retry-After` is counted from. Raises
        `SenderUnsafe` alone.
        """
        if not self._is_safe:
            await self.check_itself()
        began = time.perf_counter()
        said = _Said()
        try:
            async with asyncio.timeout(self._limit_seconds):
                await self._exchange(self._guard.target_of(url), headers, body, said)
            fault, detail = _judge(said)
        except TimeoutError:
            fault, detail = Fault.TIMEOUT, f"not done within {self._limit_seconds:g} s"
        except (AddressRefused, EndpointUrlRefused) as error:
            fault, detail = Fault.ADDRESS, f"nothing is sent there: {error}"
        except NameNotFound as error:
            fault, detail = Fault.NAME, str(error)
        except TlsFailed as error:
            fault, detail = Fault.TLS, str(error)
        except AnswerTooLong:
            fault, detail = Fault.PROTOCOL, f"the answer is longer than {ANSWER_BYTES} bytes"
        except httpcore.NetworkError as error:
            fault, detail = Fault.CONNECTION, str(error)
        except httpcore.RemoteProtocolError as error:
            fault, detail = Fault.PROTOCOL, str(error)
        return Answer(
            status=said.status,
            fault=fault,
            detail=None if detail is None else without_control_characters(detail)[:DETAIL_MAXIMUM],
            text=_text(said.body),
            milliseconds=round((time.perf_counter() - began) * 1000),
            retry_after=None if fault is None else _wait(said.headers.get("retry-after"), now),
        )

    async def close(self) -> None:
        """Closes the connections that are kept; one in use is closed by its exchange."""
        while self._kept:
            await self._kept.pop().http.aclose()

    async def _exchange(self, target: Target, headers: Mapping[str, str], body: bytes, said: _Said) -> None:
        request = self._request(target, headers, body)
        kept = await self._take(request.url.origin)
        if kept is not None:
            try:
                await self._ask(kept, request, said)
            except httpcore.NetworkError:
                if kept.wire.has_read:
                    raise
            else:
                return
        # Nothing was kept, or the receiver closed it just when we began, which is no fault of its own.
        await self._ask(await self._open(target, request.url.origin), request, said)

    def _request(self, target: Target, headers: Mapping[str, str], body: bytes) -> httpcore.Request:
        ours = {
            "host": target.authority,
            "user-agent": self._name,
            "accept": "*/*",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "content-length": str(len(body)),
        }
        return httpcore.Request(
            "POST",
            httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path),
            headers=list((ours | {name.lower(): value for name, value in headers.items()}).items()),
            content=body,
        )

    async def _take(self, origin: httpcore.Origin) -> _Connection | None:
        """A connection kept for this origin that still stands, the one used last."""
        while (connection := self._last_kept(origin)) is not None:
            if not connection.http.has_expired():
                break
            await connection.http.aclose()
        return connection

    def _last_kept(self, origin: httpcore.Origin) -> _Connection | None:
        for place in reversed(range(len(self._kept))):
            if self._kept[place].origin == origin:
                return self._kept.pop(place)
        return None

    async def _open(self, target: Target, origin: httpcore.Origin) -> _Connection:
        wire = await self._backend.connect_tcp(target.host, target.port)
        if target.scheme == "https":
            await wire.start_tls(self._context, target.host)
        return _Connection(origin, wire, httpcore.AsyncHTTP11Connection(origin, wire, KEPT_SECONDS))

    @cached_property
    def _context(self) -> ssl.SSLContext:
        context = self._given_context or ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context

    async def _ask(self, connection: _Connection, request: httpcore.Request, said: _Said) -> None:
        """One request and its answer; the connection is kept where both ended well, and closed where not."""
        connection.wire.begin()
        try:
            response = await connection.http.handle_async_request(request)
            if not connection.wire.has_read:
                raise httpcore.ReadError("the answer was there before the question")
            said.status = response.status
            said.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            async for part in response.aiter_stream():
                said.body += part
            await response.aclose()
        except httpcore.RemoteProtocolError as error:
            if connection.wire.has_read:
                raise
            raise httpcore.ReadError("closed without an answer") from error
        finally:
            if connection.http.is_idle() and connection.wire.has_read:
                await self._keep(connection)
            else:
                await connection.http.aclose()

    async def _keep(self, connection: _Connection) -> None:
        self._kept.append(connection)
        while self._kept and (len(self._kept) > KEPT_CONNECTIONS or self._kept[0].http.has_expired()):
            await self._kept.pop(0).http.aclose()


async def _resolve_to_ourselves(_name: str) -> Sequence[str]:
    return ("127.0.0.1",)


async def _expect_refusal(strict: GuardedBackend, host: str, port: int) -> None:
    try:
        wire = await strict.connect_tcp(host, port, _SELF_TEST_SECONDS)
    except AddressRefused:
        return
    except httpcore.ConnectError:
        raise SenderUnsafe(f"The guard tried to connect to {host}.") from None
    await wire.aclose()
    raise SenderUnsafe(f"The guard connected to {host}.")


def _judge(said: _Said) -> tuple[Fault | None, str | None]:
    assert said.status is not None
    if 200 <= said.status < 300:
        return None, None
    if 300 <= said.status < 400:
        return Fault.REDIRECT, f"redirects ({said.status}) are not followed"
    return Fault.STATUS, f"answered {said.status}"


def _text(body: bytes | bytearray) -> str | None:
    return without_control_characters(body.decode("utf-8", "replace"))[:ANSWER_KEPT] or None


def _wait(retry_after: str | None, now: datetime) -> timedelta | None:
    """Seconds, or a date, from now on; None where it says neither. What is over is no wait at all."""
    if retry_after is None:
        return None
    said = retry_after.strip()
    if _SECONDS.fullmatch(said):
        return timedelta(seconds=int(said))
    try:
        until = email.utils.parsedate_to_datetime(said)
        aware = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
        return max(aware - now, timedelta(0))
    except (ValueError, TypeError, OverflowError):
        return None
