"""Photos that operations name: known already, or awaited from here on."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlmodel import Session, col

from app.evidence.actions import await_photo
from app.evidence.models import Photo
from app.evidence.pictures import PhotoTooLarge
from app.kit.refusals import IdReused, Refusal
from app.problems.models import ProblemPhoto
from app.sync.operations import AttachedIn


class Photos:
    """What is known of the photos that operations attach."""

    def __init__(self, session: Session, attached: Sequence[AttachedIn]) -> None:
        ids, hashes = {each.photo for each in attached}, {each.sha256 for each in attached}
        found = session.scalars(select(Photo).where(or_(col(Photo.id).in_(ids), col(Photo.sha256).in_(hashes)))).all()
        self.hashes = {each.sha256 for each in found if each.id not in ids}
        """Those that other photos have too."""
        self._known = {each.id: each for each in found}
        owned = select(col(ProblemPhoto.photo_id)).where(col(ProblemPhoto.photo_id).in_(ids))
        self._owned = set(session.scalars(owned)) if ids else set()

    def taken(
        self, said: AttachedIn, account_id: UUID, now: datetime, most: int
    ) -> tuple[Refusal | None, tuple[Photo, ...]]:
        """Whether a photo may be attached, and the row of one that is awaited from here on.

        One of more bytes than `most` could never come.
        """
        known = self._known.get(said.photo)
        if said.photo in self._owned or (known and (known.account_id, known.sha256) != (account_id, said.sha256)):
            return IdReused(), ()
        if known is not None:
            return None, ()
        if said.size > most:
            return PhotoTooLarge(limit=most), ()
        return None, (await_photo(said.photo, said.sha256, said.size, account_id, now),)
