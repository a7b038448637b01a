"""The town's own files, and sowing them."""

import csv
from pathlib import Path

import pytest
from sqlmodel import col, select

from app.agencies import actions, queries
from app.agencies.actions import Sown, sow
from app.agencies.models import Responsibility
from app.agencies.words import CategoryClass
from app.areas.actions import import_areas
from app.kit.house import House, Work
from tests.agencies.seeds import AGENCIES, CATEGORIES, PLACES, sown

TOWN = Path(__file__).resolve().parents[2] / "app" / "town"


def rows(name: str) -> list[dict[str, str]]:
    with (TOWN / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_town_has_its_agencies_categories_and_rules(house: House) -> None:
    agencies, categories = rows("agencies.csv"), rows("categories.csv")
    rules = rows("responsibilities.csv")
    with house.database.write() as session:
        import_areas(session, PLACES)
        count = sow(session, "35.75", house.clock(), agencies, categories, rules)
    assert count == Sown(len(agencies), len(categories), len(rules))
    assert {row["code"] for row in agencies if row["has_accounts"] == "no"} == {"PLN", "BPJSKES", "BBWS"}
    with house.database.read() as session:
        places = [(row["code"], "35.75.03.1005") for row in categories]
        answered = queries.responsible_agencies(session, places)
        found = queries.find_categories(session, [row["code"] for row in categories])
        assert {category.class_ for category in found.values()} == set(CategoryClass)
        assert found["pungutan-liar"].class_.label == "Pengaduan berkadar pengawasan"
    assert {category for category, _ in places} - {category for category, _ in answered} == {"lainnya", "ekonomi"}


def test_sowing_again_changes_nothing(house: House) -> None:
    assert sown(house) == Sown(3, 4, 1)
    assert sown(house) == Sown(0, 0, 0)


def test_a_rule_that_an_admin_deleted_and_a_name_that_an_admin_gave_stay(house: House) -> None:
    sown(house)
    with house.database.write() as session:
        actions.delete_responsibility(Work(session, None, house.clock(), house), "jalan", "35.75")
        queries.find_agencies(session, ["PUPR"])["PUPR"].name = "Dinas PU"
    sown(house)
    with house.database.read() as session:
        assert session.exec(select(col(Responsibility.id))).all() == []
        assert queries.agency(session, "PUPR").name == "Dinas PU"


def test_only_yes_or_no(house: House) -> None:
    wrong = [AGENCIES[0] | {"has_accounts": "perhaps"}]
    with house.database.write() as session:
        import_areas(session, PLACES)
        with pytest.raises(ValueError, match="yes or no, not 'perhaps'"):
            sow(session, "35.75", house.clock(), wrong, CATEGORIES)
