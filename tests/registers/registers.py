"""Small registers of Kota Pasuruan, and whoever takes them in."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import SQLModel, col

from app.agencies.models import Agency
from app.agencies.words import AgencyKind
from app.journal.models import Administration, Entry, LogHead, Text
from app.kit.house import House, Work
from app.problems.actions import Intent, perform_one
from app.problems.lifecycle.record import Problem
from app.problems.models import AssignmentRow, ProblemRow
from app.problems.queries.aggregate import load, refold
from app.registers.actions import Order, Told, import_problems
from app.registers.models import ImportRun, TakenRow

WRITTEN: list[type[SQLModel]] = [
    *(ProblemRow, AssignmentRow, Entry, Text, LogHead, ImportRun, TakenRow, Administration, Agency)
]
HEADINGS = ("no", "tanggal", "dijawab", "uraian", "alamat", "kelurahan", "jenis", "ditangani", "sama_dengan")

MAPPING = """
register = "buku-aduan"
source = "resident"
time_zone = "Asia/Jakarta"
resolution = "served"

[columns]
row = "no"
reported_at = "tanggal"
answered_at = "dijawab"
text = "uraian"
address = "alamat"
same_as = "sama_dengan"

[area]
column = "kelurahan"
values = { "Bakalan" = "35.75.03.1005" }

[category]
column = "jenis"
default = "lainnya"
values = { "saluran" = "saluran-tersumbat", "pungli" = "pungutan-liar", "banjir" = "banjir" }

[handled_by]
column = "ditangani"
values = { "PJU" = "agency:DISHUB", "upt" = "agency:UPT01" }
patterns = [
    { begins = "Kelurahan ", by = "kelurahan" },
    { begins = "Kecamatan ", by = "kecamatan" },
]
"""
WITHOUT_UPT = MAPPING.replace(', "upt" = "agency:UPT01"', "")

WITHOUT_ZONE = WITHOUT_UPT.replace('time_zone = "Asia/Jakarta"', "")

MONITOR = "monitor:35.75"


def row(number: int | str, **cells: str) -> dict[str, str]:
    """A blocked drain in Bakalan, that the agency has seen to within two days, unless told otherwise."""
    plain = {
        "no": f"A-{number}",
        "tanggal": "2026-01-05 09:30",
        "dijawab": "2026-01-07 15:00",
        "uraian": f"Saluran tersumbat di depan rumah nomor {number}. Air meluap ke jalan.",
        "alamat": "Jl. KH. Wachid Hasyim",
        "kelurahan": "35.75.03.1005",
        "jenis": "saluran",
        "ditangani": "Dinas Pekerjaan Umum dan Penataan Ruang",
        "sama_dengan": "",
    }
    return plain | cells


@dataclass(frozen=True)
class Clerk:
    """Writes registers into a folder, and takes them in."""

    house: House
    folder: Path

    def write(self, rows: Sequence[Mapping[str, str]], name: str = "buku.csv") -> Path:
        file = self.folder / name
        with file.open("w", encoding="utf-8", newline="") as opened:
            writer = csv.DictWriter(opened, HEADINGS)
            writer.writeheader()
            writer.writerows(rows)
        return file

    def mapping(self, text: str = WITHOUT_UPT) -> Path:
        file = self.folder / "buku.toml"
        file.write_text(text)
        return file

    def takes(
        self,
        *rows: Mapping[str, str],
        mapping: str = WITHOUT_UPT,
        on_behalf_of: str = MONITOR,
        dry_run: bool = False,
        progress: Callable[[int, int], None] = lambda _done, _rows: None,
    ) -> Told:
        order = Order(self.write(rows), self.mapping(mapping), on_behalf_of, dry_run)
        return import_problems(self.house, order, progress)

    def id_of(self, number: int | str) -> UUID:
        """The problem that row A-number became."""
        with self.house.database.read() as session:
            wanted = select(col(TakenRow.problem_id)).where(col(TakenRow.row_id) == f"A-{number}")
            return session.scalars(wanted).one()

    def problem(self, number: int | str) -> Problem:
        """As it is stored; asserts that its facts amount to the same."""
        found = self.id_of(number)
        with self.house.database.read() as session:
            stored = load(session, [found], self.house.clock())[found]
            assert refold(session, found) == stored
        return stored

    def entries(self, number: int | str) -> list[Entry]:
        with self.house.database.read() as session:
            wanted = select(Entry).where(col(Entry.subject) == self.id_of(number)).order_by(col(Entry.version))
            return list(session.scalars(wanted))

    def kinds(self, number: int | str) -> list[str]:
        return [each.kind for each in self.entries(number)]

    def opens_an_agency_that_works_in_gadingrejo_alone(self) -> None:
        """`UPT01`, which the mapping knows; nothing of Bakalan can be assigned to it."""
        kind, city = AgencyKind.UNIT, "35.75.01"
        with self.house.database.write() as session:
            session.add(Agency(code="UPT01", name="UPT Gadingrejo", kind=kind, city_code=city, has_accounts=True))

    def does(self, number: int | str, said: Any) -> Problem:
        """A verb on a problem, as the system would do it."""
        with self.house.database.write() as session:
            work: Work[Any] = Work(session, None, self.house.clock(), self.house)
            return perform_one(work, Intent(problem_id=self.id_of(number), said=said))

    def stored(self) -> dict[type[SQLModel], int]:
        """How many rows there are of all that an import writes."""
        with self.house.database.read() as session:
            return {table: session.scalar(select(func.count()).select_from(table)) or 0 for table in WRITTEN}

    def is_taken(self, number: int | str) -> bool:
        with self.house.database.read() as session:
            return session.get(TakenRow, ("buku-aduan", f"A-{number}")) is not None


def reasons(told: Told) -> dict[int, str]:
    """Why each refused line was refused."""
    return {each.line: each.reason for each in told.refused}
