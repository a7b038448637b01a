"""Measuring how agencies are told: the courier beside a bare loop that posts the same bytes, in rounds of one run."""

import json
import statistics
import time
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Final
from uuid import UUID

from app.people.words import PostKind
from app.webhooks.words import EndpointState, EventType
from bench.city import token_of
from bench.gauge import DatabaseGauge, of_machine, of_server
from bench.rounds import MILLISECONDS, Ratio
from bench.stand import Tell, attended, plain, serving, settings_for
from bench.sync import POSTGRESQL
from bench.sync_phone import Line
from bench.webhooks_bare import BareLoop, posting
from bench.webhooks_receiver import Arrival, Receiver
from bench.webhooks_stand import (
    AGENCY,
    ENDPOINTS,
    LOOPBACK,
    Message,
    Store,
    WebhookScale,
    WebhookStand,
    messages,
    posts_of,
)

AT_ONCE: Final = 8
"""Deliveries that one endpoint is sent at once, by default."""
BARE, WORKER = "bare", "worker"
APP = "bench.webhooks_app:app"
_STEP = "assignment_progressed"


def crowded(name: str) -> str:
    """The series of a kind of database, where many deliveries wait for somebody else."""
    return f"crowded {name}"


@dataclass(frozen=True)
class Posted:
    """One round of posting: CPU times in milliseconds per delivery."""

    sender: float
    """Of the worker, or of the bare loop."""
    database: float
    """Of PostgreSQL; SQLite's is in the worker."""
    per_second: float
    """From the first arrival to the last."""

    @property
    def cpu(self) -> float:
        return self.sender + self.database


@dataclass(frozen=True)
class Heard:
    """One round of steps: how long each took to arrive, in milliseconds."""

    latencies: Sequence[float]

    @property
    def p50(self) -> float:
        return percentile(self.latencies, 50)

    @property
    def p95(self) -> float:
        return percentile(self.latencies, 95)


def percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


@dataclass
class WebhookFigures:
    """Everything that was measured; series are by what was done and by whom."""

    scale: WebhookScale
    stand: WebhookStand
    posted: dict[tuple[int, str], list[Posted]] = field(default_factory=dict)
    """By how many at once, and who sent."""
    heard: dict[str, list[Heard]] = field(default_factory=dict)
    others: float = 0.0
    """Cores that programs of others kept busy meanwhile."""

    def posted_median(self, at_once: int, name: str, figure: str) -> float:
        return statistics.median(float(getattr(posted, figure)) for posted in self.posted[at_once, name])

    def posted_ratio(self, at_once: int, name: str, figure: str) -> Ratio:
        """To the bare loop's."""
        return _ratio(self.posted[at_once, name], self.posted[at_once, BARE], figure)

    def heard_ratio(self, name: str, peer: str, figure: str) -> Ratio:
        return _ratio(self.heard[name], self.heard[peer], figure)

    def latency(self, name: str, percent: int) -> float:
        """Over all rounds, in milliseconds."""
        return percentile([each for heard in self.heard[name] for each in heard.latencies], percent)


def _ratio(ours: Sequence[object], peer: Sequence[object], figure: str) -> Ratio:
    pairs = zip(ours, peer, strict=True)
    found = [getattr(one, figure) / max(getattr(two, figure), 1e-9) for one, two in pairs]
    return Ratio(statistics.median(found), min(found), max(found))


# -- what is measured ------------------------------------------------------------------------------------------------


