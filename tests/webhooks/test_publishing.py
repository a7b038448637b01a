"""What happens to problems reaches the agencies that it concerns and that want to hear: all of it, once, in order."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, func, select
from sqlmodel import Session

from app.kit.house import House
from app.kit.ids import new_id
from app.people.words import KeyVerb
from app.problems.actions import Intent, make_round, perform, perform_one
from app.problems.schemas.reports import CommentIn
from app.problems.schemas.steps import Reopen
from app.webhooks.actions.publishing import publish_news, publish_ping
from app.webhooks.actions.recovering import recover_some
from app.webhooks.bell import bell_of
from app.webhooks.models import Endpoint, Event
from app.webhooks.payloads import PAYLOADS, EndpointData, EndpointDisabledData
from app.webhooks.telling import News
from app.webhooks.words import PAYLOAD_MAXIMUM, DeliveryState, DisabledBy, EndpointState, EventType
from tests.conftest import SettableClock
from tests.problems import situations
from tests.problems.situations import SITUATIONS, part, soon
from tests.registers.registers import WITHOUT_UPT, Clerk, row
from tests.sync.test_push import Phone
from tests.town import Town
from tests.webhooks.ears import add_endpoint, add_key, deliveries_to, events_of, heard_by, told

Told = tuple[str, int, str]
"""The type of an event, and the problem's version and state in it."""


def story_of(house: House, agency: str) -> list[Told]:
    """What an agency was told, in order."""
    data = [(each["type"], each["data"]["problem"]) for each in told(events_of(house, agency))]
    return [(type_, problem["version"], problem["state"]) for type_, problem in data]


def parts_of(house: House, agency: str) -> list[str | None]:
    """How the part stood that an agency was shown each time, with whose it is where it is another's."""
    parts = [each["data"]["assignment"] for each in told(events_of(house, agency))]
    return [
        part and (part["state"] if part["agency"] == agency else f"{part['agency']} {part['state']}") for part in parts
    ]


# -- a story through both tables of steps ----------------------------------------------------------------------------


async def tell(town: Town) -> dict[str, Any]:
    """A drain that is refused, handed on, asked about, waited for, mended, disputed, mended again, and comes back."""
    operator, lurah, camat = town.operator("Bakalan"), town.lurah("Bakalan"), town.camat("Bugul Kidul")
    problem = await operator.report()  # 1
    await lurah.step(problem, "forward")  # 2
    await camat.step(problem, "accept")  # 3
    problem = await camat.step(problem, "assign", lead="PUPR", support=["DLHKP"])  # 4
    await town.head("PUPR").part(problem, "delegate", to="UPT Drainase")  # 5
    problem = await town.head("PUPR").part(  # 6
        problem, "refuse", reason="Saluran lingkungan.", reason_code="not_our_authority", belongs_to="PERKIM"
    )
    problem = await camat.step(problem, "assign", lead="PERKIM")  # 7
    perkim, helper = town.officer("PERKIM"), town.officer("DLHKP")
    problem = await perkim.part(problem, "accept")  # 8
    await perkim.part(problem, "start")  # 9
    await perkim.step(problem, "ask", question="Selebar apa?")  # 10
    await operator.step(problem, "answer", answer="Satu meter.", changes={"landmark": "Balai RW 03"})  # 11
    await camat.post(f"/problems/{problem['id']}/comments", {"text": "Mohon segera.", "internal": True})  # 12
    await perkim.post(f"/problems/{problem['id']}/comments", {"text": "Alat menyusul.", "internal": True})  # 13
    await lurah.post(f"/problems/{problem['id']}/comments", {"text": "Warga menunggu."})  # 14
    await perkim.part(problem, "hold", reason_code="procurement", review_on=soon(town))  # 15
    await part(camat, problem, "agree_hold", "PERKIM")  # 16
    await perkim.part(problem, "resume")  # 17
    await camat.step(problem, "escalate", reason="Sudah lama.")  # 18
    await perkim.part(problem, "progress", note="Separuh.", percent=50)  # 19
    photo = await perkim.photo(problem)  # 20
    await perkim.part(problem, "finish", resolution="repaired", note="Selesai.", photos=[photo])  # 21
    await helper.part(problem, "accept")  # 22
    await helper.part(problem, "start")  # 23
    await helper.part(problem, "finish", resolution="served", note="Diangkut.")  # 24
    evidence = await lurah.photo(problem)  # 25
    await lurah.step(problem, "dispute", reason="Masih meluap.", photos=[evidence])  # 26
    await perkim.part(problem, "finish", resolution="repaired", note="Selesai.", photos=[photo])  # 27
    await lurah.step(problem, "confirm", rating=4)  # 28
    await lurah.step(problem, "reopen", reason="Tersumbat lagi.")  # 29
    problem = await lurah.see(problem)
    await part(camat, problem, "revoke", "PERKIM", reason="Dibangun ulang.")  # 30
    return await camat.step(problem, "defer_to_planning", planned_in="Renja 2027")  # 31


