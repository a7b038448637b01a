"""What goes up: recorded on the disk first, sent in order, answered one by one, kept until it is safe."""

import hashlib
import stat
from datetime import timedelta
from typing import Any

import pytest

from app.client.outbox import TooLong
from app.client.phone import NoPost, OtherAccount, Phone
from app.client.store import MadeByNewerApp, Store
from app.client.words import Request, Tick
from app.kit.ids import new_id
from tests.client.answers import BAKALAN, LOGGED_IN, POST, cursor, document, held, outcomes, page, refused
from tests.conftest import MONDAY_MORNING, SettableClock

REPORT = {
    "title": "Saluran tersumbat di depan Balai RW 02",
    "category": "saluran-tersumbat",
    "area": BAKALAN,
    "seen_on": "2026-03-02",
}


def asked(phone: Phone, **options: Any) -> Request:
    request = phone.push_request(**options)
    assert request is not None
    return request


def reopened(phone: Phone, clock: SettableClock) -> Phone:
    return Phone(Store(phone.store.file), clock, new_id)


def test_what_was_recorded_is_there_after_a_restart(phone: Phone, clock: SettableClock) -> None:
    recorded = phone.record("report", REPORT)
    again = reopened(phone, clock)
    (waiting,) = again.outbox()
    assert (waiting.id, waiting.problem, waiting.data) == (recorded.operation, recorded.problem, REPORT)
    (problem,) = again.problems()
    assert (problem.title, problem.area, problem.tick) == (REPORT["title"], BAKALAN, Tick.RECORDED)
    again.store.close()


def test_the_file_is_its_owners_alone(phone: Phone) -> None:
    assert stat.S_IMODE(phone.store.file.stat().st_mode) == 0o600


def test_a_file_of_a_newer_app_is_left_alone(phone: Phone) -> None:
    phone.store.connection.execute("PRAGMA user_version = 2")
    with pytest.raises(MadeByNewerApp):
        Store(phone.store.file)


def test_an_operation_says_what_the_server_wants_to_know(phone: Phone, clock: SettableClock) -> None:
    known = document(4, version=7)
    request = phone.pull_request()
    phone.apply_pull(request, page(request, known, after={BAKALAN: cursor(4)}))
    phone.record("report", REPORT)
    clock.advance(timedelta(minutes=5))
    phone.record("forward", {}, problem=known["id"])

    request = asked(phone, most=1)
    device = request.body["device"]
    assert (device["waiting"], device["waiting_since"]) == (1, "2026-03-02T02:05:00.000Z")
    assert [(each["verb"], each["base"], each["post"]) for each in request.body["operations"]] == [("report", 0, POST)]
    phone.apply_push(request, outcomes(request))
    assert [(each["verb"], each["base"]) for each in asked(phone).body["operations"]] == [("forward", 7)]
    assert asked(phone).body["last_accepted"] == 1


def test_a_push_whose_answer_was_lost_is_sent_again_word_for_word(phone: Phone) -> None:
    phone.record("report", REPORT)
    first, second = asked(phone), asked(phone)
    assert first.body["operations"] == second.body["operations"]
    phone.apply_push(first, outcomes(first))
    assert phone.outbox() == []
    phone.apply_push(second, outcomes(second, became=refused))
    assert phone.quarantine() == [], "what is settled stays as it was settled"


def test_calls_are_bounded_in_number_and_bytes(phone: Phone) -> None:
    for _ in range(501):
        phone.record("report", REPORT)
    assert len(asked(phone).operations) == 500
    for _ in range(6):
        phone.record("comment", {"text": "x" * 200_000}, problem=str(new_id()))
    request = asked(phone)
    phone.apply_push(request, outcomes(request))
    request = asked(phone)
    assert len(request.operations) == 5
    with pytest.raises(TooLong):
        phone.record("comment", {"text": "x" * 300_000}, problem=str(new_id()))
    with pytest.raises(UnicodeEncodeError):
        phone.record("comment", {"text": "\ud800"}, problem=str(new_id()))


