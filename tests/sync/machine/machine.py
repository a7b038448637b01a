"""The fault machine: what people do and what goes wrong, drawn by Hypothesis; single acts, and short plays of several.

A play is a sequence of the same acts as happens in any town: two people correct one thing, a backup is put back. Chance
alone would come upon one too rarely. Plays know nothing of any fault; whether something is wrong, `oracle` says.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from app.problems.schemas.reports import EditIn
from app.problems.words import AssignmentVerb, Verb
from app.sync.actions.sweeping import sweep_gone
from tests.sync.machine.world import AGENCY, BAKALAN, KEPEL, PHONES, REASON, UNREADABLE, Handset, Stage, World
from tests.town import picture

Whose = range(len(PHONES) + 1)
"""Of the phones there are; one more than at first, for a clone."""
Choice = range(12)
Which = range(6)
What = ("push", "push", "pull", "both", "both")
Limit = (1, 2, 3, 500)
Field = ("title", "landmark", "address")
FIELDS = (("title",), ("landmark",), ("title", "address"), ("landmark", "address"))

Pair = (("siti", "lurah"), ("lurah", "siti"), ("staff", "camat"), ("camat", "staff"))
"""Two who may both correct a problem: before it was accepted, and afterwards."""

FATES = ("good", "good", "request lost", "answer lost", "twice", "late", "late", "killed")


class Acts:
    """What can be done in a world, one thing at a time; whatever cannot be done now is left undone."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._settled = 0
        self._values = 0

    def phone(self, which: int | str) -> Handset:
        handsets = self.world.handsets
        if isinstance(which, str):
            return next(each for each in handsets if each.key == which)
        return handsets[which % len(handsets)]

    # -- recorded without signal -------------------------------------------------------------------------------------

    def edit(self, who: int | str, problem: str | None, fields: Sequence[str], *, plain: bool = False) -> None:
        """`plain`: to values that others may have thought of as well."""
        if problem is None:
            return
        self._values += 1
        value = "Depan musala" if plain else f"Nilai ke-{self._values}"
        data: dict[str, Any] = {name: f"{value}, {name}" for name in fields}
        self.world.record(self.phone(who), "edit", data | {"reason": REASON}, problem=problem)

    def remark(self, who: int | str, problem: str | None, *, photo: bool = False) -> None:
        if problem is not None and photo:
            self._values += 1
            data = {"content": picture(f"{self._values}")}
            self.world.record(self.phone(who), "attach", data, problem=problem)
        elif problem is not None:
            self.world.record(self.phone(who), "comment", {"text": "Sudah dicek."}, problem=problem)

    def step(self, who: int | str, choice: int) -> None:
        """Something of what the phone offers for what it knows."""
        handset = self.phone(who)
        offers: list[tuple[str, str, str | None]] = []
        for document in self.world.known(handset):
            offers += [(document["id"], verb, None) for verb in document["may"] if verb in SAID]
            for part, may in zip(document["assignments"], document["may_parts"], strict=True):
                offers += [(document["id"], verb, part["id"]) for verb in may if verb in SAID_OF_PART]
        if offers:
            problem, verb, part = offers[choice * 7 % len(offers)]
            said = (SAID_OF_PART if part else SAID)[verb]
            self.world.record(handset, verb, dict(said), problem=problem, part=part)

    def wrong(self, who: int | str, choice: int, problem: str | None) -> None:
        """What no server will do."""
        handset, world = self.phone(who), self.world
        match choice % 6:
            case 0:
                world.report(handset, category="tidak-ada")
            case 1 if problem:
                world.record(handset, "accept", {}, problem=problem)
            case 2 if problem:
                world.record(handset, "edit", {"title": 5, "warna": "biru"}, problem=problem)
            case 3:
                world.record(handset, "edit", {"title": "Tidak ada di mana pun"}, problem=str(world._new_id()))
            case 4 if problem:
                world.record(handset, "hitung", {"berapa": 7}, problem=problem)
            case 5:
                world.record(handset, UNREADABLE[0], {}, problem=str(world._new_id()))

    def problem(self, who: int | str, which: int) -> str | None:
        seen = self.world.seen(self.phone(who))
        return seen[which % len(seen)] if seen else None

    # -- the line ----------------------------------------------------------------------------------------------------

    def exchange(self, who: int | str, what: str, fate: str = "good", limit: int = 500, percent: int = 60) -> None:
        handset, world = self.phone(who), self.world
        request = world.request(handset, what, limit)
        if request is None or fate == "request lost":
            return
        answer = world.ask(handset, request)
        match fate:
            case "good":
                world.arrive(handset, request, answer)
            case "twice":
                again = world.ask(handset, request)
                for each in (again, answer) if limit == 1 else (answer, again):
                    world.arrive(handset, request, each)
            case "late":
                handset.drawer.append((request, answer))
            case "killed":
                world.crash(handset, request, answer, percent)

    def late(self, who: int | str, which: int = 0) -> None:
        """An answer arrives after all, whichever: they overtake each other."""
        handset = self.phone(who)
        if handset.drawer:
            request, answer = handset.drawer.pop(which % len(handset.drawer))
            self.world.arrive(handset, request, answer)

    def amid(self, who: int | str, statement: int, name: str, problem: str | None) -> None:
        """Somebody writes while a pull reads."""
        self._values += 1
        said = EditIn(title=f"Selagi dibaca {self._values}", reason=REASON)
        if problem is not None:
            self.world.ambush = (statement, partial(self.world.beside, name, problem, said))
            self.exchange(who, "pull")
            self.world.ambush = None

    def sync(self, *phones: int | str) -> None:
        for each in phones:
            self.world.sync(self.phone(each))

    # -- online ------------------------------------------------------------------------------------------------------

    def report_online(self, name: str = "lurah") -> str | None:
        self._values += 1
        said = {"title": f"Jalan berlubang {self._values}", "category": "saluran-tersumbat", "area": BAKALAN}
        said |= {"seen_on": (self.world.clock.now + timedelta(hours=7)).date().isoformat(), "landmark": "Pasar"}
        answer = self.world.online(name, "POST", "/problems", json=said)
        return str(answer.json()["id"]) if answer.status_code == 201 else None

    def move(self, problem: str | None, area: str) -> None:
        if problem is not None:
            self.world.say("camat", problem, "move", area=area, reason=REASON)

    def hand_over(self, problem: str | None) -> None:
        """Up to the kecamatan, and on to the agency, all online."""
        if problem is not None:
            say = self.world.say
            say("lurah", problem, "forward")
            say("staff", problem, "accept")
            say("camat", problem, "assign", lead=AGENCY)

    def revoke_part(self, problem: str | None) -> None:
        if problem is None:
            return
        parts = self.world.online("camat", "GET", f"/problems/{problem}").json().get("assignments", ())
        for each in parts:
            if each["agency"] == AGENCY:
                body = {"verb": "revoke", "reason": REASON}
                self.world.online("camat", "POST", f"/assignments/{each['id']}/steps", json=body)

    # -- deciding ----------------------------------------------------------------------------------------------------

    def settle(self) -> bool:
        """People decide whatever waits for them, each as they see fit; answers whether anything did."""
        world, done = self.world, False
        for kind in ("proposals", "quarantine"):
            for each in world.waiting(kind):
                self._settled += 1
                self._decide(kind, str(each), take=self._settled % 2 == 0)
                done = True
        return done

    def _decide(self, kind: str, which: str, *, take: bool) -> None:
        """By the camat; by its author, where it is not the camat's to decide."""
        path = f"/sync/{kind}/{which}"
        if take:
            verb, body = ("accept", {"reason": REASON}) if kind == "proposals" else ("adopt", {})
            if self.world.online("camat", "POST", f"{path}/{verb}", json=body).status_code == 200:
                return
        for name in ("camat", *PHONES):
            if self.world.online(name, "POST", f"{path}/dismiss", json={"reason": "Tidak perlu."}).status_code == 200:
                return


