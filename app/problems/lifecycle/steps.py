"""The two tables of steps: what can be done with a problem, and with an agency's part of it, and from which states.

They drive enforcement, `may`, the kinds of facts, and the diagrams of the documentation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from app.journal.facts import Fact
from app.kit.refusals import Refusal
from app.problems.lifecycle import ending, kecamatan, kelurahan, parts, remarks
from app.problems.lifecycle.context import Context, StepNotAllowed, desk_until
from app.problems.lifecycle.evolve import evolve
from app.problems.lifecycle.parts import PartStepNotAllowed
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.words import OPEN, AssignmentState, AssignmentVerb, State, Verb

WORKING_DAYS_BEFORE_WIDENING = 5
"""From the sixth working day on, the office above may confirm too."""


def _always(_problem: Problem, _context: Context) -> None:
    """No further condition."""


@dataclass(frozen=True)
class Step:
    """One verb: the states it starts from, the fact it makes, and when, within those states, it is open at all."""

    sources: frozenset[State]
    decide: Callable[[Problem, Any, Context], list[Fact]]
    is_open: Callable[[Problem, Context], None] = _always
    """Raises where the verb is closed although the state would allow it."""
    to: frozenset[State] = frozenset()
    """The states it can lead to, besides staying where it is."""
    never: frozenset[tuple[State, State]] = frozenset()
    """Ways between a source and a target of this verb that do not exist all the same."""

    def targets(self, source: State) -> frozenset[State]:
        """The other states that this verb can lead to from one of its sources."""
        return frozenset(each for each in self.to - {source} if (source, each) not in self.never)


def _from(*states: State) -> frozenset[State]:
    return frozenset(states)


_UNDER_WAY = _from(State.ACCEPTED, State.ASSIGNED, State.IN_PROGRESS)
_ENDED = _from(State.RESOLVED, State.CLOSED)

STEPS: Final[Mapping[Verb, Step]] = {
    Verb.EDIT: Step(OPEN, kelurahan.edit),
    Verb.RECATEGORISE: Step(OPEN, kecamatan.recategorise),
    Verb.PRIORITISE: Step(OPEN, kecamatan.prioritise),
    Verb.MOVE: Step(OPEN, kecamatan.move),
    Verb.PROPOSE_MOVE: Step(OPEN, kelurahan.propose_move),
    Verb.FORWARD: Step(_from(State.SUBMITTED, State.HANDLED_LOCALLY), kelurahan.forward, to=_from(State.FORWARDED)),
    Verb.ENDORSE: Step(OPEN, kelurahan.endorse, kelurahan.endorse_is_open),
    Verb.CALL_UP: Step(
        _from(State.SUBMITTED, State.RETURNED), kelurahan.call_up, kelurahan.call_up_is_open, to=_from(State.ACCEPTED)
    ),
    Verb.HANDLE_LOCALLY: Step(
        _from(State.SUBMITTED, State.FORWARDED), kelurahan.handle_locally, to=_from(State.HANDLED_LOCALLY)
    ),
    Verb.SEND_BACK: Step(_from(State.SUBMITTED), kelurahan.send_back, to=_from(State.RETURNED)),
    Verb.OBJECT: Step(_from(State.FORWARDED), kelurahan.object_to, kelurahan.object_is_open, to=_from(State.RETURNED)),
    Verb.WITHDRAW: Step(
        _from(State.SUBMITTED, State.RETURNED, State.HANDLED_LOCALLY, State.FORWARDED),
        kelurahan.withdraw,
        kelurahan.withdraw_is_open,
        to=_from(State.CLOSED),
    ),
    Verb.ACCEPT: Step(_from(State.FORWARDED), kecamatan.accept, to=_from(State.ACCEPTED)),
    Verb.ASK: Step(_UNDER_WAY | {State.FORWARDED}, kecamatan.ask, to=_from(State.RETURNED)),
    Verb.ANSWER: Step(
        _from(State.RETURNED),
        kelurahan.answer,
        to=_from(State.SUBMITTED, State.FORWARDED) | _UNDER_WAY | {State.ON_HOLD, State.AWAITING_CONFIRMATION},
    ),
    Verb.TAKE_UP: Step(_from(State.ACCEPTED), kecamatan.take_up, to=_from(State.IN_PROGRESS)),
    Verb.ASSIGN: Step(
        _UNDER_WAY | {State.FORWARDED},
        kecamatan.assign,
        kecamatan.assign_is_open,
        to=_from(State.ASSIGNED),
    ),
    Verb.DECIDE_AUTHORITY: Step(_from(State.ACCEPTED), kecamatan.decide_authority, to=_from(State.ASSIGNED)),
    Verb.FINISH: Step(
        _from(State.HANDLED_LOCALLY, State.IN_PROGRESS),
        ending.finish,
        ending.finish_is_open,
        to=_from(State.AWAITING_CONFIRMATION, State.RESOLVED),
        never=frozenset({(State.IN_PROGRESS, State.RESOLVED)}),
    ),
    Verb.HOLD: Step(
        _from(State.ACCEPTED, State.IN_PROGRESS, State.HANDLED_LOCALLY),
        kecamatan.hold,
        to=_from(State.ON_HOLD),
    ),
    Verb.RESUME: Step(
        _from(State.ON_HOLD),
        kecamatan.resume,
        to=_from(State.ACCEPTED, State.IN_PROGRESS, State.HANDLED_LOCALLY, State.AWAITING_CONFIRMATION),
    ),
    Verb.CONFIRM: Step(_from(State.AWAITING_CONFIRMATION), ending.confirm, to=_from(State.RESOLVED)),
    Verb.DISPUTE: Step(
        _from(State.AWAITING_CONFIRMATION), ending.dispute, to=_from(State.IN_PROGRESS, State.HANDLED_LOCALLY)
    ),
    Verb.REOPEN: Step(
        _ENDED, ending.reopen, ending.reopen_is_open, to=_from(State.IN_PROGRESS, State.ACCEPTED, State.HANDLED_LOCALLY)
    ),
    Verb.REJECT: Step(_from(State.FORWARDED, State.ACCEPTED), ending.reject, to=_from(State.CLOSED)),
    Verb.APPEAL: Step(_from(State.CLOSED), ending.appeal, ending.appeal_is_open),
    Verb.DECIDE_APPEAL: Step(
        _from(State.CLOSED), ending.decide_appeal, ending.decide_appeal_is_open, to=_from(State.ACCEPTED)
    ),
    Verb.MARK_DUPLICATE: Step(OPEN, ending.mark_duplicate, to=_from(State.CLOSED)),
    Verb.UNMARK: Step(
        _from(State.CLOSED),
        ending.unmark,
        ending.unmark_is_open,
        to=OPEN - {State.ASSIGNED, State.RETURNED, State.ON_HOLD},
    ),
    Verb.DEFER_TO_PLANNING: Step(
        _from(State.ACCEPTED, State.IN_PROGRESS, State.ON_HOLD), ending.defer_to_planning, to=_from(State.CLOSED)
    ),
    Verb.ESCALATE: Step(OPEN, kecamatan.escalate),
    Verb.COMMENT: Step(frozenset(State), remarks.comment),
    Verb.ATTACH: Step(frozenset(State), remarks.attach),
    Verb.LINK: Step(frozenset(State), remarks.link),
}


@dataclass(frozen=True)
class PartStep:
    """One verb on an agency's part."""

    sources: frozenset[AssignmentState]
    decide: Callable[[Problem, Assignment, Any, Context], list[Fact]]
    to: AssignmentState | None = None
    """The state it leads to; None where the state stays."""
    proposed_hold: bool | None = None
    """Whether a hold must be waiting for its answer, or must not; None where it does not matter."""


