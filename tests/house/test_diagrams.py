"""The diagrams in the documentation are the tables of steps."""

from pathlib import Path

import pytest

from app.problems.lifecycle.diagram import assignment_diagram, problem_diagram

DOCUMENT = Path(__file__).parents[2] / "docs" / "lifecycle.md"


@pytest.mark.parametrize("diagram", [problem_diagram, assignment_diagram])
def test_the_document_shows_what_the_tables_say(diagram: object) -> None:
    assert callable(diagram)
    assert f"```mermaid\n{diagram()}\n```" in DOCUMENT.read_text(), "paste what the function gives"
