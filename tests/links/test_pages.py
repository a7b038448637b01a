"""The page of a link: an officer of an agency without any system takes a case from beginning to end."""

import asyncio
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from PIL import Image
from sqlmodel import select

from app.evidence.models import Photo
from app.journal.models import Entry
from app.kit.ids import new_id
from app.links.models import AssignmentLink
from tests.links.browser import Read, advance, assigned, browser, given, linked, unchanged
from tests.town import Town, picture

PERCENT = "Kemajuan dalam persen (0 sampai 100)"


def wide_picture() -> bytes:
    """A photo that is shown smaller at first."""
    file = BytesIO()
    Image.effect_noise((800, 600), 40).convert("RGB").save(file, "JPEG")
    return file.getvalue()


def facts(town: Town, problem: dict[str, Any]) -> list[Entry]:
    with town.house.database.read() as session:
        entries = session.exec(select(Entry).order_by(Entry.position)).all()  # type: ignore[arg-type]
        return [each for each in entries if str(each.subject) == problem["id"]]


async def test_a_part_is_moved_from_its_offer_to_its_end_by_the_link_alone(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem, officer = await linked(town)
    page = await officer.open()
    assert page.language == "id"
    for told in (problem["number"], problem["title"], "Mohon segera ditangani.", "PT PLN (Persero)", "Balai RW 02"):
        assert told in page.text
    assert set(page.forms) == {"accept", "refuse", "comment"}

    page = await officer.do("accept")
    assert "Disposisi sudah diterima." in page.text
    assert set(page.forms) == {"progress", "finish", "refuse", "comment"}

    page = await officer.do("progress", wide_picture(), note="Tiang sudah diganti.", percent="60")
    assert "Kemajuan sudah dicatat." in page.text
    assert "Tiang sudah diganti." in page.text
    assert "60 %" in page.text
    assert len(page.images) == 1
    assert set(page.forms) == {"progress", "finish", "comment"}
    small = await town.client.get(page.images[0])
    large = await town.client.get(page.images[0].removesuffix("?small=1"))
    assert (small.headers["content-type"], large.headers["content-type"]) == ("image/jpeg", "image/jpeg")
    assert len(small.content) < len(large.content)

    page = await officer.do("finish", picture("red"), resolution="repaired", note="Jaringan sudah normal.")
    assert "sudah dilaporkan selesai" in page.text
    assert set(page.forms) == {"comment"}
    seen = await lurah.see(problem)
    assert (seen["state"], len(seen["photos"])) == ("awaiting_confirmation", 2)
    done = await lurah.step(problem, "confirm", rating=5)
    assert done["state"] == "resolved"
    page = await officer.open()
    assert page.forms == {}
    assert "Dikonfirmasi" in page.text


async def test_what_is_done_names_the_link_and_nobody(town: Town) -> None:
    problem, officer = await linked(town)
    await officer.do("accept")
    await officer.do("comment", text="Kami datang besok pagi.")
    with town.house.database.read() as session:
        link = session.exec(select(AssignmentLink)).one()
    assert link.used_at == town.clock.now
    accepted, commented = facts(town, problem)[-2:]
    assert accepted.kind == "assignment_accepted"
    assert accepted.data["letter"] == f"Tautan {link.reference}"
    assert commented.kind == "commented"
    for entry in (accepted, commented):
        assert entry.account_id == link.id
        assert entry.author["name"] == "Petugas PLN (tautan)"
    page = await officer.open()
    assert "PLN" in page.text
    for person in (town.lurah("Bakalan"), town.camat("Bugul Kidul")):
        assert person.actor.name not in page.text


async def test_the_reporter_and_what_stays_inside_the_territory_are_not_shown(town: Town) -> None:
    reporter = {"name": "Warga Anu", "phone": "+62 811 0000 0000"}
    problem, officer = await linked(town, reporter=reporter)
    lurah = town.lurah("Bakalan")
    for text, internal in (("Hanya untuk kami.", True), ("Kuncinya di Balai RW.", False)):
        said = {"text": text, "internal": internal}
        town.good(await lurah.post(f"/problems/{problem['id']}/comments", said), 201)
    page = await officer.open()
    assert "Kuncinya di Balai RW." in page.text
    for hidden in ("Warga Anu", "0000 0000", "Hanya untuk kami."):
        assert hidden not in page.text


async def test_a_part_is_refused_with_whose_it_is(town: Town) -> None:
    problem, officer = await linked(town)
    page = await officer.open()
    form = page.forms["refuse"]
    assert {"PUPR", "PERKIM"} <= set(form.choices["belongs_to"])
    assert "PLN" not in form.choices["belongs_to"]
    without_owner = await officer.send(form, reason="Bukan jaringan kami.", reason_code="not_our_authority")
    assert without_owner.status_code == 422
    kept = Read(without_owner.text).forms["refuse"]
    assert kept.fields["reason"] == "Bukan jaringan kami."
    assert kept.fields["reason_code"] == "not_our_authority"
    assert "Sebutkan instansi yang berwenang" in Read(without_owner.text).text
    answer = await officer.send(
        kept, reason="Bukan jaringan kami.", reason_code="not_our_authority", belongs_to="PERKIM"
    )
    assert answer.status_code == 303
    page = await officer.open(answer.headers["location"])
    assert "Penolakan sudah dicatat." in page.text
    assert set(page.forms) == {"comment"}
    seen = await town.camat("Bugul Kidul").see(problem)
    assert (seen["state"], seen["assignments"][0]["state"]) == ("accepted", "refused")


async def test_a_finish_without_its_proof_keeps_what_was_written_and_changes_nothing(town: Town) -> None:
    _, officer = await linked(town)
    await officer.do("accept")
    form = (await officer.open()).forms["finish"]
    with unchanged(town.house):
        answer = await officer.send(form, resolution="repaired", note="Sudah <b>beres</b> & rapi.")
    assert answer.status_code == 422
    page = Read(answer.text)
    assert "Wajib disertai foto bukti" in page.text
    assert page.forms["finish"].fields["note"] == "Sudah <b>beres</b> & rapi."
    assert "<b>beres" not in answer.text


@pytest.mark.parametrize(
    ("verb", "filled", "named"),
    [
        ("progress", {"note": " "}, "Catatan"),
        ("progress", {"note": "Ya.", "percent": "101"}, PERCENT),
        ("progress", {"note": "Ya.", "percent": "banyak"}, PERCENT),
        ("progress", {"note": "a\0b"}, "Catatan"),
        ("finish", {"note": "Ya."}, "Hasil pekerjaan"),
        ("comment", {"text": "x" * 4_001}, "Komentar"),
    ],
)
async def test_what_is_missing_or_wrong_is_named(town: Town, verb: str, filled: dict[str, str], named: str) -> None:
    _, officer = await linked(town)
    await officer.do("accept")
    form = (await officer.open()).forms[verb]
    form.choices.clear()
    with unchanged(town.house):
        answer = await officer.send(form, None, **filled)
    assert answer.status_code == 422
    assert f"Isian belum lengkap atau keliru: {named}." in Read(answer.text).text


@pytest.mark.parametrize("photo", [b"bukan foto", b"%PDF-1.7 \xff"])
async def test_what_is_no_photo_is_refused_in_words(town: Town, photo: bytes) -> None:
    _, officer = await linked(town)
    await officer.do("accept")
    form = (await officer.open()).forms["progress"]
    with unchanged(town.house):
        answer = await officer.send(form, photo, note="Lihat foto.")
    page = Read(answer.text)
    assert answer.status_code in (415, 422)
    assert "Belum tersimpan." in page.text
    assert "Pilih fotonya sekali lagi." in page.text
    assert page.forms["progress"].fields["note"] == "Lihat foto."


async def test_a_disputed_part_comes_back_with_the_reason(town: Town) -> None:
    problem, officer = await linked(town)
    await officer.do("accept")
    await officer.do("finish", resolution="explained", note="Warga sudah diberi penjelasan.")
    await town.lurah("Bakalan").step(problem, "dispute", reason="Lampu masih padam malam ini.")
    page = await officer.open()
    assert "Lampu masih padam malam ini." in page.text
    assert set(page.forms) == {"progress", "finish", "comment"}


async def test_a_part_on_hold_goes_on(town: Town) -> None:
    problem, officer = await linked(town)
    camat = town.camat("Bugul Kidul")
    await officer.do("accept")
    await officer.do("progress", note="Menunggu trafo.")
    seen = await camat.see(problem)
    review = town.today().replace(day=20).isoformat()
    await camat.part(seen, "hold", reason_code="third_party", review_on=review, letter="005/1")
    await camat.part(seen, "agree_hold")
    page = await officer.open()
    assert set(page.forms) == {"resume", "comment"}
    page = await officer.do("resume")
    assert set(page.forms) == {"progress", "finish", "comment"}


# -- once ------------------------------------------------------------------------------------------------------------


async def test_a_form_sent_twice_has_effect_once(town: Town) -> None:
    problem, officer = await linked(town)
    await officer.do("accept")
    form = (await officer.open()).forms["progress"]
    photo = picture()
    first = await officer.send(form, photo, note="Tiang sudah diganti.")
    with unchanged(town.house):
        second = await officer.send(form, photo, note="Tiang sudah diganti.")
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["location"] == second.headers["location"]
    kinds = [each.kind for each in facts(town, problem)]
    assert (kinds.count("assignment_progressed"), kinds.count("attached")) == (1, 1)
    other = await officer.send(form, note="Kabel sudah ditarik.")
    assert other.status_code == 303, "the same page with other words, after the back button, is something else"
    assert [each.kind for each in facts(town, problem)].count("assignment_progressed") == 2


async def test_a_form_sent_twice_at_once_has_effect_once(town: Town) -> None:
    """A finger that slips: both are on their way before either is answered."""
    problem, officer = await linked(town)
    await officer.do("accept")
    form, photo = (await officer.open()).forms["finish"], picture()
    filled = {"resolution": "repaired", "note": "Selesai."}
    answers = await asyncio.gather(*(officer.send(form, photo, **filled) for _ in range(3)))
    assert [each.status_code for each in answers] == [303, 303, 303]
    kinds = [each.kind for each in facts(town, problem)]
    assert (kinds.count("assignment_finished"), kinds.count("attached")) == (1, 1)


async def test_a_form_that_was_done_is_done_even_where_the_part_has_moved_on(town: Town) -> None:
    _, officer = await linked(town)
    form = (await officer.open()).forms["accept"]
    assert (await officer.send(form)).status_code == 303
    assert (await officer.send(form)).status_code == 303
    stale = form.fields | {"form": str(uuid4())}
    form.fields = stale
    answer = await officer.send(form)
    assert answer.status_code == 409
    page = Read(answer.text)
    assert "Langkah ini tidak berlaku" in page.text
    assert set(page.forms) == {"progress", "finish", "refuse", "comment"}, "the page as it stands now"


async def test_opening_changes_nothing_ever(town: Town) -> None:
    """Mail scanners and previews open links, ask for heads, and for options."""
    _, officer = await linked(town)
    await officer.do("accept")
    await officer.do("progress", picture(), note="Ya.")
    images = (await officer.open()).images
    with unchanged(town.house):
        for path in (officer.place, f"{officer.place}?done=finish", f"{officer.place}?verb=finish&note=x", *images):
            assert (await town.client.get(path)).status_code == 200
            assert (await town.client.head(path)).status_code == 200
            assert (await town.client.options(path)).status_code == 405
        for method in ("PUT", "PATCH", "DELETE"):
            assert (await town.client.request(method, officer.place)).status_code == 405


async def test_each_request_is_one_hop(town: Town, town_app: FastAPI) -> None:
    _, officer = await linked(town)
    await officer.do("accept")
    form, hops = (await officer.open()).forms["progress"], town_app.state.hops
    before = hops.count
    assert (await officer.send(form, picture(), note="Ya.")).status_code == 303
    assert hops.count == before + 1
    page = await officer.open()
    assert hops.count == before + 2
    await town.client.get(page.images[0])
    assert hops.count == before + 3
    assert (await officer.send(page.forms["finish"], None, note="Ya.")).status_code == 422
    assert hops.count == before + 4


# -- closed doors ----------------------------------------------------------------------------------------------------


async def test_an_expired_link_says_so_and_does_nothing(town: Town) -> None:
    problem = await assigned(town)
    officer = browser(town, (await given(town, problem, days=2))["url"])
    form = (await officer.open()).forms["accept"]
    advance(town, days=2, seconds=-1)
    await officer.open()
    advance(town, seconds=1)
    with unchanged(town.house):
        for answer in (await town.client.get(officer.place), await officer.send(form)):
            assert answer.status_code == 410
            assert "Masa berlaku tautan ini sudah habis" in Read(answer.text).text
            assert problem["number"] not in answer.text


async def test_a_revoked_link_says_so_and_does_nothing(town: Town) -> None:
    problem = await assigned(town)
    link = await given(town, problem)
    officer = browser(town, link["url"])
    await officer.do("accept")
    await officer.do("progress", picture(), note="Ya.")
    page = await officer.open()
    revoked = town.good(await town.camat("Bugul Kidul").post(f"/links/{link['id']}/revoke"), 200)
    assert revoked["state"] == "revoked"
    with unchanged(town.house):
        answers = [await town.client.get(officer.place), await officer.send(page.forms["comment"], text="Halo")]
        answers.append(await town.client.get(page.images[0]))
        for answer in answers:
            assert answer.status_code == 410
            assert "Tautan ini sudah dicabut" in answer.text


async def test_a_part_that_is_taken_back_takes_its_links_along(town: Town) -> None:
    problem, officer = await linked(town)
    form = (await officer.open()).forms["accept"]
    await town.camat("Bugul Kidul").part(problem, "revoke", reason="Salah alamat.")
    with unchanged(town.house):
        for answer in (await town.client.get(officer.place), await officer.send(form)):
            assert answer.status_code == 410
            assert "Disposisi ini sudah dicabut" in answer.text
            assert problem["title"] not in answer.text


async def test_a_forged_link_is_told_apart_from_no_other(town: Town) -> None:
    _, officer = await linked(town)
    form = (await officer.open()).forms["accept"]
    token = officer.place.removeprefix("/t/")
    other = await linked(town, title="Lampu jalan padam di gang dua")
    mixed = token[:22] + other[1].place.removeprefix("/t/")[22:]
    forged = [
        "x",
        "A" * 64,
        f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}",
        mixed,
        token[:-4],
        f"{token}AAAA",
        "é" * 64,
    ]
    pages = set()
    with unchanged(town.house):
        for each in forged:
            form.action = f"/t/{each}"
            for answer in (await town.client.get(f"/t/{each}"), await officer.send(form)):
                assert answer.status_code == 404
                pages.add(answer.text)
            photo = await town.client.get(f"/t/{each}/photos/{new_id()}")
            assert photo.status_code == 404
    assert len(pages) == 1


