"""A copy is taken while the town works, is of one moment, and makes safe what it holds and nothing else."""

import asyncio
import json
import os
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update
from sqlmodel import col

from app.assembly import assemble
from app.backups.actions import BackupExists, FileFailed, NoKeyFile
from app.backups.databases import NoSuchProgram, NotCopied, _program, _run
from app.evidence.models import Photo
from app.journal.models import Administration, Entry, LogHead
from app.kit.database import Database
from app.kit.house import House
from app.kit.ids import new_id
from app.kit.refusals import Busy
from app.kit.settings import Settings
from app.problems.models import ProblemRow
from app.problems.queries.aggregate import load, refold
from app.sync.models import SyncDevice
from tests.backups.conftest import Place, files, put_back, take
from tests.conftest import MONDAY_MORNING, Databases, SettableClock, settings_for
from tests.town import Town, populate

KELURAHAN = ["Bakalan", "Kepel", "Gentong", "Sebani"]


def device(house: House, account: UUID, accepted: int, safe: int = 0) -> UUID:
    """A phone whose operations were taken up to this number."""
    row = {
        "account_id": account,
        "id": new_id(),
        "name": "HP",
        "schema_version": 1,
        "accepted": accepted,
        "safe": safe,
        "first_contact_at": MONDAY_MORNING,
        "last_contact_at": MONDAY_MORNING,
    }
    with house.database.write() as session:
        session.execute(insert(SyncDevice).values(row))
    return UUID(str(row["id"]))


def accept(house: House, one: UUID, number: int) -> None:
    with house.database.write() as session:
        session.execute(update(SyncDevice).where(col(SyncDevice.id) == one).values(accepted=number))


def safe(house: House) -> dict[UUID, int]:
    with house.database.read() as session:
        return {row.id: row.safe for row in session.execute(select(col(SyncDevice.id), col(SyncDevice.safe)))}


def noted(house: House) -> list[dict[str, Any]]:
    with house.database.read() as session:
        kinds = select(Administration).where(col(Administration.kind) == "backup.taken")
        return [{"subject": each.subject, **each.data} for each in session.scalars(kinds)]


# -- safe ------------------------------------------------------------------------------------------------------------


async def test_what_the_copy_holds_is_safe_and_what_came_later_is_not(town: Town, tmp_path: Path) -> None:
    await town.operator("Bakalan").photo(await town.operator("Bakalan").report())
    account = town.operator("Bakalan").actor.account_id
    busy, idle = device(town.house, account, 7), device(town.house, account, 3, safe=3)
    later: list[UUID] = []

    def meanwhile(what: str, done: int, total: int) -> None:
        if what == "Photos" and not later:
            accept(town.house, busy, 12)
            accept(town.house, idle, 4)
            later.append(device(town.house, account, 5))

    take(town.house, tmp_path / "first.tar", tell=meanwhile)
    assert safe(town.house) == {busy: 7, idle: 3, later[0]: 0}
    take(town.house, tmp_path / "second.tar")
    assert safe(town.house) == {busy: 12, idle: 4, later[0]: 5}
    assert [each["subject"] for each in noted(town.house)] == ["first.tar", "second.tar"]


async def test_safe_never_goes_back(town: Town, tmp_path: Path) -> None:
    await town.operator("Bakalan").photo(await town.operator("Bakalan").report())
    one = device(town.house, town.operator("Bakalan").actor.account_id, 7)

    def overtake(what: str, done: int, total: int) -> None:
        if what == "Photos" and done == 1:
            accept(town.house, one, 9)
            take(town.house, tmp_path / "other.tar")

    take(town.house, tmp_path / "kota.tar", tell=overtake)
    assert safe(town.house) == {one: 9}


async def test_a_failed_backup_makes_nothing_safe_and_leaves_nothing(town: Town, tmp_path: Path) -> None:
    await town.operator("Bakalan").photo(await town.operator("Bakalan").report())
    one = device(town.house, town.operator("Bakalan").actor.account_id, 7)
    photo = next((town.house.settings.data_dir / "photos").rglob("*.jpg"))
    photo.unlink()
    photo.symlink_to(photo.name)  # it cannot be read, which is another thing than not being there
    target = tmp_path / "stick"
    target.mkdir()
    with pytest.raises(Busy):
        take(town.house, target / "kota.tar")
    assert list(target.iterdir()) == []
    assert (safe(town.house), noted(town.house)) == ({one: 0}, [])
    with pytest.raises(FileFailed, match=r"none/kota.tar: No such file"):
        take(town.house, tmp_path / "none" / "kota.tar")
    assert (safe(town.house), noted(town.house)) == ({one: 0}, [])


