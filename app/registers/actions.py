"""Taking in a register: read it once to know it, then take its rows, each whole or not at all, log after log."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from app.agencies.actions import AgenciesTaken, take_agencies
from app.agencies.schemas import AgencyRow
from app.journal.actions import administration, lock
from app.journal.facts import IMPORT_POST, Author
from app.kit.house import House, Work
from app.kit.refusals import Conflict, Refusal
from app.problems.actions import Intent, Outcome, perform
from app.problems.lifecycle.record import Problem
from app.problems.words import State
from app.registers.mapping import read_mapping
from app.registers.models import ImportRun, TakenRow
from app.registers.queries import Main, look_up, mains, taken, unfinished
from app.registers.rows import BadRow, Cells, Ground, Row, id_of, intents_of, main_of, read_agency, read_row
from app.registers.sheets import Line, hash_of, headings_of, lines_of

BATCH: Final = 200
"""Problems of one log that one transaction takes."""
_WINDOW = 5_000
"""Rows that are read before they are parted by their logs."""
_UNEXPECTED_MAXIMUM = 20
"""Rows that may fail as no row should; more are not the rows' fault."""
_log = structlog.get_logger("ujung")


class ImportStopped(Conflict):
    code = "import_stopped"
    title = "The import stopped; the same command goes on where it stopped"
    judul = "Impor terhenti; perintah yang sama melanjutkannya"


@dataclass(frozen=True)
class Order:
    """What is to be taken in, how, and on whose behalf."""

    file: Path
    mapping: Path
    on_behalf_of: str
    dry_run: bool = False
    """Everything is done, and nothing is kept."""


@dataclass(frozen=True, order=True)
class RefusedRow:
    """A row that was not taken, in words that repeat nothing of what it says."""

    line: int
    reason: str


@dataclass
class Told:
    """What became of the rows. Every row is taken, taken before, or refused."""

    register: str
    run: int | None = None
    """None of a dry run."""
    rows: int = 0
    taken: int = 0
    taken_before: int = 0
    differing: int = 0
    """Rows taken before whose cells are not what they were then; the problem stays as it is."""
    duplicates: int = 0
    """Taken, and marked as duplicates of another row."""
    mains_missing: int = 0
    """Taken in the ordinary way, because the row they repeat is not there."""
    remarks: Counter[str] = field(default_factory=Counter)
    states: Counter[State] = field(default_factory=Counter)
    """Where the problems taken now stand."""
    refused: list[RefusedRow] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, Any]:
        """The numbers alone, for programs."""
        return {
            "register": self.register,
            "run": self.run,
            "rows": self.rows,
            "taken": self.taken,
            "taken_before": self.taken_before,
            "differing": self.differing,
            "refused": len(self.refused),
            "refused_by_reason": dict(Counter(each.reason for each in self.refused).most_common()),
            "duplicates": self.duplicates,
            "mains_missing": self.mains_missing,
            "remarks": dict(sorted(self.remarks.items())),
            "states": {state.value: self.states[state] for state in State if self.states[state]},
        }


Progress = Callable[[int, int], None]
"""Hears how many of how many rows are done."""


def import_problems(house: House, order: Order, progress: Progress = lambda _done, _rows: None) -> Told:
    """Takes in a register. Run again, it takes what is not there yet; a file that is no register is refused whole."""
    mapping, mapping_hash = read_mapping(order.mapping)
    file_hash = hash_of(order.file)
    with house.database.read() as session:
        ground = look_up(session, mapping, order.on_behalf_of, house.clock())
    survey = _survey(order.file, ground)
    told = Told(mapping.register_name, rows=survey.rows)
    run: ImportRun | None = None
    if not order.dry_run:
        wanted = {
            "register_name": mapping.register_name,
            "file_hash": file_hash,
            "mapping_hash": mapping_hash,
            "on_behalf_of": order.on_behalf_of,
        }
        run = house.database.perform(lambda session: _begun(_work(house, session), wanted, order.file.name))
        told.run = run.number
    taker = _Taker(house, ground, survey, run, order, told, progress)
    try:
        taker.take_all()
    except OperationalError as error:
        _log.exception("import stopped", run=told.run)
        raise ImportStopped("The database does not answer.") from error
    told.refused.sort()
    if run is not None:
        house.database.perform(lambda session: _finished(_work(house, session), run, told))
    return told


