"""Admins: accounts, posts, devices, and the journal that tells what they did."""

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response

from app.kit.house import House, Work
from app.kit.refusals import Conflict
from app.people.actions.accounts import disable
from app.people.actions.posts import create_admin
from app.people.words import PostKind
from tests.conftest import SettableClock
from tests.people.townsfolk import BAKALAN, BUGUL_KIDUL, KOTA, PASSWORD, TAPAAN, Townsfolk, refusal


class Office:
    """An admin at work."""

    def __init__(self, town: Townsfolk, headers: dict[str, str]) -> None:
        self.town = town
        self.headers = headers

    async def get(self, path: str, **parameters: Any) -> Response:
        return await self.town.call("GET", f"/admin{path}", self.headers, **parameters)

    async def post(self, path: str, body: Any = None, **headers: str) -> Response:
        return await self.town.call("POST", f"/admin{path}", self.headers | headers, json=body)

    async def delete(self, path: str) -> Response:
        return await self.town.call("DELETE", f"/admin{path}", self.headers)

    async def journal(self) -> list[tuple[str, str, str | None]]:
        items = (await self.get("/journal")).json()["items"]
        return [(each["kind"], each["subject"], each["by"] and each["by"]["username"]) for each in reversed(items)]


@pytest.fixture
async def office(town: Townsfolk) -> Office:
    town.person("admin", (PostKind.ADMIN, None))
    return Office(town, await town.headers("admin"))


async def test_an_account_is_opened_with_a_one_time_password_said_once(town: Townsfolk, office: Office) -> None:
    answer = await office.post("/accounts", {"username": "lurah.bakalan", "name": "Siti Rahmawati"})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    account, password = answer.json()["account"], answer.json()["password"]
    assert (account["username"], account["must_change_password"], account["posts"]) == ("lurah.bakalan", True, [])
    assert (await town.log_in("lurah.bakalan", password)).json()["must_change_password"] is True
    again = await office.post("/accounts", {"username": "lurah.bakalan", "name": "Seorang Lain"})
    assert refusal(again) == (409, "username_taken")
    for path in ("/accounts", f"/accounts/{account['id']}", "/journal"):
        text = (await office.get(path)).text
        assert password not in text
        assert "argon2" not in text
        assert "hash" not in text


async def test_an_idempotency_key_keeps_no_password(house: House, office: Office) -> None:
    body = {"username": "lurah.bakalan", "name": "Siti Rahmawati"}
    key = {"Idempotency-Key": "satu-kali"}
    password = (await office.post("/accounts", body, **key)).json()["password"]
    assert refusal(await office.post("/accounts", body, **key)) == (409, "username_taken")
    with house.database.read() as session:
        kept = session.connection().exec_driver_sql("SELECT body FROM remembered_answer").all()
    assert password not in str(kept)


@pytest.mark.parametrize("username", ["ab", "Lurah", "lurah bakalan", ".lurah", "é" * 5, "x" * 65, "a\n\n"])
async def test_usernames_are_lower_case_letters_digits_dots_and_hyphens(office: Office, username: str) -> None:
    answer = await office.post("/accounts", {"username": username, "name": "Siti"})
    assert refusal(answer) == (422, "invalid_request")


async def test_accounts_are_listed_and_looked_for(town: Townsfolk, office: Office) -> None:
    bakalan = town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    town.person("lurah.tapaan")
    listed = (await office.get("/accounts")).json()["items"]
    assert [each["username"] for each in listed] == ["lurah.tapaan", "lurah.bakalan", "admin"]
    assert listed[1]["posts"][0]["area"]["name"] == "Bakalan"
    assert [each["username"] for each in (await office.get("/accounts", q="BAKAL")).json()["items"]] == [
        "lurah.bakalan"
    ]
    assert (await office.get("/accounts", q="100%")).json()["items"] == []
    page = (await office.get("/accounts", limit=2)).json()
    rest = (await office.get("/accounts", limit=2, after=page["next"])).json()
    assert [each["username"] for each in rest["items"]] == ["admin"]
    assert (await office.get(f"/accounts/{bakalan}")).json()["username"] == "lurah.bakalan"
    assert refusal(await office.get(f"/accounts/{uuid4()}")) == (404, "account_not_found")


async def test_a_reset_logs_every_device_out(town: Townsfolk, office: Office) -> None:
    account = town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    headers = await town.headers("lurah.bakalan")
    answer = await office.post(f"/accounts/{account}/password")
    assert answer.status_code == 200
    assert answer.json()["account"]["must_change_password"] is True
    assert refusal(await town.call("GET", "/me", headers)) == (401, "unauthenticated")
    assert refusal(await town.log_in("lurah.bakalan")) == (401, "wrong_credentials")
    assert (await town.log_in("lurah.bakalan", answer.json()["password"])).status_code == 201
    assert refusal(await office.post(f"/accounts/{uuid4()}/password")) == (404, "account_not_found")


