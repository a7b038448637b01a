"""Keys of agencies' systems: said once, good for what they name, on the problems of their agency only."""

import hashlib
import json
import logging
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import func, select
from sqlmodel import SQLModel, col

from app.journal.models import Administration
from app.kit.columns import table_of
from app.kit.doors import READ
from app.kit.house import House
from app.kit.models import RememberedAnswer
from app.people.actors import PART_VERBS
from app.people.words import KEY_SHOWN, KeyVerb, is_key
from app.problems.models import Reading
from app.problems.words import AssignmentVerb, Verb
from tests.conftest import SettableClock
from tests.people.townsfolk import refusal
from tests.problems import situations
from tests.sync.statements import heard
from tests.town import Someone, Town, picture

ALL = [verb.value for verb in KeyVerb]
STEPS = [verb.value for verb in PART_VERBS]
PROOF = {"file": ("bukti.jpg", picture(), "image/jpeg")}


@pytest.fixture
async def town(town_app: FastAPI, town_house: House, clock: SettableClock) -> AsyncIterator[Town]:
    """The populated town, not the empty one of the tests beside."""
    clock.now = situations.NOW
    async with AsyncClient(transport=ASGITransport(app=town_app), base_url="http://testserver") as client:
        yield Town(town_house, client, clock)


async def made(town: Town, agency: str = "PUPR", verbs: list[str] = ALL, **other: Any) -> dict[str, Any]:
    """A key made by the agency's head, as it is answered."""
    said = {"name": "Aplikasi drainase", "verbs": verbs} | other
    return town.good(await town.head(agency).post("/api-keys", said), 201)


async def system(town: Town, agency: str = "PUPR", verbs: list[str] = ALL, **other: Any) -> Someone:
    """A system of the agency, speaking to the API with a key."""
    return Someone(town, town.head(agency).actor, (await made(town, agency, verbs, **other))["token"])


def part_of(problem: dict[str, Any], agency: str = "PUPR") -> dict[str, Any]:
    return next(each for each in problem["assignments"] if each["agency"] == agency)


async def page(who: Someone, path: str, **asked: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = who.town.good(await who.get(path, params=asked), 200)["items"]
    return items


def everything_stored(house: House) -> str:
    """All that the database holds, as text."""
    with house.database.read() as session:
        return "\n".join(
            str(row) for table in SQLModel.metadata.sorted_tables for row in session.connection().execute(select(table))
        )


# -- making ----------------------------------------------------------------------------------------------------------


async def test_a_key_is_said_once_and_stored_nowhere(town: Town) -> None:
    until = situations.NOW + timedelta(days=300)
    said = {"name": "Aplikasi drainase", "verbs": ["problem.ask", "read"], "expires_at": until.isoformat()}
    answer = await town.head("PUPR").post("/api-keys", said, headers={"Idempotency-Key": "satu"})
    body = town.good(answer, 201)
    token, key = body["token"], body["key"]
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"ujk_[A-Za-z0-9_-]{43}", token)
    assert key == {
        "id": key["id"],
        "agency": "PUPR",
        "name": "Aplikasi drainase",
        "prefix": token[:KEY_SHOWN],
        "verbs": ["read", "problem.ask"],
        "created_at": situations.NOW.isoformat().replace("+00:00", "Z"),
        "created_by": key["created_by"],
        "expires_at": until.isoformat().replace("+00:00", "Z"),
        "last_used_at": None,
        "revoked_at": None,
    }
    assert key["created_by"]["id"] == str(town.head("PUPR").actor.account_id)
    assert await page(town.head("PUPR"), "/api-keys") == [key]
    stored = everything_stored(town.house)
    assert hashlib.sha256(token.encode()).hexdigest() in stored
    assert token not in stored
    assert token[KEY_SHOWN:] not in stored


async def test_two_keys_are_never_the_same(town: Town) -> None:
    one, other = await made(town), await made(town)
    assert one["token"] != other["token"]
    assert [each["id"] for each in await page(town.head("PUPR"), "/api-keys")] == [other["key"]["id"], one["key"]["id"]]