async def test_a_link_opens_its_own_assignment_and_no_other(town: Town) -> None:
    mine, officer = await linked(town)
    others, other = await linked(town, title="Lampu jalan padam di gang dua")
    await other.do("accept")
    await other.do("progress", picture(), note="Ya.")
    image = (await other.open()).images[0].rpartition("/")[2]
    assert (await town.client.get(f"{officer.place}/photos/{image}")).status_code == 404
    assert (await town.client.get(f"{officer.place}/photos/bukan-id")).status_code == 404
    await officer.do("accept")
    assert [each["state"] for each in (await town.camat("Bugul Kidul").see(mine))["assignments"]] == ["accepted"]
    assert [each["state"] for each in (await town.camat("Bugul Kidul").see(others))["assignments"]] == ["in_progress"]


async def test_the_link_of_a_supporter_moves_the_supporters_part(town: Town) -> None:
    problem = await town.lurah("Bakalan").report()
    camat = town.camat("Bugul Kidul")
    await camat.step(problem, "accept")
    problem = await camat.step(problem, "assign", lead="PUPR", support=["PLN"])
    parts = {each["agency"]: each["id"] for each in problem["assignments"]}
    link = town.good(await camat.post(f"/assignments/{parts['PLN']}/links", {}), 201)
    await browser(town, link["url"]).do("accept")
    states = {each["agency"]: each["state"] for each in (await camat.see(problem))["assignments"]}
    assert states == {"PUPR": "offered", "PLN": "accepted"}


