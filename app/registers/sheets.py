"""Rows of a file as it comes from outside: CSV or XLSX, one row after another, never the whole of it in memory."""

import csv
import hashlib
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

import openpyxl

from app.kit.refusals import Unprocessable
from app.registers.words import folded

LARGEST_FILE: Final = 256 * 1_048_576
LARGEST_UNPACKED: Final = 512 * 1_048_576
"""Bytes that all parts of a spreadsheet may have together, once unpacked."""
LONGEST_LINE: Final = 1_000_000
WIDEST: Final = 256
"""Columns that are looked at."""
_LAST_ROW = 1_048_576
"""No spreadsheet has more rows; a file that says so is not one."""
_ZIP, _OLD_EXCEL = b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1")


class BadSheet(Unprocessable):
    code, title = "bad_sheet", "The file cannot be read as a register"
    judul = "Berkas tidak dapat dibaca sebagai register"


@dataclass(frozen=True)
class Unusable:
    """A cell whose content cannot be taken, and why."""

    reason: str


Cell = str | datetime | Unusable


@dataclass(frozen=True)
class Line:
    """One row: the line it begins on, and its cells by their headings; or why it is no row of this table."""

    number: int
    cells: dict[str, Cell]
    wrong: str | None = None


def hash_of(path: Path) -> str:
    """SHA-256 of a file that can be read and is not too large."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise BadSheet(f"{path}: this is not a file.")
        if size > LARGEST_FILE:
            raise BadSheet(f"{path}: larger than {LARGEST_FILE // 1_048_576} MB; take it in in parts.")
        if size == 0:
            raise BadSheet(f"{path}: the file is empty.")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadSheet(f"{path}: {error.strerror}.") from error


def lines_of(path: Path, headings: Iterable[str], sheet: str | None = None) -> Iterator[Line]:
    """The rows below the headings, with these columns; blank rows are left out. Refuses a file that is no such table.

    The kind of the file shows in its first bytes, whatever its name ends with.
    """
    wanted = list(dict.fromkeys(headings))
    places: dict[str, int] = {}
    width = 0
    for number, cells in _rows(path, sheet):
        if not places:
            width = max(place for place, cell in enumerate(cells, start=1) if cell != "")
            places = _places(cells, wanted)
        elif len(cells) < width or any(cell != "" for cell in cells[width:]):
            yield Line(number, {}, f"{len(cells)} cells, where the headings are {width}")
        else:
            yield Line(number, {heading: cells[place] for heading, place in places.items()})
    if not places:
        raise BadSheet("There are no headings: the file is empty.")


def headings_of(path: Path) -> list[str]:
    """What stands in the first row that is not blank, folded."""
    _, cells = next(_rows(path, None), (0, []))
    return [folded(cell) if isinstance(cell, str) else "" for cell in cells]


def _rows(path: Path, sheet: str | None) -> Iterator[tuple[int, list[Cell]]]:
    """Every row that is not blank, and the line it begins on."""
    with path.open("rb") as file:
        start = file.read(len(_OLD_EXCEL))
    if start == _OLD_EXCEL:
        raise BadSheet("This is a spreadsheet of the old kind (.xls); save it as .xlsx or CSV.")
    rows = _spreadsheet_rows(path, sheet) if start.startswith(_ZIP) else _csv_rows(path)
    return ((number, cells) for number, cells in rows if any(cell != "" for cell in cells))


def _places(cells: Sequence[Cell], wanted: Sequence[str]) -> dict[str, int]:
    headings = [folded(cell) if isinstance(cell, str) else "" for cell in cells]
    looked_for = {heading: folded(heading) for heading in wanted}
    missing = [heading for heading, key in looked_for.items() if key not in headings]
    if missing:
        raise BadSheet(f"No column is headed {' or '.join(missing)}.")
    twice = [heading for heading, key in looked_for.items() if headings.count(key) > 1]
    if twice:
        raise BadSheet(f"More than one column is headed {' and '.join(twice)}.")
    return {heading: headings.index(key) for heading, key in looked_for.items()}


# -- CSV -------------------------------------------------------------------------------------------------------------


class _Decoded:
    """The lines of a file as text, counted; each is checked as it is read."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        while raw := self._file.readline(LONGEST_LINE + 1):
            self.number += 1
            if len(raw) > LONGEST_LINE:
                raise BadSheet(f"Line {self.number} is longer than {LONGEST_LINE:,} bytes.")
            if b"\0" in raw:
                raise BadSheet(f"Line {self.number} has a NUL byte: this is not text.")
            try:
                yield raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise BadSheet(f"Line {self.number} is not UTF-8 text; save the file as CSV UTF-8.") from error


