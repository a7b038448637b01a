"""Changing endpoints: an agency makes its own, pauses them, exchanges their secrets, removes them.

Secrets are sealed by the vault. An answer that tells one is remembered without it: nothing at rest holds it in plain.
"""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, CursorResult, exists, func, select, update
from sqlmodel import Session, col

from app.agencies.models import Agency
from app.agencies.queries import UnknownAgency
from app.areas import queries as areas
from app.journal import actions as journal
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.kit.refusals import Conflict, IdReused, NotPermitted, Unprocessable
from app.kit.vault import Unreadable
from app.people.actions.keys import AgencyRequired
from app.people.actors import Actor
from app.webhooks import policy
from app.webhooks.actions import publishing
from app.webhooks.actions.queue import flow_in_order
from app.webhooks.bell import bell_of, ring_after_commit
from app.webhooks.guard import guard_of
from app.webhooks.models import Delivery, Endpoint, Recovery
from app.webhooks.queries.endpoints import EndpointNotFound, endpoint_out, endpoint_seen, recovery_out
from app.webhooks.schemas import (
    EndpointChange,
    EndpointIn,
    EndpointOut,
    EndpointSecretOut,
    Pinged,
    RecoveryIn,
    RecoveryOut,
)
from app.webhooks.signing import new_secret
from app.webhooks.words import DeliveryState, EndpointState, EventType

ENDPOINTS_MAXIMUM: Final = 20
"""Endpoints of one agency."""
FORMER_SECRET_SIGNS: Final = timedelta(hours=24)
"""For so long a receiver has time to learn the new secret."""
RECOVERED_BACK: Final = timedelta(days=90)
RECOVERIES_MAXIMUM: Final = 5
"""Recoveries of one endpoint that wait to be worked off."""
_RESEALED_AT_ONCE = 500
_CANCELLED_AT_ONCE = 5_000
_log = structlog.get_logger("ujung.webhooks")


class EndpointRemoved(Conflict):
    code, title = "endpoint_removed", "This endpoint was removed"
    judul = "Alamat webhook ini sudah dihapus"


class TooManyEndpoints(Conflict):
    code, title = "too_many_endpoints", "The agency has as many endpoints as it may have"
    judul = "Jumlah alamat webhook instansi ini sudah mencapai batas"


class RecoveryRangeRefused(Unprocessable):
    code, title = "recovery_range_refused", "Events of this time cannot be sent again"
    judul = "Peristiwa pada rentang waktu ini tidak dapat dikirim ulang"


class TooManyRecoveries(Conflict):
    code, title = "too_many_recoveries", "Wait until what was asked before has been sent again"
    judul = "Tunggu sampai permintaan kirim ulang sebelumnya selesai"


# -- making and changing ---------------------------------------------------------------------------------------------


def create(work: Work[Actor], body: EndpointIn) -> EndpointSecretOut:
    """A new endpoint, and the secret that what it is sent is signed with."""
    session, vault = work.session, work.house.vault
    agency = _agency_meant(work.caller, body.agency)
    guard_of(work.house.settings).check_url(body.url)
    if body.area is not None:
        areas.known(session, body.area)
    if body.id is not None and session.get(Endpoint, body.id) is not None:
        raise IdReused
    _leave_room(session, agency)
    secret = new_secret()
    endpoint = Endpoint(
        id=body.id or new_id(),
        agency_code=agency,
        url=body.url,
        description=body.description,
        event_types=_values(body.events),
        area_prefix=body.area,
        state=EndpointState.ACTIVE,
        secret=vault.seal(secret),
        key_id=vault.key_id,
        created_at=work.now,
        created_by=work.caller.person_id,
        next_at=work.now,
    )
    session.add(endpoint)
    session.flush()
    _note(work, "endpoint.created", endpoint, url=_told(body.url), events=endpoint.event_types, area=body.area)
    return _with_secret(work, endpoint, secret)


