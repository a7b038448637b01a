"""Words of agencies and categories."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app.kit.words import Line

AgencyCode = Annotated[str, Field(max_length=20, pattern=r"^[A-Z0-9][A-Z0-9.-]*$", examples=["PUPR"])]
"""Short name of an agency as officials write it, in upper case."""

AgencyName = Annotated[Line, Field(max_length=160, examples=["Dinas Pekerjaan Umum dan Penataan Ruang"])]

OfficeEmail = Annotated[
    str,
    Field(
        max_length=254,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$",
        examples=["pengaduan@dinas.example"],
    ),
]
"""An office's e-mail address; never a person's own. Whether anybody reads there is not looked at."""

CategoryCode = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", examples=["jalan-rusak"])]
"""Slug of a category; it never changes, its label may."""

CategoryLabel = Annotated[Line, Field(max_length=120, examples=["Jalan rusak atau berlubang"])]


class AgencyKind(StrEnum):
    """What sort of body an agency is."""

    DINAS = "dinas"
    BADAN = "badan"
    SATUAN = "satuan"
    RSUD = "rsud"
    INSPEKTORAT = "inspektorat"
    BUMD = "bumd"
    UNIT = "unit"
    BAGIAN = "bagian"
    EXTERNAL = "external"
    OTHER = "other"

    @property
    def label(self) -> str:
        return _KIND_LABELS[self]


_KIND_LABELS = {
    AgencyKind.DINAS: "Dinas",
    AgencyKind.BADAN: "Badan",
    AgencyKind.SATUAN: "Satuan",
    AgencyKind.RSUD: "Rumah sakit daerah",
    AgencyKind.INSPEKTORAT: "Inspektorat",
    AgencyKind.BUMD: "BUMD",
    AgencyKind.UNIT: "Unit pelaksana",
    AgencyKind.BAGIAN: "Bagian sekretariat",
    AgencyKind.EXTERNAL: "Instansi luar",
    AgencyKind.OTHER: "Lainnya",
}


class CategoryClass(StrEnum):
    """What a category asks of time: each class has its own limits."""

    INFORMATION = "information"
    ORDINARY = "ordinary"
    OVERSIGHT = "oversight"
    EMERGENCY = "emergency"

    @property
    def label(self) -> str:
        return _CLASS_LABELS[self]


_CLASS_LABELS = {
    CategoryClass.INFORMATION: "Permintaan informasi",
    CategoryClass.ORDINARY: "Pengaduan biasa",
    CategoryClass.OVERSIGHT: "Pengaduan berkadar pengawasan",
    CategoryClass.EMERGENCY: "Darurat",
}
