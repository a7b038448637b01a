"""Reference data that a process remembers: areas, agencies, categories, limits, the calendar.

They are read by nearly every request and change a few times a year. Each change of their tables gives the data
a new *edition*, by a trigger of the database, so no process and no person at its console can forget to. Whoever asks is
told the edition together with who they are, in one statement; what was remembered of another edition counts no more.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from sqlalchemy import select
from sqlmodel import Session, col

from app.kit.models import ReferenceEdition

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")

EDITION = select(col(ReferenceEdition.edition)).scalar_subquery()
"""The edition as a column of another statement."""

_MAXIMUM = 20_000
"""Entries of one shelf; a process that meets more areas than that begins anew."""
_EDITION, _SHELVES = "edition", "shelves"


class Shelves:
    """What one process remembers. Threads may race to fill a shelf; they all put the same on it.

    Nothing is ever taken off a shelf, and an edition never stands without its own shelves: a new one takes the place of
    the old, which whoever is reading it keeps.
    """

    def __init__(self) -> None:
        self._kept: tuple[str | None, dict[str, dict[Any, Any]]] = (None, {})

    def of(self, edition: str, name: str) -> dict[Any, Any]:
        """The shelf of this name, empty where it held another edition."""
        kept, shelves = self._kept
        if kept != edition:
            shelves = {}
            self._kept = (edition, shelves)
        shelf = shelves.setdefault(name, {})
        if len(shelf) > _MAXIMUM:
            shelf = shelves[name] = {}
        return shelf


def told_edition(session: Session, edition: str | None) -> None:
    """Notes the edition that the session's first statement told."""
    session.info[_EDITION] = edition


def edition_of(session: Session) -> str | None:
    """The edition noted for this session, if any."""
    edition: str | None = session.info.get(_EDITION)
    return edition


def session_info(shelves: Shelves, edition: str | None) -> dict[str, Any]:
    """What a new session carries."""
    return {_SHELVES: shelves, _EDITION: edition}


def apart(session: Session, found: dict[KeyT, ValueT]) -> dict[KeyT, ValueT]:
    """Rows of a session as values of their own, that no later session can change."""
    for row in found.values():
        session.expunge(row)
    return found


def remembered(
    session: Session, name: str, keys: Collection[KeyT], load: Callable[[Collection[KeyT]], Mapping[KeyT, ValueT]]
) -> dict[KeyT, ValueT]:
    """What belongs to these keys, from the shelf of this name; `load` reads those that are not on it.

    Values are shared by all threads: nobody may change them. Not for a transaction that itself writes reference data.
    """
    if edition_of(session) is None:
        told_edition(session, session.scalar(select(EDITION)))
    shelf = session.info[_SHELVES].of(edition_of(session), name)
    missing = [key for key in keys if key not in shelf]
    if missing:
        shelf.update(load(missing))
    return {key: shelf[key] for key in keys if key in shelf}
