"""Logging in: tokens, equal work, slowing down, and what is never said."""

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from httpx import ASGITransport, AsyncClient
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr
from sqlalchemy import event
from sqlmodel import select

from app.assembly import create_app
from app.kit.house import House
from app.kit.settings import Settings
from app.people.models import Account, DeviceSession
from app.people.passwords import Passwords, one_time_password
from app.people.throttle import Throttle
from app.people.words import PASSWORD_MINIMUM, PostKind
from tests.conftest import SettableClock
from tests.people.townsfolk import BAKALAN, PASSWORD, QUICK, Townsfolk, refusal


class Counting(PasswordHash):
    """Notes each verification, and how many ran at once."""

    def __init__(self, hashing: PasswordHash = QUICK) -> None:
        super().__init__(hashing.hashers)
        self.verified = 0
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def verify_and_update(self, password: str | bytes, hash: str | bytes) -> tuple[bool, str | None]:  # noqa: A002
        with self._lock:
            self._at_once += 1
            self.verified += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return super().verify_and_update(password, hash)
        finally:
            with self._lock:
                self._at_once -= 1


SLOW = PasswordHash((Argon2Hasher(time_cost=4, memory_cost=16_384, parallelism=1),))
"""Long enough for others to meet it."""


def counting(house: House, hashing: PasswordHash = QUICK, **settings: Any) -> tuple[Counting, AsyncClient]:
    changed = house.settings.model_copy(update=settings)
    counted = Counting(hashing)
    parts = {**house.parts, "passwords": Passwords(changed, counted), "throttle": Throttle(changed)}
    app = create_app(changed, house=replace(house, settings=changed, parts=parts))
    return counted, AsyncClient(transport=ASGITransport(app=app), base_url="http://testserver")


async def test_a_name_and_a_password_make_a_token(town: Townsfolk, clock: SettableClock) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    answer = await town.log_in("lurah.bakalan", device="HP Bu Lurah")
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["expires_at"] == (clock.now + timedelta(days=90)).isoformat().replace("+00:00", "Z")
    assert body["account"] == {
        "id": body["account"]["id"],
        "username": "lurah.bakalan",
        "name": "Lurah.Bakalan",
    }
    assert body["must_change_password"] is False
    (post,) = body["posts"]
    assert post == {
        "id": post["id"],
        "kind": "lurah",
        "kind_label": "Lurah",
        "area": {"code": BAKALAN, "name": "Bakalan"},
        "agency": None,
        "acting": False,
        "since": clock.now.isoformat().replace("+00:00", "Z"),
        "until": None,
    }
    me = await town.call("GET", "/me", {"Authorization": f"Bearer {body['token']}"})
    assert me.json() == {
        "account": body["account"],
        "posts": body["posts"],
        "post": post,
        "must_change_password": False,
    }


async def test_phones_write_names_with_a_capital(town: Townsfolk) -> None:
    town.person("lurah.bakalan")
    assert (await town.log_in(" Lurah.Bakalan ")).status_code == 201


async def test_a_wrong_name_a_wrong_password_and_a_disabled_account_are_one_answer(town: Townsfolk) -> None:
    town.person("lurah.bakalan")
    gone = town.person("lurah.lama")

    def close(work: Any) -> None:
        work.session.get(Account, gone).disabled_at = work.now

    town.system(close)
    answers = [
        await town.log_in("nobody.at.all"),
        await town.log_in("lurah.bakalan", "salah-sekali"),
        await town.log_in("lurah.lama"),
    ]
    assert {refusal(answer) for answer in answers} == {(401, "wrong_credentials")}
    assert len({tuple(answer.json() | {"request_id": ""}) for answer in answers}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


async def test_each_of_them_takes_the_same_work(house: House, town: Townsfolk) -> None:
    town.person("lurah.bakalan")
    hashing, client = counting(house)
    async with client:
        for name in ("lurah.bakalan", "nobody.at.all", "also.nobody"):
            await client.post("/api/v1/auth/sessions", json={"username": name, "password": "salah-sekali"})
    assert hashing.verified == 3


async def test_no_more_hashes_at_once_than_the_setting_says(house: House, town: Townsfolk) -> None:
    town.person("lurah.bakalan")
    hashing, client = counting(house, SLOW, password_threads=2)
    body = {"username": "lurah.bakalan", "password": PASSWORD}
    async with client:
        answers = await asyncio.gather(*(client.post("/api/v1/auth/sessions", json=body) for _ in range(12)))
    assert [answer.status_code for answer in answers] == [201] * 12  # even those whose hash another one renewed
    assert 12 <= hashing.verified <= 14
    assert hashing.most_at_once == 2


async def test_who_waits_too_long_for_a_hash_is_told_to_come_back(house: House, town: Townsfolk) -> None:
    town.person("lurah.bakalan")
    _, client = counting(house, SLOW, password_threads=1, pool_wait_seconds=0.001)
    body = {"username": "lurah.bakalan", "password": PASSWORD}
    async with client:
        answers = await asyncio.gather(*(client.post("/api/v1/auth/sessions", json=body) for _ in range(12)))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {201, 503}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 503)