def measure_webhooks(stand: WebhookStand, scale: WebhookScale, core: int | None, tell: Tell) -> WebhookFigures:
    """Starts everything that is measured, and measures it in turn."""
    figures = WebhookFigures(scale, stand)
    tell("starting workers and APIs")
    gauge = DatabaseGauge.of(plain(stand.calm[POSTGRESQL].address))
    with ExitStack() as stack:
        bare = stack.enter_context(posting(stand.folder, core))
        workers = {name: stack.enter_context(working(store, core)) for name, store in stand.sending.items()}
        stores = dict(stand.calm) | {WORKER: stand.sending[POSTGRESQL]}
        stores |= {crowded(name): store for name, store in stand.crowded.items()}
        tellers = {
            name: stack.enter_context(_telling(name, store, stand.receiver, core)) for name, store in stores.items()
        }
        jobs: list[_Posting | _Telling] = [
            _Posting(figures, bare, workers, gauge, ENDPOINTS, scale.posts),
            _Posting(figures, bare, workers, gauge, 1, scale.posts_to_one),
            _Telling(figures, bare, tellers),
        ]
        ours = [bare.process, stand.receiver.process, *workers.values(), *(each.process for each in tellers.values())]

        def used() -> float:
            return of_machine() - time.process_time() - gauge.read() - sum(map(of_server, ours))

        began, others = time.perf_counter(), used()
        for number in range(-scale.warm_up, scale.rounds):
            tell(f"round {number + 1} of {scale.rounds}" if number >= 0 else "warming up")
            for job in jobs:
                job.round(turned=bool(number % 2), is_kept=number >= 0)
        figures.others = (used() - others) / (time.perf_counter() - began)
        stand.receiver.stop()  # what the dead endpoint holds up ends with it, so that nobody waits for that
    return figures


@contextmanager
def working(store: Store, core: int | None) -> Iterator[int]:
    """The process of a worker over a store, for as long as the block lasts."""
    words = [] if core is None else [str(core)]
    settings = settings_for(store.address, store.folder) | LOOPBACK
    with attended("bench.webhooks_worker", words, store.folder, settings) as (process, _):
        yield process.pid


class _Posting:
    """Deliveries that are put there at once and sent as fast as it goes, and the same posted by the bare loop."""

    def __init__(
        self,
        figures: WebhookFigures,
        bare: BareLoop,
        workers: Mapping[str, int],
        gauge: DatabaseGauge,
        endpoints: int,
        count: int,
    ) -> None:
        self._figures = figures
        self._bare = bare
        self._workers = workers
        self._gauge = gauge
        self._count = count
        self._at_once = endpoints * AT_ONCE
        self._receiver = figures.stand.receiver
        self._urls = [self._receiver.url_of(f"/{endpoints}/{each}") for each in range(endpoints)]
        self._endpoints = {
            name: [store.endpoint(url, EventType.PING) for url in self._urls]  # they are told of nothing new
            for name, store in figures.stand.sending.items()
        }

    def round(self, *, turned: bool, is_kept: bool) -> None:
        batch = messages(self._count)
        names = [BARE, *self._workers]
        for name in reversed(names) if turned else names:
            posted = self._post(batch) if name == BARE else self._deliver(batch, name)
            if is_kept:
                self._figures.posted.setdefault((self._at_once, name), []).append(posted)

    def _post(self, batch: Sequence[Message]) -> Posted:
        run = self._bare.post(posts_of(batch, self._urls), self._at_once)
        each = MILLISECONDS / len(batch)
        return Posted(run.cpu * each, 0.0, _per_second(arrived(self._receiver, batch)))

    def _deliver(self, batch: Sequence[Message], name: str) -> Posted:
        """Nothing is sent to endpoints that are paused, so putting it there is not measured."""
        store, endpoints = self._figures.stand.sending[name], self._endpoints[name]
        gauge = self._gauge if name == POSTGRESQL else None
        store.set_endpoints(endpoints, state=EndpointState.PAUSED)
        store.put(batch, endpoints)
        sender, database = of_server(self._workers[name]), gauge.read() if gauge else 0.0
        store.set_endpoints(endpoints, state=EndpointState.ACTIVE)
        arrivals = arrived(self._receiver, batch)
        store.wait_until_settled(endpoints)
        sender, database = of_server(self._workers[name]) - sender, (gauge.read() if gauge else 0.0) - database
        each = MILLISECONDS / len(batch)
        return Posted(sender * each, database * each, _per_second(arrivals))


def arrived(receiver: Receiver, batch: Collection[Message]) -> list[Arrival]:
    """Waits until all of these have arrived; raises where another body came than was meant."""
    arrivals = receiver.wait_for({str(each.id) for each in batch})
    wrong = [each for each in batch if arrivals[str(each.id)].checksum != zlib.crc32(each.body.encode())]
    if wrong:
        raise RuntimeError(f"{len(wrong)} bodies of {len(batch)} came as something else")
    return list(arrivals.values())


def _per_second(arrivals: Sequence[Arrival]) -> float:
    moments = [each.at for each in arrivals]
    return (len(moments) - 1) / (max(moments) - min(moments))


