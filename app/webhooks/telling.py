"""Which facts agencies are told, as what, and which agencies. Pure: it asks no database, only what happened."""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from app.journal.facts import Recorded
from app.people.words import PostKind
from app.problems.lifecycle.merging import fields_of
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.words import AssignmentState, Closing
from app.webhooks.payloads import API
from app.webhooks.words import EventType


@dataclass(frozen=True)
class News:
    """Something that one agency is told, if it wants to be."""

    agency: str
    type: EventType
    at: datetime
    data: BaseModel | Mapping[str, Any]
    area: str | None = None
    """Where it happened; what happened nowhere is sent to every endpoint, whatever area it asks for."""
    problem: UUID | None = None
    version: int | None = None
    left: str | None = None
    """The area that a problem moved out of: whoever asks for that one hears it too."""


@dataclass(frozen=True)
class Moment:
    """A fact as one agency is told of it."""

    recorded: Recorded
    problem: Problem
    agency: str

    @property
    def data(self) -> Mapping[str, Any]:
        return self.recorded.fact.data

    def given(self, *names: str) -> dict[str, Any]:
        """Members of the fact as they are; what it does not say is null."""
        return {name: self.data.get(name) for name in names}

    def said(self, *names: str) -> dict[str, bool]:
        """Marks that a fact leaves out where they do not apply."""
        return {name: bool(self.data.get(name)) for name in names}

    @property
    def photos(self) -> dict[str, Any]:
        return {"photos": self.data.get("photos") or []}

    @property
    def fields(self) -> dict[str, Any]:
        """Names of what was corrected."""
        data = {**self.data, "texts": self.recorded.fact.texts}
        return {"fields": sorted(fields_of(self.recorded.fact.kind, data))}

    @property
    def is_offered(self) -> bool:
        """Whether this gave the agency its part."""
        return any(offer["agency"] == self.agency for offer in self.data["offers"])


Members = Callable[[Moment], dict[str, Any]]


def _nothing_more(_moment: Moment) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Told:
    """A kind of fact that is told, and what beside the snapshot."""

    type: EventType
    members: Members = _nothing_more


@dataclass(frozen=True)
class Untold:
    """A kind of fact that no agency is told, and why."""

    because: str


def _assigned(moment: Moment) -> dict[str, Any]:
    return {
        "lead": moment.problem.lead_agency,
        "offered": moment.is_offered,
        "binding": bool(moment.data.get("binding")),
    }


def _returned(to: str, *, question: bool) -> Told:
    return Told(EventType.PROBLEM_RETURNED, lambda moment: {"returned_to": to, "question": question})


def _closed(closing: Closing) -> Told:
    return Told(
        EventType.PROBLEM_CLOSED, lambda moment: {"closing": closing.value, **moment.given("reason_code", "main")}
    )


def _reopened(cause: str) -> Told:
    return Told(EventType.PROBLEM_REOPENED, lambda moment: {"cause": cause, **moment.said("automatic")})


_MAIN_CHANGED = Told(
    EventType.PROBLEM_MAIN_CHANGED,
    lambda moment: {"main": moment.problem.main_id, "outcome": moment.problem.main_outcome},
)
_CORRECTION = Untold("it is a proposal that the territory has yet to decide; what is taken of it is a fact of its own")
_QUARANTINE = Untold("it says how the territory settled what a phone sent; what was done is a fact of its own")