async def test_a_disabled_account_is_out_at_once_until_it_is_enabled(town: Townsfolk, office: Office) -> None:
    account = town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    headers = await town.headers("lurah.bakalan")
    for _ in range(2):
        disabled = await office.post(f"/accounts/{account}/disable")
        assert disabled.json()["disabled_at"] is not None
    assert refusal(await town.call("GET", "/me", headers)) == (401, "unauthenticated")
    assert refusal(await town.log_in("lurah.bakalan")) == (401, "wrong_credentials")
    appointed = {"account": str(account), "kind": "operator", "area": BAKALAN}
    assert refusal(await office.post("/posts", appointed)) == (409, "account_disabled")
    replacing = {"account": str(account), "kind": "lurah", "area": BAKALAN}
    assert refusal(await office.post("/posts/replace", replacing)) == (409, "account_disabled")
    for _ in range(2):
        assert (await office.post(f"/accounts/{account}/enable")).json()["disabled_at"] is None
    assert refusal(await town.call("GET", "/me", headers)) == (401, "unauthenticated")
    assert (await town.log_in("lurah.bakalan")).status_code == 201
    kinds = [kind for kind, _, by in await office.journal() if by == "admin"]
    assert kinds == ["account.disabled", "account.enabled"]


async def test_devices_of_others_are_listed_and_revoked(town: Townsfolk, office: Office) -> None:
    account = town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    headers = await town.headers("lurah.bakalan")
    await town.headers("lurah.bakalan")
    listed = (await office.get(f"/accounts/{account}/sessions")).json()["items"]
    assert [(each["device"], each["current"]) for each in listed] == [("HP kantor", False)] * 2
    assert (await office.delete(f"/accounts/{account}/sessions")).json() == {"revoked": 2}
    assert refusal(await town.call("GET", "/me", headers)) == (401, "unauthenticated")
    assert refusal(await office.get(f"/accounts/{uuid4()}/sessions")) == (404, "account_not_found")
    assert refusal(await office.delete(f"/accounts/{uuid4()}/sessions")) == (404, "account_not_found")


@pytest.mark.parametrize(
    ("kind", "place", "status"),
    [
        ("lurah", {"area": BAKALAN}, 201),
        ("lurah", {"area": BUGUL_KIDUL}, 422),
        ("lurah", {"agency": "PUPR"}, 422),
        ("lurah", {"area": BAKALAN, "agency": "PUPR"}, 422),
        ("lurah", {}, 422),
        ("operator", {"area": KOTA}, 422),
        ("camat", {"area": BUGUL_KIDUL}, 201),
        ("camat", {"area": BAKALAN}, 422),
        ("staff", {"area": BUGUL_KIDUL}, 201),
        ("head", {"agency": "PUPR"}, 201),
        ("head", {"agency": "PLN"}, 422),
        ("officer", {"area": BAKALAN}, 422),
        ("monitor", {"area": KOTA}, 201),
        ("mayor", {"area": BUGUL_KIDUL}, 422),
        ("admin", {}, 201),
        ("admin", {"area": KOTA}, 422),
    ],
)
async def test_each_post_is_held_where_it_belongs(
    town: Townsfolk, office: Office, kind: str, place: dict[str, str], status: int
) -> None:
    account = town.person("siti")
    answer = await office.post("/posts", {"account": str(account), "kind": kind, **place})
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["code"] == "wrong_scope"
    else:
        shown = answer.json()
        assert {key: shown[key]["code"] for key in place} == place
        assert shown["account"]["username"] == "siti"


async def test_what_an_appointment_names_must_be_there(town: Townsfolk, office: Office) -> None:
    account = str(town.person("siti"))
    for body, expected in (
        ({"account": account, "kind": "lurah", "area": "35.75.03.9999"}, (422, "unknown_area")),
        ({"account": account, "kind": "head", "agency": "NOBODY"}, (422, "unknown_agency")),
        ({"account": str(uuid4()), "kind": "admin"}, (404, "account_not_found")),
        ({"account": account, "kind": "system"}, (422, "invalid_request")),
        ({"account": account, "kind": "admin", "since": "0001-01-01T00:00:00+14:00"}, (422, "invalid_request")),
        ({"account": account, "kind": "admin", "until": "2020-01-01T00:00:00Z"}, (422, "wrong_term")),
    ):
        assert refusal(await office.post("/posts", body)) == expected


