"""Measuring how phones synchronise: each figure beside its peer's, in turn, in rounds of one run."""

import asyncio
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby

from app.people.words import PostKind
from app.town.seed import CITY
from bench import sync_bytes
from bench.city import token_of
from bench.clients import Request, crowd_of
from bench.gauge import DatabaseGauge, of_machine, of_server
from bench.jobs import OTHER_CITY
from bench.rounds import Ratio
from bench.stand import OURS, Tell, plain, serving, with_options
from bench.statements import ServerLog, Statements, count
from bench.sync_bytes import Weighed
from bench.sync_peers import Peer, Psycopg, Sqlite
from bench.sync_phone import PACK, PULL, PUSH, Batch, Line, Operators, Staff, Wanted, first_pull
from bench.sync_stand import SyncScale, SyncStand

POSTGRESQL, SQLITE = "PostgreSQL", "SQLite"
COUNTED_IN = "35.73.01.1001"
"""A kelurahan of a city where nothing else happens; after its first push the process remembers what it is."""
MILLISECONDS = 1000


@dataclass(frozen=True)
class Cost:
    """What one thing took, in milliseconds."""

    wall: float
    api: float
    """CPU time of the API."""
    database: float
    """CPU time of PostgreSQL; SQLite's is in whoever reads it."""
    client: float
    """CPU time of whoever asked: a phone that unpacks and reads the answer, or the driver with its rows."""

    @property
    def server(self) -> float:
        return self.api + self.database

    @property
    def cpu(self) -> float:
        return self.server + self.client


@dataclass(frozen=True)
class Pair:
    """Something, and what it is held against, measured in the same rounds."""

    ours: Sequence[Cost]
    peer: Sequence[Cost]

    def ratio(self, name: str) -> Ratio:
        pairs = zip(self.ours, self.peer, strict=True)
        found = [getattr(one, name) / max(getattr(two, name), 1e-9) for one, two in pairs]
        return Ratio(statistics.median(found), min(found), max(found))


def median(costs: Sequence[Cost], name: str) -> float:
    """In milliseconds."""
    return statistics.median(float(getattr(cost, name)) for cost in costs)


@dataclass
class SyncFigures:
    """Everything that was measured; series are by what was done and where."""

    scale: SyncScale
    stand: SyncStand
    series: dict[str, list[Cost]] = field(default_factory=dict)
    statements: dict[str, int | None] = field(default_factory=dict)
    """Of one call, by what it was; None where they could not be counted."""
    bytes: Weighed | None = None
    """None where there are no real texts to count with."""
    others: float = 0.0
    """Cores that programs of others kept busy meanwhile."""

    def pair(self, ours: str, peer: str) -> Pair:
        return Pair(self.series[ours], self.series[peer])


@dataclass(frozen=True)
class _Server:
    """An API that is measured, and a phone's line to it."""

    process: int
    port: int
    line: Line
    gauge: DatabaseGauge | None

    def cost(self, work: Callable[[], object], times: int = 1) -> Cost:
        """What this takes, a time."""
        return _cost(work, times, lambda: of_server(self.process), self.gauge)


def _cost(work: Callable[[], object], times: int, api: Callable[[], float], gauge: DatabaseGauge | None) -> Cost:
    gc.collect()
    before = api(), gauge.read() if gauge else 0.0, time.process_time(), time.perf_counter()
    work()
    wall, client = time.perf_counter() - before[3], time.process_time() - before[2]
    after = api(), gauge.read() if gauge else 0.0
    each = MILLISECONDS / times
    return Cost(wall * each, (after[0] - before[0]) * each, (after[1] - before[1]) * each, client * each)


def measure_sync(stand: SyncStand, scale: SyncScale, core: int | None, tell: Tell) -> SyncFigures:
    """Counts statements first, then measures everything in turn."""
    figures = SyncFigures(scale, stand)
    tell("counting statements")
    _count_statements(figures, core)
    tell("counting bytes")
    figures.bytes = sync_bytes.weigh(scale.new, scale.first)
    gauge = DatabaseGauge.of(plain(stand.postgresql))
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(_serving(stand, address, core, None if name == SQLITE else gauge))
            for name, address in (
                (POSTGRESQL, stand.postgresql),
                (SQLITE, stand.sqlite),
                ("large", stand.large),
                ("small", stand.small),
            )
        }
        jobs = _jobs(figures, servers, gauge, stack)

        def used() -> float:
            ours = sum(of_server(server.process) for server in servers.values())
            return of_machine() - time.process_time() - gauge.read() - ours

        began, others = time.perf_counter(), used()
        for number in range(-scale.warm_up, scale.rounds):
            tell(f"round {number + 1} of {scale.rounds}" if number >= 0 else "warming up")
            for job in jobs:
                for name, cost in job(bool(number % 2)):
                    if number >= 0:
                        figures.series.setdefault(name, []).append(cost)
        figures.others = (used() - others) / (time.perf_counter() - began)
    return figures


