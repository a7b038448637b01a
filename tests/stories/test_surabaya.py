"""Five hundred real reports of the neighbouring metropolis, each taken from the operator to the lurah's confirmation.

A real server process answers, over HTTP, everybody who had a part in it. Afterwards each kecamatan's list, each
agency's desk and each kelurahan's log must agree with the file. The reports are people's words: they are read where
they lie, and no test prints them.
"""

import csv
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import SQLModel, col

from app.agencies.actions import sow
from app.areas.actions import import_areas
from app.assembly import assemble
from app.journal.models import Entry, LogHead
from app.kit.house import House
from app.kit.ids import new_id
from app.people.actors import view
from app.people.models import Account, DeviceSession, Post
from app.people.words import PostKind
from app.problems.models import ProblemRow
from app.town.seed import rows_of as seeded
from app.workdays.actions import seed_limits
from tests.conftest import Databases, settings_for
from tests.town import NEVER, SINCE, picture

PROJECT = Path(__file__).parents[2]
SHARED = PROJECT.parent / "shared" / "data"
SURABAYA = "35.78"
REPORTS = 500
CLIENTS = 6
PAGE = 100

pytestmark = [
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the shared data, which is not at {SHARED}"),
    pytest.mark.xdist_group("surabaya"),
]

CATEGORIES = {"fisik": "jalan", "administratif": "kependudukan", "lain-lain": "lainnya", "": "lainnya"}
"""What the register calls a report's topic, in our own tree."""
PROVED = {"jalan"}
NOT_TYPED = re.compile(r"[\x80-\x9f]")
"""What emoji became on the way into the register; nobody's keyboard has it, and the API takes no control characters."""
AGENCY_KINDS = {"Dinas", "Badan", "Satuan", "RSUD", "Inspektorat", "Bagian"}
FACTS = [
    *("reported", "forwarded", "accepted", "assigned"),
    *("assignment_accepted", "assignment_started", "assignment_finished", "confirmed"),
]


@dataclass(frozen=True)
class Report:
    """One row of the file. Its words stay out of every message."""

    id: str
    source_ref: str
    area: str
    place: str
    agency: str
    category: str
    seen_on: str
    text: str = field(repr=False)
    address: str = field(repr=False)

    @property
    def district(self) -> str:
        return self.area.rpartition(".")[0]

    @property
    def needs_proof(self) -> bool:
        return self.category in PROVED

    @property
    def facts(self) -> list[str]:
        """What its journal should hold, in order."""
        return [*FACTS[:6], "attached", *FACTS[6:]] if self.needs_proof else FACTS

    @property
    def body(self) -> dict[str, str | None]:
        line = " ".join(self.text.split())
        return {
            "id": self.id,
            "title": line[:160],
            "description": self.text,
            "category": self.category,
            "area": self.area,
            "seen_on": self.seen_on,
            "address": self.address or None,
            "landmark": self.place,
            "source": "lapor",
            "source_ref": self.source_ref,
        }


# -- what the files hold ---------------------------------------------------------------------------------------------


