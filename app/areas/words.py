"""Words of territory: codes, levels, names as people type them, time zones."""

import re
import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from app.kit.words import Line

_CODE = re.compile(r"[0-9]{2}(\.[0-9]{2}(\.[0-9]{2}(\.[0-9]{4})?)?)?")


def is_code(text: str) -> bool:
    """Whether the text has the shape of a code; it may still be nobody's."""
    return _CODE.fullmatch(text) is not None


def _code(text: str) -> str:
    if not is_code(text):
        raise ValueError("a code looks like 35, 35.75, 35.75.03 or 35.75.03.1005")
    return text


AreaCode = Annotated[
    str,
    Field(max_length=13, examples=["35.75.03.1005"], json_schema_extra={"pattern": f"^{_CODE.pattern}$"}),
    AfterValidator(_code),
]
"""Kemendagri code of a province, kota or kabupaten, kecamatan, or kelurahan or desa."""

AreaName = Annotated[Line, Field(max_length=120, examples=["Bugul Kidul"])]

PostalCode = Annotated[str, Field(pattern=r"^[0-9]{5}$", examples=["67129"])]

Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False, description="Degrees, WGS84, north positive.")]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False, description="Degrees, WGS84, east positive.")]


class Level(StrEnum):
    """Level of an area in the tree, by the length of its code."""

    PROVINCE = "province"
    REGENCY = "regency"
    DISTRICT = "district"
    VILLAGE = "village"

    @property
    def label(self) -> str:
        """What the level is called; `label_of` knows which of the two an area is."""
        return {
            "province": "Provinsi",
            "regency": "Kabupaten/Kota",
            "district": "Kecamatan",
            "village": "Kelurahan/Desa",
        }[self]


LENGTH_OF_LEVEL = {Level.PROVINCE: 2, Level.REGENCY: 5, Level.DISTRICT: 8, Level.VILLAGE: 13}


def level_of(code: str) -> Level:
    """The level a code belongs to, read off its length."""
    return next(level for level, length in LENGTH_OF_LEVEL.items() if length == len(code))


def label_of(code: str) -> str:
    """What an area is called by law, read off its code: a kota is numbered from 71, a kelurahan from 1001."""
    match level_of(code):
        case Level.REGENCY:
            return "Kota" if code[3] >= "7" else "Kabupaten"
        case Level.VILLAGE:
            return "Kelurahan" if code[9] == "1" else "Desa"
        case level:
            return level.label


def parent_of(code: str) -> str | None:
    """The code one level above; None above a province."""
    return code.rpartition(".")[0] or None


def ancestors_of(code: str) -> Iterator[str]:
    """The codes above this one, from its parent up to its province."""
    parent = parent_of(code)
    while parent is not None:
        yield parent
        parent = parent_of(parent)


def lies_in(code: str, above: str) -> bool:
    """Whether the area `code` is `above` or lies below it."""
    return code == above or code.startswith(f"{above}.")


def search_key(text: str) -> str:
    """A name as it is looked for: no case, no accents, letters and digits only (`Tapa'an` is `tapaan`)."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in plain if character.isascii() and character.isalnum())


_PROVINCES = {
    "Asia/Jakarta": (*range(11, 20), 21, *range(31, 37), 61, 62),
    "Asia/Makassar": (51, 52, 53, 63, 64, 65, *range(71, 77)),
    "Asia/Jayapura": (81, 82, *range(91, 97)),
}
TIME_ZONES = {str(province): zone for zone, provinces in _PROVINCES.items() for province in provinces}
"""IANA time zone of each province: WIB, WITA or WIT, by law one for the whole province."""
