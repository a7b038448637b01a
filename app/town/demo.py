"""The demo town: an account for every post of Kota Pasuruan, all with one password, and the problems they work on."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import SecretStr
from sqlalchemy import insert, select, update
from sqlmodel import Session, col

from app.agencies.models import Agency
from app.areas.models import Area
from app.areas.queries import within
from app.areas.words import Level
from app.evidence.actions import Prepared
from app.journal import actions as journal
from app.journal.models import Administration
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.kit.refusals import Conflict
from app.people.actors import Actor
from app.people.models import Account, Post
from app.people.passwords import passwords
from app.people.words import PostKind
from app.problems.words import State
from app.town.hours import OfficeHours
from app.town.seed import CITY
from app.town.stories import STORIES, Stage, deeds_of, read_stories, take_photos, username
from app.workdays.queries import load_calendar

_MADE = "demo.made"
_BEGAN_BEFORE = timedelta(days=150)
"""How long before the present the demo town's people took their posts; longer than any story reaches back."""

# fmt: off
_MEN = (
    ("Slamet", "Bambang", "Sugeng", "Imam", "Hendro", "Agus", "Mulyadi", "Fauzi",
     "Rudi", "Taufik", "Yusuf", "Eko", "Wahyu", "Arif", "Dwi", "Zainul"),
    ("Santoso", "Prayitno", "Hidayat", "Kurniawan", "Setiawan", "Firmansyah", "Susilo",
     "Mahmudi", "Pranoto", "Cahyono", "Utomo", "Rosyid", "Harjono"),
)
_WOMEN = (
    ("Siti", "Endang", "Lilik", "Nurul", "Wiwik", "Ratna", "Yuni", "Dewi",
     "Indah", "Fitri", "Sri", "Anisa", "Maya", "Rina", "Umi", "Tutik"),
    ("Rahmawati", "Handayani", "Lestari", "Puspitasari", "Kusumawati", "Mardiana", "Wulandari",
     "Astuti", "Hasanah", "Sulistyowati", "Fauziah", "Maimunah", "Ningsih"),
)
# fmt: on


class NotADemo(Conflict):
    code = "not_a_demo"
    title = "This installation has accounts of its own; a demo town is made in an empty one only"
    judul = "Instalasi ini sudah memiliki akun; kota contoh hanya dibuat pada instalasi kosong"


class NotSown(Conflict):
    code, title, judul = "not_sown", "Sow Kota Pasuruan first", "Data awal Kota Pasuruan belum ada"


@dataclass(frozen=True)
class MadeDemo:
    """What making the demo town did."""

    is_new: bool
    password_changed: bool
    accounts: int = 0
    problems: int = 0
    photos: int = 0
    states: Mapping[State, int] = field(default_factory=dict)


class Holder(NamedTuple):
    """A demo account and the post it holds."""

    username: str
    kind: PostKind
    area_code: str | None = None
    agency_code: str | None = None


def make_demo(house: House, password: SecretStr) -> MadeDemo:
    """Makes the demo town, whole or not at all; where it stands already, sees that this is its password."""
    with house.database.read() as session:
        made_at = _made_at(session)
        is_empty = session.scalar(select(col(Account.id)).limit(1)) is None
    if made_at is not None:
        return MadeDemo(is_new=False, password_changed=_see_to_password(house, made_at, password))
    if not is_empty:
        raise NotADemo
    return _make(house, passwords(house).hash(password))


def _made_at(session: Session) -> datetime | None:
    return session.scalar(select(col(Administration.at)).where(col(Administration.kind) == _MADE).limit(1))


def _see_to_password(house: House, made_at: datetime, password: SecretStr) -> bool:
    """Gives the accounts made with the town this password, unless all have it; answers whether it was needed."""
    made_then = col(Account.created_at) == made_at
    with house.database.read() as session:
        hashes = session.scalars(select(col(Account.password_hash)).where(made_then).distinct()).all()
    if len(hashes) == 1 and passwords(house).verify(password, hashes[0])[0]:
        return False
    renewed = passwords(house).hash(password)

    def unit(session: Session) -> None:
        session.connection().execute(
            update(Account).where(made_then).values(password_hash=renewed, must_change_password=False)
        )

    house.database.perform(unit)
    return True


