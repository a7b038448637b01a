"""Claiming, settling, pausing, disabling, probing: the queue as a courier and a real receiver meet it."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from app.webhooks.actions import queue
from app.webhooks.actions.publishing import publish_ping
from app.webhooks.actions.queue import Claimed, Outcome, claim, lease_of, settle
from app.webhooks.models import Delivery, Endpoint, Event
from app.webhooks.sending import Answer
from app.webhooks.words import DeliveryState, DisabledBy, EndpointState, EventType, Fault
from tests.sync.statements import heard, plan_of
from tests.webhooks.ears import deliveries_to, events_of
from tests.webhooks.queues import AGENCY, Depot
from tests.webhooks.receiver import Reply, never_answers

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ARRIVED = Answer(200, None, None, None, 5, None)
FAILED = Answer(500, Fault.STATUS, "answered 500", "aduh", 5, None)


def claimed_by(depot: Depot, under_way: Sequence[Claimed] = ()) -> list[Claimed]:
    return list(claim(depot.house, under_way, Random(1)).deliveries)


def settled(depot: Depot, claimed: Sequence[Claimed], answer: Answer = ARRIVED) -> int:
    outcomes = [Outcome(each, depot.clock.now, answer) for each in claimed]
    return settle(depot.house, outcomes, Random(1))


def ping(depot: Depot, endpoint: UUID) -> UUID:
    with depot.house.database.write() as session:
        row = session.get(Endpoint, endpoint)
        assert row is not None
        return publish_ping(session, depot.house, row, depot.clock.now)


# -- claiming --------------------------------------------------------------------------------------------------------


def test_a_claim_takes_the_oldest_first_and_as_many_as_the_endpoint_may_be_sent_at_once(depot: Depot) -> None:
    endpoint = depot.endpoint()
    late = depot.waiting(endpoint, 2, next_at=depot.clock.now + SECOND)
    now = depot.waiting(endpoint, 20)
    early = depot.waiting(endpoint, 2, next_at=depot.clock.now - SECOND)
    first = claimed_by(depot)
    assert [each.id for each in first] == [*early, *now[:6]]
    assert claimed_by(depot, first) == [], "this process has as many under way as it may"
    assert [each.id for each in claimed_by(depot, first[:5])] == now[6:9]
    depot.clock.advance(SECOND)
    assert [each.id for each in claimed_by(depot, first[:1])] == now[9:16]
    assert [each.id for each in claimed_by(depot)] == [*now[16:], *late]


def test_what_is_claimed_is_not_claimed_again_until_its_lease_ends(depot: Depot) -> None:
    endpoint = depot.endpoint()
    (delivery,) = depot.waiting(endpoint)
    (first,) = claimed_by(depot)
    depot.clock.advance(lease_of(depot.house.settings) - SECOND)
    assert claimed_by(depot) == []
    depot.clock.advance(SECOND)
    (second,) = claimed_by(depot)
    assert (first.id, second.id) == (delivery, delivery)
    assert first.lease != second.lease
    assert depot.delivery(delivery).attempts == 0, "nobody knows whether it was tried"


def test_room_is_shared_among_endpoints(depot: Depot) -> None:
    endpoints = [depot.endpoint(f"/{number}") for number in range(12)]
    for endpoint in endpoints:
        depot.waiting(endpoint, 20, next_at=depot.clock.now - HOUR)
    healthy = depot.endpoint("/healthy")
    depot.waiting(healthy)
    claimed = claimed_by(depot)
    counts = {endpoint: sum(each.endpoint_id == endpoint for each in claimed) for endpoint in [*endpoints, healthy]}
    assert counts[healthy] == 1
    assert {counts[endpoint] for endpoint in endpoints} <= {4, 5}
    claimed += claimed_by(depot, claimed)
    assert claimed_by(depot, claimed) == [], "nobody is given more"
    assert len(claimed) == 56
    newcomer = depot.endpoint("/newcomer")
    depot.waiting(newcomer, 20)
    assert [each.endpoint_id for each in claimed_by(depot, claimed)] == [newcomer] * 3


def test_pings_take_no_more_than_half_of_the_room(depot: Depot) -> None:
    for number in range(40):
        ping(depot, depot.endpoint(f"/{number}", state=EndpointState.PAUSED))
    pings = claimed_by(depot)
    assert len(pings) == 32
    assert claimed_by(depot, pings) == []
    assert len(claimed_by(depot, pings[:-5])) == 5


def test_it_is_looked_again_at_once_only_where_room_was_left_over(depot: Depot) -> None:
    endpoint = depot.endpoint()
    depot.waiting(endpoint, 11)
    first = claim(depot.house, (), Random(1))
    assert (len(first.deliveries), first.has_more) == (8, False)
    second = claim(depot.house, (), Random(1))
    assert (len(second.deliveries), second.has_more) == (3, True)
    third = claim(depot.house, (), Random(1))
    assert (len(third.deliveries), third.has_more) == (0, False)


async def test_one_that_is_removed_amid_a_claim_is_sent_nothing(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at what is due and the look at its secret: what only PostgreSQL lets happen."""
    if depot.house.database.is_sqlite:
        pytest.skip("has one writer")
    endpoint, other = depot.endpoint(), depot.endpoint("/other")
    (delivery,) = depot.waiting(endpoint)
    depot.waiting(other)
    looked = queue._heads

    def heads(*given: Any, **also: Any) -> Any:
        found = looked(*given, **also)
        if found:
            depot.change(Endpoint, endpoint, removed_at=depot.clock.now, secret="")
        return found

    monkeypatch.setattr(queue, "_heads", heads)
    assert await depot.turn() == 1
    assert [each.path for each in depot.receiver.arrived] == ["/other"]
    assert depot.attempts(delivery) == []


