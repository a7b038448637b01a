"""Rows as the courier and publishing leave them, and systems with keys, for tests of what an agency is told of them."""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel

from app.kit.ids import new_id
from app.people.models import ApiKey
from app.people.words import KEY_BEGINS, KEY_SHOWN, KeyVerb
from app.webhooks.models import Attempt, Delivery, Endpoint, Event
from app.webhooks.signing import new_secret
from app.webhooks.words import DeliveryState, EndpointState, EventType
from tests.town import Someone, Town

URL = "https://sim.pupr.example/terima"


def put(town: Town, *rows: SQLModel) -> None:
    """Writes these rows, in the order in which they refer to each other."""
    with town.house.database.write() as session:
        for row in rows:
            session.add(row)
            session.flush()


def kept(town: Town, table: type[Any], key: UUID) -> Any:
    """The row as it now is."""
    with town.house.database.read() as session:
        return session.get(table, key)


def endpoint(town: Town, agency: str = "PUPR", **other: Any) -> Endpoint:
    """An active endpoint that is sent everything and never failed."""
    vault, now = town.house.vault, town.clock.now
    row: dict[str, Any] = {
        "id": new_id(),
        "agency_code": agency,
        "url": URL,
        "event_types": [],
        "state": EndpointState.ACTIVE,
        "secret": vault.seal(new_secret()),
        "key_id": vault.key_id,
        "created_at": now,
        "next_at": now,
    }
    return Endpoint(**row | other)


def told(town: Town, to: Endpoint, type_: EventType = EventType.PROBLEM_ASSIGNED, **other: Any) -> Iterator[SQLModel]:
    """An event and its delivery to an endpoint, which waits unless told otherwise."""
    now = town.clock.now
    event = Event(
        id=new_id(),
        agency_code=to.agency_code,
        type=type_,
        at=now,
        area_code="35.75.03.1005",
        problem_id=new_id(),
        version=4,
        payload=f'{{"type":"{type_}","data":{{}}}}',
    )
    row: dict[str, Any] = {
        "id": new_id(),
        "event_id": event.id,
        "endpoint_id": to.id,
        "state": DeliveryState.WAITING,
        "next_at": now,
        "created_at": now,
    }
    yield event
    yield Delivery(**row | other)


def attempt(of: Delivery, number: int, **other: Any) -> Attempt:
    """A try that arrived, unless told otherwise."""
    row: dict[str, Any] = {
        "id": new_id(),
        "delivery_id": of.id,
        "number": number,
        "at": of.created_at,
        "milliseconds": 120,
        "status": 200,
    }
    return Attempt(**row | other)


def system(town: Town, agency: str, *verbs: KeyVerb) -> Someone:
    """A system of an agency, with a key for these verbs."""
    token = KEY_BEGINS + secrets.token_urlsafe(32)
    key = ApiKey(
        id=new_id(),
        agency_code=agency,
        name=f"SIM {agency}",
        prefix=token[:KEY_SHOWN],
        token_hash=hashlib.sha256(token.encode()).hexdigest(),
        verbs=[str(verb) for verb in verbs],
        created_at=town.clock.now,
    )
    actor = replace(
        town.head(agency).actor,
        account_id=key.id,
        post_id=key.id,
        session_id=key.id,
        name=f"API {key.name}",
        verbs=frozenset(map(str, verbs)),
    )
    put(town, key)
    return Someone(town, actor, token)
