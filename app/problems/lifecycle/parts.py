"""What is done with one agency's part of a problem."""

from typing import Any

from app.journal.facts import Fact
from app.kit.refusals import Conflict, Unprocessable
from app.problems.facts import fact
from app.problems.lifecycle.context import Context, UnknownCode
from app.problems.lifecycle.ending import check_proof, is_proof_omitted, needs_proof
from app.problems.lifecycle.kecamatan import check_review_day
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.schemas.parts import (
    PartAccept,
    PartAgreeHold,
    PartDeclineHold,
    PartDelegate,
    PartFinish,
    PartHold,
    PartProgress,
    PartRefuse,
    PartResume,
    PartRevoke,
    PartStart,
)
from app.problems.words import Refused


class PartStepNotAllowed(Conflict):
    code = "assignment_step_not_allowed"
    title = "The assignment does not stand where this can be done"
    judul = "Langkah ini tidak berlaku pada status disposisi sekarang"

    def __init__(self, part: Assignment, verb: str) -> None:
        super().__init__(state=part.state.value, verb=verb)


class AuthorityBinding(Conflict):
    code, title, judul = "authority_binding", "The monitor has decided that it is yours", "Kewenangan sudah ditetapkan"


class LetterRequired(Unprocessable):
    code = "letter_required"
    title = "Name the letter of the agency you move this for"
    judul = "Cantumkan nomor surat instansi yang bersangkutan"


class OwnerRequired(Unprocessable):
    code, title, judul = "owner_required", "Name whose authority it is", "Sebutkan instansi yang berwenang"


def _part_fact(kind: str, part: Assignment, said: Any, texts: dict[str, str | None] | None = None, **data: Any) -> Fact:
    letter = getattr(said, "letter", None)
    if part.by_hand and letter is None and hasattr(said, "letter"):
        raise LetterRequired
    return fact(
        kind,
        texts,
        assignment=str(part.id),
        agency=part.agency_code,
        by_hand=part.by_hand or None,
        letter=letter,
        **data,
    )


def accept(problem: Problem, part: Assignment, said: PartAccept, _context: Context) -> list[Fact]:
    due_at = problem.due_at.isoformat() if problem.due_at else None
    return [_part_fact("assignment_accepted", part, said, assignment_due_at=due_at)]


def start(_problem: Problem, part: Assignment, said: PartStart, _context: Context) -> list[Fact]:
    return [_part_fact("assignment_started", part, said)]


def progress(problem: Problem, part: Assignment, said: PartProgress, context: Context) -> list[Fact]:
    photos = check_proof(problem, said.photos, context, needed=False)
    return [
        _part_fact(
            "assignment_progressed", part, said, {"note": said.note}, percent=said.percent, photos=photos or None
        )
    ]


def delegate(_problem: Problem, part: Assignment, said: PartDelegate, _context: Context) -> list[Fact]:
    return [_part_fact("assignment_delegated", part, said, {"to": said.to})]


def hold(_problem: Problem, part: Assignment, said: PartHold, context: Context) -> list[Fact]:
    check_review_day(said.review_on, context)
    return [
        _part_fact(
            "assignment_hold_proposed",
            part,
            said,
            {"reason": said.reason},
            reason_code=said.reason_code.value,
            review_on=said.review_on.isoformat(),
        )
    ]


def agree_hold(_problem: Problem, part: Assignment, said: PartAgreeHold, _context: Context) -> list[Fact]:
    return [_part_fact("assignment_hold_agreed", part, said)]


def decline_hold(_problem: Problem, part: Assignment, said: PartDeclineHold, context: Context) -> list[Fact]:
    automatic = context.is_automatic or None
    return [_part_fact("assignment_hold_declined", part, said, {"reason": said.reason}, automatic=automatic)]


def resume(_problem: Problem, part: Assignment, said: PartResume, context: Context) -> list[Fact]:
    return [_part_fact("assignment_resumed", part, said, automatic=context.is_automatic or None)]


def finish(problem: Problem, part: Assignment, said: PartFinish, context: Context) -> list[Fact]:
    needed = needs_proof(said.resolution) and part.is_lead
    photos = check_proof(problem, said.photos, context, needed=needed)
    return [
        _part_fact(
            "assignment_finished",
            part,
            said,
            {"note": said.note},
            resolution=said.resolution.value,
            photos=photos or None,
            proof_omitted=is_proof_omitted(problem, said.photos, needed=needed),
            by_link=(context.actor is not None and context.actor.part_id is not None) or None,
        )
    ]


def refuse(_problem: Problem, part: Assignment, said: PartRefuse, context: Context) -> list[Fact]:
    """Not our authority names whose it is; a part decided by the monitor cannot be refused so."""
    code = said.reason_code or (Refused.NOT_OUR_AUTHORITY if said.belongs_to else None)
    if code is Refused.NOT_OUR_AUTHORITY:
        if part.is_binding:
            raise AuthorityBinding
        if said.belongs_to is None:
            raise OwnerRequired
    if said.belongs_to is not None and (said.belongs_to not in context.agencies or said.belongs_to == part.agency_code):
        raise UnknownCode("Another agency is needed.", field="belongs_to")
    return [
        _part_fact(
            "assignment_refused",
            part,
            said,
            {"reason": said.reason},
            reason_code=code.value if code else None,
            belongs_to=said.belongs_to,
        )
    ]


def revoke(_problem: Problem, part: Assignment, said: PartRevoke, _context: Context) -> list[Fact]:
    return [_part_fact("assignment_revoked", part, said, {"reason": said.reason})]
