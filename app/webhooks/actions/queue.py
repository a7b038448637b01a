"""The table of deliveries as a queue: claim under a lease, settle under a fencing token, probe what is disabled.

Nothing here depends on how many deliveries wait for an endpoint that is not sent to: each look at an endpoint takes
the first rows of one index.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Row, and_, func, or_, select, true, update
from sqlmodel import Session, col

from app.kit.columns import columns_of, table_of
from app.kit.database import dialect_of, insert_rows, update_rows
from app.kit.house import House
from app.kit.ids import new_id
from app.kit.settings import Settings
from app.webhooks.actions.publishing import publish_news, publish_ping
from app.webhooks.models import Attempt, Delivery, Endpoint, Event
from app.webhooks.payloads import EndpointData, EndpointDisabledData
from app.webhooks.schedule import (
    PROBED_EVERY,
    Standing,
    Tried,
    Wish,
    after,
    dealt,
    delay_after,
    is_sent_one_by_one,
)
from app.webhooks.sending import Answer
from app.webhooks.telling import News
from app.webhooks.words import DeliveryState, DisabledBy, EndpointState, EventType

GONE: Final = 410
SOON: Final = timedelta(seconds=1)
"""An endpoint whose next turn comes sooner than this is waited for; a later one is found by looking again."""
_PROBED_AT_ONCE = 50
_D, _E = columns_of(Delivery), columns_of(Endpoint)
_log = structlog.get_logger("ujung.webhooks")


@dataclass(frozen=True)
class Claimed:
    """A delivery that this process alone may try, until its lease ends."""

    id: UUID
    lease: UUID
    event_id: UUID
    endpoint_id: UUID
    is_ping: bool
    at: datetime
    """When it was claimed."""
    alone: bool
    """Nothing else is sent to its endpoint until this is settled."""
    url: str
    secret: str
    """Sealed."""
    former_secret: str | None
    """Sealed; None where it signs no longer."""
    payload: str


@dataclass(frozen=True)
class Claims:
    """What was claimed, in the order in which it is to be sent."""

    deliveries: Sequence[Claimed] = ()
    next_turn: datetime | None = None
    """When the next endpoint that is catching up may be sent to, where that is soon."""


@dataclass(frozen=True)
class Outcome:
    """What came of trying a delivery."""

    claimed: Claimed
    at: datetime
    """When it was sent."""
    answer: Answer


def lease_of(settings: Settings) -> timedelta:
    """How long a claim holds: for the longest attempt, and for settling it while the database is busy."""
    return timedelta(seconds=10 + 3 * settings.webhook_timeout_seconds)


# -- claiming --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wanted:
    """What to claim: a ping each, and so many deliveries of each endpoint, some of them alone."""

    pings: Sequence[UUID]
    shares: Mapping[UUID, int]
    alone: Collection[UUID]


def claim(house: House, under_way: Collection[Claimed], chance: Random) -> Claims:
    """Claims what is due, as far as there is room beside what this process has under way.

    A delivery whose claim was never settled, because the process died, is due again when its lease ends.
    """
    room = house.settings.webhook_in_flight - len(under_way)
    if room <= 0:
        return Claims()
    now = house.clock()
    with house.database.read() as session:  # where nothing is due, nobody waits for the one writer of SQLite
        ready = list(session.execute(_ready(now)))
    next_turn = min((row.next_at for row in ready if _is_due(row, now + SOON) and row.next_at > now), default=None)
    chance.shuffle(ready)
    wanted = _wanted(house.settings, ready, under_way, room, now)
    if not wanted.pings and not wanted.shares:
        return Claims((), next_turn)
    deliveries = house.database.perform(lambda session: _claim(session, house, wanted, now))
    return Claims(deliveries, next_turn)


def _ready(now: datetime) -> Any:
    """The endpoints for which something is due, or will be soon; each looked up by the first row of an index."""
    waiting = select(_D.next_at).where(_D.endpoint_id == _E.id, _D.state == DeliveryState.WAITING)
    earliest = waiting.order_by(_D.next_at).limit(1)  # a minimum might be taken for a reason to read them all
    looked_up = (
        select(
            *(_E.id, _E.state, _E.failures, _E.next_at, _E.is_catching_up),
            earliest.scalar_subquery().label("due"),
            earliest.where(_D.is_ping).scalar_subquery().label("ping"),
        )
        .where(_E.removed_at.is_(None))
        .subquery()
    )
    found = looked_up.c
    its_turn = or_(found.next_at <= now, and_(found.is_catching_up, found.next_at <= now + SOON))
    is_open = and_(found.state == EndpointState.ACTIVE, its_turn, found.due <= now)
    return select(looked_up).where(or_(is_open, found.ping <= now))


def _is_due(row: Row[Any], now: datetime) -> bool:
    return row.state is EndpointState.ACTIVE and row.next_at <= now and row.due is not None and row.due <= now


def _wanted(
    settings: Settings, ready: Sequence[Row[Any]], under_way: Collection[Claimed], room: int, now: datetime
) -> _Wanted:
    """Pings first, one at a time each; then everybody's share of the room that is left."""
    busy = Counter(each.endpoint_id for each in under_way)
    pinged = {each.endpoint_id for each in under_way if each.is_ping}
    pings = [row.id for row in ready if row.ping is not None and row.ping <= now and row.id not in pinged][:room]
    open_ones = [row for row in ready if _is_due(row, now)]
    alone = {
        row.id for row in open_ones if is_sent_one_by_one(row.failures, is_catching_up=row.is_catching_up)
    }
    wishes = {
        row.id: Wish(busy[row.id], (1 if row.id in alone else settings.webhook_in_flight_per_endpoint) - busy[row.id])
        for row in open_ones
    }
    return _Wanted(pings, dealt(room - len(pings), wishes), alone)


