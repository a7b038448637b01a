"""The board: what each kelurahan and its kecamatan know of each other, who may look, and what looking costs."""

import csv
import re
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from httpx import Response
from sqlalchemy import insert, select, text, update
from sqlmodel import col

from app.areas.models import Area
from app.areas.words import Level
from app.evidence.models import Photo
from app.kit.columns import table_of
from app.kit.ids import new_id
from app.problems.models import ProblemPhoto, ProblemRow
from app.sync.models import Delivery, Proposal, Quarantined, Receipt, SyncContact, SyncDevice
from app.sync.words import Settlement, Standing
from app.workdays.models import CalendarOverride
from tests.sync.rows import delivered, phone, proposed, put, quarantined
from tests.sync.statements import heard, plan_of
from tests.town import CITY, Someone, Town

BAKALAN, GENTONG = "35.75.03.1005", "35.75.01.1002"
DISTRICT = "35.75.03"


def at(said: str) -> datetime:
    """A moment, as a clock in Pasuruan shows it."""
    return datetime.fromisoformat(said).replace(tzinfo=ZoneInfo("Asia/Jakarta")).astimezone(UTC)


async def row_of(who: Someone, log: str = BAKALAN) -> dict[str, Any]:
    board = who.town.good(await who.get(f"/sync/board?area={log}"), 200)
    (row,) = board["items"]
    return dict(row)


def awaited(town: Town, problem_id: str, stored_name: str | None = None) -> tuple[Photo, ProblemPhoto]:
    photo = Photo(
        id=new_id(),
        sha256="0" * 64,
        size=1_000,
        media_type="image/jpeg",
        stored_name=stored_name,
        created_at=town.clock.now,
    )
    return photo, ProblemPhoto(photo_id=photo.id, problem_id=UUID(problem_id), version=1, seen_before=False, late=False)


# -- what it says ----------------------------------------------------------------------------------------------------


async def test_a_row_tells_what_both_sides_have(town: Town) -> None:
    lurah, operator, camat, staff = (
        town.lurah("Bakalan"),
        town.operator("Bakalan"),
        town.camat("Bugul Kidul"),
        town.staff("Bugul Kidul"),
    )
    problem = await lurah.report()
    await camat.step(problem, "accept")
    head = (await camat.step(problem, "prioritise", priority="high", reason="Dekat sekolah."))["position"]
    assert head > 2
    now = town.clock.now
    put(
        town,
        phone(lurah, last_contact_at=now - timedelta(hours=2), waiting=2, waiting_since=now - timedelta(hours=5)),
        phone(operator, last_contact_at=now - timedelta(hours=1), waiting=3, waiting_since=now - timedelta(hours=9)),
        phone(operator, waiting=40, waiting_since=now - timedelta(days=9), revoked_at=now),
        phone(operator, area_code=GENTONG, waiting=50),
        delivered(camat, BAKALAN, head - 1),
        delivered(staff, BAKALAN, 1),
        Receipt(log=BAKALAN, position=1, at=now, account_id=camat.actor.account_id, post=camat.actor.view),
        proposed(operator, BAKALAN, problem["id"]),
        proposed(operator, BAKALAN, problem["id"], Settlement.DISMISSED),
        *(quarantined(operator, log) for log in (BAKALAN, BAKALAN, GENTONG, None)),
        quarantined(operator, BAKALAN, Settlement.ADOPTED),
    )
    for stored_name in (None, None, "ada.jpg"):
        photo, owned = awaited(town, problem["id"], stored_name)
        put(town, photo)
        put(town, owned)
    assert await row_of(camat) == {
        "area": BAKALAN,
        "area_name": "Bakalan",
        "standing": "unsent",
        "standing_label": "Ada yang belum terkirim",
        "head": head,
        "delivered": head - 1,
        "acknowledged": 1,
        "behind": 1,
        "devices": 2,
        "last_contact_at": "2026-03-02T01:00:00Z",
        "waiting": 5,
        "waiting_since": "2026-03-01T17:00:00Z",
        "open_proposals": 1,
        "quarantined": 2,
        "uploads_missing": 2,
    }
    empty = await row_of(town.lurah("Kandangsapi"), town.kelurahan("Kandangsapi"))
    numbers = {name: value for name, value in empty.items() if not name.startswith(("area", "standing"))}
    assert empty["standing"] == "never"
    assert not any(numbers.values()), numbers
    gentong = await row_of(town.admin, GENTONG)
    assert (gentong["waiting"], gentong["quarantined"], gentong["uploads_missing"]) == (50, 1, 0)


