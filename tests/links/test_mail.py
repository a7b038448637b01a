"""Mail with links: offered by itself, sent by a real server or into a folder, tried again, given up."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from anyio import to_thread
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from app.kit.house import House
from app.kit.settings import Settings
from app.links import mail
from app.links.mail import ATTEMPTS_MAXIMUM, BATCH_MAXIMUM, Server, open_post, send_mail
from app.links.models import AssignmentLink
from tests.links.browser import advance, assigned, browser, given, part_of
from tests.links.post_office import PostOffice, post_office
from tests.town import Town


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with post_office() as opened:
        yield opened


def posting_to(house: House, mail_url: str | None) -> House:
    """The same house, whose mail goes another way."""
    post = open_post(house.settings.model_copy(update={"mail_url": _secret(mail_url)}))
    return replace(house, parts={**house.parts, "post": post})


def _secret(text: str | None) -> Any:
    return None if text is None else Settings(_env_file=None, mail_url=text).mail_url


async def round_of(house: House, office: PostOffice | None = None) -> int:
    sending = house if office is None else posting_to(house, f"smtp://127.0.0.1:{office.port}")
    return await to_thread.run_sync(send_mail, sending)


def links(house: House) -> list[AssignmentLink]:
    with house.database.read() as session:
        return list(session.exec(select(AssignmentLink).order_by(AssignmentLink.id)).all())  # type: ignore[arg-type]


def url_in(message: EmailMessage) -> str:
    (url,) = re.findall(r"http://127\.0\.0\.1:8000/t/\S+", message.get_content())
    return str(url)


async def has_address(town: Town, agency: str = "PLN", email: str | None = "gangguan@pln.example") -> None:
    town.good(await town.admin.patch(f"/admin/agencies/{agency}", {"email": email}), 200)


async def test_an_agency_without_accounts_is_sent_a_link_that_works(town: Town, office: PostOffice) -> None:
    await has_address(town)
    problem = await assigned(town, reporter={"name": "Warga Anu"}, description="Kata Bu Sri: padam sejak kemarin.")
    (link,) = links(town.house)
    assert (link.mail_to, link.created_by) == ("gangguan@pln.example", None)
    assert await round_of(town.house, office) == 1
    ((recipients, message),) = office.received
    assert recipients == ["gangguan@pln.example"]
    assert message["To"] == "gangguan@pln.example"
    assert message["Message-ID"]
    text = message.get_content()
    for told in (problem["number"], "Saluran", "Bakalan", "2026", "Tautan berlaku sampai Rabu, 1 April 2026"):
        assert told in text
    for hidden in ("Warga Anu", "Bu Sri", problem["title"]):
        assert hidden not in message.as_string()
    officer = browser(town, url_in(message))
    await officer.do("accept")
    await officer.do("refuse", reason="Jaringan lain.", reason_code="no_means")
    listed = town.good(await town.camat("Bugul Kidul").get(f"/assignments/{part_of(problem)}/links"), 200)["items"]
    assert listed[0]["created_by"] == "Sistem"
    assert (listed[0]["mail"]["state"], listed[0]["mail"]["attempts"]) == ("sent", 1)
    assert await round_of(town.house, office) == 0, "once"


async def test_each_offer_is_told_and_only_to_those_without_accounts(town: Town) -> None:
    await has_address(town)
    await has_address(town, "PUPR", "kantor@pupr.example")
    camat = town.camat("Bugul Kidul")
    problem = await assigned(town)
    await camat.part(problem, "refuse", reason="Bukan kami.", letter="005/1")
    problem = await camat.step(problem, "assign", lead="PUPR", support=["PLN", "BBWS"])
    made = links(town.house)
    parts = [each["id"] for each in problem["assignments"] if each["agency"] == "PLN"]
    assert [str(each.assignment_id) for each in made] == parts
    assert len(set(parts)) == 2
    await has_address(town, email=None)
    await assigned(town)
    assert len(links(town.house)) == 2


async def test_a_decided_authority_is_an_offer_too(town: Town) -> None:
    await has_address(town)
    problem = await town.lurah("Bakalan").report()
    camat = town.camat("Bugul Kidul")
    await camat.step(problem, "accept")
    for _ in range(2):
        problem = await camat.step(problem, "assign", lead="PUPR")
        await town.head("PUPR").part(problem, "refuse", reason="Bukan kami.", belongs_to="PERKIM")
    assert links(town.house) == []
    await town.monitor.step(problem, "decide_authority", agency="PLN", reason="Tiang listrik.")
    assert [each.agency_code for each in links(town.house)] == ["PLN"]


async def test_a_step_that_is_rolled_back_offers_nothing(town: Town) -> None:
    await has_address(town)
    problem = await town.lurah("Bakalan").report()
    camat = town.camat("Bugul Kidul")
    await camat.step(problem, "accept")
    refused = await camat.try_step(problem, "assign", lead="PLN", support=["TIDAKADA"])
    assert refused.status_code == 422
    assert links(town.house) == []


async def test_without_a_server_mail_lies_in_a_folder(town: Town) -> None:
    problem = await assigned(town)
    link = await given(town, problem, email="piket@pln.example")
    assert await round_of(town.house) == 1
    (file,) = (town.house.settings.data_dir / "mail").iterdir()
    assert file.suffix == ".eml"
    assert file.stat().st_mode & 0o077 == 0, "it holds what opens a door"
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert isinstance(message, EmailMessage)
    assert url_in(message) == link["url"]
    await browser(town, url_in(message)).do("accept")


async def test_a_server_that_fails_is_tried_again_later_and_later_and_given_up(town: Town, office: PostOffice) -> None:
    problem = await assigned(town)
    await given(town, problem, email="piket@pln.example", days=30)
    office.answers["DATA"] = "451 nanti saja"
    delays = []
    for attempt in range(1, ATTEMPTS_MAXIMUM + 1):
        assert await round_of(town.house, office) == 0
        (link,) = links(town.house)
        assert link.mail_attempts == attempt
        if link.mail_at is not None:
            delays.append(link.mail_at - town.clock.now)
            assert await round_of(town.house, office) == 0
            assert links(town.house)[0].mail_attempts == attempt, "not before it is time"
            town.clock.advance(delays[-1])
    assert delays[0] == timedelta(minutes=5)
    assert delays == sorted(delays)
    assert max(delays) <= timedelta(days=1)
    assert len(delays) == ATTEMPTS_MAXIMUM - 1
    listed = town.good(await town.camat("Bugul Kidul").get(f"/assignments/{part_of(problem)}/links"), 200)["items"]
    assert (listed[0]["mail"]["state"], listed[0]["mail"]["state_label"]) == ("unsent", "Tidak terkirim")
    assert listed[0]["url"], "the assigner can still pass it on"
    office.answers.clear()
    assert await round_of(town.house, office) == 0
    assert office.received == []


@pytest.mark.parametrize("answer", ["hang up", "421 tutup"])
async def test_a_connection_that_breaks_loses_nothing(town: Town, office: PostOffice, answer: str) -> None:
    problem = await assigned(town)
    for number in range(3):
        await given(town, problem, email=f"piket{number}@pln.example")
    office.answers["DATA"] = answer
    assert await round_of(town.house, office) == 0
    office.answers.clear()
    advance(town, minutes=5)
    assert await round_of(town.house, office) == 3
    assert sorted(to for (to,), _ in office.received) == [f"piket{number}@pln.example" for number in range(3)]


async def test_nobody_there_is_a_failure_like_another(town: Town) -> None:
    async with post_office() as closed:
        pass
    problem = await assigned(town)
    await given(town, problem, email="piket@pln.example")
    assert await round_of(town.house, closed) == 0
    assert links(town.house)[0].mail_attempts == 1


async def test_an_address_that_is_refused_for_good_is_not_tried_again(town: Town, office: PostOffice) -> None:
    problem = await assigned(town)
    await given(town, problem, email="salah@pln.example")
    office.answers["RCPT"] = "550 tidak dikenal"
    assert await round_of(town.house, office) == 0
    (link,) = links(town.house)
    assert (link.mail_attempts, link.mail_at, link.mail_sent_at) == (1, None, None)


async def test_what_is_no_longer_needed_is_not_sent(town: Town, office: PostOffice) -> None:
    problem = await assigned(town)
    await given(town, problem, email="piket@pln.example")
    await town.camat("Bugul Kidul").part(problem, "revoke", reason="Salah alamat.")
    assert await round_of(town.house, office) == 0
    assert links(town.house)[0].mail_at is None
    assert office.heard == [], "the server was not even called"


async def test_a_round_sends_so_many_and_the_next_the_rest(town: Town, office: PostOffice) -> None:
    problem = await assigned(town)
    for number in range(BATCH_MAXIMUM + 2):
        await given(town, problem, email=f"piket{number}@pln.example")
    assert await round_of(town.house, office) == BATCH_MAXIMUM
    assert office.heard.count("QUIT") == 1, "one connection"
    assert await round_of(town.house, office) == 2


async def test_a_mail_whose_process_died_is_sent_by_the_next(town: Town, office: PostOffice) -> None:
    problem = await assigned(town)
    await given(town, problem, email="piket@pln.example")

    class Dying:
        def open(self) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_mail(replace(town.house, parts={**town.house.parts, "post": Dying()}))
    assert await round_of(town.house, office) == 0, "it may still be on its way"
    advance(town, minutes=15)
    assert await round_of(town.house, office) == 1


@contextmanager
def nothing_settled(house: House) -> Iterator[None]:
    """A database that takes each claim, and nothing of what came of it."""

    def refuse(*given: Any) -> None:
        if given[2].startswith("UPDATE assignment_link") and "mail_sent_at" in given[2]:
            raise OperationalError(given[2], {}, Exception("away"))

    event.listen(house.database.engine, "before_cursor_execute", refuse)
    try:
        yield
    finally:
        event.remove(house.database.engine, "before_cursor_execute", refuse)


async def test_mail_that_goes_and_cannot_be_settled_is_given_up_too(town: Town, office: PostOffice) -> None:
    problem = await assigned(town)
    for number in range(2):
        await given(town, problem, email=f"piket{number}@pln.example")
    with nothing_settled(town.house):
        for tried in range(1, 2 * ATTEMPTS_MAXIMUM + 1):
            with pytest.raises(OperationalError):
                await round_of(town.house, office)
            assert sum(each.mail_attempts for each in links(town.house)) == len(office.received) == tried
            if tried % 2 == 0:
                advance(town, days=1)
        for _ in range(3):
            with pytest.raises(OperationalError):
                await round_of(town.house, office)
            advance(town, days=1)
    assert len(office.received) == 2 * ATTEMPTS_MAXIMUM
    assert await round_of(town.house, office) == 0
    assert [(each.mail_attempts, each.mail_at, each.mail_sent_at) for each in links(town.house)] == [
        (ATTEMPTS_MAXIMUM, None, None)
    ] * 2
    assert len(office.received) == 2 * ATTEMPTS_MAXIMUM


async def test_each_mail_is_settled_before_the_next_is_begun(town: Town, office: PostOffice) -> None:
    problem = await assigned(town)
    for number in range(4):
        await given(town, problem, email=f"piket{number}@pln.example")
    sending = posting_to(town.house, f"smtp://127.0.0.1:{office.port}")
    settled = []

    def is_stopping() -> bool:
        settled.append(sum(each.mail_sent_at is not None for each in links(town.house)))
        return len(office.received) >= 2

    assert await to_thread.run_sync(send_mail, sending, is_stopping) == 2
    assert settled == [0, 1, 2]
    assert sorted(each.mail_attempts for each in links(town.house)) == [0, 0, 1, 1], "told to stop, no other is claimed"
    assert await round_of(town.house, office) == 2
    assert len(office.received) == 4


class Slow(PostOffice):
    """Nobody is answered before the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.set()
        await self.gate.wait()
        await super().serve(reader, writer)


