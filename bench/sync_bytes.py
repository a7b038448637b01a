"""Bytes that phones pay for: real texts of citizens, in problems as they come about, in answers as they are sent.

The texts stay in a database that is gone afterwards.
"""

import csv
import gzip
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import select, update
from sqlmodel import Session, col

from app.assembly import assemble
from app.evidence.actions import await_photo
from app.kit.house import House, Work
from app.kit.migrations import upgrade
from app.kit.refusals import Refusal
from app.people.actors import Actor
from app.people.words import PostKind
from app.problems.actions import Intent, Outcome, perform
from app.problems.lifecycle.record import Problem
from app.problems.models import AssignmentRow
from app.problems.schemas.parts import PartAccept, PartStart
from app.problems.schemas.reports import AttachIn, PointIn, ReportIn
from app.problems.schemas.steps import Accept, Assign, Forward, Move
from app.town.seed import CITY
from bench.city import Calendar, Office, settle, token_of
from bench.stand import OURS, PROJECT, serving, settings_of
from bench.sync_phone import PULL, Line, device
from tests.postgres import memory_folder

TEXTS: Final = PROJECT.parent / "shared" / "data" / "reports" / "id_surabaya_wargaku.csv"
OF_NEW, IN_WORK, FIRST = f"{CITY}.01", f"{CITY}.02", f"{CITY}.03"
"""Kecamatan with nothing but new problems, with nothing but such in work, and with some of both."""
_IN_WORK_OF_FIRST = 4
"""One in so many is in work."""
_PAGE = 500
_CATEGORIES = ("jalan-rusak", "lampu-jalan", "sampah-menumpuk", "saluran-tersumbat", "genangan")
_LEADS = {"sampah-menumpuk": "DLHKP"}
_LEAD = "PUPR"
_TITLE_WORDS, _TITLE_LENGTH, _DESCRIPTION_LENGTH, _ADDRESS_LENGTH = 9, 100, 4_000, 300
_DAYS = 36
_SEED = 20


@dataclass(frozen=True)
class Page:
    """Documents, or marks of what is gone, and the bytes that they cost."""

    count: int
    sent: int
    """Bytes of the answers as they were sent."""
    texts: int
    """Bytes of the free texts alone, packed as well."""

    @property
    def each(self) -> float:
        """Bytes beyond free text, of one."""
        return (self.sent - self.texts) / self.count


@dataclass(frozen=True)
class Weighed:
    """What a kecamatan is sent."""

    new: Page
    in_work: Page
    gone: Page
    first: Page


