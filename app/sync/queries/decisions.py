"""What waits for a person: proposals, and operations in quarantine."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select
from sqlmodel import Session, col

from app.areas.queries import within
from app.areas.words import lies_in
from app.journal.models import Entry
from app.kit.house import Work
from app.kit.paging import Page, Slice
from app.kit.refusals import NotFound
from app.people.actors import Actor
from app.problems import policy
from app.problems.lifecycle.merging import CORRECTING, fields_of, value_of
from app.problems.models import ProblemRow
from app.problems.queries.aggregate import load, refold
from app.sync.models import Proposal, Quarantined
from app.sync.operations import without_reporter
from app.sync.schemas import ComparedProposalOut, ProposalOut, QuarantinedOut, ValueOut

KeptT = TypeVar("KeptT", Proposal, Quarantined)


class ProposalNotFound(NotFound):
    code, title, judul = "proposal_not_found", "No such proposal, or not yours to see", "Usulan tidak ditemukan"


class QuarantinedNotFound(NotFound):
    code = "quarantined_not_found"
    title, judul = "No such operation in quarantine, or not yours to see", "Operasi di karantina tidak ditemukan"


def proposals(work: Work[Actor], slicing: Slice, area: str | None, *, settled: bool) -> Page[ProposalOut]:
    """Proposals of the caller's area, and their own, newest first: those that wait, or those that were settled."""
    rows = _list(work, slicing, Proposal, area, settled=settled)
    shown, after = slicing.cut(rows, "received_at", "id")
    numbers = _numbers(work, shown)
    return Page(items=[proposal_out(each, numbers, work.caller) for each in shown], next=after)


def quarantine(work: Work[Actor], slicing: Slice, area: str | None, *, settled: bool) -> Page[QuarantinedOut]:
    """Operations that were refused in the caller's area, and their own, newest first."""
    rows = _list(work, slicing, Quarantined, area, settled=settled)
    shown, after = slicing.cut(rows, "received_at", "id")
    numbers = _numbers(work, shown)
    return Page(items=[quarantined_out(each, numbers, work.caller) for each in shown], next=after)


def _list(work: Work[Actor], slicing: Slice, table: type[KeptT], area: str | None, *, settled: bool) -> Sequence[KeptT]:
    waiting = col(table.settlement).is_(None)
    statement = select(table).where(_visible(work.caller, table), ~waiting if settled else waiting)
    if area is not None:
        statement = statement.where(within(col(table.log), area))
    return work.session.scalars(slicing.apply(statement, col(table.received_at), col(table.id))).all()


def _visible(actor: Actor, table: type[KeptT]) -> ColumnElement[bool]:
    """What concerns the post's area, and what its holder sent."""
    inside = within(col(table.log), actor.area_code) if actor.area_code else false()
    return or_(inside, col(table.account_id) == actor.account_id)


def proposal_seen(work: Work[Actor], proposal_id: UUID) -> Proposal:
    """A proposal that the caller may see."""
    found = work.session.scalar(
        select(Proposal).where(col(Proposal.id) == proposal_id, _visible(work.caller, Proposal))
    )
    if found is None:
        raise ProposalNotFound
    return found


def quarantined_seen(work: Work[Actor], operation_id: UUID) -> Quarantined:
    """An operation in quarantine that the caller may see."""
    statement = select(Quarantined).where(col(Quarantined.id) == operation_id, _visible(work.caller, Quarantined))
    found = work.session.scalar(statement)
    if found is None:
        raise QuarantinedNotFound
    return found


def read_proposal(work: Work[Actor], proposal_id: UUID) -> ComparedProposalOut:
    """A proposal field by field: as its author knew it, as it now stands and who made it so, as it is proposed."""
    found = proposal_seen(work, proposal_id)
    session, problem_id = work.session, found.problem_id
    now = load(session, [problem_id], work.now)[problem_id]
    if not policy.see.holds(work.caller, now, work.now):
        return _unseen(found, work.caller)
    before = refold(session, problem_id, until=found.base) or now
    changes = _changes(session, problem_id, found.base)
    return ComparedProposalOut(
        **proposal_out(found, {problem_id: now.number}, work.caller).model_dump(),
        version=now.version,
        fields=[
            ValueOut(
                field=name,
                base=value_of(before, name),
                theirs=value_of(now, name),
                yours=value,
                changed_by=changes[name][0] if name in changes else None,
                changed_at=changes[name][1] if name in changes else None,
            )
            for name, value in sorted(found.yours.items())
        ],
    )


def _unseen(proposed: Proposal, reader: Actor) -> ComparedProposalOut:
    """What its author still reads of it, once the problem has left their sight: what they proposed."""
    nothing = {"base": None, "theirs": None, "changed_by": None, "changed_at": None}
    fields = [ValueOut(field=name, yours=value, **nothing) for name, value in sorted(proposed.yours.items())]
    return ComparedProposalOut(**proposal_out(proposed, {}, reader).model_dump(), version=None, fields=fields)


def read_quarantined(work: Work[Actor], operation_id: UUID) -> QuarantinedOut:
    """A refused operation, whole."""
    found = quarantined_seen(work, operation_id)
    return quarantined_out(found, _numbers(work, [found]), work.caller)


def _changes(session: Session, problem_id: UUID, base: int) -> dict[str, tuple[str, datetime]]:
    """Who changed each field last after a version, and when."""
    entries = session.scalars(
        select(Entry)
        .where(col(Entry.subject) == problem_id, col(Entry.version) > base, col(Entry.kind).in_(CORRECTING))
        .order_by(col(Entry.version))
    )
    return {name: (each.author["name"], each.at) for each in entries for name in fields_of(each.kind, each.data)}


def _numbers(work: Work[Actor], rows: Iterable[Proposal | Quarantined]) -> dict[UUID, str]:
    """The numbers of the problems that there are and that the caller sees."""
    ids = {each.problem_id for each in rows}
    if not ids:
        return {}
    seen = policy.see.where(work.caller, work.now)
    statement = select(col(ProblemRow.id), col(ProblemRow.number)).where(col(ProblemRow.id).in_(ids), seen)
    return dict(work.session.execute(statement).all())


def proposal_out(kept: Proposal, numbers: Mapping[UUID, str], reader: Actor) -> ProposalOut:
    """A proposal as the wire shows it."""
    return ProposalOut(**_shown(kept, numbers, reader))


def quarantined_out(kept: Quarantined, numbers: Mapping[UUID, str], reader: Actor) -> QuarantinedOut:
    """A refused operation as the wire shows it."""
    shown = _shown(kept, numbers, reader) | {"data": without_reporter(kept.data)}
    return QuarantinedOut(**shown, assignment=kept.assignment_id)


def _shown(kept: Proposal | Quarantined, numbers: Mapping[UUID, str], reader: Actor) -> dict[str, Any]:
    """Where it lies and what it is called is for those who see the problem; its author may no longer."""
    number = numbers.get(kept.problem_id)
    is_near = kept.log is not None and reader.area_code is not None and lies_in(kept.log, reader.area_code)
    log = kept.log if number is not None or is_near else None
    return kept.model_dump() | {"problem": kept.problem_id, "number": number, "log": log}
