"""Details of a problem's life that decide a case: limits, second times, what is kept and what begins anew."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx import Response
from sqlalchemy import insert

from app.kit.ids import new_id
from app.people.models import Post
from app.people.words import PostKind
from app.problems.actions import make_round
from tests.problems import situations
from tests.problems.situations import Found, part, soon
from tests.town import CITY, SINCE, Someone, Town, picture


def refused(answer: Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    return body


async def history(who: Someone, problem: Found) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = who.town.good(await who.get(f"/problems/{problem['id']}/history"), 200)["items"]
    return items


def to_the_end_of(town: Town, moment: str) -> None:
    """Sets the clock a second behind a limit."""
    town.clock.now = type(town.clock.now).fromisoformat(moment) + timedelta(seconds=1)


# -- recording -------------------------------------------------------------------------------------------------------


async def test_who_may_record_where_and_where_it_begins(town: Town) -> None:
    lurah, local = town.lurah("Bakalan"), {"plan": "Kerja bakti.", "target_on": soon(town)}
    for who, more, state in (
        (town.operator("Bakalan"), {}, "submitted"),
        (lurah, {}, "forwarded"),
        (lurah, {"local": local}, "handled_locally"),
        (town.operator("Bakalan"), {"category": "banjir"}, "forwarded"),
        (lurah, {"category": "banjir", "local": local}, "handled_locally"),
        (town.staff("Bugul Kidul"), {}, "forwarded"),
        (town.camat("Bugul Kidul"), {}, "forwarded"),
        (town.officer("PUPR"), {}, "forwarded"),
        (town.monitor, {}, "forwarded"),
    ):
        made = await who.report(**more)
        assert (made["state"], made["origin"]) == (state, who.actor.office)
        told = (await history(lurah, made))[0]["data"].get("told", [])
        assert ("lurah" in told) == (who.actor.kind not in (PostKind.OPERATOR, PostKind.LURAH)), who.actor.view
    for who in (
        town.operator("Kepel"),
        town.lurah("Kepel"),
        town.staff("Panggungrejo"),
        town.camat("Panggungrejo"),
        town.head("PUPR"),
        town.mayor,
        town.admin,
    ):
        refused(await who.post("/problems", town.problem("Bakalan")), 403, "outside_scope")
    for who in (town.operator("Bakalan"), town.camat("Bugul Kidul")):
        refused(await who.post("/problems", town.problem("Bakalan", local=local)), 422, "local_not_yours")


# -- correcting ------------------------------------------------------------------------------------------------------


async def test_what_is_corrected_and_what_has_to_be_said_for_it(town: Town) -> None:
    operator, staff = town.operator("Bakalan"), town.staff("Bugul Kidul")
    problem = await situations.submitted(town)
    here = f"/problems/{problem['id']}"
    changed = town.good(await operator.patch(here, {"description": None, "rt": "002"}), 200)
    assert (changed["description"], changed["rt"], changed["title"]) == (None, "002", problem["title"])
    refused(await operator.patch(here, {"landmark": None}), 422, "place_required")
    equator = {"point": {"lat": 0, "lon": 109.3}, "landmark": None}
    changed = town.good(await operator.patch(here, equator), 200)
    assert (changed["point"], changed["landmark"]) == ({"lat": 0, "lon": 109.3}, None)
    changed = town.good(await operator.patch(here, {"landmark": None, "rw": "03"}), 200)
    assert changed["rw"] == "03", "the equator is a place too"

    await town.lurah("Bakalan").step(problem, "forward")
    town.good(await staff.patch(here, {"title": "Saluran tersumbat sampah"}), 200)
    await staff.step(problem, "accept")
    refused(await staff.patch(here, {"rt": "004"}), 422, "reason_required")
    changed = town.good(await staff.patch(here, {"rt": "004", "reason": "Sesuai peta."}), 200)
    edited = (await history(staff, problem))[-1]
    assert (edited["kind"], edited["data"]) == ("edited", {"changes": {"rt": "004"}, "reason": "Sesuai peta."})


async def test_a_lurah_corrects_an_emergency_until_it_is_endorsed(town: Town) -> None:
    problem, lurah = await situations.emergency(town), town.lurah("Bakalan")
    here = f"/problems/{problem['id']}"
    assert town.good(await lurah.patch(here, {"rt": "005"}), 200)["rt"] == "005"
    await town.staff("Bugul Kidul").step(problem, "accept")
    refused(await lurah.patch(here, {"rt": "006"}), 422, "reason_required")
    town.good(await lurah.patch(here, {"rt": "006", "reason": "RT sebelah."}), 200)
    await lurah.step(problem, "endorse")
    refused(await lurah.patch(here, {"rt": "007", "reason": "Lagi."}), 403, "not_permitted")


async def test_an_answer_may_bring_corrected_fields(town: Town) -> None:
    problem = await situations.asked_before_acceptance(town)
    said = {"answer": "Di RT 003.", "changes": {"rt": "003"}}
    problem = await town.operator("Bakalan").step(problem, "answer", **said)
    assert (problem["state"], problem["rt"]) == ("forwarded", "003")
    assert (await history(town.monitor, problem))[-1]["data"]["answer"] == "Di RT 003."


# -- objecting, calling up, moving -----------------------------------------------------------------------------------


async def test_a_lurah_objects_within_the_time_for_endorsing(town: Town) -> None:
    lurah, staff = town.lurah("Bakalan"), town.staff("Bugul Kidul")
    problem = await situations.objected_to_kecamatan(town)
    assert problem["next_step"]["desk"] == "kecamatan:35.75.03"
    problem = await staff.step(problem, "answer", answer="Kami lihat sendiri tadi pagi.")
    assert (problem["state"], problem["next_step"]["desk"]) == ("forwarded", "kecamatan:35.75.03")
    town.clock.advance(timedelta(days=2))
    refused(await lurah.try_step(problem, "object", reason="Tetap tidak ada."), 409, "too_late")
    own = await situations.forwarded(town)
    refused(await lurah.try_step(own, "object", reason="Tidak jadi."), 409, "step_not_allowed")


async def test_nothing_is_returned_to_an_office_that_no_longer_sees_it(town: Town) -> None:
    monitor, kepel = town.monitor, town.kelurahan("Kepel")
    moved = await monitor.step(await situations.emergency(town), "move", area=kepel, reason="Salah kelurahan.")
    refused(await town.lurah("Kepel").try_step(moved, "object", reason="Bukan di sini."), 409, "step_not_allowed")

    elsewhere = town.kelurahan("Karanganyar")
    problem = await situations.objected_to_kecamatan(town)
    problem = await monitor.step(problem, "move", area=elsewhere, reason="Di seberang jalan.")
    assert (problem["state"], problem["next_step"]["desk"]) == ("returned", f"kelurahan:{elsewhere}")
    assert (await town.staff("Bugul Kidul").get(f"/problems/{problem['id']}")).status_code == 404
    answered = await town.lurah("Karanganyar").step(problem, "answer", answer="Memang di sini.")
    assert answered["next_step"]["desk"] == "kecamatan:35.75.04"


async def test_a_move_does_not_begin_the_desks_time_anew(town: Town) -> None:
    problem = await situations.submitted(town)
    town.clock.advance(timedelta(hours=30))
    moved = await town.camat("Bugul Kidul").step(problem, "move", area=town.kelurahan("Kepel"), reason="Salah.")
    assert (moved["next_step"]["desk"], moved["next_step"]["until"]) == (
        "kelurahan:35.75.03.1002",
        problem["next_step"]["until"],
    )
    assert moved["number"] == problem["number"]
    assert "forward" in (await town.lurah("Kepel").see(moved))["may"]
    new = await town.operator("Kepel").report("Kepel")
    assert new["number"] == "35.75.03.1002-0001", "a number is not passed on"


async def test_what_a_lurah_returned_is_called_up_in_time_too(town: Town) -> None:
    camat = town.camat("Bugul Kidul")
    for made in (situations.sent_back, situations.objected_to_kecamatan):
        problem = await made(town)
        too_early = refused(await camat.try_step(problem, "call_up", reason="Mendesak."), 409, "too_early")
        to_the_end_of(town, too_early["opens_at"])
        assert (await camat.step(problem, "call_up", reason="Mendesak."))["state"] == "accepted"
    asked = await situations.asked_before_acceptance(town)
    town.clock.advance(timedelta(days=30))
    refused(await camat.try_step(asked, "call_up", reason="Mendesak."), 409, "step_not_allowed")


# -- the kelurahan's own work ----------------------------------------------------------------------------------------


def sampled(problem_id: UUID) -> bool:
    """Whether a tenth of the problems, as a hash of the id tells, includes this one."""
    return hashlib.sha256(problem_id.bytes).digest()[0] < 25.6


async def test_a_share_of_local_work_is_looked_at(town: Town) -> None:
    lurah, staff = town.lurah("Bakalan"), town.staff("Bugul Kidul")
    local = {"plan": "Kerja bakti.", "target_on": soon(town)}
    for is_sampled in (True, False):
        problem_id = next(each for each in iter(new_id, None) if sampled(each) is is_sampled)
        problem = await lurah.report(id=str(problem_id), local=local)
        problem = await lurah.step(problem, "finish", resolution="explained")
        assert problem["state"] == ("awaiting_confirmation" if is_sampled else "resolved")
        if is_sampled:
            assert problem["next_step"]["desk"] == "kecamatan:35.75.03"
            disputed = await staff.step(problem, "dispute", reason="Belum tuntas.")
            assert (disputed["state"], disputed["resolution"]) == ("handled_locally", None)


async def test_who_did_the_work_does_not_confirm_it_under_another_post(town: Town) -> None:
    staff, lurah = town.staff("Bugul Kidul"), town.lurah("Bakalan")
    post_id = new_id()
    with town.house.database.write() as session:
        acting = {"id": post_id, "account_id": staff.actor.account_id, "kind": PostKind.LURAH, "acting": True}
        place = {"area_code": lurah.actor.area_code, "since": SINCE}
        session.connection().execute(insert(Post).values(acting | place))
    problem = await situations.kecamatan_done(town)
    as_lurah = {"headers": {"X-Post": str(post_id)}}
    seen = town.good(await staff.get(f"/problems/{problem['id']}", **as_lurah), 200)
    assert "reopen" not in seen["may"]
    assert "confirm" not in seen["may"]
    path = f"/problems/{problem['id']}/steps"
    refused(await staff.post(path, {"verb": "confirm"}, **as_lurah), 403, "not_permitted")
    assert (await lurah.step(problem, "confirm"))["state"] == "resolved"


# -- pausing ---------------------------------------------------------------------------------------------------------


async def test_a_pause_ends_on_its_day_by_itself(town: Town) -> None:
    camat = town.camat("Bugul Kidul")
    problem = await situations.accepted(town)
    for day in (town.today(), town.today() + timedelta(days=90)):
        said = {"reason_code": "budget", "review_on": day.isoformat()}
        refused(await camat.try_step(problem, "hold", **said), 422, "day_not_possible")
    problem = await camat.step(problem, "hold", reason_code="budget", review_on="2026-03-11")
    assert (problem["state"], problem["next_step"]["until"]) == ("on_hold", "2026-03-11T16:59:59Z")
    town.clock.advance(timedelta(days=8))
    assert make_round(town.house) == 0
    town.clock.advance(timedelta(hours=15))  # midnight has passed in Pasuruan, not yet in Greenwich
    assert make_round(town.house) == 1
    problem = await camat.see(problem)
    assert (problem["state"], problem["hold_review_on"]) == ("accepted", None)
    resumed = (await history(camat, problem))[-1]
    assert (resumed["kind"], resumed["data"]["automatic"]) == ("resumed", True)
    assert make_round(town.house) == 0


async def test_a_pause_of_what_only_waits_for_support_is_possible(town: Town) -> None:
    """What the lead has done stays done; the supporter may finish meanwhile."""
    camat, helper = town.camat("Bugul Kidul"), town.officer("DLHKP")
    problem = await situations.agency_waits_for_support(town)
    problem = await camat.step(problem, "hold", reason_code="weather_season", review_on=soon(town))
    problem = await helper.part(problem, "finish", resolution="served", note="Terangkut.")
    assert problem["state"] == "on_hold"
    problem = await camat.step(problem, "resume")
    assert problem["state"] == "awaiting_confirmation"
    town.clock.advance(timedelta(days=30))
    assert make_round(town.house) == 1, "its time for confirming began when it was resumed"
    assert (await camat.see(problem))["state"] == "resolved"


async def test_a_hold_is_proposed_once_at_a_time(town: Town) -> None:
    officer = town.officer("PUPR")
    problem = await situations.hold_proposed(town)
    said = {"reason_code": "budget", "review_on": soon(town)}
    refused(await officer.try_part(problem, "hold", **said), 409, "assignment_step_not_allowed")
    assert "hold" not in problem["assignments"][0]["may"]
    problem = await part(town.camat("Bugul Kidul"), problem, "decline_hold", "PUPR", reason="Dana ada.")
    problem = await officer.part(problem, "hold", **said)
    assert problem["assignments"][0]["hold_proposed"]


# -- handing out -----------------------------------------------------------------------------------------------------


def states(problem: Found) -> list[tuple[str, bool, str]]:
    return [(each["agency"], each["lead"], each["state"]) for each in problem["assignments"]]


async def test_naming_the_lead_again_only_adds_supporters(town: Town) -> None:
    problem = await situations.agency_works(town)
    problem = await town.camat("Bugul Kidul").step(problem, "assign", lead="PUPR", optional_support=["DISHUB"])
    assert problem["state"] == "in_progress"
    assert states(problem) == [
        ("PUPR", True, "in_progress"),
        ("DLHKP", False, "offered"),
        ("DISHUB", False, "offered"),
    ]
    problem = await town.officer("PUPR").part(problem, "finish", resolution="explained", note="Selesai.")
    assert problem["state"] == "in_progress", "DLHKP is required"
    for verb, said in (("accept", {}), ("start", {}), ("finish", {"resolution": "explained", "note": "Ya."})):
        problem = await town.officer("DLHKP").part(problem, verb, **said)
    assert problem["state"] == "awaiting_confirmation", "DISHUB is not"
    problem = await town.lurah("Bakalan").step(problem, "confirm")
    assert states(problem)[2] == ("DISHUB", False, "revoked"), "an ending revokes what is open"


async def test_naming_another_lead_takes_the_part_from_the_first(town: Town) -> None:
    """That is no bounce; and a supporter may become the lead."""
    camat = town.camat("Bugul Kidul")
    problem = await camat.step(await situations.agency_works(town), "assign", lead="DLHKP")
    assert (problem["state"], problem["lead"]) == ("assigned", "DLHKP")
    assert states(problem) == [("PUPR", True, "revoked"), ("DLHKP", False, "revoked"), ("DLHKP", True, "offered")]
    assert (await town.officer("PUPR").get(f"/problems/{problem['id']}")).status_code == 404
    problem = await town.head("DLHKP").part(problem, "refuse", reason="Bukan sampah.")
    assert "assign" in (await camat.see(problem))["may"], "one bounce so far"


async def test_a_part_that_is_taken_back_counts_as_a_bounce(town: Town) -> None:
    camat = town.camat("Bugul Kidul")
    problem = await situations.part_revoked(town)
    problem = await camat.step(problem, "assign", lead="PERKIM")
    problem = await part(camat, problem, "revoke", "PERKIM", reason="Keliru lagi.")
    refused(await camat.try_step(problem, "assign", lead="PUPR"), 409, "authority_undecided")
    assert problem["next_step"]["desk"] == "city:35.75"


async def test_what_is_decided_can_be_refused_but_not_as_somebody_elses(town: Town) -> None:
    head = town.head("PUPR")
    problem = await situations.decided(town)
    why = {"reason": "Anggaran habis."}
    not_ours = {"reason_code": "not_our_authority", "belongs_to": "PERKIM"}
    refused(await head.try_part(problem, "refuse", **not_ours, **why), 409, "authority_binding")
    problem = await head.part(problem, "refuse", reason_code="no_means", **why)
    assert problem["state"] == "accepted"
    assert "assign" in (await town.camat("Bugul Kidul").see(problem))["may"], "whose it is has been decided"
    other = await situations.assigned(town)
    refused(await head.try_part(other, "refuse", reason_code="not_our_authority", **why), 422, "owner_required")


# -- ending, and coming back -----------------------------------------------------------------------------------------


async def test_a_rejection_is_appealed_once_to_another_monitor(town: Town) -> None:
    lurah, camat = town.lurah("Bakalan"), town.camat("Bugul Kidul")
    with town.house.database.write() as session:
        second = town.hire(session, PostKind.MONITOR, CITY)
    problem = await situations.appealed_against_monitor(town)
    assert problem["next_step"]["desk"] == "city:35.75"
    overturn = {"outcome": "overturned", "reason": "Ada buktinya."}
    refused(await town.monitor.try_step(problem, "decide_appeal", **overturn), 403, "not_permitted")
    problem = await second.step(problem, "decide_appeal", **overturn)
    assert (problem["state"], problem["closing"], problem["next_step"]["desk"]) == (
        "accepted",
        None,
        "kecamatan:35.75.03",
    )
    problem = await camat.step(problem, "reject", reason_code="privacy", reason="Sengketa keluarga.")
    refused(await lurah.try_step(problem, "appeal", reason="Sekali lagi."), 409, "appealed_before")


async def test_an_appeal_has_ten_working_days(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem = await situations.rejected(town)
    town.clock.now = town.clock.now.replace(day=16, hour=16)  # eleven at night, ten working days later
    assert "appeal" in (await lurah.see(problem))["may"]
    town.clock.advance(timedelta(hours=2))
    refused(await lurah.try_step(problem, "appeal", reason="Terlambat."), 409, "too_late")


@pytest.mark.parametrize(
    ("made", "by", "state"),
    [
        ("agency_resolved", "lurah", "in_progress"),
        ("local_resolved", "camat", "handled_locally"),
        ("planned", "monitor", "accepted"),
        ("withdrawn", "lurah", "handled_locally"),
        ("withdrawn", "camat", "accepted"),
    ],
)
async def test_what_is_reopened_goes_back_to_who_had_it(town: Town, made: str, by: str, state: str) -> None:
    problem = await getattr(situations, made)(town)
    promised = problem["promised_at"]
    town.clock.advance(timedelta(days=29))
    who = {"lurah": town.lurah("Bakalan"), "camat": town.camat("Bugul Kidul"), "monitor": town.monitor}[by]
    problem = await who.step(problem, "reopen", reason="Kembali tersumbat.")
    assert problem["state"] == state
    assert problem["promised_at"] == promised < problem["due_at"]
    assert problem["next_step"]["until"] is not None
    assert (problem["resolution"], problem["closing"], problem["rating"]) == (None, None, None)


async def test_what_ended_long_ago_is_recorded_again_and_linked(town: Town) -> None:
    operator, lurah = town.operator("Bakalan"), town.lurah("Bakalan")
    old = await situations.local_resolved(town)
    town.clock.advance(timedelta(days=31))
    refused(await lurah.try_step(old, "reopen", reason="Ada lagi."), 409, "too_late")
    again = await operator.report()
    said = {"verb": "link", "problem": old["id"], "kind": "recurring"}
    path = f"/problems/{again['id']}/steps"
    town.good(await operator.post(path, said), 200)
    town.good(await operator.post(path, said | {"kind": "related"}), 200)
    linked = (await history(operator, again))[-1]["data"]
    assert linked == {"problem": old["id"], "number": old["number"], "link": "related"}, "said twice, kept once"


async def test_who_did_not_know_of_the_ending_may_still_add_to_it(town: Town) -> None:
    operator, officer = town.operator("Bakalan"), town.officer("PUPR")
    known = await situations.agency_done(town)
    problem = await town.lurah("Bakalan").step(known, "confirm")
    main = await situations.submitted(town)
    here = f"/problems/{problem['id']}"
    link = {"verb": "link", "problem": main["id"]}
    for knew, expected in (
        ({}, (409, 409, 409)),
        ({"base": problem["version"]}, (409, 409, 409)),
        ({"base": known["version"]}, (201, 200, 201)),
    ):
        said = await officer.post(f"{here}/comments", {"text": "Baru ada sinyal."} | knew)
        linked = await operator.post(f"{here}/steps", link | knew)
        file = {"file": ("bukti.jpg", picture(), "image/jpeg")}
        sent = await operator.post(f"{here}/photos", files=file, data=knew)
        assert (said.status_code, linked.status_code, sent.status_code) == expected
    assert (said.json()["late"], sent.json()["late"]) == (True, True)
    late = (await history(operator, problem))[-3:]
    assert [(each["kind"], each["data"]["late"]) for each in late] == [
        ("commented", True),
        ("linked", True),
        ("attached", True),
    ]
    assert (await operator.see(problem))["state"] == "resolved"


# -- duplicates ------------------------------------------------------------------------------------------------------


async def test_a_duplicate_hears_how_its_main_problem_ends(town: Town) -> None:
    lurah, staff = town.lurah("Bakalan"), town.staff("Bugul Kidul")
    main = await situations.local_awaiting(town)
    copy = await lurah.step(await situations.submitted(town), "mark_duplicate", main=main["id"])
    assert make_round(town.house) == 0
    main = await staff.step(main, "confirm")
    assert make_round(town.house) == 1
    assert (await history(lurah, copy))[-1]["data"] == {"outcome": "explained"}
    copy = await lurah.see(copy)
    assert (copy["state"], copy["main"]["state"]) == ("closed", "resolved")
    await lurah.step(main, "reopen", reason="Muncul lagi.")
    assert make_round(town.house) == 1
    assert (await history(lurah, copy))[-1]["kind"] == "main_reopened"
    assert make_round(town.house) == 0


async def test_what_was_a_duplicate_of_something_withdrawn_is_due_again(town: Town) -> None:
    lurah, staff = town.lurah("Bakalan"), town.staff("Bugul Kidul")
    main = await situations.submitted(town)
    awaiting = await staff.step(await situations.agency_done(town), "mark_duplicate", main=main["id"])
    await lurah.step(main, "withdraw", reason="Keliru lokasi.")
    assert make_round(town.house) == 1
    awaiting = await lurah.see(awaiting)
    assert (awaiting["state"], awaiting["main"]) == ("awaiting_confirmation", None)
    assert awaiting["next_step"]["until"] is not None
    last = (await history(lurah, awaiting))[-1]
    assert (last["kind"], last["by"]["post"]) == ("unmarked", "system")
    assert (last["data"]["automatic"], last["data"]["main_closing"]) == (True, "withdrawn")
    town.clock.advance(timedelta(days=40))
    assert make_round(town.house) == 1, "silence confirms it as any other"


async def test_a_duplicate_is_no_main_problem(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    copy, withdrawn = await situations.duplicate(town), await situations.withdrawn(town)
    other = await situations.submitted(town)
    for main in (copy, withdrawn, other):
        answer = await lurah.try_step(other, "mark_duplicate", main=main["id"])
        refused(answer, 409, "main_not_possible")
    await lurah.step(copy, "unmark")
    assert (await lurah.see(copy))["state"] == "forwarded"
    assert (await lurah.step(other, "mark_duplicate", main=copy["id"]))["main"]["number"] == copy["number"]
