"""A town with a problem in every situation, and somebody at a post who visits it."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import anyio
import pytest
import schemathesis
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from schemathesis.python import asgi
from schemathesis.specs.openapi.schemas import OpenApiSchema
from sqlalchemy import update
from starlette.types import Send

from app.assembly import assemble, create_app
from app.kit.edge import UPLOAD_MEDIA_TYPE
from app.kit.house import House
from app.kit.ids import new_id
from app.people.models import Account
from app.people.passwords import Passwords
from app.people.words import KeyVerb
from tests.conftest import KINDS, Databases, SettableClock, settings_for
from tests.fuzz.stock import PASSWORD
from tests.fuzz.visitor import Visitor
from tests.people.townsfolk import QUICK
from tests.problems.situations import NOW, set_stage
from tests.problems.situations import cast as callers
from tests.sync.pieces import UPLOADS, promise
from tests.sync.test_push import Phone
from tests.town import Someone, Town, picture, populate
from tests.webhooks.ears import add_endpoint, add_key, system

WHOLE = os.environ.get("FUZZ") == "whole"
POSTS = (
    *("operator", "lurah", "staff", "camat", "officer", "head", "system"),
    *("first_monitor", "mayor", "admin", "nobody"),
)
USUAL = {"sqlite": ("lurah",), "postgresql": ("system",)}
"""Who visits where the run is not the whole one."""
WAITING = 4
"""How many proposals, and operations in quarantine."""

schemathesis.serializer.alias(UPLOAD_MEDIA_TYPE, "application/octet-stream")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    kinds = KINDS[metafunc.config.getoption("--db")]
    if "post" in metafunc.fixturenames:
        metafunc.parametrize(
            ("kind", "post"), [(kind, post) for kind in kinds for post in (POSTS if WHOLE else USUAL[kind])]
        )
    elif "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", kinds)


def settle(house: House) -> None:
    """Everybody at their post, a problem in every situation, and one password for all. Systems hear of what happens."""
    populate(house)
    for agency in ("PUPR", "DLHKP"):
        add_endpoint(house, agency)
        add_key(house, agency)
    stage = anyio.run(set_stage, house.settings)
    stage.town.house.database.close()
    with house.database.write() as session:
        session.connection().execute(update(Account).values(password_hash=QUICK.hash(PASSWORD)))


@pytest.fixture
def visited(kind: str, databases: Databases, tmp_path: Path) -> Iterator[House]:
    with databases.fresh(kind, settle) as address:
        house = assemble(settings_for(address, tmp_path), clock=SettableClock(NOW))
        yield replace(house, parts={**house.parts, "passwords": Passwords(house.settings, QUICK)})
        house.database.close()


@pytest.fixture
def people(visited: House) -> dict[str, Someone]:
    """Who may visit. One of them has sent what a copied database lacks: photos, and a reporter under this key.

    From a phone came what waits for a person.
    """
    return anyio.run(_furnish, visited)


async def _furnish(house: House) -> dict[str, Someone]:
    app = create_app(house.settings, house=house)
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://testserver") as client:
        town = Town(house, client, SettableClock(NOW))
        lurah = town.lurah("Bakalan")
        for colour in ("teal", "merah"):
            problem = await lurah.report(reporter={"name": "Warga RT 02", "phone": "+62 811 0000 0000"})
            await lurah.photo(problem, colour)
            town.good(await lurah.post(f"/problems/{problem['id']}/comments", {"text": "Sudah dicek."}), 201)
        phone = Phone(town.operator("Bakalan"))
        for _ in range(WAITING):
            problem = await phone.who.report()
            town.good(await lurah.patch(f"/problems/{problem['id']}", {"title": "Saluran mampet"}), 200)
            late = phone.operation(problem, "edit", 1, title="Got buntu")
            assert await phone.outcomes(late, phone.operation(problem, "forward")) == ["proposed", "refused"]
        await _join_systems(town)
        for caller in callers(town).values():
            answer = await caller.post(UPLOADS, headers=promise(picture(), new_id()))
            assert answer.status_code == 201, answer.text
        return callers(town) | {"system": system(town, "PUPR", *KeyVerb)}


async def _join_systems(town: Town) -> None:
    """Endpoints whose secrets this house can open, pings and recoveries, and links of both kinds of offices."""
    head = town.head("PUPR")
    span = {"since": (NOW - timedelta(days=30)).isoformat(), "until": NOW.isoformat()}
    for number in range(WAITING):
        said = {"url": f"https://sim.pupr.example/{number}", "description": f"SIM PUPR {number}"}
        endpoint = town.good(await head.post("/endpoints", said), 201)
        town.good(await head.post(f"/endpoints/{endpoint['id']}/ping"), 202)
        town.good(await head.post(f"/endpoints/{endpoint['id']}/recoveries", span), 202)
        town.good(await head.post("/api-keys", {"name": f"SIM {number}", "verbs": ["read"]}), 201)
    offered = town.good(await head.get("/assignments", params={"state": "offered", "limit": WAITING}), 200)
    for part in offered["items"]:
        town.good(await head.post(f"/assignments/{part['id']}/links", {"email": "dlhkp@pasuruankota.example"}), 201)


@pytest.fixture
def visited_app(visited: House) -> FastAPI:
    return create_app(visited.settings, house=visited)


@pytest.fixture
def document(visited_app: FastAPI) -> OpenApiSchema:
    """The whole document, as Schemathesis reads it; tokens are the visitor's matter."""
    document = schemathesis.openapi.from_asgi("/openapi.json?lang=en", visited_app, config=schemathesis.Config())
    document.config.generation.update(with_security_parameters=False)
    return document


@contextmanager
def speaking(app: FastAPI) -> Iterator[asgi.ASGIClient]:
    """Speaks to the app as a server runs it: a crash is a 500, and a line in the log."""

    async def served(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        with suppress(Exception):  # it has been answered and logged
            await app(scope, receive, cast("Send", send))

    with asgi.get_client(served) as client:
        yield client


@pytest.fixture
def client(visited_app: FastAPI) -> Iterator[asgi.ASGIClient]:
    with speaking(visited_app) as client:
        yield client


@pytest.fixture
def visitor(kind: str, post: str, visited: House, client: asgi.ASGIClient, people: dict[str, Someone]) -> Visitor:
    """Somebody at the post whose turn it is."""
    return Visitor(visited, people.get(post), client, seed=f"{kind} {post}")


def tell(visitor: Visitor) -> None:
    """Prints how much was sent, for who runs this with `-rP`."""
    statuses: Counter[int] = Counter()
    for (_, status), count in visitor.sent.items():
        statuses[status] += count
    operations = {label for label, _ in visitor.sent}
    print(
        f"{visitor.seed}: {statuses.total()} requests to {len(operations)} operations", dict(sorted(statuses.items()))
    )


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A line for each of thousands of requests tells nobody anything."""
    caplog.set_level("WARNING")
