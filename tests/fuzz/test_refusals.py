"""A lock that does not open, and a no that changes nothing: at every operation of the document."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

import hypothesis
import pytest
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.python.asgi import ASGIClient
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.schemas import OpenApiSchema
from sqlalchemy import select, update
from sqlmodel import Session, SQLModel, col

from app.assembly import create_app
from app.kit.house import Credentials, House, Work
from app.kit.ids import new_id
from app.kit.refusals import Unprocessable
from app.people.models import Account, DeviceSession
from app.people.queries import AccountNotFound, PostNotHeld
from tests.fuzz.conftest import WHOLE, speaking
from tests.fuzz.ledger import Ledger
from tests.fuzz.visitor import NOT_IN_DOCUMENT, REFUSED_YET_CHANGED, Visitor
from tests.town import NEVER, Someone, picture

ILL_FORMED = 20 if WHOLE else 6
"""Requests to each operation that do not fit its shapes."""
ENDS_ALL = "log_out"
NIL = str(UUID(int=0))


def test_a_bad_token_is_a_401_at_every_lock(
    document: OpenApiSchema, visited: House, client: ASGIClient, people: dict[str, Someone]
) -> None:
    locked = {
        operation["operationId"]: (method, path, operation)
        for path, methods in document.raw_schema["paths"].items()
        for method, operation in methods.items()
        if operation.get("security")
    }
    assert len(locked) > 50
    admin = people["admin"]
    ledger = Ledger(visited.database.engine)
    for wrong, header in _wrong_headers(visited, admin).items():
        ledger.changes = 0
        for name, place in locked.items():
            answer = client.request(**_well_formed(*place), headers={} if header is None else {"Authorization": header})
            assert answer.status_code == 401, (wrong, name)
            assert place[0] == "head" or answer.json()["code"] == "unauthenticated", (wrong, name)
            assert answer.headers["www-authenticate"] == "Bearer"
        assert ledger.changes == 0
    for name in sorted(locked, key=lambda each: each == ENDS_ALL):
        answer = client.request(**_well_formed(*locked[name]), headers=admin.headers)
        code = answer.json().get("code") if answer.status_code >= 400 and answer.content else None
        assert answer.status_code != 401, name
        assert code != "invalid_request", name


def _wrong_headers(house: House, someone: Someone) -> dict[str, str | None]:
    """Everything that is no token of somebody who is logged in."""
    good, now = someone.token, house.clock()
    return {
        "nothing": None,
        "an empty header": "",
        "no token": "Bearer ",
        "only a scheme": "Bearer",
        "only a token": good,
        "another scheme": f"Basic {good}",
        "two tokens": f"Bearer {good} {good}",
        "half a token": f"Bearer {good[:-1]}",
        "more than a token": f"Bearer {good}x",
        "in capitals": f"Bearer {good.upper()}",
        "nobody's": "Bearer siluman",
        "NUL": f"Bearer {good}\x00",
        "half a surrogate pair": f"Bearer {'siluman'}\xed\xa0\x80",
        "latin letters": "Bearer siluman\xe9\xff",
        "a comma": f"Bearer {good}, Bearer {good}",
        "its hash": f"Bearer {hashlib.sha256(good.encode()).hexdigest()}",
        "very long": f"Bearer {'x' * 60_000}",
        "expired": f"Bearer {_log_in(house, someone, expires_at=now)}",
        "revoked": f"Bearer {_log_in(house, someone, expires_at=NEVER, revoked_at=now)}",
    }


def _log_in(house: House, someone: Someone, **ended: datetime) -> str:
    """A token that was good once."""
    token = f"uji-{new_id().hex}"
    device = DeviceSession(
        id=new_id(),
        account_id=someone.actor.account_id,
        token_hash=hashlib.sha256(token.encode()).hexdigest(),
        device="HP lama",
        created_at=house.clock() - timedelta(days=90),
        last_used_at=house.clock(),
        **ended,
    )
    with house.database.write() as session:
        session.add(device)
    return token


def _well_formed(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    """A request with the examples of the document."""
    parameters = {each["name"]: each.get("example") for each in operation.get("parameters", ())}
    sent: dict[str, Any] = {"method": method, "url": path.format(**parameters)}
    sent["params"] = {
        each["name"]: each["example"]
        for each in operation.get("parameters", ())
        if each["in"] == "query" and each["required"]
    }
    body = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in body:
        sent["files"] = {"file": ("bukti.jpg", picture(), "image/jpeg")}
    elif "application/json" in body:
        examples = body["application/json"]["examples"]
        sent["json"] = next(iter(examples.values()))["value"]
    return sent


def test_a_no_leaves_every_table_as_it_was(
    document: OpenApiSchema, visitor: Visitor, subtests: pytest.Subtests
) -> None:
    all_refused = 0
    for operation in _operations(document):
        with subtests.test(operation.label):
            before, statuses = fingerprint(visitor.house), _ill_formed(operation, visitor)
            if min(statuses) >= 400:
                all_refused += 1
                assert fingerprint(visitor.house) == before
    assert all_refused > 40, "a few may take something: a query's unknown names are passed over"
    assert list(visitor.complaints.values()) == []


def _operations(document: OpenApiSchema) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    for each in document.get_all_operations():
        if isinstance(each, Ok) and (each.ok().path_parameters.items or each.ok().query.items or each.ok().body.items):
            yield each.ok()


def _ill_formed(operation: APIOperation[Any, Any, Any, Any], visitor: Visitor) -> list[int]:
    statuses: list[int] = []

    @hypothesis.settings(
        max_examples=ILL_FORMED,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(GenerationMode.NEGATIVE))
    def send(case: Case[Any]) -> None:
        statuses.append(visitor.visit(case).status_code)

    send()
    return statuses


def fingerprint(house: House) -> dict[str, str]:
    """Of the content of each table: journal, heads of logs and remembered answers too."""
    with house.database.read() as session:
        rows = {
            table.name: session.execute(select(table).order_by(*table.primary_key)).all()
            for table in SQLModel.metadata.sorted_tables
        }
    return {name: hashlib.sha256(repr(found).encode()).hexdigest() for name, found in rows.items()}


# -- what the visitor must notice ------------------------------------------------------------------------------------


def _crash(work: Work[Any], _: Credentials) -> NoReturn:
    raise RuntimeError


def _say_no_of_elsewhere(work: Work[Any], _: Credentials) -> NoReturn:
    raise AccountNotFound


def _change_and_say_no(work: Work[Any], _: Credentials) -> NoReturn:
    with work.house.database.write() as session:
        session.connection().execute(update(Account).values(must_change_password=True))
    raise PostNotHeld


MUTANTS = {"ServerError": _crash, NOT_IN_DOCUMENT: _say_no_of_elsewhere, REFUSED_YET_CHANGED: _change_and_say_no}


@pytest.mark.parametrize("noticed", MUTANTS)
def test_what_is_wrong_is_noticed(
    document: OpenApiSchema, visited: House, people: dict[str, Someone], noticed: str
) -> None:
    app = create_app(visited.settings, house=replace(visited, identify=MUTANTS[noticed]))
    with speaking(app) as client:
        visitor = Visitor(visited, people["lurah"], client, seed="")
        visitor.visit(document["/api/v1/problems/{problem_id}"]["GET"].Case(path_parameters={"problem_id": NIL}))
    assert [told for told in visitor.complaints if noticed in told]


def test_what_is_rolled_back_is_no_change(visited: House) -> None:
    ledger = Ledger(visited.database.engine)
    statement = update(Account).values(must_change_password=True)

    def undone(session: Session) -> None:
        session.connection().execute(statement)
        raise Unprocessable

    with pytest.raises(Unprocessable):
        visited.database.perform(undone)
    assert ledger.changes == 0
    with visited.database.write() as session:
        session.connection().execute(statement.where(col(Account.id) == new_id()))
    assert ledger.changes == 0
    with visited.database.write() as session:
        session.connection().execute(statement)
    assert ledger.changes == 1
