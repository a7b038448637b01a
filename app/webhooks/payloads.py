"""The wire shapes of events: `{type, timestamp, data}`, a snapshot of the moment at which it happened.

They hold ids, codes, numbers and moments, and nothing else: no text that somebody wrote, and no name. Whoever wants to
know more follows `href` with the agency's key, and that reading is known. A test walks every shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, create_model

from app.agencies.words import AgencyCode, CategoryCode
from app.areas.words import AreaCode
from app.kit.words import Count, In, Out, Timestamp
from app.problems.words import (
    AssignmentState,
    Closing,
    HoldReason,
    LinkKind,
    Priority,
    Refused,
    Rejection,
    Resolution,
    State,
    Worker,
)
from app.webhooks.words import PAYLOAD_MAXIMUM, DisabledBy, EventType

API: Final = "/api/v1"

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def _address(of: str) -> Any:
    return Field(
        pattern=rf"^https?://[^/?#@\s]+{API}/{of}/{_UUID}$",
        description="Where to read the rest, with a key of the agency.",
        examples=[f"https://ujungtombak.example{API}/{of}/0196f0c2-5b1e-7c3a-9d2f-4a6b8c0d1e2f"],
    )


ProblemNumber = Annotated[str, Field(pattern=r"^[0-9.]{13}-[0-9]{4,10}$", examples=["35.75.03.1005-0017"])]
Office = Annotated[
    str,
    Field(
        pattern=r"^[a-z_]+(:[A-Za-z0-9.-]{1,20})?$",
        description="A post or an office by its kind and place, whoever holds it.",
        examples=["camat:35.75.03"],
    ),
]
FieldName = Literal[
    "title", "description", "seen_on", "point", "address", "landmark", "rt", "rw", "source", "source_ref"
]
Day = Annotated[date, Field(examples=["2026-03-20"])]
Photos = Annotated[list[UUID], Field(max_length=20, description="Photos of the problem, by their ids.")]
Due = Annotated[Timestamp | None, Field(description="Null where no limit is running.")]


class PayloadTooLarge(ValueError):
    """An event that would be larger than receivers are promised."""


class _Told(Out):
    """Nothing but what is declared is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProblemSnapshot(_Told):
    """A problem as it stood when this had happened."""

    id: UUID
    number: ProblemNumber
    state: State
    version: Annotated[
        int,
        Field(ge=1, le=2**31 - 1, description="Rises with all that happens to it: drop what is older than you know."),
    ]
    category: CategoryCode
    area: Annotated[AreaCode, Field(description="The kelurahan or desa where it lies.")]
    priority: Priority
    due_at: Due
    href: Annotated[str, _address("problems")]


class AssignmentSnapshot(_Told):
    """An agency's part as it stood when this had happened."""

    id: UUID
    agency: AgencyCode
    lead: bool
    state: AssignmentState
    due_at: Due
    href: Annotated[str, _address("assignments")]


class ProblemData(_Told):
    """Something that happened to a problem."""

    problem: ProblemSnapshot
    assignment: Annotated[
        AssignmentSnapshot | None, Field(description="Your agency's part; null where it has none, or none any more.")
    ]
    by: Annotated[Office, Field(description="The post that did it; `system` where a limit had passed.")]


class ReportedData(ProblemData):
    """It was recorded."""

    origin: Annotated[Office, Field(description="The office that recorded it.", examples=["agency:PUPR"])]
    alerted: Annotated[bool, Field(description="An emergency, and your agency is the one responsible.")]


class CorrectedData(ProblemData):
    """What it says of itself was corrected."""

    fields: Annotated[list[FieldName], Field(description="What was corrected.", examples=[["landmark", "point"]])]


class MovedData(ProblemData):
    """It turned out to lie elsewhere."""

    moved_from: AreaCode
    moved_to: AreaCode


class AssignedData(ProblemData):
    """It was handed to agencies."""

    lead: Annotated[AgencyCode | None, Field(description="The agency that leads.")]
    offered: Annotated[bool, Field(description="Your agency was given its part just now, by this.")]
    binding: Annotated[bool, Field(description="The city has decided whose it is; it cannot be refused as another's.")]


class ReturnedData(ProblemData):
    """Something has to be answered first."""

    returned_to: Annotated[Literal["kelurahan", "origin"], Field(description="`origin`: the office that recorded it.")]
    question: Annotated[bool, Field(description="It was asked, by the kecamatan or the lead.")]


