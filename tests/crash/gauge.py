"""How many write transactions are open, told in memory that outlives whoever is killed."""

import threading
from mmap import mmap
from pathlib import Path


class Gauge:
    """Two numbers for each process, opened and ended, in a file that is mapped into memory.

    Read after the last process has died, they say what it was killed in the middle of.
    """

    def __init__(self, file: Path, processes: int) -> None:
        size = 2 * 8 * processes
        if not file.exists():
            file.write_bytes(bytes(size))
        with open(file, "r+b") as mapped:
            self._cells = memoryview(mmap(mapped.fileno(), size)).cast("Q")
        self._lock = threading.Lock()

    def opened(self, process: int) -> None:
        self._count(2 * process)

    def ended(self, process: int) -> None:
        self._count(2 * process + 1)

    def _count(self, cell: int) -> None:
        with self._lock:
            self._cells[cell] += 1

    def clear(self) -> None:
        for cell in range(len(self._cells)):
            self._cells[cell] = 0

    @property
    def open(self) -> int:
        cells = self._cells.tolist()
        return sum(cells[::2]) - sum(cells[1::2])