# -- while others write ----------------------------------------------------------------------------------------------


async def test_a_copy_taken_while_all_write_is_of_one_moment(
    town: Town, database_kind: str, place: Place, tmp_path: Path
) -> None:
    copied, enough = asyncio.Event(), asyncio.Event()
    written: list[str] = []
    meanwhile: list[int] = []

    async def write(kelurahan: str) -> None:
        operator, lurah = town.operator(kelurahan), town.lurah(kelurahan)
        while not copied.is_set():
            problem = await operator.report(kelurahan)
            await operator.photo(problem)
            await lurah.step(problem, "forward")
            written.append(problem["id"])
            if len(written) % 8 == 0:
                enough.set()

    async def copy() -> None:
        try:
            for number in range(3):
                enough.clear()
                await enough.wait()
                before = len(written)
                await asyncio.to_thread(take, town.house, tmp_path / f"{number}.tar")
                meanwhile.append(len(written) - before)
        finally:
            copied.set()

    await asyncio.gather(copy(), *(write(each) for each in KELURAHAN))
    assert sum(meanwhile) > 0
    for number in range(3):
        settings = place(database_kind)
        restored = put_back(settings, tmp_path / f"{number}.tar")
        assert restored.photos == restored.manifest.counts["photo_files"] > 0
        house = assemble(settings, clock=SettableClock())
        try:
            hold_together(house, restored.manifest.counts)
        finally:
            house.database.close()


def hold_together(house: House, counts: dict[str, int]) -> None:
    """Logs without gaps, heads that know them, problems that are what their facts make them, photos that are there."""
    with house.database.read() as session:
        positions: dict[str, list[int]] = {}
        for log, position in session.execute(select(col(Entry.log), col(Entry.position)).order_by(col(Entry.position))):
            positions.setdefault(log, []).append(position)
        heads = {head.log: head for head in session.scalars(select(LogHead))}
        assert positions == {log: list(range(1, head.position + 1)) for log, head in heads.items() if head.position}
        rows = {row.id: row for row in session.scalars(select(ProblemRow))}
        for log, head in heads.items():
            numbers = sorted(int(row.number.partition("-")[2]) for row in rows.values() if row.number.startswith(log))
            assert numbers == list(range(1, head.next_number - 100))
        tables = load(session, list(rows), house.clock())
        for problem in rows:
            assert refold(session, problem) == replace(tables[problem], lurah_vacant=False)
        photos = session.scalars(select(Photo)).all()
        assert (len(rows), len(photos)) == (counts["problems"], counts["photos"])
        assert sum(map(len, positions.values())) == counts["facts"]
    store = house.parts["photos"]
    for photo in photos:
        assert len(store.read(photo.stored_name)) == photo.size
        assert store.read(photo.thumbnail_name)


# -- what is in it ---------------------------------------------------------------------------------------------------


async def test_ordinary_tools_open_and_check_it(town: Town, database_kind: str, tmp_path: Path) -> None:
    await town.operator("Bakalan").photo(await town.operator("Bakalan").report())
    (town.house.settings.data_dir / "uploads").mkdir()
    (town.house.settings.data_dir / "uploads" / "partial").write_bytes(b"half a photo")
    file = tmp_path / "kota.tar"
    taken = take(town.house, file)
    assert (taken.photos, taken.missing, taken.size) == (2, 0, file.stat().st_size)
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as tar:
        names = tar.getnames()
        tar.extractall(tmp_path / "out", filter="data")
    stored = sorted(f"photos/{name}" for name in files(town.house.settings.data_dir / "photos"))
    assert [*names[:2], *sorted(names[2:-1]), names[-1]] == ["manifest.json", "database", *stored, "SHA256SUMS"]
    subprocess.run(  # noqa: ASYNC221 - nobody else waits
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path / "out", check=True
    )
    said = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (said["format"], said["database"], said["moment"]) == (1, database_kind, "2026-03-02T02:00:00Z")
    assert (said["counts"]["problems"], said["counts"]["photo_files"]) == (1, 2)


