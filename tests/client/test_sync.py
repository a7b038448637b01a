"""The phone and the real server, with a line between them that fails."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx import ASGITransport, AsyncClient

from app.assembly import assemble, create_app
from app.client.backoff import Backoff
from app.client.phone import Phone
from app.client.protocol import Busy, LoggedOut, Revoked, Server, Unreachable
from app.client.store import Store
from app.client.sync import Summary, Sync
from app.client.words import Tick
from app.kit.house import House
from app.kit.ids import new_id
from tests.client.lines import Line, answer_lost, busy, good, portal, request_lost, served
from tests.conftest import Databases, SettableClock, settings_for
from tests.town import Someone, Town, picture, populate


@dataclass
class Handset:
    """One phone, its line, and what it slept."""

    phone: Phone
    line: Line
    http: httpx.Client
    slept: list[float] = field(default_factory=list)
    chunk: int = 500
    page: int = 500

    def sync(self, tries: int = 3) -> Summary:
        server = Server(self.http, self.phone.store.setting("token"))
        backoff = Backoff(lambda: 0.5, self.slept.append, tries)
        return Sync(self.phone, server, backoff, chunk=self.chunk, page=self.page).run()

    def moved_to(self, address: str) -> None:
        self.http.base_url = httpx.URL(address)


@dataclass
class Place:
    """A town that is served, and phones for its people."""

    town: Town
    address: str
    folder: Path
    clock: SettableClock
    stack: ExitStack

    def handset(self, who: Someone) -> Handset:
        store = Store(self.folder / f"{new_id()}.db")
        self.stack.callback(store.close)
        phone = Phone(store, self.clock, new_id)
        line = Line()
        http = self.stack.enter_context(httpx.Client(transport=line, base_url=self.address, timeout=60))
        posts = Server(http, who.token).me()["posts"]
        phone.adopt(self.address, "siti", {"token": who.token, "posts": posts}, "HP lapangan")
        line.calls.clear()
        return Handset(phone, line, http)

    def operator(self) -> Handset:
        return self.handset(self.town.operator("Bakalan"))

    def report(self, handset: Handset, **other: Any) -> str:
        said = {name: value for name, value in self.town.problem("Bakalan", **other).items() if name != "id"}
        return handset.phone.record("report", said).problem


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def place(town_house: House, clock: SettableClock, tmp_path: Path, stack: ExitStack) -> Place:
    app = create_app(town_house.settings, house=town_house)
    address = stack.enter_context(served(app))
    town = Town(town_house, AsyncClient(transport=ASGITransport(app=app)), clock)
    return Place(town, address, tmp_path / "phones", clock, stack)


@pytest.fixture
def set_back(databases: Databases, database_kind: str, clock: SettableClock, tmp_path: Path, stack: ExitStack) -> str:
    """The same town as it was at first, as if restored from a backup."""
    address = stack.enter_context(databases.fresh(database_kind, populate))
    settings = settings_for(address, tmp_path / "restored")
    house = assemble(settings, clock=clock)
    stack.callback(house.database.close)
    return stack.enter_context(served(create_app(settings, house=house)))


def test_recorded_without_signal_and_all_there_after_one_round_trip(place: Place) -> None:
    handset = place.operator()
    handset.line.faults.extend([request_lost] * 9)
    drain = place.report(handset)
    handset.phone.record("comment", {"text": "Sudah dicek bersama ketua RT."}, problem=drain)
    lamp = place.report(handset, title="Lampu jalan padam", category="lampu-jalan")
    with pytest.raises(Unreachable):
        handset.sync()
    assert handset.phone.ticks() == {drain: Tick.RECORDED, lamp: Tick.RECORDED}
    handset.line.faults.clear()
    handset.line.calls.clear()

    summary = handset.sync()
    assert (summary.operations, summary.documents) == (3, 2)
    assert [path for _, path in handset.line.calls if "reference" not in path] == ["sync/push"]
    assert handset.phone.outbox() == handset.phone.quarantine() == []
    shown = {each.id: each for each in handset.phone.problems()}
    assert shown.keys() == {drain, lamp}
    document = shown[drain].document
    assert document is not None
    assert (document["comments"], document["mine"], shown[drain].tick) == (1, True, Tick.RECEIVED)


def test_ticks_come_back_from_the_kecamatan(place: Place) -> None:
    operator, staff = place.operator(), place.handset(place.town.staff("Bugul Kidul"))
    drain = place.report(operator)
    operator.sync()
    staff.sync()
    staff.sync()
    operator.sync()
    assert operator.phone.ticks() == {drain: Tick.DELIVERED}
    position = next(each.document["position"] for each in staff.phone.problems() if each.document)
    answer = staff.http.post(
        "/api/v1/sync/receipts",
        json={"receipts": {place.town.kelurahan("Bakalan"): position}},
        headers=place.town.staff("Bugul Kidul").headers,
    )
    assert answer.status_code == 200, answer.text
    operator.sync()
    assert operator.phone.ticks() == {drain: Tick.ACKNOWLEDGED}


@pytest.mark.parametrize("fault", [answer_lost, request_lost, portal])
def test_whatever_the_line_loses_everything_has_effect_once(place: Place, fault: Any) -> None:
    handset = place.operator()
    problems = {place.report(handset) for _ in range(3)}
    handset.line.faults.append(fault)
    handset.sync()
    assert handset.slept == [0.5]
    documents = [each.document for each in handset.phone.problems() if each.document]
    assert {each["id"] for each in documents} == problems
    assert [each["version"] for each in documents] == [1, 1, 1]


def test_a_busy_server_is_given_the_time_it_asks_for(place: Place) -> None:
    handset = place.operator()
    place.report(handset)
    handset.line.faults.extend([busy, busy])
    handset.sync()
    assert handset.slept == [7.5, 8.0]
    handset.line.faults.extend([busy] * 3)
    with pytest.raises(Busy):
        handset.sync()


def test_many_pages_are_all_read_and_an_interruption_goes_on(place: Place) -> None:
    writer, reader = place.operator(), place.handset(place.town.lurah("Bakalan"))
    problems = {place.report(writer) for _ in range(7)}
    writer.sync()
    reader.page = 2
    reader.line.faults.extend([good, good, request_lost, request_lost])
    with pytest.raises(Unreachable):
        reader.sync(tries=2)
    assert len(reader.phone.problems()) == 4
    reader.line.calls.clear()
    reader.sync()
    assert set(reader.phone.ticks()) == problems
    assert reader.line.calls.count(("POST", "sync/pull")) == 2


def test_a_server_that_was_set_back_gets_everything_again(place: Place, set_back: str) -> None:
    handset = place.operator()
    problems = {place.report(handset) for _ in range(3)}
    handset.sync()
    handset.moved_to(set_back)
    problems.add(place.report(handset))
    summary = handset.sync()
    assert summary.operations == 4
    assert handset.phone.outbox() == []
    fresh = place.handset(place.town.lurah("Bakalan"))
    fresh.moved_to(set_back)
    fresh.sync()
    assert set(fresh.phone.ticks()) == set(handset.phone.ticks()) == problems


def test_a_phone_with_nothing_to_send_notices_a_server_that_was_set_back_too(place: Place, set_back: str) -> None:
    handset = place.operator()
    problem = place.report(handset)
    handset.sync()
    handset.moved_to(set_back)
    assert handset.sync().rewound
    assert handset.phone.ticks() == {problem: Tick.RECEIVED}
    assert handset.phone.outbox() == []
    (shown,) = handset.phone.problems()
    assert shown.document is not None


def test_a_refused_step_keeps_nobody_up_and_what_stands_behind_it_waits(place: Place) -> None:
    handset = place.operator()
    problem = place.report(handset)
    handset.phone.record("accept", {}, problem=problem)
    handset.phone.record("edit", {"title": "Saluran di RW 02 tersumbat"}, problem=problem)
    other = place.report(handset)
    handset.sync()
    assert [each.verb for each in handset.phone.quarantine()] == ["accept"]
    assert [each.verb for each in handset.phone.outbox()] == ["edit"]
    assert handset.phone.ticks()[other] is Tick.RECEIVED
    handset.line.calls.clear()
    handset.sync()
    assert len([path for _, path in handset.line.calls if path == "sync/push"]) == 1


def test_an_operation_that_cannot_be_read_at_all_is_set_aside(place: Place) -> None:
    handset = place.operator()
    place.report(handset)
    poison = handset.phone.record("no such verb!", {}, problem=str(new_id()))
    place.report(handset)
    handset.sync()
    (waiting,) = handset.phone.outbox()
    assert waiting.id == poison.operation
    assert waiting.refusal is not None
    assert waiting.refusal["code"] == "invalid_request"
    assert len(handset.phone.problems()) == 3


def test_a_revoked_phone_erases_itself_and_one_logged_out_keeps_everything(place: Place) -> None:
    handset, other = place.operator(), place.operator()
    for each in (handset, other):
        place.report(each)
        each.sync()
        place.report(each)

    mine = place.town.operator("Bakalan").headers
    device = handset.phone.store.setting("device")
    revoked = other.http.post(f"/api/v1/sync/devices/{device}/revoke", headers=mine)
    assert revoked.status_code == 200, revoked.text
    with pytest.raises(Revoked):
        handset.sync()
    assert (handset.phone.outbox(), handset.phone.problems(), handset.phone.post) == ([], [], None)

    logged_out = other.http.delete("/api/v1/auth/sessions/current", headers=mine)
    assert logged_out.status_code == 200, logged_out.text
    with pytest.raises(LoggedOut):
        other.sync()
    assert len(other.phone.problems()) == 3
    assert len(other.phone.outbox()) == 1


# -- photos ----------------------------------------------------------------------------------------------------------


def test_a_photo_goes_up_in_pieces_and_on_from_where_the_line_broke(place: Place) -> None:
    handset = place.operator()
    content = picture()
    recorded = handset.phone.attach(place.report(handset), content)
    handset.line.faults.extend([good, good, good, good, answer_lost, request_lost])
    with pytest.raises(Unreachable):
        handset.sync(tries=2)
    handset.line.calls.clear()
    handset.line.sent_bytes = 0
    summary = handset.sync()
    assert summary.photos == 1
    assert handset.line.calls[0][0] == "POST"
    assert handset.line.sent_bytes < len(content)
    (problem,) = handset.phone.problems()
    assert problem.document is not None
    assert problem.document["photos"] == [recorded.photo]
