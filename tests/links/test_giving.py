"""Giving links: who may, for how long, to whom, and taking them back."""

import pytest
from sqlmodel import select

from app.journal.models import Administration
from app.kit.ids import new_id
from app.kit.models import RememberedAnswer
from app.links.models import AssignmentLink
from tests.links.browser import advance, assigned, browser, everything, given, part_of, unchanged
from tests.town import Someone, Town


def people(town: Town) -> dict[str, Someone]:
    return {
        "staff": town.staff("Bugul Kidul"),
        "camat": town.camat("Bugul Kidul"),
        "monitor": town.monitor,
        "lurah": town.lurah("Bakalan"),
        "mayor": town.mayor,
        "head": town.head("PUPR"),
        "officer": town.officer("PUPR"),
        "other head": town.head("PERKIM"),
        "other camat": town.camat("Gadingrejo"),
        "admin": town.admin,
    }


BY_HAND = {"staff": 201, "camat": 201, "monitor": 201, "lurah": 403, "mayor": 403}
WITH_ACCOUNTS = {"staff": 403, "camat": 201, "monitor": 201, "lurah": 403, "mayor": 403, "head": 201, "officer": 403}


@pytest.mark.parametrize(("agency", "expected"), [("PLN", BY_HAND), ("PUPR", WITH_ACCOUNTS)])
async def test_whoever_answers_for_a_part_gives_links_to_it(town: Town, agency: str, expected: dict[str, int]) -> None:
    problem = await assigned(town, agency)
    path = f"/assignments/{part_of(problem)}/links"
    for name, person in people(town).items():
        status = expected.get(name, 404)
        answer = await person.post(path, {})
        assert answer.status_code == status, name
        assert (await person.get(path)).status_code == {201: 200}.get(status, status), name
        link = await given(town, problem)
        revoked = await person.post(f"/links/{link['id']}/revoke")
        assert revoked.status_code == {201: 200}.get(status, status), name
        if status == 404:
            assert answer.json()["code"] == "assignment_not_found"
            assert revoked.json()["code"] == "link_not_found"


async def test_what_the_city_assigned_is_not_for_the_kecamatan_to_pass_on(town: Town) -> None:
    problem = await town.lurah("Bakalan").report()
    await town.camat("Bugul Kidul").step(problem, "accept")
    problem = await town.monitor.step(problem, "assign", lead="PLN")
    path = f"/assignments/{part_of(problem)}/links"
    assert (await town.camat("Bugul Kidul").post(path, {})).status_code == 403
    link = town.good(await town.monitor.post(path, {}), 201)
    assert "Disposisi sudah diterima." in (await browser(town, link["url"]).do("accept")).text


async def test_the_assigner_is_told_everything_and_can_copy_it_again(town: Town) -> None:
    problem, camat = await assigned(town), town.camat("Bugul Kidul")
    path = f"/assignments/{part_of(problem)}/links"
    first = await given(town, problem, days=3)
    assert first["url"].startswith("http://127.0.0.1:8000/t/")
    assert first | {"url": ""} == {
        "id": first["id"],
        "reference": first["id"][-8:],
        "assignment_id": part_of(problem),
        "problem_id": problem["id"],
        "agency": "PLN",
        "state": "active",
        "state_label": "Berlaku",
        "created_at": "2026-03-02T02:00:00Z",
        "created_by": camat.actor.name,
        "expires_at": "2026-03-05T02:00:00Z",
        "revoked_at": None,
        "used_at": None,
        "mail": None,
        "url": "",
    }
    second = await given(town, problem, email="piket@pln.example")
    assert second["mail"]["to"] == "piket@pln.example"
    assert (second["mail"]["state"], second["mail"]["attempts"]) == ("waiting", 0)
    page = town.good(await camat.get(path, params={"limit": 1}), 200)
    assert page["items"] == [second]
    rest = town.good(await camat.get(path, params={"limit": 1, "after": page["next"]}), 200)
    assert rest == {"items": [first], "next": None}
    await browser(town, first["url"]).do("accept")
    advance(town, days=3)
    expired = town.good(await camat.get(path), 200)["items"][1]
    assert (expired["state"], expired["url"]) == ("expired", None)
    assert expired["used_at"] == "2026-03-02T02:00:00Z"


