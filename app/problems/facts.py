"""What this room writes in the journal: the published contract of every fact, its label, its data and its free text.

A kind never changes its meaning. A member may be added; one that changes or goes makes a new `version` of the kind, and
`evolve` goes on reading the old one. Members that have nothing to say are left out.

`place_omitted` and `proof_omitted` mark what an import left out and people may not: the register it read had neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.journal.facts import Fact

_STAMPS = frozenset({"until", "due_at", "confirm_widens_at"})
"""When the desk's, and the whole problem's, limits pass; any fact that moves a problem may carry them."""


@dataclass(frozen=True)
class FactKind:
    """What a kind of fact may hold."""

    label: str
    data: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    version: int = 1


def _kind(label: str, data: str = "", texts: str = "") -> FactKind:
    return FactKind(label, frozenset(data.split()), frozenset(texts.split()))


_PART = "assignment agency by_hand letter "

FACTS: Final[Mapping[str, FactKind]] = {
    "reported": _kind(
        "Dicatat",
        "id number area category class proof_required seen_on source source_ref point rt rw origin ground endorsed "
        "target_on alerted_agency told place_omitted",
        "title description address landmark plan",
    ),
    "edited": _kind("Data diperbaiki", "changes cleared", "title description address landmark reason"),
    "recategorised": _kind("Kategori diubah", "category class proof_required", "reason"),
    "prioritised": _kind("Prioritas diubah", "priority", "reason"),
    "moved_out": _kind("Dipindahkan ke wilayah lain", "from to", "reason"),
    "moved_in": _kind("Diterima dari wilayah lain", "from to", "reason"),
    "move_proposed": _kind("Pemindahan diusulkan", "to", "reason"),
    "forwarded": _kind("Diteruskan ke kecamatan"),
    "endorsed": _kind("Disahkan lurah"),
    "called_up": _kind("Ditarik ke kecamatan", "", "reason"),
    "handled_locally": _kind("Ditangani kelurahan", "target_on", "plan"),
    "sent_back": _kind("Dikembalikan untuk dilengkapi", "", "reason"),
    "objected": _kind("Lurah berkeberatan", "", "reason"),
    "withdrawn": _kind("Dicabut", "revoked", "reason"),
    "accepted": _kind("Diterima kecamatan"),
    "asked": _kind("Ditanyakan", "", "question"),
    "answered": _kind("Dijawab", "changes cleared", "title description address landmark answer"),
    "taken_up": _kind("Ditangani kecamatan", "", "plan"),
    "assigned": _kind("Didisposisikan", "offers revoked by", "instruction"),
    "authority_decided": _kind("Kewenangan ditetapkan", "offers revoked by binding", "reason"),
    "finished": _kind("Selesai dikerjakan", "resolution worked_by awaits_confirmation photos proof_omitted", "note"),
    "held": _kind("Ditunda", "reason_code review_on", "reason"),
    "resumed": _kind("Dilanjutkan", "automatic"),
    "confirmed": _kind("Dikonfirmasi", "rating revoked automatic"),
    "disputed": _kind("Disanggah", "photos", "reason"),
    "reopened": _kind("Dibuka kembali", "to", "reason"),
    "rejected": _kind("Ditolak", "reason_code revoked", "reason"),
    "appealed": _kind("Banding diajukan", "", "reason"),
    "appeal_decided": _kind("Banding diputus", "outcome", "reason"),
    "marked_duplicate": _kind("Ditandai ganda", "main main_number revoked"),
    "repointed": _kind("Induk diganti", "main"),
    "main_ended": _kind("Masalah induk berakhir", "outcome"),
    "main_reopened": _kind("Masalah induk dibuka kembali"),
    "unmarked": _kind("Tanda ganda dibatalkan", "automatic main_closing"),
    "deferred_to_planning": _kind("Dialihkan ke perencanaan", "planned_in revoked", "reason"),
    "escalated": _kind("Dieskalasi", "level", "reason"),
    "commented": _kind("Dikomentari", "comment internal late", "text"),
    "attached": _kind("Foto dilampirkan", "photo seen_before late"),
    "linked": _kind("Ditautkan", "problem number link late"),
    "proposal_made": _kind("Perbaikan diusulkan", "proposal fields base"),
    "proposal_accepted": _kind("Usulan diterima", "proposal"),
    "proposal_dismissed": _kind("Usulan diabaikan", "proposal", "reason"),
    "operation_adopted": _kind("Langkah diambil alih", "operation verb"),
    "operation_dismissed": _kind("Langkah diabaikan", "operation verb", "reason"),
    "assignment_accepted": _kind("Disposisi diterima", _PART + "assignment_due_at"),
    "assignment_started": _kind("Pekerjaan dimulai", _PART),
    "assignment_progressed": _kind("Kemajuan dilaporkan", _PART + "percent photos", "note"),
    "assignment_delegated": _kind("Ditugaskan", _PART, "to"),
    "assignment_hold_proposed": _kind("Penundaan diusulkan", _PART + "reason_code review_on", "reason"),
    "assignment_hold_agreed": _kind("Penundaan disetujui", _PART),
    "assignment_hold_declined": _kind("Penundaan tidak disetujui", _PART + "automatic", "reason"),
    "assignment_resumed": _kind("Pekerjaan dilanjutkan", _PART + "automatic"),
    "assignment_finished": _kind("Bagian instansi selesai", _PART + "resolution photos proof_omitted by_link", "note"),
    "assignment_refused": _kind("Disposisi ditolak", _PART + "reason_code belongs_to", "reason"),
    "assignment_revoked": _kind("Disposisi dicabut", _PART, "reason"),
}


def fact(kind: str, texts: Mapping[str, str | None] | None = None, /, **data: Any) -> Fact:
    """A fact of this room, without the members that have nothing to say; never one that the contract does not know."""
    known = FACTS[kind]
    said = {name: value for name, value in data.items() if value is not None}
    words = {name: text for name, text in (texts or {}).items() if text is not None}
    unknown = said.keys() - known.data - _STAMPS | words.keys() - known.texts
    if unknown:
        raise LookupError(f"the fact {kind} has no {', '.join(sorted(unknown))}")
    return Fact(kind, said, words, known.version)