class FinishedData(ProblemData):
    """Whoever held it, kelurahan or kecamatan, has solved it."""

    resolution: Resolution
    worked_by: Worker
    photos: Photos


class HeldData(ProblemData):
    """Work waits until a day on which it is looked at again."""

    reason_code: HoldReason
    review_on: Day


class AutomaticData(ProblemData):
    """Done by somebody, or by itself."""

    automatic: Annotated[bool, Field(description="Nobody did it: a limit had passed.")]


class ConfirmedData(AutomaticData):
    """It was looked at, and it is done."""

    rating: Annotated[int | None, Field(ge=1, le=5)]


class DisputedData(ProblemData):
    """It was looked at, and it is not done."""

    photos: Photos


class ReopenedData(AutomaticData):
    """It is open again."""

    cause: Annotated[
        Literal["reopened", "unmarked"], Field(description="`unmarked`: it is no duplicate of another after all.")
    ]


class ClosedData(ProblemData):
    """It was closed without being solved."""

    closing: Closing
    reason_code: Annotated[Rejection | None, Field(description="Why it was rejected.")]
    main: Annotated[UUID | None, Field(description="The problem that it is a duplicate of.")]


class AppealDecidedData(ProblemData):
    """A monitor has judged a rejection again."""

    outcome: Literal["upheld", "overturned"]


class MainData(ProblemData):
    """It is a duplicate, and something became of the problem it is a duplicate of."""

    main: UUID
    outcome: Annotated[
        Resolution | Closing | Literal["resolved"] | None,
        Field(description="How that one ended; null while it goes on."),
    ]


class EscalatedData(ProblemData):
    """A higher office was asked to look."""

    level: Count


class CommentedData(ProblemData):
    """Somebody said something about it."""

    comment: UUID
    internal: Annotated[bool, Field(description="Said within your agency only.")]
    late: Annotated[bool, Field(description="Said by a device that did not yet know that it had ended.")]


class PhotoData(ProblemData):
    """A photo was sent to it."""

    photo: UUID
    late: Annotated[bool, Field(description="Sent by a device that did not yet know that it had ended.")]


class LinkedData(ProblemData):
    """It belongs together with another problem."""

    other: Annotated[UUID, Field(description="The other problem, which you may not see.")]
    link: LinkKind
    late: Annotated[bool, Field(description="Said by a device that did not yet know that it had ended.")]


class PartData(ProblemData):
    """Something that happened to an agency's part."""

    assignment: Annotated[
        AssignmentSnapshot, Field(description="The part it happened to; another agency's where you share the problem.")
    ]


class ProgressedData(PartData):
    """How far work has come."""

    percent: Annotated[int | None, Field(ge=0, le=100)]
    photos: Photos


class PartHeldData(PartData):
    """The agency proposes to wait."""

    reason_code: HoldReason
    review_on: Day


class PartAutomaticData(PartData):
    """Done by somebody, or by itself."""

    automatic: Annotated[bool, Field(description="Nobody did it: a limit had passed.")]


class PartFinishedData(PartData):
    """The agency has done its part."""

    resolution: Resolution
    photos: Photos


class PartRefusedData(PartData):
    """The agency does not take its part."""

    reason_code: Refused | None
    belongs_to: Annotated[AgencyCode | None, Field(description="Whose it is, as the agency says.")]


class EndpointData(_Told):
    """Something about an endpoint of yours."""

    endpoint: UUID
    by: Annotated[Office, Field(examples=["system"])]


class EndpointDisabledData(EndpointData):
    """Nothing is sent to it any more; what is meant for it is held."""

    disabled_by: DisabledBy
    failing_since: Annotated[Timestamp | None, Field(description="When it failed first; null where it said 410.")]


Data = ProblemData | EndpointData


class Payload(_Told):
    """The body of what is sent."""

    type: EventType
    timestamp: Annotated[Timestamp, Field(description="When it happened; of what is sent again, still the same.")]
    data: Data


@dataclass(frozen=True)
class Shape:
    """What one type of event means and holds."""

    meaning: str
    data: type[Data]
    example: Mapping[str, Any] = field(default_factory=dict)
    """How the example differs from what all of them show."""


def _stands(state: str, part: str | None = None, **members: Any) -> dict[str, Any]:
    """An example in which the problem, and the agency's part, stand so."""
    return {"state": state, "part": part, **members}


