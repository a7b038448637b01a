"""Many at once: everybody has their turn, nothing is applied twice, nobody is sent away without need."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from threading import Barrier, Event, Lock, Thread, current_thread
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from pydantic import BaseModel
from sqlalchemy import event, select, text
from sqlalchemy.engine import make_url
from sqlmodel import Session, SQLModel, col

from app.assembly import assemble, create_app
from app.journal.actions import Head, Logs, lock
from app.journal.models import Entry, LogHead
from app.kit import database
from app.kit.database import Again
from app.kit.house import House
from app.kit.ids import new_id
from app.kit.refusals import Busy
from app.kit.settings import Settings
from app.problems import actions
from app.problems.actions import Intent
from app.problems.models import ProblemRow
from app.problems.schemas.reports import CommentIn, EditIn, ReportIn
from app.problems.schemas.steps import Accept, Assign, Forward, Move
from tests.conftest import Databases, SettableClock, settings_for
from tests.town import Someone, Town, populate

CROWD = 40
ROUNDS = 8
PATIENCE_SECONDS = 30
BAKALAN, KEPEL = "35.75.03.1005", "35.75.03.1002"
KELURAHAN = ["Bakalan", "Kepel", "Blandongan", "Krampyangan", "Gentong", "Sebani", "Mayangan", "Wirogunan"]


@pytest.fixture(autouse=True)
def nobody_waits_inside_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns are taken in the process, before SQLite is asked; it would answer "locked" at once."""
    monkeypatch.setattr(database, "_SQLITE_PRAGMAS", {**database._SQLITE_PRAGMAS, "busy_timeout": 0})


@pytest.fixture
def town_settings(databases: Databases, database_kind: str, tmp_path: Path) -> Iterator[Settings]:
    """A connection, and so a thread, for everybody in the crowd."""
    with databases.fresh(database_kind, populate) as address:
        yield settings_for(address, tmp_path, pool_size=CROWD, pool_wait_seconds=PATIENCE_SECONDS)


class Gate:
    """Lets the first so many units of work through together, later ones as they come, and counts all of them."""

    def __init__(self, together: int) -> None:
        self._barrier = Barrier(together)
        self._together = together
        self._lock = Lock()
        self.passed = 0

    def enter(self) -> None:
        with self._lock:
            self.passed += 1
            is_early = self.passed <= self._together
        if is_early:
            self._barrier.wait(PATIENCE_SECONDS)


@contextmanager
def meeting(house: House, together: int) -> Iterator[Gate]:
    """So many writers meet as late as they can.

    On PostgreSQL inside their transactions, what they may read before the lock already read; on SQLite before their
    turn, because inside there is only ever one.
    """
    gate = Gate(together)
    with pytest.MonkeyPatch.context() as patch:
        if house.database.is_sqlite:
            write = house.database.write

            def begin(edition: str | None = None) -> AbstractContextManager[Session]:
                gate.enter()
                return write(edition)

            patch.setattr(house.database, "write", begin)
        else:

            def locked(session: Session, logs: Collection[str], also: Logs | None) -> dict[str, Head]:
                gate.enter()
                return lock(session, logs, also)

            patch.setattr(actions, "lock", locked)
        yield gate


def positions(house: House) -> dict[str, list[int]]:
    """Positions in each log, held against its head."""
    with house.database.read() as session:
        heads = {head.log: head.position for head in session.scalars(select(LogHead))}
        rows = session.execute(select(col(Entry.log), col(Entry.position)).order_by(col(Entry.position))).all()
    found = {log: [position for each, position in rows if each == log] for log in heads}
    assert {log: each[-1] for log, each in found.items()} == heads
    return found


def gapless(each: Collection[int]) -> list[int]:
    return list(range(1, len(each) + 1))


def kept(house: House, table: type[SQLModel]) -> int:
    with house.database.read() as session:
        return len(session.scalars(select(table)).all())


