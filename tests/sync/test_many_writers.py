"""Many write, many read, nobody lacks anything afterwards; and the harness that says so is not blind."""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.journal import actions as journal
from app.journal.models import LogHead
from app.sync.queries import pull
from tests.conftest import KINDS, Databases
from tests.crash.server import autoincrement, no_lock
from tests.postgres import memory_folder
from tests.sync.crowd import TRANSACTIONS, WRITERS, Crowd, Following, Pulling, Seen, gathered
from tests.town import populate

pytestmark = pytest.mark.xdist_group("writers")

RUNS = int(os.environ.get("MANY_WRITERS", "0"))
"""So many runs; without it as many as fit into some seconds."""
RUNS_AT_LEAST, SECONDS = 3, 10
CHANCES = 3
"""Runs in which a fault has to show itself."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=memory_folder()) as name:
        yield Path(name)


@pytest.fixture
def crowd(databases: Databases, folder: Path, pytestconfig: pytest.Config) -> Iterator[Crowd]:
    if "postgresql" not in KINDS[pytestconfig.getoption("--db")]:
        pytest.skip("SQLite has one writer: nobody commits late")
    with databases.fresh("postgresql", populate) as address, gathered(address, folder) as crowd:
        yield crowd


def pulling(crowd: Crowd, folder: Path, seed: str, *, whole: bool = True) -> Seen:
    return crowd.run(seed, [(who, partial(Pulling, crowd, who, folder, whole=whole)) for who in crowd.readers()])


def following(crowd: Crowd, seed: str, *columns: str) -> Seen:
    return crowd.run(seed, [(crowd.camat, lambda random: Following(crowd, random, *columns))] * 4)


def is_noticed(runs: Iterable[Seen]) -> bool:
    """Whether any run found readers that lack something; begins no more runs than it takes."""
    for seen in runs:
        print(f"{len(seen.wrong)} wrong: {dict(seen.did)}")
        if seen.wrong:
            return True
    return False


def test_nobody_lacks_anything(crowd: Crowd, folder: Path) -> None:
    crowd.record()
    did: Counter[str] = Counter()
    began, runs = time.monotonic(), 0
    while runs < (RUNS or RUNS_AT_LEAST) or (not RUNS and time.monotonic() - began < SECONDS):
        seen = pulling(crowd, folder, f"run {runs}")
        assert not seen.wrong, "\n".join([f"run {runs}:", *seen.wrong[:20]])
        did += seen.did
        runs += 1
    print(f"{runs} runs in {time.monotonic() - began:.0f} s: {dict(did)}")
    assert did["kept"] >= runs * WRITERS * TRANSACTIONS * 0.4
    assert did["taken back"] >= runs * 5
    assert did["Move"] >= runs * 10
    assert did["Assign"] >= runs * 5
    assert did["pages"] >= runs * 40


def test_one_sequence_for_all_is_noticed(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions of an autoincrement column are in the order in which they were taken, and not of the commits."""
    monkeypatch.setattr(journal.Draft, "add", journal.Draft.add)  # to be put back
    monkeypatch.setattr(journal, "_locked", journal._locked)
    autoincrement(crowd.house)
    no_lock(crowd.house)
    crowd.record()
    assert is_noticed(following(crowd, f"sequence {chance}", "position") for chance in range(CHANCES))


def test_a_cursor_on_moments_is_noticed(crowd: Crowd) -> None:
    crowd.record()
    assert is_noticed(following(crowd, f"moments {chance}", "updated_at", "id") for chance in range(CHANCES))


def test_a_head_read_after_the_documents_is_noticed(
    crowd: Crowd, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a snapshot whatever is committed in between is left out of the page, and behind its cursor."""
    read = pull._Page.read

    def head_afterwards(self: pull._Page, log: pull.Log, after: int) -> None:
        read(self, log, after)
        if log.code not in self.unfinished:
            head = select(col(LogHead.position)).where(col(LogHead.log) == log.code)
            self.after[log.code] = self._work.session.scalar(head) or 0

    monkeypatch.setattr(pull._Page, "read", head_afterwards)
    crowd.record()
    assert is_noticed(pulling(crowd, folder, f"head {chance}", whole=False) for chance in range(CHANCES))
