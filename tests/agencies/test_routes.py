"""Agencies, categories and rules over HTTP."""

from typing import Any

import pytest
from httpx import AsyncClient, Response
from sqlmodel import select

from app.journal.models import Administration
from app.kit.house import House
from tests.agencies.seeds import sown
from tests.areas.callers import speaking


def journal(house: House) -> list[tuple[str, str]]:
    with house.database.read() as session:
        return [(each.kind, each.subject) for each in session.exec(select(Administration)).all()]


def assert_refused(answer: Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def items(client: AsyncClient, path: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = await client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_agencies_are_read(house: House) -> None:
    sown(house)
    async with speaking(house, "lurah") as client:
        assert [each["code"] for each in await items(client, "/agencies")] == ["PERKIM", "PLN", "PUPR"]
        assert [each["code"] for each in await items(client, "/agencies", kind="external")] == ["PLN"]
        assert await items(client, "/agencies", active=False) == []
        assert (await client.get("/agencies/PLN")).json() == {
            "code": "PLN",
            "name": "PT PLN (Persero)",
            "kind": "external",
            "kind_label": "Instansi luar",
            "city": "35.75",
            "has_accounts": False,
            "active": True,
            "email": None,
        }
        assert_refused(await client.get("/agencies/NOBODY"), 404, "agency_not_found")
        assert_refused(await client.get("/agencies/pupr"), 422, "invalid_request")


async def test_categories_are_read(house: House) -> None:
    sown(house)
    async with speaking(house, "lurah") as client:
        first = await client.get("/categories", params={"limit": 3})
        assert [each["code"] for each in first.json()["items"]] == ["gang", "informasi", "jalan"]
        rest = await client.get("/categories", params={"limit": 3, "after": first.json()["next"]})
        assert rest.json() == {
            "items": [
                {
                    "code": "jalan-rusak",
                    "label": "Jalan rusak",
                    "class": "ordinary",
                    "class_label": "Pengaduan biasa",
                    "proof_required": True,
                    "parent_code": "jalan",
                    "active": True,
                }
            ],
            "next": None,
        }
        assert [each["code"] for each in await items(client, "/categories", parent="jalan")] == ["jalan-rusak"]
        assert [each["code"] for each in await items(client, "/categories", **{"class": "information"})] == [
            "informasi"
        ]
        assert len(await items(client, "/categories", active=True)) == 4


async def test_rules_of_an_area_are_its_own_and_those_of_all_above(house: House) -> None:
    sown(house)
    async with speaking(house, "admin") as client:
        put = await client.put("/admin/responsibilities/gang/35.75.03", json={"agency": "PERKIM"})
        assert put.json() | {"created_at": None} == {
            "category": "gang",
            "area": "35.75.03",
            "agency": "PERKIM",
            "learned_from": None,
            "created_at": None,
        }
        listed = await items(client, "/responsibilities", area="35.75.03.1005")
        assert [(each["category"], each["area"]) for each in listed] == [("gang", "35.75.03"), ("jalan", "35.75")]
        assert len(await items(client, "/responsibilities", area="35.75.01.1001")) == 1
        assert len(await items(client, "/responsibilities", agency="PERKIM")) == 1
        assert len(await items(client, "/responsibilities", category="jalan")) == 1
        first = (await client.get("/responsibilities", params={"limit": 1})).json()
        second = (await client.get("/responsibilities", params={"limit": 1, "after": first["next"]})).json()
        assert [page["items"][0]["category"] for page in (first, second)] == ["gang", "jalan"]


async def test_an_admin_changes_agencies_and_it_is_written_down(house: House) -> None:
    sown(house)
    body = {"code": "DLHKP", "name": "Dinas Lingkungan Hidup", "kind": "dinas"}
    async with speaking(house, "admin") as client:
        created = await client.post("/admin/agencies", json=body)
        assert created.status_code == 201
        assert created.json()["city"] == "35.75"
        assert_refused(await client.post("/admin/agencies", json=body), 409, "agency_exists")
        elsewhere = body | {"code": "DLH", "city": "35.78"}
        assert_refused(await client.post("/admin/agencies", json=elsewhere), 422, "unknown_area")
        changed = await client.patch("/admin/agencies/DLHKP", json={"active": False, "name": None})
        assert (changed.json()["active"], changed.json()["name"]) == (False, "Dinas Lingkungan Hidup")
        assert [each["code"] for each in await items(client, "/agencies", active=False)] == ["DLHKP"]
        assert_refused(await client.patch("/admin/agencies/NOBODY", json={}), 404, "agency_not_found")
        assert_refused(await client.patch("/admin/agencies/PLN", json={"code": "X"}), 422, "invalid_request")
    assert journal(house) == [("agency.created", "DLHKP"), ("agency.changed", "DLHKP")]


async def test_an_admin_changes_categories_and_it_is_written_down(house: House) -> None:
    sown(house)
    body = {"code": "trotoar", "label": "Trotoar", "class": "ordinary", "parent_code": "jalan"}
    async with speaking(house, "admin") as client:
        created = await client.post("/admin/categories", json=body)
        assert (created.status_code, created.json()["class"], created.json()["proof_required"]) == (
            201,
            "ordinary",
            True,
        )
        assert_refused(await client.post("/admin/categories", json=body), 409, "category_exists")
        orphan = body | {"code": "jembatan", "parent_code": "unheard-of"}
        assert_refused(await client.post("/admin/categories", json=orphan), 422, "unknown_category")
        changed = await client.patch("/admin/categories/trotoar", json={"class": "emergency", "parent_code": None})
        assert (changed.json()["class"], changed.json()["parent_code"]) == ("emergency", None)
        circle = await client.patch("/admin/categories/jalan", json={"parent_code": "gang"})
        assert_refused(circle, 409, "category_in_circle")
        alone = await client.patch("/admin/categories/jalan", json={"parent_code": "jalan"})
        assert_refused(alone, 409, "category_in_circle")
        assert_refused(await client.patch("/admin/categories/unheard-of", json={}), 404, "category_not_found")
    assert journal(house) == [("category.created", "trotoar"), ("category.changed", "trotoar")]


async def test_an_admin_changes_rules_and_it_is_written_down(house: House) -> None:
    sown(house)
    async with speaking(house, "admin") as client:
        path = "/admin/responsibilities/jalan/35.75"
        assert (await client.put(path, json={"agency": "PERKIM"})).json()["agency"] == "PERKIM"
        assert (await client.delete(path)).json() == {"category": "jalan", "area": "35.75", "agency": "PERKIM"}
        assert_refused(await client.delete(path), 404, "rule_not_found")
        assert_refused(await client.put(path, json={"agency": "NOBODY"}), 422, "unknown_agency")
        nowhere = await client.put("/admin/responsibilities/jalan/35.99", json={"agency": "PUPR"})
        assert_refused(nowhere, 422, "unknown_area")
        nothing = await client.put("/admin/responsibilities/unheard-of/35.75", json={"agency": "PUPR"})
        assert_refused(nothing, 422, "unknown_category")
    assert journal(house) == [("responsibility.put", "jalan 35.75"), ("responsibility.deleted", "jalan 35.75")]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/admin/agencies", {"code": "X", "name": "X", "kind": "dinas"}),
        ("PATCH", "/admin/agencies/PUPR", {"name": "X"}),
        ("POST", "/admin/categories", {"code": "x", "label": "X", "class": "ordinary"}),
        ("PATCH", "/admin/categories/jalan", {"label": "X"}),
        ("PUT", "/admin/responsibilities/jalan/35.75", {"agency": "PUPR"}),
        ("DELETE", "/admin/responsibilities/jalan/35.75", None),
    ],
)
async def test_nobody_else_may(house: House, method: str, path: str, body: dict[str, Any] | None) -> None:
    sown(house)
    async with speaking(house, "lurah") as client:
        assert_refused(await client.request(method, path, json=body), 403, "not_permitted")
    async with speaking(house, "stranger") as client:
        assert_refused(await client.request(method, path, json=body), 401, "unauthenticated")
    assert journal(house) == []