PUPR = [
    ("problem.assigned", 4, "assigned"),
    ("assignment.delegated", 5, "assigned"),
    ("assignment.refused", 6, "accepted"),
    ("problem.assigned", 7, "assigned"),
    ("assignment.accepted", 8, "in_progress"),
    ("assignment.started", 9, "in_progress"),
    ("problem.returned", 10, "returned"),
    ("problem.answered", 11, "in_progress"),
    ("problem.commented", 14, "in_progress"),
    ("assignment.hold_proposed", 15, "in_progress"),
    ("assignment.hold_agreed", 16, "on_hold"),
    ("assignment.resumed", 17, "in_progress"),
    ("problem.escalated", 18, "in_progress"),
    ("assignment.progressed", 19, "in_progress"),
    ("problem.photo_added", 20, "in_progress"),
    ("assignment.finished", 21, "in_progress"),
    ("assignment.accepted", 22, "in_progress"),
    ("assignment.started", 23, "in_progress"),
    ("assignment.finished", 24, "awaiting_confirmation"),
    ("problem.photo_added", 25, "awaiting_confirmation"),
    ("problem.disputed", 26, "in_progress"),
    ("assignment.finished", 27, "awaiting_confirmation"),
    ("problem.confirmed", 28, "resolved"),
    ("problem.reopened", 29, "in_progress"),
    ("assignment.revoked", 30, "accepted"),
    ("problem.closed", 31, "closed"),
]
"""It refused its part, so the problem goes on to concern it; what others say among themselves does not."""
DLHKP = PUPR
"""A supporter from the same moment on."""
PERKIM = [*PUPR[3:8], ("problem.commented", 13, "in_progress"), *PUPR[8:25]]
"""Its part begins later, its own side's comment is told to it alone, and what it lost is the last it hears."""


async def test_each_agency_is_told_its_story(town: Town) -> None:
    for agency in ("PUPR", "DLHKP", "PERKIM", "DISHUB"):
        add_key(town.house, agency)
    problem = await tell(town)
    assert problem["version"] == 31
    assert story_of(town.house, "PUPR") == PUPR
    assert story_of(town.house, "DLHKP") == DLHKP
    assert story_of(town.house, "PERKIM") == PERKIM
    assert story_of(town.house, "DISHUB") == []


async def test_what_is_shown_is_the_part_it_is_about_or_ones_own(town: Town) -> None:
    add_key(town.house, "PUPR")
    add_key(town.house, "PERKIM")
    await tell(town)
    assert parts_of(town.house, "PUPR")[:8] == [
        *("offered", "offered", "refused", "refused", "PERKIM accepted", "PERKIM in_progress", "refused", "refused"),
    ]
    shown = parts_of(town.house, "PERKIM")
    assert shown[:3] == ["offered", "accepted", "in_progress"]
    assert shown[-2:] == ["in_progress", "revoked"]
    assigned = [each["data"] for each in told(events_of(town.house, "PUPR")) if each["type"] == "problem.assigned"]
    assert [(each["lead"], each["offered"], each["binding"]) for each in assigned] == [
        ("PUPR", True, False),
        ("PERKIM", False, False),
    ]


