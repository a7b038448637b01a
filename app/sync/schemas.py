"""Wire shapes of synchronising. A phone's developer reads docs/sync-clients.md beside them."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, JsonValue

from app.agencies.schemas import AgencyOut, CategoryOut
from app.areas.words import AreaCode, Level
from app.kit.words import Count, In, Out, Reason, Timestamp
from app.problems.schemas.answers import CommentOut, HistoryOut, PhotoOut
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
from app.sync.words import (
    SCHEMA,
    Cursors,
    DeviceName,
    Outcome,
    Resync,
    Settlement,
    Standing,
    Version,
)
from app.workdays.schemas import LimitOut, SpecialDayOut

DOCUMENTS_MAXIMUM = 1_000
OPERATIONS_MAXIMUM = 500

# -- who speaks ------------------------------------------------------------------------------------------------------


class DeviceIn(In):
    """The app that speaks, and what it still holds. Said with every call, so that the kecamatan knows."""

    id: Annotated[UUID, Field(description="Chosen once by the app, at its installation.")]
    name: DeviceName
    schema_: Annotated[int, Field(alias="schema", ge=1, le=1_000, description="Version of the shapes it speaks.")] = (
        SCHEMA
    )
    sent_at: Annotated[Timestamp | None, Field(description="Its clock now: how far it is off is noted.")] = None
    waiting: Annotated[Count, Field(description="Operations not yet taken, besides those of this call.")] = 0
    waiting_since: Annotated[Timestamp | None, Field(description="When the oldest of them was recorded.")] = None
    last_operation: Annotated[
        UUID | None, Field(description="Of the operations taken that it still keeps, the one with the highest number.")
    ] = None


class DeviceStateOut(Out):
    """What the server knows of the device that speaks."""

    accepted: Annotated[int, Field(description="Number of the last operation taken from it.")]
    safe: Annotated[int, Field(description="Up to this number operations are in a backup, and need not be kept.")]
    skew_seconds: Annotated[int | None, Field(description="How far its clock is ahead of ours.")]
    clock_wrong: Annotated[bool, Field(description="Whether that is more than ten minutes: tell whoever holds it.")]
    upgrade: Annotated[bool, Field(description="Whether a newer app should be installed, when there is time.")]
    rewound: Annotated[
        bool, Field(description="Whether `last_operation` is unknown here, after a restore: send again what is kept.")
    ]


# -- pull ------------------------------------------------------------------------------------------------------------


class PullIn(In):
    """What a device holds; what happened since is the answer."""

    device: DeviceIn
    after: Annotated[
        Cursors, Field(default_factory=dict, description="For each log the cursor it was given; none: from the start.")
    ]
    limit: Annotated[int, Field(ge=1, le=DOCUMENTS_MAXIMUM, description="Documents in one answer.")] = 500
    max_bytes: Annotated[int, Field(ge=10_000, le=4_194_304, description="Of the documents, before gzip.")] = 1_048_576
    detail: Annotated[bool, Field(description="With history, comments and the hashes of photos.")] = False
    digest: Annotated[bool, Field(description="With a digest of each log, to compare; ask once a day at most.")] = False


class PointOut(Out):
    lat: float
    lon: float


class DocumentAssignmentOut(Out):
    """One agency's part, in a document."""

    id: UUID
    agency: str
    lead: bool
    required: bool
    state: AssignmentState
    by_hand: bool
    binding: bool
    instruction: str | None
    delegated_to: str | None
    offered_at: datetime
    due_at: datetime | None
    done_at: datetime | None
    hold_proposed: bool
    hold_review_on: date | None
    resolution: Resolution | None
    note: str | None


class DocumentFactOut(Out):
    """Something that happened, in a document."""

    kind: str
    version: int
    at: datetime
    by: str
    post: str


class DocumentOut(Out):
    """A problem as a phone keeps it: lean, without labels, which are in the packs."""

    id: UUID
    number: str
    version: int
    position: Annotated[int, Field(description="Of its last fact, in the log of `area`.")]
    area: Annotated[str, Field(description="The kelurahan, and so the log, that it lies in.")]
    state: State
    title: str
    description: str | None
    category: str
    seen_on: date
    source: Source
    source_ref: str | None
    point: PointOut | None
    address: str | None
    landmark: str | None
    rt: str | None
    rw: str | None
    priority: Priority
    escalation: int
    origin: str
    mine: Annotated[bool, Field(description="Recorded by whoever asks.")]
    endorsed: bool
    plan: str | None
    target_on: date | None
    desk: str | None
    desk_until: datetime | None
    due_at: datetime | None
    promised_at: datetime | None
    hold_review_on: date | None
    resolution: Resolution | None
    rating: int | None
    closing: Closing | None
    planned_in: str | None
    main: UUID | None
    created_at: Annotated[datetime, Field(description="When it was received.")]
    updated_at: datetime
    ended_at: datetime | None
    assignments: list[DocumentAssignmentOut]
    facts: Annotated[list[DocumentFactOut], Field(description="The last three, newest first.")]
    comments: Annotated[int, Field(description="How many there are for this side.")]
    photos: list[UUID]
    may: Annotated[list[Verb], Field(description="What this post may do, as of `server_time`: advice, not a right.")]
    may_parts: Annotated[list[list[AssignmentVerb]], Field(description="And with each assignment, in their order.")]


