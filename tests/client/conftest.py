from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient

from app.assembly import assemble, create_app
from app.client.phone import Phone
from app.client.store import Store
from app.kit.house import House
from app.kit.ids import new_id
from tests.client.answers import LOGGED_IN
from tests.client.lines import served
from tests.client.places import Place
from tests.conftest import Databases, SettableClock, settings_for
from tests.town import Town, populate


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "phone.db")
    yield opened
    opened.close()


@pytest.fixture
def phone(store: Store, clock: SettableClock) -> Phone:
    """An operator's phone in Bakalan, logged in."""
    phone = Phone(store, clock, new_id)
    phone.adopt("http://testserver", "operator.bakalan", LOGGED_IN, "HP lapangan Bakalan")
    return phone


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
