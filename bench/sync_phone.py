"""What phones ask when they synchronise, over one kept-alive connection that a phone would have."""

import gzip
import http.client
import itertools
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any, Self
from uuid import UUID

import sqlalchemy
from sqlalchemy import select
from sqlmodel import Session, col

from app.journal.models import Entry, LogHead
from app.kit.ids import new_id
from app.people.actors import Actor
from app.people.models import Account, Post
from app.people.words import PostKind
from app.problems.models import ProblemRow
from app.problems.words import ENDED, State
from app.sync import cursors
from bench.city import report_in, token_of

PULL, PUSH, PACK = "/api/v1/sync/pull", "/api/v1/sync/push", "/api/v1/sync/reference/areas"
_LOGS_WITH_NEWS = 5
_IDLE_SECONDS = 2.0
"""Servers close lines that are idle for longer."""
_SEED = 20


class Line:
    """A connection to one server. Answers come unpacked, and as they were sent."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._answered_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def ask(
        self, method: str, path: str, token: str, body: bytes | None = None, status: int = 200, **headers: str
    ) -> tuple[bytes, Message]:
        """The body as it was sent, and the headers; raises where the status is another."""
        said = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        if time.monotonic() - self._answered_at > _IDLE_SECONDS:
            self._connection.close()  # it opens again by itself
        self._connection.request(method, path, body, said)
        response = self._connection.getresponse()
        sent = response.read()
        self._answered_at = time.monotonic()
        if response.status != status:
            raise RuntimeError(f"{method} {path}: {response.status} {sent[:300]!r}")
        return sent, response.headers

    def pull(self, token: str, body: bytes, *, packed: bool) -> dict[str, Any]:
        """The answer of a pull, as objects."""
        sent, headers = self.ask("POST", PULL, token, body, Accept_Encoding="gzip" if packed else "identity")
        if (headers.get("content-encoding") == "gzip") != packed:
            raise RuntimeError("the answer is not packed as it was asked for")
        answer: dict[str, Any] = json.loads(gzip.decompress(sent) if packed else sent)
        return answer

    def push(self, token: str, body: bytes) -> dict[str, Any]:
        """The answer of a push, as objects."""
        sent, _ = self.ask("POST", PUSH, token, body)
        answer: dict[str, Any] = json.loads(sent)
        return answer


def device(**other: Any) -> dict[str, Any]:
    """A phone that was never heard of."""
    return {"id": str(new_id()), "name": "HP lapangan", "schema": 1} | other


@dataclass(frozen=True)
class Wanted:
    """A pull, and the documents that it is to bring."""

    token: str
    body: bytes
    documents: int


def first_pull(line: Line, token: str, most: int, page: int, *, packed: bool) -> int:
    """Pulls from the start, page after page; answers how many documents came."""
    own, after, came = device(), dict[str, str](), 0
    while came < most:
        said = {"device": own, "after": after, "limit": min(page, most - came), "max_bytes": 4_194_304}
        answer = line.pull(token, json.dumps(said).encode(), packed=packed)
        after |= answer["after"]
        came += len(answer["documents"])
        if not answer["more"]:
            break
    return came


class Staff:
    """Officials of the kecamatan, and what they lack if they were there a little while ago."""

    def __init__(self, address: str) -> None:
        self._engine = sqlalchemy.create_engine(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._engine.dispose()

    def pulls(self, news: int, city: str = "") -> list[Wanted]:
        """For each kecamatan, of a city or of all, a pull that brings so many documents, out of a few logs, or none."""
        with Session(self._engine) as session:
            lived = select(LogHead).where(col(LogHead.position) > 0, col(LogHead.log).startswith(city))
            heads = session.scalars(lived.order_by(col(LogHead.log))).all()
            pulls = []
            for district, its in itertools.groupby(heads, key=lambda head: head.log[:8]):
                logs = list(its)
                few = logs[: min(_LOGS_WITH_NEWS, news)]
                shares = {head.log: news // len(few) + (at < news % len(few)) for at, head in enumerate(few)}
                actor = _actor(session, PostKind.STAFF, district)
                after = {head.log: _cursor(session, head, shares.get(head.log, 0), actor) for head in logs}
                said = {"device": device(), "after": after}
                pulls.append(Wanted(token_of(PostKind.STAFF, district), json.dumps(said).encode(), news))
            return pulls


def _actor(session: Session, kind: PostKind, area: str) -> Actor:
    post, account = session.execute(
        select(Post, Account)
        .join(Account, col(Account.id) == col(Post.account_id))
        .where(col(Post.kind) == kind, col(Post.area_code) == area)
    ).one()
    return Actor(
        account_id=account.id,
        name=account.name,
        post_id=post.id,
        kind=kind,
        area_code=area,
        agency_code=None,
        acting=False,
        session_id=account.id,
        must_change_password=False,
    )


def _cursor(session: Session, head: LogHead, news: int, actor: Actor) -> str:
    """The cursor of this post behind which so many documents follow."""
    position = head.position
    if news:
        newest = select(col(ProblemRow.position)).where(col(ProblemRow.area_code) == head.log)
        found = session.scalars(newest.order_by(col(ProblemRow.position).desc()).limit(news)).all()
        position = found[-1] - 1
    standing = session.get(Entry, (head.log, position)) if position else None
    return cursors.written(head.log, position, head.floor, standing, actor)


# -- push ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """A push, and what it is about."""

    token: str
    body: bytes
    first: UUID
    """One of its operations."""
    problems: list[UUID]


class Operators:
    """Operators of an area who come back with what they did in some days; each kelurahan in turn."""

    def __init__(self, address: str, area: str) -> None:
        self._random = random.Random(_SEED)
        engine = sqlalchemy.create_engine(address)
        with Session(engine) as session:
            heads = session.scalars(select(col(LogHead.log)).where(col(LogHead.log).startswith(area))).all()
            self._posts = {log: _actor(session, PostKind.OPERATOR, log).post_id for log in sorted(heads)}
            own = (ProblemRow.area_code, ProblemRow.id, ProblemRow.version, ProblemRow.state)
            of_area = select(*map(col, own)).where(
                col(ProblemRow.area_code).startswith(area), col(ProblemRow.state).not_in(ENDED)
            )
            self._known: dict[str, list[tuple[UUID, int, State]]] = {log: [] for log in self._posts}
            for log, *known in session.execute(of_area.order_by(col(ProblemRow.id))):
                self._known[log].append((known[0], known[1], known[2]))
        engine.dispose()
        self._turns = itertools.cycle(self._posts)

    def reports(self, count: int) -> Batch:
        """Nothing but new problems."""
        log = next(self._turns)
        return self._batch(log, [self._report(log, number) for number in range(count)])

    def mixed(self, count: int) -> Batch:
        """New problems, corrections of those not yet forwarded, and remarks on open ones, a third of each."""
        log = next(self._turns)
        open_ones = [each for each in self._known[log] if each[2] is State.SUBMITTED]
        edits, remarks = self._edits(log, open_ones), self._remarks(log)
        kinds = (lambda number: self._report(log, number), lambda _: next(edits), lambda _: next(remarks))
        return self._batch(log, [kinds[number % 3](number) for number in range(count)])

    def _report(self, log: str, number: int) -> dict[str, Any]:
        yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
        said = report_in(log, "saluran-tersumbat", yesterday, self._random.randrange(10_000) * 5 + 1)
        data = said.model_dump(mode="json", exclude_none=True)
        data["description"] = f"{data['description']} Dilaporkan warga RT {number % 7 + 1:03d}, sudah dilihat sendiri."
        return self._operation(log, new_id(), "report", data)

    def _edits(self, log: str, known: Sequence[tuple[UUID, int, State]]) -> Iterator[dict[str, Any]]:
        """One field after another, so that a problem is corrected again only if there are few."""
        for turn in itertools.count():
            field = ("address", "landmark", "description", "title")[turn % 4]
            for problem, version, _ in known:
                text = f"Sebelah timur Balai RW {self._random.randrange(1, 100):02d}"
                yield self._operation(log, problem, "edit", {field: text}, base=version)

    def _remarks(self, log: str) -> Iterator[dict[str, Any]]:
        for problem, version, _ in itertools.cycle(self._known[log]):
            data = {"text": f"Sudah dicek bersama ketua RT {self._random.randrange(1, 100):03d}."}
            yield self._operation(log, problem, "comment", data, base=version)

    def _operation(self, log: str, problem: UUID, verb: str, data: dict[str, Any], base: int = 0) -> dict[str, Any]:
        return {
            "id": str(new_id()),
            "problem": str(problem),
            "verb": verb,
            "post": str(self._posts[log]),
            "base": base,
            "at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
            "data": data,
        }

    @staticmethod
    def _batch(log: str, operations: Sequence[dict[str, Any]]) -> Batch:
        return Batch(
            token=token_of(PostKind.OPERATOR, log),
            body=json.dumps({"device": device(), "operations": operations}).encode(),
            first=UUID(operations[0]["id"]),
            problems=[UUID(each["problem"]) for each in operations],
        )
