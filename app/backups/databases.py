"""Each kind of database: copied at one moment while others write, and put back in its place."""

import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote
from uuid import UUID

import sqlalchemy
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, NullPool, func, inspect, select, text
from sqlmodel import Session, col

from app.backups.archive import settle
from app.evidence.models import Photo
from app.journal.models import Entry
from app.kit.database import Database
from app.kit.refusals import Conflict, Unexpected
from app.people.models import Account
from app.problems.models import ProblemRow
from app.sync.models import SyncDevice


class NoSuchProgram(Conflict):
    code, title = "no_such_program", "A program of PostgreSQL's is missing"
    judul = "Program PostgreSQL tidak ditemukan"


class NotCopied(Unexpected):
    code, title, judul = "not_copied", "The database was not copied", "Basis data tidak tersalin"


class NotEmpty(Conflict):
    code, title = "not_empty", "There is a database already; --force replaces it"
    judul = "Sudah ada basis data; --force menggantinya"


class StillInUse(Conflict):
    code, title = "still_in_use", "The database is in use; stop the server first"
    judul = "Basis data sedang dipakai; hentikan server dahulu"


@dataclass(frozen=True)
class Copy:
    """What a copy of the database holds, at its one moment."""

    revision: str
    accepted: Sequence[tuple[UUID, UUID, int]]
    """Account, device, and the last number taken from it, where not all up to there are safe yet."""
    photos: Sequence[str]
    """Every file that rows name."""
    counts: dict[str, int]
    program: int | None = None
    """Major version of the program that copied, where one did."""


def copy_database(database: Database, file: Path) -> Copy:
    """Writes a copy to a new file while others go on writing."""
    return _copy_sqlite(database, file) if database.is_sqlite else _copy_postgresql(database, file)


def _look(session: Session, program: int | None = None) -> Copy:
    accepted = select(col(SyncDevice.account_id), col(SyncDevice.id), col(SyncDevice.accepted)).where(
        col(SyncDevice.accepted) > col(SyncDevice.safe)
    )
    photos = session.execute(
        select(col(Photo.stored_name), col(Photo.thumbnail_name))
        .where(col(Photo.stored_name).is_not(None))
        .order_by(col(Photo.stored_name))
    )
    names = [name for row in photos for name in row if name is not None]
    tables = {"accounts": Account, "problems": ProblemRow, "facts": Entry, "photos": Photo, "devices": SyncDevice}
    numbers = session.execute(
        select(*(select(func.count()).select_from(each).scalar_subquery() for each in tables.values()))
    )
    return Copy(
        revision=MigrationContext.configure(session.connection()).get_current_revision() or "",
        accepted=[(account, device, number) for account, device, number in session.execute(accepted)],
        photos=names,
        counts={**dict(zip(tables, numbers.one(), strict=True)), "photo_files": len(names)},
        program=program,
    )


# -- SQLite ----------------------------------------------------------------------------------------------------------


def sqlite_file(database: Database) -> Path:
    """Where the database lies."""
    return Path(database.engine.url.database or "").absolute()


def _copy_sqlite(database: Database, file: Path) -> Copy:
    try:
        with closing(sqlite3.connect(sqlite_file(database))) as source, closing(sqlite3.connect(file)) as copy:
            source.backup(copy)  # page by page: VACUUM INTO could give rows other ids than the word search knows
    except sqlite3.Error as error:
        raise NotCopied(f"{error}.") from error
    _check(file)
    address = f"file:{quote(str(file))}?immutable=1"
    engine = sqlalchemy.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool
    )
    with Session(engine) as session:
        return _look(session)


@contextmanager
def alone(database: Database, *, force: bool) -> Iterator[None]:
    """Refuses a place that is taken, unless forced to; keeps others out of a SQLite database meanwhile."""
    if not database.is_sqlite:
        if not force and inspect(database.engine).get_table_names():
            raise NotEmpty
        yield
        return
    file = sqlite_file(database)
    if not file.exists():
        yield
        return
    if not force:
        raise NotEmpty(f"{file}.")
    with closing(sqlite3.connect(file, timeout=1, isolation_level=None)) as holding:
        try:
            holding.execute("PRAGMA journal_mode = DELETE")  # fails as long as anybody else has opened the database
            holding.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise StillInUse(f"{file}.") from error  # what cannot be read any more may well be replaced
        yield


