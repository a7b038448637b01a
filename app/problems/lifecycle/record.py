"""The aggregate as values: a problem with its assignments, and everything that is computed from them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.agencies.words import CategoryClass
from app.areas.words import parent_of
from app.problems.words import (
    ASSIGNMENT_OPEN,
    AssignmentState,
    Closing,
    Ground,
    HoldReason,
    Overlay,
    Priority,
    Resolution,
    Source,
    State,
    Worker,
)

if TYPE_CHECKING:
    from dataclasses import replace as replace  # noqa: PLC0414 - so that fields and their types are checked
else:

    def replace(record: Any, /, **changes: Any) -> Any:
        """The same record with other values, as `dataclasses.replace` does it, in a tenth of its time.

        That one asks every field twice, and a push or an import changes some thousand records of fifty fields.
        """
        after = object.__new__(type(record))
        after.__dict__.update(record.__dict__, **changes)
        if len(after.__dict__) != len(record.__dict__):
            raise TypeError(f"{type(record).__name__} has no {', '.join(changes.keys() - record.__dict__.keys())}")
        return after


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One agency's part of a problem."""

    id: UUID
    agency_code: str
    is_lead: bool
    is_required: bool
    state: AssignmentState
    assigned_by: str
    """Whose assignment it is to revoke: `kecamatan` or `city`."""
    by_hand: bool
    """The agency has no accounts here; the assigner's office moves it and names a letter."""
    is_binding: bool = False
    """Decided by the monitor: cannot be refused as not our authority."""
    instruction: str | None = None
    delegated_to: str | None = None
    offered_at: datetime
    answered_at: datetime | None = None
    done_at: datetime | None = None
    due_at: datetime | None = None
    hold_reason: HoldReason | None = None
    hold_review_on: date | None = None
    hold_proposed_at: datetime | None = None
    """Set while a hold waits for the camat; the clock runs on."""
    resolution: Resolution | None = None
    note: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state in ASSIGNMENT_OPEN

    @property
    def is_alive(self) -> bool:
        """Open or done: neither refused nor revoked."""
        return self.is_open or self.state is AssignmentState.DONE


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem as the facts about it make it. Its table has a column of the same name for every field."""

    id: UUID
    number: str
    area_code: str
    version: int = 0
    position: int = 0

    title: str
    description: str | None = None
    category_code: str
    class_code: CategoryClass
    proof_required: bool
    seen_on: date
    source: Source
    source_ref: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    address: str | None = None
    landmark: str | None = None
    rt: str | None = None
    rw: str | None = None
    priority: Priority = Priority.NORMAL
    escalation: int = 0

    author_id: UUID | None
    origin: str
    """The office that recorded it, such as `kelurahan:35.75.03.1005` or `agency:PUPR`."""
    created_at: datetime
    updated_at: datetime

    ground: Ground
    overlay: Overlay | None = None
    returned_to: str | None = None
    """While returned: `kelurahan`, or `origin` where the lurah objected to what another office recorded."""
    is_question: bool = False
    """Returned by a question of the kecamatan or the lead, not by the lurah."""
    hold_reason: HoldReason | None = None
    hold_review_on: date | None = None

    forwarded_at: datetime | None = None
    endorsed: bool = False
    """The lurah stands behind it: forwarded or recorded by the lurah, or endorsed afterwards."""
    accepted_at: datetime | None = None
    """Once set, the problem is the kecamatan's and can no longer be withdrawn."""
    target_on: date | None = None
    plan: str | None = None
    bounces: int = 0
    authority_decided: bool = False
    alerted_agency: str | None = None
    """The agency told of an emergency before anybody assigned it."""

    is_finished: bool = False
    """Work held by the kelurahan or kecamatan is done and waits to be confirmed."""
    worked_by: Worker | None = None
    finished_by: UUID | None = None
    finished_at: datetime | None = None
    confirm_widens_at: datetime | None = None
    """From here on the office above may confirm too."""
    resolution: Resolution | None = None
    rating: int | None = None
    resolved_at: datetime | None = None
    closing: Closing | None = None
    closed_at: datetime | None = None
    ended_version: int | None = None
    """The version with which it last ended; a device that knew less may still add to it."""
    rejected_by: UUID | None = None
    is_appealed: bool = False
    appeal_pending: bool = False
    main_id: UUID | None = None
    main_outcome: str | None = None
    """How the main problem ended, once this duplicate was told."""
    planned_in: str | None = None

    due_at: datetime | None = None
    promised_at: datetime | None = None
    """The first `due_at`; never moved, whatever is recomputed later."""
    desk_until: datetime | None = None

    photos: tuple[UUID, ...] = ()
    """Those sent to it, in order."""
    assignments: tuple[Assignment, ...] = ()
    lurah_vacant: bool = False
    """Nobody holds the lurah's post now; known when loaded, not part of what happened."""

    @property
    def lead(self) -> Assignment | None:
        """The lead that counts: the newest one neither refused nor revoked."""
        return next((each for each in reversed(self.assignments) if each.is_lead and each.is_alive), None)

    @property
    def lead_agency(self) -> str | None:
        return self.lead.agency_code if self.lead else None

    @property
    def seen_by(self) -> frozenset[str]:
        """The agencies that it concerns: with a part not revoked, told of the emergency, or having recorded it."""
        parts = {each.agency_code for each in self.assignments if each.state is not AssignmentState.REVOKED}
        kind, _, recorder = self.origin.partition(":")
        told = {self.alerted_agency} if self.alerted_agency else set()
        return frozenset(parts | told | ({recorder} if kind == "agency" else set()))

    @property
    def district_code(self) -> str:
        return parent_of(self.area_code) or self.area_code

    @property
    def city_code(self) -> str:
        return parent_of(self.district_code) or self.district_code

    @property
    def waits_for(self) -> Assignment | None:
        """A required supporter whose part is still open."""
        return next((each for each in self.assignments if not each.is_lead and each.is_required and each.is_open), None)

    @property
    def state(self) -> State:
        """What the facts amount to; the only place that says so."""
        if self.closing is not None:
            return State.CLOSED
        if self.resolved_at is not None:
            return State.RESOLVED
        if self.overlay is not None:
            return State(self.overlay.value)
        lead = self.lead
        if lead is not None:
            if lead.state is AssignmentState.DONE:
                return State.IN_PROGRESS if self.waits_for else State.AWAITING_CONFIRMATION
            return _STATE_BY_LEAD[lead.state]
        if self.is_finished:
            return State.AWAITING_CONFIRMATION
        return _STATE_BY_GROUND[self.ground]

    @property
    def desk(self) -> str | None:
        """The office on whose table it lies now; None once it has ended."""
        kelurahan, kecamatan = f"kelurahan:{self.area_code}", f"kecamatan:{self.district_code}"
        city = f"city:{self.city_code}"
        match self.state:
            case State.SUBMITTED | State.HANDLED_LOCALLY:
                return kelurahan
            case State.RETURNED:
                return self.origin if self.returned_to == "origin" else kelurahan
            case State.FORWARDED:
                return kecamatan
            case State.ACCEPTED:
                return city if self.bounces >= BOUNCES_UNTIL_MONITOR and not self.authority_decided else kecamatan
            case State.ASSIGNED | State.IN_PROGRESS:
                return self._agency_desk or kecamatan
            case State.ON_HOLD:
                local = self.ground is Ground.HANDLED_LOCALLY and self.lead is None
                return kelurahan if local else kecamatan
            case State.AWAITING_CONFIRMATION:
                return kecamatan if self.worked_by is Worker.KELURAHAN else kelurahan
            case State.CLOSED if self.appeal_pending:
                return city
        return None

    @property
    def _agency_desk(self) -> str | None:
        holder = self.lead
        if holder is not None and holder.state is AssignmentState.DONE:
            holder = self.waits_for
        if holder is None:
            return None
        if not holder.by_hand:
            return f"agency:{holder.agency_code}"
        return f"city:{self.city_code}" if holder.assigned_by == "city" else f"kecamatan:{self.district_code}"

    def assignment(self, assignment_id: UUID) -> Assignment | None:
        return next((each for each in self.assignments if each.id == assignment_id), None)

    def with_assignment(self, changed: Assignment) -> "Problem":
        """This problem with one assignment put in the place of its former self."""
        return replace(self, assignments=tuple(changed if each.id == changed.id else each for each in self.assignments))


BOUNCES_UNTIL_MONITOR = 2

_STATE_BY_LEAD = {
    AssignmentState.OFFERED: State.ASSIGNED,
    AssignmentState.ACCEPTED: State.IN_PROGRESS,
    AssignmentState.IN_PROGRESS: State.IN_PROGRESS,
    AssignmentState.ON_HOLD: State.ON_HOLD,
}
_STATE_BY_GROUND = {
    Ground.SUBMITTED: State.SUBMITTED,
    Ground.HANDLED_LOCALLY: State.HANDLED_LOCALLY,
    Ground.FORWARDED: State.FORWARDED,
    Ground.ACCEPTED: State.ACCEPTED,
    Ground.TAKEN_UP: State.IN_PROGRESS,
}
