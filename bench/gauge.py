"""CPU seconds that processes have used, of those that ended meanwhile too."""

import sys
import time
from dataclasses import dataclass

import psutil
import psycopg


def of_server(process: int) -> float:
    """CPU seconds of a process, its threads and its children."""
    one = psutil.Process(process)
    return sum(_seconds(each) for each in (one, *one.children(recursive=True)))


def of_machine() -> float:
    """CPU seconds of everything that runs on this machine."""
    times = psutil.cpu_times()
    return float(times.user + times.system)


@dataclass(frozen=True)
class DatabaseGauge:
    """All processes of one PostgreSQL server on this machine."""

    postmaster: int

    @classmethod
    def of(cls, address: str) -> "DatabaseGauge":
        """Found through one of its connections, which its first process started."""
        with psycopg.connect(address) as connection:
            backend = psutil.Process(connection.info.backend_pid)
            return cls(backend.ppid())

    def read(self) -> float:
        """CPU seconds since it started. What an ended process used is told by the one that started it."""
        first = psutil.Process(self.postmaster)
        times = first.cpu_times()
        ended = float(getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0))
        return ended + sum(_seconds(each) for each in (first, *first.children(recursive=True)))


def _seconds(process: psutil.Process) -> float:
    """CPU seconds of one process: by its own clock on Linux, where psutil knows hundredths only."""
    try:
        if sys.platform == "linux":
            return time.clock_gettime(~process.pid << 3 | 2)  # as clock_getcpuclockid(3) makes it
        times = process.cpu_times()
        return float(times.user + times.system)
    except (OSError, psutil.NoSuchProcess):  # it ended since it was listed
        return 0.0
