"""Three cities with everybody at their post, and one week of their life by the app's own write path."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select
from sqlmodel import Session, col

from app.agencies.actions import sow
from app.agencies.models import Agency
from app.areas.actions import import_areas
from app.areas.models import Area
from app.areas.words import Level
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.kit.refusals import Refusal
from app.people.actors import Actor
from app.people.models import Account, DeviceSession, Post
from app.people.words import PostKind
from app.problems.actions import Intent, Outcome, perform
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.schemas.parts import PartAccept, PartFinish, PartStart
from app.problems.schemas.reports import CommentIn, EditIn, PointIn, ReporterIn, ReportIn
from app.problems.schemas.steps import Accept, Assign, Confirm, Forward
from app.problems.words import Resolution
from app.town.seed import CITY, rows_of, sow_town

CITIES: Final = {CITY: "", "35.73": ".73", "35.76": ".76"}
"""Pasuruan, whose officials ask, and two cities of the same shape; with the ending of their agencies' codes."""
STAGES: Final = ("reported", "forwarded", "accepted", "assigned", "started", "finished", "confirmed")
LIVES: Final = (
    ("jalan-rusak", "reported"),
    ("lampu-jalan", "forwarded"),
    ("jalan-rusak", "accepted"),
    ("sampah-menumpuk", "assigned"),
    ("saluran-tersumbat", "started"),
    ("genangan", "finished"),
    ("jalan-rusak", "confirmed"),
    ("saluran-tersumbat", "confirmed"),
    ("sampah-menumpuk", "confirmed"),
    ("lampu-jalan", "confirmed"),
)
"""What each kelurahan records in a week: the category, and how far it gets."""

_ROADS, _WASTE = "PUPR", "DLHKP"
_SINCE = datetime(2020, 1, 1, tzinfo=UTC)
_NEVER = datetime(2100, 1, 1, tzinfo=UTC)

Office = tuple[PostKind, str]
"""A post and where it is: an area, an agency, or nowhere in particular."""


