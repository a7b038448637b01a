"""The log of deliveries, and what an agency makes of one: sent again, or cancelled."""

import itertools
import re
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from httpx import Response
from sqlalchemy import select
from sqlmodel import SQLModel

from app.journal.models import Administration
from app.kit.database import insert_rows
from app.kit.ids import new_id
from app.kit.paging import encode
from app.webhooks.actions.queue import Outcome, claim, settle
from app.webhooks.models import Delivery, Endpoint, Event
from app.webhooks.queries.deliveries import standing_of
from app.webhooks.sending import Answer
from app.webhooks.words import DeliveryStanding, DeliveryState, DisabledBy, EndpointState, EventType, Fault
from tests.sync.statements import heard, plan_of
from tests.town import Someone, Town
from tests.webhooks.rows import attempt, endpoint, kept, put, told


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


async def listed(who: Someone, path: str) -> list[str]:
    return [each["id"] for each in who.town.good(await who.get(path), 200)["items"]]


def ids_of(rows: Iterator[SQLModel] | list[SQLModel]) -> list[UUID]:
    return [each.id for each in rows if isinstance(each, Delivery)]


def bell_rings(town: Town) -> list[int]:
    """Filled by one for each ring of the bell."""
    rings: list[int] = []
    town.house.parts["bell"].listen(lambda: rings.append(1))
    return rings


# -- the log ---------------------------------------------------------------------------------------------------------


async def test_deliveries_are_listed_newest_first_in_pages(town: Town) -> None:
    row, other = endpoint(town), endpoint(town)
    rows = [each for _ in range(5) for each in told(town, row)]
    path = f"/endpoints/{row.id}/deliveries?limit=2"
    wanted = [str(each) for each in reversed(ids_of(rows))]
    put(town, row, other, *rows, *told(town, other))
    seen: list[str] = []
    while path:
        page = await town.officer("PUPR").get(path)
        seen += [each["id"] for each in town.good(page, 200)["items"]]
        path = page.links["next"]["url"].removeprefix("/api/v1") if "next" in page.links else ""
    assert seen == wanted


async def test_a_delivery_tells_its_event_and_every_attempt(town: Town) -> None:
    now, row = town.clock.now, endpoint(town)
    event, delivery = told(town, row, EventType.ASSIGNMENT_REVOKED, attempts=2, next_at=now + timedelta(minutes=5))
    assert isinstance(event, Event)
    assert isinstance(delivery, Delivery)
    expected: dict[str, Any] = {
        "id": str(delivery.id),
        "endpoint": str(row.id),
        "event": str(event.id),
        "type": "assignment.revoked",
        "at": "2026-03-02T02:00:00Z",
        "problem": str(event.problem_id),
        "version": 4,
        "state": "waiting",
        "state_label": "Menunggu",
        "attempts": 2,
        "next_at": "2026-03-02T02:05:00Z",
        "ping": False,
        "created_at": "2026-03-02T02:00:00Z",
        "settled_at": None,
    }
    failed = attempt(
        delivery, 1, status=503, fault=Fault.STATUS, detail="503", answer="Sedang dirawat", milliseconds=31
    )
    later = attempt(delivery, 2, at=now + timedelta(seconds=5), status=None, fault=Fault.TIMEOUT, milliseconds=15_000)
    payload = event.payload
    other = list(told(town, row))
    put(town, row, event, delivery, failed, later, *other, attempt(other[1], 1))  # type: ignore[arg-type]  # a Delivery
    head = town.head("PUPR")
    assert town.good(await head.get(f"/deliveries/{expected['id']}"), 200) == expected | {
        "payload": payload,
        "log": [
            {
                "number": 1,
                "at": "2026-03-02T02:00:00Z",
                "milliseconds": 31,
                "status": 503,
                "fault": "status",
                "detail": "503",
                "answer": "Sedang dirawat",
            },
            {
                "number": 2,
                "at": "2026-03-02T02:00:05Z",
                "milliseconds": 15_000,
                "status": None,
                "fault": "timeout",
                "detail": None,
                "answer": None,
            },
        ],
    }
    page = town.good(await head.get(f"/endpoints/{expected['endpoint']}/deliveries"), 200)
    assert page["items"][1] == expected


