"""Where the API's time goes for one job: in this process, the app called without a socket, every hop in one thread."""

import asyncio
import cProfile
import pstats
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
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
from bench.stand import PROJECT, Stand, plain, settings_of

_WARM, _MEASURED, _SHOWN = 60, 200, 45


def show(stand: Stand, job: Job, console: Console) -> None:
    """Prints a table by library, and one by function; the profiler itself makes small functions look dear."""
    configure_logs(as_json=True)
    settings = settings_of(stand.large, stand.folder)
    house = assemble(settings)
    with (stand.folder / "api.log").open("a") as told, patch("sys.stderr", told):
        configure_logs(as_json=True)
        app = create_app(settings, house=house)
        with patch("anyio.to_thread.run_sync", _in_this_thread):
            profile = asyncio.run(_profiled(app, Ours(Stock(plain(stand.large))), job))
    house.database.close()
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # typeshed leaves it out
    console.print(_by_library(stats, job))
    console.print(_by_function(stats))


async def _profiled(app: FastAPI, traffic: Ours, job: Job) -> cProfile.Profile:
    for needed in {Job.STEP: (Job.REPORT, Job.STEP)}.get(job, (job,)):
        traffic.note(needed, [await _ask(app, request) for request in traffic.requests(needed, _WARM)])
    if job is Job.STEP:
        traffic.note(Job.REPORT, [await _ask(app, each) for each in traffic.requests(Job.REPORT, _MEASURED)])
    profile = cProfile.Profile()
    for request in traffic.requests(job, _MEASURED):
        profile.enable()
        await _ask(app, request)
        profile.disable()
    return profile


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


def _by_library(stats: dict[Any, Any], job: Job) -> Table:
    """Own time by the library whose code it is; what C code takes counts for whoever called it."""
    own: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, _, time, _, callers) in stats.items():
        if file == "~":
            for (caller, _, _), (_, _, part, _) in callers.items():
                own[_library(caller)] += part
        else:
            own[_library(file)] += time
    whole = sum(own.values())
    table = Table("library", "own µs a request", "share", title=f"{job}: own time by library")
    for name, seconds in sorted(own.items(), key=lambda each: -each[1])[:20]:
        table.add_row(name, f"{seconds / _MEASURED * 1e6:,.0f}", f"{seconds / whole:.0%}")
    table.add_row("all", f"{whole / _MEASURED * 1e6:,.0f}", "")
    return table


def _by_function(stats: dict[Any, Any]) -> Table:
    table = Table("function", "calls", "own µs", "with callees µs", title="By function, a request; dearest first")
    for (file, line, name), (_, calls, own, whole, _) in _dearest(stats.items()):
        table.add_row(
            f"{_short(file)}:{line} {name}",
            f"{calls / _MEASURED:.1f}",
            f"{own / _MEASURED * 1e6:,.0f}",
            f"{whole / _MEASURED * 1e6:,.0f}",
        )
    return table


def _dearest(entries: Iterable[Any]) -> list[Any]:
    return sorted(entries, key=lambda each: -each[1][2])[:_SHOWN]


def _library(file: str) -> str:
    """The package a file belongs to; of ours, the room."""
    parts = Path(file).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    if file.startswith(str(PROJECT)):
        return ".".join(Path(file).relative_to(PROJECT).with_suffix("").parts[:3])
    return "Python itself"


def _short(file: str) -> str:
    parts = Path(file).parts
    return "/".join(parts[-3:]) if parts else file
