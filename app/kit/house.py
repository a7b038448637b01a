"""The assembled app: what one process was given, and one unit of work inside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from sqlmodel import Session

from app.kit.clock import Clock
from app.kit.database import Database
from app.kit.settings import Settings
from app.kit.vault import Vault


class Caller(Protocol):
    """As much of whoever asks as a room below `people` needs to see."""

    @property
    def account_id(self) -> UUID | None: ...
    @property
    def post_id(self) -> UUID | None: ...
    @property
    def is_admin(self) -> bool: ...
    @property
    def view(self) -> str:
        """Names what this caller may see; two callers with one view get the same answer."""
        ...


CallerT_co = TypeVar("CallerT_co", bound=Caller, covariant=True)


@dataclass(frozen=True)
class Credentials:
    """What the headers of a request say about who asks."""

    token: str | None
    post: UUID | None
    for_account: bool = False
    """Only the caller's own account is concerned, so neither a post nor a changed password is asked for."""
    admits: frozenset[str] = frozenset()
    """What the key of a system may name, any of these, to be let in here; without any, no key is."""
    operation: str | None = None
    """What is asked for, as logs name it."""


Subscriber = Callable[["Work[Any]", Sequence[Any]], None]
"""Hears of facts in the transaction that wrote them; writes rows of its own room only; its failure fails the change.

It hears of an import's facts too (`author.is_import`). They are history that other registers kept: whoever would send
something to somebody, or remind anybody, because of a fact, leaves these out.
"""


@dataclass(frozen=True)
class House:
    """What `assemble` gave this process. Rooms find their own parts (a photo store, a throttle) under their name."""

    settings: Settings
    clock: Clock
    database: Database
    vault: Vault
    identify: Callable[["Work[Any]", Credentials], Caller]
    remember_use: Callable[["Work[Any]"], None]
    subscribers: Sequence[Subscriber] = ()
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Work(Generic[CallerT_co]):
    """One unit of work: a transaction, who asks for it, and the one moment it happens at."""

    session: Session
    caller: CallerT_co
    now: datetime
    house: House
    expected_version: int | None = None
    """The version that If-Match names, where the request had one."""
