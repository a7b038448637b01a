"""Measuring: many short rounds, ours and the bare route in turn, so that noise hits both."""

import gc
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from bench.clients import crowd_of
from bench.gauge import DatabaseGauge, of_machine, of_server
from bench.jobs import Bare, Job, Ours, Stock, Traffic
from bench.stand import BARE, OURS, Scale, Stand, Tell, plain, serving, with_options
from bench.statements import ServerLog, Statements, count

MILLISECONDS = 1000


@dataclass(frozen=True)
class Sample:
    """One round of one job at one API: means per request in milliseconds, and every latency."""

    api: float
    database: float
    latencies: Sequence[float]
    per_second: float

    @property
    def cpu(self) -> float:
        return self.api + self.database


@dataclass
class Series:
    """All rounds of one job at one API."""

    samples: list[Sample] = field(default_factory=list)
    statements: list[Statements] | None = None

    def median(self, name: str) -> float:
        return statistics.median(float(getattr(sample, name)) for sample in self.samples)

    def latency(self, percent: int) -> float:
        """A percentile over all rounds, in milliseconds."""
        ordered = sorted(each for sample in self.samples for each in sample.latencies)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


@dataclass(frozen=True)
class Ratio:
    """Round by round, how many times the other one's cost."""

    median: float
    least: float
    most: float


def ratio(ours: Series, other: Series, name: str) -> Ratio:
    """Of two series that were measured in the same rounds."""
    pairs = zip(ours.samples, other.samples, strict=True)
    found = [getattr(one, name) / max(getattr(two, name), 1e-9) for one, two in pairs]
    return Ratio(statistics.median(found), min(found), max(found))


@dataclass(frozen=True)
class Figures:
    """Everything that was measured."""

    stand: Stand
    scale: Scale
    ours: Mapping[Job, Series]
    bare: Mapping[Job, Series]
    small: Mapping[Job, Series]
    """Ours over the store with fewer problems; reads only."""
    others: float = 0.0
    """Cores that programs of others kept busy meanwhile; they lengthen latencies, and CPU times a little."""


@dataclass(frozen=True)
class _Peer:
    """An API that is measured, and what it is asked."""

    process: int
    port: int
    traffic: Traffic
    series: Mapping[Job, Series]


def cores() -> tuple[int | None, set[int]]:
    """The core of the APIs, and those of everything else; one machine's clients shall not slow its API."""
    if not hasattr(os, "sched_getaffinity"):
        return None, set()
    first, *others = sorted(os.sched_getaffinity(0))
    return (first, set(others)) if others else (None, {first})


async def measure(stand: Stand, scale: Scale, core: int | None, tell: Tell) -> Figures:
    """Counts statements first, then measures every job in turn."""
    ours, bare, small = ({job: Series() for job in Job} for _ in range(3))
    figures = Figures(stand, scale, ours, bare, small)
    await _count_statements(figures, core, tell)
    gauge = DatabaseGauge.of(plain(stand.large))
    with _peers(figures, core) as peers:

        def used() -> float:
            return of_machine() - time.process_time() - gauge.read() - sum(of_server(peer.process) for peer in peers)

        began, others = time.perf_counter(), used()
        for number in range(-scale.warm_up, scale.rounds):
            for job in Job:
                turn = [peer for peer in peers if job in peer.series]
                for peer in turn if number % 2 else reversed(turn):
                    sample = await _sample(peer, gauge, job, scale.requests)
                    if number >= 0:
                        peer.series[job].samples.append(sample)
            tell(f"round {number + 1} of {scale.rounds}" if number >= 0 else "warming up")
        return replace(figures, others=(used() - others) / (time.perf_counter() - began))


@contextmanager
def _peers(figures: Figures, core: int | None) -> Iterator[list[_Peer]]:
    stand = figures.stand
    stock = Stock(plain(stand.large))
    reads = {job: figures.small[job] for job in (Job.LIST, Job.READ)}
    chosen: list[tuple[str, str, Traffic, Mapping[Job, Series]]] = [
        (OURS, stand.large, Ours(stock), figures.ours),
        (BARE, stand.large, Bare(stock), figures.bare),
        (OURS, stand.small, Ours(Stock(plain(stand.small))), reads),
    ]
    with ExitStack() as stack:
        peers = []
        for app, address, traffic, series in chosen:
            process, port = stack.enter_context(serving(app, address, stand.folder, core))
            peers.append(_Peer(process, port, traffic, series))
        yield peers


async def _sample(peer: _Peer, gauge: DatabaseGauge, job: Job, requests: int) -> Sample:
    wanted = peer.traffic.requests(job, requests)
    gc.collect()  # the clients' own, so that it does not come in the middle
    async with crowd_of(peer.port) as crowd:
        database, api = gauge.read(), of_server(peer.process)
        answers = await crowd.ask(wanted)
        api, database = of_server(peer.process) - api, gauge.read() - database
    peer.traffic.note(job, answers.bodies)
    return Sample(
        api=api / requests * MILLISECONDS,
        database=database / requests * MILLISECONDS,
        latencies=[each * MILLISECONDS for each in answers.latencies],
        per_second=requests / answers.seconds,
    )


async def _count_statements(figures: Figures, core: int | None, tell: Tell) -> None:
    """In a pass of its own, because a server that logs every statement is slower."""
    tell("counting statements")
    stand = figures.stand
    stock = Stock(plain(stand.large))
    address = with_options(stand.large, "-c log_statement=all")
    with ExitStack() as stack:
        log = stack.enter_context(ServerLog(plain(stand.large)))
        peers: list[tuple[str, Traffic, Mapping[Job, Series]]] = [
            (OURS, Ours(stock), figures.ours),
            (BARE, Bare(stock), figures.bare),
        ]
        for app, traffic, series in peers:
            _process, port = stack.enter_context(serving(app, address, stand.folder, core))
            for job in Job:
                async with crowd_of(port) as crowd:
                    warm = await crowd.ask(traffic.requests(job, 64 if job is Job.REPORT else 32))  # steps need them
                    traffic.note(job, warm.bodies)
                    series[job].statements = await count(crowd, log, traffic.requests(job, 8))