class GoneOut(Out):
    """A problem that left a log, or this post's sight."""

    log: str
    id: UUID
    position: int


class ReceiptsOut(Out):
    """How far the kecamatan knows a log."""

    delivered: Annotated[int, Field(description="A device of the kecamatan holds the log up to here.")]
    acknowledged: Annotated[int, Field(description="A person there took note up to here.")]
    read: Annotated[
        list[UUID], Field(description="Problems opened there as they now stand, beyond `delivered`; at most 100.")
    ]


class DigestOut(Out):
    """What a device that holds all of a log counts, problems that ended more than 90 days ago left out."""

    live: int
    versions: Annotated[int, Field(description="The sum of the versions.")]


class DetailOut(Out):
    """What a document leaves out, by the problem's id."""

    history: list[HistoryOut]
    comments: list[CommentOut]
    photos: list[PhotoOut]


class PullOut(Out):
    """What happened since. Store it, with `after`, in one transaction, and only if `from` is what you hold now."""

    documents: list[DocumentOut]
    gone: list[GoneOut]
    after: Annotated[dict[str, str], Field(description="The cursor from here on, for the logs that were read.")]
    from_: Annotated[dict[str, str], Field(serialization_alias="from", description="The cursor this answers.")]
    more: Annotated[bool, Field(description="Whether to ask again at once.")]
    unfinished: Annotated[list[str], Field(description="The logs of which there is more.")]
    resync: Annotated[
        dict[str, Resync],
        Field(description="Logs read from the start here: mark what you hold, sweep what did not come by the end."),
    ]
    scope: Annotated[list[str], Field(description="The logs of this post now. What you hold of others, remove.")]
    receipts: dict[str, ReceiptsOut]
    reference: Annotated[dict[str, str], Field(description="ETags of the packs.")]
    digest: dict[str, DigestOut] | None
    details: Annotated[dict[UUID, DetailOut] | None, Field(description="With `detail`.")]
    device: DeviceStateOut
    server_time: datetime


# -- push ------------------------------------------------------------------------------------------------------------


class OperationIn(In):
    """One thing done on a phone: a verb of the API, as it was done there."""

    id: Annotated[UUID, Field(description="A UUIDv7. Sent again, it has effect once.")]
    problem: Annotated[UUID, Field(description="The problem; for `report` the id it is to have.")]
    assignment: Annotated[UUID | None, Field(description="For a verb of an agency's part.")] = None
    verb: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$", examples=["comment"])]
    post: Annotated[UUID, Field(description="The post it was done under.")]
    base: Annotated[Version, Field(description="Version of the problem that the device knew; 0 for a report.")] = 0
    at: Annotated[Timestamp, Field(description="When, by the device's clock.")]
    data: Annotated[
        dict[str, JsonValue],
        Field(
            default_factory=dict,
            description="What the verb carries: a report, a correction, a remark or a step as the API takes it, "
            "without `id` and `verb`; for `attach` the id `photo`, its `sha256` and its `size` in bytes.",
        ),
    ]


class PushIn(In):
    """What was done on a device, in the order in which it was done."""

    device: DeviceIn
    last_accepted: Annotated[
        Count, Field(description="The number of the last operation it was told is taken; 0 for none.")
    ] = 0
    operations: Annotated[tuple[OperationIn, ...], Field(max_length=OPERATIONS_MAXIMUM)]
    pull: Annotated[PullIn | None, Field(description="A pull in the same round trip, answered after the push.")] = None


class OperationOut(Out):
    """What became of one operation."""

    id: UUID
    outcome: Outcome
    replayed: Annotated[bool, Field(description="It came before, and this is what was answered then.")]
    number: Annotated[int | None, Field(description="Its number on this device; none while it is held.")]
    version: Annotated[int | None, Field(description="Of the problem after it.")]
    refusal: Annotated[dict[str, Any] | None, Field(description="Why, where it was refused or is held.")]
    proposal: Annotated[UUID | None, Field(description="Where a person has to decide.")]


class PushOut(Out):
    """One outcome for each operation, in their order."""

    outcomes: list[OperationOut]
    device: DeviceStateOut
    pull: PullOut | None
    pull_refused: Annotated[dict[str, Any] | None, Field(description="Why there is no answer to the pull.")]
    server_time: datetime


# -- up to the kecamatan ---------------------------------------------------------------------------------------------


class ReceiptsIn(In):
    """Up to where somebody at the kecamatan took note."""

    receipts: Annotated[dict[AreaCode, Version], Field(min_length=1, max_length=500, examples=[{"35.75.03.1005": 57}])]


class ReceiptOut(Out):
    """Up to where a log is acknowledged."""

    log: str
    position: int
    at: datetime
    post: str


class TakenNoteOut(Out):
    """The receipts as they now stand."""

    items: list[ReceiptOut]


