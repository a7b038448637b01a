"""What waits for a person: compared, accepted, adopted or dismissed; each decision a fact, and done once."""

from typing import Any
from uuid import UUID

import pytest

from app.kit.ids import new_id
from app.sync.models import Quarantined
from tests.sync.test_push import Phone
from tests.town import Someone, Town


async def history(who: Someone, problem: Any) -> list[str]:
    told = who.town.good(await who.get(f"/problems/{problem['id']}/history"), 200)
    return [each["kind"] for each in told["items"]]


async def proposed(town: Town) -> tuple[dict[str, Any], str]:
    """A title that the operator wanted otherwise than the lurah made it meanwhile."""
    operator, lurah = town.operator("Bakalan"), town.lurah("Bakalan")
    problem = await operator.report(landmark="Pos RW")
    await lurah.patch(f"/problems/{problem['id']}", {"title": "Saluran mampet", "landmark": None, "address": "Gang 3"})
    phone = Phone(operator)
    edit = phone.operation(problem, "edit", 1, title="Got buntu total", landmark="Musala Nurul")
    assert await phone.outcomes(edit) == ["proposed"]
    return problem, edit["id"]


async def test_a_proposal_is_compared_field_by_field(town: Town) -> None:
    problem, proposal = await proposed(town)
    lurah = town.lurah("Bakalan")
    (listed,) = town.good(await lurah.get("/sync/proposals"), 200)["items"]
    assert (listed["id"], listed["number"]) == (proposal, problem["number"])
    compared = town.good(await lurah.get(f"/sync/proposals/{proposal}"), 200)
    fields = {each["field"]: each for each in compared["fields"]}
    title = fields["title"]
    assert (title["base"], title["theirs"], title["yours"]) == (problem["title"], "Saluran mampet", "Got buntu total")
    assert title["changed_by"] == lurah.actor.name
    assert (fields["landmark"]["base"], fields["landmark"]["theirs"]) == ("Pos RW", None)
    assert (await town.operator("Kepel").get(f"/sync/proposals/{proposal}")).status_code == 404
    assert town.good(await town.operator("Kepel").get("/sync/proposals"), 200)["items"] == []


async def test_an_accepted_proposal_is_a_correction_of_whoever_accepts_it(town: Town) -> None:
    problem, proposal = await proposed(town)
    lurah = town.lurah("Bakalan")
    accepted = town.good(await lurah.post(f"/sync/proposals/{proposal}/accept", {}), 200)
    assert (accepted["settlement"], accepted["settled_by"]) == ("accepted", lurah.actor.name)
    now = await lurah.see(problem)
    assert (now["title"], now["landmark"]) == ("Got buntu total", "Musala Nurul")
    assert (await history(lurah, problem))[-2:] == ["edited", "proposal_accepted"]
    again = await lurah.post(f"/sync/proposals/{proposal}/dismiss", {"reason": "Terlambat."})
    assert (again.status_code, again.json()["code"]) == (409, "already_settled")
    assert town.good(await lurah.get("/sync/proposals"), 200)["items"] == []
    assert len(town.good(await lurah.get("/sync/proposals?settled=true"), 200)["items"]) == 1


async def test_a_dismissed_proposal_leaves_the_values(town: Town) -> None:
    problem, proposal = await proposed(town)
    lurah = town.lurah("Bakalan")
    town.good(await lurah.post(f"/sync/proposals/{proposal}/dismiss", {"reason": "Sudah tepat."}), 200)
    assert (await lurah.see(problem))["title"] == "Saluran mampet"
    assert (await history(lurah, problem))[-1] == "proposal_dismissed"


async def test_who_may_not_decide_changes_nothing(town: Town) -> None:
    problem, proposal = await proposed(town)
    before = await history(town.lurah("Bakalan"), problem)
    for who in (town.monitor, town.mayor):
        refused = await who.post(f"/sync/proposals/{proposal}/dismiss", {"reason": "Tidak perlu."})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    refused = await town.mayor.post(f"/sync/proposals/{proposal}/accept", {})
    assert refused.status_code == 403
    assert await history(town.lurah("Bakalan"), problem) == before
    assert len(town.good(await town.lurah("Bakalan").get("/sync/proposals"), 200)["items"]) == 1


