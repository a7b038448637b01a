"""What each fact makes of a problem. Nothing else changes one, so folding a log gives the tables again."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.agencies.words import CategoryClass
from app.journal.facts import Author, Fact
from app.problems.lifecycle.record import Assignment, Problem, replace
from app.problems.words import (
    ENDED,
    AssignmentState,
    Closing,
    Ground,
    HoldReason,
    Overlay,
    Priority,
    Resolution,
    Source,
    Worker,
)

TEXT_FIELDS = ("title", "description", "address", "landmark")
"""Free text of a problem: it travels in a fact's texts, never in its data."""


def evolve(problem: Problem | None, fact: Fact, at: datetime, author: Author) -> Problem:
    """The problem after this fact. `problem` is None before the fact `reported` only."""
    if problem is None:
        after = _reported(fact, at, author)
    else:
        after = _CHANGES[fact.kind](problem, fact, at, author)
    data = fact.data
    stamped: dict[str, Any] = {}
    if "until" in data:
        stamped["desk_until"] = _moment(data["until"])
    if "due_at" in data:
        stamped["due_at"] = _moment(data["due_at"])
        stamped["promised_at"] = after.promised_at or stamped["due_at"]
    if "confirm_widens_at" in data:
        stamped["confirm_widens_at"] = _moment(data["confirm_widens_at"])
    version = after.version + 1
    if after.state not in ENDED:
        stamped["ended_version"] = None
    elif problem is None or problem.state not in ENDED:
        stamped["ended_version"] = version
    return replace(after, version=version, updated_at=at, **stamped)


def fold(facts: Iterable[tuple[Fact, datetime, Author, str, int]]) -> Problem | None:
    """The problem that these facts (with moment, author, log and position, in order of version) amount to."""
    problem: Problem | None = None
    for fact, at, author, _log, position in facts:
        problem = replace(evolve(problem, fact, at, author), position=position)
    return problem


def _reported(fact: Fact, at: datetime, author: Author) -> Problem:
    data, texts = fact.data, fact.texts
    point = data.get("point") or {}
    ground = Ground(data["ground"])
    return Problem(
        id=UUID(data["id"]),
        number=data["number"],
        area_code=data["area"],
        title=texts["title"],
        description=texts.get("description"),
        address=texts.get("address"),
        landmark=texts.get("landmark"),
        plan=texts.get("plan"),
        category_code=data["category"],
        class_code=CategoryClass(data["class"]),
        proof_required=data["proof_required"],
        seen_on=date.fromisoformat(data["seen_on"]),
        source=Source(data["source"]),
        source_ref=data.get("source_ref"),
        latitude=point.get("lat"),
        longitude=point.get("lon"),
        rt=data.get("rt"),
        rw=data.get("rw"),
        author_id=author.account_id,
        origin=data["origin"],
        created_at=at,
        updated_at=at,
        ground=ground,
        endorsed=data.get("endorsed", False),
        forwarded_at=at if ground is Ground.FORWARDED else None,
        target_on=_day(data.get("target_on")),
        alerted_agency=data.get("alerted_agency"),
    )