TELLING: Final[Mapping[str, Told | Untold]] = {
    "reported": Told(
        EventType.PROBLEM_REPORTED,
        lambda moment: {
            "origin": moment.problem.origin,
            "alerted": moment.problem.alerted_agency == moment.agency,
        },
    ),
    "edited": Told(EventType.PROBLEM_EDITED, lambda moment: moment.fields),
    "recategorised": Told(EventType.PROBLEM_RECATEGORISED),
    "prioritised": Told(EventType.PROBLEM_PRIORITISED),
    "moved_out": Untold("the next fact, moved_in, tells the whole move"),
    "moved_in": Told(
        EventType.PROBLEM_MOVED,
        lambda moment: {"moved_from": moment.data["from"], "moved_to": moment.data["to"]},
    ),
    "move_proposed": Untold("it is a wish of the lurah to the kecamatan; the move itself is told"),
    "forwarded": Told(EventType.PROBLEM_FORWARDED),
    "endorsed": Told(EventType.PROBLEM_ENDORSED),
    "called_up": Told(EventType.PROBLEM_ACCEPTED),
    "handled_locally": Told(EventType.PROBLEM_HANDLED_LOCALLY),
    "sent_back": _returned("kelurahan", question=False),
    "objected": _returned("origin", question=False),
    "withdrawn": _closed(Closing.WITHDRAWN),
    "accepted": Told(EventType.PROBLEM_ACCEPTED),
    "asked": _returned("kelurahan", question=True),
    "answered": Told(EventType.PROBLEM_ANSWERED, lambda moment: moment.fields),
    "taken_up": Told(EventType.PROBLEM_TAKEN_UP),
    "assigned": Told(EventType.PROBLEM_ASSIGNED, _assigned),
    "authority_decided": Told(EventType.PROBLEM_ASSIGNED, _assigned),
    "finished": Told(
        EventType.PROBLEM_FINISHED, lambda moment: moment.given("resolution", "worked_by") | moment.photos
    ),
    "held": Told(EventType.PROBLEM_HELD, lambda moment: moment.given("reason_code", "review_on")),
    "resumed": Told(EventType.PROBLEM_RESUMED, lambda moment: moment.said("automatic")),
    "confirmed": Told(
        EventType.PROBLEM_CONFIRMED, lambda moment: {**moment.given("rating"), **moment.said("automatic")}
    ),
    "disputed": Told(EventType.PROBLEM_DISPUTED, lambda moment: moment.photos),
    "reopened": _reopened("reopened"),
    "rejected": _closed(Closing.REJECTED),
    "appealed": Told(EventType.PROBLEM_APPEALED),
    "appeal_decided": Told(EventType.PROBLEM_APPEAL_DECIDED, lambda moment: moment.given("outcome")),
    "marked_duplicate": _closed(Closing.DUPLICATE),
    "repointed": _MAIN_CHANGED,
    "main_ended": _MAIN_CHANGED,
    "main_reopened": _MAIN_CHANGED,
    "unmarked": _reopened("unmarked"),
    "deferred_to_planning": _closed(Closing.PLANNED),
    "escalated": Told(EventType.PROBLEM_ESCALATED, lambda moment: moment.given("level")),
    "commented": Told(
        EventType.PROBLEM_COMMENTED, lambda moment: {**moment.given("comment"), **moment.said("internal", "late")}
    ),
    "attached": Told(EventType.PROBLEM_PHOTO_ADDED, lambda moment: {**moment.given("photo"), **moment.said("late")}),
    "linked": Told(
        EventType.PROBLEM_LINKED,
        lambda moment: {"other": moment.data["problem"], **moment.given("link"), **moment.said("late")},
    ),
    "proposal_made": _CORRECTION,
    "proposal_accepted": _CORRECTION,
    "proposal_dismissed": _CORRECTION,
    "operation_adopted": _QUARANTINE,
    "operation_dismissed": _QUARANTINE,
    "assignment_accepted": Told(EventType.ASSIGNMENT_ACCEPTED),
    "assignment_started": Told(EventType.ASSIGNMENT_STARTED),
    "assignment_progressed": Told(
        EventType.ASSIGNMENT_PROGRESSED, lambda moment: moment.given("percent") | moment.photos
    ),
    "assignment_delegated": Told(EventType.ASSIGNMENT_DELEGATED),
    "assignment_hold_proposed": Told(
        EventType.ASSIGNMENT_HOLD_PROPOSED, lambda moment: moment.given("reason_code", "review_on")
    ),
    "assignment_hold_agreed": Told(EventType.ASSIGNMENT_HOLD_AGREED),
    "assignment_hold_declined": Told(EventType.ASSIGNMENT_HOLD_DECLINED, lambda moment: moment.said("automatic")),
    "assignment_resumed": Told(EventType.ASSIGNMENT_RESUMED, lambda moment: moment.said("automatic")),
    "assignment_finished": Told(
        EventType.ASSIGNMENT_FINISHED, lambda moment: moment.given("resolution") | moment.photos
    ),
    "assignment_refused": Told(EventType.ASSIGNMENT_REFUSED, lambda moment: moment.given("reason_code", "belongs_to")),
    "assignment_revoked": Told(EventType.ASSIGNMENT_REVOKED),
}
"""Every kind of fact about problems. A test holds it against the contract of the room."""