def _agency_meant(caller: Actor, named: str | None) -> str:
    """Whose endpoint is to be made: the caller's own agency's; an admin names one."""
    policy.only_concerned(caller, policy.manage)
    agency = named or caller.agency_code
    if agency is None:
        raise AgencyRequired
    if caller.agency_code not in (None, agency):
        raise NotPermitted("Endpoints are made for your own agency only.")
    return agency


def _leave_room(session: Session, agency: str) -> None:
    """Refuses one endpoint too many; the agency is locked, so that two who ask at once cannot both be the last."""
    if session.get(Agency, agency, with_for_update={"key_share": True}) is None:
        raise UnknownAgency
    statement = select(func.count()).where(col(Endpoint.agency_code) == agency, col(Endpoint.removed_at).is_(None))
    if session.execute(statement).scalar_one() >= ENDPOINTS_MAXIMUM:
        raise TooManyEndpoints(f"At most {ENDPOINTS_MAXIMUM}; remove one first.")


def change(work: Work[Actor], endpoint_id: UUID, body: EndpointChange) -> EndpointOut:
    """The endpoint with what was given changed.

    An address that is new, or an endpoint made active again, starts with no failures; what was held flows in order.
    """
    endpoint = _managed(work, endpoint_id)
    given = body.model_fields_set
    before = _settings(endpoint)
    if body.url is not None and body.url != endpoint.url:
        guard_of(work.house.settings).check_url(body.url)
        endpoint.url = body.url
        _begin_anew(work, endpoint)
    if "description" in given:
        endpoint.description = body.description
    if body.events is not None:
        endpoint.event_types = _values(body.events)
    if "area" in given:
        if body.area is not None:
            areas.known(work.session, body.area)
        endpoint.area_prefix = body.area
    if body.state is not None:
        _set_state(work, endpoint, body.state)
    after = _settings(endpoint)
    changes = {name: [before[name], value] for name, value in after.items() if value != before[name]}
    if changes:
        _note(work, "endpoint.changed", endpoint, **changes)
    return endpoint_out(work.session, endpoint, work.now)


def _set_state(work: Work[Actor], endpoint: Endpoint, state: EndpointState) -> None:
    if state is EndpointState.ACTIVE and (endpoint.state is not state or endpoint.failures):
        _begin_anew(work, endpoint)
        waits = (col(Delivery.endpoint_id) == endpoint.id, col(Delivery.state) == DeliveryState.WAITING)
        endpoint.is_catching_up = work.session.scalar(select(col(Delivery.id)).where(*waits).limit(1)) is not None
        flow_in_order(work.session, [endpoint.id], work.now)
    endpoint.state = state
    endpoint.disabled_by = endpoint.disabled_at = None


def _begin_anew(work: Work[Actor], endpoint: Endpoint) -> None:
    """What failed until now counts no more, and nothing is waited for."""
    endpoint.failures = endpoint.pauses = 0
    endpoint.failing_since = None
    endpoint.next_at = work.now
    ring_after_commit(work.session, bell_of(work.house))


def remove(work: Work[Actor], endpoint_id: UUID) -> EndpointOut:
    """Nothing is sent to it any more, and its secrets are forgotten. What was sent stays listed.

    What waits for it counts as cancelled from now; rows are told so in rounds, because there may be very many.
    """
    endpoint = _managed(work, endpoint_id, may_be_removed=True)
    if endpoint.removed_at is None:
        endpoint.removed_at = work.now
        endpoint.secret, endpoint.former_secret, endpoint.former_until = "", None, None
        endpoint.is_catching_up = False
        work.session.connection().execute(
            update(Recovery)
            .where(col(Recovery.endpoint_id) == endpoint_id, col(Recovery.done_at).is_(None))
            .values(done_at=work.now)
        )
        _note(work, "endpoint.removed", endpoint, url=_told(endpoint.url))
    return endpoint_out(work.session, endpoint, work.now)


