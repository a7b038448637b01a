"""Every fact is in the published contract, and every kind of the contract can be read."""

import pytest

from app.problems.facts import FACTS, fact
from app.problems.lifecycle import evolve


def test_each_kind_of_the_contract_can_be_read() -> None:
    assert FACTS.keys() == {"reported", *evolve._CHANGES}


def test_a_fact_says_nothing_that_the_contract_does_not_know() -> None:
    with pytest.raises(LookupError, match="phone"):
        fact("forwarded", phone="0811")
    with pytest.raises(LookupError, match="reason"):
        fact("forwarded", {"reason": "x"})
    with pytest.raises(KeyError):
        fact("vanished")
