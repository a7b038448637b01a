from collections.abc import Iterator
from pathlib import Path

import pytest

from app.client.phone import Phone
from app.client.store import Store
from app.kit.ids import new_id
from tests.client.answers import LOGGED_IN
from tests.conftest import SettableClock


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
