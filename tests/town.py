"""A tiny real Kota Pasuruan, everybody logged in: `town.lurah("Bakalan")` is somebody who speaks to the API."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from PIL import Image
from sqlalchemy import insert, select
from sqlmodel import Session, col

from app.agencies.models import Agency
from app.areas.models import Area
from app.areas.words import Level
from app.assembly import assemble, create_app
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.kit.settings import Settings
from app.people.actors import Actor
from app.people.models import Account, DeviceSession, Post
from app.people.words import PostKind
from app.town.seed import sow_town
from tests.conftest import MONDAY_MORNING, Databases, SettableClock, settings_for

CITY = "35.75"
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
NEVER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Someone:
    """A person with one post and a token, speaking to the API."""

    town: "Town"
    actor: Actor
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def get(self, path: str, **options: Any) -> Response:
        return await self.town.speak(self, "GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> Response:
        return await self.town.speak(self, "POST", path, json=json, **options)

    async def patch(self, path: str, json: Any, **options: Any) -> Response:
        return await self.town.speak(self, "PATCH", path, json=json, **options)

    async def report(self, area: str = "Bakalan", **other: Any) -> dict[str, Any]:
        """A problem recorded by this person; asserts that it was."""
        return self.town.good(await self.post("/problems", self.town.problem(area, **other)), 201)

    async def step(self, problem: dict[str, Any] | str, verb: str, **said: Any) -> dict[str, Any]:
        """A verb on a problem; asserts that it was done."""
        return self.town.good(await self.try_step(problem, verb, **said), 200)

    async def try_step(self, problem: dict[str, Any] | str, verb: str, **said: Any) -> Response:
        problem_id = problem if isinstance(problem, str) else problem["id"]
        return await self.post(f"/problems/{problem_id}/steps", {"verb": verb, **said})

    async def part(self, problem: dict[str, Any], verb: str, **said: Any) -> dict[str, Any]:
        """A verb on this person's agency's part; asserts that it was done."""
        return self.town.good(await self.try_part(problem, verb, **said), 200)

    async def try_part(self, problem: dict[str, Any], verb: str, agency: str | None = None, **said: Any) -> Response:
        wanted = agency or self.actor.agency_code or problem["lead"]
        parts = [each for each in problem["assignments"] if each["agency"] == wanted]
        return await self.post(f"/assignments/{parts[-1]['id']}/steps", {"verb": verb, **said})

    async def photo(self, problem: dict[str, Any], colour: str = "teal") -> str:
        """A photo sent to a problem; answers its id."""
        files = {"file": ("bukti.jpg", picture(colour), "image/jpeg")}
        sent = await self.post(f"/problems/{problem['id']}/photos", files=files)
        return str(self.town.good(sent, 201)["id"])

    async def see(self, problem: dict[str, Any]) -> dict[str, Any]:
        return self.town.good(await self.get(f"/problems/{problem['id']}"), 200)


@dataclass
class Town:
    """The house with its people."""

    house: House
    client: AsyncClient
    clock: SettableClock
    people: dict[tuple[PostKind, str], Someone] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with self.house.database.read() as session:
            self.people = {(each.actor.kind, _scope(each.actor)): each for each in _everybody(self, session)}
            areas = session.execute(select(col(Area.name), col(Area.code), col(Area.level)))
            self._codes = {(level, name): code for name, code, level in areas}

    def operator(self, kelurahan: str) -> Someone:
        return self.people[PostKind.OPERATOR, self.kelurahan(kelurahan)]

    def lurah(self, kelurahan: str) -> Someone:
        return self.people[PostKind.LURAH, self.kelurahan(kelurahan)]

    def staff(self, kecamatan: str) -> Someone:
        return self.people[PostKind.STAFF, self.kecamatan(kecamatan)]

    def camat(self, kecamatan: str) -> Someone:
        return self.people[PostKind.CAMAT, self.kecamatan(kecamatan)]

    def officer(self, agency: str) -> Someone:
        return self.people[PostKind.OFFICER, agency]

    def head(self, agency: str) -> Someone:
        return self.people[PostKind.HEAD, agency]

    @property
    def monitor(self) -> Someone:
        return self.people[PostKind.MONITOR, CITY]

    @property
    def mayor(self) -> Someone:
        return self.people[PostKind.MAYOR, CITY]

    @property
    def admin(self) -> Someone:
        return self.people[PostKind.ADMIN, ""]

    def kelurahan(self, name: str) -> str:
        """The code of a kelurahan, by its name."""
        return name if "." in name else self._codes[Level.VILLAGE, name]

    def kecamatan(self, name: str) -> str:
        return name if "." in name else self._codes[Level.DISTRICT, name]

    def hire(self, session: Session, kind: PostKind, area: str | None = None, agency: str | None = None) -> Someone:
        """One more person with a post."""
        rows = _rows(kind, area, agency)
        for table, row in rows.items():
            session.connection().execute(insert(table).values(row))
        account_id = rows[Account]["id"]
        return next(each for each in _everybody(self, session) if each.actor.account_id == account_id)

    async def speak(self, who: Someone, method: str, path: str, **options: Any) -> Response:
        headers = who.headers | options.pop("headers", {})
        return await self.client.request(method, f"/api/v1{path}", headers=headers, **options)

    def problem(self, area: str = "Bakalan", **other: Any) -> dict[str, Any]:
        """What a report says: a blocked drain in Bakalan, unless told otherwise."""
        return {
            "title": "Saluran tersumbat di depan Balai RW 02",
            "description": "Air meluap ke jalan setiap hujan.",
            "category": "saluran-tersumbat",
            "area": self.kelurahan(area),
            "seen_on": self.today().isoformat(),
            "landmark": "Balai RW 02",
        } | other

    def today(self) -> date:
        """The day it is in Pasuruan."""
        return (self.clock.now + timedelta(hours=7)).date()

    def work(self, session: Session, who: Someone | None) -> Work[Any]:
        """A unit of work of somebody, for tests that speak to a room itself."""
        return Work(session, who.actor if who else None, self.clock.now, self.house)

    @staticmethod
    def good(response: Response, status: int) -> dict[str, Any]:
        assert response.status_code == status, response.text
        body: dict[str, Any] = response.json()
        return body


def picture(colour: str = "teal") -> bytes:
    """A small photo."""
    file = BytesIO()
    Image.effect_noise((64, 48), 40).convert("RGB").save(file, "JPEG")
    return file.getvalue() + colour.encode()


def populate(house: House) -> None:
    """The town's seed, and one person for every post, each with a device logged in."""
    sow_town(house)
    with house.database.write() as session:
        rows = [_rows(kind, area, agency) for kind, area, agency in _posts(session)]
        for table in (Account, Post, DeviceSession):
            session.connection().execute(insert(table), [each[table] for each in rows])


