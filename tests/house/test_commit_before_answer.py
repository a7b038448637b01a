"""A 201 means that it is kept: a phone deletes its draft on 201, so the commit must have come before."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, SQLModel

from app.evidence.models import Photo
from app.journal.models import Entry, LogHead, Text
from app.kit.ids import new_id
from app.kit.models import RememberedAnswer
from app.problems.models import ProblemRow
from tests.town import Town, picture

KEPT: list[type[SQLModel]] = [ProblemRow, Entry, Text, RememberedAnswer, Photo]


class DiskFull(Exception):
    """What a driver might say."""


class Serialization(Exception):
    sqlstate = "40001"


@pytest.fixture
async def phone(town_app: FastAPI) -> AsyncIterator[AsyncClient]:
    """Sees what a phone would see: a status, never our exception."""
    transport = ASGITransport(app=town_app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://testserver/api/v1") as client:
        yield client


def stored(town: Town) -> dict[str, int]:
    with town.house.database.read() as session:
        counts = {table.__name__: session.scalar(select(func.count()).select_from(table)) or 0 for table in KEPT}
        positions = session.scalar(select(func.sum(LogHead.position))) or 0
    return counts | {"positions": positions}


def failing(error: Exception) -> Callable[[Session], None]:
    def commit(session: Session) -> None:
        session.flush()
        raise OperationalError("COMMIT", None, error)

    return commit


@pytest.mark.parametrize(
    ("error", "status"), [(DiskFull("disk full"), 500), (Serialization(), 503)], ids=["disk", "turn"]
)
async def test_when_the_commit_fails_the_phone_hears_it_and_nothing_is_kept(
    town: Town, phone: AsyncClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    lurah = town.lurah("Bakalan")
    problem = await lurah.report()
    here = f"/problems/{problem['id']}"
    report = town.problem() | {"id": str(new_id())}
    writes: list[tuple[str, dict[str, Any]]] = [
        ("/problems", {"json": report}),
        (f"{here}/comments", {"json": {"text": "Air sudah surut."}}),
        (f"{here}/steps", {"json": {"verb": "handle_locally", "plan": "Kerja bakti", "target_on": "2026-03-06"}}),
        (f"{here}/photos", {"files": {"file": ("bukti.jpg", picture(), "image/jpeg")}}),
    ]
    before = stored(town)
    with monkeypatch.context() as broken:
        broken.setattr(Session, "commit", failing(error))
        for path, sent in writes:
            answer = await phone.post(path, headers=lurah.headers, **sent)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path
    assert stored(town) == before
    for path, sent in writes:
        answer = await phone.post(path, headers=lurah.headers, **sent)
        assert answer.is_success, answer.text