def rows_of(name: str) -> list[dict[str, str]]:
    with (SHARED / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def areas() -> list[tuple[str, str]]:
    """The province's row, and all of Surabaya."""
    return [
        (row["code"], row["name"])
        for row in rows_of("regions.csv")
        if row["code"] == SURABAYA[:2] or row["code"].startswith(SURABAYA)
    ]


@cache
def agencies() -> dict[str, dict[str, str]]:
    """The city's agencies by name; the list also holds kelurahan, kecamatan and offices that solve nothing."""
    found: dict[str, dict[str, str]] = {}
    taken: Counter[str] = Counter()
    for row in rows_of("surabaya_agencies.csv"):
        kind = row["name"].partition(" ")[0]
        if kind in AGENCY_KINDS:
            initials = "".join(re.findall(r"\b[A-Z]", row["name"]))[:16]
            taken[initials] += 1
            code = initials if taken[initials] == 1 else f"{initials}-{taken[initials]}"
            found[row["name"]] = {"code": code, "name": row["name"], "kind": kind.lower(), "has_accounts": "yes"}
    return found


@cache
def reports() -> list[Report]:
    """The first reports of a kelurahan that went to an agency."""
    names, known = dict(areas()), agencies()
    chosen = [
        row
        for row in rows_of("reports/id_surabaya_wargaku.csv")
        if row["village_code"] in names
        and row["agency"] in known
        and row["agency_kind"] not in ("Kelurahan", "Kecamatan")
    ]
    return [
        Report(
            id=str(new_id()),
            source_ref=row["id"],
            area=row["village_code"],
            place=names[row["village_code"]],
            agency=known[row["agency"]]["code"],
            category=CATEGORIES[row["topic_type"]],
            seen_on=row["reported_at"][:10],
            text=NOT_TYPED.sub("", row["text"]),
            address=" ".join(NOT_TYPED.sub("", row["address"]).split()),
        )
        for row in chosen[:REPORTS]
    ]


# -- the city and its people -----------------------------------------------------------------------------------------


def settle(house: House) -> None:
    """Surabaya's areas and agencies, our categories and limits, and one person for each post that is concerned."""
    categories = seeded("categories")
    with house.database.write() as session:
        import_areas(session, areas())
        seed_limits(session)
        sow(session, SURABAYA, house.clock(), agencies().values(), categories)
        people = [rows_of_person(*post) for post in sorted(posts())]
        for rows in zip(*people, strict=True):  # accounts first: the others name them
            session.add_all(rows)
            session.flush()


def posts() -> set[tuple[PostKind, str]]:
    """Every post that has a part in one of the reports."""
    concerned: set[tuple[PostKind, str]] = set()
    for report in reports():
        concerned |= {(kind, report.area) for kind in (PostKind.OPERATOR, PostKind.LURAH)}
        concerned |= {(kind, report.district) for kind in (PostKind.STAFF, PostKind.CAMAT)}
        concerned |= {(kind, report.agency) for kind in (PostKind.OFFICER, PostKind.HEAD)}
    return concerned


def rows_of_person(kind: PostKind, place: str) -> tuple[SQLModel, SQLModel, SQLModel]:
    """Somebody at a post, with a device logged in."""
    account_id = new_id()
    area, agency = (None, place) if kind.in_agency else (place, None)
    return (
        Account(
            id=account_id,
            username=f"{kind}.{place.lower()}",
            name=f"{kind.label} {place}",
            password_hash="-",
            created_at=SINCE,
        ),
        Post(id=new_id(), account_id=account_id, kind=kind, area_code=area, agency_code=agency, since=SINCE),
        DeviceSession(
            id=new_id(),
            account_id=account_id,
            token_hash=hashlib.sha256(token(kind, place).encode()).hexdigest(),
            device="uji",
            created_at=SINCE,
            expires_at=NEVER,
            last_used_at=datetime.now(UTC),
        ),
    )


def token(kind: PostKind, place: str) -> str:
    return f"uji-{view(kind, place, None)}"


# -- the server ------------------------------------------------------------------------------------------------------


@contextmanager
def serving(database_url: str, folder: Path) -> Iterator[str]:
    """The address of a real server process, for as long as the block lasts."""
    settings = {
        "UJUNG_DATABASE_URL": database_url,
        "UJUNG_DATA_DIR": str(folder / "data"),
        "UJUNG_PORT": "0",
        "UJUNG_LOG_JSON": "true",
    }
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"],
            cwd=folder,  # where no .env lies
            env=os.environ | settings | {"PYTHONPATH": str(PROJECT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        ) as server,
    ):
        assert server.stdout is not None
        try:
            address = re.search(r"http://[0-9.]+:\d+", server.stdout.readline())
            assert address, (folder / "server.log").read_text()
            with httpx.Client(transport=httpx.HTTPTransport(retries=6)) as waiting:
                assert waiting.get(f"{address[0]}/readyz", timeout=20).json() == {"status": "ok"}
            yield address[0]
            os.killpg(server.pid, signal.SIGTERM)
            assert server.wait(20) == 0, "it finishes what it was doing; to be told to stop is no failure"
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)


