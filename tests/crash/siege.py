"""The run: a server that is killed and begun again while eight phones write, until enough has been seen."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx

from app.assembly import assemble
from app.kit.house import House
from tests.conftest import MONDAY_MORNING, SettableClock, settings_for
from tests.crash.audit import audit
from tests.crash.gauge import Gauge
from tests.crash.ledger import Ledger
from tests.crash.phones import Phone
from tests.crash.server import GAUGE, PROCESSES
from tests.town import Town

HERE = Path(__file__).parents[2]
CROWDED = "Bakalan"
ELSEWHERE = ["Kepel", "Gentong", "Mayangan", "Wirogunan"]
KILLS, KILLS_INSIDE, ACKNOWLEDGEMENTS, REPLAYS = 20, 10, 200, 1
LIMIT_SECONDS = 150
"""A run that has not seen enough by then is a failure, not a wait."""
_ANSWER_SECONDS = 60


@dataclass
class Seen:
    """What came of a run."""

    kills: int = 0
    kills_inside: int = 0
    """Kills that met at least one open write transaction."""
    acknowledged: int = 0
    replayed: int = 0
    """Writes that were kept although their first answer was lost in a kill, and had effect once when tried again."""
    interrupted: int = 0
    seconds: float = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def is_enough(self) -> bool:
        return self.kills >= KILLS and self.kills_inside >= KILLS_INSIDE and self.acknowledged >= ACKNOWLEDGEMENTS


class Group:
    """The server's process group. Its socket is ours: whoever calls while it lies dead waits for the next life."""

    def __init__(self, launcher: subprocess.Popen[bytes], listening: socket.socket, folder: Path) -> None:
        self._launcher = launcher
        self._log = folder / "server.log"
        self._gauge = Gauge(folder / GAUGE, PROCESSES)
        self._number = 0
        self.address = f"http://127.0.0.1:{listening.getsockname()[1]}"

    def begin(self) -> None:
        """A new life, when this returns ready to serve."""
        self._gauge.clear()
        assert self._launcher.stdin is not None
        self._launcher.stdin.write(b"begin\n")
        self._launcher.stdin.flush()
        self._number = int(self._hear())
        with httpx.Client(verify=False, timeout=_ANSWER_SECONDS) as client:
            while (answer := client.get(f"{self.address}/readyz")).status_code != 200:
                assert answer.status_code == 503, answer.text

    def kill(self) -> int:
        """`kill -9` for all of it; answers how many write transactions it died in."""
        os.killpg(self._number, signal.SIGKILL)
        ends = self._hear()
        assert ends.split() == [str(-signal.SIGKILL)] * PROCESSES, f"ended by itself: {ends}\n{self._last_words()}"
        return self._gauge.open

    def _hear(self) -> str:
        assert self._launcher.stdout is not None
        heard, _, _ = select.select([self._launcher.stdout], [], [], _ANSWER_SECONDS)
        line = self._launcher.stdout.readline().decode() if heard else ""
        assert line, f"the server does not begin or end\n{self._last_words()}"
        return line

    def _last_words(self) -> str:
        return self._log.read_text()[-4_000:]


@contextmanager
def standing(address: str, folder: Path, mutant: str | None) -> Iterator[Group]:
    """A server that can be begun and killed; nothing of it is left when the block ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening, open(folder / "server.log", "wb") as log:
        command = [str(listening.fileno()), str(folder), address, MONDAY_MORNING.isoformat()]
        with subprocess.Popen(
            [sys.executable, "-m", "tests.crash.server", *command, *([mutant] if mutant else [])],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
            pass_fds=[listening.fileno()],
            start_new_session=True,
        ) as launcher:
            yield Group(launcher, listening, folder)


def besiege(address: str, folder: Path, *, seed: int, mutant: str | None = None) -> Seen:
    """Kills and begins again until enough was seen, time is up, or anything is wrong."""
    ledger, started = Ledger(), time.monotonic()
    house = assemble(settings_for(address, folder), clock=SettableClock())
    try:
        with standing(address, folder, mutant) as group:
            seen = _siege(group, house, ledger, seed, started + LIMIT_SECONDS)
    finally:
        house.database.close()
    seen.acknowledged, seen.replayed, seen.interrupted = ledger.acknowledged, ledger.replayed, ledger.interrupted
    seen.seconds = time.monotonic() - started
    seen.complaints = ledger.complaints
    return seen


def _siege(group: Group, house: House, ledger: Ledger, seed: int, until: float) -> Seen:
    seen, random, never = Seen(), Random(seed), threading.Event()
    phones = _phones(group, house, ledger, seed)
    for phone in phones:
        phone.start()
    try:
        while not (seen.is_enough or ledger.complaints) and time.monotonic() < until:
            ledger.wait_for(ledger.acknowledged + random.randint(0, 24), _ANSWER_SECONDS)
            never.wait(random.uniform(0, 0.02))  # the next answer would be too regular a moment
            seen.kills_inside += group.kill() > 0
            seen.kills += 1
            seen.acknowledged, seen.replayed = ledger.acknowledged, ledger.replayed
            if seen.kills % 2 == 0:  # the other times the next life finds the files as they were left
                ledger.complain(*audit(house, ledger, at_rest=False))
            group.begin()
    finally:
        ledger.close()
    for phone in phones:
        phone.join(_ANSWER_SECONDS)
        if phone.is_alive():
            ledger.complain(f"{phone.name} waits for an answer that does not come")
    group.kill()
    ledger.complain(*audit(house, ledger, at_rest=not ledger.complaints))
    return seen


def _phones(group: Group, house: House, ledger: Ledger, seed: int) -> list[Phone]:
    """Half of them in one kelurahan, where they also meet at one problem; the others each in another."""
    town = Town(house, httpx.AsyncClient(verify=False), SettableClock())
    group.begin()
    shared = Phone(0, group.address, town, CROWDED, ledger, seed, None).report_shared()
    crowd = [Phone(each, group.address, town, CROWDED, ledger, seed, shared) for each in range(1, 5)]
    return crowd + [
        Phone(number, group.address, town, where, ledger, seed, None) for number, where in enumerate(ELSEWHERE, 5)
    ]
