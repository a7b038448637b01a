"""Wire shapes of territory."""

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from app.areas.words import AreaCode, AreaName, Latitude, Level, Longitude, PostalCode
from app.kit.words import In, Out


class AreaIn(In):
    """One line of a register of areas."""

    code: AreaCode
    name: AreaName
    postal_code: PostalCode | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None

    @model_validator(mode="after")
    def _whole_point(self) -> Self:
        if (self.lat is None) != (self.lon is None):
            raise ValueError("lat and lon come together or not at all")
        return self


class PointOut(Out):
    """A place on the map, WGS84."""

    lat: float = Field(examples=[-7.653421])
    lon: float = Field(examples=[112.914479])


class AreaBrief(Out):
    """An area as others mention it."""

    code: str = Field(examples=["35.75.03"])
    name: str = Field(examples=["Bugul Kidul"])
    level: Level


class AreaOut(Out):
    """A province, kota or kabupaten, kecamatan, or kelurahan or desa."""

    code: str = Field(examples=["35.75.03.1009"])
    name: str = Field(examples=["Bugul Kidul"])
    level: Level
    level_label: str = Field(description="What the area is called by law.", examples=["Kelurahan"])
    parent: AreaBrief | None
    path: list[str] = Field(
        description="Names of the areas above, the province first: which of 120 Sukamaju this one is.",
        examples=[["Jawa Timur", "Kota Pasuruan", "Bugul Kidul"]],
    )
    time_zone: str = Field(examples=["Asia/Jakarta"])
    valid_from: date | None
    valid_to: date | None = Field(description="The last day the code was in force; null while it is.")
    predecessor_code: str | None = Field(description="The code this area had before, where it was recoded.")
    postal_code: str | None = Field(examples=["67129"])
    point: PointOut | None = Field(description="A point inside the area, to put it on a map.")


class ImportSummary(Out):
    """What an import found and did; `added`, `renamed`, `refined` and `unchanged` add up to the lines of the file."""

    added: int
    renamed: int
    refined: int = Field(description="Same name, but another postal code or point.")
    unchanged: int
    levels: dict[Level, int] = Field(description="Lines of the file by level.")
    absent: list[str] = Field(
        description="Codes in store that the file does not name, though it covers their level and an area above them; "
        "they are left as they are."
    )
