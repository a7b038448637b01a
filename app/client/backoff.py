"""Trying again: later each time, at a random moment, so that a kelurahan's phones do not all come back at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from app.client.protocol import Busy, Unreachable

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True)
class Backoff:
    """Full jitter: before the n-th new try anything from nothing to `first_seconds` · 2ⁿ, at most `longest_seconds`."""

    random: Callable[[], float]
    """From 0 up to 1."""
    sleep: Callable[[float], None]
    tries: int = 5
    first_seconds: float = 1
    longest_seconds: float = 120

    def keep_trying(self, call: Callable[[], AnswerT]) -> AnswerT:
        """Answers what the call answers; raises what it raises at the last try, and at once what no time will mend."""
        for failures in range(self.tries - 1):
            try:
                return call()
            except (Unreachable, Busy) as error:
                asked = (error.retry_after if isinstance(error, Busy) else None) or 0
                if asked > self.longest_seconds:
                    raise
                self.sleep(asked + self.random() * min(self.longest_seconds, self.first_seconds * 2**failures))
        return call()
