"""How the database is connected to: as often as there are threads that use it, and not waiting for it for ever."""

from pathlib import Path
from typing import Any

from app.kit.database import Database
from tests.conftest import settings_for


def told(database: Database) -> dict[str, Any]:
    """What the driver was told, where it is PostgreSQL's."""
    with database.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        return dict(driver.info.get_parameters())


def test_there_is_a_connection_for_each_request_and_for_what_works_in_the_background(
    database_url: str, tmp_path: Path
) -> None:
    database = Database(settings_for(database_url, tmp_path, pool_size=3, pool_wait_seconds=0.1))
    held = [database.engine.connect() for _ in range(5)]
    assert database.engine.pool.checkedout() == 5  # type: ignore[attr-defined]  # a queue pool's
    for each in held:
        each.close()
    database.close()


def test_a_server_that_says_nothing_is_not_waited_for_without_end(database_url: str, tmp_path: Path) -> None:
    database = Database(settings_for(database_url, tmp_path))
    if not database.is_sqlite:
        given = told(database)
        assert {name: int(given[name]) for name in ("connect_timeout", "keepalives_idle", "tcp_user_timeout")} == {
            "connect_timeout": 10,
            "keepalives_idle": 30,
            "tcp_user_timeout": 30_000,
        }
    database.close()


def test_what_the_address_says_is_kept(database_url: str, tmp_path: Path) -> None:
    said = "" if database_url.startswith("sqlite") else "connect_timeout=77&keepalives_idle=5&options=-c%20geqo%3Doff"
    address = f"{database_url}{'&' if '?' in database_url else '?'}{said}" if said else database_url
    database = Database(settings_for(address, tmp_path))
    if said:
        given = told(database)
        assert (given["connect_timeout"], given["keepalives_idle"], given["options"]) == ("77", "5", "-c geqo=off")
        assert int(given["tcp_user_timeout"]) == 30_000
    with database.engine.connect():
        pass
    database.close()
