"""The phone's file: one SQLite database that holds everything, and changes only in whole transactions."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1
_PATIENCE_SECONDS = 10.0

_TABLES = (
    # what there is one of: the device's id, the address, the token, the post in use, numbers of the server
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    "CREATE TABLE post (id TEXT PRIMARY KEY, label TEXT NOT NULL, area TEXT) WITHOUT ROWID",
    # what came down, for each post by itself
    """CREATE TABLE document (
        post TEXT NOT NULL, id TEXT NOT NULL, log TEXT NOT NULL, position INTEGER NOT NULL, version INTEGER NOT NULL,
        ended_at TEXT, marked INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL, PRIMARY KEY (post, id)
    ) WITHOUT ROWID""",
    "CREATE INDEX document_log ON document (post, log, marked)",
    "CREATE INDEX document_ended ON document (post, ended_at) WHERE ended_at IS NOT NULL",
    # cursor NULL: from the start; resyncing: documents still marked when the log has been read are swept
    """CREATE TABLE cursor (
        post TEXT NOT NULL, log TEXT NOT NULL, cursor TEXT, resyncing INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (post, log)
    ) WITHOUT ROWID""",
    """CREATE TABLE receipt (
        post TEXT NOT NULL, log TEXT NOT NULL, delivered INTEGER NOT NULL, acknowledged INTEGER NOT NULL,
        read TEXT NOT NULL, PRIMARY KEY (post, log)
    ) WITHOUT ROWID""",
    "CREATE TABLE pack (name TEXT PRIMARY KEY, etag TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID",
    # what was recorded here. outcome NULL: in the outbox; else retained, with the number the server gave it.
    # held: it waits in the outbox and is asked for no more in this sync. shown: no document tells of its effect yet
    """CREATE TABLE operation (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, post TEXT NOT NULL, problem TEXT NOT NULL,
        verb TEXT NOT NULL, recorded_at TEXT NOT NULL, body TEXT NOT NULL, held INTEGER NOT NULL DEFAULT 0,
        refusal TEXT, outcome TEXT, number INTEGER, version INTEGER, proposal TEXT, answered_at TEXT,
        shown INTEGER NOT NULL DEFAULT 1
    )""",
    "CREATE INDEX operation_outcome ON operation (outcome, held, sequence)",
    "CREATE INDEX operation_problem ON operation (problem, sequence)",
    # sent_after: how many operations had been accepted when the last byte arrived
    """CREATE TABLE photo (
        id TEXT PRIMARY KEY, operation TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
        sent_after INTEGER, refusal TEXT
    )""",
    "CREATE TABLE photo_bytes (number INTEGER PRIMARY KEY, photo TEXT NOT NULL UNIQUE, bytes BLOB NOT NULL)",
)
TABLES = ("setting", "post", "document", "cursor", "receipt", "pack", "operation", "photo", "photo_bytes")


class MadeByNewerApp(Exception):
    """A newer app wrote this file; an older one must not touch it."""


class Store:
    """One phone's file. Only its owner may read it, for the token lies in it."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        file.chmod(0o600)
        self.file = file
        self.connection = sqlite3.connect(file, timeout=_PATIENCE_SECONDS, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        try:
            self._prepare()
        except BaseException:
            self.connection.close()
            raise

    def _prepare(self) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            self.connection.execute(f"PRAGMA {pragma}")
        with self.change():
            self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise MadeByNewerApp(f"{self.file} was written by a newer app.")
        if version < 1:
            for table in _TABLES:
                self.connection.execute(table)
        self.connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of the block is on the disk when it ends, or nothing of it is."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def rows(self, question: str, *values: Any, **named: Any) -> list[sqlite3.Row]:
        return self.connection.execute(question, named or values).fetchall()

    def value(self, question: str, *values: Any) -> Any:
        """The first column of the first row; None where there is none."""
        row = self.connection.execute(question, values).fetchone()
        return None if row is None else row[0]

    def setting(self, name: str, default: Any = None) -> Any:
        value = self.value("SELECT value FROM setting WHERE name = ?", name)
        return default if value is None else value

    def set(self, **settings: Any) -> None:
        """Inside a change. None forgets."""
        for name, value in settings.items():
            self.connection.execute("DELETE FROM setting WHERE name = ?", (name,))
            if value is not None:
                self.connection.execute("INSERT INTO setting VALUES (?, ?)", (name, value))

    def erase(self) -> None:
        """Everything, the outbox too; what is deleted is overwritten."""
        with self.change():
            for table in TABLES:
                self.connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
