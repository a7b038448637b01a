"""A full store: the week that the write path made, lived again and again until there are as many problems as wanted.

The rows of one week are taken out and put back once for every week, earlier weeks first: ids, moments, days, numbers
and positions move along, in columns and in facts alike. So each log is gapless and in order, and folding a problem's
facts gives its row again.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

from app.problems.queries.lists import search_words
from app.problems.words import ENDED, State

WEEK: Final = timedelta(days=7)
TABLES: Final = (
    "problem",
    "assignment",
    "journal_entry",
    "journal_text",
    "problem_comment",
    "reporter",
    "sight",
    "problem_reading",
)
"""What a problem leaves behind, but for the heads of the logs."""

_ID_SHIFT = 80
"""A UUIDv7 begins with its milliseconds; this many bits follow."""
_MOVING = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)"
    r"|(?<![\d.-])\d{4}-\d\d-\d\d(?![\d-])"
    r"|\d\d\.\d\d\.\d\d\.\d{4}-\d{4,})"
)
"""Ids, moments, days and problems' numbers inside a fact."""


@dataclass(frozen=True)
class Week:
    """The rows that one week left in each table. Documents are texts in pieces, every other one of which moves."""

    columns: Mapping[str, Sequence[str]]
    rows: Mapping[str, Sequence[Sequence[Any]]]
    heights: Mapping[str, int]
    """Facts of the week in each log."""
    counts: Mapping[str, int]
    """Problems of the week in each log."""
    ids: frozenset[UUID]
    """Ids that belong to the week's rows, apart from those of people."""

    @property
    def problems(self) -> int:
        return len(self.rows["problem"])


def take_out(address: str) -> Week:
    """Takes the week's rows out of the store."""
    with psycopg.connect(address, autocommit=True) as connection:
        columns: dict[str, list[str]] = {}
        rows: dict[str, list[tuple[Any, ...]]] = {}
        for table in TABLES:
            order = sql.SQL(" ORDER BY position" if table in ("problem", "journal_entry") else "")
            found = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)) + order)
            columns[table] = [column.name for column in found.description or ()]
            rows[table] = [tuple(_in_pieces(value) for value in row) for row in found]
        heads = connection.execute("SELECT log, position, next_number FROM log_head").fetchall()
        connection.execute("TRUNCATE " + ", ".join(TABLES) + " CASCADE")
    ids = {row[columns[table].index("id")] for table in TABLES if "id" in columns[table] for row in rows[table]}
    return Week(
        columns=columns,
        rows=rows,
        heights={log: position for log, position, _ in heads},
        counts={log: number - 1 for log, _, number in heads},
        ids=frozenset(ids),
    )


def _in_pieces(value: Any) -> Any:
    return tuple(_MOVING.split(json.dumps(value))) if isinstance(value, dict) else value


def put_back(address: str, week: Week, first: int, last: int, weeks: int) -> None:
    """Puts the week in as those numbered from `first` up to, without, `last`; number `weeks - 1` lies where it was."""
    with psycopg.connect(address) as connection:
        connection.execute("SET session_replication_role = replica")  # rows that came from the store hold together
        for table in TABLES:
            names = sql.SQL(", ").join(map(sql.Identifier, week.columns[table]))
            into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
            with connection.cursor().copy(into) as copy:
                for number in range(first, last):
                    for row in _again(week, table, number, weeks):
                        copy.write_row(row)
        for log, height in week.heights.items():
            connection.execute(
                "UPDATE log_head SET position = %s, next_number = %s WHERE log = %s",
                (height * last, week.counts[log] * last + 1, log),
            )
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def _again(week: Week, table: str, number: int, weeks: int) -> Iterator[tuple[Any, ...]]:
    """The rows of a table in the week of this number."""
    moved = _Moved(week, number, WEEK * (weeks - 1 - number))
    names = week.columns[table]
    place = {name: index for index, name in enumerate(names)}
    log = place.get("log", place.get("area_code"))
    for row in week.rows[table]:
        values = [moved.value(value) for value in row]
        if "position" in place and log is not None:
            values[place["position"]] += number * week.heights[row[log]]
        if table == "problem":
            values[place["number"]] = moved.problem_number(row[place["number"]])
            told = ("number", "title", "address", "landmark", "source_ref", "description")
            values[place["words"]] = search_words(*(values[place[name]] for name in told))
        yield tuple(values)


