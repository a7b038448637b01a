"""Where webhooks are measured: stores on PostgreSQL and SQLite with endpoints of one agency, and a crowd that waits."""

import itertools
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
from sqlalchemy import select, tuple_, update
from sqlmodel import col

from app.assembly import assemble
from app.kit.database import insert_rows
from app.kit.house import House
from app.kit.ids import new_id
from app.problems.models import AssignmentRow, ProblemRow
from app.problems.words import ENDED, AssignmentState
from app.town.seed import CITY
from app.webhooks.models import Delivery, Endpoint, Event
from app.webhooks.payloads import example_of, payload_text
from app.webhooks.signing import new_secret, signed_headers
from app.webhooks.words import DeliveryState, EndpointState, EventType
from bench import store
from bench.stand import Tell, first_week, plain, settings_of
from bench.sync import POSTGRESQL, SQLITE
from bench.sync_stand import copy_store
from bench.webhooks_bare import Post
from bench.webhooks_receiver import DEAD, Receiver, receiving
from tests.postgres import Server, running

AGENCY: Final = "PUPR"
ENDPOINTS: Final = 8
"""With eight deliveries at once to each of them, a worker is as busy as its settings allow."""
LOOPBACK: Final = {
    "UJUNG_WEBHOOK_HTTP": "true",
    "UJUNG_WEBHOOK_PORTS": "0",
    "UJUNG_WEBHOOK_NETWORKS": "127.0.0.0/8",
}
"""Settings with which webhooks are sent to the receiver."""
_CHUNK = 5_000
_LOOK_SECONDS = 0.02
_CROWD_SINCE = timedelta(hours=1)


@dataclass(frozen=True)
class WebhookScale:
    """How much is measured."""

    posts: int = 3_000
    """Deliveries of one round, to eight endpoints."""
    posts_to_one: int = 1_500
    """The same, to a single one."""
    steps: int = 80
    """Steps over HTTP of one round, each of which an agency is told of."""
    per_second: int = 20
    """Steps a second."""
    crowd: int = 300_000
    """Deliveries that wait for an endpoint that never answers."""
    rounds: int = 8
    warm_up: int = 1
    """Rounds whose figures are thrown away."""
    kelurahan: int = 12
    """Of each city, that have problems."""


QUICK = WebhookScale(posts=1_000, posts_to_one=400, steps=20, crowd=20_000, rounds=2, kelurahan=3)


@dataclass(frozen=True)
class Message:
    """What one delivery carries."""

    id: UUID
    body: str


def messages(count: int) -> list[Message]:
    """Events as agencies are told them, each about another problem."""
    example = example_of(EventType.PROBLEM_ASSIGNED)
    body = payload_text(EventType.PROBLEM_ASSIGNED, datetime.now(UTC), example["data"])
    problem = example["data"]["problem"]["id"]
    return [Message(new_id(), body.replace(problem, str(new_id()))) for _ in range(count)]


def posts_of(messages: Sequence[Message], urls: Sequence[str]) -> list[Post]:
    """The same for the bare loop, ready to be sent: to each URL in turn, with signatures as long as ours."""
    secret, now = new_secret(), datetime.now(UTC)
    return [
        Post(
            id=str(each.id),
            url=url,
            headers={
                "content-type": "application/json",
                **signed_headers([secret], str(each.id), now, each.body.encode()),
            },
            body=each.body,
        )
        for each, url in zip(messages, itertools.cycle(urls))
    ]


