"""A server that is killed while phones push, and two servers that are sent the same: everything once, nothing lost."""

import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.assembly import assemble
from app.kit.house import House
from app.kit.ids import new_id
from tests.conftest import KINDS, Databases, SettableClock, settings_for
from tests.crash.ledger import Ledger
from tests.crash.siege import Group, standing
from tests.sync.outboxes import Outbox, Sender, audit
from tests.town import Town, populate

pytestmark = pytest.mark.xdist_group("crash")  # one after another: each of them is a machine's work already
logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each of its requests would bury a complaint

CROWDED, ELSEWHERE = "Bakalan", ["Kepel", "Gentong"]
KILLS, KILLS_INSIDE, ANSWERED, REPLAYED = 10, 5, 150, 1
LIMIT_SECONDS, ANSWER_SECONDS = 90, 60
ROUNDS = 14


@dataclass
class Seen:
    """What came of a run."""

    kills: int = 0
    kills_inside: int = 0
    """Kills that met at least one open write transaction."""
    answered: int = 0
    replayed: int = 0
    """Operations that were kept although their first answer was lost in a kill."""
    interrupted: int = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def is_enough(self) -> bool:
        return self.kills >= KILLS and self.kills_inside >= KILLS_INSIDE and self.answered >= ANSWERED


@contextmanager
def assembled(address: str, folder: Path) -> Iterator[House]:
    house = assemble(settings_for(address, folder), clock=SettableClock())
    try:
        yield house
    finally:
        house.database.close()


def outboxes_of(house: House, ledger: Ledger, seed: str) -> list[Outbox]:
    """Three phones of one operator, who also comment on one problem; two others each in another kelurahan."""
    town = Town(house, httpx.AsyncClient(verify=False), SettableClock())
    first = Outbox(town.operator(CROWDED), ledger, Random(f"{seed} 0"))
    shared = first.record("report").problem
    crowd = [Outbox(town.operator(CROWDED), ledger, Random(f"{seed} {each}"), shared) for each in (1, 2)]
    others = [Outbox(town.operator(each), ledger, Random(f"{seed} {each}")) for each in ELSEWHERE]
    house.database.close()
    return [first, *crowd, *others]


def besieged(address: str, folder: Path, seed: str, mutant: str | None = None) -> Seen:
    """Kills and begins again until enough was seen, time is up, or anything is wrong."""
    seen, ledger, random, never = Seen(), Ledger(), Random(seed), threading.Event()
    until = time.monotonic() + LIMIT_SECONDS
    with assembled(address, folder) as house, standing(address, folder, mutant) as group:
        outboxes = outboxes_of(house, ledger, seed)
        group.begin()
        report_first(outboxes[0], group)
        senders = [
            Sender(each, group.address, ledger, Random(f"{seed} sender {at}")) for at, each in enumerate(outboxes)
        ]
        for sender in senders:
            sender.start()
        try:
            while not (seen.is_enough or ledger.complaints) and time.monotonic() < until:
                ledger.wait_for(ledger.acknowledged + random.randint(0, 20), ANSWER_SECONDS)
                never.wait(random.uniform(0, 0.02))  # the next answer would be too regular a moment
                seen.kills_inside += group.kill() > 0
                seen.kills += 1
                seen.answered = ledger.acknowledged
                if seen.kills % 3 == 0:  # the other times the next life finds the files as they were left
                    ledger.complain(*audit(house, outboxes, at_rest=False))
                group.begin()
        finally:
            ledger.close()
        for sender in senders:
            sender.join(ANSWER_SECONDS)
            if sender.is_alive():
                ledger.complain(f"{sender.name} waits for an answer that does not come")
        group.kill()
        ledger.complain(*audit(house, outboxes, at_rest=not ledger.complaints))
    seen.answered, seen.replayed, seen.interrupted = ledger.acknowledged, ledger.replayed, ledger.interrupted
    seen.complaints = ledger.complaints
    return seen


