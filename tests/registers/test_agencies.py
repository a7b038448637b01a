"""Lists of agencies, taken in."""

from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select
from sqlmodel import col

from app.agencies.actions import AgenciesTaken
from app.agencies.models import Agency
from app.agencies.words import AgencyKind
from app.areas.actions import import_areas
from app.areas.queries import UnknownArea
from app.journal.models import Administration
from app.kit.house import House
from app.registers.actions import import_agencies
from app.registers.sheets import BadSheet
from tests.town import CITY

MADIUN = "35.77"
LIST = """id;nama;laporan
1;Dinas Lingkungan Hidup;12
2;Dinas Perhubungan;3
3;Kelurahan Taman;9
4;Kecamatan Kartoharjo;1
5;Badan Pendapatan Daerah;2
6;Bagian Pemerintahan;4
7;Balai Pelatihan;4
8;Perumda Tirta Taman Sari;2
9;PUPR;1
"""


@pytest.fixture
def madiun(town_house: House) -> House:
    """The town, and another city beside it that has no agencies yet."""
    with town_house.database.write() as session:
        import_areas(session, [(MADIUN, "Kota Madiun")])
    return town_house


def file_of(folder: Path, text: str) -> Path:
    file = folder / "instansi.csv"
    file.write_text(text)
    return file


def agencies_of(house: House, city: str) -> dict[str, Agency]:
    with house.database.read() as session:
        found = session.scalars(select(Agency).where(col(Agency.city_code) == city))
        return {agency.code: agency for agency in found}


def test_codes_and_kinds_are_made_from_names_where_a_list_has_none(madiun: House, tmp_path: Path) -> None:
    taken, refused = import_agencies(madiun, file_of(tmp_path, LIST), MADIUN)
    assert (taken, refused) == (AgenciesTaken(added=7, unchanged=0, offices_of_territory=2), [])
    assert {code: (each.name, each.kind) for code, each in agencies_of(madiun, MADIUN).items()} == {
        "DLH": ("Dinas Lingkungan Hidup", AgencyKind.DINAS),
        "DP": ("Dinas Perhubungan", AgencyKind.DINAS),
        "BPD": ("Badan Pendapatan Daerah", AgencyKind.BADAN),
        "BP": ("Bagian Pemerintahan", AgencyKind.BAGIAN),
        "BP-2": ("Balai Pelatihan", AgencyKind.OTHER),
        "PTTS": ("Perumda Tirta Taman Sari", AgencyKind.BUMD),
        "PUPR-2": ("PUPR", AgencyKind.OTHER),  # Pasuruan has a PUPR, and codes are one of a kind
    }


def test_taking_it_in_again_changes_nothing(madiun: House, tmp_path: Path) -> None:
    file = file_of(tmp_path, LIST)
    import_agencies(madiun, file, MADIUN)
    before = agencies_of(madiun, MADIUN)
    assert import_agencies(madiun, file, MADIUN)[0] == AgenciesTaken(added=0, unchanged=7, offices_of_territory=2)
    assert agencies_of(madiun, MADIUN) == before


def test_what_the_list_tells_is_taken_as_it_is(madiun: House, tmp_path: Path) -> None:
    book: Any = openpyxl.Workbook()
    for row in (
        ("code", "name", "kind", "has_accounts"),
        ("PLNMN", "PT PLN", "external", "no"),
        (None, "RSUD", None, 1),
    ):
        book.active.append(row)
    file = tmp_path / "instansi.xlsx"
    book.save(file)
    import_agencies(madiun, file, MADIUN)
    found = agencies_of(madiun, MADIUN)
    assert {code: (each.kind, each.has_accounts) for code, each in found.items()} == {
        "PLNMN": (AgencyKind.EXTERNAL, False),
        "RSUD-2": (AgencyKind.RSUD, True),
    }


def test_an_offices_address_is_taken_and_one_that_is_none_refused(madiun: House, tmp_path: Path) -> None:
    list_ = "nama,surel\nDinas Satu,loket@dinas.example\nDinas Dua,\nDinas Tiga,bukan alamat\n"
    _, refused = import_agencies(madiun, file_of(tmp_path, list_), MADIUN)
    addresses = {each.name: each.email for each in agencies_of(madiun, MADIUN).values()}
    assert addresses == {"Dinas Satu": "loket@dinas.example", "Dinas Dua": None}
    assert [(each.line, each.reason.partition(":")[0]) for each in refused] == [(4, "email")]


def test_a_code_or_name_that_the_city_has_is_left_as_it_is(madiun: House, tmp_path: Path) -> None:
    before = agencies_of(madiun, CITY)
    list_ = "code,name\nPUPR,Dinas PU\n,dinas perhubungan\nBARU,Dinas Baru\n"
    assert import_agencies(madiun, file_of(tmp_path, list_), CITY)[0].added == 1
    after = agencies_of(madiun, CITY)
    assert after.keys() - before.keys() == {"BARU"}
    assert {code: after[code] for code in before} == before


def test_rows_that_are_no_agency_are_refused_with_their_line(madiun: House, tmp_path: Path) -> None:
    rows = ("pu,Dinas A,,", ",,,ya", ",Dinas B,dinas besar,", ",Dinas C,DINAS,mungkin", ",Dinas D,DINAS,tidak")
    file = file_of(tmp_path, "\n".join(("code,name,kind,has_accounts", *rows)))
    taken, refused = import_agencies(madiun, file, MADIUN)
    assert taken.added == 1
    assert [(each.line, each.reason.partition(":")[0]) for each in refused] == [
        (2, "code"),
        (3, "name"),
        (4, "kind"),
        (5, "has_accounts"),
    ]
    assert not [each for each in refused if "besar" in each.reason or "mungkin" in each.reason]


def test_a_dry_run_keeps_nothing(madiun: House, tmp_path: Path) -> None:
    taken, _ = import_agencies(madiun, file_of(tmp_path, LIST), MADIUN, dry_run=True)
    assert (taken.added, agencies_of(madiun, MADIUN)) == (7, {})


def test_an_unknown_city_and_a_list_without_names_are_refused(madiun: House, tmp_path: Path) -> None:
    with pytest.raises(UnknownArea):
        import_agencies(madiun, file_of(tmp_path, LIST), "35.99")
    with pytest.raises(BadSheet, match="No column is headed name"):
        import_agencies(madiun, file_of(tmp_path, "kode,instansi\nA,Dinas A\n"), MADIUN)
    assert agencies_of(madiun, MADIUN) == {}


def test_the_journal_of_administration_knows_of_it(madiun: House, tmp_path: Path) -> None:
    import_agencies(madiun, file_of(tmp_path, LIST), MADIUN)
    with madiun.database.read() as session:
        (note,) = session.scalars(select(Administration).where(col(Administration.kind) == "agencies.imported"))
    assert (note.subject, note.data) == (MADIUN, {"added": 7, "unchanged": 0, "offices_of_territory": 2})