@contextmanager
def _serving(stand: SyncStand, address: str, core: int | None, gauge: DatabaseGauge | None) -> Iterator[_Server]:
    with serving(OURS, address, stand.folder, core) as (process, port), Line(port) as line:
        yield _Server(process, port, line, gauge)


# -- what is measured ------------------------------------------------------------------------------------------------

Named = tuple[str, Cost]
Job = Callable[[bool], Iterator[Named]]
"""One round of something and its peer, in this order or the other."""


def _jobs(figures: SyncFigures, servers: Mapping[str, _Server], gauge: DatabaseGauge, stack: ExitStack) -> list[Job]:
    stand, scale = figures.stand, figures.scale
    peers: dict[str, tuple[Peer, DatabaseGauge | None, str]] = {
        POSTGRESQL: (Psycopg(stand), gauge, stand.postgresql),
        SQLITE: (Sqlite(stand), None, stand.sqlite),
    }
    jobs: list[Job] = []
    for name, (peer, its_gauge, address) in peers.items():
        stack.callback(peer.close)
        jobs.append(_Pulls(name, servers[name], peer, its_gauge, scale).round)
        jobs.append(_Empty(name, servers[name], _pulls(address, 0, CITY), scale.requests).round)
        jobs.append(_Pushes(name, servers[name], peer, its_gauge, Operators(address, OTHER_CITY), scale).round)
    jobs.append(_News(servers, figures).round)
    return jobs


def _pulls(address: str, news: int, city: str = "") -> list[Wanted]:
    with Staff(address) as staff:
        return staff.pulls(news, city)


@dataclass(frozen=True)
class _Pulls:
    """Ten thousand documents over HTTP, and their rows by the driver."""

    name: str
    server: _Server
    peer: Peer
    gauge: DatabaseGauge | None
    scale: SyncScale

    def round(self, turned: bool) -> Iterator[Named]:
        steps = [self._packed, self._plain, self._driver]
        for step in reversed(steps) if turned else steps:
            yield step()

    def _packed(self) -> Named:
        return f"pull {self.name}", self.server.cost(lambda: self._pull(packed=True))

    def _plain(self) -> Named:
        return f"pull unpacked {self.name}", self.server.cost(lambda: self._pull(packed=False))

    def _pull(self, *, packed: bool) -> None:
        scale = self.scale
        token = token_of(PostKind.MONITOR, CITY)
        came = first_pull(self.server.line, token, scale.documents, scale.page, packed=packed)
        if came != scale.documents:
            raise RuntimeError(f"{came} documents came of {scale.documents}")

    def _driver(self) -> Named:
        def fetch() -> None:
            problems, *_ = self.peer.fetch(self.scale.documents)
            if len(problems) != self.scale.documents:
                raise RuntimeError(f"{len(problems)} problems were there of {self.scale.documents}")

        return f"driver {self.name}", _cost(fetch, 1, lambda: 0.0, self.gauge)


@dataclass(frozen=True)
class _Empty:
    """A pull that brings nothing, and a reference pack that the phone has already."""

    name: str
    server: _Server
    wanted: Sequence[Wanted]
    requests: int

    def round(self, turned: bool) -> Iterator[Named]:
        steps = [self._pull, self._nothing]
        for step in reversed(steps) if turned else steps:
            yield step()

    def _pull(self) -> Named:
        _all_come(self.server.line, self.wanted)
        turn = [self.wanted[at % len(self.wanted)] for at in range(self.requests)]
        cost = self.server.cost(lambda: _all_come(self.server.line, turn), self.requests)
        return f"empty pull {self.name}", cost

    def _nothing(self) -> Named:
        line = self.server.line
        _, headers = line.ask("GET", PACK, self.wanted[0].token)
        etag = headers["etag"]

        def ask() -> None:
            for at in range(self.requests):
                token = self.wanted[at % len(self.wanted)].token
                line.ask("GET", PACK, token, status=304, If_None_Match=etag)

        return f"nothing {self.name}", self.server.cost(ask, self.requests)


