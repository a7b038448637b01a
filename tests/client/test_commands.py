"""Flight mode in a terminal."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.people.words import PostKind
from tests.client.places import Place
from tests.client.test_guide import GUIDE
from tests.people.townsfolk import PASSWORD, Townsfolk
from tests.town import Town, picture


class Terminal:
    """Types `ujung phone …` on a phone of its own."""

    def __init__(self, store: Path) -> None:
        self.store = store

    def types(self, *words: str, said: str | None = None) -> Result:
        return CliRunner().invoke(app, ["phone", *words, "--store", str(self.store)], input=said)

    def good(self, *words: str, said: str | None = None) -> str:
        told = self.types(*words, said=said)
        assert told.exit_code == 0, told.output
        return told.output


NAME = "siti.rahma"


@pytest.fixture
def terminal(place: Place, tmp_path: Path) -> Terminal:
    """The terminal of an operator of Bakalan who can log in."""
    town: Town = place.town
    Townsfolk(town.house, town.client).person(NAME, (PostKind.OPERATOR, town.kelurahan("Bakalan")))
    return Terminal(tmp_path / "phone.db")


def recorded(terminal: Terminal) -> str:
    """A problem recorded on this phone, as the guide does it; answers what it is called there."""
    (line,) = re.findall(r"^python3 run\.py phone (report .+?)\s*$", GUIDE, re.MULTILINE)
    told = terminal.good(*shlex.split(line), "--seen-on", "2026-03-02")
    found = re.fullmatch(r"Saved on this phone: …([0-9a-f]{8})\n", told)
    assert found, told
    return found[1]


def test_recorded_in_flight_mode_and_sent_with_signal(terminal: Terminal, place: Place, tmp_path: Path) -> None:
    told = terminal.good("login", place.address, NAME, said=f"{PASSWORD}\n")
    assert re.search(r"^\* …[0-9a-f]{8}  Operator Bakalan$", told, re.MULTILINE)
    assert PASSWORD not in told
    problem = recorded(terminal)
    terminal.good("comment", problem, "Sudah dicek bersama ketua RT.")
    terminal.good("step", problem, "edit", "--said", '{"title": "Saluran RW 02 tersumbat"}')
    photo = tmp_path / "bukti.jpg"
    photo.write_bytes(picture())
    terminal.good("photo", problem, str(photo))
    status = terminal.good("status")
    assert re.search(r"^Waiting +4 operations, since 20.*; 1 photos$", status, re.MULTILINE)
    assert "Problems   1 recorded, 0 received, 0 delivered, 0 acknowledged" in status

    told = terminal.good("sync")
    assert told == "4 operations up, 1 documents down, 1 photos up; 0 operations wait.\n"
    listed = terminal.good("list")
    assert "35.75.03.1005-0001" in listed
    assert "✓" in listed
    terminal.good("comment", "35.75.03.1005-0001", "Nomor juga bisa.")
    assert "1 recorded" in terminal.good("status")


def test_what_cannot_be_is_told_in_one_sentence(terminal: Terminal, place: Place, tmp_path: Path) -> None:
    def refused(*words: str, said: str | None = None) -> str:
        told = terminal.types(*words, said=said)
        assert told.exit_code == 1, told.output
        assert told.stderr.count("\n") == 1, told.stderr
        return told.stderr

    assert refused("status") == "Nobody is logged in on this phone: ujung phone login URL USERNAME\n"
    told = refused("login", place.address, NAME, said="salah-sama-sekali\n")
    assert told == "Wrong name or password. Nothing is lost: ujung phone login URL USERNAME\n"
    terminal.good("login", place.address, NAME, said=f"{PASSWORD}\n")
    problem = recorded(terminal)
    assert refused("comment", "1234", "x") == "1234: none is called so.\n"
    assert refused("step", problem, "edit", "--said", "[]") == "--said wants a JSON object.\n"
    assert "No such file" in refused("photo", problem, str(tmp_path / "none.jpg"))
    assert refused("post", "zzz") == "zzz: none is called so.\n"
    terminal.good("sync")
    told = refused("report", "Lampu jalan padam", "--category", "lampu", "--landmark", "Pos RW 02")
    assert told.startswith("There is no category lampu. There are: ")


def test_a_step_that_was_refused_is_told_with_its_reason(terminal: Terminal, place: Place) -> None:
    terminal.good("login", place.address, NAME, said=f"{PASSWORD}\n")
    terminal.good("step", recorded(terminal), "accept")
    told = terminal.types("sync")
    assert told.exit_code == 0
    assert re.search(r"^Refused: accept on …[0-9a-f]{8} of 20.+: .+", told.stderr, re.MULTILINE)


def test_without_signal_nothing_is_lost(terminal: Terminal, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.client.commands._TRIES", 1)
    terminal.good("login", place.address, NAME, said=f"{PASSWORD}\n")
    recorded(terminal)
    place.stack.close()
    told = terminal.types("sync")
    assert told.exit_code == 1
    assert told.stderr.endswith("Nothing is lost; it goes on with the next sync.\n")
    assert "1 operations" in terminal.good("status")
