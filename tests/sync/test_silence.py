"""A kelurahan that is not heard of: noted once in its log, and again when it is heard."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from app.assembly import assemble, do_rounds
from app.journal.facts import Recorded
from app.journal.models import Entry, LogHead
from app.kit.columns import table_of
from app.people.words import PostKind
from app.problems.facts import FACTS as PROBLEM_FACTS
from app.problems.queries.aggregate import load, refold
from app.sync.actions import silence
from app.sync.actions.silence import note_silence
from app.sync.facts import FACTS, fact, subject_of
from app.sync.models import Silence, SyncContact, SyncDevice
from app.workdays.models import CalendarOverride
from tests.sync.rows import delivered, phone, put
from tests.sync.statements import heard
from tests.sync.test_board import BAKALAN, GENTONG, at, row_of
from tests.town import Town

MONDAY, FRIDAY = "2026-03-02T09:00", "2026-03-06T00:01"
"""From Monday morning on, Tuesday to Thursday are three working days, and Friday is the fourth."""


def spoke(town: Town, moment: datetime, *, waiting: int = 0) -> None:
    """Every phone there is was heard of at this moment."""
    with town.house.database.write() as session:
        said = {"last_contact_at": moment, "waiting": waiting}
        session.connection().execute(update(table_of(SyncDevice)).values(**said))
        session.connection().execute(update(table_of(SyncContact)).values(at=moment))


def noted(town: Town, log: str = BAKALAN) -> list[tuple[int, int, str, dict[str, Any]]]:
    """What its log says of the kelurahan itself."""
    with town.house.database.read() as session:
        statement = select(Entry).where(col(Entry.log) == log, col(Entry.subject) == subject_of(log))
        entries = session.scalars(statement.order_by(col(Entry.position))).all()
    assert all((each.author["post"], each.author["name"]) == ("system", "Sistem") for each in entries)
    return [(each.position, each.version, each.kind, each.data) for each in entries]


def silent(town: Town) -> set[str]:
    with town.house.database.read() as session:
        return set(session.scalars(select(col(Silence.log))))


async def test_silence_is_noted_once_and_so_is_being_heard_again(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem = await lurah.report()
    put(town, phone(lurah, last_contact_at=at(MONDAY), waiting=4))
    town.clock.now = at("2026-03-05T23:59")
    assert (note_silence(town.house), silent(town)) == (0, set())
    town.clock.now = at(FRIDAY)
    assert note_silence(town.house) == 1
    assert silent(town) == {BAKALAN}
    said = {"last_contact_at": "2026-03-02T02:00:00+00:00", "waiting": 4}
    position = problem["position"] + 1
    assert noted(town) == [(position, 1, "fell_silent", said)]
    assert note_silence(town.house) == 0
    town.clock.advance(timedelta(days=1))
    assert note_silence(town.house) == 0
    spoke(town, town.clock.now)
    assert note_silence(town.house) == 1
    assert silent(town) == set()
    again = {"last_contact_at": "2026-03-06T17:01:00+00:00", "waiting": 0}
    assert noted(town)[1:] == [(position + 1, 2, "heard_again", again)]
    assert note_silence(town.house) == 0
    town.clock.now = at("2026-03-13T09:00")
    assert note_silence(town.house) == 1
    assert [(version, kind) for _, version, kind, _ in noted(town)[2:]] == [(3, "fell_silent")]


async def test_who_has_nothing_to_fall_silent_from_is_left_alone(town: Town) -> None:
    lurah, now = town.lurah("Bakalan"), at(MONDAY)
    await lurah.report()
    put(
        town,
        phone(lurah, revoked_at=now),
        phone(town.camat("Bugul Kidul")),
        phone(town.monitor),
        phone(town.officer("PUPR")),
        phone(town.operator("Gentong"), last_contact_at=at("2026-03-05T09:00")),
        phone(town.operator("Gentong"), last_contact_at=now),
    )
    town.clock.now = at(FRIDAY)
    assert (note_silence(town.house), silent(town)) == (0, set())
    town.clock.now = at("2026-03-13T09:00")
    assert (note_silence(town.house), silent(town)) == (1, {GENTONG})


async def test_who_was_noted_stays_so_until_another_device_speaks(town: Town) -> None:
    device = phone(town.lurah("Bakalan"), last_contact_at=at(MONDAY))
    put(town, device)
    town.clock.now = at(FRIDAY)
    assert note_silence(town.house) == 1
    with town.house.database.write() as session:
        session.connection().execute(update(table_of(SyncDevice)).values(revoked_at=town.clock.now))
    assert (note_silence(town.house), silent(town)) == (0, {BAKALAN})
    put(town, phone(town.operator("Bakalan")))
    assert (note_silence(town.house), silent(town)) == (1, set())


async def test_a_day_off_there_does_not_count(town: Town) -> None:
    for name in ("Bakalan", "Gentong"):
        put(town, phone(town.lurah(name), last_contact_at=at(MONDAY)))
    closed = CalendarOverride(
        id=UUID(int=7), day=at("2026-03-04T09:00").date(), area_code="35.75.03", working=False, note="Banjir"
    )
    put(town, closed)
    town.clock.now = at(FRIDAY)
    assert (note_silence(town.house), silent(town)) == (1, {GENTONG})


async def test_a_log_begins_with_silence_where_nothing_was_recorded(town: Town) -> None:
    put(town, phone(town.lurah("Bakalan"), last_contact_at=at(MONDAY)))
    town.clock.now = at(FRIDAY)
    note_silence(town.house)
    assert [each[:3] for each in noted(town)] == [(1, 1, "fell_silent")]
    first = await town.lurah("Bakalan").report()
    assert (first["number"], first["position"]) == (f"{BAKALAN}-0001", 2)


async def test_problems_do_not_mind(town: Town) -> None:
    """A fact about the kelurahan takes a place in its log and is no fact of any problem."""
    lurah, camat = town.lurah("Bakalan"), town.camat("Bugul Kidul")
    problem = await lurah.report()
    put(town, phone(lurah, last_contact_at=at(MONDAY)), delivered(camat, BAKALAN, problem["position"]))
    assert (await row_of(camat))["behind"] == 0
    town.clock.now = at(FRIDAY)
    assert note_silence(town.house) == 1
    assert (await row_of(camat))["behind"] == 1
    assert (await row_of(camat))["standing"] == "silent"
    after = await camat.step(problem, "accept")
    assert after["position"] == problem["position"] + 2
    history = town.good(await lurah.get(f"/problems/{problem['id']}/history"), 200)["items"]
    assert not FACTS.keys() & {each["kind"] for each in history}
    assert len(history) == after["version"]
    problem_id = UUID(problem["id"])
    with town.house.database.read() as session:
        loaded = load(session, [problem_id], town.clock.now)[problem_id]
        assert refold(session, problem_id) == replace(loaded, lurah_vacant=False)
        head = session.scalars(select(LogHead).where(col(LogHead.log) == BAKALAN)).one()
        positions = session.scalars(select(col(Entry.position)).order_by(col(Entry.position))).all()
    assert list(positions) == list(range(1, head.position + 1))


async def test_the_rounds_note_it_and_subscribers_hear_of_it(town: Town) -> None:
    told: list[tuple[str, str]] = []

    def hear(_work: Any, facts: Sequence[Recorded]) -> None:
        told.extend((each.log, each.fact.kind) for each in facts)

    put(town, phone(town.lurah("Bakalan"), last_contact_at=at(MONDAY)))
    town.clock.now = at(FRIDAY)
    house = assemble(town.house.settings, clock=town.clock, subscribers=[hear])
    do_rounds(house)
    house.database.close()
    assert told == [(BAKALAN, "fell_silent")]


# -- many, and at once -----------------------------------------------------------------------------------------------


def others_spoke(town: Town) -> list[str]:
    """A phone for each kelurahan but Bakalan; answers their codes."""
    others = [each for (kind, code), each in town.people.items() if kind is PostKind.LURAH and code != BAKALAN]
    put(town, *(phone(each, last_contact_at=at(MONDAY)) for each in others))
    return [str(each.actor.area_code) for each in others]


async def test_many_cost_as_many_statements_as_one(town: Town) -> None:
    put(town, phone(town.lurah("Bakalan"), last_contact_at=at(MONDAY)))
    town.clock.now = at(FRIDAY)
    with heard(town.house.database.engine) as one:
        assert note_silence(town.house) == 1
    others_spoke(town)
    with heard(town.house.database.engine) as many:
        assert note_silence(town.house) == 33
    assert len(many) == len(one)


async def test_a_transaction_locks_only_so_many_logs(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = others_spoke(town)
    together: list[int] = []
    house = assemble(town.house.settings, clock=town.clock, subscribers=[lambda _, facts: together.append(len(facts))])
    monkeypatch.setattr(silence, "LOGS_AT_ONCE", 10)
    town.clock.now = at(FRIDAY)
    assert note_silence(house) == len(codes) == 33
    house.database.close()
    assert (silent(town), together) == (set(codes), [10, 10, 10, 3])


async def test_who_speaks_before_the_lock_is_not_noted(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    put(town, phone(town.lurah("Bakalan"), last_contact_at=at(MONDAY)))
    town.clock.now = at(FRIDAY)
    perform = town.house.database.perform

    def late(unit: Any) -> Any:
        spoke(town, town.clock.now)
        return perform(unit)

    monkeypatch.setattr(town.house.database, "perform", late)
    assert (note_silence(town.house), silent(town), noted(town)) == (0, set(), [])


async def test_two_rounds_at_once_note_it_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    put(town, phone(town.lurah("Bakalan"), last_contact_at=at(MONDAY)))
    town.clock.now = at(FRIDAY)
    other = assemble(town.house.settings, clock=town.clock)
    perform = town.house.database.perform

    def overtaken(unit: Any) -> Any:
        assert note_silence(other) == 1
        return perform(unit)

    monkeypatch.setattr(town.house.database, "perform", overtaken)
    assert (note_silence(town.house), len(noted(town))) == (0, 1)
    other.database.close()


# -- the contract ----------------------------------------------------------------------------------------------------


def test_a_fact_says_nothing_that_the_contract_does_not_know() -> None:
    with pytest.raises(LookupError, match="phone"):
        fact("fell_silent", phone="0811")
    with pytest.raises(KeyError):
        fact("vanished")
    assert not FACTS.keys() & PROBLEM_FACTS.keys()


def test_each_kelurahan_is_a_subject_of_its_own() -> None:
    assert subject_of(BAKALAN) == UUID("c4aa60ca-7635-56b6-87d8-c43b341fbec2"), "it stays the same for ever"
    assert subject_of(BAKALAN) != subject_of(GENTONG)
