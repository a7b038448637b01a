"""Questions about photos."""

from collections.abc import Collection, Iterable
from uuid import UUID

from sqlmodel import Session, col, or_, select

from app.evidence.actions import store_of
from app.evidence.models import Photo
from app.kit.house import House
from app.kit.refusals import NotFound

_FEATURELESS = {"0" * 16, "f" * 16}
"""Hashes of pictures in one colour, which all look alike."""


def find(session: Session, ids: Collection[UUID]) -> dict[UUID, Photo]:
    """The photos of these ids, those that exist."""
    return {photo.id: photo for photo in session.exec(select(Photo).where(col(Photo.id).in_(ids)))}


class PhotoAwaited(NotFound):
    code = "photo_awaited"
    title, judul = "The photo's bytes have not come yet", "Berkas foto belum diterima"


def data_of(house: House, photo: Photo, *, small: bool) -> bytes:
    """The bytes of a photo, or of its thumbnail. Slow: call it in a thread, outside of any transaction."""
    name = photo.thumbnail_name if small else photo.stored_name
    if name is None:
        raise PhotoAwaited
    return store_of(house).read(name)


def alike(session: Session, photos: Iterable[Photo]) -> dict[UUID, list[Photo]]:
    """For each photo the others that are the same: byte by byte, or to the eye, once it was seen."""
    asked = list(photos)
    hashes = {photo.perceptual_hash for photo in asked} - _FEATURELESS - {None}
    same_bytes = col(Photo.sha256).in_({photo.sha256 for photo in asked})
    found = session.exec(select(Photo).where(or_(same_bytes, col(Photo.perceptual_hash).in_(hashes)))).all()
    return {
        photo.id: [
            other
            for other in found
            if other.id != photo.id
            and (other.sha256 == photo.sha256 or other.perceptual_hash in {photo.perceptual_hash} & hashes)
        ]
        for photo in asked
    }
