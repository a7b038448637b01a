"""What the city begins with: its areas, the national limits, its agencies, categories and who is responsible."""

import csv
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session

from app.agencies.actions import Sown, sow
from app.areas.actions import import_areas
from app.areas.register import read_rows
from app.areas.schemas import ImportSummary
from app.kit.house import House
from app.workdays.actions import seed_limits

CITY = "35.75"
"""Kota Pasuruan, whose registers lie beside this file."""
HERE = Path(__file__).parent


@dataclass(frozen=True)
class SownTown:
    """What a sowing found missing and added."""

    areas: ImportSummary
    limits: int
    agencies: Sown

    @property
    def rows(self) -> int:
        """Rows added or changed; 0 where the town was there already."""
        areas = self.areas
        agencies = self.agencies
        return (
            areas.added
            + areas.renamed
            + areas.refined
            + self.limits
            + agencies.agencies
            + agencies.categories
            + agencies.responsibilities
        )


def sow_town(house: House) -> SownTown:
    """Sows what is missing of Kota Pasuruan, in one transaction; sowing again changes nothing."""
    areas = read_rows(HERE / "areas.csv")
    agencies, categories, responsibilities = (rows_of(name) for name in ("agencies", "categories", "responsibilities"))

    def unit(session: Session) -> SownTown:
        return SownTown(
            areas=import_areas(session, areas),
            limits=seed_limits(session),
            agencies=sow(session, CITY, house.clock(), agencies, categories, responsibilities),
        )

    return house.database.perform(unit)


def rows_of(name: str) -> list[dict[str, str]]:
    """The rows of one of the registers beside this file."""
    with (HERE / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