def _managed(work: Work[Actor], endpoint_id: UUID, *, may_be_removed: bool = False) -> Endpoint:
    """The endpoint as it is now, locked, which the caller may manage."""
    found = endpoint_seen(work, endpoint_id)
    policy.only_managing(work.caller, found, work.now)
    locked = work.session.get(Endpoint, endpoint_id, with_for_update={"key_share": True}, populate_existing=True)
    if locked is None:
        raise EndpointNotFound
    if locked.removed_at is not None and not may_be_removed:
        raise EndpointRemoved
    return locked


# -- secrets ---------------------------------------------------------------------------------------------------------


def rotate(work: Work[Actor], endpoint_id: UUID, *, at_once: bool) -> EndpointSecretOut:
    """From now a new secret signs; for a day the one before signs beside it, unless it is exchanged at once.

    Of several exchanges within a day only the latest two secrets sign. One that can no longer be opened, because the
    vault's key is gone, is exchanged at once.
    """
    endpoint, vault = _managed(work, endpoint_id), work.house.vault
    try:
        former = None if at_once else vault.reseal(endpoint.secret)
    except Unreadable:
        former = None
    endpoint.former_secret = former
    endpoint.former_until = work.now + FORMER_SECRET_SIGNS if former else None
    secret = new_secret()
    endpoint.secret, endpoint.key_id = vault.seal(secret), vault.key_id
    _note(work, "endpoint.secret_rotated", endpoint, at_once=former is None)
    return _with_secret(work, endpoint, secret)


def _with_secret(work: Work[Actor], endpoint: Endpoint, secret: str) -> EndpointSecretOut:
    return EndpointSecretOut(**endpoint_out(work.session, endpoint, work.now).model_dump(), secret=secret)


def without_secret(told: EndpointSecretOut) -> EndpointSecretOut:
    """What may be remembered of the answer: the same request again has no further effect, and is told no secret."""
    return told.model_copy(update={"secret": None})


def reseal_secrets(house: House) -> int:
    """Seals anew what was sealed with a key that is no longer the vault's first, some at a time; answers how many.

    A secret that no key opens stays as it is, and is logged: its agency has to exchange it. They come in any order, so
    that it stands in nobody's way.
    """
    stale = _sealed_before(house)
    with house.database.read() as session:
        if session.scalar(select(col(Endpoint.id)).where(stale).limit(1)) is None:
            return 0
    return house.database.perform(lambda session: _reseal(session, house, stale))


def _sealed_before(house: House) -> ColumnElement[bool]:
    is_stale: ColumnElement[bool] = (col(Endpoint.key_id) != house.vault.key_id) & col(Endpoint.removed_at).is_(None)
    return is_stale


def _reseal(session: Session, house: House, stale: ColumnElement[bool]) -> int:
    statement = select(Endpoint).where(stale).order_by(func.random()).limit(_RESEALED_AT_ONCE)
    done = 0
    for endpoint in session.scalars(statement.with_for_update(key_share=True)):
        try:
            endpoint.secret = house.vault.reseal(endpoint.secret)
        except Unreadable:
            _log.warning("secret of an endpoint is unreadable", endpoint=str(endpoint.id), key=endpoint.key_id)
            continue
        endpoint.former_secret = _resealed_if_readable(house, endpoint.former_secret)
        endpoint.key_id = house.vault.key_id
        done += 1
    return done


def _resealed_if_readable(house: House, sealed: str | None) -> str | None:
    try:
        return None if sealed is None else house.vault.reseal(sealed)
    except Unreadable:
        return None


# -- what is sent ----------------------------------------------------------------------------------------------------


def ping(work: Work[Actor], endpoint_id: UUID) -> Pinged:
    """A ping to this endpoint, also where it is paused or disabled."""
    endpoint = _managed(work, endpoint_id)
    delivery_id = publishing.publish_ping(work.session, work.house, endpoint, work.now)
    note_of_admin(work, "endpoint.pinged", endpoint, delivery=str(delivery_id))
    return Pinged(delivery=delivery_id)