def _rows(kind: PostKind, area: str | None, agency: str | None) -> dict[type[Any], dict[str, Any]]:
    """Somebody with a post and a device that is logged in."""
    account_id = new_id()
    account = {
        "id": account_id,
        "username": f"{kind}.{(area or agency or 'kota').lower()}.{account_id.hex[-6:]}",
        "name": f"{kind.label} {area or agency or ''}".strip(),
        "password_hash": "-",
        "must_change_password": False,
        "created_at": SINCE,
    }
    post = {
        "id": new_id(),
        "account_id": account_id,
        "kind": kind,
        "area_code": area,
        "agency_code": agency,
        "acting": False,
        "since": SINCE,
    }
    device = {
        "id": new_id(),
        "account_id": account_id,
        "token_hash": hashlib.sha256(_token(account_id).encode()).hexdigest(),
        "device": "uji",
        "created_at": SINCE,
        "expires_at": NEVER,
        "last_used_at": MONDAY_MORNING,
    }
    return {Account: account, Post: post, DeviceSession: device}


def _posts(session: Session) -> Iterator[tuple[PostKind, str | None, str | None]]:
    for code, level in session.execute(select(col(Area.code), col(Area.level))):
        if level is Level.VILLAGE:
            yield from ((PostKind.OPERATOR, code, None), (PostKind.LURAH, code, None))
        if level is Level.DISTRICT:
            yield from ((PostKind.STAFF, code, None), (PostKind.CAMAT, code, None))
    for agency in session.scalars(select(col(Agency.code)).where(col(Agency.has_accounts))):
        yield from ((PostKind.OFFICER, None, agency), (PostKind.HEAD, None, agency))
    yield from ((PostKind.MONITOR, CITY, None), (PostKind.MAYOR, CITY, None), (PostKind.ADMIN, None, None))


def _everybody(town: Town, session: Session) -> Iterator[Someone]:
    statement = (
        select(Post, col(Account.name), col(DeviceSession.id))
        .join(Account, col(Account.id) == col(Post.account_id))
        .join(DeviceSession, col(DeviceSession.account_id) == col(Account.id))
    )
    for post, name, session_id in session.execute(statement):
        actor = Actor(
            account_id=post.account_id,
            name=name,
            post_id=post.id,
            kind=post.kind,
            area_code=post.area_code,
            agency_code=post.agency_code,
            acting=post.acting,
            session_id=session_id,
            must_change_password=False,
        )
        yield Someone(town, actor, _token(post.account_id))


def _scope(actor: Actor) -> str:
    return actor.area_code or actor.agency_code or ""


def _token(account_id: UUID) -> str:
    return f"uji-{account_id.hex}"


# -- fixtures --------------------------------------------------------------------------------------------------------


@pytest.fixture
def town_settings(databases: Databases, database_kind: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings on a fresh copy of the populated town."""
    with databases.fresh(database_kind, populate) as address:
        yield settings_for(address, tmp_path)


@pytest.fixture
def town_house(town_settings: Settings, clock: SettableClock) -> Iterator[House]:
    built = assemble(town_settings, clock=clock)
    yield built
    built.database.close()


@pytest.fixture
def town_app(town_settings: Settings, town_house: House) -> FastAPI:
    return create_app(town_settings, house=town_house)


@pytest.fixture
async def town(town_app: FastAPI, town_house: House, clock: SettableClock) -> AsyncIterator[Town]:
    """Kota Pasuruan with everybody at their post, at nine on a Monday morning."""
    async with AsyncClient(transport=ASGITransport(app=town_app), base_url="http://testserver") as client:
        yield Town(town_house, client, clock)
