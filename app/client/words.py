"""What the phone says and is told, by names of the protocol."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SCHEMA = 1
"""The version of the shapes that this app speaks."""
OPERATIONS_MAXIMUM = 500
OPERATIONS_BYTES = 900_000
"""Of one push, before gzip; the server takes 1 MiB, and the rest of the call wants room."""
PULL_BYTES = 100_000
"""A longer pull goes by itself, and not along with a push."""
OPERATION_BYTES = 256_000
"""More than any verb carries; what is longer is refused when it is recorded, not days later."""


class Tick(StrEnum):
    """How far a problem has come on its way up; worked out on the phone."""

    RECORDED = "recorded"
    RECEIVED = "received"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True)
class Request:
    """One call, and what has to be remembered until its answer comes."""

    path: str
    post: str | None
    """The post that pulls."""
    body: dict[str, Any]
    epoch: int
    """How often the server was found to be rewound; an answer from before such a moment is not believed."""
    accepted: int
    """Operations up to this number were taken when the call was made, so that the documents it brings tell of them."""

    @property
    def operations(self) -> list[str]:
        return [each["id"] for each in self.body.get("operations", ())]


@dataclass(frozen=True)
class Recorded:
    """An operation that is safe on this phone."""

    operation: str
    problem: str
    photo: str | None = None


@dataclass(frozen=True)
class Pulled:
    """What applying an answer did."""

    applied: bool
    """False: it answered a question that is no longer ours, and changed nothing."""
    moved: bool = False
    """It brought this phone further."""
    more: bool = False
    documents: int = 0
    rewound: bool = False
    mismatched: tuple[str, ...] = ()
    """Logs in which the phone and the server counted differently; they are read anew. Tell the developers."""


@dataclass(frozen=True)
class Waiting:
    """An operation of the outbox or of the quarantine, for whoever recorded it."""

    id: str
    problem: str
    verb: str
    recorded_at: str
    data: dict[str, Any]
    refusal: dict[str, Any] | None
    """Why it was refused or is held."""


@dataclass(frozen=True)
class Photo:
    """A photo whose bytes have not arrived at the server."""

    id: str
    size: int
    """In bytes."""
    refusal: str | None
    """Why the server will never take them."""


@dataclass(frozen=True)
class Problem:
    """A problem as its list shows it: the server's document, with what was done here laid over it."""

    id: str
    tick: Tick
    document: dict[str, Any] | None
    """None: recorded here, and not come back yet."""
    title: str
    area: str | None
    pending: tuple[Waiting, ...] = field(default=())
    """Done here, and told by no document yet."""
