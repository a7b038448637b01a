"""The whole register of a metropolis, as it is: every row taken, or refused with its reason.

The reports are people's words: they are read where they lie, and no test prints them.
"""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from app.agencies.models import Agency
from app.areas.actions import import_areas
from app.areas.register import read_rows
from app.assembly import assemble
from app.journal.models import Entry, LogHead
from app.kit.house import House
from app.kit.ids import new_id
from app.people.models import Account, Post
from app.people.words import PostKind
from app.problems.models import AssignmentRow, ProblemRow
from app.problems.queries.aggregate import load, refold
from app.problems.words import AssignmentState, Closing, State
from app.registers.actions import Order, Told, import_agencies, import_problems
from app.registers.models import TakenRow
from app.town.seed import sow_town
from tests.conftest import Databases, SettableClock, settings_for
from tests.registers.registers import reasons
from tests.town import SINCE

PROJECT = Path(__file__).parents[2]
SHARED = PROJECT.parent / "shared" / "data"
REPORTS = SHARED / "reports" / "id_surabaya_wargaku.csv"
MAPPING = PROJECT / "docs" / "mappings" / "surabaya_wargaku.toml"
SURABAYA = "35.78"
MONITOR = f"monitor:{SURABAYA}"
ROWS, WITHOUT_CODE = 8_356, 135
NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
CONTROL = re.compile(r"[\x80-\x9f]")
OFFICES = {"Kelurahan": "kelurahan", "Kecamatan": "kecamatan"}
ENDS = {"kelurahan": State.HANDLED_LOCALLY, "kecamatan": State.IN_PROGRESS, "agency": State.ASSIGNED}
STEPS = {
    "kelurahan": (["handled_locally"], ["finished"]),
    "kecamatan": (["accepted", "taken_up"], ["finished", "confirmed"]),
    "agency": (
        ["accepted", "assigned"],
        ["assignment_accepted", "assignment_started", "assignment_finished", "confirmed"],
    ),
}

pytestmark = [
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the shared data, which is not at {SHARED}"),
    pytest.mark.xdist_group("surabaya"),
]


@dataclass(frozen=True)
class Report:
    """One row of the file, without its words."""

    id: str
    area: str
    office: str
    agency: str
    reported_at: datetime
    answered_at: datetime | None
    main: str
    is_damaged: bool
    has_place: bool
    text_hash: str

    @property
    def kinds(self) -> list[str]:
        """The facts that its history should hold, in order; whether local work was confirmed is not the file's."""
        if self.main:
            return ["reported", "forwarded", "marked_duplicate"]
        begun, done = STEPS[self.office]
        return ["reported", "forwarded", *begun, *(done if self.answered_at else [])]

    @property
    def state(self) -> State:
        if self.main:
            return State.CLOSED
        return State.RESOLVED if self.answered_at else ENDS[self.office]


@cache
def reports() -> dict[str, Report]:
    """What the file holds, read by a reader of our own."""
    with REPORTS.open(encoding="utf-8", newline="") as file:
        return {row["id"]: _report(row) for row in csv.DictReader(file)}


def _report(row: Mapping[str, str]) -> Report:
    reported_at = datetime.fromisoformat(row["reported_at"])
    answered_at = datetime.fromisoformat(row["responded_at"]) if row["responded_at"] else None
    return Report(
        id=row["id"],
        area=row["village_code"],
        office=OFFICES.get(row["agency_kind"], "agency"),
        agency=row["agency"],
        reported_at=reported_at,
        answered_at=answered_at if answered_at and answered_at >= reported_at else None,
        main=row["same_text_as"],
        is_damaged=bool(CONTROL.search(row["text"] + row["address"])),
        has_place=bool(CONTROL.sub("", row["address"]).strip()),
        text_hash=words_of(row["text"]),
    )


