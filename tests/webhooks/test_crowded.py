"""300,000 deliveries wait for one dead endpoint, and nobody else notices.

What is asserted is how much is looked at; how long it takes is printed, for a machine may be busy. `-rP` shows it.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.assembly import assemble
from app.kit.clock import system_clock
from app.kit.database import insert_rows
from app.kit.house import House
from app.webhooks.actions.queue import ORDERED_AT_ONCE, claim, flow_in_order, put_in_order
from app.webhooks.bell import bell_of, ring_after_commit
from app.webhooks.models import Delivery, Endpoint, Event
from app.webhooks.signing import new_secret
from app.webhooks.words import DeliveryState, DisabledBy, EndpointState
from tests.conftest import MONDAY_MORNING, Databases, SettableClock, settings_for
from tests.sync.statements import heard, plan_of
from tests.town import populate
from tests.webhooks.ears import add_endpoint
from tests.webhooks.queues import AGENCY, Depot, delivery_row, event_row
from tests.webhooks.receiver import LOOPBACK, Receiver, never_answers

WAITING = 300_000
PUBLISHED = 40
CLAIMS = 20
TIMES_AS_LONG = 5
"""What a claim may take beside one where nobody waits; reading what waits takes a hundred times as long."""

pytestmark = pytest.mark.xdist_group("crowd")  # one process fills one database of each kind, of which all are copies


DEAD, HEALTHY = UUID(int=1), UUID(int=2)


def deserted(house: House) -> None:
    """The town with both endpoints; nothing waits."""
    populate(house)
    for endpoint in (DEAD, HEALTHY):
        add_endpoint(house, AGENCY, id=endpoint, url=f"http://127.0.0.1/{endpoint}")


def crowded(house: House) -> None:
    """Everything waits for the dead one, since long ago."""
    deserted(house)
    with house.database.write() as session:
        for statement in _FILLING[house.database.engine.dialect.name]:
            given = {"endpoint": DEAD.hex, "count": WAITING}
            session.connection().execute(text(statement), given if ":count" in statement else {})


Living = Callable[[Callable[[House], None]], AbstractContextManager[Depot]]


@pytest.fixture
def lived_in(databases: Databases, database_kind: str, receiver: Receiver, tmp_path: Path) -> Living:
    """Makes one or the other of these towns, whose endpoints lead to the receiver."""

    @contextmanager
    def live(fill: Callable[[House], None]) -> Iterator[Depot]:
        with databases.fresh(database_kind, fill) as address:
            house = assemble(settings_for(address, tmp_path, **LOOPBACK, webhook_timeout_seconds=2), clock=system_clock)
            depot = Depot(house, SettableClock(), receiver)
            receiver.answer_at("/dead", never_answers)
            secret = house.vault.seal(new_secret())
            depot.change(Endpoint, DEAD, url=receiver.url_of("/dead"), secret=secret)
            depot.change(Endpoint, HEALTHY, url=receiver.url_of("/healthy"), secret=secret)
            try:
                yield depot
            finally:
                house.database.close()

    return live


_FILLING = {
    "sqlite": [
        """
        INSERT INTO webhook_event (id, agency_code, type, at, payload)
        WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :count)
        SELECT printf('%032x', n), 'PUPR', 'problem.assigned', '2026-03-01 00:00:00.000000', '{}'
        FROM number WHERE :endpoint <> ''
        """,
        """
        INSERT INTO webhook_delivery (id, event_id, endpoint_id, state, attempts, next_at, is_ping, created_at)
        SELECT id, id, :endpoint, 'waiting', 0, at, 0, at FROM webhook_event WHERE :count > 0
        """,
    ],
    "postgresql": [
        """
        INSERT INTO webhook_event (id, agency_code, type, at, payload)
        SELECT lpad(to_hex(n), 32, '0')::uuid, 'PUPR', 'problem.assigned', '2026-03-01 00:00Z', '{}'
        FROM generate_series(1, :count) AS n WHERE :endpoint <> ''
        """,
        """
        INSERT INTO webhook_delivery (id, event_id, endpoint_id, state, attempts, next_at, is_ping, created_at)
        SELECT id, id, CAST(:endpoint AS uuid), 'waiting', 0, at, false, at FROM webhook_event WHERE :count > 0
        """,
        "ANALYZE webhook_event",
        "ANALYZE webhook_delivery",
    ],
}

HOW_THE_DEAD_ONE_STANDS: dict[str, dict[str, Any]] = {
    "not known to be dead": {},
    "paused": {"failures": 9, "pauses": 5, "next_at": datetime(2100, 1, 1, tzinfo=UTC)},
    "tried after a pause": {"failures": 9, "pauses": 5},
    "disabled": {"state": EndpointState.DISABLED, "disabled_by": DisabledBy.FAILING},
    "catching up": {"is_catching_up": True},
}
PLAIN: dict[str, Any] = {
    "state": EndpointState.ACTIVE,
    "disabled_by": None,
    "failures": 0,
    "pauses": 0,
    "is_catching_up": False,
    "next_at": MONDAY_MORNING,
}


def test_a_claim_looks_at_no_more_than_it_takes(lived_in: Living) -> None:
    with lived_in(deserted) as depot:
        depot.waiting(DEAD, 400)
        few = fastest(depot)
    with lived_in(crowded) as depot:
        engine = depot.house.database.engine
        for name, standing in HOW_THE_DEAD_ONE_STANDS.items():
            depot.change(Endpoint, DEAD, **PLAIN | standing)
            many = fastest(depot)
            print(f"{engine.dialect.name}, {name}: {many * 1000:.1f} ms, where nobody waits {few * 1000:.1f} ms")
            assert many < TIMES_AS_LONG * few
        depot.change(Endpoint, DEAD, **PLAIN)
        depot.waiting(HEALTHY, 8)
        with heard(engine) as statements:
            assert len(claim(depot.house, (), Random(1)).deliveries) == 16
        looks = [each for each in statements if each[0].startswith("SELECT") and "webhook_delivery" in each[0]]
        assert len(looks) == 3
        for statement in looks:
            steps = plan_of(engine, statement)
            assert not any(f"{scan} webhook_delivery" in each for each in steps for scan in ("SCAN", "Seq Scan on"))


def fastest(depot: Depot) -> float:
    """Seconds of the fastest of some claims, each of which finds something for the healthy endpoint."""
    depot.waiting(HEALTHY, 8 * CLAIMS)
    took = []
    for _ in range(CLAIMS):
        begun = time.perf_counter()
        claimed = claim(depot.house, (), Random(1)).deliveries
        took.append(time.perf_counter() - begun)
        assert sum(each.endpoint_id == HEALTHY for each in claimed) == 8
    return min(took)


async def test_a_healthy_endpoint_is_told_within_two_seconds(lived_in: Living) -> None:
    with lived_in(crowded) as depot:
        stop = asyncio.Event()
        running = asyncio.create_task(depot.courier().run(stop))
        took: list[float] = []
        try:
            for _ in range(PUBLISHED):
                event, committed = await asyncio.to_thread(publish, depot.house, HEALTHY)
                took.append(await arrival(depot.receiver, event) - committed)
        finally:
            stop.set()
            await running
        ordered = sorted(took)
        p95 = ordered[round(0.95 * len(ordered)) - 1]
        kind = depot.house.database.engine.dialect.name
        print(f"{kind}, from commit to arrival: p50 {median(took):.3f} s, p95 {p95:.3f} s, longest {ordered[-1]:.3f} s")
        assert depot.states(HEALTHY) == {DeliveryState.DELIVERED: PUBLISHED}
        assert sum(each.path == "/dead" for each in depot.receiver.arrived) <= 12, "it was given up soon"


def publish(house: House, endpoint: UUID) -> tuple[str, float]:
    """One more delivery; answers the id of its event, and when it was committed."""
    event = event_row(house)
    with house.database.write() as session:
        insert_rows(session, Event, [event])
        insert_rows(session, Delivery, [delivery_row(event, endpoint)])
        ring_after_commit(session, bell_of(house))
    return str(event["id"]), time.time()


async def arrival(receiver: Receiver, event: str) -> float:
    """When it arrived."""
    count = 0
    while True:
        arrived = await receiver.came(count + 1)
        for each in arrived[count:]:
            if each.headers["webhook-id"] == event:
                return each.at
        count = len(arrived)


def test_one_that_comes_back_is_put_in_order_by_and_by(lived_in: Living) -> None:
    with lived_in(crowded) as depot:
        engine, longest, begun = depot.house.database.engine, 0.0, time.monotonic()
        with heard(engine) as statements, depot.house.database.write() as session:
            flow_in_order(session, [DEAD], depot.house.clock())
        assert [each[0].split(" ")[1] for each in statements if each[0].startswith("UPDATE")] == ["webhook_endpoint"]
        has_more, portions = True, 0
        while has_more:
            started = time.monotonic()
            has_more = put_in_order(depot.house)
            portions, longest = portions + has_more, max(longest, time.monotonic() - started)
        assert portions == WAITING // ORDERED_AT_ONCE + 1
        took = time.monotonic() - begun
        print(f"{engine.dialect.name}: in order within {took:.2f} s, the longest portion {longest:.3f} s")
