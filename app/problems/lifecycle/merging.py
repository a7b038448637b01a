"""Late corrections: what somebody said without knowing what others had changed meanwhile.

Three ways meet field by field: as the author knew it, as others made it, as the author wants it. What others left alone
is taken; what they made the same needs nothing; what they made otherwise stays theirs, and becomes a proposal for a
person to decide. So nothing is overwritten by whoever comes last.
"""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from app.journal.facts import Fact
from app.problems.facts import fact
from app.problems.lifecycle.context import Context
from app.problems.lifecycle.record import Problem
from app.problems.lifecycle.steps import decide
from app.problems.schemas.reports import EditIn
from app.problems.schemas.steps import Answer, Prioritise, Recategorise

CORRECTING: Final = ("edited", "answered", "recategorised", "prioritised")
"""The facts that change what a problem says of itself."""


def is_merged(said: BaseModel | None) -> bool:
    """Whether this says what fields are to hold."""
    return isinstance(said, EditIn | Answer | Recategorise | Prioritise)


def fields_of(kind: str, data: Mapping[str, Any]) -> frozenset[str]:
    """The fields that a correcting fact changed, by its kind and data."""
    match kind:
        case "recategorised":
            return frozenset({"category"})
        case "prioritised":
            return frozenset({"priority"})
    texts = data.get("texts", {}).keys() - {"reason", "answer"}
    return frozenset({*data.get("changes", ()), *data.get("cleared", ()), *texts})


@dataclass(frozen=True)
class Merge:
    """What is left of a late correction."""

    said: BaseModel | None
    """What can be done as it was said; None where nothing is left to do."""
    is_merged: bool
    """Others had corrected something else meanwhile, which stays."""
    kept_back: Mapping[str, Any]
    """Values that others made otherwise: these are proposed."""

    def facts(self, problem: Problem, context: Context, proposal_id: UUID | None, base: int) -> list[Fact]:
        """The facts of what is left, and of the proposal."""
        facts = decide(problem, self.said, context) if self.said is not None else []
        if self.kept_back:
            facts.append(fact("proposal_made", proposal=str(proposal_id), fields=sorted(self.kept_back), base=base))
        return facts


def merge(problem: Problem, said: BaseModel | None, changed: Set[str]) -> Merge:
    """Sorts the fields of `said` by whether others `changed` them, and how they stand now."""
    wanted = wanted_by(said)
    meeting = {name: value for name, value in wanted.items() if name in changed}
    same = {name for name, value in meeting.items() if value_of(problem, name) == value}
    kept_back = {name: value for name, value in meeting.items() if name not in same}
    if not meeting:
        return Merge(said, is_merged=bool(wanted and changed), kept_back={})
    left = _only(said, wanted.keys() - meeting.keys())
    return Merge(left, is_merged=left is not None, kept_back=kept_back)


def wanted_by(said: BaseModel | None) -> dict[str, Any]:
    """The fields that this says, with their values as JSON."""
    match said:
        case EditIn():
            values = said.model_dump(mode="json", exclude_unset=True)
            values.pop("reason", None)
            return values
        case Answer(changes=EditIn() as changes):
            return wanted_by(changes)
        case Recategorise():
            return {"category": said.category}
        case Prioritise():
            return {"priority": said.priority.value}
    return {}


def value_of(problem: Problem, field: str) -> Any:
    """How a field stands, as JSON."""
    match field:
        case "point":
            return None if problem.latitude is None else {"lat": problem.latitude, "lon": problem.longitude}
        case "category":
            return problem.category_code
        case "seen_on":
            return problem.seen_on.isoformat()
        case "source" | "priority":
            return str(getattr(problem, field).value)
    return getattr(problem, field)


def _only(said: BaseModel | None, names: Collection[str]) -> BaseModel | None:
    """The same, of these fields only; None where nothing is left to say."""
    match said:
        case EditIn():
            if not names:
                return None
            kept = {*names, *({"reason"} & said.model_fields_set)}
            return EditIn.model_construct(kept, **{name: getattr(said, name) for name in EditIn.model_fields})
        case Answer():
            return said.model_copy(update={"changes": _only(said.changes, names)})
    return None
