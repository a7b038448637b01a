"""Phones that push while their server is killed, what they were answered, and what the store has to say to that."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select
from sqlmodel import col

from app.kit.house import House
from app.kit.ids import new_id
from app.sync.models import Quarantined, SyncDevice, SyncOperation
from tests.crash.audit import Store
from tests.crash.ledger import Ledger, Sent
from tests.town import Someone

_PATIENCE_SECONDS = 60
_FACTS = {"report": "reported", "comment": "commented", "edit": "edited"}


@dataclass
class Operation(Sent):
    """One of a phone, and the outcome it was told first."""

    is_good: bool = True
    """Whether it is to be done; else it is to be refused."""
    said: str = ""
    """Its body, as it is sent every time."""

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.said)
        return body


class Outbox:
    """The operations of one phone, in the order in which they were recorded."""

    def __init__(self, who: Someone, ledger: Ledger, random: Random, shared: UUID | None = None) -> None:
        self.who = who
        self.device = new_id()
        self.recorded: list[Operation] = []
        self.last_accepted = 0
        self._ledger = ledger
        self._random = random
        self._shared = shared
        self._problems: list[UUID] = []

    @property
    def unanswered(self) -> list[Operation]:
        return [each for each in self.recorded if each.answer is None]

    def record(self, verb: str | None = None) -> Operation:
        """Something is done on the phone."""
        random, town = self._random, self.who.town
        chosen = verb or random.choice(["report", "comment", "comment", "edit", "edit", "bad"])
        if not self._problems and chosen != "bad":
            chosen = "report"
        if chosen in ("report", "bad"):
            problem, category = new_id(), "tidak-ada" if chosen == "bad" else "saluran-tersumbat"
            data = town.problem(str(self.who.actor.area_code), category=category)
            operation = self._add(problem, "report", data, is_good=chosen == "report")
            if chosen == "report":
                self._problems.append(problem)
            return operation
        if chosen == "comment":
            problem = self._shared if self._shared and random.random() < 0.5 else random.choice(self._problems)
            return self._add(problem, "comment", {"text": f"Catatan {random.random()}"})
        return self._add(random.choice(self._problems), "edit", {"title": f"Saluran {random.random()}"})

    def _add(self, problem: UUID, verb: str, data: dict[str, Any], *, is_good: bool = True) -> Operation:
        operation_id = new_id()
        body = {
            "id": str(operation_id),
            "problem": str(problem),
            "verb": verb,
            "post": str(self.who.actor.post_id),
            "base": 0 if verb == "report" else 1,
            "at": "2026-03-01T23:00:00Z",
            "data": data,
        }
        comment = operation_id if verb == "comment" else None
        name = str(operation_id)
        operation = Operation(name, problem, _FACTS[verb], comment, None, is_good, json.dumps(body))
        self.recorded.append(operation)
        self._ledger.send(operation)
        return operation

    def call(self, operations: Sequence[Operation], **other: Any) -> dict[str, Any]:
        """What the phone says."""
        device = {"id": str(self.device), "name": "HP lapangan", "schema": 1}
        said = {"device": device, "last_accepted": self.last_accepted}
        return said | {"operations": [each.body for each in operations]} | other

    def told(self, operations: Sequence[Operation], answer: dict[str, Any]) -> None:
        """An answer arrives: one outcome each, in order, and the same as ever."""
        outcomes = answer["outcomes"]
        if [each["id"] for each in outcomes] != [each.name for each in operations]:
            self._ledger.complain(f"outcomes of others, or in another order: {outcomes}")
            return
        for operation, outcome in zip(operations, outcomes, strict=True):
            is_replay = outcome.pop("replayed")
            if operation.answer is None:
                if outcome["outcome"] not in (("applied", "merged") if operation.is_good else ("refused",)):
                    self._ledger.complain(f"{operation} was {outcome}")
                self._ledger.acknowledge(operation, outcome, is_replay=is_replay)
            elif operation.answer != outcome or not is_replay:
                self._ledger.complain(f"{operation.answer} became {outcome}, replayed {is_replay}")
        self.last_accepted = max(self.last_accepted, answer["device"]["accepted"])


class Sender(threading.Thread):
    """Records and sends until the ledger is closed, and then until all is answered."""

    def __init__(self, outbox: Outbox, address: str, ledger: Ledger, random: Random) -> None:
        super().__init__(daemon=True)
        self._outbox = outbox
        self._address = address
        self._ledger = ledger
        self._random = random

    def run(self) -> None:
        try:
            with httpx.Client(base_url=self._address, timeout=_PATIENCE_SECONDS, verify=False) as line:
                while not self._ledger.complaints:
                    if not self._ledger.is_over:
                        for _ in range(self._random.randint(1, 6)):
                            self._outbox.record()
                    elif not self._outbox.unanswered:
                        break
                    self._send(line)
        except Exception as error:  # noqa: BLE001 - the ledger tells the test
            self._ledger.complain(f"{self.name}: {error!r}")

    def _send(self, line: httpx.Client) -> None:
        """The oldest of what is unanswered, sometimes with what was answered long ago; whatever comes of it."""
        outbox, random = self._outbox, self._random
        waiting = outbox.unanswered
        operations = waiting[: random.randint(1, len(waiting))]
        answered = [each for each in outbox.recorded if each.answer is not None]
        if answered and random.random() < 0.3:
            operations = random.sample(answered, min(3, len(answered))) + operations
        call = outbox.call(operations)
        if random.random() < 0.3:
            call["pull"] = {"device": call["device"], "limit": 20}
        try:
            response = line.post("/api/v1/sync/push", json=call, headers=outbox.who.headers)
        except httpx.TransportError:
            self._ledger.interrupt()
            return
        if response.status_code != 200:
            self._ledger.complain(f"push: {response.status_code} {response.text[:300]}")
            return
        answer = response.json()
        if "pull" in call and answer["pull"] is None:
            self._ledger.complain(f"the pull beside it: {answer['pull_refused']}")
        outbox.told(operations, answer)


# -- what the store says ---------------------------------------------------------------------------------------------


class Taken:
    """What is kept of what phones brought, held against what they were told."""

    def __init__(self, house: House, outboxes: Sequence[Outbox], *, at_rest: bool) -> None:
        self._operations = [each for outbox in outboxes for each in outbox.recorded]
        with house.database.snapshot() as session:
            self.store = Store(house, session)
            self._rows = {str(each.id): each for each in session.scalars(select(SyncOperation))}
            self._devices = {each.id: each.accepted for each in session.scalars(select(SyncDevice))}
            self._quarantined = {str(each) for each in session.scalars(select(col(Quarantined.id)))}
            self.torn = [*self.store.torn()] if at_rest else []

    def lost(self) -> Iterator[str]:
        """Answered as taken, and not there as it was answered."""
        for each in self._operations:
            answer, row = each.answer, self._rows.get(each.name)
            if answer is None:
                continue
            if row is None or (row.outcome, row.number, row.version) != (
                answer["outcome"],
                answer["number"],
                answer["version"],
            ):
                yield f"lost: {each} is kept as {row}"
            elif each.is_good and self.store.facts[each.problem].get(answer["version"]) is None:
                yield f"lost: what {each} did"

    def misnumbered(self) -> Iterator[str]:
        """Numbers are 1, 2, 3 … on each device, and it knows the last."""
        numbers: dict[UUID, list[int]] = defaultdict(list)
        for row in self._rows.values():
            numbers[row.device_id].append(row.number)
        for device, accepted in self._devices.items():
            if sorted(numbers[device]) != list(range(1, accepted + 1)):
                yield f"device {device} at {accepted} has numbers {sorted(numbers[device])}"

    def not_once(self) -> Iterator[str]:
        """Where everything was answered: each operation is there once, in its order, and nothing else is."""
        unanswered = [each for each in self._operations if each.answer is None]
        if unanswered:
            yield f"never answered: {unanswered}"
            return
        if self._rows.keys() != {each.name for each in self._operations}:
            yield "operations that nobody sent, or that were sent and are gone"
            return
        if self._quarantined != {each.name for each in self._operations if not each.is_good}:
            yield "refused operations that are not in quarantine, or others that are"
        numbers: dict[UUID, list[int]] = defaultdict(list)
        for each in self._operations:
            numbers[self._rows[each.name].device_id].append(self._rows[each.name].number)
        for device, taken in numbers.items():
            if taken != sorted(taken):
                yield f"device {device} recorded in another order than was taken: {taken}"
        yield from self._effects([each for each in self._operations if each.is_good])

    def _effects(self, done: Sequence[Operation]) -> Iterator[str]:
        wanted: dict[UUID, list[str]] = defaultdict(list)
        titles: dict[UUID, str] = {}
        for each in done:
            wanted[each.problem].append(each.fact)
            titles[each.problem] = each.body["data"].get("title") or titles[each.problem]
        for problem in wanted.keys() | self.store.facts.keys() | self.store.rows.keys():
            found = [place.fact for _, place in sorted(self.store.facts[problem].items())]
            if sorted(found) != sorted(wanted[problem]) or problem not in self.store.rows:
                yield f"problem {problem} was sent {wanted[problem]}, has {found}"
            elif self.store.rows[problem].title != titles[problem]:
                yield f"problem {problem} is called {self.store.rows[problem].title}, not {titles[problem]}"
        comments = {str(each): row.text for each, row in self.store.comments.items()}
        if comments != {each.name: each.body["data"]["text"] for each in done if each.comment}:
            yield "comments that nobody sent, or that were sent and are gone"


def audit(house: House, outboxes: Sequence[Outbox], *, at_rest: bool) -> list[str]:
    """What is wrong with the store; all of it can be said only when everything has been answered."""
    taken = Taken(house, outboxes, at_rest=at_rest)
    house.database.close()  # a server that begins again must find the files as the killed one left them
    found = [*taken.lost(), *taken.misnumbered(), *taken.store.broken_logs()]
    return [*found, *taken.torn, *taken.not_once()] if at_rest else found
