"""Reference packs: what is in them, whose city they are of, and that they are sent once and asked of nobody twice."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import insert
from sqlmodel import Session

from app.agencies.models import Agency
from app.agencies.words import AgencyKind
from app.areas.models import Area
from app.areas.words import Level
from app.kit.ids import new_id
from app.problems.lifecycle.steps import PART_STEPS, STEPS
from app.problems.words import AssignmentVerb, State, Verb
from app.sync.queries.packs import pack_etags
from app.sync.words import Pack
from app.workdays.models import CalendarOverride
from tests.sync.rows import put
from tests.sync.statements import heard
from tests.town import CITY, Someone, Town

BAKALAN, OTHER_CITY = "35.75.03.1005", "35.73"
TODAY = date(2026, 3, 2)


async def read(who: Someone, pack: str) -> dict[str, Any]:
    return who.town.good(await who.get(f"/sync/reference/{pack}"), 200)


def etags(town: Town, city: str = CITY, today: date = TODAY) -> Mapping[str, str]:
    with town.house.database.read() as session:
        return pack_etags(session, city, today)


def found_another_city(town: Town) -> None:
    """Kota Malang, with a kelurahan and an agency."""
    places = [
        (OTHER_CITY, "Malang", Level.REGENCY, "35"),
        ("35.73.01", "Blimbing", Level.DISTRICT, OTHER_CITY),
        ("35.73.01.1001", "Jodipan", Level.VILLAGE, "35.73.01"),
    ]
    with town.house.database.write() as session:
        for code, name, level, parent in places:
            row = {"code": code, "name": name, "level": level, "parent_code": parent, "time_zone": "Asia/Jakarta"}
            session.connection().execute(insert(Area), [row | {"search_name": name.lower()}])
        agency = {"code": "DPU-MLG", "name": "DPU Malang", "kind": AgencyKind.DINAS, "city_code": OTHER_CITY}
        session.connection().execute(insert(Agency), [agency | {"has_accounts": True, "active": True}])


# -- what is in them -------------------------------------------------------------------------------------------------


async def test_areas_are_those_of_the_city(town: Town) -> None:
    found_another_city(town)
    items = {each["code"]: each for each in (await read(town.lurah("Bakalan"), "areas"))["items"]}
    assert all(code.startswith(CITY) for code in items)
    assert [len(code) for code in sorted(items, key=len)] == [5] + [8] * 4 + [13] * 34
    assert items[BAKALAN] == {
        "code": BAKALAN,
        "name": "Bakalan",
        "level": "village",
        "level_label": "Kelurahan",
        "parent": "35.75.03",
        "time_zone": "Asia/Jakarta",
        "valid_to": None,
        "point": {"lat": -7.671628, "lon": 112.91673},
    }


async def test_categories_and_agencies_are_as_their_lists_show_them(town: Town) -> None:
    found_another_city(town)
    lurah = town.lurah("Bakalan")
    for pack in ("categories", "agencies"):
        listed = town.good(await lurah.get(f"/{pack}?limit=200"), 200)["items"]
        here = [each for each in listed if each.get("city", CITY) == CITY]
        assert (await read(lurah, pack))["items"] == here
        assert len(here) > 10
    assert len(here) < len(listed)


async def test_the_calendar_has_last_year_this_one_and_the_next(town: Town) -> None:
    put(town, CalendarOverride(id=new_id(), day=date(2026, 2, 8), area_code=CITY, working=False, note="Hari Jadi"))
    pack = await read(town.lurah("Bakalan"), "calendar")
    assert (pack["area"], pack["time_zone"], pack["years"]) == (CITY, "Asia/Jakarta", [2025, 2026, 2027])
    days = {each["day"]: each for each in pack["days"]}
    assert list(days) == sorted(days)
    assert days["2026-02-08"] == {
        "day": "2026-02-08",
        "name": "Hari Jadi",
        "kind": "closed",
        "kind_label": "Diliburkan",
        "working": False,
    }
    assert {day[:4] for day in days} == {"2025", "2026", "2027"}
    assert days["2025-08-17"]["kind"] == "national_holiday"


async def test_steps_are_the_tables_of_steps(town: Town) -> None:
    pack = await read(town.lurah("Bakalan"), "steps")
    assert {each["verb"] for each in pack["problem"]} == set(Verb) - {Verb.REPORT}
    assert {each["verb"] for each in pack["assignment"]} == set(AssignmentVerb)
    for each in pack["problem"]:
        step = STEPS[Verb(each["verb"])]
        assert set(each["sources"]) == step.sources
        ways = {(source, target) for source, targets in each["targets"].items() for target in targets}
        assert ways == {(source, target) for source in step.sources for target in step.targets(source)}
    for each in pack["assignment"]:
        part = PART_STEPS[AssignmentVerb(each["verb"])]
        assert set(each["sources"]) == part.sources == set(each["targets"])
        assert {target for targets in each["targets"].values() for target in targets} == {part.to} - {None}
    finish = next(each for each in pack["problem"] if each["verb"] == "finish")
    assert finish == {
        "verb": "finish",
        "label": "Selesaikan",
        "sources": ["handled_locally", "in_progress"],
        "targets": {
            "handled_locally": ["awaiting_confirmation", "resolved"],
            "in_progress": ["awaiting_confirmation"],
        },
    }
    labels = pack["labels"]
    assert labels["State"] == {each.value: each.label for each in State}
    assert labels["Verb"]["report"] == "Laporkan"
    assert labels["Outcome"]["held"] == "Menunggu langkah sebelumnya"
    assert labels["Standing"].keys() == {"in_sync", "behind", "unsent", "late", "silent", "never"}
    assert labels["CategoryClass"]["emergency"] == "Darurat"
    assert pack["limits"] == town.good(await town.admin.get("/admin/limits?limit=200"), 200)["items"]


async def test_the_city_is_the_callers(town: Town) -> None:
    found_another_city(town)
    with town.house.database.write() as session:
        people = [hire(town, session, **where) for where in ({"area": "35.73.01.1001"}, {"agency": "DPU-MLG"})]
    for who in people:
        assert {each["code"] for each in (await read(who, "areas"))["items"]} == {
            OTHER_CITY,
            "35.73.01",
            "35.73.01.1001",
        }
        assert [each["code"] for each in (await read(who, "agencies"))["items"]] == ["DPU-MLG"]
    here = [town.lurah("Bakalan"), town.camat("Bugul Kidul"), town.officer("PUPR"), town.mayor, town.admin]
    for who in here:
        assert (await read(who, "areas"))["items"][0]["code"] == CITY


def hire(town: Town, session: Session, area: str | None = None, agency: str | None = None) -> Someone:
    kind = town.lurah("Bakalan").actor.kind if area else town.officer("PUPR").actor.kind
    return town.hire(session, kind, area, agency)


async def test_there_are_five_packs_and_no_more(town: Town) -> None:
    assert etags(town).keys() == set(Pack)
    for name in ("routes", "AREAS", "a" * 40):
        answer = await town.lurah("Bakalan").get(f"/sync/reference/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "pack_not_found")
    assert (await town.client.get("/api/v1/sync/reference/areas")).status_code == 401


# -- sent once -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", list(Pack))
async def test_what_is_held_is_not_sent_again(town: Town, pack: Pack) -> None:
    lurah, plain = town.lurah("Bakalan"), {"Accept-Encoding": "identity"}
    first = await lurah.get(f"/sync/reference/{pack}", headers=plain)
    etag = first.headers["etag"]
    assert etag == f'"{etags(town)[pack]}"'
    assert etag == f'"{hashlib.sha256(first.content).hexdigest()[:16]}"'
    for known in (etag, f"W/{etag}", f'"x", {etag}'):
        again = await lurah.get(f"/sync/reference/{pack}", headers=plain | {"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    for unknown in ('"x"', "", etag[:-3] + '"'):
        again = await lurah.get(f"/sync/reference/{pack}", headers=plain | {"If-None-Match": unknown})
        assert (again.status_code, again.content) == (200, first.content)


async def test_a_pack_comes_packed_to_whoever_can_unpack_it(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    plain = await lurah.get("/sync/reference/areas", headers={"Accept-Encoding": "identity"})
    packed = await lurah.get("/sync/reference/areas", headers={"Accept-Encoding": "gzip, br"})
    assert (packed.headers["content-encoding"], packed.content) == ("gzip", plain.content)
    assert int(packed.headers["content-length"]) < len(plain.content) / 4
    assert packed.headers["etag"] == "W/" + plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    held = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["etag"]}
    again = await lurah.get("/sync/reference/areas", headers=held)
    assert (again.status_code, again.headers["etag"]) == (304, packed.headers["etag"])


async def test_a_pack_changes_with_what_it_tells_and_with_nothing_else(town: Town) -> None:
    found_another_city(town)
    before = etags(town)
    put(town, CalendarOverride(id=new_id(), day=date(2026, 2, 8), area_code=CITY, working=False, note="Hari Jadi"))
    assert changed(before, etags(town)) == {"calendar"}
    before = etags(town)
    town.good(await town.admin.patch("/admin/agencies/PUPR", {"active": False}), 200)
    assert changed(before, etags(town)) == {"agencies"}
    before = etags(town)
    town.good(await town.admin.patch("/admin/categories/pohon", {"label": "Pohon tumbang"}), 200)
    assert changed(before, etags(town)) == {"categories"}
    before = etags(town)
    limit = town.good(await town.admin.get("/admin/limits"), 200)["items"][0]
    path, said = f"/admin/limits/{limit['class']}/{limit['stage']}", {"amount": 99, "unit": limit["unit"]}
    town.good(await town.speak(town.admin, "PUT", path, json=said), 200)
    assert changed(before, etags(town)) == {"steps"}
    assert changed(etags(town), etags(town, OTHER_CITY)) == {"areas", "agencies", "calendar"}


async def test_the_calendar_turns_with_the_year_there(town: Town) -> None:
    before = etags(town, today=date(2026, 12, 31))
    assert changed(before, etags(town, today=date(2027, 1, 1))) == {"calendar"}
    assert changed(etags(town), before) == set()
    town.clock.now = datetime(2026, 12, 31, 16, 59, tzinfo=UTC)
    assert (await read(town.lurah("Bakalan"), "calendar"))["years"] == [2025, 2026, 2027]
    town.clock.advance(timedelta(minutes=2))
    assert (await read(town.lurah("Bakalan"), "calendar"))["years"] == [2026, 2027, 2028]


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


async def test_warm_packs_cost_no_statement(town: Town, town_app: FastAPI) -> None:
    engine, lurah, officer = town.house.database.engine, town.lurah("Bakalan"), town.officer("PUPR")
    await read(lurah, "areas")
    await read(officer, "areas")
    hops = town_app.state.hops.count
    for who in (lurah, officer):
        for pack in Pack:
            with heard(engine) as asked:
                await read(who, pack)
            assert len(asked) == 1, "who asks, and nothing else"
    assert town_app.state.hops.count == hops + 2 * len(Pack)
    with town.house.database.read() as session:
        pack_etags(session, CITY, TODAY)  # which tells this session the edition
        with heard(engine) as asked:
            pack_etags(session, CITY, TODAY)
        assert asked == []
