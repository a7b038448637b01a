"""Endpoints: an agency makes, changes, rotates, pings and removes its own, and nobody else's."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from httpx import Response
from sqlalchemy import func, select, text
from sqlmodel import SQLModel, col

from app.assembly import assemble
from app.journal.models import Administration
from app.kit.house import House
from app.kit.ids import new_id
from app.kit.settings import Settings
from app.kit.vault import Unreadable, Vault
from app.people.words import KeyVerb, PostKind
from app.webhooks import policy
from app.webhooks.actions.endpoints import cancel_for_removed, reseal_secrets
from app.webhooks.actions.queue import claim
from app.webhooks.models import Delivery, Endpoint, Recovery
from app.webhooks.signing import signed_headers
from app.webhooks.words import DeliveryState, DisabledBy, EndpointState, EventType
from tests.conftest import SettableClock
from tests.town import Someone, Town
from tests.webhooks.rows import URL, endpoint, kept, put, system, told


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


async def delete(who: Someone, path: str, **options: Any) -> Response:
    return await who.town.speak(who, "DELETE", path, **options)


async def made(who: Someone, **said: Any) -> dict[str, Any]:
    """A new endpoint; asserts that it was made."""
    return who.town.good(await who.post("/endpoints", {"url": URL, **said}), 201)


def noted(town: Town) -> list[tuple[str, str, dict[str, Any], UUID | None]]:
    with town.house.database.read() as session:
        entries = session.scalars(select(Administration).order_by(col(Administration.id))).all()
    return [(each.kind, each.subject, each.data, each.account_id) for each in entries]


# -- making ----------------------------------------------------------------------------------------------------------


async def test_a_head_makes_an_endpoint_and_is_told_its_secret(town: Town) -> None:
    said = {"description": "SIM PUPR", "events": ["problem.assigned", "assignment.revoked"], "area": "35.75.03"}
    answer = await town.head("PUPR").post("/endpoints", {"url": URL, **said})
    told_of = town.good(answer, 201)
    assert answer.headers["cache-control"] == "no-store"
    secret = told_of.pop("secret")
    assert secret.startswith("whsec_")
    assert told_of == {
        "id": told_of["id"],
        "agency": "PUPR",
        "url": URL,
        **said,
        "events": ["problem.assigned", "assignment.revoked"],
        "state": "active",
        "state_label": "Aktif",
        "disabled_by": None,
        "disabled_at": None,
        "failures": 0,
        "failing_since": None,
        "next_at": None,
        "waiting": 0,
        "catching_up": False,
        "former_secret_until": None,
        "created_at": "2026-03-02T02:00:00Z",
        "removed_at": None,
    }
    assert town.good(await town.officer("PUPR").get(f"/endpoints/{told_of['id']}"), 200) == told_of
    row = kept(town, Endpoint, UUID(told_of["id"]))
    assert town.house.vault.open(row.secret) == secret
    assert row.created_by == town.head("PUPR").actor.account_id


async def test_event_types_are_kept_once_each_and_in_one_order(town: Town) -> None:
    types = ["webhook.ping", "problem.assigned", "problem.reported", "problem.assigned"]
    told_of = await made(town.head("PUPR"), events=types)
    assert told_of["events"] == ["problem.reported", "problem.assigned", "webhook.ping"]


async def test_the_same_request_again_has_effect_once_and_tells_no_secret(town: Town) -> None:
    head, chosen = town.head("PUPR"), str(new_id())
    body, key = {"url": URL, "id": chosen}, {"Idempotency-Key": "satu-kali"}
    for sent, headers in ((body, {}), ({"url": URL}, key)):
        first = town.good(await head.post("/endpoints", sent, headers=headers), 201)
        again = await head.post("/endpoints", sent, headers=headers)
        assert again.headers["idempotent-replayed"] == "true"
        assert town.good(again, 201) == first | {"secret": None}
        assert first["secret"] is not None
    assert refusal(await head.post("/endpoints", body | {"area": "35.75"})) == (409, "id_reused")
    assert refusal(await town.head("DISHUB").post("/endpoints", body)) == (409, "id_reused")
    reused = await head.post("/endpoints", {"url": URL, "area": "35.75"}, headers=key)
    assert refusal(reused) == (409, "idempotency_key_reused")
    assert len(town.good(await head.get("/endpoints"), 200)["items"]) == 2


async def test_an_admin_says_whose_endpoint_it_is_and_others_need_not(town: Town) -> None:
    assert (await made(town.admin, agency="DISHUB"))["agency"] == "DISHUB"
    assert (await made(town.head("PUPR"), agency="PUPR"))["agency"] == "PUPR"
    outside = await town.head("PUPR").post("/endpoints", {"url": URL, "agency": "DISHUB"})
    assert refusal(outside) == (403, "not_permitted")
    assert refusal(await town.admin.post("/endpoints", {"url": URL})) == (422, "agency_required")
    unknown = await town.admin.post("/endpoints", {"url": URL, "agency": "TIDAK-ADA"})
    assert refusal(unknown) == (422, "unknown_agency")


async def test_what_a_key_makes_names_no_account(town: Town) -> None:
    pupr = system(town, "PUPR", KeyVerb.ENDPOINTS)
    row = kept(town, Endpoint, UUID((await made(pupr))["id"]))
    assert (row.agency_code, row.created_by) == ("PUPR", None)
    ((_, subject, data, _),) = noted(town)
    assert (subject, data["by"]) == ("agency:PUPR", "API SIM PUPR")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"url": "http://sim.pupr.example/terima"}, "endpoint_url_refused"),
        ({"url": "https://127.0.0.1/terima"}, "endpoint_url_refused"),
        ({"url": "https://10.1.2.3/terima"}, "endpoint_url_refused"),
        ({"url": "https://192.168.1.1/"}, "endpoint_url_refused"),
        ({"url": "https://[::1]/"}, "endpoint_url_refused"),
        ({"url": "https://[fd00::1]/"}, "endpoint_url_refused"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "endpoint_url_refused"),
        ({"url": "https://2130706433/"}, "endpoint_url_refused"),
        ({"url": "https://0x7f000001/"}, "endpoint_url_refused"),
        ({"url": "https://user:rahasia@sim.pupr.example/"}, "endpoint_url_refused"),
        ({"url": "https://sim.pupr.example:99999/"}, "endpoint_url_refused"),
        ({"url": "https://sim.pupr.example:22/"}, "endpoint_url_refused"),
        ({"url": "ftp://sim.pupr.example/"}, "endpoint_url_refused"),
        ({"url": "https://"}, "endpoint_url_refused"),
        ({"url": "https://[::1"}, "endpoint_url_refused"),
        ({"url": "terima"}, "endpoint_url_refused"),
        ({"url": ""}, "invalid_request"),
        ({"url": "https://sim.pupr.example/\x00"}, "invalid_request"),
        ({"url": "https://sim.pupr.example/" + "a" * 500}, "invalid_request"),
        ({"url": None}, "invalid_request"),
        ({"events": ["problem.solved"]}, "invalid_request"),
        ({"events": ["problem.assigned"] * 101}, "invalid_request"),
        ({"events": None}, "invalid_request"),
        ({"area": "35.75.03.9999"}, "unknown_area"),
        ({"area": "Bakalan"}, "invalid_request"),
        ({"description": "a\x00"}, "invalid_request"),
        ({"description": "a" * 201}, "invalid_request"),
        ({"id": "1"}, "invalid_request"),
        ({"secret": "whsec_MTIz"}, "invalid_request"),
        ({"state": "disabled"}, "invalid_request"),
    ],
    ids=str,
)
async def test_what_is_refused_of_a_new_endpoint(town: Town, said: dict[str, Any], code: str) -> None:
    head = town.head("PUPR")
    answer = await head.post("/endpoints", {"url": URL, **said})
    assert refusal(answer) == (422, code)
    assert "rahasia" not in answer.text
    assert town.good(await head.get("/endpoints"), 200)["items"] == []
    assert noted(town) == []


async def test_a_lone_surrogate_is_refused_and_not_a_crash(town: Town) -> None:
    body = b'{"url": "https://sim.pupr.example/\\ud800", "description": "\\udfff"}'
    headers = {"Content-Type": "application/json"}
    answer = await town.speak(town.head("PUPR"), "POST", "/endpoints", content=body, headers=headers)
    assert refusal(answer) == (422, "invalid_request")


async def test_an_agency_has_at_most_twenty(town: Town) -> None:
    """Also where several are asked for at once."""
    head = town.head("PUPR")
    put(town, *(endpoint(town) for _ in range(17)), *(endpoint(town, removed_at=town.clock.now) for _ in range(5)))
    put(town, endpoint(town, "DISHUB"))
    answers = await asyncio.gather(*(head.post("/endpoints", {"url": URL}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 3
    assert refusal(answers[-1] if answers[-1].status_code == 409 else await head.post("/endpoints", {"url": URL})) == (
        409,
        "too_many_endpoints",
    )
    listed = town.good(await head.get("/endpoints"), 200)["items"]
    assert len(listed) == 20
    town.good(await delete(head, f"/endpoints/{listed[0]['id']}"), 200)
    await made(head)


# -- reading ---------------------------------------------------------------------------------------------------------


async def test_endpoints_are_listed_newest_first_in_pages(town: Town) -> None:
    rows = [endpoint(town) for _ in range(5)]
    wanted = [str(each.id) for each in reversed(rows)]
    put(town, *rows, endpoint(town, "DISHUB"), endpoint(town, removed_at=town.clock.now))
    path, seen = "/endpoints?limit=2", []
    while path:
        page = await town.head("PUPR").get(path)
        seen += [each["id"] for each in town.good(page, 200)["items"]]
        path = page.links["next"]["url"].removeprefix("/api/v1") if "next" in page.links else ""
    assert seen == wanted


async def test_an_admin_lists_all_or_those_of_one_agency(town: Town) -> None:
    mine, theirs, gone = endpoint(town), endpoint(town, "DISHUB"), endpoint(town, removed_at=town.clock.now)
    ids = {"mine": str(mine.id), "theirs": str(theirs.id), "gone": str(gone.id)}
    put(town, mine, theirs, gone)

    async def listed(who: Someone, query: str) -> list[str]:
        return [each["id"] for each in town.good(await who.get(f"/endpoints{query}"), 200)["items"]]

    assert await listed(town.admin, "") == [ids["theirs"], ids["mine"]]
    assert await listed(town.admin, "?agency=DISHUB") == [ids["theirs"]]
    assert await listed(town.admin, "?removed=true") == [ids["gone"]]
    assert await listed(town.head("PUPR"), "") == [ids["mine"]]
    assert await listed(town.head("PUPR"), "?agency=DISHUB") == []
    assert await listed(town.head("DISHUB"), "?removed=true") == []


async def test_it_tells_how_it_stands(town: Town) -> None:
    now = town.clock.now
    resting = endpoint(town, failures=5, failing_since=now - timedelta(hours=2), next_at=now + timedelta(minutes=4))
    probed = endpoint(
        town,
        state=EndpointState.DISABLED,
        disabled_by=DisabledBy.FAILING,
        disabled_at=now,
        next_at=now + timedelta(hours=1),
    )
    gone = endpoint(town, state=EndpointState.DISABLED, disabled_by=DisabledBy.GONE, next_at=now + timedelta(hours=1))
    ids = [str(each.id) for each in (resting, probed, gone)]
    put(town, resting, probed, gone, *itertools.chain.from_iterable(told(town, resting) for _ in range(3)))
    head = town.head("PUPR")
    shown = {each["id"]: each for each in town.good(await head.get("/endpoints"), 200)["items"]}
    assert [shown[each]["waiting"] for each in ids] == [3, 0, 0]
    assert [shown[each]["next_at"] for each in ids] == ["2026-03-02T02:04:00Z", "2026-03-02T03:00:00Z", None]
    assert [shown[each]["state_label"] for each in ids] == ["Aktif", "Dinonaktifkan", "Dinonaktifkan"]
    assert (shown[ids[0]]["failures"], shown[ids[0]]["failing_since"]) == (5, "2026-03-02T00:00:00Z")
    assert town.good(await head.get(f"/endpoints/{ids[0]}"), 200) == shown[ids[0]]


# -- changing --------------------------------------------------------------------------------------------------------


async def test_what_is_given_is_changed_and_noted(town: Town) -> None:
    head = town.head("PUPR")
    before = await made(head, description="lama", events=["problem.assigned"], area="35.75")
    path = f"/endpoints/{before['id']}"
    del before["secret"]
    changed = town.good(await head.patch(path, {"url": f"{URL}/baru?kunci=rahasia", "events": []}), 200)
    assert changed == before | {"url": f"{URL}/baru?kunci=rahasia", "events": []}
    cleared = town.good(await head.patch(path, {"description": None, "area": None, "url": None, "events": None}), 200)
    assert cleared == changed | {"description": None, "area": None}
    assert town.good(await head.patch(path, {}), 200) == cleared
    created, first, second = noted(town)
    assert (created[0], first[0], second[0]) == ("endpoint.created", "endpoint.changed", "endpoint.changed")
    assert first[2] == {
        "endpoint": before["id"],
        "url": [URL, f"{URL}/baru"],
        "events": [["problem.assigned"], []],
    }
    assert second[2] == {"endpoint": before["id"], "description": ["lama", None], "area": ["35.75", None]}
    assert {each[1] for each in noted(town)} == {"agency:PUPR"}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"url": "http://sim.pupr.example/"}, "endpoint_url_refused"),
        ({"url": "https://10.0.0.1/"}, "endpoint_url_refused"),
        ({"area": "35.75.03.9999"}, "unknown_area"),
        ({"events": ["problem.solved"]}, "invalid_request"),
        ({"state": "disabled"}, "invalid_request"),
        ({"agency": "DISHUB"}, "invalid_request"),
        ({"id": "01936f0e-8d3c-7000-8000-000000000000"}, "invalid_request"),
    ],
    ids=str,
)
async def test_what_is_refused_of_a_change(town: Town, said: dict[str, Any], code: str) -> None:
    head = town.head("PUPR")
    before = await made(head)
    del before["secret"]
    path = f"/endpoints/{before['id']}"
    assert refusal(await head.patch(path, {"description": "ikut batal", **said})) == (422, code)
    assert town.good(await head.get(path), 200) == before


FAILING: dict[str, Any] = {"failures": 7, "pauses": 3}


@pytest.mark.parametrize(
    ("stood", "becomes", "failures"),
    [
        ({"state": EndpointState.ACTIVE, **FAILING}, "active", 0),
        ({"state": EndpointState.ACTIVE, **FAILING}, "paused", 7),
        ({"state": EndpointState.ACTIVE}, "active", 0),
        ({"state": EndpointState.PAUSED, **FAILING}, "active", 0),
        ({"state": EndpointState.DISABLED, "disabled_by": DisabledBy.FAILING, **FAILING}, "active", 0),
        ({"state": EndpointState.DISABLED, "disabled_by": DisabledBy.GONE, **FAILING}, "active", 0),
        ({"state": EndpointState.DISABLED, "disabled_by": DisabledBy.FAILING, **FAILING}, "paused", 7),
    ],
)
async def test_an_endpoint_is_paused_and_made_active(
    town: Town, stood: dict[str, Any], becomes: str, failures: int
) -> None:
    now = town.clock.now
    row = endpoint(town, **stood, failing_since=now - timedelta(days=5), next_at=now + timedelta(hours=1))
    endpoint_id = row.id
    put(town, row)
    shown = town.good(await town.head("PUPR").patch(f"/endpoints/{endpoint_id}", {"state": becomes}), 200)
    assert (shown["state"], shown["disabled_by"], shown["disabled_at"]) == (becomes, None, None)
    assert (shown["failures"], shown["catching_up"]) == (failures, False), "nothing waited for it"
    row = kept(town, Endpoint, endpoint_id)
    if becomes == "active" and stood.get("failures"):
        assert (row.pauses, row.failing_since, row.next_at) == (0, None, now)


async def test_what_was_held_flows_in_order_once_it_is_active_again(town: Town) -> None:
    head, row = town.head("PUPR"), endpoint(town, state=EndpointState.PAUSED)
    other = endpoint(town, state=EndpointState.PAUSED)
    now = town.clock.now
    rows = [*told(town, row, attempts=9, next_at=now + timedelta(hours=20)), *told(town, row), *told(town, other)]
    tried, untried, untouched = (each.id for each in rows if isinstance(each, Delivery))
    path, endpoint_id = f"/endpoints/{row.id}", row.id
    put(town, row, other, *rows)
    assert claim(town.house, (), Random(1)).deliveries == (), "it is paused"
    shown = town.good(await head.patch(path, {"state": "active"}), 200)
    assert (shown["catching_up"], shown["waiting"]) == (True, 2)
    assert kept(town, Delivery, tried).next_at == now
    (first,) = claim(town.house, (), Random(1)).deliveries
    assert (first.id, first.endpoint_id) == (tried, endpoint_id)
    assert kept(town, Delivery, untried).lease is None
    assert kept(town, Delivery, untouched).lease is None


async def test_a_new_address_starts_with_no_failures(town: Town) -> None:
    now = town.clock.now
    row = endpoint(town, **FAILING, failing_since=now, next_at=now + timedelta(hours=1))
    path, endpoint_id = f"/endpoints/{row.id}", row.id
    put(town, row)
    head = town.head("PUPR")
    assert town.good(await head.patch(path, {"url": URL}), 200)["failures"] == 7, "it is the address it had"
    assert town.good(await head.patch(path, {"url": f"{URL}/baru"}), 200)["failures"] == 0
    row = kept(town, Endpoint, endpoint_id)
    assert (row.pauses, row.failing_since, row.next_at) == (0, None, now)


# -- removing --------------------------------------------------------------------------------------------------------


async def test_a_removed_endpoint_is_sent_nothing_and_its_deliveries_stay_listed(town: Town) -> None:
    head, row, other = town.head("PUPR"), endpoint(town), endpoint(town)
    events = [*told(town, row), *told(town, row, state=DeliveryState.DELIVERED), *told(town, other)]
    waits, arrived, untouched = (each.id for each in events if isinstance(each, Delivery))
    path, endpoint_id = f"/endpoints/{row.id}", row.id
    asked = Recovery(
        id=new_id(), endpoint_id=row.id, since=town.clock.now, until=town.clock.now, created_at=town.clock.now
    )
    asked_id = asked.id
    put(town, row, other, *events, asked)
    gone = town.good(await delete(head, path), 200)
    assert (gone["removed_at"], gone["waiting"]) == ("2026-03-02T02:00:00Z", 0)
    town.clock.advance(timedelta(minutes=1))
    assert town.good(await delete(head, path), 200) == gone
    assert town.good(await head.get(path), 200) == gone
    page = town.good(await head.get(f"{path}/deliveries"), 200)["items"]
    assert [(each["id"], each["state"]) for each in page] == [(str(arrived), "delivered"), (str(waits), "cancelled")]
    for state, expected in (("cancelled", [str(waits)]), ("waiting", []), ("held", [])):
        page = town.good(await head.get(f"{path}/deliveries?state={state}"), 200)["items"]
        assert [each["id"] for each in page] == expected
    row = kept(town, Endpoint, endpoint_id)
    assert (row.secret, row.former_secret) == ("", None)
    assert kept(town, Recovery, asked_id).done_at is not None
    assert [each[0] for each in noted(town)] == ["endpoint.removed"]
    assert kept(town, Delivery, waits).state is DeliveryState.WAITING
    assert cancel_for_removed(town.house) == 1
    assert cancel_for_removed(town.house) == 0
    assert kept(town, Delivery, waits).state is DeliveryState.CANCELLED
    assert kept(town, Delivery, waits).settled_at == town.clock.now
    assert kept(town, Delivery, arrived).state is DeliveryState.DELIVERED
    assert kept(town, Delivery, untouched).state is DeliveryState.WAITING


async def test_nothing_is_done_any_more_with_a_removed_endpoint(town: Town) -> None:
    head, row = town.head("PUPR"), endpoint(town, removed_at=town.clock.now)
    events = [*told(town, row)]
    path, delivery = f"/endpoints/{row.id}", f"/deliveries/{events[1].id}"  # type: ignore[attr-defined]  # a Delivery
    put(town, row, *events)
    span = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}
    answers = [
        await head.patch(path, {"description": "baru"}),
        await head.post(f"{path}/secret", {}),
        await head.post(f"{path}/ping"),
        await head.post(f"{path}/recoveries", span),
        await head.post(f"{delivery}/retry"),
    ]
    assert [refusal(each) for each in answers] == [(409, "endpoint_removed")] * len(answers)


# -- secrets ---------------------------------------------------------------------------------------------------------


async def signatures(town: Town, endpoint_id: str) -> set[str]:
    """What the courier would sign a body with that it sends now."""
    town.good(await town.head("PUPR").post(f"/endpoints/{endpoint_id}/ping"), 202)
    claimed = claim(town.house, (), Random(1)).deliveries[0]
    in_use = [town.house.vault.open(each) for each in (claimed.secret, claimed.former_secret) if each]
    return set(signed_headers(in_use, "pesan", town.clock.now, b"{}")["webhook-signature"].split())


def signed_by(town: Town, secret: str) -> str:
    return signed_headers([secret], "pesan", town.clock.now, b"{}")["webhook-signature"]


async def test_after_an_exchange_both_secrets_sign_for_a_day(town: Town) -> None:
    head = town.head("PUPR")
    before = await made(head)
    path = f"/endpoints/{before['id']}"
    answer = await head.post(f"{path}/secret")
    after = town.good(answer, 200)
    assert answer.headers["cache-control"] == "no-store"
    assert after["secret"] not in (None, before["secret"])
    assert after["former_secret_until"] == "2026-03-03T02:00:00Z"
    both = {signed_by(town, after["secret"]), signed_by(town, before["secret"])}
    assert len(both) == 2
    assert await signatures(town, before["id"]) == both
    town.clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
    assert await signatures(town, before["id"]) == {signed_by(town, each["secret"]) for each in (before, after)}
    town.clock.advance(timedelta(microseconds=1))
    assert await signatures(town, before["id"]) == {signed_by(town, after["secret"])}
    assert town.good(await head.get(path), 200)["former_secret_until"] is None


async def test_a_secret_that_others_know_is_exchanged_at_once(town: Town) -> None:
    head = town.head("PUPR")
    before = await made(head)
    town.good(await head.post(f"/endpoints/{before['id']}/secret"), 200)
    after = town.good(await head.post(f"/endpoints/{before['id']}/secret", {"now": True}), 200)
    assert after["former_secret_until"] is None
    assert await signatures(town, before["id"]) == {signed_by(town, after["secret"])}
    kinds = [(kind, data.get("at_once")) for kind, _, data, _ in noted(town)]
    assert kinds == [
        ("endpoint.created", None),
        ("endpoint.secret_rotated", False),
        ("endpoint.secret_rotated", True),
    ]


async def test_an_exchange_sent_again_is_done_once(town: Town) -> None:
    head, key = town.head("PUPR"), {"Idempotency-Key": "tukar-kunci"}
    path = f"/endpoints/{(await made(head))['id']}/secret"
    first = town.good(await head.post(path, {}, headers=key), 200)
    again = await head.post(path, {}, headers=key)
    assert again.headers["idempotent-replayed"] == "true"
    assert town.good(again, 200) == first | {"secret": None}
    assert signed_by(town, first["secret"]) in await signatures(town, first["id"])


def at_rest(house: House) -> Iterator[str]:
    """All that is stored: every column of every table, and the files themselves."""
    with house.database.read() as session:
        for table in SQLModel.metadata.sorted_tables:
            yield from map(str, session.execute(text(f'SELECT * FROM "{table.name}"')).all())
    if house.database.is_sqlite:
        file = Path(str(house.database.engine.url.database))
        for part in (file, file.with_name(f"{file.name}-wal")):
            if part.exists():
                yield part.read_bytes().decode("latin-1")


async def test_no_secret_lies_anywhere_in_plain(
    town: Town, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    head, key = town.head("PUPR"), {"Idempotency-Key": "satu-kali"}
    body = {"url": URL, "id": str(new_id())}
    first = town.good(await head.post("/endpoints", body), 201)
    path = f"/endpoints/{first['id']}"
    second = town.good(await head.post(f"{path}/secret", {}, headers=key), 200)
    answers = [
        await head.post("/endpoints", body),
        await head.post(f"{path}/secret", {}, headers=key),
        await head.get("/endpoints"),
        await head.get(path),
        await head.patch(path, {"description": "baru"}),
        await head.get(f"{path}/deliveries"),
        await head.post(f"{path}/ping"),
        await town.admin.get("/admin/journal"),
        await delete(head, path),
    ]
    stored, written = list(at_rest(town.house)), caplog.text + "".join(capfd.readouterr())
    assert any(first["id"] in each for each in stored), "it is the right database"
    assert first["id"] in written, "and the log"
    for told_of in (first, second):
        for part in (told_of["secret"], told_of["secret"].removeprefix("whsec_")):
            assert not any(part in each for each in stored)
            assert not any(part in answer.text for answer in answers)
            assert part not in written


# -- sealing ---------------------------------------------------------------------------------------------------------


def test_a_vault_names_its_newest_key_and_tells_nothing_of_it() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    assert Vault([new, old]).key_id == Vault([new]).key_id != Vault([old]).key_id
    assert len(Vault([new]).key_id) == 8
    assert Vault([new]).key_id not in new


def test_what_is_sealed_anew_needs_the_old_key_no_longer() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    sealed = Vault([old]).seal("rahasia")
    resealed = Vault([new, old]).reseal(sealed)
    assert Vault([new]).open(resealed) == "rahasia"
    with pytest.raises(Unreadable):
        Vault([new]).reseal(sealed)


def house_with(settings: Settings, clock: SettableClock, *keys: str) -> House:
    return assemble(settings.model_copy(update={"encryption_keys": _secret(",".join(keys))}), clock=clock)


def _secret(keys: str) -> Any:
    return Settings(_env_file=None, encryption_keys=keys).encryption_keys


async def test_secrets_are_sealed_with_the_newest_key(
    town: Town, town_settings: Settings, clock: SettableClock, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    before = Vault([old])
    rows = {
        "plain": endpoint(town, secret=before.seal("satu"), key_id=before.key_id),
        "rotating": endpoint(town, secret=before.seal("dua"), former_secret=before.seal("tiga"), key_id=before.key_id),
        "lost": endpoint(town, secret=Vault([Fernet.generate_key().decode()]).seal("empat"), key_id="hilang"),
        "removed": endpoint(town, secret="", key_id=before.key_id, removed_at=town.clock.now),
    }
    ids = {name: row.id for name, row in rows.items()}
    lost = rows["lost"].secret
    put(town, *rows.values())
    house = house_with(town_settings, clock, new, old)
    try:
        assert reseal_secrets(house) == 2
        assert reseal_secrets(house) == 0
    finally:
        house.database.close()
    after = Vault([new])
    plain, rotating = kept(town, Endpoint, ids["plain"]), kept(town, Endpoint, ids["rotating"])
    assert (after.open(plain.secret), plain.key_id) == ("satu", after.key_id)
    assert (after.open(rotating.secret), after.open(rotating.former_secret)) == ("dua", "tiga")
    assert kept(town, Endpoint, ids["lost"]).secret == lost
    assert kept(town, Endpoint, ids["removed"]).key_id == before.key_id
    assert str(ids["lost"]) in caplog.text


async def test_a_secret_that_no_key_opens_is_exchanged_at_once(town: Town) -> None:
    lost = Vault([Fernet.generate_key().decode()])
    row = endpoint(town, secret=lost.seal("hilang"), key_id=lost.key_id)
    endpoint_id = row.id
    put(town, row)
    after = town.good(await town.head("PUPR").post(f"/endpoints/{endpoint_id}/secret"), 200)
    assert after["former_secret_until"] is None
    assert await signatures(town, after["id"]) == {signed_by(town, after["secret"])}


# -- pings and recoveries --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(EndpointState))
async def test_a_ping_goes_to_this_endpoint_whatever_its_state(town: Town, state: EndpointState) -> None:
    head, row = town.head("PUPR"), endpoint(town, state=state, event_types=["problem.assigned"])
    path = f"/endpoints/{row.id}"
    put(town, row, endpoint(town))
    sent = town.good(await head.post(f"{path}/ping"), 202)
    shown = town.good(await head.get(f"/deliveries/{sent['delivery']}"), 200)
    assert (shown["type"], shown["ping"], shown["state"]) == ("webhook.ping", True, "waiting")
    with town.house.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Delivery)) == 1
    assert noted(town) == [], "an agency's own day is not noted"
    town.good(await town.admin.post(f"{path}/ping"), 202)
    assert [each[0] for each in noted(town)] == ["endpoint.pinged"]


SPAN = {"since": "2026-02-20T00:00:00+07:00", "until": "2026-03-02T09:00:00+07:00"}


async def test_a_time_is_sent_again_in_the_background(town: Town) -> None:
    head, row = town.head("PUPR"), endpoint(town)
    path = f"/endpoints/{row.id}/recoveries"
    put(town, row)
    body = SPAN | {"id": str(new_id())}
    asked = town.good(await head.post(path, body), 202)
    assert asked == {
        "id": body["id"],
        "endpoint": path.split("/")[2],
        "since": "2026-02-19T17:00:00Z",
        "until": "2026-03-02T02:00:00Z",
        "created_at": "2026-03-02T02:00:00Z",
        "found": 0,
        "done_at": None,
    }
    town.clock.advance(timedelta(days=89))
    again = await head.post(path, body)
    assert again.headers["idempotent-replayed"] == "true"
    assert town.good(again, 202) == asked
    assert refusal(await head.post(path, body | {"until": "2026-03-01T00:00:00Z"})) == (409, "id_reused")
    assert town.good(await town.officer("PUPR").get(path), 200) == {"items": [asked], "next": None}


@pytest.mark.parametrize(
    ("since", "until", "code"),
    [
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "recovery_range_refused"),
        ("2026-03-01T00:00:01Z", "2026-03-01T00:00:00Z", "recovery_range_refused"),
        ("2026-03-01T00:00:00Z", "2026-03-02T02:00:01Z", "recovery_range_refused"),
        ("2025-12-02T01:59:59Z", "2026-03-01T00:00:00Z", "recovery_range_refused"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "recovery_range_refused"),
        ("0001-01-01T00:00:00+14:00", "2026-03-01T00:00:00Z", "invalid_request"),
        ("2026-03-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "invalid_request"),
        ("2026-03-01T00:00:00", "2026-03-01T01:00:00", "invalid_request"),
        ("kemarin", "sekarang", "invalid_request"),
        (None, None, "invalid_request"),
    ],
)
async def test_which_times_are_not_sent_again(town: Town, since: Any, until: Any, code: str) -> None:
    head, row = town.head("PUPR"), endpoint(town)
    path = f"/endpoints/{row.id}/recoveries"
    put(town, row)
    assert refusal(await head.post(path, {"since": since, "until": until})) == (422, code)
    assert town.good(await head.get(path), 200)["items"] == []


async def test_ninety_days_back_and_up_to_now_are_sent_again(town: Town) -> None:
    row = endpoint(town)
    path = f"/endpoints/{row.id}/recoveries"
    put(town, row)
    span = {"since": "2025-12-02T02:00:00Z", "until": "2026-03-02T02:00:00Z"}
    town.good(await town.head("PUPR").post(path, span), 202)


async def test_only_so_many_recoveries_at_a_time(town: Town) -> None:
    head, row = town.head("PUPR"), endpoint(town)
    path = f"/endpoints/{row.id}/recoveries"
    put(town, row)
    for _ in range(5):
        town.good(await head.post(path, SPAN), 202)
    assert refusal(await head.post(path, SPAN)) == (409, "too_many_recoveries")
    with town.house.database.write() as session:
        oldest = session.scalars(select(Recovery).order_by(col(Recovery.id))).first()
        assert oldest is not None
        oldest.done_at = town.clock.now
    town.good(await head.post(path, SPAN), 202)


# -- who -------------------------------------------------------------------------------------------------------------

Operation = Callable[[Someone, str, str], Awaitable[Response]]
OPERATIONS: dict[str, Operation] = {
    "list": lambda who, _endpoint, _delivery: who.get("/endpoints"),
    "create": lambda who, _endpoint, _delivery: who.post(
        "/endpoints", {"url": URL} | ({"agency": "PUPR"} if who.actor.is_admin else {})
    ),
    "read": lambda who, endpoint, _delivery: who.get(endpoint),
    "change": lambda who, endpoint, _delivery: who.patch(endpoint, {"description": "baru"}),
    "remove": lambda who, endpoint, _delivery: delete(who, endpoint),
    "rotate": lambda who, endpoint, _delivery: who.post(f"{endpoint}/secret"),
    "ping": lambda who, endpoint, _delivery: who.post(f"{endpoint}/ping"),
    "deliveries": lambda who, endpoint, _delivery: who.get(f"{endpoint}/deliveries"),
    "delivery": lambda who, _endpoint, delivery: who.get(delivery),
    "retry": lambda who, _endpoint, delivery: who.post(f"{delivery}/retry"),
    "cancel": lambda who, _endpoint, delivery: who.post(f"{delivery}/cancel"),
    "recover": lambda who, endpoint, _delivery: who.post(f"{endpoint}/recoveries", SPAN),
    "recoveries": lambda who, endpoint, _delivery: who.get(f"{endpoint}/recoveries"),
}
INSIDE = """
            operator lurah staff camat monitor mayor officer head admin key reading_key
