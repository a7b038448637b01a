"""Cases as they happen: emergencies, bounces, pauses, duplicates, silence, moves; each told from beginning to end."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from app.agencies.queries import responsible_for
from app.journal.models import Administration, Entry, Text
from app.problems.actions import make_round
from app.problems.models import Reporter
from tests.town import Town

Made = dict[str, Any]


async def accepted(town: Town, **other: Any) -> Made:
    problem = await town.operator("Bakalan").report(**other)
    problem = await town.lurah("Bakalan").step(problem, "forward")
    return await town.staff("Bugul Kidul").step(problem, "accept")


async def worked_on(town: Town, **other: Any) -> Made:
    problem = await town.camat("Bugul Kidul").step(await accepted(town, **other), "assign", lead="PUPR")
    await town.officer("PUPR").part(problem, "accept")
    return await town.officer("PUPR").part(problem, "start")


async def done(town: Town) -> Made:
    problem = await worked_on(town)
    photo = await town.officer("PUPR").photo(problem)
    return await town.officer("PUPR").part(problem, "finish", resolution="repaired", note="Beres.", photos=[photo])


async def test_an_emergency_goes_up_at_once_and_is_endorsed_afterwards(town: Town) -> None:
    problem = await town.operator("Bakalan").report(category="banjir", title="Air masuk rumah di RW 02")
    assert problem["state"] == "forwarded"
    assert problem["next_step"]["until"] == "2026-03-02T03:00:00Z", "an hour, not a working day"
    assert problem["due_at"] == "2026-03-02T06:00:00Z"
    assert (await town.officer("BPBD").see(problem))["number"] == problem["number"], "the agency was told"
    assert (await town.officer("PUPR").get(f"/problems/{problem['id']}")).status_code == 404
    problem = await town.camat("Bugul Kidul").step(problem, "assign", lead="BPBD")
    assert (problem["state"], problem["assignments"][0]["due_at"]) == ("assigned", "2026-03-02T03:00:00Z")
    problem = await town.lurah("Bakalan").step(problem, "endorse")
    assert problem["endorsed"]
    assert (await town.lurah("Bakalan").try_step(problem, "endorse")).status_code == 409


async def test_two_bounces_and_the_monitor_decides(town: Town) -> None:
    camat = town.camat("Bugul Kidul")
    problem = await camat.step(await accepted(town), "assign", lead="PUPR", support=["DLHKP"])
    refused = await town.officer("PUPR").try_part(problem, "refuse", reason="Bukan kami.", belongs_to="PERKIM")
    assert refused.status_code == 403, "the head refuses, not an officer"
    problem = await town.head("PUPR").part(problem, "refuse", reason="Bukan kami.", belongs_to="PERKIM")
    assert (problem["state"], problem["lead"]) == ("accepted", None)
    assert (await town.officer("DLHKP").try_part(problem, "accept")).status_code == 409, "supporters wait"
    problem = await camat.step(problem, "assign", lead="PERKIM")
    problem = await town.head("PERKIM").part(problem, "refuse", reason="Bukan kami juga.", belongs_to="PUPR")
    assert problem["state"] == "accepted"
    undecided = await camat.try_step(problem, "assign", lead="PUPR")
    assert (undecided.status_code, undecided.json()["code"]) == (409, "authority_undecided")
    seen = await town.monitor.see(problem)
    assert seen["next_step"]["desk"] == "city:35.75"
    problem = await town.monitor.step(problem, "decide_authority", agency="PUPR", reason="Saluran utama kota.")
    assert (problem["state"], problem["lead"]) == ("assigned", "PUPR")
    again = await town.head("PUPR").try_part(problem, "refuse", reason="Tetap bukan kami.", belongs_to="PERKIM")
    assert again.json()["code"] == "authority_binding"
    with town.house.database.read() as session:
        assert responsible_for(session, "saluran-tersumbat", "35.75.03.1005") == "PUPR"


async def test_an_agencys_hold_is_a_proposal(town: Town) -> None:
    officer, camat = town.officer("PUPR"), town.camat("Bugul Kidul")
    problem = await officer.part(await worked_on(town), "hold", reason_code="budget", review_on="2026-03-10")
    assert problem["state"] == "in_progress"
    town.clock.advance(timedelta(days=3))
    assert make_round(town.house) == 0, "three working days are not over"
    town.clock.advance(timedelta(days=1))
    assert make_round(town.house) == 1
    seen = await officer.see(problem)
    assert not seen["assignments"][0]["hold_proposed"], "no answer is a no"

    problem = await officer.part(seen, "hold", reason_code="procurement", review_on="2026-03-12")
    problem = await camat.part(problem, "agree_hold", agency="PUPR")
    assert (problem["state"], problem["next_step"]["desk"]) == ("on_hold", "kecamatan:35.75.03")
    town.clock.advance(timedelta(days=6))
    assert make_round(town.house) == 1
    assert (await officer.see(problem))["state"] == "in_progress"
    history = town.good(await camat.get(f"/problems/{problem['id']}/history"), 200)["items"]
    assert (history[-1]["kind"], history[-1]["by"]["post"]) == ("assignment_resumed", "system")
    assert history[-1]["data"]["automatic"]


async def test_silence_confirms_after_ten_working_days(town: Town) -> None:
    problem = await done(town)
    town.clock.advance(timedelta(days=14))
    assert make_round(town.house) == 0
    town.clock.advance(timedelta(days=9))  # Nyepi and Lebaran leave lie between
    assert make_round(town.house) == 1
    assert make_round(town.house) == 0, "once"
    problem = await town.lurah("Bakalan").see(problem)
    assert (problem["state"], problem["rating"]) == ("resolved", None)
    town.clock.advance(timedelta(days=31))
    late = await town.lurah("Bakalan").try_step(problem, "reopen", reason="Tersumbat lagi.")
    assert (late.status_code, late.json()["code"]) == (409, "too_late")


async def test_a_disputed_work_goes_back_to_who_did_it(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem = await done(town)
    unproved = await lurah.try_step(problem, "dispute", reason="Masih mampet.")
    assert unproved.json()["code"] == "proof_required"
    photo = await lurah.photo(problem)
    problem = await lurah.step(problem, "dispute", reason="Masih mampet.", photos=[photo])
    assert (problem["state"], problem["assignments"][0]["state"]) == ("in_progress", "in_progress")
    assert problem["resolution"] is None


async def test_duplicates_follow_their_main(town: Town) -> None:
    lurah, staff = town.lurah("Bakalan"), town.staff("Bugul Kidul")
    main = await town.operator("Bakalan").report()
    first = await lurah.step(await town.operator("Bakalan").report(), "mark_duplicate", main=main["id"])
    assert (first["state"], first["closing"], first["main"]["number"]) == ("closed", "duplicate", main["number"])
    other = await town.operator("Kepel").report("Kepel")
    main = await staff.step(main, "mark_duplicate", main=other["id"])
    assert make_round(town.house) == 1, "a duplicate of a duplicate points at the main one"
    assert (await lurah.see(first))["main"]["id"] == other["id"], "visible, though the main one lies elsewhere"
    await town.lurah("Kepel").step(other, "withdraw", reason="Sudah lancar.")
    assert make_round(town.house) == 2, "its duplicates reopen"
    assert (await lurah.see(first))["state"] == "submitted"
    assert make_round(town.house) == 0


async def test_a_move_leaves_one_log_and_enters_another(town: Town) -> None:
    problem = await accepted(town)
    outside = await town.camat("Bugul Kidul").try_step(
        problem, "move", area=town.kelurahan("Sebani"), reason="Salah wilayah."
    )
    assert outside.json()["code"] == "outside_scope"
    moved = await town.camat("Bugul Kidul").step(problem, "move", area=town.kelurahan("Kepel"), reason="Salah wilayah.")
    assert (moved["number"], moved["area"], moved["state"]) == (problem["number"], "35.75.03.1002", "accepted")
    assert moved["due_at"] == problem["due_at"]
    assert (await town.lurah("Bakalan").get(f"/problems/{problem['id']}")).status_code == 404
    history = town.good(await town.lurah("Kepel").get(f"/problems/{problem['id']}/history"), 200)["items"]
    assert [(each["log"], each["position"], each["kind"]) for each in history[-2:]] == [
        ("35.75.03.1005", 4, "moved_out"),
        ("35.75.03.1002", 1, "moved_in"),
    ]
    assert [each["version"] for each in history] == [1, 2, 3, 4, 5]


async def test_a_camat_calls_up_what_a_lurah_leaves_lying(town: Town) -> None:
    camat = town.camat("Bugul Kidul")
    problem = await town.operator("Bakalan").report()
    early = await camat.try_step(problem, "call_up", reason="Mendesak.")
    assert (early.status_code, early.json()["code"]) == (409, "too_early")
    town.clock.advance(timedelta(days=4))
    assert (await camat.see(problem))["state"] == "submitted"
    assert (await camat.step(problem, "call_up", reason="Sudah tiga hari kerja."))["state"] == "accepted"


async def test_a_vacant_post_is_called_up_at_once(town: Town) -> None:
    problem = await town.operator("Bakalan").report()
    lurah, admin = town.lurah("Bakalan"), town.admin
    town.good(await admin.post(f"/admin/posts/{lurah.actor.post_id}/end", {}), 200)
    seen = await town.camat("Bugul Kidul").see(problem)
    assert "call_up" in seen["may"]
    assert (await town.camat("Bugul Kidul").step(problem, "call_up", reason="Lurah kosong."))["state"] == "accepted"


async def test_the_reporter_is_kept_secret(town: Town) -> None:
    reporter = {"name": "Bu Tutik", "phone": "+62 811 0000 0000"}
    problem = await accepted(town, reporter=reporter)
    camat = town.camat("Bugul Kidul")
    for answer in (
        await camat.get(f"/problems/{problem['id']}"),
        await camat.get("/problems"),
        await camat.get(f"/problems/{problem['id']}/history"),
    ):
        assert "Tutik" not in answer.text
    with town.house.database.read() as session:
        assert "Tutik" not in session.scalars(select(col(Reporter.sealed))).one()
        assert all("Tutik" not in str(each) for each in session.scalars(select(col(Entry.data))))
        assert all("Tutik" not in each for each in session.scalars(select(col(Text.body))))
    assert (await town.monitor.post(f"/problems/{problem['id']}/reporter")).status_code == 403
    assert town.good(await camat.post(f"/problems/{problem['id']}/reporter"), 200) == reporter
    with town.house.database.read() as session:
        noted = session.scalars(select(Administration).where(col(Administration.kind) == "reporter.read")).one()
    assert noted.account_id == camat.actor.account_id


async def test_due_dates_are_computed_again_and_the_promise_is_kept(town: Town) -> None:
    problem = await town.operator("Bakalan").report()
    lurah = town.lurah("Bakalan")
    changed = await lurah.step(problem, "recategorise", category="pohon-tumbang", reason="Pohonnya roboh.")
    assert changed["promised_at"] == problem["due_at"]
    assert changed["due_at"] == "2026-03-02T06:00:00Z"


async def test_a_camat_takes_many_steps_in_one_call(town: Town) -> None:
    problems = [await town.lurah("Bakalan").report() for _ in range(3)]
    stranger = await town.lurah("Sebani").report("Sebani")
    items = [{"problem": each["id"], "step": {"verb": "accept"}} for each in [*problems, stranger]]
    items.append({"problem": problems[0]["id"], "step": {"verb": "accept"}})
    answer = town.good(await town.camat("Bugul Kidul").post("/problems/steps", {"items": items}), 200)["items"]
    assert [each["done"] for each in answer] == [True, True, True, False, False]
    assert [each["refusal"]["code"] for each in answer[3:]] == ["problem_not_found", "step_not_allowed"]
    assert [each["state"] for each in answer[:3]] == ["accepted"] * 3


async def test_an_external_agency_is_moved_by_hand(town: Town) -> None:
    staff = town.staff("Bugul Kidul")
    problem = await town.camat("Bugul Kidul").step(await accepted(town, category="listrik-padam"), "assign", lead="PLN")
    assert problem["next_step"]["desk"] == "kecamatan:35.75.03"
    without = await staff.try_part(problem, "accept", agency="PLN")
    assert without.json()["code"] == "letter_required"
    for verb in ("accept", "start"):
        problem = await staff.part(problem, verb, agency="PLN", letter="005/17/2026")
    problem = await staff.part(
        problem, "finish", agency="PLN", letter="PLN/88/2026", resolution="repaired", note="Kabel diganti."
    )
    assert problem["state"] == "awaiting_confirmation"
    assert "confirm" not in (await staff.see(problem))["may"]
    assert (await town.lurah("Bakalan").step(problem, "confirm"))["state"] == "resolved"


async def test_internal_comments_stay_on_their_side(town: Town) -> None:
    problem = await worked_on(town)
    path = f"/problems/{problem['id']}/comments"
    lurah, officer = town.lurah("Bakalan"), town.officer("PUPR")
    town.good(await lurah.post(path, {"text": "Hati-hati, pemilik toko galak.", "internal": True}), 201)
    town.good(await officer.post(path, {"text": "Alat berat di bengkel.", "internal": True}), 201)
    town.good(await lurah.post(path, {"text": "Kapan mulai?"}), 201)
    for who, expected in (
        (officer, {"Alat berat di bengkel.", "Kapan mulai?"}),
        (lurah, {"Kapan mulai?", "Hati-hati, pemilik toko galak."}),
    ):
        assert {each["text"] for each in (await who.get(path)).json()["items"]} == expected
        history = (await who.get(f"/problems/{problem['id']}/history")).json()["items"]
        assert {each["data"]["text"] for each in history if each["kind"] == "commented"} == expected
