"""Eight who write and four who read, all at once, on PostgreSQL; and what each reader lacks once it is quiet.

A writer pauses inside its transactions, takes some of them back, and once holds a log for two seconds. A reader pulls
page by page, without a break, into a store of its own. What lies there in the end is held against the tables.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from threading import Event, Lock
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from httpx import AsyncClient
from pydantic import BaseModel
from sqlalchemy import Column, select, text, tuple_
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from app.assembly import assemble
from app.client.documents import apply_page, cursors
from app.client.store import Store
from app.kit.columns import columns_of
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.kit.refusals import Busy, Refusal
from app.problems.actions import Intent, perform
from app.problems.models import AssignmentRow, ProblemRow
from app.problems.schemas.reports import CommentIn, EditIn, ReportIn
from app.problems.schemas.steps import Accept, Assign, Move
from app.problems.words import AssignmentState
from app.sync.actions.contact import Known, state_of
from app.sync.queries.pull import pull
from app.sync.schemas import DeviceIn, PullIn
from tests.conftest import MONDAY_MORNING, SettableClock, settings_for
from tests.town import Someone, Town

KECAMATAN = "Bugul Kidul"
KELURAHAN = ["Bakalan", "Blandongan", "Bugul Kidul", "Kepel", "Krampyangan", "Tapa'an"]
AGENCIES = ["PUPR", "DLHKP"]
PROBLEMS, WRITERS, TRANSACTIONS = 400, 8, 25
HELD_SECONDS = 2.0
_PAUSE_SECONDS = 0.02
_PATIENCE = "SET LOCAL lock_timeout = '50ms'"
_LOCK_NOT_AVAILABLE = "55P03"
_TAKEN_BACK = 0.15
_PAGE = (5, 40)


class Held(NamedTuple):
    """As much of a problem as tells which state of it somebody holds."""

    area: str
    position: int
    version: int
    title: str


class Reader(Protocol):
    """Reads on from where it is. Lives in one thread."""

    def page(self) -> bool:
        """One page; answers whether there is more."""

    def held(self) -> dict[str, Held]:
        """What it holds, by the problem's id."""

    def close(self) -> None:
        """It reads no more."""


@dataclass
class Seen:
    """What came of one run."""

    did: Counter[str] = field(default_factory=Counter)
    """How many transactions were kept, taken back, or sent away; how many facts of each verb were kept; pages."""
    wrong: list[str] = field(default_factory=list)


class TickingClock(SettableClock):
    """No two moments are the same, in the order in which they were asked for."""

    def __init__(self, now: datetime = MONDAY_MORNING) -> None:
        super().__init__(now)
        self._turn = Lock()

    def __call__(self) -> datetime:
        with self._turn:
            return self.advance(timedelta(milliseconds=1))


