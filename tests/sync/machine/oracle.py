"""What must hold whatever happens: it reads the tables, folds the journal by itself, and asks nothing of `app.sync`."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session, col

from app.client.store import Store
from app.journal.facts import Author, Fact
from app.journal.models import Entry, LogHead, Text
from app.people.models import Post
from app.people.words import PostKind
from app.problems.lifecycle.evolve import evolve
from app.problems.lifecycle.record import Problem
from app.problems.lifecycle.steps import PART_STEPS, STEPS, WORK_GOES_ON
from app.problems.models import AssignmentRow, ProblemRow
from app.problems.words import AssignmentState, AssignmentVerb, State, Verb
from app.sync.models import Delivery, Proposal, Quarantined, SyncOperation
from app.sync.words import Outcome, Settlement

KEPT_AFTER_END = timedelta(days=90)
CORRECTING = ("edit", "answer", "recategorise", "prioritise")
REMARKS = ("comment", "attach")


class Broken(AssertionError):
    """An invariant does not hold."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant


def hold(invariant: str, holds: bool, *what: Any) -> None:
    if not holds:
        raise Broken(invariant, " ".join(str(each) for each in what))


# -- the book --------------------------------------------------------------------------------------------------------


@dataclass
class Operation:
    """Something that was recorded on a phone."""

    id: UUID
    account: UUID
    post: UUID
    problem: UUID
    verb: str
    on_part: bool
    base: int
    at: datetime
    data: dict[str, Any]
    keepers: set[str]
    """The phones whose duty it is to keep it until the server is sure of it."""
    is_lost: bool = False
    """Erased, or put back to a copy from before it, while no other phone and no server had it: nobody can have it."""

    @classmethod
    def of(cls, body: Mapping[str, Any], account: UUID, keepers: set[str]) -> "Operation":
        return cls(
            id=UUID(body["id"]),
            account=account,
            post=UUID(body["post"]),
            problem=UUID(body["problem"]),
            verb=body["verb"],
            on_part=body["assignment"] is not None,
            base=body["base"],
            at=datetime.fromisoformat(body["at"]),
            data=body["data"],
            keepers=keepers,
        )

    @property
    def is_remark(self) -> bool:
        return self.verb in REMARKS and not self.on_part

    @property
    def wanted(self) -> dict[str, Any]:
        """The fields it wants to hold something."""
        if self.on_part or self.verb not in CORRECTING:
            return {}
        said = self.data.get("changes") or {} if self.verb == "answer" else self.data
        return {name: value for name, value in said.items() if name not in ("reason", "answer")}


@dataclass
class Book:
    """All that was recorded, in order, and what phones of the kecamatan have ever held."""

    operations: list[Operation] = field(default_factory=list)
    unreadable: set[UUID] = field(default_factory=set)
    """Those that no server can read: they stay on their phones."""
    held: dict[str, set[tuple[str, int, int]]] = field(default_factory=dict)
    """By phone: problem, version and position."""
    restored: bool = False
    """Whether the server was ever put back to a backup."""


def documents_held(store: Store) -> Iterable[tuple[str, int, int]]:
    return [tuple(row) for row in store.rows("SELECT id, version, position FROM document")]


# -- what a post may see ---------------------------------------------------------------------------------------------

_PROBLEM = [
    *(
        ProblemRow.id,
        ProblemRow.area_code,
        ProblemRow.position,
        ProblemRow.version,
        ProblemRow.state,
        ProblemRow.origin,
    ),
    *(ProblemRow.alerted_agency, ProblemRow.closed_at, ProblemRow.resolved_at, ProblemRow.title, ProblemRow.landmark),
    *(ProblemRow.description, ProblemRow.address, ProblemRow.category_code, ProblemRow.priority, ProblemRow.desk),
]
_PART = (AssignmentRow.problem_id, AssignmentRow.agency_code, AssignmentRow.state)


