from collections.abc import Iterator
from pathlib import Path

import pytest

from app.assembly import assemble
from tests.conftest import Databases, SettableClock, settings_for
from tests.town import populate
from tests.webhooks.queues import Depot
from tests.webhooks.receiver import LOOPBACK, Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A system of an agency, on loopback."""
    with receiving() as standing:
        yield standing


@pytest.fixture
def depot(
    databases: Databases, database_kind: str, clock: SettableClock, receiver: Receiver, tmp_path: Path
) -> Iterator[Depot]:
    """A fresh copy of the populated town, from which webhooks may be sent to the receiver."""
    with databases.fresh(database_kind, populate) as address:
        house = assemble(settings_for(address, tmp_path, **LOOPBACK), clock=clock)
        try:
            yield Depot(house, clock, receiver)
        finally:
            house.database.close()