@pytest.fixture
async def slow() -> AsyncIterator[Slow]:
    office = Slow()
    server = await asyncio.start_server(office.serve, "127.0.0.1", 0)
    office.port = server.sockets[0].getsockname()[1]
    yield office
    office.gate.set()
    server.close()
    await server.wait_closed()


async def test_what_one_sends_no_other_sends(town: Town, office: PostOffice, slow: Slow) -> None:
    problem = await assigned(town)
    for number in range(2):
        await given(town, problem, email=f"piket{number}@pln.example")
    first = asyncio.create_task(round_of(town.house, slow))
    await slow.asked.wait()
    assert await round_of(town.house, office) == 1, "the one that the first has not begun"
    slow.gate.set()
    assert await first == 1
    assert sorted(to for (to,), _ in office.received + slow.received) == ["piket0@pln.example", "piket1@pln.example"]


async def test_a_round_begins_no_mail_when_it_has_lasted_long_enough(
    town: Town, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "ROUND_LASTS_SECONDS", 0.5)
    problem = await assigned(town)
    for number in range(3):
        await given(town, problem, email=f"piket{number}@pln.example")
    sending = asyncio.create_task(round_of(town.house, slow))
    await slow.asked.wait()
    await asyncio.wait([sending], timeout=0.6)
    slow.gate.set()
    assert await sending == 1
    monkeypatch.undo()
    assert await round_of(town.house, slow) == 2


