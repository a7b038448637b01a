"""How long each stage may take, pure; the table of limits is data, and this is what it means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.workdays.calendar import Calendar
from app.workdays.words import Stage, Unit


@dataclass(frozen=True)
class Allowance:
    """How long a stage may take."""

    amount: int
    unit: Unit


def _days(amount: int) -> Allowance:
    return Allowance(amount, Unit.WORKING_DAYS)


def _hours(amount: int) -> Allowance:
    return Allowance(amount, Unit.HOURS)


_ALIKE = {
    Stage.ENDORSE: _days(1),
    Stage.ACCEPT: _days(3),
    Stage.ANSWER: _days(5),
    Stage.CONFIRM: _days(10),
    Stage.CLARIFY: _days(3),
}

NATIONAL_NORMS: Mapping[str, Mapping[Stage, Allowance]] = {
    "information": _ALIKE | {Stage.RESOLVE: _days(5)},
    "ordinary": _ALIKE | {Stage.RESOLVE: _days(14)},
    "oversight": _ALIKE | {Stage.RESOLVE: _days(60)},
    "emergency": {
        Stage.ENDORSE: _hours(1),
        Stage.ACCEPT: _hours(1),
        Stage.ANSWER: _hours(1),
        Stage.RESOLVE: _hours(4),
        Stage.CONFIRM: _days(10),
        Stage.CLARIFY: _hours(1),
    },
}
"""The limits a city begins with; from then on its table counts."""


class Limits:
    """The limits of every class and stage, as they are now."""

    def __init__(self, allowances: Mapping[tuple[str, Stage], Allowance]) -> None:
        self._allowances = dict(allowances)

    def of(self, class_code: str, stage: str) -> Allowance:
        """How long the stage may take for this class; a `LookupError` where the table says nothing."""
        try:
            return self._allowances[class_code, Stage(stage)]
        except KeyError:
            raise LookupError(f"no limit is set for {stage} of class {class_code}") from None

    def amount(self, class_code: str, stage: str) -> int:
        """The number alone; `of` knows what it counts."""
        return self.of(class_code, stage).amount

    def due(self, calendar: Calendar, class_code: str, stage: str, start: datetime) -> datetime:
        """When a stage begun at `start` must be over, in UTC. Hours are clock hours, nights and holidays included."""
        allowance = self.of(class_code, stage)
        if allowance.unit is Unit.HOURS:
            return start.astimezone(UTC) + timedelta(hours=allowance.amount)
        return calendar.due(start, allowance.amount)