async def test_every_kelurahan_of_the_area_has_a_row(town: Town) -> None:
    with town.house.database.read() as session:
        codes = set(session.scalars(select(col(Area.code)).where(col(Area.level) == Level.VILLAGE)))
    shown = town.good(await town.monitor.get("/sync/board"), 200)
    assert [row["area"] for row in shown["items"]] == sorted(codes)
    assert shown["as_of"] == "2026-03-02T02:00:00Z"
    district = town.good(await town.camat("Bugul Kidul").get("/sync/board"), 200)
    assert {row["area"] for row in district["items"]} == {code for code in codes if code.startswith(DISTRICT + ".")}


@pytest.mark.parametrize(
    ("last", "now", "standing"),
    [
        ("2026-03-02T16:59", "2026-03-03T08:00", Standing.IN_SYNC),
        ("2026-03-02T16:59", "2026-03-04T00:01", Standing.LATE),
        ("2026-03-02T16:59", "2026-03-05T23:59", Standing.LATE),
        ("2026-03-02T16:59", "2026-03-06T00:01", Standing.SILENT),
        ("2026-03-06T16:59", "2026-03-09T08:00", Standing.IN_SYNC),
        ("2026-03-06T16:59", "2026-03-10T00:01", Standing.LATE),
        ("2026-03-17T16:59", "2026-03-25T10:00", Standing.IN_SYNC),
        ("2026-03-17T16:59", "2026-03-30T23:59", Standing.SILENT),
    ],
)
async def test_lateness_is_counted_in_working_days_there(town: Town, last: str, now: str, standing: Standing) -> None:
    """Neither a weekend nor the days of Nyepi and Idulfitri (18 to 24 March 2026) make anybody late."""
    put(town, phone(town.lurah("Bakalan"), last_contact_at=at(last)))
    town.clock.now = at(now)
    assert (await row_of(town.lurah("Bakalan")))["standing"] == standing


async def test_a_day_that_is_off_only_there_counts_only_there(town: Town) -> None:
    for name in ("Bakalan", "Gentong"):
        put(town, phone(town.lurah(name), last_contact_at=at("2026-03-02T09:00")))
    closed = CalendarOverride(id=new_id(), day=date(2026, 3, 3), area_code=BAKALAN, working=False, note="Banjir")
    put(town, closed)
    town.clock.now = at("2026-03-04T09:00")
    assert (await row_of(town.monitor))["standing"] == "in_sync"
    assert (await row_of(town.monitor, GENTONG))["standing"] == "late"


async def test_the_first_true_standing_counts(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    assert (await row_of(lurah))["standing"] == "never"
    await lurah.report()
    assert (await row_of(lurah))["standing"] == "never", "recorded at a desk, by no device that synchronises"
    put(town, phone(lurah, revoked_at=town.clock.now))
    assert (await row_of(lurah))["standing"] == "never", "a revoked device speaks for nobody"
    device = phone(lurah, waiting=1, last_contact_at=at("2026-02-20T09:00"))
    put(town, device)
    with town.house.database.read() as session:
        session.expunge_all()
    for last, waiting, standing in (
        ("2026-02-20T09:00", 1, "silent"),
        ("2026-02-26T09:00", 1, "late"),
        ("2026-03-02T09:00", 1, "unsent"),
        ("2026-03-02T09:00", 0, "behind"),
    ):
        device.last_contact_at, device.waiting = at(last), waiting
        with town.house.database.write() as session:
            session.merge(device)
            session.connection().execute(update(SyncContact).values(at=at(last)))
        row = await row_of(lurah)
        assert (row["standing"], row["behind"]) == (standing, row["head"])
    put(town, delivered(town.staff("Bugul Kidul"), BAKALAN, row["head"]))
    row = await row_of(lurah)
    assert (row["standing"], row["standing_label"], row["behind"]) == ("in_sync", "Selaras", 0)


# -- who may look ----------------------------------------------------------------------------------------------------


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json().get("code"))


