"""A phone: records at once and without signal, and synchronises when there is one.

Each exchange comes in two halves, `pull_request` and `apply_pull`, `push_request` and `apply_push`, and between them
anything may happen: the answer is lost, comes twice, comes late, the app is killed. `sync` puts them together.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.client import documents, outbox, overlay
from app.client.outbox import moment
from app.client.protocol import PULL, PUSH
from app.client.store import Store
from app.client.words import (
    OPERATIONS_MAXIMUM,
    PULL_BYTES,
    SCHEMA,
    Photo,
    Problem,
    Pulled,
    Recorded,
    Request,
    Tick,
    Waiting,
)

DOCUMENTS = 500
"""Of one page, unless told otherwise."""
COUNTED_EVERY = timedelta(days=1)


class OtherAccount(Exception):
    """This phone holds what somebody else recorded."""


class NoPost(Exception):
    """Whoever is logged in holds no such post."""


class Phone:
    """What a person does on a phone, over one store."""

    def __init__(self, store: Store, clock: Callable[[], datetime], new_id: Callable[[], UUID]) -> None:
        self.store = store
        self._clock = clock
        self._new_id = new_id

    # -- who holds it ------------------------------------------------------------------------------------------------

    def adopt(self, address: str, username: str, logged_in: dict[str, Any], name: str) -> None:
        """Keeps what logging in answered. The same person may log in again at any time, and loses nothing."""
        store = self.store
        with store.change():
            if store.setting("username", username) != username:
                raise OtherAccount("Somebody else's work is on this phone: let them send it, or use another store.")
            if store.setting("device") is None:
                store.set(device=str(self._new_id()))
            store.set(address=address, username=username, token=logged_in["token"], name=name)
            self._hold(logged_in["posts"])

    def hold_posts(self, posts: list[dict[str, Any]]) -> None:
        """The posts that are held now. What was brought for others goes; the outbox stays."""
        with self.store.change():
            self._hold(posts)

    def _hold(self, posts: list[dict[str, Any]]) -> None:
        store = self.store
        store.connection.execute("DELETE FROM post")
        for each in posts:
            place = each["area"] or each["agency"]
            label = each["kind_label"] + (f" {place['name']}" if place else "")
            area = each["area"]["code"] if each["area"] else None
            store.connection.execute("INSERT INTO post VALUES (?, ?, ?)", (each["id"], label, area))
        held = [each["id"] for each in posts]
        documents.leave_posts(store, held)
        if store.setting("post") not in held:
            store.set(post=held[0] if held else None)

    def use_post(self, post: str) -> None:
        """From now on this one of one's posts acts and reads; each post keeps its own documents and cursors."""
        if not self._holds(post):
            raise NoPost("You hold no such post.")
        with self.store.change():
            self.store.set(post=post)

    @property
    def post(self) -> str | None:
        """The post in use."""
        post: str | None = self.store.setting("post")
        return post

    def erase(self) -> None:
        """This device was revoked: nothing stays, not even what was not sent."""
        self.store.erase()

    # -- recording ---------------------------------------------------------------------------------------------------

    def record(
        self, verb: str, data: dict[str, Any], *, problem: str | None = None, assignment: str | None = None
    ) -> Recorded:
        """Something done here. When this returns it is on the disk, and only then may the person be told so."""
        with self.store.change():
            return self._record(verb, data, problem or str(self._new_id()), assignment)

    def attach(self, problem: str, content: bytes) -> Recorded:
        """A photo of a problem: the photo and the operation that tells of it are on the disk when this returns."""
        photo, sha256 = str(self._new_id()), hashlib.sha256(content).hexdigest()
        if not content:
            raise ValueError("The photo is empty.")
        with self.store.change() as connection:
            data = {"photo": photo, "sha256": sha256, "size": len(content)}
            recorded = self._record("attach", data, problem, None)
            connection.execute(
                "INSERT INTO photo (id, operation, size, sha256) VALUES (?, ?, ?, ?)",
                (photo, recorded.operation, len(content), sha256),
            )
            connection.execute("INSERT INTO photo_bytes (photo, bytes) VALUES (?, ?)", (photo, content))
        return replace(recorded, photo=photo)

    def _record(self, verb: str, data: dict[str, Any], problem: str, assignment: str | None) -> Recorded:
        if self.post is None:
            raise NoPost("You hold no post to act under.")
        known = self.store.value("SELECT version FROM document WHERE post = ? AND id = ?", self.post, problem)
        operation_id = str(self._new_id())
        operation = {
            "id": operation_id,
            "problem": problem,
            "assignment": assignment,
            "verb": verb,
            "post": self.post,
            "base": known or 0,
            "at": moment(self._clock()),
            "data": data,
        }
        outbox.add(self.store, operation)
        return Recorded(operation_id, problem)

    # -- pull --------------------------------------------------------------------------------------------------------

    def pull_request(self, *, limit: int = DOCUMENTS) -> Request:
        """What this post asks for next."""
        return self._request(PULL, self._pull_body(limit, besides=()))

    def apply_pull(self, request: Request, answer: dict[str, Any]) -> Pulled:
        """A page, its cursors and its marks in one transaction; an answer to another question changes nothing."""
        store, post = self.store, request.post
        with store.change():
            if post is None or not self._holds(post) or not self._asked_now(request):
                return Pulled(applied=False)
            if answer["from"] != documents.cursors(store, post):
                return Pulled(applied=False)
            mismatched = documents.apply_page(store, post, answer)
            known = answer["device"]["accepted"]
            is_set_back = "rewound" in answer["resync"].values() or answer["device"]["rewound"]
            rewound = is_set_back or known < request.accepted
            if rewound:
                self._rewind(min(self._accepted, known))
            elif not answer["more"]:
                outbox.told_of(store, post, request.accepted)
            if answer["digest"] is not None and not answer["more"]:
                store.set(counted_at=moment(self._clock()))
            store.set(reference=json.dumps(answer["reference"]))
            self._note_device(answer)
        return Pulled(
            applied=True,
            moved=documents.cursors(store, post) != answer["from"],
            more=answer["more"] or bool(mismatched),
            documents=len(answer["documents"]),
            rewound=rewound,
            mismatched=tuple(mismatched),
        )

    def read_all_anew(self) -> bool:
        """The server cannot read the cursors: every log from its start; False where it cannot have been those."""
        with self.store.change():
            return self.post is not None and documents.read_all_anew(self.store, self.post)

    # -- push --------------------------------------------------------------------------------------------------------

    def begin_sync(self) -> None:
        """What is held is asked for again, once in each sync, so that a sync ends."""
        with self.store.change():
            outbox.ask_again(self.store)

    def push_request(self, *, most: int = OPERATIONS_MAXIMUM, pull: bool = False) -> Request | None:
        """The next operations of the outbox; None where nothing is left to ask for in this sync.

        With `pull` the last of them asks for documents too, so that one round trip does both.
        """
        operations, last = outbox.batch(self.store, most)
        if not operations:
            return None
        ids = [each["id"] for each in operations]
        body = {"device": self._device(ids), "last_accepted": self._accepted, "operations": operations}
        if pull and last and self.post is not None:
            asked = self._pull_body(DOCUMENTS, besides=ids)
            if len(str(asked["after"])) <= PULL_BYTES:
                body["pull"] = asked
        return self._request(PUSH, body)

    def apply_push(self, request: Request, answer: dict[str, Any]) -> Pulled | None:
        """Outcomes, in one transaction; then, in another, the pull that came along, whose fate is answered."""
        with self.store.change():
            if not self._asked_now(request):
                return None
            outbox.settle(self.store, answer["outcomes"], _normal(answer["server_time"]))
            numbers = (each["number"] or 0 for each in answer["outcomes"])
            self.store.set(last_accepted=max(self._accepted, *numbers, 0))
            self._note_device(answer)
        if answer["pull"] is None:
            return None
        return self.apply_pull(replace(request, accepted=self._accepted), answer["pull"])

    def apply_rewound(self, request: Request, accepted: int) -> None:
        """The server knows only operations up to this number: whatever is retained goes back to the outbox."""
        with self.store.change():
            if self._asked_now(request):
                self._rewind(accepted)

    def set_aside(self, operation: str, refusal: dict[str, Any]) -> None:
        """An operation that the server cannot even read stays here, with the reason, and stops nobody else's."""
        with self.store.change():
            outbox.set_aside(self.store, operation, refusal)

    # -- what is shown -----------------------------------------------------------------------------------------------

    def problems(self) -> list[Problem]:
        """What this post sees, with what was done here laid over it; the newest first."""
        return overlay.problems(self.store, self.post)

    def ticks(self) -> dict[str, Tick]:
        """How far each problem has come on its way up."""
        return {each.id: each.tick for each in self.problems()}

    def outbox(self) -> list[Waiting]:
        """What waits to be sent, oldest first; with a refusal: what is held, and why."""
        return outbox.unanswered(self.store)

    def quarantine(self) -> list[Waiting]:
        """What the server refused, and why."""
        return outbox.refused(self.store)

    # -- packs and photos --------------------------------------------------------------------------------------------

    def photos(self) -> list[Photo]:
        """Photos on this phone whose bytes have not arrived, oldest first."""
        found = self.store.rows("SELECT * FROM photo WHERE sent_after IS NULL ORDER BY rowid")
        return [Photo(row["id"], row["size"], row["refusal"]) for row in found]

    def packs_to_fetch(self) -> list[tuple[str, str | None]]:
        """Packs that changed since they were fetched, with the ETag of what is held."""
        present: dict[str, str] = json.loads(self.store.setting("reference", "{}"))
        held = {row["name"]: row["etag"] for row in self.store.rows("SELECT name, etag FROM pack")}
        return [(name, held.get(name)) for name, etag in present.items() if _bare(held.get(name)) != _bare(etag)]

    def keep_pack(self, name: str, etag: str, body: str) -> None:
        with self.store.change() as connection:
            connection.execute("INSERT OR REPLACE INTO pack VALUES (?, ?, ?)", (name, etag, body))

    def pack(self, name: str) -> dict[str, Any] | None:
        """A pack as it was last fetched."""
        body = self.store.value("SELECT body FROM pack WHERE name = ?", name)
        return None if body is None else json.loads(body)

    def photo_sent(self, photo: str) -> None:
        """All its bytes have arrived."""
        with self.store.change() as connection:
            connection.execute("UPDATE photo SET sent_after = ? WHERE id = ?", (self._accepted, photo))

    def photo_refused(self, photo: str, why: str) -> None:
        """The server will never take these bytes: they are not sent again, and whoever took the photo is told."""
        with self.store.change() as connection:
            connection.execute("UPDATE photo SET refusal = ? WHERE id = ?", (why, photo))

    # -- parts -------------------------------------------------------------------------------------------------------

    @property
    def _accepted(self) -> int:
        return int(self.store.setting("last_accepted", 0))

    @property
    def _epoch(self) -> int:
        return int(self.store.setting("epoch", 0))

    def _asked_now(self, request: Request) -> bool:
        """Whether the request is of this device, and not from before the server was rewound."""
        return request.epoch == self._epoch and request.body["device"]["id"] == self.store.setting("device")

    def _holds(self, post: str | None) -> bool:
        return self.store.value("SELECT 1 FROM post WHERE id = ?", post) is not None

    def _request(self, path: str, body: dict[str, Any]) -> Request:
        pulls = path == PULL or "pull" in body
        if pulls and self.post is None:
            raise NoPost("You hold no post to read for.")
        return Request(path, self.post if pulls else None, body, self._epoch, self._accepted)

    def _device(self, besides: Iterable[str]) -> dict[str, Any]:
        waiting, since = outbox.waiting(self.store, besides)
        return {
            "id": self.store.setting("device"),
            "name": self.store.setting("name"),
            "schema": SCHEMA,
            "sent_at": moment(self._clock()),
            "waiting": waiting,
            "waiting_since": since,
            "last_operation": outbox.last_taken(self.store),
        }

    def _pull_body(self, limit: int, *, besides: Iterable[str]) -> dict[str, Any]:
        after = documents.cursors(self.store, self.post) if self.post is not None else {}
        counted = self.store.setting("counted_at")
        due = counted is None or self._clock() - datetime.fromisoformat(counted) >= COUNTED_EVERY
        return {"device": self._device(besides), "after": after, "limit": limit, "digest": due}

    def _rewind(self, accepted: int) -> None:
        outbox.take_back(self.store)
        self.store.set(last_accepted=accepted, epoch=self._epoch + 1)

    def _note_device(self, answer: dict[str, Any]) -> None:
        device = answer["device"]
        self.store.set(
            synced_at=answer["server_time"], clock_wrong=int(device["clock_wrong"]), upgrade=int(device["upgrade"])
        )
        outbox.forget(self.store, device["safe"], datetime.fromisoformat(answer["server_time"]))


def _normal(server_time: str) -> str:
    return moment(datetime.fromisoformat(server_time).astimezone(UTC))


def _bare(etag: str | None) -> str | None:
    """An ETag without what HTTP puts around it."""
    return None if etag is None else etag.removeprefix("W/").strip('"')
