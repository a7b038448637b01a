"""Writing the journal: lock the heads, append facts, tell the subscribers; all in the caller's transaction."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, false, or_, select, update
from sqlmodel import Session

from app.journal.facts import Author, Fact, Recorded
from app.journal.models import Administration, Entry, LogHead, Text
from app.kit.columns import among, bound, columns_of, table_of
from app.kit.database import insert_rows, resolving_insert, write_rows
from app.kit.house import Work
from app.kit.ids import new_id


@dataclass
class Head:
    """How far a locked log reaches, and its kelurahan's next number; both move in memory until they are written."""

    log: str
    position: int
    next_number: int


@dataclass(frozen=True)
class Logs:
    """More logs to lock, as a statement of their codes; the statement that locks them reads which they are."""

    codes: Select[tuple[str]]
    parameters: Mapping[str, Any]


def lock(session: Session, logs: Iterable[str], also: Logs | None = None) -> dict[str, Head]:
    """Locks the heads of these logs until commit, in code order; from here on nobody else writes to them."""
    wanted = sorted(set(logs))
    heads = _locked(session, wanted, also)
    missing = [log for log in wanted if log not in heads]
    if missing:
        statement = resolving_insert(session, LogHead).on_conflict_do_nothing()
        session.connection().execute(statement, [{"log": log, "position": 0, "next_number": 1} for log in missing])
        heads = _locked(session, wanted, also)
    return heads


def _locked(session: Session, logs: Sequence[str], also: Logs | None) -> dict[str, Head]:
    statement = _locking(also.codes if also else None, bool(logs), len(logs) == 1)
    named = {"logs": bound(logs)} if logs else {}
    rows = session.connection().execute(statement, {**named, **(also.parameters if also else {})})
    return {row.log: Head(row.log, row.position, row.next_number) for row in rows}


@cache
def _locking(also: Select[tuple[str]] | None, some_are_named: bool, is_one: bool) -> Any:
    named = [among(_HEADS.log, "logs", is_one=is_one)] if some_are_named else []
    found = [] if also is None else [_HEADS.log.in_(also)]
    return (
        select(_HEADS.log, _HEADS.position, _HEADS.next_number)
        .where(or_(false(), *named, *found))
        .order_by(_HEADS.log)
        .with_for_update()
    )


class Draft:
    """Facts of one unit of work, gathered in order and written together: statements do not grow with their number."""

    def __init__(self, work: Work[Any], heads: Mapping[str, Head]) -> None:
        self._work = work
        self._heads = heads
        self._recorded: list[Recorded] = []

    def add(
        self,
        log: str,
        subject: UUID,
        version: int,
        author: Author,
        fact: Fact,
        happened_at: datetime | None = None,
        record: object | None = None,
    ) -> int:
        """Gives the fact the next position of a locked log, and answers it."""
        head = self._heads[log]
        head.position += 1
        self._recorded.append(
            Recorded(log, head.position, subject, version, self._work.now, author, fact, happened_at, record)
        )
        return head.position

    def write(self) -> list[Recorded]:
        """Moves the heads, writes entries and texts, then tells the subscribers."""
        if not self._recorded:
            return []
        session = self._work.session
        moved = {recorded.log for recorded in self._recorded}
        heads = [self._heads[log] for log in sorted(moved)]
        write_rows(
            session,
            _MOVING,
            [{"its_log": head.log, "position": head.position, "next_number": head.next_number} for head in heads],
        )
        texts: list[dict[str, Any]] = []
        entries = [_row(recorded, texts) for recorded in self._recorded]
        insert_rows(session, Entry, entries)
        if texts:
            insert_rows(session, Text, texts)
        for subscriber in self._work.house.subscribers:
            subscriber(self._work, self._recorded)
        return self._recorded


def _row(recorded: Recorded, texts: list[dict[str, Any]]) -> dict[str, Any]:
    data = dict(recorded.fact.data)
    if recorded.fact.texts:
        data["texts"] = {}
        for name, body in recorded.fact.texts.items():
            text = {"id": new_id(), "salt": secrets.token_hex(16), "body": body}
            texts.append(text)
            data["texts"][name] = {"id": str(text["id"]), "hash": salted_hash(str(text["salt"]), body)}
    author = recorded.author
    return {
        "log": recorded.log,
        "position": recorded.position,
        "subject": recorded.subject,
        "version": recorded.version,
        "kind": recorded.fact.kind,
        "kind_version": recorded.fact.version,
        "at": recorded.at,
        "happened_at": recorded.happened_at,
        "account_id": author.account_id,
        "author": _shown(author),
        "data": data,
    }


@lru_cache(maxsize=100)
def _shown(author: Author) -> dict[str, Any]:
    """The author as everybody may read it; the same of all that one does in a call."""
    return {
        "name": author.name,
        "post": author.post,
        "acting": author.acting,
        "on_behalf_of": author.on_behalf_of,
    }


_HEADS = columns_of(LogHead)
_MOVING = (
    update(table_of(LogHead))
    .where(_HEADS.log == bindparam("its_log"))
    .values(position=bindparam("position"), next_number=bindparam("next_number"))
)


def salted_hash(salt: str, body: str) -> str:
    """What a fact keeps of its text: SHA-256 under a salt that is erased together with the text."""
    return hashlib.sha256(f"{salt}:{body}".encode()).hexdigest()


def administration(work: Work[Any], kind: str, subject: str, /, **data: Any) -> None:
    """Notes what an admin did, in the same transaction; `data` is plain JSON and holds no secret."""
    caller = work.caller
    work.session.add(
        Administration(
            id=new_id(),
            at=work.now,
            account_id=caller.account_id if caller else None,
            post_id=caller.post_id if caller else None,
            kind=kind,
            subject=subject,
            data=data,
        )
    )
