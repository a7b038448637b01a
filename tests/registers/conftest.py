from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from app.kit.house import House
from tests.registers.registers import Clerk


@pytest.fixture
def clerk(town_house: House, tmp_path: Path) -> Clerk:
    """Somebody with a spreadsheet, in Kota Pasuruan with everybody at their post."""
    return Clerk(town_house, tmp_path)


@pytest.fixture
def statements(town_house: House) -> Iterator[list[str]]:
    """What is sent to the database, from here on."""
    seen: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        seen.append(statement)

    event.listen(town_house.database.engine, "before_cursor_execute", hear)
    yield seen
    event.remove(town_house.database.engine, "before_cursor_execute", hear)