async def test_an_adopted_step_is_done_and_what_waited_behind_it_goes_on(town: Town) -> None:
    operator, lurah, phone = town.operator("Bakalan"), town.lurah("Bakalan"), Phone(town.operator("Bakalan"))
    problem = await operator.report()
    forward = phone.operation(problem, "forward", 1)
    behind = phone.operation(problem, "edit", 1, rt="007")
    assert await phone.outcomes(forward, behind) == ["refused", "held"]
    (kept,) = town.good(await lurah.get("/sync/quarantine"), 200)["items"]
    assert (kept["id"], kept["refusal"]["code"]) == (forward["id"], "not_permitted")
    adopted = town.good(await lurah.post(f"/sync/quarantine/{kept['id']}/adopt", {}), 200)
    assert adopted["settlement"] == "adopted"
    assert (await lurah.see(problem))["state"] == "forwarded"
    assert await history(lurah, problem) == ["reported", "forwarded", "operation_adopted"]
    told = town.good(await lurah.get(f"/problems/{problem['id']}/history"), 200)["items"][1]
    assert told["by"]["on_behalf_of"] == operator.actor.name
    assert await phone.outcomes(behind) == ["refused"], "judged anew: forwarded, it is no longer the operator's"


async def test_a_refused_report_is_adopted_with_a_correction(town: Town) -> None:
    staff, phone = town.staff("Bugul Kidul"), Phone(town.operator("Bakalan"))
    report = phone.report(category="tidak-ada")
    remark = phone.operation(report["problem"], "comment", 1, text="Sudah dicek.")
    assert await phone.outcomes(report, remark) == ["refused", "held"]
    again = await staff.post(f"/sync/quarantine/{report['id']}/adopt", {})
    assert (again.status_code, again.json()["code"]) == (422, "unknown_code")
    right = report["data"] | {"category": "saluran-tersumbat"}
    town.good(await staff.post(f"/sync/quarantine/{report['id']}/adopt", {"data": right}), 200)
    assert (await staff.see({"id": report["problem"]}))["state"] == "forwarded"
    assert await phone.outcomes(remark) == ["applied"]


async def test_who_told_the_kelurahan_is_sealed_in_quarantine_too(town: Town) -> None:
    staff, phone = town.staff("Bugul Kidul"), Phone(town.operator("Bakalan"))
    report = phone.report(category="tidak-ada", reporter={"name": "Warga RT 02", "phone": "+62 811 0000 0000"})
    assert await phone.outcomes(report) == ["refused"]
    with town.house.database.read() as session:
        kept = session.get(Quarantined, UUID(report["id"]))
    assert kept is not None
    assert "Warga RT 02" not in str(kept.data)
    shown = await staff.get(f"/sync/quarantine/{report['id']}")
    assert "reporter" not in shown.text
    right = shown.json()["data"] | {"category": "saluran-tersumbat"}
    town.good(await staff.post(f"/sync/quarantine/{report['id']}/adopt", {"data": right}), 200)
    told = await staff.post(f"/problems/{report['problem']}/reporter")
    assert told.json() == {"name": "Warga RT 02", "phone": "+62 811 0000 0000"}


