"""What comes down is applied whole or not at all, and only where it answers what was asked."""

import json
import signal
import sqlite3
import subprocess
import sys
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from app.client.phone import Phone
from app.client.words import Pulled
from app.kit.ids import new_id
from tests.client.answers import BAKALAN, KRAMPYANGAN, LOGGED_IN, cursor, document, page
from tests.conftest import MONDAY_MORNING, SettableClock

BOTH = (BAKALAN, KRAMPYANGAN)


def shown(phone: Phone) -> set[str]:
    return {each.id for each in phone.problems()}


def pull(phone: Phone, *documents: dict[str, Any], **other: Any) -> Pulled:
    request = phone.pull_request()
    return phone.apply_pull(request, page(request, *documents, **other))


def test_a_page_and_its_cursor_are_stored(phone: Phone) -> None:
    drain = document(57)
    pulled = pull(phone, drain, after={BAKALAN: cursor(57)})
    assert (pulled.applied, pulled.moved, pulled.more, pulled.documents) == (True, True, False, 1)
    assert phone.pull_request().body["after"] == {BAKALAN: cursor(57)}
    (problem,) = phone.problems()
    assert problem.document == drain


def test_a_log_that_an_answer_does_not_name_keeps_its_cursor(phone: Phone) -> None:
    pull(phone, scope=BOTH, after={BAKALAN: cursor(1), KRAMPYANGAN: cursor(2)})
    pull(phone, scope=BOTH, after={KRAMPYANGAN: cursor(3)})
    assert phone.pull_request().body["after"] == {BAKALAN: cursor(1), KRAMPYANGAN: cursor(3)}


def test_an_answer_that_comes_twice_or_late_changes_nothing(phone: Phone) -> None:
    request = phone.pull_request()
    first = page(request, document(1), after={BAKALAN: cursor(1)})
    assert phone.apply_pull(request, first).applied
    newer = document(2, id=first["documents"][0]["id"], title="Saluran dikeruk")
    pull(phone, newer, after={BAKALAN: cursor(2)})

    assert not phone.apply_pull(request, first).applied
    assert [each.title for each in phone.problems()] == ["Saluran dikeruk"]
    assert phone.pull_request().body["after"] == {BAKALAN: cursor(2)}


