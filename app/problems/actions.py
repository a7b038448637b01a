"""The one write path: lock, load, decide, write; the same for one step of a phone and for 500 of an import."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, delete, or_, select
from sqlmodel import Session, SQLModel, col

from app.agencies.actions import teach
from app.agencies.queries import remembered_agencies, remembered_categories, responsible_agencies
from app.agencies.words import CategoryClass
from app.areas.queries import remembered as remembered_areas
from app.areas.words import Level, level_of
from app.evidence.actions import Prepared
from app.evidence.actions import record as record_photo
from app.evidence.models import Photo
from app.journal.actions import Draft, Head, Logs, administration, lock
from app.journal.facts import Author, Fact
from app.kit.columns import among, bound, columns_of
from app.kit.database import Again, insert_rows, resolving_insert, update_rows, write_rows
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.kit.refusals import Busy, Conflict, IdReused, NotPermitted, Refusal, VersionMismatch
from app.people.actors import Actor
from app.people.queries import VerbNotGranted
from app.problems import policy
from app.problems.lifecycle import kelurahan, merging, rounds
from app.problems.lifecycle.context import Context, UnknownCode
from app.problems.lifecycle.evolve import evolve
from app.problems.lifecycle.merging import Merge
from app.problems.lifecycle.record import Assignment, Problem, replace
from app.problems.lifecycle.steps import check, check_part, decide, decide_part, stamped_report
from app.problems.models import AssignmentRow, Comment, ProblemLink, ProblemPhoto, ProblemRow, Reading, Reporter, Sight
from app.problems.queries.aggregate import PART_FIELDS, PROBLEM_FIELDS, corrections_since, load
from app.problems.queries.details import AssignmentNotFound, ProblemNotFound, author_of, problem_of, shape, visible
from app.problems.queries.due import duplicates_to_tell, to_resume, unanswered, unanswered_holds
from app.problems.queries.lists import search_words
from app.problems.queries.records import photo_out
from app.problems.schemas.answers import CommentOut, PhotoOut, ProblemOut, ReporterOut, StepOut, StepsOut
from app.problems.schemas.reports import AttachIn, CommentIn, ReporterIn, ReportIn
from app.problems.schemas.steps import Link, MarkDuplicate, Move, StepsIn
from app.problems.words import AssignmentVerb, Verb
from app.workdays.queries import remembered_calendars, remembered_limits

BATCH_MAXIMUM = 500
ROUND_MAXIMUM = 200
"""Problems that one round of the system looks for, of each kind."""
AN_ANSWER_TAKES = timedelta(days=3)
"""Three working days are never shorter; the working days themselves are counted under the lock."""


@dataclass(frozen=True, kw_only=True)
class Intent:
    """One thing somebody, or the system, wants done to one problem."""

    problem_id: UUID
    said: BaseModel | None
    """What is said, in the shape of its verb; None where the system acts by `round`."""
    part_id: UUID | None = None
    """The assignment it is said of."""
    part_of: str | None = None
    """The agency whose assignment it is said of, where that has no id yet because the same batch makes it."""
    expected_version: int | None = None
    happened_at: datetime | None = None
    author: Author | None = None
    """Who makes the facts, where that is neither the caller nor the system: an import."""
    round: Callable[[Problem, Context], list[Fact]] | None = None
    actor: Actor | None = None
    """Who does it, where one call brings what was done under several posts; else the caller."""
    base: int | None = None
    """The version that was known when it was said: fields that others changed since are not overwritten."""
    proposal_id: UUID | None = None
    """What a proposal is to be called that comes of it."""
    in_turn: bool = False
    """Whether it counts on the steps before it on the same problem, and waits where one of them was refused."""
    refusal: Refusal | None = None
    """Why it cannot be done, where that is known already: it only makes others wait."""
    for_author: bool = False
    """Whether whoever recorded the problem may do it, whatever posts they hold by now."""
    unseen: bool = False
    """Whether it needs no sight of the problem: somebody takes back what they sent themselves."""
    claim: UUID | None = None
    """An id that only one intent of a call may use up."""
    rows: tuple[SQLModel, ...] = ()
    """Rows of other rooms that are to be written with it, such as a photo that is still awaited."""

    @property
    def is_report(self) -> bool:
        return isinstance(self.said, ReportIn)

    @property
    def is_remark(self) -> bool:
        """A comment or a photo: it moves nothing, so it neither waits for a step nor lets one wait."""
        return isinstance(self.said, CommentIn | AttachIn)

    @property
    def other_id(self) -> UUID | None:
        """Another problem that deciding has to look at."""
        if isinstance(self.said, MarkDuplicate):
            return self.said.main
        return self.said.problem if isinstance(self.said, Link) else None


@dataclass(frozen=True)
class Done:
    """What became of an intent that was not refused."""

    problem: Problem
    merge: Merge | None = None
    """What was left of it, where others had changed the problem meanwhile."""


Outcome = Problem | Refusal


class Held(Conflict):
    code = "held"
    title, judul = "A step before it was refused; it waits for a person", "Menunggu: langkah sebelumnya ditolak"


def perform(work: Work[Any], intents: Sequence[Intent]) -> list[Outcome]:
    """Does all of it in this transaction, one outcome each, in order. A refusal changes nothing and harms no other.

    Statements do not grow with the number of intents. Raises `Again` where a problem left the locked logs meanwhile.
    """
    return [each.problem if isinstance(each, Done) else each for each in perform_merging(work, intents)]


def perform_merging(work: Work[Any], intents: Sequence[Intent], stuck: Collection[UUID] = ()) -> list[Done | Refusal]:
    """The same for what was said of a problem as it stood before (`base`).

    `stuck` are problems on which an earlier step of the same sender was refused: what counts on it is held.
    """
    heads = lock(work.session, *_logs(work.session, intents))
    desk = _Desk(work, intents, heads, stuck)
    outcomes: list[Done | Refusal] = []
    for intent in intents:
        try:
            outcomes.append(desk.do(intent))
        except Refusal as refusal:
            desk.note_refusal(intent, refusal)
            outcomes.append(refusal)
    desk.write()
    return outcomes


def perform_one(work: Work[Any], intent: Intent) -> Problem:
    """The same for one intent, whose refusal is raised."""
    (outcome,) = perform(work, [intent])
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def perform_each(house: House, caller: Actor | None, intents: Sequence[Intent]) -> list[Outcome | Exception]:
    """A batch in a transaction of its own; should it fail unexpectedly, one by one, so that only the culprit fails."""
    try:
        return list(
            house.database.perform(lambda session: perform(Work(session, caller, house.clock(), house), intents))
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the culprit's outcome and nobody else's
        if len(intents) == 1:
            return [error]
        return [outcome for intent in intents for outcome in perform_each(house, caller, [intent])]


# -- lock and load ---------------------------------------------------------------------------------------------------


def _logs(session: Session, intents: Sequence[Intent]) -> tuple[set[str], Logs | None]:
    """Which logs to lock: those that are named, and those of the problems. A hint only; `_Desk` looks again."""
    named = {each.said.area for each in intents if isinstance(each.said, ReportIn | Move)}
    known = remembered_areas(session, named) if named else {}
    ids = {intent.problem_id for intent in intents if not intent.is_report}
    ids |= {intent.said.main for intent in intents if isinstance(intent.said, MarkDuplicate)}
    villages = {code for code in known if level_of(code) is Level.VILLAGE}
    return villages, Logs(_logs_of(len(ids) == 1), {"ids": bound(ids)}) if ids else None


_PROBLEMS = columns_of(ProblemRow)


@cache
def _logs_of(is_one: bool) -> Any:
    return select(_PROBLEMS.area_code).where(among(_PROBLEMS.id, "ids", is_one=is_one))


class _Desk:
    """One unit of work on problems: everything read at the start, decided in memory, written at the end."""

    def __init__(
        self, work: Work[Any], intents: Sequence[Intent], heads: Mapping[str, Head], stuck: Collection[UUID]
    ) -> None:
        self._work = work
        self._actor: Actor | None = None
        """Who does the intent at hand."""
        self._stuck = set(stuck)
        self._heads = heads
        self._draft = Draft(work, heads)
        self._added: list[SQLModel] = []
        self._comments: list[dict[str, Any]] = []
        self._links: dict[tuple[UUID, UUID], str] = {}
        self._claimed: set[UUID | None] = set()
        self._left: dict[tuple[str, UUID], int] = {}
        """The positions at which problems left a log."""
        session = work.session
        ids = {intent.problem_id for intent in intents}
        others = {intent.other_id for intent in intents if intent.other_id}
        self._loaded = load(session, ids | others, work.now)
        moving = {intent.problem_id for intent in intents if not intent.is_report}  # a report's id is to be new
        if any(self._loaded[each].area_code not in heads for each in moving & self._loaded.keys()):
            raise Again
        mains = {problem.main_id for problem in self._loaded.values() if problem.main_id}
        if any(intent.round is rounds.follow_main for intent in intents):
            self._loaded |= load(session, mains - self._loaded.keys(), work.now)
        self._problems = dict(self._loaded)
        self._changed: dict[UUID, Problem] = {}
        late = [each for each in intents if each.base is not None and merging.is_merged(each.said)]
        oldest = min((each.base for each in late if each.base is not None), default=0)
        self._corrections = corrections_since(session, {each.problem_id for each in late}, oldest)
        self._look_up(session, intents)

    def _look_up(self, session: Session, intents: Sequence[Intent]) -> None:
        said = [intent.said for intent in intents]
        area_codes = {each.area_code for each in self._problems.values()} | _named(said, "area")
        self._areas = remembered_areas(session, area_codes)
        categories = _named(said, "category")
        self._categories = remembered_categories(session, categories)
        agencies = _named(said, "lead", "agency", "belongs_to", "support", "optional_support")
        reporters = [intent.actor or self._work.caller for intent in intents if intent.is_report and not intent.refusal]
        agencies |= {each.agency_code for each in reporters if each is not None and each.agency_code}
        self._agencies = remembered_agencies(session, agencies)
        emergencies = {
            (each.category, each.area)
            for each in said
            if isinstance(each, ReportIn)
            and each.category in self._categories
            and self._categories[each.category].class_ is CategoryClass.EMERGENCY
        }
        self._responsible = responsible_agencies(session, emergencies) if emergencies else {}
        self._limits = remembered_limits(session)
        self._calendars = remembered_calendars(
            session, {code: area.time_zone for code, area in self._areas.items() if area.level is Level.VILLAGE}
        )

    # -- decide ------------------------------------------------------------------------------------------------------

    def do(self, intent: Intent) -> Done:
        """Decides one intent and notes what it makes; raises its refusal."""
        self._actor = intent.actor or self._work.caller
        problem = self._problems.get(intent.problem_id)
        is_own = intent.for_author and self._is_author(problem)
        if intent.refusal is not None and not is_own:
            raise intent.refusal
        if self._waits(intent, problem):
            raise Held
        if isinstance(intent.said, ReportIn):
            return Done(self._report(intent, intent.said))
        if problem is None or not (is_own or intent.unseen or self._sees(problem)):
            raise ProblemNotFound
        if intent.expected_version is not None and intent.expected_version != problem.version:
            raise VersionMismatch(version=problem.version)
        context = self._context(problem.area_code, intent)
        merge = None
        if intent.round is not None:
            facts = intent.round(problem, context)
        elif intent.part_id is not None or intent.part_of is not None:
            facts = self._decide_part(problem, intent, context)
        else:
            self._check(problem, intent.said, context, is_own=is_own)
            if intent.base is not None and merging.is_merged(intent.said):
                merge = self._merged(problem, intent, intent.base)
                facts = merge.facts(problem, context, intent.proposal_id, intent.base)
            else:
                facts = decide(problem, intent.said, context)
        if intent.claim is not None and intent.claim in self._claimed:
            raise IdReused
        self._claimed.add(intent.claim)
        self._added += intent.rows
        return Done(self._note(problem, facts, intent, context), merge)

    def note_refusal(self, intent: Intent, refusal: Refusal) -> None:
        """What counts on a refused step has to wait; nothing counts on a remark."""
        if intent.in_turn and not intent.is_remark and not isinstance(refusal, IdReused):
            self._stuck.add(intent.problem_id)

    def _sees(self, problem: Problem) -> bool:
        return self._actor is None or policy.see.holds(self._actor, problem, self._work.now)

    def _is_author(self, problem: Problem | None) -> bool:
        return problem is not None and self._actor is not None and problem.author_id == self._actor.account_id

    def _waits(self, intent: Intent, problem: Problem | None) -> bool:
        """A step waits for the steps before it; a remark only for the problem itself."""
        counts_on_others = intent.in_turn and not intent.is_report and not (problem and intent.is_remark)
        return counts_on_others and intent.problem_id in self._stuck

    def _check(self, problem: Problem, said: Any, context: Context, *, is_own: bool) -> None:
        """Refuses a verb that is not open now, or not to whoever says it."""
        verb, actor = Verb(said.verb), self._actor
        rule = policy.MAY[verb]
        if actor is not None and not rule.ever(actor.kind):
            raise NotPermitted
        self._check_granted(f"problem.{verb}")
        if verb not in (Verb.COMMENT, Verb.ATTACH):
            check(problem, verb, context)
        if actor is not None and not (is_own or rule.holds(actor, problem, context.now)):
            raise NotPermitted
        if verb is Verb.MARK_DUPLICATE and context.other is not None:
            self._check_main(context.other, context.now)

    def _check_granted(self, verb: str) -> None:
        """Refuses a system what its key does not name, whatever its agency may do."""
        if self._actor is not None and not self._actor.grants(verb):
            raise VerbNotGranted

    def _merged(self, problem: Problem, intent: Intent, base: int) -> Merge:
        """What is left of it, after what others changed since its author looked."""
        mine = self._actor.account_id if self._actor else None
        changed = {
            name
            for each in self._corrections.get(problem.id, ())
            if each.version > base and each.account_id != mine
            for name in each.fields
        }
        return merging.merge(problem, intent.said, changed)

    def _check_main(self, main: Problem, now: datetime) -> None:
        """Both problems must lie where the caller may say that they are the same."""
        if self._actor is not None and not policy.MAY[Verb.MARK_DUPLICATE].holds(self._actor, main, now):
            raise NotPermitted

    def _decide_part(self, problem: Problem, intent: Intent, context: Context) -> list[Fact]:
        part = _part_meant(problem, intent)
        said: Any = intent.said
        if part is None:
            raise AssignmentNotFound
        verb, actor = AssignmentVerb(said.verb), self._actor
        rule = policy.MAY_PART[verb]
        if actor is not None and not rule.ever(actor.kind):
            raise NotPermitted
        self._check_granted(f"assignment.{verb}")
        check_part(problem, part, verb)
        if actor is not None and not rule.holds(actor, policy.Part(problem, part), context.now):
            raise NotPermitted
        return decide_part(problem, part, said, context)

    def _report(self, intent: Intent, said: ReportIn) -> Problem:
        self._check_granted(f"problem.{Verb.REPORT}")
        context = self._context(said.area, intent)
        kelurahan.may_report(context, said.area)
        if said.area not in self._heads:
            raise UnknownCode("area: unknown, or no longer in force", field="area")
        if intent.problem_id in self._problems:
            raise IdReused
        head = self._heads[said.area]
        number = f"{said.area}-{head.next_number:04d}"
        responsible = self._responsible.get((said.category, said.area))
        facts = kelurahan.report(intent.problem_id, number, said, context, responsible)
        head.next_number += 1
        problem = self._note(None, stamped_report(facts, context), intent, context)
        if said.reporter is not None:
            sealed = self._work.house.vault.seal(said.reporter.model_dump_json())
            self._added.append(Reporter(problem_id=problem.id, sealed=sealed))
        return problem

    def _context(self, area_code: str, intent: Intent) -> Context:
        calendar = self._calendars.get(area_code)
        if calendar is None:
            raise UnknownCode("area: unknown, or not a kelurahan or desa", field="area")
        other = self._problems.get(intent.other_id) if intent.other_id else None
        if other is not None and not self._sees(other):
            other = None
        if intent.round is rounds.follow_main:
            main_id = self._problems[intent.problem_id].main_id
            other = self._problems.get(main_id) if main_id else None
        return Context(
            actor=self._actor,
            author=intent.author or author_of(self._actor),
            now=self._work.now,
            calendar=calendar,
            limits=self._limits,
            categories=self._categories,
            agencies=self._agencies,
            areas=self._areas,
            other=other,
            local_sample_percent=self._work.house.settings.local_sample_percent,
        )

    # -- write -------------------------------------------------------------------------------------------------------

    def _note(self, problem: Problem | None, facts: Sequence[Fact], intent: Intent, context: Context) -> Problem:
        """Gives the facts their places and keeps what they make of the problem, for the next intent and for the end."""
        after = problem
        for fact in facts:
            before, after = after, evolve(after, fact, context.now, context.author)
            log = before.area_code if before is not None and fact.kind == "moved_out" else after.area_code
            position = self._draft.add(log, after.id, after.version, context.author, fact, intent.happened_at, after)
            if fact.kind == "moved_out":
                self._left[log, after.id] = position
            after = replace(after, position=position)
            self._note_rows(after, fact, context)
        assert after is not None, "a report makes at least one fact"
        self._problems[after.id] = after
        if facts:
            self._changed[after.id] = after
        return after

    def _note_rows(self, problem: Problem, fact: Fact, context: Context) -> None:
        """Rows beside the problem that a fact brings along."""
        data = fact.data
        match fact.kind:
            case "commented":
                self._comments.append(
                    {
                        "id": UUID(data["comment"]),
                        "problem_id": problem.id,
                        "version": problem.version,
                        "text": fact.texts["text"],
                        "internal": data.get("internal", False),
                        "side": policy.territory_side(self._actor) if self._actor else "territory",
                        "late": data.get("late", False),
                        "account_id": context.author.account_id,
                        "author": context.author.name,
                        "post": context.author.post,
                        "at": context.now,
                    }
                )
            case "attached":
                self._added.append(
                    ProblemPhoto(
                        photo_id=UUID(data["photo"]),
                        problem_id=problem.id,
                        version=problem.version,
                        seen_before=data.get("seen_before", False),
                        late=data.get("late", False),
                    )
                )
            case "linked":
                self._links[problem.id, UUID(data["problem"])] = data["link"]
            case "authority_decided":
                agency = data["offers"][0]["agency"]
                teach(self._work, problem.category_code, problem.city_code, agency, problem.id)

    def write(self) -> None:
        """Writes what was decided: changed rows, new rows, and the facts."""
        session = self._work.session
        new = [problem for each, problem in self._changed.items() if each not in self._loaded]
        if new:
            insert_rows(session, ProblemRow, [_row(problem) for problem in new])
        kept = [(self._loaded[each], problem) for each, problem in self._changed.items() if each in self._loaded]
        self._update(ProblemRow, ((_row(before), _row(after)) for before, after in kept))
        self._update(AssignmentRow, (pair for before, after in kept for pair in _kept_parts(before, after)))
        new_parts = [part for before, after in kept for part in _part_rows(after)[len(before.assignments) :]]
        new_parts += [part for problem in new for part in _part_rows(problem)]
        if new_parts:
            insert_rows(session, AssignmentRow, new_parts)
        if self._added:
            session.add_all(self._added)
            session.flush()
        if self._comments:
            insert_rows(session, Comment, self._comments)
        self._write_links(session)
        self._write_sights(session)
        self._draft.write()

    def _write_sights(self, session: Session) -> None:
        """Moves what agencies see along with each problem, and leaves a mark in a log that one has left."""
        rows = [
            {"agency_code": agency, "log": log, "problem_id": problem_id, "position": position, "gone": gone}
            for problem_id, after in self._changed.items()
            for (agency, log), (position, gone) in self._sights(after).items()
        ]
        if rows:
            statement = resolving_insert(session, Sight)
            moved = {name: statement.excluded[name] for name in ("position", "gone", "at")}
            statement = statement.on_conflict_do_update(index_elements=["agency_code", "log", "problem_id"], set_=moved)
            write_rows(session, statement, [row | {"at": self._work.now} for row in rows])
        arrived = {problem_id for _, problem_id in self._left}
        if arrived:  # one that comes back is no longer gone
            places = [{"its_id": each, "its_log": self._changed[each].area_code} for each in sorted(arrived)]
            write_rows(session, _BACK, places)

    def _sights(self, after: Problem) -> dict[tuple[str, str], tuple[int, bool]]:
        """How each agency, and under `""` whoever sees a whole log, sees a changed problem from now on."""
        before = self._loaded.get(after.id)
        seen_before = before.seen_by if before else frozenset()
        left = {log: position for (log, each), position in self._left.items() if each == after.id}
        sights = {
            (agency, log): (position, True)
            for log, position in left.items()
            for agency in ("", *(seen_before | after.seen_by))
            if log != after.area_code
        }
        sights |= {(agency, after.area_code): (after.position, True) for agency in seen_before - after.seen_by}
        sights |= {(agency, after.area_code): (after.position, False) for agency in after.seen_by}
        return sights

    def _update(
        self, table: type[ProblemRow | AssignmentRow], rows: Iterable[tuple[dict[str, Any], dict[str, Any]]]
    ) -> None:
        """Writes the columns that differ between rows before and after, in one statement for all of them."""
        changed = [(after, {name for name, value in after.items() if before[name] != value}) for before, after in rows]
        columns = frozenset[str]().union(*(names for _, names in changed))
        if columns:
            given = [{name: after[name] for name in ("id", *columns)} for after, names in changed if names]
            update_rows(self._work.session, table, given)

    def _write_links(self, session: Session) -> None:
        """Two problems are linked once; saying it again says how."""
        if not self._links:
            return
        rows = [{"problem_id": one, "other_id": other, "kind": kind} for (one, other), kind in self._links.items()]
        statement = resolving_insert(session, ProblemLink).values(rows)
        session.connection().execute(
            statement.on_conflict_do_update(
                index_elements=["problem_id", "other_id"], set_={"kind": statement.excluded.kind}
            )
        )


_BACK = delete(Sight).where(
    col(Sight.agency_code) == "", col(Sight.log) == bindparam("its_log"), col(Sight.problem_id) == bindparam("its_id")
)


def _row(problem: Problem) -> dict[str, Any]:
    values = vars(problem)
    return {
        **{name: values[name] for name in PROBLEM_FIELDS},
        "state": problem.state,
        "desk": problem.desk,
        "lead_agency": problem.lead_agency,
        "district_code": problem.district_code,
        "city_code": problem.city_code,
        "words": _words(
            problem.number, problem.title, problem.address, problem.landmark, problem.source_ref, problem.description
        ),
    }


_words = lru_cache(maxsize=1_000)(search_words)
"""A step asks for the words of a problem before and after, and they rarely differ."""


def _part_rows(problem: Problem) -> list[dict[str, Any]]:
    """In the order of their offers; later facts add to the end of it and take nothing away."""
    return [
        {name: getattr(part, name) for name in PART_FIELDS} | {"problem_id": problem.id, "sequence": sequence}
        for sequence, part in enumerate(problem.assignments)
    ]


def _kept_parts(before: Problem, after: Problem) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The parts there were, as they were and as they are."""
    return zip(_part_rows(before), _part_rows(after), strict=False)


