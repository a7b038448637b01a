"""Writes of links: given, revoked, offered by themselves, and what is done through one."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy import CursorResult, update
from sqlmodel import Session, col

from app.agencies.queries import remembered_agencies
from app.evidence.actions import Prepared, receive
from app.evidence.pictures import Claim
from app.journal.actions import administration
from app.journal.facts import Recorded
from app.kit.database import insert_rows
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.kit.models import RememberedAnswer
from app.kit.refusals import Conflict, Refusal, Unprocessable
from app.links import policy
from app.links.models import AssignmentLink
from app.links.queries import LinkNotFound, LinkOver, Opened, given, kept, opened
from app.links.schemas import LinkIn, LinkKept
from app.links.words import LinkState
from app.people.actors import Actor
from app.people.queries import known_account
from app.problems.actions import Intent, attach, check_attachable, comment, perform
from app.problems.lifecycle.steps import check_part
from app.problems.queries.details import AssignmentNotFound
from app.problems.schemas.parts import (
    PartAccept,
    PartFinish,
    PartProgress,
    PartRefuse,
    PartResume,
    PartStart,
)
from app.problems.schemas.reports import CommentIn
from app.problems.words import AssignmentState, AssignmentVerb

_log = structlog.get_logger("ujung.links")

_FORM: Final = "form:"
_OFFERING = ("assigned", "authority_decided")
_DONE = 303
"""The status of a form's answer."""


class AssignmentOver(Conflict):
    code = "assignment_over"
    title, judul = "The assignment is no longer open", "Disposisi ini sudah tidak berjalan"


class LinkNotActive(Conflict):
    code = "link_not_active"
    title, judul = "The link is no longer good", "Tautan ini sudah tidak berlaku lagi"


class LinkTooLong(Unprocessable):
    code = "link_too_long"
    title, judul = "No link is good for so long", "Masa berlaku tautan terlalu panjang"


class FormNotFilled(Unprocessable):
    """Some fields of a form on the page are missing or wrong; `fields` are their names."""

    code = "form_not_filled"
    title, judul = "Some fields are missing or wrong", "Isian belum lengkap atau keliru"

    def __init__(self, fields: Sequence[str] = ()) -> None:
        super().__init__(fields=list(fields))
        self.fields = tuple(fields)


# -- giving links ----------------------------------------------------------------------------------------------------


def create_link(work: Work[Actor], assignment_id: UUID, said: LinkIn) -> LinkKept:
    """A link to an assignment that is still open; sent by mail where an address is given."""
    problem, part = given(work, assignment_id)
    if not part.is_open:
        raise AssignmentOver(state=part.state.value)
    longest = work.house.settings.link_days
    if said.days is not None and said.days > longest:
        raise LinkTooLong(days=longest)
    link = AssignmentLink(
        **_row(work, problem.id, part.id, part.agency_code, said.days or longest, said.email),
        created_by=work.caller.account_id,
    )
    work.session.add(link)
    administration(
        work,
        "link.created",
        problem.number,
        link=str(link.id),
        assignment=str(part.id),
        agency=part.agency_code,
        days=said.days or longest,
        mailed=said.email is not None,
    )
    return kept(link, work.caller.name, work.now)


def revoke_link(work: Work[Actor], link_id: UUID) -> LinkKept:
    """From now on the link opens nothing; a mail that waits is not sent."""
    link = work.session.get(AssignmentLink, link_id, with_for_update=True)
    if link is None:
        raise LinkNotFound
    try:
        problem, _ = given(work, link.assignment_id)
    except AssignmentNotFound:
        raise LinkNotFound from None
    state = link.state_at(work.now)
    if state is not LinkState.ACTIVE:
        raise LinkNotActive(state=state.value)
    link.revoked_at, link.mail_at = work.now, None
    administration(work, "link.revoked", problem.number, link=str(link.id), assignment=str(link.assignment_id))
    return kept(link, _maker(work.session, link), work.now)


def _maker(session: Session, link: AssignmentLink) -> str:
    return known_account(session, link.created_by).name if link.created_by else "Sistem"


def offer_links(work: Work[Any], recorded: Sequence[Recorded]) -> None:
    """A subscriber: an agency with an e-mail address and no accounts is sent a link to each part it is offered."""
    offers = [
        (each.subject, offer)
        for each in recorded
        if each.fact.kind in _OFFERING and not each.author.is_import
        for offer in each.fact.data["offers"]
    ]
    if not offers:
        return
    agencies = remembered_agencies(work.session, {offer["agency"] for _, offer in offers})
    days = work.house.settings.link_days
    rows = [
        _row(work, problem_id, UUID(offer["id"]), offer["agency"], days, email)
        for problem_id, offer in offers
        if (email := agencies[offer["agency"]].email) and not agencies[offer["agency"]].has_accounts
    ]
    if rows:
        insert_rows(work.session, AssignmentLink, rows)


def _row(
    work: Work[Any], problem_id: UUID, assignment_id: UUID, agency_code: str, days: int, email: str | None
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "assignment_id": assignment_id,
        "problem_id": problem_id,
        "agency_code": agency_code,
        "created_at": work.now,
        "expires_at": work.now.replace(microsecond=0) + timedelta(days=days),
        "mail_to": email,
        "mail_at": work.now if email else None,
        "mail_attempts": 0,
    }


