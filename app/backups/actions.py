"""Taking a copy of a whole installation, and putting one back."""

import os
import tempfile
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Final

from alembic.script import ScriptDirectory
from sqlalchemy import bindparam, insert, literal, select, update
from sqlmodel import Session

from app.areas.models import Area
from app.areas.words import Level
from app.backups.archive import DATABASE, KEYS, PHOTOS, Archive, Manifest, Tell, opened, settle, written
from app.backups.databases import Copy, alone, copy_database, put_postgresql, sqlite_draft
from app.evidence.actions import store_of
from app.evidence.store import Store, open_store
from app.journal.actions import administration
from app.journal.models import Administration, LogHead
from app.kit.clock import Clock
from app.kit.columns import columns_of, table_of
from app.kit.database import Database, write_rows
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.kit.migrations import FOLDER, upgrade
from app.kit.refusals import Conflict, NotFound
from app.kit.settings import Settings
from app.kit.version import app_version
from app.sync.models import SyncDevice

NUMBERS_LEFT_OUT: Final = 100
"""Numbers of each kelurahan that a restore leaves out: some were given after the copy, and spoken on the phone."""


class BackupExists(Conflict):
    code, title = "backup_exists", "A file of this name is there already"
    judul = "Berkas dengan nama ini sudah ada"


class FileFailed(Conflict):
    code, title = "file_failed", "A file cannot be read or written"
    judul = "Berkas tidak dapat dibaca atau ditulis"


class NoKeyFile(Conflict):
    code, title = "no_key_file", "There is no key file; the keys are those of UJUNG_ENCRYPTION_KEYS"
    judul = "Tidak ada berkas kunci; kunci berasal dari UJUNG_ENCRYPTION_KEYS"


class OtherDatabase(Conflict):
    code, title = "other_database", "The backup is of another kind of database"
    judul = "Cadangan berasal dari jenis basis data lain"


class NewerBackup(Conflict):
    code, title = "newer_backup", "The backup is of a newer version; upgrade first"
    judul = "Cadangan berasal dari versi yang lebih baru; perbarui aplikasi dahulu"


@dataclass(frozen=True)
class Taken:
    """A backup that stands."""

    manifest: Manifest
    photos: int
    """Files of photos in it."""
    missing: int
    """Files that rows name, and that could not be found."""
    size: int
    """Bytes."""


def take_backup(house: House, file: Path, *, with_photos: bool, with_keys: bool, tell: Tell) -> Taken:
    """Copies the installation into one new file while it runs; then operations of phones that are in it are safe.

    Bytes of a photo are stored before its row. So the database is copied first, and every photo that the copy names is
    there, unless it was lost before: then the backup goes on and tells how many.
    """
    keys = house.settings.data_dir / "keys"
    if file.exists():
        raise BackupExists(f"{file}.")
    if with_keys and house.settings.encryption_keys is not None:
        raise NoKeyFile
    try:
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as folder:
            draft = Path(folder, "archive")
            moment = house.clock()
            tell("Database", 0, 1)
            copy = copy_database(house.database, Path(folder, "database"))
            manifest = Manifest(
                app=app_version(),
                database="sqlite" if house.database.is_sqlite else "postgresql",
                program=copy.program,
                revision=copy.revision,
                moment=moment,
                counts=copy.counts,
            )
            photos = copy.photos if with_photos else ()
            missing = 0
            with written(draft, manifest) as writing:
                with Path(folder, "database").open("rb") as content:
                    writing.add(DATABASE, content)
                if with_keys:
                    writing.add(KEYS, BytesIO(keys.read_bytes()))
                for done, name in enumerate(photos, 1):
                    try:
                        writing.add(PHOTOS + name, BytesIO(store_of(house).read(name)))
                    except NotFound:
                        missing += 1
                    tell("Photos", done, len(photos))
            taken = Taken(manifest, len(photos) - missing, missing, draft.stat().st_size)
            draft.rename(file)
            settle(file.parent)
    except OSError as error:
        raise FileFailed(f"{file}: {error.strerror}.") from error
    _make_safe(house, file, copy, taken)
    return taken


def _make_safe(house: House, file: Path, copy: Copy, taken: Taken) -> None:
    columns = columns_of(SyncDevice)
    raising = (
        update(table_of(SyncDevice))
        .where(columns.account_id == bindparam("account"), columns.id == bindparam("device"))
        .where(columns.safe < bindparam("number"))
        .values(safe=bindparam("number"))
    )
    numbers = [{"account": account, "device": device, "number": number} for account, device, number in copy.accepted]

    def unit(session: Session) -> None:
        if numbers:
            write_rows(session, raising, numbers)
        administration(
            Work(session, None, house.clock(), house),
            "backup.taken",
            file.name[:200],
            moment=taken.manifest.moment.isoformat(),
            photos=taken.photos,
            missing=taken.missing,
        )

    house.database.perform(unit)


