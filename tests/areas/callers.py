"""Callers for the rooms below `people`, which know no more of who asks than this; the bearer token is the name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from httpx import ASGITransport, AsyncClient

from app.assembly import create_app
from app.kit.house import Credentials, House, Work
from app.kit.refusals import Unauthenticated


@dataclass(frozen=True)
class Someone:
    account_id: UUID
    post_id: UUID
    is_admin: bool
    view: str


LURAH = Someone(UUID(int=1), UUID(int=11), is_admin=False, view="lurah:35.75.03.1005")
ADMIN = Someone(UUID(int=2), UUID(int=22), is_admin=True, view="admin")


def identify(work: Work[Any], credentials: Credentials) -> Someone:
    for name, someone in (("lurah", LURAH), ("admin", ADMIN)):
        if credentials.token == name:
            return someone
    raise Unauthenticated


@asynccontextmanager
async def speaking(house: House, name: str) -> AsyncIterator[AsyncClient]:
    """A client whose requests come from this caller."""
    known = replace(house, identify=identify, remember_use=lambda work: None)
    transport = ASGITransport(app=create_app(house.settings, house=known))
    headers = {"Authorization": f"Bearer {name}"}
    async with AsyncClient(transport=transport, base_url="http://testserver/api/v1", headers=headers) as client:
        yield client
