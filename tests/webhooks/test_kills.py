"""Workers are killed with `kill -9` again and again amid 5,000 deliveries to a receiver that fails; none is lost.

`WEBHOOK_KILLS=200` kills more often.
"""

import os
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select, update
from sqlmodel import col

from app.assembly import assemble
from app.kit.house import House
from app.webhooks.models import Attempt, Delivery, Endpoint
from app.webhooks.words import DeliveryState
from tests.conftest import Databases, SettableClock, settings_for
from tests.town import populate
from tests.webhooks.queues import Depot
from tests.webhooks.receiver import LOOPBACK, Receiver, failing
from tests.webhooks.workers import Workers, working

pytestmark = pytest.mark.xdist_group("crash")

DELIVERIES, ENDPOINTS, WORKERS = 5_000, 4, 2
KILLS = int(os.environ.get("WEBHOOK_KILLS", "30"))
IN_FLIGHT = 16
LIMIT_SECONDS = 300
"""A run that has not delivered everything by then is a failure, not a wait."""


def test_killed_workers_lose_nothing(
    databases: Databases, database_kind: str, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answer = failing(15, Random(20260302))
    with databases.fresh(database_kind, populate) as address:
        house = assemble(settings_for(address, tmp_path, **LOOPBACK))
        try:
            ids = filled(house, receiver)
            with working(tmp_path, variables(address, tmp_path)) as workers:
                seconds = besieged(house, receiver, workers, Random(20260302))
            judge(house, receiver, ids, workers.log)
        finally:
            house.database.close()
    duplicates = len(receiver.delivered_ids()) - DELIVERIES
    print(f"{database_kind}: {DELIVERIES} delivered, {KILLS} kills, {duplicates} duplicates, {seconds:.0f} s")


def variables(address: str, folder: Path) -> dict[str, str]:
    return {
        "UJUNG_DATABASE_URL": address,
        "UJUNG_DATA_DIR": str(folder),
        "UJUNG_LOG_JSON": "true",
        "UJUNG_WEBHOOK_NETWORKS": "127.0.0.0/8",
        "UJUNG_WEBHOOK_HTTP": "true",
        "UJUNG_WEBHOOK_PORTS": "0",
        "UJUNG_WEBHOOK_IN_FLIGHT": str(IN_FLIGHT),
    }


def filled(house: House, receiver: Receiver) -> set[str]:
    """All deliveries, waiting; answers the ids of their events."""
    depot = Depot(house, SettableClock(), receiver)  # its clock is not looked at
    for number in range(ENDPOINTS):
        depot.waiting(depot.endpoint(f"/{number}"), DELIVERIES // ENDPOINTS)
    with house.database.read() as session:
        return {str(each) for each in session.scalars(select(col(Delivery.event_id)))}


def besieged(house: House, receiver: Receiver, workers: Workers, random: Random) -> float:
    """Kills a worker whenever some more has arrived, then the last ones, and lets another do the rest; answers how long
    it took."""
    begun, never = time.monotonic(), threading.Event()
    for _ in range(WORKERS):
        workers.begin()
    for _ in range(KILLS - WORKERS):
        enough = len(receiver.arrived) + random.randint(1, DELIVERIES // KILLS)
        while len(receiver.arrived) < enough:
            check_time(begun, workers)
            retry_soon(house)
            never.wait(random.uniform(0.01, 0.1))  # at an arrival it would be too regular a moment
        workers.kill()
        workers.begin()
    for _ in range(WORKERS):
        workers.kill()
    leases_end(house)
    workers.begin()
    while count(house, DeliveryState.WAITING):
        check_time(begun, workers)
        retry_soon(house)
        never.wait(0.1)
    return time.monotonic() - begun


def check_time(begun: float, workers: Workers) -> None:
    assert time.monotonic() - begun < LIMIT_SECONDS, workers.log[-4_000:]


def retry_soon(house: House) -> None:
    """Moves time on for what waits for its next attempt, and for endpoints that are paused."""
    now = house.clock()
    waits = (col(Delivery.state) == DeliveryState.WAITING, col(Delivery.lease).is_(None), col(Delivery.next_at) > now)
    with house.database.write() as session:
        session.connection().execute(update(Delivery).where(*waits).values(next_at=now))
        session.connection().execute(update(Endpoint).where(col(Endpoint.next_at) > now).values(next_at=now))


def leases_end(house: House) -> None:
    """Moves time on behind all leases, where nobody holds one any more."""
    waits = (col(Delivery.state) == DeliveryState.WAITING, col(Delivery.lease).is_not(None))
    with house.database.write() as session:
        session.connection().execute(update(Delivery).where(*waits).values(next_at=house.clock()))


def count(house: House, state: DeliveryState) -> int:
    with house.database.read() as session:
        return session.scalar(select(func.count()).where(col(Delivery.state) == state)) or 0


def judge(house: House, receiver: Receiver, ids: set[str], log: str) -> None:
    assert len(ids) == DELIVERIES
    assert count(house, DeliveryState.DELIVERED) == DELIVERIES
    assert set(receiver.ids()) == ids, "the same id whenever it is sent"
    arrived = Counter(receiver.delivered_ids())
    assert set(arrived) == ids
    assert arrived.total() - DELIVERIES <= KILLS * IN_FLIGHT
    with house.database.read() as session:
        successes = select(col(Attempt.delivery_id), func.count()).where(col(Attempt.fault).is_(None))
        written = dict(session.execute(successes.group_by(col(Attempt.delivery_id))).all())
    assert len(written) == DELIVERIES
    assert set(written.values()) == {1}, "one of them is settled, once"
    assert "Traceback" not in log, log[-4_000:]