async def test_giving_and_revoking_is_written_down(town: Town) -> None:
    problem = await assigned(town)
    link = await given(town, problem, email="piket@pln.example")
    camat = town.camat("Bugul Kidul")
    town.good(await camat.post(f"/links/{link['id']}/revoke"), 200)
    with town.house.database.read() as session:
        noted = session.exec(select(Administration)).all()
        row = session.exec(select(AssignmentLink)).one()
    assert [(each.kind, each.subject) for each in noted if each.kind.startswith("link.")] == [
        ("link.created", problem["number"]),
        ("link.revoked", problem["number"]),
    ]
    assert {each.account_id for each in noted} == {camat.actor.account_id}
    assert (row.revoked_at, row.mail_at) == (town.clock.now, None), "and its mail is not sent any more"
    again = await camat.post(f"/links/{link['id']}/revoke")
    assert (again.status_code, again.json()["code"]) == (409, "link_not_active")


async def test_a_link_is_good_no_longer_than_the_city_allows(town: Town) -> None:
    problem = await assigned(town)
    assert (await given(town, problem))["expires_at"] == "2026-04-01T02:00:00Z"
    path = f"/assignments/{part_of(problem)}/links"
    with unchanged(town.house):
        for days, code in ((31, "link_too_long"), (0, "invalid_request"), (91, "invalid_request")):
            answer = await town.camat("Bugul Kidul").post(path, {"days": days})
            assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize(
    "email", ["", "siapa", "a@b", "a b@c.example", "a@b.example\nBcc: x@y.example", "-a@b.example", "a@b..example"]
)
async def test_an_address_that_is_none_is_refused(town: Town, email: str) -> None:
    problem = await assigned(town)
    with unchanged(town.house):
        answer = await town.camat("Bugul Kidul").post(f"/assignments/{part_of(problem)}/links", {"email": email})
        assert answer.status_code == 422
        changed = await town.admin.patch("/admin/agencies/PLN", {"email": email})
        assert changed.status_code == 422


async def test_only_an_open_assignment_is_given_links(town: Town) -> None:
    problem = await assigned(town)
    await town.camat("Bugul Kidul").part(problem, "refuse", reason="Bukan kami.", letter="005/1")
    path = f"/assignments/{part_of(problem)}/links"
    with unchanged(town.house):
        answer = await town.camat("Bugul Kidul").post(path, {})
        assert (answer.status_code, answer.json()["code"]) == (409, "assignment_over")
        nothing = await town.camat("Bugul Kidul").post(f"/assignments/{new_id()}/links", {})
        assert (nothing.status_code, nothing.json()["code"]) == (404, "assignment_not_found")
        unknown = await town.camat("Bugul Kidul").post(f"/links/{new_id()}/revoke")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "link_not_found")


async def test_a_repeated_request_makes_one_link_and_what_opens_it_is_stored_nowhere(town: Town) -> None:
    problem, camat = await assigned(town), town.camat("Bugul Kidul")
    path = f"/assignments/{part_of(problem)}/links"
    answers = [await camat.post(path, {}, headers={"Idempotency-Key": "sekali"}) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"
    token = answers[0].json()["url"].rpartition("/")[2]
    with town.house.database.read() as session:
        assert len(session.exec(select(AssignmentLink)).all()) == 1
        assert session.exec(select(RememberedAnswer).where(RememberedAnswer.key == "key:sekali")).one().status == 201
    await browser(town, answers[1].json()["url"]).do("accept")
    stored = repr(everything(town.house))
    assert token not in stored
    assert token[22:] not in stored


async def test_an_admin_keeps_the_addresses_of_agencies(town: Town) -> None:
    admin, body = town.admin, {"code": "BPN", "name": "Kantor Pertanahan", "kind": "external", "has_accounts": False}
    created = town.good(await admin.post("/admin/agencies", body | {"email": "loket@bpn.example"}), 201)
    assert created["email"] == "loket@bpn.example"
    changed = town.good(await admin.patch("/admin/agencies/BPN", {"name": "Kantor Pertanahan Kota"}), 200)
    assert changed["email"] == "loket@bpn.example", "what is left out stays"
    assert town.good(await town.lurah("Bakalan").get("/agencies/BPN"), 200)["email"] == "loket@bpn.example"
    assert town.good(await admin.patch("/admin/agencies/BPN", {"email": None}), 200)["email"] is None
