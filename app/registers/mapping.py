"""A mapping: which column of a register is which field of ours, in a TOML file that a clerk can write."""

import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, ValidationError, model_validator

from app.agencies.words import CategoryCode
from app.areas.words import AreaCode
from app.kit.refusals import Unprocessable
from app.kit.words import In, Line, Prose
from app.problems.words import Resolution, Source
from app.registers.words import CellText, Handler, HandlerName, Heading, RegisterName

_LARGEST = 1_000_000
_SHOWN = 10


class BadMapping(Unprocessable):
    code, title = "bad_mapping", "The mapping cannot be used"
    judul = "Pemetaan kolom tidak dapat dipakai"


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("not a time zone such as Asia/Jakarta")
    return name


class Columns(In):
    """The headings of the columns that are taken as they are; only `row`, `reported_at` and a text are needed."""

    row: Annotated[Heading, Field(description="What the register calls the row; each once.")]
    reported_at: Annotated[Heading, Field(description="When it was reported.")]
    answered_at: Annotated[Heading | None, Field(description="When officials had answered it, or done it.")] = None
    text: Annotated[
        Heading | None, Field(description="The report as it came: the title is cut from it, and it is kept whole.")
    ] = None
    title: Heading | None = None
    description: Heading | None = None
    address: Heading | None = None
    landmark: Heading | None = None
    rt: Heading | None = None
    rw: Heading | None = None
    latitude: Heading | None = None
    longitude: Heading | None = None
    same_as: Annotated[Heading | None, Field(description="The row that this one repeats.")] = None

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if (self.text is None) == (self.title is None):
            raise ValueError("either text or title is needed")
        if self.text is not None and self.description is not None:
            raise ValueError("text is the description already")
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude go together")
        return self


class AreaColumn(In):
    """Where it lies: the column holds Kemendagri codes of kelurahan and desa, or names that `values` translates."""

    column: Heading
    values: dict[CellText, AreaCode] = Field(default_factory=dict)


class CategoryColumn(In):
    """What it is about, by a table of values; what the table does not know, or an empty cell, is the default."""

    column: Heading | None = None
    values: dict[CellText, CategoryCode] = Field(default_factory=dict)
    default: CategoryCode | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.column is None and self.default is None:
            raise ValueError("a column or a default is needed")
        return self


class Pattern(In):
    """Cells that begin with these words."""

    begins: CellText
    by: HandlerName


class HandlerColumn(In):
    """Who handled it: by a table of values, then by how the cell begins, else the agency of that name or code."""

    column: Heading
    values: dict[CellText, HandlerName] = Field(default_factory=dict)
    patterns: tuple[Pattern, ...] = ()
    default: Annotated[HandlerName, Field(description="For empty cells.")] = "nobody"


class Mapping(In):
    """How one register is read."""

    register_name: Annotated[RegisterName, Field(alias="register")]
    source: Source = Source.OWN
    sheet: Annotated[Line | None, Field(description="Of a spreadsheet: which one; without it the first.")] = None
    time_zone: Annotated[
        Annotated[str, AfterValidator(_zone)] | None, Field(description="Of times that name none.")
    ] = None
    time_format: Annotated[
        Line | None, Field(description="Such as %d/%m/%Y %H:%M; without it times are written 2026-03-02 09:30.")
    ] = None
    resolution: Annotated[
        Literal[Resolution.SERVED, Resolution.EXPLAINED], Field(description="What an answer meant.")
    ] = Resolution.EXPLAINED
    note: Annotated[
        Prose, Field(max_length=500, description="Stands where people would write a plan, or what they did.")
    ] = "Menurut register asal."
    columns: Columns
    area: AreaColumn
    category: CategoryColumn
    handled_by: HandlerColumn | None = None

    @property
    def zone(self) -> ZoneInfo | None:
        return ZoneInfo(self.time_zone) if self.time_zone else None

    @property
    def headings(self) -> dict[str, str]:
        """Every column that is read, by the field that is read from it."""
        named: dict[str, str | None] = {name: getattr(self.columns, name) for name in Columns.model_fields}
        named |= {"area": self.area.column, "category": self.category.column}
        named["handled_by"] = self.handled_by.column if self.handled_by else None
        return {field: heading for field, heading in named.items() if heading is not None}

    @property
    def agency_codes(self) -> set[str]:
        """The agencies that the mapping itself names."""
        if self.handled_by is None:
            return set()
        names = [*self.handled_by.values.values(), *(each.by for each in self.handled_by.patterns)]
        handlers = [Handler.named(name) for name in [*names, self.handled_by.default]]
        return {each.agency for each in handlers if each.agency}

    @property
    def category_codes(self) -> set[str]:
        default = self.category.default
        return {*self.category.values.values(), *([default] if default else [])}


def read_mapping(path: Path) -> tuple[Mapping, str]:
    """The mapping in a file, and the hash of the file; refused in words that name each key that is wrong."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise BadMapping(f"{path}: {error.strerror}.") from error
    if len(raw) > _LARGEST:
        raise BadMapping(f"{path}: larger than a mapping can be.")
    try:
        said = tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise BadMapping(f"{path}: this is not UTF-8 text.") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadMapping(f"{path}: this is not TOML ({error}).") from error
    try:
        return Mapping.model_validate(said), hashlib.sha256(raw).hexdigest()
    except ValidationError as error:
        raise BadMapping("; ".join(_complaints(error))) from error


def _complaints(error: ValidationError) -> Iterator[str]:
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    for each in errors[:_SHOWN]:
        what = (
            "there is no such key" if each["type"] == "extra_forbidden" else each["msg"].removeprefix("Value error, ")
        )
        yield f"{'.'.join(str(part) for part in each['loc']) or 'mapping'}: {what}"
    if len(errors) > _SHOWN:
        yield f"and {len(errors) - _SHOWN} more"
