"""The floors hold, and no room stands beside them."""

import tomllib
from pathlib import Path

from importlinter.cli import lint_imports

HERE = Path(__file__).parents[2]


def test_every_room_imports_only_from_floors_below() -> None:
    assert lint_imports(config_filename=str(HERE / "pyproject.toml"), no_cache=True) == 0


def test_the_contract_names_every_room() -> None:
    configuration = tomllib.loads((HERE / "pyproject.toml").read_text())
    (contract,) = configuration["tool"]["importlinter"]["contracts"]
    assert contract["exhaustive"]
    assert contract["containers"] == ["app"]
    assert "ignore_imports" not in contract
    assert "exhaustive_ignores" not in contract
