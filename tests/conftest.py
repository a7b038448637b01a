"""What every test stands on: a fresh migrated database of each kind, a clock that is set, and no way to the network."""

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.assembly import assemble, create_app
from app.kit.house import House
from app.kit.logs import configure_logs
from app.kit.migrations import upgrade
from app.kit.settings import Settings
from tests.postgres import Server, memory_folder, running

pytest_plugins = ["tests.town"]

for name in [name for name in os.environ if name.startswith("UJUNG_")]:
    del os.environ[name]  # no test may meet the configured database

hypothesis.settings.register_profile(
    "here", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("ci", hypothesis.settings.get_profile("here"), derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")

configure_logs(as_json=True)

KINDS = {"sqlite": ["sqlite"], "postgresql": ["postgresql"], "both": ["sqlite", "postgresql"]}
MONDAY_MORNING = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
"""Nine o'clock in Pasuruan."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--db", choices=list(KINDS), default="both", help="Databases that tests run on.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_kind" in metafunc.fixturenames:
        metafunc.parametrize("database_kind", KINDS[metafunc.config.getoption("--db")])


class SettableClock:
    """Time stands still until a test moves it."""

    def __init__(self, now: datetime = MONDAY_MORNING) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> datetime:
        self.now += by
        return self.now


Fill = Callable[[House], None]
"""Puts into a fresh database what a group of tests begins with."""


class Databases:
    """Makes databases by copying: migrations run once for each kind, when the first test asks for it."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._server: Server | None = None
        self._templates: dict[tuple[str, Fill | None], str] = {}

    @contextmanager
    def fresh(self, kind: str, fill: Fill | None = None, *, migrated: bool = True) -> Iterator[str]:
        """The address of a database for this block alone: migrated, and filled where `fill` says with what."""
        address = self._new(kind, self._template(kind, fill) if migrated else None)
        try:
            yield address
        finally:
            self._drop(kind, address)

    def _template(self, kind: str, fill: Fill | None) -> str:
        if (kind, fill) not in self._templates:
            template = self._new(kind, None if fill is None else self._template(kind, None))
            if fill is None:
                upgrade(template)
            else:
                with tempfile.TemporaryDirectory() as folder:
                    house = assemble(settings_for(template, Path(folder)), clock=SettableClock())
                    try:
                        fill(house)
                    finally:
                        house.database.close()
            self._templates[kind, fill] = template
            self._stack.callback(self._drop, kind, template)
        return self._templates[kind, fill]

    def _new(self, kind: str, template: str | None) -> str:
        if kind == "postgresql":
            if self._server is None:
                self._server = self._stack.enter_context(running())
            return self._server.create(template)
        file = self._folder / f"{uuid4().hex}.db"
        if template is not None:
            shutil.copyfile(template.removeprefix("sqlite:///"), file)
        return f"sqlite:///{file}"

    def _drop(self, kind: str, address: str) -> None:
        if kind == "postgresql":
            assert self._server is not None
            self._server.drop(address)
        else:
            for file in self._folder.glob(f"{Path(address).name}*"):
                file.unlink()


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """For tests that need several databases, or one at another scope than a test's."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ujung-test-", dir=memory_folder()))
        yield Databases(stack, Path(folder))


@pytest.fixture
def database_url(databases: Databases, database_kind: str) -> Iterator[str]:
    """A fresh, migrated, empty database; the test runs once for each kind of `--db`."""
    with databases.fresh(database_kind) as address:
        yield address


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, tmp_path)


def settings_for(database_url: str, data_dir: Path, **other: Any) -> Settings:
    """Settings of a test: nothing from the environment, nothing in the background."""
    given: dict[str, Any] = {"background": False, "demo_password": "rahasia-uji"} | other
    return Settings(_env_file=None, database_url=database_url, data_dir=data_dir, **given)


@pytest.fixture
def house(settings: Settings, clock: SettableClock) -> Iterator[House]:
    """The assembled house, empty."""
    built = assemble(settings, clock=clock)
    yield built
    built.database.close()


@pytest.fixture
def app(settings: Settings, house: House) -> FastAPI:
    return create_app(settings, house=house)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[AsyncClient]:
    """Speaks to the app without a socket."""
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://testserver") as speaking:
        yield speaking


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def _stay_home(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuses whatever would leave this machine; a test that wants the network is wrong."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[-1]
        host = address[0] if isinstance(address, tuple) else "localhost"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    text = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if text != "localhost" and not text.startswith("127.") and text != "::1":
        raise ConnectionRefusedError(f"a test wants to reach {text}")


sys.addaudithook(_stay_home)
