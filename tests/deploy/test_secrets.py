"""Settings that lie in files, as compose and systemd hand over what is secret."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.kit.settings import Settings

NOBODY = 65_534


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


def test_a_folder_that_is_not_there_is_refused_in_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UJUNG_SECRETS_DIR", str(folder / "none"))
    told = CliRunner().invoke(app, ["migrate"])
    assert (told.exit_code, told.output) == (1, "secrets_dir: Path does not point to a directory\n")


def test_a_folder_that_may_not_be_entered_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with TemporaryDirectory() as name:
        Path(name).chmod(0)
        monkeypatch.setenv("UJUNG_SECRETS_DIR", f"{name}/secrets")
        with not_as_root():
            told = CliRunner().invoke(app, ["migrate"])
        Path(name).chmod(0o700)
    assert (told.exit_code, told.output.count("\n")) == (1, 1)
    assert f"Permission denied: '{name}/secrets'" in told.output


def test_a_secret_that_may_not_be_read_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        secret = Path(name, "ujung_encryption_keys")
        secret.write_text("rahasia")
        secret.chmod(0)
        monkeypatch.setenv("UJUNG_SECRETS_DIR", name)
        with not_as_root():
            told = CliRunner().invoke(app, ["migrate"])
    assert (told.exit_code, told.output.count("\n")) == (1, 1)
    assert f"Permission denied: '{secret}'" in told.output


@contextmanager
def not_as_root() -> Iterator[None]:
    """Root may read everything."""
    before = os.geteuid()
    os.seteuid(before or NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)
