"""The database work of a request is one hop to a thread: never two, and none where there is none to do."""

import pytest
from fastapi import FastAPI

from app.kit.ids import new_id
from tests.sync.pieces import PIECE, TUS, UPLOADS, promise
from tests.town import Someone, Town, picture

READS = [
    ("lurah", "/me"),
    ("lurah", "/auth/sessions"),
    ("lurah", "/problems?q=saluran&state=submitted"),
    ("lurah", "/areas?q=bakalan"),
    ("lurah", "/areas/35.75.03.1005"),
    ("lurah", "/agencies"),
    ("lurah", "/categories"),
    ("lurah", "/responsibilities"),
    ("lurah", "/calendar"),
    ("officer", "/assignments"),
    ("officer", "/endpoints"),
    ("officer", "/api-keys"),
    ("admin", "/admin/accounts"),
    ("admin", "/admin/posts"),
    ("admin", "/admin/journal"),
    ("admin", "/admin/limits"),
]


def person(town: Town, who: str) -> Someone:
    return {"lurah": town.lurah("Bakalan"), "officer": town.officer("PUPR"), "admin": town.admin}[who]


@pytest.mark.parametrize(("who", "path"), READS)
async def test_a_read_is_one_hop(town: Town, town_app: FastAPI, who: str, path: str) -> None:
    answer = await person(town, who).get(path)
    assert answer.status_code == 200, answer.text
    assert town_app.state.hops.count == 1


async def test_each_write_is_one_hop(town: Town, town_app: FastAPI) -> None:
    hops, lurah, camat = town_app.state.hops, town.lurah("Bakalan"), town.camat("Bugul Kidul")
    problem = await lurah.report()
    assert hops.count == 1
    await camat.step(problem, "accept")
    assert hops.count == 2
    await camat.step(problem, "assign", lead="PUPR", instruction="Mohon ditinjau.")
    assert hops.count == 3
    problem = await town.officer("PUPR").see(problem)
    assert hops.count == 4
    await town.officer("PUPR").part(problem, "accept")
    assert hops.count == 5
    photo = await town.officer("PUPR").photo(problem)
    assert hops.count == 6
    await lurah.get(f"/problems/{problem['id']}/photos/{photo}")
    assert hops.count == 7
    await lurah.post(f"/problems/{problem['id']}/comments", {"text": "Air sudah surut."})
    assert hops.count == 8
    await town.admin.post("/admin/agencies", {"code": "UJI", "name": "Dinas Uji", "kind": "dinas", "city": "35.75"})
    assert hops.count == 9
    key = await town.head("PUPR").post("/api-keys", {"name": "Aplikasi", "verbs": ["problem.comment"]})
    assert hops.count == 10
    await town.head("PUPR").post(f"/api-keys/{key.json()['key']['id']}/revoke")
    assert hops.count == 11


async def test_each_request_about_an_endpoint_is_one_hop(town: Town, town_app: FastAPI) -> None:
    hops, head = town_app.state.hops, town.head("PUPR")
    made = town.good(await head.post("/endpoints", {"url": "https://sim.pupr.example/terima"}), 201)
    path, span = f"/endpoints/{made['id']}", {"since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}
    assert hops.count == 1
    delivery = f"/deliveries/{town.good(await head.post(f'{path}/ping'), 202)['delivery']}"
    assert hops.count == 2
    answers = [
        await head.get(path),
        await head.patch(path, {"state": "paused"}),
        await head.post(f"{path}/secret"),
        await head.post(f"{path}/recoveries", span),
        await head.get(f"{path}/recoveries"),
        await head.get(f"{path}/deliveries"),
        await head.get(delivery),
        await head.post(f"{delivery}/cancel"),
        await head.post(f"{delivery}/retry"),
        await town.speak(head, "DELETE", path),
    ]
    assert {answer.status_code for answer in answers} == {200, 202}
    assert hops.count == 2 + len(answers)


async def test_only_a_piece_of_a_photo_is_two_hops(town: Town, town_app: FastAPI) -> None:
    """It is written as it comes: no connection to the database waits for a phone."""
    hops, lurah, data, photo = town_app.state.hops, town.lurah("Bakalan"), picture(), new_id()
    place = f"{UPLOADS}/{photo}"
    assert (await lurah.post(UPLOADS, headers=promise(data, photo))).status_code == 201
    assert hops.count == 1
    sent = await town.speak(lurah, "PATCH", place, content=data, headers=PIECE | {"Upload-Offset": "0"})
    assert sent.status_code == 204, sent.text
    assert hops.count == 3
    assert (await town.speak(lurah, "HEAD", place, headers=TUS)).status_code == 200
    assert hops.count == 4
    assert (await town.speak(lurah, "DELETE", place, headers=TUS)).status_code == 204
    assert hops.count == 5


async def test_a_refused_request_is_at_most_one_hop(town: Town, town_app: FastAPI) -> None:
    hops, lurah = town_app.state.hops, town.lurah("Bakalan")
    assert (await town.client.get("/api/v1/problems")).status_code == 401
    assert (await lurah.post("/problems", {"title": ""})).status_code == 422
    assert hops.count == 0, "what the headers or the shape decide needs no database"
    assert (await lurah.get("/problems/01936f0e-8d3c-7000-8000-000000000000")).status_code == 404
    assert (await town.client.get("/api/v1/me", headers={"Authorization": "Bearer tidak-dikenal"})).status_code == 401
    assert hops.count == 2
