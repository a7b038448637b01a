"""Pull: documents as the database renders them, cursors that notice what they stand on, one snapshot."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.kit.ids import new_id
from app.problems import policy
from app.problems.models import ProblemRow, Sight
from app.sync.actions.sweeping import sweep_gone
from app.sync.schemas import PullOut
from tests.house.test_remembering import statements_of
from tests.problems.situations import Stage
from tests.town import Someone, Town

BAKALAN = "35.75.03.1005"


def device(**other: Any) -> dict[str, Any]:
    return {"id": str(new_id()), "name": "HP lapangan", "schema": 1} | other


async def pull(who: Someone, after: dict[str, str] | None = None, **other: Any) -> dict[str, Any]:
    """One page; asserts that it is of the shape that is promised."""
    body = {"device": device(), "after": after or {}} | other
    response = await who.post("/sync/pull", body)
    answer = who.town.good(response, 200)
    PullOut.model_validate(answer | {"from_": answer["from"]}, by_name=True)
    return answer


def versions(answer: dict[str, Any]) -> dict[str, int]:
    return {each["id"]: each["version"] for each in answer["documents"]}


async def test_a_first_pull_brings_what_the_post_sees(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem = await lurah.report(point={"lat": -7.6716281234, "lon": 112.91673}, address="Jl. Musi")
    await town.operator("Bugul Kidul").report("Bugul Kidul")
    answer = await pull(lurah)
    assert answer["scope"] == [BAKALAN]
    assert [each["id"] for each in answer["documents"]] == [problem["id"]]
    (document,) = answer["documents"]
    same = set(problem) & set(document) - {"assignments", "photos", "main"}
    assert len(same) > 25
    assert {name: document[name] for name in same} == {name: problem[name] for name in same}
    assert document["mine"] is True
    assert [each["kind"] for each in document["facts"]] == ["reported"]
    assert not answer["more"]


async def test_a_pull_without_news_is_empty_and_cheap(town: Town) -> None:
    staff = town.staff("Bugul Kidul")
    await town.lurah("Bakalan").report()
    own = device()
    first = await pull(staff, device=own)
    await pull(staff, first["after"], device=own)
    sent = statements_of(town.house)
    again = await pull(staff, first["after"], device=own)
    assert len(sent) <= 4, sent
    assert again["documents"] == again["gone"] == []
    assert again["after"] == {}, "nothing to store"
    assert again["from"] == first["after"]
    assert len(again["scope"]) == 6


READERS = ["lurah", "operator", "colleague", "camat", "staff", "first_monitor", "second_monitor", "mayor"]
READERS += ["officer", "head", "helper", "other_lurah"]


@pytest.mark.parametrize("name", READERS)
async def test_documents_say_what_the_problem_says(stage: Stage, name: str) -> None:
    """Every state there is, each document held against the answer that reads that problem alone."""
    who = stage.callers("submitted")[name]
    documents = {each["id"]: each for each in (await pull(who, limit=1_000))["documents"]}
    seen = 0
    for situation, made in stage.problems.items():
        response = await who.get(f"/problems/{made['id']}")
        assert (made["id"] in documents) == (response.status_code == 200), situation
        if response.status_code == 200:
            seen += 1
            compare(documents[made["id"]], response.json(), situation)
    assert (seen == 0) == (name == "other_lurah")


def compare(document: dict[str, Any], problem: dict[str, Any], situation: str) -> None:
    same = set(problem) & set(document) - {"assignments", "main"}
    assert len(same) > 30
    assert {name: document[name] for name in same} == {name: problem[name] for name in same}, situation
    for part, may, whole in zip(document["assignments"], document["may_parts"], problem["assignments"], strict=True):
        shared = set(part) & set(whole)
        assert len(shared) > 10
        assert {name: part[name] for name in shared} == {name: whole[name] for name in shared}, situation
        assert may == whole["may"], situation


async def test_pages_are_cut_and_read_on_without_loss(town: Town) -> None:
    operators = [town.operator(each) for each in ("Bakalan", "Krampyangan", "Bugul Kidul")]
    made = {(await each.report(each.actor.area_code or ""))["id"] for each in operators for _ in range(4)}
    staff, pages = town.staff("Bugul Kidul"), 0
    after: dict[str, str] = {}
    held: dict[str, int] = {}
    while True:
        answer = await pull(staff, after, limit=5)
        held |= versions(answer)
        after |= answer["after"]
        pages += 1
        assert len(answer["documents"]) <= 5
        if not answer["more"]:
            break
        assert answer["unfinished"]
    assert held.keys() == made
    assert pages == 3
    assert len(after) == 6


async def test_a_page_ends_where_its_bytes_do(town: Town) -> None:
    operator = town.operator("Bakalan")
    for _ in range(3):
        await operator.report(description="Panjang sekali. " * 400)
    answer = await pull(operator, max_bytes=10_000)
    assert len(answer["documents"]) == 2
    assert answer["more"]


async def test_what_moves_away_is_gone_from_the_old_log_and_comes_in_the_new(town: Town) -> None:
    lurah, camat, next_lurah = town.lurah("Bakalan"), town.camat("Bugul Kidul"), town.lurah("Krampyangan")
    problem = await lurah.report()
    here, there, above = await pull(lurah), await pull(next_lurah), await pull(camat)
    await camat.step(problem, "move", area=town.kelurahan("Krampyangan"), reason="Letaknya di sana.")
    left = await pull(lurah, here["after"])
    assert [(each["log"], each["id"]) for each in left["gone"]] == [(BAKALAN, problem["id"])]
    assert left["documents"] == []
    assert [each["id"] for each in (await pull(next_lurah, there["after"]))["documents"]] == [problem["id"]]
    both = await pull(camat, above["after"])
    assert (len(both["documents"]), len(both["gone"])) == (1, 1)
    await camat.step(problem, "move", area=BAKALAN, reason="Ternyata di sini.")
    back = await pull(lurah, left["after"])
    assert ([each["id"] for each in back["documents"]], back["gone"]) == ([problem["id"]], [])
    first = await pull(lurah)
    assert first["gone"] == []


async def test_an_agency_sees_its_own_and_is_told_when_it_is_taken_away(town: Town) -> None:
    lurah, camat, officer = town.lurah("Bakalan"), town.camat("Bugul Kidul"), town.officer("PUPR")
    problem, other = await lurah.report(), await lurah.report()
    for each in (problem, other):
        await camat.step(each, "accept")
    await camat.step(problem, "assign", lead="PUPR")
    await camat.step(other, "assign", lead="DLHKP")
    answer = await pull(officer)
    assert answer["scope"] == [BAKALAN]
    assert versions(answer).keys() == {problem["id"]}
    assert answer["receipts"] == {}
    await lurah.post(f"/problems/{problem['id']}/comments", {"text": "Mohon segera."})
    news = await pull(officer, answer["after"])
    assert news["documents"][0]["comments"] == 1
    await camat.step(problem, "assign", lead="DLHKP")
    gone = await pull(officer, news["after"])
    assert [each["id"] for each in gone["gone"]] == [problem["id"]]
    assert (await pull(officer, gone["after"]))["gone"] == []


@pytest.mark.parametrize("agency", ["PUPR", "DLHKP", "BPBD", "DISHUB"])
async def test_the_sights_are_what_the_policy_shows(stage: Stage, agency: str) -> None:
    officer, now = stage.town.officer(agency).actor, stage.town.clock.now
    problem = (col(ProblemRow.id), col(ProblemRow.area_code), col(ProblemRow.position))
    sight = (col(Sight.problem_id), col(Sight.log), col(Sight.position))
    with stage.town.house.database.read() as session:
        seen = session.execute(select(*problem).where(policy.see.where(officer, now))).all()
        sights = session.execute(select(*sight).where(col(Sight.agency_code) == agency, ~col(Sight.gone))).all()
    assert sorted(map(tuple, seen)) == sorted(map(tuple, sights))
    assert bool(seen) == (agency != "DISHUB")


async def test_internal_remarks_are_neither_counted_nor_told_on_the_other_side(town: Town) -> None:
    lurah, camat, officer = town.lurah("Bakalan"), town.camat("Bugul Kidul"), town.officer("PUPR")
    problem = await lurah.report()
    await camat.step(problem, "accept")
    await camat.step(problem, "assign", lead="PUPR")
    await lurah.post(f"/problems/{problem['id']}/comments", {"text": "Antar kita saja.", "internal": True})
    (ours,), (theirs,) = (await pull(lurah))["documents"], (await pull(officer))["documents"]
    assert (ours["comments"], theirs["comments"]) == (1, 0)
    assert "commented" not in {each["kind"] for each in theirs["facts"]}
    detailed = await pull(officer, detail=True)
    assert detailed["details"][problem["id"]]["comments"] == []
    assert "commented" not in {each["kind"] for each in detailed["details"][problem["id"]]["history"]}


async def test_detail_brings_what_a_document_leaves_out(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem = await lurah.report()
    photo = await lurah.photo(problem)
    await lurah.post(f"/problems/{problem['id']}/comments", {"text": "Sudah dicek."})
    details = (await pull(lurah, detail=True))["details"][problem["id"]]
    assert [each["kind"] for each in details["history"]] == ["reported", "attached", "commented"]
    assert details["history"][0]["data"]["title"] == problem["title"]
    assert [each["text"] for each in details["comments"]] == ["Sudah dicek."]
    assert [(each["id"], len(each["sha256"])) for each in details["photos"]] == [(photo, 64)]


# -- cursors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "garbled", ["57", "57.zzzzzzzzzzzz", "-1.000000000000", "5 7.000000000000", "9" * 12 + ".0" * 6]
)
async def test_a_garbled_cursor_is_refused(town: Town, garbled: str) -> None:
    response = await town.lurah("Bakalan").post("/sync/pull", {"device": device(), "after": {BAKALAN: garbled}})
    assert response.status_code == 422


async def test_a_forged_cursor_or_one_beyond_the_head_reads_anew(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    await lurah.report()
    true = (await pull(lurah))["after"][BAKALAN]
    position, _, check = true.partition(".")
    for forged in (f"{position}.{'0' * 12}", f"{position}.{'0' * 6}{check[6:]}", f"{int(position) + 9}.{check}"):
        answer = await pull(lurah, {BAKALAN: forged})
        assert answer["resync"] == {BAKALAN: "rewound"}
        assert len(answer["documents"]) == 1
    assert (await pull(lurah, {BAKALAN: f"{position}.{check[:6]}{'0' * 6}"}))["resync"] == {BAKALAN: "view"}


async def test_another_post_reads_anew(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    await lurah.report()
    after = (await pull(lurah))["after"]
    for who in (town.operator("Bakalan"), town.staff("Bugul Kidul")):
        assert (await pull(who, after))["resync"][BAKALAN] == "view"


async def test_a_foreign_log_is_not_answered(town: Town) -> None:
    await town.lurah("Bakalan").report()
    after = (await pull(town.lurah("Bakalan")))["after"]
    answer = await pull(town.lurah("Kepel"), after)
    assert (answer["documents"], answer["scope"]) == ([], [town.kelurahan("Kepel")])
    assert BAKALAN not in answer["after"] | answer["resync"] | answer["receipts"]


async def test_an_admin_has_no_logs(town: Town) -> None:
    await town.lurah("Bakalan").report()
    answer = await pull(town.admin)
    assert (answer["documents"], answer["scope"]) == ([], [])


async def test_swept_marks_raise_the_floor(town: Town) -> None:
    lurah, camat, officer = town.lurah("Bakalan"), town.camat("Bugul Kidul"), town.officer("PUPR")
    kept, moved = await lurah.report(), await lurah.report()
    await camat.step(kept, "accept")
    await camat.step(kept, "assign", lead="PUPR")
    old, agencys = await pull(lurah), await pull(officer)
    await camat.step(moved, "move", area=town.kelurahan("Krampyangan"), reason="Letaknya di sana.")
    new = await pull(lurah, old["after"])
    assert sweep_gone(town.house) == 0
    town.clock.advance(timedelta(days=401))
    assert sweep_gone(town.house) == 1
    assert (await pull(lurah, old["after"]))["resync"] == {BAKALAN: "floor"}
    assert (await pull(lurah, new["after"]))["resync"] == {}
    behind = await pull(officer, agencys["after"])
    assert behind["resync"] == {BAKALAN: "floor"}
    assert (await pull(officer, behind["after"]))["resync"] == {}, "once is enough"


async def test_a_reading_of_many_pages_under_a_floor_comes_to_its_end(town: Town) -> None:
    lurah, camat = town.lurah("Bakalan"), town.camat("Bugul Kidul")
    kept = {(await lurah.report())["id"] for _ in range(4)}
    moved = await lurah.report()
    await camat.step(moved, "move", area=town.kelurahan("Krampyangan"), reason="Letaknya di sana.")
    town.clock.advance(timedelta(days=401))
    assert sweep_gone(town.house) == 1
    after: dict[str, str] = {}
    seen: list[str] = []
    for _ in range(6):
        answer = await pull(lurah, after, limit=1)
        assert answer["resync"] == {}
        seen += versions(answer)
        after |= answer["after"]
        if not answer["more"]:
            break
    assert sorted(seen) == sorted(kept)


async def test_what_ended_long_ago_is_not_sent(town: Town) -> None:
    operator = town.operator("Bakalan")
    problem, other = await operator.report(), await operator.report()
    await operator.step(problem, "withdraw", reason="Salah catat.")
    assert versions(await pull(operator)).keys() == {problem["id"], other["id"]}
    town.clock.advance(timedelta(days=91))
    answer = await pull(operator, digest=True)
    assert versions(answer).keys() == {other["id"]}
    assert answer["digest"] == {BAKALAN: {"live": 1, "versions": 1}}


# -- up to the kecamatan ---------------------------------------------------------------------------------------------


async def test_delivered_is_what_came_back_and_acknowledged_what_a_person_says(town: Town) -> None:
    lurah, staff = town.lurah("Bakalan"), town.staff("Bugul Kidul")
    await lurah.report()
    first = await pull(staff)
    assert (await pull(lurah))["receipts"][BAKALAN] == {"delivered": 0, "acknowledged": 0, "read": []}
    ahead = await staff.post("/sync/receipts", {"receipts": {BAKALAN: 1}})
    assert (ahead.status_code, ahead.json()["code"]) == (409, "receipt_ahead")
    await pull(staff, first["after"])
    assert (await pull(lurah))["receipts"][BAKALAN]["delivered"] == 1
    town.good(await staff.post("/sync/receipts", {"receipts": {BAKALAN: 1}}), 200)
    assert (await pull(lurah))["receipts"][BAKALAN] == {"delivered": 1, "acknowledged": 1, "read": []}
    await lurah.report()
    assert (await pull(lurah))["receipts"][BAKALAN]["delivered"] == 1


async def test_what_the_kecamatan_opens_is_delivered_too(town: Town) -> None:
    lurah, staff = town.lurah("Bakalan"), town.staff("Bugul Kidul")
    problem, _other = await lurah.report(), await lurah.report()
    await lurah.see(problem)
    assert (await pull(lurah))["receipts"][BAKALAN]["read"] == []
    await staff.see(problem)
    assert (await pull(lurah))["receipts"][BAKALAN]["read"] == [problem["id"]]
    await lurah.post(f"/problems/{problem['id']}/comments", {"text": "Masih banjir."})
    assert (await pull(lurah))["receipts"][BAKALAN]["read"] == [], "not as it now stands"


async def test_a_device_tells_of_itself(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    sent_at = (town.clock.now + timedelta(minutes=11)).isoformat()
    answer = await pull(lurah, device=device(sent_at=sent_at, waiting=3, waiting_since="2026-02-27T01:00:00Z"))
    assert (answer["device"]["skew_seconds"], answer["device"]["clock_wrong"]) == (660, True)
    (known,) = town.good(await lurah.get("/sync/devices"), 200)["items"]
    assert (known["waiting"], known["skew_seconds"], known["area"]) == (3, 660, BAKALAN)
