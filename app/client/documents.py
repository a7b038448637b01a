"""What came down: documents, and how far each log was read. A page and its cursors are stored together."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.client.store import Store

KEPT_AFTER_END = timedelta(days=90)


def cursors(store: Store, post: str) -> dict[str, str]:
    """How far this post has read each log."""
    found = store.rows("SELECT log, cursor FROM cursor WHERE post = ? AND cursor IS NOT NULL ORDER BY log", post)
    return {row["log"]: row["cursor"] for row in found}


def apply_page(store: Store, post: str, answer: Mapping[str, Any]) -> list[str]:
    """All of an answer but what concerns the outbox, inside a change; answers the logs whose digest does not match."""
    _leave_other_logs(store, post, answer["scope"])
    for log in answer["resync"]:
        _read_anew(store, post, log)
    now = datetime.fromisoformat(answer["server_time"])
    _keep(store, post, answer["documents"], now)
    for each in answer["gone"]:
        store.connection.execute(
            "DELETE FROM document WHERE post = ? AND id = ? AND log = ? AND position < ?",
            (post, each["id"], each["log"], each["position"]),
        )
    _store_cursors(store, post, answer["after"])
    _sweep(store, post, answer)
    _drop_ended(store, post, now)
    _store_receipts(store, post, answer["receipts"])
    return _mismatched(store, post, answer)


def read_all_anew(store: Store, post: str) -> bool:
    """Inside a change: every log from its start; False where no log has a cursor to be given up."""
    logs = cursors(store, post)
    for log in logs:
        _read_anew(store, post, log)
    return bool(logs)


def leave_posts(store: Store, held: Iterable[str]) -> None:
    """What was brought for a post that is no longer held goes; what was done under it stays in the outbox."""
    kept = json.dumps(list(held))
    for table in ("document", "cursor", "receipt"):
        store.connection.execute(
            f"DELETE FROM {table} WHERE post NOT IN (SELECT value FROM json_each(?))",  # noqa: S608 - ours
            (kept,),
        )


def _leave_other_logs(store: Store, post: str, scope: list[str]) -> None:
    for table in ("document", "cursor", "receipt"):
        store.connection.execute(
            f"DELETE FROM {table} WHERE post = ? AND log NOT IN (SELECT value FROM json_each(?))",  # noqa: S608 - ours
            (post, json.dumps(scope)),
        )


def _read_anew(store: Store, post: str, log: str) -> None:
    """Whatever is held of a log is marked, and the log is read from its start; the marks outlast a crash."""
    store.connection.execute("UPDATE document SET marked = 1 WHERE post = ? AND log = ?", (post, log))
    store.connection.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?, NULL, 1)", (post, log))


def _keep(store: Store, post: str, documents: Iterable[Mapping[str, Any]], now: datetime) -> None:
    """A document that comes is in the log it comes from, and in no other, and is not marked."""
    store.connection.executemany(
        "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
        [
            (
                post,
                each["id"],
                each["area"],
                each["position"],
                each["version"],
                _utc(each["ended_at"]),
                json.dumps(each, ensure_ascii=False),
            )
            for each in documents
        ],
    )


def _store_cursors(store: Store, post: str, after: Mapping[str, str]) -> None:
    store.connection.executemany(
        "INSERT INTO cursor VALUES (?, ?, ?, 0) ON CONFLICT DO UPDATE SET cursor = excluded.cursor",
        [(post, log, cursor) for log, cursor in after.items()],
    )


def _sweep(store: Store, post: str, answer: Mapping[str, Any]) -> None:
    """A log that was read anew to its end: what is still marked is not there any more."""
    done = store.rows(
        "SELECT log FROM cursor WHERE post = ? AND resyncing AND cursor IS NOT NULL "
        "AND log NOT IN (SELECT value FROM json_each(?))",
        post,
        json.dumps(answer["unfinished"]),
    )
    for (log,) in done:
        store.connection.execute("DELETE FROM document WHERE post = ? AND log = ? AND marked", (post, log))
        store.connection.execute("UPDATE cursor SET resyncing = 0 WHERE post = ? AND log = ?", (post, log))


def _drop_ended(store: Store, post: str, now: datetime) -> None:
    before = _utc((now - KEPT_AFTER_END).isoformat())
    store.connection.execute("DELETE FROM document WHERE post = ? AND ended_at < ?", (post, before))


def _store_receipts(store: Store, post: str, receipts: Mapping[str, Mapping[str, Any]]) -> None:
    store.connection.executemany(
        "INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?, ?)",
        [
            (post, log, each["delivered"], each["acknowledged"], json.dumps(each["read"]))
            for log, each in receipts.items()
        ],
    )


def _mismatched(store: Store, post: str, answer: Mapping[str, Any]) -> list[str]:
    """Logs read to their end in which we count otherwise than the server does; they are read anew."""
    wrong = []
    for log, digest in (answer["digest"] or {}).items():
        if log in answer["unfinished"]:
            continue
        (held,) = store.rows(
            "SELECT count(*), coalesce(sum(version), 0) FROM document WHERE post = ? AND log = ?", post, log
        )
        if tuple(held) != (digest["live"], digest["versions"]):
            wrong.append(log)
            _read_anew(store, post, log)
    return wrong


def _utc(moment: str | None) -> str | None:
    """As text it sorts by time, whatever offset it came with."""
    return None if moment is None else datetime.fromisoformat(moment).astimezone(UTC).isoformat(timespec="microseconds")
