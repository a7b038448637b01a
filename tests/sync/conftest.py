"""The stage of every situation, which the tests of problems set."""

from tests.problems.conftest import stage, stage_of

__all__ = ["stage", "stage_of"]
