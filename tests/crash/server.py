"""The server that is killed: the real app over a town, as a group of processes, watched, and broken where asked.

    python -m tests.crash.server SOCKET FOLDER DATABASE_URL MOMENT [MUTANT]

This process imports and assembles everything once, and serves nothing itself. For every line it reads it forks a life:
a process group of its own that serves the listening socket it was given, until it is killed. It answers the number of
the group, and, once nobody of it is left, how each member ended. Forked so, a life begins in a tenth of a second.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from socket import socket
from typing import Any
from uuid import UUID

import sqlalchemy
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection, event, text
from sqlmodel import Session, col

from app.assembly import assemble, create_app
from app.journal import actions as journal
from app.journal.facts import Author, Fact, Recorded
from app.journal.models import LogHead
from app.kit import database
from app.kit.database import Database
from app.kit.house import House
from app.kit.logs import configure_logs
from app.kit.settings import Settings
from app.sync.actions import push
from app.sync.models import SyncOperation
from app.sync.schemas import OperationIn
from tests.crash.gauge import Gauge

PROCESSES = 2
GAUGE = "gauge"
_LATER_SECONDS = 0.03


def launch(listening: socket, folder: Path, database_url: str, moment: datetime, mutant: str | None) -> None:
    """Forks a life for every line of standard input, until there are no more."""
    settings = Settings(
        _env_file=None, database_url=database_url, data_dir=folder, background=False, pool_wait_seconds=30
    )
    house = assemble(settings, clock=lambda: moment)
    if mutant is not None:
        MUTANTS[mutant](house)
    app = create_app(settings, house=house)
    gauge = Gauge(folder / GAUGE, PROCESSES)
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()  # a throttle starts one that ends at once; a fork would leave half of it
    while sys.stdin.readline():
        members = _fork(app, house, listening, gauge)
        print(members[0], flush=True)
        print(*(os.waitstatus_to_exitcode(os.waitpid(member, 0)[1]) for member in members), flush=True)


def _fork(app: FastAPI, house: House, listening: socket, gauge: Gauge) -> Sequence[int]:
    members: list[int] = []
    for number in range(PROCESSES):
        group = members[0] if members else 0
        member = os.fork()
        if member == 0:
            os.setpgid(0, group)
            threading.Thread(target=_end_with_parent, daemon=True).start()
            watch(house.database, gauge, number)
            uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listening])
            os._exit(0)
        os.setpgid(member, group)  # said on both sides, because either may come first
        members.append(member)
    return members


def _end_with_parent() -> None:
    """However the test ends, its end of standard input closes, and no server is left behind."""
    select.select([sys.stdin.fileno()], [], [])
    os.killpg(0, signal.SIGKILL)


def watch(watched: Database, gauge: Gauge, process: int) -> None:
    """Counts a write as open from its first statement until its commit, or rollback, has returned."""
    write = watched.write

    @contextmanager
    def counted(edition: str | None = None) -> Iterator[Session]:
        with ExitStack() as stack, write(edition) as session:
            session.connection().execute(text("SELECT 1"))
            gauge.opened(process)
            stack.callback(gauge.ended, process)
            yield session

    watched.write = counted  # type: ignore[method-assign]


# -- mutants: what the harness must notice ---------------------------------------------------------------------------


def answer_first(_house: House) -> None:
    """The answer goes out, and the commit follows a moment later."""

    @contextmanager
    def write(self: Database, edition: str | None = None) -> Iterator[Session]:
        with ExitStack() as stack:
            stack.enter_context(self._translated())
            stack.enter_context(self._turn())
            plain = stack.enter_context(self.engine.connect())
            session = stack.enter_context(self._session(plain.execution_options(ujung_write=True), edition))
            yield session
            session.flush()
            held = stack.pop_all()

        def settle() -> None:
            with held:
                session.commit()

        threading.Timer(_LATER_SECONDS, settle).start()

    Database.write = write  # type: ignore[method-assign]


def autoincrement(house: House) -> None:
    """Positions come from one sequence of the database, as an autoincrement column would take them."""
    with house.database.write() as session:
        session.connection().execute(text("CREATE SEQUENCE IF NOT EXISTS crash_position"))
    house.database.close()  # no connection may be shared by the processes forked afterwards

    def add(
        self: journal.Draft,
        log: str,
        subject: UUID,
        version: int,
        author: Author,
        fact: Fact,
        happened_at: datetime | None = None,
        record: object | None = None,
    ) -> int:
        position: int = self._work.session.connection().execute(text("SELECT nextval('crash_position')")).scalar_one()
        self._heads[log].position = position
        self._recorded.append(
            Recorded(log, position, subject, version, self._work.now, author, fact, happened_at, record)
        )
        return position

    journal.Draft.add = add  # type: ignore[method-assign]


def no_lock(house: House) -> None:
    """Heads are read and not locked; on SQLite a write also begins like a read, and nobody waits for a turn."""

    def unlocked(session: Session, logs: Sequence[str], also: journal.Logs | None) -> dict[str, journal.Head]:
        named = col(LogHead.log).in_(logs)
        concerned = named if also is None else sqlalchemy.or_(named, col(LogHead.log).in_(also.codes))
        heads = session.scalars(sqlalchemy.select(LogHead).where(concerned), also.parameters if also else {})
        return {head.log: journal.Head(head.log, head.position, head.next_number) for head in heads}

    @contextmanager
    def no_turn(self: Database) -> Iterator[None]:
        yield

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    journal._locked = unlocked
    if house.database.is_sqlite:
        event.remove(house.database.engine, "begin", database._begin_sqlite)
        event.listen(house.database.engine, "begin", begin)
        Database._turn = no_turn  # type: ignore[method-assign]


def forgetful(_house: House) -> None:
    """Whatever a phone sends again is done again."""

    def known(self: push._Batch, operations: Sequence[OperationIn]) -> dict[UUID, SyncOperation]:
        return {}

    push._Batch._known = known  # type: ignore[method-assign]


MUTANTS: Mapping[str, Callable[[House], Any]] = {
    "answer-first": answer_first,
    "autoincrement": autoincrement,
    "forgetful": forgetful,
    "no-lock": no_lock,
}


if __name__ == "__main__":
    configure_logs(as_json=True)
    given, where, address, now, *broken = sys.argv[1:]
    launch(socket(fileno=int(given)), Path(where), address, datetime.fromisoformat(now), broken[0] if broken else None)
