"""From wherever a problem can get to, people alone can bring it to an end; and the steps are those of the plan.

Pure: no database. Officials say everything that they may, from every kind of problem this leads to; two problems are of
one kind when they differ in nothing that a decision looks at.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter

from app.agencies.models import Agency, Category
from app.agencies.words import AgencyKind, CategoryClass
from app.areas.models import Area
from app.areas.words import Level
from app.journal.facts import Author, Fact
from app.kit.ids import new_id
from app.kit.refusals import Refusal
from app.people.actors import Actor
from app.people.words import PostKind
from app.problems import policy
from app.problems.lifecycle import kelurahan
from app.problems.lifecycle.context import Context
from app.problems.lifecycle.evolve import evolve
from app.problems.lifecycle.record import BOUNCES_UNTIL_MONITOR, Problem
from app.problems.lifecycle.steps import PART_STEPS, STEPS, decide, decide_part, is_open, is_part_open, stamped_report
from app.problems.schemas.parts import AssignmentStepIn
from app.problems.schemas.reports import ReportIn
from app.problems.schemas.steps import StepIn
from app.problems.words import ENDED, OPEN, AssignmentVerb, State, Verb
from app.workdays.calendar import Calendar
from app.workdays.limits import NATIONAL_NORMS, Limits

HERE: Final = "35.75.03.1005"
MORNING: Final = datetime(2026, 7, 22, 2, 0, tzinfo=UTC)
LATER: Final = MORNING + timedelta(days=14)
CALENDAR: Final = Calendar(ZoneInfo("Asia/Jakarta"))
LIMITS: Final = Limits(
    {(code, stage): allowance for code, stages in NATIONAL_NORMS.items() for stage, allowance in stages.items()}
)
AGENCIES: Final = {
    code: Agency(
        code=code, name=code, kind=AgencyKind.DINAS, city_code="35.75", has_accounts=code != "PLN", active=True
    )
    for code in ("PUPR", "DLHKP", "PLN")
}
CATEGORIES: Final = {
    each.value: Category(code=each.value, label=each.value, class_=each, proof_required=False, active=True)
    for each in (CategoryClass.ORDINARY, CategoryClass.EMERGENCY, CategoryClass.OVERSIGHT)
}
AREAS: Final = {
    HERE: Area(
        code=HERE, name="Bakalan", search_name="bakalan", level=Level.VILLAGE, parent_code="35.75.03", time_zone="-"
    )
}


def _actor(kind: PostKind, area: str | None = None, agency: str | None = None) -> Actor:
    return Actor(
        account_id=new_id(),
        name=kind.label,
        post_id=new_id(),
        kind=kind,
        area_code=area,
        agency_code=agency,
        acting=False,
        session_id=new_id(),
        must_change_password=False,
    )


OPERATOR, LURAH = _actor(PostKind.OPERATOR, HERE), _actor(PostKind.LURAH, HERE)
STAFF, CAMAT = _actor(PostKind.STAFF, "35.75.03"), _actor(PostKind.CAMAT, "35.75.03")
MONITORS = _actor(PostKind.MONITOR, "35.75"), _actor(PostKind.MONITOR, "35.75")
HEADS = _actor(PostKind.HEAD, agency="PUPR"), _actor(PostKind.HEAD, agency="DLHKP")
PEOPLE: Final = (OPERATOR, LURAH, STAFF, CAMAT, *MONITORS, *HEADS)

WHY: Final = {"reason": "Sesuai hasil rapat."}
SOON: Final = (LATER + timedelta(days=7)).date().isoformat()
MAIN: Final = new_id()
MOVING: Final[Mapping[Verb, list[dict[str, Any]]]] = {
    Verb.FORWARD: [{}],
    Verb.ENDORSE: [{}],
    Verb.CALL_UP: [WHY],
    Verb.HANDLE_LOCALLY: [{"plan": "Kerja bakti.", "target_on": SOON}],
    Verb.SEND_BACK: [WHY],
    Verb.OBJECT: [WHY],
    Verb.WITHDRAW: [WHY],
    Verb.ACCEPT: [{}],
    Verb.ASK: [{"question": "Sejak kapan?"}],
    Verb.ANSWER: [{"answer": "Sejak Senin."}],
    Verb.TAKE_UP: [{"plan": "Satgas."}],
    Verb.ASSIGN: [{"lead": "PUPR", "support": ["DLHKP"]}, {"lead": "PUPR"}, {"lead": "PLN"}],
    Verb.DECIDE_AUTHORITY: [{"agency": "PUPR"} | WHY],
    Verb.FINISH: [{"resolution": "explained"}],
    Verb.HOLD: [{"reason_code": "budget", "review_on": SOON}],
    Verb.RESUME: [{}],
    Verb.CONFIRM: [{}],
    Verb.DISPUTE: [WHY],
    Verb.REOPEN: [WHY],
    Verb.REJECT: [{"reason_code": "not_found"} | WHY],
    Verb.APPEAL: [WHY],
    Verb.DECIDE_APPEAL: [{"outcome": "upheld"} | WHY, {"outcome": "overturned"} | WHY],
    Verb.MARK_DUPLICATE: [{"main": str(MAIN)}],
    Verb.UNMARK: [{}],
    Verb.DEFER_TO_PLANNING: [{"planned_in": "Renja 2027"}],
}
"""What is said with the verbs that can move a problem; the others leave it where it is."""

MOVING_PARTS: Final[Mapping[AssignmentVerb, dict[str, Any]]] = {
    AssignmentVerb.ACCEPT: {"letter": "1"},
    AssignmentVerb.START: {"letter": "2"},
    AssignmentVerb.HOLD: {"reason_code": "budget", "review_on": SOON, "letter": "3"},
    AssignmentVerb.AGREE_HOLD: {},
    AssignmentVerb.DECLINE_HOLD: {},
    AssignmentVerb.RESUME: {"letter": "4"},
    AssignmentVerb.FINISH: {"resolution": "explained", "note": "Selesai.", "letter": "5"},
    AssignmentVerb.REFUSE: WHY | {"letter": "6"},
    AssignmentVerb.REVOKE: WHY,
}

_STEP: Final[TypeAdapter[Any]] = TypeAdapter(StepIn)
_PART_STEP: Final[TypeAdapter[Any]] = TypeAdapter(AssignmentStepIn)
SAID: Final = {
    verb: [_STEP.validate_python({"verb": verb.value} | each) for each in said] for verb, said in MOVING.items()
}
SAID_OF_PARTS: Final = {
    verb: _PART_STEP.validate_python({"verb": verb.value} | each) for verb, each in MOVING_PARTS.items()
}

Key = tuple[object, ...]


def key_of(problem: Problem, now: datetime) -> Key:
    """What a decision can look at, but for the texts."""
    return (
        now,
        problem.state,
        problem.class_code,
        problem.ground,
        problem.overlay,
        problem.returned_to,
        problem.is_question,
        problem.origin,
        problem.endorsed,
        problem.accepted_at is not None,
        min(problem.bounces, BOUNCES_UNTIL_MONITOR),
        problem.authority_decided,
        problem.is_finished,
        problem.worked_by,
        problem.closing,
        problem.rejected_by,
        problem.is_appealed,
        problem.appeal_pending,
        tuple(
            sorted(
                (part.agency_code, part.is_lead, part.state, part.is_binding, part.hold_proposed_at is not None)
                for part in problem.assignments
                if part.is_alive
            )
        ),
    )


@dataclass
class Map:
    """The kinds of problem that people's steps lead to, and which way each step goes."""

    problems: dict[Key, Problem] = field(default_factory=dict)
    ways: dict[Key, set[Key]] = field(default_factory=dict)
    taken: set[tuple[str, State, State]] = field(default_factory=set)
    """(verb, from, to) of each step that moved a problem."""


