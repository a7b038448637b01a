"""A courier over a house whose clock is set, and deliveries put there as rows."""

import itertools
from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlmodel import SQLModel, col

from app.kit.database import insert_rows
from app.kit.house import House
from app.kit.ids import new_id
from app.webhooks.courier import Courier
from app.webhooks.models import Attempt, Delivery, Endpoint, Event
from app.webhooks.words import DeliveryState, EventType
from tests.conftest import SettableClock
from tests.webhooks.ears import add_endpoint
from tests.webhooks.receiver import Receiver

AGENCY = "PUPR"
MOST_PASSES = 2_000


class Depot:
    """One installation, seen from its queue."""

    def __init__(self, house: House, clock: SettableClock, receiver: Receiver) -> None:
        self.house = house
        self.clock = clock
        """The one that the house was given."""
        self.receiver = receiver

    def courier(self, seed: int = 1) -> Courier:
        """To be closed by whoever asked."""
        return Courier(self.house, chance=Random(seed))

    async def turn(self, times: int = 1, every: timedelta = timedelta(0)) -> int:
        """So many passes of a courier, each after the clock moved on; answers how many deliveries were claimed."""
        passed = itertools.count(1)
        return await self.turn_until(lambda: next(passed) >= times, every)

    async def turn_until(self, is_done: Callable[[], bool], every: timedelta) -> int:
        """Passes of a courier, each after the clock moved on, until one after which it is done."""
        courier, claimed = self.courier(), 0
        try:
            for _ in range(MOST_PASSES):
                self.clock.advance(every)
                claimed += await courier.turn()
                if is_done():
                    return claimed
        finally:
            await courier.close()
        raise AssertionError(f"not done after {MOST_PASSES} passes")

    def endpoint(self, path: str = "/hook", **other: Any) -> UUID:
        return add_endpoint(self.house, AGENCY, url=self.receiver.url_of(path), **other)

    def waiting(self, endpoint: UUID, count: int = 1, **other: Any) -> list[UUID]:
        """Deliveries for the endpoint, made one after another in this moment; answers their ids."""
        events = [event_row(self.house) for _ in range(count)]
        deliveries = [delivery_row(each, endpoint) | other for each in events]
        with self.house.database.write() as session:
            insert_rows(session, Event, events)
            insert_rows(session, Delivery, deliveries)
        return [each["id"] for each in deliveries]

    def delivery(self, delivery_id: UUID) -> Delivery:
        found: Delivery = self._one(Delivery, delivery_id)
        return found

    def standing(self, endpoint: UUID) -> Endpoint:
        found: Endpoint = self._one(Endpoint, endpoint)
        return found

    def _one(self, table: type[Any], key: UUID) -> Any:
        with self.house.database.read() as session:
            return session.get(table, key)

    def change(self, table: type[SQLModel], key: UUID, **values: Any) -> None:
        with self.house.database.write() as session:
            session.connection().execute(update(table).where(col(table.id) == key).values(values))  # type: ignore[attr-defined]  # every table has one

    def attempts(self, delivery_id: UUID) -> Sequence[Attempt]:
        statement = select(Attempt).where(col(Attempt.delivery_id) == delivery_id).order_by(col(Attempt.number))
        with self.house.database.read() as session:
            return session.scalars(statement).all()

    def states(self, endpoint: UUID) -> dict[DeliveryState, int]:
        """How many deliveries to the endpoint stand how, without pings."""
        statement = (
            select(col(Delivery.state), func.count())
            .where(col(Delivery.endpoint_id) == endpoint, ~col(Delivery.is_ping))
            .group_by(col(Delivery.state))
        )
        with self.house.database.read() as session:
            return {state: count for state, count in session.execute(statement)}  # noqa: C416 - rows


def event_row(house: House, version: int = 1, problem: UUID | None = None, **other: Any) -> dict[str, Any]:
    """A row of an event of now."""
    problem = problem or new_id()
    row = {
        "id": new_id(),
        "agency_code": AGENCY,
        "type": EventType.PROBLEM_ASSIGNED,
        "at": house.clock(),
        "area_code": "35.75.03.1005",
        "left_code": None,
        "problem_id": problem,
        "version": version,
        "payload": f'{{"type":"problem.assigned","data":{{"problem":"{problem}","version":{version}}}}}',
        "acknowledged_at": None,
        "open_id": None,
    }
    return row | other


def delivery_row(event: dict[str, Any], endpoint: UUID) -> dict[str, Any]:
    """A row of its delivery, waiting since then."""
    return {
        "id": new_id(),
        "event_id": event["id"],
        "endpoint_id": endpoint,
        "state": DeliveryState.WAITING,
        "attempts": 0,
        "next_at": event["at"],
        "lease": None,
        "is_ping": False,
        "created_at": event["at"],
        "settled_at": None,
    }
