"""Somebody with a link and a browser: opens the page, fills in its forms, and is shown what comes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from httpx import AsyncClient, Response
from sqlalchemy import select
from sqlmodel import SQLModel

from app.kit.house import House
from tests.town import Town

VOID = {"meta", "link", "input", "img", "br"}
NO_FILE = ("", b"", "application/octet-stream")
"""What a browser sends for a photo that nobody chose."""


@dataclass
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    has_file: bool = False


class Read(HTMLParser):
    """A page as a strict reader sees it: every element closed where it belongs, every field with its label."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: dict[str, Form] = {}
        self.text = ""
        self.images: list[str] = []
        self.language: str | None = None
        self._open: list[str] = []
        self._form: Form | None = None
        self._select = self._area = ""
        self._ids: set[str] = set()
        self._labelled: set[str] = set()
        self.feed(page)
        self.close()
        assert not self._open, f"never closed: {self._open}"
        assert self._ids == self._labelled, "fields and labels belong together"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        assert len(given) == len(attrs), f"an attribute twice: {attrs}"
        assert not [name for name in given if name.startswith("on") or name == "style"], "no scripts, no inline styles"
        assert tag != "script"
        if tag not in VOID:
            self._open.append(tag)
        if "id" in given:
            assert given["id"] not in self._ids, f"an id twice: {given['id']}"
            self._ids.add(given["id"])
        match tag:
            case "html":
                self.language = given.get("lang")
            case "label":
                self._labelled.add(given["for"])
            case "img":
                assert given["alt"]
                self.images.append(given["src"])
            case "form":
                assert given["method"] == "post"
                self._form = Form(given["action"])
            case "input" | "textarea" | "select":
                self._field(tag, given)
            case "option":
                assert self._form
                self._form.choices.setdefault(self._select, []).append(given["value"])
                if "selected" in given:
                    self._form.fields[self._select] = given["value"]

    def _field(self, tag: str, given: dict[str, str]) -> None:
        assert self._form is not None
        name = given["name"]
        if given.get("type") == "file":
            self._form.has_file = True
            return
        self._form.fields[name] = given.get("value", "")
        self._area = name if tag == "textarea" else ""
        self._select = name if tag == "select" else ""

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag
        if tag == "form" and self._form is not None:
            self.forms[self._form.fields["verb"]] = self._form
            self._form = None
        if tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area and self._form:
            self._form.fields[self._area] += data.removeprefix("\n")
        elif "style" not in self._open:
            self.text += data


@dataclass
class Browser:
    """One officer with one link; no account, no cookies, no scripts."""

    client: AsyncClient
    place: str
    """The path of the link."""

    async def open(self, path: str | None = None) -> Read:
        answer = await self.client.get(path or self.place)
        assert answer.status_code == 200, answer.text
        return Read(answer.text)

    async def send(self, form: Form, photo: bytes | None = None, **filled: str) -> Response:
        """Sends a form as a browser does, and follows nothing."""
        assert set(filled) <= set(form.fields), f"the form asks for {sorted(form.fields)}"
        for name, choices in form.choices.items():
            assert filled.get(name, "") in choices
        file = ("bukti.jpg", photo, "image/jpeg") if photo is not None else NO_FILE
        return await self.client.post(form.action, data=form.fields | filled, files={"photo": file})

    async def do(self, verb: str, photo: bytes | None = None, **filled: str) -> Read:
        """Opens the page, fills in the form of a verb, and asserts that it was done; answers the page after it."""
        page = await self.open()
        answer = await self.send(page.forms[verb], photo, **filled)
        assert answer.status_code == 303, Read(answer.text).text
        return await self.open(answer.headers["location"])


def browser(town: Town, url: str) -> Browser:
    return Browser(town.client, urlsplit(url).path)


async def assigned(town: Town, agency: str = "PLN", **other: Any) -> dict[str, Any]:
    """A problem of Bakalan whose lead is this agency, assigned by the camat."""
    problem = await town.lurah("Bakalan").report(**other)
    camat = town.camat("Bugul Kidul")
    await camat.step(problem, "accept")
    return await camat.step(problem, "assign", lead=agency, instruction="Mohon segera ditangani.")


def part_of(problem: dict[str, Any]) -> str:
    """The id of the newest assignment."""
    return str(problem["assignments"][-1]["id"])


async def given(town: Town, problem: dict[str, Any], **said: Any) -> dict[str, Any]:
    """A link to the newest assignment, by the camat."""
    answer = await town.camat("Bugul Kidul").post(f"/assignments/{part_of(problem)}/links", said)
    return town.good(answer, 201)


async def linked(town: Town, agency: str = "PLN", **other: Any) -> tuple[dict[str, Any], Browser]:
    """A problem assigned to this agency, and somebody with a link to it."""
    problem = await assigned(town, agency, **other)
    return problem, browser(town, (await given(town, problem))["url"])


def everything(house: House) -> dict[str, list[Any]]:
    """Every row of every table."""
    with house.database.read() as session:
        return {
            table.name: sorted(repr(tuple(row)) for row in session.execute(select(table)))
            for table in SQLModel.metadata.sorted_tables
        }


@contextmanager
def unchanged(house: House) -> Iterator[None]:
    """Asserts that nothing is written in this block."""
    before = everything(house)
    assert sum(map(len, before.values())) > 100
    yield
    assert everything(house) == before


def advance(town: Town, **by: float) -> None:
    town.clock.advance(timedelta(**by))