class BoardRowOut(Out):
    """How one kelurahan and its kecamatan know the same."""

    area: str
    area_name: str
    standing: Standing
    standing_label: str
    head: Annotated[int, Field(description="Position of the last fact of its log.")]
    delivered: Annotated[int, Field(description="A device of the kecamatan holds the log up to here.")]
    acknowledged: Annotated[int, Field(description="A person there took note up to here.")]
    behind: Annotated[int, Field(description="Facts that no device of the kecamatan holds yet.")]
    devices: int
    last_contact_at: datetime | None
    waiting: Annotated[int, Field(description="Operations on its devices, as of their last contact.")]
    waiting_since: datetime | None
    open_proposals: int
    quarantined: int
    uploads_missing: Annotated[int, Field(description="Photos recorded whose bytes have not come.")]


class BoardOut(Out):
    """Every kelurahan of an area."""

    items: list[BoardRowOut]
    as_of: datetime


class SyncDeviceOut(Out):
    """A device that synchronises."""

    id: UUID
    account: UUID
    name: str
    area: str | None
    schema_version: int
    accepted: Annotated[int, Field(description="Number of the last operation taken from it.")]
    safe: Annotated[int, Field(description="Up to this number its operations are in a backup.")]
    waiting: Annotated[int, Field(description="Operations it still held when it last spoke.")]
    waiting_since: datetime | None
    skew_seconds: Annotated[int | None, Field(description="How far its clock is ahead of ours.")]
    first_contact_at: datetime
    last_contact_at: datetime
    revoked_at: datetime | None


# -- what people decide ----------------------------------------------------------------------------------------------


class ValueOut(Out):
    """One field of a proposal: as its author knew it, as others made it, and as the author wants it."""

    field: str
    base: JsonValue
    theirs: JsonValue
    yours: JsonValue
    changed_by: Annotated[str | None, Field(description="Who changed it meanwhile.")]
    changed_at: datetime | None


class ProposalOut(Out):
    """Values that came late, for a person to decide."""

    id: UUID
    problem: UUID
    number: Annotated[str | None, Field(description="Of the problem, for whoever may see it.")]
    log: Annotated[str | None, Field(description="Where it lies, for whoever may see it.")]
    verb: str
    base: int
    yours: dict[str, JsonValue]
    author: str
    post: str
    recorded_at: datetime
    received_at: datetime
    settlement: Settlement | None
    settled_at: datetime | None
    settled_by: str | None


class ComparedProposalOut(ProposalOut):
    """The same, field by field."""

    version: Annotated[int | None, Field(description="Of the problem now, for whoever may see it.")]
    fields: list[ValueOut]


class QuarantinedOut(Out):
    """An operation that was refused."""

    id: UUID
    problem: UUID
    number: Annotated[str | None, Field(description="Of the problem, where there is one and you may see it.")]
    assignment: UUID | None
    log: str | None
    verb: str
    base: int
    data: dict[str, JsonValue]
    refusal: dict[str, Any]
    author: str
    post: str
    recorded_at: datetime
    received_at: datetime
    settlement: Settlement | None
    settled_at: datetime | None
    settled_by: str | None


class AcceptIn(In):
    """The proposed values are taken."""

    reason: Annotated[
        Reason | None, Field(description="Needed once the problem was accepted, and for its category or priority.")
    ] = None


class DismissIn(In):
    """What waits is not done; whoever recorded it reads why."""

    reason: Reason


class AdoptIn(In):
    """A refused operation is done after all, by whoever adopts it and under their rights."""

    data: Annotated[
        dict[str, JsonValue] | None, Field(description="What the verb carries, corrected; else as it came.")
    ] = None


# -- reference data that a phone keeps -------------------------------------------------------------------------------


class PackAreaOut(Out):
    """An area of the city."""

    code: str
    name: str
    level: Level
    level_label: str
    parent: str | None
    time_zone: str
    valid_to: Annotated[date | None, Field(description="The last day the code was in force; null while it is.")]
    point: PointOut | None


class AreasPackOut(Out):
    """The city with its kecamatan and kelurahan, also those whose code was given up."""

    items: list[PackAreaOut]


class CategoriesPackOut(Out):
    """All categories."""

    items: list[CategoryOut]


class AgenciesPackOut(Out):
    """The city's agencies."""

    items: list[AgencyOut]


class CalendarPackOut(Out):
    """The days of last year, this one and the next that are not what their weekday promises in the city."""

    area: str
    time_zone: str
    years: list[int]
    days: list[SpecialDayOut]


class PackStepOut(Out):
    """A verb, and where it is open; whose it is, each document tells in `may`."""

    verb: str
    label: str
    sources: Annotated[list[str], Field(description="States it starts from.")]
    targets: Annotated[dict[str, list[str]], Field(description="For each source the other states it can lead to.")]


class StepsPackOut(Out):
    """What can be done from where, what words are called, and how long stages may take."""

    problem: list[PackStepOut]
    assignment: list[PackStepOut]
    labels: Annotated[dict[str, dict[str, str]], Field(description="By enumeration: each word and its label.")]
    limits: list[LimitOut]


PackOut = AreasPackOut | CategoriesPackOut | AgenciesPackOut | CalendarPackOut | StepsPackOut
