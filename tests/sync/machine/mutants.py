"""Seeded faults, each a mistake that others made or could make: the machine must notice every one of them.

A mutant changes the running app or the running phone and nothing else; neither the acts nor the oracle knows of any.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.client import documents, outbox
from app.client.outbox import moment
from app.client.phone import Phone
from app.client.store import Store
from app.client.words import Pulled, Request
from app.journal.models import LogHead
from app.kit.database import Database, insert_rows, resolving_insert, write_rows
from app.kit.refusals import Refusal
from app.people.actors import Actor
from app.problems import actions
from app.problems.lifecycle import steps
from app.problems.lifecycle.merging import Merge
from app.sync import cursors
from app.sync.actions import contact, push
from app.sync.models import Quarantined, SyncOperation
from app.sync.queries import pull
from app.sync.routes import exchange
from app.sync.words import Outcome, Resync

Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]

# -- the server ------------------------------------------------------------------------------------------------------


def nothing_is_known_by_its_id(patch: Patch) -> None:
    """What comes again is done again."""

    def insert(session: Any, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        write_rows(session, resolving_insert(session, table).on_conflict_do_nothing(), list(rows))

    patch.setattr(push._Batch, "_known", lambda batch, operations: {})
    patch.setattr(push, "insert_rows", insert)


def a_cut_page_moves_its_cursor_to_the_head(patch: Patch) -> None:
    whole = pull._Page.read

    def read(page: Any, log: pull.Log, after: int) -> None:
        whole(page, log, after)
        if log.code in page.unfinished:
            page.unfinished.remove(log.code)
            page.after[log.code] = log.head

    patch.setattr(pull._Page, "read", read)


def the_head_is_read_in_a_later_statement(patch: Patch) -> None:
    """And each statement sees what was committed before it."""
    whole = pull._Page.read

    def read(page: Any, log: pull.Log, after: int) -> None:
        whole(page, log, after)
        if log.code not in page.unfinished and not page._work.caller.kind.in_agency:
            head = page._work.session.scalar(select(col(LogHead.position)).where(col(LogHead.log) == log.code))
            page.after[log.code] = head or page.after[log.code]

    @contextmanager
    def snapshot(database: Database) -> Any:
        with database._translated(), database._reading.connect() as connection:
            if database.is_sqlite:
                connection.exec_driver_sql("COMMIT")
            with database._session(connection) as session:
                yield session
            if database.is_sqlite:
                connection.exec_driver_sql("BEGIN")

    patch.setattr(pull._Page, "read", read)
    patch.setattr(Database, "snapshot", snapshot)


def what_is_moved_leaves_no_mark(patch: Patch) -> None:
    whole = actions._Desk._sights

    def sights(desk: Any, after: Any) -> Any:
        return {place: seen for place, seen in whole(desk, after).items() if place[1] == after.area_code}

    patch.setattr(actions._Desk, "_sights", sights)


def an_agency_goes_on_seeing_what_was_revoked(patch: Patch) -> None:
    whole = actions._Desk._sights

    def sights(desk: Any, after: Any) -> Any:
        return {place: seen for place, seen in whole(desk, after).items() if place[1] != after.area_code or not seen[1]}

    patch.setattr(actions._Desk, "_sights", sights)


def the_check_of_a_cursor_is_ignored(patch: Patch) -> None:
    patch.setattr(cursors, "_fact", lambda log, position, standing: "0" * 6)


def the_floor_is_ignored(patch: Patch) -> None:
    whole = cursors.fault

    def fault(cursor: Any, log: str, head: int, floor: int, standing: Any, actor: Actor) -> Resync | None:
        return whole(cursor, log, head, 0, standing, actor)

    patch.setattr(cursors, "fault", fault)


def the_last_writer_wins(patch: Patch) -> None:
    merge = Merge(None, is_merged=False, kept_back={})
    patch.setattr(actions._Desk, "_merged", lambda desk, problem, intent, base: replace(merge, said=intent.said))


def a_batch_is_done_whole_or_not_at_all(patch: Patch) -> None:
    whole = actions.perform_merging

    def perform(*given: Any) -> Any:
        outcomes = whole(*given)
        for each in outcomes:
            if isinstance(each, Refusal) and not isinstance(each, actions.Held):
                raise each
        return outcomes

    patch.setattr(push, "perform_merging", perform)


def nothing_waits_behind_what_was_refused(patch: Patch) -> None:
    patch.setattr(actions._Desk, "_waits", lambda desk, intent, problem: False)


def what_is_refused_is_forgotten(patch: Patch) -> None:
    patch.setattr(push, "insert_rows", _without(Quarantined, lambda row: True))


def an_outcome_is_not_stored_with_its_effect(patch: Patch) -> None:
    patch.setattr(push, "insert_rows", _without(SyncOperation, lambda row: row["outcome"] is Outcome.APPLIED))


def _without(table: Any, is_left_out: Callable[[Mapping[str, Any]], bool]) -> Any:
    whole = insert_rows

    def insert(session: Any, into: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        kept = [each for each in rows if into is not table or not is_left_out(each)]
        if kept:
            whole(session, into, kept)

    return insert


def what_was_sent_counts_as_delivered(patch: Patch) -> None:
    whole = pull.pull

    def pulled(work: Any, said: Any) -> Any:
        answer = whole(work, said)
        if work.caller.kind in ("staff", "camat"):
            answer.held |= {log: cursors.read(cursor).position for log, cursor in answer.body["after"].items()}
        return answer

    patch.setattr(exchange, "pull", pulled)


def a_server_that_was_set_back_takes_no_notice(patch: Patch) -> None:
    """Of a device that was told more than the server knows by now, neither in a push nor in a pull."""

    def state_of(*given: Any) -> Any:
        return contact.state_of(*given).model_copy(update={"accepted": 2**31 - 1, "rewound": False})

    patch.setattr(push._Batch, "_is_rewound", lambda batch, device, known: False)
    patch.setattr(exchange, "state_of", state_of)


def rights_are_those_of_the_day_of_recording(patch: Patch) -> None:
    patch.setattr(push, "_is_held", lambda post, now: True)


def steps_are_done_wherever_a_problem_stands(patch: Patch) -> None:
    for room in (steps, actions):
        patch.setattr(room, "check", lambda problem, verb, context: None)
        patch.setattr(room, "check_part", lambda problem, part, verb: None)


# -- the phone -------------------------------------------------------------------------------------------------------


def the_cursor_is_stored_before_the_page(patch: Patch) -> None:
    whole = documents.apply_page

    def apply(store: Store, post: str, answer: Mapping[str, Any]) -> list[str]:
        documents._store_cursors(store, post, answer["after"])
        store.connection.execute("COMMIT")
        store.connection.execute("BEGIN IMMEDIATE")
        return whole(store, post, answer)

    patch.setattr(documents, "apply_page", apply)


def what_is_gone_is_removed_wherever_it_is(patch: Patch) -> None:
    whole = documents.apply_page

    def apply(store: Store, post: str, answer: Mapping[str, Any]) -> list[str]:
        wrong = whole(store, post, answer)
        for each in answer["gone"]:
            store.connection.execute("DELETE FROM document WHERE post = ? AND id = ?", (post, each["id"]))
        return wrong

    patch.setattr(documents, "apply_page", apply)


def an_answer_is_taken_however_late(patch: Patch) -> None:
    whole = Phone.apply_pull

    def apply(phone: Phone, request: Request, answer: dict[str, Any]) -> Pulled:
        return whole(phone, request, answer | {"from": documents.cursors(phone.store, str(request.post))})

    patch.setattr(Phone, "apply_pull", apply)


def nothing_is_swept_after_reading_anew(patch: Patch) -> None:
    patch.setattr(documents, "_sweep", lambda store, post, answer: None)


def the_scope_is_ignored(patch: Patch) -> None:
    patch.setattr(documents, "_leave_other_logs", lambda store, post, scope: None)


def the_outbox_is_emptied_when_it_is_sent(patch: Patch) -> None:
    whole = Phone.push_request

    def request(phone: Phone, **given: Any) -> Request | None:
        made = whole(phone, **given)
        if made is not None:
            with phone.store.change() as connection:
                connection.execute(
                    "UPDATE operation SET outcome = 'applied', answered_at = ? "
                    "WHERE id IN (SELECT value FROM json_each(?))",
                    (moment(phone._clock()), json.dumps(made.operations)),
                )
        return made

    patch.setattr(Phone, "push_request", request)


def what_is_retained_is_not_sent_again(patch: Patch) -> None:
    patch.setattr(outbox, "take_back", lambda store: None)


def what_was_taken_is_not_retained(patch: Patch) -> None:
    whole = outbox.forget
    patch.setattr(outbox, "forget", lambda store, safe, now: whole(store, 2**31, now))


def what_is_held_is_asked_for_once(patch: Patch) -> None:
    patch.setattr(outbox, "ask_again", lambda store: None)


def a_replayed_outcome_counts_for_nothing(patch: Patch) -> None:
    whole = outbox.settle

    def settle(store: Store, outcomes: Sequence[dict[str, Any]], at: str) -> int:
        return whole(store, [each for each in outcomes if not each["replayed"]], at)

    patch.setattr(outbox, "settle", settle)


def documents_of_every_post_are_kept(patch: Patch) -> None:
    patch.setattr(documents, "leave_posts", lambda store, held: None)


SERVER: tuple[Mutant, ...] = (
    nothing_is_known_by_its_id,
    a_cut_page_moves_its_cursor_to_the_head,
    the_head_is_read_in_a_later_statement,
    what_is_moved_leaves_no_mark,
    an_agency_goes_on_seeing_what_was_revoked,
    the_check_of_a_cursor_is_ignored,
    the_floor_is_ignored,
    the_last_writer_wins,
    a_batch_is_done_whole_or_not_at_all,
    nothing_waits_behind_what_was_refused,
    what_is_refused_is_forgotten,
    an_outcome_is_not_stored_with_its_effect,
    what_was_sent_counts_as_delivered,
    a_server_that_was_set_back_takes_no_notice,
    rights_are_those_of_the_day_of_recording,
    steps_are_done_wherever_a_problem_stands,
)
PHONE: tuple[Mutant, ...] = (
    the_cursor_is_stored_before_the_page,
    what_is_gone_is_removed_wherever_it_is,
    an_answer_is_taken_however_late,
    nothing_is_swept_after_reading_anew,
    the_scope_is_ignored,
    the_outbox_is_emptied_when_it_is_sent,
    what_is_retained_is_not_sent_again,
    what_was_taken_is_not_retained,
    what_is_held_is_asked_for_once,
    a_replayed_outcome_counts_for_nothing,
    documents_of_every_post_are_kept,
)