class Crowd:
    """A kecamatan in which much is going on."""

    def __init__(self, house: House, clock: TickingClock) -> None:
        self.house = house
        self.town = Town(house, AsyncClient(), clock)
        self.camat = self.town.camat(KECAMATAN)
        self.areas = [self.town.kelurahan(each) for each in KELURAHAN]
        self.problems = [new_id() for _ in range(PROBLEMS)]
        """Every fourth is in the hands of an agency."""
        self.assigned = self.problems[::4]

    def record(self) -> None:
        """The problems, before anybody is looking."""
        for at, area in enumerate(self.areas):
            mine = self.problems[at :: len(self.areas)]
            said = ReportIn.model_validate(self.town.problem(area))
            self._do(self.town.lurah(area), [Intent(problem_id=each, said=said) for each in mine])
        for verb in (Accept(verb="accept"), Assign(verb="assign", lead=AGENCIES[0])):
            self._do(self.camat, [Intent(problem_id=each, said=verb) for each in self.assigned])

    def _do(self, who: Someone, intents: Sequence[Intent]) -> None:
        outcomes = self.house.database.perform(lambda session: perform(self.work(session, who), intents))
        assert not [each for each in outcomes if isinstance(each, Refusal)]

    def work(self, session: Session, who: Someone) -> Work[Any]:
        return Work(session, who.actor, self.house.clock(), self.house)

    def readers(self) -> list[Someone]:
        """Two see all of it, one a kelurahan that problems come to and leave, one what its agency is given."""
        town = self.town
        return [self.camat, town.staff(KECAMATAN), town.lurah(KELURAHAN[0]), town.officer(AGENCIES[0])]

    def truth(self, who: Someone) -> dict[str, Held]:
        """What somebody should hold, asked of the tables."""
        problem, part = columns_of(ProblemRow), columns_of(AssignmentRow)
        statement = select(problem.id, problem.area_code, problem.position, problem.version, problem.title)
        if who.actor.agency_code:
            theirs = select(part.problem_id).where(
                part.agency_code == who.actor.agency_code, part.state != AssignmentState.REVOKED
            )
            statement = statement.where(problem.id.in_(theirs))
        else:
            statement = statement.where(problem.area_code.startswith(str(who.actor.area_code)))
        with self.house.database.read() as session:
            return {str(each): Held(*held) for each, *held in session.execute(statement)}

    def run(self, seed: str, readers: Sequence[tuple[Someone, Callable[[Random], Reader]]]) -> Seen:
        """Everybody at once, until the last writer has ended; then every reader reads to the end."""
        seen, quiet = Seen(), Event()
        with ThreadPoolExecutor(WRITERS + len(readers)) as pool:
            reading = [
                pool.submit(_read_until, quiet, make, Random(f"{seed} reader {at}"))
                for at, (_, make) in enumerate(readers)
            ]
            writing = [
                pool.submit(Writer(self, Random(f"{seed} writer {at}"), has_long=at == 0).write)
                for at in range(WRITERS)
            ]
            try:
                for writer in writing:
                    seen.did += writer.result()
            finally:
                quiet.set()
            for (who, _), reader in zip(readers, reading, strict=True):
                held, pages = reader.result()
                seen.did["pages"] += pages
                seen.wrong += _compared(who.actor.view, held, self.truth(who))
        return seen


def _read_until(quiet: Event, make: Callable[[Random], Reader], random: Random) -> tuple[dict[str, Held], int]:
    reader, pages = make(random), 0
    with closing(reader):
        while not quiet.is_set():
            reader.page()
            pages += 1
        while reader.page():
            pass
        return reader.held(), pages


def _compared(who: str, held: Mapping[str, Held], truth: Mapping[str, Held]) -> Iterator[str]:
    for each in sorted(held.keys() | truth.keys()):
        if held.get(each) != truth.get(each):
            yield f"{who} holds of {each}: {held.get(each)}, and it is {truth.get(each)}"


# -- writers ---------------------------------------------------------------------------------------------------------


class TakenBack(Exception):
    """The transaction ends without effect."""


class Writer:
    """The camat at one of many desks. Whoever finds a log held for too long goes to another."""

    def __init__(self, crowd: Crowd, random: Random, *, has_long: bool) -> None:
        self._crowd = crowd
        self._random = random
        self._has_long = has_long
        self._did: Counter[str] = Counter()

    def write(self) -> Counter[str]:
        while (done := self._did["kept"] + self._did["taken back"]) < TRANSACTIONS:
            if self._has_long and done >= TRANSACTIONS // 5:
                self._has_long = False
                self._hold()
            else:
                self._turn()
        return self._did

    def _turn(self) -> None:
        says = [self._said() for _ in range(self._random.randint(1, 2))]
        pause = self._random.uniform(0, _PAUSE_SECONDS)
        is_taken_back = self._random.random() < _TAKEN_BACK
        try:
            self._perform(says, pause, is_taken_back=is_taken_back)
        except TakenBack:
            self._did["taken back"] += 1
        except Busy:
            self._did["sent away"] += 1
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            self._did["went elsewhere"] += 1

    def _hold(self) -> None:
        """Changes five problems of a kelurahan, and is in no hurry to say so."""
        problem = columns_of(ProblemRow)
        here = select(problem.id).where(problem.area_code == self._crowd.areas[0]).limit(5)
        with self._crowd.house.database.read() as session:
            says = [(each, self._edit()) for each in session.scalars(here)]
        self._perform(says, HELD_SECONDS, patience=None)

    def _perform(
        self,
        says: Sequence[tuple[UUID, BaseModel]],
        pause: float,
        *,
        is_taken_back: bool = False,
        patience: str | None = _PATIENCE,
    ) -> None:
        crowd = self._crowd
        intents = [Intent(problem_id=each, said=said) for each, said in says]

        def unit(session: Session) -> list[Any]:
            if patience is not None:
                session.execute(text(patience))
            outcomes = perform(crowd.work(session, crowd.camat), intents)
            session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": pause})
            if is_taken_back:
                raise TakenBack
            return outcomes

        outcomes = crowd.house.database.perform(unit)
        self._did["kept"] += 1
        for (_, said), outcome in zip(says, outcomes, strict=True):
            if not isinstance(outcome, Refusal):
                self._did[type(said).__name__] += 1

    def _said(self) -> tuple[UUID, BaseModel]:
        random, crowd = self._random, self._crowd
        match random.randrange(10):
            case 0 | 1 | 2:
                said = Move(verb="move", area=random.choice(crowd.areas), reason="Letaknya di sana.")
                return random.choice(crowd.problems), said
            case 3 | 4:
                return random.choice(crowd.assigned), Assign(verb="assign", lead=random.choice(AGENCIES))
            case 5 | 6:
                return random.choice(crowd.problems), CommentIn(id=new_id(), text="Petugas sudah di lokasi.")
        return random.choice(crowd.problems), self._edit()

    def _edit(self) -> EditIn:
        return EditIn(title=f"Saluran nomor {self._random.randrange(10**9)}", reason="Lebih tepat begini.")


