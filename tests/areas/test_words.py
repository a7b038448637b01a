"""Codes, names and time zones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.areas.words import (
    TIME_ZONES,
    AreaCode,
    Level,
    ancestors_of,
    label_of,
    level_of,
    lies_in,
    parent_of,
    search_key,
)

CODE = TypeAdapter(AreaCode)
codes = st.from_regex(r"[1-9][0-9](\.[0-9]{2}(\.[0-9]{2}(\.[0-9]{4})?)?)?", fullmatch=True)


@given(codes)
def test_a_code_tells_its_level_and_all_above_it(code: str) -> None:
    assert CODE.validate_python(code) == code
    above = list(ancestors_of(code))
    assert len(above) == list(Level).index(level_of(code))
    assert parent_of(code) == (above[0] if above else None)
    assert all(lies_in(code, each) and not lies_in(each, code) for each in above)
    assert lies_in(code, code)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "355",
        "35.7",
        "35.75.3",
        "35.75.03.105",
        "35.75.03.10055",
        "35-75",
        "35.",
        "35.75\n",
        "٣٥",
        "3575031005",
    ],
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        CODE.validate_python(text)


def test_neighbours_with_a_common_beginning_are_apart() -> None:
    assert not lies_in("35.75.03", "35.7")
    assert not lies_in("35.75", "35.75.03")


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("35", "Provinsi"),
        ("35.75", "Kota"),
        ("35.14", "Kabupaten"),
        ("35.75.03", "Kecamatan"),
        ("35.75.03.1005", "Kelurahan"),
        ("35.14.01.2001", "Desa"),
        ("91.03.01.3007", "Desa"),
    ],
)
def test_an_area_is_called_as_the_law_calls_it(code: str, label: str) -> None:
    assert label_of(code) == label


@pytest.mark.parametrize("level", Level)
def test_every_level_has_an_indonesian_name(level: Level) -> None:
    assert level.label[0].isupper()


def test_each_of_the_38_provinces_has_its_time_zone() -> None:
    assert len(TIME_ZONES) == 38
    zones = {province: zone.removeprefix("Asia/") for province, zone in TIME_ZONES.items()}
    assert [zones[code] for code in ("11", "31", "35", "61", "62")] == ["Jakarta"] * 5
    assert [zones[code] for code in ("51", "53", "63", "64", "65", "71", "73", "76")] == ["Makassar"] * 8
    assert [zones[code] for code in ("81", "82", "91", "92", "96")] == ["Jayapura"] * 5


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("Tapa'an", "tapaan"),
        ("Tapa an", "tapaan"),
        ("TAPA’AN", "tapaan"),
        ("Kandang Sapi", "kandangsapi"),
        ("Bandar Khalifah", "bandarkhalifah"),
        ("Lubuk Pakam I,II", "lubukpakamiii"),
        ("Pulau Café", "pulaucafe"),
        ("𝐁akalan", "bakalan"),
        ("’", ""),
    ],
)
def test_a_name_is_looked_for_as_people_type_it(typed: str, key: str) -> None:
    assert search_key(typed) == key


@given(st.text(max_size=40))
def test_a_key_is_plain_and_stays_what_it_is(text: str) -> None:
    key = search_key(text)
    assert key == "" or (key.isascii() and key.isalnum() and key == key.lower())
    assert search_key(key) == key