def _part_meant(problem: Problem, intent: Intent) -> Assignment | None:
    """The assignment that an intent speaks of: by its id, or the one alive of an agency."""
    if intent.part_id is not None:
        return problem.assignment(intent.part_id)
    return next((each for each in problem.assignments if each.agency_code == intent.part_of and each.is_alive), None)


def _named(said: Sequence[Any], *names: str) -> set[Any]:
    """Every value that these shapes give under these names."""
    found: set[Any] = set()
    for each in said:
        for name in names:
            value = each.__dict__.get(name) if each is not None else None  # `getattr` is slow to find nothing
            if isinstance(value, tuple):
                found.update(value)
            elif value is not None:
                found.add(value)
    return found


# -- what routes call ------------------------------------------------------------------------------------------------


def report(work: Work[Actor], said: ReportIn) -> ProblemOut:
    """Records a problem."""
    return shape(work, [perform_one(work, Intent(problem_id=said.id or new_id(), said=said))])[0]


def step(work: Work[Actor], problem_id: UUID, said: Any) -> ProblemOut:
    """One verb on a problem."""
    intent = Intent(problem_id=problem_id, said=said, expected_version=work.expected_version)
    changed = perform_one(work, intent)
    return shape(work, [_reread(work, changed)])[0]


def steps(work: Work[Actor], said: StepsIn) -> StepsOut:
    """Several steps in one transaction; each is done or refused by itself."""
    intents = [Intent(problem_id=each.problem, said=each.step, expected_version=each.version) for each in said.items]
    outcomes = perform(work, intents)
    return StepsOut(
        items=[
            StepOut(problem=intent.problem_id, done=False, version=None, state=None, refusal=outcome.body())
            if isinstance(outcome, Refusal)
            else StepOut(
                problem=intent.problem_id, done=True, version=outcome.version, state=outcome.state, refusal=None
            )
            for intent, outcome in zip(intents, outcomes, strict=True)
        ]
    )