@pytest.mark.parametrize(
    "standing",
    [
        {"state": EndpointState.PAUSED},
        {"state": EndpointState.DISABLED, "disabled_by": DisabledBy.GONE},
        {"state": EndpointState.DISABLED, "disabled_by": DisabledBy.FAILING},
        {"next_at": SECOND},
        {"removed_at": -SECOND},
    ],
)
def test_an_endpoint_that_is_not_sent_to_is_held(depot: Depot, standing: dict[str, Any]) -> None:
    now = depot.clock.now
    given: dict[str, Any] = {name: now + at if isinstance(at, timedelta) else at for name, at in standing.items()}
    endpoint = depot.endpoint(**given)
    (delivery,) = depot.waiting(endpoint)
    assert claimed_by(depot) == []
    held = depot.delivery(delivery)
    assert (held.state, held.attempts, held.lease) == (DeliveryState.WAITING, 0, None)


def test_after_a_pause_one_is_tried_at_a_time_whoever_asks(depot: Depot) -> None:
    endpoint = depot.endpoint(failures=5, pauses=1)
    depot.waiting(endpoint, 20)
    (trial,) = claimed_by(depot)
    assert trial.alone
    assert claimed_by(depot) == [], "another process waits for it too"
    settled(depot, [trial])
    assert len(claimed_by(depot)) == 8


def test_a_trial_that_was_lost_is_made_again_when_its_lease_ends(depot: Depot) -> None:
    endpoint = depot.endpoint(failures=5, pauses=1)
    depot.waiting(endpoint, 2)
    claimed_by(depot)
    depot.clock.advance(lease_of(depot.house.settings))
    assert len(claimed_by(depot)) == 1


async def test_several_couriers_share_without_meeting(depot: Depot) -> None:
    endpoints = [depot.endpoint(f"/{number}") for number in range(4)]
    for endpoint in endpoints:
        depot.waiting(endpoint, 30)
    claims = await asyncio.gather(*(asyncio.to_thread(claimed_by, depot) for _ in range(4)))
    ids = [each.id for claimed in claims for each in claimed]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 30


