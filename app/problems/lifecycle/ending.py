"""How a problem ends and comes back: finishing, confirming, disputing, rejecting, appealing, deferring, doubling."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from uuid import UUID

from app.journal.facts import Fact
from app.kit.refusals import Conflict, Unprocessable
from app.people.words import PostKind
from app.problems.facts import fact
from app.problems.lifecycle.context import Context, StepNotAllowed, TooLate
from app.problems.lifecycle.kelurahan import is_sampled, open_parts
from app.problems.lifecycle.record import Problem
from app.problems.schemas.steps import (
    Appeal,
    Confirm,
    DecideAppeal,
    DeferToPlanning,
    Dispute,
    Finish,
    MarkDuplicate,
    Reject,
    Reopen,
    Unmark,
)
from app.problems.words import Closing, Ground, Resolution, State, Verb, Worker

REOPEN_DAYS = 30
APPEAL_WORKING_DAYS = 10

_PROVED = frozenset({Resolution.REPAIRED, Resolution.SERVED, Resolution.PREVENTED})
"""Resolutions that leave something to photograph; a problem not found or only explained leaves nothing."""


class ProofRequired(Unprocessable):
    code, title, judul = "proof_required", "A photo has to prove this", "Wajib disertai foto bukti"


class UnknownPhoto(Unprocessable):
    code, title, judul = "unknown_photo", "This photo was not sent to this problem", "Foto tidak ada pada masalah ini"


class MainNotPossible(Conflict):
    code = "main_not_possible"
    title, judul = "That problem cannot be the main one", "Masalah itu tidak dapat menjadi induk"


class AppealedBefore(Conflict):
    code, title, judul = "appealed_before", "A rejection can be appealed once", "Penolakan hanya dapat dibanding sekali"


def check_proof(problem: Problem, photos: Iterable[UUID], context: Context, *, needed: bool) -> list[str]:
    """The photos' ids as a fact keeps them; refuses foreign ones, and none where proof is needed."""
    named = list(photos)
    if any(photo not in problem.photos for photo in named):
        raise UnknownPhoto
    if needed and problem.proof_required and not named and not context.author.is_import:
        raise ProofRequired
    return [str(photo) for photo in named]


def is_proof_omitted(problem: Problem, photos: Collection[UUID], *, needed: bool) -> bool | None:
    """True where a proof that is needed is missing, as only an import's may be; else None, which a fact leaves out."""
    return (needed and problem.proof_required and not photos) or None


def needs_proof(resolution: Resolution) -> bool:
    return resolution in _PROVED


def finish(problem: Problem, said: Finish, context: Context) -> list[Fact]:
    needed = needs_proof(said.resolution)
    photos = check_proof(problem, said.photos, context, needed=needed)
    is_local = problem.ground is Ground.HANDLED_LOCALLY
    awaits = not is_local or is_sampled(problem, context.local_sample_percent)
    return [
        fact(
            "finished",
            {"note": said.note},
            resolution=said.resolution.value,
            worked_by=(Worker.KELURAHAN if is_local else Worker.KECAMATAN).value,
            awaits_confirmation=awaits,
            photos=photos or None,
            proof_omitted=is_proof_omitted(problem, said.photos, needed=needed),
        )
    ]


def finish_is_open(problem: Problem, _context: Context) -> None:
    if problem.lead is not None:
        raise StepNotAllowed(problem, Verb.FINISH)


def confirm(problem: Problem, said: Confirm, context: Context) -> list[Fact]:
    return [fact("confirmed", rating=said.rating, revoked=open_parts(problem), automatic=context.is_automatic or None)]


def dispute(problem: Problem, said: Dispute, context: Context) -> list[Fact]:
    needed = problem.resolution is not None and needs_proof(problem.resolution)
    photos = check_proof(problem, said.photos, context, needed=needed)
    return [fact("disputed", {"reason": said.reason}, photos=photos or None)]


def reopen_is_open(problem: Problem, context: Context) -> None:
    """Resolved within thirty days, planned, or withdrawn; what returns later is a new problem, linked as recurring."""
    if problem.state is State.CLOSED:
        if problem.closing not in (Closing.PLANNED, Closing.WITHDRAWN):
            raise StepNotAllowed(problem, Verb.REOPEN)
    elif problem.resolved_at is not None and context.now > problem.resolved_at + timedelta(days=REOPEN_DAYS):
        raise TooLate("Record it again and link it as recurring.")


def reopen(problem: Problem, said: Reopen, context: Context) -> list[Fact]:
    is_lurah = context.actor is not None and context.actor.kind is PostKind.LURAH
    if problem.lead is not None:
        to = "assignment"
    elif problem.accepted_at is None and (problem.ground is Ground.HANDLED_LOCALLY or is_lurah):
        to = "handled_locally"
    else:
        to = "accepted"
    due_at = context.due(problem, "resolve", context.now)
    return [fact("reopened", {"reason": said.reason}, to=to, due_at=due_at.isoformat())]


def reject(problem: Problem, said: Reject, _context: Context) -> list[Fact]:
    return [fact("rejected", {"reason": said.reason}, reason_code=said.reason_code.value, revoked=open_parts(problem))]


def appeal_is_open(problem: Problem, context: Context) -> None:
    if problem.closing is not Closing.REJECTED or problem.closed_at is None:
        raise StepNotAllowed(problem, Verb.APPEAL)
    if problem.is_appealed:
        raise AppealedBefore
    if context.now > context.calendar.due(problem.closed_at, APPEAL_WORKING_DAYS):
        raise TooLate


def appeal(_problem: Problem, said: Appeal, _context: Context) -> list[Fact]:
    return [fact("appealed", {"reason": said.reason})]


def decide_appeal_is_open(problem: Problem, _context: Context) -> None:
    if not problem.appeal_pending:
        raise StepNotAllowed(problem, Verb.DECIDE_APPEAL)


def decide_appeal(_problem: Problem, said: DecideAppeal, _context: Context) -> list[Fact]:
    return [fact("appeal_decided", {"reason": said.reason}, outcome=said.outcome)]


def mark_duplicate(problem: Problem, said: MarkDuplicate, context: Context) -> list[Fact]:
    """The main one must be itself no duplicate, nor withdrawn or rejected."""
    main = context.other
    if main is None or main.id == problem.id:
        raise MainNotPossible
    if main.closing in (Closing.DUPLICATE, Closing.WITHDRAWN, Closing.REJECTED):
        raise MainNotPossible(closing=main.closing.value)
    return [fact("marked_duplicate", main=str(said.main), main_number=main.number, revoked=open_parts(problem))]


def unmark_is_open(problem: Problem, _context: Context) -> None:
    if problem.closing is not Closing.DUPLICATE:
        raise StepNotAllowed(problem, Verb.UNMARK)


def unmark(_problem: Problem, _said: Unmark, context: Context) -> list[Fact]:
    """By people; or by the system, where the main problem was withdrawn or rejected."""
    if not context.is_automatic or context.other is None or context.other.closing is None:
        return [fact("unmarked")]
    return [fact("unmarked", automatic=True, main_closing=context.other.closing.value)]


def defer_to_planning(problem: Problem, said: DeferToPlanning, _context: Context) -> list[Fact]:
    return [
        fact("deferred_to_planning", {"reason": said.reason}, planned_in=said.planned_in, revoked=open_parts(problem))
    ]