def concerned(recorded: Recorded) -> frozenset[str]:
    """The agencies that are told of a fact: those that the problem concerns now, and those that it cost their part."""
    return frozenset(_told(recorded)) | frozenset(part.agency_code for part in _lost(recorded))


def news_of(recorded: Recorded, agencies: Set[str], public_url: str) -> Iterator[News]:
    """What a fact tells each of these agencies, in the order in which it is to be heard."""
    problem, author = recorded.record, recorded.author
    if not agencies or not isinstance(problem, Problem):
        return
    snapshot = _problem(problem, public_url)
    left = recorded.fact.data["from"] if recorded.fact.kind == "moved_in" else None

    def news(agency: str, type_: EventType, part: Assignment | None, members: dict[str, Any]) -> News:
        data = {
            "problem": snapshot,
            "assignment": part and _assignment(part, public_url),
            "by": author.post,
            **members,
        }
        return News(agency, type_, recorded.at, data, problem.area_code, problem.id, problem.version, left)

    for part in _lost(recorded):
        if part.agency_code in agencies:
            yield news(part.agency_code, EventType.ASSIGNMENT_REVOKED, part, {})
    telling = TELLING[recorded.fact.kind]
    assert isinstance(telling, Told), "agencies were concerned"
    happened_to = _part_meant(recorded, problem)
    for agency in sorted(agencies & _told(recorded)):
        shown = happened_to or _own_part(problem, agency)
        yield news(agency, telling.type, shown, telling.members(Moment(recorded, problem, agency)))


def _told(recorded: Recorded) -> frozenset[str]:
    """The agencies that are told of the fact itself."""
    problem, data = recorded.record, recorded.fact.data
    if not isinstance(problem, Problem) or isinstance(TELLING[recorded.fact.kind], Untold):
        return frozenset()
    if data.get("internal"):
        return problem.seen_by & _side(recorded)
    if recorded.fact.kind == "assignment_revoked":
        return problem.seen_by | {data["agency"]}
    return problem.seen_by


def _side(recorded: Recorded) -> frozenset[str]:
    """The agency that an internal comment stays in; none where it stays in the territory."""
    kind, _, place = recorded.author.post.partition(":")
    return frozenset({place} if kind in (PostKind.OFFICER, PostKind.HEAD) else ())


def _lost(recorded: Recorded) -> list[Assignment]:
    """The parts that a fact revoked by the way."""
    problem, revoked = recorded.record, recorded.fact.data.get("revoked")
    if not revoked or not isinstance(problem, Problem):
        return []
    return [part for part in problem.assignments if str(part.id) in revoked]


def _part_meant(recorded: Recorded, problem: Problem) -> Assignment | None:
    """The part that a fact is about."""
    named = recorded.fact.data.get("assignment")
    return problem.assignment(UUID(named)) if named else None


def _own_part(problem: Problem, agency: str) -> Assignment | None:
    """The agency's newest part, an open or done one before one that it refused."""
    own = [
        part
        for part in reversed(problem.assignments)
        if part.agency_code == agency and part.state is not AssignmentState.REVOKED
    ]
    return next((part for part in own if part.is_alive), own[0] if own else None)


def _problem(problem: Problem, public_url: str) -> dict[str, Any]:
    return {
        "id": problem.id,
        "number": problem.number,
        "state": problem.state,
        "version": problem.version,
        "category": problem.category_code,
        "area": problem.area_code,
        "priority": problem.priority,
        "due_at": problem.due_at,
        "href": f"{public_url}{API}/problems/{problem.id}",
    }


def _assignment(part: Assignment, public_url: str) -> dict[str, Any]:
    return {
        "id": part.id,
        "agency": part.agency_code,
        "lead": part.is_lead,
        "state": part.state,
        "due_at": part.due_at,
        "href": f"{public_url}{API}/assignments/{part.id}",
    }