async def test_a_payload_is_a_snapshot_without_a_word_of_what_was_said(town: Town) -> None:
    add_key(town.house, "PUPR")
    problem = await tell(town)
    events = events_of(town.house, "PUPR")
    first, body = events[0], told(events)[0]
    part = next(each for each in problem["assignments"] if each["agency"] == "PUPR")
    assert body == {
        "type": "problem.assigned",
        "timestamp": "2026-03-02T02:00:00Z",
        "data": {
            "problem": {
                "id": problem["id"],
                "number": problem["number"],
                "state": "assigned",
                "version": 4,
                "category": "saluran-tersumbat",
                "area": "35.75.03.1005",
                "priority": "normal",
                "due_at": "2026-03-27T16:59:59Z",
                "href": f"http://127.0.0.1:8000/api/v1/problems/{problem['id']}",
            },
            "assignment": {
                "id": part["id"],
                "agency": "PUPR",
                "lead": True,
                "state": "offered",
                "due_at": part["due_at"],
                "href": f"http://127.0.0.1:8000/api/v1/assignments/{part['id']}",
            },
            "by": "camat:35.75.03",
            "lead": "PUPR",
            "offered": True,
            "binding": False,
        },
    }
    assert (first.type, str(first.problem_id), first.version) == ("problem.assigned", problem["id"], 4)
    assert (first.area_code, first.at, first.open_id) == ("35.75.03.1005", town.clock.now, first.id)
    everything = " ".join(each.payload for each in events)
    said = ["Saluran", "UPT", "Selebar", "Satu meter", "Balai", "Mohon", "menyusul", "Warga", "Separuh", "Selesai"]
    people = [
        *(who.actor.name for who in town.people.values()),
        *(str(who.actor.account_id) for who in town.people.values()),
    ]
    for word in [*said, "Masih", "Renja", *people]:
        assert word not in everything


# -- whatever may happen ---------------------------------------------------------------------------------------------

LISTENING = ("PUPR", "DLHKP", "PERKIM", "BPBD", "DISHUB", "PLN")


async def test_whatever_happens_is_told_whole_and_rising(town: Town) -> None:
    """Through all that the two tables of steps can bring forth."""
    for agency in LISTENING:
        add_key(town.house, agency)
    town.clock.now = situations.LONG_AGO
    for made in dict.fromkeys(each.made for each in SITUATIONS.values()):
        await made(town)
    await tell(town)
    await live(town)
    await town.lurah("Bakalan").step(await situations.emergency(town), "endorse")
    await part(town.camat("Bugul Kidul"), await situations.hold_proposed(town), "decline_hold", "PUPR")
    events = events_of(town.house)
    versions: dict[tuple[Any, Any], int] = {}
    for each, body in zip(events, told(events), strict=True):
        PAYLOADS[each.type].model_validate(body)
        assert len(each.payload.encode()) <= PAYLOAD_MAXIMUM
        assert each.version is not None
        known = versions.get((each.agency_code, each.problem_id), 0)
        assert body["data"]["problem"]["version"] == each.version >= known
        versions[each.agency_code, each.problem_id] = each.version
    of_endpoints = {EventType.ENDPOINT_DISABLED, EventType.ENDPOINT_RECOVERED, EventType.PING}
    assert {each.type for each in events} == set(EventType) - of_endpoints, "every type has happened"


async def test_nobody_is_told_of_what_they_may_not_see(town: Town) -> None:
    """What an agency was told of, it may read still; or it lost its part, and that was the last it heard."""
    for agency in LISTENING:
        add_key(town.house, agency)
    town.clock.now = situations.LONG_AGO
    for made in dict.fromkeys(each.made for each in SITUATIONS.values()):
        await made(town)
    events = events_of(town.house)
    last = {(each.agency_code, str(each.problem_id)): body for each, body in zip(events, told(events), strict=True)}
    losses = 0
    for agency in LISTENING[:-1]:  # the last one has nobody here who could ask
        items = town.good(await town.officer(agency).get("/problems?limit=200"), 200)["items"]
        heard = {problem_id: body for (whose, problem_id), body in last.items() if whose == agency}
        lost = {problem_id for problem_id, body in heard.items() if is_loss(body, agency)}
        assert {each["id"] for each in items} == heard.keys() - lost
        losses += len(lost)
    assert losses
    assert len(last) > 30