_T = EventType
_PHOTO = "0196f0c2-6a10-7b11-8c22-5d33e44f5566"
_OTHER = "0196ef00-1a2b-7c3d-8e4f-50617283940a"

SHAPES: Final[Mapping[EventType, Shape]] = {
    _T.PROBLEM_REPORTED: Shape(
        "A problem was recorded, by your agency, or as an emergency that your agency is responsible for.",
        ReportedData,
        _stands("forwarded", by="operator:35.75.03.1005", origin="kelurahan:35.75.03.1005", alerted=True),
    ),
    _T.PROBLEM_EDITED: Shape(
        "What the problem says of itself was corrected. `fields` tells what; read it again.",
        CorrectedData,
        _stands("assigned", "offered", fields=["landmark", "point"]),
    ),
    _T.PROBLEM_RECATEGORISED: Shape(
        "The problem belongs to another category, which may move `due_at`.", ProblemData, _stands("assigned", "offered")
    ),
    _T.PROBLEM_PRIORITISED: Shape("The problem has another priority.", ProblemData, _stands("assigned", "offered")),
    _T.PROBLEM_MOVED: Shape(
        "The problem lies in another kelurahan than was thought. State, number and limits stay.",
        MovedData,
        _stands("in_progress", "in_progress", moved_from="35.75.03.1006", moved_to="35.75.03.1005"),
    ),
    _T.PROBLEM_FORWARDED: Shape(
        "The lurah endorsed the problem upward to the kecamatan.",
        ProblemData,
        _stands("forwarded", by="lurah:35.75.03.1005"),
    ),
    _T.PROBLEM_ENDORSED: Shape(
        "The lurah stands behind an emergency that went up at once.",
        ProblemData,
        _stands("assigned", "offered", by="lurah:35.75.03.1005"),
    ),
    _T.PROBLEM_HANDLED_LOCALLY: Shape(
        "The kelurahan handles the problem by itself.",
        ProblemData,
        _stands("handled_locally", by="lurah:35.75.03.1005"),
    ),
    _T.PROBLEM_ACCEPTED: Shape("The kecamatan took the problem on.", ProblemData, _stands("accepted")),
    _T.PROBLEM_ASSIGNED: Shape(
        "The problem was handed to agencies. `offered` tells whether yours was given its part by this: accept or "
        "refuse it before `assignment.due_at`.",
        AssignedData,
        _stands("assigned", "offered", lead="PUPR", offered=True, binding=False),
    ),
    _T.PROBLEM_RETURNED: Shape(
        "The problem went back with a question or an objection; it goes on when that is answered.",
        ReturnedData,
        _stands("returned", "accepted", returned_to="kelurahan", question=True, by="officer:PUPR"),
    ),
    _T.PROBLEM_ANSWERED: Shape(
        "What was asked is answered, and the problem goes on. `fields` tells what was corrected with it.",
        CorrectedData,
        _stands("in_progress", "accepted", fields=["address"], by="operator:35.75.03.1005"),
    ),
    _T.PROBLEM_TAKEN_UP: Shape(
        "The kecamatan solves the problem by its own means.", ProblemData, _stands("in_progress")
    ),
    _T.PROBLEM_FINISHED: Shape(
        "Kelurahan or kecamatan solved the problem themselves.",
        FinishedData,
        _stands("awaiting_confirmation", resolution="repaired", worked_by="kecamatan", photos=[_PHOTO]),
    ),
    _T.PROBLEM_HELD: Shape(
        "Work on the problem waits.",
        HeldData,
        _stands("on_hold", "accepted", reason_code="budget", review_on="2026-03-20"),
    ),
    _T.PROBLEM_RESUMED: Shape(
        "Work on the problem goes on.",
        AutomaticData,
        _stands("in_progress", "in_progress", automatic=True, by="system"),
    ),
    _T.PROBLEM_CONFIRMED: Shape(
        "Somebody looked, and it is solved. Parts that were still open are revoked.",
        ConfirmedData,
        _stands("resolved", "done", rating=5, automatic=False, by="lurah:35.75.03.1005"),
    ),
    _T.PROBLEM_DISPUTED: Shape(
        "Somebody looked, and it is not solved: the part that was done is in progress again.",
        DisputedData,
        _stands("in_progress", "in_progress", photos=[_PHOTO], by="lurah:35.75.03.1005"),
    ),
    _T.PROBLEM_REOPENED: Shape(
        "The problem is open again.",
        ReopenedData,
        _stands("in_progress", "in_progress", cause="reopened", automatic=False, by="lurah:35.75.03.1005"),
    ),
    _T.PROBLEM_CLOSED: Shape(
        "The problem was closed without being solved. Parts that were open are revoked.",
        ClosedData,
        _stands("closed", "refused", closing="planned", reason_code=None, main=None),
    ),
    _T.PROBLEM_APPEALED: Shape(
        "The lurah asked a monitor to look at the rejection again.",
        ProblemData,
        _stands("closed", by="lurah:35.75.03.1005"),
    ),
    _T.PROBLEM_APPEAL_DECIDED: Shape(
        "A monitor upheld the rejection, or overturned it.",
        AppealDecidedData,
        _stands("accepted", outcome="overturned", by="monitor:35.75"),
    ),
    _T.PROBLEM_MAIN_CHANGED: Shape(
        "The problem is a duplicate, and the one that goes on for both ended, went on again, or is another one now.",
        MainData,
        _stands("closed", main=_OTHER, outcome="repaired", by="system"),
    ),
    _T.PROBLEM_ESCALATED: Shape(
        "A higher office was asked to look at the problem.", EscalatedData, _stands("assigned", "offered", level=1)
    ),
    _T.PROBLEM_COMMENTED: Shape(
        "Somebody commented. Comments that stay within the territory, or within another agency, are not told.",
        CommentedData,
        _stands("in_progress", "in_progress", comment=_OTHER, internal=False, late=False),
    ),
    _T.PROBLEM_PHOTO_ADDED: Shape(
        "A photo was sent to the problem.",
        PhotoData,
        _stands("in_progress", "in_progress", photo=_PHOTO, late=False, by="officer:PUPR"),
    ),
    _T.PROBLEM_LINKED: Shape(
        "The problem belongs together with another one.",
        LinkedData,
        _stands("assigned", "offered", other=_OTHER, link="recurring", late=False),
    ),
    _T.ASSIGNMENT_ACCEPTED: Shape(
        "An agency took its part; `due_at` is now that of the whole problem.",
        PartData,
        _stands("in_progress", "accepted", by="officer:PUPR"),
    ),
    _T.ASSIGNMENT_STARTED: Shape(
        "Work on a part began.", PartData, _stands("in_progress", "in_progress", by="officer:PUPR")
    ),
    _T.ASSIGNMENT_PROGRESSED: Shape(
        "Work on a part has come so far.",
        ProgressedData,
        _stands("in_progress", "in_progress", percent=60, photos=[_PHOTO], by="officer:PUPR"),
    ),
    _T.ASSIGNMENT_DELEGATED: Shape(
        "The agency gave its part to a unit or a person of its own.",
        PartData,
        _stands("in_progress", "accepted", by="head:PUPR"),
    ),
    _T.ASSIGNMENT_HOLD_PROPOSED: Shape(
        "An agency proposes to wait. The clock runs on until the camat agrees.",
        PartHeldData,
        _stands("in_progress", "in_progress", reason_code="weather_season", review_on="2026-03-20", by="officer:PUPR"),
    ),
    _T.ASSIGNMENT_HOLD_AGREED: Shape("The camat agrees that a part waits.", PartData, _stands("on_hold", "on_hold")),
    _T.ASSIGNMENT_HOLD_DECLINED: Shape(
        "The camat does not agree that a part waits; no answer in three working days is a no.",
        PartAutomaticData,
        _stands("in_progress", "in_progress", automatic=False),
    ),
    _T.ASSIGNMENT_RESUMED: Shape(
        "Work on a part goes on.",
        PartAutomaticData,
        _stands("in_progress", "in_progress", automatic=True, by="system"),
    ),
    _T.ASSIGNMENT_FINISHED: Shape(
        "An agency has done its part.",
        PartFinishedData,
        _stands("awaiting_confirmation", "done", resolution="repaired", photos=[_PHOTO], by="officer:PUPR"),
    ),
    _T.ASSIGNMENT_REFUSED: Shape(
        "An agency does not take its part.",
        PartRefusedData,
        _stands("accepted", "refused", reason_code="not_our_authority", belongs_to="PERKIM", by="head:PUPR"),
    ),
    _T.ASSIGNMENT_REVOKED: Shape(
        "A part was taken back. If it was yours, and you have no other, this is the last you hear of the problem.",
        PartData,
        _stands("accepted", "revoked"),
    ),
    _T.ENDPOINT_DISABLED: Shape(
        "An endpoint of yours failed for 120 hours, or said that it is gone (410): what is meant for it is held. Your "
        "other endpoints are sent this, and whoever polls reads it.",
        EndpointDisabledData,
        {"disabled_by": "failing", "failing_since": "2026-02-27T03:15:00Z"},
    ),
    _T.ENDPOINT_RECOVERED: Shape("An endpoint of yours is back; what was held for it follows.", EndpointData),
    _T.PING: Shape("Asks whether the endpoint is there. Nothing happened.", EndpointData),
}
"""Every type of event."""