async def test_everybody_looks_within_their_own_area(town: Town, subtests: pytest.Subtests) -> None:
    no = (403, "outside_scope")
    people: dict[str, tuple[Someone, dict[str, Any]]] = {
        "operator": (town.operator("Bakalan"), {BAKALAN: 200, "35.75.03.1006": no, DISTRICT: no, CITY: no, "35": no}),
        "lurah": (town.lurah("Bakalan"), {BAKALAN: 200, GENTONG: no, DISTRICT: no}),
        "staff": (town.staff("Bugul Kidul"), {BAKALAN: 200, DISTRICT: 200, GENTONG: no, "35.75.01": no, CITY: no}),
        "camat": (town.camat("Bugul Kidul"), {BAKALAN: 200, DISTRICT: 200, GENTONG: no, CITY: no}),
        "monitor": (town.monitor, {GENTONG: 200, DISTRICT: 200, CITY: 200, "35.73": no, "35": no}),
        "mayor": (town.mayor, {GENTONG: 200, CITY: 200, "35.73": no}),
        "admin": (
            town.admin,
            {GENTONG: 200, CITY: 200, "35": (422, "area_too_wide"), "35.99": (422, "unknown_area")},
        ),
        "officer": (town.officer("PUPR"), {BAKALAN: (403, "not_permitted"), CITY: (403, "not_permitted")}),
        "head": (town.head("PUPR"), {CITY: (403, "not_permitted")}),
    }
    for name, (who, wanted) in people.items():
        for area, expected in wanted.items():
            for path in ("board", "board.csv"):
                with subtests.test(f"{name}: {path} of {area}"):
                    answer = await who.get(f"/sync/{path}?area={area}")
                    assert (answer.status_code if expected == 200 else refusal(answer)) == expected
    for who, rows in ((town.operator("Bakalan"), 1), (town.mayor, 34), (town.admin, 34)):
        assert len(town.good(await who.get("/sync/board"), 200)["items"]) == rows
    assert refusal(await town.officer("PUPR").get("/sync/board")) == (403, "not_permitted")


# -- CSV -------------------------------------------------------------------------------------------------------------


async def test_the_csv_says_the_same(town: Town) -> None:
    put(town, phone(town.lurah("Bakalan"), waiting=2, waiting_since=town.clock.now))
    answer = await town.camat("Bugul Kidul").get("/sync/board.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"))))
    items = town.good(await town.camat("Bugul Kidul").get("/sync/board"), 200)["items"]
    assert rows == [{name: "" if value is None else str(value) for name, value in item.items()} for item in items]
    assert len(rows) > 3


@pytest.mark.parametrize("begins", ["=", "+", "-", "@"])
async def test_no_cell_is_a_formula(town: Town, begins: str) -> None:
    with town.house.database.write() as session:
        session.connection().execute(
            update(table_of(Area)).where(col(Area.code) == BAKALAN).values(name=f'{begins}HYPERLINK("http://x","a")')
        )
    answer = await town.lurah("Bakalan").get("/sync/board.csv")
    (row,) = csv.DictReader(StringIO(answer.content.decode("utf-8-sig")))
    assert row["area_name"] == f"""'{begins}HYPERLINK("http://x","a")"""


# -- what it costs ---------------------------------------------------------------------------------------------------

