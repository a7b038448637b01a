"""Wire shapes of problems: what is said (…In, one shape a verb) and what is answered (…Out)."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from app.agencies.words import AgencyCode, CategoryClass, CategoryCode
from app.areas.words import AreaCode
from app.kit.words import ClientId, In, Line, Out, Prose, Reason
from app.problems.words import (
    AssignmentState,
    AssignmentVerb,
    Closing,
    Description,
    HoldReason,
    LinkKind,
    Place,
    Priority,
    Refused,
    Rejection,
    Resolution,
    Source,
    SourceReference,
    State,
    Title,
    Verb,
    Ward,
)
from app.workdays.words import Day

Note = Annotated[Prose, Field(max_length=4_000)]
Letter = Annotated[Line, Field(max_length=100, examples=["005/123/423.03/2026"])]
Photos = Annotated[tuple[UUID, ...], Field(max_length=20, description="Photos already sent to this problem.")]
Base = Annotated[int, Field(ge=1, le=2**31 - 1, description="Version of the problem that the device knew.")]


class PointIn(In):
    """A place on earth, WGS 84 degrees."""

    lat: Annotated[float, Field(ge=-90, le=90, examples=[-7.671628])]
    lon: Annotated[float, Field(ge=-180, le=180, examples=[112.91673])]


class ReporterIn(In):
    """Who told the kelurahan. Kept encrypted and apart; never in lists, facts or webhooks."""

    name: Annotated[Line, Field(max_length=120, examples=["Warga RT 02"])]
    phone: Annotated[str | None, Field(pattern=r"^\+?[0-9 ()-]{5,24}$", examples=["+62 811 0000 0000"])] = None


class LocalIn(In):
    """How the kelurahan will handle it by itself."""

    plan: Annotated[Note, Field(examples=["Kerja bakti RT 02 hari Minggu."])]
    target_on: Day


class ReportIn(In):
    """A problem as it is recorded."""

    id: ClientId | None = None
    title: Title
    description: Description | None = None
    category: CategoryCode
    area: AreaCode
    seen_on: Annotated[Day, Field(description="The day it was seen, in the area's own time zone.")]
    point: PointIn | None = None
    address: Place | None = None
    landmark: Place | None = None
    rt: Ward | None = None
    rw: Ward | None = None
    source: Source = Source.OWN
    source_ref: SourceReference | None = None
    priority: Priority = Priority.NORMAL
    reporter: ReporterIn | None = None
    local: Annotated[LocalIn | None, Field(description="A lurah who handles it in the kelurahan says how.")] = None


class EditIn(In):
    """Corrected fields; what is left out stays, null clears."""

    title: Title | None = None
    description: Description | None = None
    seen_on: Day | None = None
    point: PointIn | None = None
    address: Place | None = None
    landmark: Place | None = None
    rt: Ward | None = None
    rw: Ward | None = None
    source: Source | None = None
    source_ref: SourceReference | None = None
    reason: Reason | None = None

    @property
    def verb(self) -> Verb:
        return Verb.EDIT

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set - {"reason"}:
            raise ValueError("nothing to change")
        for name in ("title", "seen_on", "source"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be cleared")
        return self


class Forward(In):
    """The lurah endorses it upward to the kecamatan."""

    verb: Literal["forward"]


class Endorse(In):
    """The lurah stands behind an emergency that went up at once."""

    verb: Literal["endorse"]


class CallUp(In):
    """The camat takes a problem that the lurah has left lying."""

    verb: Literal["call_up"]
    reason: Reason


class HandleLocally(In):
    """The kelurahan solves it by its own means."""

    verb: Literal["handle_locally"]
    plan: Note
    target_on: Day


class SendBack(In):
    """The lurah returns it to the operator for completion."""

    verb: Literal["send_back"]
    reason: Reason


class Object(In):
    """The lurah objects to what another office recorded in the kelurahan."""

    verb: Literal["object"]
    reason: Reason


class Withdraw(In):
    """Whoever recorded it, or the lurah, takes it back before the kecamatan has accepted it."""

    verb: Literal["withdraw"]
    reason: Reason


class Accept(In):
    """The kecamatan takes the problem on."""

    verb: Literal["accept"]


class Ask(In):
    """The kecamatan or the lead agency needs to know more."""

    verb: Literal["ask"]
    question: Note


class Answer(In):
    """The answer, or the corrected fields, or both."""

    verb: Literal["answer"]
    answer: Note | None = None
    changes: EditIn | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.answer is None and self.changes is None:
            raise ValueError("an answer or corrected fields are needed")
        return self


class TakeUp(In):
    """The kecamatan solves it by its own means."""

    verb: Literal["take_up"]
    plan: Note


class Assign(In):
    """The problem is handed to agencies: one leads, others support."""

    verb: Literal["assign"]
    lead: AgencyCode
    support: Annotated[
        tuple[AgencyCode, ...], Field(max_length=10, description="Supporters whose part must be done too.")
    ] = ()
    optional_support: Annotated[tuple[AgencyCode, ...], Field(max_length=10)] = ()
    instruction: Note | None = None

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        named = (self.lead, *self.support, *self.optional_support)
        if len(set(named)) != len(named):
            raise ValueError("an agency is named twice")
        return self


class DecideAuthority(In):
    """The monitor decides, bindingly, whose it is; the responsibility table learns it."""

    verb: Literal["decide_authority"]
    agency: AgencyCode
    reason: Reason


class Finish(In):
    """Who holds it, kelurahan or kecamatan, has solved it."""

    verb: Literal["finish"]
    resolution: Resolution
    note: Note | None = None
    photos: Photos = ()


class Hold(In):
    """Work waits for something until a day on which it is looked at again."""

    verb: Literal["hold"]
    reason_code: HoldReason
    reason: Reason | None = None
    review_on: Day


class Resume(In):
    """Work goes on."""

    verb: Literal["resume"]


class Confirm(In):
    """The office above or beside the one that did the work says that it is done."""

    verb: Literal["confirm"]
    rating: Annotated[int | None, Field(ge=1, le=5)] = None


class Dispute(In):
    """It is not done; back to who did it."""

    verb: Literal["dispute"]
    reason: Reason
    photos: Photos = ()


class Reopen(In):
    """It is there again, or was never gone."""

    verb: Literal["reopen"]
    reason: Reason


class Reject(In):
    """The kecamatan does not take it on, and tells the lurah why."""

    verb: Literal["reject"]
    reason_code: Rejection
    reason: Reason


class Appeal(In):
    """The lurah asks a monitor to look at a rejection again."""

    verb: Literal["appeal"]
    reason: Reason


class DecideAppeal(In):
    """A monitor upholds the rejection, or overturns it."""

    verb: Literal["decide_appeal"]
    outcome: Literal["upheld", "overturned"]
    reason: Reason


class MarkDuplicate(In):
    """It is the same as another problem, which goes on for both."""

    verb: Literal["mark_duplicate"]
    main: UUID


class Unmark(In):
    """It is not the same after all."""

    verb: Literal["unmark"]


class DeferToPlanning(In):
    """It needs next year's plan and budget (Musrenbang, Renja)."""

    verb: Literal["defer_to_planning"]
    planned_in: Annotated[Line, Field(max_length=100, examples=["Renja 2027", "Musrenbang 2027 usulan 14"])]
    reason: Reason | None = None


