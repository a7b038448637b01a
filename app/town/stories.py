"""The demo town's life: stories told in `problems.toml`, acted out in order of time through the one write path."""

import hashlib
import random
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, TypeAdapter

from app.areas.models import Area
from app.areas.words import Level, parent_of
from app.evidence.actions import Prepared, receive
from app.journal.facts import Fact
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.people.actors import Actor
from app.problems.actions import Intent, attach, perform_one
from app.problems.lifecycle import rounds
from app.problems.lifecycle.context import Context
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.schemas.parts import AssignmentStepIn
from app.problems.schemas.reports import CommentIn, EditIn, ReportIn
from app.problems.schemas.steps import StepIn
from app.problems.words import AssignmentVerb
from app.town.hours import OfficeHours, minutes_of
from app.town.pictures import draw

STORIES = Path(__file__).parent / "problems.toml"
_IDS = UUID("7d9d3a54-5f0c-4c43-9a55-0f2e6b1c3575")
_REACH = 0.0015
"""Degrees around an area's own point, some 160 m, in which its problems are placed."""
_STEP: TypeAdapter[Any] = TypeAdapter(StepIn)
_PART_STEP: TypeAdapter[Any] = TypeAdapter(AssignmentStepIn)
_BY_ITSELF: Mapping[str, Callable[[Problem, Context], list[Fact]]] = {
    "confirm_unanswered": rounds.confirm_unanswered,
    "follow_main": rounds.follow_main,
}
"""What a story lets the system do."""


