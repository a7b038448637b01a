"""Days that were decided against the national calendar, and what follows from them."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from app.areas.actions import import_areas
from app.journal.models import Administration
from app.kit.database import Again
from app.kit.house import House
from app.kit.ids import new_id
from app.workdays.calendar import Calendar
from app.workdays.models import CalendarOverride
from app.workdays.queries import load_calendar, load_calendars
from tests.areas.callers import ADMIN, speaking
from tests.areas.registers import pasuruan
from tests.conftest import SettableClock

MONDAY = date(2026, 3, 9)


@pytest.fixture
def town(house: House) -> House:
    with house.database.write() as session:
        import_areas(session, [*pasuruan(), ("91", "Papua"), ("91.71", "Kota Jayapura")])
    return house


def decide(house: House, area: str | None, *, working: bool, day: date = MONDAY) -> None:
    with house.database.write() as session:
        session.add(CalendarOverride(id=new_id(), day=day, area_code=area, working=working, note=f"untuk {area}"))


def calendar(house: House, area: str = "35.75.03.1005") -> Calendar:
    with house.database.read() as session:
        return load_calendar(session, area, "Asia/Jakarta")


def noted(house: House) -> list[tuple[str, str, dict[str, Any]]]:
    with house.database.read() as session:
        entries = session.exec(select(Administration).order_by(col(Administration.id))).all()
        assert all((entry.account_id, entry.post_id) == (ADMIN.account_id, ADMIN.post_id) for entry in entries)
        return [(entry.kind, entry.subject, entry.data) for entry in entries]


def test_a_decision_holds_in_its_area_and_below(town: House) -> None:
    decide(town, "35.75.03", working=False)
    assert not calendar(town, "35.75.03").is_working(MONDAY)
    assert not calendar(town, "35.75.03.1005").is_working(MONDAY)
    assert calendar(town, "35.75").is_working(MONDAY)
    assert calendar(town, "35.75.04.1001").is_working(MONDAY)


def test_the_nearest_decision_counts_whatever_came_first(town: House) -> None:
    decide(town, "35.75.03", working=True)
    decide(town, None, working=False)
    decide(town, "35", working=False)
    assert calendar(town, "35.75.03.1005").is_working(MONDAY)
    assert not calendar(town, "35.75.04.1001").is_working(MONDAY)
    assert not calendar(town, "91.71").is_working(MONDAY)
    (special,) = [each for each in calendar(town).special_days(2026) if each.day == MONDAY]
    assert special.name == "untuk 35.75.03"


def test_calendars_loaded_together_are_those_loaded_alone(town: House) -> None:
    decide(town, None, working=False)
    decide(town, "35.75.03", working=True)
    decide(town, "91", working=False, day=date(2026, 3, 10))
    zones = {"35.75.03.1005": "Asia/Jakarta", "35.75": "Asia/Jakarta", "91.71": "Asia/Jayapura"}
    with town.database.read() as session:
        together = load_calendars(session, zones)
        for code, zone in zones.items():
            alone = load_calendar(session, code, zone)
            assert together[code].zone == alone.zone
            assert together[code].special_days(2026) == alone.special_days(2026)
    assert [calendar.is_working(MONDAY) for calendar in together.values()] == [True, False, False]
    assert [calendar.is_working(date(2026, 3, 10)) for calendar in together.values()] == [True, True, False]


@pytest.mark.parametrize("area", [None, "35.75"])
def test_a_day_is_decided_once_for_an_area(town: House, area: str | None) -> None:
    decide(town, area, working=False)
    with pytest.raises((IntegrityError, Again)):
        decide(town, area, working=True)


async def test_an_admin_decides_and_gives_back(town: House) -> None:
    path = f"/admin/calendar/overrides/{MONDAY}"
    async with speaking(town, "admin") as admin:
        closed = {"working": False, "note": "Hari Jadi Kota Pasuruan"}
        first = await admin.put(path, params={"area": "35.75"}, json=closed)
        assert first.status_code == 200
        assert first.json() == {"id": first.json()["id"], "day": "2026-03-09", "area": "35.75", **closed}
        assert (await admin.put(path, params={"area": "35.75"}, json=closed)).json() == first.json()
        assert not calendar(town).is_working(MONDAY)
        opened = {"working": True, "note": "Dibatalkan"}
        second = await admin.put(path, params={"area": "35.75"}, json=opened)
        assert second.json() == first.json() | opened
        assert calendar(town).is_working(MONDAY)
        everywhere = await admin.put(path, json=closed)
        assert everywhere.json()["area"] is None
        gone = await admin.delete(path, params={"area": "35.75"})
        assert (gone.status_code, gone.json()) == (200, second.json())
        assert (await admin.delete(path, params={"area": "35.75"})).json()["code"] == "override_not_found"
        assert not calendar(town).is_working(MONDAY)
        assert (await admin.delete(path)).status_code == 200
    assert noted(town) == [
        ("calendar.overridden", "2026-03-09 35.75", closed),
        ("calendar.overridden", "2026-03-09 35.75", opened),
        ("calendar.overridden", "2026-03-09 everywhere", closed),
        ("calendar.override_removed", "2026-03-09 35.75", opened),
        ("calendar.override_removed", "2026-03-09 everywhere", closed),
    ]


async def test_decided_days_are_listed_the_latest_first(town: House) -> None:
    for count in range(1, 6):
        decide(town, None, working=False, day=date(2026, 3, count))
        decide(town, "35.75", working=False, day=date(2026, 3, count))
    listed: list[str] = []
    async with speaking(town, "admin") as admin:
        page = (await admin.get("/admin/calendar/overrides?limit=3")).json()
        while page["next"]:
            listed += [item["day"] for item in page["items"]]
            page = (await admin.get("/admin/calendar/overrides", params={"limit": 3, "after": page["next"]})).json()
    listed += [item["day"] for item in page["items"]]
    assert listed == [f"2026-03-0{count}" for count in (5, 5, 4, 4, 3, 3, 2, 2, 1, 1)]


@pytest.mark.parametrize(
    ("day", "area", "body", "status", "code"),
    [
        ("2026-03-09", "35.99", {"working": False, "note": "x"}, 422, "unknown_area"),
        ("2026-03-09", "kota", {"working": False, "note": "x"}, 422, "invalid_request"),
        ("2026-02-30", "35.75", {"working": False, "note": "x"}, 422, "invalid_request"),
        ("9999-12-31", "35.75", {"working": False, "note": "x"}, 422, "invalid_request"),
        ("2026-03-09", "35.75", {"working": False}, 422, "invalid_request"),
        ("2026-03-09", "35.75", {"working": False, "note": "a\u0000b"}, 422, "invalid_request"),
        ("2026-03-09", "35.75", {"working": False, "note": "x" * 201}, 422, "invalid_request"),
        ("2026-03-09", "35.75", {"working": False, "note": "x", "day": "2026-03-10"}, 422, "invalid_request"),
    ],
)
async def test_a_day_decided_wrongly_is_refused(
    town: House, day: str, area: str, body: dict[str, object], status: int, code: str
) -> None:
    async with speaking(town, "admin") as admin:
        answer = await admin.put(f"/admin/calendar/overrides/{day}", params={"area": area}, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert noted(town) == []


async def test_due_days_are_told_to_whoever_asks(town: House) -> None:
    async with speaking(town, "lurah") as lurah:
        asked: dict[str, str | int] = {"area": "35.75", "from": "2025-02-20", "days": 99}
        assert (await lurah.get("/workdays", params=asked)).json() == {
            **asked,
            "due_on": "2025-07-31",
            "due_at": "2025-07-31T16:59:59Z",
        }
        decide(town, "35.75", working=False, day=date(2025, 7, 31))
        assert (await lurah.get("/workdays", params=asked)).json()["due_on"] == "2025-08-01"
        assert (await lurah.get("/workdays", params=asked | {"area": "35"})).json()["due_on"] == "2025-07-31"


async def test_without_a_day_it_is_today_where_the_area_lies(town: House, clock: SettableClock) -> None:
    clock.now = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
    async with speaking(town, "lurah") as lurah:
        here = (await lurah.get("/workdays?days=1")).json()
        there = (await lurah.get("/workdays?days=1&area=91.71")).json()
        assert (here["area"], here["from"], here["due_on"]) == ("35.75", "2026-03-02", "2026-03-03")
        assert (there["from"], there["due_at"]) == ("2026-03-03", "2026-03-04T14:59:59Z")
        clock.now = datetime(2025, 12, 31, 17, 0, tzinfo=UTC)
        assert (await lurah.get("/calendar")).json()["year"] == 2026


async def test_a_year_is_told_with_its_names(town: House) -> None:
    decide(town, "35.75", working=False)
    decide(town, None, working=True, day=date(2026, 3, 7))
    async with speaking(town, "lurah") as lurah:
        year = (await lurah.get("/calendar?year=2026&area=35.75.03.1005")).json()
    told = {day["day"]: (day["kind_label"], day["name"], day["working"]) for day in year["days"]}
    assert told["2026-03-18"] == ("Cuti bersama", "Cuti Bersama Hari Suci Nyepi", False)
    assert told["2026-03-19"] == ("Libur nasional", "Hari Suci Nyepi", False)
    assert told["2026-03-09"] == ("Diliburkan", "untuk 35.75", False)
    assert told["2026-03-07"] == ("Tetap masuk kerja", "untuk None", True)
    assert (year["area"], year["time_zone"], year["year"]) == ("35.75.03.1005", "Asia/Jakarta", 2026)
    assert year["working_days"] == len(calendar(town).working_days(2026))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/workdays", "invalid_request"),
        ("/workdays?days=0", "invalid_request"),
        ("/workdays?days=1001", "invalid_request"),
        ("/workdays?days=1&from=1999-12-31", "invalid_request"),
        ("/workdays?days=1&from=besok", "invalid_request"),
        ("/workdays?days=1&area=35.99", "unknown_area"),
        ("/calendar?year=1999", "invalid_request"),
        ("/calendar?year=99999999999999999999", "invalid_request"),
        ("/calendar?area=35.99", "unknown_area"),
    ],
)
async def test_what_is_asked_wrongly_is_refused(town: House, path: str, code: str) -> None:
    async with speaking(town, "lurah") as lurah:
        answer = await lurah.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_the_last_day_of_the_calendar_can_be_asked_for(town: House) -> None:
    async with speaking(town, "lurah") as lurah:
        assert (await lurah.get("/workdays?days=1000&from=2100-12-31")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/calendar/overrides"),
        ("PUT", "/admin/calendar/overrides/2026-03-09"),
        ("DELETE", "/admin/calendar/overrides/2026-03-09"),
        ("GET", "/admin/limits"),
        ("PUT", "/admin/limits/ordinary/resolve"),
    ],
)
async def test_only_an_admin_decides(town: House, method: str, path: str) -> None:
    body = {"amount": 1, "unit": "hours"} if "limits" in path else {"working": False, "note": "x"}
    for name, status, code in ("lurah", 403, "not_permitted"), ("nobody", 401, "unauthenticated"):
        async with speaking(town, name) as someone:
            answer = await someone.request(method, path, json=body if method == "PUT" else None)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert noted(town) == []
