"""One tree of migrations for both databases, that leads where the models are, and back."""

import ast
import re
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.script import ScriptDirectory

from app.kit import migrations
from app.kit.database import Database
from app.kit.settings import Settings
from tests.conftest import Databases

FILES = sorted((migrations.FOLDER / "versions").glob("*.py"))


def tables(address: str) -> set[str]:
    engine = sqlalchemy.create_engine(address)
    try:
        return set(sqlalchemy.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_up_down_and_up_again(databases: Databases, database_kind: str) -> None:
    with databases.fresh(database_kind, migrated=False) as address:
        migrations.upgrade(address)
        built = tables(address)
        command.downgrade(migrations.configuration(address), "base")
        assert tables(address) == {"alembic_version"}
        migrations.upgrade(address)
        assert tables(address) == built


def test_the_tables_are_those_of_the_models(database_url: str) -> None:
    command.check(migrations.configuration(database_url))


def test_readiness_sees_an_old_schema(databases: Databases, database_kind: str, tmp_path: Path) -> None:
    with databases.fresh(database_kind) as address:
        database = Database(Settings(_env_file=None, database_url=address, data_dir=tmp_path))
        assert migrations.at_head(database)
        command.downgrade(migrations.configuration(address), "base")
        assert not migrations.at_head(database)
        database.close()


def test_revisions_are_numbered_in_one_line() -> None:
    script = ScriptDirectory(str(migrations.FOLDER))
    assert len(script.get_heads()) == 1
    in_order = [each.revision for each in reversed(list(script.walk_revisions()))]
    assert in_order == [f"{number:04d}" for number in range(1, len(in_order) + 1)]
    assert [file.name[:5] for file in FILES] == [f"{revision}_" for revision in in_order]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_migration_stands_alone(file: Path) -> None:
    """It must still run when the models of its day are long gone."""
    imported = {
        name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert {name.split(".")[0] for name in imported} <= {"alembic", "sqlalchemy", "collections", "datetime"}
    assert re.fullmatch(r"\d{4}_[a-z0-9_]+\.py", file.name)