async def test_keys_are_put_in_only_when_asked_for(town: Town, tmp_path: Path, town_settings: Settings) -> None:
    key = (town_settings.data_dir / "keys").read_bytes()
    take(town.house, tmp_path / "without.tar", with_photos=False)
    take(town.house, tmp_path / "with.tar", with_keys=True)
    assert key not in (tmp_path / "without.tar").read_bytes()
    assert key in (tmp_path / "with.tar").read_bytes()
    given = assemble(town_settings.model_copy(update={"encryption_keys": _secret(key)}))
    try:
        with pytest.raises(NoKeyFile):
            take(given, tmp_path / "given.tar", with_keys=True)
    finally:
        given.database.close()


def _secret(key: bytes) -> Any:
    return Settings(_env_file=None, encryption_keys=key.decode()).encryption_keys


async def test_photos_may_be_left_out(town: Town, tmp_path: Path) -> None:
    await town.operator("Bakalan").photo(await town.operator("Bakalan").report())
    taken = take(town.house, tmp_path / "kota.tar", with_photos=False)
    assert (taken.photos, taken.missing) == (0, 0)
    with tarfile.open(tmp_path / "kota.tar") as tar:
        assert tar.getnames() == ["manifest.json", "database", "SHA256SUMS"]


async def test_a_photo_that_was_lost_before_does_not_stop_it(town: Town, tmp_path: Path) -> None:
    await town.operator("Bakalan").photo(await town.operator("Bakalan").report())
    next((town.house.settings.data_dir / "photos").rglob("*-small.jpg")).unlink()
    taken = take(town.house, tmp_path / "kota.tar")
    assert (taken.photos, taken.missing) == (1, 1)
    assert noted(town.house)[0]["missing"] == 1


def test_no_file_is_overwritten(town_house: House, tmp_path: Path) -> None:
    (tmp_path / "kota.tar").write_text("last week's")
    with pytest.raises(BackupExists):
        take(town_house, tmp_path / "kota.tar")
    assert (tmp_path / "kota.tar").read_text() == "last week's"


def test_what_sqlite_finds_fault_with_is_no_backup(databases: Databases, tmp_path: Path) -> None:
    with databases.fresh("sqlite", populate) as address:
        with Path(address.removeprefix("sqlite:///")).open("r+b") as file:
            file.seek(4096 * 20)
            file.write(b"rubbish" * 20_000)
        house = assemble(settings_for(address, tmp_path / "var"))
        with pytest.raises(NotCopied):
            take(house, tmp_path / "kota.tar")
        house.database.close()
    assert not (tmp_path / "kota.tar").exists()


# -- PostgreSQL's programs -------------------------------------------------------------------------------------------


def test_a_program_older_than_the_server_does_not_count() -> None:
    with pytest.raises(NoSuchProgram, match=r"pg_dump of version 999 or newer"):
        _program("pg_dump", 999)


def test_the_password_stands_in_the_environment_alone(tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$0.words"\nprintf "%s" "$PGPASSWORD" > "$0.password"\n')
    program.chmod(0o700)
    address = "postgresql+psycopg://uj'ung:ra%2Fhas'ia@basis/data?sslmode=require"
    database = Database(Settings(_env_file=None, data_dir=tmp_path, database_url=address))
    _run(database, str(program), "--file=x")
    words = (tmp_path / "pg_dump.words").read_text()
    assert (tmp_path / "pg_dump.password").read_text() == "ra/has'ia"
    assert "ra/has" not in words
    assert "--dbname=host='basis' dbname='data' user='uj\\'ung' sslmode='require'\n" in words
    assert os.environ.get("PGPASSWORD") is None


def test_a_program_that_fails_is_told_in_one_sentence(tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho one >&2; echo 'pg_dump: error: too bad' >&2; echo DETAIL >&2; exit 1\n")
    program.chmod(0o700)
    database = Database(Settings(_env_file=None, data_dir=tmp_path, database_url="postgresql+psycopg://basis/data"))
    with pytest.raises(NotCopied) as refused:
        _run(database, str(program))
    assert refused.value.detail == "pg_dump: error: too bad"
