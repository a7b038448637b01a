"""Taking photos in: first the bytes, safe on disk; then the row that relies on them; and a broom for the rest."""

import re
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from app.evidence.models import Photo
from app.evidence.pictures import MEDIA_TYPE, Claim, develop
from app.evidence.store import Store
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.kit.refusals import IdReused

ORPHANED_AFTER = timedelta(hours=24)
_SWEPT_DAYS = 8
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2}/\d{6})-[0-9a-f]{16}(-small)?\.jpg")
_MOMENT = "%Y-%m-%d/%H%M%S"


@dataclass(frozen=True)
class Prepared:
    """A photo whose bytes are stored; its row is still to be written."""

    sha256: str
    perceptual_hash: str
    width: int
    height: int
    size: int
    media_type: str
    stored_name: str
    thumbnail_name: str


def store_of(house: House) -> Store:
    """The store that was opened when the house was assembled."""
    store: Store = house.parts["photos"]
    return store


def receive(house: House, data: bytes, claim: Claim | None = None) -> Prepared:
    """Checks, re-encodes and stores a photo. Slow: call it in a thread, outside of any transaction."""
    picture = develop(
        data,
        claim or Claim(),
        max_bytes=house.settings.max_photo_bytes,
        max_pixels=house.settings.max_photo_megapixels * 1_000_000,
    )
    name = f"{house.clock().strftime(_MOMENT)}-{secrets.token_hex(8)}"
    prepared = Prepared(
        sha256=picture.sha256,
        perceptual_hash=picture.perceptual_hash,
        width=picture.width,
        height=picture.height,
        size=len(picture.data),
        media_type=MEDIA_TYPE,
        stored_name=f"{name}.jpg",
        thumbnail_name=f"{name}-small.jpg",
    )
    store = store_of(house)
    store.put(prepared.stored_name, picture.data)
    store.put(prepared.thumbnail_name, picture.thumbnail)
    return prepared


def record(work: Work[Any], prepared: Prepared, photo_id: UUID | None = None) -> Photo:
    """The row of a photo that was received. The same photo under the same id again is the first one's row.

    A row that awaited these bytes has them now.
    """
    account_id = work.caller.account_id if work.caller else None
    known = work.session.get(Photo, photo_id) if photo_id else None
    if known is not None:
        check_same(known, prepared.sha256, account_id)
        if known.is_awaited:
            known.sqlmodel_update(asdict(prepared))
        return known
    photo = Photo(id=photo_id or new_id(), account_id=account_id, created_at=work.now, **asdict(prepared))
    work.session.add(photo)
    return photo


def check_same(photo: Photo, sha256: str, account_id: UUID | None) -> None:
    """Refuses an id that already names another picture, or somebody else's."""
    if photo.sha256 != sha256 or photo.account_id != account_id:
        raise IdReused


def await_photo(photo_id: UUID, sha256: str, size: int, account_id: UUID | None, now: datetime) -> Photo:
    """The row, not yet added, of a photo whose bytes are still to come."""
    return Photo(id=photo_id, sha256=sha256, size=size, media_type=MEDIA_TYPE, account_id=account_id, created_at=now)


def sweep(house: House) -> int:
    """Removes files that no row names a day after they were stored; answers how many.

    It looks at the days of the past week only, so its cost does not grow with the number of photos.
    """
    store, limit, removed = store_of(house), house.clock() - ORPHANED_AFTER, 0
    for days in range(_SWEPT_DAYS):
        for chunk in store.names(f"{limit - timedelta(days=days):%Y-%m-%d}"):
            removed += _remove_orphans(house, store, [name for name in chunk if _stored_before(name, limit)])
    return removed


def _remove_orphans(house: House, store: Store, names: list[str]) -> int:
    if not names:
        return 0
    photos = {name: name.replace("-small.", ".") for name in names}
    with house.database.read() as session:
        kept = set(session.exec(select(Photo.stored_name).where(col(Photo.stored_name).in_(set(photos.values())))))
    orphans = [name for name, photo in photos.items() if photo not in kept]
    store.remove(orphans)
    return len(orphans)


def _stored_before(name: str, limit: datetime) -> bool:
    match = _NAME.fullmatch(name)
    return match is not None and datetime.strptime(match[1], _MOMENT).replace(tzinfo=UTC) < limit
