"""Push: what was done on a phone is done here, once, through the one write path; nothing of it is ever lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog
from pydantic import BaseModel
from sqlalchemy import bindparam, func, select, update
from sqlmodel import col

from app.agencies.queries import remembered_agencies
from app.areas.models import Area
from app.areas.queries import remembered as remembered_areas
from app.areas.words import Level, is_code, lies_in
from app.evidence.models import Photo
from app.kit.columns import columns_of, table_of
from app.kit.database import insert_rows, resolving_insert
from app.kit.doors import Door
from app.kit.house import Work
from app.kit.refusals import Conflict, IdReused, Refusal, Unexpected
from app.kit.words import COUNT_MAXIMUM
from app.people.actors import Actor, Person
from app.people.models import Post
from app.people.queries import PasswordChangeRequired, PostNotHeld
from app.problems.actions import Done, Held, Intent, perform_merging
from app.problems.models import Comment, ProblemRow
from app.problems.schemas.reports import AttachIn, CommentIn
from app.problems.words import Verb
from app.sync.actions.contact import note_areas, told_by
from app.sync.actions.devices import DeviceRevoked
from app.sync.models import Proposal, Quarantined, SyncDevice, SyncOperation
from app.sync.operations import AttachedIn, fingerprint_of, kind_of, said_by, sealed
from app.sync.photos import Photos
from app.sync.schemas import OperationIn, OperationOut, PullIn, PushIn
from app.sync.words import SCHEMA, SCHEMAS_TAKEN, Outcome

SaidT = TypeVar("SaidT", PullIn, PushIn)
_log = structlog.get_logger("ujung.sync")
_DEVICES, _POSTS = columns_of(SyncDevice), columns_of(Post)


class ServerRewound(Conflict):
    code = "server_rewound"
    title = "The server was set back to a backup: send again what you keep"
    judul = "Server dipulihkan dari cadangan: kirim ulang yang masih Anda simpan"


class SchemaUnknown(Conflict):
    code = "schema_unknown"
    title, judul = "The app speaks shapes that are not known here", "Versi aplikasi tidak dikenal server"


@dataclass(frozen=True)
class Pushed:
    """The outcomes, in the order of the operations, and the device as it now stands."""

    outcomes: list[OperationOut]
    device: SyncDevice


def push(door: Door[Person], said: PushIn) -> Pushed:
    """In a thread already: a batch in one transaction.

    Should that fail in a way nobody foresaw, each operation is done in one of its own, and only the culprit refused.
    """
    try:
        return door.act(lambda work: _Batch(work, said).push(said.operations))
    except Refusal:
        raise
    except Exception:  # noqa: BLE001 - whatever it was, it is to hold up nobody else's work
        _log.exception("batch failed", operations=len(said.operations))
    pushed: list[Pushed] = []
    for each in said.operations:
        so_far = still_waiting(said, pushed[-1].device) if pushed else said
        pushed.append(_one(door, so_far, each))
    if not pushed:
        raise Unexpected
    return Pushed([outcome for each in pushed for outcome in each.outcomes], pushed[-1].device)


def still_waiting(said: SaidT, device: SyncDevice) -> SaidT:
    """The same, said by a device that holds what it held and what of its push was held back."""
    waiting = {"waiting": device.waiting, "waiting_since": device.waiting_since}
    return said.model_copy(update={"device": said.device.model_copy(update=waiting)})


def _one(door: Door[Person], said: PushIn, operation: OperationIn) -> Pushed:
    try:
        return door.act(lambda work: _Batch(work, said).push([operation]))
    except Refusal:
        raise
    except Exception:  # noqa: BLE001 - the culprit, whatever it did
        _log.exception("operation failed", verb=operation.verb)
    return door.act(lambda work: _Batch(work, said, {operation.id: Unexpected()}).push([operation]))


@dataclass
class _Settled:
    """An operation and what became of it."""

    operation: OperationIn
    result: Done | Refusal
    outcome: OperationOut = field(init=False)

    @property
    def is_held(self) -> bool:
        return isinstance(self.result, Held)

    @property
    def log(self) -> str:
        assert isinstance(self.result, Done)
        return self.result.problem.area_code

    @property
    def kept_back(self) -> dict[str, Any]:
        assert isinstance(self.result, Done)
        return dict(self.result.merge.kept_back) if self.result.merge else {}


class _Batch:
    """One transaction of a push: everything read at the start, decided in memory, written at the end."""

    def __init__(self, work: Work[Person], said: PushIn, refused: Mapping[UUID, Refusal] | None = None) -> None:
        self._work = work
        self._session = work.session
        self._me = work.caller
        self._said = said
        self._refused = refused or {}
        self._fingerprints: dict[UUID, str] = {}
        """Of the operations, each as it came first."""

    def push(self, operations: Sequence[OperationIn]) -> Pushed:
        """Does what is new of it, and tells what became of all."""
        if self._me.must_change_password:
            raise PasswordChangeRequired
        if not SCHEMA - SCHEMAS_TAKEN <= self._said.device.schema_ <= SCHEMA:
            raise SchemaUnknown(newest=SCHEMA)
        device = self._locked_device()
        known = self._known(operations)
        if self._is_rewound(device, known):
            raise ServerRewound(accepted=device.accepted)
        fingerprints = [fingerprint_of(each) for each in operations]
        first: dict[UUID, OperationIn] = {}
        for each, fingerprint in zip(operations, fingerprints, strict=True):
            if first.setdefault(each.id, each) is each:
                self._fingerprints[each.id] = fingerprint
        new = [each for each in first.values() if each.id not in known]
        outcomes = self._done(new, device) if new else {}
        told = zip(operations, fingerprints, strict=True)
        return Pushed([self._told(*each, known, outcomes) for each in told], device)

    # -- what is known -----------------------------------------------------------------------------------------------

    def _locked_device(self) -> SyncDevice:
        """The device, noted as heard of and locked: two pushes of one device take turns."""
        said, now = self._said.device, self._work.now
        told = told_by(said, now)
        row = told | {"account_id": self._me.account_id, "id": said.id, "first_contact_at": now}
        statement = resolving_insert(self._session, SyncDevice).values(row | {"accepted": 0, "safe": 0})
        statement = statement.on_conflict_do_update(
            index_elements=["account_id", "id"], set_={name: statement.excluded[name] for name in told}
        ).returning(*_DEVICES)
        device = SyncDevice(**self._session.connection().execute(statement).mappings().one())
        if device.revoked_at is not None:
            raise DeviceRevoked
        return device

    def _known(self, operations: Sequence[OperationIn]) -> dict[UUID, SyncOperation]:
        last = self._said.device.last_operation
        ids = [*(each.id for each in operations), *filter(None, [last])]
        if not ids:
            return {}
        rows = self._session.scalars(select(SyncOperation).where(col(SyncOperation.id).in_(ids)))
        return {each.id: each for each in rows}

    def _is_rewound(self, device: SyncDevice, known: Mapping[UUID, SyncOperation]) -> bool:
        """Whether it was told of operations that are not here: a number alone may have been given anew to its clone."""
        last = self._said.device.last_operation
        has_last = last is None or (last in known and known[last].account_id == device.account_id)
        return self._said.last_accepted > device.accepted or not has_last

    def _stuck(self, operations: Sequence[OperationIn]) -> set[UUID]:
        """Problems on which a step of this device was refused, and no person has settled it yet."""
        statement = select(col(Quarantined.problem_id)).where(
            col(Quarantined.account_id) == self._me.account_id,
            col(Quarantined.device_id) == self._said.device.id,
            col(Quarantined.problem_id).in_({each.problem for each in operations}),
            col(Quarantined.settlement).is_(None),
            col(Quarantined.verb).not_in((Verb.COMMENT, Verb.ATTACH)),
            col(Quarantined.refusal)["code"].as_string() != IdReused.code,
        )
        return set(self._session.scalars(statement))

    def _remarks(self, ids: Sequence[UUID]) -> set[UUID]:
        """Those of the ids that a comment has already."""
        if not ids:
            return set()
        return set(self._session.scalars(select(col(Comment.id)).where(col(Comment.id).in_(ids))))

    def _actors(self, operations: Sequence[OperationIn]) -> dict[UUID, tuple[Actor, bool]]:
        """Who acts under each post that is named, and whether the post is held now."""
        rows = self._session.connection().execute(
            _OWN_POSTS, {"account": self._me.account_id, "ids": list({each.post for each in operations})}
        )
        return {row.id: (self._actor(row), _is_held(row, self._work.now)) for row in rows}

    def _actor(self, post: Any) -> Actor:
        return Actor(
            account_id=self._me.account_id,
            name=self._me.name,
            post_id=post.id,
            kind=post.kind,
            area_code=post.area_code,
            agency_code=post.agency_code,
            acting=post.acting,
            session_id=self._me.session_id,
            must_change_password=False,
        )

    # -- do ----------------------------------------------------------------------------------------------------------

    def _done(self, new: Sequence[OperationIn], device: SyncDevice) -> dict[UUID, OperationOut]:
        actors = self._actors(new)
        said = {each.id: said_by(each) for each in new}
        photos = Photos(self._session, [each for each in said.values() if isinstance(each, AttachedIn)])
        remarks = self._remarks([each.id for each in new if isinstance(said[each.id], CommentIn)])
        said |= dict.fromkeys(remarks, IdReused())
        intents = [self._intent(each, said[each.id], actors.get(each.post), photos) for each in new]
        results = perform_merging(self._work, intents, self._stuck(new))
        done = [_Settled(*each) for each in zip(new, results, strict=True)]
        for each in done:
            device.accepted += not each.is_held
            each.outcome = _outcome(each.operation, each.result, device.accepted)
        self._write(done, {post: actor for post, (actor, _) in actors.items()})
        held = [each.operation for each in done if each.is_held]
        device.waiting = min(device.waiting + len(held), COUNT_MAXIMUM)
        since = [*(each.at for each in held), *filter(None, [device.waiting_since])]
        device.waiting_since = min(since, default=None)
        areas = {actor.area_code for actor, is_held in actors.values() if is_held and actor.area_code}
        if areas:
            note_areas(self._session, device.account_id, device.id, areas, self._work.now)
        numbered = {
            "area": min(areas, default=None),
            "account": device.account_id,
            "device": device.id,
            "number": device.accepted,
            "count": device.waiting,
            "since": device.waiting_since,
        }
        self._session.connection().execute(_NUMBERING, numbered)
        return {each.operation.id: each.outcome for each in done}

    def _intent(
        self, operation: OperationIn, said: BaseModel | Refusal, post: tuple[Actor, bool] | None, photos: Photos
    ) -> Intent:
        actor, is_held = post or (None, False)
        refusal = said if isinstance(said, Refusal) else None if is_held else PostNotHeld()
        rows: tuple[Photo, ...] = ()
        claim = said.photo if isinstance(said, AttachedIn) else None
        if isinstance(said, AttachedIn):
            if refusal is None:
                refusal, rows = photos.taken(
                    said, self._me.account_id, self._work.now, self._work.house.settings.max_photo_bytes
                )
            seen_before = said.sha256 in photos.hashes
            said = AttachIn(photo=said.photo, base=operation.base or None, seen_before=seen_before)
        is_remark = operation.verb in (Verb.COMMENT, Verb.ATTACH) and operation.assignment is None
        return Intent(
            problem_id=operation.problem,
            said=None if isinstance(said, Refusal) else said,
            part_id=operation.assignment,
            base=operation.base,
            proposal_id=operation.id,
            happened_at=operation.at,
            actor=actor,
            in_turn=not (is_remark and isinstance(said, Refusal)),
            refusal=self._refused.get(operation.id, refusal),
            for_author=actor is not None and isinstance(said, CommentIn) and operation.id not in self._refused,
            claim=claim,
            rows=rows,
        )

    # -- write -------------------------------------------------------------------------------------------------------

    def _write(self, done: Sequence["_Settled"], actors: Mapping[UUID, Actor]) -> None:
        """What was taken, in the order of the ids, so that batches that meet wait for each other in one order."""
        taken = sorted((each for each in done if not each.is_held), key=lambda each: each.operation.id)
        refused = [each for each in taken if each.outcome.outcome is Outcome.REFUSED]
        proposed = [each for each in taken if each.outcome.outcome is Outcome.PROPOSED]
        if taken:
            insert_rows(self._session, SyncOperation, [self._taken(each.operation, each.outcome) for each in taken])
        if refused:
            logs = self._logs([each.operation for each in refused], actors)
            rows = [
                self._kept(each.operation, actors.get(each.operation.post))
                | {
                    "log": logs[each.operation.id],
                    "assignment_id": each.operation.assignment,
                    "data": sealed(self._work.house, each.operation.data),
                    "refusal": each.outcome.refusal,
                    "device_id": self._said.device.id,
                }
                for each in refused
            ]
            insert_rows(self._session, Quarantined, rows)
        if proposed:
            rows = [
                self._kept(each.operation, actors[each.operation.post]) | {"log": each.log, "yours": each.kept_back}
                for each in proposed
            ]
            insert_rows(self._session, Proposal, rows)

    def _taken(self, operation: OperationIn, outcome: OperationOut) -> dict[str, Any]:
        return {
            "id": operation.id,
            "account_id": self._me.account_id,
            "device_id": self._said.device.id,
            "number": outcome.number,
            "fingerprint": self._fingerprints[operation.id],
            "outcome": outcome.outcome,
            "problem_id": operation.problem,
            "version": outcome.version,
            "refusal": outcome.refusal,
            "proposal_id": outcome.proposal,
            "received_at": self._work.now,
        }

    def _kept(self, operation: OperationIn, actor: Actor | None) -> dict[str, Any]:
        """What proposals and quarantine both keep of an operation."""
        return {
            "id": operation.id,
            "problem_id": operation.problem,
            "verb": kind_of(operation),
            "base": operation.base,
            "account_id": self._me.account_id,
            "author": self._me.name,
            "post": actor.view if actor else "unknown",
            "recorded_at": operation.at,
            "received_at": self._work.now,
            "settlement": None,
            "settled_at": None,
            "settled_by": None,
        }

    def _logs(self, refused: Sequence[OperationIn], actors: Mapping[UUID, Actor]) -> dict[UUID, str | None]:
        """The area whose people see each: where the problem lies, or was to lie; else the sender's own."""
        statement = select(col(ProblemRow.id), col(ProblemRow.area_code)).where(
            col(ProblemRow.id).in_({each.problem for each in refused})
        )
        lying = dict(self._session.execute(statement).all())
        named = {each.id: str(each.data.get("area", "")) for each in refused}
        areas = remembered_areas(self._session, {code for code in named.values() if is_code(code)})
        agencies = remembered_agencies(
            self._session, {each.agency_code for each in actors.values() if each.agency_code}
        )
        logs: dict[UUID, str | None] = {}
        for each in refused:
            actor = actors.get(each.post)
            if actor is None or _is_of_another_side(each, actor):
                continue
            agency = agencies.get(actor.agency_code or "")
            own = actor.area_code or (agency.city_code if agency else None)
            inside = own is not None and _is_village(areas, named[each.id]) and lies_in(named[each.id], own)
            logs[each.id] = lying.get(each.problem) or (named[each.id] if inside else own)
        return {each.id: logs.get(each.id) for each in refused}

    # -- tell --------------------------------------------------------------------------------------------------------

    def _told(
        self,
        operation: OperationIn,
        fingerprint: str,
        known: Mapping[UUID, SyncOperation],
        outcomes: Mapping[UUID, OperationOut],
    ) -> OperationOut:
        """What became of it; of one that came before, what was answered then."""
        before = known.get(operation.id)
        if before is None:
            if self._fingerprints[operation.id] != fingerprint:
                return _outcome(operation, IdReused(), None)
            return outcomes[operation.id]
        if before.account_id != self._me.account_id or before.fingerprint != fingerprint:
            return _outcome(operation, IdReused(), None)
        return OperationOut(
            id=before.id,
            outcome=before.outcome,
            replayed=True,
            number=before.number if before.device_id == self._said.device.id else None,
            version=before.version,
            refusal=before.refusal,
            proposal=before.proposal_id,
        )


