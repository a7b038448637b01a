"""Tables of problems. `problem` and `assignment` have a column of the same name for every field of the aggregate."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.agencies.words import CategoryClass
from app.kit.columns import Code, EnumText, Moment
from app.problems.words import (
    AssignmentState,
    Closing,
    Ground,
    HoldReason,
    LinkKind,
    Overlay,
    Priority,
    Resolution,
    Source,
    State,
    Worker,
)


class ProblemRow(SQLModel, table=True):
    """A problem as of its last fact."""

    __tablename__ = "problem"
    __table_args__ = (
        UniqueConstraint("area_code", "position"),
        Index("ix_problem_area_new", "area_code", "created_at", "id"),
        Index("ix_problem_district_new", "district_code", "created_at", "id"),
        Index("ix_problem_city_new", "city_code", "created_at", "id"),
        Index("ix_problem_city_state_new", "city_code", "state", "created_at", "id"),
        Index("ix_problem_district_state_new", "district_code", "state", "created_at", "id"),
        Index("ix_problem_desk_new", "desk", "created_at", "id"),
        Index("ix_problem_lead_new", "lead_agency", "created_at", "id"),
        Index("ix_problem_origin_new", "origin", "created_at", "id"),
        Index("ix_problem_alerted_new", "alerted_agency", "created_at", "id"),
        Index("ix_problem_state_until", "state", "desk_until"),
        Index("ix_problem_overlay_review", "overlay", "hold_review_on"),
        Index("ix_problem_main", "main_id", "main_outcome"),
        Index("ix_problem_updated", "city_code", "updated_at"),
    )

    id: UUID = Field(primary_key=True)
    number: str = Field(max_length=24, unique=True)
    area_code: str = Field(foreign_key="area.code", sa_type=Code(13))
    district_code: str = Field(sa_type=Code(8))
    city_code: str = Field(sa_type=Code(5))
    version: int
    position: int

    title: str = Field(max_length=160)
    description: str | None = Field(default=None)
    category_code: str = Field(foreign_key="category.code", sa_type=Code(64), index=True)
    class_code: CategoryClass = Field(sa_type=EnumText(CategoryClass))
    proof_required: bool
    seen_on: date
    source: Source = Field(sa_type=EnumText(Source))
    source_ref: str | None = Field(default=None, max_length=100)
    latitude: float | None = None
    longitude: float | None = None
    address: str | None = Field(default=None, max_length=300)
    landmark: str | None = Field(default=None, max_length=300)
    rt: str | None = Field(default=None, max_length=3)
    rw: str | None = Field(default=None, max_length=3)
    priority: Priority = Field(sa_type=EnumText(Priority))
    escalation: int = 0

    author_id: UUID | None = Field(default=None, foreign_key="account.id")
    origin: str = Field(max_length=40)
    created_at: datetime = Field(sa_type=Moment)
    updated_at: datetime = Field(sa_type=Moment)

    state: State = Field(sa_type=EnumText(State))
    desk: str | None = Field(default=None, max_length=40)
    lead_agency: str | None = Field(default=None, sa_type=Code(20))
    ground: Ground = Field(sa_type=EnumText(Ground))
    overlay: Overlay | None = Field(default=None, sa_type=EnumText(Overlay))
    returned_to: str | None = Field(default=None, max_length=16)
    is_question: bool = False
    hold_reason: HoldReason | None = Field(default=None, sa_type=EnumText(HoldReason))
    hold_review_on: date | None = None

    forwarded_at: datetime | None = Field(default=None, sa_type=Moment)
    endorsed: bool = False
    accepted_at: datetime | None = Field(default=None, sa_type=Moment)
    target_on: date | None = None
    plan: str | None = None
    bounces: int = 0
    authority_decided: bool = False
    alerted_agency: str | None = Field(default=None, sa_type=Code(20))

    is_finished: bool = False
    worked_by: Worker | None = Field(default=None, sa_type=EnumText(Worker))
    finished_by: UUID | None = None
    finished_at: datetime | None = Field(default=None, sa_type=Moment)
    confirm_widens_at: datetime | None = Field(default=None, sa_type=Moment)
    resolution: Resolution | None = Field(default=None, sa_type=EnumText(Resolution))
    rating: int | None = None
    resolved_at: datetime | None = Field(default=None, sa_type=Moment)
    closing: Closing | None = Field(default=None, sa_type=EnumText(Closing))
    closed_at: datetime | None = Field(default=None, sa_type=Moment)
    ended_version: int | None = None
    rejected_by: UUID | None = None
    is_appealed: bool = False
    appeal_pending: bool = False
    main_id: UUID | None = Field(default=None, foreign_key="problem.id")
    main_outcome: str | None = Field(default=None, max_length=32)
    planned_in: str | None = Field(default=None, max_length=100)

    due_at: datetime | None = Field(default=None, sa_type=Moment)
    promised_at: datetime | None = Field(default=None, sa_type=Moment)
    desk_until: datetime | None = Field(default=None, sa_type=Moment)

    words: str
    """What the words filter searches: number, title, place and description, case folded."""


class AssignmentRow(SQLModel, table=True):
    """One agency's part, as of the problem's last fact."""

    __tablename__ = "assignment"
    __table_args__ = (
        Index("ix_assignment_agency_new", "agency_code", "offered_at", "id"),
        Index("ix_assignment_agency_state_new", "agency_code", "state", "offered_at", "id"),
        Index("ix_assignment_problem", "problem_id", "sequence"),
        Index("ix_assignment_hold", "hold_proposed_at"),
    )

    id: UUID = Field(primary_key=True)
    problem_id: UUID = Field(foreign_key="problem.id")
    sequence: int
    """Order of the offers of one problem."""
    agency_code: str = Field(foreign_key="agency.code", sa_type=Code(20))
    is_lead: bool
    is_required: bool
    state: AssignmentState = Field(sa_type=EnumText(AssignmentState))
    assigned_by: str = Field(max_length=16)
    by_hand: bool
    is_binding: bool
    instruction: str | None = None
    delegated_to: str | None = Field(default=None, max_length=160)
    offered_at: datetime = Field(sa_type=Moment)
    answered_at: datetime | None = Field(default=None, sa_type=Moment)
    done_at: datetime | None = Field(default=None, sa_type=Moment)
    due_at: datetime | None = Field(default=None, sa_type=Moment)
    hold_reason: HoldReason | None = Field(default=None, sa_type=EnumText(HoldReason))
    hold_review_on: date | None = None
    hold_proposed_at: datetime | None = Field(default=None, sa_type=Moment)
    resolution: Resolution | None = Field(default=None, sa_type=EnumText(Resolution))
    note: str | None = None


class Comment(SQLModel, table=True):
    """A remark. `side` says who reads an internal one: `territory`, or one agency."""

    __tablename__ = "problem_comment"
    __table_args__ = (Index("ix_problem_comment_new", "problem_id", "at", "id"),)

    id: UUID = Field(primary_key=True)
    problem_id: UUID = Field(foreign_key="problem.id")
    version: int
    text: str
    internal: bool
    side: str = Field(max_length=40)
    late: bool
    account_id: UUID | None = None
    author: str = Field(max_length=160)
    post: str = Field(max_length=40)
    at: datetime = Field(sa_type=Moment)


class ProblemPhoto(SQLModel, table=True):
    """A photo belongs to one problem, which decides who may see it."""

    __tablename__ = "problem_photo"

    photo_id: UUID = Field(primary_key=True, foreign_key="photo.id")
    problem_id: UUID = Field(foreign_key="problem.id", index=True)
    version: int
    seen_before: bool
    late: bool


class ProblemLink(SQLModel, table=True):
    """Two problems that belong together."""

    __tablename__ = "problem_link"

    problem_id: UUID = Field(primary_key=True, foreign_key="problem.id")
    other_id: UUID = Field(primary_key=True, foreign_key="problem.id", index=True)
    kind: LinkKind = Field(sa_type=EnumText(LinkKind))


class Reporter(SQLModel, table=True):
    """Who told the kelurahan, sealed."""

    __tablename__ = "reporter"

    problem_id: UUID = Field(primary_key=True, foreign_key="problem.id")
    sealed: str


class Sight(SQLModel, table=True):
    """What an agency sees of a log, and what has left a log: the feed of those who do not simply see all of it.

    Under no agency (`""`) stand only marks of problems that were moved to another kelurahan.
    """

    __tablename__ = "sight"
    __table_args__ = (
        Index("ix_sight_agency_position", "agency_code", "log", "position"),
        Index("ix_sight_gone", "gone", "at"),
    )

    agency_code: str = Field(primary_key=True, sa_type=Code(20))
    log: str = Field(primary_key=True, sa_type=Code(13))
    problem_id: UUID = Field(primary_key=True)
    position: int
    """Of the fact after which it is seen so, or no longer."""
    gone: bool
    at: datetime = Field(sa_type=Moment)


class Reading(SQLModel, table=True):
    """The last state of a problem that somebody at the kecamatan has opened."""

    __tablename__ = "problem_reading"
    __table_args__ = (Index("ix_problem_reading_log", "log", "position"),)

    problem_id: UUID = Field(primary_key=True, foreign_key="problem.id")
    log: str = Field(sa_type=Code(13))
    position: int
    at: datetime = Field(sa_type=Moment)