async def test_one_holder_for_good_and_acting_holders_beside(town: Townsfolk, office: Office) -> None:
    first, second, third = (str(town.person(name)) for name in ("pertama", "kedua", "ketiga"))
    lurah = {"kind": "lurah", "area": BAKALAN}
    assert (await office.post("/posts", lurah | {"account": first})).status_code == 201
    assert refusal(await office.post("/posts", lurah | {"account": second})) == (409, "post_taken")
    assert refusal(await office.post("/posts", lurah | {"account": first})) == (409, "post_already_held")
    assert (await office.post("/posts", lurah | {"account": second, "acting": True})).status_code == 201
    operator = {"kind": "operator", "area": BAKALAN}
    for account in (first, second, third):
        assert (await office.post("/posts", operator | {"account": account})).status_code == 201


async def test_terms_may_follow_one_another_but_not_overlap(
    town: Townsfolk, office: Office, clock: SettableClock
) -> None:
    first, second = str(town.person("pertama")), str(town.person("kedua"))
    change = (clock.now + timedelta(days=30)).isoformat()
    lurah = {"kind": "lurah", "area": BAKALAN}
    assert (await office.post("/posts", lurah | {"account": first, "until": change})).status_code == 201
    assert refusal(await office.post("/posts", lurah | {"account": second})) == (409, "post_taken")
    assert (await office.post("/posts", lurah | {"account": second, "since": change})).status_code == 201
    endless = await office.post("/posts", lurah | {"account": str(town.person("ketiga"))})
    assert refusal(endless) == (409, "post_taken")


async def test_a_lurah_is_replaced_in_one_call(town: Townsfolk, office: Office) -> None:
    town.person("lurah.lama", (PostKind.LURAH, BAKALAN))
    stand_in = town.person("lurah.sementara")
    town.appoint(stand_in, PostKind.LURAH, BAKALAN, acting=True)
    before = await town.headers("lurah.lama")
    new = town.person("lurah.baru")
    answer = await office.post("/posts/replace", {"kind": "lurah", "area": BAKALAN, "account": str(new)})
    assert answer.status_code == 200
    body = answer.json()
    assert {each["account"]["username"] for each in body["ended"]} == {"lurah.lama", "lurah.sementara"}
    assert all(each["until"] == body["begun"]["since"] for each in body["ended"])
    assert (body["begun"]["account"]["username"], body["begun"]["until"], body["password"]) == (
        "lurah.baru",
        None,
        None,
    )
    assert refusal(await town.call("GET", "/agencies", before)) == (403, "no_post")
    assert (await town.call("GET", "/agencies", await town.headers("lurah.baru"))).status_code == 200
    again = await office.post("/posts/replace", {"kind": "lurah", "area": BAKALAN, "account": str(new)})
    assert refusal(again) == (409, "post_already_held")


async def test_a_successor_may_be_new_and_acting(town: Townsfolk, office: Office) -> None:
    town.person("lurah.lama", (PostKind.LURAH, BAKALAN))
    body = {
        "kind": "lurah",
        "area": BAKALAN,
        "new_account": {"username": "siti.rahmawati", "name": "Siti Rahmawati"},
        "acting": True,
    }
    answer = await office.post("/posts/replace", body)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["begun"]["acting"] is True
    logged_in = await town.log_in("siti.rahmawati", answer.json()["password"])
    assert logged_in.json()["must_change_password"] is True
    assert logged_in.json()["posts"][0]["area"]["name"] == "Bakalan"
    assert refusal(await office.post("/posts/replace", body)) == (409, "username_taken")
    assert ("post.replaced", f"lurah:{BAKALAN}", "admin") in await office.journal()


async def test_an_acting_holder_may_become_the_holder_for_good(town: Townsfolk, office: Office) -> None:
    account = town.person("siti")
    town.appoint(account, PostKind.LURAH, BAKALAN, acting=True)
    answer = await office.post("/posts/replace", {"kind": "lurah", "area": BAKALAN, "account": str(account)})
    assert [each["acting"] for each in answer.json()["ended"]] == [True]
    assert answer.json()["begun"]["acting"] is False


