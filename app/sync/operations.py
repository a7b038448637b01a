"""What a phone sends, read one operation at a time: one that cannot be read spoils no other."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue, TypeAdapter, ValidationError

from app.kit.house import House
from app.kit.refusals import Refusal, from_validation
from app.kit.words import In, without_control_characters
from app.problems.schemas.parts import AssignmentStepIn
from app.problems.schemas.reports import CommentIn, EditIn, ReportIn
from app.problems.schemas.steps import StepIn
from app.problems.words import Verb
from app.sync.schemas import OperationIn


class AttachedIn(In):
    """A photo that belongs to a problem. Its bytes come by themselves, before or afterwards."""

    photo: UUID
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="Of the bytes as they are sent.")]
    size: Annotated[int, Field(ge=1, le=100 * 1_048_576, description="In bytes.")]

    @property
    def verb(self) -> Verb:
        return Verb.ATTACH


def said_by(operation: OperationIn) -> BaseModel | Refusal:
    """What an operation says, in the shape of its verb; or why it says nothing that could be done."""
    try:
        return _read(operation)
    except ValidationError as error:
        return from_validation(error)


def _read(operation: OperationIn) -> BaseModel:
    data: dict[str, Any] = dict(operation.data)
    based = {"base": operation.base} if operation.base else {}
    if operation.assignment is not None:
        return _adapter("part").validate_python(data | {"verb": operation.verb})
    match operation.verb:
        case Verb.REPORT:
            return ReportIn.model_validate(data | {"id": operation.problem})
        case Verb.EDIT:
            return EditIn.model_validate(data)
        case Verb.COMMENT:
            return CommentIn.model_validate(data | {"id": operation.id} | based)
        case Verb.ATTACH:
            return AttachedIn.model_validate(data)
        case Verb.LINK:
            return _adapter("step").validate_python(data | {"verb": operation.verb} | based)
    return _adapter("step").validate_python(data | {"verb": operation.verb})


@cache
def _adapter(of: str) -> TypeAdapter[BaseModel]:
    return TypeAdapter(AssignmentStepIn if of == "part" else StepIn)


def fingerprint_of(operation: OperationIn) -> str:
    """SHA-256 of all that it says, however its members were ordered.

    Of who told the kelurahan only that somebody did: a hash of a name and a number could be guessed.
    """
    said = operation.model_dump(mode="json", exclude={"data"})  # what it carries is JSON already
    said["data"] = without_reporter(operation.data) | {"reporter": operation.data.get("reporter") is not None}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def kind_of(operation: OperationIn) -> str:
    """Its verb, as people and tables name it: `comment`, or `assignment.accept`."""
    return f"assignment.{operation.verb}" if operation.assignment else operation.verb


_SEALED = "reporter_sealed"


def sealed(house: House, data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What an operation carries, as it may be kept: who told the kelurahan is sealed, as in every other place.

    Characters that no database holds are left out.
    """
    storable = {without_control_characters(name): _storable(each) for name, each in data.items()}
    kept, reporter = without_reporter(storable), storable.get("reporter")
    return kept if reporter is None else {**kept, _SEALED: house.vault.seal(json.dumps(reporter))}


def _storable(node: JsonValue) -> JsonValue:
    if isinstance(node, str):
        return without_control_characters(node)
    if isinstance(node, list):
        return [_storable(each) for each in node]
    if isinstance(node, dict):
        return {without_control_characters(name): _storable(each) for name, each in node.items()}
    return node


def opened(house: House, data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The same as it came."""
    if _SEALED not in data:
        return dict(data)
    return {**without_reporter(data), "reporter": json.loads(house.vault.open(str(data[_SEALED])))}


def without_reporter(data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What others may read of it."""
    return {name: value for name, value in data.items() if name not in ("reporter", _SEALED)}
