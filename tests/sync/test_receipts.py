"""Taking note: by the kecamatan only, never beyond what its own post was delivered, and never back."""

from typing import Any

import pytest
from httpx import Response

from tests.sync.rows import delivered, put
from tests.sync.statements import heard
from tests.town import Someone, Town

BAKALAN, OTHER, GENTONG = "35.75.03.1005", "35.75.03.1009", "35.75.01.1002"


async def take_note(who: Someone, **other: Any) -> Response:
    return await who.post("/sync/receipts", {"receipts": {BAKALAN: 1}} | other)


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


async def acknowledged(town: Town) -> dict[str, int]:
    board = town.good(await town.monitor.get("/sync/board"), 200)
    return {row["area"]: row["acknowledged"] for row in board["items"] if row["acknowledged"]}


async def test_a_receipt_moves_forward_and_never_back(town: Town) -> None:
    camat, staff = town.camat("Bugul Kidul"), town.staff("Bugul Kidul")
    put(town, *(delivered(who, log, 57) for who in (camat, staff) for log in (BAKALAN, OTHER)))
    first = town.good(await take_note(camat, receipts={OTHER: 3, BAKALAN: 50}), 200)
    assert first["items"] == [
        {"log": log, "position": position, "at": "2026-03-02T02:00:00Z", "post": "camat:35.75.03"}
        for log, position in ((BAKALAN, 50), (OTHER, 3))
    ]
    later = town.good(await take_note(staff, receipts={BAKALAN: 49, OTHER: 57}), 200)
    assert [(each["position"], each["post"]) for each in later["items"]] == [
        (50, "camat:35.75.03"),
        (57, "staff:35.75.03"),
    ]
    assert await acknowledged(town) == {BAKALAN: 50, OTHER: 57}


async def test_nobody_takes_note_of_what_their_post_was_not_delivered(town: Town) -> None:
    camat, staff = town.camat("Bugul Kidul"), town.staff("Bugul Kidul")
    put(town, delivered(camat, BAKALAN, 57), delivered(staff, BAKALAN, 60), delivered(camat, GENTONG, 9))
    for receipts in ({BAKALAN: 58}, {BAKALAN: 57, OTHER: 1}, {BAKALAN: 57, OTHER: 0}, {"35.75.03": 0}):
        answer = await take_note(camat, receipts=receipts)
        assert refusal(answer) == (409, "receipt_ahead")
        assert answer.json()["delivered"] == ({} if BAKALAN not in receipts else {BAKALAN: 57})
    put(town, delivered(camat, OTHER, 60), delivered(staff, OTHER, 57))
    assert refusal(await take_note(staff, receipts={OTHER: 58})) == (409, "receipt_ahead")
    assert await acknowledged(town) == {}, "the whole call or nothing"
    town.good(await take_note(camat, receipts={BAKALAN: 57}), 200)
    assert await acknowledged(town) == {BAKALAN: 57}


async def test_only_the_kecamatan_of_the_log_takes_note(town: Town, subtests: pytest.Subtests) -> None:
    other = town.camat("Gadingrejo")
    nobody = [town.lurah("Bakalan"), town.operator("Bakalan"), town.monitor, town.mayor, town.admin]
    nobody += [town.officer("PUPR"), town.head("PUPR")]
    put(town, *(delivered(who, BAKALAN, 57) for who in (*nobody, other, town.camat("Bugul Kidul"))))
    for who in nobody:
        with subtests.test(who.actor.view):
            assert refusal(await take_note(who)) == (403, "not_permitted")
    assert refusal(await take_note(other)) == (403, "outside_scope")
    both = await take_note(town.camat("Bugul Kidul"), receipts={BAKALAN: 1, GENTONG: 1})
    assert refusal(both) == (403, "outside_scope")
    assert await acknowledged(town) == {}


@pytest.mark.parametrize(
    "receipts", [{}, {BAKALAN: -1}, {BAKALAN: 2**31}, {"Bakalan": 1}, {BAKALAN: "satu"}, [BAKALAN]]
)
async def test_what_is_no_receipt_is_refused(town: Town, receipts: Any) -> None:
    assert refusal(await take_note(town.camat("Bugul Kidul"), receipts=receipts)) == (422, "invalid_request")


async def test_many_logs_cost_as_many_statements_as_one(town: Town) -> None:
    camat = town.camat("Bugul Kidul")
    board = town.good(await camat.get("/sync/board"), 200)
    logs = [row["area"] for row in board["items"]]
    assert len(logs) > 5
    put(town, *(delivered(camat, log, 57) for log in logs))
    counts = []
    for receipts in ({BAKALAN: 1}, dict.fromkeys(logs, 2)):
        with heard(town.house.database.engine) as asked:
            answer = town.good(await take_note(camat, receipts=receipts), 200)
        assert len(answer["items"]) == len(receipts)
        counts.append(len([each for each in asked if not each[0].startswith("BEGIN")]))
    assert counts[0] == counts[1] <= 5


async def test_the_same_request_again_is_answered_as_the_first_time(town: Town) -> None:
    camat = town.camat("Bugul Kidul")
    put(town, delivered(camat, BAKALAN, 57))
    said = {"receipts": {BAKALAN: 5}}
    first = await camat.post("/sync/receipts", said, headers={"Idempotency-Key": "catat-1"})
    again = await camat.post("/sync/receipts", said, headers={"Idempotency-Key": "catat-1"})
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