async def test_a_request_sent_again_makes_no_second_key_and_tells_no_secret(town: Town) -> None:
    head, named = town.head("PUPR"), {"Idempotency-Key": "kunci-drainase"}
    said = {"name": "Aplikasi drainase", "verbs": ["read"]}
    first = town.good(await head.post("/api-keys", said, headers=named), 201)
    again = await head.post("/api-keys", said, headers=named)
    assert again.headers["idempotent-replayed"] == "true"
    assert town.good(again, 201) == first | {"token": None}
    assert len(await page(head, "/api-keys")) == 1
    other = await head.post("/api-keys", said | {"verbs": ["events"]}, headers=named)
    assert refusal(other) == (409, "idempotency_key_reused")
    with town.house.database.read() as session:
        kept = session.scalars(select(col(RememberedAnswer.body))).all()
    assert [json.loads(body)["token"] for body in kept] == [None]


async def test_who_makes_keys(town: Town) -> None:
    said = {"name": "Aplikasi drainase", "verbs": ["read"]}
    assert refusal(await town.officer("PUPR").post("/api-keys", said)) == (403, "not_permitted")
    for other in (town.lurah("Bakalan"), town.camat("Bugul Kidul"), town.monitor, town.mayor):
        assert refusal(await other.post("/api-keys", said)) == (403, "not_permitted")
        assert refusal(await other.get("/api-keys")) == (403, "not_permitted")
        assert refusal(await other.post(f"/api-keys/{uuid4()}/revoke")) == (403, "not_permitted")
    assert refusal(await town.head("PUPR").post("/api-keys", said | {"agency": "DLHKP"})) == (403, "not_permitted")
    assert refusal(await town.admin.post("/api-keys", said)) == (422, "agency_required")
    assert refusal(await town.admin.post("/api-keys", said | {"agency": "SILUMAN"})) == (422, "unknown_agency")
    assert everything_stored(town.house).count("Aplikasi drainase") == 0
    named = town.good(await town.admin.post("/api-keys", said | {"agency": "DLHKP"}), 201)
    own = town.good(await town.head("PUPR").post("/api-keys", said | {"agency": "PUPR"}), 201)
    assert (named["key"]["agency"], own["key"]["agency"]) == ("DLHKP", "PUPR")


@pytest.mark.parametrize(
    "said",
    [
        {"verbs": []},
        {"verbs": ["siluman"]},
        {"verbs": ["problem.forward"]},
        {"verbs": ["assignment.agree_hold"]},
        {"name": ""},
        {"name": "a" * 101},
        {"name": "baris\nkedua"},
        {"id": "01996d0e-4e00-7000-8000-000000000005"},
        {"expires_at": "2027-01-01T00:00:00"},
    ],
)
async def test_what_no_key_is_made_of(town: Town, said: dict[str, Any]) -> None:
    answer = await town.head("PUPR").post("/api-keys", {"name": "Aplikasi", "verbs": ["read"]} | said)
    assert refusal(answer) == (422, "invalid_request")
    assert await page(town.head("PUPR"), "/api-keys") == []


async def test_a_key_that_would_be_over_or_open_nothing_is_not_made(town: Town) -> None:
    said = {"name": "Aplikasi", "verbs": ["read"]}
    late = await town.head("PUPR").post("/api-keys", said | {"expires_at": situations.NOW.isoformat()})
    assert refusal(late) == (422, "expiry_passed")
    assert (await town.admin.patch("/admin/agencies/PUPR", {"active": False})).status_code == 200
    assert refusal(await town.head("PUPR").post("/api-keys", said)) == (409, "agency_inactive")
    assert await page(town.head("PUPR"), "/api-keys") == []


async def test_the_longest_name_can_sign_what_is_done(town: Town) -> None:
    problem = await situations.assigned(town)
    app = await system(town, name="a" * 100)
    said = town.good(await app.post(f"/problems/{problem['id']}/comments", {"text": "Diterima sistem."}), 201)
    assert said["by"] == "API " + "a" * 100


# -- seeing and revoking ---------------------------------------------------------------------------------------------


async def test_agencies_see_their_own_keys_and_an_admin_all(town: Town) -> None:
    mine, theirs = [(await made(town, agency))["key"] for agency in ("PUPR", "DLHKP")]
    for person in (town.head("PUPR"), town.officer("PUPR")):
        assert await page(person, "/api-keys") == [mine]
        assert await page(person, "/api-keys", agency="DLHKP") == []
    assert await page(town.admin, "/api-keys") == [theirs, mine]
    assert await page(town.admin, "/api-keys", agency="PUPR") == [mine]
    revoke = f"/api-keys/{theirs['id']}/revoke"
    for person in (town.head("PUPR"), town.officer("PUPR")):
        assert refusal(await person.post(revoke)) == (404, "key_not_found")
    assert refusal(await town.officer("DLHKP").post(revoke)) == (403, "not_permitted")
    assert refusal(await town.admin.post(f"/api-keys/{uuid4()}/revoke")) == (404, "key_not_found")
    assert await page(town.head("DLHKP"), "/api-keys") == [theirs]


