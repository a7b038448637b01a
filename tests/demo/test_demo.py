"""The demo town is made once for each database and process, and read by every test here."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr
from sqlmodel import col, func, select

from app.agencies.models import Agency
from app.areas.models import Area
from app.areas.words import Level, parent_of
from app.assembly import assemble, create_app
from app.evidence.models import Photo
from app.evidence.queries import data_of
from app.journal.models import Entry
from app.kit.house import House
from app.people.actions.posts import create_admin
from app.people.models import Account, Post
from app.people.passwords import passwords
from app.problems.actions import make_round
from app.problems.models import AssignmentRow, Comment, ProblemRow
from app.problems.queries.aggregate import load, refold
from app.problems.words import Closing, State
from app.town.demo import MadeDemo, NotADemo, NotSown, make_demo
from app.town.seed import sow_town
from tests.conftest import Databases, SettableClock, settings_for

PASSWORD = SecretStr("kata-sandi-contoh")


class Demo:
    """A demo town, and what making it said."""

    def __init__(self, house: House, made: MadeDemo) -> None:
        self.house = house
        self.made = made


@pytest.fixture(scope="module")
def demos(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Demo]]:
    known: dict[str, Demo] = {}
    with ExitStack() as stack:

        def demo_on(kind: str) -> Demo:
            if kind not in known:
                address = stack.enter_context(databases.fresh(kind))
                house = assemble(settings_for(address, tmp_path_factory.mktemp("demo")), clock=SettableClock())
                stack.callback(house.database.close)
                sow_town(house)
                known[kind] = Demo(house, make_demo(house, PASSWORD))
            return known[kind]

        yield demo_on


@pytest.fixture
def demo(demos: Callable[[str], Demo], database_kind: str) -> Demo:
    return demos(database_kind)


def test_the_town_has_problems_in_every_state_and_every_kelurahan(demo: Demo) -> None:
    with demo.house.database.read() as session:
        rows = session.exec(select(ProblemRow)).all()
        kelurahan = set(session.exec(select(Area.code).where(col(Area.level) == Level.VILLAGE)))

    assert len(rows) >= 60
    assert {row.state for row in rows} == set(State)
    assert {row.closing for row in rows} == {None, *Closing}
    assert {row.area_code for row in rows} == kelurahan
    assert len({parent_of(row.area_code) for row in rows}) == 4
    assert len({row.category_code for row in rows}) >= 40
    assert demo.made.states == {state: sum(row.state is state for row in rows) for state in State}
    assert demo.made.problems == len(rows)


def test_the_town_shows_what_can_happen(demo: Demo) -> None:
    with demo.house.database.read() as session:
        kinds = set(session.exec(select(Entry.kind)))
        by_hand = session.exec(select(AssignmentRow.agency_code).where(col(AssignmentRow.by_hand))).all()
        letters = [
            entry.data.get("letter")
            for entry in session.exec(select(Entry).where(col(Entry.kind) == "assignment_finished"))
            if entry.data.get("by_hand")
        ]
        assert session.exec(select(func.count()).select_from(Comment)).one() >= 5
        assert session.exec(select(func.max(ProblemRow.bounces))).one() == 2
        automatic = session.exec(select(Entry.author).where(col(Entry.account_id).is_(None))).all()

    assert kinds >= {
        "called_up",
        "objected",
        "sent_back",
        "asked",
        "answered",
        "moved_in",
        "authority_decided",
        "assignment_refused",
        "assignment_hold_agreed",
        "assignment_delegated",
        "appealed",
        "appeal_decided",
        "disputed",
        "reopened",
        "escalated",
        "marked_duplicate",
        "main_ended",
        "deferred_to_planning",
        "recategorised",
        "edited",
    }
    assert set(by_hand) == {"PLN", "BPJSKES", "BBWS"}
    assert letters
    assert all(letters)
    assert all(author["post"] == "system" for author in automatic)


def test_each_problem_is_what_its_facts_make_it(demo: Demo) -> None:
    with demo.house.database.read() as session:
        ids = session.exec(select(ProblemRow.id)).all()
        loaded = load(session, ids, demo.house.clock())
        for each in ids:
            assert refold(session, each) == replace(loaded[each], lurah_vacant=False)


def test_each_log_is_gapless_and_in_order_of_time(demo: Demo) -> None:
    with demo.house.database.read() as session:
        entries = session.exec(select(Entry).order_by(col(Entry.log), col(Entry.position))).all()
    logs: dict[str, list[Entry]] = {}
    for entry in entries:
        logs.setdefault(entry.log, []).append(entry)
    for log in logs.values():
        assert [entry.position for entry in log] == list(range(1, len(log) + 1))
        assert [entry.at for entry in log] == sorted(entry.at for entry in log)
    assert max(entry.at for entry in entries) <= demo.house.clock()


def test_the_systems_first_round_finds_nothing_to_do(demo: Demo) -> None:
    assert make_round(demo.house) == 0


def test_every_photo_has_its_file_and_no_two_are_alike(demo: Demo) -> None:
    with demo.house.database.read() as session:
        photos = session.exec(select(Photo)).all()
    assert len(photos) == demo.made.photos >= 30
    assert len({photo.sha256 for photo in photos}) == len(photos)
    for photo in photos:
        assert len(data_of(demo.house, photo, small=False)) == photo.size


def test_names_are_as_promised(demo: Demo) -> None:
    with demo.house.database.read() as session:
        holders = session.exec(select(Account.username, Post).join(Post, col(Post.account_id) == col(Account.id))).all()
        villages = session.exec(select(Area.name).where(col(Area.level) == Level.VILLAGE)).all()
        silent = session.exec(select(Agency.code).where(~col(Agency.has_accounts))).all()
        names = session.exec(select(Account.name)).all()
    held = dict(holders)

    assert {"lurah.bugul-kidul", "lurah.tapaan", "petugas.pupr", "kepala.pupr", "operator.tambaan"} <= set(held)
    assert {"tapem", "walikota", "admin"} <= set(held)
    assert sum(name.startswith("lurah.") for name in held) == len(villages) == 34
    assert held["camat.gadingrejo"].area_code == "35.75.01"
    assert held["lurah.gadingrejo"].area_code == "35.75.01.1009"
    assert not [name for name in held for code in silent if name.endswith(f".{code.lower()}")]
    assert len(set(names)) == len(names) == demo.made.accounts


async def test_a_lurah_logs_in_and_sees_the_kelurahan(demo: Demo) -> None:
    make_demo(demo.house, PASSWORD)
    app = create_app(demo.house.settings, house=demo.house)
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://testserver") as client:
        said = {"username": "lurah.bakalan", "password": PASSWORD.get_secret_value(), "device": "uji"}
        answer = await client.post("/api/v1/auth/sessions", json=said)
        assert answer.status_code == 201
        assert answer.json()["must_change_password"] is False
        token = {"Authorization": f"Bearer {answer.json()['token']}"}
        listed = (await client.get("/api/v1/problems", headers=token)).json()["items"]
        assert {item["area"] for item in listed} == {"35.75.03.1005"}
        first = (await client.get(f"/api/v1/problems/{listed[0]['id']}", headers=token)).json()
        assert first["next_step"]["desk_label"]


def test_making_it_again_changes_nothing_but_the_password(demo: Demo) -> None:
    def hashes() -> set[str]:
        with demo.house.database.read() as session:
            return set(session.exec(select(Account.password_hash)))

    make_demo(demo.house, PASSWORD)
    before = hashes()
    assert make_demo(demo.house, PASSWORD) == MadeDemo(is_new=False, password_changed=False)
    assert hashes() == before

    other = SecretStr("kata-sandi-lain-lagi")
    assert make_demo(demo.house, other) == MadeDemo(is_new=False, password_changed=True)
    (renewed,) = hashes()
    assert passwords(demo.house).verify(other, renewed)[0]
    assert not passwords(demo.house).verify(PASSWORD, renewed)[0]


def test_where_one_changed_their_own_password_the_next_start_sets_it_again(demo: Demo) -> None:
    make_demo(demo.house, PASSWORD)
    with demo.house.database.write() as session:
        lurah = session.exec(select(Account).where(col(Account.username) == "lurah.bakalan")).one()
        lurah.password_hash = passwords(demo.house).hash(SecretStr("milik-sendiri"))

    assert make_demo(demo.house, PASSWORD).password_changed
    with demo.house.database.read() as session:
        assert len(set(session.exec(select(Account.password_hash)))) == 1


def test_real_accounts_are_never_made_into_a_demo(house: House) -> None:
    sow_town(house)
    create_admin(house, "admin", "Kepala Bagian")
    with house.database.read() as session:
        before = session.exec(select(Account.password_hash)).one()

    with pytest.raises(NotADemo):
        make_demo(house, PASSWORD)
    with house.database.read() as session:
        assert session.exec(select(Account.password_hash)).one() == before


def test_without_its_areas_there_is_no_town(house: House) -> None:
    with pytest.raises(NotSown):
        make_demo(house, PASSWORD)


def test_a_story_that_is_refused_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    sow_town(house)
    wrong = Path(house.settings.data_dir, "problems.toml")
    wrong.write_text(
        '[[problem]]\nkey="a"\nkelurahan="Bakalan"\nago="2d"\ncategory="pohon"\ntitle="Dahan patah"\nlandmark="Balai"\n'
        'steps=[{after="1h", who="lurah", verb="confirm"}]\n'
    )
    monkeypatch.setattr("app.town.demo.STORIES", wrong)
    with pytest.raises(Exception, match="does not stand where") as refused:
        make_demo(house, PASSWORD)
    assert refused.value.__notes__ == ["in the story a, step 1"]
    with house.database.read() as session:
        assert session.exec(select(func.count()).select_from(Account)).one() == 0


def test_in_the_night_of_a_long_holiday_the_same_town_is_made(
    demos: Callable[[str], Demo], databases: Databases, tmp_path: Path
) -> None:
    with databases.fresh("sqlite") as address:
        lebaran = datetime(2026, 3, 21, 18, 30, tzinfo=UTC)
        house = assemble(settings_for(address, tmp_path), clock=SettableClock(lebaran))
        try:
            sow_town(house)
            assert make_demo(house, PASSWORD).states == demos("sqlite").made.states
            assert make_round(house) == 0
        finally:
            house.database.close()
