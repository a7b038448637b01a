"""The phone and the real server, with a line between them that fails."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.client.protocol import Busy, LoggedOut, Revoked, Server, Unreachable
from app.client.words import Tick
from app.kit.ids import new_id
from app.people.words import PostKind
from tests.client.lines import Fault, Send, answer_lost, busy, good, portal, portal_in_json, request_lost
from tests.client.places import Place
from tests.people.townsfolk import PASSWORD, Townsfolk


def test_recorded_without_signal_and_all_there_after_one_round_trip(place: Place) -> None:
    handset = place.operator()
    handset.line.faults.extend([request_lost] * 9)
    drain = place.report(handset)
    handset.phone.record("comment", {"text": "Sudah dicek bersama ketua RT."}, problem=drain)
    lamp = place.report(handset, title="Lampu jalan padam", category="lampu-jalan")
    with pytest.raises(Unreachable):
        handset.sync()
    assert handset.phone.ticks() == {drain: Tick.RECORDED, lamp: Tick.RECORDED}
    handset.line.faults.clear()
    handset.line.calls.clear()

    summary = handset.sync()
    assert (summary.operations, summary.documents) == (3, 2)
    assert [path for _, path in handset.line.calls if "reference" not in path] == ["sync/push"]
    assert handset.phone.outbox() == handset.phone.quarantine() == []
    shown = {each.id: each for each in handset.phone.problems()}
    assert shown.keys() == {drain, lamp}
    document = shown[drain].document
    assert document is not None
    assert (document["comments"], document["mine"], shown[drain].tick) == (1, True, Tick.RECEIVED)
    assert shown[drain].pending == shown[lamp].pending == (), "the documents tell of all of it"


def test_ticks_come_back_from_the_kecamatan(place: Place) -> None:
    operator, staff = place.operator(), place.handset(place.town.staff("Bugul Kidul"))
    drain = place.report(operator)
    operator.sync()
    staff.sync()
    staff.sync()
    operator.sync()
    assert operator.phone.ticks() == {drain: Tick.DELIVERED}
    position = next(each.document["position"] for each in staff.phone.problems() if each.document)
    answer = staff.http.post(
        "/api/v1/sync/receipts",
        json={"receipts": {place.town.kelurahan("Bakalan"): position}},
        headers=place.town.staff("Bugul Kidul").headers,
    )
    assert answer.status_code == 200, answer.text
    operator.sync()
    assert operator.phone.ticks() == {drain: Tick.ACKNOWLEDGED}


@pytest.mark.parametrize("fault", [answer_lost, request_lost, portal, portal_in_json])
def test_whatever_the_line_loses_everything_has_effect_once(place: Place, fault: Any) -> None:
    handset = place.operator()
    problems = {place.report(handset) for _ in range(3)}
    handset.line.faults.append(fault)
    handset.sync()
    assert handset.slept == [0.5]
    documents = handset.documents()
    assert {each["id"] for each in documents} == problems
    assert [each["version"] for each in documents] == [1, 1, 1]


def test_a_busy_server_is_given_the_time_it_asks_for(place: Place) -> None:
    handset = place.operator()
    place.report(handset)
    handset.line.faults.extend([busy, busy])
    handset.sync()
    assert handset.slept == [7.5, 8.0]
    handset.line.faults.extend([busy] * 3)
    with pytest.raises(Busy):
        handset.sync()


def test_many_pages_are_all_read_and_an_interruption_goes_on(place: Place) -> None:
    writer, reader = place.operator(), place.handset(place.town.lurah("Bakalan"))
    problems = {place.report(writer) for _ in range(7)}
    writer.sync()
    reader.page = 2
    reader.line.faults.extend([good, good, request_lost, request_lost])
    with pytest.raises(Unreachable):
        reader.sync(tries=2)
    assert len(reader.phone.problems()) == 4
    reader.line.calls.clear()
    reader.sync()
    assert set(reader.phone.ticks()) == problems
    assert reader.line.calls.count(("POST", "sync/pull")) == 2


def test_a_server_that_was_set_back_gets_everything_again(place: Place, set_back: str) -> None:
    handset = place.operator()
    problems = {place.report(handset) for _ in range(3)}
    handset.sync()
    handset.moved_to(set_back)
    problems.add(place.report(handset))
    summary = handset.sync()
    assert summary.operations == 4
    assert handset.phone.outbox() == []
    fresh = place.handset(place.town.lurah("Bakalan"))
    fresh.moved_to(set_back)
    fresh.sync()
    assert set(fresh.phone.ticks()) == set(handset.phone.ticks()) == problems


def test_a_phone_with_nothing_to_send_notices_a_server_that_was_set_back_too(place: Place, set_back: str) -> None:
    handset = place.operator()
    problem = place.report(handset)
    handset.sync()
    handset.moved_to(set_back)
    assert handset.sync().rewound
    assert handset.phone.ticks() == {problem: Tick.RECEIVED}
    assert handset.phone.outbox() == []
    (shown,) = handset.phone.problems()
    assert shown.document is not None


def test_a_refused_step_keeps_nobody_up_and_what_stands_behind_it_waits(place: Place) -> None:
    handset = place.operator()
    problem = place.report(handset)
    handset.phone.record("accept", {}, problem=problem)
    handset.phone.record("edit", {"title": "Saluran di RW 02 tersumbat"}, problem=problem)
    other = place.report(handset)
    handset.sync()
    assert [each.verb for each in handset.phone.quarantine()] == ["accept"]
    assert [each.verb for each in handset.phone.outbox()] == ["edit"]
    assert handset.phone.ticks()[other] is Tick.RECEIVED
    handset.line.calls.clear()
    handset.sync()
    assert len([path for _, path in handset.line.calls if path == "sync/push"]) == 1


def test_an_operation_that_cannot_be_read_at_all_is_set_aside(place: Place) -> None:
    handset = place.operator()
    place.report(handset)
    poison = handset.phone.record("no such verb!", {}, problem=str(new_id()))
    place.report(handset)
    handset.sync()
    (waiting,) = handset.phone.outbox()
    assert waiting.id == poison.operation
    assert waiting.refusal is not None
    assert waiting.refusal["code"] == "invalid_request"
    assert len(handset.phone.problems()) == 3


def test_a_revoked_phone_erases_itself_and_one_logged_out_keeps_everything(place: Place) -> None:
    handset, other = place.operator(), place.operator()
    for each in (handset, other):
        place.report(each)
        each.sync()
        place.report(each)

    mine = place.town.operator("Bakalan").headers
    device = handset.phone.store.setting("device")
    revoked = other.http.post(f"/api/v1/sync/devices/{device}/revoke", headers=mine)
    assert revoked.status_code == 200, revoked.text
    with pytest.raises(Revoked):
        handset.sync()
    assert (handset.phone.outbox(), handset.phone.problems(), handset.phone.post) == ([], [], None)

    logged_out = other.http.delete("/api/v1/auth/sessions/current", headers=mine)
    assert logged_out.status_code == 200, logged_out.text
    with pytest.raises(LoggedOut):
        other.sync()
    assert len(other.phone.problems()) == 3
    assert len(other.phone.outbox()) == 1


def test_what_was_held_goes_once_its_predecessor_is_settled(place: Place) -> None:
    handset = place.operator()
    problem = place.report(handset)
    refused = handset.phone.record("accept", {}, problem=problem)
    handset.phone.record("edit", {"title": "Saluran di RW 02 tersumbat"}, problem=problem)
    handset.sync()
    settled = handset.http.post(
        f"/api/v1/sync/quarantine/{refused.operation}/dismiss",
        json={"reason": "Sudah dibicarakan dengan operator."},
        headers=place.town.staff("Bugul Kidul").headers,
    )
    assert settled.status_code == 200, settled.text
    handset.sync()
    assert handset.phone.outbox() == []
    (shown,) = handset.phone.problems()
    assert shown.document is not None
    assert shown.document["title"] == "Saluran di RW 02 tersumbat"


def test_a_post_that_ended_takes_its_documents_along_and_leaves_the_outbox(place: Place) -> None:
    who = place.town.operator("Bakalan")
    handset = place.handset(who)
    place.report(handset)
    handset.sync()
    ended = handset.http.post(f"/api/v1/admin/posts/{who.actor.post_id}/end", json={}, headers=place.town.admin.headers)
    assert ended.status_code == 200, ended.text
    place.report(handset)
    place.clock.advance(timedelta(seconds=1))
    handset.sync()
    assert handset.phone.post is None
    assert handset.phone.store.rows("SELECT 1 FROM document") == []
    assert [each.refusal["code"] for each in handset.phone.quarantine() if each.refusal] == ["post_not_held"]


def test_each_post_reads_for_itself(place: Place) -> None:
    kelurahan = [place.town.kelurahan(name) for name in ("Bakalan", "Kepel")]
    people = Townsfolk(place.town.house, place.town.client)
    people.person("siti.rahma", *((PostKind.OPERATOR, code) for code in kelurahan))
    handset = place.operator()
    logged_in = Server(handset.http).log_in("siti.rahma", PASSWORD, "HP")
    handset.phone.adopt(place.address, "siti", logged_in, "HP")
    posts = {each["area"]["code"]: each["id"] for each in logged_in["posts"]}
    for code in kelurahan:
        handset.phone.use_post(posts[code])
        handset.phone.record("report", {**place.said(), "area": code})
    for code in kelurahan:
        handset.phone.use_post(posts[code])
        handset.sync()
        assert [each["area"] for each in handset.documents()] == [code]


def test_packs_are_fetched_when_they_changed(place: Place) -> None:
    handset = place.operator()
    handset.sync()
    asked = [path for _, path in handset.line.calls if "reference" in path]
    assert len(asked) == 5
    pack = handset.phone.pack("categories")
    assert pack is not None
    assert "saluran-tersumbat" in [each["code"] for each in pack["items"]]
    handset.line.calls.clear()
    handset.sync()
    assert handset.line.calls == [("POST", "sync/pull")]


def test_the_servers_count_and_ours_are_the_same(place: Place) -> None:
    handset = place.operator()
    for _ in range(3):
        place.report(handset)
    handset.sync()
    place.clock.advance(timedelta(days=1))
    assert handset.sync().mismatched == ()
    with handset.phone.store.change() as connection:
        connection.execute("DELETE FROM document WHERE id = (SELECT min(id) FROM document)")
    assert len(handset.phone.problems()) == 2
    place.clock.advance(timedelta(days=1))
    assert handset.sync().mismatched == (place.town.kelurahan("Bakalan"),)
    assert len(handset.phone.problems()) == 3


def changed(**members: Any) -> Fault:
    """The answer says something else than the server did."""

    def fault(request: httpx.Request, send: Send) -> httpx.Response:
        answer = send(request)
        return httpx.Response(200, json=answer.json() | members, request=request)

    return fault


def test_a_sync_ends_where_the_server_always_promises_more(place: Place) -> None:
    handset = place.operator()
    handset.sync()
    handset.line.calls.clear()
    handset.line.faults.extend([changed(more=True)] * 50)
    handset.sync()
    assert 1 < handset.line.calls.count(("POST", "sync/pull")) < 10


def test_an_operation_that_an_answer_says_nothing_of_stays(place: Place) -> None:
    handset = place.operator()
    place.report(handset)
    handset.line.faults.append(changed(outcomes=[]))
    with pytest.raises(Unreachable):
        handset.sync()
    assert len(handset.phone.outbox()) == 1
    assert handset.sync().operations == 1


def test_a_cursor_that_cannot_be_read_is_given_up(place: Place) -> None:
    handset = place.operator()
    kept = place.report(handset)
    handset.sync()
    with handset.phone.store.change() as connection:
        connection.execute("UPDATE cursor SET cursor = 'of an app before this one'")
        connection.execute("UPDATE document SET body = '{}', id = ?", (str(new_id()),))
    sent = place.report(handset)
    handset.sync()
    assert set(handset.phone.ticks()) == {kept, sent}


def test_operations_go_packed(place: Place) -> None:
    handset = place.operator()
    for _ in range(100):
        place.report(handset)
    request = handset.phone.push_request()
    assert request is not None
    handset.sync()
    assert handset.line.sent_bytes < len(str(request.body)) / 5
    assert handset.phone.outbox() == []
