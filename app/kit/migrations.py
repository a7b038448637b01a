"""Brings a database to the schema of this code, and tells whether it is there."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.kit.database import Database

FOLDER = Path(__file__).resolve().parents[2] / "migrations"
"""Beside the app, in a checkout and in an image alike."""


def configuration(database_url: str) -> Config:
    """What Alembic's commands need to work on this database."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Runs what is missing, in one transaction; who comes at the same time waits and then finds nothing to do."""
    command.upgrade(configuration(database_url), revision)


def at_head(database: Database) -> bool:
    """Whether the database is at the newest revision that this code knows."""
    with database.read() as session:
        return set(MigrationContext.configure(session.connection()).get_current_heads()) == _heads()


@cache
def _heads() -> set[str]:
    return set(ScriptDirectory(str(FOLDER)).get_heads())
