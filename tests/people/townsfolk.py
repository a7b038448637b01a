"""People of a small city, their passwords hashed by the weakest argon2id there is: tests make many."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

from httpx import AsyncClient, Response
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app.kit.house import House, Work
from app.people.actions.accounts import create_account
from app.people.actions.posts import appoint
from app.people.passwords import Passwords
from app.people.schemas import Appointment
from app.people.words import PostKind

AnswerT = TypeVar("AnswerT")

BAKALAN, TAPAAN, BUGUL_KIDUL, KOTA = "35.75.03.1005", "35.75.03.1003", "35.75.03", "35.75"
PASSWORD = "sungai-bersih-2026"
QUICK = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))


def quickened(house: House) -> House:
    """The house, hashing quickly."""
    return replace(house, parts={**house.parts, "passwords": Passwords(house.settings, QUICK)})


@dataclass
class Townsfolk:
    """Makes people, and lets them in."""

    house: House
    client: AsyncClient

    def person(self, username: str, *posts: tuple[PostKind, str | None], one_time: bool = False) -> UUID:
        """Somebody who holds these posts for good."""
        hashed = QUICK.hash(PASSWORD)

        def create(work: Work[Any]) -> UUID:
            account = create_account(work, username, username.title(), hashed, one_time=one_time)
            for kind, place in posts:
                appoint(work, appointment(account.id, kind, place))
            return account.id

        return self.system(create)

    def appoint(self, account: UUID, kind: PostKind, place: str | None, **other: Any) -> UUID:
        return self.system(lambda work: appoint(work, appointment(account, kind, place, **other)).id)

    def system(self, unit: Callable[[Work[Any]], AnswerT]) -> AnswerT:
        """Done by the system itself, as from the command line."""
        with self.house.database.write() as session:
            work: Work[Any] = Work(session, None, self.house.clock(), self.house)
            return unit(work)

    async def log_in(self, username: str, password: str = PASSWORD, device: str = "HP kantor") -> Response:
        body = {"username": username, "password": password, "device": device}
        return await self.client.post("/api/v1/auth/sessions", json=body)

    async def headers(self, username: str, password: str = PASSWORD) -> dict[str, str]:
        answer = await self.log_in(username, password)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    async def call(
        self, method: str, path: str, headers: dict[str, str] | None = None, json: Any = None, **parameters: Any
    ) -> Response:
        return await self.client.request(method, f"/api/v1{path}", headers=headers, json=json, params=parameters)


def appointment(account: UUID, kind: PostKind, place: str | None, **other: Any) -> Appointment:
    where = {"agency" if kind.in_agency else "area": place}
    return Appointment(account=account, kind=kind, **where, **other)


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
