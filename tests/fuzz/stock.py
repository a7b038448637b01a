"""What there is to speak about: ids and codes in the store, days near today, and what earlier answers told."""

from datetime import timedelta
from typing import Any

from schemathesis.core.transport import Response
from schemathesis.transport.serialization import Binary
from sqlalchemy import select
from sqlmodel import col

from app.agencies.models import Agency, Category
from app.agencies.words import CategoryClass
from app.areas.models import Area
from app.kit.house import House
from app.people.models import Account, DeviceSession, Post
from app.problems.models import AssignmentRow, ProblemPhoto, ProblemRow
from app.sync.models import Upload
from tests.town import Someone, picture

PASSWORD = "sungai-bersih-2026"
"""Everybody's."""
AT_MOST = 300
RENEWED_EVERY = 250
REMEMBERED = 20

KINDS = {
    "problem_id": "problems",
    "problem": "problems",
    "main": "problems",
    "id": "problems",
    "assignment_id": "assignments",
    "photo_id": "photos",
    "photos": "photos",
    "upload_id": "uploads",
    "upload-offset": "offsets",
    "tus-resumable": "versions of tus",
    "accounts id": "accounts",
    "posts id": "posts",
    "sessions id": "devices",
    "account": "accounts",
    "by": "accounts",
    "username": "usernames",
    "x-post": "own posts",
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
SAYS_TOO_LITTLE = {"id", "code", "parent"}


class Stock:
    """Values by the name of the field that they fit."""

    def __init__(self, house: House, who: Someone | None) -> None:
        self._house = house
        self._who = who
        self._values: dict[str, list[Any]] = {}
        self._may: dict[str, list[str]] = {}
        self._cursors: list[str] = []
        self._tags: list[str] = []
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
        if body.get("next"):
            self._cursors = [*self._cursors, body["next"]][-REMEMBERED:]
        for record in (body, *body.get("assignments", ())):
            if "may" in record:
                self._may[record["id"]] = record["may"]

    def renew(self, visits: int) -> None:
        """Looks into the store now and then."""
        if visits % RENEWED_EVERY:
            return
        today = self._house.clock().date()
        columns = {
            "problems": col(ProblemRow.id),
            "assignments": col(AssignmentRow.id),
            "photos": col(ProblemPhoto.photo_id),
            "uploads": col(Upload.id),
            "accounts": col(Account.id),
            "usernames": col(Account.username),
            "posts": col(Post.id),
            "devices": col(DeviceSession.id),
            "areas": col(Area.code),
            "agencies": col(Agency.code),
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
            "classes": [each.value for each in CategoryClass],
            "days": [str(today + timedelta(days=each)) for each in (-8, -1, 0, 1, 14)],
            "versions": [1, 2, 3],
            "offsets": ["0"],
            "versions of tus": ["1.0.0"],
            "pictures": [Binary(picture())],
            "passwords": [PASSWORD],
            "cursors": self._cursors,
            "tags": [*self._tags, "*", '"1.0"'],
            "keys": ["kunci-1", "kunci-2", "kunci-3"],
        }
