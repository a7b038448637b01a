"""What there is to speak about: ids and codes in the store, days near today, and what earlier answers told."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from schemathesis.core.transport import Response
from schemathesis.transport.serialization import Binary
from sqlalchemy import select
from sqlmodel import col

from app.agencies.models import Agency, Category
from app.agencies.words import CategoryClass
from app.areas.models import Area
from app.journal.models import LogHead
from app.kit.house import House
from app.kit.ids import new_id
from app.links.models import AssignmentLink
from app.people.models import Account, ApiKey, DeviceSession, Post
from app.problems.models import AssignmentRow, ProblemPhoto, ProblemRow
from app.sync.models import Proposal, Quarantined, SyncDevice, SyncOperation, Upload
from app.sync.words import SCHEMA, Pack
from app.webhooks.models import Delivery, Endpoint, Event
from tests.sync.pieces import promise
from tests.town import Someone, picture

PASSWORD = "sungai-bersih-2026"
"""Everybody's."""
AT_MOST = 300
STRANGE_CURSORS = ["0.000000000000", "1.000000000000", "999999999.ffffffffffff"]
"""Of the right shape, and nobody's."""
RENEWED_EVERY = 250
REMEMBERED = 20

KINDS = {
    "problem_id": "problems",
    "problem": "problems",
    "main": "problems",
    "id": "problems",
    "assignment_id": "assignments",
    "assignment": "assignments",
    "photo_id": "photos",
    "photos": "photos",
    "photo": "uploads",
    "upload_id": "uploads",
    "proposal_id": "proposals",
    "operation_id": "quarantined",
    "device_id": "sync devices",
    "device id": "sync devices",
    "operations id": "operations",
    "key_id": "api keys",
    "endpoint_id": "endpoints",
    "delivery_id": "deliveries",
    "link_id": "links",
    "ids": "events",
    "url": "urls",
    "email": "offices' addresses",
    "recoveries since": "moments before",
    "recoveries until": "moments before",
    "expires_at": "moments to come",
    "pack": "packs",
    "schema": "schemas",
    "last_accepted": "numbers",
    "upload-offset": "offsets",
    "upload-length": "lengths",
    "upload-metadata": "promises",
    "tus-resumable": "versions of tus",
    "accounts id": "accounts",
    "posts id": "posts",
    "sessions id": "devices",
    "account": "accounts",
    "by": "accounts",
    "username": "usernames",
    "x-post": "own posts",
    "post": "own posts",
    "area": "areas",
    "city": "areas",
    "areas code": "areas",
    "areas parent": "areas",
    "agency": "agencies",
    "lead": "agencies",
    "support": "agencies",
    "optional_support": "agencies",
    "belongs_to": "agencies",
    "agencies code": "agencies",
    "category": "categories",
    "categories code": "categories",
    "categories parent": "categories",
    "parent_code": "categories",
    "class_code": "classes",
    "day": "days",
    "from": "days",
    "seen_on": "days",
    "target_on": "days",
    "review_on": "days",
    "recorded_from": "days",
    "recorded_to": "days",
    "version": "versions",
    "base": "versions",
    "file": "pictures",
    "current": "passwords",
    "password": "passwords",
    "after": "cursors",
    "if-match": "tags",
    "if-none-match": "tags",
    "idempotency-key": "keys",
}
"""What stands in a field, by its name; where that says too little, by the collection in the path too."""
SAYS_TOO_LITTLE = {"id", "code", "parent", "since", "until"}
BY_LOG = {"after", "receipts"}
"""Fields that hold something for each log."""