def _outcome(operation: OperationIn, result: Done | Refusal, number: int | None) -> OperationOut:
    if isinstance(result, Refusal):
        held = isinstance(result, Held)
        return OperationOut(
            id=operation.id,
            outcome=Outcome.HELD if held else Outcome.REFUSED,
            replayed=False,
            number=None if held else number,
            version=None,
            refusal=result.body(),
            proposal=None,
        )
    outcome = Outcome.APPLIED
    if result.merge is not None and result.merge.kept_back:
        outcome = Outcome.PROPOSED
    elif result.merge is not None and result.merge.is_merged:
        outcome = Outcome.MERGED
    return OperationOut(
        id=operation.id,
        outcome=outcome,
        replayed=False,
        number=number,
        version=result.problem.version,
        refusal=None,
        proposal=operation.id if outcome is Outcome.PROPOSED else None,
    )


def _is_village(areas: Mapping[str, Area], code: str) -> bool:
    return code in areas and areas[code].level is Level.VILLAGE


def _is_of_another_side(operation: OperationIn, actor: Actor) -> bool:
    """A remark that an agency meant for itself: nobody else reads it, also where it was refused."""
    return actor.kind.in_agency and operation.verb == Verb.COMMENT and bool(operation.data.get("internal"))


_OWN_POSTS: Any = select(*_POSTS).where(
    _POSTS.account_id == bindparam("account"), _POSTS.id.in_(bindparam("ids", expanding=True))
)
_NUMBERING = (
    update(table_of(SyncDevice))
    .where(_DEVICES.account_id == bindparam("account"), _DEVICES.id == bindparam("device"))
    .values(
        accepted=bindparam("number"),
        waiting=bindparam("count"),
        waiting_since=bindparam("since"),
        area_code=func.coalesce(_DEVICES.area_code, bindparam("area")),
    )
)


def _is_held(post: Any, now: datetime) -> bool:
    return bool(post.since <= now and (post.until is None or post.until > now))
