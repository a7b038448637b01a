"""One exchange with every operation, in the demo town: what the docs page shows as its examples.

A drain is blocked in Bakalan. It is recorded, forwarded, accepted, assigned, cleaned and confirmed; a system of PUPR
hears of it, and DLHKP is given a link; the operator goes on without signal at the river, and sends it all afterwards;
around it people look things up, and an admin does what admins do. Every request is really sent, and every answer really
given; so is what goes out to PUPR.
"""

import json
import random
import re
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

from httpx import AsyncClient, Response

from app.docs.document import Document
from app.kit.house import House
from app.links.mail import send_mail
from app.problems.words import AssignmentVerb, Verb
from app.webhooks.courier import Courier
from tests.conftest import SettableClock
from tests.sync.pieces import base64, promise
from tests.town import picture
from tests.webhooks.receiver import Receiver, Reply

PASSWORD = "hujan-di-muara-2026"

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CHOSEN = "01996d0e-4e00-7000-9000-"
"""How ids begin that phones chose: the same every time anyway, they are shown as they are."""
RIVER, OTHER_BANK, PHOTO = [f"{CHOSEN}{number:012d}" for number in range(1, 4)]
OLD_PHONE, PHONE, CAMATS_PHONE = [
    {"id": f"{CHOSEN}{number:012d}", "name": name, "schema": 1, "sent_at": "2026-03-02T03:00:04Z"}
    for number, name in enumerate(("HP lama Bakalan", "HP lapangan Bakalan", "HP camat"), 11)
]
CURSOR = re.compile(r"(?<=\.)[0-9a-f]{12}$")
ETAG = re.compile(r"^[0-9a-f]{16}$")
BAKALAN = "35.75.03.1005"
RIVERS_PICTURE = picture()
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
API_KEY = re.compile(r"ujk_[A-Za-z0-9_-]+")
SHOWN_API_KEY = "ujk_3vT9xQpLcontohBukanKunci"
LINK = re.compile(r"(?<=/t/)[A-Za-z0-9_-]{64}")
SHOWN_LINK = "contoh-tautan-yang-tidak-membuka-apa-pun"
PUPRS_SYSTEM = "https://sim.pupr.pasuruankota.example/ujung-tombak"
SECRET = {
    "secret": "whsec_Y29udG9oIHJhaGFzaWEsIGJ1a2FuIHJhaGFzaWE=",
    "milliseconds": 184,
    "reference": "9c0ffee1",
    "token": "Kt3x…",
    "access_token": "Kt3x…",
    "password": "empat kata sekali pakai",
    "next": "WyIyMDI2LTAzLTAy…",
    "sha256": SHA256,
    "size": 48_213,
    "upload-length": "48213",
    "upload-metadata": f"id {base64(PHOTO)},sha256 {base64(SHA256)}",
    "width": 1600,
    "height": 1200,
}
"""What differs each time, or would tell nothing, is shown as this."""

