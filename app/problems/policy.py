"""Who may: every permission on a problem and its assignments, on one page.

A permission is post × verb × scope, deny by default. Each atom below is written once with two faces, for a record and
for its table; the verbs combine them. What someone may not see is a 404; what they see but may not do is a 403. The
admin operates the system and takes no part in cases; the mayor reads all and confirms nothing; who did the work never
confirms it. A system of an agency may do what its head may, as far as its key names it (`Actor.grants`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import BindParameter, ColumnElement, and_, exists, false, select, true, union_all
from sqlmodel import col

from app.agencies.words import CategoryClass
from app.kit.rules import Rule
from app.people.actors import Actor
from app.people.models import Account, Post
from app.people.queries import held
from app.people.words import PostKind
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.models import AssignmentRow, ProblemRow
from app.problems.words import AssignmentState, AssignmentVerb, Ground, State, Verb, Worker

ActorRule = Rule[Actor]

VERSION: Final = 1
"""Of what posts see: raised when `see` changes, so that phones read anew what they may hold."""


@dataclass(frozen=True)
class Part:
    """What a rule about an assignment judges; its table is `assignment` joined to `problem`."""

    problem: Problem
    assignment: Assignment


# -- atoms: who acts -------------------------------------------------------------------------------------------------


def _post(*kinds: PostKind) -> ActorRule:
    return Rule(
        lambda who, record, now: who.kind in kinds,
        lambda who, now: true() if who.kind in kinds else false(),
        frozenset(kinds),
    )


def _in_own_area() -> ActorRule:
    columns = {13: ProblemRow.area_code, 8: ProblemRow.district_code, 5: ProblemRow.city_code}

    def where(who: Actor, _now: datetime) -> ColumnElement[bool]:
        column = columns.get(len(who.area_code or ""))
        return false() if column is None else col(column) == who.area_code

    def holds(who: Actor, record: Problem | Part, _now: datetime) -> bool:
        problem = _problem(record)
        return who.area_code is not None and who.area_code in (
            problem.area_code,
            problem.district_code,
            problem.city_code,
        )

    return Rule(holds, where)


def _recorded_by_me() -> ActorRule:
    return Rule(
        lambda who, record, now: _problem(record).author_id == who.account_id,
        lambda who, now: _known(col(ProblemRow.author_id) == who.account_id),
        frozenset(
            {
                PostKind.OPERATOR,
                PostKind.LURAH,
                PostKind.STAFF,
                PostKind.CAMAT,
                PostKind.MONITOR,
                PostKind.OFFICER,
            }
        ),
    )


def _recorded_by_my_office() -> ActorRule:
    return Rule(
        lambda who, record, now: _problem(record).origin == who.office,
        lambda who, now: col(ProblemRow.origin) == who.office,
    )


def _concerns_my_agency() -> ActorRule:
    """The agency has a part that was not revoked, was told of the emergency, or recorded the problem itself."""

    def holds(who: Actor, record: Problem | Part, _now: datetime) -> bool:
        problem = _problem(record)
        return who.agency_code is not None and who.agency_code in problem.seen_by

    def where(who: Actor, _now: datetime) -> ColumnElement[bool]:
        if who.agency_code is None:
            return false()
        part = AssignmentRow.__table__.alias()  # type: ignore[attr-defined]  # apart from an outer query's own join
        told, own = (ProblemRow.__table__.alias() for _ in range(2))  # type: ignore[attr-defined]
        mine = union_all(  # three short ranges of an index each, however many problems there are
            select(part.c.problem_id).where(
                part.c.agency_code == who.agency_code, part.c.state != AssignmentState.REVOKED
            ),
            select(told.c.id).where(told.c.alerted_agency == who.agency_code),
            select(own.c.id).where(own.c.origin == who.office),
        )
        return col(ProblemRow.id).in_(mine)

    return Rule(holds, where)


def _leads() -> ActorRule:
    return Rule(
        lambda who, record, now: who.agency_code is not None and _problem(record).lead_agency == who.agency_code,
        lambda who, now: _known(col(ProblemRow.lead_agency) == who.agency_code),
    )


# -- atoms: how the problem stands -----------------------------------------------------------------------------------


def _while(*states: State) -> ActorRule:
    return Rule(
        lambda who, record, now: _problem(record).state in states, lambda who, now: col(ProblemRow.state).in_(states)
    )


def _on_ground(*grounds: Ground) -> ActorRule:
    return Rule(
        lambda who, record, now: _problem(record).ground in grounds,
        lambda who, now: col(ProblemRow.ground).in_(grounds),
    )


def _returned_to_origin() -> ActorRule:
    return Rule(
        lambda who, record, now: _problem(record).returned_to == "origin",
        lambda who, now: _known(col(ProblemRow.returned_to) == "origin"),
    )


def _worked_by(worker: Worker) -> ActorRule:
    return Rule(
        lambda who, record, now: _problem(record).worked_by is worker,
        lambda who, now: _known(col(ProblemRow.worked_by) == worker),
    )


def _finished_by_me() -> ActorRule:
    return Rule(
        lambda who, record, now: _problem(record).finished_by == who.account_id,
        lambda who, now: _known(col(ProblemRow.finished_by) == who.account_id),
    )


def _rejected_by_me() -> ActorRule:
    return Rule(
        lambda who, record, now: _problem(record).rejected_by == who.account_id,
        lambda who, now: _known(col(ProblemRow.rejected_by) == who.account_id),
    )


def _awaits_endorsement() -> ActorRule:
    """An emergency that went up at once, behind which the lurah does not stand yet."""
    return Rule(
        lambda who, record, now: (
            _problem(record).class_code is CategoryClass.EMERGENCY and not _problem(record).endorsed
        ),
        lambda who, now: and_(col(ProblemRow.class_code) == CategoryClass.EMERGENCY, ~col(ProblemRow.endorsed)),
    )


def _widened() -> ActorRule:
    """The first five working days after the work was done have passed without an answer."""

    def holds(_who: Actor, record: Problem | Part, now: datetime) -> bool:
        opens_at = _problem(record).confirm_widens_at
        return opens_at is not None and opens_at <= now

    return Rule(holds, lambda who, now: _known(col(ProblemRow.confirm_widens_at) <= now))


def lurah_is_missing(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Nobody holds the lurah's post of the problem's kelurahan, not even acting."""
    return ~exists().where(
        and_(
            col(Post.area_code) == col(ProblemRow.area_code),
            col(Post.kind) == PostKind.LURAH,
            held(now),
            col(Account.id) == col(Post.account_id),
            col(Account.disabled_at).is_(None),
        )
    )


