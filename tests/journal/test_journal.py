"""The journal: facts in the change's own transaction, subscribers beside them, free text apart."""

import json
from dataclasses import replace
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from sqlalchemy import delete, func, select
from sqlmodel import SQLModel, col

from app.assembly import create_app
from app.journal.actions import salted_hash
from app.journal.facts import Recorded
from app.journal.models import Entry, LogHead, Text
from app.kit.house import House, Subscriber
from app.kit.settings import Settings
from tests.conftest import SettableClock
from tests.town import Town

SECRET_WORDS = "Kata yang hanya ada di sini"


def town_with(subscriber: Subscriber, house: House, settings: Settings, clock: SettableClock) -> Town:
    """The same town, heard by a subscriber."""
    heard = replace(house, subscribers=(subscriber,))
    transport = ASGITransport(app=create_app(settings, house=heard), raise_app_exceptions=False)
    return Town(heard, AsyncClient(transport=transport, base_url="http://testserver"), clock)


async def test_a_subscriber_hears_of_facts_in_their_transaction(
    town_house: House, town_settings: Settings, clock: SettableClock
) -> None:
    heard: list[tuple[str, str, int]] = []

    def listen(work: Any, facts: Any) -> None:
        for each in facts:
            assert isinstance(each, Recorded)
            written = select(func.count()).select_from(Entry).where(col(Entry.subject) == each.subject)
            assert work.session.scalar(written), "the entry is there before its subscribers are told"
            heard.append((each.fact.kind, each.log, each.position))

    town = town_with(listen, town_house, town_settings, clock)
    problem = await town.operator("Bakalan").report()
    await town.lurah("Bakalan").step(problem, "forward")
    assert heard == [("reported", "35.75.03.1005", 1), ("forwarded", "35.75.03.1005", 2)]


async def test_a_subscriber_that_fails_fails_the_change(
    town_house: House, town_settings: Settings, clock: SettableClock
) -> None:
    def fail(work: Any, facts: Any) -> None:
        raise RuntimeError("the subscriber's table is full")

    before = rows_of(town_house)
    town = town_with(fail, town_house, town_settings, clock)
    answer = await town.operator("Bakalan").post("/problems", town.problem("Bakalan"))
    assert answer.status_code == 500
    assert answer.json()["code"] == "unexpected"
    assert "full" not in answer.text
    assert rows_of(town_house) == before


async def test_free_text_lies_apart_from_facts_and_can_be_erased(town: Town) -> None:
    operator, lurah = town.operator("Bakalan"), town.lurah("Bakalan")
    problem = await operator.report(title=SECRET_WORDS, description=SECRET_WORDS, landmark=SECRET_WORDS)
    await lurah.post(f"/problems/{problem['id']}/comments", {"text": SECRET_WORDS})
    with town.house.database.read() as session:
        entries = session.scalars(select(Entry)).all()
        texts = {str(each.id): each for each in session.scalars(select(Text))}
    for entry in entries:
        assert SECRET_WORDS not in json.dumps(entry.data)
        for kept in entry.data.get("texts", {}).values():
            text = texts[kept["id"]]
            assert kept["hash"] == salted_hash(text.salt, text.body)

    with town.house.database.write() as session:
        session.connection().execute(delete(Text))
    history = town.good(await lurah.get(f"/problems/{problem['id']}/history"), 200)["items"]
    assert [each["kind"] for each in history] == ["reported", "commented"]
    assert history[0]["data"]["title"] is None
    assert history[1]["data"]["text"] is None


async def test_each_kelurahan_counts_for_itself(town: Town) -> None:
    for kelurahan in ("Bakalan", "Kepel", "Bakalan", "Kepel", "Bakalan"):
        await town.operator(kelurahan).report(kelurahan)
    with town.house.database.read() as session:
        heads = {each.log: (each.position, each.next_number) for each in session.scalars(select(LogHead))}
        entries = session.execute(select(col(Entry.log), col(Entry.position)).order_by(col(Entry.position))).all()
    assert heads == {"35.75.03.1005": (3, 4), "35.75.03.1002": (2, 3)}
    assert sorted(tuple(each) for each in entries) == [
        ("35.75.03.1002", 1),
        ("35.75.03.1002", 2),
        ("35.75.03.1005", 1),
        ("35.75.03.1005", 2),
        ("35.75.03.1005", 3),
    ]


@pytest.mark.parametrize("verb", ["forward", "accept"])
async def test_a_refusal_writes_nothing(town: Town, verb: str) -> None:
    problem = await town.operator("Bakalan").report()
    before = rows_of(town.house)
    answer = await town.operator("Bakalan").try_step(problem, verb)
    assert answer.status_code == 403
    assert rows_of(town.house) == before


def rows_of(house: House) -> dict[str, int]:
    """How many rows every table has."""
    with house.database.read() as session:
        return {
            name: session.scalar(select(func.count()).select_from(table)) or 0
            for name, table in SQLModel.metadata.tables.items()
        }