async def test_an_agency_with_accounts_may_use_a_link_too(town: Town) -> None:
    problem, officer = await linked(town, "PUPR")
    await officer.do("accept")
    await officer.do("progress", note="Sudah dikeruk.")
    seen = await town.head("PUPR").see(problem)
    assert seen["assignments"][0]["state"] == "in_progress"
    assert "letter" not in facts(town, problem)[-1].data
    await town.officer("PUPR").part(seen, "finish", resolution="explained", note="Selesai.")
    assert set((await officer.open()).forms) == {"comment"}


# -- the wire --------------------------------------------------------------------------------------------------------


async def test_nobody_keeps_or_finds_or_frames_it(town: Town) -> None:
    _, officer = await linked(town)
    page = await officer.open()
    answers = [await town.client.get(officer.place), await officer.send(page.forms["comment"], text="Halo.")]
    answers += [await town.client.get("/t/x"), await town.client.get(f"{officer.place}/photos/{new_id()}")]
    for answer in answers:
        headers = answer.headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "noindex" in headers["x-robots-tag"]
        assert headers["x-content-type-options"] == "nosniff"
        policy = headers["content-security-policy"]
        for part in (
            "default-src 'none'",
            "img-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "'sha256-",
        ):
            assert part in policy
        assert "unsafe" not in policy
    assert len(answers[0].content) < 16_000, "small, for old phones"


