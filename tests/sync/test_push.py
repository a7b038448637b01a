"""Push: each operation once, through the one write path; a refused one harms no other and is never lost."""

import gzip
import json
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from app.journal.models import Entry
from app.kit.ids import new_id
from app.sync.models import Proposal, Quarantined, SyncOperation
from app.sync.schemas import PushOut
from tests.house.test_remembering import statements_of
from tests.sync.test_pull import BAKALAN, device, pull
from tests.town import Someone, Town

PHONE = "0190a0a0-0000-7000-8000-000000000001"


class Phone:
    """A phone as thin as can be: it sends what it is told to."""

    def __init__(self, who: Someone, device_id: str = PHONE) -> None:
        self.who = who
        self.device = device(id=device_id)
        self.last_accepted = 0

    def operation(self, problem: Any, verb: str, base: int = 0, **data: Any) -> dict[str, Any]:
        return {
            "id": str(new_id()),
            "problem": problem if isinstance(problem, str) else problem["id"],
            "verb": verb,
            "post": str(self.who.actor.post_id),
            "base": base,
            "at": "2026-03-01T23:00:00Z",
            "data": data,
        }

    def report(self, area: str = "Bakalan", **other: Any) -> dict[str, Any]:
        return self.operation(str(new_id()), "report", **self.who.town.problem(area, **other))

    async def send(self, *operations: dict[str, Any], **other: Any) -> dict[str, Any]:
        body = {"device": self.device, "last_accepted": self.last_accepted, "operations": operations} | other
        answer = self.who.town.good(await self.who.post("/sync/push", body), 200)
        PushOut.model_validate({**answer, "pull": None})
        self.last_accepted = answer["device"]["accepted"]
        return answer

    async def outcomes(self, *operations: dict[str, Any]) -> list[str]:
        return [each["outcome"] for each in (await self.send(*operations))["outcomes"]]


async def count(town: Town, table: Any) -> int:
    with town.house.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


