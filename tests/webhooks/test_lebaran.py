"""Twelve days of Lebaran: the server of a dinas is off, nobody is in the office, and nothing is lost."""

import json
from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.kit.database import insert_rows
from app.kit.ids import new_id
from app.webhooks.models import Attempt, Delivery, Event
from app.webhooks.words import DeliveryState, DisabledBy, EndpointState
from tests.webhooks.ears import deliveries_to
from tests.webhooks.queues import Depot, delivery_row, event_row
from tests.webhooks.receiver import Reply

HOUR = timedelta(hours=1)
DAYS, PROBLEMS = 12, 10


class Lebaran:
    """What goes on in town meanwhile: every other hour something happens to one of ten problems."""

    def __init__(self, depot: Depot, endpoints: list[UUID]) -> None:
        self._depot = depot
        self._endpoints = endpoints
        self._problems = [new_id() for _ in range(PROBLEMS)]
        self.versions: Counter[UUID] = Counter()
        self.happened: list[UUID] = []

    def something_happens(self) -> None:
        problem = self._problems[len(self.happened) % PROBLEMS]
        self.versions[problem] += 1
        event = event_row(self._depot.house, self.versions[problem], problem)
        with self._depot.house.database.write() as session:
            insert_rows(session, Event, [event])
            insert_rows(session, Delivery, [delivery_row(event, endpoint) for endpoint in self._endpoints])
        self.happened.append(event["id"])


async def test_a_server_that_is_off_for_all_of_lebaran_gets_everything_when_it_is_back(depot: Depot) -> None:
    depot.receiver.answer_at("/off", Reply(503))
    off, healthy = depot.endpoint("/off"), depot.endpoint("/healthy")
    lebaran, begun = Lebaran(depot, [off, healthy]), depot.clock.now
    courier = depot.courier()
    disabled_after: timedelta | None = None
    try:
        for hour in range(DAYS * 24):
            if hour % 2 == 0:
                lebaran.something_happens()
            await courier.turn()
            if disabled_after is None and depot.standing(off).state is EndpointState.DISABLED:
                disabled_after = depot.clock.now - begun
            depot.clock.advance(HOUR)
        assert disabled_after is not None
        assert timedelta(hours=120) <= disabled_after <= timedelta(hours=121)
        assert depot.standing(off).disabled_by is DisabledBy.FAILING
        assert depot.states(off) == {DeliveryState.WAITING: len(lebaran.happened) + 1}, "and that it was disabled"
        probed_by_the_hour(depot, off, DAYS * 24 - disabled_after / HOUR)

        depot.receiver.forget()
        depot.receiver.answer_at("/off", Reply(200))
        is_back = depot.clock.now
        while depot.standing(off).state is EndpointState.DISABLED or depot.standing(off).is_catching_up:
            assert await courier.turn() <= 3, "one to it, and its news to both"
            depot.clock.advance(timedelta(milliseconds=50))
    finally:
        await courier.close()

    took = depot.clock.now - is_back
    assert depot.states(off) == {DeliveryState.DELIVERED: len(lebaran.happened) + 2}
    assert len(lebaran.happened) / 20 <= took.total_seconds() <= len(lebaran.happened) / 20 + 1
    arrived = [each for each in depot.receiver.arrived if each.path == "/off"]
    ids = [UUID(each.headers["webhook-id"]) for each in arrived]
    assert [each for each in ids if each in set(lebaran.happened)] == lebaran.happened, "once each, and in order"
    assert versions_in([json.loads(each.body) for each in arrived]) == {
        str(problem): list(range(1, newest + 1)) for problem, newest in lebaran.versions.items()
    }
    kinds = [json.loads(each.body)["type"] for each in arrived]
    assert kinds[0] == "webhook.ping"
    assert kinds[-1] == "endpoint.recovered"
    assert kinds.count("endpoint.disabled") == 1
    assert depot.states(healthy) == {DeliveryState.DELIVERED: len(lebaran.happened) + 2}


def probed_by_the_hour(depot: Depot, endpoint: UUID, hours: float) -> None:
    """While it was disabled it got pings, one an hour, and nothing that was held cost an attempt."""
    pings = [each for each in deliveries_to(depot.house, endpoint) if each.is_ping]
    assert hours - 2 <= len(pings) <= hours
    assert {each.state for each in pings} == {DeliveryState.EXHAUSTED}
    disabled_at = depot.standing(endpoint).disabled_at
    late = select(col(Attempt.delivery_id)).where(col(Attempt.at) > disabled_at)
    with depot.house.database.read() as session:
        tried = set(session.scalars(late.join(Delivery).where(col(Delivery.endpoint_id) == endpoint)))
    assert tried == {each.id for each in pings if each.created_at > disabled_at}  # type: ignore[operator]  # it is set


def versions_in(bodies: list[dict[str, Any]]) -> dict[str, list[int]]:
    """The versions of each problem, in the order of arrival."""
    versions = defaultdict(list)
    for body in bodies:
        if body["type"] == "problem.assigned":
            versions[body["data"]["problem"]].append(body["data"]["version"])
    return dict(versions)