def is_loss(body: dict[str, Any], agency: str) -> bool:
    """Whether this tells an agency that it lost its own part."""
    return body["type"] == "assignment.revoked" and bool(body["data"]["assignment"]["agency"] == agency)


async def live(town: Town) -> tuple[dict[str, Any], dict[str, Any]]:
    """A problem that an agency recorded, through what else there is; and another one, which it is a duplicate of."""
    camat, lurah, officer = town.camat("Bugul Kidul"), town.lurah("Kepel"), town.officer("PUPR")
    problem = await officer.report()  # 1
    await camat.patch(f"/problems/{problem['id']}", {"landmark": "Balai RW 03", "reason": "Salah RW."})  # 2
    await camat.step(problem, "recategorise", category="jalan-rusak", reason="Jalan.")  # 3
    await camat.step(problem, "prioritise", priority="high", reason="Dekat sekolah.")  # 4
    await camat.step(problem, "move", area=town.kelurahan("Kepel"), reason="Seberang jalan.")  # 5 and 6
    other = await officer.report()
    link = {"verb": "link", "problem": other["id"], "kind": "related"}
    town.good(await camat.post(f"/problems/{problem['id']}/steps", link), 200)  # 7
    await lurah.step(problem, "handle_locally", plan="Kerja bakti.", target_on=soon(town))  # 8
    await lurah.step(problem, "forward")  # 9
    await camat.step(problem, "accept")  # 10
    await camat.step(problem, "reject", reason_code="not_found", reason="Tidak ada.")  # 11
    await lurah.step(problem, "appeal", reason="Ada.")  # 12
    await town.monitor.step(problem, "decide_appeal", outcome="overturned", reason="Benar ada.")  # 13
    await camat.step(problem, "hold", reason_code="budget", review_on=soon(town))  # 14
    await camat.step(problem, "resume")  # 15
    await camat.step(problem, "mark_duplicate", main=other["id"])  # 16
    await camat.step(other, "accept")
    await camat.step(other, "take_up", plan="Satgas.")
    await camat.step(other, "finish", resolution="explained")
    await town.lurah("Bakalan").step(other, "confirm")
    assert make_round(town.house) >= 1  # 17
    await camat.step(problem, "unmark")  # 18
    return problem, other


async def test_an_agency_hears_of_what_it_recorded_whatever_becomes_of_it(town: Town) -> None:
    add_key(town.house, "PUPR")
    problem, other = await live(town)
    events = events_of(town.house, "PUPR")
    about = {
        each.version: body["data"]
        for each, body in zip(events, told(events), strict=True)
        if str(each.problem_id) == problem["id"]
    }
    types = {each.version: each.type.value for each in events if str(each.problem_id) == problem["id"]}
    base = {"problem", "assignment", "by"}
    assert {
        version: (types[version], {name: each for name, each in data.items() if name not in base})
        for version, data in about.items()
    } == {
        1: ("problem.reported", {"origin": "agency:PUPR", "alerted": False}),
        2: ("problem.edited", {"fields": ["landmark"]}),
        3: ("problem.recategorised", {}),
        4: ("problem.prioritised", {}),
        6: ("problem.moved", {"moved_from": "35.75.03.1005", "moved_to": town.kelurahan("Kepel")}),
        7: ("problem.linked", {"other": other["id"], "link": "related", "late": False}),
        8: ("problem.handled_locally", {}),
        9: ("problem.forwarded", {}),
        10: ("problem.accepted", {}),
        11: ("problem.closed", {"closing": "rejected", "reason_code": "not_found", "main": None}),
        12: ("problem.appealed", {}),
        13: ("problem.appeal_decided", {"outcome": "overturned"}),
        14: ("problem.held", {"reason_code": "budget", "review_on": soon(town)}),
        15: ("problem.resumed", {"automatic": False}),
        16: ("problem.closed", {"closing": "duplicate", "reason_code": None, "main": other["id"]}),
        17: ("problem.main_changed", {"main": other["id"], "outcome": "explained"}),
        18: ("problem.reopened", {"cause": "unmarked", "automatic": False}),
    }
    assert [each.type.value for each in events if str(each.problem_id) == other["id"]] == [
        *("problem.reported", "problem.accepted", "problem.taken_up", "problem.finished", "problem.confirmed"),
    ]
    assert (about[17]["by"], about[3]["problem"]["category"]) == ("system", "jalan-rusak")


