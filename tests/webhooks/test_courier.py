"""The loop: woken by the bell, never waiting for the slowest, stopped with grace, and not to be stopped otherwise."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import Any
from uuid import UUID

import pytest
import structlog
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from app.assembly import assemble, create_app
from app.kit.database import insert_rows
from app.kit.vault import Vault
from app.webhooks import courier as loop
from app.webhooks.bell import bell_of, ring_after_commit
from app.webhooks.courier import Courier
from app.webhooks.guard import Guard
from app.webhooks.models import Delivery, Event
from app.webhooks.sending import Sender
from app.webhooks.words import DeliveryState, DisabledBy, EndpointState
from tests.conftest import settings_for
from tests.webhooks.ears import deliveries_to
from tests.webhooks.queues import Depot, delivery_row, event_row
from tests.webhooks.receiver import LOOPBACK, Arrived, Hostile, Line, Reply, never_answers


@asynccontextmanager
async def running(courier: Courier) -> AsyncIterator["asyncio.Task[None]"]:
    """The courier at work until the block ends; it must stop when it is told."""
    stop = asyncio.Event()
    task = asyncio.create_task(courier.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, 25)


def publish(depot: Depot, endpoint: UUID) -> None:
    """One more delivery, as a change that is committed leaves it."""
    row = event_row(depot.house)
    with depot.house.database.write() as session:
        insert_rows(session, Event, [row])
        insert_rows(session, Delivery, [delivery_row(row, endpoint)])
        ring_after_commit(session, bell_of(depot.house))


class Gate:
    """Keeps whoever comes waiting for an answer until it is opened."""

    def __init__(self) -> None:
        self._is_open = threading.Event()

    def open(self) -> None:
        self._is_open.set()

    @property
    def answer(self) -> Hostile:
        async def answer(_arrived: Arrived, line: Line) -> None:
            await asyncio.to_thread(self._is_open.wait, 20)
            await line.write(Reply(closes=True).to_bytes())

        return answer


async def test_the_bell_wakes_it_at_once(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "POLL_SECONDS", 3600.0)
    endpoint = depot.endpoint()
    async with running(depot.courier()):
        for number in range(1, 6):
            await asyncio.to_thread(publish, depot, endpoint)
            await depot.receiver.came(number)
    assert depot.states(endpoint) == {DeliveryState.DELIVERED: 5}


async def test_without_a_bell_it_looks_by_and_by(depot: Depot) -> None:
    endpoint = depot.endpoint()
    async with running(depot.courier()):
        await asyncio.to_thread(publish, depot, endpoint)
        await depot.receiver.came(1)
        await asyncio.to_thread(depot.waiting, endpoint, 1)
        await depot.receiver.came(2)
    assert depot.states(endpoint) == {DeliveryState.DELIVERED: 2}


async def test_many_are_delivered_once_each(depot: Depot) -> None:
    endpoints = [depot.endpoint(f"/{number}") for number in range(5)]
    for endpoint in endpoints:
        depot.waiting(endpoint, 60)
    async with running(depot.courier()):
        await depot.receiver.came(300)
    assert len(depot.receiver.ids()) == len(set(depot.receiver.ids())) == 300
    assert [depot.states(endpoint) for endpoint in endpoints] == [{DeliveryState.DELIVERED: 60}] * 5


async def test_the_slowest_keeps_nobody_waiting(depot: Depot) -> None:
    gate = Gate()
    depot.receiver.answer_at("/slow", gate.answer)
    slow, quick = depot.endpoint("/slow"), depot.endpoint()
    depot.waiting(slow, 30)
    try:
        async with running(depot.courier()):
            await depot.receiver.came(8)
            depot.waiting(quick, 40)
            await depot.receiver.came(48)
            gate.open()
            await depot.receiver.came(70)
    finally:
        gate.open()
    assert depot.states(quick) == {DeliveryState.DELIVERED: 40}


async def test_eight_that_hang_keep_nobody_waiting(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FINISHING_SECONDS", 3.0)
    hanging = [depot.endpoint(f"/hangs/{number}") for number in range(8)]
    for number, endpoint in enumerate(hanging):
        depot.receiver.answer_at(f"/hangs/{number}", never_answers)
        depot.waiting(endpoint, 20)
    healthy = depot.endpoint()
    async with running(depot.courier()):
        await depot.receiver.came(52)
        depot.waiting(healthy, 40)
        await depot.receiver.came(52 + 40)
        assert [depot.states(endpoint) for endpoint in hanging] == [{DeliveryState.WAITING: 20}] * 8
        assert not any(each.attempts for endpoint in hanging for each in deliveries_to(depot.house, endpoint))
    assert depot.states(healthy) == {DeliveryState.DELIVERED: 40}
    assert len(depot.receiver.arrived) == 92, "and nobody who hangs had more"


async def test_chores_are_done_however_much_there_is_to_send(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHORES_SECONDS", 0.0)
    for number in range(4):
        depot.waiting(depot.endpoint(f"/{number}"), 150)
    depot.endpoint("/disabled", state=EndpointState.DISABLED, disabled_by=DisabledBy.FAILING)
    async with running(depot.courier()):
        await depot.receiver.came(300)
        early = [each.path for each in depot.receiver.arrived[:300]]
        await depot.receiver.came(602)
    assert "/disabled" in early


async def test_a_secret_is_opened_once_for_all_that_is_claimed_of_an_endpoint(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    opens = Vault.open

    def heard(vault: Vault, sealed: str) -> str:
        opened.append(sealed)
        return opens(vault, sealed)

    monkeypatch.setattr(Vault, "open", heard)
    for number in range(2):
        depot.waiting(depot.endpoint(f"/{number}"), 8)
    assert await depot.turn() == 16
    assert len(opened) == len(set(opened)) == 2


async def test_told_to_stop_it_finishes_what_is_under_way_and_claims_nothing_new(depot: Depot) -> None:
    gate = Gate()
    depot.receiver.answer = gate.answer
    endpoint = depot.endpoint()
    depot.waiting(endpoint, 20)
    stop = asyncio.Event()
    task = asyncio.create_task(depot.courier().run(stop))
    try:
        await depot.receiver.came(8)
        stop.set()
        gate.open()
        await asyncio.wait_for(task, 25)
    finally:
        gate.open()
    assert depot.states(endpoint) == {DeliveryState.DELIVERED: 8, DeliveryState.WAITING: 12}
    assert len(depot.receiver.arrived) == 8


async def test_what_does_not_finish_in_time_is_left_to_its_lease(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FINISHING_SECONDS", 0.2)
    depot.receiver.answer = never_answers
    endpoint = depot.endpoint()
    (delivery,) = depot.waiting(endpoint)
    async with running(depot.courier()):
        await depot.receiver.came(1)
    row = depot.delivery(delivery)
    assert (row.state, row.attempts) == (DeliveryState.WAITING, 0)
    assert row.lease is not None
    assert depot.attempts(delivery) == []


class Blind(Guard):
    """Refuses nothing."""

    def refusal_of(self, address: IPv4Address | IPv6Address) -> str | None:
        return None


async def test_a_sender_that_is_not_safe_sends_nothing(depot: Depot) -> None:
    endpoint = depot.endpoint()
    depot.waiting(endpoint, 3)
    sender = Sender(depot.house.settings, guard=Blind(http=True, ports=frozenset({0})))
    with structlog.testing.capture_logs() as logs:
        async with running(Courier(depot.house, sender, Random(1))) as task:
            await asyncio.to_thread(publish, depot, endpoint)
            await asyncio.wait([task], timeout=0.5)
            assert not task.done(), "what goes on beside it, goes on"
    assert [(each["log_level"], each["event"][:15]) for each in logs] == [("error", "nothing is sent")]
    assert depot.receiver.arrived == []
    assert depot.states(endpoint) == {DeliveryState.WAITING: 4}


async def test_a_database_that_goes_away_is_waited_for(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "POLL_SECONDS", 0.05)
    endpoint = depot.endpoint()
    depot.waiting(endpoint, 20)
    away = [OperationalError("", {}, Exception("away")) for _ in range(6)]
    with failing_at(depot, "webhook_", away):
        async with running(depot.courier()):
            await depot.receiver.came(20)
    assert not away
    assert depot.states(endpoint) == {DeliveryState.DELIVERED: 20}
    assert len(depot.receiver.arrived) == 20


async def test_one_that_cannot_be_settled_keeps_no_other_from_it(depot: Depot) -> None:
    endpoint = depot.endpoint()
    depot.waiting(endpoint, 8)
    odd = [ValueError("odd"), ValueError("odd")]
    with failing_at(depot, "INSERT INTO webhook_attempt", odd):
        assert await depot.turn() == 8
    assert not odd
    assert depot.states(endpoint) == {DeliveryState.DELIVERED: 7, DeliveryState.WAITING: 1}


@contextmanager
def failing_at(depot: Depot, part: str, errors: list[Any]) -> Iterator[None]:
    """The database fails with each of these where a statement has this part, and then no more."""

    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if part in statement and errors:
            raise errors.pop()

    event.listen(depot.house.database.engine, "before_cursor_execute", fail)
    try:
        yield
    finally:
        event.remove(depot.house.database.engine, "before_cursor_execute", fail)


async def test_the_api_delivers_by_itself_unless_workers_do(depot: Depot) -> None:
    endpoint = depot.endpoint()
    given = depot.house.settings
    settings = settings_for(given.database_address, given.data_dir, **LOOPBACK, background=True)
    house = assemble(settings, clock=depot.clock)
    app = create_app(settings, house=house)
    async with app.router.lifespan_context(app):
        await asyncio.to_thread(publish, Depot(house, depot.clock, depot.receiver), endpoint)
        await depot.receiver.came(1)
    assert depot.states(endpoint) == {DeliveryState.DELIVERED: 1}
