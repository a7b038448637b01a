"""Devices that synchronise: who sees which, and revoking one."""

from datetime import timedelta
from uuid import UUID

import pytest
from httpx import Response
from sqlalchemy import select

from app.journal.models import Administration
from app.kit.ids import new_id
from app.sync.actions.devices import DeviceRevoked
from app.sync.models import SyncDevice
from tests.sync.rows import phone, put
from tests.town import Someone, Town


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


async def listed(who: Someone, query: str = "") -> list[UUID]:
    page = who.town.good(await who.get(f"/sync/devices{query}"), 200)
    return [UUID(each["id"]) for each in page["items"]]


async def test_i_see_what_my_devices_hold(town: Town) -> None:
    lurah, now = town.lurah("Bakalan"), town.clock.now
    device = phone(lurah, waiting=3, waiting_since=now - timedelta(days=2), accepted=7, safe=5, skew_seconds=-40)
    mine, device_id = lurah.actor.account_id, device.id
    put(town, device, phone(town.operator("Bakalan"), id=device_id))
    page = town.good(await lurah.get("/sync/devices"), 200)
    assert page == {
        "items": [
            {
                "id": str(device_id),
                "account": str(mine),
                "name": "HP lapangan",
                "area": "35.75.03.1005",
                "schema_version": 1,
                "accepted": 7,
                "safe": 5,
                "waiting": 3,
                "waiting_since": "2026-02-28T02:00:00Z",
                "skew_seconds": -40,
                "first_contact_at": "2026-03-02T02:00:00Z",
                "last_contact_at": "2026-03-02T02:00:00Z",
                "revoked_at": None,
            }
        ],
        "next": None,
    }


async def test_pages_hold_each_device_once(town: Town) -> None:
    lurah, operator = town.lurah("Bakalan"), town.operator("Bakalan")
    shared = new_id()
    put(town, *(phone(each, id=shared) for each in (lurah, operator)), *(phone(lurah) for _ in range(4)))
    for who, query, count in ((lurah, "", 5), (town.camat("Bugul Kidul"), "&area=35.75.03", 6)):
        path, seen = f"/sync/devices?limit=2{query}", []
        while path:
            page = await who.get(path)
            seen += [(each["id"], each["account"]) for each in town.good(page, 200)["items"]]
            path = page.links["next"]["url"].removeprefix("/api/v1") if "next" in page.links else ""
        assert seen == sorted(set(seen), reverse=True)
        assert len(seen) == count


async def test_who_sees_whose(town: Town, subtests: pytest.Subtests) -> None:
    lurah, other = town.lurah("Bakalan"), town.lurah("Gentong")
    staff, camat, admin = town.staff("Bugul Kidul"), town.camat("Bugul Kidul"), town.admin
    ids = {}
    for name, who in {"lurah": lurah, "other": other, "staff": staff, "officer": town.officer("PUPR")}.items():
        device = phone(who)
        ids[name] = device.id
        put(town, device)
    account = f"?account={lurah.actor.account_id}"
    allowed: list[tuple[Someone, str, list[str]]] = [
        (lurah, "", ["lurah"]),
        (lurah, account, ["lurah"]),
        (admin, "", []),
        (admin, account, ["lurah"]),
        (admin, "?area=35.75", ["staff", "other", "lurah"]),
        (admin, f"{account}&area=35.75.01", []),
        (staff, "", ["staff"]),
        (staff, "?area=35.75.03", ["staff", "lurah"]),
        (camat, "?area=35.75.03.1005", ["lurah"]),
        (camat, "?area=35.75.03.1009", []),
    ]
    for who, query, names in allowed:
        with subtests.test(f"{who.actor.view} {query}"):
            assert await listed(who, query) == [ids[name] for name in names]
    outside, not_permitted = (403, "outside_scope"), (403, "not_permitted")
    refused = [
        (camat, "?area=35.75.01", outside),
        (camat, "?area=35.75", outside),
        (admin, "?area=35", (422, "area_too_wide")),
        (admin, f"?account={new_id()}", (404, "account_not_found")),
        (other, account, not_permitted),
        (camat, account, not_permitted),
        (other, f"?account={new_id()}", not_permitted),
        *((who, "?area=35.75.03.1005", not_permitted) for who in (lurah, town.monitor, town.mayor, town.head("PUPR"))),
    ]
    for who, query, expected in refused:
        with subtests.test(f"{who.actor.view} {query}"):
            assert refusal(await who.get(f"/sync/devices{query}")) == expected


# -- revoking --------------------------------------------------------------------------------------------------------


def noted(town: Town) -> list[tuple[str, str, dict[str, str], UUID | None]]:
    with town.house.database.read() as session:
        entries = session.scalars(select(Administration)).all()
    return [(each.kind, each.subject, each.data, each.account_id) for each in entries]


async def test_my_lost_phone_is_revoked_once_and_noted(town: Town) -> None:
    lurah, operator = town.lurah("Bakalan"), town.operator("Bakalan")
    device = phone(lurah)
    device_id = device.id
    put(town, device, phone(operator, id=device_id))
    revoked = town.good(await lurah.post(f"/sync/devices/{device_id}/revoke"), 200)
    assert revoked["revoked_at"] == "2026-03-02T02:00:00Z"
    town.clock.advance(timedelta(hours=1))
    again = town.good(await lurah.post(f"/sync/devices/{device_id}/revoke"), 200)
    assert again == revoked
    ((kind, subject, data, by),) = noted(town)
    assert (kind, data, by) == ("sync_device.revoked", {"device": str(device_id)}, lurah.actor.account_id)
    assert subject.startswith("lurah.35.75.03.1005")
    with town.house.database.read() as session:
        same = session.get(SyncDevice, (operator.actor.account_id, device_id))
        assert same is not None
        assert same.revoked_at is None, "the same phone under another account is another device"


async def test_only_its_owner_and_an_admin_revoke_a_device(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    device = phone(lurah)
    path, account = f"/sync/devices/{device.id}/revoke", f"?account={lurah.actor.account_id}"
    put(town, device)
    for who in (town.operator("Bakalan"), town.camat("Bugul Kidul"), town.monitor, town.admin):
        assert refusal(await who.post(path)) == (404, "sync_device_not_found")
    for who in (town.operator("Bakalan"), town.camat("Bugul Kidul"), town.monitor):
        assert refusal(await who.post(path + account)) == (403, "not_permitted")
    assert refusal(await town.admin.post(f"{path}?account={new_id()}")) == (404, "sync_device_not_found")
    assert refusal(await lurah.post(f"/sync/devices/{new_id()}/revoke")) == (404, "sync_device_not_found")
    assert noted(town) == []
    assert town.good(await town.admin.post(path + account), 200)["revoked_at"]
    ((_, subject, _, by),) = noted(town)
    assert (subject.startswith("lurah."), by) == (True, town.admin.actor.account_id)


def test_a_revoked_device_is_told_what_to_do() -> None:
    said = DeviceRevoked().body("en")
    assert (said["status"], said["code"]) == (403, "device_revoked")
    assert "erase" in said["title"]
