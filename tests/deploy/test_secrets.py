"""Settings that lie in files, as compose and systemd hand over what is secret."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.kit.settings import Settings
from tests.deploy.serving import environment


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UJUNG_SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_a_file_holds_the_setting_it_is_named_for(folder: Path) -> None:
    (folder / "ujung_database_url").write_text("postgresql://ujung:rahasia@database/ujung\n")
    (folder / "database_password").write_text("rahasia")
    settings = Settings(_env_file=None)
    assert settings.database_address == "postgresql://ujung:rahasia@database/ujung"
    assert settings.encryption_keys is None


def test_what_is_said_nearer_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "ujung_city").write_text("35.01")
    assert Settings(_env_file=None).city == "35.01"
    (folder / "line").write_text("UJUNG_CITY=35.02")
    assert Settings(_env_file=folder / "line").city == "35.02"
    monkeypatch.setenv("UJUNG_CITY", "35.03")
    assert Settings(_env_file=folder / "line").city == "35.03"
    assert Settings(_env_file=folder / "line", city="35.04").city == "35.04"


def test_a_folder_that_is_not_there_is_refused_in_one_sentence(tmp_path: Path) -> None:
    told = migrate(tmp_path, secrets_dir=str(tmp_path / "none"))
    assert (told.returncode, told.stderr) == (1, "secrets_dir: Path does not point to a directory\n")


def migrate(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", "migrate"]
    return subprocess.run(
        command, cwd=folder, env=environment(folder, settings), capture_output=True, text=True, check=False
    )
