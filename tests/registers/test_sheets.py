"""Files as they come: what is read, and what is refused in one sentence before anything is written."""

import io
import random
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from app.registers import sheets
from app.registers.sheets import BadSheet, Line, Unusable, hash_of, headings_of, lines_of

HEADINGS = ("no", "uraian")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes | str], Path]:
    def written(content: bytes | str) -> Path:
        file = tmp_path / "register"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return written


def cells_of(file: Path, *headings: str) -> list[tuple[Any, ...]]:
    return [tuple(line.cells.values()) for line in lines_of(file, headings or HEADINGS)]


def complaint(file: Path, sheet: str | None = None) -> str:
    def read() -> None:
        hash_of(file)
        list(lines_of(file, HEADINGS, sheet))

    with pytest.raises(BadSheet) as refused:
        read()
    assert refused.value.detail is not None
    return refused.value.detail


# -- CSV -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("begin", ["", "\ufeff", "\r\n\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_is_read_as_spreadsheets_write_it(write: Any, delimiter: str, begin: str, end: str) -> None:
    rows = [["No", " Uraian "], ["1", '"Saluran ""besar"", mampet; sekali"'], ["", ""], ["2", "Jalan"]]
    file = write(begin + end.join(delimiter.join(cells) for cells in rows))
    assert cells_of(file) == [("1", 'Saluran "besar", mampet; sekali'), ("2", "Jalan")]
    assert headings_of(file) == ["no", "uraian"]


def test_a_row_is_told_by_the_line_it_begins_on(write: Any) -> None:
    file = write('no,uraian\n1,"dua\nbaris"\n\n2,satu\n3\n4,a,b\n5,a,\n')
    assert list(lines_of(file, HEADINGS)) == [
        Line(2, {"no": "1", "uraian": "dua\nbaris"}),
        Line(5, {"no": "2", "uraian": "satu"}),
        Line(6, {}, "1 cells, where the headings are 2"),
        Line(7, {}, "3 cells, where the headings are 2"),
        Line(8, {"no": "5", "uraian": "a"}),
    ]


def test_only_the_columns_of_the_mapping_are_looked_at(write: Any) -> None:
    file = write("nama,uraian,nama,NO\nx,Jalan,y,1\n")
    assert cells_of(file, "no") == [("1",)]
    with pytest.raises(BadSheet, match="More than one column is headed nama"):
        cells_of(file, "nama")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "the file is empty"),
        ("\n \n;;\n", "There are no headings"),
        ("no,isi\n1,a\n", "No column is headed uraian."),
        ("Kepada Yth.\nCamat Bugul Kidul\n", "No column is headed no or uraian."),
        ("no,uraian\n1,Jalan \xff".encode("latin-1"), "Line 2 is not UTF-8 text"),
        ("no,uraian\n1,Jalan\n".encode("utf-16"), "Line 1 has a NUL byte"),
        ("no,uraian\n1,Ja\0lan\n", "Line 2 has a NUL byte"),
        ("no,uraian\n1," + "x" * 10_000_000, "Line 2 is longer than 1,000,000 bytes"),
        ("no,uraian\n1," + "x" * 500_000, "Line 2: this is not CSV (field larger than field limit"),
        ('no,uraian\n1,a\n2,"b" c\n', "Line 3: this is not CSV ("),
        ('no,uraian\n1,"a\n' + "2,b\n" * 100, "Line 2: this is not CSV (unexpected end of data"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "of the old kind (.xls)"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "Line 1 is not UTF-8 text"),
        (b"PK\x03\x04" + bytes(99), "This is not a spreadsheet (.xlsx), or a damaged one."),
    ],
    ids=lambda value: None if isinstance(value, bytes) or len(value) > 60 else value[:30],
)
def test_what_is_no_register_is_refused_in_one_sentence(write: Any, content: bytes | str, sentence: str) -> None:
    told = complaint(write(content))
    assert sentence in told
    assert "\n" not in told


def test_a_folder_a_missing_file_and_one_too_large_are_refused(tmp_path: Path, write: Any) -> None:
    assert complaint(tmp_path).endswith("this is not a file.")
    assert complaint(tmp_path / "tidak-ada.csv").endswith("No such file or directory.")
    huge = write("no,uraian\n")
    with huge.open("r+b") as file:
        file.truncate(2 << 30)  # of holes: two gigabytes without a disk for them
    assert complaint(huge).endswith("larger than 256 MB; take it in in parts.")


def test_a_large_file_is_never_whole_in_memory(write: Any) -> None:
    file = write("no,uraian\n" + "1,Jalan rusak\n" * 50_000)
    lines = lines_of(file, HEADINGS)
    assert next(lines).number == 2
    assert isinstance(lines, Iterator)
    assert sum(1 for _ in lines) == 49_999


# -- XLSX ------------------------------------------------------------------------------------------------------------


