"""The page that a link opens, as HTML: small, without scripts, in Indonesian. Whatever people wrote is escaped here."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from app.kit.ids import new_id
from app.kit.refusals import NotFound, Refusal
from app.kit.words import without_control_characters
from app.links.actions import Filled, FormNotFilled
from app.links.queries import LinkOver, Shown
from app.links.words import day_in, moment_in
from app.people.words import PostKind
from app.problems.schemas.answers import HistoryOut, PhotoOut
from app.problems.words import AssignmentState, AssignmentVerb, Refused, Resolution, Verb

_PAGE: Final = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
_STYLE: Final = _PAGE.template.partition("<style>")[2].partition("</style>")[0]
_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; "
    f"style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
"""Of every answer under a link: it is kept by nobody, found by no search, and tells no other site where it was."""

_CONFIRMED: Final = {
    "accept": "Disposisi sudah diterima.",
    "progress": "Kemajuan sudah dicatat.",
    "finish": "Pekerjaan sudah dilaporkan selesai. Kelurahan akan memeriksanya.",
    "refuse": "Penolakan sudah dicatat.",
    "resume": "Pekerjaan dilanjutkan.",
    "comment": "Komentar sudah dikirim.",
}
_FIELDS: Final = {
    "note": "Catatan",
    "percent": "Kemajuan dalam persen (0 sampai 100)",
    "resolution": "Hasil pekerjaan",
    "reason": "Alasan",
    "reason_code": "Jenis alasan",
    "belongs_to": "Instansi yang berwenang",
    "text": "Komentar",
    "verb": "Langkah",
}
_TEXTS: Final = ("instruction", "note", "reason", "question", "answer", "text")
_ENDED: Final = {
    AssignmentState.DONE: "Bagian ini sudah dilaporkan selesai. Tidak ada lagi yang perlu dikerjakan.",
    AssignmentState.REFUSED: "Disposisi ini sudah ditolak. Tidak ada lagi yang perlu dikerjakan.",
}


def page(shown: Shown, *, done: str = "", refusal: Refusal | None = None, filled: Filled | None = None) -> str:
    """The assignment, what may be done now, and what has happened; after a refusal with what was filled in."""
    problem, part = shown.problem, shown.part
    kept = filled or Filled(verb="", form="")
    body = [
        _notice("done", _CONFIRMED.get(done)),
        _notice("refused", _told(refusal, kept) if refusal else None),
        f"<p>{_text(problem.number)}</p>",
        f"<h1>{_text(problem.title)}</h1>",
        _details(shown),
        f'<p class="said">{_text(problem.description)}</p>' if problem.description else "",
        _photos(shown),
        f"<h2>Langkah untuk {_text(part.agency_name)}</h2>",
        _notice("done", _ENDED.get(part.state)) if not done else "",
        _forms(shown, kept),
        _happened(shown),
    ]
    foot = (
        f"Tautan {_text(shown.link.reference)}, hanya untuk disposisi ini, berlaku sampai "
        f"{_text(moment_in(shown.zone, shown.link.expires_at))}. Siapa pun yang memegangnya bertindak atas nama "
        f"{_text(part.agency_name)}: teruskan hanya kepada petugas yang menangani."
    )
    return _page(f"Disposisi {problem.number}", "\n".join(filter(None, body)), foot)


def apology(refusal: Refusal) -> str:
    """A page that says why there is nothing to see."""
    advice = refusal.advice if isinstance(refusal, LinkOver) else "Silakan coba lagi sebentar."
    if isinstance(refusal, NotFound):
        advice = "Periksa apakah tautan tersalin seluruhnya, atau mintalah tautan baru."
    return _page(refusal.judul, f"<h1>{_text(refusal.judul)}</h1>\n<p>{_text(advice)}</p>", "Ujung Tombak")


def _page(title: str, body: str, foot: str) -> str:
    return _PAGE.substitute(title=_text(title), body=body, foot=foot)


def _text(text: object) -> str:
    return escape(without_control_characters(str(text)), quote=True)


def _notice(kind: str, text: str | None) -> str:
    return f'<p class="{kind}" role="status">{_text(text)}</p>' if text else ""


def _told(refusal: Refusal, filled: Filled) -> str:
    """Why it was refused, and what to do about it."""
    named = ""
    if isinstance(refusal, FormNotFilled):
        named = ": " + ", ".join(_FIELDS.get(each, each) for each in refusal.fields) if refusal.fields else ""
    again = " Pilih fotonya sekali lagi." if filled.photo else ""
    return f"Belum tersimpan. {refusal.judul}{named}.{again}"


# -- what it is about ------------------------------------------------------------------------------------------------


def _details(shown: Shown) -> str:
    problem, part = shown.problem, shown.part
    ward = " / ".join(f"{name} {number}" for name, number in (("RT", problem.rt), ("RW", problem.rw)) if number)
    place = ", ".join(each for each in (problem.address, problem.landmark, ward, problem.area_name) if each)
    point = f"{problem.point.lat:.6f}, {problem.point.lon:.6f}" if problem.point else None
    rows: list[tuple[str, str | None]] = [
        ("Keadaan", part.state_label),
        ("Instruksi", part.instruction),
        ("Kategori", problem.category_label),
        ("Tempat", place),
        ("Titik", point),
        ("Prioritas", problem.priority.label),
    ]
    told = [f'<dt>{_text(name)}</dt><dd class="said">{_text(value)}</dd>' for name, value in rows if value]
    if part.due_at is not None and part.state not in _ENDED:
        late = ' <span class="late">(sudah lewat)</span>' if part.due_at < shown.now else ""
        told.insert(1, f"<dt>Tenggat</dt><dd>{_text(day_in(shown.zone, part.due_at))}{late}</dd>")
    return "<dl>" + "".join(told) + "</dl>"


def _photos(shown: Shown) -> str:
    return "".join(_photo(shown, number, each) for number, each in enumerate(shown.photos, 1))


def _photo(shown: Shown, number: int, photo: PhotoOut) -> str:
    place = f"/t/{shown.token}/photos/{photo.id}"
    return f'<a href="{place}"><img src="{place}?small=1" alt="Foto {number}"></a>'


def _happened(shown: Shown) -> str:
    items = "".join(
        f"<li>{_text(moment_in(shown.zone, each.at))} · {_text(_by(each))}<br>"
        f"<strong>{_text(each.label)}</strong>{_said(each)}</li>"
        for each in reversed(shown.happened)
    )
    return f"<h2>Yang sudah terjadi</h2><ul>{items}</ul>"


def _by(entry: HistoryOut) -> str:
    """The office and not the person; of an agency, which one."""
    kind, _, place = entry.by["post"].partition(":")
    is_agency = kind in (PostKind.OFFICER, PostKind.HEAD)
    return place if is_agency else str(entry.by["post_label"])


def _said(entry: HistoryOut) -> str:
    data = entry.data
    percent = f" {data['percent']} %" if "percent" in data else ""
    resolution = f": {Resolution(data['resolution']).label}" if "resolution" in data else ""
    texts = [data[name] for name in _TEXTS if isinstance(data.get(name), str)]
    said = "".join(f'<br><span class="said">{_text(each)}</span>' for each in texts)
    return f"{_text(percent + resolution)}{said}"


# -- what may be done ------------------------------------------------------------------------------------------------


def _forms(shown: Shown, filled: Filled) -> str:
    """The forms of what may be done now. One that was sent in vain stands open, as it was filled in."""
    form = filled.form or str(new_id())
    may = shown.part.may
    works = AssignmentVerb.PROGRESS in may or AssignmentVerb.START in may
    open_now: list[tuple[bool, Callable[[Shown, Mapping[str, str]], str], str, str]] = [
        (AssignmentVerb.ACCEPT in may, _nothing, "accept", "Terima disposisi"),
        (AssignmentVerb.RESUME in may, _nothing, "resume", "Lanjutkan pekerjaan"),
        (works, _progress, "progress", "Laporkan kemajuan"),
        (works, _finish, "finish", "Laporkan selesai"),
        (AssignmentVerb.REFUSE in may, _refuse, "refuse", "Tolak disposisi"),
        (Verb.COMMENT in shown.problem.may, _comment, "comment", "Kirim komentar"),
    ]
    return "\n".join(
        _form(shown, form, verb, label, fields(shown, filled.fields if verb == filled.verb else {}), filled)
        for is_open, fields, verb, label in open_now
        if is_open
    )


def _form(shown: Shown, form: str, verb: str, label: str, fields: str, filled: Filled) -> str:
    made = (
        f'<form method="post" action="/t/{shown.token}" enctype="multipart/form-data">'
        f'<input type="hidden" name="form" value="{_text(form)}"><input type="hidden" name="verb" value="{verb}">'
        f"{fields}<button>{label}</button></form>"
    )
    if not fields:
        return made
    return f"<details{' open' if verb == filled.verb else ''}><summary>{label}</summary>{made}</details>"


def _nothing(_shown: Shown, _filled: Mapping[str, str]) -> str:
    return ""


def _progress(shown: Shown, filled: Mapping[str, str]) -> str:
    return (
        _area("progress", "note", filled)
        + _labelled(
            "progress-percent",
            "Kemajuan dalam persen",
            f'<input type="number" min="0" max="100" inputmode="numeric" id="progress-percent" name="percent" '
            f'value="{_text(filled.get("percent", ""))}">',
            "Boleh dikosongkan.",
        )
        + _file(shown, "progress", "Boleh dikosongkan.")
    )


def _finish(shown: Shown, filled: Mapping[str, str]) -> str:
    needed = shown.problem.proof_required and shown.part.lead
    return (
        _choice("finish", "resolution", [(each.value, each.label) for each in Resolution], filled, required=True)
        + _area("finish", "note", filled)
        + _file(shown, "finish", "Wajib bila diperbaiki, dilayani atau dicegah." if needed else "Boleh dikosongkan.")
    )


def _refuse(shown: Shown, filled: Mapping[str, str]) -> str:
    reasons = [(each.value, each.label) for each in Refused]
    return (
        _choice("refuse", "reason_code", reasons, filled, required=True)
        + _area("refuse", "reason", filled)
        + _choice("refuse", "belongs_to", shown.agencies, filled, hint="Wajib bila bukan kewenangan Anda.")
    )


def _comment(_shown: Shown, filled: Mapping[str, str]) -> str:
    return _area("comment", "text", filled)


def _labelled(name: str, label: str, control: str, hint: str = "") -> str:
    told = f' <span class="hint">{_text(hint)}</span>' if hint else ""
    return f'<label for="{name}">{_text(label)}{told}</label>{control}'


def _area(verb: str, field: str, filled: Mapping[str, str]) -> str:
    name = f"{verb}-{field}"
    control = (
        f'<textarea id="{name}" name="{field}" rows="4" maxlength="2000" required>\n'
        f"{_text(filled.get(field, ''))}</textarea>"
    )
    return _labelled(name, _FIELDS[field], control)


def _choice(
    verb: str,
    field: str,
    choices: Iterable[tuple[str, str]],
    filled: Mapping[str, str],
    *,
    required: bool = False,
    hint: str = "",
) -> str:
    name, chosen = f"{verb}-{field}", filled.get(field, "")
    options = "".join(
        f'<option value="{_text(value)}"{" selected" if value == chosen else ""}>{_text(label)}</option>'
        for value, label in [("", "– pilih –"), *choices]
    )
    control = f'<select id="{name}" name="{field}"{" required" if required else ""}>{options}</select>'
    return _labelled(name, _FIELDS[field], control, hint)


def _file(shown: Shown, verb: str, hint: str) -> str:
    name = f"{verb}-photo"
    control = f'<input type="file" id="{name}" name="photo" accept="image/*">'
    return _labelled(name, "Foto", control, f"{hint} Paling besar {shown.photo_megabytes} MB.")