def test_claiming_asks_as_much_whatever_waits(depot: Depot) -> None:
    def asked() -> int:
        with heard(depot.house.database.engine) as statements:
            claimed = claimed_by(depot)
        assert claimed
        return len(statements)

    depot.waiting(depot.endpoint("/first"))
    few = asked()
    for number in range(10):
        endpoint = depot.endpoint(f"/{number}")
        depot.waiting(endpoint, 10)
    assert asked() == few


def test_each_look_at_an_endpoint_is_by_an_index(depot: Depot) -> None:
    endpoint = depot.endpoint(failures=5)
    depot.waiting(endpoint)
    depot.waiting(depot.endpoint())
    ping(depot, endpoint)
    engine = depot.house.database.engine
    with heard(engine) as statements:
        assert len(claimed_by(depot)) == 3
    selects = [each for each in statements if each[0].startswith("SELECT") and "webhook_delivery" in each[0]]
    assert len(selects) == 4
    for statement in selects:
        steps = plan_of(engine, statement)
        assert not any(f"{scan} webhook_delivery" in step for step in steps for scan in ("SCAN", "Seq Scan on")), steps
        named = [step for step in steps if "ix_webhook_delivery_due" in step or "ix_webhook_delivery_ping" in step]
        whole = "payload" in statement[0]
        assert named or whole, steps


def test_where_nothing_is_due_nobody_waits_for_the_one_writer(depot: Depot) -> None:
    depot.waiting(depot.endpoint(), next_at=depot.clock.now + SECOND)
    with heard(depot.house.database.engine) as statements:
        assert claimed_by(depot) == []
    assert len(statements) == 1


# -- settling --------------------------------------------------------------------------------------------------------


async def test_what_arrives_is_signed_and_byte_for_byte_what_was_written(depot: Depot) -> None:
    endpoint = depot.endpoint()
    (delivery,) = depot.waiting(endpoint)
    payload = '{"type":"problem.assigned",  "data":{"judul":"Jalan \\u0022Gatot Subroto\\u0022 – é","n":1.50}}\n'
    row = depot.delivery(delivery)
    depot.change(Event, row.event_id, payload=payload)
    assert await depot.turn() == 1
    (arrived,) = depot.receiver.arrived
    assert arrived.body == payload.encode()
    assert arrived.headers["webhook-id"] == str(row.event_id)
    assert arrived.headers["webhook-timestamp"] == str(int(depot.clock.now.timestamp()))
    assert arrived.headers["webhook-signature"].startswith("v1,")
    assert " " not in arrived.headers["webhook-signature"]
    after = depot.delivery(delivery)
    assert (after.state, after.attempts, after.lease, after.settled_at) == (
        DeliveryState.DELIVERED,
        1,
        None,
        depot.clock.now,
    )
    (attempt,) = depot.attempts(delivery)
    assert (attempt.number, attempt.status, attempt.fault, attempt.at) == (1, 200, None, depot.clock.now)


async def test_while_a_secret_is_exchanged_both_sign(depot: Depot) -> None:
    former = depot.house.vault.seal("whsec_dWppLXVqaS11amktdWppLXVqaS11amktdWppLXVqaS0=")
    endpoint = depot.endpoint(former_secret=former, former_until=depot.clock.now + SECOND)
    depot.waiting(endpoint, 1)
    await depot.turn()
    depot.clock.advance(SECOND)
    depot.waiting(endpoint, 1)
    await depot.turn()
    both, one = (each.headers["webhook-signature"].split(" ") for each in depot.receiver.arrived)
    assert (len(both), len(one)) == (2, 1)


