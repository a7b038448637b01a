"""The table of retries, pauses, and whose turn it is; by hand, never derived from the code."""

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import pytest

from app.webhooks.schedule import Standing, Tried, Wish, after, dealt, delay_after, pause_after
from app.webhooks.words import DisabledBy, EndpointState
from tests.conftest import SettableClock

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TABLE = [
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    DAY,
    DAY,
    DAY,
    DAY,
    DAY,
    DAY,
]
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
PACE = timedelta(milliseconds=50)
FINE = Standing(EndpointState.ACTIVE, None, None, 0, 0, None, None, NOW - DAY, is_catching_up=False)
ARRIVED = Tried(arrived=True, gone=False, claimed_at=NOW, alone=False)
FAILED = Tried(arrived=False, gone=False, claimed_at=NOW, alone=False)
TRIAL = Tried(arrived=False, gone=False, claimed_at=NOW, alone=True)


@pytest.mark.parametrize(("failed", "expected"), list(enumerate(TABLE, 1)))
def test_each_delay_lies_within_its_jitter(failed: int, expected: timedelta) -> None:
    delays = [delay_after(failed, Random(seed)) for seed in range(200)]
    known = [delay for delay in delays if delay is not None]
    assert len(known) == 200
    assert all(0.8 * expected <= delay <= 1.2 * expected for delay in known)
    assert min(known) < 0.85 * expected
    assert max(known) > 1.15 * expected


def test_the_fifteenth_attempt_is_the_last_and_comes_after_about_eight_days() -> None:
    clock, chance, attempts = SettableClock(), Random(1), 1
    begun = clock.now
    while (delay := delay_after(attempts, chance)) is not None:
        clock.advance(delay)
        attempts += 1
    assert attempts == 15
    assert timedelta(days=7) < clock.now - begun < timedelta(days=9)


@pytest.mark.parametrize(
    ("asked", "at_least", "at_most"),
    [
        (timedelta(0), 4 * MINUTE, 6 * MINUTE),
        (10 * SECOND, 4 * MINUTE, 6 * MINUTE),
        (2 * HOUR, 2 * HOUR, 2 * HOUR),
        (24 * HOUR, 24 * HOUR, 24 * HOUR),
        (365 * DAY, 24 * HOUR, 24 * HOUR),
    ],
)
def test_retry_after_only_ever_delays_and_no_longer_than_a_day(
    asked: timedelta, at_least: timedelta, at_most: timedelta
) -> None:
    for seed in range(50):
        delay = delay_after(2, Random(seed), asked)
        assert delay is not None
        assert at_least <= delay <= at_most


def test_after_the_last_attempt_nobody_is_waited_for() -> None:
    assert delay_after(15, Random(1), HOUR) is None