SAID: dict[str, dict[str, Any]] = {
    Verb.FORWARD: {},
    Verb.ENDORSE: {},
    Verb.ACCEPT: {},
    Verb.ASSIGN: {"lead": AGENCY},
    Verb.WITHDRAW: {"reason": REASON},
    Verb.SEND_BACK: {"reason": REASON},
    Verb.ANSWER: {"changes": {"landmark": "Samping pos ronda"}},
    Verb.ASK: {"question": "Sejak kapan?"},
    Verb.PRIORITISE: {"priority": "high", "reason": REASON},
    Verb.RECATEGORISE: {"category": "lampu-jalan", "reason": REASON},
    Verb.TAKE_UP: {"plan": "Satgas."},
    Verb.MOVE: {"area": KEPEL, "reason": REASON},
    Verb.REJECT: {"reason_code": "false", "reason": REASON},
    Verb.ESCALATE: {"reason": REASON},
}
SAID_OF_PART: dict[str, dict[str, Any]] = {
    AssignmentVerb.ACCEPT: {},
    AssignmentVerb.START: {},
    AssignmentVerb.PROGRESS: {"note": "Separuh jalan."},
    AssignmentVerb.DELEGATE: {"to": "UPT Drainase"},
    AssignmentVerb.FINISH: {"resolution": "explained", "note": "Beres."},
    AssignmentVerb.REFUSE: {"reason": REASON, "belongs_to": "DLHKP"},
    AssignmentVerb.REVOKE: {"reason": REASON},
}


