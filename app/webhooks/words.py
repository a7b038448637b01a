"""Words of webhooks: events, endpoints and how they stand, deliveries and how they ended."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from app.kit.words import Line

PAYLOAD_MAXIMUM: Final = 20_000
"""Bytes of an event, at the most."""
ANSWER_KEPT: Final = 4_000
"""Characters kept of what an endpoint answered."""

EndpointUrl = Annotated[Line, Field(max_length=500, examples=["https://sim.pupr.pasuruankota.example/ujung-tombak"])]
EndpointDescription = Annotated[Line, Field(max_length=200, examples=["SIM PUPR, server utama"])]


class EventType(StrEnum):
    """What can happen to a problem or an assignment that an agency is told of; `room.happened`."""

    PROBLEM_REPORTED = "problem.reported"
    PROBLEM_EDITED = "problem.edited"
    PROBLEM_RECATEGORISED = "problem.recategorised"
    PROBLEM_PRIORITISED = "problem.prioritised"
    PROBLEM_MOVED = "problem.moved"
    PROBLEM_FORWARDED = "problem.forwarded"
    PROBLEM_ENDORSED = "problem.endorsed"
    PROBLEM_HANDLED_LOCALLY = "problem.handled_locally"
    PROBLEM_ACCEPTED = "problem.accepted"
    PROBLEM_ASSIGNED = "problem.assigned"
    PROBLEM_RETURNED = "problem.returned"
    PROBLEM_ANSWERED = "problem.answered"
    PROBLEM_TAKEN_UP = "problem.taken_up"
    PROBLEM_FINISHED = "problem.finished"
    PROBLEM_HELD = "problem.held"
    PROBLEM_RESUMED = "problem.resumed"
    PROBLEM_CONFIRMED = "problem.confirmed"
    PROBLEM_DISPUTED = "problem.disputed"
    PROBLEM_REOPENED = "problem.reopened"
    PROBLEM_CLOSED = "problem.closed"
    PROBLEM_APPEALED = "problem.appealed"
    PROBLEM_APPEAL_DECIDED = "problem.appeal_decided"
    PROBLEM_MAIN_CHANGED = "problem.main_changed"
    PROBLEM_ESCALATED = "problem.escalated"
    PROBLEM_COMMENTED = "problem.commented"
    PROBLEM_PHOTO_ADDED = "problem.photo_added"
    PROBLEM_LINKED = "problem.linked"
    ASSIGNMENT_ACCEPTED = "assignment.accepted"
    ASSIGNMENT_STARTED = "assignment.started"
    ASSIGNMENT_PROGRESSED = "assignment.progressed"
    ASSIGNMENT_DELEGATED = "assignment.delegated"
    ASSIGNMENT_HOLD_PROPOSED = "assignment.hold_proposed"
    ASSIGNMENT_HOLD_AGREED = "assignment.hold_agreed"
    ASSIGNMENT_HOLD_DECLINED = "assignment.hold_declined"
    ASSIGNMENT_RESUMED = "assignment.resumed"
    ASSIGNMENT_FINISHED = "assignment.finished"
    ASSIGNMENT_REFUSED = "assignment.refused"
    ASSIGNMENT_REVOKED = "assignment.revoked"
    ENDPOINT_DISABLED = "endpoint.disabled"
    ENDPOINT_RECOVERED = "endpoint.recovered"
    PING = "webhook.ping"

    @property
    def label(self) -> str:
        return _LABELS[self]


class EndpointState(StrEnum):
    """Whether an endpoint is sent to."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"

    @property
    def label(self) -> str:
        return _LABELS[self]


class DisabledBy(StrEnum):
    """Why an endpoint is no longer sent to."""

    GONE = "gone"
    """It answered 410: nothing is sent until a person activates it again."""
    FAILING = "failing"
    """It failed for 120 hours: it is probed each hour, and success activates it again."""

    @property
    def label(self) -> str:
        return _LABELS[self]


