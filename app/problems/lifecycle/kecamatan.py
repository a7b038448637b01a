"""What the kecamatan and the city say: taking on, asking, handing out, pausing, deciding whose it is."""

from app.agencies.words import CategoryClass
from app.areas.words import Level, lies_in
from app.journal.facts import Fact
from app.kit.ids import new_id
from app.kit.refusals import Conflict
from app.people.words import PostKind
from app.problems.facts import fact
from app.problems.lifecycle.context import (
    Context,
    DayNotPossible,
    OutsideScope,
    StepNotAllowed,
    UnknownCode,
    in_force,
)
from app.problems.lifecycle.record import BOUNCES_UNTIL_MONITOR, Problem
from app.problems.schemas.steps import (
    Accept,
    Ask,
    Assign,
    DecideAuthority,
    Escalate,
    Hold,
    Move,
    Prioritise,
    Recategorise,
    Resume,
    TakeUp,
)
from app.problems.words import State, Verb

HOLD_WORKING_DAYS = 30


class AuthorityUndecided(Conflict):
    code = "authority_undecided"
    title = "Handed back twice: the monitor decides whose it is"
    judul = "Sudah dua kali dikembalikan: monitor kota menetapkan kewenangan"


def accept(_problem: Problem, _said: Accept, _context: Context) -> list[Fact]:
    return [fact("accepted")]


def ask(_problem: Problem, said: Ask, _context: Context) -> list[Fact]:
    return [fact("asked", {"question": said.question})]


def take_up(_problem: Problem, said: TakeUp, _context: Context) -> list[Fact]:
    return [fact("taken_up", {"plan": said.plan})]


def assign_is_open(problem: Problem, _context: Context) -> None:
    """From forwarded in an emergency only; not after the second bounce, until the monitor has decided."""
    if problem.state is State.FORWARDED and problem.class_code is not CategoryClass.EMERGENCY:
        raise StepNotAllowed(problem, Verb.ASSIGN)
    if problem.bounces >= BOUNCES_UNTIL_MONITOR and not problem.authority_decided:
        raise AuthorityUndecided


def assign(problem: Problem, said: Assign, context: Context) -> list[Fact]:
    """Naming the present lead again adds supporters; naming another one revokes the present lead's part."""
    lead = problem.lead
    keeps_lead = lead is not None and lead.is_open and lead.agency_code == said.lead
    wanted = [] if keeps_lead else [(said.lead, True, True)]
    wanted += [(code, False, True) for code in said.support]
    wanted += [(code, False, False) for code in said.optional_support]
    alive = {each.agency_code: each for each in problem.assignments if each.is_alive}
    revoked = [] if keeps_lead or lead is None or not lead.is_open else [str(lead.id)]
    if not keeps_lead and said.lead in alive and str(alive[said.lead].id) not in revoked:
        revoked.append(str(alive[said.lead].id))  # a supporter that becomes the lead
    offers = [
        _offer(problem, code, is_lead, required, context)
        for code, is_lead, required in wanted
        if is_lead or code not in alive or str(alive[code].id) in revoked
    ]
    return [fact("assigned", {"instruction": said.instruction}, offers=offers, revoked=revoked, by=_office(context))]


def decide_authority(problem: Problem, said: DecideAuthority, context: Context) -> list[Fact]:
    alive = [str(each.id) for each in problem.assignments if each.is_open and each.agency_code == said.agency]
    offers = [_offer(problem, said.agency, True, True, context)]
    return [
        fact(
            "authority_decided",
            {"reason": said.reason},
            offers=offers,
            revoked=alive,
            by=_office(context),
            binding=True,
        )
    ]


def _offer(problem: Problem, code: str, is_lead: bool, required: bool, context: Context) -> dict[str, object]:
    agency = in_force(context.agencies, code, "agency")
    if not lies_in(problem.area_code, agency.city_code):
        raise UnknownCode("This agency does not work there.", field="agency")
    return {
        "id": str(new_id()),
        "agency": code,
        "lead": is_lead,
        "required": required,
        "by_hand": not agency.has_accounts,
        "due_at": context.due(problem, "answer", context.now).isoformat(),
    }


def _office(context: Context) -> str:
    is_city = context.actor is not None and context.actor.kind is PostKind.MONITOR
    return "city" if is_city else "kecamatan"


def hold(problem: Problem, said: Hold, context: Context) -> list[Fact]:
    del problem
    check_review_day(said.review_on, context)
    return [
        fact(
            "held",
            {"reason": said.reason},
            reason_code=said.reason_code.value,
            review_on=said.review_on.isoformat(),
        )
    ]


def check_review_day(review_on: object, context: Context) -> None:
    """A pause ends on a day after today, at most thirty working days ahead."""
    latest = context.calendar.add(context.today, HOLD_WORKING_DAYS)
    if not context.today < review_on <= latest:  # type: ignore[operator]  # a date, by the schema
        raise DayNotPossible(f"Between tomorrow and {latest.isoformat()}.", field="review_on")


def resume(_problem: Problem, _said: Resume, context: Context) -> list[Fact]:
    return [fact("resumed", automatic=context.is_automatic or None)]


def recategorise(problem: Problem, said: Recategorise, context: Context) -> list[Fact]:
    """Due dates are computed anew from the day it was recorded; the promised one is kept beside them."""
    category = in_force(context.categories, said.category, "category")
    due_at = context.limits.due(context.calendar, category.class_, "resolve", problem.created_at)
    return [
        fact(
            "recategorised",
            {"reason": said.reason},
            category=category.code,
            **{"class": category.class_.value},
            proof_required=category.proof_required,
            due_at=due_at.isoformat(),
        )
    ]


def prioritise(_problem: Problem, said: Prioritise, _context: Context) -> list[Fact]:
    return [fact("prioritised", {"reason": said.reason}, priority=said.priority.value)]


def move(problem: Problem, said: Move, context: Context) -> list[Fact]:
    """Two facts: one closes the story in the old log, one opens it in the new. State, number and clock stay."""
    area = in_force(context.areas, said.area, "area")
    if area.level is not Level.VILLAGE or area.code == problem.area_code:
        raise UnknownCode("Another kelurahan or desa is needed.", field="area")
    actor = context.actor
    if actor is not None and not lies_in(said.area, actor.area_code or ""):
        raise OutsideScope
    where = {"from": problem.area_code, "to": said.area}
    return [fact("moved_out", {"reason": said.reason}, **where), fact("moved_in", {"reason": said.reason}, **where)]


def escalate(problem: Problem, said: Escalate, _context: Context) -> list[Fact]:
    return [fact("escalated", {"reason": said.reason}, level=problem.escalation + 1)]