def test_the_last_push_asks_for_documents_too(phone: Phone) -> None:
    phone.record("report", REPORT)
    phone.record("report", REPORT)
    first = asked(phone, most=1, pull=True)
    assert (first.post, "pull" in first.body) == (None, False)
    phone.apply_push(first, outcomes(first))

    last = asked(phone, most=1, pull=True)
    assert last.post == POST
    beside = page(last, document(2), after={BAKALAN: cursor(2)}, device={"accepted": 2})
    pulled = phone.apply_push(last, outcomes(last, 2, pull=beside))
    assert pulled is not None
    assert pulled.applied
    assert phone.push_request() is None


def test_a_refused_operation_is_shown_with_its_reason_and_keeps_nobody_up(phone: Phone) -> None:
    poison = phone.record("report", REPORT)
    behind = phone.record("edit", {"title": "Lain"}, problem=poison.problem)
    other = phone.record("report", REPORT)

    def became(operation: dict[str, Any]) -> dict[str, Any]:
        named = {poison.operation: refused, behind.operation: held}
        return named.get(operation["id"], lambda _: {})(operation)

    request = asked(phone)
    phone.apply_push(request, outcomes(request, became=became))
    (shown,) = phone.quarantine()
    assert (shown.id, (shown.refusal or {})["code"]) == (poison.operation, "not_permitted")
    (waiting,) = phone.outbox()
    assert (waiting.id, (waiting.refusal or {})["code"]) == (behind.operation, "not_permitted")
    assert phone.ticks() == {poison.problem: Tick.RECORDED, other.problem: Tick.RECEIVED}


def test_what_is_held_is_asked_for_once_in_each_sync_and_nothing_overtakes_it(phone: Phone) -> None:
    problem = str(new_id())
    first = phone.record("edit", {"title": "Lain"}, problem=problem)
    request = asked(phone)
    phone.apply_push(request, outcomes(request, became=held))
    phone.record("forward", {}, problem=problem)
    remark = phone.record("comment", {"text": "Sudah dicek."}, problem=problem)
    assert asked(phone).operations == [remark.operation], "a comment waits for the report alone"
    request = asked(phone)
    phone.apply_push(request, outcomes(request))
    assert phone.push_request() is None

    phone.begin_sync()
    assert asked(phone).operations[0] == first.operation
    assert len(asked(phone).operations) == 2


def test_a_report_is_shown_until_its_document_comes(phone: Phone) -> None:
    recorded = phone.record("report", REPORT)
    late = phone.pull_request()
    request = asked(phone)
    phone.apply_push(request, outcomes(request))
    assert phone.ticks() == {recorded.problem: Tick.RECEIVED}
    phone.apply_pull(late, page(late, after={BAKALAN: cursor(1)}))
    assert phone.ticks() == {recorded.problem: Tick.RECEIVED}, "that page was asked for before the push"

    pulling = phone.pull_request()
    answer = page(pulling, document(2, id=recorded.problem), after={BAKALAN: cursor(2)})
    phone.apply_pull(pulling, answer)
    (problem,) = phone.problems()
    assert (problem.pending, problem.document) == ((), answer["documents"][0])
    phone.record("edit", {"title": "Saluran RW 02 tersumbat lagi"}, problem=recorded.problem)
    (problem,) = phone.problems()
    assert (problem.title, problem.tick) == ("Saluran RW 02 tersumbat lagi", Tick.RECORDED)


def test_the_newest_problem_is_shown_first(phone: Phone, clock: SettableClock) -> None:
    old = document(1, id="ffffffff-ffff-7fff-bfff-ffffffffffff", created_at="2026-03-01T02:00:00Z")
    older = document(2, created_at="2026-02-28T02:00:00Z")
    request = phone.pull_request()
    phone.apply_pull(request, page(request, older, old, after={BAKALAN: cursor(2)}))
    first = phone.record("report", REPORT)
    clock.advance(timedelta(minutes=1))
    second = phone.record("report", REPORT)
    assert [each.id for each in phone.problems()] == [second.problem, first.problem, old["id"], older["id"]]


