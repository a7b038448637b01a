"""A served town, and phones for its people."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app.client.backoff import Backoff
from app.client.phone import Phone
from app.client.protocol import Server
from app.client.store import Store
from app.client.sync import Summary, Sync
from app.kit.ids import new_id
from tests.client.lines import Line
from tests.conftest import SettableClock
from tests.town import Someone, Town


@dataclass
class Handset:
    """One phone, its line, and what it slept."""

    phone: Phone
    line: Line
    http: httpx.Client
    slept: list[float] = field(default_factory=list)
    chunk: int = 500
    page: int = 500

    def sync(self, tries: int = 3) -> Summary:
        server = Server(self.http, self.phone.store.setting("token"))
        backoff = Backoff(lambda: 0.5, self.slept.append, tries)
        return Sync(self.phone, server, backoff, chunk=self.chunk, page=self.page).run()

    def documents(self) -> list[dict[str, Any]]:
        return [each.document for each in self.phone.problems() if each.document]

    def moved_to(self, address: str) -> None:
        self.http.base_url = httpx.URL(address)


@dataclass
class Place:
    """A town that is served, and phones for its people."""

    town: Town
    address: str
    folder: Path
    clock: SettableClock
    stack: ExitStack

    def handset(self, who: Someone) -> Handset:
        store = Store(self.folder / f"{new_id()}.db")
        self.stack.callback(store.close)
        phone = Phone(store, self.clock, new_id)
        line = Line()
        http = self.stack.enter_context(httpx.Client(transport=line, base_url=self.address, timeout=60))
        posts = Server(http, who.token).me()["posts"]
        phone.adopt(self.address, "siti", {"token": who.token, "posts": posts}, "HP lapangan")
        line.calls.clear()
        return Handset(phone, line, http)

    def operator(self) -> Handset:
        return self.handset(self.town.operator("Bakalan"))

    def report(self, handset: Handset, **other: Any) -> str:
        return handset.phone.record("report", self.said(**other)).problem

    def said(self, **other: Any) -> dict[str, Any]:
        """A blocked drain in Bakalan, unless told otherwise."""
        return self.town.problem("Bakalan", **other)