def step_part(work: Work[Actor], assignment_id: UUID, said: Any) -> ProblemOut:
    """One verb on an agency's part; answers the problem."""
    problem_id = problem_of(work.session, assignment_id)
    intent = Intent(problem_id=problem_id, part_id=assignment_id, said=said, expected_version=work.expected_version)
    try:
        changed = perform_one(work, intent)
    except ProblemNotFound:
        raise AssignmentNotFound from None
    return shape(work, [_reread(work, changed)])[0]


def _reread(work: Work[Actor], changed: Problem) -> Problem:
    """Whether the lurah's post is vacant belongs to the area; after a move that is another area."""
    moved = changed.position and changed.number.partition("-")[0] != changed.area_code
    return load(work.session, [changed.id], work.now)[changed.id] if moved else changed


def comment(work: Work[Actor], problem_id: UUID, said: CommentIn) -> CommentOut:
    """Adds a remark."""
    named = said if said.id else said.model_copy(update={"id": new_id()})
    assert named.id is not None
    if work.session.get(Comment, named.id) is not None:
        raise IdReused
    intent = Intent(problem_id=problem_id, said=named, expected_version=work.expected_version)
    problem = perform_one(work, intent)
    late = problem.ended_version is not None
    return CommentOut(
        id=named.id,
        problem_id=problem_id,
        text=named.text,
        internal=named.internal,
        late=late,
        at=work.now,
        by=work.caller.name,
        post=work.caller.view,
    )