def _payload(type_: EventType, shape: Shape) -> type[Payload]:
    name = "".join(part.capitalize() for part in type_.value.replace(".", "_").split("_"))
    fields: dict[str, Any] = {"type": (Literal[type_], ...), "data": (shape.data, ...)}
    return create_model(f"{name}Event", __base__=Payload, __doc__=shape.meaning, **fields)


PAYLOADS: Final[Mapping[EventType, type[Payload]]] = {type_: _payload(type_, shape) for type_, shape in SHAPES.items()}
"""The whole body of each type."""


if TYPE_CHECKING:
    AnyPayload = Payload
else:
    AnyPayload = Annotated[Union[tuple(PAYLOADS.values())], Field(discriminator="type")]  # noqa: UP007 - of a table


class EventOut(Out):
    """An event that waits to be acknowledged."""

    id: Annotated[UUID, Field(description="The `webhook-id` of what is sent.")]
    payload: Annotated[AnyPayload, Field(description="The body of what is sent.")]


class AcknowledgeIn(In):
    """Events that a system has, and wants to be told no more."""

    ids: Annotated[
        tuple[UUID, ...],
        Field(min_length=1, max_length=500, description="Each of them by its id; there is no *up to*."),
    ]


class AcknowledgedOut(Out):
    """What became of an acknowledgement; the same if it is sent again."""

    acknowledged: Annotated[Count, Field(description="Events among these that are acknowledged now.")]
    unknown: Annotated[list[UUID], Field(description="Ids of no event of your agency.")]


