"""The OpenAPI document: what FastAPI says of the routes, completed by what it cannot know.

It is made in English, the language of the code. `in_indonesian` gives the same document as most readers see it.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from app.agencies.words import AgencyKind, CategoryClass
from app.areas.words import Level
from app.docs.completion import complete
from app.docs.translation import Catalogue, retold
from app.kit.doors import TOKEN_PATH
from app.kit.refusals import MEDIA_TYPE, ProblemDetails, refusals_by_code
from app.links.words import LinkState, MailState
from app.people.words import KeyVerb, PostKind
from app.problems.words import (
    AssignmentState,
    AssignmentVerb,
    Closing,
    HoldReason,
    LinkKind,
    Priority,
    Refused,
    Rejection,
    Resolution,
    Source,
    State,
    Verb,
    Worker,
)
from app.sync.words import Outcome, Resync, Settlement, Standing
from app.webhooks.payloads import example_of
from app.webhooks.words import DeliveryStanding, DisabledBy, EndpointState, EventType, Fault
from app.workdays.words import DayKind, Stage, Unit

HERE = Path(__file__).parent
Document = dict[str, Any]

TAGS: Mapping[str, str] = {
    "auth": "Logging in, devices, and the posts you hold.",
    "problems": "A kelurahan records it, the kecamatan takes it on, it is solved, and somebody looks whether it is.",
    "assignments": "The part of each agency.",
    "sync": "Phones: what happened comes down, what was done offline goes up, and both sides see that it did.",
    "areas": "The official tree of territory, by Kemendagri code.",
    "agencies": "Agencies, categories, and who is responsible for what.",
    "systems": "Agencies' own systems, and the keys they show instead of a login.",
    "webhooks": "Events out to agencies' systems: their endpoints, every delivery, and fetching events by oneself.",
    "workdays": "Working days and limits.",
    "admin": "Accounts, posts and reference data. An admin takes no part in cases.",
    "house": "Whether the service stands.",
}
"""In the order in which work meets them."""

LABELLED: tuple[type[StrEnum], ...] = (
    *(State, Verb, AssignmentState, AssignmentVerb, Source, Priority, Resolution, Rejection, Refused),
    *(HoldReason, Closing, LinkKind, PostKind, KeyVerb, AgencyKind, CategoryClass, Level, Stage, Unit, DayKind),
    *(Outcome, Settlement, Resync, Standing, Worker),
    *(EventType, EndpointState, DisabledBy, DeliveryStanding, Fault, LinkState, MailState),
)
"""Enumerations whose members people read under a label."""

SUMMARY = "Problems of an area: recorded by the lurah, synchronised with the kecamatan, solved by the agencies."
BEGINNING = (
    "Press **Authorize** and give name and password, or send a token of `POST /api/v1/auth/sessions` as "
    "`Authorization: Bearer …`. Whoever holds several posts chooses one with the header `X-Post`. Each problem says "
    "what *you* may do now (`may`), and on whose desk it lies until when (`next_step`)."
)
REFUSING = (
    "Every no is an `application/problem+json` with a stable `code`; [all of them](/docs/refusals). A POST with an "
    "`id` of your own, or with an `Idempotency-Key`, has effect once, however often it is sent."
)
DRAWN = (("The life of a problem", "problem"), ("The life of an assignment", "assignment"))
MEANT = "Words of the field"


def make_document(app: FastAPI, generate: Callable[[], Document], *, with_password: bool) -> Document:
    """The whole document, in English. `generate` is FastAPI's own."""
    document = generate()
    document["info"] = {
        "title": app.title,
        "version": app.version,
        "summary": SUMMARY,
        "description": _introduction(lambda text: text),
    }
    complete(dict(operations(document)))
    document["tags"] = [{"name": name, "description": description} for name, description in TAGS.items()]
    schemas = document["components"]["schemas"]
    schemas["ProblemDetails"] = ProblemDetails.model_json_schema()
    _untitle(document)
    _label(schemas)
    _exemplify(document)
    _exemplify_webhooks(document)
    if not with_password:
        _without_password(document)
    return document