def moves(problem: Problem, now: datetime) -> Iterator[tuple[str, Problem]]:
    """Everything that somebody may do with it, by whoever comes first."""
    for verb, said in SAID.items():
        for actor in PEOPLE:
            context = context_of(actor, now, problem)
            rule = policy.MAY[verb]
            if rule.holds(actor, problem, now) and is_open(problem, verb, context):
                for each in said:
                    try:
                        yield verb, follow(problem, decide(problem, each, context), context)
                    except Refusal as refusal:
                        raise AssertionError(f"{verb} was open to {actor.kind}: {refusal.code}") from refusal
                if verb is not Verb.REJECT:  # by whom it was rejected counts
                    break
    for part in problem.assignments:
        record = policy.Part(problem, part)
        for part_verb, each in SAID_OF_PARTS.items():
            for actor in PEOPLE:
                if policy.MAY_PART[part_verb].holds(actor, record, now) and is_part_open(problem, part, part_verb):
                    context = context_of(actor, now, problem)
                    yield part_verb, follow(problem, decide_part(problem, part, each, context), context)
                    break


def follow(problem: Problem | None, facts: list[Fact], context: Context) -> Problem:
    for fact in facts:
        problem = evolve(problem, fact, context.now, context.author)
    assert problem is not None
    return problem