def check_attachable(work: Work[Actor], problem_id: UUID) -> None:
    """Before a photo is decoded: whether the caller may add one at all."""
    visible(work, problem_id)


def attach(
    work: Work[Actor], problem_id: UUID, prepared: Prepared, photo_id: UUID | None, base: int | None
) -> PhotoOut:
    """Adds a photo whose bytes are stored. The same photo under the same id again has effect once."""
    owned = work.session.get(ProblemPhoto, photo_id) if photo_id else None
    photo = record_photo(work, prepared, photo_id)
    if owned is not None:
        if owned.problem_id != problem_id:
            raise IdReused
        return photo_out(owned, photo)
    known = select(col(Photo.id)).where(col(Photo.sha256) == prepared.sha256, col(Photo.id) != photo.id).limit(1)
    seen_before = work.session.scalar(known) is not None
    work.session.flush()
    said = AttachIn(photo=photo.id, base=base, seen_before=seen_before)
    perform_one(work, Intent(problem_id=problem_id, said=said, expected_version=work.expected_version))
    stored = work.session.get(ProblemPhoto, photo.id)
    assert stored is not None, "the fact brought the row along"
    return photo_out(stored, photo)


def read_reporter(work: Work[Actor], problem_id: UUID) -> ReporterOut:
    """Who told the kelurahan; that it was read is noted."""
    problem = visible(work, problem_id)
    if not policy.see_reporter.holds(work.caller, problem, work.now):
        raise NotPermitted
    kept = work.session.get(Reporter, problem_id)
    if kept is None:
        raise ProblemNotFound("Nobody is named as reporter.")
    administration(work, "reporter.read", problem.number, problem=str(problem_id))
    named = ReporterIn.model_validate_json(work.house.vault.open(kept.sealed))
    return ReporterOut(name=named.name, phone=named.phone)