def test_ticks_follow_the_receipts(phone: Phone) -> None:
    noted, held_there, opened, here = (document(position) for position in (1, 2, 3, 4))
    request = phone.pull_request()
    receipt = {BAKALAN: {"delivered": 2, "acknowledged": 1, "read": [opened["id"]]}}
    phone.apply_pull(
        request, page(request, noted, held_there, opened, here, after={BAKALAN: cursor(4)}, receipts=receipt)
    )
    assert phone.ticks() == {
        noted["id"]: Tick.ACKNOWLEDGED,
        held_there["id"]: Tick.DELIVERED,
        opened["id"]: Tick.DELIVERED,
        here["id"]: Tick.RECEIVED,
    }


def test_what_was_done_since_a_delivered_document_is_not_delivered_yet(phone: Phone) -> None:
    known = document(1)
    receipt = {BAKALAN: {"delivered": 1, "acknowledged": 0, "read": []}}
    request = phone.pull_request()
    phone.apply_pull(request, page(request, known, after={BAKALAN: cursor(1)}, receipts=receipt))
    assert phone.ticks() == {known["id"]: Tick.DELIVERED}
    phone.record("comment", {"text": "Sudah dicek."}, problem=known["id"])
    assert phone.ticks() == {known["id"]: Tick.RECORDED}
    request = asked(phone)
    phone.apply_push(request, outcomes(request))
    assert phone.ticks() == {known["id"]: Tick.RECEIVED}


# -- the server is set back ------------------------------------------------------------------------------------------


def accepted(phone: Phone, count: int) -> list[str]:
    recorded = [phone.record("report", REPORT).operation for _ in range(count)]
    request = asked(phone)
    phone.apply_push(request, outcomes(request))
    return recorded


def test_a_push_that_meets_a_rewound_server_sends_again_what_is_retained(phone: Phone) -> None:
    before = accepted(phone, 3)
    new = phone.record("report", REPORT).operation
    request = asked(phone)
    phone.apply_rewound(request, 1)
    again = asked(phone)
    assert (again.operations, again.body["last_accepted"]) == ([*before, new], 1)

    phone.apply_push(again, outcomes(again))
    phone.apply_rewound(request, 1)
    assert phone.outbox() == [], "the same refusal once more changes nothing"


def test_a_pull_that_meets_a_rewound_server_sends_again_what_is_retained(phone: Phone) -> None:
    before = accepted(phone, 2)
    request = phone.pull_request()
    answer = page(request, resync={BAKALAN: "rewound"}, after={BAKALAN: cursor(1)}, device={"accepted": 1})
    assert phone.apply_pull(request, answer).rewound
    assert (asked(phone).operations, asked(phone).body["last_accepted"]) == (before, 1)


def test_a_pull_that_meets_a_server_which_took_less_sends_again_what_is_retained(phone: Phone) -> None:
    """Its logs were read no further than the backup goes, so that no cursor tells."""
    late = phone.pull_request()
    before = accepted(phone, 2)
    phone.apply_pull(late, page(late))
    assert phone.push_request() is None, "it was asked before the push, and knew no better"
    request = phone.pull_request()
    assert phone.apply_pull(request, page(request, device={"accepted": 1})).rewound
    assert (asked(phone).operations, asked(phone).body["last_accepted"]) == (before, 1)


def test_a_pull_that_meets_a_server_without_the_last_operation_sends_again_what_is_retained(phone: Phone) -> None:
    """It was set back, and has given the number to a copy of this phone since."""
    before = accepted(phone, 2)
    request = phone.pull_request()
    assert request.body["device"]["last_operation"] == before[-1]
    assert phone.apply_pull(request, page(request, device={"accepted": 2, "safe": 2, "rewound": True})).rewound
    again = asked(phone)
    assert (again.operations, again.body["device"]["last_operation"]) == (before, None)


def test_another_view_sends_nothing_again(phone: Phone) -> None:
    accepted(phone, 2)
    request = phone.pull_request()
    phone.apply_pull(request, page(request, resync={BAKALAN: "view"}, after={BAKALAN: cursor(1)}))
    assert phone.push_request() is None


def test_an_answer_from_before_the_rewinding_settles_nothing(phone: Phone) -> None:
    phone.record("report", REPORT)
    request = asked(phone)
    late = outcomes(request)
    phone.apply_rewound(asked(phone), 0)
    phone.apply_push(request, late)
    assert asked(phone).operations == request.operations


