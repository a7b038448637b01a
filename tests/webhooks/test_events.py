"""Agencies without a server: they fetch what they have not acknowledged, as often as they like, and lose nothing."""

import asyncio
import json
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, update
from sqlmodel import Session, col

from app.assembly import do_rounds
from app.kit.house import House
from app.kit.ids import new_id
from app.people.words import KeyVerb
from app.webhooks.actions import events as actions
from app.webhooks.actions.events import KEPT, sweep_events
from app.webhooks.actions.publishing import delivery_row
from app.webhooks.models import Attempt, Delivery, Endpoint, Event
from app.webhooks.payloads import EventOut
from app.webhooks.words import DeliveryState, EndpointState, EventType
from tests.conftest import SettableClock
from tests.problems import situations
from tests.problems.test_concurrency import await_somebody_waiting
from tests.problems.test_lists import explain, heard
from tests.town import Someone, Town
from tests.webhooks.ears import add_endpoint, add_key, deliveries_to, events_of, system

STORY = ["problem.assigned", "assignment.accepted", "assignment.started"]


async def fetch(who: Someone, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = who.town.good(await who.get(f"/events{query}"), 200)["items"]
    return items


async def acknowledge(who: Someone, *ids: str) -> dict[str, Any]:
    return who.town.good(await who.post("/events/acknowledgements", {"ids": list(ids)}), 200)


def types(items: list[dict[str, Any]]) -> list[str]:
    return [each["payload"]["type"] for each in items]


# -- fetching --------------------------------------------------------------------------------------------------------


async def test_events_are_fetched_as_they_are_sent_oldest_first_until_they_are_acknowledged(town: Town) -> None:
    sim = system(town, "PUPR")
    await situations.agency_works(town)
    answer = await sim.get("/events")
    items = town.good(answer, 200)["items"]
    assert types(items) == STORY
    stored = events_of(town.house, "PUPR")
    assert [each["id"] for each in items] == [str(each.id) for each in stored]
    for item, event in zip(items, stored, strict=True):
        assert f'"payload":{event.payload}' in answer.text, "byte for byte"
        EventOut.model_validate(item)
    assert await fetch(sim) == items, "at least once: it comes again"
    assert await acknowledge(sim, items[1]["id"]) == {"acknowledged": 1, "unknown": []}
    assert types(await fetch(sim)) == [STORY[0], STORY[2]], "this one, and not those before it"
    assert (await acknowledge(sim, items[0]["id"], items[2]["id"]))["acknowledged"] == 2
    assert await fetch(sim) == []


async def test_acknowledging_again_changes_nothing(town: Town) -> None:
    sim = system(town, "PUPR")
    await situations.assigned(town)
    (item,) = await fetch(sim)
    first = await acknowledge(sim, item["id"], item["id"])
    town.clock.advance(timedelta(hours=1))
    assert first == await acknowledge(sim, item["id"]) == {"acknowledged": 1, "unknown": []}
    (event,) = events_of(town.house, "PUPR")
    assert event.acknowledged_at == town.clock.now - timedelta(hours=1)
    assert event.open_id is None


async def test_pages_have_neither_holes_nor_doubles(town: Town) -> None:
    sim = system(town, "PUPR")
    await situations.agency_resolved(town)
    whole = await fetch(sim)
    assert len(whole) == 8
    read: list[dict[str, Any]] = []
    path: str | None = "/events?limit=3"
    while path is not None:
        answer = await sim.get(path)
        items = town.good(answer, 200)["items"]
        await acknowledge(sim, *(each["id"] for each in items))
        read += items
        link = answer.links.get("next")
        assert (link is None) == (answer.json()["next"] is None)
        path = link["url"].removeprefix("/api/v1") if link else None
    assert read == whole
    assert (await sim.get("/events?after=nonsense")).json()["code"] == "bad_cursor"
    assert (await sim.get("/events?limit=201")).status_code == 422


async def test_a_person_of_the_agency_fetches_and_acknowledges_too(town: Town) -> None:
    add_key(town.house, "PUPR")
    await situations.assigned(town)
    (item,) = await fetch(town.officer("PUPR"))
    assert await fetch(town.head("PUPR")) == [item]
    assert (await town.officer("PUPR").post("/events/acknowledgements", {"ids": [item["id"]]})).status_code == 403
    await acknowledge(town.head("PUPR"), item["id"])
    assert await fetch(town.head("PUPR")) == []


# -- whose they are --------------------------------------------------------------------------------------------------


async def test_an_agency_sees_nothing_of_another(town: Town) -> None:
    pupr, dlhkp, dishub = (system(town, agency) for agency in ("PUPR", "DLHKP", "DISHUB"))
    await situations.agency_works(town)
    theirs = await fetch(pupr)
    ours = await fetch(dlhkp)
    assert {each["id"] for each in theirs}.isdisjoint(each["id"] for each in ours)
    assert await fetch(dishub) == []
    nobodys = str(new_id())
    answer = await acknowledge(dlhkp, ours[0]["id"], theirs[0]["id"], nobodys)
    assert answer == {"acknowledged": 1, "unknown": [theirs[0]["id"], nobodys]}
    assert await fetch(pupr) == theirs, "nobody else acknowledges them"


async def test_who_works_in_no_agency_is_refused(town: Town) -> None:
    body = {"ids": [str(new_id())]}
    for who in (
        *(town.operator("Bakalan"), town.lurah("Bakalan"), town.staff("Bugul Kidul"), town.camat("Bugul Kidul")),
        *(town.monitor, town.mayor, town.admin),
    ):
        assert (await who.get("/events")).status_code == 403
        assert (await who.post("/events/acknowledgements", body)).status_code == 403
    reading = system(town, "PUPR", KeyVerb.READ, KeyVerb.ENDPOINTS)
    assert (await reading.get("/events")).json()["code"] == "verb_not_granted"
    assert (await reading.post("/events/acknowledgements", body)).json()["code"] == "verb_not_granted"
    assert (await town.client.get("/api/v1/events")).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": ["x"]},
        {"ids": [str(new_id()) for _ in range(501)]},
        {"ids": [str(new_id())], "up_to": str(new_id())},
        {"up_to": str(new_id())},
    ],
)
async def test_a_wrong_acknowledgement_is_refused(town: Town, body: dict[str, Any]) -> None:
    answer = await system(town, "PUPR").post("/events/acknowledgements", body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"


async def test_500_are_acknowledged_at_once(town: Town) -> None:
    sim = system(town, "PUPR")
    rows = many(town.house, "PUPR", 500)
    assert await acknowledge(sim, *(str(each) for each in rows)) == {"acknowledged": 500, "unknown": []}
    assert await fetch(sim) == []


# -- plans -----------------------------------------------------------------------------------------------------------


def many(house: House, agency: str, count: int, **other: Any) -> list[UUID]:
    """Events of an agency, so many."""
    rows = [
        {
            "id": event_id,
            "agency_code": agency,
            "type": EventType.PING,
            "at": house.clock(),
            "payload": json.dumps({"type": "webhook.ping", "data": {}}),
            "open_id": event_id,
        }
        | other
        for event_id in [new_id() for _ in range(count)]
    ]
    with house.database.write() as session:
        session.connection().execute(insert(Event), rows)
    return [UUID(str(each["id"])) for each in rows]


async def test_events_come_out_of_an_index_in_their_order(town: Town) -> None:
    """However many were acknowledged before, and whatever others leave unacknowledged."""
    many(town.house, "PUPR", 4_000, open_id=None, acknowledged_at=town.clock.now)
    many(town.house, "DISHUB", 4_000)
    many(town.house, "PUPR", 300)
    engine, sim = town.house.database.engine, system(town, "PUPR")
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE webhook_event")
    first = town.good(await sim.get("/events"), 200)
    for path in ("/events", f"/events?after={first['next']}"):
        with heard(engine) as asked:
            await sim.get(path)
        ((statement, parameters),) = [each for each in asked if "FROM webhook_event" in each[0]]
        plan = explain(engine, statement, parameters, by_index=False)
        assert any("ix_webhook_event_open" in step for step in plan.steps), plan.steps
        assert not plan.sorts, plan.steps


# -- sweeping --------------------------------------------------------------------------------------------------------


def count(house: House, table: Any) -> int:
    with house.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def settle(house: House, endpoint: UUID, state: DeliveryState) -> None:
    """Each delivery to an endpoint ends so, after two attempts."""
    with house.database.write() as session:
        for each in session.scalars(select(Delivery).where(col(Delivery.endpoint_id) == endpoint)):
            each.state = state
            for number in (1, 2):
                session.add(Attempt(id=new_id(), delivery_id=each.id, number=number, at=house.clock(), milliseconds=12))


async def test_old_events_are_swept_with_all_that_belongs_to_them(town: Town) -> None:
    """Acknowledged or not; but while something waits to be delivered, or was given up, its event stays."""
    house = town.house
    mended, broken = add_endpoint(house, "PUPR"), add_endpoint(house, "DLHKP")
    add_key(house, "PERKIM")
    await situations.bounced_twice(town)
    settle(house, mended, DeliveryState.DELIVERED)
    old = len(events_of(house))
    waiting = len(events_of(house, "DLHKP"))
    town.clock.advance(KEPT)
    await situations.assigned(town)
    fresh = len(events_of(house)) - old
    assert sweep_events(house) == 0, "not before the ninety days have passed"
    town.clock.advance(timedelta(seconds=1))
    assert sweep_events(house) == old - waiting
    assert len(events_of(house)) == fresh + waiting
    assert {each.agency_code for each in events_of(house) if each.at < town.clock.now - KEPT} == {"DLHKP"}
    assert count(house, Attempt) == 0
    assert len(deliveries_to(house, mended)) == 1
    settle(house, broken, DeliveryState.EXHAUSTED)
    assert sweep_events(house) == 0, "listed until they are retried or cancelled"
    settle(house, broken, DeliveryState.CANCELLED)
    assert sweep_events(house) == waiting
    assert {each.at for each in events_of(house)} == {town.clock.now - timedelta(seconds=1)}
    with house.database.read() as session:
        assert session.get(Endpoint, mended) is not None


def test_a_sweep_is_bounded_and_one_that_finds_nothing_writes_nothing(
    town_house: House, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "SWEPT_AT_ONCE", 30)
    many(town_house, "PUPR", 70)
    clock.advance(KEPT + timedelta(days=1))
    assert [sweep_events(town_house) for _ in range(4)] == [30, 30, 10, 0]
    with heard(town_house.database.engine) as asked:
        assert sweep_events(town_house) == 0
    assert len(asked) == 1


def delivered(house: House, endpoint: UUID, events: list[UUID], state: DeliveryState) -> None:
    """A delivery of each event to the endpoint, which stands so."""
    rows = [delivery_row(each, endpoint, house.clock()) | {"state": state} for each in events]
    with house.database.write() as session:
        session.connection().execute(insert(Delivery), rows)


def test_given_up_for_an_endpoint_that_was_removed_nothing_is_kept(town_house: House, clock: SettableClock) -> None:
    """There it can no longer be retried."""
    endpoint = add_endpoint(town_house, "PUPR", removed_at=clock.now)
    delivered(town_house, endpoint, many(town_house, "PUPR", 2), DeliveryState.EXHAUSTED)
    clock.advance(KEPT + timedelta(days=1))
    assert sweep_events(town_house) == 2


def test_old_events_that_wait_are_passed_by_a_bounded_number_at_a_time(
    town_house: House, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what stands behind them is reached; what was done with meanwhile, on the next way through."""
    monkeypatch.setattr(actions, "LOOKED_AT_AT_ONCE", 50)
    monkeypatch.setattr(actions, "SWEPT_AT_ONCE", 8)
    endpoint = add_endpoint(town_house, "PUPR", state=EndpointState.PAUSED)
    waiting = many(town_house, "PUPR", 120)
    delivered(town_house, endpoint, waiting, DeliveryState.WAITING)
    many(town_house, "PUPR", 20)
    clock.advance(KEPT + timedelta(days=1))
    with heard(town_house.database.engine) as asked:
        assert [sweep_events(town_house) for _ in range(2)] == [0, 0]
    assert len(asked) == 2, "a look each, and nothing is written"
    assert all("LIMIT" in statement for statement, _ in asked)
    assert [sweep_events(town_house) for _ in range(3)] == [8, 8, 4], "the twenty that stand behind them"
    assert [each.id for each in events_of(town_house)] == waiting
    settle(town_house, endpoint, DeliveryState.DELIVERED)
    assert sum(sweep_events(town_house) for _ in range(15)) == 120


def test_how_many_wait_is_no_reason_to_read_all_deliveries(
    town_house: House, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the database has counted before: each event that is looked at is looked up."""
    monkeypatch.setattr(actions, "LOOKED_AT_AT_ONCE", 500)
    endpoint = add_endpoint(town_house, "PUPR", state=EndpointState.PAUSED)
    events = many(town_house, "PUPR", 6_000)
    delivered(town_house, endpoint, events[:10], DeliveryState.WAITING)
    delivered(town_house, endpoint, events[10:], DeliveryState.DELIVERED)
    engine = town_house.database.engine
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in ("webhook_event", "webhook_delivery"):
                connection.exec_driver_sql(f"ANALYZE {table}")
    with town_house.database.write() as session:
        session.connection().execute(update(Delivery).values(state=DeliveryState.WAITING))
    clock.advance(KEPT + timedelta(days=1))
    with heard(engine) as asked:
        assert [sweep_events(town_house) for _ in range(2)] == [0, 0]
    for statement, parameters in asked:
        plan = explain(engine, statement, parameters, by_index=False)
        assert any("ix_webhook_event_at" in step for step in plan.steps), plan.steps
        assert any("webhook_delivery_event_id" in step or "event_id=?" in step for step in plan.steps), plan.steps
        assert not any(re.search(r"(SCAN|Seq Scan on) webhook_(delivery|event)\b", step) for step in plan.steps)
        assert not any("TEMP B-TREE" in step or "Sort" in step for step in plan.steps), plan.steps


def test_what_is_retried_at_that_moment_is_not_swept(
    town_house: House, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look that found nothing open and the write that would remove it."""
    endpoint = add_endpoint(town_house, "PUPR")
    kept, gone = many(town_house, "PUPR", 2)
    delivered(town_house, endpoint, [kept, gone], DeliveryState.CANCELLED)
    clock.advance(KEPT + timedelta(days=1))
    sweep = actions._sweep

    def retry_first(session: Session, ids: list[UUID]) -> int:
        again = update(Delivery).where(col(Delivery.event_id) == kept).values(state=DeliveryState.WAITING)
        session.connection().execute(again)
        return sweep(session, ids)

    monkeypatch.setattr(actions, "_sweep", retry_first)
    assert sweep_events(town_house) == 1
    assert [each.id for each in events_of(town_house)] == [kept]
    assert [each.state for each in deliveries_to(town_house, endpoint)] == [DeliveryState.WAITING]


async def test_a_sweep_waits_for_a_retry_under_way(town_house: House, clock: SettableClock) -> None:
    """PostgreSQL: the one who retries has the delivery, and has not committed yet."""
    if town_house.database.is_sqlite:
        pytest.skip("one writer")
    endpoint = add_endpoint(town_house, "PUPR")
    (event,) = many(town_house, "PUPR", 1)
    delivered(town_house, endpoint, [event], DeliveryState.CANCELLED)
    clock.advance(KEPT + timedelta(days=1))
    with town_house.database.write() as session:
        again = update(Delivery).where(col(Delivery.event_id) == event).values(state=DeliveryState.WAITING)
        session.connection().execute(again)
        sweeping = asyncio.create_task(asyncio.to_thread(sweep_events, town_house))
        await asyncio.to_thread(await_somebody_waiting, town_house)
    assert await sweeping == 0
    assert len(deliveries_to(town_house, endpoint)) == 1


def test_the_rounds_sweep(town_house: House, clock: SettableClock) -> None:
    many(town_house, "PUPR", 3)
    clock.advance(KEPT + timedelta(days=1))
    do_rounds(town_house)
    assert count(town_house, Event) == 0
