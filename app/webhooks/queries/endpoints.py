"""Questions about endpoints, and about what was asked to be sent to them again."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select
from sqlmodel import Session, col

from app.kit.house import Work
from app.kit.paging import Page, Slice
from app.kit.refusals import NotFound
from app.people.actors import Actor
from app.webhooks import policy
from app.webhooks.models import Delivery, Endpoint, Recovery
from app.webhooks.schemas import WAITING_COUNTED, EndpointOut, RecoveryOut
from app.webhooks.words import DeliveryState, DisabledBy, EndpointState, EventType


class EndpointNotFound(NotFound):
    code = "endpoint_not_found"
    title, judul = "No such endpoint, or not yours to see", "Alamat webhook tidak ditemukan"


_WAITING: Any = (
    select(func.count())
    .select_from(
        select(literal(1))
        .where(col(Delivery.endpoint_id) == col(Endpoint.id), col(Delivery.state) == DeliveryState.WAITING)
        .limit(WAITING_COUNTED)
        .correlate(Endpoint)
        .subquery()
    )
    .scalar_subquery()
)
"""How many deliveries wait for an endpoint; it reads no more of them than it counts."""


def endpoints(work: Work[Actor], slicing: Slice, agency: str | None, *, removed: bool) -> Page[EndpointOut]:
    """Endpoints that the caller sees, newest first: those in use, or those that were removed."""
    policy.only_concerned(work.caller, policy.see)
    is_in_use = col(Endpoint.removed_at).is_(None)
    statement: Any = select(Endpoint, col(Endpoint.id).label("id"), _WAITING.label("waiting")).where(
        policy.see.where(work.caller, work.now), ~is_in_use if removed else is_in_use
    )
    if agency is not None:
        statement = statement.where(col(Endpoint.agency_code) == agency)
    rows = work.session.execute(slicing.apply(statement, col(Endpoint.id))).all()
    shown, after = slicing.cut(rows, "id")
    return Page(items=[_out(row.Endpoint, row.waiting, work.now) for row in shown], next=after)


def endpoint(work: Work[Actor], endpoint_id: UUID) -> EndpointOut:
    """One endpoint."""
    return endpoint_out(work.session, endpoint_seen(work, endpoint_id), work.now)


def endpoint_seen(work: Work[Actor], endpoint_id: UUID) -> Endpoint:
    """An endpoint that the caller may see."""
    policy.only_concerned(work.caller, policy.see)
    found = work.session.get(Endpoint, endpoint_id)
    if found is None or not policy.see.holds(work.caller, found, work.now):
        raise EndpointNotFound
    return found


def endpoint_out(session: Session, shown: Endpoint, now: datetime) -> EndpointOut:
    """An endpoint as the wire shows it."""
    waiting: int = session.execute(select(_WAITING).where(col(Endpoint.id) == shown.id)).scalar_one()
    return _out(shown, waiting, now)


def _out(shown: Endpoint, waiting: int, now: datetime) -> EndpointOut:
    is_tried = shown.state is EndpointState.ACTIVE or shown.disabled_by is DisabledBy.FAILING
    is_in_use = shown.removed_at is None
    return EndpointOut(
        id=shown.id,
        agency=shown.agency_code,
        url=shown.url,
        description=shown.description,
        events=[EventType(value) for value in shown.event_types],
        area=shown.area_prefix,
        state=shown.state,
        state_label=shown.state.label,
        disabled_by=shown.disabled_by,
        disabled_at=shown.disabled_at,
        failures=shown.failures,
        failing_since=shown.failing_since,
        next_at=shown.next_at if is_in_use and is_tried and shown.next_at > now else None,
        waiting=waiting if is_in_use else 0,
        catching_up=shown.is_catching_up,
        former_secret_until=shown.former_until if shown.former_until and shown.former_until > now else None,
        created_at=shown.created_at,
        removed_at=shown.removed_at,
    )


def recoveries(work: Work[Actor], slicing: Slice, endpoint_id: UUID) -> Page[RecoveryOut]:
    """What was asked to be sent to an endpoint again, newest first."""
    endpoint_seen(work, endpoint_id)
    statement = select(Recovery).where(col(Recovery.endpoint_id) == endpoint_id)
    rows = work.session.scalars(slicing.apply(statement, col(Recovery.id))).all()
    shown, after = slicing.cut(rows, "id")
    return Page(items=[recovery_out(each) for each in shown], next=after)


def recovery_out(shown: Recovery) -> RecoveryOut:
    """A recovery as the wire shows it."""
    return RecoveryOut(
        id=shown.id,
        endpoint=shown.endpoint_id,
        since=shown.since,
        until=shown.until,
        created_at=shown.created_at,
        found=shown.found,
        done_at=shown.done_at,
    )
