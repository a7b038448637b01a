"""Documents: problems as phones keep them, rendered by the database, with advice on what may be done."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, and_, bindparam, case, func, literal_column, null, or_, select
from sqlmodel import Session

from app.journal.models import Entry
from app.kit.columns import Moment, columns_of
from app.kit.database import dialect_of
from app.kit.rendering import Nested, Record, as_object, list_of, object_of, shown
from app.people.actors import Actor
from app.people.words import PostKind
from app.problems import policy
from app.problems.lifecycle.context import Context
from app.problems.lifecycle.ending import REOPEN_DAYS
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.lifecycle.steps import PART_STEPS, STEPS, is_open, is_part_open
from app.problems.models import AssignmentRow, Comment, ProblemPhoto, ProblemRow, Sight
from app.problems.words import Source

KEPT_AFTER_END = timedelta(days=90)
"""A problem that ended longer ago is not sent, and phones drop it by the same rule."""

_FACTS_SHOWN = 3
_NOBODY = UUID(int=0)
_PROBLEMS, _PARTS, _SIGHTS = columns_of(ProblemRow), columns_of(AssignmentRow), columns_of(Sight)
_ENTRIES, _COMMENTS, _PHOTOS = columns_of(Entry), columns_of(Comment), columns_of(ProblemPhoto)
_ME: Any = bindparam("me")
_NOW: Any = bindparam("now", type_=Moment)

_ENDED_AT: Any = case(
    (_PROBLEMS.state == literal_column("'closed'"), _PROBLEMS.closed_at),
    (_PROBLEMS.state == literal_column("'resolved'"), _PROBLEMS.resolved_at),
)
KEPT: Any = or_(_ENDED_AT.is_(None), bindparam("horizon", type_=Moment) <= _ENDED_AT)
"""Open, or ended not too long ago."""


@dataclass(frozen=True)
class Document:
    """A rendered problem, and its place in the log."""

    position: int
    problem_id: UUID
    text: str


@dataclass(frozen=True)
class Gone:
    """A problem that left the log, or the sight of an agency."""

    position: int
    problem_id: UUID


@lru_cache(maxsize=64)
def _documents(dialect: str, kind: PostKind) -> Any:
    """The documents of one log, for posts of one kind, in the order of their positions."""
    statement = select(
        _PROBLEMS.position,
        _PROBLEMS.id,
        as_object(dialect, _members(dialect)),
        _SIGNATURES[kind].one(dialect),
        _parts(dialect),
    ).where(KEPT)
    if kind.in_agency:
        statement = statement.join(_SIGHTS.log.table, _SIGHTS.problem_id == _PROBLEMS.id).where(
            _SIGHTS.agency_code == bindparam("viewer"),
            _SIGHTS.log == bindparam("its_log"),
            _SIGHTS.position > bindparam("after"),
            ~_SIGHTS.gone,
        )
        order = _SIGHTS.position
    else:
        statement = statement.where(
            _PROBLEMS.area_code == bindparam("its_log"), _PROBLEMS.position > bindparam("after")
        )
        order = _PROBLEMS.position
    return statement.order_by(order).limit(bindparam("most"))


_GONE = (
    select(_SIGHTS.position, _SIGHTS.problem_id)
    .where(
        _SIGHTS.agency_code == bindparam("viewer"),
        _SIGHTS.log == bindparam("its_log"),
        _SIGHTS.position > bindparam("after"),
        _SIGHTS.gone,
    )
    .order_by(_SIGHTS.position)
    .limit(bindparam("most"))
)


def _members(dialect: str) -> dict[str, Any]:
    """A problem as `DocumentOut`, without the advice. Members that are alike stand together: so they pack better."""
    parts = select(_PARTS).where(_PARTS.problem_id == _PROBLEMS.id).order_by(_PARTS.sequence)
    part = parts.correlate(_PROBLEMS.id.table).subquery()
    facts = (
        select(_ENTRIES.kind, _ENTRIES.version, _ENTRIES.at, _ENTRIES.author)
        .where(_ENTRIES.subject == _PROBLEMS.id, _ENTRIES.data["internal"].as_boolean().is_(None))
        .order_by(_ENTRIES.version.desc())
        .limit(_FACTS_SHOWN)
    )
    fact = facts.correlate(_PROBLEMS.id.table).subquery()
    photos = select(_PHOTOS.photo_id).where(_PHOTOS.problem_id == _PROBLEMS.id).order_by(_PHOTOS.version)
    photo = photos.correlate(_PROBLEMS.id.table).subquery()
    names = (
        "id number version position state title description source source_ref address landmark priority escalation "
        "origin endorsed plan target_on desk desk_until due_at promised_at seen_on hold_review_on resolution rating "
        "closing planned_in created_at updated_at"
    )
    return {name: _PROBLEMS[name] for name in names.split()} | {
        "area": _PROBLEMS.area_code,
        "category": _PROBLEMS.category_code,
        "main": _PROBLEMS.main_id,
        "ended_at": _ENDED_AT,
        "mine": func.coalesce(_PROBLEMS.author_id == _ME, literal_column("false", Boolean)),
        "point": Nested(
            case(
                (
                    _PROBLEMS.latitude.is_not(None),
                    object_of(dialect, {"lat": _PROBLEMS.latitude, "lon": _PROBLEMS.longitude}),
                ),
                else_=null(),
            )
        ),
        "rt": _PROBLEMS.rt,
        "rw": _PROBLEMS.rw,
        "assignments": list_of(dialect, object_of(dialect, _part_members(part.c)), part),
        "facts": list_of(
            dialect,
            object_of(
                dialect,
                {
                    "kind": fact.c.kind,
                    "version": fact.c.version,
                    "at": fact.c.at,
                    "by": fact.c.author["name"].as_string(),
                    "post": fact.c.author["post"].as_string(),
                },
            ),
            fact,
        ),
        "comments": select(func.count())
        .where(_COMMENTS.problem_id == _PROBLEMS.id, or_(~_COMMENTS.internal, _COMMENTS.side == bindparam("side")))
        .correlate(_PROBLEMS.id.table)
        .scalar_subquery(),
        "photos": list_of(dialect, shown(dialect, photo.c.photo_id), photo),
    }


def _part_members(part: Any) -> dict[str, Any]:
    names = "id state by_hand instruction delegated_to offered_at due_at done_at hold_review_on resolution note"
    return {name: part[name] for name in names.split()} | {
        "agency": part.agency_code,
        "lead": part.is_lead,
        "required": part.is_required,
        "binding": part.is_binding,
        "hold_proposed": part.hold_proposed_at.is_not(None),
    }


# -- advice ----------------------------------------------------------------------------------------------------------
#
# What a post may do with a problem hangs on few of its columns. Problems that are alike in those (the signature) share
# one answer, so that a page of five hundred asks the policy some dozen times.


def _flag(condition: Any) -> Any:
    return func.coalesce(condition, literal_column("false", Boolean)).label("flag")


_SAME = (
    "class_code",
    "origin",
    "ground",
    "overlay",
    "returned_to",
    "is_question",
    "endorsed",
    "bounces",
    "authority_decided",
    "alerted_agency",
    "is_finished",
    "worked_by",
    "closing",
    "is_appealed",
    "appeal_pending",
)


def _signature(kind: PostKind) -> Record:
    """The columns that decide what posts of a kind may do; of moments only what counts of them, where it counts."""
    columns: dict[str, Any] = {name: _PROBLEMS[name] for name in _SAME}
    columns |= {
        "is_mine": _flag(_PROBLEMS.author_id == _ME),
        "finished_by_me": _flag(_PROBLEMS.finished_by == _ME),
        "rejected_by_me": _flag(_PROBLEMS.rejected_by == _ME),
        "is_accepted": _flag(_PROBLEMS.accepted_at.is_not(None)),
        "is_forwarded": _flag(_PROBLEMS.forwarded_at.is_not(None)),
        "is_widened": _flag(_PROBLEMS.confirm_widens_at <= _NOW),
        "is_resolved": _flag(_PROBLEMS.resolved_at.is_not(None)),
        "is_fresh": _flag(_PROBLEMS.resolved_at >= bindparam("reopenable", type_=Moment)),
        "is_duplicate": _flag(_PROBLEMS.main_id.is_not(None)),
    }
    nothing = null()
    if kind is PostKind.CAMAT:
        first = _PROBLEMS.state.in_([literal_column("'submitted'"), literal_column("'returned'")])
        columns["created_at"] = case((first, _PROBLEMS.created_at), else_=nothing)
    if kind is PostKind.LURAH:
        objectable = and_(_PROBLEMS.state == literal_column("'forwarded'"), ~_PROBLEMS.endorsed)
        columns["forwarded_at"] = case((objectable, _PROBLEMS.forwarded_at), else_=nothing)
        appealable = and_(_PROBLEMS.closing == literal_column("'rejected'"), ~_PROBLEMS.is_appealed)
        columns["closed_at"] = case((appealable, _PROBLEMS.closed_at), else_=nothing)
    return Record(columns)


_SIGNATURES = {kind: _signature(kind) for kind in PostKind}
_PART = Record(
    {
        name: _PARTS[name]
        for name in ("sequence", "agency_code", "is_lead", "is_required", "state", "assigned_by", "by_hand")
    }
    | {"hold_proposed": _PARTS.hold_proposed_at.is_not(None)}
)


def _parts(dialect: str) -> ColumnElement[str]:
    """The signatures of the assignments."""
    return select(_PART.many(dialect)).where(_PARTS.problem_id == _PROBLEMS.id).scalar_subquery()


class Advisor:
    """What one post may do now with the problems of one log."""

    def __init__(self, actor: Actor, context: Context, log: str, *, lurah_vacant: bool) -> None:
        self._actor = actor
        self._context = context
        self._log = log
        self._lurah_vacant = lurah_vacant
        self._known: dict[tuple[str, str | None], str] = {}

    def advice(self, signature: str, parts: str | None) -> str:
        """`may` and `may_parts` as members of a JSON object."""
        known = self._known.get((signature, parts))
        if known is None:
            known = self._known[signature, parts] = self._asked(self._problem(signature, parts))
        return known

    def _asked(self, problem: Problem) -> str:
        actor, context = self._actor, self._context
        may = [
            verb
            for verb in STEPS
            if policy.MAY[verb].ever(actor.kind)
            and is_open(problem, verb, context)
            and policy.MAY[verb].holds(actor, problem, context.now)
        ]
        may_parts = [
            [
                verb
                for verb in PART_STEPS
                if is_part_open(problem, part, verb)
                and policy.MAY_PART[verb].holds(actor, policy.Part(problem, part), context.now)
            ]
            for part in problem.assignments
        ]
        return f'"may":{json.dumps(may)},"may_parts":{json.dumps(may_parts)}'

    def _problem(self, signature: str, parts: str | None) -> Problem:
        """A problem that is alike in all that counts."""
        said = _SIGNATURES[self._actor.kind].read(signature)
        me, now = self._actor.account_id, self._context.now
        return Problem(
            **{name: said[name] for name in _SAME},
            id=_NOBODY,
            number="",
            area_code=self._log,
            title="",
            category_code="",
            proof_required=False,
            seen_on=date.min,
            source=Source.OWN,
            author_id=me if said["is_mine"] else None,
            finished_by=me if said["finished_by_me"] else None,
            rejected_by=me if said["rejected_by_me"] else None,
            created_at=said.get("created_at") or now,
            updated_at=now,
            accepted_at=now if said["is_accepted"] else None,
            forwarded_at=said.get("forwarded_at") or (now if said["is_forwarded"] else None),
            confirm_widens_at=now if said["is_widened"] else None,
            resolved_at=(now if said["is_fresh"] else _LONG_AGO) if said["is_resolved"] else None,
            closed_at=said.get("closed_at") or (now if said["closing"] else None),
            main_id=_NOBODY if said["is_duplicate"] else None,
            assignments=tuple(
                _assignment(part, now) for part in sorted(_PART.read_many(parts), key=itemgetter("sequence"))
            ),
            lurah_vacant=self._lurah_vacant,
        )


_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def _assignment(part: Mapping[str, Any], now: datetime) -> Assignment:
    return Assignment(
        id=_NOBODY,
        agency_code=part["agency_code"],
        is_lead=part["is_lead"],
        is_required=part["is_required"],
        state=part["state"],
        assigned_by=part["assigned_by"],
        by_hand=part["by_hand"],
        offered_at=now,
        hold_proposed_at=now if part["hold_proposed"] else None,
    )


# -- one log ---------------------------------------------------------------------------------------------------------


def documents(
    session: Session, actor: Actor, log: str, after: int, most: int, advisor: Advisor, now: datetime
) -> list[Document]:
    """The documents of a log behind a position, at most so many, in order."""
    parameters = {
        "its_log": log,
        "after": after,
        "most": most,
        "me": actor.account_id,
        "now": now,
        "horizon": now - KEPT_AFTER_END,
        "reopenable": now - timedelta(days=REOPEN_DAYS),
        "side": policy.territory_side(actor),
    }
    if actor.kind.in_agency:
        parameters["viewer"] = actor.agency_code
    rows = session.connection().execute(_documents(dialect_of(session), actor.kind), parameters)
    return [
        Document(position, problem_id, f"{text[:-1]},{advisor.advice(signature, parts)}}}")
        for position, problem_id, text, signature, parts in rows
    ]


def gone(session: Session, actor: Actor, log: str, after: int, most: int) -> list[Gone]:
    """What left a log, or an agency's sight of it, behind a position."""
    viewer = actor.agency_code if actor.kind.in_agency else ""
    rows = session.connection().execute(_GONE, {"viewer": viewer, "its_log": log, "after": after, "most": most})
    return [Gone(position, problem_id) for position, problem_id in rows]