async def test_an_emergency_is_told_to_the_agency_responsible_at_once(town: Town) -> None:
    add_key(town.house, "BPBD")
    problem = await town.operator("Bakalan").report(category="pohon-tumbang")
    await town.lurah("Bakalan").step(problem, "endorse")
    first, second = told(events_of(town.house, "BPBD"))
    assert (first["type"], first["data"]["alerted"], first["data"]["assignment"]) == ("problem.reported", True, None)
    assert second["type"] == "problem.endorsed"


# -- parts that are lost ---------------------------------------------------------------------------------------------


async def test_an_agency_that_loses_its_part_by_the_way_is_told_that_and_nothing_later(town: Town) -> None:
    for agency in ("PUPR", "DLHKP", "PERKIM"):
        add_key(town.house, agency)
    camat = town.camat("Bugul Kidul")
    problem = await situations.assigned(town)
    await camat.step(problem, "assign", lead="PERKIM")
    await camat.step(problem, "escalate", reason="Sudah lama.")
    assert [type_ for type_, _, _ in story_of(town.house, "PUPR")] == ["problem.assigned", "assignment.revoked"]
    assert parts_of(town.house, "PUPR")[-1] == "revoked"
    support = [type_ for type_, _, _ in story_of(town.house, "DLHKP")]
    assert support == ["problem.assigned", "problem.assigned", "problem.escalated"], "its part goes on"


async def test_confirming_takes_back_what_is_open_and_says_so(town: Town) -> None:
    """A part that is not required does not hold up the end; it is taken back by it."""
    add_key(town.house, "DLHKP")
    problem = await situations.accepted(town)
    problem = await town.camat("Bugul Kidul").step(problem, "assign", lead="PUPR", optional_support=["DLHKP"])
    for verb, said in (("accept", {}), ("start", {}), ("finish", {"resolution": "explained", "note": "Selesai."})):
        problem = await town.officer("PUPR").part(problem, verb, **said)
    await town.lurah("Bakalan").step(problem, "confirm")
    assert story_of(town.house, "DLHKP")[-1] == ("assignment.revoked", 8, "resolved")
    assert [type_ for type_, _, _ in story_of(town.house, "DLHKP")].count("problem.confirmed") == 0


async def test_a_supporter_that_becomes_the_lead_hears_both_in_order(town: Town) -> None:
    add_key(town.house, "DLHKP")
    problem = await situations.assigned(town)
    await town.camat("Bugul Kidul").step(problem, "assign", lead="DLHKP")
    events = told(events_of(town.house, "DLHKP"))
    assert [each["type"] for each in events] == ["problem.assigned", "assignment.revoked", "problem.assigned"]
    lost, given = events[1]["data"]["assignment"], events[2]["data"]["assignment"]
    assert (lost["lead"], lost["state"]) == (False, "revoked")
    assert (given["lead"], given["state"], events[2]["data"]["offered"]) == (True, "offered", True)
    assert events[1]["data"]["problem"]["version"] == events[2]["data"]["problem"]["version"]


# -- who wants to hear -----------------------------------------------------------------------------------------------


