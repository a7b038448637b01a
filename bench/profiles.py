"""Where the API's time goes for one job: in this process, the app called without a socket, every hop in one thread."""

import asyncio
import logging
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from fastapi import FastAPI
from rich.console import Console
from rich.table import Table

from app.assembly import assemble, create_app
from app.kit.logs import configure_logs
from bench.clients import Request
from bench.jobs import Job, Ours, Stock
from bench.stand import PROJECT, Stand, plain, settings_of, with_options

_WARM = 60
_EVERY_SECONDS = 0.001
"""Of CPU time, as often as the system's own tick allows."""
_SHOWN = 40

Function = tuple[str, int, str]
"""File, first line, and name."""


@dataclass
class Samples:
    """Where the program was whenever a little more CPU time had passed."""

    own: Counter[Function] = field(default_factory=Counter)
    within: Counter[Function] = field(default_factory=Counter)
    requests: int = 0
    seconds: float = 0.0
    """CPU time of all requests."""
    running: bool = False

    @property
    def count(self) -> int:
        return self.own.total()

    def take(self, _signal: int, frame: FrameType | None) -> None:
        """Notes the functions of the stack; C code counts for whoever called it."""
        if not self.running or frame is None:
            return
        self.own[_function(frame)] += 1
        stack = set()
        above: FrameType | None = frame
        while above is not None and above.f_code is not _ask.__code__:
            stack.add(_function(above))
            above = above.f_back
        self.within.update(stack)

    def microseconds(self, count: int) -> float:
        """CPU time a request."""
        return count / self.count * self.seconds / self.requests * 1e6


def _function(frame: FrameType) -> Function:
    code = frame.f_code
    return code.co_filename, code.co_firstlineno, code.co_qualname


def show(stand: Stand, job: Job, console: Console, wanted: int = 2_000) -> None:
    """Prints where CPU time goes, from so many samples: by library, by function, and with all that a function calls."""
    address = with_options(stand.large, "-c synchronous_commit=off")  # waiting for the disk is not what is looked for
    settings = settings_of(address, stand.folder)
    house = assemble(settings)
    log = logging.getLogger()
    with (
        (stand.folder / "api.log").open("a") as told,
        patch("sys.stderr", told),
        patch.object(log, "handlers", list(log.handlers)),  # those of the file end with it
    ):
        configure_logs(as_json=True)
        app = create_app(settings, house=house)
        with patch("anyio.to_thread.run_sync", _in_this_thread):
            samples = asyncio.run(_sampled(app, Ours(Stock(plain(stand.large))), job, wanted))
    house.database.close()
    console.print(f"{job}: {samples.requests:,} requests, {samples.count:,} samples; the hop to a thread is left out")
    console.print(_by_library(samples))
    console.print(_by_function(samples, samples.own, "By function"))
    console.print(_by_function(samples, samples.within, "By function, with all that it calls"))


async def _sampled(app: FastAPI, traffic: Ours, job: Job, wanted: int) -> Samples:
    samples = Samples()
    signal.signal(signal.SIGPROF, samples.take)
    signal.setitimer(signal.ITIMER_PROF, _EVERY_SECONDS, _EVERY_SECONDS)
    try:
        turn = 0
        while samples.count < wanted:
            if job is Job.STEP:
                traffic.note(Job.REPORT, [await _ask(app, each) for each in traffic.requests(Job.REPORT, 1)])
            (request,) = traffic.requests(job, 1)
            before, samples.running = time.thread_time(), turn >= _WARM
            await _ask(app, request)
            samples.running = False
            if turn >= _WARM:
                samples.requests += 1
                samples.seconds += time.thread_time() - before
            turn += 1
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return samples


async def _in_this_thread(work: Callable[..., Any], *arguments: Any, **_options: Any) -> Any:
    return work(*arguments)


async def _ask(app: FastAPI, request: Request) -> bytes:
    """The body of the answer."""
    parts = urlsplit(request.path)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in request.headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request.body or b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    if sent[0]["status"] != request.status:
        raise RuntimeError(f"{request.method} {request.path}: {sent[0]['status']} {body[:300]!r}")
    return body


def _by_library(samples: Samples) -> Table:
    own: Counter[str] = Counter()
    for (file, _, _), count in samples.own.items():
        own[_library(file)] += count
    table = Table("library", "CPU µs a request", "share", title="By library; of ours, by room")
    for name, count in own.most_common(25):
        table.add_row(name, f"{samples.microseconds(count):,.0f}", f"{count / samples.count:.0%}")
    table.add_row("all", f"{samples.microseconds(samples.count):,.0f}", "")
    return table


def _by_function(samples: Samples, counts: Counter[Function], title: str) -> Table:
    table = Table("function", "CPU µs a request", "share", title=title)
    for (file, line, name), count in counts.most_common(_SHOWN):
        share = f"{count / samples.count:.1%}"
        table.add_row(f"{_short(file)}:{line} {name}", f"{samples.microseconds(count):,.0f}", share)
    return table


def _library(file: str) -> str:
    """The package a file belongs to; of ours, the room."""
    parts = Path(file).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    if file.startswith(str(PROJECT)):
        return ".".join(Path(file).relative_to(PROJECT).with_suffix("").parts[:2])
    return "Python itself"


def _short(file: str) -> str:
    return "/".join(Path(file).parts[-3:])