async def test_a_stolen_lease_settles_nothing(depot: Depot) -> None:
    endpoint = depot.endpoint()
    (delivery,) = depot.waiting(endpoint)
    slow = claimed_by(depot)
    depot.clock.advance(lease_of(depot.house.settings))
    thief = claimed_by(depot)
    assert settled(depot, slow, FAILED) == 0
    assert settled(depot, slow) == 0
    untouched = depot.delivery(delivery)
    assert (untouched.state, untouched.attempts, untouched.lease) == (DeliveryState.WAITING, 0, thief[0].lease)
    assert depot.attempts(delivery) == []
    assert depot.standing(endpoint).failures == 0
    assert settled(depot, thief) == 1
    assert settled(depot, slow, FAILED) == 0
    assert depot.delivery(delivery).state is DeliveryState.DELIVERED
    assert len(depot.attempts(delivery)) == 1


def test_one_that_was_cancelled_meanwhile_settles_nothing(depot: Depot) -> None:
    endpoint = depot.endpoint()
    (delivery,) = depot.waiting(endpoint)
    claimed = claimed_by(depot)
    depot.change(Delivery, delivery, state=DeliveryState.CANCELLED, lease=None)
    assert settled(depot, claimed) == 0
    assert depot.delivery(delivery).state is DeliveryState.CANCELLED


@pytest.mark.parametrize("standing", [{"is_catching_up": True}, {"failures": 5, "pauses": 1}])
def test_an_endpoint_does_not_wait_for_what_was_cancelled_while_it_was_sent_alone(
    depot: Depot, standing: dict[str, Any]
) -> None:
    endpoint = depot.endpoint(**standing)
    delivery, following = depot.waiting(endpoint, 2)
    (claimed,) = claimed_by(depot)
    assert (claimed.id, claimed.alone) == (delivery, True)
    depot.change(Delivery, delivery, state=DeliveryState.CANCELLED, lease=None)
    assert claimed_by(depot) == []
    assert settled(depot, [claimed]) == 0
    assert [each.id for each in claimed_by(depot)] == [following]


def test_what_was_cancelled_ends_nobody_elses_turn(depot: Depot) -> None:
    endpoint = depot.endpoint(is_catching_up=True)
    depot.waiting(endpoint, 3)
    (slow,) = claimed_by(depot)
    depot.change(Delivery, slow.id, state=DeliveryState.CANCELLED, lease=None)
    depot.clock.advance(lease_of(depot.house.settings))
    (following,) = claimed_by(depot)
    until = depot.standing(endpoint).next_at
    assert settled(depot, [slow]) == 0
    assert depot.standing(endpoint).next_at == until
    assert claimed_by(depot, [following]) == []


def test_settling_asks_as_much_for_many_as_for_few(depot: Depot) -> None:
    def asked(count: int) -> int:
        for _ in range(count):
            depot.waiting(depot.endpoint(), 4)
        claimed = claimed_by(depot)
        assert len(claimed) >= count
        with heard(depot.house.database.engine) as statements:
            assert settled(depot, claimed, FAILED) == len(claimed)
        return len(statements)

    assert asked(1) == asked(10)


async def test_a_failure_is_tried_again_by_the_schedule_and_the_fifteenth_is_the_last(depot: Depot) -> None:
    depot.receiver.answer = Reply(503, body=b"sebentar")
    endpoint = depot.endpoint()
    (delivery,) = depot.waiting(endpoint)
    expected = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, *[86_400] * 6]
    for number, seconds in enumerate(expected, 1):
        depot.change(Endpoint, endpoint, failures=0, pauses=0, failing_since=None, next_at=depot.clock.now)
        assert await depot.turn() == 1
        row = depot.delivery(delivery)
        assert (row.state, row.attempts, row.lease, row.settled_at) == (DeliveryState.WAITING, number, None, None)
        assert 0.8 * seconds <= (row.next_at - depot.clock.now).total_seconds() <= 1.2 * seconds
        depot.clock.now = row.next_at - SECOND
        assert await depot.turn() == 0
        depot.clock.advance(SECOND)
    depot.change(Endpoint, endpoint, failures=0, pauses=0, failing_since=None, next_at=depot.clock.now)
    assert await depot.turn() == 1
    row = depot.delivery(delivery)
    assert (row.state, row.attempts, row.settled_at) == (DeliveryState.EXHAUSTED, 15, depot.clock.now)
    attempts = depot.attempts(delivery)
    assert [each.number for each in attempts] == list(range(1, 16))
    assert {(each.status, each.fault, each.answer) for each in attempts} == {(503, Fault.STATUS, "sebentar")}
    depot.clock.advance(timedelta(days=30))
    assert await depot.turn() == 0


