"""The table of deliveries as a queue: claim under a lease, settle under a fencing token, probe what is disabled.

Nothing here depends on how many deliveries wait for an endpoint that is not sent to: each look at an endpoint takes
the first rows of one index.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Integer, Row, Select, Update, and_, bindparam, func, or_, select, true, update
from sqlmodel import Session

from app.kit.columns import Moment, columns_of, table_of
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
ORDERED_AT_ONCE: Final = 2_000
"""Deliveries that are put in order in one transaction."""
_PROBED_AT_ONCE = 50
_D, _E, _A = columns_of(Delivery), columns_of(Endpoint), columns_of(Attempt)
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
    has_more: bool = False
    """Whether another look might find more at once: the room given to some was left by them for others."""


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
        ready = list(session.connection().execute(_READY, {"now": now, "soon": now + SOON}))
    next_turn = min((row.next_at for row in ready if _is_due(row, now + SOON) and row.next_at > now), default=None)
    chance.shuffle(ready)
    wanted = _wanted(house.settings, ready, under_way, room, now)
    if not wanted.pings and not wanted.shares:
        return Claims((), next_turn)
    deliveries = house.database.perform(lambda session: _claim(session, house, wanted, now))
    asked = len(wanted.pings) + sum(wanted.shares.values())
    return Claims(deliveries, next_turn, has_more=0 < len(deliveries) < asked)


def _is_due(row: Row[Any], now: datetime) -> bool:
    is_open = row.state is EndpointState.ACTIVE and row.ordered_to is None and row.next_at <= now
    return is_open and row.due is not None and row.due <= now


def _wanted(
    settings: Settings, ready: Sequence[Row[Any]], under_way: Collection[Claimed], room: int, now: datetime
) -> _Wanted:
    """Pings first, one at a time each and no more than half of all; then everybody's share of the room that is left."""
    busy = Counter(each.endpoint_id for each in under_way)
    pinged = {each.endpoint_id for each in under_way if each.is_ping}
    room_for_pings = min(room, max(0, (settings.webhook_in_flight + 1) // 2 - len(pinged)))
    to_ping = [row.id for row in ready if row.ping is not None and row.ping <= now and row.id not in pinged]
    pings = to_ping[:room_for_pings]
    open_ones = [row for row in ready if _is_due(row, now)]
    alone = {row.id for row in open_ones if is_sent_one_by_one(row.failures, is_catching_up=row.is_catching_up)}
    wishes = {
        row.id: Wish(busy[row.id], (1 if row.id in alone else settings.webhook_in_flight_per_endpoint) - busy[row.id])
        for row in open_ones
    }
    return _Wanted(pings, dealt(room - len(pings), wishes), alone)


def _claim(session: Session, house: House, wanted: _Wanted, now: datetime) -> list[Claimed]:
    connection, until = session.connection(), now + lease_of(house.settings)
    rivals = wanted.alone & wanted.shares.keys()
    free = set(connection.execute(_FREE, {"names": list(rivals), "now": now}).scalars()) if rivals else set()
    left = {name: share for name, share in wanted.shares.items() if name not in rivals or name in free}
    heads = {row.id: row.endpoint_id for row in _heads(session, wanted.pings, 1, now, are_pings=True)}
    pinged, alone = set(heads), set()
    for row in _heads(session, left, max(left.values(), default=0), now):
        if row.id not in pinged and left[row.endpoint_id] > 0:
            left[row.endpoint_id] -= 1
            heads[row.id] = row.endpoint_id
            alone |= {row.endpoint_id} & free
    if not heads:
        return []
    lease, order = new_id(), {delivery_id: place for place, delivery_id in enumerate(heads)}
    connection.execute(_LEASING, {"ids": list(heads), "its_lease": lease, "until": until})
    if alone:
        connection.execute(_KEEPING_OTHERS_OUT, {"names": list(alone), "until": until})
    whole = connection.execute(_WHOLE, {"ids": list(heads)})
    claimed = [_claimed(row, lease, now, row.endpoint_id in alone and row.id not in pinged) for row in whole]
    return sorted(claimed, key=lambda each: order[each.id])


def _heads(
    session: Session, names: Collection[UUID], most: int, now: datetime, *, are_pings: bool = False
) -> Sequence[Row[Any]]:
    """The first deliveries of each of these endpoints that are due, in order, and which nobody else is claiming."""
    if not names:
        return ()
    statement = _first_of_each(dialect_of(session), are_pings)
    return session.connection().execute(statement, {"names": list(names), "most": most, "now": now}).all()


def _claimed(row: Row[Any], lease: UUID, now: datetime, alone: bool) -> Claimed:
    signs_still = row.former_until is not None and row.former_until > now
    return Claimed(
        id=row.id,
        lease=lease,
        event_id=row.event_id,
        endpoint_id=row.endpoint_id,
        is_ping=row.is_ping,
        at=now,
        alone=alone,
        url=row.url,
        secret=row.secret,
        former_secret=row.former_secret if signs_still else None,
        payload=row.payload,
    )


# -- the statements of a claim ---------------------------------------------------------------------------------------

_NOW = bindparam("now", type_=Moment)
_WAITS = (_D.endpoint_id == _E.id, _D.state == DeliveryState.WAITING)
_EARLIEST = select(_D.next_at).where(*_WAITS).order_by(_D.next_at).limit(1)
"""When the first delivery of an endpoint is due. As a minimum it might be a reason to read them all."""
_IS_OPEN = (
    _E.removed_at.is_(None),
    _E.state == EndpointState.ACTIVE,
    _E.ordered_to.is_(None),
    _E.next_at <= _NOW,
)


def _ready() -> Select[Any]:
    """The endpoints for which something is due, or will be soon; each looked up by the first row of an index."""
    looked_up = (
        select(
            *(_E.id, _E.state, _E.failures, _E.next_at, _E.is_catching_up, _E.ordered_to),
            _EARLIEST.scalar_subquery().label("due"),
            _EARLIEST.where(_D.is_ping).scalar_subquery().label("ping"),
        )
        .where(_E.removed_at.is_(None))
        .subquery()
    )
    found = looked_up.c
    its_turn = or_(found.next_at <= _NOW, and_(found.is_catching_up, found.next_at <= bindparam("soon", type_=Moment)))
    is_open = and_(found.state == EndpointState.ACTIVE, found.ordered_to.is_(None), its_turn, found.due <= _NOW)
    return select(looked_up).where(or_(is_open, found.ping <= _NOW))


@cache
def _first_of_each(dialect: str, are_pings: bool) -> Select[Any]:
    first = select(_D.id, _D.endpoint_id, _D.next_at).where(*_WAITS, _D.next_at <= _NOW)
    first = first.order_by(_D.next_at, _D.id).limit(bindparam("most", type_=Integer))
    if are_pings:
        first = first.where(_D.is_ping)
    deliveries: Any
    if dialect == "postgresql":
        deliveries = first.with_for_update(key_share=True, skip_locked=True).lateral()
        belongs: ColumnElement[bool] = true()
    else:
        deliveries = table_of(Delivery).alias()
        belongs = deliveries.c.id.in_(first.with_only_columns(_D.id).correlate(table_of(Endpoint)))
    return (
        select(deliveries.c.id, deliveries.c.endpoint_id)
        .join_from(table_of(Endpoint), deliveries, belongs)
        .where(_E.id.in_(bindparam("names", expanding=True)), *(_IS_OPEN[:1] if are_pings else _IS_OPEN))
        .order_by(deliveries.c.next_at, deliveries.c.id)
    )


def _whole() -> Select[Any]:
    event = columns_of(Event)
    return (
        select(
            *(_D.id, _D.event_id, _D.endpoint_id, _D.is_ping, event.payload),
            *(_E.url, _E.secret, _E.former_secret, _E.former_until),
        )
        .join_from(table_of(Delivery), table_of(Endpoint), _E.id == _D.endpoint_id)
        .join(table_of(Event), event.id == _D.event_id)
        .where(_D.id.in_(bindparam("ids", expanding=True)))
        .where(_E.removed_at.is_(None))  # on PostgreSQL it may be since the heads were read, and then has no secret
    )


_READY = _ready()
_FREE = (
    select(_E.id)
    .where(_E.id.in_(bindparam("names", expanding=True)), *_IS_OPEN)
    .with_for_update(key_share=True, skip_locked=True)
)
"""Endpoints that are sent one delivery at a time, and to which no other process sends; locked."""
_LEASING = (
    update(table_of(Delivery))
    .where(_D.id.in_(bindparam("ids", expanding=True)))
    .values(lease=bindparam("its_lease"), next_at=bindparam("until"))
)
_KEEPING_OTHERS_OUT = (
    update(table_of(Endpoint)).where(_E.id.in_(bindparam("names", expanding=True))).values(next_at=bindparam("until"))
)
_WHOLE = _whole()


# -- settling --------------------------------------------------------------------------------------------------------


def settle(house: House, outcomes: Sequence[Outcome], chance: Random) -> int:
    """Writes down what came of these attempts; answers of how many.

    One whose lease was taken over meanwhile, or that was cancelled, settles nothing; but where it was sent alone, its
    endpoint waits for it no longer.
    """
    return house.database.perform(lambda session: _settle(session, house, outcomes, chance)) if outcomes else 0


def _settle(session: Session, house: House, outcomes: Sequence[Outcome], chance: Random) -> int:
    now = house.clock()
    held = {row.id: row for row in session.connection().execute(_HELD, {"ids": [each.claimed.id for each in outcomes]})}
    ours = [each for each in outcomes if _is_ours(each.claimed, held)]
    _let_others_in(session, house, [each.claimed for each in outcomes if not _is_ours(each.claimed, held)], now)
    if not ours:
        return 0
    insert_rows(session, Attempt, _attempts(session, ours))
    tried = [_delivery_after(each, held[each.claimed.id].attempts + 1, now, chance) for each in ours]
    update_rows(session, Delivery, tried)
    _judge(session, house, ours, now)
    return len(ours)


def _is_ours(claimed: Claimed, held: Mapping[UUID, Row[Any]]) -> bool:
    return claimed.id in held and held[claimed.id].lease == claimed.lease


_HELD = (
    select(_D.id, _D.lease, _D.attempts)
    .where(_D.id.in_(bindparam("ids", expanding=True)), _D.state == DeliveryState.WAITING)
    .order_by(_D.id)
    .with_for_update(key_share=True)
)
_LETTING_OTHERS_IN = (
    update(table_of(Endpoint))
    .where(_E.id.in_(bindparam("names", expanding=True)), _E.next_at.in_(bindparam("untils", expanding=True)))
    .values(next_at=bindparam("now"))
)
_LAST_NUMBERS = (
    select(_A.delivery_id, func.max(_A.number))
    .where(_A.delivery_id.in_(bindparam("ids", expanding=True)))
    .group_by(_A.delivery_id)
)


def _let_others_in(session: Session, house: House, lost: Collection[Claimed], now: datetime) -> None:
    """Endpoints of what was sent alone, and is ours no more, are sent to again, unless it is another's turn by now."""
    alone = [each for each in lost if each.alone]
    if alone:
        lease = lease_of(house.settings)
        given = {"names": [each.endpoint_id for each in alone], "untils": [each.at + lease for each in alone]}
        session.connection().execute(_LETTING_OTHERS_IN, given | {"now": now})


def _attempts(session: Session, ours: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Counted on where attempts began anew because somebody asked for it."""
    numbers = session.connection().execute(_LAST_NUMBERS, {"ids": [each.claimed.id for each in ours]})
    last = {delivery_id: number for delivery_id, number in numbers}  # noqa: C416 - rows, not pairs
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
_STANDINGS = select(_E.id, _E.agency_code, *(_E[name] for name in _STANDING)).where(
    _E.id.in_(bindparam("names", expanding=True))
)
_STANDINGS_LOCKED = _STANDINGS.order_by(_E.id).with_for_update(key_share=True)
_STILL_DUE = select(_E.id).where(
    _E.id.in_(bindparam("names", expanding=True)),
    or_(_EARLIEST.scalar_subquery() <= _NOW, _E.ordered_to.is_not(None)),
)


def _judge(session: Session, house: House, ours: Sequence[Outcome], now: datetime) -> None:
    """What these attempts mean for their endpoints. Those without a flaw, before and now, are not written."""
    by_endpoint: dict[UUID, list[Outcome]] = defaultdict(list)
    for each in ours:
        by_endpoint[each.claimed.endpoint_id].append(each)
    connection = session.connection()
    seen = {row.id: _standing(row) for row in connection.execute(_STANDINGS, {"names": list(by_endpoint)})}
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
    for row in connection.execute(_STANDINGS_LOCKED, {"names": flawed}).all():
        standing = _standing(row)
        for outcome in by_endpoint[row.id]:
            before, standing = standing, after(standing, _tried(outcome), now, pace)
            if (standing.state, standing.disabled_by) != (before.state, before.disabled_by):
                news.append(_news(row, standing, before, now))
                recovered += [row.id] if standing.state is EndpointState.ACTIVE else []
        stands[row.id] = standing
    flow_in_order(session, recovered, now)
    catching_up = [name for name, standing in stands.items() if standing.is_catching_up]
    still = set(connection.execute(_STILL_DUE, {"names": catching_up, "now": now}).scalars()) if catching_up else set()
    rows = [{"id": name, **asdict(standing)} for name, standing in stands.items()]
    update_rows(session, Endpoint, [row | {"is_catching_up": row["id"] in still} for row in rows])
    if news:
        publish_news(session, news, now, house)


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

    What is being sent at this moment stays as it is. Where very much waits, the endpoints are held meanwhile, and
    `put_in_order` does it by and by.
    """
    if not endpoints:
        return
    waits = (_D.endpoint_id.in_(endpoints), _D.state == DeliveryState.WAITING)
    few = session.execute(select(_D.id).where(*waits).limit(ORDERED_AT_ONCE + 1)).all()
    if len(few) <= ORDERED_AT_ONCE:
        session.connection().execute(_in_order(*waits, now=now))
    else:
        holding = update(table_of(Endpoint)).where(_E.id.in_(endpoints)).values(ordered_to=UUID(int=0))
        session.connection().execute(holding)


def _in_order(*which: ColumnElement[bool], now: datetime) -> Update:
    is_under_way = and_(_D.lease.is_not(None), _D.next_at > now)
    statement = update(table_of(Delivery)).where(*which, _D.next_at != _D.created_at, ~is_under_way)
    return statement.values(next_at=_D.created_at, lease=None)


def put_in_order(house: House) -> bool:
    """Goes on with putting in order what waits for one endpoint that is held for it; answers whether there was one."""
    with house.database.read() as session:
        if session.scalar(_TO_ORDER) is None:
            return False
    return house.database.perform(lambda session: _put_in_order(session, house.clock()))


_TO_ORDER = select(_E.id).where(_E.ordered_to.is_not(None), _E.removed_at.is_(None)).order_by(_E.id).limit(1)


def _put_in_order(session: Session, now: datetime) -> bool:
    locked = session.scalar(_TO_ORDER.with_for_update(key_share=True, skip_locked=True))
    if locked is None:
        return False  # another process is at it
    endpoint = session.get_one(Endpoint, locked, populate_existing=True)
    waits = (_D.endpoint_id == locked, _D.state == DeliveryState.WAITING, _D.id > endpoint.ordered_to)
    some = session.scalars(select(_D.id).where(*waits).order_by(_D.id).limit(ORDERED_AT_ONCE)).all()
    if some:
        free = select(_D.id).where(*waits, _D.id <= some[-1]).order_by(_D.id)
        free = free.with_for_update(key_share=True, skip_locked=True)  # others settle, and then look at this endpoint
        session.connection().execute(_in_order(_D.id.in_(free), now=now))
    endpoint.ordered_to = some[-1] if len(some) == ORDERED_AT_ONCE else None
    session.flush()
    return True


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