def _lurah_vacant() -> ActorRule:
    return Rule(lambda who, record, now: _problem(record).lurah_vacant, lambda who, now: lurah_is_missing(now))


# -- atoms: how an assignment stands ---------------------------------------------------------------------------------


def _my_agencys_part() -> ActorRule:
    """A part that the agency moves itself: none that others move by hand. With a link, that part and no other."""

    def holds(who: Actor, record: Part, _now: datetime) -> bool:
        part = record.assignment
        is_meant = not part.by_hand if who.part_id is None else part.id == who.part_id
        return part.agency_code == who.agency_code and is_meant

    def where(who: Actor, _now: datetime) -> ColumnElement[bool]:
        is_meant = ~col(AssignmentRow.by_hand) if who.part_id is None else col(AssignmentRow.id) == who.part_id
        return and_(col(AssignmentRow.agency_code) == who.agency_code, is_meant)

    return Rule(holds, where)


def _by_hand() -> ActorRule:
    return Rule(
        lambda who, record, now: record.assignment.by_hand, lambda who, now: col(AssignmentRow.by_hand).is_(True)
    )


def _assigned_by(office: str) -> ActorRule:
    return Rule(
        lambda who, record, now: record.assignment.assigned_by == office,
        lambda who, now: col(AssignmentRow.assigned_by) == office,
    )


