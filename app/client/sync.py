"""One sync from beginning to end: operations up, documents down, packs, photos; it ends whatever the server answers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.client.backoff import Backoff
from app.client.phone import DOCUMENTS, Phone
from app.client.protocol import Busy, LoggedOut, Refused, Revoked, Rewound, Server, Unreachable
from app.client.uploads import CHUNK_BYTES, send_photo
from app.client.words import OPERATIONS_MAXIMUM, Pulled, Request

_ROUNDS_MAXIMUM = 4
_UNREADABLE = (413, 422)
_NO_SUCH_POST = ("post_not_held", "no_post")

Told = Callable[[str, int, int], None]
"""Hears of a stage (`operations`, `documents`, `photos`) how much is done of how much."""


@dataclass
class Summary:
    """What one sync did."""

    operations: int = 0
    documents: int = 0
    photos: int = 0
    mismatched: tuple[str, ...] = ()
    rewound: bool = False
    photo_refusals: tuple[str, ...] = ()
    """Why photos were not taken."""


class Sync:
    """Puts the halves of the exchanges together. Killed at any moment, the next one goes on."""

    def __init__(
        self,
        phone: Phone,
        server: Server,
        backoff: Backoff,
        *,
        told: Told = lambda stage, done, total: None,
        chunk: int = CHUNK_BYTES,
        page: int = DOCUMENTS,
    ) -> None:
        self._phone = phone
        self._server = server
        self._backoff = backoff
        self._told = told
        self._chunk = chunk
        self._page = page
        self.summary = Summary()

    def run(self) -> Summary:
        """Everything. Raises what stopped it; what was done until then stays done.

        `Revoked` has erased the phone when it is raised.
        """
        try:
            self._phone.begin_sync()
            try:
                self._exchange()
            except Refused as refused:
                if refused.code not in _NO_SUCH_POST:
                    raise
                self._phone.hold_posts(self._server.me()["posts"])
                self._exchange()
            self._photos()
            if self._phone.post is not None:
                self._packs()
        except Revoked:
            self._phone.erase()
            raise
        return self.summary

    def _exchange(self) -> None:
        """Up and down, and again where the server turns out to want what it had once more."""
        for _round in range(_ROUNDS_MAXIMUM):
            pulled = self._push()
            if self._phone.post is not None:
                self._pull(pulled)
            if self._phone.push_request() is None:
                break

    def _push(self) -> Pulled | None:
        """The outbox; answers what became of the pull that came along, None where none did."""
        pulled, most, rewinds, carries = None, OPERATIONS_MAXIMUM, 0, True
        total = len(self._phone.outbox())
        while (request := self._phone.push_request(most=most, pull=carries)) is not None:
            try:
                answer = self._ask(request)
            except Rewound as refused:
                rewinds += 1
                if rewinds == _ROUNDS_MAXIMUM:
                    raise
                self._phone.apply_rewound(request, refused.accepted)
                continue
            except Refused as refused:
                if refused.status not in _UNREADABLE:
                    raise
                carries = False  # it may have been that
                if len(request.operations) > 1:
                    most = len(request.operations) // 2
                elif "pull" not in request.body:
                    self._phone.set_aside(request.operations[0], refused.body)
                    most = OPERATIONS_MAXIMUM
                continue
            pulled = self._phone.apply_push(request, answer)
            if {each["id"] for each in answer["outcomes"]} != set(request.operations):
                raise Unreachable("The server did not say what became of each operation.")
            self.summary.operations += sum(each["outcome"] != "held" for each in answer["outcomes"])
            self._told("operations", self.summary.operations, max(total, self.summary.operations))
            self._note(pulled)
        return pulled

    def _pull(self, before: Pulled | None) -> None:
        """Page after page, on from the one that came with the push. Ends where pages bring it no further."""
        stale = 0
        while before is None or before.more or not before.applied:
            request = self._phone.pull_request(limit=self._page)
            try:
                answer = self._ask(request)
            except Refused as refused:
                if refused.status not in _UNREADABLE or not self._phone.read_all_anew():
                    raise
                continue
            before = self._phone.apply_pull(request, answer)
            self._note(before)
            if not before.moved:
                stale += 1
                if stale == _ROUNDS_MAXIMUM:
                    break

    def _note(self, pulled: Pulled | None) -> None:
        if pulled is not None and pulled.applied:
            summary = self.summary
            summary.documents += pulled.documents
            summary.rewound = summary.rewound or pulled.rewound
            summary.mismatched += pulled.mismatched
            self._told("documents", summary.documents, summary.documents + int(pulled.more))

    def _ask(self, request: Request) -> dict[str, Any]:
        return self._backoff.keep_trying(lambda: self._server.send(request))

    def _photos(self) -> None:
        """One photo that is refused keeps no other from going."""
        phone = self._phone
        for photo in [each.id for each in phone.photos() if each.refusal is None]:
            try:
                send_photo(phone.store, self._server, self._backoff, photo, self._chunk, self._told_bytes)
            except (Busy, LoggedOut, Revoked):
                raise
            except Refused as refused:
                if refused.status in _UNREADABLE or refused.code == "id_reused":  # it will never be better
                    phone.photo_refused(photo, str(refused))
                self.summary.photo_refusals += (str(refused),)
            else:
                phone.photo_sent(photo)
                self.summary.photos += 1

    def _told_bytes(self, arrived: int, size: int) -> None:
        self._told("photos", arrived, size)

    def _packs(self) -> None:
        for name, etag in self._phone.packs_to_fetch():
            found = self._backoff.keep_trying(partial(self._server.pack, name, etag, self._phone.post))
            if found is not None:
                self._phone.keep_pack(name, *found)