class DeliveryState(StrEnum):
    """How the delivery of one event to one endpoint stands. Nothing is ever dropped without being told."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    CANCELLED = "cancelled"

    @property
    def label(self) -> str:
        return _LABELS[self]


class DeliveryStanding(StrEnum):
    """How a delivery is told to stand: its state, and whether it is held while nothing is sent to its endpoint."""

    WAITING = "waiting"
    HELD = "held"
    """It waits until its endpoint, paused by hand or disabled, is active again."""
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    CANCELLED = "cancelled"

    @property
    def label(self) -> str:
        return _LABELS[self]


class Fault(StrEnum):
    """Why an attempt failed."""

    ADDRESS = "address"
    """The name leads into a network that we do not send into."""
    NAME = "name"
    """The name could not be looked up."""
    CONNECTION = "connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    """What came is not HTTP, or more than we read."""
    REDIRECT = "redirect"
    STATUS = "status"
    """It answered, but not with 2xx."""

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS: Final[dict[StrEnum, str]] = {
    EndpointState.ACTIVE: "Aktif",
    EndpointState.PAUSED: "Dijeda",
    EndpointState.DISABLED: "Dinonaktifkan",
    DeliveryState.WAITING: "Menunggu",
    DeliveryState.DELIVERED: "Terkirim",
    DeliveryState.EXHAUSTED: "Habis percobaan",
    DeliveryState.CANCELLED: "Dibatalkan",
    DeliveryStanding.HELD: "Ditahan",
    EventType.PROBLEM_REPORTED: "Masalah dilaporkan",
    EventType.PROBLEM_EDITED: "Data masalah diperbaiki",
    EventType.PROBLEM_RECATEGORISED: "Kategori diubah",
    EventType.PROBLEM_PRIORITISED: "Prioritas diubah",
    EventType.PROBLEM_MOVED: "Masalah dipindahkan",
    EventType.PROBLEM_FORWARDED: "Masalah diteruskan",
    EventType.PROBLEM_ENDORSED: "Masalah disahkan",
    EventType.PROBLEM_HANDLED_LOCALLY: "Ditangani kelurahan",
    EventType.PROBLEM_ACCEPTED: "Diterima kecamatan",
    EventType.PROBLEM_ASSIGNED: "Masalah didisposisikan",
    EventType.PROBLEM_RETURNED: "Perlu dilengkapi",
    EventType.PROBLEM_ANSWERED: "Pertanyaan dijawab",
    EventType.PROBLEM_TAKEN_UP: "Diambil alih kecamatan",
    EventType.PROBLEM_FINISHED: "Diselesaikan wilayah",
    EventType.PROBLEM_HELD: "Pekerjaan ditunda",
    EventType.PROBLEM_RESUMED: "Pekerjaan dilanjutkan",
    EventType.PROBLEM_CONFIRMED: "Penyelesaian dikonfirmasi",
    EventType.PROBLEM_DISPUTED: "Penyelesaian disanggah",
    EventType.PROBLEM_REOPENED: "Masalah dibuka kembali",
    EventType.PROBLEM_CLOSED: "Masalah ditutup",
    EventType.PROBLEM_APPEALED: "Banding diajukan",
    EventType.PROBLEM_APPEAL_DECIDED: "Banding diputuskan",
    EventType.PROBLEM_MAIN_CHANGED: "Masalah utama berubah",
    EventType.PROBLEM_ESCALATED: "Masalah dieskalasi",
    EventType.PROBLEM_COMMENTED: "Komentar baru",
    EventType.PROBLEM_PHOTO_ADDED: "Foto baru",
    EventType.PROBLEM_LINKED: "Masalah ditautkan",
    EventType.ASSIGNMENT_ACCEPTED: "Disposisi diterima",
    EventType.ASSIGNMENT_STARTED: "Pekerjaan dimulai",
    EventType.ASSIGNMENT_PROGRESSED: "Kemajuan dilaporkan",
    EventType.ASSIGNMENT_DELEGATED: "Disposisi ditugaskan",
    EventType.ASSIGNMENT_HOLD_PROPOSED: "Penundaan diusulkan",
    EventType.ASSIGNMENT_HOLD_AGREED: "Penundaan disetujui",
    EventType.ASSIGNMENT_HOLD_DECLINED: "Penundaan ditolak",
    EventType.ASSIGNMENT_RESUMED: "Bagian dilanjutkan",
    EventType.ASSIGNMENT_FINISHED: "Bagian selesai dikerjakan",
    EventType.ASSIGNMENT_REFUSED: "Disposisi ditolak",
    EventType.ASSIGNMENT_REVOKED: "Disposisi dicabut",
    EventType.ENDPOINT_DISABLED: "Alamat webhook dinonaktifkan",
    EventType.ENDPOINT_RECOVERED: "Alamat webhook pulih",
    EventType.PING: "Uji alamat webhook",
    DisabledBy.GONE: "Menjawab 410",
    DisabledBy.FAILING: "Gagal terus",
    Fault.ADDRESS: "Alamat tidak diizinkan",
    Fault.NAME: "Nama tidak ditemukan",
    Fault.CONNECTION: "Tidak tersambung",
    Fault.TLS: "TLS gagal",
    Fault.TIMEOUT: "Waktu habis",
    Fault.PROTOCOL: "Jawaban tidak terbaca",
    Fault.REDIRECT: "Dialihkan",
    Fault.STATUS: "Ditolak penerima",
}
