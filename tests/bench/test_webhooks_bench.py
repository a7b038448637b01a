"""A tiny run of the bench of webhooks, over a real PostgreSQL, real files of SQLite and a real receiver."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import psutil
import pytest
from rich.console import Console
from sqlalchemy import func, select
from sqlmodel import col

from app.webhooks.models import Attempt, Delivery, Event
from app.webhooks.words import DeliveryState, EventType
from bench import webhooks_tables
from bench.sync import POSTGRESQL, SQLITE
from bench.tables import PAGE
from bench.webhooks import BARE, WORKER, WebhookFigures, arrived, crowded, measure_webhooks, percentile, working
from bench.webhooks_bare import Post, posting
from bench.webhooks_receiver import LONGEST, Arrival, Receiver, receiving
from bench.webhooks_stand import Store, WebhookScale, WebhookStand, messages, posts_of, webhook_standing
from tests.bench.test_bench import silent

TINY = WebhookScale(posts=48, posts_to_one=12, steps=4, crowd=60, rounds=2, warm_up=1, kelurahan=2)

pytestmark = pytest.mark.xdist_group("bench")


@pytest.fixture(scope="module")
def stand() -> Iterator[WebhookStand]:
    with webhook_standing(TINY, silent) as stood:
        yield stood


@pytest.fixture(scope="module")
def figures(stand: WebhookStand) -> WebhookFigures:
    return measure_webhooks(stand, TINY, None, silent)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path) as listening:
        yield listening


@pytest.mark.parametrize("name", [POSTGRESQL, SQLITE])
def test_both_sides_deliver_the_same_bytes(stand: WebhookStand, receiver: Receiver, tmp_path: Path, name: str) -> None:
    store, batch, url = stand.sending[name], messages(20), receiver.url_of("/both")
    ids = {str(each.id) for each in batch}
    with posting(tmp_path, None) as bare:
        bare.post(posts_of(batch, [url]), 4)
    posted = receiver.wait_for(ids)
    endpoint = store.endpoint(url, EventType.PING)
    store.put(batch, [endpoint])
    with working(store, None):
        sent = receiver.wait_for(ids)
        store.wait_until_settled([endpoint])
    assert told(posted) == told(sent)
    assert len({each.checksum for each in sent.values()}) == 20, "each is about another problem"
    assert attempts(store, Delivery.endpoint_id == endpoint) == 20


def told(arrivals: dict[str, Arrival]) -> dict[str, tuple[str, int]]:
    return {name: (each.path, each.checksum) for name, each in arrivals.items()}


def attempts(store: Store, *which: object) -> int:
    """How often these deliveries were tried, by the rows of their attempts."""
    statement = select(func.count(col(Attempt.id))).join(Delivery, col(Delivery.id) == col(Attempt.delivery_id))
    with store.house.database.read() as session:
        return session.scalar(statement.where(*which)) or 0  # type: ignore[arg-type]  # a comparison of SQLModel's


def test_another_body_ends_the_run(receiver: Receiver, tmp_path: Path) -> None:
    batch = messages(2)
    with posting(tmp_path, None) as bare:
        bare.post(posts_of(batch, [receiver.url_of("/")]), 1)
    with pytest.raises(RuntimeError, match="1 bodies of 2"):
        arrived(receiver, [batch[0], replace(batch[1], body=batch[0].body)])


def test_what_does_not_arrive_ends_the_run(receiver: Receiver) -> None:
    with pytest.raises(RuntimeError, match="did not come"):
        receiver.wait_for({"never sent"}, patience=0.1)


def test_a_refused_post_ends_the_run(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with posting(tmp_path, None) as bare, pytest.raises(RuntimeError, match="the bare loop has failed"):
        bare.post([Post("1", f"http://127.0.0.1:{port}/", {}, "{}")], 1)


def test_the_bare_loop_keeps_its_pace(receiver: Receiver, tmp_path: Path) -> None:
    batch = messages(4)
    with posting(tmp_path, None) as bare:
        run = bare.post(posts_of(batch, [receiver.url_of("/")]), 1, per_second=20)
    began = [run.began[str(each.id)] for each in batch]
    arrivals = arrived(receiver, batch)
    assert began[-1] - began[0] >= 3 / 20
    assert all(each.at > run.began[each.id] for each in arrivals), "it is one clock in all processes"


def test_the_receiver_hangs_up_on_who_sends_too_much(receiver: Receiver) -> None:
    port = int(receiver.url_of("").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        try:
            line.sendall(b"x" * (2 * LONGEST))
            rest = line.recv(1)
        except ConnectionError:
            rest = b""
    assert rest == b""


def test_the_receiver_ends_by_itself(tmp_path: Path) -> None:
    with receiving(tmp_path) as receiver:
        assert psutil.pid_exists(receiver.process)
    assert not psutil.pid_exists(receiver.process)


def test_everything_is_measured(figures: WebhookFigures) -> None:
    assert figures.posted.keys() == {(at_once, name) for at_once in (64, 8) for name in (BARE, POSTGRESQL, SQLITE)}
    for (_, name), rounds in figures.posted.items():
        assert len(rounds) == TINY.rounds
        for posted in rounds:
            assert posted.sender > 0
            assert (posted.database > 0) == (name == POSTGRESQL)
            assert posted.per_second > 0
    kinds = (POSTGRESQL, SQLITE)
    assert figures.heard.keys() == {BARE, WORKER, *kinds, *map(crowded, kinds)}
    for rounds_of in figures.heard.values():
        assert [len(heard.latencies) for heard in rounds_of] == [TINY.steps] * TINY.rounds
        assert all(0 < heard.p50 <= heard.p95 for heard in rounds_of)


def test_the_agency_was_told_of_each_step(stand: WebhookStand, figures: WebhookFigures) -> None:
    """Those of all rounds, those that warmed up, and those that the bare loop began with."""
    del figures
    progressed = select(func.count()).where(col(Event.type) == EventType.ASSIGNMENT_PROGRESSED)
    for name, store in stand.calm.items():
        with store.house.database.read() as session:
            rounds = TINY.rounds + TINY.warm_up + (1 if name == POSTGRESQL else 0)
            assert session.scalar(progressed) == rounds * TINY.steps


def test_the_crowd_is_tried_and_waits_still(stand: WebhookStand, figures: WebhookFigures) -> None:
    del figures
    for name, store in stand.crowded.items():
        waits = select(func.count()).where(
            col(Delivery.endpoint_id) == stand.dead[name], col(Delivery.state) == DeliveryState.WAITING
        )
        with store.house.database.read() as session:
            assert session.scalar(waits) == TINY.crowd
        assert attempts(store, Delivery.endpoint_id == stand.dead[name]) >= 8, "as many as one endpoint may keep busy"


def test_percentiles_are_of_what_was_seen() -> None:
    assert (percentile([3, 1, 2], 50), percentile([3, 1, 2], 95), percentile([7], 95)) == (2, 3, 7)


def test_page_gets_its_tables(figures: WebhookFigures, tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text())
    webhooks_tables.write(figures, page)
    before, rest = page.read_text().split(webhooks_tables.BEGINS)
    said, after = rest.split(webhooks_tables.ENDS)
    old_before, old_rest = PAGE.read_text().split(webhooks_tables.BEGINS)
    assert (before, after) == (old_before, old_rest.split(webhooks_tables.ENDS)[1])
    assert "| to 8 endpoints, 64 at once | bare loop | " in said
    assert said.count("≤ 2,000 ms: ") == 2
    assert "httpx " in said
    console = Console(file=StringIO(), width=200)
    webhooks_tables.show(figures, console)


def test_a_missed_limit_is_told(figures: WebhookFigures) -> None:
    slow = {
        name: [replace(each, latencies=[2_001.0] * TINY.steps) for each in its] for name, its in figures.heard.items()
    }
    drawn = webhooks_tables.draw(replace(figures, heard=slow))[-1]
    assert [row[-1] for row in drawn.rows if row[-1]] == ["≤ 2,000 ms: MISSED"] * 2