async def test_the_token_is_not_logged_and_the_link_is(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    problem = await assigned(town)
    link = await given(town, problem)
    officer = browser(town, link["url"])
    caplog.clear()
    await officer.do("accept")
    await town.client.get(f"{officer.place}/photos/x")
    await town.client.get(f"/t/{officer.place}")
    logged = "\n".join(str(each.msg) for each in caplog.records)
    assert "/t/…" in logged
    assert link["id"] in logged
    assert officer.place.removeprefix("/t/") not in logged


@pytest.mark.parametrize("body", [b"", b"--x\r\nkacau", b"--x\r\n\r\n\r\n--x--"])
async def test_a_broken_form_is_refused_as_a_page(town: Town, body: bytes) -> None:
    _, officer = await linked(town)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with unchanged(town.house):
        answer = await town.client.post(officer.place, content=body, headers=headers)
        assert answer.status_code == 422
        assert "Belum tersimpan." in Read(answer.text).text
        assert (await town.client.post(officer.place, json={"verb": "accept"})).status_code == 422


async def test_pages_stay_out_of_the_document(town: Town) -> None:
    document = (await town.client.get("/openapi.json")).json()
    assert not [path for path in document["paths"] if path.startswith("/t")]
    assert "/api/v1/assignments/{assignment_id}/links" in document["paths"]


async def test_photos_of_a_refused_form_leave_no_row(town: Town) -> None:
    _, officer = await linked(town)
    await officer.do("accept")
    form = (await officer.open()).forms["finish"]
    await officer.do("finish", picture(), resolution="repaired", note="Selesai.")
    form.fields["form"] = str(uuid4())
    with unchanged(town.house):
        answer = await officer.send(form, picture("blue"), resolution="repaired", note="Sekali lagi.")
    assert answer.status_code == 409
    with town.house.database.read() as session:
        assert len(session.exec(select(Photo)).all()) == 1
