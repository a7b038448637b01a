"""The archive of a backup: a tar that ordinary tools open, whose last member has the checksum of every other one."""

import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import IO, Final, Literal

from pydantic import AwareDatetime, BaseModel, ValidationError

from app.kit.refusals import Unprocessable

FORMAT: Final = 1
MANIFEST, DATABASE, KEYS, PHOTOS, CHECKSUMS = "manifest.json", "database", "keys", "photos/", "SHA256SUMS"

Kind = Literal["sqlite", "postgresql"]
Tell = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and of how much."""


class NotABackup(Unprocessable):
    code, title = "not_a_backup", "The file is no backup that this version knows"
    judul = "Berkas ini bukan cadangan yang dikenal versi ini"


class DamagedBackup(Unprocessable):
    code, title, judul = "damaged_backup", "The backup is damaged", "Berkas cadangan rusak"


class Manifest(BaseModel):
    """What a backup says of itself."""

    format: int = FORMAT
    app: str
    """Version of the app that made it."""
    database: Kind
    program: int | None
    """Major version of the `pg_dump` that made the copy."""
    revision: str
    """Migration that the database stood at."""
    moment: AwareDatetime
    counts: dict[str, int]
    """Rows at that moment; `photo_files` counts the files that they name."""


class Writing:
    """An archive that grows member by member."""

    def __init__(self, tar: tarfile.TarFile, moment: float) -> None:
        self._tar = tar
        self._moment = int(moment)
        self._checksums: list[str] = []

    def add(self, name: str, content: IO[bytes]) -> None:
        """Adds what the file holds, from its beginning."""
        content.seek(0)
        member = tarfile.TarInfo(name)
        member.mode, member.mtime = 0o600, self._moment
        self._checksums.append(f"{_checksum(content)}  {name}\n")
        member.size = content.seek(0, SEEK_END)
        content.seek(0)
        self._tar.addfile(member, content)

    def finish(self) -> None:
        """Adds the checksums, without which the archive counts as damaged."""
        self.add(CHECKSUMS, BytesIO("".join(self._checksums).encode()))


@contextmanager
def written(file: Path, manifest: Manifest) -> Iterator[Writing]:
    """A new archive, readable by nobody else, on disk when the block has ended."""
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        with tarfile.open(fileobj=target, mode="w") as tar:
            writing = Writing(tar, manifest.moment.timestamp())
            writing.add(MANIFEST, BytesIO(manifest.model_dump_json(indent=2).encode()))
            yield writing
            writing.finish()
        target.flush()
        os.fsync(target.fileno())


class Archive:
    """A backup that was found whole."""

    def __init__(self, tar: tarfile.TarFile, manifest: Manifest) -> None:
        self._tar = tar
        self.manifest = manifest
        self.photos = [name.removeprefix(PHOTOS) for name in tar.getnames() if name.startswith(PHOTOS)]

    def open(self, name: str) -> IO[bytes]:
        content = self._tar.extractfile(name)
        assert content is not None
        return content

    def photo(self, name: str) -> bytes:
        return self.open(PHOTOS + name).read()

    @property
    def keys(self) -> bytes | None:
        """The key file, where it was put in."""
        return self.open(KEYS).read() if KEYS in self._tar.getnames() else None


@contextmanager
def opened(file: Path, tell: Tell) -> Iterator[Archive]:
    """A backup, every byte of which was compared with its checksum; refuses what is none, or is not whole."""
    try:
        with file.open("rb") as source:
            source.seek(0)
            try:
                tar = tarfile.open(fileobj=source, mode="r:")  # noqa: SIM115 - closed below, what it may raise is told
            except tarfile.TarError as error:
                raise NotABackup from error
            with tar:
                manifest = _manifest(tar)
                _verify(tar, tell)
                yield Archive(tar, manifest)
    except tarfile.TarError as error:
        raise DamagedBackup(f"{error}.") from error


def _manifest(tar: tarfile.TarFile) -> Manifest:
    first = tar.next()
    content = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
    if content is None:
        raise NotABackup
    try:
        said = json.loads(content.read())
    except ValueError as error:
        raise DamagedBackup(f"{MANIFEST} cannot be read.") from error
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise NotABackup
    try:
        return Manifest.model_validate(said)
    except ValidationError as error:
        raise DamagedBackup(f"{MANIFEST} cannot be read.") from error


def _verify(tar: tarfile.TarFile, tell: Tell) -> None:
    members = tar.getmembers()
    *parts, last = members
    if last.name != CHECKSUMS or DATABASE not in tar.getnames():
        raise DamagedBackup("It ends too early.")
    content = tar.extractfile(last)
    assert content is not None
    expected = content.read().decode(errors="replace").splitlines()
    found: list[str] = []
    for done, member in enumerate(parts, 1):
        part = tar.extractfile(member)
        found.append(f"{_checksum(part)}  {member.name}" if part else member.name)
        tell("Verifying", done, len(parts))
    if found != expected:
        raise DamagedBackup("A checksum differs.")


def _checksum(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := content.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def settle(place: Path) -> None:
    """Brings a file, or the names in a folder, to disk."""
    number = os.open(place, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
