"""The outermost layer of HTTP: names each request, bounds its body, answers for a crash, logs how it ended."""

import secrets
import time

import structlog
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app.kit.refusals import BodyTooLarge, Unexpected, answer_refusal
from app.kit.settings import Settings

_FORM_OVERHEAD_BYTES = 64 * 1024
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
                _log.info("request", method=scope["method"], path=scope["path"], status=status, ms=milliseconds)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        limit = self.settings.max_body_bytes
        if headers.get(b"content-type", b"").startswith(b"multipart/"):
            limit = max(limit, self.settings.max_photo_bytes + _FORM_OVERHEAD_BYTES)
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

        await self.app(scope, counted, send)
