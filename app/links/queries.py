"""Questions about links: whose they are, and what one shows to whoever opens it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select
from sqlmodel import Session, col

from app.agencies.models import Agency
from app.areas.queries import remembered as remembered_areas
from app.areas.words import ancestors_of
from app.evidence.models import Photo
from app.kit.house import House, Work
from app.kit.paging import Page, Slice
from app.kit.refusals import NotFound, NotPermitted, Refusal
from app.links import policy
from app.links.models import AssignmentLink
from app.links.schemas import LinkKept, LinkMailOut, LinkOut
from app.links.tokens import address_of, is_signed, read_token
from app.links.words import LinkState
from app.people.actors import Actor
from app.people.models import Account
from app.problems import policy as problems_policy
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.queries import records
from app.problems.queries.aggregate import load
from app.problems.queries.details import AssignmentNotFound, ProblemNotFound, problem_of, shape, visible
from app.problems.schemas.answers import AssignmentOut, HistoryOut, PhotoOut, ProblemOut
from app.problems.words import AssignmentState, AssignmentVerb

_log = structlog.get_logger("ujung.links")

HAPPENED_MAXIMUM = 60
"""Of what happened, the newest, on the page of a link."""
_OF_THE_WHOLE = frozenset({"disputed", "confirmed", "reopened", "asked", "answered", "held", "resumed"})
"""Facts of the problem that whoever works on a part of it has to know, from when the part was offered."""


class LinkNotFound(NotFound):
    code, title, judul = "link_not_found", "No such link, or not yours to see", "Tautan tidak ditemukan"


class LinkOver(Refusal):
    """The link was good once. Said only to whoever holds a signature of ours."""

    status, code = 410, "link_over"
    title, judul = "This link opens nothing any more", "Tautan ini sudah tidak berlaku"
    advice: ClassVar[str] = "Mintalah tautan baru kepada kantor yang mendisposisikan."


class LinkExpired(LinkOver):
    code, title, judul = "link_expired", "This link has expired", "Masa berlaku tautan ini sudah habis"


class LinkRevoked(LinkOver):
    code, title, judul = "link_revoked", "This link was revoked", "Tautan ini sudah dicabut"


class AssignmentTakenBack(LinkOver):
    code = "assignment_taken_back"
    title, judul = "The assignment of this link was revoked", "Disposisi ini sudah dicabut"
    advice = "Tidak ada lagi yang perlu dikerjakan untuk disposisi ini."


# -- for those who give links ----------------------------------------------------------------------------------------


def given(work: Work[Actor], assignment_id: UUID) -> tuple[Problem, Assignment]:
    """An assignment that the caller may give links to, and its problem."""
    try:
        problem = visible(work, problem_of(work.session, assignment_id))
    except ProblemNotFound:
        raise AssignmentNotFound from None
    part = problem.assignment(assignment_id)
    if part is None:
        raise AssignmentNotFound
    if not policy.give.holds(work.caller, problems_policy.Part(problem, part), work.now):
        raise NotPermitted
    return problem, part


def links(work: Work[Actor], assignment_id: UUID, slicing: Slice) -> Page[LinkOut]:
    """The links that were given to an assignment, newest first."""
    given(work, assignment_id)
    statement = select(AssignmentLink).where(col(AssignmentLink.assignment_id) == assignment_id)
    rows = work.session.scalars(slicing.apply(statement, col(AssignmentLink.id))).all()
    items, after = slicing.cut(rows, "id")
    names = _names(work.session, {each.created_by for each in items if each.created_by})
    return Page(
        items=[with_address(work.house, kept(each, names.get(each.created_by, "Sistem"), work.now)) for each in items],
        next=after,
    )


def _names(session: Session, account_ids: Collection[UUID]) -> dict[UUID | None, str]:
    if not account_ids:
        return {}
    rows = session.execute(select(col(Account.id), col(Account.name)).where(col(Account.id).in_(account_ids)))
    return dict(rows.all())


def kept(link: AssignmentLink, created_by: str, now: datetime) -> LinkKept:
    """A link as it may be kept: without what opens it."""
    state = link.state_at(now)
    mail = None
    if link.mail_to is not None:
        mail = LinkMailOut(
            to=link.mail_to,
            state=link.mail_state,
            state_label=link.mail_state.label,
            attempts=link.mail_attempts,
            sent_at=link.mail_sent_at,
            next_at=link.mail_at,
        )
    return LinkKept(
        id=link.id,
        reference=link.reference,
        assignment_id=link.assignment_id,
        problem_id=link.problem_id,
        agency=link.agency_code,
        state=state,
        state_label=state.label,
        created_at=link.created_at,
        created_by=created_by,
        expires_at=link.expires_at,
        revoked_at=link.revoked_at,
        used_at=link.used_at,
        mail=mail,
    )


def given_before(work: Work[Actor], link: LinkKept) -> LinkOut:
    """A link that was given by a request that comes again: as it stands now, and only to who may still give it."""
    row = work.session.get(AssignmentLink, link.id)
    if row is None:
        raise LinkNotFound
    given(work, row.assignment_id)
    return with_address(work.house, kept(row, link.created_by, work.now))


def with_address(house: House, link: LinkKept) -> LinkOut:
    """The link with what opens it, while it does."""
    url = address_of(house, link.id, link.expires_at) if link.state is LinkState.ACTIVE else None
    return LinkOut(**dict(link), url=url)


# -- for whoever opens one -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """What a token stands for."""

    link: AssignmentLink
    problem: Problem
    part: Assignment


def opened(session: Session, house: House, token: str, now: datetime) -> Opened:
    """What this token opens.

    One that we did not sign is not found, whatever it names; one that we signed is told why it is over.
    """
    claimed = read_token(token)
    link = session.get(AssignmentLink, claimed[0]) if claimed else None
    if claimed is None or link is None or not is_signed(house.vault, link.id, link.expires_at, claimed[1]):
        _log.warning("link not opened", code=LinkNotFound.code)
        raise LinkNotFound
    problem = load(session, [link.problem_id], now)[link.problem_id]
    part = problem.assignment(link.assignment_id)
    over = _over(link, part, now)
    if over is not None:
        _log.info("link not opened", link=str(link.id), code=over.code)
        raise over
    assert part is not None, "or it is taken back"
    return Opened(link, problem, part)


def _over(link: AssignmentLink, part: Assignment | None, now: datetime) -> LinkOver | None:
    """Why a link that was good once opens nothing any more."""
    match link.state_at(now):
        case LinkState.REVOKED:
            return LinkRevoked()
        case LinkState.EXPIRED:
            return LinkExpired()
    return AssignmentTakenBack() if part is None or part.state is AssignmentState.REVOKED else None


@dataclass(frozen=True)
class Shown:
    """Everything that the page of a link tells."""

    link: AssignmentLink
    token: str
    problem: ProblemOut
    part: AssignmentOut
    zone: ZoneInfo
    now: datetime
    photos: Sequence[PhotoOut]
    happened: Sequence[HistoryOut]
    photo_megabytes: int
    """The largest photo that is taken."""
    agencies: Sequence[tuple[str, str]]
    """Code and name of those to which the part may belong instead, where it can still be refused."""


def shown(session: Session, house: House, token: str, now: datetime) -> Shown:
    """The assignment as its page tells it."""
    found = opened(session, house, token, now)
    _log.info("link opened", link=str(found.link.id), assignment=str(found.part.id))
    work = Work(session, policy.actor_of(found.link), now, house)
    (problem,) = shape(work, [found.problem])
    part = next(each for each in problem.assignments if each.id == found.part.id)
    record = records.opened(work, [problem.id])[problem.id]
    area = remembered_areas(session, {problem.area})[problem.area]
    return Shown(
        link=found.link,
        token=token,
        problem=problem,
        part=part,
        zone=ZoneInfo(area.time_zone),
        now=now,
        photos=[each for each in record.photos if not each.awaited],
        happened=_concerning(part, record.history)[-HAPPENED_MAXIMUM:],
        photo_megabytes=house.settings.max_photo_bytes // 2**20,
        agencies=_others(session, part.agency, problem.area) if AssignmentVerb.REFUSE in part.may else (),
    )


def _concerning(part: AssignmentOut, history: Sequence[HistoryOut]) -> list[HistoryOut]:
    """What happened to this part, and to the whole since it was offered, oldest first; and what was said to all.

    Not what stays within the agency: whoever gives the link can open it too.
    """
    named = str(part.id)
    return [
        each
        for each in history
        if each.data.get("assignment") == named
        or any(offer["id"] == named for offer in each.data.get("offers", ()))
        or (each.kind in _OF_THE_WHOLE and each.at >= part.offered_at)
        or (each.kind == "commented" and not each.data.get("internal"))
    ]


def _others(session: Session, agency_code: str, area_code: str) -> list[tuple[str, str]]:
    statement = (
        select(col(Agency.code), col(Agency.name))
        .where(
            col(Agency.city_code).in_([area_code, *ancestors_of(area_code)]),
            col(Agency.active),
            col(Agency.code) != agency_code,
        )
        .order_by(col(Agency.name))
    )
    return [(code, name) for code, name in session.execute(statement)]


def photo(session: Session, house: House, token: str, photo_id: UUID, now: datetime) -> Photo:
    """A photo of the problem whose part the link opens."""
    found = opened(session, house, token, now)
    return records.photo(Work(session, policy.actor_of(found.link), now, house), found.problem.id, photo_id)
