"""Pull: documents as the database renders them, cursors that notice what they stand on, one snapshot."""

from typing import Any

from app.kit.ids import new_id
from app.sync.schemas import PullOut
from tests.town import Someone, Town

BAKALAN = "35.75.03.1005"


def device(**other: Any) -> dict[str, Any]:
    return {"id": str(new_id()), "name": "HP lapangan", "schema": 1} | other


async def pull(who: Someone, after: dict[str, str] | None = None, **other: Any) -> dict[str, Any]:
    """One page; asserts that it is of the shape that is promised."""
    body = {"device": device(), "after": after or {}} | other
    response = await who.post("/sync/pull", body)
    answer = who.town.good(response, 200)
    PullOut.model_validate(answer | {"from_": answer["from"]}, by_name=True)
    return answer


async def test_a_first_pull_brings_what_the_post_sees(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem = await lurah.report(point={"lat": -7.6716281234, "lon": 112.91673}, address="Jl. Musi")
    await town.operator("Bugul Kidul").report("Bugul Kidul")
    answer = await pull(lurah)
    assert answer["scope"] == [BAKALAN]
    assert [each["id"] for each in answer["documents"]] == [problem["id"]]
    (document,) = answer["documents"]
    same = set(problem) & set(document) - {"assignments", "photos", "main"}
    assert {name: document[name] for name in same} == {name: problem[name] for name in same}
    assert document["mine"] is True
    assert document["point"] == {"lat": -7.6716281234, "lon": 112.91673}
    assert [each["kind"] for each in document["facts"]] == ["reported"]
    assert not answer["more"]
    again = await pull(lurah, answer["after"])
    assert again["documents"] == again["gone"] == []
    assert again["after"] in ({}, answer["after"])
    assert again["from"] == answer["after"]
