"""Lists: each filter against what the problems say of themselves, whole pages, and plans that use indexes."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from httpx import ASGITransport, AsyncClient, Response
from sqlalchemy import Connection, Engine, event, insert, select, text
from sqlmodel import SQLModel, col

from app.areas.models import Area
from app.areas.words import Level
from app.assembly import create_app
from app.kit.house import House
from app.kit.ids import new_id
from app.kit.settings import Settings
from app.problems.models import AssignmentRow, ProblemRow
from app.problems.words import AssignmentState, State
from tests.conftest import Databases, SettableClock, settings_for
from tests.town import Someone, Town, populate

JAKARTA = ZoneInfo("Asia/Jakarta")

Problem = dict[str, Any]
Filter = Callable[["Register", Problem], bool]


def at(text: str) -> datetime:
    """A moment, as a clock in Pasuruan shows it."""
    return datetime.fromisoformat(text).replace(tzinfo=JAKARTA).astimezone(UTC)


# -- a week in the town ----------------------------------------------------------------------------------------------


@dataclass
class Register:
    """What a week's problems say of themselves: the truth that lists are held against."""

    town: Town
    problems: list[Problem]
    categories: dict[str, str | None]
    """Each category's parent."""

    def is_below(self, category: str | None, above: str) -> bool:
        while category is not None and category != above:
            category = self.categories[category]
        return category == above

    def ids(self, *filters: Filter) -> list[str]:
        """The problems that all filters hold for, newest first."""
        return [each["id"] for each in self.problems if all(holds(self, each) for holds in filters)]

    def updated_in_the_middle(self) -> str:
        return str(sorted(each["updated_at"] for each in self.problems)[len(self.problems) // 2])


async def a_week(town: Town) -> None:  # noqa: PLR0915 - a week is long
    """Problems of every kind, in all states, recorded from Monday to the Thursday after next."""
    deeper = {"code": "gang-buntu", "label": "Gang buntu", "parent_code": "jalan-lingkungan", "class": "ordinary"}
    town.good(await town.admin.post("/admin/categories", deeper | {"proof_required": False}), 201)
    clock, camat, other = town.clock, town.camat("Bugul Kidul"), town.camat("Gadingrejo")
    bakalan, gentong = town.lurah("Bakalan"), town.lurah("Gentong")
    clock.now = at("2026-03-02T09:00")
    await town.operator("Bakalan").report(title="Saluran tersumbat di RW 02")
    await bakalan.report(title="Jalan berlubang di depan pasar", category="jalan-rusak", priority="high")
    clock.now = at("2026-03-02T23:59")
    await town.operator("Tapa'an").report("Tapa'an", title="Pohon di jalan Tapa'an", category="pohon")
    clock.now = at("2026-03-03T00:30")
    await town.lurah("Bugul Kidul").report(
        "Bugul Kidul",
        title="Sampah di lapangan",
        category="sampah-menumpuk",
        local={"plan": "Kerja bakti", "target_on": "2026-03-05"},
    )
    clock.now = at("2026-03-03T10:00")
    accepted = await gentong.report("Gentong", title="Genangan air", category="genangan", priority="urgent")
    await other.step(accepted, "accept")
    clock.now = at("2026-03-04T10:00")
    assigned = await gentong.report("Gentong", title="Gorong-gorong runtuh", address="Jl. Kiai Ma’ruf No. 7")
    await other.step(assigned, "accept")
    await other.step(assigned, "assign", lead="PUPR", support=["DLHKP"])
    clock.now = at("2026-03-05T08:00")
    working = await town.lurah("Pohjentrek").report("Pohjentrek", title="Lampu padam", category="lampu-jalan")
    await town.camat("Purworejo").step(working, "accept")
    working = await town.camat("Purworejo").step(working, "assign", lead="DISHUB")
    working = await town.officer("DISHUB").part(working, "accept")
    await town.officer("DISHUB").part(working, "start")
    clock.now = at("2026-03-06T08:00")
    for ending in ("awaiting", "confirmed"):
        solved = await bakalan.report(title=f"Kartu keluarga, {ending}", category="kependudukan")
        await camat.step(solved, "accept")
        await camat.step(solved, "take_up", plan="Jemput bola")
        await camat.step(solved, "finish", resolution="served", note="Sudah.")
        if ending == "confirmed":
            await bakalan.step(solved, "confirm")
    withdrawn = await town.operator("Bakalan").report(title="Salah catat")
    await bakalan.step(withdrawn, "withdraw", reason="Keliru.")
    returned = await town.operator("Kepel").report("Kepel", title="Ada masalah di saluran")
    await town.lurah("Kepel").step(returned, "send_back", reason="Di mana?")
    clock.now = at("2026-03-07T11:00")
    await town.operator("Mayangan").report("Mayangan", title="Banjir sepinggang", category="banjir")
    held = await town.lurah("Mayangan").report("Mayangan", title="Tanggul retak", category="sungai")
    await town.camat("Panggungrejo").step(held, "accept")
    await town.camat("Panggungrejo").step(held, "hold", reason_code="budget", review_on="2026-03-16")
    asked = await bakalan.report(title="Kapan jalan dilebarkan?", category="informasi-pembangunan")
    await camat.step(asked, "reject", reason_code="not_a_problem", reason="Jawaban ada di papan.")
    clock.now = at("2026-03-12T09:00")
    await bakalan.report(
        title="Pungutan di loket", category="pungutan-liar", source="lapor", source_ref="LAPOR-7423981"
    )
    refused = await bakalan.report(title="Kabel menjuntai", category="telekomunikasi")
    await camat.step(refused, "accept")
    refused = await camat.step(refused, "assign", lead="KOMINFO")
    refused = await town.head("KOMINFO").part(refused, "refuse", belongs_to="PLN", reason="Kabel listrik.")
    refused = await camat.step(refused, "assign", lead="PERKIM")
    await camat.post(f"/assignments/{refused['assignments'][-1]['id']}/steps", {"verb": "revoke", "reason": "Keliru."})
    by_hand = await bakalan.report(title="Tegangan turun", category="listrik-padam")
    await camat.step(by_hand, "accept")
    await camat.step(by_hand, "assign", lead="PLN")
    officers = await town.officer("DINKES").report("Kandangsapi", title="Jentik di selokan", category="demam-berdarah")
    edited = await town.operator("Bakalan").report(title="Tembok miring", category="gang-buntu")
    await town.operator("Bakalan").patch(f"/problems/{edited['id']}", {"title": "Pagar miring"})
    assert officers["state"] == "forwarded"


THE_END = at("2026-03-12T15:00")


def populate_for_a_week(house: House) -> None:
    """The town after that week; each test begins with a copy of it."""
    populate(house)
    transport = ASGITransport(app=create_app(house.settings, house=house))
    clock = house.clock
    assert isinstance(clock, SettableClock)

    async def live() -> None:
        async with AsyncClient(transport=transport, base_url="http://testserver") as client:
            await a_week(Town(house, client, clock))

    asyncio.run(live())


@pytest.fixture
def town_settings(databases: Databases, database_kind: str, tmp_path: Path) -> Iterator[Settings]:
    with databases.fresh(database_kind, populate_for_a_week) as address:
        yield settings_for(address, tmp_path)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(THE_END)


@pytest.fixture
async def register(town: Town) -> Register:
    listed = town.good(await town.monitor.get("/problems?limit=200"), 200)["items"]
    categories = town.good(await town.monitor.get("/categories?limit=200"), 200)["items"]
    return Register(
        town,
        [await town.monitor.see(each) for each in listed],
        {each["code"]: each["parent_code"] for each in categories},
    )


async def listed(who: Someone, query: str, path: str = "/problems") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = who.town.good(await who.get(f"{path}?{query}"), 200)["items"]
    return items


# -- filters ---------------------------------------------------------------------------------------------------------


def in_state(*states: str) -> Filter:
    return lambda _, problem: problem["state"] in states


def in_area(code: str) -> Filter:
    return lambda _, problem: f"{problem['area']}.".startswith(f"{code}.")


def in_category(code: str) -> Filter:
    return lambda register, problem: register.is_below(problem["category"], code)


def has_part_of(agency: str) -> Filter:
    return lambda _, problem: any(
        part["agency"] == agency and part["state"] != "revoked" for part in problem["assignments"]
    )


def recorded(first: str, last: str) -> Filter:
    """Between two days, as calendars in Pasuruan have them."""

    def holds(_: Register, problem: Problem) -> bool:
        day = datetime.fromisoformat(problem["created_at"]).astimezone(JAKARTA).date().isoformat()
        return first <= day <= last

    return holds


def says(*words: str) -> Filter:
    """Some word begins with each of these."""

    def holds(_: Register, problem: Problem) -> bool:
        told = " ".join(
            str(problem[name]) for name in ("number", "title", "address", "landmark", "source_ref", "description")
        )
        return all(re.search(rf"\b{word}", re.sub(r"['’]", "", told), re.IGNORECASE) for word in words)

    return holds


def on_desk(desk: str) -> Filter:
    return lambda _, problem: (problem["next_step"] or {}).get("desk") == desk


def being(name: str, *values: Any) -> Filter:
    return lambda _, problem: problem[name] in values


FILTERS: dict[str, Filter] = {
    "area=35": in_area("35"),
    "area=35.75": in_area("35.75"),
    "area=35.75.03": in_area("35.75.03"),
    "area=35.75.03.1005": in_area("35.75.03.1005"),
    "state=submitted": in_state("submitted"),
    "state=accepted&state=assigned&state=closed": in_state("accepted", "assigned", "closed"),
    "category=saluran-tersumbat": in_category("saluran-tersumbat"),
    "category=drainase": in_category("drainase"),
    "category=jalan": in_category("jalan"),
    "class=ordinary": being("class", "ordinary"),
    "class=emergency": being("class", "emergency"),
    "agency=PUPR": has_part_of("PUPR"),
    "agency=DLHKP": has_part_of("DLHKP"),
    "agency=KOMINFO": has_part_of("KOMINFO"),
    "priority=high": being("priority", "high"),
    "recorded_from=2026-03-03": recorded("2026-03-03", "2100-01-01"),
    "recorded_to=2026-03-02": recorded("2000-01-01", "2026-03-02"),
    "recorded_from=2026-03-03&recorded_to=2026-03-05": recorded("2026-03-03", "2026-03-05"),
    "words=salur": says("salur"),
    "words=di jalan": says("di", "jalan"),
    "overdue=true": being("overdue", True),
    "overdue=false": being("overdue", False),
    "desk=kelurahan:35.75.03.1005": on_desk("kelurahan:35.75.03.1005"),
    "desk=kecamatan:35.75.03": on_desk("kecamatan:35.75.03"),
    "desk=agency:DISHUB": on_desk("agency:DISHUB"),
}
NOTHING = {
    "area=36": in_area("36"),
    "area=35.75.03.9999": in_area("35.75.03.9999"),
    "category=siluman": being("category"),
    "agency=PERKIM": has_part_of("PERKIM"),  # its part was revoked
    "agency=BPBD": has_part_of("BPBD"),  # told of the flood, but without a part
    "words=siluman": says("siluman"),
    "words=tembok": says("tembok"),  # it was edited
    "words=!": being("title"),
    "recorded_from=2026-03-05&recorded_to=2026-03-03": being("title"),
    "desk=agency:SILUMAN": on_desk("agency:SILUMAN"),
}


async def test_the_week_has_something_for_every_filter(register: Register) -> None:
    assert {each["state"] for each in register.problems} == set(State)
    assert len({each["area"][:8] for each in register.problems}) == 4
    for name, holds in FILTERS.items():
        found = register.ids(holds)
        assert found, name
        assert len(found) < len(register.problems) or name in ("area=35", "area=35.75"), name


async def test_each_filter_alone(register: Register, subtests: pytest.Subtests) -> None:
    monitor = register.town.monitor
    since = register.updated_in_the_middle()
    filters = FILTERS | NOTHING | {f"updated_since={since}": lambda _, problem: problem["updated_at"] >= since}
    for query, holds in filters.items():
        with subtests.test(query):
            assert [each["id"] for each in await listed(monitor, f"{query}&limit=200")] == register.ids(holds)


async def test_each_filter_with_each_other(register: Register) -> None:
    monitor = register.town.monitor
    pairs = [pair for pair in combinations(FILTERS, 2) if not names(pair[0]) & names(pair[1])]
    assert len(pairs) > 200
    for pair in pairs:
        found = [each["id"] for each in await listed(monitor, "&".join(pair))]
        assert found == register.ids(*(FILTERS[query] for query in pair)), pair


def names(query: str) -> set[str]:
    return set(re.findall(r"(\w+)=", query))


async def test_every_filter_at_once(register: Register) -> None:
    problem = next(each for each in register.problems if each["title"] == "Jalan berlubang di depan pasar")
    query = (
        "area=35.75.03&state=forwarded&state=accepted&category=jalan&class=ordinary&priority=high&words=lubang+berl&"
        "recorded_from=2026-03-02&recorded_to=2026-03-02&overdue=true&desk=kecamatan:35.75.03&"
        "updated_since=2026-03-02T00:00:00Z"
    )
    assert not await listed(register.town.monitor, query), "no word begins with lubang"
    found = await listed(register.town.monitor, query.replace("lubang+", ""))
    assert [each["id"] for each in found] == [problem["id"]]


async def test_overdue_or_not_is_all_there_is(register: Register) -> None:
    late = [each["id"] for each in await listed(register.town.monitor, "overdue=true&limit=200")]
    timely = [each["id"] for each in await listed(register.town.monitor, "overdue=false&limit=200")]
    assert late
    assert timely
    assert sorted([*late, *timely]) == sorted(register.ids())


async def test_a_day_begins_when_it_begins_in_pasuruan(register: Register) -> None:
    """At 00:30 on Tuesday it is still Monday in London."""
    night = next(each for each in register.problems if each["title"] == "Sampah di lapangan")
    assert night["created_at"] == "2026-03-02T17:30:00Z"
    for query, is_there in {
        "recorded_from=2026-03-03": True,
        "recorded_to=2026-03-03": True,
        "recorded_to=2026-03-02": False,
        "recorded_from=2026-03-04": False,
    }.items():
        for who in (register.town.monitor, register.town.camat("Bugul Kidul"), register.town.lurah("Bugul Kidul")):
            found = {each["id"] for each in await listed(who, f"{query}&limit=200")}
            assert (night["id"] in found) is is_there, (query, who.actor.kind)


WORDS = {
    "Salur": "Saluran tersumbat di RW 02",
    "SALURAN": "Saluran tersumbat di RW 02",
    "tersumbat saluran": "Saluran tersumbat di RW 02",
    "  saluran   02 ": "Saluran tersumbat di RW 02",
    "saluran, 02!": "Saluran tersumbat di RW 02",
    "tapa'an": "Pohon di jalan Tapa'an",
    "Tapa’an": "Pohon di jalan Tapa'an",
    "tapaan": "Pohon di jalan Tapa'an",
    "tapa": "Pohon di jalan Tapa'an",
    "maruf": "Gorong-gorong runtuh",
    "Ma'ruf": "Gorong-gorong runtuh",
    "ma`ruf 7": "Gorong-gorong runtuh",
    "gorong-gorong": "Gorong-gorong runtuh",
    "LAPOR-7423981": "Pungutan di loket",
    "7423": "Pungutan di loket",
    "35.75.03.1005-0001": "Saluran tersumbat di RW 02",
    "pagar": "Pagar miring",
    'sampah" OR "pohon': None,
    "sampah | pohon": None,
    "NOT sampah NEAR pohon": None,
    "*": None,
    "'": None,
    "\\": None,
    "🌧": None,
    "ampah": None,
    "tembok": None,
}
"""What is looked for, and whether the one it means is found."""


async def test_words_are_found_by_how_they_begin(register: Register, subtests: pytest.Subtests) -> None:
    town = register.town
    for words, title in WORDS.items():
        with subtests.test(words):
            found = town.good(await town.monitor.get("/problems", params={"words": words, "limit": 200}), 200)["items"]
            if title is None:
                assert not found
            else:
                assert title in {each["title"] for each in found}
                assert len(found) < len(register.problems)


async def test_odd_words_are_words_on_both_databases(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    odd = ["RT03", "3e4", "0x1f", "1.500.000", "12,5", "a/b", "c_d", "surat@kota.go.id", "http://kota.go.id/x?y=1"]
    odd += ["O'Neil", "naïve", "Ⅳ", "½", "-7", "+62811", "20260302", "00", "x" * 60, "the", "dan"]
    for word in odd:
        problem = await lurah.report(title=f"Uji {word} akhir", description=None, landmark="Balai")
        found = town.good(await lurah.get("/problems", params={"words": f"uji {word} akhir"}), 200)["items"]
        assert problem["id"] in {each["id"] for each in found}, word


async def test_a_desk_is_mine_by_office(register: Register) -> None:
    town = register.town
    for who, desk in (
        (town.operator("Bakalan"), "kelurahan:35.75.03.1005"),
        (town.lurah("Bakalan"), "kelurahan:35.75.03.1005"),
        (town.staff("Bugul Kidul"), "kecamatan:35.75.03"),
        (town.camat("Panggungrejo"), "kecamatan:35.75.04"),
        (town.officer("DISHUB"), "agency:DISHUB"),
        (town.head("PUPR"), "agency:PUPR"),
        (town.monitor, "city:35.75"),
    ):
        mine = await listed(who, "desk=mine&limit=200")
        assert mine == await listed(who, f"desk={desk}&limit=200")
        assert {each["desk"] for each in mine} <= {desk}
        assert {each["id"] for each in mine} == set(register.ids(on_desk(desk)))


async def test_a_list_holds_what_may_be_read_and_says_what_it_says(register: Register) -> None:
    town = register.town
    for who in (
        town.operator("Bakalan"),
        town.staff("Bugul Kidul"),
        town.officer("PUPR"),
        town.officer("BPBD"),
        town.head("KOMINFO"),
        town.officer("PERKIM"),
        town.officer("DINKES"),
        town.mayor,
        town.admin,
    ):
        found = await listed(who, "limit=200")
        seen = [each for each in register.problems if (await who.get(f"/problems/{each['id']}")).is_success]
        assert [each["id"] for each in found] == [each["id"] for each in seen], who.actor.view
        for item, problem in zip(found, seen, strict=True):
            step = problem["next_step"] or {"desk": None, "until": None}
            assert item == {name: problem[name] for name in item if not name.startswith("desk")} | {
                "desk": step["desk"],
                "desk_until": step["until"],
            }
            assert "may" not in item


# -- assignments -----------------------------------------------------------------------------------------------------

PARTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "": lambda part: True,
    "state=offered": lambda part: part["state"] == "offered",
    "state=offered&state=refused": lambda part: part["state"] in ("offered", "refused"),
    "state=done": lambda part: part["state"] == "done",
    "agency=PUPR": lambda part: part["agency"] == "PUPR",
    "agency=SILUMAN": lambda part: False,
    "lead=true": lambda part: part["lead"],
    "lead=false": lambda part: not part["lead"],
    "state=offered&agency=DLHKP&lead=false": lambda part: part["agency"] == "DLHKP",
    "state=offered&agency=DLHKP&lead=true": lambda part: False,
}


async def test_assignments_by_each_filter(register: Register) -> None:
    town = register.town
    parts = [part for problem in register.problems for part in problem["assignments"]]
    assert {part["state"] for part in parts} >= {"offered", "in_progress", "refused", "revoked"}
    for query, holds in PARTS.items():
        wanted = [part for part in parts if holds(part)]
        found = await listed(town.monitor, f"{query}&limit=200", "/assignments")
        assert {each["id"] for each in found} == {part["id"] for part in wanted}, query
        moments = [(each["offered_at"], each["id"]) for each in found]
        assert moments == sorted(moments, reverse=True)
        assert not await listed(town.lurah("Karangketug"), query, "/assignments"), "nothing was assigned there"
        assert not await listed(town.admin, query, "/assignments")
        for agency in ("PUPR", "DLHKP", "PERKIM", "KOMINFO"):
            mine = await listed(town.officer(agency), f"{query}&limit=200", "/assignments")
            own = [part for part in wanted if part["agency"] == agency and part["state"] != "revoked"]
            assert {each["id"] for each in mine} == {part["id"] for part in own}, (query, agency)


# -- pages -----------------------------------------------------------------------------------------------------------


async def pages(who: Someone, path: str, between: Callable[[], Any] | None = None) -> AsyncIterator[Response]:
    """Each page of a list, following the link to the next; something may happen in between."""
    following: str | None = path
    while following is not None:
        answer = await who.get(following)
        yield answer
        after = answer.json()["next"]
        link = answer.links.get("next")
        assert (link is None) == (after is None)
        if link is not None:
            assert f"after={after}" in link["url"]
            assert link["url"].startswith("/api/v1/")
        following = link["url"].removeprefix("/api/v1") if link else None
        if between is not None:
            await between()


@pytest.mark.parametrize("limit", [3, 8])
@pytest.mark.parametrize("query", ["", "&state=closed&state=submitted&category=drainase", "&words=di&area=35.75.03"])
async def test_pages_have_neither_holes_nor_doubles_while_new_ones_arrive(
    register: Register, limit: int, query: str
) -> None:
    town, operator = register.town, register.town.operator("Bakalan")
    whole = [each["id"] for each in await listed(town.monitor, f"limit=200{query}")]

    async def arrive() -> None:
        town.clock.advance(timedelta(seconds=1))
        await operator.report(title="Baru di saluran")
        await town.monitor.step(register.problems[-1], "escalate", reason="Sudah lama.")

    read: list[str] = []
    async for answer in pages(town.monitor, f"/problems?limit={limit}{query}", arrive):
        assert 0 < len(answer.json()["items"]) <= limit
        read += [each["id"] for each in answer.json()["items"]]
    assert read == whole, "what arrived while reading is newer than all of it"


async def test_what_was_recorded_in_one_moment_is_paged_by_id(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    made = [await lurah.report(title=f"Lubang {number}") for number in range(7)]
    assert len({each["created_at"] for each in made}) == 1
    read = [item["id"] async for page in pages(lurah, "/problems?limit=2") for item in page.json()["items"]]
    assert read[: len(made)] == sorted((each["id"] for each in made), reverse=True)
    assert len(set(read)) == len(read)


async def test_assignments_comments_and_history_are_paged_too(register: Register) -> None:
    town, lurah = register.town, register.town.lurah("Bakalan")
    problem = next(each for each in register.problems if each["title"] == "Kabel menjuntai")
    said = [town.good(await lurah.post(f"/problems/{problem['id']}/comments", {"text": f"{n}"}), 201) for n in range(5)]
    paths: dict[str, list[Any]] = {
        "/assignments": [each["id"] for each in await listed(town.monitor, "limit=200", "/assignments")],
        f"/problems/{problem['id']}/comments": sorted((each["id"] for each in said), reverse=True),
        f"/problems/{problem['id']}/history": list(range(1, problem["version"] + 6)),
    }
    for path, whole in paths.items():
        found = [item async for page in pages(town.monitor, f"{path}?limit=2") for item in page.json()["items"]]
        assert [each.get("id", each.get("version")) for each in found] == whole


# -- plans -----------------------------------------------------------------------------------------------------------

MANY = 4_000
AGENCIES = ["PUPR", "DLHKP", "PERKIM", "DISHUB", "DINKES", "DINSOS", "BPBD", "PDAM"]
ORDERED = {
    "lurah": [
        "/problems",
        "/problems?recorded_from=2026-03-11&recorded_to=2026-03-11",
        "/problems/{problem}/history",
    ],
    "camat": [
        "/problems",
        "/problems?area=35.75.03",
        "/problems?overdue=true",
        "/problems?recorded_from=2026-03-11",
    ],
    "monitor": [
        "/problems",
        "/problems?state=submitted",
        "/problems?desk=kecamatan:35.75.03",
        "/problems?area=35.75.03",
        "/problems?area=35.75.03&state=submitted",
        "/problems?overdue=true",
        "/problems?recorded_to=2026-03-11",
    ],
    "officer": ["/assignments", "/assignments?state=offered", "/assignments?lead=true"],
}
"""Whose lists come out of an index in their order: neither reading everything, nor sorting."""
FOUND = {
    "lurah": [
        "/problems?desk=mine",
        "/problems?words=nomor17",
        "/problems?state=submitted",
        "/problems?priority=high",
        "/problems/{problem}/comments",
        "/assignments",
    ],
    "camat": [
        "/problems?desk=mine",
        "/problems?area=35.75.03.1005",
        "/problems?words=nomor17",
        "/problems?state=submitted&state=accepted",
        "/problems?agency=DLHKP",
        "/problems?category=drainase",
    ],
    "monitor": ["/problems?words=nomor17", "/problems?updated_since=2026-03-12T06:00:00Z"],
    "officer": ["/problems", "/problems?desk=mine", "/problems?words=nomor17", "/problems?state=assigned"],
}
"""Whose rows an index finds; sorting those few may be cheaper than another index."""


@dataclass
class Explained:
    """How a database goes about one statement."""

    steps: list[str]

    @property
    def reads_all(self) -> bool:
        """Whether it goes through a whole table that grows with the city's problems."""
        grows = "problem|assignment|journal_entry|problem_comment"
        return any(re.search(rf"(SCAN|Seq Scan on) ({grows})\b(?! VIRTUAL)", step) for step in self.steps)

    @property
    def sorts(self) -> bool:
        return any(re.search(r"TEMP B-TREE FOR (LAST TERM OF )?ORDER BY|\bSort\b", step) for step in self.steps)


@contextmanager
def heard(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Every SELECT that is asked within the block, with its parameters."""
    asked: list[tuple[str, Any]] = []

    def hear(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def explain(engine: Engine, statement: str, parameters: Any, *, by_index: bool) -> Explained:
    """The plan as it is; or, `by_index`, as it is in a city whose tables are too large to be read whole."""
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        if by_index and not sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        rows = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{statement}", parameters)
        return Explained([str(row[3] if sqlite else row[0]) for row in rows])


def one(connection: Connection, table: type[SQLModel]) -> dict[str, Any]:
    columns = table.__table__.columns  # type: ignore[attr-defined]
    return dict(connection.execute(select(*columns).limit(1)).mappings().one())


def fill(town: Town) -> None:
    """Thousands of problems of the whole city, half of them assigned, all of them copies of one."""
    with town.house.database.write() as session:
        connection = session.connection()
        row = one(connection, ProblemRow)
        part = one(connection, AssignmentRow)
        areas: Sequence[str] = session.scalars(select(col(Area.code)).where(col(Area.level) == Level.VILLAGE)).all()
        problems, parts = [], []
        for number in range(MANY):
            area, agency = areas[number % len(areas)], AGENCIES[number // 2 % len(AGENCIES)]
            moment = town.clock.now - timedelta(minutes=number)
            desks = (f"kelurahan:{area}", f"kecamatan:{area[:8]}", f"agency:{agency}")
            problems.append(
                row
                | {
                    "id": new_id(),
                    "number": f"{area}-{number + 1_000:04d}",
                    "area_code": area,
                    "district_code": area[:8],
                    "city_code": area[:5],
                    "position": number + 1_000,
                    "created_at": moment,
                    "updated_at": moment,
                    "state": list(State)[number % 7],
                    "desk": desks[number % 3],
                    "desk_until": moment + timedelta(days=1),
                    "due_at": moment + timedelta(days=1),
                    "lead_agency": agency if number % 2 else None,
                    "words": f"saluran nomor{number}",
                }
            )
            if number % 2:
                state = list(AssignmentState)[number % 5]
                parts.append(
                    part
                    | {
                        "id": new_id(),
                        "problem_id": problems[-1]["id"],
                        "agency_code": agency,
                        "state": state,
                        "offered_at": moment,
                    }
                )
        connection.execute(insert(ProblemRow), problems)
        connection.execute(insert(AssignmentRow), parts)
        if not town.house.database.is_sqlite:  # which nobody asks to analyze in an office either
            connection.execute(text("ANALYZE"))


async def test_lists_are_read_from_indexes(town: Town, subtests: pytest.Subtests) -> None:
    lurah, camat = town.lurah("Bakalan"), town.camat("Bugul Kidul")
    problem = await lurah.report()
    fill(town)
    people = {"lurah": lurah, "camat": camat, "monitor": town.monitor, "officer": town.officer("PUPR")}
    engine = town.house.database.engine
    for table, may_sort in ((ORDERED, False), (FOUND, True)):
        for who, paths in table.items():
            for path in (each.format(problem=problem["id"]) for each in paths):
                following: str | None = path + ("&" if "?" in path else "?") + "limit=20"
                for page in ("first", "second"):
                    if following is None:
                        continue
                    with subtests.test(f"{who}: {page} of {path}"), heard(engine) as asked:
                        answer = await people[who].get(following)
                        plan = explain(engine, *asked[-1], by_index=may_sort)
                        assert not plan.reads_all, plan.steps
                        assert may_sort or not plan.sorts, plan.steps
                    link = answer.links.get("next")
                    following = link["url"].removeprefix("/api/v1") if link else None


async def test_a_page_has_fifty_items_unless_asked_otherwise(town: Town) -> None:
    fill(town)
    for who, path in ((town.monitor, "/problems"), (town.officer("PUPR"), "/assignments")):
        for query, size in {"": 50, "?limit=1": 1, "?limit=200": 200}.items():
            assert len(town.good(await who.get(path + query), 200)["items"]) == size
