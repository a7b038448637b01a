"""Which post a request acts under, and what is open to somebody without one."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from app.kit.house import Credentials, House, Work
from app.people.actors import Actor
from app.people.queries import identify, vacant
from app.people.words import PostKind
from tests.conftest import SettableClock
from tests.people.townsfolk import BAKALAN, BUGUL_KIDUL, KOTA, PASSWORD, TAPAAN, Townsfolk, refusal


def actor(house: House, headers: dict[str, str], post: UUID | None = None) -> Actor:
    token = headers["Authorization"].removeprefix("Bearer ")
    with house.database.read() as session:
        found = identify(Work(session, None, house.clock(), house), Credentials(token, post))
    assert isinstance(found, Actor)
    return found


async def test_the_only_post_acts(house: House, town: Townsfolk) -> None:
    account = town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    found = actor(house, await town.headers("lurah.bakalan"))
    assert (found.account_id, found.kind, found.area_code, found.agency_code, found.acting, found.is_admin) == (
        account,
        PostKind.LURAH,
        BAKALAN,
        None,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("kind", "place", "view", "office"),
    [
        (PostKind.OPERATOR, BAKALAN, f"operator:{BAKALAN}", f"kelurahan:{BAKALAN}"),
        (PostKind.LURAH, BAKALAN, f"lurah:{BAKALAN}", f"kelurahan:{BAKALAN}"),
        (PostKind.STAFF, BUGUL_KIDUL, f"staff:{BUGUL_KIDUL}", f"kecamatan:{BUGUL_KIDUL}"),
        (PostKind.CAMAT, BUGUL_KIDUL, f"camat:{BUGUL_KIDUL}", f"kecamatan:{BUGUL_KIDUL}"),
        (PostKind.OFFICER, "PUPR", "officer:PUPR", "agency:PUPR"),
        (PostKind.HEAD, "PUPR", "head:PUPR", "agency:PUPR"),
        (PostKind.MONITOR, KOTA, f"monitor:{KOTA}", f"city:{KOTA}"),
        (PostKind.MAYOR, KOTA, f"mayor:{KOTA}", f"city:{KOTA}"),
        (PostKind.ADMIN, None, "admin", "admin"),
    ],
)
async def test_each_post_has_a_view_and_an_office(
    house: House, town: Townsfolk, kind: PostKind, place: str | None, view: str, office: str
) -> None:
    town.person("somebody", (kind, place))
    found = actor(house, await town.headers("somebody"))
    assert (found.view, found.office, found.is_admin) == (view, office, kind is PostKind.ADMIN)
    assert kind.label


async def test_x_post_chooses_and_without_it_the_latest_held_for_good_acts(
    house: House, town: Townsfolk, clock: SettableClock
) -> None:
    account = town.person("siti", (PostKind.OPERATOR, BAKALAN))
    clock.advance(timedelta(days=1))
    lurah = town.appoint(account, PostKind.LURAH, BAKALAN)
    clock.advance(timedelta(days=1))
    elsewhere = town.appoint(account, PostKind.LURAH, TAPAAN, acting=True)
    headers = await town.headers("siti")
    assert actor(house, headers).post_id == lurah
    chosen = actor(house, headers, elsewhere)
    assert (chosen.post_id, chosen.acting) == (elsewhere, True)
    me = (await town.call("GET", "/me", headers | {"X-Post": str(elsewhere)})).json()
    assert me["post"]["id"] == str(elsewhere)
    assert [(post["kind"], post["acting"]) for post in me["posts"]] == [
        ("lurah", False),
        ("operator", False),
        ("lurah", True),
    ]


async def test_an_acting_post_acts_where_there_is_no_other(house: House, town: Townsfolk) -> None:
    account = town.person("siti")
    post = town.appoint(account, PostKind.LURAH, TAPAAN, acting=True)
    assert actor(house, await town.headers("siti")).post_id == post


async def test_a_post_that_is_not_held_is_refused(town: Townsfolk) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    other = town.appoint(town.person("lurah.tapaan"), PostKind.LURAH, TAPAAN)
    headers = await town.headers("lurah.bakalan")
    for post in (other, uuid4()):
        for path in ("/me", "/agencies"):
            answer = await town.call("GET", path, headers | {"X-Post": str(post)})
            assert refusal(answer) == (403, "post_not_held")
    answer = await town.call("GET", "/me", headers | {"X-Post": "nonsense"})
    assert refusal(answer) == (422, "invalid_request")


async def test_a_post_is_held_from_its_beginning_to_its_end(
    house: House, town: Townsfolk, clock: SettableClock
) -> None:
    account = town.person("siti")
    since, until = clock.now + timedelta(days=1), clock.now + timedelta(days=2)
    town.appoint(account, PostKind.LURAH, BAKALAN, since=since, until=until)
    headers = await town.headers("siti")
    held = []
    for moment in (since - timedelta(seconds=1), since, until - timedelta(seconds=1), until):
        clock.now = moment
        held.append((await town.call("GET", "/agencies", headers)).status_code)
        with house.database.read() as session:
            free = vacant(session, PostKind.LURAH, [BAKALAN, TAPAAN], moment)
            assert free == ({TAPAAN} if held[-1] == 200 else {BAKALAN, TAPAAN})
    assert held == [403, 200, 200, 403]


async def test_without_a_post_only_ones_own_account_is_open(town: Townsfolk) -> None:
    town.person("siti")
    headers = await town.headers("siti")
    me = (await town.call("GET", "/me", headers)).json()
    assert (me["posts"], me["post"]) == ([], None)
    for path in ("/agencies", "/categories", "/areas", "/auth/sessions", "/admin/accounts"):
        assert refusal(await town.call("GET", path, headers)) == (403, "no_post")
    changed = await town.call("POST", "/me/password", headers, json={"current": PASSWORD, "new": "yang-lain-sekali"})
    assert changed.status_code == 200
    assert (await town.call("DELETE", "/auth/sessions/current", headers)).status_code == 200


def test_vacant_asks_nothing_for_nothing(house: House) -> None:
    with house.database.read() as session:
        assert vacant(session, PostKind.LURAH, [], house.clock()) == set()


async def test_a_post_whose_holder_is_disabled_is_vacant(house: House, town: Townsfolk) -> None:
    account = town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    town.person("admin", (PostKind.ADMIN, None))
    admin = await town.headers("admin")
    await town.call("POST", f"/admin/accounts/{account}/disable", admin)
    with house.database.read() as session:
        assert vacant(session, PostKind.LURAH, [BAKALAN], house.clock()) == {BAKALAN}
