"""One connection to a receiver, of which no more is read than one answer may be long."""

import asyncio
import select
import socket
import ssl
from typing import Any, Final

import anyio
import httpcore
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

ANSWER_BYTES: Final = 16 * 1024
"""Read of one answer, at the most: first line, headers and body."""
_TLS_BYTES: Final = 64 * 1024
"""Read of a handshake, and of the encrypted form of one answer, at the most."""


class AnswerTooLong(Exception):
    """The receiver says more than we read."""


class TlsFailed(Exception):
    """There is no agreement on encryption, or nobody we trust vouches for the certificate."""


class _Pipe(ByteStream):
    """A socket. The loop's own transports would read as much as comes; this reads what it is asked for, and no more."""

    def __init__(self, opened: socket.socket) -> None:
        self.opened = opened
        self.left = _TLS_BYTES

    async def receive(self, max_bytes: int = ANSWER_BYTES) -> bytes:
        if self.left <= 0:
            raise AnswerTooLong
        data = await asyncio.get_running_loop().sock_recv(self.opened, min(max_bytes, self.left))
        if not data:
            raise anyio.EndOfStream
        self.left -= len(data)
        return data

    async def send(self, item: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.opened, item)

    async def send_eof(self) -> None:
        self.opened.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        self.opened.close()


class Wire(httpcore.AsyncNetworkStream):
    """An open connection for HTTP to speak over. Whoever uses it bounds the time; `timeout` is not looked at."""

    def __init__(self, opened: socket.socket) -> None:
        self._pipe = _Pipe(opened)
        self._stream: ByteStream = self._pipe
        self._left = ANSWER_BYTES

    def begin(self) -> None:
        """A new exchange begins, with a new allowance."""
        self._left = ANSWER_BYTES
        self._pipe.left = _TLS_BYTES

    @property
    def has_read(self) -> bool:
        """Whether anything of an answer has come in this exchange."""
        return self._left < ANSWER_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        if self._left <= 0:
            raise AnswerTooLong
        try:
            data = await self._stream.receive(min(max_bytes, self._left))
        except anyio.EndOfStream:
            return b""
        except ssl.SSLError as error:
            raise TlsFailed(_why(error)) from error
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise httpcore.ReadError(_cause(error)) from error
        self._left -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        if not buffer:  # the end of a message, which has no bytes of its own
            return
        try:
            await self._stream.send(buffer)
        except ssl.SSLError as error:
            raise TlsFailed(_why(error)) from error
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise httpcore.WriteError(_cause(error)) from error

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
    ) -> "Wire":
        """Encrypts it; raises `TlsFailed`, and closes it where anything goes wrong."""
        try:
            self._stream = await TLSStream.wrap(
                self._pipe, hostname=server_hostname, ssl_context=ssl_context, standard_compatible=False
            )
        except BaseException as error:
            await self.aclose()
            if isinstance(error, ssl.SSLError):
                raise TlsFailed(_why(error)) from error
            if isinstance(error, (OSError, anyio.BrokenResourceError, anyio.EndOfStream)):
                raise httpcore.ConnectError(f"during the handshake of TLS: {_cause(error)}") from error
            raise
        return self

    async def aclose(self) -> None:
        await self._pipe.aclose()  # at once: a farewell in TLS would wait for a receiver that may be hostile

    def get_extra_info(self, info: str) -> Any:
        return _has_something(self._pipe.opened) if info == "is_readable" else None


def _has_something(opened: socket.socket) -> bool:
    """Something unasked came over an idle connection, its end most often: then nothing more is sent over it."""
    if opened.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(opened, select.POLLIN)
    return bool(poll.poll(0))


def _why(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return error.reason or "TLS failed"


def _cause(error: BaseException) -> str:
    """In the words of the operating system where it has some."""
    cause = error.__cause__ if error.__cause__ is not None else error
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return "the connection was closed"