async def test_guessing_a_name_is_slowed_and_only_failures_count(house: House, town: Townsfolk) -> None:
    town.person("lurah.bakalan")
    hashing, client = counting(house, login_attempts="3/minute")
    path, right = "/api/v1/auth/sessions", {"username": "lurah.bakalan", "password": PASSWORD}
    wrong = right | {"password": "salah-sekali"}
    with time_machine.travel(1_780_000_000, tick=False) as traveller:
        async with client:
            for _ in range(5):
                assert (await client.post(path, json=right)).status_code == 201
            for _ in range(3):
                assert (await client.post(path, json=wrong)).status_code == 401
            slowed = await client.post(path, json=right)
            assert refusal(slowed) == (429, "too_many_attempts")
            assert 1 <= int(slowed.headers["retry-after"]) <= 61
            assert hashing.verified == 8
            other = await client.post(path, json=wrong | {"username": "lurah.tapaan"})
            assert other.status_code == 401
            traveller.shift(int(slowed.headers["retry-after"]))
            assert (await client.post(path, json=right)).status_code == 201


async def test_unknown_names_are_slowed_like_known_ones(house: House) -> None:
    _, client = counting(house, login_attempts="2/minute")
    body = {"username": "nobody.at.all", "password": "salah-sekali"}
    async with client:
        answers = [await client.post("/api/v1/auth/sessions", json=body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]


async def test_one_address_is_slowed_whatever_a_header_says(house: House) -> None:
    _, client = counting(house, login_attempts_per_address="3/minute")
    statuses = []
    async with client:
        for number in range(4):
            answer = await client.post(
                "/api/v1/auth/sessions",
                json={"username": f"nobody.{number}", "password": "salah-sekali"},
                headers={"X-Forwarded-For": f"10.0.0.{number}", "Forwarded": f"for=10.0.0.{number}"},
            )
            statuses.append(answer.status_code)
    assert statuses == [401, 401, 401, 429]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.9", "203.0.113.10", False),
        ("2001:db8:1:2::9", "2001:db8:1:2:ffff::10", True),
        ("2001:db8:1:2::9", "2001:db8:1:3::9", False),
        ("::ffff:203.0.113.9", "203.0.113.9", True),
        ("::ffff:203.0.113.9", "::ffff:203.0.113.10", False),
        (None, "a-unix-socket", True),
    ],
)
def test_an_address_is_what_one_subscriber_has(one: str | None, other: str | None, same: bool) -> None:
    throttle = Throttle(Settings(_env_file=None, login_attempts_per_address="1/minute"))
    throttle.count_failure("somebody", one)
    refused = False
    try:
        throttle.check("somebody.else", other)
    except Exception as error:  # noqa: BLE001 - its status is looked at
        refused = getattr(error, "status", None) == 429
    assert refused is same


async def test_a_hash_of_weaker_parameters_is_renewed_at_login(house: House, town: Townsfolk) -> None:
    person = town.person("lurah.bakalan")
    stronger = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=8, parallelism=1),))
    renewing = replace(house, parts={**house.parts, "passwords": Passwords(house.settings, stronger)})
    app = create_app(house.settings, house=renewing)
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://testserver") as client:
        body = {"username": "lurah.bakalan", "password": PASSWORD}
        for _ in range(2):
            assert (await client.post("/api/v1/auth/sessions", json=body)).status_code == 201
    with house.database.read() as session:
        account = session.get(Account, person)
        assert account is not None
        assert "m=8,t=2,p=1" in account.password_hash


async def test_the_store_holds_no_token_and_no_password(house: House, town: Townsfolk) -> None:
    town.person("lurah.bakalan")
    token = (await town.log_in("lurah.bakalan")).json()["token"]
    with house.database.read() as session:
        (device,) = session.exec(select(DeviceSession)).all()
        (account,) = session.exec(select(Account)).all()
        assert len(device.token_hash) == 64
        assert token not in str(device.model_dump())
        assert PASSWORD not in str(account.model_dump())
        assert account.password_hash.startswith("$argon2id$")


