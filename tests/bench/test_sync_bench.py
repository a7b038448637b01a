"""A tiny run of the bench of synchronising, over a real PostgreSQL and real files of SQLite."""

import csv
import json
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy
from rich.console import Console
from sqlalchemy import func, select
from sqlmodel import SQLModel, col

from app.assembly import assemble
from app.people.actors import Actor
from app.people.words import PostKind
from app.problems import policy
from app.problems.models import ProblemRow, Sight
from app.town.seed import CITY
from bench import sync_bytes, sync_tables
from bench.city import token_of
from bench.jobs import OTHER_CITY
from bench.stand import OURS, serving, settings_of
from bench.statements import Statements
from bench.sync import SQLITE, SyncFigures, measure_sync, sent
from bench.sync_bytes import Weighed
from bench.sync_peers import Psycopg, Sqlite
from bench.sync_phone import Line, Operators, Staff, device
from bench.sync_stand import SyncScale, SyncStand, sync_standing
from bench.tables import PAGE
from tests.bench.test_bench import silent

TINY = SyncScale(
    problems=300,
    fewer_problems=180,
    documents=40,
    page=15,
    news=4,
    operations=48,
    few_operations=36,
    rounds=2,
    warm_up=1,
    requests=4,
    kelurahan=2,
    new=6,
    first=8,
)

pytestmark = pytest.mark.xdist_group("bench")


@pytest.fixture(scope="module")
def standing() -> Iterator[tuple[SyncStand, list[list[int]]]]:
    """The stores, and how many rows each held before anything was measured in it."""
    with sync_standing(TINY, silent) as stood:
        yield stood, counted(stood)


@pytest.fixture(scope="module")
def stand(standing: tuple[SyncStand, list[list[int]]]) -> SyncStand:
    return standing[0]


@pytest.fixture(scope="module")
def weighed(tmp_path_factory: pytest.TempPathFactory) -> Weighed:
    """Of texts that nobody wrote."""
    words, chance = ["jalan", "lampu", "air", "rusak", "padam", "malam", "warga", "sungai"], random.Random(1)
    texts = tmp_path_factory.mktemp("texts") / "texts.csv"
    with texts.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "address"])
        rows.writerow(["", "without a text it is no report"])
        for _ in range(20):
            rows.writerow([" ".join(chance.choices(words, k=30)), "Jl. " + chance.choice(words)])
    found = sync_bytes.weigh(TINY.new, TINY.first, texts)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def figures(stand: SyncStand, weighed: Weighed) -> SyncFigures:
    found = measure_sync(stand, TINY, None, silent)
    found.bytes = weighed
    return found


def test_sights_of_a_multiplied_store_are_what_the_policy_shows(stand: SyncStand) -> None:
    house, now, seen_by_all = assemble(settings_of(stand.large, stand.folder)), datetime.now(UTC), 0
    problem = (col(ProblemRow.id), col(ProblemRow.area_code), col(ProblemRow.position))
    sight = (col(Sight.problem_id), col(Sight.log), col(Sight.position))
    with house.database.read() as session:
        agencies = session.scalars(select(col(Sight.agency_code)).distinct()).all()
        for agency in [*agencies, "DISHUB"]:
            seen = session.execute(select(*problem).where(policy.see.where(officer_of(agency), now))).all()
            sights = session.execute(select(*sight).where(col(Sight.agency_code) == agency, ~col(Sight.gone))).all()
            assert sorted(map(tuple, sights)) == sorted(map(tuple, seen)), agency
            seen_by_all += len(seen)
    house.database.close()
    assert seen_by_all == 300 * 7 // 10 * 2, "all but three of ten have two parts"


def officer_of(agency: str) -> Actor:
    nobody = UUID(int=0)
    return Actor(
        account_id=nobody,
        name="",
        post_id=nobody,
        kind=PostKind.OFFICER,
        area_code=None,
        agency_code=agency,
        acting=False,
        session_id=nobody,
        must_change_password=False,
    )


def test_stores_hold_the_same(standing: tuple[SyncStand, list[list[int]]]) -> None:
    """SQLite's is a copy, row by row, and so is each twin."""
    first, *others = standing[1]
    assert others == [first] * 3
    assert min(first) > 0


def counted(stand: SyncStand) -> list[list[int]]:
    """The rows of each table, in each store."""
    found = []
    for address in (stand.postgresql, stand.sqlite, stand.sqlite_twin, stand.postgresql_twin):
        engine = sqlalchemy.create_engine(address)
        with engine.connect() as connection:
            tables = [each for each in SQLModel.metadata.sorted_tables if each.name in MULTIPLIED]
            found.append([connection.scalar(select(func.count()).select_from(each)) or 0 for each in tables])
        engine.dispose()
    return found


MULTIPLIED = ("problem", "assignment", "journal_entry", "journal_text", "problem_comment", "sight", "account", "area")


def test_drivers_fetch_what_documents_are_made_of(stand: SyncStand) -> None:
    """The peer does no less work: the same problems, and as many parts, facts and remarks."""
    for peer, address in ((Psycopg(stand), stand.postgresql), (Sqlite(stand), stand.sqlite)):
        with closing(peer):
            problems, parts, facts, remarks, photos = peer.fetch(TINY.documents)
        with serving(OURS, address, stand.folder, None) as (_process, port), Line(port) as line:
            said = {"device": device(), "limit": TINY.documents}
            token = token_of(PostKind.MONITOR, CITY)
            documents = line.pull(token, json.dumps(said).encode(), packed=True)["documents"]
        assert [str(row[1]) for row in problems] == [each["number"] for each in documents]
        assert len(parts) == sum(len(each["assignments"]) for each in documents) > 0
        assert len(facts) == sum(len(each["facts"]) for each in documents) > 0
        assert sum(int(row[1]) for row in remarks) == sum(each["comments"] for each in documents) > 0
        assert photos == []