class Office:
    """One connection to the server, through which anybody speaks who has something to do."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.requests = 0

    def say(self, status: int, kind: PostKind, place: str, method: str, path: str, **sent: Any) -> dict[str, Any]:
        """The answer to one person's request; anything but the expected status is told without what was sent."""
        headers = {"Authorization": f"Bearer {token(kind, place)}"}
        answer = self._client.request(method, f"/api/v1{path}", headers=headers, **sent)
        self.requests += 1
        body: dict[str, Any] = answer.json()
        if answer.status_code != status:
            wrong = [(each["at"], each["code"]) for each in body.get("errors", ())]
            without_words = path.partition("?")[0]
            pytest.fail(
                f"{kind} {method} {without_words}: {answer.status_code} {body.get('code')} {wrong}", pytrace=False
            )
        return body

    def every(self, kind: PostKind, place: str, path: str) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page."""
        after: str | None = ""
        while after is not None:
            page = self.say(200, kind, place, "GET", f"{path}&limit={PAGE}{after and f'&after={after}'}")
            yield from page["items"]
            after = page["next"]

    def report(self, report: Report) -> None:
        self.say(201, PostKind.OPERATOR, report.area, "POST", "/problems", json=report.body)

    def forward(self, area: str) -> None:
        """The lurah forwards whatever lies on the kelurahan's desk."""
        desk = self.every(PostKind.LURAH, area, "/problems?desk=mine&state=submitted")
        self._steps(PostKind.LURAH, area, {each["id"]: {"verb": "forward"} for each in desk})

    def hand_out(self, district: str, taken: Mapping[str, Report]) -> None:
        """The kecamatan accepts what came up, and its camat assigns each to the agency of the file."""
        desk = list(self.every(PostKind.STAFF, district, "/problems?desk=mine&state=forwarded"))
        self._steps(PostKind.STAFF, district, {each["id"]: {"verb": "accept"} for each in desk})
        leads = {each["id"]: {"verb": "assign", "lead": taken[each["id"]].agency} for each in desk}
        self._steps(PostKind.CAMAT, district, leads)

    def solve(self, part: str, report: Report) -> None:
        """An officer takes the agency's part, works on it, and proves it where the category asks for proof."""
        officer = (PostKind.OFFICER, report.agency)
        steps = f"/assignments/{part}/steps"
        self.say(200, *officer, "POST", steps, json={"verb": "accept"})
        self.say(200, *officer, "POST", steps, json={"verb": "start"})
        finish: dict[str, Any] = {"verb": "finish", "resolution": "explained", "note": "Sudah dijelaskan kepada warga."}
        if report.needs_proof:
            files = {"file": ("bukti.jpg", proof() + report.id.encode(), "image/jpeg")}
            photo = self.say(201, *officer, "POST", f"/problems/{report.id}/photos", files=files)
            finish |= {"resolution": "repaired", "note": "Sudah diperbaiki.", "photos": [photo["id"]]}
        self.say(200, *officer, "POST", steps, json=finish)

    def confirm(self, area: str) -> None:
        """The lurah confirms what agencies have done in the kelurahan."""
        desk = self.every(PostKind.LURAH, area, "/problems?desk=mine&state=awaiting_confirmation")
        self._steps(PostKind.LURAH, area, {each["id"]: {"verb": "confirm", "rating": 4} for each in desk})

    def _steps(self, kind: PostKind, place: str, steps: Mapping[str, Any]) -> None:
        """What an office has to do, in one call; all of it must be done."""
        items = [{"problem": each, "step": step} for each, step in steps.items()]
        outcomes = self.say(200, kind, place, "POST", "/problems/steps", json={"items": items})["items"]
        assert all(each["done"] for each in outcomes), [each["refusal"] for each in outcomes if not each["done"]]


