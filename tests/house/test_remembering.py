"""Reference data is remembered, and a change of it counts at once, whoever makes it and in whichever process."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import event, text, update
from sqlmodel import Session, col

from app.agencies.models import Agency
from app.areas.models import Area
from app.areas.queries import remembered as remembered_areas
from app.assembly import assemble, create_app
from app.kit import shelves
from app.kit.house import House
from app.kit.settings import Settings
from app.workdays.models import Limit
from app.workdays.words import Stage, Unit
from tests.conftest import SettableClock
from tests.town import Town

BAKALAN = "35.75.03.1005"


@pytest.fixture
def other_house(town_settings: Settings, clock: SettableClock) -> Iterator[House]:
    """Another process on the same database, as far as memory goes."""
    built = assemble(town_settings, clock=clock)
    yield built
    built.database.close()


def area_names(house: House) -> list[str]:
    with house.database.read() as session:
        return [area.name for area in remembered_areas(session, [BAKALAN]).values()]


def statements_of(house: House) -> list[str]:
    sent: list[str] = []

    def note(*said: Any) -> None:
        if said[2] != "BEGIN":  # what SQLite is sent for it; PostgreSQL reads without
            sent.append(said[2])

    event.listen(house.database.engine, "before_cursor_execute", note)
    return sent


async def test_what_is_known_is_not_read_again(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem = await lurah.report()
    await lurah.see(problem)
    sent = statements_of(town.house)
    await lurah.see(problem)
    assert len(sent) == 2, "who asks, and the problem"
    assert not any(f"FROM {table}" in statement for statement in sent for table in ("area", "category", "time_limit"))


@pytest.mark.parametrize(
    ("path", "most"), [("/problems?limit=50&state=forwarded&area=35.75.03", 3), ("/problems?words=saluran", 3)]
)
async def test_a_list_is_at_most_three_statements_with_who_asks(town: Town, path: str, most: int) -> None:
    staff = town.staff("Bugul Kidul")
    await town.lurah("Bakalan").report()
    await staff.get(path)
    sent = statements_of(town.house)
    assert len(town.good(await staff.get(path), 200)["items"]) == 1
    assert len(sent) <= most


async def test_a_limit_changed_in_one_process_counts_in_the_other(
    town: Town, town_app: FastAPI, other_house: House
) -> None:
    async with AsyncClient(
        transport=ASGITransport(app=create_app(other_house.settings, house=other_house)), base_url="http://other"
    ) as client:
        other = Town(other_house, client, town.clock)
        before = await other.lurah("Bakalan").report()
        changed = {"amount": 30, "unit": "working_days"}
        done = await town.client.put("/api/v1/admin/limits/ordinary/resolve", json=changed, headers=town.admin.headers)
        assert done.status_code == 200, done.text
        after = await other.lurah("Bakalan").report()
    assert before["due_at"] < after["due_at"]


async def test_a_change_at_the_databases_console_counts_too(town: Town, other_house: House) -> None:
    assert area_names(other_house) == ["Bakalan"]
    with town.house.database.write() as session:
        session.connection().execute(text("UPDATE area SET name = 'Bakalan Baru' WHERE code = '35.75.03.1005'"))
    assert area_names(other_house) == ["Bakalan Baru"]


async def test_what_was_not_committed_is_not_remembered(town: Town) -> None:
    class Changed(Exception):
        pass

    def fails(session: Session) -> None:
        session.connection().execute(update(Area).where(col(Area.code) == BAKALAN).values(name="Belum tentu"))
        raise Changed

    assert area_names(town.house) == ["Bakalan"]
    with pytest.raises(Changed):
        town.house.database.perform(fails)
    assert area_names(town.house) == ["Bakalan"]


@pytest.mark.parametrize("table", ["area", "agency", "category", "time_limit", "calendar_override"])
async def test_each_table_of_reference_has_its_trigger(town: Town, table: str) -> None:
    """What is remembered is read from these; a sixth one needs a trigger before it may be."""

    def edition() -> Any:
        with town.house.database.read() as session:
            return session.scalar(text("SELECT edition FROM reference_edition"))

    changes = {
        "area": "UPDATE area SET name = name WHERE code = '35.75'",
        "agency": "UPDATE agency SET name = name WHERE code = 'PUPR'",
        "category": "UPDATE category SET label = label WHERE code = 'jalan'",
        "time_limit": "UPDATE time_limit SET amount = amount WHERE class_code = 'ordinary'",
        "calendar_override": "INSERT INTO calendar_override (id, day, working, note) "
        "VALUES ('01936f0e8d3c7000800000000000aaaa', '2026-02-09', false, 'Hari jadi')",
    }
    before = edition()
    with town.house.database.write() as session:
        session.connection().execute(text(changes[table]))
    assert edition() != before


def test_a_shelf_is_emptied_before_it_grows_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "_MAXIMUM", 3)
    kept = shelves.Shelves()
    held = kept.of("first", "areas")
    for number in range(4):
        kept.of("first", "areas")[number] = number
    assert kept.of("first", "areas") == {}
    assert held == {0: 0, 1: 1, 2: 2, 3: 3}, "whoever is reading the full one finds in it what was there"


def test_another_edition_takes_nothing_from_whoever_reads_the_one_before() -> None:
    kept = shelves.Shelves()
    held = kept.of("first", "areas")
    held["35"] = "Jawa Timur"
    assert kept.of("second", "areas") == {}
    assert held == {"35": "Jawa Timur"}
    assert kept.of("first", "areas") == {}, "and an old edition that is asked for once more is read again"


def test_a_read_refuses_to_write(house: House) -> None:
    """On PostgreSQL a read has no transaction that could be rolled back."""

    def added(session: Session) -> None:
        session.add(Limit(class_code="ordinary", stage=Stage.RESOLVE, amount=1, unit=Unit.HOURS))
        session.flush()

    def updated(session: Session) -> None:
        session.connection().execute(update(Agency).values(active=False))

    for write in (added, updated):
        with house.database.read() as session, pytest.raises(RuntimeError, match="must not write"):
            write(session)