async def test_only_the_latest_hundred_attempts_are_told(town: Town) -> None:
    row = endpoint(town)
    event, delivery = told(town, row)
    assert isinstance(delivery, Delivery)
    path = f"/deliveries/{delivery.id}"
    put(town, row, event, delivery, *(attempt(delivery, number) for number in range(1, 104)))
    log = town.good(await town.head("PUPR").get(path), 200)["log"]
    assert [each["number"] for each in log] == list(range(4, 104))


STANDS: list[dict[str, Any]] = [
    {"state": EndpointState.ACTIVE},
    {"state": EndpointState.PAUSED},
    {"state": EndpointState.DISABLED, "disabled_by": DisabledBy.FAILING},
    {"state": EndpointState.DISABLED, "disabled_by": DisabledBy.GONE},
]


@pytest.mark.parametrize("stands", STANDS, ids=lambda stands: "-".join(map(str, stands.values())))
@pytest.mark.parametrize("is_removed", [False, True])
async def test_the_list_asks_for_what_it_tells(town: Town, stands: dict[str, Any], is_removed: bool) -> None:
    """Each delivery is in the list of the standing it is told with, and in no other."""
    row = endpoint(town, **stands, removed_at=town.clock.now if is_removed else None)
    path = f"/endpoints/{row.id}/deliveries"
    states = itertools.product(DeliveryState, (False, True))
    put(town, row, *(each for state, is_ping in states for each in told(town, row, state=state, is_ping=is_ping)))
    officer = town.officer("PUPR")
    everything = town.good(await officer.get(path), 200)["items"]
    assert len(everything) == 8
    for standing in DeliveryStanding:
        expected = [each["id"] for each in everything if each["state"] == standing]
        assert await listed(officer, f"{path}?state={standing}") == expected
    with town.house.database.read() as session:
        row = session.get_one(Endpoint, row.id)
        for each in everything:
            assert standing_of(session.get_one(Delivery, UUID(each["id"])), row) == each["state"]
    held = {(each["state"], each["ping"]) for each in everything if each["next_at"] is None} & {
        ("held", False),
        ("held", True),
    }
    is_sent_to = stands["state"] is EndpointState.ACTIVE or is_removed
    assert held == (set() if is_sent_to else {("held", False)}), "a ping is sent whatever the endpoint's state"


async def test_deliveries_of_one_type_are_listed(town: Town) -> None:
    row = endpoint(town)
    types = [EventType.PROBLEM_ASSIGNED, EventType.ASSIGNMENT_REVOKED, EventType.PROBLEM_ASSIGNED]
    rows = [each for type_ in types for each in told(town, row, type_)]
    rows += told(town, row, EventType.PROBLEM_ASSIGNED, state=DeliveryState.DELIVERED)
    path, (first, _, third, arrived) = f"/endpoints/{row.id}/deliveries", map(str, ids_of(rows))
    put(town, row, *rows)
    officer = town.officer("PUPR")
    assert await listed(officer, f"{path}?type=problem.assigned") == [arrived, third, first]
    assert await listed(officer, f"{path}?type=problem.assigned&state=delivered") == [arrived]
    assert await listed(officer, f"{path}?type=problem.closed") == []


@pytest.mark.parametrize("query", ["?state=lost", "?type=problem.solved", "?after=x", "?limit=0", "?state=%00"])
async def test_odd_questions_are_refused(town: Town, query: str) -> None:
    row = endpoint(town)
    path = f"/endpoints/{row.id}/deliveries"
    put(town, row)
    assert (await town.officer("PUPR").get(f"{path}{query}")).status_code == 422


# -- sending again, cancelling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(DeliveryState))
async def test_a_delivery_is_sent_again_whatever_became_of_it(town: Town, state: DeliveryState) -> None:
    now, row = town.clock.now, endpoint(town)
    event, delivery = told(
        town, row, state=state, attempts=15, next_at=now + timedelta(days=1), settled_at=now - timedelta(days=1)
    )
    assert isinstance(event, Event)
    assert isinstance(delivery, Delivery)
    delivery_id, event_id = delivery.id, event.id
    put(town, row, event, delivery)
    rings = bell_rings(town)
    shown = town.good(await town.head("PUPR").post(f"/deliveries/{delivery_id}/retry"), 200)
    assert (shown["state"], shown["attempts"], shown["settled_at"]) == ("waiting", 0, None)
    assert shown["next_at"] == "2026-03-02T02:00:00Z"
    assert rings == [1]
    (claimed,) = claim(town.house, (), Random(1)).deliveries
    assert (claimed.id, claimed.event_id) == (delivery_id, event_id), "the same webhook-id"


