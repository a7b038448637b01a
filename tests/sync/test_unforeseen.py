"""What nobody foresaw, made by the database itself: one row that it never takes, and commits that fail."""

import json
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import func, select, text
from sqlmodel import SQLModel, col

from app.journal.models import Entry, LogHead
from app.journal.models import Text as JournalText
from app.problems.models import Comment, ProblemRow
from app.sync.models import Quarantined, SyncDevice, SyncOperation
from tests.sync.test_push import Phone
from tests.town import Town

POISON = "racun"
KEPT: list[type[SQLModel]] = [ProblemRow, Comment, Entry, JournalText, SyncDevice, SyncOperation, Quarantined]

_TABLES = [
    "CREATE TABLE nowhere (id INTEGER PRIMARY KEY)",
    "CREATE TABLE promise (id INTEGER REFERENCES nowhere (id) DEFERRABLE INITIALLY DEFERRED)",
]
"""A promise is looked at when the transaction commits, and nobody can keep one."""
_FAULTS = {
    "statement": {
        "sqlite": "SELECT RAISE(ABORT, 'the disk says no')",
        "postgresql": "RAISE EXCEPTION 'the disk says no'",
    },
    "commit": {
        "sqlite": "INSERT INTO promise VALUES (1)",
        "postgresql": "INSERT INTO promise VALUES (1)",
    },
    "connection": {
        "postgresql": "PERFORM pg_terminate_backend(pg_backend_pid())",
    },
    "connection once": {
        "postgresql": "IF nextval('times') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF",
    },
}
CULPRITS = ["statement", "commit", "connection"]


def break_database(town: Town, fault: str, on: str, when: str = "true") -> None:
    """From here on a row of this table that fits fails: its statement, its commit, or the whole connection."""
    kind = "sqlite" if town.house.database.is_sqlite else "postgresql"
    if kind not in _FAULTS[fault]:
        pytest.skip("SQLite has no connection that could be lost")
    doing = _FAULTS[fault][kind]
    made = [*_TABLES]
    if kind == "sqlite":
        made.append(f"CREATE TRIGGER broken AFTER INSERT ON {on} WHEN {when} BEGIN {doing}; END")
    else:
        made.append("CREATE SEQUENCE times")
        made.append(
            f"CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {doing}; RETURN NEW; END $$"
        )
        made.append(f"CREATE TRIGGER broken AFTER INSERT ON {on} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION broken()")
    with town.house.database.write() as session:
        for statement in made:
            session.execute(text(statement))


def mend_database(town: Town, on: str) -> None:
    with town.house.database.write() as session:
        session.execute(
            text("DROP TRIGGER broken" if town.house.database.is_sqlite else f"DROP TRIGGER broken ON {on}")
        )


def stored(town: Town) -> dict[str, int]:
    with town.house.database.read() as session:
        counts = {table.__name__: session.scalar(select(func.count()).select_from(table)) or 0 for table in KEPT}
        return counts | {"positions": session.scalar(select(func.sum(LogHead.position))) or 0}


def positions(town: Town) -> list[int]:
    with town.house.database.read() as session:
        return list(session.scalars(select(col(Entry.position)).order_by(col(Entry.log), col(Entry.position))))


@pytest.mark.parametrize("fault", CULPRITS)
async def test_only_the_culprit_of_a_batch_is_refused(town: Town, fault: str) -> None:
    break_database(town, fault, "problem_comment", f"NEW.text = '{POISON}'")
    phone = Phone(town.operator("Bakalan"))
    known = phone.report()
    assert await phone.outcomes(known) == ["applied"]
    first, second = phone.report(), phone.report()
    bad = phone.report(category="tidak-ada")
    remarks = [phone.operation(first["problem"], "comment", 1, text=each) for each in ("Sudah dicek.", POISON)]
    edit = phone.operation(first["problem"], "edit", 1, title="Got buntu di depan musala")
    operations = [known, first, *remarks, bad, edit, second]
    answer = await phone.send(*operations)
    told = [(each["outcome"], each["number"], each["replayed"]) for each in answer["outcomes"]]
    assert told == [
        ("applied", 1, True),
        ("applied", 2, False),
        ("applied", 3, False),
        ("refused", 4, False),
        ("refused", 5, False),
        ("applied", 6, False),
        ("applied", 7, False),
    ]
    assert [each["refusal"]["code"] for each in answer["outcomes"] if each["refusal"]] == ["unexpected", "unknown_code"]
    assert answer["device"]["accepted"] == 7
    with town.house.database.read() as session:
        kept = {each.id.hex: each.data for each in session.scalars(select(Quarantined))}
    assert kept[remarks[1]["id"].replace("-", "")] == {"text": POISON}, "whole, for a person to look at"
    assert len(kept) == 2
    assert positions(town) == [1, 2, 3, 4, 5]
    before = stored(town)
    again = await phone.send(*operations)
    assert [each | {"replayed": False} for each in again["outcomes"]] == [
        each | {"replayed": False} for each in answer["outcomes"]
    ]
    assert stored(town) == before


