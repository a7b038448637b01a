"""What is said of a problem, one shape a verb."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from app.agencies.words import AgencyCode, CategoryCode
from app.areas.words import AreaCode
from app.kit.words import In, Line, Reason
from app.problems.schemas.reports import Base, EditIn, Note, Photos
from app.problems.words import (
    HoldReason,
    LinkKind,
    Priority,
    Rejection,
    Resolution,
)
from app.workdays.words import Day


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
    base: Base | None = None


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
