"""Photos whose bytes come piece by piece: a row says what is promised, the real size of a file what has come.

No number of bytes is ever written down, so none can be wrong after a crash: HEAD tells the file's size, and the next
piece begins there.
"""

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Self
from uuid import UUID

import structlog
from sqlmodel import col, delete, select

from app.evidence.actions import Prepared, check_same, record
from app.evidence.models import Photo
from app.kit.house import House, Work
from app.kit.refusals import BodyTooLarge, Busy, Conflict, IdReused, NotFound, Refusal, Unprocessable
from app.people.actors import Person
from app.people.queries import NoPost
from app.sync.models import Upload

if sys.platform != "win32":
    import fcntl

ORPHANED_AFTER = timedelta(days=1)
_held: set[Path] = set()
_holding = threading.Lock()
_log = structlog.get_logger("ujung.uploads")


class UploadNotFound(NotFound):
    code, title, judul = "upload_not_found", "No such upload of yours", "Unggahan tidak ditemukan"


class UploadBusy(Refusal):
    status, code = 423, "upload_busy"
    title, judul = "Another request is writing this upload", "Unggahan ini sedang ditulis permintaan lain"


class WrongOffset(Conflict):
    code, title, judul = "wrong_offset", "The upload does not stand there", "Unggahan tidak sampai di titik itu"

    def __init__(self, real: int) -> None:
        super().__init__(headers={"Upload-Offset": str(real)}, offset=real)


class ChecksumMismatch(Refusal):
    status, code = 460, "checksum_mismatch"
    title, judul = "This piece came damaged; send it again", "Potongan ini rusak di jalan; kirim lagi"


class UploadDamaged(Unprocessable):
    code = "upload_damaged"
    title, judul = (
        "What came is not what was promised; begin anew",
        "Isi tidak sesuai yang dijanjikan; ulangi dari awal",
    )


@dataclass(frozen=True)
class Promise:
    """What a client says that it will send."""

    id: UUID
    size: int
    """In bytes."""
    sha256: str
    """Of the whole, in hex."""


@dataclass(frozen=True)
class Checksum:
    """What a piece must hash to."""

    algorithm: str
    digest: bytes


def create(work: Work[Person], promise: Promise) -> Upload:
    """The upload of a promised photo. Promised again it is the same one; its time begins anew once it had run out.

    A photo that has come already, whichever way, makes it a completed one. Who acts under no post may still bring what
    is awaited of them.
    """
    account_id = work.caller.account_id
    photo = work.session.get(Photo, promise.id)
    if photo is not None:
        check_same(photo, promise.sha256, account_id)
    upload = work.session.get(Upload, promise.id)
    expires_at = work.now + timedelta(days=work.house.settings.upload_days)
    if upload is None:
        if photo is None and work.caller.post_id is None:
            raise NoPost
        upload = Upload(
            id=promise.id,
            account_id=account_id,
            size=promise.size,
            sha256=promise.sha256,
            created_at=work.now,
            expires_at=expires_at,
        )
        work.session.add(upload)
    elif (upload.account_id, upload.size, upload.sha256) != (account_id, promise.size, promise.sha256):
        raise IdReused
    elif upload.expires_at <= work.now:
        upload.expires_at = expires_at
    if photo is not None and not photo.is_awaited and upload.completed_at is None:
        upload.completed_at = work.now
    return upload


def find(work: Work[Person], upload_id: UUID) -> Upload:
    """An upload of the caller's own, as long as it lasts."""
    upload = work.session.get(Upload, upload_id)
    if upload is None or upload.account_id != work.caller.account_id or upload.expires_at <= work.now:
        raise UploadNotFound
    return upload


def complete(work: Work[Person], upload_id: UUID, prepared: Prepared) -> None:
    """The photo's row, new or awaited until now, and the upload's end, once the picture is stored."""
    upload = work.session.get(Upload, upload_id)
    if upload is None:
        raise UploadNotFound
    record(work, prepared, upload_id)
    upload.completed_at = work.now


def remove(work: Work[Person], upload_id: UUID) -> None:
    """Forgets an upload; a photo that it brought stays."""
    work.session.delete(find(work, upload_id))


