"""What an operator types, and is told."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.kit.settings import Settings
from tests.backups.conftest import Place
from tests.town import Town

Types = Callable[..., Result]


@pytest.fixture
def types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Types:
    """Types a command in an installation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("app.cli.configure_logs", lambda **_: None)  # pytest keeps the logs
    runner = CliRunner()

    def typing(settings: Settings, *words: str) -> Result:
        environment = {"UJUNG_DATA_DIR": str(settings.data_dir), "UJUNG_DATABASE_URL": settings.database_address}
        return runner.invoke(app, list(words), env=environment)

    return typing


async def test_a_city_is_moved(town: Town, types: Types, place: Place, database_kind: str, tmp_path: Path) -> None:
    await town.operator("Bakalan").photo(await town.operator("Bakalan").report())
    old, new = town.house.settings, place(database_kind)
    told = types(old, "backup", "kota.tar")
    assert told.exit_code == 0, told.output
    said, keys = told.output.splitlines()
    size = f"{(tmp_path / 'kota.tar').stat().st_size:,}"
    assert said.startswith(f"Wrote kota.tar, {size} bytes: as of ")
    assert said.endswith(" UTC, 1 problems, 2 facts, 2 photo files.")
    assert keys == f"The key file {old.data_dir / 'keys'} is not in it, and a restore needs it: keep a copy apart."
    told = types(new, "restore", "kota.tar")
    assert told.exit_code == 0, told.output
    assert "1 problems, 2 facts, 2 photo files.\nIt holds no keys" in told.output
    assert "Numbers of problems go on 100 further" in told.output
    assert not (new.data_dir / "keys").exists()

    again = types(new, "restore", "kota.tar")
    assert (again.exit_code, again.output.count("\n")) == (1, 1)
    assert again.output.startswith("There is a database already; --force replaces it")
    forced = types(new, "restore", "kota.tar", "--force")
    assert forced.exit_code == 0, forced.output
    assert "2 of the photo files were there already, and were left.\n" in forced.output


async def test_what_is_not_in_it_is_told(town: Town, types: Types, place: Place, database_kind: str) -> None:
    await town.operator("Bakalan").photo(await town.operator("Bakalan").report())
    told = types(town.house.settings, "backup", "kota.tar", "--without-photos", "--with-keys")
    assert told.exit_code == 0, told.output
    assert told.output.endswith(
        "Photos are not in it; keep them safe in another way.\n"
        "The keys are in it: whoever gets it can read who reported.\n"
    )
    told = types(place(database_kind), "restore", "kota.tar")
    assert "2 photo files that its rows name are not in it.\n" in told.output
    assert "It holds no keys" not in told.output


def test_a_refusal_is_one_sentence(town_settings: Settings, types: Types, tmp_path: Path) -> None:
    (tmp_path / "there.tar").write_text("x" * 2000)
    for words, sentence in (
        (("backup", "there.tar"), "A file of this name is there already: there.tar.\n"),
        (("backup", "none/kota.tar"), "A file cannot be read or written: none/kota.tar: No such file or directory.\n"),
        (("restore", "there.tar"), "The file is no backup that this version knows\n"),
        (("restore", "none.tar"), "A file cannot be read or written: none.tar: No such file or directory.\n"),
    ):
        told = types(town_settings, *words)
        assert (told.exit_code, told.output) == (1, sentence)


def test_before_migrating_there_is_nothing_to_copy(place: Place, types: Types, database_kind: str) -> None:
    told = types(place(database_kind), "backup", "kota.tar")
    assert (told.exit_code, told.output.count("\n")) == (1, 1)
    assert "run `ujung migrate` first" in told.output
