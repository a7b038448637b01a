"""Rows as phones and posts leave them, for tests of what is made of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel

from app.kit.ids import new_id
from app.sync.models import Delivery, Proposal, Quarantined, SyncContact, SyncDevice
from app.sync.words import Settlement
from tests.town import Someone, Town


def put(town: Town, *rows: SQLModel) -> None:
    """Writes these rows."""
    with town.house.database.write() as session:
        session.add_all(rows)
        session.flush()
        session.add_all(
            SyncContact(
                account_id=each.account_id, device_id=each.id, area_code=each.area_code, at=each.last_contact_at
            )
            for each in rows
            if isinstance(each, SyncDevice) and each.area_code is not None
        )


def phone(who: Someone, **other: Any) -> SyncDevice:
    """A phone that has just spoken for somebody's post, and holds nothing."""
    now = who.town.clock.now
    said: dict[str, Any] = {
        "account_id": who.actor.account_id,
        "id": new_id(),
        "name": "HP lapangan",
        "area_code": who.actor.area_code,
        "schema_version": 1,
        "first_contact_at": now,
        "last_contact_at": now,
    }
    return SyncDevice(**said | other)


def delivered(who: Someone, log: str, position: int) -> Delivery:
    """How far somebody's post holds a log."""
    return Delivery(log=log, post_id=who.actor.post_id, position=position, at=who.town.clock.now)


def proposed(who: Someone, log: str, problem_id: str, settlement: Settlement | None = None) -> Proposal:
    """A late value of somebody."""
    return Proposal(
        problem_id=UUID(problem_id),
        verb="edit",
        base=1,
        yours={"title": "Saluran tersumbat"},
        settlement=settlement,
        **_from(who, log, who.town.clock.now),
    )


def quarantined(who: Someone, log: str | None, settlement: Settlement | None = None) -> Quarantined:
    """A refused operation of somebody."""
    return Quarantined(
        problem_id=new_id(),
        verb="forward",
        data={},
        base=1,
        refusal={"code": "step_not_allowed"},
        device_id=new_id(),
        settlement=settlement,
        **_from(who, log, who.town.clock.now),
    )


def _from(who: Someone, log: str | None, now: datetime) -> dict[str, Any]:
    actor = who.actor
    author = {"account_id": actor.account_id, "author": actor.name, "post": actor.view}
    return {"id": new_id(), "log": log, "recorded_at": now, "received_at": now} | author
