import re
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr
from sqlmodel import Session, create_engine, select
from typer.testing import CliRunner, Result

from app.cli import app
from app.kit.settings import Settings
from app.people.models import Account
from app.people.passwords import Passwords


class Shell:
    """Types commands in an installation of its own."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(_env_file=None, data_dir=folder)
        self._runner = CliRunner()

    def types(self, *words: str) -> Result:
        return self._runner.invoke(app, words)

    def accounts(self) -> list[Account]:
        engine = create_engine(self.settings.database_address)
        with Session(engine) as session:
            found = list(session.exec(select(Account)))
        engine.dispose()
        return found

    def lets_in(self, password: str) -> bool:
        hashes = {account.password_hash for account in self.accounts()}
        return len(hashes) == 1 and Passwords(self.settings).verify(SecretStr(password), hashes.pop())[0]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UJUNG_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("UJUNG_BACKGROUND", "false")
    monkeypatch.setattr("app.cli.configure_logs", lambda **_: None)  # pytest keeps the logs
    return Shell(tmp_path / "var")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[uvicorn.Config]:
    """What would have been served."""
    seen: list[uvicorn.Config] = []

    def run(server: uvicorn.Server, sockets: list[Any]) -> None:
        seen.append(server.config)
        for socket in sockets:
            socket.close()

    monkeypatch.setattr(uvicorn.Server, "run", run)
    return seen


def test_the_demo_is_served_with_a_new_password_each_start(shell: Shell, served: list[uvicorn.Config]) -> None:
    first = shell.types("serve", "--demo", "--port", "0")
    assert first.exit_code == 0, first.output
    assert re.search(r"^Docs +http://127\.0\.0\.1:\d+/docs$", first.output, re.MULTILINE)
    assert "lurah.bakalan, camat.bugul-kidul, petugas.pupr" in first.output
    (password,) = re.findall(r"^Password +(\S+)$", first.output, re.MULTILINE)
    assert shell.lets_in(password)
    assert not [
        file
        for file in Path(shell.settings.data_dir).rglob("*")
        if file.is_file() and password.encode() in file.read_bytes()
    ]

    second = shell.types("serve", "--demo", "--port", "0")
    (other,) = re.findall(r"^Password +(\S+)$", second.output, re.MULTILINE)
    assert other != password
    assert shell.lets_in(other)
    assert [(config.server_header, config.access_log) for config in served] == [(False, False)] * 2


def test_the_demos_password_may_be_given(
    shell: Shell, served: list[uvicorn.Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UJUNG_DEMO_PASSWORD", "pasuruan-kota-bandar")
    told = shell.types("serve", "--demo", "--port", "0")
    assert "as UJUNG_DEMO_PASSWORD says" in told.output
    assert "pasuruan-kota-bandar" not in told.output
    assert shell.lets_in("pasuruan-kota-bandar")


def test_serving_without_the_demo_sows_nothing(shell: Shell, served: list[uvicorn.Config]) -> None:
    told = shell.types("serve", "--host", "::1", "--port", "0")
    assert told.exit_code == 0, told.output
    assert re.fullmatch(r"Docs +http://\[::1\]:\d+/docs\n", told.output)
    assert shell.accounts() == []


def test_before_migrating_each_command_says_so_in_one_sentence(shell: Shell, tmp_path: Path) -> None:
    for words in (["seed"], ["demo"], ["areas", "import", "x.csv"], ["admin", "create", "admin", "--name", "Siti"]):
        told = shell.types(*words)
        assert told.exit_code == 1
        assert told.output == "The database is not at this version's schema; run `ujung migrate` first\n"


def test_an_installation_is_set_up_step_by_step(shell: Shell, tmp_path: Path) -> None:
    assert shell.types("migrate").exit_code == 0
    assert "Added 40 areas" in shell.types("seed").output
    assert "Added 0 areas" in shell.types("seed").output

    created = shell.types("admin", "create", "siti.rahma", "--name", "Siti Rahmawati")
    assert created.exit_code == 0
    (account,) = shell.accounts()
    assert account.must_change_password
    (password,) = re.findall(r"^One-time password +(\S+)$", created.output, re.MULTILINE)
    assert shell.lets_in(password)

    again = shell.types("admin", "create", "siti.rahma", "--name", "Siti Rahmawati")
    assert (again.exit_code, again.output) == (1, "Somebody has this username\n")
    wrong = shell.types("admin", "create", "Siti R", "--name", "Siti Rahmawati")
    assert wrong.exit_code == 1
    assert wrong.output.startswith("username: ")
    refused = shell.types("demo")
    assert refused.exit_code == 1
    assert "accounts of its own" in refused.output


def test_a_register_is_imported_or_refused_whole(shell: Shell, tmp_path: Path) -> None:
    shell.types("migrate")
    good = tmp_path / "good.csv"
    good.write_text("kode,nama\n35,Jawa Timur\n35.78,Surabaya\n35.78.01,Karang Pilang\n")
    told = shell.types("areas", "import", str(good))
    assert told.exit_code == 0, told.output
    assert re.search(r"added\W+3\b", told.output)
    assert re.search(r"Kecamatan\W+1\b", told.output)

    bad = tmp_path / "bad.csv"
    bad.write_text("kode,nama\n35.78.02,Wonocolo\n35.79.01.1001,Temas\n")
    told = shell.types("areas", "import", str(bad))
    assert told.exit_code == 1
    assert "line 3: 35.79.01" in told.output
    assert told.output.count("\n") == 1
    missing = shell.types("areas", "import", str(tmp_path / "none.csv"))
    assert missing.exit_code == 1
    assert "No such file" in missing.output


def test_a_setting_that_cannot_be_is_refused_in_one_sentence(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UJUNG_POOL_SIZE", "many")
    told = shell.types("migrate")
    assert told.exit_code == 1
    assert told.output.startswith("pool_size: ")


def test_the_version_is_told(shell: Shell) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", shell.types("version").output)
