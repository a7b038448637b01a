"""Field types for what comes from outside: text that a database can hold, numbers that fit, moments that are aware."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

_CONTROL_IN_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_IN_PROSE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def without_control_characters(text: str) -> str:
    """The text without what no text here may hold; newlines and tabs stay."""
    return _CONTROL_IN_PROSE.sub("", text)


def _line(text: str) -> str:
    if _CONTROL_IN_LINE.search(text):
        raise ValueError("control characters are not allowed")
    return unicodedata.normalize("NFC", text)


def _prose(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _CONTROL_IN_PROSE.search(text):
        raise ValueError("control characters are not allowed")
    return unicodedata.normalize("NFC", text)


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_line)]
"""Text on one line, NFC, without control characters; add a `Field(max_length=…)`."""

Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_prose)]
"""Text of several lines, NFC, without control characters but newline and tab; add a `Field(max_length=…)`."""

Reason = Annotated[
    Prose,
    Field(
        max_length=2_000,
        description="Why, in a sentence people will read.",
        examples=["Mohon dilengkapi foto dan nama gang."],
    ),
]


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("outside the years that a calendar has") from error


Timestamp = Annotated[AwareDatetime, AfterValidator(_utc)]
"""An RFC 3339 moment with its offset; kept as UTC."""

COUNT_MAXIMUM = 2**31 - 1
Count = Annotated[int, Field(ge=0, le=COUNT_MAXIMUM)]


def _chosen_by_client(chosen: UUID) -> UUID:
    if chosen.version == 5:  # made from names here, where facts are about something that has no id of its own
        raise ValueError("ids of this version are not for clients to choose")
    return chosen


ClientId = Annotated[
    UUID,
    AfterValidator(_chosen_by_client),
    Field(description="A UUIDv7 chosen by the client; sending it twice has effect once."),
]


class In(BaseModel):
    """Shape of outside data: an unknown field is refused, never ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class Out(BaseModel):
    """Shape of an answer. Fields have no defaults, so generated clients know that they are always there."""

    model_config = ConfigDict(from_attributes=True, ser_json_temporal="iso8601")
