"""One pull: what happened in the logs of a post since its cursors, in one snapshot."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, String, Text, and_, bindparam, cast, column, func, literal_column, select, text
from sqlmodel import Session

from app.areas.models import Area
from app.areas.queries import remembered as remembered_areas
from app.areas.words import Level
from app.journal.models import Entry, LogHead
from app.kit.columns import columns_of
from app.kit.database import dialect_of
from app.kit.house import Work
from app.kit.rendering import list_of, shown
from app.people.actors import Actor
from app.people.queries import vacant
from app.people.words import PostKind
from app.problems.lifecycle.context import Context
from app.problems.models import ProblemRow, Reading, Sight
from app.problems.queries.details import author_of
from app.problems.queries.records import opened
from app.sync import cursors
from app.sync.models import Delivery, Receipt
from app.sync.queries.documents import KEPT, KEPT_AFTER_END, Advisor, Document, Gone, documents, gone
from app.sync.queries.packs import city_of, pack_etags, today_in
from app.sync.schemas import DetailOut, DeviceStateOut, PullIn
from app.sync.words import Resync
from app.workdays.queries import remembered_calendars, remembered_limits

READ_SHOWN = 100
DETAILED_MAXIMUM = 100
"""Documents of a page that brings all there is of each."""

_AREAS, _HEADS, _ENTRIES = columns_of(Area), columns_of(LogHead), columns_of(Entry)
_PROBLEMS, _SIGHTS, _READINGS = columns_of(ProblemRow), columns_of(Sight), columns_of(Reading)
_DELIVERIES, _RECEIPTS = columns_of(Delivery), columns_of(Receipt)


@dataclass(frozen=True)
class Log:
    """A log in the scope of a post, as it stands."""

    code: str
    head: int
    floor: int
    delivered: int = 0
    acknowledged: int = 0
    mine: int = 0
    """How far it was delivered to the post that asks."""
    read: tuple[UUID, ...] = ()


@dataclass
class Pulled:
    """An answer, and what it tells about whoever asked."""

    body: dict[str, Any]
    documents: list[str] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    """How far a post of the kecamatan holds each log, by the cursors it came with, where that is news."""

    def json(self, device: DeviceStateOut) -> str:
        """The answer as text; the documents in it are text already."""
        rest = json.dumps(self.body | {"device": device.model_dump(mode="json")}, separators=(",", ":"))
        return f'{{"documents":[{",".join(self.documents)}],{rest[1:]}'


def pull(work: Work[Actor], said: PullIn) -> Pulled:
    """What happened since the cursors, as far as this post may see. To be asked in a snapshot.

    A page that is cut ends at its last row; only one that is not moves its cursor to the head.
    """
    session, actor, city = work.session, work.caller, city_of(work)
    logs = scope(session, actor)
    known = {log: cursors.read(said.after[log]) for log in said.after.keys() & logs.keys()}
    standing = _standing(session, [(log, cursor.position) for log, cursor in known.items() if cursor.position])
    faults = {
        log: fault
        for log, cursor in known.items()
        if (fault := _fault(cursor, logs[log], standing.get((log, cursor.position)), actor))
    }
    start = {log: known[log].position if log in known and log not in faults else 0 for log in logs}
    news = [log for log in sorted(logs) if start[log] < logs[log].head or log not in known or log in faults]
    page = _Page(work, said, [log for log in news if start[log] < logs[log].head])
    for log in news:
        page.read(logs[log], start[log])
    reached = _standing(session, [(log, position) for log, position in page.after.items() if position])
    body = {
        "gone": page.gone,
        "after": {
            log: cursors.written(log, position, logs[log].floor, reached.get((log, position)), actor)
            for log, position in page.after.items()
        },
        "from": {log: said.after[log] for log in sorted(said.after)},
        "more": bool(page.unfinished),
        "unfinished": page.unfinished,
        "resync": faults,
        "scope": sorted(logs),
        "receipts": {} if actor.kind.in_agency else {log: _receipts(each) for log, each in sorted(logs.items())},
        "reference": pack_etags(session, city, today_in(work, city)),
        "digest": _digests(session, actor, logs, work.now) if said.digest else None,
        "details": _details(work, page.ids) if said.detail else None,
        "server_time": work.now.isoformat().replace("+00:00", "Z"),
    }
    return Pulled(body, page.documents, _held(actor, logs, {log: at for log, at in start.items() if log in known}))


class _Page:
    """One answer being filled, log after log, until it is full."""

    def __init__(self, work: Work[Actor], said: PullIn, logs: Collection[str]) -> None:
        self._work = work
        self._rows_left = min(said.limit, DETAILED_MAXIMUM) if said.detail else said.limit
        self._bytes_left = said.max_bytes
        self._advisors = _Advisors(work, logs)
        self.documents: list[str] = []
        self.ids: list[UUID] = []
        self.gone: list[dict[str, Any]] = []
        self.after: dict[str, int] = {}
        self.unfinished: list[str] = []

    def read(self, log: Log, after: int) -> None:
        """The next rows of a log, as far as there is room; one that holds nothing costs no statement."""
        if after >= log.head:
            self.after[log.code] = log.head
            return
        if self._rows_left <= 0:
            self.unfinished.append(log.code)
            return
        session, actor, most = self._work.session, self._work.caller, self._rows_left + 1
        advisor = self._advisors.of(log.code)
        rows: list[Document | Gone] = [
            *documents(session, actor, log.code, after, most, advisor, self._work.now),
            *gone(session, actor, log.code, after, most),
        ]
        taken = 0
        for row in sorted(rows, key=lambda each: each.position):
            if self._rows_left <= 0 or (self._bytes_left <= 0 and self.documents):
                self.unfinished.append(log.code)
                break
            self._take(log.code, row)
            after, taken = row.position, taken + 1
        else:
            after = max(after, log.head)
        self.after[log.code] = after

    def _take(self, log: str, row: Document | Gone) -> None:
        self._rows_left -= 1
        if isinstance(row, Gone):
            self.gone.append({"log": log, "id": str(row.problem_id), "position": row.position})
            return
        self._bytes_left -= len(row.text.encode())
        self.documents.append(row.text)
        self.ids.append(row.problem_id)


class _Advisors:
    """An advisor for each log that is read."""

    def __init__(self, work: Work[Actor], logs: Collection[str]) -> None:
        self._work = work
        asks = logs and work.caller.kind in _ASKING_FOR_THE_LURAH
        self._vacant = vacant(work.session, PostKind.LURAH, logs, work.now) if asks else set()

    def of(self, log: str) -> Advisor:
        session, actor = self._work.session, self._work.caller
        zone = remembered_areas(session, [log])[log].time_zone
        context = Context(
            actor=actor,
            author=author_of(actor),
            now=self._work.now,
            calendar=remembered_calendars(session, {log: zone})[log],
            limits=remembered_limits(session),
        )
        return Advisor(actor, context, log, lurah_vacant=log in self._vacant)


_ASKING_FOR_THE_LURAH = (PostKind.CAMAT, PostKind.MONITOR)
"""Whose rights are wider while nobody is lurah."""


# -- what there is to read -------------------------------------------------------------------------------------------


def scope(session: Session, actor: Actor) -> dict[str, Log]:
    """The logs of a post: of the kelurahan in its area; for an agency those that hold something it sees, or saw."""
    if actor.kind.in_agency:
        rows = session.connection().execute(_AGENCY_LOGS, {"viewer": actor.agency_code})
        return {log: Log(log, max(head, floor), floor) for log, head, floor in rows}
    if actor.area_code is None:
        return {}
    parameters = {"area": actor.area_code, "behind": f"{actor.area_code}/", "post": actor.post_id}
    rows = session.connection().execute(_territory(dialect_of(session)), parameters)
    return {
        log: Log(log, head, floor, delivered, acknowledged, mine, tuple(UUID(each) for each in json.loads(read)))
        for log, head, floor, delivered, acknowledged, mine, read in rows
    }


@cache
def _territory(dialect: str) -> Any:
    of_it = _AREAS.code.table
    delivered = func.coalesce(
        select(func.max(_DELIVERIES.position)).where(_DELIVERIES.log == _AREAS.code).correlate(of_it).scalar_subquery(),
        0,
    )
    mine = (
        select(_DELIVERIES.position)
        .where(_DELIVERIES.log == _AREAS.code, _DELIVERIES.post_id == bindparam("post"))
        .correlate(of_it)
        .scalar_subquery()
    )
    read = (
        select(_READINGS.problem_id)
        .join(_PROBLEMS.id.table, _PROBLEMS.id == _READINGS.problem_id)
        .where(
            _READINGS.log == _AREAS.code,
            _READINGS.position > delivered,
            _READINGS.position == _PROBLEMS.position,
        )
        .order_by(_READINGS.position.desc())
        .limit(READ_SHOWN)
        .correlate(of_it)
        .subquery()
    )
    return (
        select(
            _AREAS.code,
            func.coalesce(_HEADS.position, 0),
            func.coalesce(_HEADS.floor, 0),
            delivered,
            func.coalesce(_RECEIPTS.position, 0),
            func.coalesce(mine, 0),
            cast(list_of(dialect, shown(dialect, read.c.problem_id), read).json, String),
        )
        .select_from(of_it)
        .outerjoin(_HEADS.log.table, _HEADS.log == _AREAS.code)
        .outerjoin(_RECEIPTS.log.table, _RECEIPTS.log == _AREAS.code)
        .where(
            _AREAS.level == literal_column(f"'{Level.VILLAGE.value}'"),
            _AREAS.code >= bindparam("area"),
            _AREAS.code < bindparam("behind"),
        )
    )


_AGENCY_LOGS = text(
    """
    WITH RECURSIVE logs(log) AS (
        SELECT min(log) FROM sight WHERE agency_code = :viewer
        UNION ALL
        SELECT (SELECT min(sight.log) FROM sight WHERE sight.agency_code = :viewer AND sight.log > logs.log)
        FROM logs WHERE logs.log IS NOT NULL
    )
    SELECT logs.log,
           (SELECT max(position) FROM sight WHERE sight.agency_code = :viewer AND sight.log = logs.log),
           (SELECT floor FROM log_head WHERE log_head.log = logs.log)
    FROM logs WHERE logs.log IS NOT NULL
    """
)
"""Leaps from log to log along the index, however many problems an agency has in each."""


def _standing(session: Session, places: Collection[tuple[str, int]]) -> dict[tuple[str, int], Any]:
    """The facts that stand at these places."""
    if not places:
        return {}
    rows = session.connection().execute(_at(dialect_of(session)), {"places": json.dumps(list(places))})
    return {(row.log, row.position): row for row in rows}


@cache
def _at(dialect: str) -> Any:
    """Places come as one array: SQLite searches no index for a list of them, and PostgreSQL plans each list anew."""
    array: Any = bindparam("places", type_=Text)
    pairs = func.json_each(array) if dialect == "sqlite" else func.json_array_elements(cast(array, JSON))
    pair = pairs.table_valued(column("value", JSON)).alias("place").c.value
    return select(
        _ENTRIES.log, _ENTRIES.position, _ENTRIES.subject, _ENTRIES.version, _ENTRIES.kind, _ENTRIES.at
    ).join_from(
        pair.table,
        _ENTRIES.log.table,
        and_(_ENTRIES.log == pair[0].as_string(), _ENTRIES.position == pair[1].as_integer()),
    )


def _fault(cursor: cursors.Cursor, log: Log, standing: Any, actor: Actor) -> Resync | None:
    return cursors.fault(cursor, log.code, log.head, log.floor, standing, actor)


# -- what is told beside it ------------------------------------------------------------------------------------------


def _receipts(log: Log) -> dict[str, Any]:
    return {
        "delivered": log.delivered,
        "acknowledged": log.acknowledged,
        "read": [str(each) for each in log.read],
    }


def _details(work: Work[Actor], problem_ids: Collection[UUID]) -> dict[str, Any]:
    """What the documents of a page leave out."""
    return {
        str(each): DetailOut.model_validate(found).model_dump(mode="json", by_alias=True)
        for each, found in opened(work, problem_ids).items()
    }


def _held(actor: Actor, logs: Mapping[str, Log], start: Mapping[str, int]) -> dict[str, int]:
    """What a device of the kecamatan holds more than was known, told by the cursors it came with."""
    if actor.kind not in (PostKind.STAFF, PostKind.CAMAT):
        return {}
    return {log: position for log, position in start.items() if position > logs[log].mine}


def _digests(session: Session, actor: Actor, logs: Collection[str], now: datetime) -> dict[str, dict[str, int]]:
    """What a device should count in each log, if it holds all of it."""
    parameters: dict[str, Any] = {"logs": list(logs), "horizon": now - KEPT_AFTER_END}
    statement = _DIGEST
    if actor.kind.in_agency:
        statement, parameters = _AGENCY_DIGEST, parameters | {"viewer": actor.agency_code}
    counted = {log: (live, versions) for log, live, versions in session.connection().execute(statement, parameters)}
    return {
        log: {"live": live, "versions": int(versions)}
        for log in sorted(logs)
        for live, versions in [counted.get(log, (0, 0))]
    }


_DIGEST = (
    select(_PROBLEMS.area_code, func.count(), func.sum(_PROBLEMS.version))
    .where(_PROBLEMS.area_code.in_(bindparam("logs", expanding=True)), KEPT)
    .group_by(_PROBLEMS.area_code)
)
_AGENCY_DIGEST = (
    select(_SIGHTS.log, func.count(), func.sum(_PROBLEMS.version))
    .join(_PROBLEMS.id.table, _PROBLEMS.id == _SIGHTS.problem_id)
    .where(
        _SIGHTS.agency_code == bindparam("viewer"),
        _SIGHTS.log.in_(bindparam("logs", expanding=True)),
        ~_SIGHTS.gone,
        KEPT,
    )
    .group_by(_SIGHTS.log)
)