async def test_what_a_receiver_asks_for_only_delays(depot: Depot) -> None:
    endpoint = depot.endpoint()
    patient, hasty = depot.waiting(endpoint), depot.waiting(depot.endpoint("/hasty"))
    depot.receiver.answer_at("/hook", Reply(429, {"Retry-After": "600"}))
    depot.receiver.answer_at("/hasty", Reply(503, {"Retry-After": "1"}))
    assert await depot.turn() == 2
    assert depot.delivery(patient[0]).next_at == depot.clock.now + timedelta(seconds=600)
    assert depot.delivery(hasty[0]).next_at >= depot.clock.now + timedelta(seconds=4)


async def test_attempts_are_counted_on_when_somebody_asks_for_them_anew(depot: Depot) -> None:
    endpoint = depot.endpoint()
    (delivery,) = depot.waiting(endpoint)
    depot.receiver.answer_next(Reply(500))
    await depot.turn()
    depot.change(Delivery, delivery, attempts=0, next_at=depot.clock.now)
    await depot.turn()
    assert depot.delivery(delivery).attempts == 1
    assert [each.number for each in depot.attempts(delivery)] == [1, 2]


@pytest.mark.parametrize("secret", ["sealed with a key that is gone", ""])
async def test_what_cannot_be_signed_costs_no_attempt(depot: Depot, secret: str) -> None:
    endpoint = depot.endpoint(secret=secret)
    (delivery,) = depot.waiting(endpoint)
    assert await depot.turn() == 1
    assert depot.receiver.arrived == []
    row = depot.delivery(delivery)
    assert (row.state, row.attempts) == (DeliveryState.WAITING, 0)
    assert depot.standing(endpoint).failures == 0


# -- endpoints -------------------------------------------------------------------------------------------------------


async def test_five_failures_pause_longer_each_time_until_a_success(depot: Depot) -> None:
    depot.receiver.answer = Reply(500)
    endpoint = depot.endpoint()
    depot.waiting(endpoint, 100)
    assert await depot.turn() == 8
    standing = depot.standing(endpoint)
    assert (standing.failures, standing.pauses) == (8, 1)
    assert standing.next_at == depot.clock.now + 30 * SECOND
    assert standing.failing_since == depot.clock.now
    for pauses, seconds in enumerate([60, 120, 240, 480, 960, 1920, 3600, 3600], 2):
        depot.clock.now = standing.next_at - SECOND
        assert await depot.turn() == 0
        depot.clock.advance(SECOND)
        assert await depot.turn() == 1
        standing = depot.standing(endpoint)
        assert (standing.pauses, (standing.next_at - depot.clock.now).total_seconds()) == (pauses, seconds)
    depot.receiver.answer = Reply(204)
    depot.clock.now = standing.next_at
    assert await depot.turn() == 1
    standing = depot.standing(endpoint)
    assert (standing.failures, standing.pauses, standing.failing_since) == (0, 0, None)
    assert await depot.turn() == 8


async def test_one_that_is_gone_is_disabled_told_and_never_probed(depot: Depot) -> None:
    depot.receiver.answer_at("/gone", Reply(410))
    endpoint, other = depot.endpoint("/gone"), depot.endpoint()
    held = depot.waiting(endpoint, 3)
    assert await depot.turn() == 3
    standing = depot.standing(endpoint)
    assert (standing.state, standing.disabled_by) == (EndpointState.DISABLED, DisabledBy.GONE)
    assert standing.disabled_at == depot.clock.now
    (news,) = [each for each in events_of(depot.house, AGENCY) if each.type is EventType.ENDPOINT_DISABLED]
    said = json.loads(news.payload)["data"]
    assert (said["endpoint"], said["disabled_by"], said["failing_since"]) == (str(endpoint), "gone", None)
    assert [each.event_id for each in deliveries_to(depot.house, other)] == [news.id]
    assert await depot.turn() == 1, "the agency's other system is told"
    depot.clock.advance(timedelta(days=2))
    assert await depot.turn(times=3, every=2 * HOUR) == 0
    assert {depot.delivery(each).state for each in held} == {DeliveryState.WAITING}