def _edited(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    changes: dict[str, Any] = dict(fact.data.get("changes", {}))
    if "point" in changes:
        point = changes.pop("point") or {}
        changes |= {"latitude": point.get("lat"), "longitude": point.get("lon")}
    if "seen_on" in changes:
        changes["seen_on"] = date.fromisoformat(changes["seen_on"])
    if "source" in changes:
        changes["source"] = Source(changes["source"])
    changes |= dict.fromkeys(fact.data.get("cleared", ()))
    changes |= {name: text for name, text in fact.texts.items() if name in TEXT_FIELDS}
    return replace(problem, **changes)


def _recategorised(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(
        problem,
        category_code=fact.data["category"],
        class_code=CategoryClass(fact.data["class"]),
        proof_required=fact.data["proof_required"],
    )


def _prioritised(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(problem, priority=Priority(fact.data["priority"]))


def _moved_in(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    """What the former lurah objected to, the new one answers."""
    return replace(problem, area_code=fact.data["to"], returned_to=problem.returned_to and "kelurahan")


def _forwarded(problem: Problem, _fact: Fact, at: datetime, _author: Author) -> Problem:
    return replace(problem, ground=Ground.FORWARDED, forwarded_at=at, endorsed=True)


def _endorsed(problem: Problem, _fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(problem, endorsed=True)


def _taken_over(problem: Problem, _fact: Fact, at: datetime, _author: Author) -> Problem:
    return replace(_lifted(problem), ground=Ground.ACCEPTED, accepted_at=problem.accepted_at or at)


def _handled_locally(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(
        problem,
        ground=Ground.HANDLED_LOCALLY,
        plan=fact.texts["plan"],
        target_on=_day(fact.data["target_on"]),
        endorsed=True,
    )


def _returned(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(
        problem,
        overlay=Overlay.RETURNED,
        returned_to="origin" if fact.kind == "objected" else "kelurahan",
        is_question=fact.kind == "asked",
    )


def _answered(problem: Problem, fact: Fact, at: datetime, author: Author) -> Problem:
    return _lifted(_edited(problem, fact, at, author))


def _taken_up(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(problem, ground=Ground.TAKEN_UP, plan=fact.texts["plan"])


def _assigned(problem: Problem, fact: Fact, at: datetime, _author: Author) -> Problem:
    data = fact.data
    offers = tuple(
        Assignment(
            id=UUID(offer["id"]),
            agency_code=offer["agency"],
            is_lead=offer["lead"],
            is_required=offer["required"],
            state=AssignmentState.OFFERED,
            assigned_by=data["by"],
            by_hand=offer["by_hand"],
            is_binding=data.get("binding", False),
            instruction=fact.texts.get("instruction"),
            offered_at=at,
            due_at=_moment(offer["due_at"]),
        )
        for offer in data["offers"]
    )
    after = _revoked(problem, data["revoked"], at)
    return replace(
        after,
        assignments=after.assignments + offers,
        ground=Ground.ACCEPTED,
        accepted_at=problem.accepted_at or at,
        authority_decided=problem.authority_decided or data.get("binding", False),
    )


def _finished(problem: Problem, fact: Fact, at: datetime, author: Author) -> Problem:
    awaits = fact.data["awaits_confirmation"]
    return replace(
        problem,
        is_finished=awaits,
        worked_by=Worker(fact.data["worked_by"]),
        finished_by=author.account_id,
        finished_at=at,
        resolution=Resolution(fact.data["resolution"]),
        resolved_at=None if awaits else at,
    )


def _held(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(
        problem,
        overlay=Overlay.ON_HOLD,
        hold_reason=HoldReason(fact.data["reason_code"]),
        hold_review_on=_day(fact.data["review_on"]),
    )


def _resumed(problem: Problem, _fact: Fact, _at: datetime, _author: Author) -> Problem:
    after = _lifted(problem)
    lead = after.lead
    if lead is not None and lead.state is AssignmentState.ON_HOLD:
        after = after.with_assignment(_running(lead))
    return after


def _confirmed(problem: Problem, fact: Fact, at: datetime, _author: Author) -> Problem:
    return replace(_revoked(problem, fact.data["revoked"], at), resolved_at=at, rating=fact.data.get("rating"))


def _disputed(problem: Problem, _fact: Fact, _at: datetime, _author: Author) -> Problem:
    return _back_to_work(problem)


def _reopened(problem: Problem, fact: Fact, at: datetime, _author: Author) -> Problem:
    after = replace(
        _back_to_work(problem), resolved_at=None, closing=None, closed_at=None, planned_in=None, rating=None
    )
    match fact.data["to"]:
        case "assignment":
            return after
        case "handled_locally":
            return replace(after, ground=Ground.HANDLED_LOCALLY)
        case _:
            return replace(after, ground=Ground.ACCEPTED, accepted_at=problem.accepted_at or at)


def _closed(closing: Closing) -> "Change":
    def change(problem: Problem, fact: Fact, at: datetime, author: Author) -> Problem:
        after = _lifted(_revoked(problem, fact.data["revoked"], at))
        main = fact.data.get("main")
        return replace(
            after,
            closing=closing,
            closed_at=at,
            rejected_by=author.account_id if closing is Closing.REJECTED else problem.rejected_by,
            main_id=UUID(main) if main else None,
            planned_in=fact.data.get("planned_in"),
        )

    return change


def _appealed(problem: Problem, _fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(problem, is_appealed=True, appeal_pending=True)


def _appeal_decided(problem: Problem, fact: Fact, at: datetime, _author: Author) -> Problem:
    after = replace(problem, appeal_pending=False)
    if fact.data["outcome"] == "upheld":
        return after
    return replace(after, closing=None, closed_at=None, ground=Ground.ACCEPTED, accepted_at=problem.accepted_at or at)


def _repointed(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(problem, main_id=UUID(fact.data["main"]), main_outcome=None)


def _main_changed(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(problem, main_outcome=fact.data.get("outcome"))


def _unmarked(problem: Problem, _fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(problem, closing=None, closed_at=None, main_id=None, main_outcome=None)


def _escalated(problem: Problem, _fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(problem, escalation=problem.escalation + 1)


def _attached(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return replace(problem, photos=(*problem.photos, UUID(fact.data["photo"])))


def _unchanged(problem: Problem, _fact: Fact, _at: datetime, _author: Author) -> Problem:
    return problem


def _part(problem: Problem, fact: Fact) -> Assignment:
    part = problem.assignment(UUID(fact.data["assignment"]))
    assert part is not None, "a fact names an assignment of its problem"
    return part


def _part_accepted(problem: Problem, fact: Fact, at: datetime, _author: Author) -> Problem:
    part = _part(problem, fact)
    due_at = _moment(fact.data.get("assignment_due_at"))
    return problem.with_assignment(replace(part, state=AssignmentState.ACCEPTED, answered_at=at, due_at=due_at))


def _part_started(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return problem.with_assignment(replace(_part(problem, fact), state=AssignmentState.IN_PROGRESS))


def _part_delegated(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return problem.with_assignment(replace(_part(problem, fact), delegated_to=fact.texts["to"]))


def _part_hold_proposed(problem: Problem, fact: Fact, at: datetime, _author: Author) -> Problem:
    return problem.with_assignment(
        replace(
            _part(problem, fact),
            hold_reason=HoldReason(fact.data["reason_code"]),
            hold_review_on=_day(fact.data["review_on"]),
            hold_proposed_at=at,
        )
    )


def _part_hold_agreed(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return problem.with_assignment(replace(_part(problem, fact), state=AssignmentState.ON_HOLD, hold_proposed_at=None))


def _part_running(problem: Problem, fact: Fact, _at: datetime, _author: Author) -> Problem:
    return problem.with_assignment(_running(_part(problem, fact)))


def _part_finished(problem: Problem, fact: Fact, at: datetime, author: Author) -> Problem:
    part = replace(
        _part(problem, fact),
        state=AssignmentState.DONE,
        done_at=at,
        hold_proposed_at=None,
        resolution=Resolution(fact.data["resolution"]),
        note=fact.texts["note"],
    )
    after = problem.with_assignment(part)
    if not part.is_lead:
        return after
    worker = Worker.LINK if fact.data.get("by_link") else Worker.AGENCY
    return replace(after, worked_by=worker, finished_by=author.account_id, finished_at=at, resolution=part.resolution)


def _part_given_back(problem: Problem, fact: Fact, at: datetime, _author: Author) -> Problem:
    part = _part(problem, fact)
    state = AssignmentState.REFUSED if fact.kind == "assignment_refused" else AssignmentState.REVOKED
    after = problem.with_assignment(
        replace(part, state=state, answered_at=part.answered_at or at, hold_proposed_at=None)
    )
    return replace(after, bounces=problem.bounces + 1) if part.is_lead else after


def _running(part: Assignment) -> Assignment:
    return replace(
        part,
        state=AssignmentState.IN_PROGRESS,
        hold_reason=None,
        hold_review_on=None,
        hold_proposed_at=None,
        done_at=None,
        resolution=None,
    )


def _lifted(problem: Problem) -> Problem:
    """The problem without what lay over it."""
    return replace(problem, overlay=None, returned_to=None, is_question=False, hold_reason=None, hold_review_on=None)


def _back_to_work(problem: Problem) -> Problem:
    """The problem as it is when whoever finished it has to go on."""
    after = replace(
        problem,
        is_finished=False,
        worked_by=None,
        finished_by=None,
        finished_at=None,
        confirm_widens_at=None,
        resolution=None,
    )
    lead = after.lead
    if lead is not None and lead.state is AssignmentState.DONE:
        after = after.with_assignment(_running(lead))
    return after


def _revoked(problem: Problem, ids: Iterable[str], at: datetime) -> Problem:
    gone = {UUID(each) for each in ids}
    return replace(
        problem,
        assignments=tuple(
            replace(each, state=AssignmentState.REVOKED, answered_at=each.answered_at or at, hold_proposed_at=None)
            if each.id in gone
            else each
            for each in problem.assignments
        ),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


Change = Callable[[Problem, Fact, datetime, Author], Problem]

_CHANGES: Mapping[str, Change] = {
    "edited": _edited,
    "recategorised": _recategorised,
    "prioritised": _prioritised,
    "moved_out": _unchanged,
    "moved_in": _moved_in,
    "move_proposed": _unchanged,
    "forwarded": _forwarded,
    "endorsed": _endorsed,
    "called_up": _taken_over,
    "handled_locally": _handled_locally,
    "sent_back": _returned,
    "objected": _returned,
    "withdrawn": _closed(Closing.WITHDRAWN),
    "accepted": _taken_over,
    "asked": _returned,
    "answered": _answered,
    "taken_up": _taken_up,
    "assigned": _assigned,
    "authority_decided": _assigned,
    "finished": _finished,
    "held": _held,
    "resumed": _resumed,
    "confirmed": _confirmed,
    "disputed": _disputed,
    "reopened": _reopened,
    "rejected": _closed(Closing.REJECTED),
    "appealed": _appealed,
    "appeal_decided": _appeal_decided,
    "marked_duplicate": _closed(Closing.DUPLICATE),
    "repointed": _repointed,
    "main_ended": _main_changed,
    "main_reopened": _main_changed,
    "unmarked": _unmarked,
    "deferred_to_planning": _closed(Closing.PLANNED),
    "escalated": _escalated,
    "commented": _unchanged,
    "attached": _attached,
    "linked": _unchanged,
    "proposal_made": _unchanged,
    "proposal_accepted": _unchanged,
    "proposal_dismissed": _unchanged,
    "operation_adopted": _unchanged,
    "operation_dismissed": _unchanged,
    "assignment_accepted": _part_accepted,
    "assignment_started": _part_started,
    "assignment_progressed": _unchanged,
    "assignment_delegated": _part_delegated,
    "assignment_hold_proposed": _part_hold_proposed,
    "assignment_hold_agreed": _part_hold_agreed,
    "assignment_hold_declined": _part_running,
    "assignment_resumed": _part_running,
    "assignment_finished": _part_finished,
    "assignment_refused": _part_given_back,
    "assignment_revoked": _part_given_back,
}
