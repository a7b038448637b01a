"""Words of registers: their names, their columns, and who handled what they hold."""

import re
from dataclasses import dataclass
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field

from app.kit.words import Line

RegisterName = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", examples=["wargaku-surabaya"])]
"""What a register is called, for ever: with a row's id it makes the id of the problem."""

RowId = Annotated[Line, Field(max_length=100)]
"""What a register calls a row of its own."""

Heading = Annotated[Line, Field(max_length=200, examples=["Tanggal Lapor"])]
"""What stands at the top of a column."""


def folded(text: str) -> str:
    """Words as they are compared: no case, one space between them."""
    return " ".join(text.split()).casefold()


CellText = Annotated[Line, Field(max_length=300), AfterValidator(folded)]
"""What stands in a cell, as it is looked for."""

_HANDLER = re.compile(r"kelurahan|kecamatan|nobody|agency:[A-Z0-9][A-Z0-9.-]{0,19}")


def _handler(text: str) -> str:
    if not _HANDLER.fullmatch(text):
        raise ValueError("one of kelurahan, kecamatan, nobody, or agency:CODE")
    return text


HandlerName = Annotated[str, AfterValidator(_handler)]
"""Who handled a row: the kelurahan or kecamatan it lies in, an agency by its code, or nobody yet."""


@dataclass(frozen=True)
class Handler:
    """Who handled a row; `agency` is set where an agency did."""

    kind: str
    agency: str | None = None

    @classmethod
    def named(cls, name: str) -> Self:
        """The handler that a mapping names, such as `kelurahan` or `agency:PUPR`."""
        kind, _, code = name.partition(":")
        return cls(kind, code or None)


KELURAHAN: Final = Handler("kelurahan")
KECAMATAN: Final = Handler("kecamatan")
NOBODY: Final = Handler("nobody")
