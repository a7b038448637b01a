"""Words of people: posts, usernames, passwords, keys of systems."""

import re
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr

from app.areas.words import Level
from app.kit.words import Line

PASSWORD_MINIMUM = 10


class PostKind(StrEnum):
    """An office that a person can hold."""

    OPERATOR = "operator"
    LURAH = "lurah"
    STAFF = "staff"
    CAMAT = "camat"
    OFFICER = "officer"
    HEAD = "head"
    MONITOR = "monitor"
    MAYOR = "mayor"
    ADMIN = "admin"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def level(self) -> Level | None:
        """The level of area this post is held in; None where it is held in an agency, or nowhere."""
        return _LEVELS.get(self)

    @property
    def in_agency(self) -> bool:
        return self in (PostKind.OFFICER, PostKind.HEAD)

    @property
    def has_one_holder(self) -> bool:
        """Whether only one person at a time holds it for good; acting holders stand beside."""
        return self in (PostKind.LURAH, PostKind.CAMAT, PostKind.HEAD, PostKind.MAYOR)


class KeyVerb(StrEnum):
    """Something that an agency's own system may do with an API key; a key may do only what it names."""

    READ = "read"
    EVENTS = "events"
    ENDPOINTS = "endpoints"
    COMMENT = "problem.comment"
    ATTACH = "problem.attach"
    ASK = "problem.ask"
    ACCEPT = "assignment.accept"
    START = "assignment.start"
    PROGRESS = "assignment.progress"
    DELEGATE = "assignment.delegate"
    HOLD = "assignment.hold"
    RESUME = "assignment.resume"
    FINISH = "assignment.finish"
    REFUSE = "assignment.refuse"

    @property
    def label(self) -> str:
        return _KEY_LABELS[self]


_KEY_LABELS = {
    KeyVerb.READ: "Membaca masalah dan disposisi",
    KeyVerb.EVENTS: "Mengambil peristiwa",
    KeyVerb.ENDPOINTS: "Mengelola alamat webhook",
    KeyVerb.COMMENT: "Mengomentari",
    KeyVerb.ATTACH: "Melampirkan foto",
    KeyVerb.ASK: "Bertanya",
    KeyVerb.ACCEPT: "Menerima disposisi",
    KeyVerb.START: "Memulai pekerjaan",
    KeyVerb.PROGRESS: "Melaporkan kemajuan",
    KeyVerb.DELEGATE: "Menugaskan",
    KeyVerb.HOLD: "Mengusulkan penundaan",
    KeyVerb.RESUME: "Melanjutkan pekerjaan",
    KeyVerb.FINISH: "Menyelesaikan bagian",
    KeyVerb.REFUSE: "Menolak disposisi",
}

_LABELS = {
    PostKind.OPERATOR: "Operator",
    PostKind.LURAH: "Lurah",
    PostKind.STAFF: "Staf kecamatan",
    PostKind.CAMAT: "Camat",
    PostKind.OFFICER: "Petugas",
    PostKind.HEAD: "Kepala",
    PostKind.MONITOR: "Monitor kota (Tapem)",
    PostKind.MAYOR: "Wali kota",
    PostKind.ADMIN: "Admin",
}

_LEVELS = {
    PostKind.OPERATOR: Level.VILLAGE,
    PostKind.LURAH: Level.VILLAGE,
    PostKind.STAFF: Level.DISTRICT,
    PostKind.CAMAT: Level.DISTRICT,
    PostKind.MONITOR: Level.REGENCY,
    PostKind.MAYOR: Level.REGENCY,
}

KEY_BEGINS: Final = "ujk_"
KEY_SHOWN: Final = 12
"""Characters of a key that people may see, to tell keys apart; 208 of its 256 bits stay hidden."""
_KEY = re.compile(KEY_BEGINS + r"[A-Za-z0-9_-]{43}")


def is_key(token: str) -> bool:
    """Whether a token is shaped like the key of a system; that of a device is shorter, however it begins."""
    return _KEY.fullmatch(token) is not None


_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _typeable(secret: SecretStr) -> SecretStr:
    if _UNWRITABLE.search(secret.get_secret_value()):
        raise ValueError("control characters are not allowed")
    return secret


Username = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{2,63}$", examples=["lurah.bakalan"])]
"""The name someone logs in with: lower-case letters, digits, `.` and `-`."""

GivenUsername = Annotated[Line, Field(max_length=64, examples=["lurah.bakalan"])]
"""A name given at login: any text, so that no shape tells which names exist."""

PersonName = Annotated[Line, Field(max_length=120, examples=["Siti Rahmawati"])]

KeyName = Annotated[
    Line, Field(max_length=100, description="What the agency calls the system.", examples=["Aplikasi PJU dinas"])
]

Password = Annotated[
    SecretStr, Field(min_length=1, max_length=200, examples=["besok-pagi-kerja-bakti"]), AfterValidator(_typeable)
]

NewPassword = Annotated[
    SecretStr,
    Field(min_length=PASSWORD_MINIMUM, max_length=200, examples=["hujan-di-muara-2026"]),
    AfterValidator(_typeable),
]

DeviceName = Annotated[Line, Field(max_length=120, examples=["HP kantor kelurahan"])]

PostId = Annotated[UUID, Field(description="A post someone holds, the value of `X-Post`.")]
