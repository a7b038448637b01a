"""What a link must not become: a way to confirm one's own work, to read what stays inside, or to leave no trace."""

from uuid import uuid4

import pytest

from tests.links.browser import advance, assigned, browser, given, linked, part_of
from tests.town import Town, picture

CHARSETS = ["undefined", "punycode", "idna", "unicode_escape", "utf-16", "base64"]


async def test_what_stays_in_the_agency_is_not_shown_to_who_gave_the_link(town: Town) -> None:
    problem, camat = await assigned(town, "PUPR"), town.camat("Bugul Kidul")
    said = {"text": "Hanya untuk dinas.", "internal": True}
    town.good(await town.head("PUPR").post(f"/problems/{problem['id']}/comments", said), 201)
    assert "Hanya untuk dinas." not in (await camat.get(f"/problems/{problem['id']}/comments")).text
    officer = browser(town, (await given(town, problem))["url"])
    assert "Hanya untuk dinas." not in (await officer.open()).text


@pytest.mark.parametrize("agency", ["PLN", "PUPR"])
async def test_who_gives_links_confirms_nothing_that_was_done_through_one(town: Town, agency: str) -> None:
    problem, officer = await linked(town, agency)
    await officer.do("accept")
    await officer.do("finish", picture(), resolution="repaired", note="Sudah beres.")
    advance(town, days=14)
    for who in (town.camat("Bugul Kidul"), town.staff("Bugul Kidul"), town.monitor):
        assert "confirm" not in (await who.see(problem))["may"]
        assert (await who.try_step(problem, "confirm", rating=5)).status_code == 403
        assert (await who.try_step(problem, "dispute", reason="Belum beres.")).status_code == 403
    assert "confirm" in (await town.lurah("Bakalan").see(problem))["may"]
    done = await town.lurah("Bakalan").step(problem, "confirm", rating=5)
    assert done["state"] == "resolved"


async def test_work_of_an_agency_that_logs_in_is_confirmed_as_ever(town: Town) -> None:
    problem, head = await assigned(town, "PUPR"), town.head("PUPR")
    for verb in ("accept", "start"):
        problem = await head.part(problem, verb)
    photo = await head.photo(problem)
    problem = await head.part(problem, "finish", resolution="repaired", note="Sudah beres.", photos=[photo])
    advance(town, days=9)
    assert (await town.camat("Bugul Kidul").step(problem, "confirm"))["state"] == "resolved"


@pytest.mark.parametrize("charset", CHARSETS)
async def test_a_form_in_no_known_letters_is_refused_as_a_page(town: Town, charset: str) -> None:
    _, officer = await linked(town)
    body = b'--b\r\nContent-Disposition: form-data; name="verb"\r\n\r\na\\b\\ud800 xn--\xff\r\n--b--\r\n'
    kind = f"multipart/form-data; boundary=b; charset={charset}"
    answer = await town.client.post(officer.place, content=body, headers={"content-type": kind})
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")


async def test_what_is_tried_with_a_link_that_is_over_is_logged(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    problem = await assigned(town)
    link = await given(town, problem)
    officer = browser(town, link["url"])
    form = (await officer.open()).forms["accept"]
    assert f"'link': '{link['id']}'" in caplog.text
    caplog.clear()
    advance(town, days=40)
    assert (await officer.send(form)).status_code == 410
    assert link["id"] in caplog.text
    assert "link_expired" in caplog.text
    caplog.clear()
    forged = officer.place[:-1] + ("A" if officer.place[-1] != "A" else "B")
    assert (await town.client.get(forged)).status_code == 404
    assert "link_not_found" in caplog.text
    assert forged.rpartition("/")[2] not in caplog.text.replace("http://testserver" + forged, "")


async def test_a_link_that_was_given_is_told_again_as_it_stands_now(town: Town) -> None:
    problem, camat = await assigned(town), town.camat("Bugul Kidul")
    place, key = f"/assignments/{part_of(problem)}/links", {"Idempotency-Key": str(uuid4())}
    first = town.good(await camat.post(place, {}, headers=key), 201)
    again = town.good(await camat.post(place, {}, headers=key), 201)
    assert again == first
    town.good(await camat.post(f"/links/{first['id']}/revoke"), 200)
    revoked = town.good(await camat.post(place, {}, headers=key), 201)
    assert (revoked["id"], revoked["state"], revoked["url"]) == (first["id"], "revoked", None)
    town.good(await town.admin.post(f"/admin/posts/{camat.actor.post_id}/end", {}), 200)
    assert (await camat.post(place, {}, headers=key)).status_code == 403
