"""Phones that are odd but not wrong: clocks of another age, several posts, only ever pushing, large words."""

import json
from typing import Any

import pytest
from sqlalchemy import insert

from app.kit.ids import new_id
from app.people.models import Post
from app.sync.actions.push import _Batch
from app.sync.actions.silence import note_silence
from app.sync.models import SyncDevice
from tests.sync.test_push import Phone
from tests.town import SINCE, Someone, Town

FAR = ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]
JSON = {"Content-Type": "application/json"}


async def standing(town: Town) -> dict[str, str]:
    rows = town.good(await town.camat("Bugul Kidul").get("/sync/board"), 200)["items"]
    return {row["area_name"]: row["standing"] for row in rows}


def second_post(town: Town, who: Someone, kelurahan: str) -> str:
    """Acting lurah of another kelurahan as well."""
    post = {
        "id": new_id(),
        "account_id": who.actor.account_id,
        "kind": "lurah",
        "area_code": town.kelurahan(kelurahan),
        "acting": True,
        "since": SINCE,
    }
    with town.house.database.write() as session:
        session.connection().execute(insert(Post).values(post))
    return str(post["id"])


@pytest.mark.parametrize("moment", FAR)
async def test_a_clock_of_another_age_breaks_nobodys_page(town: Town, moment: str) -> None:
    phone, lurah, camat = Phone(town.operator("Bakalan")), town.lurah("Bakalan"), town.camat("Bugul Kidul")
    far = phone.device | {"waiting": 1, "waiting_since": moment}
    town.good(await phone.who.post("/sync/pull", {"device": far}), 200)
    good, bad = phone.report() | {"at": moment}, phone.report(category="tidak-ada") | {"at": moment}
    phone.device = far
    assert await phone.outcomes(good, bad) == ["applied", "refused"]
    town.good(await phone.who.post("/sync/pull", {"device": far, "detail": True}), 200)
    for who, path in (
        (camat, "/sync/board"),
        (camat, "/sync/devices?area=35.75.03"),
        (phone.who, "/sync/devices"),
        (lurah, "/sync/quarantine"),
        (lurah, f"/problems/{good['problem']}/history"),
    ):
        town.good(await who.get(path), 200)
    assert (await camat.get("/sync/board.csv")).status_code == 200
    note_silence(town.house)
    dismissed = await lurah.post(f"/sync/quarantine/{bad['id']}/dismiss", {"reason": "Jam telepon salah."})
    town.good(dismissed, 200)


async def test_a_post_may_be_held_to_the_end_of_time(town: Town) -> None:
    post = town.operator("Bakalan").actor.post_id
    town.good(await town.admin.post(f"/admin/posts/{post}/end", {"until": FAR[0]}), 200)
    town.good(await town.operator("Bakalan").get("/me"), 200)


