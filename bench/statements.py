"""SQL statements of one request, as the server's own log tells them: whatever library sent them, none is missed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import psycopg

from bench.clients import Crowd, Request

_ENTRY = re.compile(r"^\d{4}-\d\d-\d\d .*?\[\d+\] (?:\w+:  )(?:(?:statement|execute [^:]*): )?(.*)$")
_CONTROL = re.compile(r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SELECT pg_advisory_unlock_all)", re.IGNORECASE)


@dataclass(frozen=True)
class Statements:
    """What one request made the database do, in order."""

    texts: Sequence[str]

    @property
    def work(self) -> list[str]:
        """Statements that read or write."""
        return [text for text in self.texts if not _CONTROL.match(text)]

    @property
    def control(self) -> list[str]:
        """Round trips that begin, end or reset."""
        return [text for text in self.texts if _CONTROL.match(text)]


class ServerLog:
    """The log of our own PostgreSQL, read through the server, whose files may be another user's."""

    def __init__(self, address: str) -> None:
        self._connection = psycopg.connect(address, autocommit=True)
        found = self._connection.execute("SELECT current_setting('data_directory') || '/../log'").fetchone()
        assert found is not None
        self._path = str(found[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def length(self) -> int | None:
        """Bytes so far; None where the server is not ours, and its log elsewhere."""
        try:
            found = self._connection.execute("SELECT (pg_stat_file(%s, true)).size", (self._path,)).fetchone()
        except psycopg.Error:
            return None
        return None if found is None else found[0]

    def since(self, position: int) -> Statements:
        """The statements logged from this byte on."""
        found = self._connection.execute(
            "SELECT pg_read_binary_file(%s, %s, 10000000)", (self._path, position)
        ).fetchone()
        assert found is not None
        return Statements(_statements(bytes(found[0]).decode()))


def _statements(log: str) -> list[str]:
    found: list[str] = []
    in_statement = False
    for line in log.splitlines():
        if line.startswith("\t"):
            if in_statement:
                found[-1] += "\n" + line[1:]
            continue
        in_statement = " LOG:  statement: " in line or " LOG:  execute " in line
        if in_statement and (entry := _ENTRY.match(line)):
            found.append(entry[1])
    return found


async def count(crowd: Crowd, log: ServerLog, requests: Sequence[Request]) -> list[Statements] | None:
    """The statements of each request, sent one after the other; None where the log cannot be read."""
    counted = []
    for request in requests:
        position = log.length()
        if position is None:
            return None
        await crowd.ask([request], at_once=1)
        counted.append(log.since(position))
    return counted
