"""The document: whole in two languages, lived-in examples, diagrams and glossary that are the tables themselves."""

import csv
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from babel.messages import Catalog
from babel.messages.pofile import read_po, write_po
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.assembly import create_app
from app.docs.document import HERE, LABELLED, glossary, in_indonesian, operations, texts_of
from app.docs.translation import read_catalogue
from app.kit.edge import UPLOAD_MEDIA_TYPE
from app.kit.refusals import MEDIA_TYPE, every_refusal
from app.kit.settings import Settings
from app.problems.lifecycle.diagram import Arrows, assignment_arrows, problem_arrows
from app.webhooks.words import EventType

PROJECT = Path(__file__).parents[2]
SNAPSHOT = PROJECT / "docs" / "openapi.json"
TRANSLATION = HERE / "id.po"
RECORD = bool(os.environ.get("RECORD"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data"), background=False)
    app = create_app(settings)
    yield app
    app.state.house.database.close()


@pytest.fixture(scope="module")
def english(served: FastAPI) -> dict[str, Any]:
    return served.openapi()


@pytest.fixture(scope="module")
def indonesian(english: dict[str, Any]) -> dict[str, Any]:
    return in_indonesian(english, read_catalogue(TRANSLATION))


@pytest.fixture
async def browser(served: FastAPI) -> Any:
    async with AsyncClient(transport=ASGITransport(app=served), base_url="http://testserver") as client:
        yield client


# -- two languages ---------------------------------------------------------------------------------------------------


def test_the_translation_is_complete_and_holds_nothing_else(english: dict[str, Any]) -> None:
    """`RECORD=1` adds what is missing, to be translated, and drops what nobody says any more."""
    told = texts_of(english)
    with TRANSLATION.open("rb") as file:
        kept = {str(each.id): str(each.string) for each in read_po(file) if each.id}
    if RECORD:
        _write_translation({text: kept.get(text, "") for text in told})
    assert [text for text in told if not kept.get(text)] == [], "untranslated"
    assert sorted(set(kept) - set(told)) == [], "said no longer"


def _write_translation(texts: dict[str, str]) -> None:
    catalogue = Catalog(locale="id", project="Ujung Tombak", version="1", charset="utf-8")
    for text, translation in texts.items():
        catalogue.add(text, translation)
    with TRANSLATION.open("wb") as file:
        write_po(file, catalogue, width=120, omit_header=False)
    lines = TRANSLATION.read_text(encoding="utf-8").splitlines()
    kept = [
        line for line in lines if not re.match(r'"(POT-Creation|PO-Revision|Last-Tr|Language-Team|Generated)', line)
    ]
    TRANSLATION.write_text(
        "\n".join(line for line in kept if not line.startswith("#")).strip() + "\n", encoding="utf-8"
    )


def test_code_and_addresses_survive_translation() -> None:
    """What stands in backticks, and where a link leads, is no matter of language."""
    for text, translation in read_catalogue(TRANSLATION).texts.items():
        for pattern in (r"`[^`]+`", r"\]\([^)]+\)"):
            assert sorted(re.findall(pattern, text)) == sorted(re.findall(pattern, translation)), text


def test_both_documents_differ_in_words_alone(english: dict[str, Any], indonesian: dict[str, Any]) -> None:
    assert _wordless(english) == _wordless(indonesian)
    assert english["info"]["summary"] != indonesian["info"]["summary"]


def _wordless(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: "…" if key in ("summary", "description", "title") and isinstance(each, str) else _wordless(each)
            for key, each in node.items()
        }
    return [_wordless(each) for each in node] if isinstance(node, list) else node


def test_refusals_are_told_in_the_language_of_the_document(english: dict[str, Any], indonesian: dict[str, Any]) -> None:
    refusals = {refusal.code: refusal for refusal in every_refusal()}
    for document, title in ((english, "title"), (indonesian, "judul")):
        shown = 0
        for _, operation in operations(document):
            for response in operation["responses"].values():
                for code, example in response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}).items():
                    assert example["value"]["title"] == getattr(refusals[code], title)
                    assert getattr(refusals[code], title) in response["description"]
                    shown += 1
        assert shown > 400


async def test_indonesian_is_served_unless_english_is_asked_for(browser: AsyncClient) -> None:
    for query, language in (("", "id"), ("?lang=id", "id"), ("?lang=en", "en")):
        page = await browser.get(f"/docs{query}")
        assert f'<html lang="{language}">' in page.text
        assert f"/openapi.json?lang={language}" in page.text
        document = await browser.get(f"/openapi.json{query}")
        assert document.headers["content-language"] == language
        for held in (document.headers["etag"], f"W/{document.headers['etag']}"):
            again = await browser.get(f"/openapi.json{query}", headers={"If-None-Match": held})
            assert again.status_code == 304
    assert (await browser.get("/openapi.json?lang=fr")).status_code == 422


# -- the pages need no internet --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["/docs", "/docs/refusals", "/docs/oauth2-redirect"])
async def test_everything_a_page_needs_is_served_by_us(browser: AsyncClient, page: str) -> None:
    shown = await browser.get(page)
    assert shown.status_code == 200
    assert not re.search(r"(?:src|href|url)=?[\"'( ]*(?:https?:)?//", shown.text)
    for address in re.findall(r'(?:src|href)="(/[^"]+)"', shown.text):
        assert (await browser.get(address)).status_code == 200, address


async def test_images_and_links_of_the_introduction_are_served(browser: AsyncClient, english: dict[str, Any]) -> None:
    linked = re.findall(r"\]\((/[^)]+)\)", english["info"]["description"])
    assert {"/docs/problem.svg", "/docs/assignment.svg", "/docs/refusals"} <= set(linked)
    for address in linked:
        assert (await browser.get(address)).status_code == 200, address