STEPS: dict[Verb, dict[str, Any]] = {
    Verb.FORWARD: {},
    Verb.ENDORSE: {},
    Verb.CALL_UP: {"reason": "Lurah sedang cuti, sedangkan genangan sudah masuk rumah warga."},
    Verb.HANDLE_LOCALLY: {"plan": "Kerja bakti RT 02 hari Minggu, karung dari kelurahan.", "target_on": "2026-03-08"},
    Verb.SEND_BACK: {"reason": "Mohon dilengkapi foto dan nama gang."},
    Verb.OBJECT: {"reason": "Lokasinya di seberang jalan, sudah wilayah Petamanan."},
    Verb.WITHDRAW: {"reason": "Sudah dibersihkan warga tadi pagi."},
    Verb.ACCEPT: {},
    Verb.ASK: {"question": "Apakah air juga menggenang di depan sekolah?"},
    Verb.ANSWER: {"answer": "Ya, sampai ke gerbang sekolah.", "changes": {"landmark": "SD dan Balai RW 02"}},
    Verb.TAKE_UP: {"plan": "Satgas kecamatan membersihkan besok pagi."},
    Verb.ASSIGN: {
        "lead": "PUPR",
        "support": ["DLHKP"],
        "instruction": "PUPR mengeruk saluran, DLHKP mengangkut sedimen.",
    },
    Verb.DECIDE_AUTHORITY: {"agency": "PUPR", "reason": "Saluran ini tercatat pada aset PUPR."},
    Verb.FINISH: {
        "resolution": "repaired",
        "note": "Saluran dikeruk sepanjang 40 meter.",
        "photos": ["01996d0e-4e00-7000-8000-000000000003"],
    },
    Verb.HOLD: {"reason_code": "weather_season", "reason": "Menunggu air surut.", "review_on": "2026-03-16"},
    Verb.RESUME: {},
    Verb.CONFIRM: {"rating": 5},
    Verb.DISPUTE: {
        "reason": "Masih tersumbat di ujung gang.",
        "photos": ["01996d0e-4e00-7000-8000-000000000003"],
    },
    Verb.REOPEN: {"reason": "Meluap lagi setelah hujan semalam."},
    Verb.REJECT: {"reason_code": "too_little_known", "reason": "Lokasi tidak dapat ditemukan dari keterangan ini."},
    Verb.APPEAL: {"reason": "Lokasi kini sudah jelas, peta terlampir."},
    Verb.DECIDE_APPEAL: {"outcome": "overturned", "reason": "Keterangan sudah lengkap."},
    Verb.MARK_DUPLICATE: {"main": "01996d0e-4e00-7000-8000-000000000001"},
    Verb.UNMARK: {},
    Verb.DEFER_TO_PLANNING: {"planned_in": "Renja 2027", "reason": "Perlu pelebaran saluran induk."},
    Verb.ESCALATE: {"reason": "Sudah tiga pekan tanpa tanggapan."},
    Verb.RECATEGORISE: {"category": "sungai", "reason": "Yang tersumbat anak sungai, bukan saluran."},
    Verb.PRIORITISE: {"priority": "high", "reason": "Air masuk ke ruang kelas."},
    Verb.MOVE: {"area": "35.75.03.1009", "reason": "Titiknya di seberang batas kelurahan."},
    Verb.PROPOSE_MOVE: {"area": "35.75.03.1009", "reason": "Titiknya di seberang batas kelurahan."},
    Verb.LINK: {"problem": "01996d0e-4e00-7000-8000-000000000001", "kind": "recurring"},
}
"""What each verb carries."""

PART_STEPS: dict[AssignmentVerb, dict[str, Any]] = {
    AssignmentVerb.ACCEPT: {},
    AssignmentVerb.START: {},
    AssignmentVerb.PROGRESS: {"note": "Separuh saluran sudah dikeruk.", "percent": 50},
    AssignmentVerb.DELEGATE: {"to": "UPT Drainase"},
    AssignmentVerb.HOLD: {"reason_code": "weather_season", "reason": "Debit air tinggi.", "review_on": "2026-03-16"},
    AssignmentVerb.AGREE_HOLD: {},
    AssignmentVerb.DECLINE_HOLD: {"reason": "Mohon dikerjakan sebelum hujan berikutnya."},
    AssignmentVerb.RESUME: {},
    AssignmentVerb.FINISH: {
        "resolution": "repaired",
        "note": "Saluran dikeruk sepanjang 40 meter, air mengalir.",
        "photos": ["01996d0e-4e00-7000-8000-000000000003"],
    },
    AssignmentVerb.REFUSE: {
        "reason_code": "not_our_authority",
        "reason": "Saluran sekunder milik provinsi.",
        "belongs_to": "BBWS",
    },
    AssignmentVerb.REVOKE: {"reason": "Dialihkan ke instansi yang berwenang."},
}