def test_pauses_grow_up_to_an_hour() -> None:
    expected = [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert [pause_after(pauses) / SECOND for pauses in range(10)] == expected
    assert pause_after(10_000) == HOUR


# -- endpoints -------------------------------------------------------------------------------------------------------


def failed_times(standing: Standing, count: int) -> Standing:
    for _ in range(count):
        standing = after(standing, FAILED, NOW, PACE)
    return standing


def test_five_failures_in_a_row_pause_and_a_success_forgets_them() -> None:
    four = failed_times(FINE, 4)
    assert (four.failures, four.pauses, four.next_at) == (4, 0, FINE.next_at)
    assert after(four, ARRIVED, NOW, PACE) == FINE
    five = failed_times(FINE, 5)
    assert (five.failures, five.pauses, five.next_at) == (5, 1, NOW + 30 * SECOND)
    assert five.failing_since == NOW
    again = after(five, ARRIVED, NOW + SECOND, PACE)
    assert again == Standing(EndpointState.ACTIVE, None, None, 0, 0, None, None, NOW + SECOND, is_catching_up=False)


def test_what_was_under_way_when_the_pause_began_does_not_lengthen_it() -> None:
    eight = failed_times(FINE, 8)
    assert (eight.failures, eight.pauses, eight.next_at) == (8, 1, NOW + 30 * SECOND)


def test_each_trial_that_fails_doubles_the_pause() -> None:
    standing, now = failed_times(FINE, 5), NOW
    lengths = []
    for _ in range(9):
        now = standing.next_at
        standing = after(standing, TRIAL, now, PACE)
        lengths.append((standing.next_at - now) / SECOND)
    assert lengths == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def failing_for(standing: Standing, time: timedelta, every: timedelta = HOUR) -> Standing:
    """It fails from `NOW` on, the last time just before this time is over."""
    failed, standing = timedelta(0), failed_times(standing, 5)
    while failed + every < time:
        failed += every
        standing = after(standing, TRIAL, NOW + failed, PACE)
    return standing


def test_120_hours_of_nothing_but_failures_disable() -> None:
    standing = failing_for(FINE, 120 * HOUR)
    almost = after(standing, TRIAL, NOW + 120 * HOUR - SECOND, PACE)
    assert almost.state is EndpointState.ACTIVE
    late = NOW + 120 * HOUR
    disabled = after(standing, TRIAL, late, PACE)
    assert (disabled.state, disabled.disabled_by) == (EndpointState.DISABLED, DisabledBy.FAILING)
    assert (disabled.disabled_at, disabled.failing_since) == (late, NOW)
    assert disabled.next_at == late + HOUR
    assert after(disabled, FAILED, late + HOUR, PACE) == disabled


@pytest.mark.parametrize(
    ("every", "is_disabled"), [(24 * HOUR * 1.2, True), (30 * HOUR, True), (30 * HOUR + SECOND, False), (HOUR, True)]
)
def test_it_must_have_been_tried_all_along(every: timedelta, is_disabled: bool) -> None:
    """The longest delay of the table, and what lies just above it."""
    standing, failed = FINE, timedelta(0)
    while failed < 200 * HOUR:
        standing = after(standing, FAILED, NOW + failed, PACE)
        failed += every
    assert (standing.state is EndpointState.DISABLED) is is_disabled
    assert standing.failures >= 5


@pytest.mark.parametrize("silence", [121 * HOUR, 144 * HOUR])
def test_a_time_in_which_nothing_was_sent_is_no_time_of_failures(silence: timedelta) -> None:
    once = after(FINE, FAILED, NOW, PACE)
    again = after(once, FAILED, NOW + silence, PACE)
    assert (again.state, again.failures) == (EndpointState.ACTIVE, 2)
    assert again.failing_since == NOW + silence
    paused = after(failed_times(FINE, 5), TRIAL, NOW + silence, PACE)
    assert (paused.state, paused.failures, paused.pauses) == (EndpointState.ACTIVE, 6, 2), "the rest goes on"
    assert after(again, FAILED, NOW + silence + HOUR, PACE).failing_since == NOW + silence


def test_one_that_was_disabled_for_failing_comes_back_by_a_success_and_catches_up() -> None:
    disabled = after(failing_for(FINE, 120 * HOUR), TRIAL, NOW + 120 * HOUR, PACE)
    later = NOW + 150 * HOUR
    back = after(disabled, ARRIVED, later, PACE)
    assert back == Standing(EndpointState.ACTIVE, None, None, 0, 0, None, None, later, is_catching_up=True)


def test_one_that_is_gone_comes_back_by_a_person_only() -> None:
    gone = after(failed_times(FINE, 2), Tried(arrived=False, gone=True, claimed_at=NOW, alone=False), NOW, PACE)
    assert (gone.state, gone.disabled_by, gone.disabled_at) == (EndpointState.DISABLED, DisabledBy.GONE, NOW)
    assert after(gone, ARRIVED, NOW + HOUR, PACE) == gone
    assert after(gone, FAILED, NOW + HOUR, PACE) == gone


def test_one_that_is_disabled_for_failing_may_turn_out_to_be_gone() -> None:
    disabled = after(failing_for(FINE, 120 * HOUR), TRIAL, NOW + 120 * HOUR, PACE)
    gone = after(disabled, Tried(arrived=False, gone=True, claimed_at=NOW, alone=False), NOW + 130 * HOUR, PACE)
    assert gone.disabled_by is DisabledBy.GONE


def test_what_fails_while_it_is_paused_by_hand_does_not_count() -> None:
    paused = Standing(EndpointState.PAUSED, None, None, 0, 0, None, None, NOW, is_catching_up=False)
    assert after(paused, FAILED, NOW, PACE) == paused


def test_catching_up_keeps_its_pace() -> None:
    behind = Standing(EndpointState.ACTIVE, None, None, 0, 0, None, None, NOW + MINUTE, is_catching_up=True)
    quick = after(behind, Tried(arrived=True, gone=False, claimed_at=NOW, alone=True), NOW + PACE / 5, PACE)
    assert quick.next_at == NOW + PACE
    slow = after(behind, Tried(arrived=True, gone=False, claimed_at=NOW, alone=True), NOW + 2 * SECOND, PACE)
    assert slow.next_at == NOW + 2 * SECOND


# -- sharing ---------------------------------------------------------------------------------------------------------

FIRST, SECOND_ONE, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.mark.parametrize(
    ("room", "wishes", "expected"),
    [
        (10, {}, {}),
        (0, {FIRST: Wish(0, 8)}, {}),
        (64, {FIRST: Wish(0, 8)}, {FIRST: 8}),
        (64, {FIRST: Wish(0, 8), SECOND_ONE: Wish(0, 8)}, {FIRST: 8, SECOND_ONE: 8}),
        (64, {FIRST: Wish(0, 8), SECOND_ONE: Wish(0, 1)}, {FIRST: 8, SECOND_ONE: 1}),
        (1, {FIRST: Wish(0, 8)}, {FIRST: 1}),
        (10, {FIRST: Wish(0, 8)}, {FIRST: 4}),
        (3, {FIRST: Wish(0, 8), SECOND_ONE: Wish(0, 8)}, {FIRST: 1, SECOND_ONE: 1}),
        (2, {FIRST: Wish(0, 8), SECOND_ONE: Wish(0, 8)}, {FIRST: 1, SECOND_ONE: 1}),
        (3, {FIRST: Wish(5, 3), SECOND_ONE: Wish(0, 8)}, {SECOND_ONE: 1}),
        (16, {FIRST: Wish(8, 4), SECOND_ONE: Wish(7, 4)}, {SECOND_ONE: 1}),
        (2, {FIRST: Wish(8, 0), SECOND_ONE: Wish(0, 8), THIRD: Wish(0, 8)}, {SECOND_ONE: 1, THIRD: 1}),
        (5, {FIRST: Wish(1, 0), SECOND_ONE: Wish(3, -2)}, {}),
    ],
)
def test_room_is_dealt_to_whoever_has_least(room: int, wishes: dict[UUID, Wish], expected: dict[UUID, int]) -> None:
    assert dealt(room, wishes) == expected


@pytest.mark.parametrize(
    ("slow", "each_has", "left"),
    [(1, {8}, 56), (4, {8}, 32), (6, {8}, 16), (8, {6, 7}, 12), (16, {3, 4}, 6), (30, {2}, 4), (62, {1}, 2)],
)
def test_however_many_are_slow_there_is_room_for_whoever_comes_next(slow: int, each_has: set[int], left: int) -> None:
    under_way: dict[UUID, int] = {UUID(int=number): 0 for number in range(slow)}
    for _ in range(5):  # nothing ends, and all want more
        room = 64 - sum(under_way.values())
        for name, more in dealt(room, {name: Wish(count, 8 - count) for name, count in under_way.items()}).items():
            under_way[name] += more
    assert set(under_way.values()) == each_has
    room = 64 - sum(under_way.values())
    assert room == left
    newcomer = UUID(int=1_000)
    wishes = {name: Wish(count, 8 - count) for name, count in under_way.items()} | {newcomer: Wish(0, 8)}
    assert dealt(room, wishes).keys() == {newcomer}