@pytest.mark.parametrize("language", ["id", "en"])
async def test_the_type_of_a_refusal_leads_to_its_line(browser: AsyncClient, language: str) -> None:
    page = (await browser.get(f"/docs/refusals?lang={language}")).text
    for refusal in every_refusal():
        address, _, anchor = refusal().body()["type"].partition("#") if _plain(refusal) else ("/docs/refusals", "", "")
        assert address == "/docs/refusals"
        assert f"<tr id={anchor or refusal.code}>" in page
        assert (refusal.title if language == "en" else refusal.judul).replace("'", "&#x27;") in page


def _plain(refusal: type[Any]) -> bool:
    """Whether a refusal can be made without saying more."""
    try:
        refusal()
    except TypeError:
        return False
    return True


# -- diagrams, glossary, labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "arrows"), [("problem", problem_arrows()), ("assignment", assignment_arrows())])
def test_the_drawing_shows_what_the_table_says(name: str, arrows: Arrows) -> None:
    """Drawn by Graphviz, see CONTRIBUTING.md; its titles name both ends of each arrow."""
    shapes = "{http://www.w3.org/2000/svg}"
    drawn = {}
    for group in ET.parse(HERE / f"{name}.svg").iter(f"{shapes}g"):
        if group.get("class") == "edge":
            source, _, target = (group.findtext(f"{shapes}title") or "").partition("->")
            drawn[source, target] = [text.text for text in group.iter(f"{shapes}text")]
    assert drawn == dict(arrows)


def test_the_glossary_is_the_one_of_the_project() -> None:
    """`RECORD=1` copies it; it is kept in GLOSSARY.md."""
    lines = (PROJECT / "GLOSSARY.md").read_text(encoding="utf-8").splitlines()
    table = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("| ")]
    if RECORD:
        with (HERE / "glossary.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("word", "meaning"), *table[1:]])
    assert table[1:] == glossary()


def test_every_enumeration_tells_its_labels(english: dict[str, Any]) -> None:
    schemas = english["components"]["schemas"]
    enumerations = {name for name, schema in schemas.items() if "enum" in schema}
    assert enumerations
    assert enumerations - {words.__name__ for words in LABELLED} == set()
    for name in enumerations:
        assert set(schemas[name]["x-labels"]) == set(schemas[name]["enum"])


def test_every_filter_is_explained(english: dict[str, Any]) -> None:
    for name, operation in operations(english):
        for parameter in operation.get("parameters", ()):
            assert parameter["in"] == "path" or parameter.get("description"), (name, parameter["name"])


def test_every_body_and_answer_shows_an_example(english: dict[str, Any]) -> None:
    for name, operation in operations(english):
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            assert media in ("multipart/form-data", UPLOAD_MEDIA_TYPE) or content.get("examples"), name
        answers = [response for status, response in operation["responses"].items() if status.startswith("2")]
        assert len(answers) == 1, name
        for media, content in answers[0].get("content", {}).items():
            assert media == "image/jpeg" or content["example"], name


def test_no_example_is_a_placeholder(english: dict[str, Any]) -> None:
    """A text that is not one of a few words, an id or a moment shows what people there would write."""
    schemas = english["components"]["schemas"]
    sent = _named([operation.get("requestBody", {}) for _, operation in operations(english)])
    while deeper := _named([schemas[name] for name in sent]) - sent:
        sent |= deeper
    for name in sent - {"TokenForm", "Body_send_photo"}:
        for field, described in schemas[name].get("properties", {}).items():
            kinds = [described, *described.get("anyOf", ())]
            is_text = any(each.get("type") == "string" for each in kinds)
            told = {"examples", "enum", "const", "default", "format"}
            assert not is_text or any(told & set(each) for each in kinds), f"{name}.{field}"


def _named(node: Any) -> set[str]:
    return set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(node)))


def test_every_event_is_told_in_both_languages_with_an_example(
    english: dict[str, Any], indonesian: dict[str, Any]
) -> None:
    assert list(english["webhooks"]) == list(EventType)
    for type_ in EventType:
        told, retold = [document["webhooks"][type_.value]["post"] for document in (english, indonesian)]
        assert told["summary"] == type_.value
        assert retold["summary"] == f"{type_.value}: {type_.label}"
        assert told["description"] != retold["description"]
        (content,) = told["requestBody"]["content"].values()
        assert content["example"]["type"] == type_.value
        assert {each["name"] for each in told["parameters"]} == {
            *("webhook-id", "webhook-timestamp", "webhook-signature")
        }
        assert {"204", "410", "3XX", "4XX", "5XX"} <= set(told["responses"])


# -- the document under review ---------------------------------------------------------------------------------------


def test_the_document_is_the_one_that_was_reviewed(english: dict[str, Any]) -> None:
    """`RECORD=1` writes the snapshot; what changes for clients is then seen in the diff."""
    text = json.dumps(_without_examples(english), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    if RECORD:
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert SNAPSHOT.read_text(encoding="utf-8") == text


def test_the_document_is_valid_openapi(english: dict[str, Any]) -> None:
    assert english["openapi"] == "3.1.0"
    assert _named(english) <= set(english["components"]["schemas"])


def _without_examples(node: Any) -> Any:
    """Examples are reviewed where they are recorded."""
    if isinstance(node, dict):
        return {key: _without_examples(each) for key, each in node.items() if key not in ("example", "examples")}
    return [_without_examples(each) for each in node] if isinstance(node, list) else node