list             403   403   403   403     403   403     200  200   200 200         403
create           403   403   403   403     403   403     403  201   201 201         403
read             403   403   403   403     403   403     200  200   200 200         403
change           403   403   403   403     403   403     403  200   200 200         403
remove           403   403   403   403     403   403     403  200   200 200         403
rotate           403   403   403   403     403   403     403  200   200 200         403
ping             403   403   403   403     403   403     403  202   202 202         403
deliveries       403   403   403   403     403   403     200  200   200 200         403
delivery         403   403   403   403     403   403     200  200   200 200         403
retry            403   403   403   403     403   403     403  200   200 200         403
cancel           403   403   403   403     403   403     403  200   200 200         403
recover          403   403   403   403     403   403     403  202   202 202         403
recoveries       403   403   403   403     403   403     200  200   200 200         403
"""
"""The endpoint is PUPR's, and so are officer, head and keys."""
OUTSIDE = """
            officer head key
list            200  200 200
create          403  201 201
read            404  404 404
change          404  404 404
remove          404  404 404
rotate          404  404 404
ping            404  404 404
deliveries      404  404 404
delivery        404  404 404
retry           404  404 404
cancel          404  404 404
recover         404  404 404
recoveries      404  404 404
"""
"""The same endpoint, and an officer, a head and a key of another agency."""


