"""From answer to answer, along the links of the document: what one operation told is what the next is given."""

from contextlib import suppress
from typing import Any

import hypothesis
from fastapi import FastAPI
from schemathesis import Case
from schemathesis.core.transport import Response
from schemathesis.generation.stateful.state_machine import APIStateMachine, StepInput, StepOutput
from schemathesis.specs.openapi.schemas import OpenApiSchema

from app.docs.completion import LINKS
from app.docs.document import operations
from tests.fuzz.conftest import WHOLE, tell
from tests.fuzz.visitor import Visitor

REQUESTS = 5_000 if WHOLE else 1_500
STEPS = 30
SETTINGS = hypothesis.settings(
    max_examples=REQUESTS // STEPS,
    stateful_step_count=STEPS,
    deadline=None,
    database=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)


def test_every_answer_along_the_links_is_as_the_document_says(document: OpenApiSchema, visitor: Visitor) -> None:
    machine: type[APIStateMachine] = document.as_state_machine()
    followed: set[str] = set()

    class Journey(machine):  # type: ignore[misc, valid-type]  # made of the document
        def step(self, input: StepInput) -> StepOutput:  # noqa: A002 - Schemathesis' word
            output: StepOutput = super().step(input)
            if input.transition is not None and input.is_applied and output.response.status_code < 300:
                followed.add(input.transition.id)
            return output

        def call(self, case: Case[Any], **_: Any) -> Response:
            return visitor.visit(case, led=True)

        def validate_response(self, response: Response, case: Case[Any], *_: Any, **__: Any) -> None:
            """The visitor has judged it."""

    journeys = 0
    while visitor.sent.total() < REQUESTS:
        journeys, before = journeys + 1, visitor.sent.total()
        with suppress(hypothesis.errors.Flaky):  # the town moves on between journeys, so none can be repeated
            hypothesis.seed(journeys)(Journey).run(settings=SETTINGS)
        assert visitor.sent.total() > before
    tell(visitor)
    print(f"{len(followed)} links followed to a good answer")
    assert followed or visitor.who is None
    assert list(visitor.complaints.values()) == []


def test_every_link_gives_its_target_what_it_needs(visited_app: FastAPI) -> None:
    known = dict(operations(visited_app.openapi()))
    for source, given, targets in LINKS:
        for target in targets:
            parameters = {each["name"]: each for each in known[target]["parameters"]}
            assert set(given) <= set(parameters), (source, target)
            assert {name for name, each in parameters.items() if each["required"]} <= set(given), (source, target)
        for expression in given.values():
            assert _resolved(known[source], expression) is not None, (source, expression)


def _resolved(operation: dict[str, Any], expression: str) -> Any:
    """What a link finds in the exchange that the document shows."""
    where, _, pointer = expression.removeprefix("$").partition("#")
    if where == "response.body":
        answered = next(each for status, each in operation["responses"].items() if status.startswith("2"))
        found = answered["content"]["application/json"]["example"]
        for part in pointer.strip("/").split("/"):
            found = found[int(part) if part.isdigit() else part]
        return found
    _, place, name = where.split(".")
    return next(each["example"] for each in operation["parameters"] if (each["in"], each["name"]) == (place, name))