class _Moved:
    """Values as they are in the week of this number, that much earlier than where they were."""

    def __init__(self, week: Week, number: int, earlier: timedelta) -> None:
        self._week = week
        self._number = number
        self._earlier = earlier
        self._bits = int(earlier.total_seconds() * 1000) << _ID_SHIFT
        self._kinds: Mapping[type, Callable[[Any], Any]] = {
            UUID: self.id,
            datetime: self.moment,
            date: self.moment,
            tuple: self.document,
        }
        self._texts: dict[str, str] = {}

    def value(self, value: Any) -> Any:
        change = self._kinds.get(type(value))
        return value if change is None else change(value)

    def id(self, value: UUID) -> UUID:
        return UUID(int=value.int - self._bits) if value in self._week.ids else value

    def moment(self, value: date) -> date:
        return value - self._earlier

    def document(self, pieces: Sequence[str]) -> str:
        return "".join(self._text(piece) if place % 2 else piece for place, piece in enumerate(pieces))

    def problem_number(self, value: str) -> str:
        log, _, number = value.partition("-")
        return f"{log}-{int(number) + self._number * self._week.counts[log]:04d}"

    def _text(self, found: str) -> str:
        moved = self._texts.get(found)
        if moved is None:
            moved = self._texts[found] = self._moved(found)
        return moved

    def _moved(self, found: str) -> str:
        if len(found) == 36:
            return str(self.id(UUID(found)))
        if "T" in found:
            return self.moment(datetime.fromisoformat(found)).isoformat()
        return self.moment(date.fromisoformat(found)).isoformat() if len(found) == 10 else self.problem_number(found)


def fill_bare(address: str) -> None:
    """The bare route's own tables of the same problems: what its answers need, names included, with indexes for it."""
    with psycopg.connect(address, autocommit=True) as connection:
        labels = sql.SQL(", ").join(
            sql.SQL("({}, {})").format(sql.Literal(state.value), sql.Literal(state.label)) for state in State
        )
        ended = sql.SQL(", ").join(sql.Literal(state.value) for state in ENDED)
        connection.execute(sql.SQL(_BARE).format(labels=labels, ended=ended))
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


_BARE = """
CREATE TABLE bare_state (state text PRIMARY KEY, label text NOT NULL);
INSERT INTO bare_state VALUES {labels};

CREATE TABLE bare_problem AS
SELECT problem.id, number, version, problem.position, problem.state, bare_state.label AS state_label, title,
    description, category_code AS category, category.label AS category_label, class_code AS class,
    problem.proof_required, area_code AS area, area.name AS area_name, district_code AS district, city_code AS city,
    problem.latitude AS lat, problem.longitude AS lon, address, landmark, rt, rw, seen_on, source, source_ref, priority,
    escalation, origin, endorsed, plan, target_on, hold_review_on, resolution, rating, closing, planned_in, main_id,
    lead_agency AS lead, ARRAY[]::uuid[] AS photos, due_at, promised_at, desk, office.name AS desk_label, desk_until,
    problem.state IN ({ended}) AS ended, created_at, updated_at
FROM problem
JOIN bare_state ON bare_state.state = problem.state
JOIN category ON category.code = category_code
JOIN area ON area.code = area_code
LEFT JOIN (SELECT code, name FROM area UNION ALL SELECT code, name FROM agency) AS office
    ON office.code = split_part(desk, ':', 2)
ORDER BY created_at, problem.id;

CREATE SEQUENCE bare_number START 1000000;
ALTER TABLE bare_problem ADD PRIMARY KEY (id), ADD UNIQUE (number),
    ALTER number SET DEFAULT 'B-' || nextval('bare_number'),
    ALTER version SET DEFAULT 1, ALTER position SET DEFAULT 1, ALTER escalation SET DEFAULT 0,
    ALTER endorsed SET DEFAULT false, ALTER ended SET DEFAULT false, ALTER photos SET DEFAULT ARRAY[]::uuid[],
    ALTER created_at SET DEFAULT now(), ALTER updated_at SET DEFAULT now();
CREATE INDEX ON bare_problem (area, created_at, id);
CREATE INDEX ON bare_problem (district, created_at, id);
CREATE INDEX ON bare_problem (city, created_at, id);
CREATE INDEX ON bare_problem (district, state, created_at, id);
CREATE INDEX ON bare_problem (city, state, created_at, id);
CREATE INDEX ON bare_problem (category);

CREATE TABLE bare_assignment AS
SELECT assignment.id, problem_id, sequence, agency_code AS agency, agency.name AS agency_name, is_lead AS lead,
    is_required AS required, assignment.state, assignment.state AS state_label, is_binding AS binding, by_hand,
    instruction, delegated_to, resolution, note, offered_at, answered_at, done_at, due_at,
    hold_proposed_at IS NOT NULL AS hold_proposed, hold_review_on
FROM assignment JOIN agency ON agency.code = agency_code;
ALTER TABLE bare_assignment ADD PRIMARY KEY (id), ADD FOREIGN KEY (problem_id) REFERENCES bare_problem;
CREATE INDEX ON bare_assignment (problem_id, sequence);
"""