async def test_a_failed_replacement_changes_nothing(town: Townsfolk, office: Office) -> None:
    town.person("lurah.lama", (PostKind.LURAH, BAKALAN))
    for body, expected in (
        ({"kind": "lurah", "area": BAKALAN, "account": str(uuid4())}, (404, "account_not_found")),
        ({"kind": "lurah", "area": BAKALAN}, (422, "invalid_request")),
        (
            {
                "kind": "lurah",
                "area": BAKALAN,
                "account": str(uuid4()),
                "new_account": {"username": "siti", "name": "Siti"},
            },
            (422, "invalid_request"),
        ),
        (
            {"kind": "lurah", "area": BAKALAN, "new_account": {"username": "lurah.lama", "name": "Siti"}},
            (409, "username_taken"),
        ),
        (
            {"kind": "lurah", "area": BUGUL_KIDUL, "new_account": {"username": "siti", "name": "Siti"}},
            (422, "wrong_scope"),
        ),
        (
            {"kind": "operator", "area": BAKALAN, "new_account": {"username": "siti", "name": "Siti"}},
            (422, "not_one_holder"),
        ),
    ):
        assert refusal(await office.post("/posts/replace", body)) == expected
    assert [each["username"] for each in (await office.get("/accounts")).json()["items"]] == ["lurah.lama", "admin"]
    assert [each["account"]["username"] for each in (await office.get("/posts", kind="lurah")).json()["items"]] == [
        "lurah.lama"
    ]


async def test_posts_are_listed_by_place_kind_and_person(town: Townsfolk, office: Office, clock: SettableClock) -> None:
    lurah = town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN), (PostKind.OPERATOR, TAPAAN))
    town.person("camat.bugul-kidul", (PostKind.CAMAT, BUGUL_KIDUL))
    town.person("kepala.pupr", (PostKind.HEAD, "PUPR"))

    async def kinds(**parameters: Any) -> list[str]:
        return [each["kind"] for each in (await office.get("/posts", **parameters)).json()["items"]]

    assert await kinds() == ["head", "camat", "operator", "lurah", "admin"]
    assert await kinds(area=BUGUL_KIDUL) == ["camat", "operator", "lurah"]
    assert await kinds(area=BAKALAN) == ["lurah"]
    assert await kinds(agency="PUPR") == ["head"]
    assert await kinds(kind="camat") == ["camat"]
    assert await kinds(account=lurah) == ["operator", "lurah"]
    page = (await office.get("/posts", limit=3)).json()
    assert [each["kind"] for each in (await office.get("/posts", limit=3, after=page["next"])).json()["items"]] == [
        "lurah",
        "admin",
    ]
    post = (await office.get("/posts", kind="camat")).json()["items"][0]["id"]
    ended = await office.post(f"/posts/{post}/end")
    assert ended.json()["until"] == clock.now.isoformat().replace("+00:00", "Z")
    clock.advance(timedelta(seconds=1))
    assert await kinds(kind="camat") == []
    assert await kinds(kind="camat", past="true") == ["camat"]
    assert refusal(await office.post(f"/posts/{post}/end")) == (409, "post_ended")
    assert refusal(await office.post(f"/posts/{uuid4()}/end")) == (404, "post_not_found")


async def test_a_post_may_end_later_and_one_not_begun_never_begins(
    town: Townsfolk, office: Office, clock: SettableClock
) -> None:
    later = clock.now + timedelta(days=5)
    account = town.person("siti")
    post = town.appoint(account, PostKind.OPERATOR, BAKALAN)
    coming = town.appoint(account, PostKind.LURAH, BAKALAN, since=later)
    headers = await town.headers("siti")
    answer = await office.post(f"/posts/{post}/end", {"until": later.isoformat()})
    assert answer.json()["until"] == later.isoformat().replace("+00:00", "Z")
    assert (await town.call("GET", "/agencies", headers)).status_code == 200
    cancelled = (await office.post(f"/posts/{coming}/end")).json()
    assert cancelled["until"] == cancelled["since"]
    clock.now = later + timedelta(seconds=1)
    assert refusal(await town.call("GET", "/agencies", headers)) == (403, "no_post")
    other = {"account": str(town.person("lain")), "kind": "lurah", "area": BAKALAN}
    early = {"since": (later - timedelta(days=1)).isoformat()}
    assert (await office.post("/posts", other | early)).status_code == 201


async def test_the_last_admin_stays(town: Townsfolk, office: Office) -> None:
    (mine,) = (await office.get("/posts", kind="admin")).json()["items"]
    me = mine["account"]["id"]
    assert refusal(await office.post(f"/posts/{mine['id']}/end")) == (409, "last_admin")
    assert refusal(await office.post(f"/accounts/{me}/disable")) == (409, "last_admin")
    town.person("admin.kedua", (PostKind.ADMIN, None))
    assert (await office.post(f"/posts/{mine['id']}/end")).status_code == 200
    assert refusal(await office.get("/posts")) == (403, "no_post")


