"""The grammar of facts: a room says what happened, the journal gives it a place in a log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

IMPORT_POST = "import:"
"""How the post of an import's facts begins; behind it stands the number of the run."""


@dataclass(frozen=True)
class Author:
    """Who made a fact, as everybody may read it; `account_id` is None for the system itself, and for an import."""

    account_id: UUID | None
    name: str
    post: str
    """The post acted under, such as `lurah:35.75.03.1005`, `import:3` or `system`."""
    acting: bool = False
    on_behalf_of: str | None = None

    @property
    def is_import(self) -> bool:
        """Whether an import made it: history from another register. Who would send or remind stays silent."""
        return self.post.startswith(IMPORT_POST)


@dataclass(frozen=True)
class Fact:
    """Something that happened, in the past tense. `data` is plain JSON without free text; `texts` is the free text."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    version: int = 1
    """Of the contract of this kind; what an old one means never changes."""


@dataclass(frozen=True)
class Recorded:
    """A fact with its place: `position` in the log, `version` of the record it is about."""

    log: str
    position: int
    subject: UUID
    version: int
    at: datetime
    author: Author
    fact: Fact
    happened_at: datetime | None = None
    """When it happened by the clock of whoever recorded it, where that differs from when we received it."""
    record: object | None = None
    """What the fact made of the record it is about, as its room knows it; told to subscribers, stored nowhere here."""
