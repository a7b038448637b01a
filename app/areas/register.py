"""A register of areas as it comes from outside: reading a CSV file, and checking every row before any is stored."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from app.areas.schemas import AreaIn
from app.areas.words import TIME_ZONES, is_code, parent_of
from app.kit.refusals import Unprocessable

_HEADINGS = {
    "code": ("code", "kode"),
    "name": ("name", "nama"),
    "postal_code": ("postal_code", "kode_pos", "kodepos"),
    "lat": ("lat", "latitude"),
    "lon": ("lon", "lng", "longitude"),
}
_SHOWN = 20


class Row(NamedTuple):
    """One row of a register, unchecked. `line` is where it stands in its file."""

    code: str
    name: str
    postal_code: str = ""
    lat: str = ""
    lon: str = ""
    line: int | None = None


class Complaint(NamedTuple):
    """What is wrong on one line."""

    line: int
    reason: str


class BadRegister(Unprocessable):
    code, title = "bad_register", "The register of areas has lines that cannot be taken"
    judul = "Daftar wilayah memuat baris yang tidak dapat diterima"

    def __init__(self, *complaints: Complaint) -> None:
        told = [f"line {line}: {reason}" for line, reason in complaints[:_SHOWN]]
        if len(complaints) > _SHOWN:
            told.append(f"and {len(complaints) - _SHOWN} more")
        super().__init__("; ".join(told), lines=[complaint._asdict() for complaint in complaints[:_SHOWN]])
        self.complaints = complaints


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file that has `code` and `name`, perhaps `postal_code`, `lat` and `lon`, and any other columns.

    Commas, semicolons or tabs part them; a heading names the columns, unless code and name simply come first.
    """
    text = _text(path.read_bytes())
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    places: Mapping[str, int] = {}
    rows: list[Row] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not places:
                places = _places(cells, reader.line_num)
                if not is_code(cells[0].strip()):
                    continue
            found = {column: cells[place].strip() for column, place in places.items() if place < len(cells)}
            if "code" not in found or "name" not in found:
                raise BadRegister(Complaint(reader.line_num, "code and name are expected on every line"))
            if delimiter == ";":  # spreadsheets that part cells by semicolons write -7,65 for -7.65
                found |= {column: found[column].replace(",", ".") for column in ("lat", "lon") if column in found}
            rows.append(Row(**found, line=reader.line_num))
    except csv.Error as error:
        raise BadRegister(Complaint(reader.line_num, f"this is not CSV ({error})")) from error
    if not places:
        raise BadRegister(Complaint(1, "the file is empty"))
    return rows


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRegister(Complaint(raw.count(b"\n", 0, error.start) + 1, "this is not UTF-8 text")) from error


def _delimiter(text: str) -> str:
    first = text.lstrip().partition("\n")[0]
    return max(",;\t", key=first.count)


def _places(cells: Sequence[str], line: int) -> Mapping[str, int]:
    """Where each column stands: by the heading, or code and name first where the file begins with a code."""
    if is_code(cells[0].strip()):
        return {"code": 0, "name": 1}
    headings = [cell.strip().casefold() for cell in cells]
    places = {
        column: headings.index(heading)
        for column, accepted in _HEADINGS.items()
        for heading in accepted
        if heading in headings
    }
    for column in ("code", "name"):
        if column not in places:
            raise BadRegister(Complaint(line, f"no column is headed {' or '.join(_HEADINGS[column])}"))
    return places


def checked(rows: Iterable[tuple[str, str] | Row], known: Collection[str]) -> list[AreaIn]:
    """Every area of the register, parents first; or a refusal that names each bad line.

    `known` are the codes in store, which may be parents too.
    """
    areas: dict[str, AreaIn] = {}
    lines: dict[str, int] = {}
    complaints: list[Complaint] = []
    for count, row in enumerate((Row(*row) for row in rows), start=1):
        line = row.line or count
        said = {column: getattr(row, column) for column in _HEADINGS}
        try:
            area = AreaIn.model_validate({column: value for column, value in said.items() if value != ""})
        except ValidationError as error:
            complaints.append(Complaint(line, _reason(error)))
            continue
        if area.code in areas:
            complaints.append(Complaint(line, f"{area.code} stands on line {lines[area.code]} already"))
            continue
        areas[area.code], lines[area.code] = area, line
    complaints += [
        Complaint(lines[code], reason) for code in areas if (reason := _rootless(code, areas, known)) is not None
    ]
    if complaints:
        raise BadRegister(*sorted(complaints))
    return sorted(areas.values(), key=lambda area: (len(area.code), area.code))


def _rootless(code: str, listed: Collection[str], known: Collection[str]) -> str | None:
    """Why this code hangs in the air, if it does."""
    parent = parent_of(code)
    if parent is None:
        return None if code in TIME_ZONES else f"{code} is no province whose time zone is known"
    if parent in listed or parent in known:
        return None
    return f"{parent}, the area above {code}, is neither in the file nor in store"


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return ": ".join([*(str(part) for part in first["loc"]), first["msg"]])