class Step(BaseModel):
    """One step of a story; whatever else it names is said with the verb."""

    model_config = ConfigDict(extra="allow", frozen=True)

    after: str
    """Working time since the step before."""
    who: str
    """A username, or the post of this place: operator, lurah, staf, camat; petugas and kepala are the lead's."""
    verb: str
    part: str | None = None
    """The agency whose part an office moves."""
    photo: bool = False

    @property
    def said(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Story(BaseModel):
    """A problem and what became of it; whatever else it names is said in the report."""

    model_config = ConfigDict(extra="allow", frozen=True)

    key: str
    kelurahan: str
    ago: str
    """Working time between the report and the present."""
    who: str = "operator"
    seen: int = 0
    """Days before the report on which it was seen."""
    photo: bool = False
    steps: tuple[Step, ...] = ()

    @property
    def said(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    @property
    def id(self) -> UUID:
        """The same in every demo town, so that which local work is sampled does not change with the day."""
        return uuid5(_IDS, self.key)


def read_stories(path: Path) -> list[Story]:
    """The stories of a file, checked: each key once, nothing later than the present."""
    stories = [Story.model_validate(each) for each in tomllib.loads(path.read_text(encoding="utf-8"))["problem"]]
    for key, count in Counter(story.key for story in stories).items():
        if count > 1:
            raise ValueError(f"two stories are called {key}")
    for story in stories:
        if sum(minutes_of(step.after) for step in story.steps) >= minutes_of(story.ago):
            raise ValueError(f"{story.key} reaches into the future")
    return stories


@dataclass(frozen=True, order=True)
class Deed:
    """One thing somebody does at a moment; `step` is None for the report."""

    at: datetime
    key: str
    place: int
    story: Story = field(compare=False)
    step: Step | None = field(compare=False)

    @property
    def has_photo(self) -> bool:
        return (self.step or self.story).photo

    @property
    def photo_id(self) -> UUID:
        return uuid5(self.story.id, str(self.place))


def deeds_of(stories: Sequence[Story], hours: OfficeHours) -> list[Deed]:
    """Everything that is done in these stories, in order of time, so that each kelurahan's log is in order too."""
    return sorted(deed for story in stories for deed in _deeds(story, hours))


def _deeds(story: Story, hours: OfficeHours) -> Iterator[Deed]:
    left = minutes_of(story.ago)
    second = timedelta(seconds=hashlib.sha256(story.key.encode()).digest()[0] % 60)
    for place, step in enumerate([None, *story.steps]):
        left -= minutes_of(step.after) if step else 0
        yield Deed(hours.back(left) + second, story.key, place, story, step)


def take_photos(house: House, deeds: Sequence[Deed]) -> dict[UUID, Prepared]:
    """Draws and stores what the deeds show. Slow, and so before the transaction that names the files."""
    return {
        deed.photo_id: receive(house, draw(f"{deed.key} {deed.place}", mended=deed.step is not None))
        for deed in deeds
        if deed.has_photo
    }


class Stage:
    """Acts deeds out in one transaction: the town has lived, or it is not there."""

    def __init__(
        self,
        work: Work[Any],
        hours: OfficeHours,
        actors: Mapping[str, Actor],
        areas: Sequence[Area],
        photos: Mapping[UUID, Prepared],
    ) -> None:
        self._work = work
        self._hours = hours
        self._actors = actors
        self._photos = photos
        self._districts = {area.code: area for area in areas if area.level is Level.DISTRICT}
        self._kelurahan = {area.name: area for area in areas if area.level is Level.VILLAGE}
        self.problems: dict[str, Problem] = {}

    def act(self, deed: Deed) -> None:
        """Does one deed as its person, at its moment."""
        try:
            self._act(deed)
        except Exception as error:
            error.add_note(f"in the story {deed.key}, step {deed.place}")
            raise

    def _act(self, deed: Deed) -> None:
        step, story = deed.step, deed.story
        actor = self._actor(step.who if step else story.who, story)
        work = replace(self._work, caller=actor, now=deed.at)
        if step is None:
            intent = Intent(problem_id=story.id, said=self._report(deed))
        else:
            if deed.has_photo:
                self._attach(work, deed)
            intent = self._intent(deed, step, actor)
        self.problems[story.key] = perform_one(work, intent)
        if step is None and deed.has_photo:
            self._attach(work, deed)

    def _attach(self, work: Work[Any], deed: Deed) -> None:
        attach(work, deed.story.id, self._photos[deed.photo_id], deed.photo_id, None)

    def _report(self, deed: Deed) -> ReportIn:
        story = deed.story
        area = self._kelurahan[story.kelurahan]
        chance = random.Random(story.key)  # noqa: S311 - a place on a map
        said = self._complete(story.said, deed.at) | {
            "area": area.code,
            "seen_on": self._hours.calendar.local_day(deed.at) - timedelta(days=story.seen),
        }
        if area.latitude is not None and area.longitude is not None:
            said["point"] = {
                "lat": round(area.latitude + chance.uniform(-_REACH, _REACH), 6),
                "lon": round(area.longitude + chance.uniform(-_REACH, _REACH), 6),
            }
        return ReportIn.model_validate(said)

    def _intent(self, deed: Deed, step: Step, actor: Actor | None) -> Intent:
        story = deed.story
        if actor is None:
            return Intent(problem_id=story.id, said=None, round=_BY_ITSELF[step.verb])
        said = self._complete(step.said, deed.at)
        if deed.has_photo:
            said["photos"] = (deed.photo_id,)
        match step.verb:
            case "comment":
                return Intent(problem_id=story.id, said=CommentIn(id=new_id(), **said))
            case "edit":
                return Intent(problem_id=story.id, said=EditIn(**said))
        agency = step.part or (actor.agency_code if step.verb in frozenset(AssignmentVerb) else None)
        if agency is None:
            return Intent(problem_id=story.id, said=_STEP.validate_python(said | {"verb": step.verb}))
        return Intent(
            problem_id=story.id,
            part_id=_part(self.problems[story.key], agency).id,
            said=_PART_STEP.validate_python(said | {"verb": step.verb}),
        )

    def _complete(self, said: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        """What is said, with names made codes, keys made ids, and `…_in` working days made dates."""
        complete: dict[str, Any] = {}
        for name, value in said.items():
            if name == "area":
                complete[name] = self._kelurahan[value].code
            elif name in ("main", "problem"):
                complete[name] = self.problems[value].id
            elif name.endswith("_in") and isinstance(value, int):
                calendar = self._hours.calendar
                complete[f"{name.removesuffix('_in')}_on"] = calendar.add(calendar.local_day(at), value)
            elif isinstance(value, dict):
                complete[name] = self._complete(value, at)
            else:
                complete[name] = value
        return complete

    def _actor(self, who: str, story: Story) -> Actor | None:
        if who == "system":
            return None
        area = self._kelurahan[story.kelurahan]
        match who:
            case "operator" | "lurah":
                return self._actors[username(who, area.name)]
            case "staf" | "camat":
                return self._actors[username(who, self._districts[parent_of(area.code) or ""].name)]
            case "petugas" | "kepala":
                return self._actors[username(who, self.problems[story.key].lead_agency or "")]
            case _:
                return self._actors[who]


def _part(problem: Problem, agency: str) -> Assignment:
    return next(each for each in reversed(problem.assignments) if each.agency_code == agency and each.is_alive)


def username(post: str, place: str) -> str:
    """The demo name of a post: lower case, spaces as `-`, apostrophes dropped (`lurah.tapaan`)."""
    return f"{post}.{place.lower().replace(' ', '-').replace(chr(39), '')}"
