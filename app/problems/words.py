"""Words of the heart: states, verbs and reasons, each with the label people read, and the fields people fill in."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from app.kit.words import Line, Prose

Title = Annotated[Line, Field(min_length=3, max_length=160, examples=["Saluran tersumbat di depan Balai RW 02"])]
Description = Annotated[
    Prose, Field(max_length=8_000, examples=["Air meluap ke jalan setiap hujan lebih dari satu jam."])
]
Place = Annotated[Line, Field(max_length=300, examples=["Jl. KH. Wachid Hasyim, depan musala"])]
Ward = Annotated[str, Field(pattern=r"^[0-9]{1,3}$", examples=["002"])]
SourceReference = Annotated[Line, Field(max_length=100, examples=["LAPOR-7423981"])]


class _Labelled(StrEnum):
    """A word stored and sent by its English code, read by people under its label."""

    @property
    def label(self) -> str:
        return _LABELS[type(self).__name__][self.value]


class State(_Labelled):
    """Where a problem stands; computed, never set."""

    SUBMITTED = "submitted"
    HANDLED_LOCALLY = "handled_locally"
    FORWARDED = "forwarded"
    RETURNED = "returned"
    ACCEPTED = "accepted"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    RESOLVED = "resolved"
    CLOSED = "closed"


ENDED: Final = frozenset({State.RESOLVED, State.CLOSED})
OPEN: Final = frozenset(State) - ENDED


class AssignmentState(_Labelled):
    """Where one agency's part stands."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    DONE = "done"
    REFUSED = "refused"
    REVOKED = "revoked"


ASSIGNMENT_OPEN: Final = frozenset(
    {AssignmentState.OFFERED, AssignmentState.ACCEPTED, AssignmentState.IN_PROGRESS, AssignmentState.ON_HOLD}
)


class Verb(_Labelled):
    """What people do with a problem."""

    REPORT = "report"
    EDIT = "edit"
    RECATEGORISE = "recategorise"
    PRIORITISE = "prioritise"
    MOVE = "move"
    PROPOSE_MOVE = "propose_move"
    FORWARD = "forward"
    ENDORSE = "endorse"
    CALL_UP = "call_up"
    HANDLE_LOCALLY = "handle_locally"
    SEND_BACK = "send_back"
    OBJECT = "object"
    WITHDRAW = "withdraw"
    ACCEPT = "accept"
    ASK = "ask"
    ANSWER = "answer"
    TAKE_UP = "take_up"
    ASSIGN = "assign"
    DECIDE_AUTHORITY = "decide_authority"
    FINISH = "finish"
    HOLD = "hold"
    RESUME = "resume"
    CONFIRM = "confirm"
    DISPUTE = "dispute"
    REOPEN = "reopen"
    REJECT = "reject"
    APPEAL = "appeal"
    DECIDE_APPEAL = "decide_appeal"
    MARK_DUPLICATE = "mark_duplicate"
    UNMARK = "unmark"
    DEFER_TO_PLANNING = "defer_to_planning"
    ESCALATE = "escalate"
    COMMENT = "comment"
    ATTACH = "attach"
    LINK = "link"


class AssignmentVerb(_Labelled):
    """What is done with one agency's part."""

    ACCEPT = "accept"
    START = "start"
    PROGRESS = "progress"
    DELEGATE = "delegate"
    HOLD = "hold"
    AGREE_HOLD = "agree_hold"
    DECLINE_HOLD = "decline_hold"
    RESUME = "resume"
    FINISH = "finish"
    REFUSE = "refuse"
    REVOKE = "revoke"


class Source(_Labelled):
    """How the kelurahan came to know."""

    OWN = "own"
    RT_RW = "rt_rw"
    RESIDENT = "resident"
    MEETING = "meeting"
    LAPOR = "lapor"
    MEDIA = "media"


class Priority(_Labelled):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class Resolution(_Labelled):
    """How a problem was solved."""

    REPAIRED = "repaired"
    SERVED = "served"
    EXPLAINED = "explained"
    PREVENTED = "prevented"
    NOT_FOUND = "not_found"
    NOT_POSSIBLE = "not_possible"


class Rejection(_Labelled):
    """Why the kecamatan does not take a problem up."""

    NOT_A_PROBLEM = "not_a_problem"
    NOT_FOUND = "not_found"
    TOO_LITTLE_KNOWN = "too_little_known"
    PRIVACY = "privacy"
    FALSE = "false"


class HoldReason(_Labelled):
    """What work waits for."""

    BUDGET = "budget"
    WEATHER_SEASON = "weather_season"
    THIRD_PARTY = "third_party"
    LAND_DISPUTE = "land_dispute"
    HIGHER_AUTHORITY = "higher_authority"
    PROCUREMENT = "procurement"


class Refused(_Labelled):
    """Why an agency does not take its part."""

    NOT_OUR_AUTHORITY = "not_our_authority"
    TOO_LITTLE_KNOWN = "too_little_known"
    NO_MEANS = "no_means"


class Closing(_Labelled):
    """How a problem was closed without being resolved."""

    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    PLANNED = "planned"


class LinkKind(_Labelled):
    """How two problems belong together."""

    RELATED = "related"
    RECURRING = "recurring"


