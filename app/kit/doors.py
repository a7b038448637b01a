"""Where HTTP ends: a route parses, calls its door once, and the whole unit of work is done in one hop to a thread.

The door carries headers only. In the thread it finds out who asks (in a read, so that nobody unknown ever holds the
write lock), runs one query or action, shapes the answer, and commits before the route gets it back.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

import anyio
from anyio import CapacityLimiter, WouldBlock, to_thread
from fastapi import Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, OAuth2PasswordBearer
from pydantic import BaseModel
from sqlalchemy import delete, select
from sqlmodel import Session, col

from app.kit.database import insert_rows
from app.kit.house import Caller, Credentials, House, Work
from app.kit.models import RememberedAnswer
from app.kit.refusals import Busy, Conflict, IdReused, InvalidRequest, NotModified, Refusal, Unauthenticated
from app.kit.shelves import edition_of

AnswerT = TypeVar("AnswerT")
ModelT = TypeVar("ModelT", bound=BaseModel)
CallerT = TypeVar("CallerT", bound=Caller)

TOKEN_PATH = "/api/v1/auth/token"  # noqa: S105 - an address
ANSWERS_ARE_KEPT = timedelta(days=100)
"""Longer than a token lives by default, so a device that can still speak is still recognised."""

_bearer = HTTPBearer(auto_error=False, scheme_name="Token", description="A token of `POST /api/v1/auth/sessions`.")
_password = OAuth2PasswordBearer(
    tokenUrl=TOKEN_PATH, auto_error=False, scheme_name="Name and password", description="For this page's Authorize."
)
_key = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="A key of `POST /api/v1/api-keys`, for a system of an agency. Other operations refuse keys.",
)
READ: Final = "read"
"""What a system's key names in order to read. Rooms below that of people cannot name its other verbs."""


class IdempotencyKeyReused(Conflict):
    code = "idempotency_key_reused"
    title, judul = "This key came with another request", "Kunci ini sudah dipakai untuk permintaan lain"


class BadIfMatch(InvalidRequest):
    code, title, judul = "bad_if_match", "If-Match is not an ETag of ours", "If-Match bukan ETag dari kami"


WRITES: tuple[type[Refusal], ...] = (IdempotencyKeyReused, BadIfMatch)
"""What `Door.write` says of the headers it reads, whatever is written."""


