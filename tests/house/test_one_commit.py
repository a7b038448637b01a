"""Only the kit's database commits, so nothing is half done and nothing is told before it is kept."""

import io
import token
import tokenize
from itertools import pairwise
from pathlib import Path

APP = Path(__file__).parents[2] / "app"


def commits(source: str) -> list[int]:
    """Lines on which something named commit is called."""
    words = [each for each in tokenize.generate_tokens(io.StringIO(source).readline) if each.type != token.NL]
    return [
        first.start[0]
        for first, second in pairwise(words)
        if first.type == token.NAME and first.string == "commit" and second.string == "("
    ]


def test_the_search_sees_calls_and_nothing_else() -> None:
    assert commits('x = "commit(" # commit(\nsession.commit ()\ncommit = 1\ndef uncommit(): ...') == [2]


def test_commit_stands_in_the_kit_alone() -> None:
    found = {str(file.relative_to(APP)) for file in APP.rglob("*.py") if commits(file.read_text())}
    assert found == {"kit/database.py"}