def in_indonesian(document: Document, catalogue: Catalogue) -> Document:
    """The same document for Indonesian readers; what the catalogue lacks stays English."""
    translated: Document = retold(document, catalogue)
    translated["info"]["description"] = _introduction(catalogue)
    refusals = refusals_by_code()
    for response, examples in _refused_responses(translated):
        response["content"][MEDIA_TYPE]["examples"] = {
            code: {"value": example["value"] | {"title": refusals[code].judul}} for code, example in examples.items()
        }
        response["description"] = " · ".join(dict.fromkeys(refusals[code].judul for code in examples))
    for name, path in translated["webhooks"].items():
        path["post"]["summary"] = f"{name}: {EventType(name).label}"
    return translated


def texts_of(document: Document) -> list[str]:
    """Every paragraph of the document that wants a translation, in order, each once."""
    found: dict[str, None] = {}

    def note(text: str) -> str:
        found[text] = None
        return text

    _introduction(note)
    retold({**document, "info": {"summary": document["info"]["summary"]}}, note)
    refused = {response["description"] for response, _ in _refused_responses(document)}
    known = refused | {_members(words) for words in LABELLED} | set(document["webhooks"])
    return [text for text in found if text not in known]


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    """Each operation with its operationId."""
    for path in document["paths"].values():
        for operation in path.values():
            yield operation["operationId"], operation


def glossary() -> list[tuple[str, str]]:
    """The words of the field with their meaning, in English."""
    with (HERE / "glossary.csv").open(encoding="utf-8", newline="") as file:
        return [(row["word"], row["meaning"]) for row in csv.DictReader(file)]


def _introduction(told: Callable[[str], str]) -> str:
    drawn = [_folded(told(title), f"[![{told(title)}](/docs/{name}.svg)](/docs/{name}.svg)") for title, name in DRAWN]
    rows = [f"| **{word}** | {told(meaning)} |" for word, meaning in glossary()]
    meant = _folded(told(MEANT), "\n".join(["| | |", "|---|---|", *rows]))
    return "\n\n".join([told(BEGINNING), told(REFUSING), *drawn, meant])


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


def _untitle(node: Any) -> None:
    """Removes titles: they only repeat a field's name with capitals."""
    if isinstance(node, list):
        for each in node:
            _untitle(each)
    elif isinstance(node, dict):
        if isinstance(node.get("title"), str) and "version" not in node:
            del node["title"]
        for key, each in node.items():
            if key not in ("example", "examples", "default", "const"):
                _untitle(each)


def _label(schemas: Document) -> None:
    """Tells the label of each member of an enumeration."""
    for words in LABELLED:
        schema = schemas.get(words.__name__)
        if schema is not None:
            schema["x-labels"] = {member.value: member.label for member in words}  # type: ignore[attr-defined]
            schema["description"] = "\n\n".join(filter(None, [schema.get("description"), _members(words)]))


def _members(words: type[StrEnum]) -> str:
    return " · ".join(f"`{member.value}` {member.label}" for member in words)  # type: ignore[attr-defined]


def _exemplify(document: Document) -> None:
    """Puts the recorded exchange of each operation, and one example for each verb, where readers look for them."""
    recorded = json.loads((HERE / "examples.json").read_text(encoding="utf-8"))
    for name, operation in operations(document):
        exchange = recorded.get(name, {})
        content = operation.get("requestBody", {}).get("content", {})
        for media in content.values():
            if "requests" in exchange:
                media["examples"] = exchange["requests"]
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in exchange.get("parameters", {}):
                parameter["example"] = exchange["parameters"][parameter["name"]]
        for status, response in operation["responses"].items():
            if status.startswith("2") and "response" in exchange:
                for answered in response["content"].values():
                    answered["example"] = exchange["response"]


def _exemplify_webhooks(document: Document) -> None:
    """Puts an example with each event; FastAPI would leave out of it what is null."""
    for name, path in document["webhooks"].items():
        for media in path["post"]["requestBody"]["content"].values():
            media["example"] = example_of(EventType(name))


def _refused_responses(document: Document) -> Iterator[tuple[Document, Document]]:
    """Each response that refuses, with its examples by code."""
    for _, operation in operations(document):
        for response in operation["responses"].values():
            examples = response.get("content", {}).get(MEDIA_TYPE, {}).get("examples")
            if examples:
                yield response, examples


def _without_password(document: Document) -> None:
    """Where the docs page takes no password, nothing in the document promises it."""
    document["components"].get("securitySchemes", {}).pop("Name and password", None)
    for _, operation in operations(document):
        if "security" in operation:
            operation["security"] = [each for each in operation["security"] if "Name and password" not in each]
    document["paths"].pop(TOKEN_PATH, None)