async def test_120_hours_of_failures_disable_and_a_probe_each_hour_brings_it_back(depot: Depot) -> None:
    depot.receiver.answer = Reply(500)
    begun = depot.clock.now - 117 * HOUR
    endpoint = depot.endpoint(failures=80, pauses=80, failing_since=begun, failed_at=depot.clock.now - HOUR)
    held = depot.waiting(endpoint, 20)
    await depot.turn_until(lambda: depot.standing(endpoint).state is EndpointState.DISABLED, every=30 * MINUTE)
    assert timedelta(hours=120) <= depot.clock.now - begun <= timedelta(hours=121)
    standing = depot.standing(endpoint)
    assert standing.disabled_by is DisabledBy.FAILING
    attempts = sum(depot.delivery(each).attempts for each in held)
    depot.receiver.forget()
    assert await depot.turn(times=24, every=30 * MINUTE) == 12
    assert [json.loads(each.body)["type"] for each in depot.receiver.arrived] == ["webhook.ping"] * 12
    assert sum(depot.delivery(each).attempts for each in held) == attempts, "what is held costs no attempt"
    depot.receiver.answer = Reply(200)
    assert await depot.turn(every=HOUR) == 1
    standing = depot.standing(endpoint)
    assert (standing.state, standing.disabled_by, standing.disabled_at) == (EndpointState.ACTIVE, None, None)
    assert standing.is_catching_up
    kinds = [each.type for each in events_of(depot.house, AGENCY) if each.type.startswith("endpoint.")]
    assert kinds == [EventType.ENDPOINT_DISABLED, EventType.ENDPOINT_RECOVERED]


async def test_a_ping_long_ago_is_no_reason_to_disable(depot: Depot) -> None:
    depot.receiver.answer = Reply(503)
    endpoint = depot.endpoint()
    ping(depot, endpoint)
    assert await depot.turn() == 1
    depot.clock.advance(121 * HOUR)
    depot.waiting(endpoint)
    assert await depot.turn() == 1
    standing = depot.standing(endpoint)
    assert (standing.state, standing.failures) == (EndpointState.ACTIVE, 2)
    assert (standing.failing_since, standing.failed_at) == (depot.clock.now, depot.clock.now)


async def test_that_we_were_off_is_no_reason_to_disable(depot: Depot) -> None:
    depot.receiver.answer = Reply(503)
    endpoint = depot.endpoint()
    depot.waiting(endpoint)
    assert await depot.turn() == 1
    assert await depot.turn(every=144 * HOUR) == 1
    assert depot.standing(endpoint).state is EndpointState.ACTIVE
    depot.receiver.answer = Reply(200)
    assert await depot.turn(every=HOUR) == 1
    standing = depot.standing(endpoint)
    assert (standing.failures, standing.failing_since, standing.failed_at) == (0, None, None)


async def test_one_delivery_that_fails_by_the_table_is_reason_enough(depot: Depot) -> None:
    """Nothing else is sent to it, and the longest delays of the table lie in those 120 hours."""
    depot.receiver.answer = Reply(503)
    endpoint, begun = depot.endpoint(), depot.clock.now
    depot.waiting(endpoint)
    await depot.turn_until(lambda: depot.standing(endpoint).state is EndpointState.DISABLED, every=10 * MINUTE)
    assert 120 * HOUR <= depot.clock.now - begun <= 150 * HOUR


