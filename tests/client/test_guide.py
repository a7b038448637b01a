"""docs/sync-clients.md shows the wire shapes as they are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from app.kit.refusals import refusals_by_code
from app.sync.schemas import PullIn, PullOut, PushIn, PushOut
from app.sync.words import Outcome

GUIDE = (Path(__file__).parents[2] / "docs" / "sync-clients.md").read_text()
EXAMPLES = {
    name: json.loads(text) for name, text in re.findall(r"<!-- (\w+) -->\n```json\n(.+?)\n```", GUIDE, re.DOTALL)
}


def members(value: Any) -> Any:
    """What is named, whatever it says."""
    if isinstance(value, dict):
        return {name: members(each) for name, each in value.items()}
    return [members(each) for each in value] if isinstance(value, list) else None


@pytest.mark.parametrize("shape", [PullIn, PushIn])
def test_what_a_phone_says_is_accepted(shape: type[BaseModel]) -> None:
    shape.model_validate(EXAMPLES[shape.__name__])


@pytest.mark.parametrize("shape", [PullOut, PushOut])
def test_what_it_is_told_has_these_members_and_no_others(shape: type[BaseModel]) -> None:
    example = EXAMPLES[shape.__name__]
    known = {f"{name}_" if name == "from" else name: value for name, value in example.items()}
    told = shape.model_validate(known).model_dump(mode="json", by_alias=True)
    assert members(told) == members(example)


def test_every_refusal_and_outcome_in_it_exists_and_no_outcome_is_missing() -> None:
    table = GUIDE.split("## Refusals")[1]
    named = {code for row in re.findall(r"^\| \d{3}.*?\|", table, re.MULTILINE) for code in re.findall(r"`(\w+)`", row)}
    assert len(named) > 10
    assert named <= refusals_by_code().keys()
    assert set(re.findall(r"^\| `(\w+)` \|", GUIDE, re.MULTILINE)) == set(Outcome)
