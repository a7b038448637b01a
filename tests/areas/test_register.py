"""Reading registers of areas, and refusing their bad lines."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.areas.register import BadRegister, Complaint, Row, checked, read_rows
from tests.areas.registers import pasuruan

BAKALAN = [("35", "Jawa Timur"), ("35.75", "Kota Pasuruan"), ("35.75.03", "Bugul Kidul"), ("35.75.03.1005", "Bakalan")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "wilayah.csv"


def complaints(*rows: tuple[str, str] | Row) -> list[tuple[int, str]]:
    with pytest.raises(BadRegister) as refusal:
        checked(rows, known=())
    return [(complaint.line, complaint.reason) for complaint in refusal.value.complaints]


@pytest.mark.parametrize(
    "raw",
    [
        b"code,name\n35,Jawa Timur\n35.75,Kota Pasuruan\n",
        b"\xef\xbb\xbfcode,name\r\n35,Jawa Timur\r\n35.75,Kota Pasuruan\r\n",
        b"code;name\n35;Jawa Timur\n35.75;Kota Pasuruan",
        b"code\tname\n35\tJawa Timur\n35.75\tKota Pasuruan\n",
        b"35,Jawa Timur\n35.75,Kota Pasuruan\n",
        b"\xef\xbb\xbf35;Jawa Timur\r\n35.75;Kota Pasuruan\r\n",
        b'"Kode","Nama"\n"35","Jawa Timur"\n\n , \n"35.75","Kota Pasuruan"\n\n',
        b"level,NAME,parent_code, Code \nprovince,Jawa Timur,,35\nregency,Kota Pasuruan,35,35.75\n",
    ],
    ids=[
        "plain",
        "BOM and CRLF",
        "semicolons",
        "tabs",
        "no heading",
        "no heading, BOM",
        "kode and nama",
        "other columns",
    ],
)
def test_a_register_is_read_in_any_of_its_shapes(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    assert [row[:2] for row in read_rows(file)] == [("35", "Jawa Timur"), ("35.75", "Kota Pasuruan")]


def test_a_name_may_hold_the_separator(file: Path) -> None:
    file.write_text('code,name\n12.07.28.1007,"Lubuk Pakam I,II"\n')
    assert read_rows(file) == [Row("12.07.28.1007", "Lubuk Pakam I,II", line=2)]


@pytest.mark.parametrize(
    "raw",
    [
        "lon,lat,code,name,kodepos\n112.91,-7.65,35.75.03.1005,Bakalan,67128\n",
        'code;name;kode_pos;lat;lng\n35.75.03.1005;Bakalan;67128;"-7,65";112,91\n',
    ],
    ids=["points", "decimal commas of a spreadsheet"],
)
def test_postal_code_and_point_are_read_where_present(file: Path, raw: str) -> None:
    file.write_text(raw)
    (area,) = checked(read_rows(file), known={"35.75.03"})
    assert (area.postal_code, area.lat, area.lon) == ("67128", -7.65, 112.91)


@pytest.mark.parametrize(
    ("raw", "line", "reason"),
    [
        (b"", 1, "the file is empty"),
        (b"\n \n", 1, "the file is empty"),
        (b"kota,penduduk\nPasuruan,208006\n", 1, "no column is headed code or kode"),
        (b"code,population\n35,40000000\n", 1, "no column is headed name or nama"),
        (b"code,name\n35,Jawa Timur\n35.75\n", 3, "code and name are expected on every line"),
        (b"35\n35.75\n", 1, "code and name are expected on every line"),
        (b"code,name\n35,Jawa Timur\n35.75,Kota \xe9\n", 3, "this is not UTF-8 text"),
        (b'code,name\n35,"Jawa Timur\n35.75,Kota Pasuruan\n', 3, "this is not CSV (unexpected end of data)"),
    ],
)
def test_a_file_that_is_no_register_is_refused_with_its_line(file: Path, raw: bytes, line: int, reason: str) -> None:
    file.write_bytes(raw)
    with pytest.raises(BadRegister) as refusal:
        read_rows(file)
    assert refusal.value.complaints == (Complaint(line, reason),)
    assert refusal.value.detail == f"line {line}: {reason}"


def test_parents_come_first_whatever_the_order_of_the_lines() -> None:
    assert [area.code for area in checked(reversed(BAKALAN), known=())] == [code for code, _ in BAKALAN]


def test_a_parent_may_be_in_store_already() -> None:
    assert [area.code for area in checked(BAKALAN[2:], known={"35.75"})] == ["35.75.03", "35.75.03.1005"]


def test_each_bad_line_is_told_with_its_reason() -> None:
    assert complaints(
        *BAKALAN,
        ("35.75.03", "Bugul Kidul lagi"),
        ("3575", "Kota"),
        ("35.75.09.1001", "Entah"),
        ("97", "Provinsi Baru"),
        ("35.75.04", "  "),
        ("35.75.05", "Nama\x07"),
        ("35.75.06", "Nama\x00"),
        Row("35.75.07", "Titik", lat="-7.6"),
        Row("35.75.08", "Titik", lat="nan", lon="112"),
        Row("35.75.10", "Titik", postal_code="6712"),
    ) == [
        (5, "35.75.03 stands on line 3 already"),
        (6, "code: Value error, a code looks like 35, 35.75, 35.75.03 or 35.75.03.1005"),
        (7, "35.75.09, the area above 35.75.09.1001, is neither in the file nor in store"),
        (8, "97 is no province whose time zone is known"),
        (9, "name: String should have at least 1 character"),
        (10, "name: Value error, control characters are not allowed"),
        (11, "name: Value error, control characters are not allowed"),
        (12, "Value error, lat and lon come together or not at all"),
        (13, "lat: Input should be a finite number"),
        (14, "postal_code: String should match pattern '^[0-9]{5}$'"),
    ]


def test_a_name_too_long_is_refused() -> None:
    ((line, reason),) = complaints(*BAKALAN, ("35.75.06", "x" * 121))
    assert line == 5
    assert reason.startswith("name: ")


def test_of_very_many_bad_lines_the_first_are_told() -> None:
    with pytest.raises(BadRegister, match="and 80 more") as refusal:
        checked([("?", "x")] * 100, ())
    assert len(refusal.value.extra["lines"]) == 20
    assert len(refusal.value.complaints) == 100


def test_lines_are_those_of_the_file(file: Path) -> None:
    file.write_text('code,name\n\n35,"Jawa\nTimur"\n35.75,Kota Pasuruan\n35.75,Kota Pasuruan\n')
    with pytest.raises(BadRegister, match=r"line 4: name: .* line 6: 35\.75 stands on line 5"):
        checked(read_rows(file), ())


@given(st.lists(st.tuples(st.text(max_size=14), st.text(max_size=20)), max_size=8))
def test_whatever_comes_is_taken_or_refused(rows: list[tuple[str, str]]) -> None:
    with suppress(BadRegister):
        assert len(checked([*BAKALAN, *rows], ())) == len(BAKALAN) + len(rows)


def test_the_seed_is_kota_pasuruan() -> None:
    areas = checked(pasuruan(), ())
    assert [sum(len(area.code) == length for area in areas) for length in (2, 5, 8, 13)] == [1, 1, 4, 34]
    assert all(area.postal_code for area in areas if len(area.code) == 13)
    assert all(area.lat and area.lon for area in areas if area.code != "35")