@pytest.mark.parametrize("state", [EndpointState.PAUSED, EndpointState.DISABLED])
async def test_what_is_sent_again_is_held_while_its_endpoint_is_not_sent_to(town: Town, state: EndpointState) -> None:
    row = endpoint(town, state=state)
    event, delivery = told(town, row, state=DeliveryState.EXHAUSTED)
    (delivery_id,) = ids_of([delivery])
    put(town, row, event, delivery)
    shown = town.good(await town.head("PUPR").post(f"/deliveries/{delivery_id}/retry"), 200)
    assert (shown["state"], shown["next_at"]) == ("held", None)
    assert claim(town.house, (), Random(1)).deliveries == ()


async def test_what_is_under_way_goes_on_and_its_attempts_start_again(town: Town) -> None:
    row = endpoint(town)
    event, delivery = told(town, row, attempts=14)
    (delivery_id,) = ids_of([delivery])
    put(town, row, event, delivery)
    (claimed,) = claim(town.house, (), Random(1)).deliveries
    town.good(await town.head("PUPR").post(f"/deliveries/{delivery_id}/retry"), 200)
    assert claim(town.house, (), Random(1)).deliveries == (), "nobody sends it beside the one who does"
    failed = Answer(503, Fault.STATUS, None, None, 20, None)
    assert settle(town.house, [Outcome(claimed, town.clock.now, failed)], Random(1)) == 1
    after = kept(town, Delivery, delivery_id)
    assert (after.state, after.attempts) == (DeliveryState.WAITING, 1)


async def test_a_dead_claim_does_not_keep_a_retry_waiting(town: Town) -> None:
    now, row = town.clock.now, endpoint(town)
    event, delivery = told(town, row, lease=new_id(), next_at=now - timedelta(seconds=1))
    (delivery_id,) = ids_of([delivery])
    put(town, row, event, delivery)
    town.good(await town.head("PUPR").post(f"/deliveries/{delivery_id}/retry"), 200)
    after = kept(town, Delivery, delivery_id)
    assert (after.lease, after.next_at) == (None, now)


@pytest.mark.parametrize("state", [DeliveryState.WAITING, DeliveryState.EXHAUSTED, DeliveryState.CANCELLED])
async def test_what_has_not_arrived_is_cancelled(town: Town, state: DeliveryState) -> None:
    head, row = town.head("PUPR"), endpoint(town)
    event, delivery = told(town, row, state=state)
    (delivery_id,) = ids_of([delivery])
    put(town, row, event, delivery)
    shown = town.good(await head.post(f"/deliveries/{delivery_id}/cancel"), 200)
    assert (shown["state"], shown["state_label"], shown["next_at"]) == ("cancelled", "Dibatalkan", None)
    assert claim(town.house, (), Random(1)).deliveries == ()
    town.clock.advance(timedelta(hours=1))
    assert town.good(await head.post(f"/deliveries/{delivery_id}/cancel"), 200) == shown


async def test_what_has_arrived_cannot_be_cancelled(town: Town) -> None:
    row = endpoint(town)
    event, delivery = told(town, row, state=DeliveryState.DELIVERED)
    (delivery_id,) = ids_of([delivery])
    put(town, row, event, delivery)
    answer = await town.head("PUPR").post(f"/deliveries/{delivery_id}/cancel")
    assert refusal(answer) == (409, "delivery_arrived")


async def test_a_claim_settles_nothing_that_was_cancelled_meanwhile(town: Town) -> None:
    row = endpoint(town)
    event, delivery = told(town, row)
    (delivery_id,) = ids_of([delivery])
    put(town, row, event, delivery)
    (claimed,) = claim(town.house, (), Random(1)).deliveries
    town.good(await town.head("PUPR").post(f"/deliveries/{delivery_id}/cancel"), 200)
    failed = Answer(503, Fault.STATUS, None, None, 20, None)
    assert settle(town.house, [Outcome(claimed, town.clock.now, failed)], Random(1)) == 0
    assert kept(town, Delivery, delivery_id).state is DeliveryState.CANCELLED


