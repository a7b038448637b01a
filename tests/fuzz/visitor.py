"""Somebody at one post who sends whatever Schemathesis makes up, and judges each answer by the document."""

import random
from collections import Counter
from collections.abc import Callable, MutableMapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from schemathesis import Case
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.python.asgi import ASGIClient
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from sqlalchemy import update
from sqlmodel import col

from app.kit.house import House
from app.kit.ids import new_id
from app.kit.refusals import MEDIA_TYPE
from app.people.models import Account, DeviceSession, Post
from app.sync.policy import KECAMATAN
from tests.docs.story import AT_RIVER, PHOTO, SHA256, STEPS
from tests.fuzz.ledger import Ledger
from tests.fuzz.stock import BY_LOG, Stock
from tests.town import Someone

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
"""Not among them: that valid data is accepted. A shape says what is well formed; 422 also tells what makes no sense."""
NAMED_LIKE_ANOTHER = {"/api/v1/problems/steps"}
"""With another method it is `/problems/{problem_id}` of a problem that nobody calls so: 422, not 405."""

TAKEN_FROM_STORE = 0.7
AIMED = 0.6
SPOILT = 0.1
LEFT_OUT = 0.85
OF_TUS = ("tus-", "upload-")
"""How headers begin without which an upload can do nothing."""
SPOILERS = ("\x00", "\ud800", "\udfff", "a\x00b", "\x1b[2J", "\u202e", "\ufeff", "\U0001f6a7", "e\u0301" * 3)
"""Put behind a text: what no text here may hold, and what looks as if."""
NOT_IN_DOCUMENT = "a refusal that is not in the document"
REFUSED_YET_CHANGED = "refused, yet something changed"
READ_YET_CHANGED = "reading changed something"
NOTED_WHEN_READ = "/api/v1/problems/{problem_id}"
SEATS_AT_STAKE = {"auth", "admin"}
ON_PHONES: list[tuple[str, dict[str, Any]]] = [
    *((verb.value, said) for verb, said in STEPS.items()),
    ("report", AT_RIVER),
    ("edit", {"title": "Pintu air tersumbat"}),
    ("edit", {"rt": "003", "landmark": None}),
    ("comment", {"text": "Sudah dicek."}),
    ("attach", {"photo": PHOTO, "sha256": SHA256, "size": 48_213}),
]
"""What operations say, and carry."""
BASES = (0, 1, 2, 1_000)