def words_of(text: str) -> str:
    """A hash of a text's letters and digits: nobody prints it by accident."""
    return hashlib.sha256("".join(filter(str.isalnum, text)).encode()).hexdigest()


def settle(house: House) -> None:
    """Surabaya's areas and agencies by the commands' own actions, our categories and limits, and its monitor."""
    sow_town(house)
    rows = [row for row in read_rows(SHARED / "regions.csv") if row.code == "35" or row.code.startswith(SURABAYA)]
    with house.database.write() as session:
        import_areas(session, rows)
        account = Account(id=new_id(), username="tapem.surabaya", name="Monitor", password_hash="-", created_at=SINCE)
        session.add(account)
        session.flush()
        session.add(Post(id=new_id(), account_id=account.id, kind=PostKind.MONITOR, area_code=SURABAYA, since=SINCE))
    taken, refused = import_agencies(house, SHARED / "surabaya_agencies.csv", SURABAYA)
    assert (taken.added, taken.offices_of_territory, refused) == (39, 184, [])


@pytest.fixture
def house(databases: Databases, database_kind: str, tmp_path: Path) -> Iterator[House]:
    with databases.fresh(database_kind, settle) as address:
        built = assemble(settings_for(address, tmp_path), clock=SettableClock(NOW))
        yield built
        built.database.close()


def test_every_row_is_taken_or_refused_and_agrees_with_the_file(house: House) -> None:
    expected = {row_id: report for row_id, report in reports().items() if report.area}
    assert (len(reports()), len(expected)) == (ROWS, ROWS - WITHOUT_CODE)
    told = import_problems(house, Order(REPORTS, MAPPING, MONITOR))
    counts_agree(told, expected)
    with house.database.read() as session:
        ids = dict(session.execute(select(col(TakenRow.row_id), col(TakenRow.problem_id))).all())
        problems = {each.id: each for each in session.scalars(select(ProblemRow))}
        assert ids.keys() == expected.keys()
        assert set(ids.values()) == problems.keys()
        problems_agree(expected, ids, problems)
        logs_agree(session, expected, ids)
        desks_agree(session, expected, problems)
        folded_facts_agree(house, session, [ids[row_id] for row_id in sorted(ids)[::40]])
    again = import_problems(house, Order(REPORTS, MAPPING, MONITOR))
    assert (again.taken, again.taken_before, again.differing, again.refused) == (0, len(expected), 0, told.refused)


def counts_agree(told: Told, expected: Mapping[str, Report]) -> None:
    assert told.rows == told.taken + len(told.refused) == ROWS
    assert (told.taken_before, told.mains_missing) == (0, 0)
    assert Counter(reasons(told).values()) == {"area: empty": WITHOUT_CODE}
    assert told.duplicates == sum(bool(each.main) for each in expected.values())
    assert told.states == Counter(each.state for each in expected.values())
    assert told.remarks == {
        "cleaned": sum(each.is_damaged for each in expected.values()),
        "place_omitted": sum(not each.has_place for each in expected.values()),
        "answer_not_believed": 4,
        "address_shortened": 10,
    }


def problems_agree(
    expected: Mapping[str, Report], ids: Mapping[str, UUID], problems: Mapping[UUID, ProblemRow]
) -> None:
    for row_id, report in expected.items():
        problem = problems[ids[row_id]]
        assert (problem.source_ref, problem.area_code, problem.state) == (row_id, report.area, report.state)
        assert problem.seen_on.isoformat() == report.reported_at.date().isoformat()
        assert problem.id.int >> 80 == int(report.reported_at.timestamp() * 1000)
        if report.main:
            assert (problem.closing, problem.main_id) == (Closing.DUPLICATE, ids[report.main])
        shown = (problem.description or "").partition("\n\nAlamat: ")[0]
        came_whole = words_of(shown) == report.text_hash
        assert came_whole, row_id


