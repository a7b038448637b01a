"""The compose file and the units: every name in them is somebody."""

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from app.cli import app as command_line
from app.kit.settings import Settings
from tests.deploy.image import PROJECT, Image

UNITS = sorted((PROJECT / "deploy" / "systemd").glob("*.service"))
GRACE_SECONDS = 20
"""How long the server goes on with what it has begun; whoever stops it waits longer."""


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text(encoding="utf-8"))
    return found


def settings_in(names: Any) -> set[str]:
    return {name.removeprefix("UJUNG_").lower() for name in names if name.startswith("UJUNG_")}


def commands() -> set[str]:
    return set(typer.main.get_group(command_line).commands)


def test_services_name_what_there_is(composed: dict[str, Any]) -> None:
    services = composed["services"]
    for name, service in services.items():
        assert settings_in(service["environment"]) <= Settings.model_fields.keys(), name
        assert set(service.get("secrets", ())) <= composed["secrets"].keys(), name
        assert {mount.partition(":")[0] for mount in service["volumes"]} <= composed["volumes"].keys(), name
        assert service["depends_on"].keys() <= services.keys() if "depends_on" in service else True, name
    for name in ("api", "worker"):
        assert set(services[name].get("command", ["serve"])) <= commands()
        mounted = {mount.partition(":")[2] for mount in services[name]["volumes"]}
        assert mounted == set(Image().said("VOLUME"))


def test_secrets_are_settings_or_the_databases_and_never_checked_in(composed: dict[str, Any]) -> None:
    for name, secret in composed["secrets"].items():
        assert secret["file"] == f"deploy/secrets/{name}"
        assert name == "database_password" or name.removeprefix("ujung_") in Settings.model_fields
    assert "deploy/secrets/" in (PROJECT / ".gitignore").read_text().split()
    database = composed["services"]["database"]["environment"]
    assert database["POSTGRES_PASSWORD_FILE"] == "/run/secrets/database_password"
    said = (PROJECT / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert f"postgresql://{database['POSTGRES_USER']}:%s@database/{database['POSTGRES_DB']}" in said


def test_the_app_may_do_little(composed: dict[str, Any]) -> None:
    for name in ("api", "worker"):
        service = composed["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert int(service["stop_grace_period"].removesuffix("s")) > GRACE_SECONDS
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("unit", UNITS, ids=[unit.stem for unit in UNITS])
def test_a_unit_names_what_there_is(unit: Path) -> None:
    said = configparser.RawConfigParser(strict=False)  # `Environment` may come twice
    said.optionxform = str  # type: ignore[assignment, method-assign]  # the way its documentation names
    said.read(unit, encoding="utf-8")
    service = said["Service"]
    lines = unit.read_text(encoding="utf-8").splitlines()
    pairs = [pair for line in lines if line.startswith("Environment=") for pair in shlex.split(line[12:])]
    assert settings_in(pair.partition("=")[0] for pair in pairs) <= Settings.model_fields.keys()
    python, *words = shlex.split(service["ExecStart"])
    assert python == f"{service['WorkingDirectory']}/.venv/bin/python"
    assert words[:2] == ["-m", "app.cli"]
    assert words[2] in commands()
    assert f"UJUNG_DATA_DIR=/var/lib/{service['StateDirectory']}" in pairs
    assert int(service["TimeoutStopSec"]) > GRACE_SECONDS
    assert (service["ProtectSystem"], service["NoNewPrivileges"]) == ("strict", "true")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=[unit.stem for unit in UNITS])
def test_systemd_understands_a_unit(unit: Path, tmp_path: Path) -> None:
    """With a program that is here instead of the one in the checkout."""
    copy = tmp_path / unit.name
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
    copy.write_text(text.replace("Requires=ujung-tombak.service\n", ""))
    told = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert [line for line in told.stderr.splitlines() if unit.name in line] == []