async def test_a_probe_may_learn_that_an_endpoint_is_gone_and_it_is_told(depot: Depot) -> None:
    depot.receiver.answer_at("/gone", Reply(410))
    endpoint = depot.endpoint("/gone", state=EndpointState.DISABLED, disabled_by=DisabledBy.FAILING, failures=99)
    other = depot.endpoint()
    assert await depot.turn() == 1
    standing = depot.standing(endpoint)
    assert (standing.state, standing.disabled_by) == (EndpointState.DISABLED, DisabledBy.GONE)
    (news,) = [each for each in events_of(depot.house, AGENCY) if each.type is EventType.ENDPOINT_DISABLED]
    said = json.loads(news.payload)["data"]
    assert (said["endpoint"], said["disabled_by"], said["failing_since"]) == (str(endpoint), "gone", None)
    assert [each.event_id for each in deliveries_to(depot.house, other)] == [news.id]
    assert await depot.turn(times=3, every=2 * HOUR) == 1, "the other is told once, and nobody is probed"


async def test_very_much_that_was_held_is_put_in_order_by_and_by_before_any_of_it_is_sent(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "ORDERED_AT_ONCE", 10)
    endpoint = depot.endpoint(state=EndpointState.DISABLED, disabled_by=DisabledBy.FAILING, failures=200)
    held = []
    for _ in range(35):
        held += depot.waiting(endpoint, 1)
        depot.clock.advance(MINUTE)
    for tried in held:  # all of them, so that none is due
        depot.change(Delivery, tried, attempts=3, next_at=depot.clock.now + 10 * HOUR - MINUTE * held.index(tried))
    assert await depot.turn() == 1
    assert depot.standing(endpoint).is_catching_up
    depot.clock.advance(SECOND)
    assert claimed_by(depot) == [], "it is held until all is in order"
    portions = 0
    while queue.put_in_order(depot.house):
        portions += 1
        assert sum(depot.delivery(each).next_at < depot.clock.now for each in held) <= 10 * portions
        assert portions == 4 or claimed_by(depot) == []
    assert portions == 4
    depot.receiver.forget()
    is_done = lambda: not depot.standing(endpoint).is_catching_up  # noqa: E731 - reads as what is waited for
    assert await depot.turn_until(is_done, every=SECOND) == 36, "and that it has recovered"
    events = {each.event_id: each.id for each in deliveries_to(depot.house, endpoint)}
    assert [events[UUID(each)] for each in depot.receiver.ids()][:35] == held


def test_what_is_being_sent_stays_as_it_is_while_the_rest_is_put_in_order(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "ORDERED_AT_ONCE", 4)
    endpoint = depot.endpoint()
    depot.waiting(endpoint, 20)
    sent = claimed_by(depot)
    before = {each.id: depot.delivery(each.id) for each in sent}
    with depot.house.database.write() as session:
        queue.flow_in_order(session, [endpoint], depot.clock.now)
    while queue.put_in_order(depot.house):
        pass
    for each in sent:
        after = depot.delivery(each.id)
        assert (after.lease, after.next_at) == (each.lease, before[each.id].next_at)
    assert settled(depot, sent) == 8


def test_one_that_is_removed_is_put_in_order_no_more(depot: Depot) -> None:
    endpoint = depot.endpoint(ordered_to=UUID(int=0))
    depot.waiting(endpoint, 3)
    depot.change(Endpoint, endpoint, removed_at=depot.clock.now)
    assert not queue.put_in_order(depot.house)