def people(town: Town) -> dict[str, Someone]:
    return {
        "operator": town.operator("Bakalan"),
        "lurah": town.lurah("Bakalan"),
        "staff": town.staff("Bugul Kidul"),
        "camat": town.camat("Bugul Kidul"),
        "monitor": town.monitor,
        "mayor": town.mayor,
        "officer": town.officer("PUPR"),
        "head": town.head("PUPR"),
        "admin": town.admin,
        "key": system(town, "PUPR", KeyVerb.ENDPOINTS),
        "reading_key": system(town, "PUPR", KeyVerb.READ, KeyVerb.EVENTS, KeyVerb.FINISH),
    }


def strangers(town: Town) -> dict[str, Someone]:
    return {
        "officer": town.officer("DISHUB"),
        "head": town.head("DISHUB"),
        "key": system(town, "DISHUB", KeyVerb.ENDPOINTS, KeyVerb.READ),
    }


def cells(table: str) -> Iterator[tuple[str, str, int]]:
    heading, *lines = table.strip().splitlines()
    for line in lines:
        operation, *expected = line.split()
        for who, status in zip(heading.split(), expected, strict=True):
            yield operation, who, int(status)


def stands(town: Town, *keys: UUID) -> list[Any]:
    """What an operation may change."""
    with town.house.database.read() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (Endpoint, Delivery, Recovery)]
    return [*counts, kept(town, Endpoint, keys[0]), kept(town, Delivery, keys[1])]