async def test_keys_are_listed_by_page(town: Town) -> None:
    ids = [(await made(town))["key"]["id"] for _ in range(3)]
    first = town.good(await town.head("PUPR").get("/api-keys", params={"limit": 2}), 200)
    rest = town.good(await town.head("PUPR").get("/api-keys", params={"limit": 2, "after": first["next"]}), 200)
    assert [each["id"] for each in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None


@pytest.mark.parametrize("by", ["head", "admin"])
async def test_a_revoked_key_opens_nothing_and_saying_it_again_changes_nothing(town: Town, by: str) -> None:
    key = await made(town)
    app = Someone(town, town.head("PUPR").actor, key["token"])
    assert (await app.get("/problems")).status_code == 200
    person = town.head("PUPR") if by == "head" else town.admin
    revoked = town.good(await person.post(f"/api-keys/{key['key']['id']}/revoke"), 200)
    assert revoked["revoked_at"] == situations.NOW.isoformat().replace("+00:00", "Z")
    assert refusal(await app.get("/problems")) == (401, "unauthenticated")
    town.clock.advance(timedelta(hours=1))
    assert town.good(await person.post(f"/api-keys/{key['key']['id']}/revoke"), 200) == revoked
    assert await page(town.head("PUPR"), "/api-keys") == [revoked]


async def test_making_and_revoking_are_noted_without_the_secret(town: Town) -> None:
    key = await made(town, verbs=["read", "events"])
    for _ in range(2):
        await town.admin.post(f"/api-keys/{key['key']['id']}/revoke")
    noted = await page(town.admin, "/admin/journal", subject="agency:PUPR")
    assert [(each["kind"], each["by"]["id"]) for each in noted] == [
        ("api_key.revoked", str(town.admin.actor.account_id)),
        ("api_key.created", str(town.head("PUPR").actor.account_id)),
    ]
    for each in noted:
        assert each["data"] == {
            "key": key["key"]["id"],
            "name": "Aplikasi drainase",
            "prefix": key["key"]["prefix"],
            "verbs": ["read", "events"],
            "expires_at": None,
        }
    with town.house.database.read() as session:
        assert key["token"][KEY_SHOWN:] not in str(session.execute(select(table_of(Administration))).all())


# -- at the door -----------------------------------------------------------------------------------------------------


async def test_a_key_that_is_not_or_no_longer_good_opens_nothing(town: Town) -> None:
    app = await system(town, expires_at=(situations.NOW + timedelta(hours=1)).isoformat())
    wrong = [app.token[:-1] + ("A" if app.token[-1] != "A" else "B"), "ujk_", "ujk_" + "A" * 43, app.token + "A"]
    wrong += [app.token[:-1], app.token.removeprefix("ujk_"), app.token.upper()]
    for token in wrong:
        stranger = Someone(town, app.actor, token)
        assert refusal(await stranger.get("/problems")) == (401, "unauthenticated"), token
        assert refusal(await stranger.get("/me")) == (401, "unauthenticated"), token
    town.clock.advance(timedelta(hours=1) - timedelta(seconds=1))
    assert (await app.get("/problems")).status_code == 200
    town.clock.advance(timedelta(seconds=1))
    assert refusal(await app.get("/problems")) == (401, "unauthenticated")
    assert refusal(await app.get("/me")) == (401, "unauthenticated")


async def test_an_agency_that_is_given_no_work_any_more_is_not_let_in(town: Town) -> None:
    app = await system(town)
    assert (await town.admin.patch("/admin/agencies/PUPR", {"active": False})).status_code == 200
    assert refusal(await app.get("/problems")) == (401, "unauthenticated")
    assert (await town.admin.patch("/admin/agencies/PUPR", {"active": True})).status_code == 200
    assert (await app.get("/problems")).status_code == 200


async def test_a_key_has_no_post_to_choose(town: Town) -> None:
    app = await system(town)
    answer = await app.get("/problems", headers={"X-Post": str(town.head("PUPR").actor.post_id)})
    assert refusal(answer) == (403, "post_not_held")


async def test_who_asks_with_a_key_is_found_out_in_one_statement(town: Town) -> None:
    app = await system(town)
    await app.get("/agencies/PUPR")
    with heard(town.house.database.engine) as asked:
        assert (await app.get("/agencies/PUPR")).status_code == 200
    with heard(town.house.database.engine) as by_a_person:
        assert (await town.head("PUPR").get("/agencies/PUPR")).status_code == 200
    assert len(asked) == len(by_a_person) == 2, "who asks, and the agency"


async def test_use_is_noted_every_ten_minutes_at_most(town: Town) -> None:
    app, seen = await system(town), []
    for _ in range(5):
        town.clock.advance(timedelta(minutes=4))
        await app.get("/problems")
        (key,) = await page(town.head("PUPR"), "/api-keys")
        seen.append(key["last_used_at"])
    noted = [(situations.NOW + timedelta(minutes=each)).isoformat().replace("+00:00", "Z") for each in (4, 16)]
    assert seen == [noted[0]] * 3 + [noted[1]] * 2


def filled(document: dict[str, Any]) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Each operation behind a lock that admits no key: its name, method, path, and a request that fits its shapes."""
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            schemes = [name for each in operation.get("security", ()) for name in each]
            if not schemes or "API key" in schemes:
                continue
            options: dict[str, Any] = {"params": {}, "headers": {}}
            filled_path = path
            for parameter in operation.get("parameters", ()):
                value = parameter.get("example")
                if parameter["in"] == "path":
                    filled_path = filled_path.replace(f"{{{parameter['name']}}}", str(value or uuid4()))
                elif value is not None:
                    options["params" if parameter["in"] == "query" else "headers"][parameter["name"]] = str(value)
            media = operation.get("requestBody", {}).get("content", {})
            if "application/json" in media:
                examples = media["application/json"].get("examples", {}).values()
                options["json"] = next((each["value"] for each in examples), {})
            elif media:
                (kind,) = media
                options |= {"content": b"x", "headers": options["headers"] | {"content-type": kind}}
            found.append((operation["operationId"], method.upper(), filled_path, options))
    return found


BODIES: dict[str, Any] = {
    "create_api_key": {"name": "Kunci kedua", "verbs": ["read"]},
}
"""Of operations whose exchange is not recorded in the document."""


async def test_whatever_does_not_admit_keys_refuses_one_that_may_do_all(town: Town, town_app: FastAPI) -> None:
    app = await system(town)
    operations = filled(town_app.openapi())
    assert {"read_me", "report_problem", "take_steps", "push_operations", "list_accounts", "create_api_key"} <= {
        name for name, *_ in operations
    }
    before = everything_stored(town.house)
    for name, method, path, options in operations:
        if name in BODIES:
            options["json"] = BODIES[name]
        answer = await town.client.request(method, path, **options | {"headers": options["headers"] | app.headers})
        assert answer.status_code == 403, (name, answer.text)
        assert method == "HEAD" or answer.json()["code"] == "key_not_admitted", name
    assert everything_stored(town.house) == before


async def test_the_document_shows_what_admits_keys(town_app: FastAPI) -> None:
    document = town_app.openapi()
    scheme = document["components"]["securitySchemes"]["API key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    locked = {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
        if operation.get("security")
    }
    admitting = {name for name, operation in locked.items() if {"API key": []} in operation["security"]}
    reference = {"list_agencies", "read_agency", "list_categories", "list_responsibilities", "list_areas", "read_area"}
    reference |= {"count_working_days", "read_calendar"}
    reading = {"list_problems", "read_problem", "read_history", "list_comments", "see_photo"}
    reading |= {"list_assignments", "read_assignment"}
    writing = {"comment_on_problem", "send_photo", "take_step", "take_assignment_step"}
    of_rooms_above = {name for name in admitting if set(locked[name]["tags"]) & {"webhooks", "systems"}}
    assert admitting - of_rooms_above == reference | reading | writing
    for name, operation in locked.items():
        refusals = operation["responses"]["403"]["content"]["application/problem+json"]["examples"]
        assert ("verb_not_granted" in refusals) == (name in admitting), name
        assert ("key_not_admitted" in refusals) == (name not in admitting), name


def test_what_a_key_may_name_is_known_to_the_rooms_below_and_above() -> None:
    assert str(KeyVerb.READ) == READ
    problem = {verb.partition(".")[2] for verb in KeyVerb if verb.startswith("problem.")}
    part = {verb.partition(".")[2] for verb in KeyVerb if verb.startswith("assignment.")}
    assert problem < set(Verb)
    assert part == set(AssignmentVerb) - {"agree_hold", "decline_hold", "revoke"}, "an agency's own side of it"
    assert all(verb.label for verb in KeyVerb)


def test_the_token_of_a_device_is_never_taken_for_a_key() -> None:
    assert is_key("ujk_" + "a" * 43)
    assert not is_key("ujk_" + "a" * 39), "as long as a device's, and it happens to begin so"


# -- verbs -----------------------------------------------------------------------------------------------------------

OPERATIONS = {
    "read": [
        *("GET /problems", "GET /problems/{problem}", "GET /problems/{problem}/history"),
        *("GET /problems/{problem}/comments", "GET /problems/{problem}/photos/{photo}", "GET /assignments"),
        *("GET /assignments/{part}", "GET /agencies", "GET /agencies/PUPR", "GET /categories", "GET /responsibilities"),
        *("GET /areas?q=bakalan", "GET /areas/35.75.03.1005", "GET /calendar", "GET /workdays?days=3"),
    ],
    "problem.comment": ["POST /problems/{problem}/comments"],
    "problem.attach": ["POST /problems/{problem}/photos"],
    "problem.ask": ["POST /problems/{problem}/steps"],
    "assignment.accept": ["POST /assignments/{part}/steps"],
}
SAID: dict[str, Any] = {
    "POST /problems/{problem}/comments": {"json": {"text": "Sudah kami lihat."}},
    "POST /problems/{problem}/photos": {"files": PROOF},
    "POST /problems/{problem}/steps": {"json": {"verb": "ask", "question": "Selebar apa?"}},
    "POST /assignments/{part}/steps": {"json": {"verb": "accept"}},
}


async def test_each_verb_opens_its_own_operations_and_no_other(town: Town) -> None:
    problem = await situations.assigned(town)
    photo = await town.lurah("Bakalan").photo(problem)
    names = {"problem": problem["id"], "part": part_of(problem)["id"], "photo": photo}
    apps = {verb: await system(town, verbs=[verb]) for verb in (*OPERATIONS, "events", "endpoints")}
    for verb, operations in OPERATIONS.items():  # reading first, asking and accepting last: they move it
        for operation in operations:
            method, path = operation.format(**names).split()
            for other, app in apps.items():
                if other != verb:
                    answer = await town.speak(app, method, path, **SAID.get(operation, {}))
                    assert refusal(answer) == (403, "verb_not_granted"), (operation, other)
            if verb == "assignment.accept":
                await town.lurah("Bakalan").step(problem, "answer", answer="Satu meter.")
            answer = await town.speak(apps[verb], method, path, **SAID.get(operation, {}))
            assert answer.status_code in (200, 201), (operation, answer.text)


async def test_a_step_that_the_key_does_not_name_is_not_taken(town: Town) -> None:
    problem = await situations.assigned(town)
    app = await system(town, verbs=["assignment.start", "assignment.progress"])
    refused = await app.try_part(problem, "accept")
    assert refusal(refused) == (403, "verb_not_granted")
    assert (await town.head("PUPR").see(problem))["version"] == problem["version"]
    assert refusal(await app.try_part(problem, "start")) == (409, "assignment_step_not_allowed")
    assert refusal(await app.try_part(problem, "agree_hold")) == (403, "not_permitted"), "no agency may"
    assert refusal(await app.try_part(problem, "revoke", reason="Bukan kami.")) == (403, "not_permitted")


async def test_on_a_problem_a_system_only_asks(town: Town) -> None:
    problem, other = await situations.agency_works(town), await situations.assigned(town)
    app = await system(town)
    linked = await app.post(f"/problems/{problem['id']}/steps", {"verb": "link", "problem": other["id"]})
    assert refusal(linked) == (403, "verb_not_granted")
    assert refusal(await app.try_step(problem, "escalate", reason="Mohon.")) == (403, "not_permitted")
    asked = await app.step(problem, "ask", question="Selebar apa salurannya?")
    assert asked["state"] == "returned"


async def test_may_leaves_out_what_the_key_does_not_name(town: Town) -> None:
    problem = await situations.agency_works(town)
    of_head = await town.head("PUPR").see(problem)
    assert {"ask", "comment", "attach", "link"} <= set(of_head["may"])
    assert {"progress", "delegate", "hold", "finish"} <= set(part_of(of_head)["may"])
    reader = await system(town, verbs=["read"])
    seen = await reader.see(problem)
    assert (seen["may"], part_of(seen)["may"]) == ([], [])
    app = await system(town, verbs=["read", "problem.ask", "assignment.accept", "assignment.progress"])
    seen = await app.see(problem)
    assert (seen["may"], part_of(seen)["may"]) == (["ask"], ["progress"])
    assert part_of(seen, "DLHKP")["may"] == []
    alone = town.good(await app.get(f"/assignments/{part_of(seen)['id']}"), 200)
    assert alone["may"] == ["progress"]
    after = await app.part(problem, "progress", note="Separuh jalan.", percent=50)
    assert (after["may"], part_of(after)["may"]) == (["ask"], ["progress"])
    everything = await (await system(town)).see(problem)
    assert set(everything["may"]) == {"ask", "comment", "attach"}
    assert part_of(everything)["may"] == part_of(of_head)["may"]


async def test_two_keys_of_an_agency_hold_different_copies(town: Town) -> None:
    problem = await situations.agency_works(town)
    tags = set()
    for verbs in (["read"], ["read", "problem.ask"]):
        app = await system(town, verbs=verbs)
        answer = await app.get(f"/problems/{problem['id']}")
        tags.add(answer.headers["etag"])
        again = await app.get(f"/problems/{problem['id']}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
    assert len(tags) == 2


# -- one agency and another ------------------------------------------------------------------------------------------


async def test_a_key_sees_nothing_of_another_agencys_problems(town: Town) -> None:
    problem = await situations.assigned(town)
    photo = await town.lurah("Bakalan").photo(problem)
    stranger, supporter, lead = [await system(town, agency) for agency in ("PERKIM", "DLHKP", "PUPR")]
    place, part = f"/problems/{problem['id']}", f"/assignments/{part_of(problem)['id']}"
    for path in (place, f"{place}/history", f"{place}/comments", f"{place}/photos/{photo}", part):
        assert (await stranger.get(path)).status_code == 404, path
        assert (await supporter.get(path)).status_code == 200, path
    for path, said in (
        (f"{place}/comments", {"json": {"text": "Halo."}}),
        (f"{place}/steps", {"json": {"verb": "ask", "question": "Apa?"}}),
        (f"{place}/photos", {"files": PROOF}),
        (f"{part}/steps", {"json": {"verb": "accept"}}),
    ):
        assert (await town.speak(stranger, "POST", path, **said)).status_code == 404, path
    assert await page(stranger, "/problems") == await page(stranger, "/assignments") == []
    assert [each["agency"] for each in await page(supporter, "/assignments")] == ["DLHKP"]
    assert [each["id"] for each in await page(lead, "/problems")] == [problem["id"]]
    taken = await supporter.try_part(problem, "accept", agency="PUPR")
    assert refusal(taken) == (403, "not_permitted"), "seen, but the lead's part"


async def test_a_part_that_others_move_by_hand_is_not_a_keys(town: Town) -> None:
    problem = await situations.by_hand(town)
    said = {"name": "Sistem PLN", "verbs": ALL, "agency": "PLN"}
    token = town.good(await town.admin.post("/api-keys", said), 201)["token"]
    app = Someone(town, town.head("PUPR").actor, token)
    seen = await app.see(problem)
    assert part_of(seen, "PLN")["may"] == []
    assert refusal(await app.try_part(seen, "accept", agency="PLN")) == (403, "not_permitted")


# -- from offer to proof ---------------------------------------------------------------------------------------------


async def test_a_system_takes_its_part_from_offer_to_proof(town: Town) -> None:
    problem = await town.camat("Bugul Kidul").step(await situations.accepted(town), "assign", lead="PUPR")
    app = await system(town, verbs=["read", "problem.attach", *STEPS])
    (offer,) = await page(app, "/assignments", state="offered")
    part = town.good(await app.get(f"/assignments/{offer['id']}"), 200)
    assert (part["problem_id"], set(part["may"])) == (problem["id"], {"accept", "delegate", "refuse"})
    seen = await app.see(problem)
    await app.part(seen, "accept")
    await app.part(seen, "start")
    await app.part(seen, "progress", note="Separuh saluran dikeruk.", percent=50)
    unproved = await app.try_part(seen, "finish", resolution="repaired", note="Selesai.")
    assert refusal(unproved) == (422, "proof_required")
    photo = await app.photo(problem)
    done = await app.part(seen, "finish", resolution="repaired", note="Saluran dikeruk.", photos=[photo])
    assert (done["state"], part_of(done)["state"], done["photos"]) == ("awaiting_confirmation", "done", [photo])
    assert (await app.get(f"/problems/{problem['id']}/photos/{photo}")).status_code == 200
    facts = await page(town.lurah("Bakalan"), f"/problems/{problem['id']}/history", limit=200)
    by_system = [each for each in facts if each["by"]["name"] == "API Aplikasi drainase"]
    assert [each["kind"] for each in by_system] == [
        "assignment_accepted",
        "assignment_started",
        "assignment_progressed",
        "attached",
        "assignment_finished",
    ]
    assert {each["by"]["post"] for each in by_system} == {"head:PUPR"}
    assert (await town.lurah("Bakalan").step(problem, "confirm"))["state"] == "resolved"


async def test_a_step_sent_again_has_effect_once_and_an_old_version_none(town: Town) -> None:
    problem = await situations.assigned(town)
    app, part = await system(town), f"/assignments/{part_of(problem)['id']}/steps"
    tag = (await app.get(f"/problems/{problem['id']}")).headers["etag"]
    named = {"Idempotency-Key": "terima-1", "If-Match": tag}
    first = await app.post(part, {"verb": "accept"}, headers=named)
    again = await app.post(part, {"verb": "accept"}, headers=named)
    assert town.good(first, 200) == town.good(again, 200)
    assert again.headers["idempotent-replayed"] == "true"
    reused = await app.post(part, {"verb": "start"}, headers={"Idempotency-Key": "terima-1"})
    assert refusal(reused) == (409, "idempotency_key_reused")
    old = await app.post(part, {"verb": "start"}, headers={"If-Match": tag})
    assert refusal(old) == (412, "version_mismatch")
    assert old.json()["version"] == first.json()["version"]
    other = await system(town)
    assert refusal(await other.post(part, {"verb": "accept"}, headers=named)) == (412, "version_mismatch")
    started = await app.post(part, {"verb": "start"}, headers={"If-Match": first.headers["etag"]})
    assert part_of(town.good(started, 200))["state"] == "in_progress"


# -- what is left of it ----------------------------------------------------------------------------------------------


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    events: list[Any] = [each.msg for each in caplog.records if each.name == "ujung.keys"]
    return [{name: value for name, value in event.items() if not name.startswith("_")} for event in events]


async def test_each_use_of_a_key_is_logged_by_name_and_never_by_secret(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    problem = await situations.assigned(town)
    key = await made(town, verbs=["read"])
    app = Someone(town, town.head("PUPR").actor, key["token"])
    caplog.set_level(logging.INFO)
    caplog.clear()
    read = await app.get(f"/problems/{problem['id']}")
    listed = await app.get("/problems")
    closed = await app.get("/me")
    unnamed = await app.try_part(problem, "accept")
    told = [(each["event"], each["operation"], each["request_id"], each.get("code")) for each in logged(caplog)]
    assert told == [
        ("api key used", "read_problem", read.headers["x-request-id"], None),
        ("api key used", "list_problems", listed.headers["x-request-id"], None),
        ("api key refused", "read_me", closed.headers["x-request-id"], "key_not_admitted"),
        ("api key refused", "take_assignment_step", unnamed.headers["x-request-id"], "verb_not_granted"),
    ]
    assert {(each["key"], each["agency"]) for each in logged(caplog)} == {(key["key"]["prefix"], "PUPR")}
    assert key["token"] not in caplog.text
    caplog.clear()
    await town.head("PUPR").see(problem)
    assert logged(caplog) == []


async def test_a_system_that_reads_is_not_the_kecamatan_that_reads(town: Town) -> None:
    problem = await situations.assigned(town)
    app = await system(town)

    def readings() -> int:
        with town.house.database.read() as session:
            return session.scalar(select(func.count()).select_from(Reading)) or 0

    before = readings()
    await app.see(problem)
    assert readings() == before == 0
    await town.camat("Bugul Kidul").see(problem)
    assert readings() == 1
