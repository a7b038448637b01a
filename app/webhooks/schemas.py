"""Wire shapes of endpoints, deliveries and recoveries."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field

from app.agencies.words import AgencyCode
from app.areas.words import AreaCode
from app.kit.words import ClientId, In, Out, Timestamp
from app.webhooks.words import (
    DeliveryStanding,
    DisabledBy,
    EndpointDescription,
    EndpointState,
    EndpointUrl,
    EventType,
    Fault,
)

WAITING_COUNTED: Final = 1_000
"""Deliveries that wait for an endpoint are counted up to here: there may be hundreds of thousands."""

EventTypes = Annotated[
    tuple[EventType, ...],
    Field(
        max_length=100,
        description="The types of events that it is sent; none: all of them.",
        examples=[["problem.assigned", "assignment.revoked", "problem.commented"]],
    ),
]


class EndpointIn(In):
    """A new endpoint."""

    id: ClientId | None = None
    agency: AgencyCode | None = Field(
        default=None, description="Whose it is; an admin says it, for all others it is their own."
    )
    url: EndpointUrl = Field(description="Where events are sent by POST: `https://`, and a public address.")
    description: EndpointDescription | None = None
    events: EventTypes = ()
    area: AreaCode | None = Field(
        default=None, description="It is sent what happens in this area and below; without one, everywhere."
    )


class EndpointChange(In):
    """What is to be changed of an endpoint; what is left out stays, null clears `description` and `area`."""

    url: EndpointUrl | None = None
    description: EndpointDescription | None = None
    events: EventTypes | None = None
    area: AreaCode | None = None
    state: Literal[EndpointState.ACTIVE, EndpointState.PAUSED] | None = Field(
        default=None, description="Active: one that was disabled or kept failing is sent to again, from now."
    )


class Rotation(In):
    """How the secret is exchanged."""

    now: bool = Field(default=False, description="The former secret signs no longer, because others may know it.")


class EndpointOut(Out):
    """An address of an agency's system, to which its events are sent."""

    id: UUID
    agency: str
    url: str
    description: str | None
    events: list[EventType] = Field(description="The types of events that it is sent; none: all of them.")
    area: str | None = Field(description="It is sent what happens in this area and below; null: everywhere.")
    state: EndpointState
    state_label: str
    disabled_by: DisabledBy | None = Field(
        description="`gone`: it answered 410. `failing`: it failed for 120 hours, and is tried again each hour."
    )
    disabled_at: datetime | None
    failures: int = Field(description="Failed attempts in a row.")
    failing_since: datetime | None = Field(description="Since then nothing has arrived.")
    next_at: datetime | None = Field(description="Nothing is sent before: after failures in a row it is given a rest.")
    waiting: int = Field(description=f"Deliveries that wait for it or are held, counted up to {WAITING_COUNTED}.")
    catching_up: bool = Field(description="It came back, and what was held for it flows in order.")
    former_secret_until: datetime | None = Field(description="Until then the former secret signs beside the new one.")
    created_at: datetime
    removed_at: datetime | None


class EndpointSecretOut(EndpointOut):
    """An endpoint with its new secret, which is said here and never again."""

    secret: str | None = Field(
        description="What signatures are made with, `whsec_…`. Null where this request was answered before: only the "
        "first answer tells it, for it is kept nowhere in plain. Whoever missed it exchanges it for another.",
        examples=["whsec_Y29udG9oIHJhaGFzaWEsIGJ1a2FuIHJhaGFzaWE="],
    )


class Pinged(Out):
    """A ping is on its way."""

    delivery: UUID = Field(description="Its delivery, by which to read how it ended.")


class DeliveryOut(Out):
    """One event for one endpoint, and how far it came."""

    id: UUID
    endpoint: UUID
    event: UUID = Field(description="The `webhook-id`, the same in every attempt.")
    type: EventType
    at: datetime = Field(description="When it happened.")
    problem: UUID | None
    version: int | None = Field(description="Of the problem.")
    state: DeliveryStanding
    state_label: str
    attempts: int = Field(description="Attempts of the present run; a retry begins another.")
    next_at: datetime | None = Field(description="When it is tried next, at the earliest.")
    ping: bool
    created_at: datetime
    settled_at: datetime | None


class AttemptOut(Out):
    """One try to deliver."""

    number: int
    at: datetime
    milliseconds: int
    status: int | None = Field(description="HTTP status of the answer; null where none came.")
    fault: Fault | None = Field(description="Null where it arrived.")
    detail: str | None
    answer: str | None = Field(description="The beginning of what was answered.")


class LoggedDeliveryOut(DeliveryOut):
    """A delivery with what was sent and what came of each attempt."""

    payload: str = Field(description="The body of the request, byte for byte.")
    log: list[AttemptOut] = Field(description="The latest hundred attempts, the first of them first.")


class RecoveryIn(In):
    """Which events are to be sent again: those of this time that have not arrived."""

    id: ClientId | None = None
    since: Timestamp = Field(description="At most 90 days back.", examples=["2026-03-18T00:00:00+07:00"])
    until: Timestamp = Field(description="Not included; not in the future.", examples=["2026-03-30T00:00:00+07:00"])


class RecoveryOut(Out):
    """A time whose events are sent again where they have not arrived."""

    id: UUID
    endpoint: UUID
    since: datetime
    until: datetime
    created_at: datetime
    found: int = Field(description="Deliveries that were made, or made again.")
    done_at: datetime | None = Field(description="Null while it is being worked off.")