@dataclass
class Visitor:
    """Sends cases under one post's token, with ids and codes of the store in them, now and then a text spoilt."""

    house: House
    who: Someone | None
    """None: nobody is logged in."""
    client: ASGIClient
    seed: str
    sent: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often each operation was answered with each status."""
    complaints: dict[str, str] = field(default_factory=dict)
    """What was not as the document says, each once, with the request that shows it."""

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.house.database.engine)
        self.stock = Stock(self.house, self.who)
        self._chance = random.Random(self.seed)
        self._look_around()

    @property
    def headers(self) -> dict[str, str]:
        return self.who.headers if self.who else {}

    def visit(self, case: Case[Any], *, led: bool = False) -> Response:
        """Sends one request and notes what is not as the document says; `led` by a link, to where it leads."""
        self.stock.renew(self.sent.total())
        if case.meta is None or case.meta.generation.mode.is_positive:
            case = self._from_here(case, led=led)
        before = self.ledger.changes
        response = case.call(session=self.client, headers=self.headers)
        changed = self.ledger.changes - before
        self.sent[case.operation.label, response.status_code] += 1
        if changed and SEATS_AT_STAKE & set(case.operation.tags or ()):
            self._take_seat()
        self.stock.learn(response)
        try:
            self._judge(case, response, changed)
        except FailureGroup as found:
            for each in found.exceptions:
                self.complaints.setdefault(f"{case.operation.label}: {type(each).__name__}: {each}"[:300], str(found))
        except AssertionError as found:
            self.complaints.setdefault(f"{case.operation.label}: {found}"[:120], str(found))
        return response

    def _judge(self, case: Case[Any], response: Response, changed: int) -> None:
        hidden: list[CheckFunction] = [unsupported_method] if case.path in NAMED_LIKE_ANOTHER else []
        case.validate_response(response, checks=CHECKS, excluded_checks=hidden)
        if response.status_code >= 400:
            documented = documented_refusals(case, response.status_code)
            is_told = response.request.method != "HEAD"  # whose answers have no body
            assert not is_told or refusal_of(response) in documented, f"{NOT_IN_DOCUMENT}: {_told(case, response)}"
            assert not changed, f"{REFUSED_YET_CHANGED}: {_told(case, response)}"
        if response.request.method in ("GET", "HEAD"):
            assert not changed or self._is_noted(case), f"{READ_YET_CHANGED}: {_told(case, response)}"

    def _is_noted(self, case: Case[Any]) -> bool:
        """Whether this reading is itself noted: the kecamatan opened a problem, and its kelurahan is to know."""
        return case.path == NOTED_WHEN_READ and self.who is not None and self.who.actor.kind in KECAMATAN

    def _look_around(self) -> None:
        """Reads every problem once, to know which verbs are offered where."""
        for problem in self.stock.known("problem_id", ""):
            url = f"/api/v1/problems/{problem}"
            self.stock.learn(Response.from_requests(self.client.get(url, headers=self.headers), verify=False))

    def _take_seat(self) -> None:
        """Undoes what was done to the visitor's own account, post and device: the visit goes on."""
        if self.who is None:
            return
        actor, before = self.who.actor, self.ledger.changes
        tables: tuple[tuple[Any, Any, dict[str, Any]], ...] = (
            (Account, actor.account_id, {"disabled_at": None, "must_change_password": False}),
            (Post, actor.post_id, {"until": None}),
            (DeviceSession, actor.session_id, {"revoked_at": None}),
        )
        with self.house.database.write() as session:
            for table, key, values in tables:
                session.connection().execute(update(table).where(col(table.id) == key).values(values))
        self.ledger.changes = before

    # -- what this town knows ----------------------------------------------------------------------------------------

    def _from_here(self, case: Case[Any], *, led: bool) -> Case[Any]:
        """A copy of the case, since the generator still holds it, with ids, codes and days that there are."""
        own: Case[Any] = Case(
            case.operation,
            case.method,
            case.path,
            path_parameters=dict(case.path_parameters),
            headers=case.headers.copy(),
            query=dict(case.query),
            body=deepcopy(case.body),
            media_type=case.media_type,
            multipart_content_types=case.multipart_content_types,
        )
        for name in list(own.headers):
            if not name.lower().startswith(OF_TUS) and self._chance.random() < LEFT_OUT:
                del own.headers[name]
        for container in (own.query, own.headers, own.body):
            self._fill(container, own.path)
        if not led:
            self._fill(own.path_parameters, own.path)
            self._aim(own)
        if self._chance.random() < SPOILT:
            self._spoil(own)
        return own

    def _fill(self, node: Any, place: str) -> None:
        if isinstance(node, list):
            for each in node:
                self._fill(each, place)
        if not isinstance(node, MutableMapping):
            return
        for name, value in list(node.items()):
            known = self.stock.known(name, place)
            if name in BY_LOG and isinstance(value, MutableMapping):
                node[name] = self._by_log(name)
            elif not known or isinstance(value, (MutableMapping, bool)):
                self._fill(value, f"{place}/{name}")
            elif isinstance(value, list):
                node[name] = [self._chance.choice(known) for _ in value]
            elif self._chance.random() < TAKEN_FROM_STORE:
                node[name] = self._chance.choice(known)

    def _by_log(self, name: str) -> dict[str, Any]:
        """Some logs, each with something that fits."""
        return {
            log: self._chance.choice(fitting)
            for log, fitting in self.stock.by_log(name).items()
            if self._chance.random() < TAKEN_FROM_STORE
        }

    def _aim(self, case: Case[Any]) -> None:
        """Brings a verb to where it is offered, and a photo's id to its problem's."""
        places = case.path_parameters
        if isinstance(case.body, dict) and self._chance.random() < AIMED:
            for said, target, name in (
                (case.body, places, "problem_id"),
                (case.body, places, "assignment_id"),
                *((item.get("step"), item, "problem") for item in _items(case.body)),
            ):
                verb = said.get("verb") if isinstance(said, dict) else None
                offered = self.stock.offering(verb)
                if name in target and offered:
                    target[name] = self._chance.choice(offered)
        for each in _items(case.body, "operations") if isinstance(case.body, dict) else ():
            if self._chance.random() < AIMED:
                self._aim_operation(each)
        if {"problem_id", "photo_id"} <= set(places) and self.stock.photos:
            chosen = self._chance.choice(self.stock.photos)
            places.update(zip(("problem_id", "photo_id"), chosen, strict=True))

    def _aim_operation(self, operation: dict[str, Any]) -> None:
        """Makes it say something that a phone would say, of a problem where that was offered."""
        verb, data = self._chance.choice(ON_PHONES)
        offered = self.stock.offering(verb)
        operation |= {"id": str(new_id()), "verb": verb, "data": deepcopy(data), "base": self._chance.choice(BASES)}
        operation.pop("assignment", None)
        if self.who is not None:
            operation["post"] = str(self.who.actor.post_id)
        if offered:
            operation["problem"] = self._chance.choice(offered)

    # -- what no text may hold ---------------------------------------------------------------------------------------

    def _spoil(self, case: Case[Any]) -> None:
        """Puts something behind one text of the request that may not stand there."""
        spoiler = self._chance.choice(SPOILERS)
        on_wire = octets(spoiler)
        ways: list[Callable[[], None]] = []

        def way(node: Any, name: Any, value: Any) -> None:
            ways.append(lambda: node.__setitem__(name, value))

        for name in case.path_parameters:
            way(case.path_parameters, name, "".join(f"%{each:02X}" for each in on_wire))
        for name, value in case.query.items():
            if isinstance(value, str):
                way(case.query, name, octets(value) + on_wire)
        for name in (*case.headers, "Accept-Language", "User-Agent"):
            way(case.headers, name, "x" + on_wire.decode("latin-1"))
        for node, name, value in _texts(case.body):
            if case.media_type == "application/json":  # there, half a surrogate pair travels as an escape
                way(node, name, value + spoiler)
            elif node is case.body:
                way(node, name, octets(value) + on_wire)
        self._chance.choice(ways)()


