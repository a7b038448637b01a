"""People decide: a proposal is accepted or dismissed, an operation in quarantine is adopted or dismissed.

Whatever is done comes through the one write path under the rights of whoever decides, and each decision is a fact.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel, JsonValue
from sqlalchemy import bindparam, update
from sqlmodel import col

from app.areas.words import Level, level_of, lies_in
from app.journal.actions import Draft, administration, lock
from app.journal.facts import Author, Fact, Recorded
from app.kit.columns import columns_of, table_of
from app.kit.database import write_rows
from app.kit.house import Work
from app.kit.refusals import Conflict, IdReused, NotPermitted, Refusal, Unprocessable
from app.people.actors import Actor
from app.problems import policy
from app.problems.actions import Intent, perform_merging
from app.problems.facts import fact
from app.problems.lifecycle.context import Context
from app.problems.lifecycle.record import Problem
from app.problems.models import Comment, ProblemRow
from app.problems.queries.details import author_of
from app.problems.schemas.reports import AttachIn, CommentIn, EditIn
from app.problems.schemas.steps import Prioritise, Recategorise
from app.problems.words import Verb
from app.sync.facts import subject_of
from app.sync.models import Proposal, Quarantined
from app.sync.operations import AttachedIn, opened, said_by
from app.sync.photos import Photos
from app.sync.queries import decisions
from app.sync.schemas import ComparedProposalOut, OperationIn, QuarantinedOut
from app.sync.words import Settlement

_MAY_SETTLE = policy.lurah | policy.kecamatan


class AlreadySettled(Conflict):
    code, title, judul = "already_settled", "Somebody has settled this already", "Sudah diputuskan orang lain"


class ReasonNeeded(Unprocessable):
    code, title, judul = "reason_needed", "Say why the proposal is taken", "Sebutkan alasan menerima usulan"


def accept_proposal(work: Work[Actor], proposal_id: UUID, reason: str | None) -> ComparedProposalOut:
    """The proposed values are taken, as a correction by whoever accepts them."""
    kept = decisions.proposal_seen(work, proposal_id)
    _settle(work, kept, Settlement.ACCEPTED)
    done = Intent(
        problem_id=kept.problem_id, said=_correction(kept, reason), happened_at=kept.recorded_at, in_turn=True
    )
    _perform(work, [done, _noted(kept.problem_id, fact("proposal_accepted", proposal=str(kept.id)))])
    return decisions.read_proposal(work, proposal_id)


def dismiss_proposal(work: Work[Actor], proposal_id: UUID, reason: str) -> ComparedProposalOut:
    """The values stay as they are."""
    kept = decisions.proposal_seen(work, proposal_id)
    _settle(work, kept, Settlement.DISMISSED)
    said = fact("proposal_dismissed", {"reason": reason}, proposal=str(kept.id))
    _perform(work, [_noted(kept.problem_id, said, is_senders_own=kept.account_id == work.caller.account_id)])
    return decisions.read_proposal(work, proposal_id)


def adopt(work: Work[Actor], operation_id: UUID, data: dict[str, JsonValue] | None) -> QuarantinedOut:
    """A refused operation is done after all, with corrected `data` where it is given."""
    kept = decisions.quarantined_seen(work, operation_id)
    _settle(work, kept, Settlement.ADOPTED)
    said = said_by(_operation(work, kept, data))
    if isinstance(said, Refusal):
        raise said
    if isinstance(said, CommentIn) and work.session.get(Comment, said.id) is not None:
        raise IdReused
    rows: tuple[Any, ...] = ()
    if isinstance(said, AttachedIn):
        photos = Photos(work.session, [said])
        refusal, rows = photos.taken(said, kept.account_id, work.now, work.house.settings.max_photo_bytes)
        if refusal is not None:
            raise refusal
        said = AttachIn(photo=said.photo, base=kept.base or None, seen_before=said.sha256 in photos.hashes)
    done = Intent(
        problem_id=kept.problem_id,
        said=said,
        part_id=kept.assignment_id,
        happened_at=kept.recorded_at,
        author=_author(work.caller, kept, is_reworded=data is not None),
        in_turn=True,
        rows=rows,
    )
    adopted = fact("operation_adopted", operation=str(kept.id), verb=kept.verb)
    _perform(work, [done, _noted(kept.problem_id, adopted, needs_right=False)])
    return decisions.read_quarantined(work, operation_id)


def dismiss(work: Work[Actor], operation_id: UUID, reason: str) -> QuarantinedOut:
    """A refused operation stays undone."""
    kept = decisions.quarantined_seen(work, operation_id)
    _settle(work, kept, Settlement.DISMISSED)
    said = fact("operation_dismissed", {"reason": reason}, operation=str(kept.id), verb=kept.verb)
    if work.session.get(ProblemRow, kept.problem_id) is not None:
        _perform(work, [_noted(kept.problem_id, said, is_senders_own=kept.account_id == work.caller.account_id)])
    else:
        _note_without_problem(work, kept, said)
    return decisions.read_quarantined(work, operation_id)


def _settle(work: Work[Actor], kept: Proposal | Quarantined, settlement: Settlement) -> None:
    """Marks it as settled, unless another person was faster."""
    table = type(kept)
    settled = {"settlement": settlement, "settled_at": work.now, "settled_by": work.caller.name}
    statement = update(table).where(col(table.id) == kept.id, col(table.settlement).is_(None)).values(settled)
    if not work.session.connection().execute(statement).rowcount:
        raise AlreadySettled
    work.session.expire(kept)


def _perform(work: Work[Actor], intents: Sequence[Intent]) -> None:
    """All of it or nothing."""
    outcomes = perform_merging(work, intents)
    for each in outcomes:
        if isinstance(each, Refusal):
            raise each


def _noted(problem_id: UUID, said: Fact, *, is_senders_own: bool = False, needs_right: bool = True) -> Intent:
    """The decision itself, by lurah or kecamatan; whoever sent it may take it back."""

    def decide(problem: Problem, context: Context) -> list[Fact]:
        actor = context.actor
        assert actor is not None, "a person decides"
        if needs_right and not is_senders_own and not _MAY_SETTLE.holds(actor, problem, context.now):
            raise NotPermitted
        return [said]

    return Intent(problem_id=problem_id, said=None, round=decide, in_turn=True, unseen=is_senders_own)


def _note_without_problem(work: Work[Actor], kept: Quarantined, said: Fact) -> None:
    """There is no problem to note it on: it is noted in the log of the kelurahan, or with what admins did."""
    actor = work.caller
    inside = kept.log is not None and actor.area_code is not None and lies_in(kept.log, actor.area_code)
    if kept.account_id != actor.account_id and not (inside and _MAY_SETTLE.ever(actor.kind)):
        raise NotPermitted
    if kept.log is None or level_of(kept.log) is not Level.VILLAGE:
        administration(work, "operation.dismissed", str(kept.id), verb=kept.verb)
        return
    draft = Draft(work, lock(work.session, [kept.log]))
    draft.add(kept.log, subject_of(str(kept.id)), 1, author_of(actor), said)
    draft.write()


def _correction(kept: Proposal, reason: str | None) -> BaseModel:
    values = dict(kept.yours)
    match kept.verb:
        case Verb.RECATEGORISE | Verb.PRIORITISE if reason is None:
            raise ReasonNeeded
        case Verb.RECATEGORISE:
            return Recategorise.model_validate(values | {"verb": kept.verb, "reason": reason})
        case Verb.PRIORITISE:
            return Prioritise.model_validate(values | {"verb": kept.verb, "reason": reason})
    return EditIn.model_validate(values | ({"reason": reason} if reason else {}))


def _operation(work: Work[Actor], kept: Quarantined, data: dict[str, JsonValue] | None) -> OperationIn:
    """The operation as it came, but for what is corrected; who told the kelurahan stays, for nobody was shown it."""
    came = opened(work.house, kept.data)
    unseen = {"reporter": came["reporter"]} if "reporter" in came else {}
    return OperationIn(
        id=kept.id,
        problem=kept.problem_id,
        assignment=kept.assignment_id,
        verb=kept.verb.removeprefix("assignment."),
        post=work.caller.post_id,
        base=kept.base,
        at=kept.recorded_at,
        data=came if data is None else unseen | _side(came) | data,
    )


def _side(came: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """An internal remark stays one, whatever words it is given."""
    return {"internal": came["internal"]} if "internal" in came else {}


def _author(actor: Actor, kept: Quarantined, *, is_reworded: bool) -> Author:
    """Whoever adopts, on behalf of whom it came from; but nobody is told to have said somebody else's words."""
    own = author_of(actor)
    if is_reworded and kept.verb == Verb.COMMENT and kept.account_id != actor.account_id:
        return own
    return Author(own.account_id, own.name, own.post, own.acting, kept.author)


def follow_moves(work: Work[Any], recorded: Sequence[Recorded]) -> None:
    """A subscriber: what waits for a person moves along with its problem to the next kelurahan."""
    moved = [{"its_problem": each.subject, "its_log": each.log} for each in recorded if each.fact.kind == "moved_in"]
    if moved:
        for statement in _MOVING:
            write_rows(work.session, statement, moved)


_MOVING = [
    update(table_of(table))
    .where(columns_of(table).problem_id == bindparam("its_problem"), columns_of(table).log.is_not(None))
    .values(log=bindparam("its_log"))
    for table in (Proposal, Quarantined)
]