class Escalate(In):
    """The next higher office is asked to look."""

    verb: Literal["escalate"]
    reason: Reason


class Recategorise(In):
    """It belongs to another category."""

    verb: Literal["recategorise"]
    category: CategoryCode
    reason: Reason


class Prioritise(In):
    """It is more, or less, urgent than said."""

    verb: Literal["prioritise"]
    priority: Priority
    reason: Reason


class Move(In):
    """It lies in another kelurahan."""

    verb: Literal["move"]
    area: AreaCode
    reason: Reason


class ProposeMove(In):
    """The lurah says that it lies in another kelurahan."""

    verb: Literal["propose_move"]
    area: AreaCode
    reason: Reason


class Link(In):
    """It belongs together with another problem."""

    verb: Literal["link"]
    problem: UUID
    kind: LinkKind = LinkKind.RELATED


StepIn = Annotated[
    Forward
    | Endorse
    | CallUp
    | HandleLocally
    | SendBack
    | Object
    | Withdraw
    | Accept
    | Ask
    | Answer
    | TakeUp
    | Assign
    | DecideAuthority
    | Finish
    | Hold
    | Resume
    | Confirm
    | Dispute
    | Reopen
    | Reject
    | Appeal
    | DecideAppeal
    | MarkDuplicate
    | Unmark
    | DeferToPlanning
    | Escalate
    | Recategorise
    | Prioritise
    | Move
    | ProposeMove
    | Link,
    Field(discriminator="verb"),
]