class Ground(StrEnum):
    """What lies beneath: how far a problem has come before agencies, pauses and endings are counted."""

    SUBMITTED = "submitted"
    HANDLED_LOCALLY = "handled_locally"
    FORWARDED = "forwarded"
    ACCEPTED = "accepted"
    TAKEN_UP = "taken_up"


class Overlay(StrEnum):
    """What lies over: a question, or a pause."""

    RETURNED = "returned"
    ON_HOLD = "on_hold"


class Worker(_Labelled):
    """Who did the work that waits to be confirmed."""

    KELURAHAN = "kelurahan"
    KECAMATAN = "kecamatan"
    AGENCY = "agency"
    LINK = "link"
    """An agency, through a link that the assigner's office may have opened as well."""


_LABELS: Final[dict[str, dict[str, str]]] = {
    "State": {
        "submitted": "Diajukan",
        "handled_locally": "Ditangani kelurahan",
        "forwarded": "Diteruskan ke kecamatan",
        "returned": "Perlu dilengkapi",
        "accepted": "Terverifikasi",
        "assigned": "Didisposisikan",
        "in_progress": "Diproses",
        "on_hold": "Ditunda",
        "awaiting_confirmation": "Menunggu konfirmasi",
        "resolved": "Selesai",
        "closed": "Ditutup",
    },
    "AssignmentState": {
        "offered": "Ditawarkan",
        "accepted": "Diterima",
        "in_progress": "Dikerjakan",
        "on_hold": "Ditunda",
        "done": "Selesai dikerjakan",
        "refused": "Ditolak",
        "revoked": "Dicabut",
    },
    "Verb": {
        "report": "Laporkan",
        "edit": "Perbaiki data",
        "recategorise": "Ubah kategori",
        "prioritise": "Ubah prioritas",
        "move": "Pindahkan",
        "propose_move": "Usulkan pindah",
        "forward": "Teruskan",
        "endorse": "Sahkan",
        "call_up": "Tarik ke kecamatan",
        "handle_locally": "Tangani sendiri",
        "send_back": "Kembalikan",
        "object": "Berkeberatan",
        "withdraw": "Cabut",
        "accept": "Terima",
        "ask": "Tanyakan",
        "answer": "Jawab",
        "take_up": "Ambil alih",
        "assign": "Disposisikan",
        "decide_authority": "Tetapkan kewenangan",
        "finish": "Selesaikan",
        "hold": "Tunda",
        "resume": "Lanjutkan",
        "confirm": "Konfirmasi",
        "dispute": "Sanggah",
        "reopen": "Buka kembali",
        "reject": "Tolak",
        "appeal": "Ajukan banding",
        "decide_appeal": "Putuskan banding",
        "mark_duplicate": "Tandai ganda",
        "unmark": "Batalkan tanda ganda",
        "defer_to_planning": "Alihkan ke perencanaan",
        "escalate": "Eskalasi",
        "comment": "Komentari",
        "attach": "Lampirkan foto",
        "link": "Tautkan",
    },
    "AssignmentVerb": {
        "accept": "Terima",
        "start": "Mulai",
        "progress": "Laporkan kemajuan",
        "delegate": "Tugaskan",
        "hold": "Usulkan tunda",
        "agree_hold": "Setujui penundaan",
        "decline_hold": "Tolak penundaan",
        "resume": "Lanjutkan",
        "finish": "Selesaikan",
        "refuse": "Tolak",
        "revoke": "Cabut",
    },
    "Source": {
        "own": "Pengamatan sendiri",
        "rt_rw": "RT/RW",
        "resident": "Warga",
        "meeting": "Rapat",
        "lapor": "SP4N-LAPOR!",
        "media": "Media",
    },
    "Priority": {"low": "Rendah", "normal": "Biasa", "high": "Tinggi", "urgent": "Mendesak"},
    "Resolution": {
        "repaired": "Diperbaiki",
        "served": "Dilayani",
        "explained": "Dijelaskan",
        "prevented": "Dicegah",
        "not_found": "Tidak ditemukan",
        "not_possible": "Tidak mungkin",
    },
    "Rejection": {
        "not_a_problem": "Bukan masalah",
        "not_found": "Tidak ditemukan",
        "too_little_known": "Keterangan kurang",
        "privacy": "Urusan pribadi",
        "false": "Tidak benar",
    },
    "HoldReason": {
        "budget": "Anggaran",
        "weather_season": "Cuaca atau musim",
        "third_party": "Pihak ketiga",
        "land_dispute": "Sengketa lahan",
        "higher_authority": "Kewenangan lebih tinggi",
        "procurement": "Pengadaan",
    },
    "Refused": {
        "not_our_authority": "Bukan kewenangan kami",
        "too_little_known": "Keterangan kurang",
        "no_means": "Tidak ada sarana",
    },
    "Closing": {
        "withdrawn": "Dicabut",
        "rejected": "Ditolak",
        "duplicate": "Ganda",
        "planned": "Masuk perencanaan",
    },
    "LinkKind": {"related": "Terkait", "recurring": "Berulang"},
    "Worker": {
        "kelurahan": "Kelurahan",
        "kecamatan": "Kecamatan",
        "agency": "Instansi",
        "link": "Instansi melalui tautan",
    },
}