async def test_what_was_held_flows_in_order_and_at_a_bounded_rate(depot: Depot) -> None:
    endpoint = depot.endpoint(state=EndpointState.DISABLED, disabled_by=DisabledBy.FAILING, failures=200)
    held = []
    for _ in range(30):
        held += depot.waiting(endpoint, 1)
        depot.clock.advance(MINUTE)
    for tried in held[::7]:  # these were tried before it was disabled, and are due at some other time
        depot.change(Delivery, tried, attempts=3, next_at=depot.clock.now + HOUR)
    assert await depot.turn() == 1
    depot.receiver.forget()
    rate = depot.house.settings.webhook_catching_up_per_second
    assert await depot.turn(times=2) == 1, "the next one has to wait"
    assert await depot.turn(times=10, every=SECOND / rate / 2) == 5
    is_done = lambda: not depot.standing(endpoint).is_catching_up  # noqa: E731 - reads as what is waited for
    assert await depot.turn_until(is_done, every=SECOND / rate) == 25, "the rest, and that it has recovered"
    events = {each.event_id: each.id for each in deliveries_to(depot.house, endpoint)}
    arrived = [events[UUID(each)] for each in depot.receiver.ids()]
    assert arrived[:30] == held
    depot.waiting(endpoint, 10)
    assert await depot.turn(every=SECOND) == 8, "it is as any other again"


async def test_in_order_also_for_two_couriers(depot: Depot) -> None:
    endpoint = depot.endpoint(is_catching_up=True)
    depot.waiting(endpoint, 10)
    (first,) = claimed_by(depot)
    assert claimed_by(depot) == [], "another process sends nothing meanwhile"
    assert settled(depot, [first]) == 1
    assert claimed_by(depot) == [], "nor before the endpoint's next turn"
    depot.clock.advance(SECOND)
    assert len(claimed_by(depot)) == 1


@pytest.mark.parametrize(
    ("state", "by"),
    [
        (EndpointState.ACTIVE, None),
        (EndpointState.PAUSED, None),
        (EndpointState.DISABLED, DisabledBy.FAILING),
        (EndpointState.DISABLED, DisabledBy.GONE),
    ],
)
async def test_a_ping_is_sent_once_whatever_the_state(
    depot: Depot, state: EndpointState, by: DisabledBy | None
) -> None:
    depot.receiver.answer = Reply(500)
    next_at = depot.clock.now + HOUR
    endpoint = depot.endpoint(state=state, disabled_by=by, next_at=next_at)
    held = depot.waiting(endpoint, 20)
    asked = ping(depot, endpoint)
    assert await depot.turn() == 1
    (arrived,) = depot.receiver.arrived
    assert json.loads(arrived.body)["type"] == "webhook.ping"
    assert depot.delivery(asked).state is DeliveryState.EXHAUSTED
    assert len(depot.attempts(asked)) == 1
    assert {depot.delivery(each).attempts for each in held} == {0}
    standing = depot.standing(endpoint)
    assert (standing.state, standing.next_at) == (state, next_at)
    assert standing.failures == (1 if state is EndpointState.ACTIVE else 0)


async def test_pings_keep_nobody_waiting(depot: Depot) -> None:
    depot.receiver.answer_at("/dead", never_answers)
    dead, healthy = depot.endpoint("/dead", state=EndpointState.PAUSED), depot.endpoint()
    for _ in range(100):
        ping(depot, dead)
    depot.waiting(healthy, 8)
    first = claimed_by(depot)
    assert sum(each.endpoint_id == dead for each in first) == 1
    assert sum(each.endpoint_id == healthy for each in first) == 8
    assert claimed_by(depot, first) == []


async def test_a_ping_of_a_person_brings_back_what_was_disabled_for_failing(depot: Depot) -> None:
    endpoint = depot.endpoint(
        state=EndpointState.DISABLED, disabled_by=DisabledBy.FAILING, next_at=depot.clock.now + HOUR
    )
    ping(depot, endpoint)
    assert await depot.turn() == 1
    assert depot.standing(endpoint).state is EndpointState.ACTIVE
    assert not depot.standing(endpoint).is_catching_up, "nothing was held"


def test_only_one_of_two_couriers_probes(depot: Depot) -> None:
    depot.endpoint(state=EndpointState.DISABLED, disabled_by=DisabledBy.FAILING)
    assert [queue.probe(depot.house), queue.probe(depot.house)] == [1, 0]
