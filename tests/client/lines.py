"""A phone's connection to a real server, which loses, repeats and breaks off what a test tells it to."""

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI

PATIENCE_SECONDS = 60

Send = Callable[[httpx.Request], httpx.Response]
Fault = Callable[[httpx.Request, Send], httpx.Response]


def request_lost(request: httpx.Request, send: Send) -> httpx.Response:
    """It never arrives."""
    raise httpx.ConnectError("no signal", request=request)


def answer_lost(request: httpx.Request, send: Send) -> httpx.Response:
    """It is done, and the phone never hears of it."""
    send(request)
    raise httpx.ReadTimeout("no signal", request=request)


def portal(request: httpx.Request, send: Send) -> httpx.Response:
    """A hotel's login page answers in the server's place, and says that all is well."""
    return httpx.Response(200, html="<h1>Selamat datang</h1>", request=request)


def portal_in_json(request: httpx.Request, send: Send) -> httpx.Response:
    """The same from one that looks at the Accept header."""
    return httpx.Response(200, json={"login": "please"}, request=request)


def busy(request: httpx.Request, send: Send) -> httpx.Response:
    return httpx.Response(503, headers={"Retry-After": "7"}, json={"code": "busy"}, request=request)


def good(request: httpx.Request, send: Send) -> httpx.Response:
    return send(request)


class Line(httpx.BaseTransport):
    """Calls go through, unless a fault is next."""

    def __init__(self) -> None:
        self._through = httpx.HTTPTransport()
        self.faults = deque[Fault]()
        self.calls: list[tuple[str, str]] = []
        """Method, and the last part of the path."""
        self.sent_bytes = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.calls.append((request.method, request.url.path.removeprefix("/api/v1/")))
        self.sent_bytes += len(request.content)
        fault = self.faults.popleft() if self.faults else good
        return fault(request, self._send)

    def _send(self, request: httpx.Request) -> httpx.Response:
        answer = self._through.handle_request(request)
        answer.read()
        return answer

    def close(self) -> None:
        self._through.close()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The app behind a socket of this machine; answers its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listening.close()
        assert not thread.is_alive()