class View:
    """The problems as the tables have them now, and who may see which."""

    def __init__(self, session: Session, now: datetime, people: Iterable[UUID]) -> None:
        self.now = now
        self.problems: dict[UUID, Any] = {row.id: row for row in session.execute(select(*_PROBLEM))}  # type: ignore[call-overload]  # columns, which it types as values
        self.parts: dict[UUID, list[tuple[str, AssignmentState]]] = defaultdict(list)
        for problem, agency, state in session.execute(select(*_PART).order_by(col(AssignmentRow.sequence))):  # type: ignore[call-overload]  # the same
            self.parts[problem].append((agency, state))
        taking_part = select(*Post.__table__.c).where(col(Post.account_id).in_(people))  # type: ignore[attr-defined]  # SQLModel hides it
        self.posts: dict[UUID, Any] = {row.id: row for row in session.execute(taking_part)}
        self.delivered: dict[str, int] = {}
        for log, position in session.execute(select(col(Delivery.log), col(Delivery.position))):
            self.delivered[log] = max(self.delivered.get(log, 0), position)

    def is_held(self, post: UUID, account: UUID, at: datetime | None = None) -> bool:
        held, moment = self.posts.get(post), at or self.now
        return (
            held is not None
            and held.account_id == account
            and held.since <= moment
            and not (held.until is not None and held.until <= moment)
        )

    def may_see(self, post: UUID, problem: Any) -> bool:
        held = self.posts[post]
        if held.kind in (PostKind.OFFICER, PostKind.HEAD):
            told = problem.alerted_agency == held.agency_code or problem.origin == f"agency:{held.agency_code}"
            given = any(
                agency == held.agency_code and state != AssignmentState.REVOKED
                for agency, state in self.parts[problem.id]
            )
            return told or given
        area = str(held.area_code)
        return held.kind is not PostKind.ADMIN and (
            problem.area_code == area or problem.area_code.startswith(f"{area}.")
        )

    def is_kept(self, problem: Any) -> bool:
        """Open, or ended not too long ago."""
        ended = {State.CLOSED: problem.closed_at, State.RESOLVED: problem.resolved_at}.get(problem.state)
        return ended is None or ended >= self.now - KEPT_AFTER_END

    def of(self, post: UUID) -> dict[UUID, Any]:
        return {each.id: each for each in self.problems.values() if self.may_see(post, each) and self.is_kept(each)}

    def told(self, problem: Any) -> dict[str, Any]:
        """As much of a document as is compared."""
        names = "position version state title landmark description address priority desk"
        return {name: getattr(problem, name) for name in names.split()} | {
            "area": problem.area_code,
            "category": problem.category_code,
            "assignments": self.parts[problem.id],
        }


def _said(document: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: document[name] for name in names} | {
        "assignments": [(each["agency"], each["state"]) for each in document["assignments"]]
    }


def check_answer(view: View, book: Book, account: UUID, post: UUID, answer: Mapping[str, Any], *, late: bool) -> None:
    """No page shows what the caller may not see, or as it is not. `late`: somebody wrote while it was read."""
    hold("page", view.is_held(post, account), "documents for a post that is not held")
    device = answer["device"]
    hold("page", device is not None, "no device")
    for each in answer["documents"]:
        problem = view.problems.get(UUID(each["id"]))
        hold("page", problem is not None, "a document of no problem")
        assert problem is not None
        hold("page", view.may_see(post, problem), view.posts[post].kind, "was shown", each["id"])
        if not late:
            told = view.told(problem)
            shown = _said(each, told)
            hold("page", shown == told, shown, "was shown, and is", told)
    is_alarmed = "rewound" in answer["resync"].values() or answer["device"]["rewound"]
    hold("alarm", book.restored or not is_alarmed, "rewound, and was not")
    for log, receipt in answer["receipts"].items():
        check_delivered(view, book, log, receipt["delivered"])


