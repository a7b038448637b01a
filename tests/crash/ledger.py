"""What clients sent and what they were answered: what the store is held against."""

import threading
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass
class Sent:
    """One write that a client wants, under a name that stays the same however often it is tried."""

    name: str
    """How the server remembers it: `id:…` or `key:…`."""
    problem: UUID
    fact: str
    """The kind of the one fact that it makes."""
    comment: UUID | None = None
    answer: dict[str, Any] | None = None
    """What acknowledged it; None until then."""


class Ledger:
    """Kept by all clients together. The first complaint ends the run."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_closing = False
        self.sent: list[Sent] = []
        self.complaints: list[str] = []
        self.acknowledged = 0
        self.replayed = 0
        """Acknowledged by a repeated answer: the write was kept although its first answer was lost."""
        self.interrupted = 0
        """Tries whose connection broke before an answer came."""

    def send(self, sent: Sent) -> None:
        with self._changed:
            self.sent.append(sent)

    def acknowledge(self, sent: Sent, answer: dict[str, Any], *, is_replay: bool) -> None:
        with self._changed:
            sent.answer = answer
            self.acknowledged += 1
            self.replayed += is_replay
            self._changed.notify_all()

    def interrupt(self) -> None:
        with self._changed:
            self.interrupted += 1

    def complain(self, *complaints: str) -> None:
        with self._changed:
            self.complaints += complaints
            self._changed.notify_all()

    def close(self) -> None:
        """No new writes: everybody brings the one under way to its acknowledgement, and ends."""
        with self._changed:
            self._is_closing = True

    @property
    def is_over(self) -> bool:
        with self._changed:
            return self._is_closing or bool(self.complaints)

    def wait_for(self, acknowledged: int, seconds: float) -> bool:
        """Waits until so many writes were acknowledged, or somebody complains; answers whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.acknowledged >= acknowledged or bool(self.complaints), seconds)

    def acknowledgements(self) -> list[Sent]:
        with self._changed:
            return [each for each in self.sent if each.answer is not None]
