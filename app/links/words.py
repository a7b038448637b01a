"""Words of links: how a link stands, how its mail does, and days and moments as their readers write them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from babel.dates import format_date
from pydantic import Field

LinkDays = Annotated[int, Field(ge=1, le=90, examples=[14])]


class LinkState(StrEnum):
    """Whether a link still opens its assignment."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"

    @property
    def label(self) -> str:
        return _LABELS[self]


class MailState(StrEnum):
    """How far the mail with a link has come."""

    WAITING = "waiting"
    """It is to be sent, for the first time or again."""
    SENT = "sent"
    """The mail server, or the folder, has taken it."""
    UNSENT = "unsent"
    """It was given up, or was no longer needed."""

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS: Final[dict[StrEnum, str]] = {
    LinkState.ACTIVE: "Berlaku",
    LinkState.EXPIRED: "Kedaluwarsa",
    LinkState.REVOKED: "Dicabut",
    MailState.WAITING: "Menunggu dikirim",
    MailState.SENT: "Terkirim",
    MailState.UNSENT: "Tidak terkirim",
}


def day_in(zone: ZoneInfo, moment: datetime) -> str:
    """The day as Indonesians read it, such as `Senin, 9 Maret 2026`."""
    return format_date(moment.astimezone(zone).date(), "EEEE, d MMMM y", locale="id")


def moment_in(zone: ZoneInfo, moment: datetime) -> str:
    """The moment as Indonesians read it, such as `9 Mar 2026 14.05 WIB`."""
    local = moment.astimezone(zone)
    return f"{format_date(local.date(), 'd MMM y', locale='id')} {local:%H.%M} {_ZONES.get(zone.key, local.tzname())}"


_ZONES: Final = {"Asia/Jakarta": "WIB", "Asia/Pontianak": "WIB", "Asia/Makassar": "WITA", "Asia/Jayapura": "WIT"}