def recover(work: Work[Actor], endpoint_id: UUID, body: RecoveryIn) -> RecoveryOut:
    """Asks that what happened in this time and has not arrived be sent; the courier works it off."""
    endpoint, session = _managed(work, endpoint_id), work.session
    if body.id is not None and session.get(Recovery, body.id) is not None:
        raise IdReused
    _check_range(work, body)
    is_open = (col(Recovery.endpoint_id) == endpoint_id) & col(Recovery.done_at).is_(None)
    if session.execute(select(func.count()).where(is_open)).scalar_one() >= RECOVERIES_MAXIMUM:
        raise TooManyRecoveries(f"At most {RECOVERIES_MAXIMUM} at a time.")
    recovery = Recovery(
        id=body.id or new_id(), endpoint_id=endpoint_id, since=body.since, until=body.until, created_at=work.now
    )
    session.add(recovery)
    note_of_admin(work, "endpoint.recovery_asked", endpoint, since=body.since.isoformat(), until=body.until.isoformat())
    ring_after_commit(session, bell_of(work.house))
    return recovery_out(recovery)


def _check_range(work: Work[Actor], body: RecoveryIn) -> None:
    if body.since >= body.until:
        raise RecoveryRangeRefused("`since` has to lie before `until`.")
    if body.until > work.now:
        raise RecoveryRangeRefused("`until` lies in the future.")
    if body.since < work.now - RECOVERED_BACK:
        raise RecoveryRangeRefused(f"`since` lies more than {RECOVERED_BACK.days} days back.")


def cancel_for_removed(house: House) -> int:
    """Cancels what still waits for endpoints that were removed, some at a time; answers how many."""
    waits = (col(Delivery.endpoint_id) == col(Endpoint.id)) & (col(Delivery.state) == DeliveryState.WAITING)
    with house.database.read() as session:
        statement = select(col(Endpoint.id)).where(col(Endpoint.removed_at).is_not(None), exists().where(waits))
        removed = session.scalars(statement.limit(1)).one_or_none()
    if removed is None:
        return 0
    its = (col(Delivery.endpoint_id) == removed, col(Delivery.state) == DeliveryState.WAITING)
    some = select(col(Delivery.id)).where(*its).limit(_CANCELLED_AT_ONCE)
    cancelled = {"state": DeliveryState.CANCELLED, "settled_at": house.clock(), "lease": None}

    def unit(session: Session) -> int:
        statement = update(Delivery).where(col(Delivery.id).in_(some), *its).values(cancelled)
        done: CursorResult[Any] = session.connection().execute(statement)
        return done.rowcount

    return house.database.perform(unit)


# -- what is noted ---------------------------------------------------------------------------------------------------


def _note(work: Work[Actor], kind: str, endpoint: Endpoint, **data: Any) -> None:
    """Notes a change in the journal of administration, under the agency; a system is named, for it has no account."""
    system = {} if work.caller.verbs is None else {"by": work.caller.name}
    journal.administration(work, kind, f"agency:{endpoint.agency_code}", endpoint=str(endpoint.id), **data, **system)


def note_of_admin(work: Work[Actor], kind: str, endpoint: Endpoint, **data: Any) -> None:
    """Notes what is part of an agency's days, where an admin did it for them."""
    if work.caller.is_admin:
        _note(work, kind, endpoint, **data)


def _values(events: tuple[EventType, ...]) -> list[Any]:
    """The types by value, each once, in the order in which they are declared."""
    return [each.value for each in EventType if each in events]


def _settings(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "url": _told(endpoint.url),
        "description": endpoint.description,
        "events": endpoint.event_types,
        "area": endpoint.area_prefix,
        "state": str(endpoint.state),
    }


def _told(url: str) -> str:
    """An address as it may be noted: without what stands behind `?`, which may be a secret."""
    return url.partition("?")[0].partition("#")[0]