class Incoming:
    """The file of an upload: what has come of it. Who writes holds it, alone among all processes of this machine."""

    def __init__(self, house: House, upload_id: UUID) -> None:
        self.path = _folder(house) / str(upload_id)
        self._file: BinaryIO | None = None
        self._is_held = False
        self._start = 0
        self._limit = 0
        self._checksum: Checksum | None = None
        self._hash = hashlib.sha256()

    @property
    def size(self) -> int:
        """Bytes that have come."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def hold(self) -> None:
        """Keeps every other writer away, until `release`."""
        with _holding:
            if self.path in _held:
                raise UploadBusy
            _held.add(self.path)
            self._is_held = True
        with _disk():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
        if not _locked(self._file, self.path):
            raise UploadBusy

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_ended: object) -> None:
        self.release()

    def release(self) -> None:
        """Lets others write; so does the end of a `with` block."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._is_held:
            self._is_held = False
            with _holding:
                _held.discard(self.path)

    def begin(self, upload: Upload, offset: int, checksum: Checksum | None) -> None:
        """A piece that starts at the offset, which must be where the file ends. Holds the file."""
        self.hold()
        if offset != self.size:
            raise WrongOffset(self.size)
        self._start, self._limit, self._checksum = offset, upload.size, checksum
        self._hash = hashlib.new(checksum.algorithm if checksum else "sha256", usedforsecurity=False)
        self.cut(offset)

    def write(self, chunk: bytes) -> None:
        """Some more of the piece, and never more than was promised."""
        assert self._file is not None
        if self._file.tell() + len(chunk) > self._limit:
            raise BodyTooLarge("More than Upload-Length said.", limit=self._limit)
        if self._checksum is not None:
            self._hash.update(chunk)
        with _disk():
            self._file.write(chunk)
            self._file.flush()

    def end(self) -> int:
        """The piece is on disk; answers where the file ends. One that broke off stays if it needs no checksum."""
        if self._checksum is not None and self._hash.digest() != self._checksum.digest:
            self.cut(self._start)
            raise ChecksumMismatch
        self._settle()
        return self.size

    def give_up(self) -> None:
        """The piece is refused, and gone."""
        if self._file is not None:
            self.cut(self._start)

    def cut(self, size: int) -> None:
        """Leaves so many bytes, and goes on behind them."""
        assert self._file is not None
        with _disk():
            self._file.seek(size)
            self._file.truncate()
            self._file.flush()

    def whole(self, upload: Upload) -> bytes:
        """All bytes, being what was promised; else they are gone. The file is held."""
        assert self._file is not None
        if self.size != upload.size:
            raise UploadBusy  # another request has just finished it
        with _disk():
            self._file.seek(0)
            data = self._file.read()
        if hashlib.sha256(data).hexdigest() != upload.sha256:
            self.cut(0)
            self._settle()
            raise UploadDamaged(headers={"Upload-Offset": "0"})
        return data

    def remove(self) -> None:
        """The file is no longer needed."""
        self.release()
        with _disk():
            self.path.unlink(missing_ok=True)

    def _settle(self) -> None:
        """Brings the file to disk, and the folder that names it."""
        assert self._file is not None
        with _disk():
            os.fsync(self._file.fileno())
            if sys.platform != "win32":
                folder = os.open(self.path.parent, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)


def sweep_uploads(house: House) -> int:
    """Removes uploads that have run out, and files without one a day after their last byte; answers how many.

    Photos that came and were never shown with a problem are not looked at: their operation may still be on a phone.
    """
    now = house.clock()
    gone = _remove_expired(house, now)
    for upload_id in gone:
        Incoming(house, upload_id).remove()
    return len(gone) + _remove_orphans(house, now - ORPHANED_AFTER)


def _remove_expired(house: House, now: datetime) -> list[UUID]:
    expired = col(Upload.expires_at) <= now
    with house.database.read() as session:
        if session.scalar(select(col(Upload.id)).where(expired).limit(1)) is None:
            return []
    with house.database.write() as session:
        return list(session.scalars(delete(Upload).where(expired).returning(col(Upload.id))))


def _remove_orphans(house: House, before: datetime) -> int:
    folder, removed = _folder(house), 0
    old = {UUID(path.name) for path in folder.glob("*-*-*-*-*") if _written_before(path, before)}
    if not old:
        return 0
    with house.database.read() as session:
        kept = set(session.scalars(select(col(Upload.id)).where(col(Upload.id).in_(old))))
    for upload_id in old - kept:
        with Incoming(house, upload_id) as incoming, suppress(UploadBusy):
            incoming.hold()
            if _written_before(incoming.path, before):  # it may have been promised again meanwhile
                incoming.remove()
                removed += 1
    return removed


def _folder(house: House) -> Path:
    return house.settings.data_dir / "uploads"


def _written_before(path: Path, moment: datetime) -> bool:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) < moment


def _locked(file: BinaryIO, path: Path) -> bool:
    """Whether this process alone may write the file, and it is still the one of that name."""
    if sys.platform == "win32":
        return True  # where one process serves
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(file.fileno()).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


@contextmanager
def _disk() -> Iterator[None]:
    """A disk that does not take it is no reason for a crash: what came may be sent again."""
    try:
        yield
    except OSError as error:
        _log.error("uploads", error=str(error))
        raise Busy("The disk does not take the upload.") from error
