"""One row of a register, pure: from its cells to a report, and from the report to everything that was done about it."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from app.agencies.schemas import AgencyRow
from app.areas.words import lies_in
from app.journal.facts import Author, Fact
from app.kit.refusals import Unprocessable
from app.kit.words import without_control_characters
from app.problems.actions import Intent
from app.problems.lifecycle import rounds
from app.problems.lifecycle.context import Context
from app.problems.lifecycle.record import Problem
from app.problems.lifecycle.steps import decide
from app.problems.schemas.parts import PartAccept, PartFinish, PartStart
from app.problems.schemas.reports import ReportIn
from app.problems.schemas.steps import Accept, Assign, Confirm, Finish, Forward, HandleLocally, MarkDuplicate, TakeUp
from app.problems.words import State
from app.registers.mapping import Mapping
from app.registers.sheets import Cell, Line, Unusable
from app.registers.words import KECAMATAN, KELURAHAN, NOBODY, Handler, RowId, folded

_TITLE_MAXIMUM = 160
_PLACE_MAXIMUM = 300
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
"""Before it an id cannot hold the time."""
_ROW_ID: TypeAdapter[str] = TypeAdapter(RowId)


_YES, _NO = frozenset({"yes", "ya", "true", "1"}), frozenset({"no", "tidak", "false", "0"})


class BadRow(Unprocessable):
    code, title, judul = "bad_row", "The row cannot be taken", "Baris tidak dapat diterima"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What rows are read against, looked up once for a whole run."""

    mapping: Mapping
    area_code: str
    """Of the post on whose behalf it is done; rows outside it are refused."""
    zones: Table[str, ZoneInfo]
    """The time zone of each kelurahan and desa in that area."""
    agencies: Table[tuple[str, str], str]
    """Codes of agencies by their city, and their folded name or code."""
    by_hand: frozenset[str]
    """Agencies that have no accounts here."""
    targets: Table[str, date]
    """By category: until when a kelurahan that handles a problem now has time."""
    now: datetime


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row that can be taken."""

    line: int
    row_id: str
    problem_id: UUID
    fingerprint: str
    report: ReportIn = field(repr=False)
    reported_at: datetime
    answered_at: datetime | None
    """None where the register tells no time, or one that cannot be."""
    handler: Handler
    main: str | None
    """The row that it says it repeats."""
    remarks: frozenset[str]
    """What had to be done to take it: `cleaned`, `address_shortened`, `place_omitted`, `answer_not_believed`."""

    @property
    def area(self) -> str:
        return self.report.area


# -- cells -----------------------------------------------------------------------------------------------------------


class Cells:
    """The cells of one line, by field; notes whether anything had to be dropped from them."""

    def __init__(self, line: Line, headings: Table[str, str]) -> None:
        if line.wrong is not None:
            raise BadRow(line.wrong)
        self._line = line
        self._headings = headings
        self.dropped = False

    def raw(self, name: str) -> Cell:
        """The cell as it came; empty where the mapping names no column."""
        cell = self._line.cells[self._headings[name]] if name in self._headings else ""
        if isinstance(cell, Unusable):
            raise BadRow(f"{name}: {cell.reason}")
        return cell

    def prose(self, name: str) -> str | None:
        """Text of several lines, without the characters that no text may hold."""
        cell = self.raw(name)
        text = cell.isoformat(" ") if isinstance(cell, datetime) else str(cell)
        cleaned = without_control_characters(text)
        self.dropped |= cleaned != text
        return unicodedata.normalize("NFC", cleaned).strip() or None

    def line(self, name: str) -> str | None:
        """Text on one line."""
        text = self.prose(name)
        return " ".join(text.split()) if text else None

    @property
    def fingerprint(self) -> str:
        """Of every cell that is read."""
        cells = {name: str(self._line.cells[heading]) for name, heading in sorted(self._headings.items())}
        return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def id_of(cells: Cells) -> str:
    """What the register calls the row."""
    try:
        return _ROW_ID.validate_python(cells.line("row") or "")
    except ValidationError:
        raise BadRow("row: empty, or longer than 100 characters") from None


def main_of(cells: Cells) -> str | None:
    """The row that this one says it repeats."""
    return cells.line("same_as")


# -- from cells to a report ------------------------------------------------------------------------------------------


def read_row(line: Line, ground: Ground) -> Row:
    """The row that a line holds; refused with a reason that repeats nothing of what it says."""
    mapping = ground.mapping
    cells = Cells(line, mapping.headings)
    row_id = id_of(cells)
    area = _area(cells, ground)
    reported_at = _moment(cells, "reported_at", mapping)
    if reported_at is None:
        raise BadRow("reported_at: empty")
    if reported_at > ground.now:
        raise BadRow("reported_at: lies in the future")
    answered_at = _moment(cells, "answered_at", mapping)
    is_believed = answered_at is None or reported_at <= answered_at <= ground.now
    said, is_shortened = _words(cells)
    said |= {
        "area": area,
        "category": _category(cells, mapping),
        "seen_on": reported_at.astimezone(ground.zones[area]).date(),
        "source": mapping.source,
        "source_ref": row_id,
        "rt": cells.line("rt"),
        "rw": cells.line("rw"),
    }
    if (point := _point(cells)) is not None:
        said["point"] = point
    handler = _handler(cells, area, ground)
    try:
        report = ReportIn.model_validate(said)
    except ValidationError as error:
        raise BadRow(_reason(error)) from None
    has_place = bool(report.address or report.landmark or report.point)
    remarks = {
        "cleaned": cells.dropped,
        "address_shortened": is_shortened,
        "place_omitted": not has_place,
        "answer_not_believed": not is_believed,
    }
    return Row(
        line=line.number,
        row_id=row_id,
        problem_id=problem_id(mapping.register_name, row_id, reported_at),
        fingerprint=cells.fingerprint,
        report=report,
        reported_at=reported_at,
        answered_at=answered_at if is_believed else None,
        handler=handler,
        main=main_of(cells),
        remarks=frozenset(name for name, holds in remarks.items() if holds),
    )


def problem_id(register: str, row_id: str, reported_at: datetime) -> UUID:
    """A UUIDv7 of the time it was reported; what else it holds follows from the register and the row."""
    digest = int.from_bytes(hashlib.sha256(f"{register}\n{row_id}".encode()).digest())
    milliseconds = int((reported_at - _BEGIN).total_seconds() * 1000)
    high, low = digest >> 244, digest & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


def _area(cells: Cells, ground: Ground) -> str:
    text = cells.line("area")
    if text is None:
        raise BadRow("area: empty")
    code = ground.mapping.area.values.get(folded(text), text)
    if code.isascii() and code.isdigit() and len(code) == 10:  # a spreadsheet took it for a number
        code = f"{code[:2]}.{code[2:4]}.{code[4:6]}.{code[6:]}"
    if code in ground.zones:
        return code
    if lies_in(code, ground.area_code):
        raise BadRow("area: no kelurahan or desa in force has this code")
    raise BadRow(f"area: unknown, or outside {ground.area_code}")


def _moment(cells: Cells, name: str, mapping: Mapping) -> datetime | None:
    cell = cells.raw(name)
    if cell == "":
        return None
    moment = cell if isinstance(cell, datetime) else _parsed(str(cell), name, mapping)
    if moment.tzinfo is None:
        if mapping.zone is None:
            raise BadRow(f"{name}: a time without a zone, and the mapping names no time_zone")
        moment = moment.replace(tzinfo=mapping.zone)
    try:
        moment = moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise BadRow(f"{name}: outside the years that a calendar has") from None
    if moment < _BEGIN:
        raise BadRow(f"{name}: before 1970")
    return moment


def _parsed(text: str, name: str, mapping: Mapping) -> datetime:
    try:
        if mapping.time_format is None:
            return datetime.fromisoformat(text)
        return datetime.strptime(text, mapping.time_format)  # noqa: DTZ007 - the zone is looked at by the caller
    except ValueError:
        form = mapping.time_format or "2026-03-02 09:30"
        raise BadRow(f"{name}: not a time written as {form}") from None


def _words(cells: Cells) -> tuple[dict[str, Any], bool]:
    """Title, description and places; and whether the address had to be shortened.

    What does not fit into an address stands whole in the description.
    """
    title, description = cells.line("title"), cells.prose("description")
    text = cells.prose("text")
    if text is not None:
        title, description = _cut(" ".join(text.split()), _TITLE_MAXIMUM), text
    address, landmark = cells.line("address"), cells.line("landmark")
    is_shortened = address is not None and len(address) > _PLACE_MAXIMUM
    if address is not None and is_shortened:
        description = "\n\n".join([*([description] if description else []), f"Alamat: {address}"])
        address = _cut(address, _PLACE_MAXIMUM)
    words = {"title": title or "", "description": description, "address": address, "landmark": landmark}
    return words, is_shortened


def _cut(line: str, maximum: int) -> str:
    """The line, ended behind a word where it is too long."""
    if len(line) <= maximum:
        return line
    words = line[: maximum - 1].rsplit(" ", 1)[0]
    return f"{words}…"


def _category(cells: Cells, mapping: Mapping) -> str:
    text = cells.line("category")
    code = mapping.category.values.get(folded(text or ""), mapping.category.default)
    if code is None:
        raise BadRow("category: empty" if text is None else "category: the mapping does not know this value")
    return code


def _point(cells: Cells) -> dict[str, float] | None:
    texts = [cells.line("latitude"), cells.line("longitude")]
    if texts == [None, None]:
        return None
    try:
        latitude, longitude = (float((text or "").replace(",", ".")) for text in texts)
    except ValueError:
        raise BadRow("latitude, longitude: not degrees such as -7.65") from None
    return {"lat": latitude, "lon": longitude}


def _handler(cells: Cells, area: str, ground: Ground) -> Handler:
    column = ground.mapping.handled_by
    if column is None:
        return NOBODY
    text = folded(cells.line("handled_by") or "")
    if text in column.values:
        return Handler.named(column.values[text])
    if not text:
        return Handler.named(column.default)
    for pattern in column.patterns:
        if text.startswith(pattern.begins):
            return Handler.named(pattern.by)
    code = ground.agencies.get((area[:5], text))
    if code is None:
        raise BadRow("handled_by: no agency of the city that is active has this name or code")
    return Handler("agency", code)


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    bounds = first.get("ctx", {})
    what = first["msg"]
    if "max_length" in bounds:
        what = f"longer than {bounds['max_length']:,} characters"
    elif "min_length" in bounds:
        least = bounds["min_length"]
        what = "empty" if least == 1 else f"shorter than {least} characters"
    return ": ".join([*(str(part) for part in first["loc"]), what])


def read_agency(cells: Cells) -> AgencyRow:
    """An agency as one row of a list tells of it."""
    accounts = folded(cells.line("has_accounts") or "")
    if accounts not in _YES and accounts not in _NO and accounts:
        raise BadRow("has_accounts: yes or no")
    said = {name: cells.line(name) for name in ("name", "code", "kind", "email")}
    said["kind"] = folded(said["kind"]) if said["kind"] else None
    try:
        return AgencyRow(**{**said, "has_accounts": accounts not in _NO})
    except ValidationError as error:
        raise BadRow(_reason(error)) from None


# -- from the report to what was done --------------------------------------------------------------------------------


def intents_of(row: Row, author: Author, main_id: UUID | None, ground: Ground) -> list[Intent]:
    """Everything that the register tells of the row, as one would have said it step by step.

    A register knows two times. What came with the report happened when it was reported; what ended it, when it was
    answered.
    """

    def said(said: Any, at: datetime | None = None, **more: Any) -> Intent:
        return Intent(problem_id=row.problem_id, said=said, author=author, happened_at=at or row.reported_at, **more)

    begun = [said(row.report), said(Forward(verb="forward"))]
    if main_id is not None:
        hears = Intent(problem_id=row.problem_id, said=None, author=author, round=rounds.follow_main)
        return [*begun, said(MarkDuplicate(verb="mark_duplicate", main=main_id)), hears]
    begun += _handed(row, said, ground)
    if row.answered_at is None or row.handler == NOBODY:
        return begun
    return [*begun, *_done(row, said, ground), said(None, row.answered_at, round=confirm_awaited)]


def _handed(row: Row, said: Any, ground: Ground) -> Sequence[Intent]:
    """To whom the officials gave it. A kelurahan takes it back before the kecamatan accepts it."""
    note = ground.mapping.note
    if row.handler == KELURAHAN:
        target = ground.targets[row.report.category]
        return [said(HandleLocally(verb="handle_locally", plan=note, target_on=target))]
    accepted = said(Accept(verb="accept"))
    if row.handler == KECAMATAN:
        return [accepted, said(TakeUp(verb="take_up", plan=note))]
    if row.handler.agency is None:
        return [accepted]
    return [accepted, said(Assign(verb="assign", lead=row.handler.agency))]


def _done(row: Row, said: Any, ground: Ground) -> Sequence[Intent]:
    """What whoever had it did about it."""
    note, resolution, at = ground.mapping.note, ground.mapping.resolution, row.answered_at
    agency = row.handler.agency
    if agency is None:
        return [said(Finish(verb="finish", resolution=resolution, note=note), at)]
    letter = f"{ground.mapping.register_name} {row.row_id}"[:100] if agency in ground.by_hand else None
    steps = [
        PartAccept(verb="accept", letter=letter),
        PartStart(verb="start", letter=letter),
        PartFinish(verb="finish", letter=letter, resolution=resolution, note=note),
    ]
    return [said(each, at, part_of=agency) for each in steps]


def confirm_awaited(problem: Problem, context: Context) -> list[Fact]:
    """Confirmed where somebody would have to; of the kelurahan's own work, only a share waits for it."""
    if problem.state is not State.AWAITING_CONFIRMATION:
        return []
    return decide(problem, Confirm(verb="confirm"), context)