SENT = ("push", "push", "push", "pull", "both")
LOST = ("good", "good", "good", "twice", "answer lost", "late", "killed")
READERS = ("siti", "budi", "lurah", "staff", "camat")
"""Whoever sees all of Bakalan."""
ELSEWHERE = (None, "35.75.03.1001", "35.75.03.1006", "35.75.03.1009")
"""Kelurahan of the same kecamatan in which little happens."""

HAPPENINGS: list[tuple[Callable[..., None], Mapping[str, Sequence[Any]]]] = []
"""Acts and plays, each as often as it weighs, with what their arguments may be."""


def may_happen(weight: int, **given: Sequence[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def note(happening: Callable[..., None]) -> Callable[..., None]:
        HAPPENINGS.extend([(happening, given)] * weight)
        return happening

    return note


class Course:
    """The course of one world: happenings, then quiet, and everything is checked."""

    def __init__(self, stage: Stage) -> None:
        self.world = World(stage)
        self.acts = Acts(self.world)
        self._happened = 0

    def goes_on(self, number: int) -> str:
        """Whatever this number stands for happens; answers what it was."""
        chance = random.Random(f"{number} {self._happened}")
        self._happened += 1
        happening, given = chance.choice(HAPPENINGS)
        arguments = {name: chance.choice(values) for name, values in given.items()}
        happening(self, **arguments)
        return f"{happening.__name__} {arguments}"

    def ends(self) -> None:
        self.world.quiet(self.acts.settle)

    # -- acts --------------------------------------------------------------------------------------------------------

    @may_happen(1, who=Whose)
    def reports(self, who: int) -> None:
        self.world.report(self.acts.phone(who))

    @may_happen(1, who=Whose, which=Which, fields=FIELDS, plain=(False, True))
    def edits(self, who: int, which: int, fields: tuple[str, ...], plain: bool) -> None:
        self.acts.edit(who, self.acts.problem(who, which), fields, plain=plain)

    @may_happen(1, who=Whose, which=Which, photo=(False, True))
    def remarks(self, who: int, which: int, photo: bool) -> None:
        self.acts.remark(who, self.acts.problem(who, which), photo=photo)

    @may_happen(1, who=Whose, choice=Choice)
    def steps(self, who: int, choice: int) -> None:
        self.acts.step(who, choice)

    @may_happen(1, who=Whose, choice=Choice, which=Which)
    def errs(self, who: int, choice: int, which: int) -> None:
        self.acts.wrong(who, choice, self.acts.problem(who, which))

    @may_happen(1, who=Whose, what=What, fate=FATES, limit=Limit, percent=range(100))
    def exchanges(self, who: int, what: str, fate: str, limit: int, percent: int) -> None:
        self.acts.exchange(who, what, fate, limit, percent)

    @may_happen(1, who=Whose, which=Which)
    def answer_comes_late(self, who: int, which: int) -> None:
        self.acts.late(who, which)

    @may_happen(1, who=Whose)
    def syncs(self, who: int) -> None:
        self.acts.sync(who)

    @may_happen(1, hours=(1, 30, 24 * 8, 24 * 31, 24 * 95))
    def time_passes(self, hours: int) -> None:
        self.world.clock.advance(timedelta(hours=hours))
        self.world.round()

    @may_happen(1, who=Whose, restored=(False, True))
    def phone_is_copied(self, who: int, restored: bool) -> None:
        handset = self.acts.phone(who)
        if restored and handset.copy is not None:
            self.world.restore_phone(handset)
        else:
            self.world.back_up_phone(handset)

    @may_happen(1, who=Whose)
    def phone_is_cloned(self, who: int) -> None:
        self.world.clone(self.acts.phone(who))

    @may_happen(1, restored=(False, True))
    def server_is_copied(self, restored: bool) -> None:
        if not (restored and self.world.restore_server()):
            self.world.back_up_server()

    @may_happen(1, who=("siti", "budi", "neighbour"), what=range(4))
    def rights_change(self, who: str, what: int) -> None:
        handset = self.acts.phone(who)
        match what:
            case 0:
                self.world.end_post(handset)
            case 1:
                self.world.appoint(handset, KEPEL)
            case 2:
                self.world.appoint(handset, BAKALAN)
            case 3:
                self.world.revoke_device(handset)

    @may_happen(1, who=Whose)
    def logs_in_again(self, who: int) -> None:
        self.world.log_in(self.acts.phone(who))

    @may_happen(1)
    def somebody_decides(self) -> None:
        self.acts.settle()

    # -- plays -------------------------------------------------------------------------------------------------------

    @may_happen(2, pair=Pair, ones=Field, others=Field, photo=(False, True), fate=FATES)
    def two_correct_the_same(self, pair: tuple[str, str], ones: str, others: str, photo: bool, fate: str) -> None:
        acts, (one, other) = self.acts, pair
        problem = acts.report_online("siti")
        if "camat" in pair:
            acts.hand_over(problem)
        acts.sync(one, other)
        acts.edit(one, problem, [ones, "title"])
        acts.edit(other, problem, [others, "landmark"])
        acts.remark(other, problem, photo=photo)
        acts.exchange(one, "both", fate)
        acts.exchange(other, "push", fate)
        acts.exchange(one, "both")

    @may_happen(2, first=(BAKALAN, KEPEL), who=("camat", "staff", "lurah"), limit=Limit)
    def a_problem_is_moved(self, first: str, who: str, limit: int) -> None:
        acts = self.acts
        problem = acts.report_online("siti")
        if first == KEPEL:
            acts.move(problem, KEPEL)
        acts.sync(who, "neighbour")
        acts.remark(who, problem)
        acts.exchange(who, "both", "late")
        acts.exchange(who, "both")
        acts.move(problem, KEPEL if first == BAKALAN else BAKALAN)
        acts.exchange(who, "pull", "good", limit)
        acts.late(who)

    @may_happen(2, who=("camat", "staff"), limit=Limit)
    def an_answer_comes_after_a_move(self, who: str, limit: int) -> None:
        acts = self.acts
        acts.sync(who)
        problem = acts.report_online("siti")
        acts.exchange(who, "pull", "late", limit)
        acts.exchange(who, "pull")
        acts.move(problem, KEPEL)
        acts.sync(who)
        acts.late(who)

    @may_happen(2, back=(False, True))
    def an_agency_loses_its_part(self, back: bool) -> None:
        acts = self.acts
        problem = acts.report_online("lurah")
        acts.hand_over(problem)
        acts.sync("officer")
        acts.step("officer", 0)
        acts.revoke_part(problem)
        acts.remark("officer", problem)
        acts.exchange("officer", "both")
        if back:
            acts.world.say("camat", str(problem), "assign", lead=AGENCY)
            acts.exchange("officer", "pull")

    @may_happen(4, who=Whose, other=Whose, what=SENT, fate=LOST, online=ELSEWHERE, busy=(False, True))
    def the_server_is_set_back(
        self, who: int, other: int, what: str, fate: str, online: str | None, busy: bool
    ) -> None:
        acts, world = self.acts, self.world
        problem = acts.report_online("siti")
        acts.sync(who)
        acts.exchange(other, "both")
        world.back_up_server()
        for _ in range(2):
            acts.remark(who, problem)
        acts.exchange(who, what, fate)
        if online is not None:
            lost = acts.report_online("lurah")
            acts.hand_over(lost)
            acts.move(lost, online)
            acts.sync(other, "officer")
        if world.restore_server():
            for _ in range(6 if busy else 0):
                acts.report_online("lurah")
            acts.remark(who, problem)
            acts.remark(who, problem)
            acts.exchange(who, "push")
            acts.exchange(other, what)
            acts.late(who)

    @may_happen(2, who=("siti", "lurah", "camat"), kind=(1, 2, 4), new=(False, True), behind=(1, 2), fate=LOST)
    def a_step_is_refused(self, who: str, kind: int, new: bool, behind: int, fate: str) -> None:
        """A step that nobody will do, or a report; and more behind it."""
        acts = self.acts
        problem = acts.report_online("siti")
        if who == "camat":
            acts.hand_over(problem)
        acts.sync(who)
        if new:
            problem = self.world.report(acts.phone(who), category="tidak-ada")
        else:
            acts.wrong(who, kind, problem)
        for _ in range(behind):
            acts.edit(who, problem, ["landmark"])
        acts.remark(who, problem)
        acts.exchange(who, "push", fate)
        acts.edit(who, problem, ["address"])
        acts.exchange(who, "both")

    @may_happen(2, who=("staff", "camat"), fate=("answer lost", "late", "killed"))
    def the_kecamatan_does_not_get_it(self, who: str, fate: str) -> None:
        acts = self.acts
        acts.report_online("siti")
        acts.exchange(who, "pull", fate)
        acts.exchange("lurah", "pull")
        acts.late(who)

    @may_happen(2, who=READERS, name=("lurah", "staff"), statement=range(3, 7))
    def somebody_writes_meanwhile(self, who: int, name: str, statement: int) -> None:
        acts = self.acts
        for more in range(4):
            problem = acts.report_online("lurah")
            if name == "staff":
                acts.hand_over(problem)
            acts.amid(who, statement + more, name, problem)

    @may_happen(2, who=("lurah", "officer", "siti"), days=(401, 500), more=(False, True))
    def away_for_more_than_a_year(self, who: str, days: int, more: bool) -> None:
        """Marks of what has gone are swept meanwhile."""
        acts = self.acts
        problem = acts.report_online("lurah")
        acts.hand_over(problem)
        if more:
            acts.hand_over(acts.report_online("lurah"))
        acts.sync(who)
        acts.revoke_part(problem)
        acts.move(problem, KEPEL)
        acts.report_online("lurah")
        self.world.clock.advance(timedelta(days=days))
        sweep_gone(self.world.house)
        acts.exchange(who, "pull")

    @may_happen(2, who=READERS, what=("pull", "both"), percent=range(100))
    def the_app_is_killed(self, who: str, what: str, percent: int) -> None:
        """While it stores what came."""
        acts = self.acts
        for more in range(3):
            acts.report_online("lurah")
            acts.remark(who, acts.problem(who, 0))
            acts.exchange(who, what, "killed", 500, (percent + 20 * more) % 100)

    @may_happen(2, who=("siti", "budi", "neighbour"), how=range(3))
    def somebody_changes_posts(self, who: str, how: int) -> None:
        acts, world = self.acts, self.world
        handset = acts.phone(who)
        acts.sync(who)
        problem = world.report(handset)
        acts.remark(who, problem)
        if how != 1:
            world.end_post(handset)
        if how != 0:
            world.appoint(handset, KEPEL)
            world.log_in(handset)
        acts.edit(who, problem, ["title"])
        acts.exchange(who, "both")

    @may_happen(2, who=Whose, fate=FATES, limit=Limit, percent=range(100))
    def many_pages(self, who: int, fate: str, limit: int, percent: int) -> None:
        acts = self.acts
        for _ in range(3):
            acts.report_online("lurah")
        for _ in range(2):
            acts.exchange(who, "pull", fate, min(limit, 2), percent)
        acts.exchange(who, "pull", "good", min(limit, 2))


def run_courses(stage: Stage, seed: int, courses: int, happenings: int = 12) -> None:
    """Worlds in which anything is as likely as anything else."""
    chance = random.Random(seed)
    for _ in range(courses):
        course = Course(stage)
        try:
            for _ in range(happenings):
                course.goes_on(chance.getrandbits(64))
            course.ends()
        finally:
            course.world.close()


class Machine(RuleBasedStateMachine):
    """The same for Hypothesis, which finds the shortest course that shows a failure."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self._course = Course(self.stage)

    @rule(number=st.integers(0, 2**64 - 1))
    def something_happens(self, number: int) -> None:
        hypothesis.note(self._course.goes_on(number))

    def teardown(self) -> None:
        try:
            self._course.ends()
        finally:
            self._course.world.close()
