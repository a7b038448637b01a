"""Looking for areas."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from app.areas import queries
from app.areas.actions import import_areas
from app.areas.models import Area
from app.areas.queries import NothingToLookFor
from app.areas.register import Row
from app.areas.schemas import AreaOut
from app.areas.words import Level, lies_in
from app.kit.house import House
from app.kit.paging import Page, Slice
from tests.areas.callers import speaking
from tests.areas.registers import holding, invented, pasuruan

TODAY = date(2026, 3, 2)
EVERYTHING = Slice(200, None)


def fill(house: House, rows: list[Row]) -> None:
    with house.database.write() as session:
        import_areas(session, rows)


@pytest.fixture
def town(house: House) -> House:
    fill(house, pasuruan())
    return house


def look(
    house: House, q: str | None = None, parent: str | None = None, level: Level | None = None, at: Slice = EVERYTHING
) -> Page[AreaOut]:
    with house.database.read() as session:
        return queries.areas(session, at, TODAY, parent, level, q)


def codes(page: Page[AreaOut]) -> list[str]:
    return [area.code for area in page.items]


@pytest.mark.parametrize("typed", ["tapaan", "Tapa'an", "Tapa an", "TAPA’AN", " tapa-an "])
def test_an_apostrophe_does_not_matter(town: House, typed: str) -> None:
    assert codes(look(town, typed)) == ["35.75.03.1003"]


@pytest.mark.parametrize("typed", ["Kandang Sapi", "kandangsapi", "sapi"])
def test_a_space_does_not_matter(town: House, typed: str) -> None:
    assert [area.name for area in look(town, typed).items] == ["Kandangsapi"]


def test_level_and_parent_tell_apart_what_shares_a_name(town: House) -> None:
    kecamatan, kelurahan = look(town, "Bugul Kidul").items
    assert (kecamatan.level, kecamatan.level_label) == (Level.DISTRICT, "Kecamatan")
    assert (kelurahan.level, kelurahan.level_label) == (Level.VILLAGE, "Kelurahan")
    assert kecamatan.parent is not None
    assert kelurahan.parent is not None
    assert (kecamatan.parent.name, kelurahan.parent.name) == ("Kota Pasuruan", "Bugul Kidul")
    assert kelurahan.path == ["Jawa Timur", "Kota Pasuruan", "Bugul Kidul"]
    assert codes(look(town, "bugul kidul", level=Level.VILLAGE)) == ["35.75.03.1009"]
    assert codes(look(town, "bugul", parent="35.75.04")) == ["35.75.04.1010"]


def test_names_that_begin_so_come_before_names_that_hold_it(town: House) -> None:
    assert [area.name for area in look(town, "karang").items] == ["Karanganyar", "Karangketug"]
    assert [area.name for area in look(town, "sari").items] == ["Kebonsari", "Randusari"]
    assert [area.name for area in look(town, "pur").items] == ["Purutrejo", "Purworejo", "Purworejo"]
    assert [area.name for area in look(town, "ban").items] == ["Bangilan", "Sebani"]


def test_a_letter_or_two_are_looked_for_at_the_beginning_only(town: House) -> None:
    assert [area.name for area in look(town, "ba").items] == ["Bakalan", "Bangilan"]


def test_without_a_word_an_area_opens_to_what_lies_directly_below(town: House) -> None:
    assert codes(look(town, parent="35")) == ["35.75"]
    assert codes(look(town, parent="35.75")) == ["35.75.01", "35.75.02", "35.75.03", "35.75.04"]
    assert codes(look(town, parent="35.75.03.1005")) == []
    assert len(look(town, parent="35.75", level=Level.VILLAGE).items) == 34
    assert len(look(town, level=Level.DISTRICT).items) == 4
    assert codes(look(town))[:3] == ["35", "35.75", "35.75.01"]


def test_an_area_that_ended_is_not_offered_but_can_be_read(town: House) -> None:
    with town.database.write() as session:
        for code, last_day in ("35.75.04.1013", TODAY - timedelta(days=1)), ("35.75.04.1012", TODAY):
            area = session.get_one(Area, code)
            area.valid_to = last_day
    assert "35.75.04.1013" not in codes(look(town, parent="35.75.04"))
    assert "35.75.04.1012" in codes(look(town, parent="35.75.04"))
    assert codes(look(town, "mandaran")) == []
    with town.database.read() as session:
        assert queries.area(session, "35.75.04.1013").valid_to == TODAY - timedelta(days=1)


def test_nothing_but_signs_is_nothing_to_look_for(town: House) -> None:
    with pytest.raises(NothingToLookFor):
        look(town, "'-'")


@pytest.mark.parametrize("typed", ["re", "rejo", "an", "g", "kidul", "zzz"])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_pages_joined_are_the_whole(town: House, typed: str, size: int) -> None:
    whole = codes(look(town, typed))
    wanted = holding(pasuruan(), typed)
    assert whole == (wanted if len(typed) > 2 else [code for code in wanted if code in whole])
    joined: list[str] = []
    after = None
    while True:
        page = look(town, typed, at=Slice(size, after))
        joined += codes(page)
        after = page.next
        if after is None:
            break
        assert len(page.items) == size
    assert joined == whole


@given(
    column=st.sampled_from(["35", "35.7", "35.75", "35.75.03", "35.75.03.1005"]), code=st.from_regex(r"[0-9./]{2,13}")
)
def test_the_range_of_codes_below_an_area_is_its_subtree(column: str, code: str) -> None:
    assert (column <= code < column + "/") == (
        lies_in(code, column) or (code.startswith(column) and code[len(column)] < "/")
    )


def plans(house: House, **asked: Any) -> list[str]:
    """How the database would go about it: the plan of each statement over areas that looking for them makes."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(house.database.engine, "before_cursor_execute", note)
    look(house, **asked)
    event.remove(house.database.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN" if house.database.is_sqlite else "EXPLAIN"
    with house.database.read() as session:
        connection = session.connection()
        return [
            "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters))
            for statement, parameters in statements
            if statement.startswith("SELECT")
        ]


def test_every_list_walks_an_index(house: House) -> None:
    fill(house, invented())
    few = Slice(20, None)
    assert "ix_area_parent_code" in plans(house, parent="35.01.07", at=few)[0]
    assert "ix_area_level_code" in plans(house, level=Level.DISTRICT, at=few)[0]
    assert "ix_area_search_name_code" in plans(house, q="suka12maju", at=few)[0]
    assert "ix_area_search_name_code" in plans(house, q="s", at=few)[0]
    inside = plans(house, q="maju7", parent="35.01.07", at=few)[1]
    assert ("code>? AND code<?" if house.database.is_sqlite else "Index Cond: (((code)::text >=") in inside
    assert not any("SCAN area" in plan and "USING" not in plan for plan in plans(house, at=few))


def test_statements_do_not_grow_with_the_page(house: House) -> None:
    fill(house, invented(500))
    assert len(plans(house, q="suka", at=Slice(5, None))) == len(plans(house, q="suka", at=Slice(200, None))) == 2
    assert len(plans(house, at=Slice(5, None))) == len(plans(house, at=Slice(200, None))) == 2


async def test_over_http(town: House) -> None:
    async with speaking(town, "lurah") as lurah:
        first = await lurah.get("/areas", params={"parent": "35.75", "limit": 3})
        assert [area["name"] for area in first.json()["items"]] == ["Gadingrejo", "Purworejo", "Bugul Kidul"]
        link = first.headers["link"].removeprefix("<").partition(">")[0]
        last = await lurah.get(f"http://testserver{link}")
        assert [area["name"] for area in last.json()["items"]] == ["Panggungrejo"]
        assert last.json()["next"] is None
        assert "link" not in last.headers
        answer = await lurah.get("/areas/35.75.03.1003")
        assert answer.json() == {
            "code": "35.75.03.1003",
            "name": "Tapa'an",
            "level": "village",
            "level_label": "Kelurahan",
            "parent": {"code": "35.75.03", "name": "Bugul Kidul", "level": "district"},
            "path": ["Jawa Timur", "Kota Pasuruan", "Bugul Kidul"],
            "time_zone": "Asia/Jakarta",
            "valid_from": None,
            "valid_to": None,
            "predecessor_code": None,
            "postal_code": "67129",
            "point": {"lat": -7.644662, "lon": 112.924713},
        }
        province = (await lurah.get("/areas/35")).json()
        assert (province["parent"], province["path"], province["point"]) == (None, [], None)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/areas/35.99", 404, "area_not_found"),
        ("/areas/3599", 422, "invalid_request"),
        ("/areas/%00", 422, "invalid_request"),
        ("/areas?parent=35.7", 422, "invalid_request"),
        ("/areas?level=rt", 422, "invalid_request"),
        ("/areas?q=", 422, "invalid_request"),
        ("/areas?q=%27", 422, "nothing_to_look_for"),
        ("/areas?q=%00", 422, "invalid_request"),
        (f"/areas?q={'x' * 121}", 422, "invalid_request"),
        ("/areas?limit=201", 422, "invalid_request"),
        ("/areas?after=xyz", 422, "bad_cursor"),
        ("/areas?q=tapaan&after=WyIzNSJd", 422, "bad_cursor"),
    ],
)
async def test_what_is_asked_wrongly_is_refused(town: House, path: str, status: int, code: str) -> None:
    async with speaking(town, "lurah") as lurah:
        answer = await lurah.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_nobody_unknown_reads_areas(town: House) -> None:
    async with speaking(town, "nobody") as nobody:
        for path in "/areas", "/areas/35":
            assert (await nobody.get(path)).status_code == 401
