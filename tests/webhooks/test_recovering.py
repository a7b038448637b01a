"""Recoveries are worked off some events at a time, once, whatever dies between."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete
from sqlmodel import Session, col

from app.kit.database import insert_rows
from app.kit.ids import new_id
from app.webhooks.actions import recovering
from app.webhooks.actions.recovering import recover_some
from app.webhooks.models import Delivery, Event, Recovery
from app.webhooks.words import DeliveryState, EventType
from tests.sync.statements import heard, plan_of
from tests.webhooks.ears import deliveries_to
from tests.webhooks.queues import AGENCY, Depot, delivery_row, event_row

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def happened(depot: Depot, count: int = 1, **other: Any) -> list[dict[str, Any]]:
    """Events without a delivery, one a minute."""
    rows = []
    for _ in range(count):
        rows.append(event_row(depot.house, **other))
        depot.clock.advance(MINUTE)
    with depot.house.database.write() as session:
        insert_rows(session, Event, rows)
    return rows


def asked(depot: Depot, endpoint: UUID, since: timedelta, until: timedelta = timedelta(0)) -> UUID:
    """A recovery of what happened between so long ago and so long ago."""
    now = depot.clock.now
    wish = Recovery(
        id=new_id(), endpoint_id=endpoint, since=now - since, until=now - until, created_at=now, reached=None
    )
    with depot.house.database.write() as session:
        session.add(wish)
    return wish.id


def worked_off(depot: Depot, wish: UUID) -> Recovery:
    while recover_some(depot.house):
        pass
    with depot.house.database.read() as session:
        row = session.get(Recovery, wish)
        assert row is not None
        assert row.done_at == depot.clock.now
        return row


async def test_what_was_missed_is_sent_in_order(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovering, "EVENTS_AT_ONCE", 3)
    endpoint = depot.endpoint()
    happened(depot, 2)
    wanted = happened(depot, 10)
    happened(depot, 2)
    wish = asked(depot, endpoint, since=12 * MINUTE, until=2 * MINUTE)
    assert worked_off(depot, wish).found == 10
    assert [each.event_id for each in deliveries_to(depot.house, endpoint)] == [each["id"] for each in wanted]
    assert await depot.turn(times=2) == 10
    assert set(depot.receiver.ids()) == {str(each["id"]) for each in wanted}


def test_only_what_the_endpoint_wants(depot: Depot) -> None:
    types = (EventType.PROBLEM_ASSIGNED, EventType.ENDPOINT_RECOVERED, EventType.PING)
    endpoint = depot.endpoint(area_prefix="35.75.03", event_types=[each.value for each in types])
    happened(depot, type=EventType.PROBLEM_CLOSED)
    happened(depot, area_code="35.75.01.1001")
    happened(depot, area_code="35.75.030")
    happened(depot, type=EventType.PING, area_code=None)
    happened(depot, agency_code="DLHKP")
    wanted = [
        *happened(depot, area_code="35.75.03"),
        *happened(depot),
        *happened(depot, type=EventType.ENDPOINT_RECOVERED, area_code=None),
    ]
    worked_off(depot, asked(depot, endpoint, since=HOUR))
    assert [each.event_id for each in deliveries_to(depot.house, endpoint)] == [each["id"] for each in wanted]


@pytest.mark.parametrize(
    ("state", "is_made_again"),
    [
        (DeliveryState.WAITING, False),
        (DeliveryState.DELIVERED, False),
        (DeliveryState.EXHAUSTED, True),
        (DeliveryState.CANCELLED, True),
    ],
)
def test_what_was_given_up_waits_again_and_what_arrived_stays(
    depot: Depot, state: DeliveryState, is_made_again: bool
) -> None:
    endpoint = depot.endpoint()
    (event,) = happened(depot)
    given = delivery_row(event, endpoint) | {"state": state, "attempts": 15, "settled_at": depot.clock.now}
    with depot.house.database.write() as session:
        insert_rows(session, Delivery, [given])
    found = worked_off(depot, asked(depot, endpoint, since=HOUR)).found
    (delivery,) = deliveries_to(depot.house, endpoint)
    assert delivery.id == given["id"]
    if is_made_again:
        assert (found, delivery.state, delivery.attempts) == (1, DeliveryState.WAITING, 0)
        assert (delivery.next_at, delivery.settled_at) == (depot.clock.now, None)
    else:
        assert (found, delivery.state, delivery.attempts) == (0, state, 15)


@pytest.mark.parametrize("state", [DeliveryState.EXHAUSTED, DeliveryState.CANCELLED])
def test_what_was_once_meant_for_it_waits_again_whatever_it_asks_for_by_now(depot: Depot, state: DeliveryState) -> None:
    """But no ping: who was asked whether it is there is asked again by another one."""
    endpoint = depot.endpoint(area_prefix="35.75.01", event_types=[EventType.PROBLEM_CLOSED.value])
    events = [*happened(depot), *happened(depot, type=EventType.PING, area_code=None)]
    given = [delivery_row(event, endpoint) | {"state": state, "attempts": 15} for event in events]
    with depot.house.database.write() as session:
        insert_rows(session, Delivery, given)
    assert worked_off(depot, asked(depot, endpoint, since=HOUR)).found == 1
    assert [each.state for each in deliveries_to(depot.house, endpoint)] == [DeliveryState.WAITING, state]


def test_what_left_its_area_belongs_to_it_too(depot: Depot) -> None:
    endpoint = depot.endpoint(area_prefix="35.75.01")
    moved: dict[str, Any] = {"type": EventType.PROBLEM_MOVED, "area_code": "35.75.03.1005"}
    wanted = happened(depot, **moved, left_code="35.75.01.1002")
    happened(depot, **moved, left_code="35.75.04.1001")
    worked_off(depot, asked(depot, endpoint, since=HOUR))
    assert [each.event_id for each in deliveries_to(depot.house, endpoint)] == [each["id"] for each in wanted]


def test_an_event_that_is_swept_meanwhile_is_left_alone(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is swept between a look and the write that follows it is no longer there to be sent."""
    endpoint = depot.endpoint()
    first, last = happened(depot, 2)
    wish, look = asked(depot, endpoint, since=HOUR), recovering._next_chunk

    def look_and_sweep(session: Session) -> Any:
        chunk = look(session)
        with depot.house.database.engine.begin() as connection:
            connection.execute(delete(Event).where(col(Event.id) == first["id"]))
        return chunk

    monkeypatch.setattr(recovering, "_next_chunk", look_and_sweep)
    assert recover_some(depot.house)
    (delivery,) = deliveries_to(depot.house, endpoint)
    assert delivery.event_id == last["id"]
    assert worked_off(depot, wish).found == 1