@contextmanager
def sqlite_draft(database: Database, content: IO[bytes]) -> Iterator[str]:
    """The address of a database with this content, which takes the place of the present one when the block ends."""
    place = sqlite_file(database)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as folder:
        draft = Path(folder, place.name)
        with draft.open("wb") as target:
            shutil.copyfileobj(content, target, 1 << 20)
        _check(draft)
        yield URL.create("sqlite", database=str(draft)).render_as_string()
        with closing(sqlite3.connect(draft, isolation_level=None)) as folding:
            folding.execute("PRAGMA journal_mode = DELETE")  # from here on it is one file
        settle(draft)
        for name in (f"{place.name}-wal", f"{place.name}-shm"):
            place.with_name(name).unlink(missing_ok=True)  # they would be taken for those of the new one
        draft.replace(place)
        settle(place.parent)


def _check(file: Path) -> None:
    """Refuses a file that SQLite finds fault with."""
    try:
        with closing(sqlite3.connect(file)) as connection:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise NotCopied(f"{error}.") from error
    if said != "ok":
        raise NotCopied(f"{said}.")


# -- PostgreSQL ------------------------------------------------------------------------------------------------------


def _copy_postgresql(database: Database, file: Path) -> Copy:
    at_one_moment = database.engine.execution_options(isolation_level="REPEATABLE READ")
    with at_one_moment.connect() as connection, Session(connection) as session:
        snapshot = session.scalar(select(func.pg_export_snapshot()))
        program, major = _program("pg_dump", _server(session))
        _run(database, program, "--format=custom", f"--snapshot={snapshot}", f"--file={file}")
        return _look(session, major)


def put_postgresql(database: Database, content: IO[bytes], *, revision: str, program: int | None) -> None:
    """Puts a copy in the place of what is there; whole, or not at all where both are of the same revision."""
    with database.read() as session:
        restoring, _ = _program("pg_restore", max(_server(session), program or 0))
        present = MigrationContext.configure(session.connection()).get_current_revision()
    if present not in (None, revision):
        with database.write() as session:  # what the copy does not know would stay, and stand in the migrations' way
            session.execute(text("DROP SCHEMA public CASCADE"))
            session.execute(text("CREATE SCHEMA public"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "database")
        with file.open("wb") as target:
            shutil.copyfileobj(content, target, 1 << 20)
        clean = ("--clean", "--if-exists")
        whole = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
        _run(database, restoring, *clean, *whole, last=str(file))


def _server(session: Session) -> int:
    """The server's major version."""
    return int(session.execute(text("SHOW server_version_num")).scalar_one()) // 10_000


def _program(name: str, at_least: int) -> tuple[str, int]:
    """A program that can speak to this server: the first on the path, or the newest that a system package brought."""
    brought = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: each.parent.name, reverse=True)
    for folder in dict.fromkeys([*os.get_exec_path(), *map(str, brought)]):
        program = shutil.which(name, path=folder)
        if program is None:
            continue
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - found by its name
        version = re.search(r"\(PostgreSQL\) (\d+)", said)
        if version is not None and int(version[1]) >= at_least:
            return program, int(version[1])
    raise NoSuchProgram(f"{name} of version {at_least} or newer; the package is called postgresql-client.")


def _run(database: Database, program: str, *words: str, last: str | None = None) -> None:
    """Runs a program on the database; the password travels in its environment, where other users do not see it."""
    _, given = database.engine.dialect.create_connect_args(database.engine.url)
    known: dict[str, Any] = {name: value for name, value in given.items() if isinstance(value, (str, int))}
    environment = dict(os.environ)
    if (password := known.pop("password", None)) is not None:
        environment["PGPASSWORD"] = str(password)
    address = " ".join(f"{name}='{_escaped(str(value))}'" for name, value in known.items())
    command = [program, "--no-password", f"--dbname={address}", *words, *([last] if last else [])]
    done = subprocess.run(  # noqa: S603 - a program of PostgreSQL's, with words of ours
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "error:" in line] or done.stderr.splitlines() or ["?"]
        raise NotCopied(said[0])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