# -- what is done through a link -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filled:
    """A form of the page, as it was sent."""

    verb: str
    form: str
    """Names the page that the form stood on: the same form with the same content has effect once."""
    fields: Mapping[str, str] = field(default_factory=dict)
    photo: bytes = b""
    claim: Claim = field(default_factory=Claim)

    @property
    def fingerprint(self) -> str:
        said = [self.form, self.verb, *(f"{name}={value}" for name, value in sorted(self.fields.items()))]
        photo = hashlib.sha256(self.photo).hexdigest()
        return hashlib.sha256("\0".join([*said, photo]).encode(errors="backslashreplace")).hexdigest()


def submit(house: House, token: str, filled: Filled) -> str:
    """Does what the form says, once; answers its verb. Slow where a photo comes: call it in a thread.

    The photo is stored before the one transaction that writes everything else.
    """
    with house.database.read() as session:
        found = opened(session, house, token, house.clock())
        link = found.link
        if _is_done(session, link.id, filled):
            return filled.verb
        try:
            takes_photo = _foresee(Work(session, policy.actor_of(link), house.clock(), house), found, filled)
        except Refusal as refusal:
            raise _logged(link, filled, refusal) from None
    try:
        prepared = receive(house, filled.photo, filled.claim) if takes_photo else None
        house.database.perform(lambda session: _do(session, house, token, link.id, filled, prepared))
    except Refusal as refusal:
        raise _logged(link, filled, refusal) from None
    _log.info("link used", link=str(link.id), assignment=str(link.assignment_id), verb=filled.verb)
    return filled.verb


def _logged(link: AssignmentLink, filled: Filled, refusal: Refusal) -> Refusal:
    _log.info("link refused", link=str(link.id), verb=filled.verb[:20], code=refusal.code)
    return refusal


def _foresee(work: Work[Actor], found: Opened, filled: Filled) -> bool:
    """Whether a photo is to be taken in; refuses what is refused anyhow before anything slow is done for it."""
    steps = _steps(found, filled, ())
    if not filled.photo or not isinstance(steps[-1], PartProgress | PartFinish):
        return False
    check_part(found.problem, found.part, AssignmentVerb(steps[0].verb))
    check_attachable(work, found.problem.id)
    return True


def _do(session: Session, house: House, token: str, link_id: UUID, filled: Filled, prepared: Prepared | None) -> None:
    now = house.clock()
    has_turn = _take_turn(session, link_id, now)
    found = opened(session, house, token, now)
    if not has_turn:
        raise LinkOver
    if _is_done(session, link_id, filled):
        return
    work = Work(session, policy.actor_of(found.link), now, house)
    photos = (attach(work, found.problem.id, prepared, None, None).id,) if prepared else ()
    steps = _steps(found, filled, photos)
    if isinstance(steps[0], CommentIn):
        comment(work, found.problem.id, steps[0])
    else:
        intents = [Intent(problem_id=found.problem.id, part_id=found.part.id, said=each) for each in steps]
        for outcome in perform(work, intents):
            if isinstance(outcome, Refusal):
                raise outcome
    remembered = {
        "account_id": link_id,
        "key": _FORM + filled.fingerprint,
        "fingerprint": filled.fingerprint,
        "status": _DONE,
        "body": filled.verb,
        "at": now,
    }
    insert_rows(session, RememberedAnswer, [remembered])


def _is_done(session: Session, link_id: UUID, filled: Filled) -> bool:
    """Whether this form was sent before, with the same content."""
    return session.get(RememberedAnswer, (link_id, _FORM + filled.fingerprint)) is not None


def _take_turn(session: Session, link_id: UUID, now: datetime) -> bool:
    """Locks the link and notes its use, so that its forms and its revocation wait for each other."""
    using = (
        update(AssignmentLink)
        .where(
            col(AssignmentLink.id) == link_id,
            col(AssignmentLink.revoked_at).is_(None),
            col(AssignmentLink.expires_at) > now,
        )
        .values(used_at=now)
    )
    result: CursorResult[Any] = session.connection().execute(using)
    return bool(result.rowcount)


def _steps(found: Opened, filled: Filled, photos: tuple[UUID, ...]) -> list[Any]:
    """What the form says, step by step: work that was only accepted begins with its first progress, or its end."""
    letter = f"Tautan {found.link.reference}" if found.part.by_hand else None
    is_taken = found.part.state is AssignmentState.ACCEPTED
    start = [PartStart(verb="start", letter=letter)] if is_taken else []
    named: dict[str, Any] = {"verb": filled.verb, "letter": letter}
    match filled.verb:
        case "accept":
            return [PartAccept(**named)]
        case "resume":
            return [PartResume(**named)]
        case "progress":
            return [*start, _said(PartProgress, filled, ("note", "percent"), **named, photos=photos)]
        case "finish":
            return [*start, _said(PartFinish, filled, ("resolution", "note"), **named, photos=photos)]
        case "refuse":
            return [_said(PartRefuse, filled, ("reason_code", "reason", "belongs_to"), **named)]
        case "comment":
            return [_said(CommentIn, filled, ("text",))]
    raise FormNotFilled(["verb"])


def _said(shape: type[BaseModel], filled: Filled, names: Sequence[str], **other: Any) -> Any:
    """The verb in its shape; fields that were left empty are left out."""
    said = {name: value for name in names if (value := filled.fields.get(name, "").strip())}
    try:
        return shape(**said, **other)
    except ValidationError as error:
        raise FormNotFilled([str(each["loc"][0]) for each in error.errors()]) from None