async def test_a_corrected_report_does_not_wait_for_the_refused_one(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    wrong = phone.report(category="tidak-ada")
    right = phone.operation(wrong["problem"], "report", **town.problem("Bakalan"))
    edit = phone.operation(wrong["problem"], "edit", 1, rt="003")
    assert await phone.outcomes(wrong, right, edit) == ["refused", "applied", "held"]


@pytest.mark.parametrize("who", ["author", "lurah", "kecamatan"])
async def test_a_dismissed_report_lets_what_waited_be_judged_anew(town: Town, who: str) -> None:
    phone = Phone(town.operator("Bakalan"))
    report = phone.report(category="tidak-ada")
    remark = phone.operation(report["problem"], "comment", 1, text="Sudah dicek.")
    assert await phone.outcomes(report, remark) == ["refused", "held"]
    person = {"author": phone.who, "lurah": town.lurah("Bakalan"), "kecamatan": town.camat("Bugul Kidul")}[who]
    dismissed = await person.post(f"/sync/quarantine/{report['id']}/dismiss", {"reason": "Salah catat."})
    assert town.good(dismissed, 200)["settlement"] == "dismissed"
    outcomes = (await phone.send(remark))["outcomes"]
    assert [(each["outcome"], each["refusal"]["code"]) for each in outcomes] == [("refused", "problem_not_found")]


async def test_what_waits_moves_along_with_its_problem(town: Town) -> None:
    problem, proposal = await proposed(town)
    lurah, camat = town.lurah("Bakalan"), town.camat("Bugul Kidul")
    await lurah.step(problem, "forward")
    await camat.step(problem, "move", area=town.kelurahan("Krampyangan"), reason="Letaknya di sana.")
    assert town.good(await lurah.get("/sync/proposals"), 200)["items"] == []
    (listed,) = town.good(await town.lurah("Krampyangan").get("/sync/proposals"), 200)["items"]
    assert listed["id"] == proposal


async def test_what_an_agency_meant_for_itself_stays_there(town: Town) -> None:
    officer, lurah = town.officer("PUPR"), town.lurah("Bakalan")
    problem, phone = await lurah.report(), Phone(officer)
    inside = phone.operation(problem, "comment", 1, text="Antar kita saja.", internal=True)
    step = phone.operation(problem, "ask", 1, question="Di mana?")
    assert await phone.outcomes(inside, step) == ["refused", "refused"]
    (own,) = [each for each in town.good(await officer.get("/sync/quarantine"), 200)["items"] if each["verb"] != "ask"]
    assert (own["data"]["text"], own["number"], own["log"]) == ("Antar kita saja.", None, None)
    for who in (lurah, town.camat("Bugul Kidul"), town.mayor):
        told = await who.get("/sync/quarantine")
        assert [each["verb"] for each in town.good(told, 200)["items"]] == ["ask"]
        assert "Antar kita" not in told.text


async def test_who_sent_it_takes_it_back_though_they_no_longer_see_it(town: Town) -> None:
    problem, proposal = await proposed(town)
    operator, phone = town.operator("Bakalan"), Phone(town.operator("Bakalan"))
    await town.lurah("Bakalan").step(problem, "forward")
    move = {"area": town.kelurahan("Krampyangan"), "reason": "Letaknya di sana."}
    await town.camat("Bugul Kidul").step(problem, "move", **move)
    compared = town.good(await operator.get(f"/sync/proposals/{proposal}"), 200)
    assert (compared["number"], compared["log"], compared["version"]) == (None, None, None)
    assert {each["theirs"] for each in compared["fields"]} == {None}
    assert "Saluran mampet" not in str(compared)
    town.good(await operator.post(f"/sync/proposals/{proposal}/dismiss", {"reason": "Sudah tidak perlu."}), 200)
    edit, behind = phone.operation(problem, "edit", 1, rt="001"), phone.operation(problem, "edit", 1, rw="002")
    assert await phone.outcomes(edit, behind) == ["refused", "held"]
    (kept,) = town.good(await operator.get("/sync/quarantine"), 200)["items"]
    assert (kept["number"], kept["log"]) == (None, None)
    town.good(await operator.post(f"/sync/quarantine/{kept['id']}/dismiss", {"reason": "Batal."}), 200)
    assert await phone.outcomes(behind) == ["refused"], "judged anew"


async def test_what_staff_recorded_wrongly_is_seen_in_the_kecamatan(town: Town) -> None:
    phone = Phone(town.staff("Bugul Kidul"))
    wrong = phone.report(category="tidak-ada", area="35.75.01.1001")
    assert await phone.outcomes(wrong) == ["refused"]
    camat = town.camat("Bugul Kidul")
    (kept,) = town.good(await camat.get("/sync/quarantine"), 200)["items"]
    assert kept["log"] == "35.75.03"
    right = wrong["data"] | {"category": "saluran-tersumbat", "area": town.kelurahan("Bakalan")}
    dismissed = await camat.post(f"/sync/quarantine/{kept['id']}/dismiss", {"reason": "Salah wilayah."})
    assert town.good(dismissed, 200)["settlement"] == "dismissed"
    assert await phone.outcomes(phone.operation(str(new_id()), "report", **right)) == ["applied"]


async def test_an_unknown_one_is_not_found(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    for path, code in (("proposals", "proposal_not_found"), ("quarantine", "quarantined_not_found")):
        missing = await lurah.get(f"/sync/{path}/{new_id()}")
        assert (missing.status_code, missing.json()["code"]) == (404, code)
