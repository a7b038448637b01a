"""Each permission has two faces, for a record and for its table; here they are held side by side."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.kit.rules import Rule
from app.people.actors import Actor
from app.problems import policy
from app.problems.models import AssignmentRow, ProblemRow
from app.problems.queries.aggregate import load
from tests.problems.situations import NOW, Stage

RULES: dict[str, Rule[Actor]] = {
    **{f"may {verb}": rule for verb, rule in policy.MAY.items()},
    "see": policy.see,
    "see reporter": policy.see_reporter,
}
MOMENTS = [NOW - timedelta(days=40), NOW, NOW + timedelta(days=40)]


def everybody(stage: Stage) -> list[Actor]:
    """Every post of the town: hundreds of them, most with nothing to do with the problems."""
    return [each.actor for each in [*stage.town.people.values(), *stage.extra.values()]]


@pytest.mark.parametrize("now", MOMENTS, ids=["before", "now", "later"])
async def test_both_faces_say_the_same_of_problems(stage: Stage, now: Any) -> None:
    with stage.town.house.database.read() as session:
        ids = session.scalars(select(col(ProblemRow.id))).all()
        problems = load(session, ids, now)
        found_some = set()
        for actor in everybody(stage):
            for name, rule in RULES.items():
                if not rule.ever(actor.kind):
                    assert not any(rule.holds(actor, problem, now) for problem in problems.values()), (name, actor.view)
                    continue
                held = {each for each, problem in problems.items() if rule.holds(actor, problem, now)}
                selected = set(session.scalars(select(col(ProblemRow.id)).where(rule.where(actor, now))))
                assert held == selected, f"{name} for {actor.view}"
                if held:
                    found_some.add(name)
    assert found_some == RULES.keys(), "each rule is true for somebody, of some problem"


async def test_both_faces_say_the_same_of_parts(stage: Stage) -> None:
    with stage.town.house.database.read() as session:
        ids = session.scalars(select(col(ProblemRow.id))).all()
        problems = load(session, ids, NOW)
        records: dict[UUID, policy.Part] = {
            part.id: policy.Part(problem, part) for problem in problems.values() for part in problem.assignments
        }
        joined = select(col(AssignmentRow.id)).join(ProblemRow, col(ProblemRow.id) == col(AssignmentRow.problem_id))
        for actor in everybody(stage):
            for verb, rule in policy.MAY_PART.items():
                held = {each for each, record in records.items() if rule.holds(actor, record, NOW)}
                selected = set(session.scalars(joined.where(rule.where(actor, NOW))))
                assert held == selected, f"{verb} for {actor.view}"


async def test_both_faces_say_the_same_of_whoever_holds_a_link_to_one_part(stage: Stage) -> None:
    """It moves that part, by hand or not, and no other; a link that names another agency's part moves none."""
    officer = stage.town.head("PUPR").actor
    with stage.town.house.database.read() as session:
        problems = load(session, session.scalars(select(col(ProblemRow.id))).all(), NOW)
        records = {part.id: policy.Part(each, part) for each in problems.values() for part in each.assignments}
        joined = select(col(AssignmentRow.id)).join(ProblemRow, col(ProblemRow.id) == col(AssignmentRow.problem_id))
        moved_by_hand = set()
        for part_id, linked in records.items():
            for agency in {linked.assignment.agency_code, "PUPR"}:
                actor = replace(officer, agency_code=agency, verbs=frozenset(), part_id=part_id)
                own = {part_id} if agency == linked.assignment.agency_code else set()
                for verb, rule in policy.MAY_PART.items():
                    held = {each for each, record in records.items() if rule.holds(actor, record, NOW)}
                    assert held == set(session.scalars(joined.where(rule.where(actor, NOW)))), f"{verb} with a link"
                    assert held == (own if rule.ever(actor.kind) else set()), f"{verb} with a link"
                moved_by_hand |= {each for each in own if records[each].assignment.by_hand}
    assert moved_by_hand, "some of them are moved by hand"


async def test_a_list_shows_what_can_be_read_and_nothing_else(stage: Stage) -> None:
    ids = {each["id"] for each in stage.problems.values()} | {stage.main["id"]}
    for caller, who in stage.callers("assigned").items():
        listed: set[str] = set()
        after: str | None = None
        while True:
            page = await who.get("/problems", params={"limit": 50} | ({"after": after} if after else {}))
            if page.status_code != 200:
                break
            listed |= {each["id"] for each in page.json()["items"]}
            after = page.json()["next"]
            if after is None:
                break
        readable = {each for each in ids if (await who.get(f"/problems/{each}")).status_code == 200}
        assert readable == listed & ids, caller