class Calendar:
    """A clock that shows what it was set to."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


# -- people ----------------------------------------------------------------------------------------------------------


def settle(house: House) -> dict[Office, Actor]:
    """Sows the cities and puts somebody at every post, logged in on a device."""
    sow_town(house)
    with house.database.write() as session:
        for city, ending in CITIES.items():
            if city != CITY:
                import_areas(session, [(row["code"].replace(CITY, city), row["name"]) for row in rows_of("areas")])
                agencies = [row | {"code": row["code"] + ending} for row in rows_of("agencies")]
                sow(session, city, house.clock(), agencies)
        people = {(kind, area or agency or ""): _actor(kind, area, agency) for kind, area, agency in _posts(session)}
        rows = [_records(office, actor, house.clock()) for office, actor in people.items()]
        for table in (Account, Post, DeviceSession):
            session.connection().execute(insert(table), [each[table] for each in rows])
    return people


def token_of(kind: PostKind, place: str) -> str:
    """The token of whoever holds this post."""
    return f"bench-{kind}-{place}"


def _posts(session: Session) -> Iterator[tuple[PostKind, str | None, str | None]]:
    for code, level in session.execute(select(col(Area.code), col(Area.level))):
        if level is Level.VILLAGE:
            yield from ((PostKind.OPERATOR, code, None), (PostKind.LURAH, code, None))
        if level is Level.DISTRICT:
            yield from ((PostKind.STAFF, code, None), (PostKind.CAMAT, code, None))
    for agency in session.scalars(select(col(Agency.code)).where(col(Agency.has_accounts))):
        yield from ((PostKind.OFFICER, None, agency), (PostKind.HEAD, None, agency))
    for city in CITIES:
        yield from ((PostKind.MONITOR, city, None), (PostKind.MAYOR, city, None))
    yield (PostKind.ADMIN, None, None)


def _actor(kind: PostKind, area: str | None, agency: str | None) -> Actor:
    return Actor(
        account_id=new_id(),
        name=f"{kind.label} {area or agency or ''}".strip(),
        post_id=new_id(),
        kind=kind,
        area_code=area,
        agency_code=agency,
        acting=False,
        session_id=new_id(),
        must_change_password=False,
    )


def _records(office: Office, actor: Actor, now: datetime) -> dict[type[Any], dict[str, Any]]:
    kind, place = office
    account = {
        "id": actor.account_id,
        "username": f"{kind}.{place}".lower().rstrip("."),
        "name": actor.name,
        "password_hash": "-",
        "must_change_password": False,
        "created_at": _SINCE,
    }
    post = {
        "id": actor.post_id,
        "account_id": actor.account_id,
        "kind": kind,
        "area_code": actor.area_code,
        "agency_code": actor.agency_code,
        "acting": False,
        "since": _SINCE,
    }
    device = {
        "id": actor.session_id,
        "account_id": actor.account_id,
        "token_hash": hashlib.sha256(token_of(kind, place).encode()).hexdigest(),
        "device": "bench",
        "created_at": _SINCE,
        "expires_at": _NEVER,
        "last_used_at": now,
    }
    return {Account: account, Post: post, DeviceSession: device}


# -- their week ------------------------------------------------------------------------------------------------------


def report_in(area: str, category: str, seen_on: date, number: int) -> ReportIn:
    """A problem as an operator records it; one in five says who told of it."""
    return ReportIn(
        title=f"Saluran tersumbat di depan Balai RW {number % 9 + 1:02d}",
        description="Air meluap ke jalan setiap hujan, dan sampah ikut masuk ke halaman warga di sekitarnya.",
        category=category,
        area=area,
        seen_on=seen_on,
        point=PointIn(lat=-7.64 - number % 97 / 10_000, lon=112.9 + number % 89 / 10_000),
        landmark=f"Balai RW {number % 9 + 1:02d}",
        rt=f"{number % 7 + 1:03d}",
        rw=f"{number % 9 + 1:03d}",
        reporter=ReporterIn(name="Warga RT 02") if number % 5 == 0 else None,
    )


@dataclass
class Week:
    """A week of all cities that begins on `monday`: every problem as far as its life gets, every office in its turn."""

    house: House
    clock: Calendar
    people: dict[Office, Actor]
    monday: datetime
    kelurahan: int
    """How many of each city live it."""
    problems: dict[UUID, Problem] = field(default_factory=dict)
    ends: dict[UUID, str] = field(default_factory=dict)

    def live(self) -> None:
        """From the first report to the last confirmation."""
        self._report()
        self._each(1, 13, PostKind.OPERATOR, "reported", self._look_again, until="accepted")
        self._each(1, 13, PostKind.OPERATOR, "reported", _remark, until="accepted")
        self._each(2, 13, PostKind.LURAH, "forwarded", lambda _: Forward(verb="forward"))
        self._each(2, 8, PostKind.STAFF, "accepted", lambda _: Accept(verb="accept"))
        self._each(3, 8, PostKind.CAMAT, "assigned", _assignment)
        self._agencies(3, "started", PartAccept(verb="accept"))
        self._agencies(4, "started", PartStart(verb="start"))
        finish = PartFinish(verb="finish", resolution=Resolution.EXPLAINED, note="Selesai dikerjakan.")
        self._agencies(4, "finished", finish)
        self._each(5, 13, PostKind.LURAH, "confirmed", lambda _: Confirm(verb="confirm", rating=4))

    def _report(self) -> None:
        kelurahan = [area for city in CITIES for area in self._kelurahan_of(city)[: self.kelurahan]]
        for turn, (category, end) in enumerate(LIVES):
            for count, area in enumerate(kelurahan):
                self.clock.now = self.monday + timedelta(minutes=turn * 48, seconds=count * 25)
                said = report_in(area, category, self.monday.date(), turn + count)
                (problem,) = self._do((PostKind.OPERATOR, area), [Intent(problem_id=new_id(), said=said)])
                self.ends[problem.id] = end

    def _kelurahan_of(self, city: str) -> list[str]:
        return sorted(area for kind, area in self.people if kind is PostKind.LURAH and area.startswith(city))

    def _each(
        self,
        day: int,
        length: int,
        kind: PostKind,
        stage: str,
        say: Callable[[Problem], Any],
        until: str = STAGES[-1],
    ) -> None:
        """Every post of this kind says the same of all its problems that get to this stage."""
        by_area: dict[str, list[Problem]] = {}
        for problem in self._reaching(stage, until):
            by_area.setdefault(problem.area_code[:length], []).append(problem)
        for area, problems in by_area.items():
            self._pass(day)
            self._do((kind, area), [Intent(problem_id=problem.id, said=say(problem)) for problem in problems])

    def _agencies(self, day: int, stage: str, said: Any) -> None:
        """Every agency says the same of all its parts."""
        by_agency: dict[str, list[tuple[Problem, Assignment]]] = {}
        for problem in self._reaching(stage, STAGES[-1]):
            for part in problem.assignments:
                by_agency.setdefault(part.agency_code, []).append((problem, part))
        for agency, parts in by_agency.items():
            self._pass(day)
            intents = [Intent(problem_id=problem.id, part_id=part.id, said=said) for problem, part in parts]
            self._do((PostKind.OFFICER, agency), intents)

    def _reaching(self, stage: str, until: str) -> list[Problem]:
        stages = STAGES[STAGES.index(stage) : STAGES.index(until) + 1]
        return [problem for each, problem in self.problems.items() if self.ends[each] in stages]

    def _pass(self, day: int) -> None:
        """Half a minute later, and not before this day."""
        self.clock.now = max(self.clock.now + timedelta(seconds=30), self.monday + timedelta(days=day))

    def _do(self, office: Office, intents: Sequence[Intent]) -> list[Problem]:
        actor = self.people[office]

        def unit(session: Session) -> list[Outcome]:
            return perform(Work(session, actor, self.clock(), self.house), intents)

        done = [_accepted(outcome) for outcome in self.house.database.perform(unit)]
        self.problems |= {problem.id: problem for problem in done}
        return done

    def _look_again(self, problem: Problem) -> EditIn:
        return EditIn(landmark=f"{problem.landmark}, sisi timur")


def _accepted(outcome: Outcome) -> Problem:
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def _remark(_problem: Problem) -> CommentIn:
    return CommentIn(id=new_id(), text="Sudah kami cek bersama ketua RT.")


def _assignment(problem: Problem) -> Assign:
    ending = CITIES[problem.area_code[:5]]
    lead, support = (_WASTE, _ROADS) if problem.category_code.startswith("sampah") else (_ROADS, _WASTE)
    return Assign(verb="assign", lead=lead + ending, support=(support + ending,), instruction="Mohon ditindaklanjuti.")