class OneStepIn(In):
    """One step of several."""

    problem: UUID
    step: StepIn
    version: Annotated[Base | None, Field(description="Refused unless the problem still has this version.")] = None


class StepsIn(In):
    """Steps on several problems, in one call."""

    items: Annotated[tuple[OneStepIn, ...], Field(min_length=1, max_length=500)]


class CommentIn(In):
    """A remark on a problem."""

    id: ClientId | None = None
    text: Annotated[Prose, Field(max_length=4_000, examples=["Sudah kami cek bersama ketua RT."])]
    internal: Annotated[bool, Field(description="Seen by the commenter's own side only: territory, or agency.")] = False
    base: Base | None = None

    @property
    def verb(self) -> Verb:
        return Verb.COMMENT


class AttachIn(In):
    """A photo, already stored, that belongs to a problem."""

    photo: UUID
    base: Base | None = None
    seen_before: bool = False

    @property
    def verb(self) -> Verb:
        return Verb.ATTACH


class _PartIn(In):
    letter: Annotated[
        Letter | None, Field(description="Number of the letter, where an office moves an external agency's part.")
    ] = None


class PartAccept(_PartIn):
    """The agency takes its part."""

    verb: Literal["accept"]


class PartStart(_PartIn):
    """Work begins."""

    verb: Literal["start"]


class PartProgress(_PartIn):
    """How far work has come."""

    verb: Literal["progress"]
    note: Note
    percent: Annotated[int | None, Field(ge=0, le=100)] = None
    photos: Photos = ()


class PartDelegate(_PartIn):
    """A unit or person of the agency does it."""

    verb: Literal["delegate"]
    to: Annotated[Line, Field(max_length=160, examples=["UPT Drainase"])]


class PartHold(_PartIn):
    """The agency proposes to wait; the clock runs until the camat agrees."""

    verb: Literal["hold"]
    reason_code: HoldReason
    reason: Reason | None = None
    review_on: Day


class PartAgreeHold(In):
    """The camat agrees that the agency waits."""

    verb: Literal["agree_hold"]


class PartDeclineHold(In):
    """The camat does not agree."""

    verb: Literal["decline_hold"]
    reason: Reason | None = None


class PartResume(_PartIn):
    """Work goes on."""

    verb: Literal["resume"]


class PartFinish(_PartIn):
    """The agency has done its part."""

    verb: Literal["finish"]
    resolution: Resolution
    note: Note
    photos: Photos = ()


class PartRefuse(_PartIn):
    """The agency does not take its part. Not our authority: it names whose it is."""

    verb: Literal["refuse"]
    reason_code: Refused | None = None
    reason: Reason
    belongs_to: AgencyCode | None = None


class PartRevoke(In):
    """Who assigned it, or the monitor, takes it back."""

    verb: Literal["revoke"]
    reason: Reason


AssignmentStepIn = Annotated[
    PartAccept
    | PartStart
    | PartProgress
    | PartDelegate
    | PartHold
    | PartAgreeHold
    | PartDeclineHold
    | PartResume
    | PartFinish
    | PartRefuse
    | PartRevoke,
    Field(discriminator="verb"),
]


class PointOut(Out):
    lat: float
    lon: float


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
    """A photo of a problem."""

    id: UUID
    problem_id: UUID
    width: int
    height: int
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