Job = Callable[[Office], None]


def together(address: str, jobs: Sequence[Job]) -> int:
    """Does the jobs, shared out to several clients at once; answers how many requests that were."""

    def share(number: int) -> int:
        with speaking(address) as office:
            for job in jobs[number::CLIENTS]:
                job(office)
            return office.requests

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(share, range(CLIENTS)))


@contextmanager
def speaking(address: str) -> Iterator[Office]:
    with httpx.Client(base_url=address, timeout=60) as client:
        yield Office(client)


@cache
def proof() -> bytes:
    """A picture; with something behind it, it is another file each time."""
    return picture()


# -- the story -------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _speechless(caplog: pytest.LogCaptureFixture) -> None:
    """The client's own log tells whole addresses, and so the words that are looked for."""
    caplog.set_level("WARNING", "httpx")


@pytest.fixture
def surabaya_url(databases: Databases, database_kind: str) -> Iterator[str]:
    with databases.fresh(database_kind, settle) as address:
        yield address


def test_500_real_reports_travel_and_all_registers_agree_with_the_file(
    surabaya_url: str, database_kind: str, tmp_path: Path
) -> None:
    taken = reports()
    assert len(taken) == REPORTS
    with serving(surabaya_url, tmp_path) as address:
        started = time.perf_counter()
        requests = all_travel(address, taken)
        seconds = time.perf_counter() - started
        with speaking(address) as office:
            lists = the_lists_of_the_kecamatan_agree(office, taken)
            desks = the_desks_of_the_agencies_agree(office, taken)
            found = the_words_are_found(office, taken[:: REPORTS // 25])
            the_words_came_whole(office, taken[:: REPORTS // 25])
    house = assemble(settings_for(surabaya_url, tmp_path / "data"))
    try:
        facts = the_logs_of_the_kelurahan_agree(house, taken)
    finally:
        house.database.close()
    photos = sum(report.needs_proof for report in taken)
    print(
        f"\nSurabaya on {database_kind}: {len(taken)} reports, {requests} requests in {seconds:.1f} s by {CLIENTS} "
        f"clients; {len(lists)} kecamatan, {len(facts)} kelurahan, {len(desks)} agencies, {photos} photos, "
        f"{sum(facts.values())} facts; {found} reports found by their words"
    )


def all_travel(address: str, taken: Sequence[Report]) -> int:
    """Office after office empties its desk, many of them at once; answers how many requests that were."""
    by_id = {report.id: report for report in taken}
    kelurahan, kecamatan, codes = (sorted(grouped(taken, by)) for by in ("area", "district", "agency"))
    requests = together(address, [partial(Office.report, report=report) for report in taken])
    requests += together(address, [partial(Office.forward, area=code) for code in kelurahan])
    requests += together(address, [partial(Office.hand_out, district=code, taken=by_id) for code in kecamatan])
    with speaking(address) as office:
        desks = [part for code in codes for part in office.every(PostKind.OFFICER, code, "/assignments?state=offered")]
        requests += office.requests
    parts = [partial(Office.solve, part=part["id"], report=by_id[part["problem_id"]]) for part in desks]
    requests += together(address, parts)
    return requests + together(address, [partial(Office.confirm, area=code) for code in kelurahan])


def the_lists_of_the_kecamatan_agree(office: Office, taken: Sequence[Report]) -> Mapping[str, set[str]]:
    expected = grouped(taken, "district")
    listed = {
        code: [each["id"] for each in office.every(PostKind.CAMAT, code, f"/problems?area={code}&state=resolved")]
        for code in expected
    }
    assert {code: len(ids) for code, ids in listed.items()} == {code: len(ids) for code, ids in expected.items()}
    assert {code: set(ids) for code, ids in listed.items()} == expected
    for code in expected:
        assert not list(office.every(PostKind.STAFF, code, f"/problems?area={SURABAYA}&desk=kecamatan:{code}"))
    return expected


def the_desks_of_the_agencies_agree(office: Office, taken: Sequence[Report]) -> Mapping[str, set[str]]:
    expected = grouped(taken, "agency")
    for kind in (PostKind.OFFICER, PostKind.HEAD):
        desks = {code: list(office.every(kind, code, "/assignments?state=done")) for code in expected}
        assert {code: len(desk) for code, desk in desks.items()} == {code: len(ids) for code, ids in expected.items()}
        assert {code: {each["problem_id"] for each in desk} for code, desk in desks.items()} == expected
    for code in expected:
        assert not list(office.every(PostKind.OFFICER, code, "/assignments?state=offered&state=in_progress"))
    return expected


def the_words_are_found(office: Office, sample: Sequence[Report]) -> int:
    """By the register's own number, and by three of its words; answers how many had three words to look for."""
    found = 0
    for report in sample:
        by_number = office.every(PostKind.CAMAT, report.district, f"/problems?words={report.source_ref}")
        assert [each["id"] for each in by_number] == [report.id]
        words = [word for word in re.findall(r"[a-z]+", report.text.casefold()) if len(word) > 4][:3]
        if words:
            asked = "+".join(words)
            by_words = office.every(PostKind.LURAH, report.area, f"/problems?words={asked}")
            assert report.id in {each["id"] for each in by_words}
            found += 1
    return found


def the_words_came_whole(office: Office, sample: Sequence[Report]) -> None:
    for report in sample:
        shown = office.say(200, PostKind.LURAH, report.area, "GET", f"/problems/{report.id}")
        came_whole = shown["description"] == unicodedata.normalize("NFC", report.text.strip())
        assert came_whole, report.source_ref
        assert (shown["source"], shown["source_ref"], shown["lead"]) == ("lapor", report.source_ref, report.agency)
        history = office.say(200, PostKind.LURAH, report.area, "GET", f"/problems/{report.id}/history")["items"]
        assert [each["kind"] for each in history] == report.facts


def the_logs_of_the_kelurahan_agree(house: House, taken: Sequence[Report]) -> Counter[str]:
    """Each log is gapless, and holds the facts of its own reports and no others; answers how many facts each holds."""
    by_id = {report.id: report for report in taken}
    with house.database.read() as session:
        entries = session.scalars(select(Entry).order_by(col(Entry.log), col(Entry.position))).all()
        heads = {head.log: head for head in session.scalars(select(LogHead))}
        rows = {str(row.id): row for row in session.scalars(select(ProblemRow))}
    facts = Counter(entry.log for entry in entries)
    positions: dict[str, list[int]] = {log: [] for log in heads}
    kinds: dict[str, list[str]] = {each: [] for each in by_id}
    for entry in entries:
        report = by_id[str(entry.subject)]
        positions[entry.log].append(entry.position)
        kinds[report.id].append(entry.kind)
        assert entry.log == report.area
        if entry.kind == "reported":
            assert entry.data["source_ref"] == report.source_ref
        if entry.kind == "assigned":
            assert [offer["agency"] for offer in entry.data["offers"]] == [report.agency]
    assert positions == {log: list(range(1, count + 1)) for log, count in facts.items()}
    assert {log: head.position for log, head in heads.items()} == facts
    assert {log: head.next_number - 1 for log, head in heads.items()} == Counter(report.area for report in taken)
    assert kinds == {report.id: report.facts for report in taken}
    assert {each: row.version for each, row in rows.items()} == {each.id: len(each.facts) for each in taken}
    numbers = {f"{log}-{n:04d}" for log, head in heads.items() for n in range(1, head.next_number)}
    assert {row.number for row in rows.values()} == numbers
    return facts


def grouped(taken: Iterable[Report], by: str) -> dict[str, set[str]]:
    """Ids of the reports, as the file groups them."""
    groups: dict[str, set[str]] = {}
    for report in taken:
        groups.setdefault(getattr(report, by), set()).add(report.id)
    return groups