AT_RIVER: dict[str, Any] = {
    "title": "Sampah menyangkut di pintu air",
    "description": "Pintu air tidak dapat dibuka, air saluran Balai RW 02 tertahan.",
    "category": "sungai",
    "area": BAKALAN,
    "seen_on": "2026-03-02",
    "point": {"lat": -7.651988, "lon": 112.916102},
}


@dataclass
class Recorder:
    """Speaks to the API by operationId and keeps each exchange, its ids made the same every time."""

    client: AsyncClient
    document: Document
    house: House
    receiver: Receiver
    """PUPR's system."""
    notes: dict[str, str] = field(default_factory=dict)
    """What one chapter knows for a later one."""
    exchanges: dict[str, dict[str, Any]] = field(default_factory=dict)
    _ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.courier = Courier(self.house, chance=random.Random(1))
        self._places = {
            operation["operationId"]: (method, path, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        }

    async def log_in(self, username: str) -> "Speaker":
        response = await self.client.post(
            "/api/v1/auth/sessions", json={"username": username, "password": PASSWORD, "device": "HP kantor kelurahan"}
        )
        told = response.json()
        return Speaker(self, told["token"], told["posts"][0]["id"])

    async def send(self, operation: str, token: str | None, parameters: dict[str, Any], **content: Any) -> Any:
        """Sends one request and keeps the exchange; asserts that it was answered well."""
        method, path, told = self._places[operation]
        places = {each["name"]: each["in"] for each in told.get("parameters", ())}
        inside, query, headers = [
            {name: value for name, value in parameters.items() if places[name] == place}
            for place in ("path", "query", "header")
        ]
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        if "content" in content:
            headers["Content-Type"] = next(iter(told["requestBody"]["content"]))
        response: Response = await self.client.request(
            method, path.format(**inside), params=query, headers=headers, **content
        )
        assert response.is_success, (operation, response.text)
        media_type = response.headers.get("content-type", "")
        is_json = media_type == "application/json"
        kept: dict[str, Any] = {"parameters": self._shown(parameters)} if parameters else {}
        if "json" in content or "data" in content:
            kept["requests"] = {"bakalan": {"value": self._shown(content.get("json", content.get("data")))}}
        if is_json:
            kept["response"] = self._shown(response.json())
        elif media_type.startswith("text/csv"):
            kept["response"] = response.text.removeprefix("\ufeff")
        self.exchanges[operation] = kept
        return response.json() if is_json else None

    def _shown(self, node: Any, name: str = "") -> Any:
        if isinstance(node, dict):
            return {key: self._shown(each, key) for key, each in node.items()}
        if isinstance(node, list):
            return [self._shown(each, name) for each in node]
        if isinstance(node, str) and API_KEY.fullmatch(node):
            return SHOWN_API_KEY[: len(node)]
        if node is not None and name in SECRET:
            return SECRET[name] if node != PASSWORD else node
        if not isinstance(node, str):
            return node
        node = LINK.sub(SHOWN_LINK, node.replace(self.receiver.url, PUPRS_SYSTEM))
        return UUID.sub(self._same_each_time, ETAG.sub("9f3c21ab04d65e17", CURSOR.sub("9f3c21ab04d6", node)))

    def _same_each_time(self, match: re.Match[str]) -> str:
        if match[0].startswith(CHOSEN):
            return match[0]
        return self._ids.setdefault(match[0], f"01996d0e-4e00-7000-8000-{len(self._ids) + 1:012d}")

    def verbs(self, operation: str, said: dict[Any, dict[str, Any]]) -> None:
        """Shows one request for each verb instead of the one that was sent."""
        self.exchanges[operation]["requests"] = {
            verb.value: {"summary": f"{verb.value}: {verb.label}", "value": {"verb": verb.value, **carried}}
            for verb, carried in said.items()
        }


@dataclass(frozen=True)
class Speaker:
    """Somebody logged in, whose exchanges are kept."""

    recorder: Recorder
    token: str
    post: str

    async def __call__(self, operation: str, json: Any = None, **parameters: Any) -> Any:
        content = {} if json is None else {"json": json}
        return await self.recorder.send(operation, self.token, parameters, **content)


async def tell(recorder: Recorder, clock: SettableClock) -> None:
    """The whole story."""
    names = ("operator.bakalan", "lurah.bakalan", "camat.bugul-kidul", "petugas.pupr", "kepala.pupr", "admin")
    operator, lurah, camat, officer, head, admin = [await recorder.log_in(name) for name in names]
    for chapter in (
        *(_arriving, _looking_around, _a_blocked_drain, _at_the_river, _a_photo_in_pieces, _settling),
        *(_what_the_system_hears, _a_link, _packs_and_phones, _keeping_accounts, _keeping_registers),
        *(_a_system_leaves, _leaving),
    ):
        await chapter(recorder, operator=operator, lurah=lurah, camat=camat, officer=officer, head=head, admin=admin)
        clock.advance(timedelta(minutes=20))
    recorder.verbs("take_step", STEPS)
    recorder.verbs("take_assignment_step", PART_STEPS)


async def _arriving(recorder: Recorder, **_: Speaker) -> None:
    named = {"username": "lurah.bakalan", "password": PASSWORD}
    await recorder.send("log_in", None, {}, json={**named, "device": "HP kantor kelurahan"})
    await recorder.send("create_token", None, {}, data={"grant_type": "password", **named})
    await recorder.send("read_health", None, {})
    await recorder.send("read_readiness", None, {})


async def _looking_around(recorder: Recorder, *, lurah: Speaker, head: Speaker, **_: Speaker) -> None:
    await _a_system_joins(recorder, head)
    await lurah("read_me")
    await lurah("list_devices", limit=2)
    await lurah("list_areas", q="bakalan", limit=2)
    await lurah("read_area", code="35.75.03.1005")
    await lurah("list_agencies", kind="dinas", limit=2)
    await lurah("read_agency", code="PUPR")
    await lurah("list_categories", parent="drainase", limit=2)
    await lurah("list_responsibilities", category="saluran-tersumbat", area="35.75", limit=2)
    await lurah("count_working_days", **{"from": "2025-02-20", "days": 99, "area": "35.75"})
    calendar = await lurah("read_calendar", year=2026, area="35.75")
    recorder.exchanges["read_calendar"]["response"] = {**calendar, "days": calendar["days"][:3]}


async def _a_blocked_drain(
    recorder: Recorder, *, operator: Speaker, lurah: Speaker, camat: Speaker, officer: Speaker, **_: Speaker
) -> None:
    said = {
        "title": "Saluran tersumbat di depan Balai RW 02",
        "description": "Air meluap ke jalan setiap hujan lebih dari satu jam.",
        "category": "saluran-tersumbat",
        "area": "35.75.03.1005",
        "seen_on": "2026-03-02",
        "point": {"lat": -7.653421, "lon": 112.914479},
        "landmark": "Balai RW 02",
        "rt": "003",
        "rw": "002",
        "source": "resident",
        "reporter": {"name": "Warga RT 003", "phone": "+62 811 0000 0000"},
    }
    problem = await operator("report_problem", said)
    drain = {"problem_id": problem["id"]}
    await operator("edit_problem", {"address": "Gang Mawar, depan Balai RW 02"}, **drain)
    await recorder.send("send_photo", operator.token, drain, files={"file": ("saluran.jpg", picture(), "image/jpeg")})
    await lurah("comment_on_problem", {"text": "Sudah kami cek bersama ketua RT.", "internal": False}, **drain)
    await lurah("read_reporter", **drain)
    await lurah("take_step", {"verb": "forward"}, **drain)
    await camat("take_steps", {"items": [{"problem": problem["id"], "step": {"verb": "accept"}}]})
    assigned = await camat("take_step", {"verb": "assign", **STEPS[Verb.ASSIGN]}, **drain)
    parts = {each["agency"]: each["id"] for each in assigned["assignments"]}
    recorder.notes["DLHKP's part"] = parts["DLHKP"]
    part = {"assignment_id": parts["PUPR"]}
    await officer("take_assignment_step", {"verb": "accept"}, **part)
    await officer("read_assignment", **part)
    await officer("list_assignments", state="accepted", limit=1)
    await camat("list_problems", state="in_progress", area="35.75.03", limit=2)
    await lurah("list_comments", limit=2, **drain)
    await lurah("read_history", limit=3, **drain)
    (sent,) = (await lurah("read_problem", **drain))["photos"]
    await lurah("see_photo", photo_id=sent, small=True, **drain)


async def _a_system_joins(recorder: Recorder, head: Speaker) -> None:
    verbs = ["read", "events", "problem.attach", "assignment.accept", "assignment.progress", "assignment.finish"]
    made = await head("create_api_key", {"name": "SIM PUPR", "verbs": verbs, "expires_at": "2027-03-01T00:00:00+07:00"})
    recorder.notes |= {"PUPR's key": made["token"], "PUPR's key's id": made["key"]["id"]}
    heard = ["problem.assigned", "assignment.revoked", "problem.commented"]
    said = {"url": recorder.receiver.url, "description": "SIM PUPR, server utama", "events": heard}
    recorder.notes["PUPR's endpoint"] = (await head("create_endpoint", said))["id"]


async def _what_the_system_hears(recorder: Recorder, *, head: Speaker, **_: Speaker) -> None:
    """Its server was being looked after when the first event came."""
    system = Speaker(recorder, recorder.notes["PUPR's key"], "")
    (heard, *_) = (await system("list_events", limit=1))["items"]
    await system("acknowledge_events", {"ids": [heard["id"]]})
    await head("list_api_keys", limit=2)
    (joined,) = (await head("list_endpoints", limit=2))["items"]
    endpoint = {"endpoint_id": joined["id"]}
    recorder.receiver.answer_next(Reply(503, {"Retry-After": "120"}, b"Sedang pemeliharaan"))
    await recorder.courier.turn()
    (waiting,) = (await head("list_endpoint_deliveries", **endpoint))["items"]
    await head("cancel_delivery", delivery_id=waiting["id"])
    await head("retry_delivery", delivery_id=waiting["id"])
    await recorder.courier.turn()
    await head("read_delivery", delivery_id=waiting["id"])
    await head("ping_endpoint", **endpoint)
    await recorder.courier.turn()
    await head("list_endpoint_deliveries", limit=2, **endpoint)
    await head("change_endpoint", {"events": [*joined["events"], "assignment.accepted"]}, **endpoint)
    span = {"since": "2026-03-02T00:00:00+07:00", "until": recorder.house.clock().isoformat()}
    await head("recover_events", span, **endpoint)
    await recorder.courier.turn()
    await head("list_recoveries", limit=2, **endpoint)
    await head("read_endpoint", **endpoint)
    await head("rotate_secret", {"now": False}, **endpoint)


async def _a_link(recorder: Recorder, *, camat: Speaker, **_: Speaker) -> None:
    """DLHKP has no system."""
    part = {"assignment_id": recorder.notes["DLHKP's part"]}
    link = await camat("create_link", {"email": "dlhkp@pasuruankota.example", "days": 14}, **part)
    send_mail(recorder.house)
    await camat("list_links", limit=2, **part)
    await camat("revoke_link", link_id=link["id"])


async def _a_system_leaves(recorder: Recorder, *, head: Speaker, **_: Speaker) -> None:
    await head("remove_endpoint", endpoint_id=recorder.notes["PUPR's endpoint"])
    await head("revoke_api_key", key_id=recorder.notes["PUPR's key's id"])


async def _at_the_river(recorder: Recorder, *, operator: Speaker, lurah: Speaker, camat: Speaker, **_: Speaker) -> None:
    """Without signal. Meanwhile the lurah corrects what is recorded there, so some of it comes late."""
    held_above = (await camat("pull_documents", {"device": CAMATS_PHONE}))["after"]
    await operator("pull_documents", {"device": OLD_PHONE, "limit": 1})
    held = (await operator("pull_documents", {"device": PHONE}))["after"]
    said = _Said(operator.post)
    sent = await operator("push_operations", {"device": PHONE, "operations": [said("report", "02:31", 0, **AT_RIVER)]})
    await lurah(
        "edit_problem", {"title": "Sampah menyumbat pintu air", "landmark": "Pintu air RW 02"}, problem_id=RIVER
    )
    operations = [
        said("comment", "02:36", text="Air mulai naik ke halaman warga."),
        said("attach", "02:37", photo=PHOTO, size=len(RIVERS_PICTURE), sha256=sha256(RIVERS_PICTURE).hexdigest()),
        said("edit", "02:40", rt="003", rw="002"),
        said("edit", "02:41", title="Pintu air tersumbat batang bambu"),
        said("edit", "02:44", landmark="Jembatan bambu"),
        said("forward", "02:45"),
        said("edit", "02:47", address="Gang Melati"),
        said("report", "02:52", 0, problem=OTHER_BANK, **{**AT_RIVER, "category": "kali"}),
    ]
    answer = await operator(
        "push_operations",
        {
            "device": PHONE,
            "last_accepted": sent["device"]["accepted"],
            "operations": operations,
            "pull": {"device": PHONE, "after": held},
        },
    )
    outcomes = [each["outcome"] for each in answer["outcomes"]]
    assert outcomes == ["applied", "applied", "merged", "proposed", "proposed", "refused", "held", "refused"]
    await _up_to_the_kecamatan(recorder, camat, held_above)


async def _up_to_the_kecamatan(recorder: Recorder, camat: Speaker, held: dict[str, str]) -> None:
    """The camat's phone is known to hold it once it comes back with the cursors; then the camat takes note."""
    page = await camat("pull_documents", {"device": CAMATS_PHONE, "after": held})
    shown = recorder.exchanges["pull_documents"]
    await camat("pull_documents", {"device": CAMATS_PHONE, "after": held | page["after"]})
    recorder.exchanges["pull_documents"] = shown
    await camat("acknowledge", {"receipts": {BAKALAN: int(page["after"][BAKALAN].partition(".")[0])}})
    await camat("read_board", area="35.75.03")
    await camat("export_board", area="35.75.03")


@dataclass
class _Said:
    """What is done on a phone, each thing with the next id."""

    post: str
    count: int = 100

    def __call__(self, verb: str, at: str, base: int = 1, *, problem: str = RIVER, **data: Any) -> dict[str, Any]:
        self.count += 1
        operation = {"id": f"{CHOSEN}{self.count:012d}", "problem": problem, "verb": verb, "post": self.post}
        return operation | {"base": base, "at": f"2026-03-02T{at}:00Z", "data": data}


async def _a_photo_in_pieces(recorder: Recorder, *, operator: Speaker, **_: Speaker) -> None:
    await operator("read_upload_options")
    await operator(
        "create_upload", **{name.lower(): value for name, value in promise(RIVERS_PICTURE, uuid.UUID(PHOTO)).items()}
    )
    piece: dict[str, Any] = {"upload_id": PHOTO, "tus-resumable": "1.0.0"}
    await recorder.send("append_to_upload", operator.token, piece | {"upload-offset": "0"}, content=RIVERS_PICTURE)
    await operator("read_upload", **piece)
    await operator("end_upload", **piece)


async def _settling(_: Recorder, *, lurah: Speaker, **__: Speaker) -> None:
    """What waits for a person."""
    landmark, title = (await lurah("list_proposals", limit=2))["items"]
    await lurah("read_proposal", proposal_id=title["id"])
    await lurah("accept_proposal", {}, proposal_id=title["id"])
    await lurah("dismiss_proposal", {"reason": "Jembatan itu di seberang sungai."}, proposal_id=landmark["id"])
    report, forward = (await lurah("list_quarantine", area=BAKALAN, limit=2))["items"]
    await lurah("read_quarantined", operation_id=forward["id"])
    await lurah("adopt_operation", {}, operation_id=forward["id"])
    await lurah("dismiss_operation", {"reason": "Sudah tercatat bersama pintu air."}, operation_id=report["id"])


async def _packs_and_phones(recorder: Recorder, *, operator: Speaker, camat: Speaker, **_: Speaker) -> None:
    await camat("read_pack", pack="categories")
    pack = recorder.exchanges["read_pack"]["response"]
    recorder.exchanges["read_pack"]["response"] = {"items": pack["items"][:2]}
    await operator("list_sync_devices", limit=2)
    await operator("revoke_sync_device", device_id=OLD_PHONE["id"])


async def _keeping_accounts(_: Recorder, *, admin: Speaker, **__: Speaker) -> None:
    made = await admin("create_account", {"username": "siti.rahmawati", "name": "Siti Rahmawati"})
    her = {"id": made["account"]["id"]}
    post = await admin("appoint", {"account": her["id"], "kind": "operator", "area": "35.75.03.1005"})
    await admin("list_posts", area="35.75.03.1005", limit=2)
    await admin("end_post", {}, id=post["id"])
    await admin("replace_holder", {"kind": "lurah", "area": "35.75.03.1005", "account": her["id"], "acting": True})
    await admin("list_accounts", q="bakalan", limit=2)
    await admin("read_account", **her)
    await admin("list_account_devices", limit=2, **her)
    await admin("reset_password", **her)
    await admin("revoke_account_devices", **her)
    await admin("disable_account", **her)
    await admin("enable_account", **her)
    await admin("list_administration", limit=2)


async def _keeping_registers(_: Recorder, *, admin: Speaker, **__: Speaker) -> None:
    unit = {"code": "UPT-DRAINASE", "name": "UPT Drainase", "kind": "unit", "city": "35.75", "has_accounts": False}
    await admin("create_agency", unit | {"email": "upt.drainase@pasuruankota.example"})
    await admin("change_agency", {"has_accounts": True}, code="UPT-DRAINASE")
    await admin(
        "create_category",
        {
            "code": "saluran-ambles",
            "label": "Saluran ambles",
            "class": "ordinary",
            "proof_required": True,
            "parent_code": "drainase",
        },
    )
    await admin("change_category", {"proof_required": False}, code="saluran-ambles")
    rule = {"category": "saluran-ambles", "area": "35.75.03"}
    await admin("put_responsibility", {"agency": "UPT-DRAINASE"}, **rule)
    await admin("delete_responsibility", **rule)
    day = {"day": "2026-02-09", "area": "35.75"}
    await admin("put_override", {"working": False, "note": "Hari Jadi Kota Pasuruan"}, **day)
    await admin("list_overrides", limit=2)
    await admin("delete_override", **day)
    await admin("list_limits", limit=2)
    await admin("put_limit", {"amount": 12, "unit": "working_days"}, class_code="ordinary", stage="resolve")


async def _leaving(recorder: Recorder, **_: Speaker) -> None:
    await recorder.log_in("operator.bakalan")
    other = await recorder.log_in("operator.bakalan")
    devices = await other("list_devices", limit=2)
    found = next(each["id"] for each in devices["items"] if not each["current"])
    await other("revoke_device", id=found)
    await other("change_password", {"current": PASSWORD, "new": "pasir-putih-di-muara"})
    await other("log_out")


def as_text(exchanges: dict[str, dict[str, Any]]) -> str:
    """The exchanges as their file holds them."""
    return json.dumps(exchanges, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