# -- one problem -----------------------------------------------------------------------------------------------------


async def test_accept_against_withdraw_is_one_yes_and_one_no(town: Town) -> None:
    lurah, staff = town.lurah("Bakalan"), town.staff("Bugul Kidul")
    for _ in range(ROUNDS):
        problem = await lurah.report()
        with meeting(town.house, 2) as gate:
            accepted, withdrawn = await asyncio.gather(
                staff.try_step(problem, "accept"), lurah.try_step(problem, "withdraw", reason="Sudah surut sendiri.")
            )
        assert sorted((accepted.status_code, withdrawn.status_code)) == [200, 409]
        assert gate.passed == 2, "the lock makes them take turns: nobody has to begin again"
        won, state = (accepted, "accepted") if accepted.status_code == 200 else (withdrawn, "closed")
        seen = await lurah.see(problem)
        assert (seen["state"], seen["version"], seen["position"]) == (state, 2, won.json()["position"])
    assert positions(town.house) == {BAKALAN: gapless(range(2 * ROUNDS))}


async def test_comments_at_once_are_all_kept_in_turn(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem = await lurah.report()
    path = f"/problems/{problem['id']}/comments"
    with meeting(town.house, CROWD) as gate:
        answers = await asyncio.gather(*(lurah.post(path, {"text": f"Catatan {each}"}) for each in range(CROWD)))
    assert {answer.status_code for answer in answers} == {201}
    assert gate.passed == CROWD
    assert (await lurah.see(problem))["version"] == CROWD + 1
    assert positions(town.house) == {BAKALAN: gapless(range(CROWD + 1))}


# -- one log, and several --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [KELURAHAN[:1], KELURAHAN], ids=["one kelurahan", "several kelurahan"])
async def test_a_crowd_writes_without_gaps_and_without_being_sent_away(town: Town, names: list[str]) -> None:
    async def work(lurah: Someone, name: str) -> list[dict[str, Any]]:
        problem = await lurah.report(name)
        said = {"plan": "Kerja bakti RT 02.", "target_on": town.today().isoformat()}
        return [
            problem,
            await lurah.step(problem, "handle_locally", **said),
            await lurah.step(problem, "finish", resolution="not_found"),
        ]

    where = [names[each % len(names)] for each in range(CROWD)]
    with meeting(town.house, CROWD) as gate:
        done = await asyncio.gather(*(work(town.lurah(name), name) for name in where))
    assert gate.passed == 3 * CROWD
    expected = {town.kelurahan(name): gapless(range(3 * where.count(name))) for name in names}
    assert positions(town.house) == expected
    told = {
        log: sorted(each["position"] for answers in done for each in answers if each["area"] == log) for log in expected
    }
    assert told == expected
    numbers = sorted(answers[0]["number"] for answers in done)
    assert numbers == sorted(f"{log}-{each:04d}" for log in expected for each in gapless(range(CROWD // len(names))))


# -- one request, twice ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["report", "comment", "step"])
async def test_the_same_request_twice_at_once_has_effect_once(town: Town, what: str) -> None:
    lurah = town.lurah("Bakalan")
    problem = await lurah.report()
    sendings: dict[str, Callable[[str], Any]] = {
        "report": lambda key: lurah.post("/problems", town.problem(id=key)),
        "comment": lambda key: lurah.post(f"/problems/{problem['id']}/comments", {"id": key, "text": "Sudah surut."}),
        "step": lambda key: lurah.post(
            f"/problems/{problem['id']}/steps",
            {"verb": "withdraw", "reason": "Sudah surut sendiri."},
            headers={"Idempotency-Key": key},
        ),
    }
    key = str(new_id())
    before = len(positions(town.house)[BAKALAN])
    with meeting(town.house, 2):
        answers: list[Response] = await asyncio.gather(sendings[what](key), sendings[what](key))
    assert {answer.status_code for answer in answers} == {200 if what == "step" else 201}, [
        each.text for each in answers
    ]
    assert answers[0].json() == answers[1].json()
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 1
    assert positions(town.house) == {BAKALAN: gapless(range(before + 1))}
    assert kept(town.house, ProblemRow) == (2 if what == "report" else 1)


# -- statements ------------------------------------------------------------------------------------------------------


def statements(town: Town, who: Someone, intents: list[Intent]) -> list[str]:
    """How each statement begins that a batch of somebody's sends."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        sent.append(" ".join(statement.split()[:3]))

    event.listen(town.house.database.engine, "before_cursor_execute", note)
    try:
        outcomes = town.house.database.perform(lambda session: actions.perform(town.work(session, who), intents))
    finally:
        event.remove(town.house.database.engine, "before_cursor_execute", note)
    assert not [each for each in outcomes if isinstance(each, Exception)]
    return sent


async def test_statements_do_not_grow_with_the_batch(town: Town) -> None:
    operator, lurah, camat = town.operator("Bakalan"), town.lurah("Bakalan"), town.camat("Bugul Kidul")
    first = await operator.report()  # the first of a log makes its head, and reads what is then known
    await lurah.step(first, "forward")
    await camat.step(first, "accept")
    await camat.step(first, "assign", lead="PUPR", support=["DLHKP", "PERKIM"])
    ids = {many: [new_id() for _ in range(many)] for many in (1, 3, 50)}
    edits: list[dict[str, Any]] = [{"title": "Saluran buntu"}, {"landmark": "Musala", "rw": "02"}, {"rt": "01"}]
    leads = [("PUPR", ()), ("DLHKP", ("PUPR",)), ("PERKIM", ("PUPR", "DLHKP"))]
    says: list[tuple[Someone, Callable[[int], BaseModel]]] = [
        (operator, lambda at: ReportIn.model_validate(town.problem(title=f"Saluran {at}"))),
        (operator, lambda at: CommentIn(id=new_id(), text=f"Catatan {at}")),
        (operator, lambda at: EditIn.model_validate(edits[at % 3])),
        (lurah, lambda at: Forward(verb="forward")),
        (camat, lambda at: Accept(verb="accept")),
        (camat, lambda at: Assign(verb="assign", lead=leads[at % 3][0], support=leads[at % 3][1])),
        (camat, lambda at: Assign(verb="assign", lead=leads[at % 3 - 1][0], support=leads[at % 3 - 1][1])),
    ]
    for who, say in says:
        sent = {
            many: statements(town, who, [Intent(problem_id=each, said=say(at)) for at, each in enumerate(problems)])
            for many, problems in ids.items()
        }
        assert sent[1] == sent[3] == sent[50]


# -- ground taken away -----------------------------------------------------------------------------------------------


async def test_a_problem_that_moves_while_its_log_is_waited_for_is_looked_for_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite nobody can come between: a write begins alone."""
    house, staff, camat = town.house, town.staff("Bugul Kidul"), town.camat("Bugul Kidul")
    problem = await town.lurah("Bakalan").report()
    tries: list[set[str]] = []
    has_locked = Event()

    def move() -> None:
        said = Move(verb="move", area=KEPEL, reason="Letaknya di Kepel.")
        with house.database.write() as session:
            actions.step(town.work(session, camat), UUID(problem["id"]), said)
            has_locked.set()
            await_somebody_waiting(house)

    def come_between(session: Session, logs: Collection[str], also: Logs | None) -> dict[str, Head]:
        if current_thread() is mover:
            return lock(session, logs, also)
        if not tries and house.database.is_sqlite:
            file = make_url(house.settings.database_address).database
            assert file is not None
            with (
                closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other,
                pytest.raises(sqlite3.OperationalError, match="locked"),
            ):
                other.execute("BEGIN IMMEDIATE")
        elif not tries:
            mover.start()
            assert has_locked.wait(PATIENCE_SECONDS)
        heads = lock(session, logs, also)
        tries.append(set(heads))
        return heads

    mover = Thread(target=move)
    monkeypatch.setattr(actions, "lock", come_between)
    answer = await staff.post(f"/problems/{problem['id']}/comments", {"text": "Petugas sudah di lokasi."})
    assert answer.status_code == 201, answer.text
    history = town.good(await staff.get(f"/problems/{problem['id']}/history"), 200)["items"]
    told = [(each["kind"], each["position"]) for each in history]
    if house.database.is_sqlite:
        assert tries == [{BAKALAN}]
        assert told == [("reported", 1), ("commented", 2)]
    else:
        mover.join(PATIENCE_SECONDS)
        assert tries == [{BAKALAN}, {KEPEL}], "waited for the old log, found that it had gone, locked the new one"
        assert told == [("reported", 1), ("moved_out", 2), ("moved_in", 1), ("commented", 2)]


def await_somebody_waiting(house: House) -> None:
    """Returns once a transaction of this PostgreSQL waits for a lock."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        with house.database.read() as session:
            if session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                return
    raise AssertionError("nobody came to wait")


async def test_whose_ground_is_taken_away_again_and_again_is_asked_to_come_back(town: Town) -> None:
    tries: list[Session] = []

    def lost(session: Session) -> None:
        tries.append(session)
        raise Again

    def lost_twice(session: Session) -> str:
        tries.append(session)
        if len(tries) < 3:
            raise Again
        return "done"

    with pytest.raises(Busy):
        town.house.database.perform(lost)
    assert len(set(map(id, tries))) == len(tries) == 3, "each try in a session of its own"
    tries.clear()
    assert town.house.database.perform(lost_twice) == "done"


# -- a full house ----------------------------------------------------------------------------------------------------


@pytest.fixture
def narrow(databases: Databases, database_kind: str, tmp_path: Path, clock: SettableClock) -> Iterator[FastAPI]:
    """A house with one thread and one connection for requests, where nobody waits long for them."""
    with databases.fresh(database_kind, populate) as address:
        settings = settings_for(address, tmp_path, pool_size=1, pool_wait_seconds=0.1)
        house = assemble(settings, clock=clock)
        yield create_app(settings, house=house)
        house.database.close()


def is_sent_away(answer: Response) -> bool:
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), answer.text
    assert answer.json()["code"] == "busy"
    return int(answer.headers["Retry-After"]) > 0


async def test_while_all_connections_are_held_people_are_asked_to_come_back(
    narrow: FastAPI, clock: SettableClock
) -> None:
    house: House = narrow.state.house
    async with AsyncClient(transport=ASGITransport(app=narrow), base_url="http://testserver") as client:
        town = Town(house, client, clock)
        lurah = town.lurah("Bakalan")
        with ExitStack() as held:
            for _ in range(3):  # two are there for what works in the background
                held.enter_context(house.database.engine.connect())
            assert is_sent_away(await lurah.get("/problems"))
            assert is_sent_away(await lurah.post("/problems", town.problem()))
        await lurah.report()
        assert len(town.good(await lurah.get("/problems"), 200)["items"]) == 1


async def test_while_all_threads_are_held_people_are_asked_to_come_back(narrow: FastAPI, clock: SettableClock) -> None:
    house: House = narrow.state.house
    async with AsyncClient(transport=ASGITransport(app=narrow), base_url="http://testserver") as client:
        town = Town(house, client, clock)
        lurah, held, released = town.lurah("Bakalan"), Event(), Event()

        def hold() -> None:
            held.set()
            assert released.wait(PATIENCE_SECONDS)

        holding = asyncio.create_task(narrow.state.hops.run(hold))
        try:
            assert await asyncio.to_thread(held.wait, PATIENCE_SECONDS)
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert is_sent_away(await lurah.get("/problems"))
                assert is_sent_away(await lurah.post("/problems", town.problem()))
        finally:
            released.set()
            await holding
        await lurah.report()