async def test_a_phone_that_only_pushes_has_spoken(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    assert (await standing(town))["Bakalan"] == "never"
    await phone.send(phone.report())
    assert (await standing(town))["Bakalan"] == "behind"
    (device,) = town.good(await town.camat("Bugul Kidul").get("/sync/devices?area=35.75.03"), 200)["items"]
    assert device["area"] == town.kelurahan("Bakalan")


async def test_one_phone_of_two_posts_speaks_for_both(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    second, phone = second_post(town, lurah, "Kepel"), Phone(lurah)
    for post in (str(lurah.actor.post_id), second):
        town.good(await lurah.post("/sync/pull", {"device": phone.device}, headers={"X-Post": post}), 200)
    said = await standing(town)
    assert (said["Bakalan"], said["Kepel"]) == ("in_sync", "in_sync")


async def test_a_phone_that_holds_nothing_has_held_it_since_never(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    device = phone.device | {"waiting": 0, "waiting_since": "2026-01-01T00:00:00Z"}
    town.good(await phone.who.post("/sync/pull", {"device": device}), 200)
    (known,) = town.good(await phone.who.get("/sync/devices"), 200)["items"]
    assert (known["waiting"], known["waiting_since"]) == (0, None)


async def test_as_many_as_can_be_counted_may_wait(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    bad = phone.report(category="tidak-ada")
    behind = phone.operation(bad["problem"], "withdraw", 1, reason="Salah catat.")
    phone.device["waiting"] = 2**31 - 1
    assert await phone.outcomes(bad, behind) == ["refused", "held"]


async def test_what_is_held_is_counted_also_one_by_one(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = Phone(town.operator("Bakalan"))
    bad, good = phone.report(category="tidak-ada"), phone.report()
    held = [phone.operation(bad["problem"], "withdraw", 1, reason="Salah catat.") for _ in range(2)]
    whole = _Batch._done

    def only_one(batch: _Batch, new: Any, device: SyncDevice) -> Any:
        if len(new) > 1:
            raise RuntimeError("nobody foresaw this")
        return whole(batch, new, device)

    monkeypatch.setattr(_Batch, "_done", only_one)
    assert await phone.outcomes(bad, *held, good) == ["refused", "held", "held", "applied"]
    (device,) = town.good(await phone.who.get("/sync/devices"), 200)["items"]
    assert device["waiting"] == 2


@pytest.mark.parametrize("name", [r"a\u0000b", r"a\ud800b", "x" * 5_000, "", "reporter_sealed"])
async def test_a_member_of_an_odd_name_spoils_its_operation_alone(town: Town, name: str) -> None:
    phone = Phone(town.operator("Bakalan"))
    said = {"device": phone.device, "operations": [phone.report(kunci=1), phone.report()]}
    body = json.dumps(said).replace("kunci", name)
    answer = town.good(await phone.who.post("/sync/push", content=body, headers=JSON), 200)
    assert [each["outcome"] for each in answer["outcomes"]] == ["refused", "applied"]
    assert answer["outcomes"][0]["refusal"]["code"] == "invalid_request"
    town.good(await town.lurah("Bakalan").get("/sync/quarantine"), 200)


async def test_a_page_is_bounded_by_bytes_whatever_the_letters(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    await phone.send(*(phone.report(description="\N{POTABLE WATER SYMBOL}" * 1_900) for _ in range(30)))
    plain = {"Accept-Encoding": "identity"}
    answer = await phone.who.post("/sync/pull", {"device": phone.device, "max_bytes": 20_000}, headers=plain)
    page = town.good(answer, 200)
    assert page["more"]
    assert len(answer.content) < 20_000 + 10_000  # the row with which it is full, and what stands beside the documents


async def test_a_photo_that_can_never_come_is_not_awaited(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    report = phone.report()
    size = town.house.settings.max_photo_bytes
    attached = [
        phone.operation(report["problem"], "attach", 1, photo=str(new_id()), sha256=letter * 64, size=size + more)
        for letter, more in (("0", 1), ("1", 0))
    ]
    answer = await phone.send(report, *attached)
    assert [each["outcome"] for each in answer["outcomes"]] == ["applied", "refused", "applied"]
    assert answer["outcomes"][1]["refusal"]["code"] == "photo_too_large"


# -- adopting --------------------------------------------------------------------------------------------------------


async def test_adopting_a_comment_that_is_there_is_refused(town: Town) -> None:
    operator, phone = town.operator("Bakalan"), Phone(town.operator("Bakalan"))
    problem = await operator.report()
    remark = phone.operation(problem, "comment", 1, text="Sudah dicek.")
    online = {"id": remark["id"], "text": "Sudah dicek."}
    town.good(await operator.post(f"/problems/{problem['id']}/comments", online), 201)
    assert await phone.outcomes(remark) == ["refused"]
    answer = await town.lurah("Bakalan").post(f"/sync/quarantine/{remark['id']}/adopt", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "id_reused")


async def test_nobody_is_told_to_have_said_anothers_words(town: Town) -> None:
    operator, phone = town.operator("Bakalan"), Phone(town.lurah("Bakalan"))
    problem = await operator.report()
    remark = phone.operation(problem, "comment", 1, text="Hanya untuk kita.", internal=True, warna="biru")
    assert await phone.outcomes(remark) == ["refused"]
    words = {"data": {"text": "Pak Lurah setuju."}}
    town.good(await operator.post(f"/sync/quarantine/{remark['id']}/adopt", words), 200)
    history = town.good(await operator.get(f"/problems/{problem['id']}/history"), 200)["items"]
    (said,) = [each for each in history if each["kind"] == "commented"]
    assert said["by"]["on_behalf_of"] is None
    (comment,) = town.good(await operator.get(f"/problems/{problem['id']}/comments"), 200)["items"]
    assert comment["internal"], "an internal remark stays one, whoever words it anew"
