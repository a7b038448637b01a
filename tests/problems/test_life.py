"""A problem's life at random: whoever may do something does it, time passes, and the house stays true to itself."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from sqlmodel import col

from app.assembly import assemble
from app.evidence.models import Photo
from app.journal.models import Entry, LogHead
from app.kit.house import House
from app.kit.ids import new_id
from app.kit.refusals import Refusal
from app.people.words import PostKind
from app.problems import policy
from app.problems.actions import Intent, make_round, perform
from app.problems.lifecycle.context import Context
from app.problems.lifecycle.evolve import evolve
from app.problems.lifecycle.record import Problem
from app.problems.lifecycle.steps import PART_STEPS, STEPS, decide, decide_part
from app.problems.models import ProblemPhoto, ProblemRow
from app.problems.queries.aggregate import load, refold
from app.problems.queries.details import author_of, shape
from app.problems.schemas import parts, reports, steps
from app.problems.words import ENDED, AssignmentState, AssignmentVerb, State, Verb
from app.workdays.calendar import Calendar
from app.workdays.limits import NATIONAL_NORMS, Limits
from tests.conftest import Databases, SettableClock, settings_for
from tests.problems.situations import Stage
from tests.town import Someone, Town, populate

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "12"))
ACTORS = (
    (PostKind.OPERATOR, "35.75.03.1005"),
    (PostKind.LURAH, "35.75.03.1005"),
    (PostKind.LURAH, "35.75.03.1002"),
    (PostKind.STAFF, "35.75.03"),
    (PostKind.CAMAT, "35.75.03"),
    (PostKind.OFFICER, "PUPR"),
    (PostKind.HEAD, "PUPR"),
    (PostKind.HEAD, "DLHKP"),
    (PostKind.MONITOR, "35.75"),
    (PostKind.MAYOR, "35.75"),
)
REASON = {"reason": "Ada alasannya."}


def say(verb: str, today: date, photos: list[UUID], other: UUID, choice: int) -> Any:
    """Something acceptable to say with a verb on a problem."""
    lead, support = (("PUPR", ["DLHKP"]), ("DLHKP", []), ("PLN", ["PUPR"]))[choice % 3]
    contents: dict[str, dict[str, Any]] = {
        "recategorise": {"category": ("saluran-rusak", "banjir", "bantuan-sosial")[choice % 3]} | REASON,
        "prioritise": {"priority": ("low", "high")[choice % 2]} | REASON,
        "move": {"area": ("35.75.03.1005", "35.75.03.1002")[choice % 2]} | REASON,
        "propose_move": {"area": "35.75.03.1009"} | REASON,
        "handle_locally": {"plan": "Kerja bakti.", "target_on": today},
        "ask": {"question": "Sejak kapan?"},
        "answer": {"answer": "Sejak Senin."},
        "take_up": {"plan": "Satgas."},
        "assign": {"lead": lead, "support": support},
        "decide_authority": {"agency": "PUPR"} | REASON,
        "finish": {"resolution": "repaired", "photos": photos[:1]},
        "hold": {"reason_code": "budget", "review_on": today + timedelta(days=3)},
        "confirm": {"rating": 4},
        "dispute": {"photos": photos[:1]} | REASON,
        "reject": {"reason_code": "privacy"} | REASON,
        "decide_appeal": {"outcome": ("upheld", "overturned")[choice % 2]} | REASON,
        "mark_duplicate": {"main": other},
        "defer_to_planning": {"planned_in": "Renja 2027"},
        "link": {"problem": other},
    }
    if verb == "edit":
        return reports.EditIn(title=f"Judul ke-{choice}", **REASON)
    if verb == "comment":
        return reports.CommentIn(id=new_id(), text="Sudah dicek.")
    wanted = next(each for each in STEP_SHAPES if each.model_fields["verb"].annotation.__args__ == (verb,))
    said = contents.get(verb, REASON if "reason" in wanted.model_fields else {})
    return wanted(verb=verb, **said)


def shapes_in(module: Any) -> list[Any]:
    """The shapes of a module that carry a verb."""
    return [each for each in vars(module).values() if "verb" in getattr(each, "model_fields", {})]


STEP_SHAPES, PART_SHAPES = shapes_in(steps), shapes_in(parts)


def say_of_part(verb: str, today: date, photos: list[UUID], by_hand: bool) -> Any:
    contents: dict[str, dict[str, Any]] = {
        "progress": {"note": "Separuh jalan."},
        "delegate": {"to": "UPT Drainase"},
        "hold": {"reason_code": "budget", "review_on": today + timedelta(days=3)},
        "finish": {"resolution": "repaired", "note": "Beres.", "photos": photos[:1]},
        "refuse": REASON,
        "revoke": REASON,
    }
    wanted = next(each for each in PART_SHAPES if each.model_fields["verb"].annotation.__args__ == (verb,))
    said = contents.get(verb, {})
    if by_hand and "letter" in wanted.model_fields:
        said = said | {"letter": "005/17/2026"}
    return wanted(verb=verb, **said)


class Life(RuleBasedStateMachine):
    """Several problems in two kelurahan, everybody who has a say, and the clock."""

    databases: ClassVar[Databases]
    kind: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self._fresh = self.databases.fresh(self.kind, populate)
        self._folder = tempfile.TemporaryDirectory()
        self._clock = SettableClock()
        self._house: House = assemble(settings_for(self._fresh.__enter__(), Path(self._folder.name)), clock=self._clock)
        town = Town(self._house, None, self._clock)  # type: ignore[arg-type]  # nobody speaks HTTP here
        self._people: list[Someone] = [town.people[each] for each in ACTORS]
        self._town = town
        self._promised: dict[UUID, datetime | None] = {}
        self._states: dict[UUID, State] = {}

    def teardown(self) -> None:
        try:
            with self._house.database.read() as session:
                loaded = load(session, list(self._states), self._clock.now)
            for each in loaded.values():
                way = way_to_an_end(each, self._people, self._clock.now)
                assert way is not None, "people alone come to no end"
        finally:
            self._end()

    def _end(self) -> None:
        self._house.database.close()
        self._fresh.__exit__(None, None, None)
        self._folder.cleanup()

    @initialize(emergency=st.booleans())
    def two_reports(self, emergency: bool) -> None:
        self._report(self._people[0], "banjir" if emergency else "saluran-tersumbat")
        self._report(self._people[3], "lampu-jalan")

    @rule(who=st.sampled_from([0, 1, 3, 4, 8]), category=st.sampled_from(["saluran-tersumbat", "bantuan-sosial"]))
    def somebody_reports(self, who: int, category: str) -> None:
        if len(self._states) < 4:
            self._report(self._people[who], category)

    @rule(data=st.data(), choice=st.integers(0, 11))
    def somebody_does_what_is_offered(self, data: st.DataObject, choice: int) -> None:
        """Whatever `may` offers is done, or refused for its content only."""
        problem_id = data.draw(st.sampled_from(sorted(self._states)))
        who = data.draw(st.sampled_from(self._people))
        with self._house.database.read() as session:
            problem = load(session, [problem_id], self._clock.now)[problem_id]
            if not policy.see.holds(who.actor, problem, self._clock.now):
                return
            shown = shape(self._town.work(session, who), [problem])[0]
        verbs = [each for each in shown.may if each is not Verb.ATTACH]
        offers: list[tuple[str, UUID | None, bool]] = [(verb.value, None, False) for verb in verbs]
        offers += [(verb.value, part.id, part.by_hand) for part in shown.assignments for verb in part.may]
        if not offers:
            return
        verb, part_id, by_hand = data.draw(st.sampled_from(offers))
        today, photos = self._town.today(), self._photos(problem_id)
        other = next(each for each in sorted(self._states) if each != problem_id)
        said = say_of_part(verb, today, photos, by_hand) if part_id else say(verb, today, photos, other, choice)
        outcome = self._perform(who, Intent(problem_id=problem_id, part_id=part_id, said=said))
        if isinstance(outcome, Refusal):
            assert outcome.status in (422, 403) or outcome.code in ("main_not_possible", "authority_binding"), (
                f"{verb} was offered, and then: {outcome.code}"
            )

    @rule(data=st.data(), choice=st.integers(0, 11))
    def somebody_tries_what_is_not_offered(self, data: st.DataObject, choice: int) -> None:
        problem_id = data.draw(st.sampled_from(sorted(self._states)))
        who = data.draw(st.sampled_from(self._people))
        verb = data.draw(st.sampled_from(sorted(set(STEPS) - {Verb.ATTACH, Verb.COMMENT, Verb.LINK})))
        with self._house.database.read() as session:
            problem = load(session, [problem_id], self._clock.now)[problem_id]
            if verb in shape(self._town.work(session, who), [problem])[0].may:
                return
        other = next(each for each in sorted(self._states) if each != problem_id)
        said = say(verb.value, self._town.today(), self._photos(problem_id), other, choice)
        outcome = self._perform(who, Intent(problem_id=problem_id, said=said))
        assert isinstance(outcome, Refusal), f"{verb} was not offered, and done"
        assert outcome.status in (403, 404, 409)

    @rule(days=st.integers(1, 9))
    def time_passes_and_the_system_looks(self, days: int) -> None:
        self._clock.advance(timedelta(days=days))
        for _ in range(8):
            if make_round(self._house) == 0:
                return
        raise AssertionError("the rounds come to no end")

    @precondition(lambda self: self._states)
    @invariant()
    def the_house_is_true_to_itself(self) -> None:
        with self._house.database.read() as session:
            loaded = load(session, list(self._states), self._clock.now)
            rows = {row.id: row for row in session.scalars(select(ProblemRow))}
            for problem_id, problem in loaded.items():
                row = rows[problem_id]
                folded = refold(session, problem_id)
                assert folded is not None
                assert replace(folded, lurah_vacant=problem.lurah_vacant) == problem, "the facts make the row"
                assert (row.state, row.desk, row.lead_agency) == (problem.state, problem.desk, problem.lead_agency)
                self._check_values(problem)
            self._check_logs(session)

    def _check_values(self, problem: Problem) -> None:
        assert self._promised.setdefault(problem.id, problem.promised_at) == problem.promised_at
        if problem.state in ENDED:
            assert not any(part.is_open for part in problem.assignments), "an ending revokes what is open"
        else:
            assert problem.desk is not None, "an open problem lies on somebody's desk"
            assert problem.desk_until is not None, "and until some moment"
        assert sum(part.is_lead and part.is_alive for part in problem.assignments) <= 1

    def _check_logs(self, session: Any) -> None:
        positions: dict[str, list[int]] = {}
        versions: dict[UUID, list[int]] = {}
        for entry in session.scalars(select(Entry).order_by(col(Entry.log), col(Entry.position))):
            positions.setdefault(entry.log, []).append(entry.position)
            versions.setdefault(entry.subject, []).append(entry.version)
        for head in session.scalars(select(LogHead)):
            assert positions.get(head.log, []) == list(range(1, head.position + 1))
        for row in session.scalars(select(ProblemRow)):
            assert sorted(versions[row.id]) == list(range(1, row.version + 1))

    def _perform(self, who: Someone, intent: Intent) -> Problem | Refusal:
        with self._house.database.write() as session:
            (outcome,) = perform(self._town.work(session, who), [intent])
        if isinstance(outcome, Problem):
            before = self._states.get(outcome.id)
            verb = Verb(intent.said.verb) if intent.part_id is None and before is not None else None  # type: ignore[union-attr]
            if verb is not None and outcome.state is not before:
                assert outcome.state in STEPS[verb].targets(before), f"{verb} led from {before} to {outcome.state}"  # type: ignore[arg-type]
            self._states[outcome.id] = outcome.state
        with self._house.database.read() as session:
            self._states |= {row.id: row.state for row in session.scalars(select(ProblemRow))}
        return outcome

    def _report(self, who: Someone, category: str) -> None:
        said = reports.ReportIn.model_validate(self._town.problem("Bakalan", category=category))
        outcome = self._perform(who, Intent(problem_id=new_id(), said=said))
        assert isinstance(outcome, Problem)

    def _photos(self, problem_id: UUID) -> list[UUID]:
        """A photo of the problem, its bytes left out; one that comes when it has ended is not taken."""
        photo_id = new_id()
        name = photo_id.hex
        with self._house.database.write() as session:
            known = session.scalars(select(ProblemPhoto).where(col(ProblemPhoto.problem_id) == problem_id)).first()
            if known is not None:
                return [known.photo_id]
            session.add(
                Photo(
                    id=photo_id,
                    sha256=name,
                    perceptual_hash=name[:16],
                    width=1,
                    height=1,
                    size=1,
                    media_type="image/jpeg",
                    stored_name=name,
                    thumbnail_name=name,
                    created_at=self._clock.now,
                )
            )
            session.flush()
            perform(
                self._town.work(session, None), [Intent(problem_id=problem_id, said=reports.AttachIn(photo=photo_id))]
            )
        return [photo_id]


# -- from wherever a problem stands, people alone can bring it to an end ----------------------------------------------


def way_to_an_end(problem: Problem, people: list[Someone], now: datetime) -> list[str] | None:
    """The shortest way that people can go, without marking it as the duplicate of another; None where there is none."""
    photo = new_id()
    nodes: list[tuple[Problem, list[str]]] = [(problem, [])]
    seen: set[Any] = set()
    for node, way in nodes:
        if node.state in ENDED:
            return way
        key = (node.state, node.ground, node.overlay, tuple(each.state for each in node.assignments), node.bounces)
        if key in seen or len(way) > 8:
            continue
        seen.add(key)
        for after, named in moves(node, people, now, photo):
            nodes.append((after, [*way, named]))
    return None


def moves(problem: Problem, people: list[Someone], now: datetime, photo: UUID) -> Iterator[tuple[Problem, str]]:
    """Every problem that one step of one person makes of this one, to which the photo was sent."""
    problem = replace(problem, photos=(photo,))
    today = (now + timedelta(hours=7)).date()
    for who in people:
        context = Context(
            actor=who.actor,
            author=author_of(who.actor),
            now=now,
            calendar=CALENDAR,
            limits=LIMITS,
        )
        for verb in set(STEPS) - NEEDS_MORE_THAN_THE_PROBLEM:
            if policy.MAY[verb].holds(who.actor, problem, now):
                said = say(verb.value, today, [photo], photo, 0)
                yield from made(problem, decide, (problem, said, context), context, f"{verb} by {who.actor.kind}")
        for part in problem.assignments:
            for part_verb in PART_STEPS:
                if policy.MAY_PART[part_verb].holds(who.actor, policy.Part(problem, part), now):
                    said = say_of_part(part_verb.value, today, [photo], part.by_hand)
                    words = f"{part_verb} by {who.actor.kind}"
                    yield from made(problem, decide_part, (problem, part, said, context), context, words)


def made(problem: Problem, decider: Any, given: Any, context: Context, named: str) -> Iterator[tuple[Problem, str]]:
    try:
        facts = decider(*given)
    except Refusal:
        return
    for fact in facts:
        problem = evolve(problem, fact, context.now, context.author)
    yield problem, named


CALENDAR = Calendar(ZoneInfo("Asia/Jakarta"))
LIMITS = Limits(
    {(name, stage): allowance for name, stages in NATIONAL_NORMS.items() for stage, allowance in stages.items()}
)
NEEDS_MORE_THAN_THE_PROBLEM = {
    Verb.ASSIGN,
    Verb.DECIDE_AUTHORITY,
    Verb.RECATEGORISE,
    Verb.MOVE,
    Verb.PROPOSE_MOVE,
    Verb.MARK_DUPLICATE,
    Verb.LINK,
    Verb.COMMENT,
    Verb.ATTACH,
    Verb.WITHDRAW,
    Verb.REJECT,
}
"""Verbs that look at other records, or end everything in one step and so would prove nothing."""


async def test_people_alone_can_reach_an_end_from_everywhere(stage: Stage) -> None:
    """Also where nobody withdraws, rejects or calls it a duplicate: by doing the work, or by planning it."""
    people = [*stage.town.people.values(), *stage.extra.values()]
    with stage.town.house.database.read() as session:
        ids = [UUID(each["id"]) for each in stage.problems.values()]
        loaded = load(session, ids, stage.town.clock.now)
    concerned = [each for each in people if (each.actor.kind, each.actor.area_code or each.actor.agency_code) in ACTORS]
    for name, each in stage.problems.items():
        problem = loaded[UUID(each["id"])]
        assert way_to_an_end(problem, concerned, stage.town.clock.now) is not None, name


@pytest.fixture
def life(databases: Databases, database_kind: str) -> type[Life]:
    Life.databases, Life.kind = databases, database_kind
    return Life


def test_a_life(life: type[Life], database_kind: str) -> None:
    """The house is true to itself whatever people do; fewer lives on PostgreSQL, where a new store takes longer."""
    examples = EXAMPLES if database_kind == "sqlite" else max(2, EXAMPLES // 3)
    run_state_machine_as_test(life, settings=hypothesis.settings(max_examples=examples, stateful_step_count=40))


def test_a_lifes_verbs_are_all_of_them() -> None:
    """The machine above knows something to say for every verb there is."""
    for verb in set(STEPS) - {Verb.ATTACH}:
        assert say(verb.value, date(2026, 3, 2), [new_id()], new_id(), 0).verb == verb
    for part_verb in PART_STEPS:
        assert say_of_part(part_verb.value, date(2026, 3, 2), [new_id()], by_hand=False).verb == part_verb
    assert set(PART_STEPS) == set(AssignmentVerb)
    assert len(AssignmentState) == 7
