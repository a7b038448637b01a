"""What an operator types, and is told."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.kit.settings import Settings
from app.registers.models import ImportRun
from tests.registers.registers import MONITOR, Clerk, row

Types = Callable[..., Result]


@pytest.fixture
def types(town_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Types:
    """Types a command in the town's installation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UJUNG_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("UJUNG_DATABASE_URL", town_settings.database_address)
    monkeypatch.setattr("app.cli.configure_logs", lambda **_: None)  # pytest keeps the logs
    runner = CliRunner(env={"COLUMNS": "160"})
    return lambda *words: runner.invoke(app, [str(word) for word in words])


def typed(clerk: Clerk, *rows: dict[str, str]) -> list[str]:
    return ["problems", "import", str(clerk.write(rows)), "--mapping", str(clerk.mapping()), "--on-behalf-of", MONITOR]


def test_the_counts_are_told_as_a_table(clerk: Clerk, types: Types) -> None:
    rows = [row(1), row(2, kelurahan=""), row(3, sama_dengan="A-1"), row(4, alamat="", dijawab="")]
    told = types(*typed(clerk, *rows))
    assert told.exit_code == 0, told.output
    assert "line 3: area: empty\n" in told.stderr
    counts = dict(re.findall(r"│ ([^│]*?) +│ +([0-9,]+) │", told.stdout))
    assert "buku-aduan: import 1" in told.stdout
    assert counts == {
        "in the file": "4",
        "taken": "3",
        "taken before": "0",
        "refused": "1",
        "marked as duplicates": "1",
        "without a place": "1",
        "Didisposisikan": "1",
        "Selesai": "1",
        "Ditutup": "1",
        "refused: area: empty": "1",
    }


def test_counts_for_programs_are_json_alone_on_standard_output(clerk: Clerk, types: Types) -> None:
    told = types(*typed(clerk, row(1), row(2, kelurahan="x")), "--json", "--dry-run")
    assert json.loads(told.stdout) == {
        "register": "buku-aduan",
        "run": None,
        "rows": 2,
        "taken": 1,
        "taken_before": 0,
        "differing": 0,
        "refused": 1,
        "refused_by_reason": {"area: unknown, or outside 35.75": 1},
        "duplicates": 0,
        "mains_missing": 0,
        "remarks": {},
        "states": {"resolved": 1},
    }
    assert clerk.stored()[ImportRun] == 0


def test_the_first_twenty_refused_rows_are_shown_and_all_are_kept(clerk: Clerk, types: Types, tmp_path: Path) -> None:
    kept = tmp_path / "ditolak.csv"
    rows = [row(number, kelurahan="") for number in range(25)]
    told = types(*typed(clerk, *rows), "--refused", kept)
    assert told.stderr.count("area: empty") == 20
    assert f"and 5 more refused, all of them in {kept}" in told.stderr
    with kept.open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "reason"],
            *([str(line), "area: empty"] for line in range(2, 27)),
        ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("--on-behalf-of", "admin"), "A post is named as facts name it"),
        (("--on-behalf-of", "monitor:35.78"), "Nobody holds this post now"),
        (("--mapping", "tidak-ada.toml"), "The mapping cannot be used: tidak-ada.toml: No such file"),
        (("--refused", "tidak/ada.csv"), "The file cannot be written: tidak/ada.csv: No such file"),
    ],
)
def test_a_refusal_is_one_sentence(clerk: Clerk, types: Types, change: tuple[str, str], sentence: str) -> None:
    told = types(*typed(clerk, row(1)), *change)
    assert told.exit_code == 1
    assert sentence in told.stderr
    assert told.output.count("\n") == 1
    assert clerk.stored()[ImportRun] == 0


def test_a_list_of_agencies_is_taken_in(clerk: Clerk, types: Types, tmp_path: Path) -> None:
    file = tmp_path / "instansi.csv"
    file.write_text("name\nDinas Arsip\nKelurahan Bakalan\nDinas Perhubungan\nDinas A,B\n")
    told = types("agencies", "import", file, "--city", "35.75", "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout) == {"added": 1, "unchanged": 1, "offices_of_territory": 1, "refused": 1}
    told = types("agencies", "import", file, "--dry-run")
    assert re.search(r"unchanged\W+2\b", told.stdout)
    assert "line 5: 2 cells, where the headings are 1" in told.stderr


def test_before_migrating_each_command_says_so(types: Types, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UJUNG_DATABASE_URL", f"sqlite:///{tmp_path}/kosong.db")
    for words in (["problems", "import", "x", "--mapping", "y", "--on-behalf-of", "z"], ["agencies", "import", "x"]):
        told = types(*words)
        assert (told.exit_code, told.output.count("\n")) == (1, 1)
        assert "run `ujung migrate` first" in told.output