def _claim(session: Session, house: House, wanted: _Wanted, now: datetime) -> list[Claimed]:
    until = now + lease_of(house.settings)
    free = _free(session, wanted.alone & wanted.shares.keys(), now)
    shares = {name: share for name, share in wanted.shares.items() if name not in wanted.alone or name in free}
    heads = [(row.id, row.endpoint_id) for row in _heads(session, wanted.pings, 1, now, are_pings=True)]
    claimed_alone: set[UUID] = set()
    left = dict(shares)
    pinged = {delivery_id for delivery_id, _ in heads}
    for row in _heads(session, shares, max(shares.values(), default=0), now):
        if row.id not in pinged and left[row.endpoint_id] > 0:
            left[row.endpoint_id] -= 1
            heads.append((row.id, row.endpoint_id))
            claimed_alone |= {row.endpoint_id} & free
    if not heads:
        return []
    lease, order = new_id(), {delivery_id: place for place, (delivery_id, _) in enumerate(heads)}
    connection = session.connection()
    connection.execute(update(Delivery).where(col(Delivery.id).in_(order)).values(lease=lease, next_at=until))
    if claimed_alone:
        connection.execute(update(Endpoint).where(col(Endpoint.id).in_(claimed_alone)).values(next_at=until))
    claimed = [_claimed(row, lease, now, claimed_alone, pinged) for row in session.execute(_whole(order))]
    return sorted(claimed, key=lambda each: order[each.id])


def _free(session: Session, names: Collection[UUID], now: datetime) -> set[UUID]:
    """Those of the endpoints that are sent one by one which no other process sends to; locked."""
    if not names:
        return set()
    statement = select(_E.id).where(_E.id.in_(names), *_is_open(now))
    return set(session.scalars(statement.with_for_update(key_share=True, skip_locked=True)))


def _is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return _E.removed_at.is_(None), _E.state == EndpointState.ACTIVE, _E.next_at <= now


def _heads(
    session: Session, names: Collection[UUID], most: int, now: datetime, *, are_pings: bool = False
) -> Sequence[Row[Any]]:
    """The first deliveries of each of these endpoints that are due, in order, and which nobody else is claiming."""
    if not names or not most:
        return ()
    due = (_D.endpoint_id == _E.id, _D.state == DeliveryState.WAITING, _D.next_at <= now)
    first = select(_D.id, _D.endpoint_id, _D.next_at).where(*due).order_by(_D.next_at, _D.id).limit(most)
    if are_pings:
        first = first.where(_D.is_ping)
    concerned = (_E.id.in_(names), *((_E.removed_at.is_(None),) if are_pings else _is_open(now)))
    if dialect_of(session) == "postgresql":
        each = first.with_for_update(key_share=True, skip_locked=True).lateral()
        statement: Any = select(each.c.id, each.c.endpoint_id).join_from(table_of(Endpoint), each, true())
        return session.execute(statement.where(*concerned).order_by(each.c.next_at, each.c.id)).all()
    theirs = table_of(Delivery).alias()
    ids = first.with_only_columns(_D.id).correlate(table_of(Endpoint))
    statement = select(theirs.c.id, theirs.c.endpoint_id).join_from(table_of(Endpoint), theirs, theirs.c.id.in_(ids))
    return session.execute(statement.where(*concerned).order_by(theirs.c.next_at, theirs.c.id)).all()