def test_our_own_parameters_are_argon2id_with_64_mebibytes(settings: Settings) -> None:
    hashed = Passwords(settings).hash(SecretStr(PASSWORD))
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    "change",
    [
        {"username": "a\u0000b"},
        {"username": "x" * 65},
        {"password": "\u0000" * 12},
        {"password": "x" * 201},
        {"password": ""},
        {"device": "a\nb"},
        {"is_admin": True},
        {"password": None},
    ],
)
async def test_what_is_not_well_formed_is_refused_and_not_echoed(town: Townsfolk, change: dict[str, Any]) -> None:
    body = {"username": "lurah.bakalan", "password": PASSWORD} | change
    answer = await town.call("POST", "/auth/sessions", json=body)
    assert refusal(answer) == (422, "invalid_request")
    assert PASSWORD not in answer.text


async def test_a_lone_surrogate_is_refused(town: Townsfolk) -> None:
    for field in ("username", "password"):
        body = (
            '{"username": "lurah.bakalan", "password": "sungai-bersih"}'.replace("bersih", "\\ud800")
            if (field == "password")
            else '{"username": "\\ud800", "password": "sungai-bersih"}'
        )
        answer = await town.client.post(
            "/api/v1/auth/sessions", content=body, headers={"Content-Type": "application/json"}
        )
        assert refusal(answer) == (422, "invalid_request")


async def test_authorize_on_the_docs_page(town: Townsfolk) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    form = {"grant_type": "password", "username": "lurah.bakalan", "password": PASSWORD, "client_id": "", "scope": ""}
    answer = await town.client.post("/api/v1/auth/token", data=form)
    assert answer.status_code == 200
    assert answer.json() | {"access_token": ""} == {
        "access_token": "",
        "token_type": "bearer",
        "expires_in": 90 * 24 * 60 * 60,
    }
    assert answer.headers["cache-control"] == "no-store"
    me = await town.call("GET", "/me", {"Authorization": f"Bearer {answer.json()['access_token']}"})
    assert me.status_code == 200
    wrong = await town.client.post("/api/v1/auth/token", data=form | {"password": "salah-sekali"})
    assert refusal(wrong) == (401, "wrong_credentials")
    other = await town.client.post("/api/v1/auth/token", data=form | {"grant_type": "refresh_token"})
    assert refusal(other) == (422, "invalid_request")
    nul = await town.client.post("/api/v1/auth/token", data=form | {"username": "a\u0000"})
    assert refusal(nul) == (422, "invalid_request")


async def test_authorize_can_be_turned_off(house: House, town: Townsfolk) -> None:
    town.person("lurah.bakalan")
    _, client = counting(house, docs_login=False)
    async with client:
        answer = await client.post("/api/v1/auth/token", data={"username": "lurah.bakalan", "password": PASSWORD})
    assert refusal(answer) == (404, "no_tokens_here")


async def test_a_password_changed_while_the_old_one_is_being_verified_lets_nobody_in(
    house: House, town: Townsfolk
) -> None:
    person = town.person("lurah.bakalan")

    class Changed(Counting):
        def verify_and_update(self, password: str | bytes, hash: str | bytes) -> tuple[bool, str | None]:  # noqa: A002
            answer = super().verify_and_update(password, hash)

            def change(work: Any) -> None:
                work.session.get(Account, person).password_hash = QUICK.hash("yang-baru-sekali")

            town.system(change)
            return answer

    parts = {**house.parts, "passwords": Passwords(house.settings, Changed())}
    app = create_app(house.settings, house=replace(house, parts=parts))
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://testserver") as client:
        answer = await client.post("/api/v1/auth/sessions", json={"username": "lurah.bakalan", "password": PASSWORD})
    assert refusal(answer) == (401, "wrong_credentials")


def test_a_one_time_password_can_be_read_aloud_and_is_long_enough() -> None:
    made = {one_time_password().get_secret_value() for _ in range(100)}
    assert len(made) == 100
    for password in made:
        assert len(password) >= PASSWORD_MINIMUM
        assert not set(password) & set("01loiIO ")


async def test_whoever_asks_is_found_in_one_statement(house: House, town: Townsfolk) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN), (PostKind.OPERATOR, BAKALAN))
    headers = await town.headers("lurah.bakalan")
    statements: list[str] = []

    def note(*told: Any) -> None:
        if "SELECT" in told[2]:
            statements.append(told[2])

    event.listen(house.database.engine, "before_cursor_execute", note)
    assert (await town.call("GET", "/agencies/PUPR", headers)).status_code == 200
    assert len(statements) == 2