def check_delivered(view: View, book: Book, log: str, delivered: int) -> None:
    """Some phone of the kecamatan has held everything of the log up to there, as it still stands."""
    wanted = {
        (str(each.id), each.version, each.position)
        for each in view.problems.values()
        if each.area_code == log and each.position <= delivered and view.is_kept(each)
    }
    holds = not wanted or any(wanted <= held for held in book.held.values())
    hold("delivered", holds, log, "up to", delivered, "and nobody at the kecamatan holds all of it")


# -- at the end ------------------------------------------------------------------------------------------------------


def check_end(session: Session, view: View, book: Book, stores: Sequence[tuple[str, Store]]) -> None:
    """Everybody has synchronised, and nothing happens any more."""
    journal = Journal(session)
    journal.check()
    check_operations(session, view, book, journal)
    for key, store in stores:
        check_store(view, key, store)
    for log, delivered in view.delivered.items():
        check_delivered(view, book, log, delivered)


def check_store(view: View, key: str, store: Store) -> None:
    """A phone holds what its posts may see, and nothing else."""
    held = {UUID(row["id"]) for row in store.rows("SELECT id FROM post")}
    holding: dict[UUID, dict[UUID, dict[str, Any]]] = {post: {} for post in held}
    for post, problem, log, body in store.rows("SELECT post, id, log, body FROM document"):
        hold("view", UUID(post) in held, f"{key} holds documents of a post that is not held")
        document = json.loads(body)
        hold("view", log == document["area"], f"{key} keeps {problem} under {log}")
        holding[UUID(post)][UUID(problem)] = document
    for post, documents in holding.items():
        kind = view.posts[post].kind
        wanted = view.of(post)
        numbers = {each: documents[each]["number"] for each in documents.keys() - wanted.keys()}
        hold("view", not numbers, f"{key} ({kind}) holds {numbers}, which it may not see")
        missing = {each: view.told(wanted[each]) for each in wanted.keys() - documents.keys()}
        hold("view", not missing, f"{key} ({kind}) lacks {missing}")
        for each, document in documents.items():
            told = view.told(wanted[each])
            shown = _said(document, told)
            hold("view", shown == told, key, "holds", shown, "and it is", told)


