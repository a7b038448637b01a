"""The stage: every situation once per kind of database, shared by the tests that only look or rehearse."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack

import pytest
from sqlmodel import Session

from tests.conftest import Databases, settings_for
from tests.problems.situations import Stage, set_stage
from tests.town import populate

StageOf = Callable[[str], Awaitable[Stage]]


@pytest.fixture(scope="session")
def stage_of(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageOf]:
    """The stage on a kind of database, set when the first test asks for it."""
    stages: dict[str, Stage] = {}
    with ExitStack() as stack:

        async def find(kind: str) -> Stage:
            if kind not in stages:
                address = stack.enter_context(databases.fresh(kind, populate))
                stages[kind] = await set_stage(settings_for(address, tmp_path_factory.mktemp("stage")))
                stack.callback(stages[kind].town.house.database.close)
            return stages[kind]

        yield find


@pytest.fixture
async def stage(stage_of: StageOf, database_kind: str) -> AsyncIterator[Stage]:
    found = await stage_of(database_kind)
    async with found.speaking():
        yield found


@pytest.fixture
def rehearsal(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The stage, on which every commit is only played: all is done and answered, and then rolled back."""

    def commit(session: Session) -> None:
        session.flush()
        session.rollback()

    monkeypatch.setattr(Session, "commit", commit)
    return stage