def _part_from(*states: AssignmentState) -> frozenset[AssignmentState]:
    return frozenset(states)


_OFFERED, _TAKEN, _RUNNING = AssignmentState.OFFERED, AssignmentState.ACCEPTED, AssignmentState.IN_PROGRESS
_PAUSED = AssignmentState.ON_HOLD

PART_STEPS: Final[Mapping[AssignmentVerb, PartStep]] = {
    AssignmentVerb.ACCEPT: PartStep(_part_from(_OFFERED), parts.accept, _TAKEN),
    AssignmentVerb.START: PartStep(_part_from(_TAKEN), parts.start, _RUNNING),
    AssignmentVerb.PROGRESS: PartStep(_part_from(_RUNNING), parts.progress),
    AssignmentVerb.DELEGATE: PartStep(_part_from(_OFFERED, _TAKEN, _RUNNING), parts.delegate),
    AssignmentVerb.HOLD: PartStep(_part_from(_RUNNING), parts.hold, proposed_hold=False),
    AssignmentVerb.AGREE_HOLD: PartStep(_part_from(_RUNNING), parts.agree_hold, _PAUSED, proposed_hold=True),
    AssignmentVerb.DECLINE_HOLD: PartStep(_part_from(_RUNNING), parts.decline_hold, proposed_hold=True),
    AssignmentVerb.RESUME: PartStep(_part_from(_PAUSED), parts.resume, _RUNNING),
    AssignmentVerb.FINISH: PartStep(_part_from(_RUNNING), parts.finish, AssignmentState.DONE),
    AssignmentVerb.REFUSE: PartStep(_part_from(_OFFERED, _TAKEN), parts.refuse, AssignmentState.REFUSED),
    AssignmentVerb.REVOKE: PartStep(
        _part_from(_OFFERED, _TAKEN, _RUNNING, _PAUSED), parts.revoke, AssignmentState.REVOKED
    ),
}

