"""What events hold: nothing that names a person, nothing that somebody wrote, and no more than is promised."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from jsonschema_rs import Draft202012Validator
from jsonschema_rs import ValidationError as NotByTheSchema
from pydantic import ValidationError

from app.assembly import create_app
from app.docs.document import HERE, in_indonesian
from app.docs.translation import read_catalogue
from app.kit.ids import new_id
from app.kit.settings import Settings
from app.problems.facts import FACTS
from app.problems.schemas.reports import EditIn
from app.webhooks.payloads import PAYLOADS, SHAPES, FieldName, PayloadTooLarge, example_of, payload_text
from app.webhooks.telling import TELLING, Told, Untold
from app.webhooks.words import PAYLOAD_MAXIMUM, EventType

MOMENT = datetime(2026, 3, 4, 3, 15, tzinfo=UTC)
EVERY_TYPE = [pytest.param(type_, id=type_.value) for type_ in EventType]

MEMBERS = {
    *("type", "timestamp", "data", "problem", "assignment", "by"),
    *("id", "number", "state", "version", "category", "area", "priority", "due_at", "href"),
    *("agency", "lead"),
    *("origin", "alerted", "fields", "moved_from", "moved_to", "offered", "binding", "returned_to", "question"),
    *("resolution", "worked_by", "photos", "photo", "reason_code", "review_on", "automatic", "rating", "cause"),
    *("closing", "main", "outcome", "level", "comment", "internal", "late", "other", "link", "percent", "belongs_to"),
    *("endpoint", "disabled_by", "failing_since"),
}
"""Every member that an event may have. Whoever adds one says here that it holds no personal data, and no text."""
FORMATS = {"uuid", "date", "date-time"}
PATTERNS = {
    r"^[0-9.]{13}-[0-9]{4,10}$": "a problem's number",
    r"^[a-z_]+(:[A-Za-z0-9.-]{1,20})?$": "an office",
    r"^[A-Z0-9][A-Z0-9.-]*$": "an agency's code",
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "a category's code",
    r"^[0-9]{2}(\.[0-9]{2}(\.[0-9]{2}(\.[0-9]{4})?)?)?$": "an area's code",
}
"""What text may look like that is neither an id, a moment nor one of a few words."""
ADDRESS = re.compile(r"\^https\?://\[\^/\?#@\\s\]\+/api/v1/(problems|assignments)/.*\$")


def schema_of(type_: EventType) -> dict[str, Any]:
    return PAYLOADS[type_].model_json_schema()


def nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema and each one that it is made of; what it refers to stands among its definitions."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ())]
    for each in [*inner, *schema.get("oneOf", ()), *([schema["items"]] if "items" in schema else ())]:
        yield from nodes(each)


@pytest.mark.parametrize("type_", EVERY_TYPE)
def test_no_member_can_hold_personal_data_or_free_text(type_: EventType) -> None:
    for node in nodes(schema_of(type_)):
        if "properties" in node:
            assert set(node["properties"]) <= MEMBERS
            assert node["additionalProperties"] is False
            assert set(node["required"]) == set(node["properties"]), "what is told is always there"
        if node.get("type") == "string" and "enum" not in node and "const" not in node:
            pattern = node.get("pattern", "")
            assert node.get("format") in FORMATS or pattern in PATTERNS or ADDRESS.fullmatch(pattern), node
        assert node.get("type") in (None, "string", "integer", "boolean", "array", "object", "null"), node
        assert node.get("type") is not None or {"anyOf", "oneOf", "$ref", "enum", "const"} & node.keys(), (
            f"whatever one likes would fit: {node}"
        )


def test_the_walk_finds_what_it_is_there_for() -> None:
    """A member that could hold a name would be noticed, wherever it stood."""
    schema = schema_of(EventType.PROBLEM_ASSIGNED)
    members = {name for node in nodes(schema) for name in node.get("properties", ())}
    assert members >= {"number", "lead", "href", "offered"}
    patterns = {node["pattern"] for node in nodes(schema) if "pattern" in node}
    assert len(patterns) >= 6
    for free in ("Saluran tersumbat di depan rumah Pak Budi", "Budi", "+62 811 0000 0000", "Jl. Wachid Hasyim 12"):
        assert not any(re.search(pattern, free) for pattern in patterns)


@pytest.mark.parametrize("type_", EVERY_TYPE)
def test_each_type_has_a_meaning_and_an_example_that_is_one(type_: EventType) -> None:
    assert SHAPES[type_].meaning.endswith(".")
    example = example_of(type_)
    assert example["type"] == type_.value
    assert set(example) == {"type", "timestamp", "data"}
    Draft202012Validator(schema_of(type_), validate_formats=True).validate(example)
    text = payload_text(type_, MOMENT, example["data"])
    assert json.loads(text) == example
    assert len(text.encode()) <= 2_000


@pytest.mark.parametrize("type_", EVERY_TYPE)
def test_what_a_type_does_not_declare_is_refused(type_: EventType) -> None:
    data = example_of(type_)["data"]
    with pytest.raises(ValidationError, match="title"):
        payload_text(type_, MOMENT, data | {"title": "Saluran tersumbat"})
    with pytest.raises(ValidationError, match="by"):
        payload_text(type_, MOMENT, data | {"by": "Siti Rahmawati"})
    if "problem" in data:
        with pytest.raises(ValidationError, match="note"):
            payload_text(type_, MOMENT, data | {"problem": data["problem"] | {"note": "Rumah Bu Siti"}})


def test_an_event_is_never_larger_than_promised() -> None:
    for type_ in EventType:
        data = example_of(type_)["data"]
        if "photos" in data:
            data["photos"] = [str(new_id()) for _ in range(20)]
        if "fields" in data:
            data["fields"] = list(get_args(FieldName))
        assert len(payload_text(type_, MOMENT, data).encode()) <= PAYLOAD_MAXIMUM
    data = example_of(EventType.PROBLEM_EDITED)["data"]
    with pytest.raises(PayloadTooLarge):
        payload_text(EventType.PROBLEM_EDITED, MOMENT, data | {"fields": ["description"] * 2_000})


# -- facts and types -------------------------------------------------------------------------------------------------


def test_each_kind_of_fact_is_told_or_there_is_a_reason() -> None:
    assert TELLING.keys() == FACTS.keys()
    for kind, telling in TELLING.items():
        assert isinstance(telling, Told) or len(telling.because) > 20, kind
    untold = {kind for kind, telling in TELLING.items() if isinstance(telling, Untold)}
    assert untold == {
        *("moved_out", "move_proposed", "operation_adopted", "operation_dismissed"),
        *("proposal_made", "proposal_accepted", "proposal_dismissed"),
    }


def test_each_type_is_something_that_happens() -> None:
    of_facts = {telling.type for telling in TELLING.values() if isinstance(telling, Told)}
    of_endpoints = {EventType.ENDPOINT_DISABLED, EventType.ENDPOINT_RECOVERED, EventType.PING}
    assert of_facts | of_endpoints == set(EventType) == set(SHAPES)
    assert not of_facts & of_endpoints


def test_the_names_of_fields_are_those_that_can_be_corrected() -> None:
    assert set(get_args(FieldName)) == EditIn.model_fields.keys() - {"reason"}


# -- the document ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    app = create_app(Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data"), background=False))
    yield app.openapi()
    app.state.house.database.close()


def test_each_type_is_in_the_document_with_headers_body_and_answers(document: dict[str, Any]) -> None:
    assert document["webhooks"].keys() == set(EventType)
    for name, path in document["webhooks"].items():
        operation = path["post"]
        assert operation["description"] == SHAPES[EventType(name)].meaning
        assert "security" not in operation
        headers = {each["name"]: each for each in operation["parameters"]}
        assert headers.keys() == {"webhook-id", "webhook-timestamp", "webhook-signature"}
        assert all(each["in"] == "header" and each["required"] and each["description"] for each in headers.values())
        assert operation["responses"].keys() == {"204", "410", "3XX", "4XX", "5XX"}
        assert "Retry-After" in operation["responses"]["5XX"]["headers"]
        media = operation["requestBody"]["content"]["application/json"]
        schema = {**media["schema"], "components": document["components"]}
        validator = Draft202012Validator(schema, validate_formats=True)
        assert media["example"] == example_of(EventType(name))
        validator.validate(media["example"])
        with pytest.raises(NotByTheSchema, match="additionalProperties"):
            validator.validate(media["example"] | {"note": "x"})


def test_it_is_retold_for_indonesian_readers_without_a_change(document: dict[str, Any]) -> None:
    retold = in_indonesian(document, read_catalogue(HERE / "id.po"))
    for name, path in document["webhooks"].items():
        other = retold["webhooks"][name]["post"]
        assert other["requestBody"] == path["post"]["requestBody"]
        assert other["operationId"] == path["post"]["operationId"]