def book(*rows: tuple[Any, ...], change: Callable[[Any], None] = lambda _book: None) -> bytes:
    made = openpyxl.Workbook()
    assert made.active is not None
    made.active.title = "Data"
    for row in rows:
        made.active.append(row)
    change(made)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def test_a_spreadsheet_is_read_like_csv(write: Any) -> None:
    rows = (("No", "Uraian", "Tanggal"), (1, " Jalan ", datetime(2026, 1, 5, 9, 30)), (), (2.0, True, date(2026, 1, 6)))  # noqa: DTZ001 - spreadsheets know no zones
    file = write(book(*rows, (2.5, None, time(9)), (3,)))
    read = list(lines_of(file, ("no", "uraian", "tanggal")))
    assert [line.number for line in read] == [2, 4, 5, 6]
    assert [tuple(line.cells.values()) for line in read] == [
        ("1", "Jalan", datetime(2026, 1, 5, 9, 30)),  # noqa: DTZ001
        ("2", "True", datetime(2026, 1, 6)),  # noqa: DTZ001
        ("2.5", "", Unusable("neither a text, a number nor a date")),
        ("3", "", ""),
    ]


def test_formulas_and_errors_are_not_taken_for_what_they_show(write: Any) -> None:
    file = write(book(HEADINGS, ("=1+1", "a"), (2, "#REF!"), (3, "'=1")))
    assert cells_of(file) == [
        (Unusable("a formula; put its value in its place"), "a"),
        ("2", Unusable("an error of the spreadsheet")),
        ("3", "'=1"),
    ]


def test_the_sheet_of_the_mapping_is_read_else_the_first(write: Any) -> None:
    def second(made: Any) -> None:
        made.create_sheet("Lain").append(("no", "uraian"))
        made["Lain"].append((9, "z"))

    file = write(book(HEADINGS, (1, "a"), change=second))
    assert cells_of(file) == [("1", "a")]
    assert [line.cells["no"] for line in lines_of(file, HEADINGS, "Lain")] == ["9"]
    assert complaint(file, "Rekap") == "There is no sheet Rekap."


def test_merged_cells_are_refused(write: Any) -> None:
    file = write(book(HEADINGS, (1, "a"), (2, "b"), change=lambda made: made["Data"].merge_cells("B2:B3")))
    assert complaint(file) == "Cells are merged in it: give each row its own cells."


def repacked(content: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """The same file with one of its parts changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as after:
        for each in before.namelist():
            raw = before.read(each)
            after.writestr(each, change(raw) if each == part else raw)
    return file.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def test_a_file_that_unpacks_to_more_than_it_may_is_not_unpacked(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "LARGEST_UNPACKED", 20 * 1_048_576)
    bomb = repacked(book(HEADINGS), SHEET, lambda _: bytes(21 * 1_048_576))
    assert len(bomb) < 100_000
    assert complaint(write(bomb)) == "Unpacked it would be larger than 20 MB."


def test_a_sheet_that_claims_endless_rows_or_columns_ends(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_LAST_ROW", 10_000)
    far = b'<row r="999999999"><c r="A999999999"><v>1</v></c></row></sheetData>'
    endless = repacked(book(HEADINGS), SHEET, lambda raw: raw.replace(b"</sheetData>", far))
    assert complaint(write(endless)) == "It claims more rows than a spreadsheet can have."
    wide = b'<row r="2"><c r="A2"><v>1</v></c><c r="XFD2"><v>1</v></c></row></sheetData>'
    file = write(repacked(book(HEADINGS), SHEET, lambda raw: raw.replace(b"</sheetData>", wide)))
    assert cells_of(file) == [("1", "")]


def test_entities_that_multiply_are_refused(write: Any) -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 10}">' for n in range(10))
    laughing = f'<?xml version="1.0"?><!DOCTYPE x [{levels}]>'.encode()
    bomb = repacked(
        book(HEADINGS, ("1", "PENGGANTI")),
        SHEET,
        lambda raw: laughing + raw.replace(b"<sheetData>", b"<sheetData><row><c><v>&e9;</v></c></row>"),
    )
    assert "damaged" in complaint(write(bomb))


def test_a_damaged_spreadsheet_is_refused_wherever_the_damage_is(write: Any) -> None:
    whole = book(HEADINGS, *((number, f"Jalan {number}") for number in range(200)))
    chance = random.Random(20260302)
    told: set[int | str | None] = set()
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 40)):
            damaged[chance.randrange(4, len(damaged))] = chance.randrange(256)
        file = write(bytes(damaged[: chance.choice((len(damaged), len(damaged) // 2))]))
        try:
            told.add(len(list(lines_of(file, HEADINGS))))
        except BadSheet as refusal:
            told.add(refusal.detail)
    assert "This is not a spreadsheet (.xlsx), or a damaged one." in told