async def test_three_days_of_work_arrive_in_one_round_trip(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    reports = [phone.report(title=f"Lampu jalan nomor {number} padam") for number in range(5)]
    remarks = [phone.operation(each["problem"], "comment", 1, text="Sudah dicek.") for each in reports]
    answer = await phone.send(*reports, *remarks, pull={"device": phone.device})
    assert [each["outcome"] for each in answer["outcomes"]] == ["applied"] * 10
    assert [each["number"] for each in answer["outcomes"]] == list(range(1, 11))
    assert {each["id"] for each in answer["pull"]["documents"]} == {each["problem"] for each in reports}
    assert {each["comments"] for each in answer["pull"]["documents"]} == {1}
    with town.house.database.read() as session:
        moments = session.scalars(select(col(Entry.happened_at))).all()
    assert {str(each) for each in moments} == {"2026-03-01 23:00:00+00:00"}


async def test_sent_again_it_has_effect_once(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    report = phone.report()
    first = await phone.send(report)
    entries = await count(town, Entry)
    again = await phone.send(report, report)
    assert [each["replayed"] for each in again["outcomes"]] == [True, True]
    assert [each | {"replayed": False} for each in again["outcomes"]] == first["outcomes"] * 2
    assert await count(town, Entry) == entries
    assert again["device"]["accepted"] == 1


async def test_an_id_with_another_body_is_refused(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    report = phone.report()
    await phone.send(report)
    changed = report | {"data": report["data"] | {"title": "Lain sekali judulnya"}}
    (outcome,) = (await phone.send(changed))["outcomes"]
    assert (outcome["outcome"], outcome["refusal"]["code"], outcome["number"]) == ("refused", "id_reused", None)
    stranger = Phone(town.operator("Kepel"))
    (outcome,) = (await stranger.send(report))["outcomes"]
    assert outcome["refusal"]["code"] == "id_reused"
    twice = phone.report()
    outcomes = (await phone.send(twice, twice | {"base": 7}))["outcomes"]
    assert [each["outcome"] for each in outcomes] == ["applied", "refused"]
    assert await count(town, SyncOperation) == 2


async def test_one_bad_operation_harms_no_other(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    good, other = phone.report(), phone.report()
    bad = phone.report(category="tidak-ada")
    garbled = phone.operation(good["problem"], "terbang", 1)
    nowhere = phone.operation(str(new_id()), "comment", 1, text="Halo?")
    answer = await phone.send(good, bad, garbled, nowhere, other)
    assert [each["outcome"] for each in answer["outcomes"]] == ["applied", "refused", "refused", "refused", "applied"]
    codes = [each["refusal"]["code"] for each in answer["outcomes"] if each["refusal"]]
    assert codes == ["unknown_code", "invalid_request", "problem_not_found"]
    with town.house.database.read() as session:
        kept = session.scalars(select(Quarantined).order_by(col(Quarantined.id))).all()
    assert [(each.verb, each.log) for each in kept] == [
        ("report", BAKALAN),
        ("terbang", BAKALAN),
        ("comment", BAKALAN),
    ]
    assert kept[0].data["category"] == "tidak-ada"


async def test_what_counts_on_a_refused_step_is_held(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    bad = phone.report(category="tidak-ada")
    behind = phone.operation(bad["problem"], "withdraw", 1, reason="Salah catat.")
    remark = phone.operation(bad["problem"], "comment", 1, text="Sudah dicek.")
    assert await phone.outcomes(bad, behind, remark) == ["refused", "held", "held"]
    assert await phone.outcomes(behind, remark) == ["held", "held"], "judged anew, and still behind it"
    assert phone.last_accepted == 1


async def test_a_remark_waits_for_no_step(town: Town) -> None:
    operator, phone = town.operator("Bakalan"), Phone(town.operator("Bakalan"))
    problem = await operator.report()
    step = phone.operation(problem, "accept", 1)
    edit = phone.operation(problem, "edit", 1, title="Judul yang lebih tepat")
    remark = phone.operation(problem, "comment", 1, text="Sudah dicek.")
    assert await phone.outcomes(step, edit, remark) == ["refused", "held", "applied"]


async def test_disjoint_fields_merge_equal_ones_need_nothing_and_others_become_a_proposal(town: Town) -> None:
    operator, lurah = town.operator("Bakalan"), town.lurah("Bakalan")
    phone = Phone(operator)
    problem = await operator.report()
    await lurah.town.speak(lurah, "PATCH", f"/problems/{problem['id']}", json={"title": "Saluran mampet", "rt": "002"})
    outcomes = (
        await phone.send(
            phone.operation(problem, "edit", 1, rw="005"),
            phone.operation(problem, "edit", 1, title="Saluran mampet"),
            phone.operation(problem, "edit", 1, title="Got buntu total", landmark="Musala"),
        )
    )["outcomes"]
    assert [each["outcome"] for each in outcomes] == ["merged", "applied", "proposed"]
    now = await lurah.see(problem)
    assert (now["title"], now["rt"], now["rw"], now["landmark"]) == ("Saluran mampet", "002", "005", "Musala")
    with town.house.database.read() as session:
        (kept,) = session.scalars(select(Proposal)).all()
    assert (kept.yours, kept.base, kept.log) == ({"title": "Got buntu total"}, 1, BAKALAN)
    assert outcomes[2]["proposal"] == outcomes[2]["id"]
    history = town.good(await lurah.get(f"/problems/{problem['id']}/history"), 200)["items"]
    assert [each["kind"] for each in history] == ["reported", "edited", "edited", "edited", "proposal_made"]


async def test_ones_own_later_change_is_no_conflict(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    report = phone.report()
    edits = [phone.operation(report["problem"], "edit", 1, title=f"Judul nomor {each}") for each in range(2)]
    assert await phone.outcomes(report, *edits) == ["applied"] * 3


async def test_a_post_that_is_no_longer_held_may_still_comment_on_its_own_report(town: Town) -> None:
    operator, phone = town.operator("Bakalan"), Phone(town.operator("Bakalan"))
    problem, other = await operator.report(), await town.lurah("Bakalan").report()
    ended = await town.client.post(
        f"/api/v1/admin/posts/{operator.actor.post_id}/end", json={}, headers=town.admin.headers
    )
    assert ended.status_code == 200, ended.text
    outcomes = (
        await phone.send(
            phone.operation(problem, "comment", 1, text="Masih banjir."),
            phone.operation(other, "comment", 1, text="Ini juga."),
            phone.report(),
            pull={"device": phone.device},
        )
    )["outcomes"]
    assert [each["outcome"] for each in outcomes] == ["applied", "refused", "refused"]
    assert {each["refusal"]["code"] for each in outcomes[1:]} == {"post_not_held"}


async def test_an_author_may_comment_wherever_the_report_has_moved(town: Town) -> None:
    operator, phone = town.operator("Bakalan"), Phone(town.operator("Bakalan"))
    problem, other = await operator.report(), await town.lurah("Bakalan").report()
    await town.lurah("Bakalan").step(problem, "forward")
    for each in (problem, other):
        move = {"area": town.kelurahan("Krampyangan"), "reason": "Letaknya di sana."}
        await town.camat("Bugul Kidul").step(each, "move", **move)
    remarks = [phone.operation(each, "comment", 1, text="Sudah dicek.") for each in (problem, other)]
    assert await phone.outcomes(*remarks) == ["applied", "refused"]
    edit = phone.operation(problem, "edit", 1, rt="002")
    nobodys = phone.operation(problem, "comment", 1, text="Sudah dicek.") | {"post": str(new_id())}
    outcomes = (await phone.send(edit, nobodys))["outcomes"]
    assert [each["refusal"]["code"] for each in outcomes] == ["problem_not_found", "post_not_held"]


async def test_a_post_that_never_was_harms_no_other(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    never = phone.report() | {"post": str(new_id())}
    assert await phone.outcomes(never, phone.report()) == ["refused", "applied"]


@pytest.mark.parametrize("sent_at", ["0016-01-01T09:38:15Z", "9999-12-31T23:59:59Z"])
async def test_a_clock_of_another_age_is_told_so(town: Town, sent_at: str) -> None:
    phone = Phone(town.operator("Bakalan"))
    phone.device["sent_at"] = sent_at
    answer = await phone.send(phone.report(), pull={"device": phone.device})
    assert (answer["device"]["clock_wrong"], answer["pull"]["device"]["clock_wrong"]) == (True, True)


@pytest.mark.parametrize("area", ["a\ud800b", "a\x00b", "35.75.99.9999", "", 7])
async def test_no_area_is_too_strange_to_be_refused(town: Town, area: Any) -> None:
    phone = Phone(town.operator("Bakalan"))
    strange, good = phone.report(), phone.report()
    strange["data"]["area"] = area
    body = json.dumps({"device": phone.device, "operations": [strange, good]})
    headers = phone.who.headers | {"Content-Type": "application/json"}
    answer = await town.client.post("/api/v1/sync/push", content=body, headers=headers)
    assert [each["outcome"] for each in town.good(answer, 200)["outcomes"]] == ["refused", "applied"]
    with town.house.database.read() as session:
        assert session.scalars(select(col(Quarantined.log))).all() == [BAKALAN]


async def test_the_longest_verb_is_kept(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    strange = phone.operation(str(new_id()), "x" * 40) | {"assignment": str(new_id())}
    assert await phone.outcomes(strange) == ["refused"]


async def test_a_comment_that_came_online_before_harms_nobody(town: Town) -> None:
    operator, phone = town.operator("Bakalan"), Phone(town.operator("Bakalan"))
    problem = await operator.report()
    remark = phone.operation(problem, "comment", 1, text="Sudah dicek.")
    online = {"id": remark["id"], "text": "Sudah dicek."}
    town.good(await operator.post(f"/problems/{problem['id']}/comments", online), 201)
    assert await phone.outcomes(remark, phone.report()) == ["refused", "applied"]


async def test_a_photo_that_waits_behind_one_report_is_free_for_another(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    wrong, right = phone.report(category="tidak-ada"), phone.report()
    photo = {"photo": str(new_id()), "sha256": "cd" * 32, "size": 1_000}
    first, second = (phone.operation(each["problem"], "attach", 1, **photo) for each in (wrong, right))
    assert await phone.outcomes(wrong, first, right, second) == ["refused", "held", "applied", "applied"]


async def test_what_is_held_still_waits(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    wrong = phone.report(category="tidak-ada")
    behind = phone.operation(wrong["problem"], "withdraw", 1, reason="Salah catat.")
    await phone.send(wrong, behind, pull={"device": phone.device})
    (known,) = town.good(await phone.who.get("/sync/devices"), 200)["items"]
    assert (known["waiting"], known["waiting_since"]) == (1, "2026-03-01T23:00:00Z")


async def test_a_report_that_is_known_already_holds_nothing_up(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    report = phone.report()
    twice = phone.operation(report["problem"], "report", **report["data"])
    assert await phone.outcomes(report, twice) == ["applied", "refused"]
    assert await phone.outcomes(phone.operation(report["problem"], "edit", 1, rt="001")) == ["applied"]


async def test_a_server_that_was_set_back_says_how_far_it_knows(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    await phone.send(phone.report())
    phone.last_accepted = 5
    response = await phone.who.post(
        "/sync/push", {"device": phone.device, "last_accepted": 5, "operations": [phone.report()]}
    )
    assert response.status_code == 409
    assert (response.json()["code"], response.json()["accepted"]) == ("server_rewound", 1)
    assert await count(town, SyncOperation) == 1


async def test_a_server_without_the_last_operation_says_that_it_was_set_back(town: Town) -> None:
    """Its numbers may be as high as before: a copy of the phone was given them since."""
    phone, other = Phone(town.operator("Bakalan")), Phone(town.operator("Krampyangan"))
    kept, report, foreign = phone.report(), phone.report(), other.report()
    await phone.send(kept)
    await other.send(foreign)
    for unknown in (str(new_id()), foreign["id"]):
        device = phone.device | {"last_operation": unknown}
        body = {"device": device, "last_accepted": 1, "operations": [report]}
        response = await phone.who.post("/sync/push", body)
        assert (response.status_code, response.json()["code"], response.json()["accepted"]) == (
            409,
            "server_rewound",
            1,
        )
        pulled = await phone.who.post("/sync/pull", {"device": device})
        assert pulled.json()["device"]["rewound"]
    assert await count(town, SyncOperation) == 2

    device = phone.device | {"last_operation": kept["id"]}
    pulled = await phone.who.post("/sync/pull", {"device": device})
    assert not pulled.json()["device"]["rewound"]
    response = await phone.who.post("/sync/push", body | {"device": device})
    assert [each["outcome"] for each in response.json()["outcomes"]] == ["applied"]


async def test_a_schema_from_the_future_loses_nothing(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    phone.device["schema"] = 7
    response = await phone.who.post("/sync/push", {"device": phone.device, "operations": [phone.report()]})
    assert (response.status_code, response.json()["code"]) == (409, "schema_unknown")
    assert await count(town, Entry) == 0


async def test_501_operations_are_too_many(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    operations = [phone.operation(str(new_id()), "forward") for _ in range(501)]
    response = await phone.who.post("/sync/push", {"device": phone.device, "operations": operations})
    assert response.status_code == 422
    assert await count(town, SyncOperation) == 0


async def test_a_packed_batch_is_taken_and_a_packed_answer_given(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    body = {"device": phone.device, "operations": [phone.report()], "pull": {"device": phone.device}}
    response = await town.client.post(
        "/api/v1/sync/push",
        content=gzip.compress(json.dumps(body).encode()),
        headers=phone.who.headers | {"Content-Encoding": "gzip", "Content-Type": "application/json"},
    )
    assert response.status_code == 200, response.text
    assert response.headers["content-encoding"] == "gzip"
    assert len(response.json()["pull"]["documents"]) == 1


async def test_a_revoked_device_is_told_to_erase(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    await phone.send(phone.report())
    revoked = await phone.who.post(f"/sync/devices/{PHONE}/revoke", {})
    assert revoked.status_code == 200, revoked.text
    for path, body in (
        ("push", {"device": phone.device, "operations": [phone.report()]}),
        ("pull", {"device": phone.device}),
    ):
        response = await phone.who.post(f"/sync/{path}", body)
        assert (response.status_code, response.json()["code"]) == (403, "device_revoked")
    assert await count(town, SyncOperation) == 1


async def test_a_photo_may_be_named_before_its_bytes_come(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    report, photo = phone.report(), str(new_id())
    attach = phone.operation(report["problem"], "attach", 1, photo=photo, sha256="ab" * 32, size=12_345)
    again = phone.operation(report["problem"], "attach", 1, photo=photo, sha256="ab" * 32, size=12_345)
    assert await phone.outcomes(report, attach, again) == ["applied", "applied", "refused"]
    answer = await pull(phone.who)
    assert answer["documents"][0]["photos"] == [photo]
    picture = await phone.who.get(f"/problems/{report['problem']}/photos/{photo}")
    assert (picture.status_code, picture.json()["code"]) == (404, "photo_awaited")


@pytest.mark.parametrize("size", [1, 40])
async def test_statements_do_not_grow_with_the_batch(town: Town, size: int) -> None:
    phone = Phone(town.operator("Bakalan"))
    await phone.send(phone.report())
    reports = [phone.report() for _ in range(size)]
    edits = [phone.operation(each["problem"], "edit", 1, rt="001") for each in reports]
    sent = statements_of(town.house)
    answer = await phone.send(*reports, *edits)
    assert {each["outcome"] for each in answer["outcomes"]} == {"applied"}
    assert len(sent) <= 17, sent
