"""Agencies that want to hear: their endpoints and keys, put there as rows, and what was written for them."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.kit.house import House
from app.kit.ids import new_id
from app.people.models import ApiKey
from app.people.words import KeyVerb, PostKind
from app.webhooks.models import Delivery, Endpoint, Event
from app.webhooks.words import EndpointState, EventType
from tests.town import Someone, Town

Payload = dict[str, Any]


def add_endpoint(house: House, agency: str, *types: EventType, area: str | None = None, **other: Any) -> UUID:
    """An endpoint of the agency, for these types (or all), in this area (or everywhere)."""
    now, sealed = house.clock(), house.vault.seal("whsec_dWppLXVqaS11amktdWppLXVqaS11amktdWppLXVqaSE=")
    said: dict[str, Any] = {
        "id": new_id(),
        "agency_code": agency,
        "url": "https://sim.pupr.pasuruankota.example/ujung-tombak",
        "event_types": [each.value for each in types],
        "area_prefix": area,
        "state": EndpointState.ACTIVE,
        "secret": sealed,
        "key_id": "0123abcd",
        "created_at": now,
        "next_at": now,
    }
    with house.database.write() as session:
        session.add(Endpoint(**said | other))
    return UUID(str((said | other)["id"]))


def add_key(house: House, agency: str, *verbs: KeyVerb, **other: Any) -> str:
    """A key of a system of the agency, by default for its events; answers its token."""
    token = f"ujk_{secrets.token_urlsafe(32)}"
    said: dict[str, Any] = {
        "id": new_id(),
        "agency_code": agency,
        "name": "SIM",
        "prefix": token[:12],
        "token_hash": hashlib.sha256(token.encode()).hexdigest(),
        "verbs": [each.value for each in verbs or (KeyVerb.EVENTS,)],
        "created_at": house.clock(),
    }
    with house.database.write() as session:
        session.add(ApiKey(**said | other))
    return token


def system(town: Town, agency: str, *verbs: KeyVerb) -> Someone:
    """A system of the agency, speaking to the API with a key of its own."""
    actor = town.people[PostKind.HEAD, agency].actor
    return Someone(town, actor, add_key(town.house, agency, *verbs))


def events_of(house: House, agency: str | None = None) -> list[Event]:
    """All events, or those of an agency, in the order of their ids."""
    statement = select(Event).order_by(col(Event.id))
    if agency is not None:
        statement = statement.where(col(Event.agency_code) == agency)
    with house.database.read() as session:
        return list(session.scalars(statement))


def deliveries_to(house: House, endpoint: UUID) -> list[Delivery]:
    statement = select(Delivery).where(col(Delivery.endpoint_id) == endpoint).order_by(col(Delivery.id))
    with house.database.read() as session:
        return list(session.scalars(statement))


def heard_by(house: House, endpoint: UUID) -> list[str]:
    """The types that were written for an endpoint, in order."""
    ids = [each.event_id for each in deliveries_to(house, endpoint)]
    types = {each.id: each.type.value for each in events_of(house)}
    return [types[each] for each in ids]


def told(events: Sequence[Event]) -> list[Payload]:
    """The payloads of events."""
    return [json.loads(each.payload) for each in events]
