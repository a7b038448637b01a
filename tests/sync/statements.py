"""Which statements are asked, and how a database goes about them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

Statement = tuple[str, Any]


@contextmanager
def heard(engine: Engine) -> Iterator[list[Statement]]:
    """Every statement that is asked within the block, with its parameters."""
    asked: list[Statement] = []

    def hear(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement != "BEGIN":  # what SQLite is sent for it; PostgreSQL reads without
            asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def plan_of(engine: Engine, statement: Statement) -> list[str]:
    """The steps of a statement's plan, as in a city whose tables are too large to be read whole."""
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        if not sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        rows = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{statement[0]}", statement[1])
        return [str(row[3] if sqlite else row[0]) for row in rows]
