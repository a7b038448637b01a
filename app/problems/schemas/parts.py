"""What is said of an agency's part, one shape a verb."""

from typing import Annotated, Literal

from pydantic import Field

from app.agencies.words import AgencyCode
from app.kit.words import In, Line, Reason
from app.problems.schemas.reports import Letter, Note, Photos
from app.problems.words import (
    HoldReason,
    Refused,
    Resolution,
)
from app.workdays.words import Day


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