def _whole(ids: Collection[UUID]) -> Any:
    event = columns_of(Event)
    return (
        select(
            *(_D.id, _D.event_id, _D.endpoint_id, _D.is_ping, event.payload),
            *(_E.url, _E.secret, _E.former_secret, _E.former_until),
        )
        .join_from(table_of(Delivery), table_of(Endpoint), _E.id == _D.endpoint_id)
        .join(table_of(Event), event.id == _D.event_id)
        .where(_D.id.in_(ids))
    )


def _claimed(
    row: Row[Any], lease: UUID, now: datetime, alone: Collection[UUID], pinged: Collection[UUID]
) -> Claimed:
    signs_still = row.former_until is not None and row.former_until > now
    return Claimed(
        id=row.id,
        lease=lease,
        event_id=row.event_id,
        endpoint_id=row.endpoint_id,
        is_ping=row.is_ping,
        at=now,
        alone=row.endpoint_id in alone and row.id not in pinged,
        url=row.url,
        secret=row.secret,
        former_secret=row.former_secret if signs_still else None,
        payload=row.payload,
    )


# -- settling --------------------------------------------------------------------------------------------------------


def settle(house: House, outcomes: Sequence[Outcome], chance: Random) -> int:
    """Writes down what came of these attempts; answers of how many.

    One whose lease was taken over meanwhile, or that was cancelled, settles nothing.
    """
    return house.database.perform(lambda session: _settle(session, house, outcomes, chance)) if outcomes else 0


def _settle(session: Session, house: House, outcomes: Sequence[Outcome], chance: Random) -> int:
    now = house.clock()
    held = {row.id: row for row in session.execute(_held([each.claimed.id for each in outcomes]))}
    ours = [each for each in outcomes if each.claimed.id in held and held[each.claimed.id].lease == each.claimed.lease]
    if not ours:
        return 0
    insert_rows(session, Attempt, _attempts(session, ours))
    tried = [_delivery_after(each, held[each.claimed.id].attempts + 1, now, chance) for each in ours]
    update_rows(session, Delivery, tried)
    _judge(session, house, ours, now)
    return len(ours)


def _held(ids: Collection[UUID]) -> Any:
    statement = select(_D.id, _D.lease, _D.attempts).where(_D.id.in_(ids), _D.state == DeliveryState.WAITING)
    return statement.order_by(_D.id).with_for_update(key_share=True)


