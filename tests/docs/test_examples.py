"""The examples of the docs page are a story that really happens."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr, TypeAdapter

from app.docs.document import HERE, operations
from app.kit.house import House
from app.kit.settings import Settings
from app.problems.schemas.parts import AssignmentStepIn
from app.problems.schemas.steps import StepIn
from app.problems.words import AssignmentVerb, Verb
from app.town.demo import make_demo
from app.town.seed import sow_town
from tests.conftest import SettableClock, settings_for
from tests.docs.story import PART_STEPS, PASSWORD, STEPS, Recorder, as_text, tell
from tests.webhooks.receiver import LOOPBACK, receiving

EXAMPLES = HERE / "examples.json"


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, tmp_path, public_url="https://ujungtombak.example", **LOOPBACK)


@pytest.fixture
async def recorder(app: FastAPI, house: House) -> AsyncIterator[Recorder]:
    sow_town(house)
    make_demo(house, SecretStr(PASSWORD))
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://testserver") as client:
        with receiving() as receiver:
            told = Recorder(client, app.openapi(), house, receiver)
            yield told
            await told.courier.close()


async def test_the_examples_are_what_happens(recorder: Recorder, clock: SettableClock) -> None:
    """`RECORD=1` writes the file anew."""
    await tell(recorder, clock)
    if os.environ.get("RECORD"):
        EXAMPLES.write_text(as_text(recorder.exchanges), encoding="utf-8")
    assert EXAMPLES.read_text(encoding="utf-8") == as_text(recorder.exchanges)


def test_every_operation_has_its_example(app: FastAPI) -> None:
    recorded = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    assert set(recorded) == {name for name, _ in operations(app.openapi())}


def test_every_verb_has_its_example() -> None:
    assert set(STEPS) == set(Verb) - {Verb.REPORT, Verb.EDIT, Verb.COMMENT, Verb.ATTACH}
    assert set(PART_STEPS) == set(AssignmentVerb)
    shapes: tuple[tuple[Any, dict[Any, dict[str, Any]]], ...] = ((StepIn, STEPS), (AssignmentStepIn, PART_STEPS))
    for shape, said in shapes:
        adapter: TypeAdapter[Any] = TypeAdapter(shape)
        for verb, carried in said.items():
            adapter.validate_python({"verb": verb.value, **carried})
