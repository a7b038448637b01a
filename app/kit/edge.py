"""The outermost layer of HTTP: names each request, unpacks and bounds its body, answers for a crash, logs its end."""

import secrets
import time
import zlib

import structlog
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app.kit.refusals import BodyTooLarge, Unexpected, UnknownEncoding, answer_refusal
from app.kit.settings import Settings

UPLOAD_MEDIA_TYPE = "application/offset+octet-stream"
"""Of a part of a photo, as tus clients send it."""
_FORM_OVERHEAD_BYTES = 64 * 1024
_PACKED = {b"gzip", b"x-gzip"}
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_OPENING = "/t/"
"""What follows it in a path opens something to whoever knows it: it is not for the log."""
_log = structlog.get_logger("ujung.request")


class Edge:
    """ASGI middleware. The request id is made here, never taken from outside, so a log line cannot be forged."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        started, status = time.perf_counter(), 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with bound_contextvars(request_id=request_id):
            try:
                await self._bounded(scope, receive, named)
            except Exception as error:
                _log.exception("unexpected", exc_info=error)
                if not status:
                    await answer_refusal(Request(scope), Unexpected())(scope, receive, named)
                raise  # the server, and a test, may hear of it too
            finally:
                milliseconds = round((time.perf_counter() - started) * 1000, 1)
                path = _loggable(scope["path"])
                _log.info("request", method=scope["method"], path=path, status=status, ms=milliseconds)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        limit = self.settings.max_body_bytes
        media_type = headers.get(b"content-type", b"")
        if media_type.startswith(b"multipart/"):
            limit = max(limit, self.settings.max_photo_bytes + _FORM_OVERHEAD_BYTES)
        elif media_type.startswith(UPLOAD_MEDIA_TYPE.encode()):
            limit = max(limit, self.settings.max_photo_bytes)
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared[:20]) > limit:
            await answer_refusal(Request(scope), BodyTooLarge(limit=limit))(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413)  # the framework lets its own exceptions through while it reads a body
            return message

        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding == b"identity":
            await self.app(scope, counted, send)
        elif encoding in _PACKED:
            await self.app(_unlabelled(scope), _unpacked(counted, limit), send)
        else:
            await answer_refusal(Request(scope), UnknownEncoding())(scope, receive, send)


def _loggable(path: str) -> str:
    before, mark, _ = path.partition(_OPENING)
    return f"{before}{mark}…" if mark else path


def _unlabelled(scope: Scope) -> Scope:
    """The same request, without the headers that describe its body as it was packed."""
    packed = (b"content-encoding", b"content-length")
    return {**scope, "headers": [each for each in scope["headers"] if each[0] not in packed]}


def _unpacked(receive: Receive, limit: int) -> Receive:
    """A body unpacked while it is read, and never more of it than the limit: a bomb takes no memory."""
    packing, seen = zlib.decompressobj(_GZIP_WINDOW), 0

    async def unpacked() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] != "http.request":
            return message
        try:
            body = packing.decompress(message.get("body", b""), limit + 1 - seen)
        except zlib.error:
            raise HTTPException(400) from None
        seen += len(body)
        if seen > limit:
            raise HTTPException(413)
        is_whole = packing.eof or message.get("more_body", False)
        if packing.unused_data or not is_whole:
            raise HTTPException(400)
        return {**message, "body": body}

    return unpacked
