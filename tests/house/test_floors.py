"""The floors hold, and no room stands beside them."""

import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parents[2]
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def test_every_room_imports_only_from_floors_below() -> None:
    """In a process of its own, for it silences every logger there is, and other tests read what is logged."""
    linted = subprocess.run([sys.executable, "-c", LINT], cwd=HERE, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


def test_the_contract_names_every_room() -> None:
    configuration = tomllib.loads((HERE / "pyproject.toml").read_text())
    (contract,) = configuration["tool"]["importlinter"]["contracts"]
    assert contract["exhaustive"]
    assert contract["containers"] == ["app"]
    assert "ignore_imports" not in contract
    assert "exhaustive_ignores" not in contract