async def test_only_what_an_endpoint_asks_for_is_sent_to_it(town: Town) -> None:
    house = town.house
    all_of_it = add_endpoint(house, "PUPR")
    some = add_endpoint(house, "PUPR", EventType.PROBLEM_ASSIGNED, EventType.PROBLEM_CONFIRMED)
    here = add_endpoint(house, "PUPR", area="35.75.03")
    elsewhere = add_endpoint(house, "PUPR", area="35.75.04")
    near_miss = add_endpoint(house, "PUPR", area="35.75.0")
    paused = add_endpoint(house, "PUPR", state=EndpointState.PAUSED)
    disabled = add_endpoint(house, "PUPR", state=EndpointState.DISABLED, disabled_by=DisabledBy.GONE)
    removed = add_endpoint(house, "PUPR", removed_at=town.clock.now)
    foreign = add_endpoint(house, "DISHUB")
    await situations.agency_resolved(town)
    story = [type_ for type_, _, _ in story_of(house, "PUPR")]
    assert len(story) == 8
    for endpoint in (all_of_it, here, paused, disabled):
        assert heard_by(house, endpoint) == story
    assert heard_by(house, some) == ["problem.assigned", "problem.confirmed"]
    for endpoint in (elsewhere, near_miss, removed, foreign):
        assert heard_by(house, endpoint) == []
    for each in deliveries_to(house, all_of_it):
        assert (each.state, each.attempts, each.lease, each.is_ping) == (DeliveryState.WAITING, 0, None, False)
        assert each.next_at == each.created_at == town.clock.now


async def test_an_endpoint_hears_of_a_problem_that_leaves_its_area(town: Town) -> None:
    before = add_endpoint(town.house, "PUPR", area=town.kelurahan("Bakalan"))
    after = add_endpoint(town.house, "PUPR", area=town.kelurahan("Kepel"))
    camat, problem = town.camat("Bugul Kidul"), await town.officer("PUPR").report()
    await camat.step(problem, "move", area=town.kelurahan("Kepel"), reason="Seberang jalan.")
    await camat.step(problem, "accept")
    assert heard_by(town.house, before) == ["problem.reported", "problem.moved"]
    places = [(each.area_code, each.left_code) for each in events_of(town.house)][:2]
    bakalan, kepel = town.kelurahan("Bakalan"), town.kelurahan("Kepel")
    assert places == [(bakalan, None), (kepel, bakalan)]
    assert heard_by(town.house, after) == ["problem.moved", "problem.accepted"]


async def test_nothing_is_kept_for_an_agency_that_does_not_ask(town: Town) -> None:
    house, now = town.house, town.clock.now
    add_key(house, "PUPR", KeyVerb.READ)
    add_key(house, "PUPR", revoked_at=now)
    add_key(house, "PUPR", expires_at=now)
    add_endpoint(house, "PUPR", removed_at=now)
    await situations.assigned(town)
    assert events_of(house) == []
    add_key(house, "PUPR", expires_at=now + timedelta(seconds=1))
    await situations.assigned(town)
    assert len(events_of(house, "PUPR")) == 1
    assert len(events_of(house)) == 1, "DLHKP asks for nothing"


async def test_for_whoever_has_an_endpoint_all_is_kept_and_sent_once_it_asks_for_more(town: Town) -> None:
    """Also what its only endpoint did not ask for, of which somebody may ask later, or fetch it."""
    house, head = town.house, town.head("PUPR")
    endpoint = add_endpoint(house, "PUPR", EventType.PROBLEM_LINKED, area=town.kelurahan("Kepel"))
    began = town.clock.now
    await situations.agency_resolved(town)
    assert len(story_of(house, "PUPR")) == 8
    assert heard_by(house, endpoint) == []
    town.clock.advance(timedelta(hours=1))
    town.good(await head.patch(f"/endpoints/{endpoint}", {"events": ["problem.confirmed"], "area": None}), 200)
    span = {"since": began.isoformat(), "until": town.clock.now.isoformat()}
    town.good(await head.post(f"/endpoints/{endpoint}/recoveries", span), 202)
    while recover_some(house):
        pass
    assert heard_by(house, endpoint) == ["problem.confirmed"]
    assert events_of(house, "DLHKP") == [], "has neither"


# -- the same from every side ----------------------------------------------------------------------------------------