def _attempts(session: Session, ours: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Counted on where attempts began anew because somebody asked for it."""
    delivery_id, number = col(Attempt.delivery_id), col(Attempt.number)
    before = select(delivery_id, func.max(number)).where(delivery_id.in_([each.claimed.id for each in ours]))
    last = {name: highest for name, highest in session.execute(before.group_by(delivery_id))}  # noqa: C416 - rows
    return [
        {
            "id": new_id(),
            "delivery_id": each.claimed.id,
            "number": last.get(each.claimed.id, 0) + 1,
            "at": each.at,
            "milliseconds": each.answer.milliseconds,
            "status": each.answer.status,
            "fault": each.answer.fault,
            "detail": each.answer.detail,
            "answer": each.answer.text,
        }
        for each in ours
    ]


def _delivery_after(outcome: Outcome, attempts: int, now: datetime, chance: Random) -> dict[str, Any]:
    row = {"id": outcome.claimed.id, "lease": None, "attempts": attempts, "next_at": now, "settled_at": now}
    if outcome.answer.arrived:
        return row | {"state": DeliveryState.DELIVERED}
    delay = None if outcome.claimed.is_ping else delay_after(attempts, chance, outcome.answer.retry_after)
    if delay is None:
        return row | {"state": DeliveryState.EXHAUSTED}
    return row | {"state": DeliveryState.WAITING, "next_at": now + delay, "settled_at": None}


# -- endpoints -------------------------------------------------------------------------------------------------------


_STANDING = tuple(field.name for field in fields(Standing))


def _judge(session: Session, house: House, ours: Sequence[Outcome], now: datetime) -> None:
    """What these attempts mean for their endpoints. Those without a flaw, before and now, are not written."""
    by_endpoint: dict[UUID, list[Outcome]] = defaultdict(list)
    for each in ours:
        by_endpoint[each.claimed.endpoint_id].append(each)
    seen = {row.id: _standing(row) for row in session.execute(_standings(by_endpoint))}
    flawed = [
        name
        for name, each in by_endpoint.items()
        if not (seen[name].is_flawless and all(outcome.answer.arrived for outcome in each))
    ]
    if not flawed:
        return
    pace = timedelta(seconds=1) / house.settings.webhook_catching_up_per_second
    stands: dict[UUID, Standing] = {}
    recovered: list[UUID] = []
    news: list[News] = []
    for row in session.execute(_standings(flawed).order_by(_E.id).with_for_update(key_share=True)):
        standing = _standing(row)
        for outcome in by_endpoint[row.id]:
            before, standing = standing, after(standing, _tried(outcome), now, pace)
            if standing.state is not before.state:
                news.append(_news(row, standing, before, now))
                recovered += [row.id] if standing.state is EndpointState.ACTIVE else []
        stands[row.id] = standing
    flow_in_order(session, recovered, now)
    catching_up = [name for name, standing in stands.items() if standing.is_catching_up]
    still = set(session.scalars(_with_something_due(catching_up, now))) if catching_up else set()
    rows = [{"id": name, **asdict(standing)} for name, standing in stands.items()]
    update_rows(session, Endpoint, [row | {"is_catching_up": row["id"] in still} for row in rows])
    if news:
        publish_news(session, news, now, house)


def _standings(names: Collection[UUID]) -> Any:
    return select(_E.id, _E.agency_code, *(_E[name] for name in _STANDING)).where(_E.id.in_(names))


def _standing(row: Row[Any]) -> Standing:
    return Standing(**{name: getattr(row, name) for name in _STANDING})


def _tried(outcome: Outcome) -> Tried:
    claimed, answer = outcome.claimed, outcome.answer
    return Tried(answer.arrived, gone=answer.status == GONE, claimed_at=claimed.at, alone=claimed.alone)


def _news(row: Row[Any], standing: Standing, before: Standing, now: datetime) -> News:
    """That an endpoint was disabled, or is back: for the agency's other systems, and for this one when it is back."""
    if standing.state is EndpointState.ACTIVE:
        _log.info("endpoint recovered", endpoint=str(row.id), agency=row.agency_code)
        return News(row.agency_code, EventType.ENDPOINT_RECOVERED, now, EndpointData(endpoint=row.id, by="system"))
    by = standing.disabled_by
    assert by is not None, "a disabled endpoint says why"
    _log.warning("endpoint disabled", endpoint=str(row.id), agency=row.agency_code, by=str(by))
    since = before.failing_since if by is DisabledBy.FAILING else None
    data = EndpointDisabledData(endpoint=row.id, by="system", disabled_by=by, failing_since=since)
    return News(row.agency_code, EventType.ENDPOINT_DISABLED, now, data)


def flow_in_order(session: Session, endpoints: Collection[UUID], now: datetime) -> None:
    """What waits for these endpoints is due in the order in which it came to be, tried before or not.

    What is being sent at this moment stays as it is.
    """
    if not endpoints:
        return
    is_under_way = and_(_D.lease.is_not(None), _D.next_at > now)
    waits = (_D.endpoint_id.in_(endpoints), _D.state == DeliveryState.WAITING)
    out_of_order = _D.next_at != _D.created_at
    statement = update(Delivery).where(*waits, out_of_order, ~is_under_way)
    session.connection().execute(statement.values(next_at=_D.created_at, lease=None))


def _with_something_due(names: Collection[UUID], now: datetime) -> Any:
    waiting = select(_D.next_at).where(_D.endpoint_id == _E.id, _D.state == DeliveryState.WAITING)
    earliest = waiting.order_by(_D.next_at).limit(1).scalar_subquery()
    return select(_E.id).where(_E.id.in_(names), earliest <= now)


# -- probing ---------------------------------------------------------------------------------------------------------


def probe(house: House) -> int:
    """Makes a ping, each hour, for every endpoint that was disabled for failing; answers how many."""
    now = house.clock()
    to_probe = (
        _E.state == EndpointState.DISABLED,
        _E.disabled_by == DisabledBy.FAILING,
        _E.removed_at.is_(None),
        _E.next_at <= now,
    )
    with house.database.read() as session:
        if session.scalar(select(_E.id).where(*to_probe).limit(1)) is None:
            return 0

    def unit(session: Session) -> int:
        statement = select(Endpoint).where(*to_probe).order_by(_E.next_at).limit(_PROBED_AT_ONCE)
        endpoints = session.scalars(statement.with_for_update(key_share=True, skip_locked=True)).all()
        for endpoint in endpoints:
            publish_ping(session, house, endpoint, now)  # one by one: there are few, and an hour between two
            endpoint.next_at = now + PROBED_EVERY
        session.flush()
        return len(endpoints)

    return house.database.perform(unit)
