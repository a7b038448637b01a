"""Permissions with two faces: one rule answers for a record (yes or no) and for its table (a WHERE clause).

Atoms are written once with both faces; `&`, `|` and `~` combine both at once, so a list and a detail built from the
same rule cannot disagree. A rule also knows which kinds of caller it can ever be true for.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, False_, True_, and_, not_, or_
from sqlalchemy.sql.elements import AsBoolean

from app.kit.house import Caller, Work
from app.kit.refusals import NotPermitted

WhoT = TypeVar("WhoT")
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True)
class Rule(Generic[WhoT]):
    """`holds(who, record, now)` for one record, `where(who, now)` for its table, `kinds` whom it can ever hold for."""

    holds: Callable[[WhoT, Any, Any], bool]
    where: Callable[[WhoT, Any], ColumnElement[bool]]
    kinds: Set[str] | None = None
    """Kinds of caller this rule can be true for; None means any."""

    def __and__(self, other: "Rule[WhoT]") -> "Rule[WhoT]":
        if self.kinds is None or other.kinds is None:
            kinds = other.kinds if self.kinds is None else self.kinds
        else:
            kinds = self.kinds & other.kinds
        return Rule(
            lambda who, record, now: self.holds(who, record, now) and other.holds(who, record, now),
            lambda who, now: _folded(and_(self.where(who, now), other.where(who, now))),
            kinds,
        )

    def __or__(self, other: "Rule[WhoT]") -> "Rule[WhoT]":
        kinds = None if self.kinds is None or other.kinds is None else self.kinds | other.kinds
        return Rule(
            lambda who, record, now: self.holds(who, record, now) or other.holds(who, record, now),
            lambda who, now: _folded(or_(self.where(who, now), other.where(who, now))),
            kinds,
        )

    def __invert__(self) -> "Rule[WhoT]":
        return Rule(
            lambda who, record, now: not self.holds(who, record, now),
            lambda who, now: not_(self.where(who, now)),
        )

    def ever(self, kind: str) -> bool:
        """Whether a caller of this kind could be allowed by some record."""
        return self.kinds is None or kind in self.kinds


def _folded(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """A plain yes or no as such again, for the next `and_` or `or_` to leave out: no index helps `0 = 1 OR …`."""
    constant = condition.element if isinstance(condition, AsBoolean) else None
    return constant if isinstance(constant, True_ | False_) else condition


def only_admin(caller: Caller) -> None:
    """Refuses whoever does not act as admin."""
    if not caller.is_admin:
        raise NotPermitted("Only an admin may do this.")


def by_admin(unit: Callable[[Work[Any]], AnswerT]) -> Callable[[Work[Any]], AnswerT]:
    """The same unit of work, for an admin only."""

    def guarded(work: Work[Any]) -> AnswerT:
        only_admin(work.caller)
        return unit(work)

    return guarded