def _told(case: Case[Any], response: Response) -> str:
    return f"{response.status_code} {response.content[:400]!r}\n{case.as_curl_command()}"


def refusal_of(response: Response) -> str | None:
    """The code of a refusal; None where the answer is none of ours."""
    code: str | None = response.json().get("code") if response.headers["content-type"] == [MEDIA_TYPE] else None
    return code


def documented_refusals(case: Case[Any], status: int) -> set[str]:
    """The codes that the document shows for this operation and status."""
    if status == 405:
        return {"method_not_allowed"}
    responses: dict[str, Any] = case.operation.definition.raw["responses"]
    return set(responses.get(str(status), {}).get("content", {}).get(MEDIA_TYPE, {}).get("examples", ()))


def octets(text: str) -> bytes:
    """UTF-8 with surrogates in it, as a careless program sends them."""
    return text.encode("utf-8", "surrogatepass")


def _items(body: dict[str, Any], name: str = "items") -> list[dict[str, Any]]:
    items = body.get(name)
    return [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []


def _texts(node: Any) -> list[tuple[Any, Any, str]]:
    """Each text in a body, with where it stands."""
    entries: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found: list[tuple[Any, Any, str]] = []
    for name, value in entries:
        found += [(node, name, value)] if type(value) is str else _texts(value)
    return found