def logs_agree(session: Session, expected: Mapping[str, Report], ids: Mapping[str, UUID]) -> None:
    """Each log is gapless, and holds the facts that its rows amount to, at the times that the file tells."""
    by_problem = {problem_id: expected[row_id] for row_id, problem_id in ids.items()}
    positions: Counter[str] = Counter()
    kinds: dict[UUID, list[str]] = {problem_id: [] for problem_id in by_problem}
    statement = select(
        col(Entry.log), col(Entry.position), col(Entry.subject), col(Entry.kind), col(Entry.happened_at)
    ).order_by(col(Entry.log), col(Entry.position))
    for log, position, subject, kind, happened_at in session.execute(statement):
        positions[log] += 1
        assert (position, log) == (positions[log], by_problem[subject].area)
        kinds[subject].append(kind)
        is_done = kind in {"finished", "confirmed"} or kind.startswith("assignment_")
        report = by_problem[subject]
        wanted = report.answered_at if is_done else None if kind == "main_ended" else report.reported_at
        assert happened_at == wanted
    heads = {head.log: head for head in session.scalars(select(LogHead))}
    assert {log: head.position for log, head in heads.items()} == positions
    assert {log: head.next_number - 1 for log, head in heads.items()} == Counter(
        each.area for each in expected.values()
    )
    for problem_id, report in by_problem.items():
        last = {"kelurahan": "confirmed"}.get(report.office)
        found = kinds[problem_id]
        also = [[*report.kinds, "main_ended"]] if report.main else [[*report.kinds, last]] if last else []
        assert found in [report.kinds, *also], report.id


def desks_agree(session: Session, expected: Mapping[str, Report], problems: Mapping[UUID, ProblemRow]) -> None:
    """Every agency has exactly the parts that the file gives it; what is open lies on its desk."""
    names = dict(
        session.execute(select(col(Agency.code), col(Agency.name)).where(col(Agency.city_code) == SURABAYA)).all()
    )
    parts = session.scalars(select(AssignmentRow)).all()
    found = Counter((names[part.agency_code], part.state is AssignmentState.DONE) for part in parts)
    given = [each for each in expected.values() if each.office == "agency" and not each.main]
    assert found == Counter((each.agency, each.answered_at is not None) for each in given)
    on_desks = Counter(each.desk for each in problems.values() if (each.desk or "").startswith("agency:"))
    codes = {name: code for code, name in names.items()}
    assert on_desks == Counter(f"agency:{codes[each.agency]}" for each in given if each.answered_at is None)


def folded_facts_agree(house: House, session: Session, sample: list[UUID]) -> None:
    assert len(sample) > 200
    stored = load(session, sample, house.clock())
    for problem_id in sample:
        assert refold(session, problem_id) == replace(stored[problem_id], lurah_vacant=False)  # nobody is appointed


def test_a_dry_run_of_a_part_tells_what_the_real_run_does(house: House, tmp_path: Path) -> None:
    """Every fourteenth row, and each row that repeats one of those, or one that is not among them."""
    chosen = set(sorted(reports())[::14])
    chosen |= {each.id for each in reports().values() if each.main in chosen}
    part = tmp_path / "part.csv"
    with REPORTS.open(encoding="utf-8", newline="") as whole, part.open("w", encoding="utf-8", newline="") as file:
        reader = csv.DictReader(whole)
        assert reader.fieldnames is not None
        writer = csv.DictWriter(file, reader.fieldnames)
        writer.writeheader()
        writer.writerows(row for row in reader if row["id"] in chosen)
    dry = import_problems(house, Order(part, MAPPING, MONITOR, dry_run=True))
    with house.database.read() as session:
        assert session.scalars(select(col(ProblemRow.id)).limit(1)).all() == []
    real = import_problems(house, Order(part, MAPPING, MONITOR))
    assert dry.counts | {"run": real.run} == real.counts
    assert dry.refused == real.refused
    assert min(real.taken, real.duplicates, real.mains_missing, len(real.refused)) > 0