def test_operations_are_kept_until_they_are_in_a_backup_or_old(phone: Phone) -> None:
    kept = accepted(phone, 2)
    other = phone.record("report", REPORT)
    request = asked(phone)
    phone.apply_push(request, outcomes(request, 3, became=refused))

    def retained(**said: Any) -> list[str]:
        request = phone.pull_request()
        phone.apply_pull(request, page(request, **said))
        return [row["id"] for row in phone.store.rows("SELECT id FROM operation ORDER BY sequence")]

    assert retained() == [*kept, other.operation]
    assert retained(device={"safe": 1}) == [kept[1], other.operation]
    assert retained(device={"safe": 3}) == [other.operation], "its author has to see a refusal"
    assert retained(at=MONDAY_MORNING + timedelta(days=30)) == [other.operation]
    assert retained(at=MONDAY_MORNING + timedelta(days=30, seconds=1)) == []


def test_what_is_safe_and_told_by_no_document_yet_is_still_shown(phone: Phone) -> None:
    before = phone.pull_request()
    accepted(phone, 1)
    phone.apply_pull(before, page(before, device={"safe": 1}))
    assert list(phone.ticks().values()) == [Tick.RECEIVED]


def test_a_photo_is_kept_until_a_backup_that_began_after_its_last_byte(phone: Phone) -> None:
    def safe(number: int) -> int:
        request = phone.pull_request()
        phone.apply_pull(request, page(request, device={"safe": number}))
        return len(phone.store.rows("SELECT 1 FROM photo_bytes"))

    recorded = phone.attach(str(new_id()), b"bytes of a photo")
    request = asked(phone)
    phone.apply_push(request, outcomes(request))
    assert recorded.photo is not None
    assert safe(1) == 1, "its bytes have not arrived"
    phone.photo_sent(recorded.photo)
    assert safe(1) == 1, "that backup may be older than they are"
    phone.record("report", REPORT)
    request = asked(phone)
    phone.apply_push(request, outcomes(request, 2))
    assert safe(1) == 1
    assert safe(2) == 0


# -- who holds it ----------------------------------------------------------------------------------------------------


def test_logging_in_again_keeps_everything_and_somebody_else_may_not(phone: Phone) -> None:
    device = phone.pull_request().body["device"]["id"]
    phone.record("report", REPORT)
    with pytest.raises(OtherAccount):
        phone.adopt("http://testserver", "lurah.bakalan", LOGGED_IN, "HP")
    phone.adopt("http://testserver", "operator.bakalan", LOGGED_IN | {"token": "baru"}, "HP")
    assert phone.store.setting("token") == "baru"
    assert phone.pull_request().body["device"]["id"] == device
    assert len(phone.outbox()) == 1


def test_a_revoked_phone_holds_nothing(phone: Phone) -> None:
    recorded = accepted(phone, 1)
    phone.attach(str(new_id()), b"rahasia-foto" * 1000)
    late = asked(phone)
    phone.erase()
    phone.apply_push(late, outcomes(late))
    with pytest.raises(NoPost):
        phone.record("report", REPORT)
    assert (phone.outbox(), phone.problems(), phone.post) == ([], [], None)
    assert phone.store.rows("SELECT * FROM setting") == [], "an answer that comes later leaves nothing either"
    left = b"".join(file.read_bytes() for file in phone.store.file.parent.glob("phone.db*"))
    for secret in (b"rahasia-foto", b"uji-token", recorded[0].encode(), b"Saluran"):
        assert secret not in left


def test_a_photo_is_kept_with_the_operation_that_tells_of_it(phone: Phone) -> None:
    report = phone.record("report", REPORT)
    recorded = phone.attach(report.problem, b"bytes of a photo")
    (_, operation) = asked(phone).body["operations"]
    assert operation["verb"] == "attach"
    sha256 = hashlib.sha256(b"bytes of a photo").hexdigest()
    assert operation["data"] == {"photo": recorded.photo, "sha256": sha256, "size": 16}
    with pytest.raises(ValueError, match="empty"):
        phone.attach(report.problem, b"")