def payload_text(type_: EventType, at: datetime, data: BaseModel | Mapping[str, Any]) -> str:
    """The body of an event, as it is signed and sent; refuses what the type does not hold."""
    text = PAYLOADS[type_](type=type_, timestamp=at, data=data).model_dump_json()
    if len(text.encode()) > PAYLOAD_MAXIMUM:
        raise PayloadTooLarge(f"{type_}: {len(text.encode())} bytes")
    return text


def example_of(type_: EventType) -> dict[str, Any]:
    """An event of this type, as JSON."""
    shape = SHAPES[type_]
    given = {"by": "camat:35.75.03", **shape.example}
    if issubclass(shape.data, EndpointData):
        data = {"endpoint": "0196f0aa-10b2-7f4e-8a5d-6c7e8f901234", **given, "by": "system"}
    else:
        state, part = given.pop("state"), given.pop("part")
        data = {"problem": _example_problem(state), "assignment": part and _example_part(part), **given}
    payload = PAYLOADS[type_](type=type_, timestamp=_EXAMPLE_AT, data=data)
    return payload.model_dump(mode="json")


_EXAMPLE_AT = datetime(2026, 3, 4, 3, 15, tzinfo=UTC)
_HERE = f"https://ujungtombak.example{API}"


def _example_problem(state: str) -> dict[str, Any]:
    return {
        "id": "0196f0c2-5b1e-7c3a-9d2f-4a6b8c0d1e2f",
        "number": "35.75.03.1005-0017",
        "state": state,
        "version": 7,
        "category": "saluran-tersumbat",
        "area": "35.75.03.1005",
        "priority": "high",
        "due_at": None if state in ("resolved", "closed") else "2026-03-31T09:00:00Z",
        "href": f"{_HERE}/problems/0196f0c2-5b1e-7c3a-9d2f-4a6b8c0d1e2f",
    }


def _example_part(state: str) -> dict[str, Any]:
    return {
        "id": "0196f0c9-77d0-7e21-b3a4-c5d6e7f80912",
        "agency": "PUPR",
        "lead": True,
        "state": state,
        "due_at": "2026-03-11T09:00:00Z",
        "href": f"{_HERE}/assignments/0196f0c9-77d0-7e21-b3a4-c5d6e7f80912",
    }
