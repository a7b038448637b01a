"""When a delivery is tried again, what an attempt means for its endpoint, and who is sent to first.

Pure: moments are given, and chance too.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from app.webhooks.words import DisabledBy, EndpointState

DELAYS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20)),
    *(timedelta(days=1) for _ in range(6)),
)
"""From each attempt that failed to the next; the first one is made at once."""
ATTEMPTS: Final = len(DELAYS) + 1
"""Over about eight days, because offices close for Lebaran."""
JITTER: Final = 0.2
"""Share of a delay by which it may be shorter or longer, so that what failed together does not come back together."""
RETRY_AFTER_MAXIMUM: Final = timedelta(hours=24)
"""Longer than this nobody is waited for, whatever they ask."""
FAILURES_BEFORE_PAUSE: Final = 5
PAUSE: Final = timedelta(seconds=30)
PAUSE_MAXIMUM: Final = timedelta(hours=1)
DISABLED_AFTER: Final = timedelta(hours=120)
"""Of nothing but failures, none of them longer after the one before than `SILENCE_MAXIMUM`."""
SILENCE_MAXIMUM: Final = timedelta(hours=30)
"""As long as something fails, it is tried again sooner than this, by a table whose longest delay is 24 hours and a
fifth. After more, nothing was to be sent meanwhile, or we were off ourselves: nobody knows that it failed all along."""
PROBED_EVERY: Final = timedelta(hours=1)


def delay_after(attempts: int, chance: Random, retry_after: timedelta | None = None) -> timedelta | None:
    """How long to wait when the last of so many attempts has failed; None when there is no other.

    `retry_after` is what the receiver asked for: it only ever delays.
    """
    if attempts >= ATTEMPTS:
        return None
    delay = DELAYS[attempts - 1] * chance.uniform(1 - JITTER, 1 + JITTER)
    return delay if retry_after is None else max(delay, min(retry_after, RETRY_AFTER_MAXIMUM))


def pause_after(pauses: int) -> timedelta:
    """How long an endpoint is left alone that was paused so many times before without a success between."""
    return PAUSE_MAXIMUM if pauses >= 7 else min(PAUSE * 2**pauses, PAUSE_MAXIMUM)


# -- what an attempt means for its endpoint --------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """How an endpoint stands; the columns of these names of its row."""

    state: EndpointState
    disabled_by: DisabledBy | None
    disabled_at: datetime | None
    failures: int
    pauses: int
    failing_since: datetime | None
    failed_at: datetime | None
    next_at: datetime
    is_catching_up: bool

    @property
    def is_flawless(self) -> bool:
        """Whether another success would change nothing."""
        return self.state is EndpointState.ACTIVE and not (self.failures or self.pauses or self.is_catching_up)


@dataclass(frozen=True)
class Tried:
    """What became of one attempt, as far as it says something of the endpoint."""

    arrived: bool
    gone: bool
    """It answered 410."""
    claimed_at: datetime
    alone: bool
    """Nothing else was sent to the endpoint meanwhile, and nothing will be before this is settled."""


def is_sent_one_by_one(failures: int, *, is_catching_up: bool) -> bool:
    """Whether it is sent one delivery at a time: after a pause, to try it; while it catches up, for the order."""
    return is_catching_up or failures >= FAILURES_BEFORE_PAUSE


def after(standing: Standing, tried: Tried, now: datetime, pace: timedelta) -> Standing:
    """How the endpoint stands after this attempt; `pace` lies between two deliveries to one that is catching up."""
    if tried.gone:
        return _disabled(standing, DisabledBy.GONE, now)
    return _after_success(standing, tried, now, pace) if tried.arrived else _after_failure(standing, tried, now, pace)


def _after_success(standing: Standing, tried: Tried, now: datetime, pace: timedelta) -> Standing:
    if standing.disabled_by is DisabledBy.GONE:
        return standing  # a person said that it is gone, and a person says that it is not
    clean = replace(standing, failures=0, pauses=0, failing_since=None, failed_at=None)
    if standing.state is EndpointState.DISABLED:
        return replace(
            clean, state=EndpointState.ACTIVE, disabled_by=None, disabled_at=None, next_at=now, is_catching_up=True
        )
    if tried.alone:
        return replace(clean, next_at=_next_turn(standing, tried, now, pace))
    was_paused = standing.failures >= FAILURES_BEFORE_PAUSE
    return replace(clean, next_at=now) if was_paused else clean


def _after_failure(standing: Standing, tried: Tried, now: datetime, pace: timedelta) -> Standing:
    if standing.state is not EndpointState.ACTIVE:
        return standing  # what was under way when it was paused or disabled tells nothing new
    since = _failing_since(standing, now)
    failing = replace(standing, failures=standing.failures + 1, failing_since=since, failed_at=now)
    if now - since >= DISABLED_AFTER:
        return replace(_disabled(failing, DisabledBy.FAILING, now), next_at=now + PROBED_EVERY)
    was_paused = standing.failures >= FAILURES_BEFORE_PAUSE
    if tried.alone if was_paused else failing.failures >= FAILURES_BEFORE_PAUSE:
        return replace(failing, pauses=standing.pauses + 1, next_at=now + pause_after(standing.pauses))
    if tried.alone:
        return replace(failing, next_at=_next_turn(standing, tried, now, pace))
    return failing  # of those under way when the pause began, the first has made it


def _failing_since(standing: Standing, now: datetime) -> datetime:
    was_tried = standing.failed_at is not None and now - standing.failed_at <= SILENCE_MAXIMUM
    return standing.failing_since if was_tried and standing.failing_since is not None else now


def _disabled(standing: Standing, by: DisabledBy, now: datetime) -> Standing:
    if standing.disabled_by is by:
        return standing
    return replace(standing, state=EndpointState.DISABLED, disabled_by=by, disabled_at=now, is_catching_up=False)


def _next_turn(standing: Standing, tried: Tried, now: datetime, pace: timedelta) -> datetime:
    return max(now, tried.claimed_at + pace) if standing.is_catching_up else now


# -- who is sent to first --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wish:
    """What one endpoint could be sent now."""

    under_way: int
    more: int
    """How many more it may be sent at once."""


def dealt(room: int, wishes: Mapping[UUID, Wish]) -> dict[UUID, int]:
    """How many each endpoint is sent, in all at most `room`: one by one to whichever has the fewest under way.

    Nobody is given one more who has half as many under way as there is room left, or more. So however many there are
    that answer slowly, or not at all, some room is left for whoever comes next: the more of them, the less they have.
    Between equals the earlier in `wishes` comes first, which is for the caller to shuffle.
    """
    waiting = [(wish.under_way, order, name) for order, (name, wish) in enumerate(wishes.items()) if wish.more > 0]
    heapq.heapify(waiting)
    shares: dict[UUID, int] = {}
    while waiting and room > 0:
        under_way, order, name = heapq.heappop(waiting)
        if under_way * 2 >= room:
            break  # nor has any of the others fewer
        shares[name] = shares.get(name, 0) + 1
        room -= 1
        if shares[name] < wishes[name].more:
            heapq.heappush(waiting, (under_way + 1, order, name))
    return shares
