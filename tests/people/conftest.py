"""A small city with nobody in it yet."""

import pytest
from httpx import AsyncClient

from app.kit.house import House
from tests.agencies.seeds import sown
from tests.people.townsfolk import Townsfolk, quickened


@pytest.fixture
def house(house: House) -> House:
    sown(house)
    return quickened(house)


@pytest.fixture
def town(house: House, client: AsyncClient) -> Townsfolk:
    return Townsfolk(house, client)