_AGENCY_HEADINGS: Final = {
    "name": ("name", "nama"),
    "code": ("code", "kode"),
    "kind": ("kind", "jenis"),
    "has_accounts": ("has_accounts", "punya_akun"),
    "email": ("email", "surel"),
}


def import_agencies(
    house: House, file: Path, city: str, *, dry_run: bool = False
) -> tuple[AgenciesTaken, list[RefusedRow]]:
    """Takes in a list of the agencies of a city, in one transaction; what is there already stays as it is.

    Its headings are `name`, and perhaps `code`, `kind`, `has_accounts`, `email`, or the same in Indonesian.
    """
    hash_of(file)
    rows, refused = _agency_rows(file)

    def unit(session: Session) -> AgenciesTaken:
        outcome = take_agencies(_work(house, session), city, rows)
        if dry_run:
            raise _DryRun(outcome)
        return outcome

    try:
        return house.database.perform(unit), refused
    except _DryRun as end:
        outcome: AgenciesTaken = end.outcome
        return outcome, refused


def _agency_rows(file: Path) -> tuple[list[AgencyRow], list[RefusedRow]]:
    rows: list[AgencyRow] = []
    refused: list[RefusedRow] = []
    there = headings_of(file)
    headings = {field: heading for field, names in _AGENCY_HEADINGS.items() for heading in names if heading in there}
    headings.setdefault("name", "name")
    for line in lines_of(file, headings.values()):
        try:
            rows.append(read_agency(Cells(line, headings)))
        except BadRow as refusal:
            refused.append(RefusedRow(line.number, refusal.reason))
    return rows, refused


def _work(house: House, session: Session) -> Work[Any]:
    return Work(session, None, house.clock(), house)


def _begun(work: Work[Any], wanted: Mapping[str, Any], file_name: str) -> ImportRun:
    """The run as it is noted: the interrupted one, where there is one."""
    run = unfinished(work.session, wanted)
    if run is None:
        run = ImportRun(**wanted, file_name=file_name[-255:], started_at=work.now, counts={})
        work.session.add(run)
        work.session.flush()
        administration(work, "import.started", run.register_name, run=run.number, on_behalf_of=run.on_behalf_of)
    return run


def _finished(work: Work[Any], run: ImportRun, told: Told) -> None:
    kept = work.session.get_one(ImportRun, run.number)
    kept.finished_at, kept.counts = work.now, told.counts
    administration(work, "import.finished", kept.register_name, run=kept.number, taken=told.taken)


# -- knowing the file ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Survey:
    """What one reading of the whole file tells, before anything is written."""

    rows: int
    roots: Mapping[int, str | None]
    """By line, of each row that repeats another: the row at the end of the chain, or None where it runs in a circle."""
    repeated: Mapping[int, int]
    """By line, of each row whose id stands on an earlier line: that line."""


def _survey(file: Path, ground: Ground) -> _Survey:
    headings = ground.mapping.headings
    first: dict[str, int] = {}
    repeated: dict[int, int] = {}
    mains: dict[str, str] = {}
    rows = 0
    for line in lines_of(file, headings.values(), ground.mapping.sheet):
        rows += 1
        try:
            cells = Cells(line, headings)
            row_id, main = id_of(cells), main_of(cells)
        except BadRow:
            continue  # told when the rows are taken
        if row_id in first:
            repeated[line.number] = first[row_id]
        else:
            first[row_id] = line.number
            if main is not None:
                mains[row_id] = main
    return _Survey(rows, {first[row_id]: _root(row_id, mains) for row_id in mains}, repeated)


def _root(row_id: str, mains: Mapping[str, str]) -> str | None:
    seen = {row_id}
    while row_id in mains:
        row_id = mains[row_id]
        if row_id in seen:
            return None
        seen.add(row_id)
    return row_id


