"""What is recorded and corrected: reports, remarks, photos."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from app.agencies.words import CategoryCode
from app.areas.words import AreaCode
from app.kit.words import ClientId, In, Line, Prose, Reason
from app.problems.words import (
    Description,
    Place,
    Priority,
    Source,
    SourceReference,
    Title,
    Verb,
    Ward,
)
from app.workdays.words import Day

Note = Annotated[Prose, Field(max_length=4_000, examples=["Saluran dikeruk sepanjang 40 meter, air mengalir."])]


Letter = Annotated[Line, Field(max_length=100, examples=["005/123/423.03/2026"])]


Photos = Annotated[tuple[UUID, ...], Field(max_length=20, description="Photos already sent to this problem.")]


Base = Annotated[int, Field(ge=1, le=2**31 - 1, description="Version of the problem that the device knew.")]


class PointIn(In):
    """A place on earth, WGS 84 degrees."""

    lat: Annotated[float, Field(ge=-90, le=90, examples=[-7.671628])]
    lon: Annotated[float, Field(ge=-180, le=180, examples=[112.91673])]


class ReporterIn(In):
    """Who told the kelurahan. Kept encrypted and apart; never in lists, facts or webhooks."""

    name: Annotated[Line, Field(max_length=120, examples=["Warga RT 02"])]
    phone: Annotated[str | None, Field(pattern=r"^\+?[0-9 ()-]{5,24}$", examples=["+62 811 0000 0000"])] = None


class LocalIn(In):
    """How the kelurahan will handle it by itself."""

    plan: Annotated[Note, Field(examples=["Kerja bakti RT 02 hari Minggu."])]
    target_on: Day


class ReportIn(In):
    """A problem as it is recorded."""

    id: ClientId | None = None
    title: Title
    description: Description | None = None
    category: CategoryCode
    area: AreaCode
    seen_on: Annotated[Day, Field(description="The day it was seen, in the area's own time zone.")]
    point: PointIn | None = None
    address: Place | None = None
    landmark: Place | None = None
    rt: Ward | None = None
    rw: Ward | None = None
    source: Source = Source.OWN
    source_ref: SourceReference | None = None
    priority: Priority = Priority.NORMAL
    reporter: ReporterIn | None = None
    local: Annotated[LocalIn | None, Field(description="A lurah who handles it in the kelurahan says how.")] = None


class EditIn(In):
    """Corrected fields; what is left out stays, null clears."""

    title: Title | None = None
    description: Description | None = None
    seen_on: Day | None = None
    point: PointIn | None = None
    address: Place | None = None
    landmark: Place | None = None
    rt: Ward | None = None
    rw: Ward | None = None
    source: Source | None = None
    source_ref: SourceReference | None = None
    reason: Reason | None = None

    @property
    def verb(self) -> Verb:
        return Verb.EDIT

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set - {"reason"}:
            raise ValueError("nothing to change")
        for name in ("title", "seen_on", "source"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be cleared")
        return self


class CommentIn(In):
    """A remark on a problem."""

    id: ClientId | None = None
    text: Annotated[Prose, Field(max_length=4_000, examples=["Sudah kami cek bersama ketua RT."])]
    internal: Annotated[bool, Field(description="Seen by the commenter's own side only: territory, or agency.")] = False
    base: Base | None = None

    @property
    def verb(self) -> Verb:
        return Verb.COMMENT


class AttachIn(In):
    """A photo, already stored, that belongs to a problem."""

    photo: UUID
    base: Base | None = None
    seen_before: bool = False

    @property
    def verb(self) -> Verb:
        return Verb.ATTACH