@dataclass
class Told:
    """A fact, as the journal has it."""

    log: str
    position: int
    subject: UUID
    version: int
    kind: str
    at: datetime
    happened_at: datetime | None
    account: UUID | None
    author: dict[str, Any]
    data: dict[str, Any]
    texts: dict[str, str]
    before: Problem | None = None
    after: Problem | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that it sets."""
        data, texts = self.data, {name: text for name, text in self.texts.items() if name not in ("reason", "answer")}
        match self.kind:
            case "reported":
                return {name: data[name] for name in ("rt", "rw", "category") if name in data} | texts
            case "edited" | "answered":
                return dict(data.get("changes", {})) | dict.fromkeys(data.get("cleared", ())) | texts
            case "recategorised":
                return {"category": data["category"]}
            case "prioritised":
                return {"priority": data["priority"]}
        return {}


class Journal:
    """All facts, folded."""

    def __init__(self, session: Session) -> None:
        bodies = {str(each.id): each.body for each in session.scalars(select(Text))}
        self.told: list[Told] = []
        for each in session.scalars(select(Entry).order_by(col(Entry.log), col(Entry.position))):
            texts = {name: bodies[str(UUID(kept["id"]))] for name, kept in each.data.get("texts", {}).items()}
            told = (each.log, each.position, each.subject, each.version, each.kind, each.at, each.happened_at)
            self.told.append(Told(*told, each.account_id, each.author, each.data, texts))
        self.heads = {each.log: each.position for each in session.scalars(select(LogHead))}
        self.rows = {each.id: each for each in session.scalars(select(ProblemRow))}
        self.parts: dict[UUID, list[AssignmentRow]] = defaultdict(list)
        for part in session.scalars(select(AssignmentRow).order_by(col(AssignmentRow.sequence))):
            self.parts[part.problem_id].append(part)
        self.of: dict[UUID, list[Told]] = defaultdict(list)
        for fact in sorted(self.told, key=lambda each: each.version):
            self.of[fact.subject].append(fact)
        self.by_moment: dict[datetime, list[Told]] = defaultdict(list)
        for fact in self.told:
            if fact.happened_at is not None:
                self.by_moment[fact.happened_at].append(fact)

    def check(self) -> None:
        positions: dict[str, list[int]] = defaultdict(list)
        for each in self.told:
            positions[each.log].append(each.position)
        for log, head in self.heads.items():
            hold("logs", positions[log] == list(range(1, head + 1)), f"{log} reaches {head} and has {positions[log]}")
        for subject, facts in self.of.items():
            versions = [each.version for each in facts]
            hold("logs", versions == list(range(1, len(facts) + 1)), f"{subject} has versions {versions}")
            if facts[0].kind == "reported":
                self._fold(subject, facts)
        hold("fold", self.rows.keys() <= self.of.keys(), "a problem without facts")

    def _fold(self, subject: UUID, facts: Sequence[Told]) -> None:
        problem: Problem | None = None
        for each in facts:
            each.before = problem
            said = Fact(each.kind, each.data, each.texts, 1)
            problem = evolve(problem, said, each.at, Author(each.account, **each.author))
            each.after = problem
            check_path(each)
        assert problem is not None
        row = self.rows.get(subject)
        hold("fold", row is not None, f"{subject} has facts and no row")
        names = "number area_code version state title description address landmark category_code priority desk rt rw "
        names += "escalation endorsed is_finished closing main_id due_at promised_at desk_until lead_agency"
        for name in names.split():
            in_row, in_fold = getattr(row, name), getattr(problem, name)
            hold("fold", in_row == in_fold, subject, name, "is", in_row, "and folded", in_fold)
        assert row is not None
        hold("fold", row.position == facts[-1].position, f"{subject} stands at {row.position}")
        parts = [(each.id, each.agency_code, each.state, each.is_lead) for each in self.parts[subject]]
        folded = [(each.id, each.agency_code, each.state, each.is_lead) for each in problem.assignments]
        hold("fold", parts == folded, f"{subject}: {parts}, and folded {folded}")


# -- every path is a path of the tables of steps ---------------------------------------------------------------------

VERB_OF: Mapping[str, Verb] = {
    "edited": Verb.EDIT,
    "recategorised": Verb.RECATEGORISE,
    "prioritised": Verb.PRIORITISE,
    "moved_out": Verb.MOVE,
    "moved_in": Verb.MOVE,
    "move_proposed": Verb.PROPOSE_MOVE,
    "forwarded": Verb.FORWARD,
    "endorsed": Verb.ENDORSE,
    "called_up": Verb.CALL_UP,
    "handled_locally": Verb.HANDLE_LOCALLY,
    "sent_back": Verb.SEND_BACK,
    "objected": Verb.OBJECT,
    "withdrawn": Verb.WITHDRAW,
    "accepted": Verb.ACCEPT,
    "asked": Verb.ASK,
    "answered": Verb.ANSWER,
    "taken_up": Verb.TAKE_UP,
    "assigned": Verb.ASSIGN,
    "authority_decided": Verb.DECIDE_AUTHORITY,
    "finished": Verb.FINISH,
    "held": Verb.HOLD,
    "resumed": Verb.RESUME,
    "confirmed": Verb.CONFIRM,
    "disputed": Verb.DISPUTE,
    "reopened": Verb.REOPEN,
    "rejected": Verb.REJECT,
    "appealed": Verb.APPEAL,
    "appeal_decided": Verb.DECIDE_APPEAL,
    "marked_duplicate": Verb.MARK_DUPLICATE,
    "unmarked": Verb.UNMARK,
    "deferred_to_planning": Verb.DEFER_TO_PLANNING,
    "escalated": Verb.ESCALATE,
    "commented": Verb.COMMENT,
    "attached": Verb.ATTACH,
    "linked": Verb.LINK,
}
PART_VERB_OF: Mapping[str, AssignmentVerb] = {
    "assignment_accepted": AssignmentVerb.ACCEPT,
    "assignment_started": AssignmentVerb.START,
    "assignment_progressed": AssignmentVerb.PROGRESS,
    "assignment_delegated": AssignmentVerb.DELEGATE,
    "assignment_hold_proposed": AssignmentVerb.HOLD,
    "assignment_hold_agreed": AssignmentVerb.AGREE_HOLD,
    "assignment_hold_declined": AssignmentVerb.DECLINE_HOLD,
    "assignment_resumed": AssignmentVerb.RESUME,
    "assignment_finished": AssignmentVerb.FINISH,
    "assignment_refused": AssignmentVerb.REFUSE,
    "assignment_revoked": AssignmentVerb.REVOKE,
}


def check_path(fact: Told) -> None:
    before, after = fact.before, fact.after
    assert after is not None
    if before is None:
        hold("path", fact.kind == "reported", f"{fact.subject} begins with {fact.kind}")
        return
    way = f"{fact.kind} led {fact.subject} from {before.state} to {after.state}"
    verb, part_verb = VERB_OF.get(fact.kind), PART_VERB_OF.get(fact.kind)
    if verb is not None:
        step = STEPS[verb]
        hold("path", before.state in step.sources, way)
        hold("path", after.state == before.state or after.state in step.targets(before.state), way)
    elif part_verb is not None:
        part_step = PART_STEPS[part_verb]
        part = UUID(fact.data["assignment"])
        (was,) = [each.state for each in before.assignments if each.id == part]
        (now,) = [each.state for each in after.assignments if each.id == part]
        hold("path", part_verb is AssignmentVerb.REVOKE or before.state in WORK_GOES_ON, way)
        hold("path", was in part_step.sources and now in (was, part_step.to), f"{way}; the part from {was} to {now}")
    else:
        hold("path", after.state == before.state or fact.kind.startswith("main_"), way)


# -- every operation has effect once, or waits for a person ----------------------------------------------------------


class _Effects:
    """What the server made of one operation."""

    def __init__(self, operation: Operation, journal: Journal) -> None:
        named = str(operation.id)
        told = journal.by_moment.get(operation.at, ())
        decided = {
            (each.subject, each.at)
            for each in journal.of.get(operation.problem, ())
            if named in (each.data.get("operation"), each.data.get("proposal")) and each.kind != "proposal_made"
        }
        self.own = [each for each in told if (each.subject, each.at) not in decided]
        self.decided = [each for each in told if (each.subject, each.at) in decided]


def check_operations(session: Session, view: View, book: Book, journal: Journal) -> None:
    taken = {each.id: each for each in session.scalars(select(SyncOperation))}
    proposals = {each.id: each for each in session.scalars(select(Proposal))}
    quarantine = {each.id: each for each in session.scalars(select(Quarantined))}
    recorded = {each.id for each in book.operations}
    hold("kept", taken.keys() <= recorded, "an operation that nobody recorded")
    numbers = Counter((each.account_id, each.device_id, each.number) for each in taken.values())
    hold("once", max(numbers.values(), default=0) <= 1, "a number was given twice")
    effects = {each.id: _Effects(each, journal) for each in book.operations}
    for each in book.operations:
        check_operation(each, effects[each.id], journal, taken, proposals, quarantine, book)
        for fact in effects[each.id].own:
            is_held = view.is_held(each.post, each.account, fact.at)
            hold("rights", is_held or each.verb == "comment", each.verb, "under a post that had ended")
    check_turns(book, effects, taken, quarantine)


def check_operation(
    operation: Operation,
    effects: _Effects,
    journal: Journal,
    taken: Mapping[UUID, SyncOperation],
    proposals: Mapping[UUID, Proposal],
    quarantine: Mapping[UUID, Quarantined],
    book: Book,
) -> None:
    row, proposal, kept = taken.get(operation.id), proposals.get(operation.id), quarantine.get(operation.id)
    name = f"{operation.verb} {operation.id} of {operation.at}"
    for facts in (effects.own, effects.decided):
        kinds = Counter(each.kind for each in facts)
        hold("once", max(kinds.values(), default=0) <= 1, f"{name} made {dict(kinds)}")
        hold("once", len({each.at for each in facts}) <= 1, f"{name} had effect at several moments")
    hold("once", not (effects.own and kept), f"{name} had effect and was refused")
    if operation.id in book.unreadable:
        hold("once", row is None and not effects.own, f"{name} cannot be read, and was taken")
        return
    if row is None:
        hold("once", not effects.own and not proposal and not kept, f"{name} had effect, and its outcome is unknown")
        hold("kept", operation.is_lost, f"{name} is nowhere")
        return
    if kept is not None:
        hold("kept", kept.data == operation.data, f"{name} is kept with other data")
        hold("kept", kept.settlement is not None, f"{name} was left in quarantine")
        done = kept.settlement is Settlement.ADOPTED
        hold("kept", done == bool(effects.decided), f"{name} was {kept.settlement} and made {effects.decided}")
        return
    hold("kept", row.outcome is not Outcome.REFUSED, f"{name} was refused, and is not in quarantine")
    check_fields(operation, effects, journal, row, proposal)
    if not effects.own and proposal is None:
        hold("kept", bool(operation.wanted), f"{name} was {row.outcome} without effect")


def check_fields(
    operation: Operation, effects: _Effects, journal: Journal, row: SyncOperation, proposal: Proposal | None
) -> None:
    """Each value that was wanted stands, or is proposed; and none stands where another person's stood unseen."""
    name = f"{operation.verb} {operation.id}"
    history = journal.of[operation.problem]
    assert row.version is not None
    first = min((each.version for each in effects.own), default=row.version + 1)
    for wanted, value in operation.wanted.items():
        standing = None
        for each in history:
            if each.version <= row.version and wanted in each.changes:
                standing = each.changes[wanted]
        if proposal is not None and wanted in proposal.yours:
            hold("kept", proposal.yours[wanted] == value, f"{name} proposed {proposal.yours[wanted]}, not {value}")
        else:
            hold("kept", standing == value, f"{name}: {wanted} was to be {value}, and is {standing}; not proposed")
        set_here = [each.version for each in effects.own if wanted in each.changes]
        unseen = [
            each.changes[wanted]
            for each in history
            if operation.base < each.version < first and wanted in each.changes and each.account != operation.account
        ]
        hold(
            "overwritten",
            not (set_here and unseen and unseen[-1] != value),
            f"{name} set {wanted} to {value} over {unseen}, which it had not seen",
        )


def check_turns(
    book: Book,
    effects: Mapping[UUID, _Effects],
    taken: Mapping[UUID, SyncOperation],
    quarantine: Mapping[UUID, Quarantined],
) -> None:
    """Nothing overtakes a step of the same phone on the same problem that was refused and waits for a person."""
    order = {each.id: place for place, each in enumerate(book.operations)}
    refused = defaultdict(list)
    for kept in quarantine.values():
        if kept.verb not in REMARKS:
            refused[kept.account_id, kept.device_id, kept.problem_id].append(kept)
    for each in book.operations:
        row = taken.get(each.id)
        if row is None or each.is_remark or each.verb == "report":
            continue
        for kept in refused[row.account_id, row.device_id, each.problem]:
            for fact in effects[each.id].own:
                waits = kept.settled_at is None or kept.settled_at > fact.at
                before = kept.received_at < fact.at or (kept.received_at == fact.at and order[kept.id] < order[each.id])
                hold("turn", not (waits and before), each.verb, "was done behind", kept.verb, "which waits")