def _known(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """A comparison with a column that may be empty, as plain yes or no, so that `~` stays its opposite."""
    return and_(condition.is_not(None), condition)


def _problem(record: Problem | Part) -> Problem:
    return record.problem if isinstance(record, Part) else record


# -- who is meant ----------------------------------------------------------------------------------------------------

_own = _in_own_area()
operator: Final = _post(PostKind.OPERATOR) & _own
lurah: Final = _post(PostKind.LURAH) & _own
kelurahan: Final = operator | lurah
camat: Final = _post(PostKind.CAMAT) & _own
kecamatan: Final = _post(PostKind.STAFF, PostKind.CAMAT) & _own
monitor: Final = _post(PostKind.MONITOR) & _own
mayor: Final = _post(PostKind.MAYOR) & _own
agency: Final = _post(PostKind.OFFICER, PostKind.HEAD) & _concerns_my_agency()
lead_agency: Final = _post(PostKind.OFFICER, PostKind.HEAD) & _leads()
author: Final = _recorded_by_me()
origin_office: Final = (
    _post(
        PostKind.OPERATOR,
        PostKind.LURAH,
        PostKind.STAFF,
        PostKind.CAMAT,
        PostKind.OFFICER,
        PostKind.HEAD,
        PostKind.MONITOR,
    )
    & _recorded_by_my_office()
)
"""The office that recorded it; the mayor shares the monitor's office, and only reads."""

see: Final = kelurahan | kecamatan | monitor | mayor | agency
"""Who reads a problem; everybody else is told that it does not exist."""

see_reporter: Final = kelurahan | kecamatan
"""Who reads the name and number of whoever told the kelurahan; each reading is noted."""

# -- verbs -----------------------------------------------------------------------------------------------------------

_first_draft = _while(State.SUBMITTED, State.RETURNED)
_not_yet_up = _on_ground(Ground.SUBMITTED, Ground.HANDLED_LOCALLY)
_local = _on_ground(Ground.HANDLED_LOCALLY)

_may_confirm = (
    (_worked_by(Worker.KELURAHAN) & kecamatan)
    | (_worked_by(Worker.KECAMATAN) & (lurah | (monitor & (_lurah_vacant() | _widened()))))
    | (_worked_by(Worker.AGENCY) & (lurah | (camat & _widened())))
    | (_worked_by(Worker.LINK) & lurah)  # whoever gives links can open them, and would confirm their own work
) & ~_finished_by_me()

MAY: Final[Mapping[Verb, ActorRule]] = {
    Verb.EDIT: (_first_draft & (author | lurah)) | (~_first_draft & kecamatan) | (_awaits_endorsement() & lurah),
    Verb.RECATEGORISE: (_not_yet_up & lurah) | (~_not_yet_up & camat),
    Verb.PRIORITISE: (_not_yet_up & lurah) | (~_not_yet_up & camat),
    Verb.MOVE: camat | monitor,
    Verb.PROPOSE_MOVE: lurah,
    Verb.FORWARD: lurah,
    Verb.ENDORSE: lurah,
    Verb.CALL_UP: camat,
    Verb.HANDLE_LOCALLY: lurah,
    Verb.SEND_BACK: lurah,
    Verb.OBJECT: lurah,
    Verb.WITHDRAW: author | lurah,
    Verb.ACCEPT: kecamatan,
    Verb.ASK: kecamatan | lead_agency,
    Verb.ANSWER: (_returned_to_origin() & origin_office) | (~_returned_to_origin() & kelurahan),
    Verb.TAKE_UP: kecamatan,
    Verb.ASSIGN: camat | monitor,
    Verb.DECIDE_AUTHORITY: monitor,
    Verb.FINISH: (_local & lurah) | (~_local & kecamatan),
    Verb.HOLD: (_local & lurah) | (~_local & camat),
    Verb.RESUME: (_local & lurah) | (~_local & camat),
    Verb.CONFIRM: _may_confirm,
    Verb.DISPUTE: _may_confirm,
    Verb.REOPEN: lurah | camat | monitor,
    Verb.REJECT: camat | monitor,
    Verb.APPEAL: lurah,
    Verb.DECIDE_APPEAL: monitor & ~_rejected_by_me(),
    Verb.MARK_DUPLICATE: kecamatan | lurah,
    Verb.UNMARK: kecamatan | lurah,
    Verb.DEFER_TO_PLANNING: camat | monitor,
    Verb.ESCALATE: camat | monitor,
    Verb.COMMENT: see,
    Verb.ATTACH: see,
    Verb.LINK: see,
}

_its_office = (_assigned_by("kecamatan") & kecamatan) | (_assigned_by("city") & monitor)
_officer = (_post(PostKind.OFFICER, PostKind.HEAD) & _my_agencys_part()) | (_by_hand() & _its_office)
_head = (_post(PostKind.HEAD) & _my_agencys_part()) | (_by_hand() & _its_office)

MAY_PART: Final[Mapping[AssignmentVerb, ActorRule]] = {
    AssignmentVerb.ACCEPT: _officer,
    AssignmentVerb.START: _officer,
    AssignmentVerb.PROGRESS: _officer,
    AssignmentVerb.DELEGATE: _officer,
    AssignmentVerb.HOLD: _officer,
    AssignmentVerb.RESUME: _officer,
    AssignmentVerb.FINISH: _officer,
    AssignmentVerb.REFUSE: _head,
    AssignmentVerb.AGREE_HOLD: camat,
    AssignmentVerb.DECLINE_HOLD: camat,
    AssignmentVerb.REVOKE: (_assigned_by("kecamatan") & camat) | monitor,
}


def territory_side(actor: Actor) -> str:
    """Which side an internal comment of this actor stays on: `territory`, or one agency."""
    return actor.office if actor.kind.in_agency else "territory"
