"""A device speaks: what it told of itself is noted, and what it has shown to hold."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, exists, select
from sqlmodel import Session

from app.kit.columns import columns_of
from app.kit.database import Again, resolving_insert, write_rows
from app.kit.house import House
from app.kit.refusals import Busy
from app.people.actors import Actor
from app.sync.actions.devices import DeviceRevoked
from app.sync.models import Delivery, SyncContact, SyncDevice, SyncOperation
from app.sync.schemas import DeviceIn, DeviceStateOut
from app.sync.words import SCHEMA

CLOCK_WRONG_SECONDS = 600
_NOTED_EVERY = timedelta(minutes=10)
_SKEW_NOTED_SECONDS = 60
_SKEW_AT_MOST = 2**31 - 1
_DEVICES, _OPERATIONS = columns_of(SyncDevice), columns_of(SyncOperation)
_KNOWN = select(
    *_DEVICES,
    exists()
    .where(_OPERATIONS.id == bindparam("operation"), _OPERATIONS.account_id == bindparam("account"))
    .label("has_last"),
).where(_DEVICES.account_id == bindparam("account"), _DEVICES.id == bindparam("device"))


@dataclass(frozen=True)
class Known:
    """What is known of a device that speaks."""

    device: SyncDevice | Row[Any] | None
    has_last: bool
    """Whether the last operation that it was told is taken is known here."""


def known_device(session: Session, account_id: UUID, said: DeviceIn) -> Known:
    """What is known of a device that speaks; one that was revoked is told so, and nothing else."""
    asked = {"account": account_id, "device": said.id, "operation": said.last_operation}
    device: Any = session.connection().execute(_KNOWN, asked).one_or_none()
    if device is None:
        return Known(None, has_last=said.last_operation is None)
    if device.revoked_at is not None:
        raise DeviceRevoked
    return Known(device, has_last=device.has_last or said.last_operation is None)


def state_of(known: Known, said: DeviceIn, now: datetime) -> DeviceStateOut:
    """What is told back to it."""
    device = known.device
    skew = skew_of(said, now)
    return DeviceStateOut(
        accepted=device.accepted if device else 0,
        safe=device.safe if device else 0,
        skew_seconds=skew,
        clock_wrong=skew is not None and abs(skew) > CLOCK_WRONG_SECONDS,
        upgrade=said.schema_ < SCHEMA,
        rewound=not known.has_last,
    )


def skew_of(said: DeviceIn, now: datetime) -> int | None:
    """How far its clock is ahead of ours, in seconds; a clock of another age is as far off as can be written down."""
    if said.sent_at is None:
        return None
    return max(-_SKEW_AT_MOST, min(_SKEW_AT_MOST, round((said.sent_at - now).total_seconds())))


def note_contact(
    house: House,
    actor: Actor,
    known: SyncDevice | Row[Any] | None,
    said: DeviceIn,
    held: Mapping[str, int],
    now: datetime,
) -> None:
    """Notes that a device spoke and what it holds, in a small write of its own; where nothing is new, rarely."""
    told = told_by(said, now) | {"area_code": actor.area_code}
    if known is not None and not held and _is_stale_news(known, told):
        return
    device = told | {"account_id": actor.account_id, "id": said.id, "first_contact_at": now, "accepted": 0, "safe": 0}
    deliveries = [
        {"log": log, "post_id": actor.post_id, "position": position, "at": now}
        for log, position in sorted(held.items())
    ]
    with suppress(Busy, Again), house.database.write() as session:  # the next contact tells the same again
        statement = resolving_insert(session, SyncDevice)
        write_rows(
            session,
            statement.on_conflict_do_update(
                index_elements=["account_id", "id"], set_={name: statement.excluded[name] for name in told}
            ),
            [device],
        )
        if actor.area_code is not None:
            note_areas(session, actor.account_id, said.id, [actor.area_code], now)
        if deliveries:
            _note_deliveries(session, deliveries)


def note_areas(session: Session, account_id: UUID, device_id: UUID, areas: Collection[str], now: datetime) -> None:
    """Notes that a device spoke for posts of these areas: one phone may speak for several."""
    statement = resolving_insert(session, SyncContact)
    statement = statement.on_conflict_do_update(
        index_elements=["account_id", "device_id", "area_code"], set_={"at": statement.excluded.at}
    )
    rows = [{"account_id": account_id, "device_id": device_id, "area_code": area, "at": now} for area in sorted(areas)]
    write_rows(session, statement, rows)


def told_by(said: DeviceIn, now: datetime) -> dict[str, Any]:
    """What a device tells of itself, as columns of its row."""
    return {
        "name": said.name,
        "schema_version": said.schema_,
        "waiting": said.waiting,
        "waiting_since": said.waiting_since if said.waiting else None,
        "skew_seconds": skew_of(said, now),
        "last_contact_at": now,
    }


def _is_stale_news(known: SyncDevice | Row[Any], told: Mapping[str, Any]) -> bool:
    same = all(getattr(known, name) == told[name] for name in ("name", "schema_version", "waiting", "area_code"))
    drifted = abs((told["skew_seconds"] or 0) - (known.skew_seconds or 0)) > _SKEW_NOTED_SECONDS
    return same and not drifted and told["last_contact_at"] - known.last_contact_at < _NOTED_EVERY


def _note_deliveries(session: Session, rows: list[dict[str, Any]]) -> None:
    """A device that comes back late, or was cloned, takes nothing back."""
    statement = resolving_insert(session, Delivery)
    write_rows(
        session,
        statement.on_conflict_do_update(
            index_elements=["log", "post_id"],
            set_={"position": statement.excluded.position, "at": statement.excluded.at},
            where=statement.excluded.position > columns_of(Delivery).position,
        ),
        rows,
    )
