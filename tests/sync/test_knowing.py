"""From a phone's pull to the board: who has what, as both sides come to know it through the real exchange."""

from typing import Any
from uuid import UUID

from app.kit.ids import new_id
from app.sync.actions.silence import note_silence
from app.sync.queries.packs import pack_etags
from tests.sync.test_board import BAKALAN, at, row_of
from tests.town import CITY, Someone, Town


async def pull(who: Someone, phone: UUID, status: int = 200, **other: Any) -> dict[str, Any]:
    device = {"id": str(phone), "name": "HP kantor"} | other.pop("device", {})
    return who.town.good(await who.post("/sync/pull", {"device": device} | other), status)


async def test_both_sides_come_to_know_the_same(town: Town) -> None:
    lurah, camat, staff = town.lurah("Bakalan"), town.camat("Bugul Kidul"), town.staff("Bugul Kidul")
    problem = await lurah.report()
    assert (await row_of(camat))["standing"] == "never"
    holding = {"waiting": 2, "waiting_since": "2026-03-01T01:00:00Z"}
    lurahs_phone = new_id()
    await pull(lurah, lurahs_phone, device=holding)
    row = await row_of(camat)
    assert (row["standing"], row["devices"], row["waiting"], row["behind"]) == ("unsent", 1, 2, problem["position"])
    assert row["waiting_since"] == holding["waiting_since"]
    await pull(lurah, lurahs_phone)
    assert (await row_of(camat))["standing"] == "behind"

    phone = new_id()
    first = await pull(camat, phone)
    receipts = {"receipts": {BAKALAN: problem["position"]}}
    assert (await camat.post("/sync/receipts", receipts)).status_code == 409, "sent is not delivered"
    await pull(camat, phone, after=first["after"])
    row = await row_of(camat)
    assert (row["standing"], row["delivered"], row["acknowledged"]) == ("in_sync", problem["position"], 0)
    assert (await staff.post("/sync/receipts", receipts)).status_code == 409, "delivered to another post"
    town.good(await camat.post("/sync/receipts", receipts), 200)
    beyond = {"receipts": {BAKALAN: problem["position"] + 1}}
    assert (await camat.post("/sync/receipts", beyond)).json()["code"] == "receipt_ahead"
    assert (await row_of(lurah))["acknowledged"] == problem["position"]
    with town.house.database.read() as session:
        assert first["reference"] == pack_etags(session, CITY, town.today())


async def test_a_cursor_stands_on_the_fact_that_notes_silence(town: Town) -> None:
    lurah, camat = town.lurah("Bakalan"), town.camat("Bugul Kidul")
    lurahs_phone, phone = new_id(), new_id()
    await lurah.report()
    await pull(lurah, lurahs_phone)
    held = (await pull(camat, phone))["after"]
    town.clock.now = at("2026-03-06T09:00")
    assert note_silence(town.house) == 1
    noticed = await pull(camat, phone, after=held)
    assert (noticed["documents"], noticed["resync"], noticed["more"]) == ([], {}, False)
    head = (await row_of(camat))["head"]
    assert noticed["after"][BAKALAN].startswith(f"{head}.")
    later = await pull(camat, phone, after=held | noticed["after"])
    assert (later["documents"], later["resync"]) == ([], {})
    assert (await row_of(camat))["behind"] == 0
    await pull(lurah, lurahs_phone)
    assert note_silence(town.house) == 1
    assert (await row_of(camat))["standing"] == "behind"


async def test_a_revoked_phone_is_told_to_erase_and_counts_no_more(town: Town) -> None:
    lurah, phone = town.lurah("Bakalan"), new_id()
    await pull(lurah, phone)
    town.good(await lurah.post(f"/sync/devices/{phone}/revoke"), 200)
    assert (await pull(lurah, phone, 403))["code"] == "device_revoked"
    assert (await row_of(lurah))["standing"] == "never"
    (listed,) = town.good(await lurah.get("/sync/devices"), 200)["items"]
    assert listed["revoked_at"] is not None
    await pull(lurah, new_id())
    assert (await row_of(lurah))["devices"] == 1