def test_what_is_given_up_is_locked_in_the_order_of_ids(depot: Depot) -> None:
    """As by all who lock several, lest two wait for each other."""
    endpoint = depot.endpoint()
    happened(depot, 3)
    asked(depot, endpoint, since=HOUR)
    with heard(depot.house.database.engine) as said:
        assert recover_some(depot.house)
    (statement,) = [sql for sql, _ in said if sql.startswith("SELECT webhook_delivery.id")]
    assert "ORDER BY webhook_delivery.id" in statement


async def test_by_two_at_once_and_twice_it_has_effect_once(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovering, "EVENTS_AT_ONCE", 5)
    endpoint = depot.endpoint()
    happened(depot, 40)
    first = asked(depot, endpoint, since=HOUR)
    second = asked(depot, endpoint, since=HOUR)

    def work() -> None:
        while recover_some(depot.house):
            pass

    await asyncio.gather(*(asyncio.to_thread(work) for _ in range(3)))
    assert len(deliveries_to(depot.house, endpoint)) == 40
    assert worked_off(depot, first).found + worked_off(depot, second).found == 40


def test_one_that_died_between_goes_on_where_it_was(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovering, "EVENTS_AT_ONCE", 5)
    endpoint = depot.endpoint()
    happened(depot, 12)
    wish = asked(depot, endpoint, since=HOUR)
    assert recover_some(depot.house)
    assert len(deliveries_to(depot.house, endpoint)) == 5
    depot.change(Recovery, wish, done_at=None)
    assert worked_off(depot, wish).found == 12


def test_for_an_endpoint_that_was_removed_there_is_nothing_to_do(depot: Depot) -> None:
    endpoint = depot.endpoint(removed_at=depot.clock.now)
    happened(depot, 3)
    assert worked_off(depot, asked(depot, endpoint, since=HOUR)).found == 0
    assert deliveries_to(depot.house, endpoint) == []


def test_each_part_asks_as_much_whatever_it_finds(depot: Depot) -> None:
    def statements(count: int) -> int:
        endpoint = depot.endpoint()
        happened(depot, count, agency_code=AGENCY)
        asked(depot, endpoint, since=count * MINUTE)
        with heard(depot.house.database.engine) as said:
            assert recover_some(depot.house)
        return len(said)

    assert statements(2) == statements(50)


def test_the_next_part_is_found_by_an_index(depot: Depot) -> None:
    endpoint, engine = depot.endpoint(), depot.house.database.engine
    happened(depot, 1_000)
    for other in ("DLHKP", "PERKIM", "DISHUB"):
        depot.clock.advance(-1_000 * MINUTE)
        happened(depot, 1_000, agency_code=other)
    asked(depot, endpoint, since=5 * HOUR)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE webhook_event")
    with heard(engine) as said:
        assert recover_some(depot.house)
    (statement,) = [each for each in said if "webhook_event.type" in each[0]]
    steps = plan_of(engine, statement)
    assert any("ix_webhook_event_agency_at" in step for step in steps), steps