# -- putting one back ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Restored:
    """A backup that was put back."""

    manifest: Manifest
    revision: str
    """Migration that the database stands at now."""
    photos: int
    """Files of photos in the archive."""
    present: int
    """Those of them that were there already, and were left."""
    keys_fit: bool | None
    """Whether the keys in use are those that were saved with it; None where none were saved."""


def restore_backup(settings: Settings, clock: Clock, file: Path, *, force: bool, tell: Tell) -> Restored:
    """Puts a backup in the place of the installation; nothing is touched before all of it was verified.

    The database comes last, for its rows rely on the photos. Whatever stopped it, the same again with `force` succeeds.
    """
    try:
        with opened(file, tell) as archive:
            revision = _known(archive.manifest.revision)
            database = Database(settings)
            try:
                if (archive.manifest.database == "sqlite") is not database.is_sqlite:
                    raise OtherDatabase(f"{archive.manifest.database}.")
                with alone(database, force=force):
                    keys_fit = _put_keys(settings, archive)
                    present = _put_photos(open_store(settings), archive, tell)
                    tell("Database", 0, 1)
                    _put_database(settings, database, archive, clock(), file)
            finally:
                database.close()
            return Restored(archive.manifest, revision, len(archive.photos), present, keys_fit)
    except OSError as error:
        raise FileFailed(f"{error.filename or file}: {error.strerror}.") from error


def _known(revision: str) -> str:
    """The newest migration of this code; refuses one that this code does not know."""
    scripts = ScriptDirectory(str(FOLDER))
    if revision not in {each.revision for each in scripts.walk_revisions()}:
        raise NewerBackup
    return scripts.get_current_head() or ""


def _put_keys(settings: Settings, archive: Archive) -> bool | None:
    saved, place = archive.keys, settings.data_dir / "keys"
    if saved is None:
        return None
    if settings.encryption_keys is not None:
        given = settings.encryption_keys.get_secret_value().split(",")
        return set(saved.decode().split()) <= {key.strip() for key in given}
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f"{place.name}.{os.getpid()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
            target.write(saved)
        settle(draft)
        draft.rename(place)
        settle(place.parent)
    return set(saved.split()) <= set(place.read_bytes().split())


def _put_photos(store: Store, archive: Archive, tell: Tell) -> int:
    if not archive.photos:
        return 0
    present = {name for names in store.names() for name in names}.intersection(archive.photos)
    for done, name in enumerate(archive.photos, 1):
        if name not in present:
            store.put(name, archive.photo(name))
        tell("Photos", done, len(archive.photos))
    return len(present)


def _put_database(settings: Settings, database: Database, archive: Archive, now: datetime, file: Path) -> None:
    manifest = archive.manifest
    if not database.is_sqlite:
        put_postgresql(database, archive.open(DATABASE), revision=manifest.revision, program=manifest.program)
        upgrade(settings.database_address)
        _leave_out_numbers(database, manifest, now, file)
        return
    with sqlite_draft(database, archive.open(DATABASE)) as address:
        upgrade(address)
        draft = Database(settings.model_copy(update={"database_url": address}))
        try:
            _leave_out_numbers(draft, manifest, now, file)
        finally:
            draft.close()


def _leave_out_numbers(database: Database, manifest: Manifest, now: datetime, file: Path) -> None:
    heads = table_of(LogHead)
    noted = Administration(
        id=new_id(),
        at=now,
        kind="backup.restored",
        subject=file.name[:200],
        data={"moment": manifest.moment.isoformat(), "numbers_left_out": NUMBERS_LEFT_OUT},
    )

    def unit(session: Session) -> None:
        session.execute(_BEGINNING)  # of a kelurahan that had none yet, numbers may have been spoken too
        session.execute(update(heads).values(next_number=heads.c.next_number + NUMBERS_LEFT_OUT))
        session.add(noted)

    database.perform(unit)


_AREAS, _HEADS = table_of(Area), table_of(LogHead)
_BEGINNING = insert(_HEADS).from_select(
    ["log", "position", "next_number", "floor"],
    select(_AREAS.c.code, literal(0), literal(1), literal(0)).where(
        _AREAS.c.level == Level.VILLAGE, _AREAS.c.code.not_in(select(_HEADS.c.log))
    ),
)
