"""The four jobs, as ours and the bare route are asked to do them: the same problems, the same filters.

Officials of Pasuruan list and read; those of another city report and take steps, so that lists stay as they are.
"""

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import urlencode
from uuid import UUID

import psycopg

from app.people.words import PostKind
from app.town.seed import CITY
from bench.city import report_in, token_of
from bench.clients import Request

PAGE = 50
OTHER_CITY = "35.76"
_SEED = 20


class Job(StrEnum):
    """What is measured."""

    LIST = "list"
    READ = "read"
    REPORT = "report"
    STEP = "step"


class Traffic(Protocol):
    """Somebody's requests for the jobs. Steps are taken on what was reported in the same traffic before."""

    def requests(self, job: Job, count: int) -> list[Request]: ...
    def note(self, job: Job, bodies: Sequence[bytes]) -> None:
        """Hears of the answers, to know what was reported."""
        ...


class Stock:
    """Where to ask, and for what: kelurahan that report, and problems that have assignments and are read."""

    def __init__(self, address: str) -> None:
        with psycopg.connect(address) as connection:
            areas = connection.execute("SELECT code FROM area ORDER BY code").fetchall()
            assigned = connection.execute(
                "SELECT id, district_code FROM problem "
                "WHERE city_code = %s AND id IN (SELECT problem_id FROM assignment) ORDER BY id",
                (CITY,),
            )
            self.assigned: list[tuple[UUID, str]] = assigned.fetchall()
        self.kelurahan = [code for (code,) in areas if code.startswith(OTHER_CITY) and len(code) == 13]
        self.kecamatan = [code for (code,) in areas if code.startswith(CITY) and len(code) == 8]
        random.Random(_SEED).shuffle(self.assigned)


def filters(stock: Stock) -> Iterator[dict[str, Any]]:
    """What is listed, over and over: of a kecamatan by its staff, of the city or a kecamatan by the city's monitor."""
    for turn in itertools.count():
        district = stock.kecamatan[turn // 4 % len(stock.kecamatan)]
        match turn % 4:
            case 0:
                yield {"district": district, "state": ["forwarded", "accepted"]}
            case 1:
                yield {"district": district, "state": ["resolved"], "category": "jalan-rusak"}
            case 2:
                yield {"city": CITY, "state": ["in_progress"]}
            case _:
                yield {"city": CITY, "district": district, "state": ["assigned", "in_progress"]}


def reports(stock: Stock) -> Iterator[dict[str, Any]]:
    """What is reported, kelurahan by kelurahan, so that clients do not stand in one kelurahan's line."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    for turn in itertools.count():
        area = stock.kelurahan[turn % len(stock.kelurahan)]
        said = report_in(area, "saluran-tersumbat", yesterday, 5 * turn + 1)
        yield said.model_dump(mode="json", exclude_none=True)


class Ours:
    """What officials of Pasuruan ask: each under their own post, with their own token."""

    def __init__(self, stock: Stock) -> None:
        self._filters = filters(stock)
        self._problems = itertools.cycle(stock.assigned)
        self._reports = reports(stock)
        self._reported: list[tuple[str, str]] = []

    def requests(self, job: Job, count: int) -> list[Request]:
        make = {Job.LIST: self._list, Job.READ: self._read, Job.REPORT: self._report, Job.STEP: self._step}
        return [make[job]() for _ in range(count)]

    def note(self, job: Job, bodies: Sequence[bytes]) -> None:
        if job is Job.REPORT:
            self._reported += [(problem["id"], problem["area"]) for problem in map(json.loads, bodies)]

    def _list(self) -> Request:
        wanted = next(self._filters)
        query: dict[str, Any] = {"limit": PAGE, "state": wanted["state"]}
        if "category" in wanted:
            query["category"] = wanted["category"]
        if "city" in wanted:
            token = token_of(PostKind.MONITOR, wanted["city"])
            if "district" in wanted:
                query["area"] = wanted["district"]
        else:
            token = token_of(PostKind.STAFF, wanted["district"])
        return Request("GET", f"/api/v1/problems?{urlencode(query, doseq=True)}", token)

    def _read(self) -> Request:
        problem, district = next(self._problems)
        return Request("GET", f"/api/v1/problems/{problem}", token_of(PostKind.STAFF, district))

    def _report(self) -> Request:
        said = next(self._reports)
        token = token_of(PostKind.OPERATOR, said["area"])
        return Request("POST", "/api/v1/problems", token, json.dumps(said).encode(), 201)

    def _step(self) -> Request:
        problem, area = self._reported.pop(0)
        token = token_of(PostKind.LURAH, area)
        return Request("POST", f"/api/v1/problems/{problem}/steps", token, b'{"verb":"forward"}')


class Bare:
    """The same of the bare route, by nobody in particular."""

    def __init__(self, stock: Stock) -> None:
        self._filters = filters(stock)
        self._problems = itertools.cycle(stock.assigned)
        self._reports = reports(stock)
        self._reported: list[str] = []

    def requests(self, job: Job, count: int) -> list[Request]:
        make = {Job.LIST: self._list, Job.READ: self._read, Job.REPORT: self._report, Job.STEP: self._step}
        return [make[job]() for _ in range(count)]

    def note(self, job: Job, bodies: Sequence[bytes]) -> None:
        if job is Job.REPORT:
            self._reported += [problem["id"] for problem in map(json.loads, bodies)]

    def _list(self) -> Request:
        return Request("GET", f"/problems?{urlencode({'limit': PAGE} | next(self._filters), doseq=True)}")

    def _read(self) -> Request:
        problem, _ = next(self._problems)
        return Request("GET", f"/problems/{problem}")

    def _report(self) -> Request:
        said = next(self._reports)
        point: dict[str, float] = said.pop("point")
        return Request("POST", "/problems", body=json.dumps(said | point).encode(), status=201)

    def _step(self) -> Request:
        return Request("POST", f"/problems/{self._reported.pop(0)}/status", body=b'{"state":"forwarded"}')