WORK_GOES_ON: Final = frozenset(
    {State.ASSIGNED, State.IN_PROGRESS, State.RETURNED, State.ON_HOLD, State.AWAITING_CONFIRMATION}
)
"""States of the problem in which agencies move their parts; without a lead, supporters wait."""


def decide(problem: Problem, said: Any, context: Context) -> list[Fact]:
    """The facts that saying this makes, or the refusal."""
    verb = Verb(said.verb)
    check(problem, verb, context)
    return _stamped(problem, STEPS[verb].decide(problem, said, context), context)


def decide_part(problem: Problem, part: Assignment, said: Any, context: Context) -> list[Fact]:
    """The facts that saying this of an agency's part makes, or the refusal."""
    verb = AssignmentVerb(said.verb)
    check_part(problem, part, verb)
    return _stamped(problem, PART_STEPS[verb].decide(problem, part, said, context), context)


def check(problem: Problem, verb: Verb, context: Context) -> None:
    """Raises where the problem does not stand where this verb is open."""
    step = STEPS[verb]
    if problem.state not in step.sources:
        raise StepNotAllowed(problem, verb)
    step.is_open(problem, context)


def check_part(problem: Problem, part: Assignment, verb: AssignmentVerb) -> None:
    """Raises where the part, or the problem it belongs to, does not stand where this verb is open."""
    step = PART_STEPS[verb]
    if part.state not in step.sources:
        raise PartStepNotAllowed(part, verb)
    if verb is not AssignmentVerb.REVOKE and (problem.state not in WORK_GOES_ON or problem.lead is None):
        raise PartStepNotAllowed(part, verb)
    if step.proposed_hold not in (None, part.hold_proposed_at is not None):
        raise PartStepNotAllowed(part, verb)


def is_open(problem: Problem, verb: Verb, context: Context) -> bool:
    """Whether the verb is open now; the content may still be refused."""
    if problem.state not in STEPS[verb].sources:
        return False
    try:
        check(problem, verb, context)
    except Refusal:
        return False
    return verb not in (Verb.COMMENT, Verb.ATTACH, Verb.LINK) or problem.state in OPEN


def is_part_open(problem: Problem, part: Assignment, verb: AssignmentVerb) -> bool:
    if part.state not in PART_STEPS[verb].sources:
        return False
    try:
        check_part(problem, part, verb)
    except Refusal:
        return False
    return True


def _stamped(problem: Problem, facts: Sequence[Fact], context: Context) -> list[Fact]:
    """The facts, the last one telling until when the office that now has the problem should have moved it."""
    after = problem
    for fact in facts:
        after = evolve(after, fact, context.now, context.author)
    last = dict(facts[-1].data)
    passed_on = after.state != problem.state or (after.desk != problem.desk and facts[-1].kind != "moved_in")
    if passed_on or "due_at" in last:
        until = desk_until(after, context)
        last["until"] = until.isoformat() if until else None
    if after.state is State.AWAITING_CONFIRMATION and after.confirm_widens_at is None:
        widens_at = context.calendar.due(context.now, WORKING_DAYS_BEFORE_WIDENING)
        last["confirm_widens_at"] = widens_at.isoformat()
    return [*facts[:-1], replace(facts[-1], data=last)]


def stamped_report(facts: Sequence[Fact], context: Context) -> list[Fact]:
    """A report's facts with the first desk's time."""
    after = evolve(None, facts[0], context.now, context.author)
    first = dict(facts[0].data)
    until = desk_until(after, context)
    first["until"] = until.isoformat() if until else None
    return [replace(facts[0], data=first), *facts[1:]]
