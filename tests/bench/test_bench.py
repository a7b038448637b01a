"""A tiny run of the bench, over a real PostgreSQL."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from rich.console import Console
from sqlalchemy import select
from sqlmodel import col

from app.assembly import assemble
from app.journal.models import Entry, LogHead
from app.problems.models import ProblemRow
from app.problems.queries.aggregate import load, refold
from bench import profiles, tables
from bench.clients import Request, crowd_of
from bench.jobs import Bare, Job, Ours, Stock, Traffic
from bench.rounds import Figures, measure
from bench.stand import BARE, OURS, Scale, Stand, plain, serving, settings_of, standing

Told = list[tuple[object, ...]]
TINY = Scale(problems=240, fewer_problems=60, rounds=2, warm_up=1, requests=24, kelurahan=2)

pytestmark = pytest.mark.xdist_group("bench")


def silent(_what: str) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with standing(TINY, silent) as stood:
        yield stood


@pytest.fixture(scope="module")
def first_answers(stand: Stand) -> dict[str, list[Told]]:
    """What 16 lists and 16 readings told, before anything was changed."""
    stock = Stock(plain(stand.large))
    peers: list[tuple[str, Traffic]] = [(OURS, Ours(stock)), (BARE, Bare(stock))]
    return {app: asyncio.run(answers(app, traffic, stand)) for app, traffic in peers}


async def answers(app: str, traffic: Traffic, stand: Stand) -> list[Told]:
    lists, reads = traffic.requests(Job.LIST, 16), traffic.requests(Job.READ, 16)
    with serving(app, stand.large, stand.folder, None) as (_process, port):
        async with crowd_of(port) as crowd:
            listed = [json.loads(body)["items"] for body in (await crowd.ask(lists)).bodies]
            read = [json.loads(body) for body in (await crowd.ask(reads)).bodies]
    told: list[Told] = [[(each["number"], each["overdue"], each["state_label"]) for each in items] for items in listed]
    told += [[(each["number"], each["area_name"], len(each["assignments"]))] for each in read]
    return told


@pytest.fixture(scope="module")
def figures(stand: Stand, first_answers: dict[str, list[Told]]) -> Figures:
    return asyncio.run(measure(stand, TINY, None, silent))


def test_store_is_as_large_as_asked(stand: Stand) -> None:
    for address, problems in ((stand.large, 240), (stand.small, 60)):
        with psycopg.connect(plain(address)) as connection:
            found = connection.execute(
                "SELECT count(*) FROM problem WHERE version >= 3"
            )  # what the bench reports has less
            assert found.fetchone() == (problems,)


def test_weeks_lived_again_hold_together(stand: Stand) -> None:
    """Logs have no gaps, every problem is what its facts make of it, and nothing lies in the future."""
    house = assemble(settings_of(stand.large, stand.folder))
    with house.database.read() as session:
        for head in session.scalars(select(LogHead)):
            positions = session.scalars(select(col(Entry.position)).where(col(Entry.log) == head.log)).all()
            assert sorted(positions) == list(range(1, head.position + 1))
        ids = session.scalars(select(col(ProblemRow.id))).all()
        now = datetime.now(UTC)
        for each, problem in load(session, ids, now).items():
            assert refold(session, each) == problem
            assert problem.updated_at < now
    house.database.close()


def test_both_list_and_read_the_same(first_answers: dict[str, list[Told]]) -> None:
    ours, bare = first_answers[OURS], first_answers[BARE]
    assert ours == bare
    assert any(ours[:16]), "something is listed"
    assert all(ours[16:])


def test_every_job_is_measured(figures: Figures) -> None:
    for peer in (figures.ours, figures.bare, figures.small):
        for job, series in peer.items():
            if peer is figures.small and job in (Job.REPORT, Job.STEP):
                assert series.samples == []
                continue
            assert len(series.samples) == TINY.rounds
            for sample in series.samples:
                assert sample.api > 0
                assert sample.database > 0
                assert sample.per_second > 0
                assert len(sample.latencies) == TINY.requests
            assert 0 < series.latency(50) <= series.latency(99)


def test_statements_are_those_the_server_saw(figures: Figures) -> None:
    for job, inserts in ((Job.LIST, 0), (Job.READ, 0), (Job.REPORT, 1), (Job.STEP, 0)):
        counted = figures.ours[job].statements or []
        assert len(counted) == 8
        for each in counted:
            assert any("device_session" in text for text in each.work), "whoever asks is looked up"
            assert sum(text.startswith("INSERT INTO problem ") for text in each.work) == inserts
            notes = any(text.startswith("INSERT INTO problem_reading ") for text in each.work)
            assert not notes or job is Job.READ, "what the kecamatan opens is noted, and nothing else"
            assert any(text == "COMMIT" for text in each.control) is (notes or job in (Job.REPORT, Job.STEP))
    assert [len(each.work) for each in figures.bare[Job.READ].statements or []] == [2] * 8


def test_page_gets_its_tables(figures: Figures, tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(tables.PAGE.read_text())
    tables.write(figures, page)
    before, rest = page.read_text().split(tables.BEGINS)
    told, after = rest.split(tables.ENDS)
    assert before.startswith("# ")
    assert after == "\n" or after.startswith("\n\n")
    assert "PostgreSQL 1" in told
    assert f"kept {figures.others:.1f} cores busy" in told
    for name in tables.NAMES.values():
        assert f"| {name} | ours | " in told
    console = Console(file=StringIO(), width=200)
    for drawn in tables.draw(figures):
        drawn.show(console)
    tables.show_statements(figures, console)


def test_refused_request_ends_the_run(stand: Stand) -> None:
    async def ask() -> None:
        with serving(OURS, stand.large, stand.folder, None) as (_process, port):
            async with crowd_of(port) as crowd:
                await crowd.ask([Request("GET", "/api/v1/problems", "nobody's token")])

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(ask())
    assert raised.group_contains(RuntimeError, match="401")


@pytest.mark.parametrize("job", Job)
def test_profile_tells_where_time_goes(stand: Stand, first_answers: dict[str, list[Told]], job: Job) -> None:
    told = StringIO()
    profiles.show(stand, job, Console(file=told, width=200), wanted=5)
    assert "Edge.__call__" in told.getvalue(), "every request passes it"
    assert int(re.findall(r"(\d+) samples", told.getvalue())[0]) >= 5
