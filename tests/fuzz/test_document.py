"""The whole document, as every post: data that fits its shapes, data that does not, and the boundaries of both."""

import zlib
from collections.abc import Iterable
from typing import Any

import hypothesis
import pytest
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.generation.drivers import CoverageGenerator
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.overrides import Override
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.fuzz.conftest import WHOLE, tell
from tests.fuzz.visitor import Visitor

MADE_UP = {GenerationMode.POSITIVE: 100 if WHOLE else 20, GenerationMode.NEGATIVE: 20 if WHOLE else 4}
"""How many requests are made up for each operation, beside those at its boundaries."""
TAKES_NOTHING = {"GET /healthz", "GET /readyz"}
"""Where nothing can be wrong."""


def test_every_answer_is_as_the_document_says(
    document: OpenApiSchema, visitor: Visitor, subtests: pytest.Subtests
) -> None:
    operations = [each.ok() for each in document.get_all_operations() if isinstance(each, Ok)]
    assert len(operations) == len({operation["operationId"] for operation in _told(document)})
    for operation in operations:
        with subtests.test(operation.label):
            for case in _boundaries(operation):
                visitor.visit(case)
            for mode in GenerationMode:
                _make_up(operation, mode, visitor)
            assert [told for told in visitor.complaints if told.startswith(f"{operation.label}:")] == []
    tell(visitor)


def _told(document: OpenApiSchema) -> Iterable[Any]:
    return (operation for path in document.raw_schema["paths"].values() for operation in path.values())


def _boundaries(operation: APIOperation[Any, Any, Any, Any]) -> Iterable[Case[Any]]:
    return CoverageGenerator(
        operation=operation,
        generation_modes=list(GenerationMode),
        generation_config=operation.schema.config.generation_for(operation=operation, phase="coverage"),
        auth_storage=None,
        override=Override(),
        feedback=FeedbackSources(),
    )


def _make_up(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, visitor: Visitor) -> None:
    if operation.label in TAKES_NOTHING and mode.is_negative:
        return

    @hypothesis.seed(zlib.crc32(f"{visitor.seed} {mode} {operation.label}".encode()))
    @hypothesis.settings(
        max_examples=MADE_UP[mode],
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(mode))
    def send(case: Case[Any]) -> None:
        visitor.visit(case)

    send()