def _make(house: House, password_hash: str) -> MadeDemo:
    now = house.clock()
    with house.database.read() as session:
        city = session.get(Area, CITY)
        if city is None:
            raise NotSown
        hours = OfficeHours(load_calendar(session, CITY, city.time_zone), now)
    deeds = deeds_of(read_stories(STORIES), hours)
    photos: dict[Any, Prepared] = take_photos(house, deeds)

    def unit(session: Session) -> MadeDemo:
        if _made_at(session) is not None:
            return MadeDemo(is_new=False, password_changed=False)  # somebody else was first
        work: Work[Any] = Work(session, None, now, house)
        areas = session.scalars(select(Area).where(within(col(Area.code), CITY)).order_by(col(Area.code))).all()
        agencies = session.scalars(select(Agency).where(col(Agency.city_code) == CITY).order_by(col(Agency.code))).all()
        actors = _settle(replace(work, now=now - _BEGAN_BEFORE), list(_holders(areas, agencies)), password_hash)
        stage = Stage(work, hours, actors, areas, photos)
        for deed in deeds:
            stage.act(deed)
        return MadeDemo(
            is_new=True,
            password_changed=False,
            accounts=len(actors),
            problems=len(stage.problems),
            photos=len(photos),
            states=Counter(problem.state for problem in stage.problems.values()),
        )

    return house.database.perform(unit)


def _holders(areas: Sequence[Area], agencies: Sequence[Agency]) -> Iterator[Holder]:
    for area in areas:
        if area.level is Level.VILLAGE:
            yield Holder(username("operator", area.name), PostKind.OPERATOR, area.code)
            yield Holder(username("lurah", area.name), PostKind.LURAH, area.code)
        elif area.level is Level.DISTRICT:
            yield Holder(username("staf", area.name), PostKind.STAFF, area.code)
            yield Holder(username("camat", area.name), PostKind.CAMAT, area.code)
    for agency in agencies:
        if agency.has_accounts:
            yield Holder(username("petugas", agency.code), PostKind.OFFICER, agency_code=agency.code)
            yield Holder(username("kepala", agency.code), PostKind.HEAD, agency_code=agency.code)
    yield Holder("tapem", PostKind.MONITOR, CITY)
    yield Holder("walikota", PostKind.MAYOR, CITY)
    yield Holder("admin", PostKind.ADMIN)


def _settle(work: Work[Any], holders: Sequence[Holder], password_hash: str) -> dict[str, Actor]:
    """Opens the accounts and gives them their posts; answers whom each name acts as."""
    actors = {
        holder.username: Actor(
            account_id=new_id(),
            name=_name(place),
            post_id=new_id(),
            kind=holder.kind,
            area_code=holder.area_code,
            agency_code=holder.agency_code,
            acting=False,
            session_id=new_id(),
            must_change_password=False,
        )
        for place, holder in enumerate(holders)
    }
    connection = work.session.connection()
    connection.execute(
        insert(Account),
        [
            {
                "id": actor.account_id,
                "username": name,
                "name": actor.name,
                "password_hash": password_hash,
                "must_change_password": False,
                "created_at": work.now,
            }
            for name, actor in actors.items()
        ],
    )
    connection.execute(
        insert(Post),
        [
            {
                "id": actor.post_id,
                "account_id": actor.account_id,
                "kind": actor.kind,
                "area_code": actor.area_code,
                "agency_code": actor.agency_code,
                "acting": False,
                "since": work.now,
            }
            for actor in actors.values()
        ],
    )
    journal.administration(work, _MADE, CITY, accounts=len(actors))
    return actors


def _name(place: int) -> str:
    """An invented name, another for every place."""
    first, last = (_MEN, _WOMEN)[place % 2]
    return f"{first[place // 2 % len(first)]} {last[place // 2 % len(last)]}"