# -- taking its rows -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Taken:
    """A row that is in store, or would be but for the dry run; `state` is None where it was there before."""

    row: Row
    state: State | None
    is_same: bool = True


class _Refused(Exception):
    """Ends the transaction, because these of its rows cannot be whole."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__()
        self.reasons = reasons


class _DryRun(Exception):
    """Ends the transaction, because nothing is to be kept of it."""

    def __init__(self, outcome: Any) -> None:
        super().__init__()
        self.outcome = outcome


class _Taker:
    """Takes the rows of one file. First those that stand for themselves, then those that repeat another."""

    def __init__(
        self,
        house: House,
        ground: Ground,
        survey: _Survey,
        run: ImportRun | None,
        order: Order,
        told: Told,
        progress: Progress,
    ) -> None:
        self._house = house
        self._ground = ground
        self._register = ground.mapping.register_name
        self._survey = survey
        self._run = run
        self._file = order.file
        self._told = told
        self._progress = progress
        self._done = 0
        number = run.number if run else 0
        self._author = Author(None, f"Impor {number}", f"{IMPORT_POST}{number}", on_behalf_of=order.on_behalf_of)
        self._wanted_as_mains = {root for root in survey.roots.values() if root is not None}
        self._unexpected = 0
        self._would_be_mains: set[str] = set()
        """Rows that a dry run would have taken, and that others repeat."""

    def take_all(self) -> None:
        self._progress(0, self._survey.rows)
        for are_repeating in (False, True) if self._survey.roots else (False,):
            chosen = (line for line in self._lines() if (line.number in self._survey.roots) is are_repeating)
            for window in _windows(chosen):
                rows = [row for line in window if (row := self._read(line)) is not None]
                found = self._mains(rows) if are_repeating else {}
                for batch in _batches(rows, found):
                    self._take(batch, found)
                self._done += len(window)
                self._progress(self._done, self._survey.rows)

    def _lines(self) -> Iterator[Line]:
        return lines_of(self._file, self._ground.mapping.headings.values(), self._ground.mapping.sheet)

    def _read(self, line: Line) -> Row | None:
        try:
            if line.number in self._survey.repeated:
                raise BadRow(f"row: stands on line {self._survey.repeated[line.number]} already")
            return read_row(line, self._ground)
        except BadRow as refusal:
            self._refuse(line.number, refusal.reason)
            return None

    def _mains(self, rows: Iterable[Row]) -> dict[int, Main | None]:
        """By line: the problem that the row repeats; None where a dry run would only have made it."""
        roots = {row.line: root for row in rows if (root := self._survey.roots[row.line]) is not None}
        with self._house.database.read() as session:
            found = mains(session, self._register, set(roots.values()), self._ground.area_code)
        return {line: found.get(root) for line, root in roots.items() if root in found or root in self._would_be_mains}

    def _take(self, rows: Sequence[Row], found: Mapping[int, Main | None]) -> None:
        """Takes these rows in one transaction, without those that it refuses; should it fail, one by one."""
        try:
            outcomes = self._attempt(rows, found)
        except _Refused as end:
            for line, reason in end.reasons.items():
                self._refuse(line, reason)
            if rest := [row for row in rows if row.line not in end.reasons]:
                self._take(rest, found)
        except (Refusal, OperationalError):
            raise  # no row's fault: the database is busy, or gone
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the culprit's and nobody else's
            if len(rows) == 1:
                self._refuse_unexpected(rows[0], error)
            for row in rows if len(rows) > 1 else ():
                self._take([row], found)
        else:
            for outcome in outcomes:
                self._count(outcome, is_duplicate=outcome.row.line in found)

    def _attempt(self, rows: Sequence[Row], found: Mapping[int, Main | None]) -> Sequence[_Taken]:
        try:
            return self._house.database.perform(lambda session: self._unit(session, rows, found))
        except _DryRun as end:
            outcomes: Sequence[_Taken] = end.outcome
            return outcomes

    def _unit(self, session: Session, rows: Sequence[Row], found: Mapping[int, Main | None]) -> list[_Taken]:
        mains_logs = {main.area for row in rows if (main := found.get(row.line)) is not None}
        lock(session, {row.area for row in rows} | mains_logs)  # another import of the same file waits here
        before = taken(session, self._register, {row.row_id for row in rows})
        outcomes = [_Taken(row, None, before[row.row_id] == row.fingerprint) for row in rows if row.row_id in before]
        new = [row for row in rows if row.row_id not in before]
        if new:
            work = _work(self._house, session)
            said = [self._intents(row, found) for row in new]
            done = iter(perform(work, [intent for intents in said for intent in intents]))
            by_row = {row.line: [next(done) for _ in intents] for row, intents in zip(new, said, strict=True)}
            reasons = {line: reason for line, each in by_row.items() if (reason := _why_not(each)) is not None}
            if reasons:
                raise _Refused(reasons)
            outcomes += [_Taken(row, self._state_of(by_row[row.line], row.line in found)) for row in new]
        if self._run is None:
            raise _DryRun(outcomes)
        if new:
            session.connection().execute(insert(TakenRow), [self._kept(row) for row in new])
        return outcomes

    def _intents(self, row: Row, found: Mapping[int, Main | None]) -> list[Intent]:
        if row.line not in found:
            return intents_of(row, self._author, None, self._ground)
        main = found[row.line]
        if main is not None:
            return intents_of(row, self._author, main.problem_id, self._ground)
        return intents_of(row, self._author, None, self._ground)[:2]  # a dry run has no main to mark it with

    def _state_of(self, outcomes: Sequence[Outcome], is_duplicate: bool) -> State:
        last = outcomes[-1]
        assert isinstance(last, Problem), "a row is taken only if nothing of it was refused"
        return State.CLOSED if is_duplicate else last.state

    def _kept(self, row: Row) -> dict[str, Any]:
        assert self._run is not None, "a dry run keeps nothing"
        return {
            "register_name": self._register,
            "row_id": row.row_id,
            "problem_id": row.problem_id,
            "run": self._run.number,
            "fingerprint": row.fingerprint,
        }

    # -- counting ----------------------------------------------------------------------------------------------------

    def _refuse(self, line: int, reason: str) -> None:
        self._told.refused.append(RefusedRow(line, reason))

    def _refuse_unexpected(self, row: Row, error: Exception) -> None:
        _log.exception("row not taken", line=row.line)
        self._unexpected += 1
        if self._unexpected == _UNEXPECTED_MAXIMUM:
            raise ImportStopped("Too many rows failed unexpectedly; the log says how.") from error
        self._refuse(row.line, f"unexpected: {type(error).__name__}")

    def _count(self, outcome: _Taken, *, is_duplicate: bool) -> None:
        told, row = self._told, outcome.row
        if outcome.state is None:
            told.taken_before += 1
            told.differing += not outcome.is_same
            return
        told.taken += 1
        told.states[outcome.state] += 1
        told.remarks.update(row.remarks)
        if row.main is not None:
            told.duplicates += is_duplicate
            told.mains_missing += not is_duplicate
        if self._run is None and row.row_id in self._wanted_as_mains:
            self._would_be_mains.add(row.row_id)


def _windows(lines: Iterable[Line]) -> Iterator[list[Line]]:
    window: list[Line] = []
    for line in lines:
        window.append(line)
        if len(window) == _WINDOW:
            yield window
            window = []
    if window:
        yield window


def _batches(rows: Iterable[Row], found: Mapping[int, Main | None]) -> Iterator[list[Row]]:
    """The rows by their log; a duplicate also by the log of its main, because both are locked."""
    by_logs: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        main = found.get(row.line)
        by_logs.setdefault((row.area, main.area if main else row.area), []).append(row)
    for logs in sorted(by_logs):
        together = by_logs[logs]
        for start in range(0, len(together), BATCH):
            yield together[start : start + BATCH]


def _why_not(outcomes: Iterable[Outcome]) -> str | None:
    """The first refusal of a row's steps; its words are ours, never the row's."""
    for outcome in outcomes:
        if isinstance(outcome, Refusal):
            return f"{outcome.title}: {outcome.detail}" if outcome.detail else outcome.title
    return None