@pytest.mark.parametrize(("table", "who_are"), [(INSIDE, people), (OUTSIDE, strangers)], ids=["inside", "outside"])
async def test_who_may(
    town: Town, subtests: pytest.Subtests, table: str, who_are: Callable[[Town], dict[str, Someone]]
) -> None:
    everybody = who_are(town)
    assert {operation for operation, _, _ in cells(table)} == set(OPERATIONS)
    for operation, who, expected in cells(table):
        row = endpoint(town)
        event, delivery = told(town, row)
        keys = row.id, delivery.id  # type: ignore[attr-defined]  # a Delivery
        put(town, row, event, delivery)
        before = stands(town, *keys)
        answer = await OPERATIONS[operation](everybody[who], f"/endpoints/{keys[0]}", f"/deliveries/{keys[1]}")
        with subtests.test(f"{operation} {who}"):
            assert answer.status_code == expected, answer.text
            if expected == 404:
                assert answer.json()["code"] == (
                    "delivery_not_found" if "/deliveries/" in str(answer.url) else "endpoint_not_found"
                )
            if expected == 403 and who == "reading_key":
                assert answer.json()["code"] == "verb_not_granted"
            if expected >= 400:
                assert stands(town, *keys) == before
        put_away(town)


def put_away(town: Town) -> None:
    """An agency has twenty endpoints at the most, of which those that were removed are none."""
    with town.house.database.write() as session:
        for row in session.scalars(select(Endpoint).where(col(Endpoint.removed_at).is_(None))):
            row.removed_at = town.clock.now