async def test_a_verb_brings_the_same_events_from_whichever_side_it_comes(town: Town) -> None:
    """By the API, by a phone, by several in one call, and by the system when a limit has passed."""
    endpoint = add_endpoint(town.house, "PUPR")
    lurah = town.lurah("Bakalan")
    problems = [await situations.agency_done(town) for _ in range(4)]
    before = len(events_of(town.house))
    by_api, by_phone, by_list, by_round = problems
    await lurah.step(by_api, "confirm", rating=5)
    phone = Phone(lurah)
    assert await phone.outcomes(phone.operation(by_phone, "confirm", by_phone["version"], rating=5)) == ["applied"]
    town.good(
        await lurah.post(
            "/problems/steps", {"items": [{"problem": by_list["id"], "step": {"verb": "confirm", "rating": 5}}]}
        ),
        200,
    )
    town.clock.advance(timedelta(days=40))
    assert make_round(town.house) == 1
    events = events_of(town.house)[before:]
    assert [(str(each.problem_id), each.type.value, each.version) for each in events] == [
        (each["id"], "problem.confirmed", problems[0]["version"] + 1) for each in (by_api, by_phone, by_list, by_round)
    ]
    members = [
        {name: value for name, value in body["data"].items() if name not in ("problem", "assignment")}
        for body in told(events)
    ]
    assert members == [
        *[{"rating": 5, "automatic": False, "by": "lurah:35.75.03.1005"}] * 3,
        {"rating": None, "automatic": True, "by": "system"},
    ]
    assert [each.event_id for each in deliveries_to(town.house, endpoint)][-4:] == [each.id for each in events]


def test_an_import_is_silent(town_house: House, tmp_path: Any) -> None:
    """What another register kept is history; what is done afterwards is not."""
    for agency in ("PUPR", "DISHUB"):
        add_key(town_house, agency)
        add_endpoint(town_house, agency)
    clerk = Clerk(town_house, tmp_path)
    assert clerk.takes(row(1), row(2), mapping=WITHOUT_UPT).refused == []
    assert "assigned" in clerk.kinds(1)
    assert events_of(town_house) == []
    clerk.does(1, Reopen(verb="reopen", reason="Tersumbat lagi."))
    (first,) = events_of(town_house)
    assert (first.agency_code, first.type) == ("PUPR", EventType.PROBLEM_REOPENED)


# -- one transaction -------------------------------------------------------------------------------------------------


class Stumbled(Exception):
    """Something that goes wrong after all was written."""


async def test_what_is_rolled_back_leaves_no_event_and_no_delivery(town: Town) -> None:
    problem = await situations.assigned(town)
    endpoint = add_endpoint(town.house, "PUPR")
    rings: list[int] = []
    stop = bell_of(town.house).listen(lambda: rings.append(1))
    lurah = town.lurah("Bakalan")

    def comment(session: Session) -> None:
        said = CommentIn(id=new_id(), text="Sudah dicek.")
        perform_one(town.work(session, lurah), Intent(problem_id=UUID(problem["id"]), said=said))
        assert session.scalar(select(func.count()).select_from(Event)) == 1

    def comment_and_stumble() -> None:
        with town.house.database.write() as session:
            comment(session)
            raise Stumbled

    with pytest.raises(Stumbled):
        comment_and_stumble()
    assert events_of(town.house) == []
    assert deliveries_to(town.house, endpoint) == []
    assert rings == []
    with town.house.database.write() as session:
        comment(session)
        assert rings == [], "not before it is committed"
    assert len(deliveries_to(town.house, endpoint)) == 1
    assert rings == [1]
    stop()
    with town.house.database.write() as session:
        publish_ping(session, town.house, session.get_one(Endpoint, endpoint), town.clock.now)
    assert rings == [1], "whoever stopped listening hears nothing"


@pytest.fixture
def statements(town_house: House) -> Iterator[list[str]]:
    """What is sent to the database about webhooks, from here on."""
    seen: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        if re.search("webhook_|api_key", statement):
            seen.append(statement)

    event.listen(town_house.database.engine, "before_cursor_execute", hear)
    yield seen
    event.remove(town_house.database.engine, "before_cursor_execute", hear)


