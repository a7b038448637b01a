"""Proof: whatever is lost, comes twice, late or out of order, whatever is set back or taken away, nothing is lost."""

import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import Databases
from tests.postgres import memory_folder
from tests.sync.machine.machine import Machine
from tests.sync.machine.world import Stage

SEEDS = (1, 2, 3)
EXAMPLES = int(os.environ.get("SYNC_EXAMPLES", "24")) // len(SEEDS)


def settings(examples: int, *phases: Phase) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples,
        stateful_step_count=12,
        deadline=None,
        database=None,
        derandomize=False,
        report_multiple_bugs=False,
        phases=phases or (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def stage(databases: Databases) -> Iterator[Stage]:
    logging.disable()
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        built = Stage(databases, "sqlite", Path(folder))
        yield built
        built.close()
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost(stage: Stage, seed: int) -> None:
    machine = type("Machine", (Machine,), {"stage": stage})
    run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=settings(EXAMPLES))