async def test_what_is_not_there_is_not_found(town: Town) -> None:
    nothing = str(uuid4())
    for name, operation in OPERATIONS.items():
        if name not in ("list", "create"):
            for who in (town.head("PUPR"), town.officer("PUPR"), town.admin):
                answer = await operation(who, f"/endpoints/{nothing}", f"/deliveries/{nothing}")
                assert answer.status_code == 404, name


@pytest.mark.parametrize("rule", [policy.see, policy.manage], ids=["see", "manage"])
async def test_both_faces_of_a_rule_agree(town: Town, rule: policy.EndpointRule) -> None:
    rows = [endpoint(town), endpoint(town, "DISHUB"), endpoint(town, "RSUD")]
    ids = {row.id for row in rows}
    put(town, *rows)
    systems = [system(town, "PUPR", KeyVerb.ENDPOINTS), system(town, "PUPR", KeyVerb.READ)]
    actors = [each.actor for each in (*town.people.values(), *systems)]
    actors += [replace(actors[0], kind=kind, area_code=None, agency_code=None) for kind in PostKind]
    allowed = 0
    with town.house.database.read() as session:
        stored = session.scalars(select(Endpoint).where(col(Endpoint.id).in_(ids))).all()
        for actor in actors:
            listed = set(session.scalars(select(col(Endpoint.id)).where(rule.where(actor, town.clock.now))))
            assert listed == {row.id for row in stored if rule.holds(actor, row, town.clock.now)}, actor.view
            assert rule.ever(actor.kind) or not listed
            allowed += len(listed)
    assert allowed


async def test_moments_at_the_ends_of_the_calendar_break_no_list(town: Town) -> None:
    row = endpoint(town, created_at=datetime(1, 1, 2, tzinfo=UTC), next_at=datetime(9999, 12, 30, tzinfo=UTC))
    path = f"/endpoints/{row.id}"
    put(town, row)
    assert town.good(await town.head("PUPR").get(path), 200)["next_at"] == "9999-12-30T00:00:00Z"


@pytest.mark.parametrize("query", ["?after=x", "?limit=0", "?limit=201", "?agency=%00", "?removed=mungkin"])
async def test_odd_questions_are_refused(town: Town, query: str) -> None:
    assert (await town.head("PUPR").get(f"/endpoints{query}")).status_code == 422


@pytest.mark.parametrize("name", ["1", "%00", "f" * 400, "00000000-0000-0000-0000-00000000000g"])
async def test_what_is_no_id_is_refused(town: Town, name: str) -> None:
    for path in (f"/endpoints/{name}", f"/endpoints/{name}/deliveries", f"/deliveries/{name}"):
        assert refusal(await town.head("PUPR").get(path)) == (422, "invalid_request")


def test_every_type_of_event_may_be_asked_for() -> None:
    assert len(set(EventType)) <= 100
