"""Tables of webhooks. The table of deliveries is the queue."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.kit.columns import Code, Document, EnumText, Moment
from app.webhooks.words import DeliveryState, DisabledBy, EndpointState, EventType, Fault


class Endpoint(SQLModel, table=True):
    """An address of a system of an agency, to which its events are sent."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (Index("ix_webhook_endpoint_agency", "agency_code", "id"),)

    id: UUID = Field(primary_key=True)
    agency_code: str = Field(foreign_key="agency.code", sa_type=Code(20))
    url: str = Field(max_length=500)
    description: str | None = Field(default=None, max_length=200)
    event_types: list[Any] = Field(sa_type=Document)
    """The types it is sent, by value; none: all of them."""
    area_prefix: str | None = Field(default=None, sa_type=Code(13))
    """It is sent what happens in this area and below; None: everywhere."""
    state: EndpointState = Field(sa_type=EnumText(EndpointState))
    disabled_by: DisabledBy | None = Field(default=None, sa_type=EnumText(DisabledBy))
    disabled_at: datetime | None = Field(default=None, sa_type=Moment)
    secret: str
    """Sealed by the vault."""
    former_secret: str | None = None
    """Sealed; after a rotation it signs beside the new one until `former_until`."""
    former_until: datetime | None = Field(default=None, sa_type=Moment)
    key_id: str = Field(max_length=16)
    """Names the vault's key that the secrets are sealed with."""
    created_at: datetime = Field(sa_type=Moment)
    created_by: UUID | None = Field(default=None, foreign_key="account.id")
    removed_at: datetime | None = Field(default=None, sa_type=Moment)
    """Removed by its agency; its deliveries stay listed for whoever asks what happened."""

    failures: int = 0
    """Failed attempts in a row."""
    pauses: int = 0
    """Pauses in a row, each longer than the one before."""
    failing_since: datetime | None = Field(default=None, sa_type=Moment)
    """The first of the failures in a row: since then nothing has arrived, and it was tried all along."""
    failed_at: datetime | None = Field(default=None, sa_type=Moment)
    """The last of them; where it lies back too far, nobody knows whether it failed in between."""
    next_at: datetime = Field(sa_type=Moment)
    """Nothing is sent to it before; a pause, or the next probe of a disabled one."""
    is_catching_up: bool = False
    """It came back, and what was held for it flows in order, at a bounded rate."""
    ordered_to: UUID | None = None
    """So far what waits for it has been put in order; as long as there is more, nothing is sent. None: all of it is."""


class Event(SQLModel, table=True):
    """Something that one agency is told: the bytes that are signed and sent, and that it may fetch by itself."""

    __tablename__ = "webhook_event"
    __table_args__ = (
        Index("ix_webhook_event_agency", "agency_code", "id"),
        Index("ix_webhook_event_open", "agency_code", "open_id"),
        Index("ix_webhook_event_agency_at", "agency_code", "at", "id"),
        Index("ix_webhook_event_at", "at", "id"),
    )

    id: UUID = Field(primary_key=True)
    """The `webhook-id`, the same for every attempt and every endpoint."""
    agency_code: str = Field(foreign_key="agency.code", sa_type=Code(20))
    type: EventType = Field(sa_type=EnumText(EventType))
    at: datetime = Field(sa_type=Moment)
    area_code: str | None = Field(default=None, sa_type=Code(13))
    left_code: str | None = Field(default=None, sa_type=Code(13))
    """The area that a problem moved out of: whoever asks for that one is sent it too."""
    problem_id: UUID | None = None
    version: int | None = None
    """Of the problem, which rises with everything that happens to it."""
    payload: str
    """`{type, timestamp, data}` as it is sent, byte for byte."""
    acknowledged_at: datetime | None = Field(default=None, sa_type=Moment)
    """When the agency said that it has it, by `POST /events/acknowledgements`."""
    open_id: UUID | None = None
    """Its id again, until the agency has said so. By this column what is left to fetch is found, in its order, however
    much was acknowledged before; by `id`, PostgreSQL would at times read all that anybody was ever told."""


class Delivery(SQLModel, table=True):
    """One event for one endpoint, until it has arrived. This row is its place in the queue."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        UniqueConstraint("event_id", "endpoint_id"),
        Index("ix_webhook_delivery_due", "endpoint_id", "state", "next_at", "id"),
        Index("ix_webhook_delivery_new", "endpoint_id", "id"),
        Index(
            "ix_webhook_delivery_ping",
            "endpoint_id",
            "state",
            "next_at",
            "id",
            sqlite_where=text("is_ping = 1"),
            postgresql_where=text("is_ping"),
        ),
        Index("ix_webhook_delivery_state", "endpoint_id", "state", "id"),
    )

    id: UUID = Field(primary_key=True)
    event_id: UUID = Field(foreign_key="webhook_event.id")
    endpoint_id: UUID = Field(foreign_key="webhook_endpoint.id")
    state: DeliveryState = Field(sa_type=EnumText(DeliveryState))
    attempts: int = 0
    next_at: datetime = Field(sa_type=Moment)
    """When it is due. A claim moves it behind the end of the lease, so that whatever dies with it is tried again."""
    lease: UUID | None = None
    """Of the claim under way; only who holds it settles the delivery."""
    is_ping: bool = False
    """Asks whether the endpoint is there: sent also to one that is paused or disabled, once."""
    created_at: datetime = Field(sa_type=Moment)
    settled_at: datetime | None = Field(default=None, sa_type=Moment)


class Attempt(SQLModel, table=True):
    """One try to deliver, and what came of it."""

    __tablename__ = "webhook_attempt"
    __table_args__ = (
        Index("ix_webhook_attempt_delivery", "delivery_id", "number"),
        Index("ix_webhook_attempt_at", "at"),
    )

    id: UUID = Field(primary_key=True)
    delivery_id: UUID = Field(foreign_key="webhook_delivery.id")
    number: int
    at: datetime = Field(sa_type=Moment)
    milliseconds: int
    status: int | None = None
    """HTTP status of the answer; None where none came."""
    fault: Fault | None = Field(default=None, sa_type=EnumText(Fault))
    """None where it arrived."""
    detail: str | None = Field(default=None, max_length=300)
    answer: str | None = None
    """What it answered, at most 4,000 characters."""


class Recovery(SQLModel, table=True):
    """The wish of an agency to be sent again what happened between two moments and has not arrived."""

    __tablename__ = "webhook_recovery"
    __table_args__ = (
        Index("ix_webhook_recovery_endpoint", "endpoint_id", "id"),
        Index("ix_webhook_recovery_open", "done_at"),
    )

    id: UUID = Field(primary_key=True)
    endpoint_id: UUID = Field(foreign_key="webhook_endpoint.id")
    since: datetime = Field(sa_type=Moment)
    until: datetime = Field(sa_type=Moment)
    created_at: datetime = Field(sa_type=Moment)
    reached: UUID | None = None
    """The last event that was looked at; it goes on from there."""
    found: int = 0
    """Deliveries that were made or made again."""
    done_at: datetime | None = Field(default=None, sa_type=Moment)
