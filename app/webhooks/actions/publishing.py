"""Publishing: what happened becomes events of the agencies that want them, and deliveries, in the same transaction.

An agency that has an endpoint, or a key that names `events`, gets all of its events kept; to an endpoint go those that
it asks for. So one that asks for more later, or is made later, can be sent what was kept. A change that is rolled back
leaves neither. However much happened at once, it takes one look at who wants to hear, and
one insert each of events and deliveries; and nothing at all where no agency is concerned.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, null, or_, select, union_all
from sqlmodel import Session

from app.areas.words import lies_in
from app.journal.facts import Recorded
from app.kit.columns import Moment, among, bound, columns_of
from app.kit.database import insert_rows
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.people.models import ApiKey
from app.people.words import KeyVerb
from app.webhooks.bell import bell_of, ring_after_commit
from app.webhooks.models import Delivery, Endpoint, Event
from app.webhooks.payloads import payload_text
from app.webhooks.telling import News, concerned, news_of
from app.webhooks.words import DeliveryState, EventType


def publish(work: Work[Any], recorded: Sequence[Recorded]) -> None:
    """A subscriber of the journal. What an import says is history, and told to nobody."""
    heard = [(each, concerned(each)) for each in recorded if not each.author.is_import]
    agencies = {agency for _, concerns in heard for agency in concerns}
    wanted = _wanted(work.session, agencies, work.now)
    url = work.house.settings.public_url
    news = [one for each, concerns in heard for one in news_of(each, concerns & wanted.keys(), url)]
    _insert(work.session, news, wanted, work.now, work.house)


def publish_news(session: Session, news: Sequence[News], now: datetime, house: House) -> None:
    """The same for what is no fact of the journal, such as an endpoint that was disabled."""
    _insert(session, news, _wanted(session, {each.agency for each in news}, now), now, house)


def publish_ping(session: Session, house: House, endpoint: Endpoint, now: datetime) -> UUID:
    """Asks one endpoint whether it is there, whatever its state; answers the id of the delivery. Nobody polls it."""
    data = {"endpoint": endpoint.id, "by": "system"}
    event = _event(News(endpoint.agency_code, EventType.PING, now, data))
    delivery = delivery_row(event["id"], endpoint.id, now, is_ping=True)
    insert_rows(session, Event, [event | {"acknowledged_at": now, "open_id": None}])
    insert_rows(session, Delivery, [delivery])
    ring_after_commit(session, bell_of(house))
    return UUID(str(delivery["id"]))


# -- who wants to hear -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Endpoint:
    """What an endpoint asks for."""

    id: UUID
    types: Collection[str]
    area: str | None

    def wants(self, news: News) -> bool:
        return asks_for(self.types, self.area, news.type, news.area, news.left)


def asks_for(types: Collection[str], prefix: str | None, type_: EventType, *areas: str | None) -> bool:
    """Whether an endpoint of these types (or none, for all) and this area asks for an event that touches these areas.

    What happened nowhere is for every endpoint, whatever area it asks for.
    """
    places = [area for area in areas if area is not None]
    is_its_area = prefix is None or not places or any(lies_in(place, prefix) for place in places)
    return is_its_area and (not types or type_ in types)


_Wanted = dict[str, list[_Endpoint]]
"""The agencies for which events are kept, whatever they are, with the endpoints that some of them are sent to."""


def _wanted(session: Session, agencies: Collection[str], now: datetime) -> _Wanted:
    """Those of these agencies that have an endpoint, or a system that may fetch events by itself."""
    wanted: _Wanted = {}
    if not agencies:
        return wanted
    statement = _asking(len(agencies) == 1)
    rows = session.connection().execute(statement, {"agencies": bound(agencies), "now": now})
    for agency, endpoint_id, asked, area in rows:
        if endpoint_id is not None:
            wanted.setdefault(agency, []).append(_Endpoint(endpoint_id, frozenset(asked), area))
        elif KeyVerb.EVENTS in asked:
            wanted.setdefault(agency, [])
    return wanted


@cache
def _asking(is_one: bool) -> Any:
    endpoint, key = columns_of(Endpoint), columns_of(ApiKey)
    return union_all(
        select(endpoint.agency_code, endpoint.id, endpoint.event_types, endpoint.area_prefix).where(
            among(endpoint.agency_code, "agencies", is_one=is_one), endpoint.removed_at.is_(None)
        ),
        select(key.agency_code, null(), key.verbs, null()).where(
            among(key.agency_code, "agencies", is_one=is_one),
            key.revoked_at.is_(None),
            or_(key.expires_at.is_(None), key.expires_at > bindparam("now", type_=Moment)),
        ),
    )


# -- rows ------------------------------------------------------------------------------------------------------------


def _insert(session: Session, news: Iterable[News], wanted: _Wanted, now: datetime, house: House) -> None:
    events: list[dict[str, Any]] = []
    deliveries: list[dict[str, Any]] = []
    for each in news:
        endpoints = wanted.get(each.agency)
        if endpoints is None:
            continue
        event = _event(each)
        events.append(event)
        deliveries += [delivery_row(event["id"], endpoint.id, now) for endpoint in endpoints if endpoint.wants(each)]
    if events:
        insert_rows(session, Event, events)
    if deliveries:
        insert_rows(session, Delivery, deliveries)
        ring_after_commit(session, bell_of(house))


def _event(news: News) -> dict[str, Any]:
    event_id = new_id()
    return {
        "id": event_id,
        "agency_code": news.agency,
        "type": news.type,
        "at": news.at,
        "area_code": news.area,
        "left_code": news.left,
        "problem_id": news.problem,
        "version": news.version,
        "payload": payload_text(news.type, news.at, news.data),
        "acknowledged_at": None,
        "open_id": event_id,
    }


def delivery_row(event_id: UUID, endpoint_id: UUID, now: datetime, *, is_ping: bool = False) -> dict[str, Any]:
    """A row of a delivery that is due now."""
    return {
        "id": new_id(),
        "event_id": event_id,
        "endpoint_id": endpoint_id,
        "state": DeliveryState.WAITING,
        "attempts": 0,
        "next_at": now,
        "lease": None,
        "is_ping": is_ping,
        "created_at": now,
        "settled_at": None,
    }
