"""Words of synchronising: cursors, what becomes of an operation, how a kelurahan stands."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from app.areas.words import AreaCode
from app.kit.words import Line

SCHEMA: Final = 1
"""The version of the shapes that phones send and store. Push takes the two before it as well, for a year."""
SCHEMAS_TAKEN: Final = 2

Cursor = Annotated[
    str,
    Field(
        pattern=r"^(0|[1-9][0-9]{0,8})\.[0-9a-f]{12}$",
        description="How far a log was read: a position, then a check of what stood there and of who was looking.",
        examples=["57.9f3c21ab04d6"],
    ),
]
Cursors = Annotated[dict[AreaCode, Cursor], Field(max_length=10_000, examples=[{"35.75.03.1005": "57.9f3c21ab04d6"}])]

DeviceName = Annotated[Line, Field(max_length=120, examples=["HP lapangan Bakalan"])]
Version = Annotated[int, Field(ge=0, le=2**31 - 1)]


class _Labelled(StrEnum):
    """A word stored and sent by its English code, read by people under its label."""

    @property
    def label(self) -> str:
        return _LABELS[type(self).__name__][self.value]


class Outcome(_Labelled):
    """What became of an operation."""

    APPLIED = "applied"
    MERGED = "merged"
    PROPOSED = "proposed"
    REFUSED = "refused"
    HELD = "held"


class Settlement(_Labelled):
    """How a person settled what could not be applied by itself."""

    ACCEPTED = "accepted"
    ADOPTED = "adopted"
    DISMISSED = "dismissed"


class Resync(_Labelled):
    """Why a log has to be read from its beginning again."""

    REWOUND = "rewound"
    VIEW = "view"
    FLOOR = "floor"


class Standing(_Labelled):
    """How far a kelurahan and its kecamatan know the same."""

    IN_SYNC = "in_sync"
    BEHIND = "behind"
    UNSENT = "unsent"
    LATE = "late"
    SILENT = "silent"
    NEVER = "never"


class Pack(_Labelled):
    """Reference data that a phone keeps."""

    AREAS = "areas"
    CATEGORIES = "categories"
    AGENCIES = "agencies"
    CALENDAR = "calendar"
    STEPS = "steps"


_LABELS: Final[dict[str, dict[str, str]]] = {
    "Outcome": {
        "applied": "Diterapkan",
        "merged": "Digabungkan",
        "proposed": "Menjadi usulan",
        "refused": "Ditolak",
        "held": "Menunggu langkah sebelumnya",
    },
    "Settlement": {"accepted": "Diterima", "adopted": "Diambil alih", "dismissed": "Diabaikan"},
    "Resync": {
        "rewound": "Server dipulihkan dari cadangan",
        "view": "Hak baca berubah",
        "floor": "Terlalu lama tidak tersambung",
    },
    "Standing": {
        "in_sync": "Selaras",
        "behind": "Kecamatan belum menerima semua",
        "unsent": "Ada yang belum terkirim",
        "late": "Terlambat",
        "silent": "Tidak terdengar",
        "never": "Belum pernah tersambung",
    },
    "Pack": {
        "areas": "Wilayah",
        "categories": "Kategori",
        "agencies": "Instansi",
        "calendar": "Kalender kerja",
        "steps": "Langkah",
    },
}