class Replayed(Exception):
    """This request was answered before; here is that answer again."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class Turns:
    """So many at once; who waits too long for a turn is told to come back."""

    def __init__(self, size: int, patience: float, said: str) -> None:
        self._size = size
        self._patience = patience
        self._said = said
        self._limiter: CapacityLimiter | None = None

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Waits for a turn, and has it for this block."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._size)  # belongs to the running event loop
        turn = object()
        try:
            self._limiter.acquire_on_behalf_of_nowait(turn)
        except WouldBlock:
            await self._wait_for(self._limiter, turn)
        try:
            yield
        finally:
            self._limiter.release_on_behalf_of(turn)

    async def _wait_for(self, limiter: CapacityLimiter, turn: object) -> None:
        try:
            with anyio.fail_after(self._patience):
                await limiter.acquire_on_behalf_of(turn)
        except TimeoutError:
            raise Busy(self._said) from None


class Hops:
    """The threads of requests that may touch the database: each finds a connection, whatever the background does."""

    def __init__(self, size: int, patience: float) -> None:
        self._turns = Turns(size, patience, "All database connections are in use.")
        self.count = 0

    async def run(self, work: Callable[[], AnswerT]) -> AnswerT:
        async with self._turns.one():
            self.count += 1
            return await to_thread.run_sync(work, limiter=CapacityLimiter(1))


class Door(Generic[CallerT]):
    """One request's way in: `read` for a question, `write` for an action, each once."""

    def __init__(self, request: Request, response: Response, credentials: Credentials) -> None:
        self.house: House = request.app.state.house
        self._hops: Hops = request.app.state.hops
        self._request = request
        self._response = response
        self._credentials = credentials

    def for_account(self) -> "Door[CallerT]":
        """The same request's door for what concerns the caller's own account only."""
        return Door(self._request, self._response, replace(self._credentials, for_account=True))

    async def read(self, question: Callable[[Work[CallerT]], AnswerT]) -> AnswerT:
        """Answers a question in one read transaction."""

        def hop() -> AnswerT:
            return self.ask(question)

        return await self._hops.run(hop)

    async def write(
        self,
        action: Callable[[Work[CallerT]], ModelT],
        *,
        key: UUID | None = None,
        body: BaseModel | None = None,
        kept: Callable[[ModelT], BaseModel] | None = None,
    ) -> ModelT:
        """Runs an action in one write transaction, committed when this returns.

        With `key` (an id the client chose, `body` being what it came with) or an Idempotency-Key header, the first
        answer is stored in the same transaction and given again. `kept` makes of it what may be stored, where it tells
        a secret: then the request sent again has no further effect, and is not told the secret again.
        """
        expected = self.expected_version
        name, fingerprint = await self._name(key, body)

        def hop() -> ModelT:
            def remembering(work: Work[CallerT]) -> ModelT:
                if name is None or work.caller.account_id is None:
                    return action(work)
                if key is None:  # with an id of its own the action itself refuses what was done before
                    self._replay(work.session, work.caller.account_id, name, fingerprint)
                try:
                    answer = action(work)
                except Refusal:  # perhaps because the same request was done before, or while this one waited
                    self._replay(work.session, work.caller.account_id, name, fingerprint)
                    raise
                self._remember(work, name, fingerprint, kept(answer) if kept else answer)
                return answer

            return self.act(remembering, expected)

        return await self._hops.run(hop)

    async def steps(self, work: Callable[[], AnswerT]) -> AnswerT:
        """One hop for work with slow parts between its transactions (hashing, decoding): `ask` and `act` inside it."""
        return await self._hops.run(work)

    def ask(self, question: Callable[[Work[CallerT]], AnswerT], *, whole: bool = False) -> AnswerT:
        """In a thread already: who asks, and the answer, in one read; with `whole`, as of one moment."""
        now = self.house.clock()
        with self.house.database.snapshot() if whole else self.house.database.read() as session:
            work = self._identified(session, now)
            answer = question(work)
        self.house.remember_use(work)
        return answer

    def act(self, action: Callable[[Work[CallerT]], AnswerT], expected_version: int | None = None) -> AnswerT:
        """In a thread already: who asks, in a read; then the action, in a write; again if its ground was taken away."""
        with self.house.database.read() as session:
            asking = self._identified(session, self.house.clock())
        answer = self.house.database.perform(
            lambda session: action(Work(session, asking.caller, self.house.clock(), self.house, expected_version)),
            edition_of(asking.session),
        )
        self.house.remember_use(asking)
        return answer

    def _identified(self, session: Session, now: Any) -> Work[CallerT]:
        nobody: Work[Any] = Work(session, None, now, self.house)  # nobody asks yet
        caller: Any = self.house.identify(nobody, self._credentials)
        return Work(session, caller, now, self.house)

    @property
    def expected_version(self) -> int | None:
        """The version that If-Match names; `*` names none."""
        header = self._request.headers.get("if-match", "*").strip()
        if header == "*":
            return None
        match = re.fullmatch(r'(?:W/)?"?(\d{1,9})(?:\.[0-9a-z]{0,32})?"?', header)
        if match is None:
            raise BadIfMatch
        return int(match[1])

    def tag(self, version: int, view: str) -> None:
        """Sets the ETag "version.view"; raises `NotModified` where the caller already holds it."""
        etag = f'"{version}.{hashlib.sha256(view.encode()).hexdigest()[:12]}"'
        known = {each.strip().removeprefix("W/") for each in self._request.headers.get("if-none-match", "").split(",")}
        if self._request.method in ("GET", "HEAD") and etag in known:
            raise NotModified(etag)
        self._response.headers["ETag"] = etag

    def link(self, after: str | None) -> dict[str, str]:
        """Sets `Link: …; rel="next"` where there is a next page; answers it, for whoever makes the response."""
        if after is None:
            return {}
        target = self._request.url.include_query_params(after=after)
        link = {"Link": f'<{target.path}?{target.query}>; rel="next"'}
        self._response.headers.update(link)
        return link

    async def _name(self, key: UUID | None, body: BaseModel | None) -> tuple[str | None, str]:
        """What this request calls itself, and a fingerprint of the whole of it."""
        header = self._request.headers.get("idempotency-key")
        if key is not None and body is not None:
            name, content = f"{self._request.scope['route'].name}:{key}", body.model_dump_json().encode()
        elif header is not None:
            if not re.fullmatch(r"[\x21-\x7e]{1,190}", header):
                raise InvalidRequest("Idempotency-Key: 1 to 190 visible ASCII characters.")
            name, content = f"key:{header}", await self._request.body()
        else:
            return None, ""
        place = f"{self._request.method} {self._request.url.path} {self._credentials.post or ''} "
        return name, hashlib.sha256(place.encode() + content).hexdigest()

    def _replay(self, session: Session, account: UUID, name: str, fingerprint: str) -> None:
        known = session.get(RememberedAnswer, (account, name))
        if known is None:
            return
        if known.fingerprint != fingerprint:
            raise IdempotencyKeyReused if name.startswith("key:") else IdReused
        raise Replayed(known.status, known.body)

    def _remember(self, work: Work[CallerT], name: str, fingerprint: str, answer: BaseModel) -> None:
        assert work.caller.account_id is not None
        route = self._request.scope.get("route")
        status = getattr(route, "status_code", None) or 200
        remembered = {
            "account_id": work.caller.account_id,
            "key": name,
            "fingerprint": fingerprint,
            "status": status,
            "body": answer.model_dump_json(by_alias=True),
            "at": work.now,
        }
        insert_rows(work.session, RememberedAnswer, [remembered])


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
PasswordLogin = Annotated[str | None, Depends(_password)]
KeyShown = Annotated[HTTPAuthorizationCredentials | None, Depends(_key)]
XPost = Annotated[UUID | None, Header(description="Which of your posts acts, where you hold several.")]