# -- readers ---------------------------------------------------------------------------------------------------------


class Pulling:
    """Asks as a phone does, and stores what it is told by the rules of phones."""

    def __init__(self, crowd: Crowd, who: Someone, folder: Path, random: Random, *, whole: bool = True) -> None:
        self._crowd = crowd
        self._who = who
        self._random = random
        self._post = str(who.actor.post_id)
        self._device = DeviceIn(id=new_id(), name="HP lapangan")
        self._store = Store(folder / f"{self._device.id}.db")
        self._store.connection.execute("PRAGMA synchronous = OFF")  # nobody dies here
        database = crowd.house.database
        self._opened = database.snapshot if whole else database.read

    def page(self) -> bool:
        limit = self._random.randint(*_PAGE)
        said = PullIn(device=self._device, after=cursors(self._store, self._post), limit=limit)
        with self._opened() as session:
            work = self._crowd.work(session, self._who)
            answer = json.loads(pull(work, said).json(state_of(Known(None, has_last=True), self._device, work.now)))
        with self._store.change():
            apply_page(self._store, self._post, answer)
        return bool(answer["more"])

    def held(self) -> dict[str, Held]:
        rows = self._store.rows("SELECT log, position, version, body FROM document WHERE post = ?", self._post)
        found = {}
        for log, position, version, body in rows:
            document = json.loads(body)
            found[document["id"]] = Held(log, position, version, document["title"])
        return found

    def close(self) -> None:
        self._store.close()


class Following:
    """Reads whatever lies behind one cursor for everything: the last row's place in the order of these columns."""

    def __init__(self, crowd: Crowd, random: Random, *columns: str) -> None:
        self._crowd = crowd
        self._random = random
        problem = columns_of(ProblemRow)
        self._order: list[Column[Any]] = [problem[name] for name in columns]
        self._shown = [problem.id, problem.area_code, problem.position, problem.version, problem.title]
        self._after: tuple[Any, ...] | None = None
        self._held: dict[str, Held] = {}

    def page(self) -> bool:
        statement = select(*self._shown, *self._order).order_by(*self._order).limit(self._random.randint(*_PAGE))
        if self._after is not None:
            statement = statement.where(tuple_(*self._order) > self._after)
        with self._crowd.house.database.read() as session:
            rows = session.execute(statement).all()
        for each, *held in rows:
            self._held[str(each)] = Held(*held[:4])
            self._after = tuple(held[4:])
        return bool(rows)

    def held(self) -> dict[str, Held]:
        return self._held

    def close(self) -> None:
        """There is nothing to close: it remembers."""


@contextmanager
def gathered(address: str, folder: Path) -> Iterator[Crowd]:
    """A crowd in a populated town, before anything is recorded."""
    clock = TickingClock()
    house = assemble(settings_for(address, folder, pool_size=2 * WRITERS), clock=clock)
    try:
        yield Crowd(house, clock)
    finally:
        house.database.close()
