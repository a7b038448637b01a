"""Every operation is locked, named, explained, and says which noes it may answer with."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.assembly import create_app
from app.kit.refusals import MEDIA_TYPE, every_refusal
from app.kit.settings import Settings

OPEN = {"log_in", "create_token", "read_health", "read_readiness"}
"""Who knocks here need not have come in yet."""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    app = create_app(Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data"), background=False))
    yield app.openapi()
    app.state.house.database.close()


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By operationId; walked in the document because routers are not flat."""
    found = [operation for path in document["paths"].values() for operation in path.values()]
    named = {operation["operationId"]: operation for operation in found}
    assert len(named) == len(found), "an operationId is used twice"
    return named


def lacking(operations: dict[str, dict[str, Any]], needs: Any) -> list[str]:
    return sorted(name for name, operation in operations.items() if not needs(name, operation))


def test_every_operation_is_locked_but_the_listed_ones(operations: dict[str, dict[str, Any]]) -> None:
    assert {name for name, operation in operations.items() if not operation.get("security")} == OPEN


def test_every_operation_is_named_and_explained(operations: dict[str, dict[str, Any]]) -> None:
    assert not lacking(operations, lambda name, _: re.fullmatch(r"[a-z]+(_[a-z]+)*", name))
    assert not lacking(operations, lambda _, operation: operation.get("summary") and operation.get("description"))


def test_every_tag_is_introduced(document: dict[str, Any], operations: dict[str, dict[str, Any]]) -> None:
    introduced = {tag["name"] for tag in document["tags"]}
    assert not lacking(operations, lambda _, operation: operation.get("tags") and set(operation["tags"]) <= introduced)


def test_every_operation_says_what_it_may_refuse(operations: dict[str, dict[str, Any]]) -> None:
    everywhere = {"413", "422", "503"}
    assert not lacking(operations, lambda _, operation: everywhere <= set(operation["responses"]))
    assert not lacking(operations, lambda name, operation: name in OPEN or "401" in operation["responses"])


def test_what_is_named_in_a_path_may_be_missing(document: dict[str, Any]) -> None:
    reads = [path["get"] for name, path in document["paths"].items() if "{" in name and "get" in path]
    assert reads
    assert [read["operationId"] for read in reads if "404" not in read["responses"]] == []


def test_every_refusal_is_problem_json_with_a_known_code(operations: dict[str, dict[str, Any]]) -> None:
    codes = {refusal.code for refusal in every_refusal()}
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            if status >= "400":
                assert set(response["content"]) == {MEDIA_TYPE}, (name, status)
                assert set(response["content"][MEDIA_TYPE]["examples"]) <= codes, (name, status)


def test_every_refusal_has_its_own_code_and_both_languages() -> None:
    refusals = list(every_refusal())
    assert len({refusal.code for refusal in refusals}) == len({*refusals})
    for refusal in refusals:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", refusal.code)
        assert refusal.title
        assert refusal.judul


def test_every_list_is_paged(document: dict[str, Any], operations: dict[str, dict[str, Any]]) -> None:
    for name, operation in operations.items():
        if name.startswith("list_"):
            asked = {each["name"] for each in operation["parameters"]}
            reference = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
            page = document["components"]["schemas"][reference.rpartition("/")[2]]
            assert {"limit", "after"} <= asked, name
            assert set(page["properties"]) == {"items", "next"}, name


def json_of(operation: dict[str, Any]) -> Any:
    return operation.get("requestBody", {}).get("content", {}).get("application/json", {})


def test_no_unknown_field_is_taken(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    sent = {
        reference
        for path in document["paths"].values()
        for operation in path.values()
        for reference in re.findall(r"#/components/schemas/([A-Za-z0-9_]+)", str(json_of(operation)))
    }
    bodies = {name for name in sent if schemas[name].get("type") == "object"}
    assert bodies
    assert {name for name in bodies if schemas[name].get("additionalProperties") is not False} == set()


def test_the_document_is_the_one_that_is_served(tmp_path: Path) -> None:
    """Assembling twice gives the same document, so a client generated from it stays true."""
    made = []
    for name in ("one", "two"):
        app = create_app(Settings(_env_file=None, data_dir=tmp_path / name, background=False))
        made.append(app.openapi())
        app.state.house.database.close()
    assert made[0] == made[1]
