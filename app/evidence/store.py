"""Where the bytes of photos lie: a folder, or a bucket."""

import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from app.kit.refusals import Busy, NotFound
from app.kit.settings import Settings

_log = structlog.get_logger("ujung.photos")


class Store:
    """Bytes by name. What `put` has returned from survives a power cut."""

    def __init__(self, objects: ObjectStore, folder: Path | None = None) -> None:
        self._objects = objects
        self._folder = folder

    def put(self, name: str, data: bytes) -> None:
        """Stores bytes under a new name."""
        try:
            obstore.put(self._objects, name, data)
            if self._folder is not None:
                _settle(self._folder, name)
        except (BaseError, OSError) as error:
            raise self._silent(error) from error

    def read(self, name: str) -> bytes:
        """The bytes of that name."""
        try:
            return bytes(obstore.get(self._objects, name).bytes())
        except FileNotFoundError as error:
            _log.error("photo missing", name=name)
            raise NotFound("The photo's file is missing.") from error
        except (BaseError, OSError) as error:
            raise self._silent(error) from error

    def names(self, folder: str | None = None) -> Iterator[list[str]]:
        """Every name, or every name in a folder, some at a time."""
        for chunk in obstore.list(self._objects, folder, chunk_size=500):
            yield [each["path"] for each in chunk]

    def remove(self, names: Iterable[str]) -> None:
        """Removes what is there of these names."""
        for name in names:
            try:
                obstore.delete(self._objects, name)
            except FileNotFoundError:
                continue

    def _silent(self, error: Exception) -> Busy:
        _log.error("photo store", error=str(error))
        return Busy("The photo store does not answer.")


def open_store(settings: Settings) -> Store:
    """The store that the settings name: `data_dir/photos`, another folder (`file://…`), or a bucket (`s3://…`)."""
    address = settings.photos_url
    if address is None or address.startswith("file:"):
        folder = settings.data_dir / "photos" if address is None else Path(url2pathname(urlsplit(address).path))
        return Store(LocalStore(folder.absolute(), mkdir=True), folder.absolute())
    if address.startswith("memory:"):
        return Store(from_url(address))
    return Store(
        from_url(
            address,
            client_options={"timeout": "20s"},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
        )
    )


def _settle(folder: Path, name: str) -> None:
    """Brings a written file and every folder on its way to disk: obstore itself does neither."""
    place = folder / name
    while True:
        number = os.open(place, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
        if place == folder:
            return
        place = place.parent
