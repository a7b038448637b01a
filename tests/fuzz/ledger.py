"""Counts what was really changed: transactions committed with a row written in them."""

from typing import Any

from sqlalchemy import Connection, Engine, event

_CHANGING = ("INSERT", "UPDATE", "DELETE")


class Ledger:
    """Listens to an engine, whatever database it speaks to."""

    def __init__(self, engine: Engine) -> None:
        self.changes = 0
        """Transactions committed so far in which a row was written."""
        event.listen(engine, "after_cursor_execute", self._note)
        event.listen(engine, "commit", self._committed)
        event.listen(engine, "rollback", self._rolled_back)

    @staticmethod
    def _note(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().upper().startswith(_CHANGING) and cursor.rowcount != 0:
            connection.info["changed"] = True

    def _committed(self, connection: Connection) -> None:
        self.changes += connection.info.pop("changed", False)

    @staticmethod
    def _rolled_back(connection: Connection) -> None:
        connection.info.pop("changed", None)
