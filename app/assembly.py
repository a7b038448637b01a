"""Assembles the house and its HTTP app; the only place that knows every room, the same for API, worker and tests."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.agencies.routes import router as agencies
from app.areas.routes import router as areas
from app.docs.pages import add_docs
from app.evidence.actions import sweep
from app.evidence.store import open_store
from app.kit.clock import Clock, system_clock
from app.kit.database import Database
from app.kit.doors import Door, Hops, PublicDoor, Replayed, answer_replayed, forget_answers
from app.kit.edge import Edge
from app.kit.house import House, Subscriber
from app.kit.migrations import at_head
from app.kit.refusals import (
    Busy,
    NotModified,
    Refusal,
    answer_refusal,
    from_http,
    from_validation,
    refused,
)
from app.kit.settings import Settings
from app.kit.vault import open_vault
from app.links.actions import offer_links
from app.links.mail import open_post, send_mail
from app.links.routes import page_router as link_pages
from app.links.routes import router as links
from app.people.actions.devices import forget_devices, remember_use
from app.people.passwords import Passwords
from app.people.queries import identify
from app.people.routes import router as people
from app.people.throttle import Throttle
from app.problems.actions import make_round
from app.problems.routes import router as problems
from app.sync.actions.decisions import follow_moves
from app.sync.actions.silence import note_silence
from app.sync.actions.sweeping import sweep_gone
from app.sync.routes.board import router as sync_board
from app.sync.routes.decisions import router as sync_decisions
from app.sync.routes.devices import router as sync_devices
from app.sync.routes.exchange import router as sync_exchange
from app.sync.routes.reference import router as sync_reference
from app.sync.routes.uploads import router as sync_uploads
from app.sync.uploads import sweep_uploads
from app.webhooks.actions.endpoints import cancel_for_removed, reseal_secrets
from app.webhooks.actions.events import SweepPlace, sweep_events
from app.webhooks.actions.publishing import publish
from app.webhooks.bell import Bell
from app.webhooks.courier import Courier
from app.webhooks.routes.deliveries import router as webhook_deliveries
from app.webhooks.routes.endpoints import router as webhook_endpoints
from app.webhooks.routes.events import router as webhook_events
from app.webhooks.routes.outgoing import router as outgoing
from app.workdays.routes import router as workdays

API = "/api/v1"
WEBHOOKS = (webhook_events, webhook_endpoints, webhook_deliveries)
SYNC = (sync_exchange, sync_decisions, sync_reference, sync_uploads, sync_board, sync_devices)
ROUND_SECONDS = 60.0
_log = structlog.get_logger("ujung")


def assemble(settings: Settings, *, clock: Clock = system_clock, subscribers: Sequence[Subscriber] = ()) -> House:
    """Opens what one process needs. Nothing is written but the data folder and, on the first start, its key file."""
    return House(
        settings=settings,
        clock=clock,
        database=Database(settings),
        vault=open_vault(settings),
        identify=identify,
        remember_use=remember_use,
        subscribers=(follow_moves, publish, offer_links, *subscribers),
        parts={
            "photos": open_store(settings),
            "passwords": Passwords(settings),
            "throttle": Throttle(settings),
            "bell": Bell(),
            "post": open_post(settings),
            "event_sweep": SweepPlace(),
        },
    )


def create_app(settings: Settings, *, house: House | None = None) -> FastAPI:
    """The HTTP app over a house, its own one where none is given."""
    standing = house or assemble(settings)
    app = FastAPI(
        title="Ujung Tombak",
        version="1",
        redirect_slashes=False,  # a redirect would name the host and scheme that anybody wrote in the request
        openapi_url=None,  # the document, in two languages, and the pages that show it are the room docs'
        lifespan=_lifespan,
        generate_unique_id_function=_name_of,
    )
    app.state.house = standing
    app.state.hops = Hops(settings.pool_size, settings.pool_wait_seconds)
    app.add_middleware(Edge, settings=settings)
    _add_handlers(app)
    for router in (problems, *SYNC, people, areas, agencies, workdays, *WEBHOOKS, links):  # the most asked first
        app.include_router(router, prefix=API)
    app.webhooks.include_router(outgoing)
    app.include_router(link_pages)
    _add_health(app)
    add_docs(app, with_password=settings.docs_login)
    return app


def _name_of(route: APIRoute) -> str:
    return route.name


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    house: House = app.state.house
    gc.collect()
    gc.freeze()  # what was made until here stays to the end: searching it for garbage took 40 ms, again and again
    stop = app.state.stop = asyncio.Event()  # for whoever knows earlier than a lifespan that it is to end
    background = asyncio.create_task(work_in_background(house, stop)) if house.settings.background else None
    yield
    stop.set()
    if background is not None:
        await background
    house.database.close()


async def work_in_background(house: House, stop: asyncio.Event) -> None:
    """Rounds and deliveries until told to stop: in the API process, or in workers where they run beside it."""
    await asyncio.gather(make_rounds(house, stop), Courier(house).run(stop))


async def make_rounds(house: House, stop: asyncio.Event) -> None:
    """Rounds until told to stop; of the one under way only the part, or the mail, that has begun is finished."""
    while not stop.is_set():
        await asyncio.to_thread(do_rounds, house, stop.is_set)
        try:
            await asyncio.wait_for(stop.wait(), ROUND_SECONDS)
        except TimeoutError:
            continue


def do_rounds(house: House, is_stopping: Callable[[], bool] = lambda: False) -> None:
    """One round of everything that becomes due by itself. A part that fails is logged and tried again next time.

    Whatever has not begun when it is to stop is left to the next round.
    """
    parts: dict[str, Callable[[House], int]] = {
        "problems": make_round,
        "silence": note_silence,
        "mail": partial(send_mail, is_stopping=is_stopping),
        "photos": sweep,
        "uploads": sweep_uploads,
        "marks": sweep_gone,
        "answers": forget_answers,
        "devices": forget_devices,
        "endpoints": cancel_for_removed,
        "secrets": reseal_secrets,
        "events": sweep_events,
    }
    for name, part in parts.items():
        if is_stopping():
            return
        try:
            done = part(house)
        except Exception:  # noqa: BLE001 - the next round must come, whatever went wrong in this one
            _log.exception("round failed", part=name)
        else:
            if done:
                _log.info("round", part=name, done=done)


def _add_handlers(app: FastAPI) -> None:
    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return answer_refusal(request, error)

    async def refuse_shape(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer_refusal(request, from_validation(error))

    async def refuse_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer_refusal(request, from_http(error))

    async def not_modified(_request: Request, error: Exception) -> Response:
        assert isinstance(error, NotModified)
        return Response(status_code=304, headers={"ETag": error.etag})

    async def replay(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Replayed)
        return answer_replayed(error)

    app.add_exception_handler(Refusal, refuse)
    app.add_exception_handler(RequestValidationError, refuse_shape)
    app.add_exception_handler(HTTPException, refuse_http)
    app.add_exception_handler(NotModified, not_modified)
    app.add_exception_handler(Replayed, replay)


class NotReady(Busy):
    code, title, judul = "not_ready", "Not ready to serve", "Belum siap melayani"


class HealthOut(BaseModel):
    """The service stands."""

    status: str = Field(examples=["ok"])


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz", tags=["house"], summary="Is the process alive?", responses=refused())
    async def read_health() -> HealthOut:
        """Answers without looking at anything else."""
        return HealthOut(status="ok")

    @app.get("/readyz", tags=["house"], summary="Can it serve?", responses=refused(NotReady))
    async def read_readiness(door: PublicDoor) -> HealthOut:
        """The database answers, and its migrations are at the newest revision."""
        return await door.steps(lambda: _readiness(door))


def _readiness(door: Door[Any]) -> HealthOut:
    try:
        ready = at_head(door.house.database)
    except Exception as error:
        _log.warning("not ready", error=str(error))
        raise NotReady("The database does not answer.") from error
    if not ready:
        raise NotReady("The database is not at the newest migration.")
    return HealthOut(status="ok")
