"""What was recorded here: it waits in the outbox, is answered, and is retained until the server has it in a backup."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from sqlite3 import Row
from typing import Any

from app.client.store import Store
from app.client.words import OPERATION_BYTES, OPERATIONS_BYTES, OPERATIONS_MAXIMUM, Waiting

RETAINED_FOR = timedelta(days=30)
_NEVER_HELD_UP = "('report', 'comment', 'attach')"
"""These wait for nothing but the report, so an earlier step of their problem that is held does not keep them here."""


class TooLong(Exception):
    """More than one operation can carry."""


def add(store: Store, operation: dict[str, Any]) -> None:
    """Inside a change, with whatever belongs to it."""
    body = json.dumps(operation, ensure_ascii=False, allow_nan=False)
    if len(body.encode()) > OPERATION_BYTES:  # encoding also refuses text that no server could read
        raise TooLong(f"An operation may have {OPERATION_BYTES:,} bytes.")
    store.connection.execute(
        "INSERT INTO operation (id, post, problem, verb, recorded_at, body) VALUES (?, ?, ?, ?, ?, ?)",
        (*(operation[name] for name in ("id", "post", "problem", "verb", "at")), body),
    )


def ask_again(store: Store) -> None:
    """A new sync: what was held may have been released."""
    store.connection.execute("UPDATE operation SET held = 0 WHERE held")


def batch(store: Store, most: int) -> tuple[list[dict[str, Any]], bool]:
    """The next operations, in the order of recording, and whether they are the last to be asked for in this sync.

    None is among them that is held, and no step behind one that is.
    """
    found = store.connection.execute(
        f"""SELECT body FROM operation AS mine WHERE outcome IS NULL AND NOT held AND (
            verb IN {_NEVER_HELD_UP} OR NOT EXISTS (
                SELECT 1 FROM operation AS earlier WHERE earlier.problem = mine.problem
                AND earlier.sequence < mine.sequence AND earlier.outcome IS NULL AND earlier.held
            )
        ) ORDER BY sequence LIMIT ?""",  # noqa: S608 - a constant of ours
        (min(most, OPERATIONS_MAXIMUM) + 1,),
    )
    taken: list[dict[str, Any]] = []
    room = OPERATIONS_BYTES
    for (body,) in found:
        room -= len(body.encode()) + 2
        if room < 0 or len(taken) == min(most, OPERATIONS_MAXIMUM):
            return taken, False
        taken.append(json.loads(body))
    return taken, True


def waiting(store: Store, besides: Iterable[str] = ()) -> tuple[int, str | None]:
    """How many operations wait besides these, and since when."""
    count, since = store.rows(
        "SELECT count(*), min(recorded_at) FROM operation WHERE outcome IS NULL "
        "AND id NOT IN (SELECT value FROM json_each(?))",
        json.dumps(list(besides)),
    )[0]
    return count, since


def last_taken(store: Store) -> str | None:
    """Of what is retained the newest: a server that does not know it was set back, whatever its numbers say."""
    found: str | None = store.value("SELECT id FROM operation WHERE number IS NOT NULL ORDER BY number DESC LIMIT 1")
    return found


def settle(store: Store, outcomes: Iterable[dict[str, Any]], at: str) -> int:
    """Each outcome to its operation, inside a change; answers how many were taken. What is settled already stays so."""
    taken = 0
    for outcome in outcomes:
        refusal = None if outcome["refusal"] is None else json.dumps(outcome["refusal"], ensure_ascii=False)
        if outcome["outcome"] == "held":
            change = "held = 1, refusal = ?"
            values: tuple[Any, ...] = (refusal,)
        else:
            change = "held = 0, refusal = ?, outcome = ?, number = ?, version = ?, proposal = ?, answered_at = ?"
            told = (outcome[name] for name in ("outcome", "number", "version", "proposal"))
            values = (refusal, *told, at)
        done = store.connection.execute(
            f"UPDATE operation SET {change} WHERE id = ? AND outcome IS NULL",  # noqa: S608 - ours
            (*values, outcome["id"]),
        )
        taken += done.rowcount if outcome["outcome"] != "held" else 0
    return taken


def set_aside(store: Store, operation: str, refusal: dict[str, Any]) -> None:
    """The server cannot even read it: it stays here, is shown with the reason, and keeps nobody up in this sync."""
    store.connection.execute(
        "UPDATE operation SET held = 1, refusal = ? WHERE id = ? AND outcome IS NULL",
        (json.dumps(refusal, ensure_ascii=False), operation),
    )


def take_back(store: Store) -> None:
    """The server was rewound: whatever is retained is sent again. It knows by their ids what it still has."""
    store.connection.execute(
        "UPDATE operation SET outcome = NULL, number = NULL, version = NULL, proposal = NULL, answered_at = NULL, "
        "refusal = NULL, held = 0, shown = 1 WHERE outcome IS NOT NULL"
    )
    store.connection.execute("UPDATE photo SET sent_after = NULL")


def told_of(store: Store, post: str, accepted: int) -> None:
    """The documents of this post now tell of what was done under it, up to this number."""
    store.connection.execute(
        "UPDATE operation SET shown = 0 WHERE outcome IS NOT NULL AND post = ? AND number <= ?", (post, accepted)
    )


def forget(store: Store, safe: int, now: datetime) -> None:
    """What is in a backup need not be kept, nor what is old; a refused one is kept for its author until it is old.

    A photo is in a backup once an operation is that came after its last byte; until then it keeps its own here.
    """
    found = store.rows(
        """SELECT operation.id FROM operation LEFT JOIN photo ON photo.operation = operation.id
        WHERE outcome IS NOT NULL
        AND (photo.id IS NULL OR photo.refusal IS NOT NULL OR sent_after IS NOT NULL)
        AND (answered_at < :old OR (
            number <= :safe AND outcome <> 'refused' AND NOT shown AND coalesce(sent_after < :safe, 1)
        ))""",
        old=moment(now - RETAINED_FOR),
        safe=safe,
    )
    for (operation,) in found:
        owner = (operation,)
        store.connection.execute(
            "DELETE FROM photo_bytes WHERE photo IN (SELECT id FROM photo WHERE operation = ?)", owner
        )
        store.connection.execute("DELETE FROM photo WHERE operation = ?", owner)
        store.connection.execute("DELETE FROM operation WHERE id = ?", owner)


def unanswered(store: Store) -> list[Waiting]:
    """The outbox, oldest first."""
    return [read(row) for row in store.rows("SELECT * FROM operation WHERE outcome IS NULL ORDER BY sequence")]


def refused(store: Store) -> list[Waiting]:
    """The quarantine, oldest first."""
    return [read(row) for row in store.rows("SELECT * FROM operation WHERE outcome = 'refused' ORDER BY sequence")]


def read(row: Row) -> Waiting:
    return Waiting(
        id=row["id"],
        problem=row["problem"],
        verb=row["verb"],
        recorded_at=row["recorded_at"],
        data=json.loads(row["body"])["data"],
        refusal=None if row["refusal"] is None else json.loads(row["refusal"]),
    )


def moment(time: datetime) -> str:
    """A moment as the protocol writes it; as text it sorts by time."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