class Stock:
    """Values by the name of the field that they fit."""

    def __init__(self, house: House, who: Someone | None) -> None:
        self._house = house
        self._who = who
        self._values: dict[str, list[Any]] = {}
        self._may: dict[str, list[str]] = {}
        self._cursors: list[str] = []
        self._tags: list[str] = []
        self._logs: dict[str, list[str]] = {}
        """Cursors that a pull told, by log."""
        self.photos: list[tuple[str, str]] = []
        """Problem and photo."""
        self.renew(0)

    def known(self, name: str, place: str) -> list[Any]:
        """What may stand in a field of a request to this path."""
        name = name.lower()
        if name in SAYS_TOO_LITTLE:
            collections = [each for each in place.split("/") if f"{each} {name}" in KINDS]
            name = " ".join([*collections[-1:], name])
        return self._values.get(KINDS.get(name, ""), [])

    def by_log(self, name: str) -> dict[str, list[Any]]:
        """What may stand in a field that holds something for each log."""
        if name == "receipts":
            return dict.fromkeys(self._values["logs"], self._values["positions"])
        return {log: self._logs.get(log, STRANGE_CURSORS) for log in self._values["logs"]}

    def offering(self, verb: object) -> list[str]:
        """The problems, and assignments, that offered this verb when they were last seen."""
        return [each for each, may in self._may.items() if verb in may]

    def learn(self, response: Response) -> None:
        """Remembers what an answer offers: verbs, a cursor, an ETag."""
        for tag in response.headers.get("etag", ()):
            self._tags = [*self._tags, tag][-REMEMBERED:]
        if response.status_code >= 300 or response.headers.get("content-type") != ["application/json"]:
            return
        body = response.json()
        self._follow(body.get("pull") or body)
        if body.get("next"):
            self._cursors = [*self._cursors, body["next"]][-REMEMBERED:]
        for record in (body, *body.get("assignments", ())):
            if "may" in record:
                self._may[record["id"]] = record["may"]

    def _follow(self, body: Mapping[str, Any]) -> None:
        """Where a pull led to, and what its documents offer."""
        if "documents" not in body:
            return
        for log, cursor in body["after"].items():
            self._logs[log] = [*self._logs.get(log, STRANGE_CURSORS), cursor][-REMEMBERED:]
        for document in body["documents"]:
            self._may[document["id"]] = document["may"]
            for part, may in zip(document["assignments"], document["may_parts"], strict=True):
                self._may[part["id"]] = may

    def renew(self, visits: int) -> None:
        """Looks into the store now and then."""
        if visits % RENEWED_EVERY:
            return
        now, shown = self._house.clock(), picture()
        today = now.date()
        columns = {
            "problems": col(ProblemRow.id),
            "assignments": col(AssignmentRow.id),
            "photos": col(ProblemPhoto.photo_id),
            "uploads": col(Upload.id),
            "proposals": col(Proposal.id),
            "quarantined": col(Quarantined.id),
            "operations": col(SyncOperation.id),
            "sync devices": col(SyncDevice.id),
            "logs": col(LogHead.log),
            "accounts": col(Account.id),
            "usernames": col(Account.username),
            "posts": col(Post.id),
            "devices": col(DeviceSession.id),
            "areas": col(Area.code),
            "agencies": col(Agency.code),
            "api keys": col(ApiKey.id),
            "endpoints": col(Endpoint.id),
            "deliveries": col(Delivery.id),
            "events": col(Event.id),
            "links": col(AssignmentLink.id),
            "categories": col(Category.code),
        }
        with self._house.database.read() as session:
            found = {
                name: [str(each) for each in session.scalars(select(column).order_by(column).limit(AT_MOST))]
                for name, column in columns.items()
            }
            pairs = select(col(ProblemPhoto.problem_id), col(ProblemPhoto.photo_id)).limit(AT_MOST)
            self.photos = [(str(problem), str(photo)) for problem, photo in session.execute(pairs)]
        self._values = found | {
            "own posts": [str(self._who.actor.post_id)] if self._who else [],
            "packs": [each.value for each in Pack],
            "schemas": [SCHEMA],
            "numbers": [0],
            "positions": [0, 1, 2, 3, 1_000],
            "classes": [each.value for each in CategoryClass],
            "days": [str(today + timedelta(days=each)) for each in (-8, -1, 0, 1, 14)],
            "moments before": [(now - timedelta(days=each)).isoformat() for each in (100, 30, 7, 1)],
            "moments to come": [(now + timedelta(days=each)).isoformat() for each in (1, 365)],
            "urls": ["https://sim.pupr.example/terima", "https://sim.pupr.example:8443/", "https://10.0.0.1/"],
            "offices' addresses": ["dlhkp@pasuruankota.example"],
            "versions": [1, 2, 3],
            "offsets": ["0"],
            "versions of tus": ["1.0.0"],
            "lengths": [str(len(shown))],
            "promises": [promise(shown, new_id())["Upload-Metadata"] for _ in range(3)],
            "pictures": [Binary(shown)],
            "passwords": [PASSWORD],
            "cursors": self._cursors,
            "tags": [*self._tags, "*", '"1.0"'],
            "keys": ["kunci-1", "kunci-2", "kunci-3"],
        }
