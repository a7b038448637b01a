"""A real import is killed again and again in the middle; in the end every row is there, once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import SQLModel, col

from app.areas.models import Area
from app.areas.words import Level
from app.journal.models import Entry, LogHead
from app.kit.house import House
from app.kit.settings import Settings
from app.problems.models import AssignmentRow, ProblemRow
from app.problems.queries.aggregate import load, refold
from app.registers.models import ImportRun, TakenRow
from tests.registers.registers import MONITOR, Clerk, row

PROJECT = Path(__file__).parents[2]
ROWS = 600
REPEATING = ROWS // 10
KILLED_BEYOND = (50, 300, ROWS - REPEATING)
"""Rows that are in when it is killed: at the beginning, in the middle, and among those that repeat others."""
SECONDS = 60

pytestmark = pytest.mark.xdist_group("crash")


def register(house: House) -> list[dict[str, str]]:
    """Rows all over the town, handled by whoever, every tenth of them a repetition of another."""
    with house.database.read() as session:
        statement = select(col(Area.code)).where(col(Area.level) == Level.VILLAGE).order_by(col(Area.code))
        codes = session.scalars(statement).all()
    handled = ("Dinas Perhubungan", "Kelurahan itu", "Kecamatan itu", "BPJS Kesehatan", "")
    return [
        row(
            number,
            tanggal="2024-05-06 08:00",
            dijawab="2024-05-08 10:00" if number % 3 else "",
            kelurahan=codes[number % len(codes)],
            ditangani=handled[number % len(handled)],
            sama_dengan=f"A-{number - 7}" if number % 10 == 9 else "",
        )
        for number in range(ROWS)
    ]


def count(house: House, table: type[SQLModel]) -> int:
    with house.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def killed_beyond(rows: int, command: Sequence[str], house: House, **options: Any) -> int:
    """Kills the process as soon as more rows than that are in; answers how many there are then."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, **options) as process:
        try:
            for _ in range(SECONDS * 100):
                if count(house, TakenRow) > rows:
                    break
                try:
                    process.wait(0.01)
                except subprocess.TimeoutExpired:
                    continue
                pytest.fail(f"it ended by itself, with {process.returncode}")
        finally:
            process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    return count(house, TakenRow)


def test_a_killed_import_goes_on_where_it_stopped(clerk: Clerk, town_settings: Settings, tmp_path: Path) -> None:
    house = clerk.house
    given = {"UJUNG_DATABASE_URL": town_settings.database_address, "UJUNG_DATA_DIR": str(tmp_path / "data")}
    options: dict[str, Any] = {
        "cwd": tmp_path,
        "env": os.environ | given | {"PYTHONPATH": str(PROJECT)},
        "stderr": subprocess.DEVNULL,
    }
    files = [str(clerk.write(register(house))), "--mapping", str(clerk.mapping()), "--on-behalf-of", MONITOR]
    command = [sys.executable, "-m", "app.cli", "problems", "import", *files, "--json"]
    seen = [killed_beyond(rows, command, house, **options) for rows in KILLED_BEYOND]
    assert 0 < seen[0] < seen[1] < seen[2] < ROWS
    assert count(house, ProblemRow) == seen[-1], "a row is in with its problem, or neither is"

    ended = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, timeout=SECONDS, **options)
    told = json.loads(ended.stdout)
    assert (told["run"], told["taken"], told["taken_before"]) == (1, ROWS - seen[-1], seen[-1])
    print(f"killed at {seen} of {ROWS} rows")
    every_row_is_there_once(house)


def every_row_is_there_once(house: House) -> None:
    with house.database.read() as session:
        (run,) = session.scalars(select(ImportRun))
        assert run.finished_at is not None
        taken = session.scalars(select(TakenRow)).all()
        assert {each.row_id for each in taken} == {f"A-{number}" for number in range(ROWS)}
        problems = {each.id: each for each in session.scalars(select(ProblemRow))}
        assert {each.problem_id: each.row_id for each in taken} == {
            each.id: each.source_ref for each in problems.values()
        }
        for head in session.scalars(select(LogHead)):
            positions = session.scalars(select(col(Entry.position)).where(col(Entry.log) == head.log)).all()
            assert sorted(positions) == list(range(1, head.position + 1))
            numbers = {each.number for each in problems.values() if each.area_code == head.log}
            assert numbers == {f"{head.log}-{number:04d}" for number in range(1, head.next_number)}
        assert sum(each.main_id is not None for each in problems.values()) == REPEATING
        loaded = load(session, list(problems), house.clock())
        for each in list(loaded)[::7]:
            assert refold(session, each) == loaded[each]
        per_problem = session.execute(select(col(AssignmentRow.problem_id), func.count()).group_by("problem_id"))
        assert {number for _, number in per_problem} == {1}
