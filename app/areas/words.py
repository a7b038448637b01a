"""Words of territory: codes, levels, time zones."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

_CODE = re.compile(r"\d{2}(\.\d{2}(\.\d{2}(\.\d{4})?)?)?")


def _is_code(text: str) -> str:
    if not _CODE.fullmatch(text) or not text.isascii():
        raise ValueError("a code looks like 35, 35.75, 35.75.03 or 35.75.03.1005")
    return text


AreaCode = Annotated[str, Field(max_length=13, examples=["35.75.03.1005"]), AfterValidator(_is_code)]
"""Kemendagri code of a province, kota or kabupaten, kecamatan, or kelurahan or desa."""


class Level(StrEnum):
    """Level of an area in the tree, by the length of its code."""

    PROVINCE = "province"
    REGENCY = "regency"
    DISTRICT = "district"
    VILLAGE = "village"

    @property
    def label(self) -> str:
        return {"province": "Provinsi", "regency": "Kabupaten/Kota", "district": "Kecamatan", "village": "Kelurahan/Desa"}[self]


LENGTH_OF_LEVEL = {Level.PROVINCE: 2, Level.REGENCY: 5, Level.DISTRICT: 8, Level.VILLAGE: 13}


def level_of(code: str) -> Level:
    """The level a code belongs to, read off its length."""
    return next(level for level, length in LENGTH_OF_LEVEL.items() if length == len(code))


def parent_of(code: str) -> str | None:
    """The code one level above; None above a province."""
    return code.rpartition(".")[0] or None


def lies_in(code: str, above: str) -> bool:
    """Whether the area `code` is `above` or lies below it."""
    return code == above or code.startswith(f"{above}.")