async def test_what_an_admin_does_for_an_agency_is_noted(town: Town) -> None:
    row = endpoint(town)
    event, delivery = told(town, row)
    (delivery_id,) = ids_of([delivery])
    endpoint_id = row.id
    put(town, row, event, delivery)
    for who in (town.head("PUPR"), town.admin):
        for verb in ("cancel", "retry"):
            town.good(await who.post(f"/deliveries/{delivery_id}/{verb}"), 200)
    with town.house.database.read() as session:
        noted = [(each.kind, each.subject, each.data) for each in session.scalars(select(Administration))]
    data = {"endpoint": str(endpoint_id), "delivery": str(delivery_id)}
    assert sorted(noted, key=str) == [
        ("delivery.cancelled", "agency:PUPR", data),
        ("delivery.retried", "agency:PUPR", data),
    ]


# -- however many there are ------------------------------------------------------------------------------------------


def many(town: Town, row: Endpoint, count: int) -> None:
    """So many deliveries that wait, for one event each."""
    now = town.clock.now
    events = [
        {
            "id": new_id(),
            "agency_code": row.agency_code,
            "type": EventType.PROBLEM_ASSIGNED,
            "at": now,
            "area_code": None,
            "problem_id": None,
            "version": None,
            "payload": "{}",
            "acknowledged_at": None,
            "open_id": None,
        }
        for _ in range(count)
    ]
    deliveries = [
        {
            "id": new_id(),
            "event_id": event["id"],
            "endpoint_id": row.id,
            "state": DeliveryState.WAITING,
            "attempts": 0,
            "next_at": now,
            "lease": None,
            "is_ping": False,
            "created_at": now,
            "settled_at": None,
        }
        for event in events
    ]
    with town.house.database.write() as session:
        insert_rows(session, Event, events)
        insert_rows(session, Delivery, deliveries)


async def test_waiting_deliveries_are_counted_up_to_a_thousand(town: Town) -> None:
    head, dead, idle = town.head("PUPR"), endpoint(town), endpoint(town)
    path, ids = f"/endpoints/{dead.id}", [str(idle.id), str(dead.id)]
    put(town, dead, idle)
    dead = kept(town, Endpoint, UUID(ids[1]))
    many(town, dead, 999)
    assert town.good(await head.get(path), 200)["waiting"] == 999
    many(town, dead, 5)
    assert town.good(await head.get(path), 200)["waiting"] == 1_000
    items = town.good(await head.get("/endpoints"), 200)["items"]
    assert [(each["id"], each["waiting"]) for each in items] == list(zip(ids, (0, 1_000), strict=True))


READS = [
    ("/endpoints", 1),
    ("/endpoints/{endpoint}", 2),
    ("/endpoints/{endpoint}/deliveries", 2),
    ("/endpoints/{endpoint}/deliveries?state=exhausted", 2),
    ("/endpoints/{endpoint}/deliveries?state=waiting&type=problem.assigned", 2),
    ("/endpoints/{endpoint}/recoveries", 2),
    ("/deliveries/{delivery}", 2),
]


@pytest.mark.parametrize(("path", "most"), READS)
async def test_a_read_asks_little_and_by_an_index(town: Town, path: str, most: int) -> None:
    head, row = town.head("PUPR"), endpoint(town)
    rows = [each for _ in range(7) for each in told(town, row)]
    where = {"endpoint": row.id, "delivery": ids_of(rows)[0]}
    put(town, row, *rows)
    town.good(await head.get("/endpoints"), 200)
    with heard(town.house.database.engine) as asked:
        town.good(await head.get(path.format(**where)), 200)
    assert len(asked) <= most + 1, "and who asks"
    for statement in asked[1:]:
        for step in plan_of(town.house.database.engine, statement):
            assert not re.search(r"SCAN webhook_|Seq Scan on webhook_", step), step


async def test_a_list_walks_an_index_in_its_order(town: Town) -> None:
    """It sorts nothing, so a page costs the same with three hundred thousand waiting."""
    head, row = town.head("PUPR"), endpoint(town)
    endpoint_id = row.id
    path = f"/endpoints/{endpoint_id}/deliveries"
    put(town, row)
    many(town, kept(town, Endpoint, endpoint_id), 3_000)
    with town.house.database.write() as session:
        session.connection().exec_driver_sql("ANALYZE")
    for query in ("", "?state=waiting", f"?after={encode([new_id()])}"):
        with heard(town.house.database.engine) as asked:
            town.good(await head.get(path + query), 200)
        plan = plan_of(town.house.database.engine, asked[-1])
        assert not any("TEMP B-TREE" in step or "Sort" in step for step in plan), plan