async def open_door(
    request: Request, response: Response, bearer: Bearer, _password_login: PasswordLogin, x_post: XPost = None
) -> Door[Caller]:
    """A door for the token of this request, which is looked at when the door is used. No system's key opens it."""
    return _opened(request, response, bearer, x_post, frozenset())


def open_to(*verbs: str) -> Callable[..., Coroutine[Any, Any, Door[Any]]]:
    """Opens a door also to a system whose key names one of these verbs."""
    admits = frozenset(verbs)

    async def open_also(
        request: Request,
        response: Response,
        bearer: Bearer,
        _password_login: PasswordLogin,
        _key_shown: KeyShown,
        x_post: XPost = None,
    ) -> Door[Any]:
        return _opened(request, response, bearer, x_post, admits)

    return open_also


def _opened(
    request: Request,
    response: Response,
    bearer: HTTPAuthorizationCredentials | None,
    post: UUID | None,
    admits: frozenset[str],
) -> Door[Any]:
    if bearer is None:
        raise Unauthenticated
    operation = request.scope["route"].name
    return Door(request, response, Credentials(bearer.credentials, post, admits=admits, operation=operation))


CallerDoor = Annotated[Door[Caller], Depends(open_door)]
"""The door of a route for whoever is logged in."""

ReferenceDoor = Annotated[Door[Caller], Depends(open_to(READ))]
"""The door of reference data: for whoever is logged in, and for systems that may read."""


async def _open_public_door(request: Request, response: Response) -> Door[Any]:
    return Door(request, response, Credentials(None, None))


PublicDoor = Annotated[Door[Any], Depends(_open_public_door)]
"""The door of the few routes that need no login: logging in, and being asked whether the house stands."""


def answer_replayed(replayed: Replayed) -> Response:
    """The first answer again, marked as such."""
    return Response(
        replayed.body, replayed.status, headers={"Idempotent-Replayed": "true"}, media_type=JSONResponse.media_type
    )


def forget_answers(house: House) -> int:
    """Removes answers remembered for longer than any device keeps trying; answers how many."""
    before = house.clock() - ANSWERS_ARE_KEPT
    with house.database.read() as session:
        old = select(col(RememberedAnswer.account_id)).where(col(RememberedAnswer.at) < before).limit(1)
        if session.scalar(old) is None:
            return 0
    with house.database.write() as session:
        done = session.connection().execute(delete(RememberedAnswer).where(col(RememberedAnswer.at) < before))
        return done.rowcount
