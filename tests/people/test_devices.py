"""Devices: listed, revoked, expiring, noted as used."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import select

from app.kit.house import House
from app.people.actions.devices import forget_devices
from app.people.models import DeviceSession
from app.people.words import PostKind
from tests.conftest import SettableClock
from tests.people.townsfolk import BAKALAN, Townsfolk, refusal


async def test_my_devices_are_listed_without_their_tokens(town: Townsfolk) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    town.person("lurah.tapaan")
    await town.headers("lurah.tapaan")
    first = await town.headers("lurah.bakalan")
    second = (await town.log_in("lurah.bakalan", device="Laptop")).json()["token"]
    listed = (await town.call("GET", "/auth/sessions", first)).json()["items"]
    assert [(each["device"], each["current"]) for each in listed] == [("Laptop", False), ("HP kantor", True)]
    assert set(listed[0]) == {"id", "device", "created_at", "last_used_at", "expires_at", "current"}
    assert second not in str(listed)
    page = (await town.call("GET", "/auth/sessions", first, limit=1)).json()
    rest = (await town.call("GET", "/auth/sessions", first, limit=1, after=page["next"])).json()
    assert [page["items"][0]["device"], rest["items"][0]["device"], rest["next"]] == ["Laptop", "HP kantor", None]


async def test_logging_out_ends_this_device_only(town: Townsfolk) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    phone, laptop = await town.headers("lurah.bakalan"), await town.headers("lurah.bakalan")
    assert (await town.call("DELETE", "/auth/sessions/current", phone)).json() == {"revoked": 1}
    assert refusal(await town.call("GET", "/me", phone)) == (401, "unauthenticated")
    assert (await town.call("GET", "/me", laptop)).status_code == 200


async def test_a_lost_phone_is_revoked_from_another_device(town: Townsfolk) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    lost, laptop = await town.headers("lurah.bakalan"), await town.headers("lurah.bakalan")
    listed = (await town.call("GET", "/auth/sessions", laptop)).json()["items"]
    device = next(each["id"] for each in listed if not each["current"])
    assert (await town.call("DELETE", f"/auth/sessions/{device}", laptop)).json() == {"revoked": 1}
    assert refusal(await town.call("GET", "/me", lost)) == (401, "unauthenticated")
    again = await town.call("DELETE", f"/auth/sessions/{device}", laptop)
    assert refusal(again) == (404, "device_not_found")


async def test_nobody_revokes_the_device_of_another(town: Townsfolk) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    town.person("lurah.tapaan", (PostKind.LURAH, "35.75.03.1003"))
    victim, attacker = await town.headers("lurah.bakalan"), await town.headers("lurah.tapaan")
    device = (await town.call("GET", "/auth/sessions", victim)).json()["items"][0]["id"]
    assert refusal(await town.call("DELETE", f"/auth/sessions/{device}", attacker)) == (404, "device_not_found")
    assert (await town.call("GET", "/me", victim)).status_code == 200


async def test_a_token_ends_after_the_days_of_the_setting(town: Townsfolk, clock: SettableClock) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    headers = await town.headers("lurah.bakalan")
    clock.advance(timedelta(days=90) - timedelta(seconds=1))
    assert (await town.call("GET", "/me", headers)).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert refusal(await town.call("GET", "/me", headers)) == (401, "unauthenticated")


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 5_000, "é"])
async def test_no_other_token_opens_anything(town: Townsfolk, token: str) -> None:
    answer = await town.client.get("/api/v1/me", headers=[(b"authorization", b"Bearer " + token.encode("latin-1"))])
    assert refusal(answer) == (401, "unauthenticated")
    assert (await town.client.get("/api/v1/me")).json()["code"] == "unauthenticated"


async def test_use_is_noted_every_ten_minutes_at_most(house: House, town: Townsfolk, clock: SettableClock) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    headers = await town.headers("lurah.bakalan")
    started = clock.now

    def noted() -> float:
        with house.database.read() as session:
            (device,) = session.exec(select(DeviceSession)).all()
            return (device.last_used_at - started).total_seconds() / 60

    seen = []
    for _ in range(5):
        clock.advance(timedelta(minutes=4))
        assert (await town.call("GET", "/me", headers)).status_code == 200
        seen.append(noted())
    assert seen == [0, 0, 12, 12, 12]
    clock.advance(timedelta(minutes=2))
    await town.call("GET", "/me", headers)
    assert noted() == 22


async def test_devices_are_forgotten_a_month_after_their_end(
    house: House, town: Townsfolk, clock: SettableClock
) -> None:
    town.person("lurah.bakalan")
    revoked = await town.headers("lurah.bakalan")
    await town.headers("lurah.bakalan")
    await town.call("DELETE", "/auth/sessions/current", revoked)

    def kept() -> list[UUID]:
        forget_devices(house)
        with house.database.read() as session:
            return list(session.exec(select(DeviceSession.id)).all())

    assert len(kept()) == 2
    clock.advance(timedelta(days=31))
    assert len(kept()) == 1
    clock.advance(timedelta(days=90))
    assert kept() == []