def context_of(actor: Actor, now: datetime, problem: Problem | None) -> Context:
    return Context(
        actor=actor,
        author=Author(actor.account_id, actor.name, actor.view),
        now=now,
        calendar=CALENDAR,
        limits=LIMITS,
        categories=CATEGORIES,
        agencies=AGENCIES,
        areas=AREAS,
        other=replace(problem, id=MAIN, closing=None) if problem is not None else None,
    )


def reports() -> Iterator[Problem]:
    """How problems begin: by whom, and of which class."""
    local = {"plan": "Kerja bakti.", "target_on": SOON}
    for actor, category, more in (
        (OPERATOR, "ordinary", {}),
        (OPERATOR, "emergency", {}),
        (OPERATOR, "oversight", {}),
        (LURAH, "ordinary", {"local": local}),
        (STAFF, "ordinary", {}),
        (MONITORS[0], "ordinary", {}),
        (_actor(PostKind.OFFICER, agency="PUPR"), "ordinary", {}),
    ):
        context = context_of(actor, MORNING, None)
        said = ReportIn.model_validate(
            {"title": "Saluran", "category": category, "area": HERE, "seen_on": "2026-07-22", "landmark": "RW 02"}
            | more
        )
        facts = kelurahan.report(new_id(), f"{HERE}-0001", said, context, None)
        yield follow(None, stamped_report(facts, context), context)


def draw_map() -> Map:
    """Every kind of problem there can be, with all ways between them; at times a fortnight goes by."""
    drawn = Map()
    ahead: deque[tuple[Problem, datetime]] = deque((problem, MORNING) for problem in reports())
    while ahead:
        problem, now = ahead.popleft()
        key = key_of(problem, now)
        if key in drawn.problems:
            continue
        drawn.problems[key] = problem
        ways = drawn.ways.setdefault(key, set())
        for verb, after in moves(problem, now):
            ways.add(key_of(after, now))
            ahead.append((after, now))
            if verb in SAID and after.state is not problem.state:
                drawn.taken.add((verb, problem.state, after.state))
        if now is MORNING:
            ahead.append((problem, LATER))
    return drawn


@pytest.fixture(scope="module")
def drawn() -> Map:
    return draw_map()


def test_people_alone_can_bring_every_problem_to_an_end(drawn: Map) -> None:
    into: dict[Key, set[Key]] = {}
    for key, targets in drawn.ways.items():
        for target in targets:
            into.setdefault(target, set()).add(key)
    ending = deque(key for key, problem in drawn.problems.items() if problem.state in ENDED)
    reached = set(ending)
    while ending:
        fresh = into.get(ending.popleft(), set()) - reached
        reached |= fresh
        ending.extend(fresh)
    stuck = [problem for key, problem in drawn.problems.items() if key not in reached]
    assert not stuck, stuck[0]
    print(f"{len(drawn.problems)} kinds of problem, {sum(map(len, drawn.ways.values()))} ways between them")