def test_a_pull_with_news_brings_just_as_many(stand: SyncStand) -> None:
    with (
        Staff(stand.large) as staff,
        serving(OURS, stand.large, stand.folder, None) as (_process, port),
        Line(port) as line,
    ):
        for news in (0, 3, TINY.news):
            pulls = staff.pulls(news)
            assert len(pulls) == 3, "the kecamatan of two kelurahan, one of each city"
            for each in pulls:
                answer = line.pull(each.token, each.body, packed=news > 0)
                assert (len(answer["documents"]), answer["resync"]) == (news, {})


def test_twins_get_the_very_rows_of_a_push(stand: SyncStand, figures: SyncFigures) -> None:
    """After all rounds each twin holds what its store does, facts and operations included."""
    del figures
    for address, twin in ((stand.postgresql, stand.postgresql_twin), (stand.sqlite, stand.sqlite_twin)):
        told = []
        for each in (address, twin):
            engine = sqlalchemy.create_engine(each)
            with engine.connect() as connection:
                problems = ProblemRow.__table__  # type: ignore[attr-defined]  # SQLModel's own attribute
                entries, operations = (SQLModel.metadata.tables[name] for name in ("journal_entry", "sync_operation"))
                elsewhere = problems.c.area_code.startswith(OTHER_CITY)
                rows = connection.execute(select(problems).where(elsewhere).order_by(problems.c.id)).all()
                facts = select(entries).where(entries.c.log.startswith(OTHER_CITY))
                told.append((rows, connection.execute(facts.order_by(entries.c.log, entries.c.position)).all()))
                pushed = connection.scalar(select(func.count()).select_from(operations)) or 0
                assert pushed >= (TINY.rounds + TINY.warm_up) * 2 * TINY.operations
            engine.dispose()
        assert told[0] == told[1]


def test_everything_is_measured(figures: SyncFigures) -> None:
    kinds = ["pull", "pull unpacked", "driver", "empty pull", "nothing"]
    kinds += [f"{what} {kind}" for what in ("push", "replay", "insert") for kind in ("reports", "mixed")]
    names = {f"{kind} {name}" for kind in kinds for name in ("PostgreSQL", "SQLite")} | {"news large", "news small"}
    assert figures.series.keys() == names
    for name, costs in figures.series.items():
        assert len(costs) == TINY.rounds
        is_api = not name.startswith(("driver", "insert"))
        for cost in costs:
            assert cost.wall > 0
            assert cost.client > 0
            assert (cost.api > 0) == is_api
            assert (cost.database > 0) == (SQLITE not in name)


def test_statements_are_counted(figures: SyncFigures) -> None:
    counted = figures.statements
    assert counted["empty pull"] == 4, "who asks, the device, the logs, and what stands at the cursors"
    for kind in ("reports", "mixed"):
        assert counted[f"push {kind} {TINY.few_operations}"] == counted[f"push {kind} {TINY.operations}"]
    assert (counted["push mixed 48"] or 0) > (counted["push reports 48"] or 0)


def test_one_statement_for_many_rows_counts_once() -> None:
    assert sent(Statements(["BEGIN", "SELECT 1", "INSERT a", "INSERT a", "INSERT b", "INSERT a", "COMMIT"])) == 4


def test_bytes_are_those_beyond_the_texts(weighed: Weighed) -> None:
    assert (weighed.new.count, weighed.in_work.count, weighed.gone.count, weighed.first.count) == (6, 6, 6, 8)
    assert weighed.gone.texts == 0
    for page in (weighed.new, weighed.in_work, weighed.first):
        assert 0 < page.texts < page.sent
    assert weighed.in_work.each > weighed.new.each > weighed.gone.each > 0


def test_without_texts_bytes_are_not_counted(figures: SyncFigures, tmp_path: Path) -> None:
    assert sync_bytes.weigh(1, 1, tmp_path / "missing.csv") is None
    told = sync_tables.told(replace(figures, bytes=None))
    assert "the shared data folder with citizens' texts is missing" in told
    assert len(sync_tables.draw(replace(figures, bytes=None))) == len(sync_tables.draw(figures)) - 1


def test_page_gets_its_tables(figures: SyncFigures, tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text())
    sync_tables.write(figures, page)
    before, rest = page.read_text().split(sync_tables.BEGINS)
    told, after = rest.split(sync_tables.ENDS)
    old_before, old_rest = PAGE.read_text().split(sync_tables.BEGINS)
    assert (before, after) == (old_before, old_rest.split(sync_tables.ENDS)[1])
    assert "| pull 40 documents, PostgreSQL | rows by the driver | " in told
    assert told.count("≤ 2.5×: ") == 4
    assert "lampu" not in told, "no text of anybody's"
    console = Console(file=StringIO(), width=200)
    sync_tables.show(figures, console)


def test_a_refused_operation_ends_the_run(stand: SyncStand) -> None:
    batch = Operators(stand.small, OTHER_CITY).reports(1)
    with (
        serving(OURS, stand.small, stand.folder, None) as (_process, port),
        Line(port) as line,
        pytest.raises(RuntimeError, match="401"),
    ):
        line.push("nobody's token", batch.body)