# -- how a server is spoken to ---------------------------------------------------------------------------------------


def server(mail_url: str) -> Server:
    post = open_post(Settings(_env_file=None, mail_url=mail_url, public_url="https://ujung.pasuruan.example"))
    assert isinstance(post, Server)
    return post


def test_the_setting_says_where_and_how() -> None:
    plain = server("smtp://kota:p%40ss@mail.example:2525")
    assert (plain.host, plain.port, plain.is_wrapped) == ("mail.example", 2525, False)
    assert (plain.user, plain.password, plain.own_name) == ("kota", "p@ss", "ujung.pasuruan.example")
    assert server("smtp://mail.example").port == 587
    assert (server("smtps://mail.example").port, server("smtps://mail.example").is_wrapped) == (465, True)


@pytest.mark.parametrize("mail_url", ["http://mail.example", "smtp://", "rahasia", "smtp://kota:rahasia@mail:x"])
def test_a_setting_that_makes_no_sense_stops_the_start_and_is_not_repeated(mail_url: str) -> None:
    with pytest.raises(ValueError, match="mail_url") as refused:
        server(mail_url)
    assert "rahasia" not in str(refused.value)


async def test_a_server_elsewhere_is_told_nothing_without_encryption(town: Town, office: PostOffice) -> None:
    problem = await assigned(town)
    await given(town, problem, email="piket@pln.example")
    by_another_name = posting_to(town.house, f"smtp://127.1:{office.port}")  # which nobody can know to be this machine
    assert await to_thread.run_sync(send_mail, by_another_name) == 0
    assert "EHLO" in office.heard
    assert not {"AUTH", "MAIL", "RCPT", "DATA"} & set(office.heard)


async def test_encryption_that_is_offered_is_used_even_here(town: Town, office: PostOffice) -> None:
    """This one offers it and cannot: nothing is sent in clear instead."""
    office.offers = ("STARTTLS",)
    office.answers["STARTTLS"] = "454 tidak sekarang"
    problem = await assigned(town)
    await given(town, problem, email="piket@pln.example")
    assert await round_of(town.house, office) == 0
    assert "STARTTLS" in office.heard
    assert not {"MAIL", "RCPT", "DATA"} & set(office.heard)


async def test_a_server_that_asks_for_a_password_is_given_it(town: Town, office: PostOffice) -> None:
    office.offers = ("AUTH PLAIN",)
    office.answers["AUTH"] = "235 silakan"
    problem = await assigned(town)
    await given(town, problem, email="piket@pln.example")
    house = posting_to(town.house, f"smtp://kota:rahasia@localhost:{office.port}")
    assert await to_thread.run_sync(send_mail, house) == 1
    assert "AUTH" in office.heard