def test_every_state_is_reached_and_every_arrow_of_the_diagram_is_a_way_somebody_can_go(drawn: Map) -> None:
    assert {problem.state for problem in drawn.problems.values()} == set(State)
    arrows = {
        (verb, source, target)
        for verb in SAID
        for source in STEPS[verb].sources
        for target in STEPS[verb].targets(source)
    }
    assert drawn.taken - arrows == set(), "steps that the diagram does not show"
    assert arrows - drawn.taken == set(), "arrows that nobody can go"


def test_open_problems_lie_on_a_desk_until_some_moment(drawn: Map) -> None:
    for problem in drawn.problems.values():
        if problem.state in OPEN:
            assert problem.desk is not None, problem
            assert problem.desk_until is not None, problem
        else:
            assert not any(part.is_open for part in problem.assignments), problem


def test_once_accepted_a_problem_is_the_kecamatans(drawn: Map) -> None:
    for problem in drawn.problems.values():
        early = problem.ground in ("submitted", "handled_locally", "forwarded")
        assert early == (problem.accepted_at is None), problem
        if problem.assignments:
            assert not early, problem


# -- the tables of the plan ------------------------------------------------------------------------------------------

ANY_OPEN: Final = (
    "submitted handled_locally forwarded returned accepted assigned in_progress on_hold awaiting_confirmation"
)
FROM: Final[Mapping[str, str]] = {
    "edit": ANY_OPEN,
    "recategorise": ANY_OPEN,
    "prioritise": ANY_OPEN,
    "move": ANY_OPEN,
    "propose_move": ANY_OPEN,
    "endorse": ANY_OPEN,  # of an emergency that went up at once
    "forward": "submitted handled_locally",
    "call_up": "submitted returned",
    "handle_locally": "submitted forwarded",
    "send_back": "submitted",
    "object": "forwarded",
    "withdraw": "submitted returned handled_locally forwarded",
    "accept": "forwarded",
    "ask": "forwarded accepted assigned in_progress",
    "answer": "returned",
    "take_up": "accepted",
    "assign": "accepted assigned in_progress forwarded",  # from forwarded in an emergency
    "decide_authority": "accepted",
    "finish": "handled_locally in_progress",
    "hold": "accepted in_progress handled_locally",
    "resume": "on_hold",
    "confirm": "awaiting_confirmation",
    "dispute": "awaiting_confirmation",
    "reopen": "resolved closed",
    "reject": "forwarded accepted",
    "appeal": "closed",
    "decide_appeal": "closed",
    "mark_duplicate": ANY_OPEN,
    "unmark": "closed",
    "defer_to_planning": "accepted in_progress on_hold",
    "escalate": ANY_OPEN,
    "comment": f"{ANY_OPEN} resolved closed",  # late, from a device that did not know
    "attach": f"{ANY_OPEN} resolved closed",
    "link": f"{ANY_OPEN} resolved closed",
}
PART_FROM: Final[Mapping[str, str]] = {
    "accept": "offered",
    "start": "accepted",
    "progress": "in_progress",
    "delegate": "offered accepted in_progress",
    "hold": "in_progress",
    "agree_hold": "in_progress",
    "decline_hold": "in_progress",
    "resume": "on_hold",
    "finish": "in_progress",
    "refuse": "offered accepted",
    "revoke": "offered accepted in_progress on_hold",
}


def test_steps_start_where_the_plan_says() -> None:
    assert {verb.value: set(step.sources) for verb, step in STEPS.items()} == {
        verb: set(states.split()) for verb, states in FROM.items()
    }
    assert {verb.value: set(step.sources) for verb, step in PART_STEPS.items()} == {
        verb: set(states.split()) for verb, states in PART_FROM.items()
    }


def test_verbs_that_are_not_walked_lead_nowhere() -> None:
    assert all(not STEPS[verb].to for verb in STEPS.keys() - SAID.keys())
    assert STEPS.keys() - SAID.keys() == {
        "edit",
        "recategorise",
        "prioritise",
        "move",
        "propose_move",
        "escalate",
        "comment",
        "attach",
        "link",
    }