@dataclass(frozen=True)
class Store:
    """A database with a week of problems in it, and endpoints of an agency."""

    name: str
    """What kind of database it is."""
    address: str
    house: House
    folder: Path

    def endpoint(self, url: str, *types: EventType) -> UUID:
        """A new one, which is told of these types, or of all."""
        vault, now = self.house.vault, self.house.clock()
        row = Endpoint(
            id=new_id(),
            agency_code=AGENCY,
            url=url,
            event_types=list(types),
            state=EndpointState.ACTIVE,
            secret=vault.seal(new_secret()),
            key_id=vault.key_id,
            created_at=now,
            next_at=now,
        )
        name = row.id
        with self.house.database.write() as session:
            session.add(row)
        return name

    def set_endpoints(self, endpoints: Collection[UUID], **values: Any) -> None:
        with self.house.database.write() as session:
            session.connection().execute(update(Endpoint).where(col(Endpoint.id).in_(endpoints)).values(values))

    def put(self, batch: Sequence[Message], endpoints: Sequence[UUID], since: timedelta = timedelta(0)) -> None:
        """Deliveries that wait, to each endpoint in turn."""
        now = self.house.clock() - since
        rows = list(zip(batch, itertools.cycle(endpoints)))
        for begin in range(0, len(rows), _CHUNK):
            some = rows[begin : begin + _CHUNK]
            with self.house.database.write() as session:
                insert_rows(session, Event, [_event(message, now) for message, _ in some])
                insert_rows(session, Delivery, [_delivery(message, endpoint, now) for message, endpoint in some])

    def wait_until_settled(self, endpoints: Collection[UUID]) -> None:
        """Until nothing waits for these any more."""
        waiting = select(col(Delivery.id)).where(
            col(Delivery.endpoint_id).in_(endpoints), col(Delivery.state) == DeliveryState.WAITING
        )
        while True:
            with self.house.database.read() as session:
                if session.scalar(waiting.limit(1)) is None:
                    return
            time.sleep(_LOOK_SECONDS)

    def running_parts(self) -> list[UUID]:
        """Assignments that the agency works on, in its own city."""
        part, problem = AssignmentRow, ProblemRow
        statement = (
            select(col(part.id))
            .join(problem, col(problem.id) == col(part.problem_id))
            .where(
                col(part.agency_code) == AGENCY,
                col(part.state) == AssignmentState.IN_PROGRESS,
                col(problem.city_code) == CITY,
                col(problem.state).not_in(ENDED),
            )
        )
        with self.house.database.read() as session:
            return list(session.scalars(statement.order_by(col(part.id))))

    def messages_of(self, facts: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], Message]:
        """What the agency is told of these versions of problems."""
        its = tuple_(col(Event.problem_id), col(Event.version))
        statement = select(Event).where(col(Event.agency_code) == AGENCY, its.in_(facts))
        with self.house.database.read() as session:
            return {
                (event.problem_id, event.version): Message(event.id, event.payload)
                for event in session.scalars(statement)
                if event.problem_id is not None and event.version is not None
            }


def _event(message: Message, now: datetime) -> dict[str, Any]:
    return {
        "id": message.id,
        "agency_code": AGENCY,
        "type": EventType.PROBLEM_ASSIGNED,
        "at": now,
        "area_code": CITY,
        "problem_id": None,
        "version": None,
        "payload": message.body,
        "acknowledged_at": None,
        "open_id": None,
    }


def _delivery(message: Message, endpoint: UUID, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "event_id": message.id,
        "endpoint_id": endpoint,
        "state": DeliveryState.WAITING,
        "attempts": 0,
        "next_at": now,
        "lease": None,
        "is_ping": False,
        "created_at": now,
        "settled_at": None,
    }


@dataclass(frozen=True)
class WebhookStand:
    """The stores, each by the name of its kind of database, and who receives."""

    sending: Mapping[str, Store]
    """Where a worker sends what was put there."""
    calm: Mapping[str, Store]
    crowded: Mapping[str, Store]
    dead: Mapping[str, UUID]
    """The endpoint of the crowded store that never answers."""
    receiver: Receiver
    folder: Path


@contextmanager
def webhook_standing(scale: WebhookScale, tell: Tell) -> Iterator[WebhookStand]:
    """A PostgreSQL that survives power cuts, SQLite files on the same disk, the stores in them, and a receiver."""
    with (
        running(fsync=True) as server,
        tempfile.TemporaryDirectory(prefix="ujung-bench-", ignore_cleanup_errors=True) as name,
        receiving(Path(name)) as receiver,
        ExitStack() as stack,
    ):
        folder = Path(name)
        base = server.create()
        stack.callback(server.drop, base)
        tell("one week of three cities, by the app's own write path")
        week = first_week(base, folder, scale.kelurahan)
        store.put_back(plain(base), week, 0, 1, 1)
        copy_store(base, f"sqlite:///{folder / 'base.db'}")
        sending, calm, crowded = (
            {each.name: each for each in _copies(server, base, folder, place, stack)}
            for place in ("sending", "calm", "crowded")
        )
        dead = {}
        for each in crowded.values():
            tell(f"{scale.crowd:,} deliveries that wait for a dead endpoint, {each.name}")
            dead[each.name] = each.endpoint(receiver.url_of(DEAD), EventType.PING)  # it is told of nothing new
            each.put(messages(scale.crowd), [dead[each.name]], _CROWD_SINCE)
        with psycopg.connect(plain(crowded[POSTGRESQL].address), autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")
        yield WebhookStand(sending, calm, crowded, dead, receiver, folder)


def _copies(server: Server, base: str, folder: Path, place: str, stack: ExitStack) -> Iterator[Store]:
    shutil.copyfile(folder / "base.db", folder / f"{place}.db")
    postgresql = server.create(template=base)
    stack.callback(server.drop, postgresql)
    for name, address in ((POSTGRESQL, postgresql), (SQLITE, f"sqlite:///{folder / place}.db")):
        house = assemble(settings_of(address, folder))
        stack.callback(house.database.close)
        yield Store(name, address, house, folder)