def report_first(outbox: Outbox, group: Group) -> None:
    """The problem that everybody comments on is there before anybody does."""
    operations = outbox.unanswered
    with httpx.Client(base_url=group.address, verify=False, timeout=ANSWER_SECONDS) as line:
        answer = line.post("/api/v1/sync/push", json=outbox.call(operations), headers=outbox.who.headers)
    outbox.told(operations, answer.raise_for_status().json())


def test_killed_during_push_everything_is_there_once(databases: Databases, database_kind: str, tmp_path: Path) -> None:
    with databases.fresh(database_kind, populate) as address:
        seen = besieged(address, tmp_path, "20260302")
    print(f"{database_kind}: {seen}")
    assert not seen.complaints, "\n".join(seen.complaints[:20])
    assert seen.is_enough, seen
    assert seen.replayed >= REPLAYED, seen


NOTICED = {"answer-first": r"^lost|became|server_rewound|order", "forgetful": r"push: 50[03]"}
"""What the harness says of each mutant. One that does again what was done meets the keys of the tables."""


@pytest.mark.parametrize(("mutant", "kind"), [("answer-first", "sqlite"), ("forgetful", "postgresql")])
def test_a_broken_server_is_noticed(
    databases: Databases, mutant: str, kind: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    if kind not in KINDS[pytestconfig.getoption("--db")]:
        pytest.skip(f"not on {kind}, by --db")
    with databases.fresh(kind, populate) as address:
        seen = besieged(address, tmp_path, "20260302", mutant)
    print(f"{kind} {mutant}: {seen}")
    assert any(re.search(NOTICED[mutant], each) for each in seen.complaints), seen


def test_two_servers_are_sent_the_same_batch_at_once(databases: Databases, database_kind: str, tmp_path: Path) -> None:
    """Whichever comes first does it, and the other answers the same; every other time a copy of the phone sends it."""
    ledger = Ledger()
    with ExitStack() as stack:
        address = stack.enter_context(databases.fresh(database_kind, populate))
        house = stack.enter_context(assembled(address, tmp_path))
        servers = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            servers.append(stack.enter_context(standing(address, tmp_path / name, None)))
        outbox = outboxes_of(house, ledger, "both")[0]
        for server in servers:
            server.begin()
        seconds = [outbox.device, new_id()]
        first_were = [meet(outbox, servers, [outbox.device, seconds[each % 2]]) for each in range(ROUNDS)]
        for server in servers:
            server.kill()
        found = audit(house, [outbox], at_rest=True)
    print(f"{database_kind}: first were {first_were}")
    assert not (ledger.complaints + found), "\n".join((ledger.complaints + found)[:20])


def meet(outbox: Outbox, servers: Sequence[Group], devices: Sequence[UUID]) -> int:
    """Sends the same to both at the same time; answers which of them did it."""
    for _ in range(8):
        outbox.record()
    operations = outbox.unanswered
    outbox.last_accepted = 0  # a clone does not know how far the other has come
    call, gate = outbox.call(operations), threading.Barrier(len(servers))

    def send(server: Group, device: UUID) -> dict[str, Any]:
        said = call | {"device": call["device"] | {"id": str(device)}}
        with httpx.Client(base_url=server.address, verify=False, timeout=ANSWER_SECONDS) as line:
            line.get("/healthz")  # the connection stands before it counts
            gate.wait(ANSWER_SECONDS)
            answer: dict[str, Any] = line.post("/api/v1/sync/push", json=said, headers=outbox.who.headers).json()
            return answer

    with ThreadPoolExecutor(len(servers)) as pool:
        answers = list(pool.map(send, servers, devices))
    replayed = [[each["replayed"] for each in answer["outcomes"]] for answer in answers]
    first = int(replayed[0][0])
    assert replayed[first] == [False] * len(operations), answers
    assert replayed[1 - first] == [True] * len(operations), answers
    outbox.told(operations, answers[first])
    same = answers[first]["outcomes"]
    if devices[0] != devices[1]:
        same = [each | {"number": None} for each in same]
    assert [each | {"replayed": False} for each in answers[1 - first]["outcomes"]] == [
        each | {"replayed": False} for each in same
    ]
    return first
