"""Lock files install the same everywhere: hashed, without addresses, and true to pyproject.toml."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

HERE = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-test.lock"]
EXTRAS = {"requirements.lock": ["postgres", "speed"], "requirements-test.lock": ["postgres", "speed", "test"]}


def pins(lock: str) -> dict[str, list[str]]:
    """Versions by name; there are several where they depend on the Python."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([^ ;\\]+)", (HERE / lock).read_text(), re.MULTILINE
    ):
        found.setdefault(name, []).append(version)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place(lock: str) -> None:
    text = (HERE / lock).read_text()
    assert not re.search(r"://|file:|^-|^/| @ |--find-links|--index", text, re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_and_hashed(lock: str) -> None:
    for entry in re.split(r"\n(?=\S)", (HERE / lock).read_text().strip()):
        assert re.match(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==\S+", entry)
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.split()[0]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_what_the_project_asks_for(lock: str) -> None:
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + [
        line for extra in EXTRAS[lock] for line in project["optional-dependencies"][extra]
    ]
    locked = pins(lock)
    for line in asked:
        requirement = Requirement(line)
        assert all(requirement.specifier.contains(version) for version in locked[requirement.name.lower()]), line


@pytest.mark.parametrize("lock", LOCKS)
def test_extras_that_packages_ask_for_are_pinned_with_them(lock: str) -> None:
    """Older pips look for `coverage[toml]` beside a pinned `coverage`, and meet the newest, which has no hash here."""
    text = (HERE / lock).read_text()
    asked = [Requirement(line) for name in pins(lock) for line in _asked_by(name)]
    wanted = {(each.name.lower(), extra) for each in asked for extra in each.extras if not each.marker}
    assert wanted or lock == "requirements.lock"
    for name, extra in wanted:
        assert re.search(rf"^{re.escape(name)}\[[^]]*\b{extra}\b[^]]*\]==", text, re.MULTILINE), f"{name}[{extra}]"


def _asked_by(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # of another system, or another Python
        return []


def test_tests_run_on_what_is_served() -> None:
    tested = pins("requirements-test.lock")
    assert {name: tested.get(name) for name in pins("requirements.lock")} == pins("requirements.lock")