def _all_come(line: Line, wanted: Sequence[Wanted]) -> None:
    for each in wanted:
        came = len(line.pull(each.token, each.body, packed=each.documents > 0)["documents"])
        if came != each.documents:
            raise RuntimeError(f"{came} documents came of {each.documents}")


class _News:
    """A few new documents, where there is much and where there is little."""

    def __init__(self, servers: Mapping[str, _Server], figures: SyncFigures) -> None:
        news, stand = figures.scale.news, figures.stand
        self._requests = figures.scale.requests
        self._turns = [
            (name, servers[name], _pulls(address, news))
            for name, address in (("large", stand.large), ("small", stand.small))
        ]

    def round(self, turned: bool) -> Iterator[Named]:
        for name, server, wanted in reversed(self._turns) if turned else self._turns:
            _all_come(server.line, wanted)
            turn = [wanted[at % len(wanted)] for at in range(self._requests)]
            yield f"news {name}", server.cost(lambda: _all_come(server.line, turn), self._requests)  # noqa: B023 - called at once


@dataclass(frozen=True)
class _Pushes:
    """What an operator did in some days: once, once more, and its rows by the driver."""

    name: str
    server: _Server
    peer: Peer
    gauge: DatabaseGauge | None
    operators: Operators
    scale: SyncScale

    def round(self, turned: bool) -> Iterator[Named]:
        steps = {"reports": self.operators.reports, "mixed": self.operators.mixed}
        for kind, batch_of in sorted(steps.items(), reverse=turned):
            yield from self._push(kind, batch_of(self.scale.operations))

    def _push(self, kind: str, batch: Batch) -> Iterator[Named]:
        self.peer.mark()
        yield f"push {kind} {self.name}", self.server.cost(lambda: self._send(batch, replayed=False))
        statements = self.peer.written(batch.first, batch.problems)
        yield f"replay {kind} {self.name}", self.server.cost(lambda: self._send(batch, replayed=True))
        yield f"insert {kind} {self.name}", _cost(lambda: self.peer.write(statements), 1, lambda: 0.0, self.gauge)

    def _send(self, batch: Batch, *, replayed: bool) -> None:
        outcomes = self.server.line.push(batch.token, batch.body)["outcomes"]
        wrong = [each for each in outcomes if each["outcome"] != "applied" or each["replayed"] != replayed]
        if wrong or not outcomes:
            raise RuntimeError(f"{len(wrong)} operations of {len(outcomes)} had another end: {json.dumps(wrong[:1])}")


# -- statements ------------------------------------------------------------------------------------------------------


def _count_statements(figures: SyncFigures, core: int | None) -> None:
    """In a pass of its own, because a server that logs every statement is slower."""
    stand, scale = figures.stand, figures.scale
    address = with_options(stand.postgresql, "-c log_statement=all")
    (empty, *_), (news, *_) = (_pulls(stand.postgresql, each, CITY) for each in (0, scale.news))
    operators = Operators(stand.postgresql, COUNTED_IN)
    counted: list[tuple[str, Request]] = [
        ("empty pull", _post(PULL, empty.token, empty.body)),
        ("news", _post(PULL, news.token, news.body)),
    ]
    for size in (scale.few_operations, scale.operations):
        for kind, batch_of in (("reports", operators.reports), ("mixed", operators.mixed)):
            batch = batch_of(size)
            counted.append((f"push {kind} {size}", _post(PUSH, batch.token, batch.body)))

    async def ask() -> None:
        warm = [operators.mixed(3), operators.reports(3)]
        with ServerLog(plain(stand.postgresql)) as log, serving(OURS, address, stand.folder, core) as (_, port):
            async with crowd_of(port) as crowd:
                pulls = [_post(PULL, each.token, each.body) for each in (empty, news, empty, news)]
                await crowd.ask([*pulls, *(_post(PUSH, each.token, each.body) for each in warm)], at_once=1)
                for name, request in counted:
                    found = await count(crowd, log, [request])
                    figures.statements[name] = sent(found[0]) if found else None

    asyncio.run(ask())


def _post(path: str, token: str, body: bytes) -> Request:
    return Request("POST", path, token, body)


def sent(statements: Statements) -> int:
    """Statements that read or write. One that is run for many rows is sent once, and counts once."""
    return sum(1 for _ in groupby(statements.work))
