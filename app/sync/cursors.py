"""How far a log was read: `position.check`.

The check has two halves: of the fact that stood at that position, and of the view it was read in. Another fact there,
or none, says that the server was set back to a backup; another view, that the rights of the post changed, or that the
phone speaks for another post. Either way the device reads that log from its beginning.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from app.people.actors import Actor
from app.problems import policy
from app.sync.words import Resync

_HALF = 6


class Standing(Protocol):
    """As much of a fact in its log as tells it from any other."""

    @property
    def subject(self) -> UUID: ...
    @property
    def version(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True)
class Cursor:
    """A cursor that a device was given."""

    position: int
    fact: str
    view: str


def read(text: str) -> Cursor:
    """A cursor of the shape that `words.Cursor` lets in."""
    position, _, check = text.partition(".")
    return Cursor(int(position), check[:_HALF], check[_HALF:])


def written(log: str, position: int, floor: int, standing: Standing | None, actor: Actor) -> str:
    """The cursor of a position, given the fact that stands there.

    Below the floor it also says under which floor the reading goes on: one that began there misses no mark.
    """
    under = floor if position < floor else None
    return f"{position}.{_fact(log, position, standing)}{_view(actor, under)}"


def fault(cursor: Cursor, log: str, head: int, floor: int, standing: Standing | None, actor: Actor) -> Resync | None:
    """Why the log has to be read anew, if it has to be."""
    if cursor.position > head or cursor.fact != _fact(log, cursor.position, standing):
        return Resync.REWOUND
    if cursor.position < floor:
        if cursor.view == _view(actor, floor):
            return None
        return Resync.FLOOR if cursor.view == _view(actor, None) else Resync.VIEW
    return None if cursor.view == _view(actor, None) else Resync.VIEW


def _fact(log: str, position: int, standing: Standing | None) -> str:
    if standing is None:
        return _hashed(log, position)
    return _hashed(log, position, standing.subject, standing.version, standing.kind, standing.at.isoformat())


def _view(actor: Actor, floor: int | None) -> str:
    """The post itself is part of it: a row of its own for each time that somebody is appointed."""
    return _hashed(actor.view, actor.post_id, policy.VERSION, *([] if floor is None else [floor]))


def _hashed(*parts: Any) -> str:
    return hashlib.sha256(" ".join(str(each) for each in parts).encode()).hexdigest()[:_HALF]