def note_reading(house: House, shown: ProblemOut) -> None:
    """Notes that the kecamatan has opened a problem as it is shown, in a small write of its own."""
    row = {"problem_id": shown.id, "log": shown.area, "position": shown.position, "at": house.clock()}
    with suppress(Busy, Again), house.database.write() as session:  # a note missed is made the next time
        statement = resolving_insert(session, Reading).values(row)
        moved = {name: statement.excluded[name] for name in ("log", "position", "at")}
        news = or_(col(Reading.log) != statement.excluded.log, col(Reading.position) < statement.excluded.position)
        session.connection().execute(
            statement.on_conflict_do_update(index_elements=["problem_id"], set_=moved, where=news)
        )


# -- the system's rounds ---------------------------------------------------------------------------------------------


def make_round(house: House) -> int:
    """Does what has become due, one log a transaction; answers how many problems moved."""
    now = house.clock()
    with house.database.read() as session:
        due: list[tuple[str, UUID, Callable[[Problem, Context], list[Fact]]]] = [
            *((log, each, rounds.confirm_unanswered) for log, each in unanswered(session, now, ROUND_MAXIMUM)),
            *((log, each, rounds.resume_reviewed) for log, each in to_resume(session, now, ROUND_MAXIMUM)),
            *(
                (log, each, rounds.decline_unanswered_holds)
                for log, each, _part in unanswered_holds(session, now - AN_ANSWER_TAKES, ROUND_MAXIMUM)
            ),
            *((log, each, rounds.follow_main) for log, each in duplicates_to_tell(session, ROUND_MAXIMUM)),
        ]
        versions = dict(
            session.execute(
                select(col(ProblemRow.id), col(ProblemRow.version)).where(
                    col(ProblemRow.id).in_([each for _, each, _ in due])
                )
            ).all()
        )
    moved = 0
    for log in sorted({log for log, _, _ in due}):
        intents = [Intent(problem_id=each, said=None, round=act) for where, each, act in due if where == log]
        outcomes = perform_each(house, None, intents)
        moved += sum(isinstance(each, Problem) and each.version > versions.get(each.id, 0) for each in outcomes)
    return moved