def weigh(new: int, first: int, texts: Path = TEXTS) -> Weighed | None:
    """Records problems with these texts, and weighs pages of them; None where there are no texts."""
    if not texts.exists():
        return None
    with tempfile.TemporaryDirectory(prefix="ujung-bench-", dir=memory_folder()) as name:
        folder = Path(name)
        address = f"sqlite:///{folder / 'bytes.db'}"
        upgrade(address)
        clock = Calendar(datetime.now(UTC))
        house = assemble(settings_of(address, folder), clock=clock)
        try:
            kecamatan = _Recorder(house, clock, settle(house), list(_reports(texts)))
            kecamatan.record({OF_NEW: (new, 0), IN_WORK: (new, new), FIRST: (first, first // _IN_WORK_OF_FIRST)})
            with serving(OURS, address, folder, None) as (_process, port), Line(port) as line:
                page_of_new, after = _pulled(line, OF_NEW, {}, max(new, _PAGE))
                page_in_work, _ = _pulled(line, IN_WORK, {}, max(new, _PAGE))
                page_of_first, _ = _pulled(line, FIRST, {}, _PAGE)
                kecamatan.move(OF_NEW, IN_WORK)
                page_of_gone, _ = _pulled(line, OF_NEW, after, max(new, _PAGE))
        finally:
            house.database.close()
    return Weighed(page_of_new, page_in_work, page_of_gone, page_of_first)


def _pulled(line: Line, kecamatan: str, after: dict[str, str], page: int) -> tuple[Page, dict[str, str]]:
    """What its staff is sent from these cursors on, and the cursors then."""
    own, sent, texts, count, more = device(), 0, 0, 0, True
    while more:
        said = {"device": own, "after": after, "limit": page, "max_bytes": 4_194_304}
        body, headers = line.ask(
            "POST", PULL, token_of(PostKind.STAFF, kecamatan), json.dumps(said).encode(), Accept_Encoding="gzip"
        )
        if headers.get("content-encoding") != "gzip":
            raise RuntimeError("the answer is not packed")
        answer = json.loads(gzip.decompress(body))
        sent += len(body)
        if answer["documents"]:
            texts += len(gzip.compress("\n".join(_free_texts(answer["documents"])).encode(), compresslevel=6, mtime=0))
        count += len(answer["documents"]) + len(answer["gone"])
        after, more = after | answer["after"], answer["more"]
    return Page(count, sent, texts), after


def _free_texts(documents: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What people wrote."""
    for document in documents:
        yield from (document[name] for name in ("title", "description", "address") if document[name])
        yield from (part["instruction"] for part in document["assignments"] if part["instruction"])


def _reports(texts: Path) -> Iterator[tuple[str, str, str | None]]:
    """Title, description and address, as an operator would record what citizens wrote."""
    with texts.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            title = " ".join(row["text"].split()[:_TITLE_WORDS])[:_TITLE_LENGTH].strip()
            address = " ".join(row["address"].split())[:_ADDRESS_LENGTH].strip() or None
            yield title, row["text"].strip()[:_DESCRIPTION_LENGTH].strip(), address


@dataclass
class _Recorder:
    """Five weeks in which everything happens at a moment of its own."""

    house: House
    clock: Calendar
    people: dict[Office, Actor]
    told: list[tuple[str, str, str | None]]
    random: Random = field(default_factory=lambda: Random(_SEED))
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    newest: dict[UUID, Problem] = field(default_factory=dict)

    def record(self, wanted: dict[str, tuple[int, int]]) -> None:
        """For each kecamatan so many problems, of which so many get into work."""
        ends = self.clock.now
        self.clock.now -= timedelta(days=_DAYS)
        places = [kecamatan for kecamatan, (count, _) in wanted.items() for _ in range(count)]
        self.random.shuffle(places)
        said = cycle(self._sayable())
        for kecamatan, moment in zip(places, self._moments(14, len(places)), strict=True):
            self.clock.now = moment
            self.problems.setdefault(kecamatan, []).append(self._report(kecamatan, next(said)))
        chosen = [
            problem for kecamatan, (_, count) in wanted.items() for problem in islice(self.problems[kecamatan], count)
        ]
        self._step(3, chosen, PostKind.LURAH, 13, lambda _: {"said": Forward(verb="forward")})
        self._step(4, chosen, PostKind.STAFF, 8, lambda _: {"said": Accept(verb="accept")})
        self._step(4, chosen, PostKind.CAMAT, 8, _assignment)
        self._step(3, chosen, PostKind.OFFICER, 0, lambda one: {"said": PartAccept(verb="accept")} | _its_part(one))
        self._step(4, chosen, PostKind.OFFICER, 0, lambda one: {"said": PartStart(verb="start")} | _its_part(one))
        self._step(3, chosen, PostKind.LURAH, 13, self._photo)
        self._name_parts()
        self.clock.now = ends

    def move(self, kecamatan: str, other: str) -> None:
        """Takes all problems of a kecamatan to kelurahan of another."""
        areas = cycle(self._kelurahan(other))
        reason = "Letaknya di seberang jalan."
        for problem in self.problems[kecamatan]:
            said = Move(verb="move", area=next(areas), reason=reason)
            self._do(self.people[PostKind.MONITOR, CITY], Intent(problem_id=problem.id, said=said))

    def _report(self, kecamatan: str, said: ReportIn) -> Problem:
        area = self.random.choice(self._kelurahan(kecamatan))
        point = PointIn(lat=round(self.random.uniform(-7.7, -7.6), 6), lon=round(self.random.uniform(112.85, 113), 6))
        placed = said.model_copy(update={"area": area, "point": point, "seen_on": self.clock.now.date()})
        return self._do(self.people[PostKind.OPERATOR, area], Intent(problem_id=self._id(), said=placed))

    def _sayable(self) -> Iterator[ReportIn]:
        """Reports that the app would take, before they have a place."""
        self.random.shuffle(self.told)
        for title, description, address in self.told:
            ward = {name: f"{self.random.randrange(1, 12):03d}" for name in ("rt", "rw")}
            try:
                yield ReportIn(
                    title=title,
                    description=description,
                    address=address,
                    category=self.random.choice(_CATEGORIES),
                    area=f"{OF_NEW}.1001",
                    seen_on=self.clock.now.date(),
                    **ward,
                )
            except ValidationError:
                continue

    def _step(
        self,
        days: int,
        problems: Sequence[Problem],
        kind: PostKind,
        length: int,
        say: Callable[[Problem], dict[str, Any]],
    ) -> None:
        """In so many days the post of each problem's area, or of the agency that leads, does this."""
        order = list(problems)
        self.random.shuffle(order)
        for problem, moment in zip(order, self._moments(days, len(order)), strict=True):
            self.clock.now = moment
            now = self._latest(problem)
            place = now.area_code[:length] if length else now.assignments[0].agency_code
            self._do(self.people[kind, place], Intent(problem_id=problem.id, **say(now)))

    def _photo(self, _problem: Problem) -> dict[str, Any]:
        photo = self._id()
        row = await_photo(photo, self.random.randbytes(32).hex(), 180_000, None, self.clock.now)
        return {"said": AttachIn(photo=photo, base=None, seen_before=False), "rows": (row,)}

    def _name_parts(self) -> None:
        """Ids as they are where parts come about in weeks: those made within a minute pack too well."""
        with self.house.database.write() as session:
            for each, offered_at in session.execute(select(col(AssignmentRow.id), col(AssignmentRow.offered_at))).all():
                other = update(AssignmentRow).where(col(AssignmentRow.id) == each).values(id=self._id(offered_at))
                session.connection().execute(other)

    def _moments(self, days: int, count: int) -> list[datetime]:
        seconds = sorted(self.random.uniform(0, days * 86_400) for _ in range(count))
        return [self.clock.now + timedelta(seconds=each) for each in seconds]

    def _id(self, moment: datetime | None = None) -> UUID:
        """A UUIDv7 of this moment, now by default, as any phone would make it."""
        milliseconds = int((moment or self.clock.now).timestamp() * 1000)
        low = 0b10 << 62 | self.random.getrandbits(62)
        return UUID(int=milliseconds << 80 | 0x7 << 76 | self.random.getrandbits(12) << 64 | low)

    def _kelurahan(self, kecamatan: str) -> list[str]:
        return sorted(place for kind, place in self.people if kind is PostKind.LURAH and place.startswith(kecamatan))

    def _latest(self, problem: Problem) -> Problem:
        return self.newest.get(problem.id, problem)

    def _do(self, actor: Actor, intent: Intent) -> Problem:
        def unit(session: Session) -> list[Outcome]:
            return perform(Work(session, actor, self.clock(), self.house), [intent])

        (done,) = self.house.database.perform(unit)
        if isinstance(done, Refusal):
            raise done
        self.newest[done.id] = done
        return done


def _assignment(problem: Problem) -> dict[str, Any]:
    return {"said": Assign(verb="assign", lead=_LEADS.get(problem.category_code, _LEAD))}


def _its_part(problem: Problem) -> dict[str, Any]:
    return {"part_id": problem.assignments[0].id}