def _csv_rows(path: Path) -> Iterator[tuple[int, list[Cell]]]:
    """Records and the lines they begin on. Commas, semicolons or tabs part the cells."""
    with path.open("rb") as file:
        delimiter = _delimiter(path)
        decoded = _Decoded(file)
        reader = csv.reader(decoded, delimiter=delimiter, strict=True)
        while True:
            begins = decoded.number + 1
            try:
                record = next(reader, None)
            except csv.Error as error:
                raise BadSheet(f"Line {begins}: this is not CSV ({error}).") from error
            if record is None:
                return
            yield begins, [cell.strip() for cell in record]


def _delimiter(path: Path) -> str:
    with path.open("rb") as file:
        first = next((line for line in _Decoded(file) if line.strip()), "")
    return max(",;\t", key=first.count)


# -- XLSX ------------------------------------------------------------------------------------------------------------


def _spreadsheet_rows(path: Path, wanted: str | None) -> Iterator[tuple[int, list[Cell]]]:
    """Rows of one sheet, by their numbers."""
    _check_unpacked(path)
    with path.open("rb") as file:  # opened here, because the library goes by what a name ends with
        with _quiet(), _told():
            book = openpyxl.load_workbook(file, read_only=True, data_only=False, keep_links=False)
        try:
            yield from _rows_of(_sheet(path, book, wanted))
        finally:
            book.close()


def _sheet(path: Path, book: Any, wanted: str | None) -> Any:
    with _told():
        names = [each.title for each in book.worksheets]
        if not names or (wanted is not None and wanted not in names):
            raise BadSheet(f"There is no sheet {wanted}." if names else "There is no sheet in it.")
        sheet = book[wanted or names[0]]
        _refuse_merged(path, sheet)
        sheet.reset_dimensions()  # the file only claims them
        return sheet


def _rows_of(sheet: Any) -> Iterator[tuple[int, list[Cell]]]:
    """Rows by their numbers, no wider than the first that is not blank: what stands beside the headings has none."""
    rows = iter(sheet.iter_rows(max_col=WIDEST))
    width: int | None = None
    for number in range(1, _LAST_ROW + 2):
        with _quiet(), _told():
            row = next(rows, None)
            if row is None:
                return
            cells = [_cell(each) for each in row[:width]]
        if number > _LAST_ROW:
            raise BadSheet("It claims more rows than a spreadsheet can have.")
        if width is None:
            width = max((place for place, cell in enumerate(cells, start=1) if cell != ""), default=None)
        yield number, cells


def _check_unpacked(path: Path) -> None:
    """Before anything is unpacked: what the parts say of their sizes, beyond which nothing of them is read."""
    try:
        with zipfile.ZipFile(path) as parts:
            unpacked = sum(each.file_size for each in parts.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise BadSheet("This is not a spreadsheet (.xlsx), or a damaged one.") from error
    if unpacked > LARGEST_UNPACKED:
        raise BadSheet(f"Unpacked it would be larger than {LARGEST_UNPACKED // 1_048_576} MB.")


def _refuse_merged(path: Path, sheet: Any) -> None:
    """Merged cells have one content for many rows, so which row has it is anybody's guess."""
    looked_for, before = b"<mergeCell ", b""
    with zipfile.ZipFile(path) as parts, parts.open(sheet._worksheet_path.lstrip("/")) as part:  # noqa: SLF001 - nothing else tells which part of the file a sheet is
        while chunk := part.read(1_048_576):
            if looked_for in before + chunk:
                raise BadSheet("Cells are merged in it: give each row its own cells.")
            before = chunk[-len(looked_for) :]


@contextmanager
def _told() -> Iterator[None]:
    """Whatever a broken file makes the library raise, as one sentence."""
    try:
        yield
    except BadSheet:
        raise
    except Exception as error:
        raise BadSheet("This is not a spreadsheet (.xlsx), or a damaged one.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's remarks about styles and extensions, which no register needs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _cell(cell: Any) -> Cell:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        return Unusable("a formula; put its value in its place")
    if cell.data_type == "e":
        return Unusable("an error of the spreadsheet")
    match value:
        case str():
            return value.strip()
        case datetime():
            return value
        case date():
            return datetime.combine(value, time())
        case bool() | int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
    return Unusable("neither a text, a number nor a date")
