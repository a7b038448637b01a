"""What is answered."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from app.agencies.words import CategoryClass
from app.areas.schemas import PointOut
from app.kit.words import Out
from app.problems.words import (
    AssignmentState,
    AssignmentVerb,
    Closing,
    Priority,
    Resolution,
    Source,
    State,
    Verb,
)


class NextStepOut(Out):
    """Whose desk it lies on, and until when."""

    desk: str
    desk_label: str
    until: datetime | None


class MainOut(Out):
    """As much of the main problem as its duplicates' readers see."""

    id: UUID
    number: str
    state: State
    state_label: str
    lead: str | None
    due_at: datetime | None


class AssignmentOut(Out):
    """One agency's part."""

    id: UUID
    problem_id: UUID
    agency: str
    agency_name: str
    lead: bool
    required: bool
    state: AssignmentState
    state_label: str
    binding: bool
    by_hand: bool
    instruction: str | None
    delegated_to: str | None
    resolution: Resolution | None
    note: str | None
    offered_at: datetime
    answered_at: datetime | None
    done_at: datetime | None
    due_at: datetime | None
    hold_proposed: bool
    hold_review_on: date | None
    may: list[AssignmentVerb]


class ProblemOut(Out):
    """A problem, as this caller may see it now."""

    id: UUID
    number: str
    version: int
    position: int
    state: State
    state_label: str
    title: str
    description: str | None
    category: str
    category_label: str
    class_: CategoryClass = Field(serialization_alias="class")
    proof_required: bool
    area: str
    area_name: str
    point: PointOut | None
    address: str | None
    landmark: str | None
    rt: str | None
    rw: str | None
    seen_on: date
    source: Source
    source_ref: str | None
    priority: Priority
    escalation: int
    origin: str
    endorsed: bool
    plan: str | None
    target_on: date | None
    hold_review_on: date | None
    resolution: Resolution | None
    rating: int | None
    closing: Closing | None
    planned_in: str | None
    main: MainOut | None
    lead: str | None
    assignments: list[AssignmentOut]
    photos: list[UUID]
    due_at: datetime | None
    promised_at: datetime | None
    overdue: bool
    may: list[Verb]
    next_step: NextStepOut | None
    created_at: datetime
    updated_at: datetime


class ProblemItemOut(Out):
    """A problem in a list: short, without what only one caller may do."""

    id: UUID
    number: str
    version: int
    state: State
    state_label: str
    title: str
    category: str
    class_: CategoryClass = Field(serialization_alias="class")
    area: str
    priority: Priority
    lead: str | None
    desk: str | None
    desk_until: datetime | None
    due_at: datetime | None
    overdue: bool
    created_at: datetime
    updated_at: datetime


class DeskItemOut(Out):
    """An assignment in an agency's list."""

    id: UUID
    problem_id: UUID
    number: str
    title: str
    area: str
    category: str
    priority: Priority
    agency: str
    lead: bool
    state: AssignmentState
    state_label: str
    problem_state: State
    offered_at: datetime
    due_at: datetime | None


class HistoryOut(Out):
    """One thing that happened."""

    position: int
    log: str
    version: int
    kind: str
    label: str
    at: datetime
    happened_at: datetime | None
    by: dict[str, Any]
    data: dict[str, Any]


class CommentOut(Out):
    """A remark, as taken."""

    id: UUID
    problem_id: UUID
    text: str
    internal: bool
    late: bool
    at: datetime
    by: str
    post: str


class PhotoOut(Out):
    """A photo of a problem. While its bytes are awaited, nobody knows how wide and how high it is."""

    id: UUID
    problem_id: UUID
    awaited: bool
    width: int | None
    height: int | None
    size: int
    sha256: str
    seen_before: bool
    """The same picture, byte for byte, was sent to another problem before."""
    late: bool
    created_at: datetime


class StepOut(Out):
    """What became of one step of several."""

    problem: UUID
    done: bool
    version: int | None
    state: State | None
    refusal: dict[str, Any] | None


class StepsOut(Out):
    """What became of each step, in order."""

    items: list[StepOut]


class ReporterOut(Out):
    """Who told the kelurahan."""

    name: str
    phone: str | None