# -- from commit to arrival ------------------------------------------------------------------------------------------


class _Teller:
    """An API over HTTP, officers who take steps there, and an endpoint that is told of them."""

    def __init__(self, process: int, line: Line, store: Store, receiver: Receiver, commits: Path) -> None:
        self.process = process
        self._line = line
        self._store = store
        self._receiver = receiver
        self._commits = commits.open()
        self._parts = cycle(store.running_parts())

    def take_steps(self, count: int, per_second: float) -> tuple[Heard, list[Message]]:
        """So many steps at this rate, one after another; how long each took to arrive, and what the agency was told."""
        token, began = token_of(PostKind.OFFICER, AGENCY), time.monotonic()
        self._commits.read()
        for number in range(count):
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            body = json.dumps({"verb": "progress", "note": f"Pekerjaan hari ke-{number % 28 + 1} selesai."}).encode()
            self._line.ask("POST", f"/api/v1/assignments/{next(self._parts)}/steps", token, body)
        commits = _commits(self._commits.read())
        told = self._store.messages_of(commits.keys())
        if not len(commits) == len(told) == count:
            raise RuntimeError(f"{count} steps were committed {len(commits)} times and told {len(told)} times")
        arrivals = {each.id: each.at for each in arrived(self._receiver, told.values())}
        latencies = [(arrivals[str(told[fact].id)] - at) * MILLISECONDS for fact, at in commits.items()]
        return Heard(latencies), list(told.values())

    def close(self) -> None:
        self._commits.close()


def _commits(lines: str) -> dict[tuple[UUID, int], float]:
    """When each version of a problem was committed that came of such a step; the house does things by itself, too."""
    words = (line.split() for line in lines.splitlines())
    return {(UUID(problem), int(version)): float(at) for kind, problem, version, at in words if kind == _STEP}


@contextmanager
def _telling(name: str, store: Store, receiver: Receiver, core: int | None) -> Iterator[_Teller]:
    """An API whose courier sends, or beside which a worker does, for as long as the block lasts."""
    commits = store.folder / f"commits of {name}"
    commits.touch()
    store.endpoint(receiver.url_of(f"/{name.lower().replace(' ', '-')}"), EventType.ASSIGNMENT_PROGRESSED)
    settings = LOOPBACK | {"BENCH_COMMITS": str(commits), "UJUNG_BACKGROUND": "false" if name == WORKER else "true"}
    with (
        serving(APP, store.address, store.folder, core, settings) as (process, port),
        Line(port) as line,
        closing(_Teller(process, line, store, receiver, commits)) as teller,
    ):
        yield teller


class _Telling:
    """Steps over HTTP at a modest rate, each of which an agency is told of; and the bare loop at the same rate."""

    def __init__(self, figures: WebhookFigures, bare: BareLoop, tellers: Mapping[str, _Teller]) -> None:
        self._figures = figures
        self._bare = bare
        self._tellers = tellers
        self._steps, self._rate = figures.scale.steps, figures.scale.per_second
        _, self._told = tellers[POSTGRESQL].take_steps(self._steps, self._rate)

    def round(self, *, turned: bool, is_kept: bool) -> None:
        names = [BARE, *self._tellers]
        for name in reversed(names) if turned else names:
            heard = self._post() if name == BARE else self._tell(name)
            if is_kept:
                self._figures.heard.setdefault(name, []).append(heard)

    def _tell(self, name: str) -> Heard:
        stand = self._figures.stand
        for kind, store in stand.crowded.items():
            if name == crowded(kind):  # as if it had died just now, so that attempts are under way in each round
                store.set_endpoints(
                    [stand.dead[kind]], failures=0, pauses=0, failing_since=None, next_at=store.house.clock()
                )
        heard, told = self._tellers[name].take_steps(self._steps, self._rate)
        if name == POSTGRESQL:
            self._told = told
        return heard

    def _post(self) -> Heard:
        """What ours sent last, once more."""
        receiver = self._figures.stand.receiver
        run = self._bare.post(posts_of(self._told, [receiver.url_of("/bare")]), 1, self._rate)
        return Heard([(each.at - run.began[each.id]) * MILLISECONDS for each in arrived(receiver, self._told)])
