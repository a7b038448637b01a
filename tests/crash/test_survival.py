"""An acknowledged write survives `kill -9`, on both databases; and the harness that says so is not blind."""

import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import KINDS, Databases
from tests.crash.siege import ACKNOWLEDGEMENTS, KILLS, KILLS_INSIDE, REPLAYS, besiege
from tests.postgres import running
from tests.town import populate

pytestmark = pytest.mark.xdist_group("crash")  # one after another: each of them is a machine's work already
logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each of its requests would bury a complaint


class DurableDatabases(Databases):
    """On a disk, and on a PostgreSQL that waits for it."""

    def _new(self, kind: str, template: str | None) -> str:
        if kind == "postgresql" and self._server is None:
            self._server = self._stack.enter_context(running(fsync=True))
        return super()._new(kind, template)


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DurableDatabases]:
    with ExitStack() as stack:
        yield DurableDatabases(stack, tmp_path_factory.mktemp("durable"))


def test_what_was_acknowledged_survives(durable: DurableDatabases, database_kind: str, tmp_path: Path) -> None:
    with durable.fresh(database_kind, populate) as address:
        seen = besiege(address, tmp_path, seed=20260302)
    print(f"{database_kind}: {seen}")
    assert not seen.complaints, "\n".join(seen.complaints[:20])
    assert seen.kills >= KILLS, seen
    assert seen.kills_inside >= KILLS_INSIDE, seen
    assert seen.acknowledged >= ACKNOWLEDGEMENTS, seen
    assert seen.replayed >= REPLAYS, seen


NOTICED = {
    "answer-first": r"^lost|: 404 ",
    "autoincrement": r"^log .* has positions",
    "no-lock": r": 503 ",
}
"""What the harness says of each mutant. Without locks the keys of the journal still refuse what would be wrong, so
nothing is lost, but people are sent away."""


@pytest.mark.parametrize(
    ("mutant", "kind"),
    [
        ("answer-first", "sqlite"),
        ("answer-first", "postgresql"),
        ("autoincrement", "postgresql"),
        ("no-lock", "sqlite"),
        ("no-lock", "postgresql"),
    ],
)
def test_a_broken_server_is_noticed(
    durable: DurableDatabases, mutant: str, kind: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    if kind not in KINDS[pytestconfig.getoption("--db")]:
        pytest.skip(f"not on {kind}, by --db")
    with durable.fresh(kind, populate) as address:
        seen = besiege(address, tmp_path, seed=20260302, mutant=mutant)
    print(f"{kind} {mutant}: {seen}")
    assert any(re.search(NOTICED[mutant], each) for each in seen.complaints), seen
