"""What the kelurahan says: reporting, correcting, endorsing upward, handling by itself, answering."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.agencies.words import CategoryClass
from app.areas.words import Level, lies_in
from app.journal.facts import Fact
from app.kit.refusals import Unprocessable
from app.people.words import PostKind
from app.problems.facts import fact
from app.problems.lifecycle.context import (
    Context,
    DayNotPossible,
    OutsideScope,
    ReasonRequired,
    StepNotAllowed,
    TooEarly,
    TooLate,
    UnknownCode,
    in_force,
)
from app.problems.lifecycle.evolve import TEXT_FIELDS
from app.problems.lifecycle.record import Problem
from app.problems.schemas.reports import EditIn, ReportIn
from app.problems.schemas.steps import (
    Answer,
    CallUp,
    Endorse,
    Forward,
    HandleLocally,
    Object,
    ProposeMove,
    SendBack,
    Withdraw,
)
from app.problems.words import Ground, Verb

ENDORSE_GRACE_WORKING_DAYS = 2
LOCAL_PLAN_DAYS = 366


class PlaceRequired(Unprocessable):
    code, title, judul = "place_required", "Say where: a point, an address or a landmark", "Lokasi wajib diisi"


class SeenInFuture(Unprocessable):
    code, title, judul = "seen_in_future", "It cannot have been seen after today", "Tanggal terlihat melewati hari ini"


class LocalNotYours(Unprocessable):
    code = "local_not_yours"
    title, judul = "Only a lurah can say how the kelurahan handles it", "Hanya lurah yang menetapkan penanganan sendiri"


class AlreadyAccepted(StepNotAllowed):
    code = "already_accepted"
    title, judul = "The kecamatan has already accepted it", "Sudah diterima kecamatan"


def report(problem_id: UUID, number: str, said: ReportIn, context: Context, responsible: str | None) -> list[Fact]:
    """The first fact of a problem. An emergency goes up at once, whoever records it.

    An import begins at the kelurahan, whatever it is: the way up is in its next facts, and nobody is told of the past.
    """
    category = in_force(context.categories, said.category, "category")
    area = in_force(context.areas, said.area, "area")
    if area.level is not Level.VILLAGE:
        raise UnknownCode("A problem lies in a kelurahan or desa.", field="area")
    if said.seen_on > context.today:
        raise SeenInFuture
    is_import, has_place = context.author.is_import, bool(said.point or said.address or said.landmark)
    if not has_place and not is_import:
        raise PlaceRequired
    kind = context.actor.kind if context.actor else None
    if said.local is not None:
        if kind is not PostKind.LURAH:
            raise LocalNotYours
        _check_target(said.local.target_on, context)
    is_emergency = category.class_ is CategoryClass.EMERGENCY and not is_import
    if said.local is not None:
        ground = Ground.HANDLED_LOCALLY
    elif (kind is PostKind.OPERATOR and not is_emergency) or is_import:
        ground = Ground.SUBMITTED
    else:
        ground = Ground.FORWARDED
    told = ["camat", "monitor", *([f"agency:{responsible}"] if responsible else [])] if is_emergency else []
    if kind not in (PostKind.OPERATOR, PostKind.LURAH) and not is_import:
        told.append("lurah")
    texts = {name: getattr(said, name) for name in TEXT_FIELDS} | {"plan": said.local.plan if said.local else None}
    due_at = context.limits.due(context.calendar, category.class_, "resolve", context.now)
    return [
        fact(
            "reported",
            texts,
            id=str(problem_id),
            number=number,
            area=said.area,
            category=category.code,
            **{"class": category.class_.value},
            proof_required=category.proof_required,
            seen_on=said.seen_on.isoformat(),
            source=said.source.value,
            source_ref=said.source_ref,
            point=said.point.model_dump() if said.point else None,
            rt=said.rt,
            rw=said.rw,
            origin=context.author.post if context.actor is None else context.actor.office,
            ground=ground.value,
            endorsed=kind is PostKind.LURAH or None,
            target_on=said.local.target_on.isoformat() if said.local else None,
            alerted_agency=responsible if is_emergency else None,
            told=told or None,
            place_omitted=None if has_place else True,
            due_at=due_at.isoformat(),
        ),
        *([fact("prioritised", priority=said.priority.value)] if said.priority != "normal" else []),
    ]


def may_report(context: Context, area_code: str) -> None:
    """Refuses a report from a post that may not record there; the answer is the same for every area outside."""
    actor = context.actor
    if actor is None:
        return
    match actor.kind:
        case PostKind.OPERATOR | PostKind.LURAH | PostKind.STAFF | PostKind.CAMAT | PostKind.MONITOR:
            inside = actor.area_code is not None and lies_in(area_code, actor.area_code)
        case PostKind.OFFICER:
            agency = context.agencies.get(actor.agency_code or "")
            inside = agency is not None and lies_in(area_code, agency.city_code)
        case _:
            inside = False
    if not inside:
        raise OutsideScope


def edit(problem: Problem, said: EditIn, context: Context) -> list[Fact]:
    if problem.accepted_at is not None and said.reason is None:
        raise ReasonRequired
    return [_corrections(problem, "edited", said, context, reason=said.reason)]


def answer(problem: Problem, said: Answer, context: Context) -> list[Fact]:
    return [_corrections(problem, "answered", said.changes, context, answer=said.answer)]


def _corrections(problem: Problem, kind: str, said: EditIn | None, context: Context, **texts: str | None) -> Fact:
    given: dict[str, Any] = {name: getattr(said, name) for name in said.model_fields_set} if said else {}
    given.pop("reason", None)
    if given.get("seen_on") and given["seen_on"] > context.today:
        raise SeenInFuture
    has_point = problem.latitude is not None
    places = {"address": problem.address, "landmark": problem.landmark, "point": has_point}
    if given.keys() & places.keys() and not any((places | given)[name] for name in places):
        raise PlaceRequired
    changes = {
        name: value.model_dump() if name == "point" and value else value.isoformat() if name == "seen_on" else value
        for name, value in given.items()
        if name not in TEXT_FIELDS
    }
    cleared = [name for name, value in given.items() if name in TEXT_FIELDS and value is None]
    words = {name: value for name, value in given.items() if name in TEXT_FIELDS}
    return fact(kind, words | texts, changes=changes or None, cleared=cleared or None)


def forward(_problem: Problem, _said: Forward, _context: Context) -> list[Fact]:
    return [fact("forwarded")]


def endorse(_problem: Problem, _said: Endorse, _context: Context) -> list[Fact]:
    return [fact("endorsed")]


def endorse_is_open(problem: Problem, _context: Context) -> None:
    if problem.endorsed or problem.class_code is not CategoryClass.EMERGENCY:
        raise StepNotAllowed(problem, Verb.ENDORSE)


def call_up(_problem: Problem, said: CallUp, _context: Context) -> list[Fact]:
    return [fact("called_up", {"reason": said.reason})]


def call_up_is_open(problem: Problem, context: Context) -> None:
    """Once the endorse limit and two working days have passed, or at once while nobody is lurah."""
    if problem.is_question or problem.accepted_at is not None:
        raise StepNotAllowed(problem, Verb.CALL_UP)
    opens_at = context.calendar.due(context.due(problem, "endorse", problem.created_at), ENDORSE_GRACE_WORKING_DAYS)
    if not problem.lurah_vacant and context.now <= opens_at:
        raise TooEarly(opens_at=opens_at.isoformat())


def handle_locally(_problem: Problem, said: HandleLocally, context: Context) -> list[Fact]:
    _check_target(said.target_on, context)
    return [fact("handled_locally", {"plan": said.plan}, target_on=said.target_on.isoformat())]


def _check_target(target_on: Any, context: Context) -> None:
    if not context.today <= target_on <= context.today + timedelta(days=LOCAL_PLAN_DAYS):
        raise DayNotPossible("The target lies in the past, or more than a year ahead.", field="target_on")


def send_back(_problem: Problem, said: SendBack, _context: Context) -> list[Fact]:
    return [fact("sent_back", {"reason": said.reason})]


def object_to(_problem: Problem, said: Object, _context: Context) -> list[Fact]:
    return [fact("objected", {"reason": said.reason})]


def object_is_open(problem: Problem, context: Context) -> None:
    """Only to what another office recorded here, one that sees it still, and within the endorse limit."""
    sees_it = problem.origin.startswith(("agency:", "city:")) or problem.origin == f"kecamatan:{problem.district_code}"
    if not sees_it or problem.endorsed or problem.forwarded_at is None:
        raise StepNotAllowed(problem, Verb.OBJECT)
    closes_at = context.due(problem, "endorse", problem.forwarded_at)
    if context.now > closes_at:
        raise TooLate(closed_at=closes_at.isoformat())


def withdraw(problem: Problem, said: Withdraw, _context: Context) -> list[Fact]:
    return [fact("withdrawn", {"reason": said.reason}, revoked=open_parts(problem))]


def withdraw_is_open(problem: Problem, _context: Context) -> None:
    """Never once accepted, wherever it was returned from."""
    if problem.accepted_at is not None:
        raise AlreadyAccepted(problem, Verb.WITHDRAW)


def propose_move(problem: Problem, said: ProposeMove, context: Context) -> list[Fact]:
    in_force(context.areas, said.area, "area")
    if said.area == problem.area_code:
        raise UnknownCode("It already lies there.", field="area")
    return [fact("move_proposed", {"reason": said.reason}, to=said.area)]


def open_parts(problem: Problem) -> list[str]:
    """Ids of the assignments that an ending revokes."""
    return [str(each.id) for each in problem.assignments if each.is_open]


def is_sampled(problem: Problem, percent: int) -> bool:
    """Whether the kecamatan looks at this piece of local work: oversight always, else a share that nobody can steer."""
    if problem.class_code is CategoryClass.OVERSIGHT:
        return True
    return hashlib.sha256(problem.id.bytes).digest()[0] * 100 < percent * 256
