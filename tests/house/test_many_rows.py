"""Many rows take another way into the database than one; they have to arrive the same."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, text
from sqlalchemy.exc import StatementError
from sqlmodel import Session, SQLModel

from app.areas.models import Area
from app.areas.words import Level
from app.journal.models import Text
from app.kit.database import insert_rows, update_rows
from app.kit.house import House
from app.kit.ids import new_id
from app.sync.models import SyncOperation
from app.sync.words import Outcome
from tests.conftest import MONDAY_MORNING

STRANGE = ["Jl. \"Melati\" 'IV'\nRT 02\t\\n", "{}", "null", "ꦧꦚꦸ 💧", "é", "", "\x7f" * 3]
Rows = Sequence[dict[str, Any]]


def texts() -> Rows:
    return [{"id": new_id(), "salt": f"{at:032}", "body": body} for at, body in enumerate(STRANGE)]


def operations() -> Rows:
    account, device, now = new_id(), new_id(), MONDAY_MORNING
    return [
        {
            "id": new_id(),
            "account_id": account,
            "device_id": device,
            "number": at,
            "fingerprint": f"{at:064}",
            "outcome": [Outcome.APPLIED, Outcome.REFUSED][at % 2],
            "problem_id": new_id(),
            "version": [None, 0, 2**31 - 1][at % 3],
            "refusal": [None, {"code": "held", "is": [1, 2.5, True, None, STRANGE]}][at % 2],
            "proposal_id": [new_id(), None][at % 2],
            "received_at": [now, now + timedelta(microseconds=at), datetime(1, 1, 2, tzinfo=UTC)][at % 3],
        }
        for at in range(7)
    ]


def areas() -> Rows:
    return [
        {
            "code": f"99.{at:02}",
            "name": "Kota Coba",
            "search_name": "kotacoba",
            "level": Level.REGENCY,
            "parent_code": None,
            "time_zone": "Asia/Jakarta",
            "valid_from": None,
            "valid_to": [None, MONDAY_MORNING.date()][at % 2],
            "latitude": [0.1 + 0.2, -7.000000000000001, 1e-300][at % 3],
            "longitude": [None, 112.9, -180.0][at % 3],
        }
        for at in range(7)
    ]


def kept(session: Session, table: type[SQLModel], rows: Rows, key: str) -> list[Any]:
    """The rows as the database holds them, in the order of their key."""
    held = session.connection().execute(text(f'SELECT * FROM "{table.__tablename__}" ORDER BY {key}')).all()
    known = {str(row[key]).replace("-", "") for row in rows}
    return [row for row in held if str(getattr(row, key)).replace("-", "") in known]


@pytest.mark.parametrize(
    ("table", "rows_of", "key"),
    [(Text, texts, "id"), (SyncOperation, operations, "id"), (Area, areas, "code")],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_many_are_kept_as_each_alone_would_be(
    town_house: House, table: type[SQLModel], rows_of: Callable[[], Rows], key: str
) -> None:
    rows = rows_of()
    with town_house.database.write() as session:
        insert_rows(session, table, rows)
        together = kept(session, table, rows, key)
        its_key = getattr(table, key)
        session.connection().execute(delete(table).where(its_key.in_([row[key] for row in rows])))
        for row in rows:
            insert_rows(session, table, [row])
        assert together == kept(session, table, rows, key)
    assert len(together) == len(rows)
    with town_house.database.read() as session:
        for row in rows:
            found = session.get_one(table, row[key])
            assert {name: getattr(found, name) for name in row} == row


def test_many_are_changed_as_each_alone_would_be(town_house: House) -> None:
    before, after = operations(), operations()
    changes: Rows = [
        {"id": old["id"], **{name: new[name] for name in ("refusal", "outcome", "version", "received_at")}}
        for old, new in zip(before, reversed(after), strict=True)
    ]
    with town_house.database.write() as session:
        insert_rows(session, SyncOperation, before)
        update_rows(session, SyncOperation, changes[1:])
        together = kept(session, SyncOperation, changes[1:], "id")
        untouched = session.get_one(SyncOperation, before[0]["id"])
        assert {name: getattr(untouched, name) for name in before[0]} == before[0]
        for change in changes:
            update_rows(session, SyncOperation, [change])
        assert together == kept(session, SyncOperation, changes[1:], "id")
    with town_house.database.read() as session:
        for change in changes:
            found = session.get_one(SyncOperation, change["id"])
            assert {name: getattr(found, name) for name in change} == change


@pytest.mark.parametrize("count", [1, 2])
def test_a_moment_without_a_time_zone_is_refused(town_house: House, count: int) -> None:
    rows = [row | {"received_at": MONDAY_MORNING.replace(tzinfo=None)} for row in operations()][:count]
    with (
        pytest.raises((ValueError, StatementError), match="a moment needs a time zone"),
        town_house.database.write() as session,
    ):
        insert_rows(session, SyncOperation, rows)


@pytest.mark.parametrize("count", [1, 2])
def test_a_read_writes_none_of_them(town_house: House, count: int) -> None:
    rows = texts()[:count]
    with town_house.database.read() as session, pytest.raises(RuntimeError, match="a read must not write"):
        insert_rows(session, Text, rows)
    with town_house.database.read() as session, pytest.raises(RuntimeError, match="a read must not write"):
        update_rows(session, Text, rows)
    with town_house.database.read() as session:
        assert session.get(Text, UUID(str(rows[0]["id"]))) is None
