"""Taking registers of areas into the store."""

import time
from collections.abc import Iterable
from datetime import date

import pytest
from sqlmodel import select

from app.areas import queries
from app.areas.actions import import_areas
from app.areas.models import Area
from app.areas.register import BadRegister, Row, read_rows
from app.areas.schemas import ImportSummary
from app.areas.words import Level
from app.kit.house import House
from app.kit.paging import Slice
from tests.areas.registers import SHARED, holding, pasuruan


def take_in(house: House, rows: Iterable[tuple[str, str] | Row]) -> ImportSummary:
    with house.database.write() as session:
        return import_areas(session, rows)


def stored(house: House) -> dict[str, Area]:
    with house.database.read() as session:
        areas = {area.code: area for area in session.exec(select(Area))}
        session.expunge_all()
    return areas


def told(summary: ImportSummary) -> tuple[int, int, int, int]:
    return summary.added, summary.renamed, summary.refined, summary.unchanged


def test_a_register_is_taken_in_and_again_changes_nothing(house: House) -> None:
    first, again = take_in(house, pasuruan()), take_in(house, pasuruan())
    assert told(first) == (40, 0, 0, 0)
    assert told(again) == (0, 0, 0, 40)
    assert first.levels == {Level.PROVINCE: 1, Level.REGENCY: 1, Level.DISTRICT: 4, Level.VILLAGE: 34}
    assert first.absent == again.absent == []
    tapaan = stored(house)["35.75.03.1003"]
    assert (tapaan.name, tapaan.search_name, tapaan.level) == ("Tapa'an", "tapaan", Level.VILLAGE)
    assert (tapaan.parent_code, tapaan.time_zone, tapaan.postal_code) == ("35.75.03", "Asia/Jakarta", "67129")
    assert (tapaan.latitude, tapaan.longitude) == (-7.644662, 112.924713)


def test_what_is_new_renamed_or_better_known_is_told_apart(house: House) -> None:
    take_in(house, [("64", "Kalimantan Timur"), ("64.71", "Balikpapan"), ("64.72", "Kota Samarinda")])
    summary = take_in(
        house,
        [
            ("64", "Kalimantan Timur"),
            Row("64.71", "Kota Balikpapan", postal_code="76111"),
            Row("64.72", "Kota Samarinda", lat="-0.5", lon="117.1"),
            ("64.74", "Kota Bontang"),
        ],
    )
    assert told(summary) == (1, 1, 1, 1)
    areas = stored(house)
    assert (areas["64.71"].name, areas["64.71"].search_name) == ("Kota Balikpapan", "kotabalikpapan")
    assert areas["64.72"].latitude == -0.5
    assert {area.time_zone for area in areas.values()} == {"Asia/Makassar"}


def test_what_a_register_leaves_out_stays(house: House) -> None:
    take_in(house, pasuruan())
    before = stored(house)["35.75.03.1005"].model_dump()
    assert told(take_in(house, [(row.code, row.name) for row in pasuruan()])) == (0, 0, 0, 40)
    assert stored(house)["35.75.03.1005"].model_dump() == before


def test_what_is_in_store_but_not_in_the_register_is_told_and_not_touched(house: House) -> None:
    take_in(house, pasuruan())
    take_in(house, [("51", "Bali"), ("51.71", "Kota Denpasar")])
    bugul_kidul = [row for row in pasuruan() if row.code.startswith("35.75.03")]
    assert take_in(house, bugul_kidul[:-1]).absent == [bugul_kidul[-1].code]
    assert take_in(house, [("35", "Jawa Timur"), ("35.75", "Kota Pasuruan")]).absent == []
    assert len(stored(house)) == 42


def test_a_code_that_was_given_up_is_not_missed(house: House) -> None:
    take_in(house, pasuruan())
    with house.database.write() as session:
        given_up = session.get_one(Area, "35.75.04.1013")
        given_up.valid_to = date(2025, 12, 31)
        session.add(given_up)
    assert take_in(house, pasuruan()[:-1]).absent == []
    assert told(take_in(house, pasuruan())) == (0, 0, 0, 40)
    assert stored(house)["35.75.04.1013"].valid_to == date(2025, 12, 31)


def test_one_bad_line_refuses_the_whole(house: House) -> None:
    with pytest.raises(BadRegister, match=r"35\.76\.01\.1001"):
        take_in(house, [*pasuruan(), ("35.76.01.1001", "Tanpa induk")])
    assert stored(house) == {}


def test_all_of_indonesia(house: House) -> None:
    file = SHARED / "regions.csv"
    if not file.exists():
        pytest.skip(f"no {file}: the register of all areas of Indonesia is not on this machine")
    take_in(house, pasuruan())
    started = time.perf_counter()
    rows = read_rows(file)
    first = take_in(house, rows)
    once = time.perf_counter()
    again = take_in(house, rows)
    print(f"\n{len(rows)} areas: {once - started:.1f} s, again {time.perf_counter() - once:.1f} s")
    assert told(first) == (91_559, 0, 0, 40)
    assert told(again) == (0, 0, 0, 91_599)
    assert list(first.levels.values()) == [38, 514, 7_285, 83_762]
    assert first.absent == again.absent == []
    with house.database.read() as session:
        page = queries.areas(session, Slice(200, None), date(2026, 3, 2), None, None, "Kandang Sapi")
    assert [area.code for area in page.items] == holding(rows, "kandangsapi")
