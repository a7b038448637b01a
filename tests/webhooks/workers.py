"""Workers to be killed: each is what `python -m app.worker` runs, forked from a process that has imported it already.

Importing takes most of the life of a worker that is killed after a second. `Workers` speaks to that process: `begin`
answers the pid of a new worker, `kill` ends the oldest one with SIGKILL and answers how it ended.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parents[2]
_ANSWER_SECONDS = 60


class Workers:
    """The workers of a test, in the order in which they began."""

    def __init__(self, launcher: subprocess.Popen[bytes], log: Path) -> None:
        self._launcher = launcher
        self._log = log

    def begin(self) -> None:
        self._ask(b"begin\n")

    def kill(self) -> None:
        """`kill -9` for the oldest; it must not have ended by itself before."""
        said = self._ask(b"kill\n")
        assert said == str(-signal.SIGKILL), f"it ended by itself: {said}\n{self.log[-4_000:]}"

    @property
    def log(self) -> str:
        """What all of them said."""
        return self._log.read_text()

    def _ask(self, what: bytes) -> str:
        assert self._launcher.stdin is not None
        assert self._launcher.stdout is not None
        self._launcher.stdin.write(what)
        heard, _, _ = select.select([self._launcher.stdout], [], [], _ANSWER_SECONDS)
        line = self._launcher.stdout.readline().decode().strip() if heard else ""
        assert line, f"workers do not begin or end\n{self.log[-4_000:]}"
        return line


@contextmanager
def working(folder: Path, settings: Mapping[str, str]) -> Iterator[Workers]:
    """Workers with these settings, as variables; none of them is left when the block ends."""
    log = folder / "workers.log"
    with (
        open(log, "wb") as said,
        subprocess.Popen(
            [sys.executable, "-m", "tests.webhooks.workers"],
            cwd=HERE,
            env=os.environ | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            bufsize=0,
        ) as launcher,
    ):
        yield Workers(launcher, log)


def _launch() -> None:
    from app.worker import main  # noqa: PLC0415 - by whoever forks workers, not by whoever tests them

    pids: list[int] = []
    for line in sys.stdin:
        if line == "begin\n":
            pid = os.fork()
            if pid == 0:
                main()
                os._exit(0)
            pids.append(pid)
            print(pid, flush=True)
        else:
            print(_killed(pids.pop(0)), flush=True)
    for pid in pids:
        _killed(pid)


def _killed(pid: int) -> int:
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    _launch()
