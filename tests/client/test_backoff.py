import pytest

from app.client.backoff import Backoff
from app.client.protocol import Busy, Refused, Unreachable


class Failing:
    """Fails so many times, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return "answered"


def test_the_wait_doubles_up_to_the_longest_and_any_part_of_it_is_chosen() -> None:
    slept: list[float] = []
    failing = Failing(*[Unreachable()] * 5)
    backoff = Backoff(lambda: 0.25, slept.append, tries=6, first_seconds=4, longest_seconds=20)
    assert backoff.keep_trying(failing) == "answered"
    assert slept == [1, 2, 4, 5, 5]


def test_the_last_failure_is_told_and_a_no_is_told_at_once() -> None:
    failing = Failing(*[Unreachable()] * 3)
    with pytest.raises(Unreachable):
        Backoff(lambda: 0, lambda _: None, tries=3).keep_trying(failing)
    assert failing.calls == 3
    refusing = Failing(Refused(409, {"code": "conflict"}))
    with pytest.raises(Refused):
        Backoff(lambda: 0, lambda _: None, tries=3).keep_trying(refusing)
    assert refusing.calls == 1


def test_a_server_that_asks_for_more_time_than_anybody_waits_is_left_alone() -> None:
    slept: list[float] = []
    failing = Failing(Busy(503, {}, 30), Busy(503, {}, 3_600))
    with pytest.raises(Busy):
        Backoff(lambda: 0.5, slept.append, tries=9, first_seconds=2).keep_trying(failing)
    assert slept == [31]
