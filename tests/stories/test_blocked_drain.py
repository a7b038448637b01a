"""A blocked drain in Bakalan, from the operator's phone to the lurah's confirmation: the main job, end to end."""

from tests.town import Town


async def test_a_problem_travels_up_to_an_agency_and_back(town: Town) -> None:
    operator, lurah = town.operator("Bakalan"), town.lurah("Bakalan")
    staff, camat = town.staff("Bugul Kidul"), town.camat("Bugul Kidul")
    officer = town.officer("PUPR")

    problem = await operator.report("Bakalan", title="Saluran tersumbat di RW 02")
    assert problem["number"] == "35.75.03.1005-0001"
    assert problem["state"] == "submitted"
    assert problem["state_label"] == "Diajukan"
    assert problem["next_step"]["desk"] == "kelurahan:35.75.03.1005"
    assert problem["due_at"] == problem["promised_at"] == "2026-03-27T16:59:59Z"  # 14 working days, over Lebaran

    problem = await lurah.step(problem, "forward")
    assert problem["state"] == "forwarded"
    assert problem["next_step"]["desk"] == "kecamatan:35.75.03"

    problem = await staff.step(problem, "accept")
    assert "assign" not in problem["may"], "a member of staff accepts; the camat assigns"
    problem = await camat.step(
        problem, "assign", lead="PUPR", support=["DLHKP"], instruction="Normalisasi saluran minggu ini."
    )
    assert (problem["state"], problem["lead"]) == ("assigned", "PUPR")
    assert problem["next_step"]["desk"] == "agency:PUPR"

    desk = town.good(await officer.get("/assignments?state=offered"), 200)
    assert [each["problem_id"] for each in desk["items"]] == [problem["id"]]
    await officer.part(problem, "accept")
    await officer.part(problem, "start")
    photo = await officer.photo(problem)
    problem = await officer.part(
        problem, "finish", resolution="repaired", note="Endapan diangkat sepanjang 60 meter.", photos=[photo]
    )
    assert problem["state"] == "in_progress", "the supporter's part is still open"

    supporter = town.officer("DLHKP")
    await supporter.part(problem, "accept")
    await supporter.part(problem, "start")
    problem = await supporter.part(problem, "finish", resolution="served", note="Sampah diangkut.")
    assert problem["state"] == "awaiting_confirmation"
    assert (await officer.see(problem))["may"] == ["comment", "attach", "link"], "who did the work confirms nothing"

    problem = await lurah.step(problem, "confirm", rating=5)
    assert (problem["state"], problem["resolution"], problem["rating"]) == ("resolved", "repaired", 5)
    assert problem["next_step"] is None

    history = town.good(await lurah.get(f"/problems/{problem['id']}/history"), 200)["items"]
    assert [each["kind"] for each in history] == [
        "reported",
        "forwarded",
        "accepted",
        "assigned",
        "assignment_accepted",
        "assignment_started",
        "attached",
        "assignment_finished",
        "assignment_accepted",
        "assignment_started",
        "assignment_finished",
        "confirmed",
    ]
    assert [each["position"] for each in history] == list(range(1, 13))
    assert history[3]["data"]["instruction"] == "Normalisasi saluran minggu ini."
    assert history[3]["by"]["post"] == "camat:35.75.03"
