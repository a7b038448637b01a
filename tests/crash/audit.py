"""Holds the store against the ledger: nothing acknowledged is lost, nothing is there unsent, or twice."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session, col

from app.journal.models import Entry, LogHead, Text
from app.kit.house import House
from app.kit.models import RememberedAnswer
from app.problems.models import Comment, ProblemRow
from app.problems.queries.aggregate import load, refold
from app.sync.facts import FACTS as ABOUT_KELURAHAN
from tests.crash.ledger import Ledger


@dataclass(frozen=True)
class Place:
    log: str
    position: int
    fact: str


class Store:
    """What is kept, read in a snapshot: who was killed may yet commit."""

    def __init__(self, house: House, session: Session) -> None:
        self._session = session
        self._now = house.clock()
        self.heads = {head.log: head for head in session.scalars(select(LogHead))}
        self.rows = {row.id: row for row in session.scalars(select(ProblemRow))}
        self.comments = {comment.id: comment for comment in session.scalars(select(Comment))}
        self.remembered = set(session.scalars(select(col(RememberedAnswer.key))))
        self.facts: dict[UUID, dict[int, Place]] = defaultdict(dict)
        self.logs: dict[str, list[int]] = {log: [] for log in self.heads}
        self.named_texts: list[str] = []
        for entry in session.scalars(select(Entry).order_by(col(Entry.log), col(Entry.position))):
            if entry.kind not in ABOUT_KELURAHAN:
                self.facts[entry.subject][entry.version] = Place(entry.log, entry.position, entry.kind)
            self.logs[entry.log].append(entry.position)
            self.named_texts += [each["id"] for each in entry.data.get("texts", {}).values()]

    def lost(self, ledger: Ledger) -> Iterator[str]:
        """Acknowledged, and not there."""
        for sent in ledger.acknowledgements():
            answer = sent.answer or {}
            if sent.name not in self.remembered:
                yield f"lost: {sent.name} was acknowledged and is forgotten"
            if sent.comment is not None:
                comment = self.comments.get(sent.comment)
                if comment is None or (comment.text, comment.problem_id) != (answer["text"], sent.problem):
                    yield f"lost: comment {sent.comment}"
                continue
            place = self.facts[sent.problem].get(answer["version"])
            if place is None or (place.position, place.fact) != (answer["position"], sent.fact):
                yield f"lost: {sent.fact} {sent.problem} version {answer['version']}, found {place}"

    def broken_logs(self) -> Iterator[str]:
        """Positions and numbers are 1, 2, 3 … in each kelurahan, and its head knows the last."""
        numbers: dict[str, list[int]] = defaultdict(list)
        for row in self.rows.values():
            log, _, number = row.number.partition("-")
            numbers[log].append(int(number))
        for log, head in self.heads.items():
            if self.logs[log] != list(range(1, head.position + 1)):
                yield f"log {log} at {head.position} has positions {self.logs[log]}"
            if sorted(numbers[log]) != list(range(1, head.next_number)):
                yield f"numbers of {log} before {head.next_number} are {sorted(numbers[log])}"

    def phantoms(self, ledger: Ledger) -> Iterator[str]:
        """Where every write was acknowledged, the store holds exactly them, each once and in order."""
        wanted: dict[UUID, list[str]] = defaultdict(list)
        for sent in ledger.sent:
            wanted[sent.problem].append(sent.fact)
            if sent.answer is None:
                yield f"never acknowledged: {sent}"
        for problem in wanted.keys() | self.facts.keys() | self.rows.keys():
            found = [place.fact for _, place in sorted(self.facts[problem].items())]
            if found != wanted[problem] or problem not in self.rows:
                yield f"problem {problem} was sent {wanted[problem]}, has {found}"
        if self.comments.keys() != {sent.comment for sent in ledger.sent if sent.comment}:
            yield "comments that nobody sent, or that were sent and are gone"
        if self.remembered != {sent.name for sent in ledger.sent}:
            yield "answers are remembered that were not asked for, or forgotten"
        texts = [str(each) for each in self._session.scalars(select(col(Text.id)))]
        if sorted(texts) != sorted(self.named_texts):
            yield "texts without their facts, or facts without their texts"

    def torn(self) -> Iterator[str]:
        """The tables are what the facts amount to."""
        tables = load(self._session, list(self.rows), self._now)
        for problem, row in self.rows.items():
            versions = sorted(self.facts[problem])
            if versions != list(range(1, row.version + 1)):
                yield f"problem {problem} at version {row.version} has versions {versions}"
            elif self.facts[problem][row.version].position != row.position:
                yield f"problem {problem} says position {row.position}, its journal {self.facts[problem][row.version]}"
            if refold(self._session, problem) != replace(tables[problem], lurah_vacant=False):
                yield f"problem {problem} is not what its facts make it"


def audit(house: House, ledger: Ledger, *, at_rest: bool) -> list[str]:
    """What is wrong with the store; all of it can be said only when every write has been acknowledged."""
    with house.database.snapshot() as session:
        store = Store(house, session)
        found = [*store.lost(ledger), *store.broken_logs()]
        if at_rest:
            found += [*store.phantoms(ledger), *store.torn()]
    house.database.close()  # a server that begins again must find the files as the killed one left them
    return found
