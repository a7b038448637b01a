"""Questions about photos."""

from collections.abc import Collection, Iterable
from uuid import UUID

from sqlmodel import Session, col, or_, select

from app.evidence.models import Photo

_FEATURELESS = {"0" * 16, "f" * 16}
"""Hashes of pictures in one colour, which all look alike."""


def find(session: Session, ids: Collection[UUID]) -> dict[UUID, Photo]:
    """The photos of these ids, those that exist."""
    return {photo.id: photo for photo in session.exec(select(Photo).where(col(Photo.id).in_(ids)))}


def alike(session: Session, photos: Iterable[Photo]) -> dict[UUID, list[Photo]]:
    """For each photo the others that are the same: byte by byte, or to the eye."""
    asked = list(photos)
    hashes = {photo.perceptual_hash for photo in asked} - _FEATURELESS
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