@pytest.mark.parametrize("fault", ["statement", "commit"])
async def test_what_counts_on_the_culprit_waits_for_a_person(town: Town, fault: str) -> None:
    break_database(town, fault, "problem", f"NEW.title = '{POISON}'")
    phone = Phone(town.operator("Bakalan"))
    culprit, other = phone.report(title=POISON), phone.report()
    remark = phone.operation(culprit["problem"], "comment", 1, text="Sudah dicek.")
    edit = phone.operation(culprit["problem"], "edit", 1, rt="001")
    assert await phone.outcomes(culprit, remark, edit, other) == ["refused", "held", "held", "applied"]
    mend_database(town, "problem")
    assert await phone.outcomes(culprit, remark, edit) == ["refused", "held", "held"], "that is for a person to settle"
    found = stored(town)
    assert (found["ProblemRow"], found["Quarantined"], found["SyncOperation"]) == (1, 1, 2)


async def test_a_connection_that_is_lost_once_costs_nobody_anything(town: Town) -> None:
    break_database(town, "connection once", "problem_comment")
    phone = Phone(town.operator("Bakalan"))
    report = phone.report()
    remarks = [phone.operation(report["problem"], "comment", 1, text=f"Catatan {each}") for each in range(3)]
    assert await phone.outcomes(report, *remarks) == ["applied"] * 4
    assert positions(town) == [1, 2, 3, 4]


@pytest.fixture
async def line(town_app: FastAPI) -> AsyncIterator[AsyncClient]:
    """Hears what a phone would hear: a status, never our exception."""
    transport = ASGITransport(app=town_app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://testserver/api/v1") as client:
        yield client


@pytest.mark.parametrize("on", ["sync_device", "sync_operation"])
async def test_a_commit_that_fails_is_no_answer_and_leaves_nothing(town: Town, line: AsyncClient, on: str) -> None:
    phone = Phone(town.operator("Bakalan"))
    report = phone.report()
    remark = phone.operation(report["problem"], "comment", 1, text="Sudah dicek.")
    break_database(town, "commit", on)
    before = stored(town)
    body = {"device": phone.device, "operations": [report, remark], "pull": {"device": phone.device}}
    answer = await line.post("/sync/push", json=body, headers=phone.who.headers)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json"), answer.text
    assert stored(town) == before
    mend_database(town, on)
    assert await phone.outcomes(report, remark) == ["applied", "applied"]
    assert positions(town) == [1, 2]


async def test_what_can_never_be_committed_is_kept_for_a_person(town: Town) -> None:
    phone = Phone(town.operator("Bakalan"))
    report = phone.report()
    remark = phone.operation(report["problem"], "comment", 1, text="Sudah dicek.")
    break_database(town, "commit", "journal_entry")
    before = stored(town)
    assert await phone.outcomes(report, remark) == ["refused", "held"]
    assert stored(town) == before | {"SyncDevice": 1, "SyncOperation": 1, "Quarantined": 1}


@pytest.mark.parametrize("odd", ['"\\u0000"', '"\\ud800"', '{"\\u0000": 1}'], ids=["nothing", "half a letter", "name"])
async def test_what_a_database_could_not_keep_as_it_came_holds_up_nobody(town: Town, odd: str) -> None:
    phone = Phone(town.operator("Bakalan"))
    report = phone.report()
    strange = phone.operation(report["problem"], "terbang", 1, text="ODD")
    body = json.dumps({"device": phone.device, "operations": [report, strange]}).replace('"ODD"', odd)
    headers = phone.who.headers | {"Content-Type": "application/json"}
    answer = town.good(await town.client.post("/api/v1/sync/push", content=body, headers=headers), 200)
    assert [each["outcome"] for each in answer["outcomes"]] == ["applied", "refused"]
    assert stored(town)["Quarantined"] == 1