STATEMENTS = 8
"""Who asks; devices, deliveries, receipts, heads, proposals, quarantine, photos."""
GROWS = "problem|problem_photo|photo|log_head|sync_[a-z]+"
MANY = 2_000


async def test_a_board_is_so_many_statements_whatever_its_size(town: Town, town_app: FastAPI) -> None:
    for area in (CITY, DISTRICT, BAKALAN):
        await row_of(town.monitor, area) if area == BAKALAN else await town.monitor.get(f"/sync/board?area={area}")
        hops = town_app.state.hops.count
        with heard(town.house.database.engine) as asked:
            await town.monitor.get(f"/sync/board?area={area}")
        assert len(asked) == STATEMENTS, asked
        assert town_app.state.hops.count == hops + 1


async def fill(town: Town) -> None:
    """Thousands of problems of the whole city, their photos, and what phones left."""
    problem = await town.lurah("Bakalan").report()
    await town.lurah("Bakalan").photo(problem)
    villages = [each["area"] for each in town.good(await town.monitor.get("/sync/board"), 200)["items"]]
    lurah, now = town.lurah("Bakalan"), town.clock.now
    with town.house.database.write() as session:
        connection = session.connection()
        row, photo = (
            dict(connection.execute(select(*table_of(each).c).limit(1)).mappings().one())
            for each in (ProblemRow, Photo)
        )
        rows: dict[Any, list[dict[str, Any]]] = {
            each: []
            for each in (ProblemRow, Photo, ProblemPhoto, Proposal, Quarantined, SyncDevice, SyncContact, Delivery)
        }
        for number in range(MANY):
            area, made = (
                villages[number % len(villages)],
                {"id": new_id(), "area_code": villages[number % len(villages)]},
            )
            places = {"district_code": area[:8], "city_code": area[:5], "position": number + 1_000}
            rows[ProblemRow].append(row | made | places | {"number": f"{area}-{number + 1_000:04d}"})
            stored = None if number % 100 == 0 else f"{number}.jpg"
            rows[Photo].append(photo | {"id": new_id(), "stored_name": stored, "thumbnail_name": None})
            rows[ProblemPhoto].append(
                awaited(town, str(made["id"]))[1].model_dump() | {"photo_id": rows[Photo][-1]["id"]}
            )
            settlement = None if number % 100 == 0 else Settlement.DISMISSED
            rows[Proposal].append(proposed(lurah, area, problem["id"], settlement).model_dump())
            rows[Quarantined].append(quarantined(lurah, area, settlement).model_dump())
            device = phone(lurah, area_code=area).model_dump()
            rows[SyncDevice].append(device)
            rows[SyncContact].append(
                {"account_id": device["account_id"], "device_id": device["id"], "area_code": area, "at": now}
            )
            rows[Delivery].append({"log": area, "post_id": new_id(), "position": number, "at": now})
        for table, each in rows.items():
            connection.execute(insert(table), each)
        if not town.house.database.is_sqlite:
            connection.execute(text("ANALYZE"))


async def test_a_board_reads_ranges_of_indexes(town: Town, subtests: pytest.Subtests) -> None:
    await fill(town)
    for area in (DISTRICT, CITY):
        with heard(town.house.database.engine) as asked:
            board = town.good(await town.monitor.get(f"/sync/board?area={area}"), 200)["items"]
        for statement in asked:
            with subtests.test(f"{area}: {statement[0]}"):
                plan = plan_of(town.house.database.engine, statement)
                assert not [step for step in plan if re.search(rf"(SCAN|Seq Scan on) ({GROWS})\b", step)], plan
        missing = next(statement for statement in asked if "stored_name" in statement[0])
        steps = "\n".join(plan_of(town.house.database.engine, missing))
        assert re.search("stored_name(=| IS NULL)", steps), f"photos are found by what they lack: {steps}"
    assert sum(row["uploads_missing"] for row in board) == sum(row["open_proposals"] for row in board) == MANY // 100