async def test_statements_do_not_grow_and_nothing_is_read_where_no_agency_is_concerned(
    town: Town, statements: list[str]
) -> None:
    for agency in ("PUPR", "DLHKP"):
        add_endpoint(town.house, agency)
        add_endpoint(town.house, agency)
        add_key(town.house, agency)
    camat = town.camat("Bugul Kidul")
    problems = [await situations.assigned(town) for _ in range(12)]
    statements.clear()
    await town.operator("Bakalan").report()
    assert statements == []
    counts = []
    for some in (problems[:1], problems[1:]):
        statements.clear()
        said = {"items": [{"problem": each["id"], "step": {"verb": "escalate", "reason": "Lama."}} for each in some]}
        assert all(each["done"] for each in town.good(await camat.post("/problems/steps", said), 200)["items"])
        counts.append(len(statements))
    assert counts == [3, 3], "one look, and one insert each of events and deliveries"
    assert len([each for each in events_of(town.house) if each.type is EventType.PROBLEM_ESCALATED]) == 24


async def test_ids_rise_in_the_order_in_which_it_happened(town: Town) -> None:
    endpoint = add_endpoint(town.house, "PUPR")
    problem = await situations.assigned(town)
    said = [CommentIn(id=new_id(), text=f"Catatan {number}") for number in range(30)]
    intents = [Intent(problem_id=UUID(problem["id"]), said=each) for each in said]
    with town.house.database.write() as session:
        perform(town.work(session, town.lurah("Bakalan")), intents)
    events = events_of(town.house, "PUPR")
    assert [each.version for each in events] == list(range(4, 35))
    assert [each.event_id for each in deliveries_to(town.house, endpoint)] == [each.id for each in events]


# -- what is no fact of the journal ----------------------------------------------------------------------------------


def test_what_becomes_of_an_endpoint_is_told_by_other_ways(town_house: House, clock: SettableClock) -> None:
    broken = add_endpoint(town_house, "PUPR", area="35.75.03")
    other = add_endpoint(town_house, "PUPR", EventType.ENDPOINT_DISABLED, area="35.75.04")
    foreign = add_endpoint(town_house, "DISHUB")
    with town_house.database.write() as session:
        since = clock.now - timedelta(hours=120)
        disabled = EndpointDisabledData(
            endpoint=broken, by="system", disabled_by=DisabledBy.FAILING, failing_since=since
        )
        news = [
            News("PUPR", EventType.ENDPOINT_DISABLED, clock.now, disabled),
            News("PUPR", EventType.ENDPOINT_RECOVERED, clock.now, EndpointData(endpoint=broken, by="system")),
        ]
        publish_news(session, news, clock.now, town_house)
    assert heard_by(town_house, broken) == ["endpoint.disabled", "endpoint.recovered"]
    assert heard_by(town_house, other) == ["endpoint.disabled"]
    assert heard_by(town_house, foreign) == []
    first, second = told(events_of(town_house, "PUPR"))
    assert first["data"] == {
        "endpoint": str(broken),
        "by": "system",
        "disabled_by": "failing",
        "failing_since": "2026-02-25T02:00:00Z",
    }
    assert second["data"] == {"endpoint": str(broken), "by": "system"}


def test_a_ping_is_for_one_endpoint_and_waits_for_nobody(town_house: House, clock: SettableClock) -> None:
    asked = add_endpoint(town_house, "PUPR", EventType.PROBLEM_ASSIGNED, state=EndpointState.DISABLED)
    other = add_endpoint(town_house, "PUPR")
    add_key(town_house, "PUPR")
    with town_house.database.write() as session:
        made = publish_ping(session, town_house, session.get_one(Endpoint, asked), clock.now)
    (delivery,) = deliveries_to(town_house, asked)
    assert (delivery.id, delivery.is_ping, delivery.state) == (made, True, DeliveryState.WAITING)
    assert deliveries_to(town_house, other) == []
    (event_,) = events_of(town_house)
    assert event_.open_id is None, "nobody polls it"
    assert told([event_])[0]["data"] == {"endpoint": str(asked), "by": "system"}