def test_documents_without_their_cursor_are_not_stored(phone: Phone) -> None:
    """The disk fails between the page and the cursor."""
    phone.store.connection.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON cursor BEGIN SELECT raise(ABORT, 'full'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        pull(phone, document(1), after={BAKALAN: cursor(1)})
    assert phone.problems() == []
    phone.store.connection.execute("DROP TRIGGER full")
    assert pull(phone, document(1), after={BAKALAN: cursor(1)}).documents == 1


def test_gone_removes_the_copy_that_stands_lower_in_that_log_and_no_other(phone: Phone) -> None:
    left, moved, back = document(1), document(2), document(3)
    low, high = 4, 8
    pull(phone, left, moved, back, scope=BOTH, after={BAKALAN: cursor(3)})
    arrived = document(low, id=moved["id"], log=KRAMPYANGAN)
    returned = document(high, id=back["id"])
    gone = [
        {"log": BAKALAN, "id": each["id"], "position": position}
        for position, each in ((5, left), (6, moved), (7, back))
    ]
    pull(phone, arrived, returned, gone=gone, scope=BOTH, after={BAKALAN: cursor(high), KRAMPYANGAN: cursor(low)})
    assert shown(phone) == {moved["id"], back["id"]}


def test_a_resync_sweeps_what_did_not_come_again_once_the_log_is_read(phone: Phone) -> None:
    kept, lost = document(1), document(2)
    pull(phone, kept, lost, after={BAKALAN: cursor(2)})

    first = pull(
        phone, kept, resync={BAKALAN: "view"}, unfinished=[BAKALAN], after={BAKALAN: cursor(1, "000000000000")}
    )
    assert first.more
    assert shown(phone) == {kept["id"], lost["id"]}, "nothing is swept before the log is read to its end"
    pull(phone, document(3), after={BAKALAN: cursor(3, "000000000000")})
    assert lost["id"] not in shown(phone)
    assert len(shown(phone)) == 2


def test_marks_outlast_a_restart(phone: Phone, clock: SettableClock) -> None:
    lost = document(1)
    pull(phone, lost, after={BAKALAN: cursor(1)})
    pull(phone, resync={BAKALAN: "floor"}, unfinished=[BAKALAN])
    assert phone.pull_request().body["after"] == {}, "without a new cursor the log is read from its start"

    restarted = Phone(type(phone.store)(phone.store.file), clock, new_id)
    pull(restarted, document(2), after={BAKALAN: cursor(2)})
    assert lost["id"] not in shown(restarted)
    restarted.store.close()


def test_nothing_is_swept_of_a_log_that_was_not_begun(phone: Phone) -> None:
    kept = document(1)
    pull(phone, kept, after={BAKALAN: cursor(1)})
    pull(phone, resync={BAKALAN: "view"})
    assert shown(phone) == {kept["id"]}


def test_a_sweep_leaves_what_arrived_from_another_log(phone: Phone) -> None:
    moved = document(1)
    pull(phone, moved, scope=BOTH, after={BAKALAN: cursor(1), KRAMPYANGAN: cursor(1)})
    arrived = document(2, id=moved["id"], log=KRAMPYANGAN)
    after = {BAKALAN: cursor(4), KRAMPYANGAN: cursor(2)}
    pull(phone, arrived, resync={BAKALAN: "view"}, scope=BOTH, after=after)
    assert shown(phone) == {moved["id"]}


def test_logs_out_of_scope_are_left_and_the_outbox_is_kept(phone: Phone) -> None:
    pull(phone, document(1), document(2, log=KRAMPYANGAN), scope=BOTH, after={each: cursor(2) for each in BOTH})
    phone.record("comment", {"text": "Sudah dicek."}, problem=str(new_id()))
    pull(phone, scope=[BAKALAN])
    assert [each.area for each in phone.problems() if each.document] == [BAKALAN]
    assert phone.pull_request().body["after"] == {BAKALAN: cursor(2)}
    assert len(phone.outbox()) == 1


def test_what_ended_more_than_ninety_days_ago_is_dropped(phone: Phone) -> None:
    ended = document(1, state="resolved", ended_at="2026-03-01T09:00:00+07:00")
    pull(phone, ended, after={BAKALAN: cursor(1)})
    day = MONDAY_MORNING.replace(day=1) + timedelta(days=90)
    pull(phone, at=day)
    assert shown(phone) == {ended["id"]}
    pull(phone, at=day + timedelta(seconds=1))
    assert shown(phone) == set()


def test_each_post_has_its_own_documents_and_cursors(phone: Phone) -> None:
    area = {"code": KRAMPYANGAN, "name": "Krampyangan"}
    acting: dict[str, Any] = {"id": str(new_id()), "kind_label": "Plt Lurah", "area": area, "agency": None}
    phone.hold_posts([*LOGGED_IN["posts"], acting])
    asked = phone.pull_request()
    answer = page(asked, document(1), after={BAKALAN: cursor(1)})
    phone.use_post(acting["id"])
    assert phone.pull_request().body["after"] == {}
    assert phone.apply_pull(asked, answer).applied, "the answer is for the post that asked"
    assert phone.problems() == []
    assert phone.pull_request().body["after"] == {}

    late = page(asked)
    phone.use_post(LOGGED_IN["posts"][0]["id"])
    assert len(phone.problems()) == 1
    phone.hold_posts([acting])
    assert phone.post == acting["id"]
    assert not phone.apply_pull(asked, late).applied, "for a post that is no longer held nothing is stored"


def test_a_digest_that_differs_has_the_log_read_anew(phone: Phone, clock: SettableClock) -> None:
    assert phone.pull_request().body["digest"]
    drain = document(1, version=4)
    pulled = pull(phone, drain, after={BAKALAN: cursor(1)}, digest={BAKALAN: {"live": 1, "versions": 4}})
    assert (pulled.mismatched, pulled.more) == ((), False)
    assert not phone.pull_request().body["digest"], "it is asked for once a day"

    clock.advance(timedelta(days=1))
    assert phone.pull_request().body["digest"]
    pulled = pull(phone, digest={BAKALAN: {"live": 2, "versions": 5}})
    assert (pulled.mismatched, pulled.more) == ((BAKALAN,), True)
    assert phone.pull_request().body["after"] == {}
    missed = document(2)
    pull(phone, missed, after={BAKALAN: cursor(2)})
    assert shown(phone) == {missed["id"]}


KILLED_BEFORE_THE_CURSOR = """
import json, os, signal, sys
from pathlib import Path
from app.client.phone import Phone
from app.client.store import Store
from app.client.words import Request
from app.kit.clock import system_clock
from app.kit.ids import new_id

store = Store(Path(sys.argv[1]))
store.connection.create_function("killed", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
store.connection.execute("CREATE TEMP TRIGGER power BEFORE INSERT ON cursor BEGIN SELECT killed(); END")
asked, answer = json.load(sys.stdin)
Phone(store, system_clock, new_id).apply_pull(Request(**asked), answer)
"""


def test_a_phone_killed_between_page_and_cursor_has_neither(phone: Phone) -> None:
    request = phone.pull_request()
    answer = page(request, document(1), document(2), after={BAKALAN: cursor(2)})
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_THE_CURSOR, str(phone.store.file)],
        input=json.dumps([asdict(request), answer]),
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert phone.problems() == []
    assert phone.pull_request().body["after"] == {}
    assert phone.apply_pull(request, answer).documents == 2
