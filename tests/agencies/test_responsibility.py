"""Who is responsible: the nearest rule counts."""

from typing import Any
from uuid import UUID

from sqlalchemy import event

from app.agencies import actions, queries
from app.kit.house import House, Work
from tests.agencies.seeds import sown

BAKALAN, TAPAAN, KARANGKETUG = "35.75.03.1005", "35.75.03.1003", "35.75.01.1001"


def responsible(house: House, category: str, area: str) -> str | None:
    with house.database.read() as session:
        return queries.responsible_for(session, category, area)


def put(house: House, category: str, area: str, agency: str) -> None:
    with house.database.write() as session:
        actions.put_responsibility(Work(session, None, house.clock(), house), category, area, agency)


def test_a_rule_of_the_city_reaches_every_kelurahan_and_every_category_below(house: House) -> None:
    sown(house)
    assert responsible(house, "jalan", BAKALAN) == "PUPR"
    assert responsible(house, "gang", KARANGKETUG) == "PUPR"
    assert responsible(house, "informasi", BAKALAN) is None
    assert responsible(house, "unheard-of", BAKALAN) is None


def test_the_smaller_area_goes_first(house: House) -> None:
    sown(house)
    put(house, "jalan", "35.75.03", "PERKIM")
    put(house, "jalan", TAPAAN, "PLN")
    assert responsible(house, "jalan", KARANGKETUG) == "PUPR"
    assert responsible(house, "jalan", BAKALAN) == "PERKIM"
    assert responsible(house, "jalan", TAPAAN) == "PLN"


def test_the_category_itself_goes_before_its_parent_even_in_a_larger_area(house: House) -> None:
    sown(house)
    put(house, "jalan", BAKALAN, "PLN")
    put(house, "gang", "35.75", "PERKIM")
    assert responsible(house, "gang", BAKALAN) == "PERKIM"
    assert responsible(house, "jalan-rusak", BAKALAN) == "PLN"


def test_an_agency_out_of_service_is_passed_over(house: House) -> None:
    sown(house)
    put(house, "gang", BAKALAN, "PERKIM")
    with house.database.write() as session:
        found = queries.find_agencies(session, ["PERKIM", "NOBODY"])
        assert list(found) == ["PERKIM"]
        found["PERKIM"].active = False
    assert responsible(house, "gang", BAKALAN) == "PUPR"


def test_what_was_decided_once_is_the_rule_for_the_next(house: House) -> None:
    sown(house)
    problem = UUID(int=7)
    with house.database.write() as session:
        work: Work[Any] = Work(session, None, house.clock(), house)
        actions.teach(work, "jalan", "35.75", "PERKIM", problem)
        actions.teach(work, "gang", BAKALAN, "PLN", problem)
    assert responsible(house, "jalan", BAKALAN) == "PERKIM"
    assert responsible(house, "gang", BAKALAN) == "PLN"
    assert responsible(house, "gang", TAPAAN) == "PERKIM"


def test_any_number_of_places_takes_two_statements(house: House) -> None:
    sown(house)
    statements: list[str] = []
    event.listen(house.database.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    places = [(category, area) for category in ("jalan", "gang", "informasi") for area in (BAKALAN, TAPAAN)]
    with house.database.read() as session:
        found = queries.responsible_agencies(session, places * 50)
        assert queries.responsible_agencies(session, []) == {}
    assert found == {place: "PUPR" for place in places if place[0] != "informasi"}
    assert len([each for each in statements if "SELECT" in each]) == 2