async def test_two_admins_who_disable_each_other_leave_one(house: House, town: Townsfolk) -> None:
    pair = [town.person(name, (PostKind.ADMIN, None)) for name in ("admin.satu", "admin.dua")]
    meet, outcomes = threading.Barrier(2, timeout=10), []

    def remove(account: Any) -> None:
        meet.wait()
        try:
            house.database.perform(lambda session: disable(Work(session, None, house.clock(), house), account))
        except Conflict as refused:
            outcomes.append(refused.code)
        else:
            outcomes.append("done")

    threads = [threading.Thread(target=remove, args=(account,)) for account in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "last_admin"]


async def test_two_who_appoint_a_lurah_at_once_make_one(house: House, town: Townsfolk) -> None:
    pair = [town.person(name) for name in ("lurah.satu", "lurah.dua")]
    meet, outcomes = threading.Barrier(2, timeout=10), []

    def appoint(account: Any) -> None:
        meet.wait()
        try:
            town.appoint(account, PostKind.LURAH, BAKALAN)
        except Conflict as refused:
            outcomes.append(refused.code)
        else:
            outcomes.append("done")

    threads = [threading.Thread(target=appoint, args=(account,)) for account in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "post_taken"]


async def test_the_journal_tells_who_did_what_without_secrets(town: Townsfolk, office: Office) -> None:
    created = (await office.post("/accounts", {"username": "lurah.bakalan", "name": "Siti"})).json()
    account, password = created["account"]["id"], created["password"]
    await office.post("/posts", {"account": account, "kind": "lurah", "area": BAKALAN})
    headers = await town.headers("lurah.bakalan", password)
    await town.call("POST", "/me/password", headers, json={"current": password, "new": PASSWORD})
    await office.post(f"/accounts/{account}/password")
    await office.delete(f"/accounts/{account}/sessions")
    assert await office.journal() == [
        ("account.created", "admin", None),
        ("post.appointed", "admin", None),
        ("account.created", "lurah.bakalan", "admin"),
        ("post.appointed", f"lurah:{BAKALAN}", "admin"),
        ("password.changed", "lurah.bakalan", "lurah.bakalan"),
        ("password.reset", "lurah.bakalan", "admin"),
        ("devices.revoked", "lurah.bakalan", "admin"),
    ]
    text = (await office.get("/journal")).text
    assert password not in text
    assert PASSWORD not in text
    page = (await office.get("/journal", limit=4)).json()
    rest = (await office.get("/journal", limit=4, after=page["next"])).json()
    assert [len(page["items"]), len(rest["items"]), rest["next"]] == [4, 3, None]
    assert len((await office.get("/journal", kind="account.created")).json()["items"]) == 2
    assert len((await office.get("/journal", subject=f"lurah:{BAKALAN}")).json()["items"]) == 1
    assert len((await office.get("/journal", by=account)).json()["items"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/accounts", None),
        ("POST", "/accounts", {"username": "siti", "name": "Siti"}),
        ("GET", "/accounts/{account}", None),
        ("POST", "/accounts/{account}/password", None),
        ("POST", "/accounts/{account}/disable", None),
        ("POST", "/accounts/{account}/enable", None),
        ("GET", "/accounts/{account}/sessions", None),
        ("DELETE", "/accounts/{account}/sessions", None),
        ("GET", "/posts", None),
        ("POST", "/posts", {"account": "{account}", "kind": "admin"}),
        ("POST", "/posts/replace", {"account": "{account}", "kind": "lurah", "area": BAKALAN}),
        ("POST", "/posts/replace", {"new_account": {"username": "siti", "name": "S"}, "kind": "mayor", "area": KOTA}),
        ("POST", "/posts/{account}/end", None),
        ("GET", "/journal", None),
    ],
)
async def test_nobody_else_administers(town: Townsfolk, method: str, path: str, body: dict[str, Any] | None) -> None:
    account = town.person("walikota", (PostKind.MAYOR, KOTA))
    headers = await town.headers("walikota")
    if body and "account" in body:
        body = body | {"account": str(account)}
    path = f"/admin{path.format(account=account)}"
    assert refusal(await town.call(method, path, headers, json=body)) == (403, "not_permitted")
    assert refusal(await town.call(method, path, json=body)) == (401, "unauthenticated")


async def test_the_first_admin_comes_from_a_command(house: House, town: Townsfolk) -> None:
    password = create_admin(house, "admin.kota", "Admin Kota")
    answer = await town.log_in("admin.kota", password)
    assert answer.json()["must_change_password"] is True
    assert [post["kind"] for post in answer.json()["posts"]] == ["admin"]
    with pytest.raises(Conflict):
        create_admin(house, "admin.kota", "Seorang Lain")
