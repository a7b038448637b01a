"""What becomes of the rows of a register."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlmodel import col

from app.journal.facts import Recorded
from app.journal.models import Administration, Entry, LogHead
from app.kit.house import Work
from app.people.models import Post
from app.problems.actions import make_round
from app.problems.models import ProblemRow
from app.problems.schemas.steps import Reject, Withdraw
from app.problems.words import AssignmentState, Closing, Rejection, Resolution, Source, State
from app.registers import actions
from app.registers.actions import Order, import_problems
from app.registers.models import ImportRun, TakenRow
from app.registers.queries import PostUnknown, PostVacant
from tests.conftest import SettableClock
from tests.registers.registers import MAPPING, MONITOR, WITHOUT_ZONE, Clerk, reasons, row
from tests.town import Town

REPORTED = datetime(2026, 1, 5, 2, 30, tzinfo=UTC)
ANSWERED = datetime(2026, 1, 7, 8, 0, tzinfo=UTC)
BEGUN = ["reported", "forwarded"]
BY_AGENCY = [*BEGUN, "accepted", "assigned", "assignment_accepted", "assignment_started", "assignment_finished"]


# -- who handled it --------------------------------------------------------------------------------------------------


def test_what_an_agency_answered_is_assigned_done_and_confirmed(clerk: Clerk) -> None:
    told = clerk.takes(row(1, uraian="Saluran tersumbat.\nAir meluap ke jalan."))
    assert (told.taken, told.refused, told.states) == (1, [], {State.RESOLVED: 1})
    assert clerk.kinds(1) == [*BY_AGENCY, "confirmed"]
    problem = clerk.problem(1)
    assert problem.title == "Saluran tersumbat. Air meluap ke jalan."
    assert problem.description == "Saluran tersumbat.\nAir meluap ke jalan."
    assert (problem.source, problem.source_ref, problem.origin) == (Source.RESIDENT, "A-1", "import:1")
    assert (problem.resolution, problem.seen_on.isoformat()) == (Resolution.SERVED, "2026-01-05")
    assert [(part.agency_code, part.state) for part in problem.assignments] == [("PUPR", AssignmentState.DONE)]


def test_what_the_agency_has_not_answered_lies_on_its_desk(clerk: Clerk) -> None:
    told = clerk.takes(row(1, dijawab=""), row(2, dijawab="", ditangani="PJU"))
    assert told.states == {State.ASSIGNED: 2}
    assert clerk.kinds(1) == BY_AGENCY[:4]
    assert [clerk.problem(number).desk for number in (1, 2)] == ["agency:PUPR", "agency:DISHUB"]


def test_an_agency_without_accounts_is_moved_by_hand_and_the_row_stands_for_its_letter(clerk: Clerk) -> None:
    clerk.takes(row(1, ditangani="PT PLN (Persero)"))
    assert clerk.problem(1).state is State.RESOLVED
    letters = {each.data["letter"] for each in clerk.entries(1) if each.kind.startswith("assignment_")}
    assert letters == {"buku-aduan A-1"}


def test_a_kelurahan_itself_handles_it_before_the_kecamatan_accepts(clerk: Clerk) -> None:
    told = clerk.takes(row(1, ditangani="Kelurahan Bakalan"), row(2, ditangani="Kelurahan Bakalan", dijawab=""))
    assert clerk.kinds(1)[:4] == [*BEGUN, "handled_locally", "finished"]
    assert told.states == {State.RESOLVED: 1, State.HANDLED_LOCALLY: 1}
    still_open = clerk.problem(2)
    assert still_open.desk == "kelurahan:35.75.03.1005"
    assert still_open.accepted_at is None
    assert still_open.due_at is not None
    assert still_open.target_on == still_open.due_at.astimezone(UTC).date(), "there is as much time as by the limits"


def test_local_work_that_the_kecamatan_would_look_at_is_confirmed(clerk: Clerk) -> None:
    clerk.takes(row(1, ditangani="Kelurahan Bakalan", jenis="pungli"))
    assert clerk.kinds(1) == [*BEGUN, "handled_locally", "finished", "confirmed"]
    assert clerk.problem(1).state is State.RESOLVED


def test_a_kecamatan_takes_it_up(clerk: Clerk) -> None:
    told = clerk.takes(
        row(1, ditangani="Kecamatan Bugul Kidul"), row(2, ditangani="kecamatan  bugul kidul", dijawab="")
    )
    assert clerk.kinds(1) == [*BEGUN, "accepted", "taken_up", "finished", "confirmed"]
    assert told.states == {State.RESOLVED: 1, State.IN_PROGRESS: 1}
    assert clerk.problem(2).desk == "kecamatan:35.75.03"


def test_what_nobody_was_given_waits_at_the_kecamatan(clerk: Clerk) -> None:
    told = clerk.takes(row(1, ditangani=""))
    assert clerk.kinds(1) == [*BEGUN, "accepted"]
    assert told.states == {State.ACCEPTED: 1}, "an answer alone says not who did what"


def test_an_emergency_of_the_past_goes_the_ordinary_way_and_alarms_nobody(clerk: Clerk) -> None:
    clerk.takes(row(1, jenis="banjir"))
    (reported, *_) = clerk.entries(1)
    assert clerk.kinds(1) == [*BY_AGENCY, "confirmed"]
    assert "told" not in reported.data
    assert "alerted_agency" not in reported.data


# -- whose facts they are --------------------------------------------------------------------------------------------


def test_facts_name_the_import_the_post_behind_it_and_both_clocks(clerk: Clerk, clock: SettableClock) -> None:
    clerk.takes(row(1))
    author = {"name": "Impor 1", "post": "import:1", "acting": False, "on_behalf_of": MONITOR}
    entries = clerk.entries(1)
    assert [each.author for each in entries] == [author] * 8
    assert [each.account_id for each in entries] == [None] * 8
    assert {each.at for each in entries} == {clock.now}
    assert [each.happened_at for each in entries] == [REPORTED] * 4 + [ANSWERED] * 4


async def test_people_read_it_like_any_other_problem(clerk: Clerk, town: Town) -> None:
    clerk.takes(row(1), row(2, dijawab=""))
    lurah, officer = town.lurah("Bakalan"), town.officer("PUPR")
    problem = town.good(await lurah.get(f"/problems/{clerk.id_of(1)}"), 200)
    assert (problem["state"], problem["origin"], problem["lead"]) == ("resolved", "import:1", "PUPR")
    history = town.good(await lurah.get(f"/problems/{clerk.id_of(1)}/history"), 200)["items"]
    assert [each["kind"] for each in history] == [*BY_AGENCY, "confirmed"]
    assert {each["by"]["post_label"] for each in history} == {"Impor"}
    assert {each["by"]["on_behalf_of"] for each in history} == {MONITOR}
    assert history[-2]["data"]["proof_omitted"] is True
    still_open = town.good(await officer.get(f"/problems/{clerk.id_of(2)}"), 200)
    assert still_open["next_step"]["desk"] == "agency:PUPR"
    await officer.part(still_open, "accept")
    assert clerk.kinds(2)[-1] == "assignment_accepted"


def test_the_id_tells_the_time_of_the_report(clerk: Clerk) -> None:
    clerk.takes(row(1))
    found = clerk.id_of(1)
    assert (found.version, found.int >> 80) == (7, int(REPORTED.timestamp() * 1000))


def test_an_import_is_not_the_system(clerk: Clerk) -> None:
    clerk.takes(row(1), row(2, ditangani="Kecamatan Bugul Kidul"))
    assert not [each.kind for number in (1, 2) for each in clerk.entries(number) if "automatic" in each.data]


def test_what_it_omits_is_marked_and_counted(clerk: Clerk) -> None:
    told = clerk.takes(row(1, alamat=""), row(2), row(3, ditangani="Kelurahan Bakalan", alamat="", jenis="lain"))
    marks = {
        number: {(each.kind, name) for each in clerk.entries(number) for name in each.data if name.endswith("_omitted")}
        for number in (1, 2, 3)
    }
    assert marks == {
        1: {("reported", "place_omitted"), ("assignment_finished", "proof_omitted")},
        2: {("assignment_finished", "proof_omitted")},
        3: {("reported", "place_omitted")},  # its category asks for no proof
    }
    assert told.remarks == {"place_omitted": 2}


def test_nobody_who_sends_or_reminds_need_mistake_history_for_news(clerk: Clerk) -> None:
    heard: list[Recorded] = []

    def subscriber(_work: Work[Any], facts: Sequence[Recorded]) -> None:
        heard.extend(facts)

    listening = Clerk(replace(clerk.house, subscribers=(subscriber,)), clerk.folder)
    listening.takes(row(1), row(2, ditangani="Kelurahan Bakalan", dijawab=""), row(3, sama_dengan="A-1"))
    assert len(heard) == sum(len(listening.entries(number)) for number in (1, 2, 3))
    assert all(each.author.is_import for each in heard)
    heard.clear()
    listening.does(2, Withdraw(verb="withdraw", reason="Keliru."))
    assert [(each.fact.kind, each.author.is_import) for each in heard] == [("withdrawn", False)]


# -- refused rows ----------------------------------------------------------------------------------------------------


def test_a_row_is_refused_with_its_line_and_a_reason_that_repeats_nothing_of_it(clerk: Clerk) -> None:
    secret = "Rahasia"
    told = clerk.takes(
        row(1, kelurahan=""),
        row(2, kelurahan=secret),
        row(3, kelurahan="35.75.03.1099"),
        row(4, kelurahan="35.78.01.1001"),
        row(5, ditangani=f"Dinas {secret}"),
        row(6, tanggal=f"{secret} 2026"),
        row(7, tanggal="2026-03-02 09:01"),
        row(8, tanggal=""),
        row(9, tanggal="1815-06-18 11:30"),
        row(10, tanggal="0001-01-01 00:00"),
        row(11, dijawab="kemarin"),
        row(12, uraian=""),
        row(13, uraian=secret * 1200),
        row(14),
        row(14),
        row("", no=""),
        row("", no="x" * 101),
        row(18, uraian="ok"),
    )
    assert reasons(told) == {
        2: "area: empty",
        3: "area: unknown, or outside 35.75",
        4: "area: no kelurahan or desa in force has this code",
        5: "area: unknown, or outside 35.75",
        6: "handled_by: no agency of the city that is active has this name or code",
        7: "reported_at: not a time written as 2026-03-02 09:30",
        8: "reported_at: lies in the future",
        9: "reported_at: empty",
        10: "reported_at: before 1970",
        11: "reported_at: outside the years that a calendar has",
        12: "answered_at: not a time written as 2026-03-02 09:30",
        13: "title: empty",
        14: "description: longer than 8,000 characters",
        16: "row: stands on line 15 already",
        17: "row: empty, or longer than 100 characters",
        18: "row: empty, or longer than 100 characters",
        19: "title: shorter than 3 characters",
    }
    assert (told.rows, told.taken) == (18, 1)
    assert clerk.kinds(14), "the first of two is taken"


def test_a_row_that_fails_in_its_last_step_is_not_there_at_all_and_harms_no_other(clerk: Clerk) -> None:
    clerk.opens_an_agency_that_works_in_gadingrejo_alone()
    told = clerk.takes(row(1), row(2, ditangani="UPT"), row(3), mapping=MAPPING)
    assert reasons(told) == {3: "This code names nothing in force: This agency does not work there."}
    assert (told.taken, clerk.is_taken(2)) == (2, False)
    with clerk.house.database.read() as session:
        assert session.scalar(select(func.count()).select_from(ProblemRow)) == 2
        assert session.get_one(LogHead, "35.75.03.1005").position == 16
    assert [clerk.problem(number).number[-4:] for number in (1, 3)] == ["0001", "0002"]


class Jammed(Exception):
    """What nobody foresaw."""


def _jams_at(reference: str) -> Any:
    def subscriber(_work: Work[Any], facts: Sequence[Recorded]) -> None:
        if any(each.fact.data.get("source_ref") == reference for each in facts):
            raise Jammed

    return subscriber


def test_when_a_batch_fails_unexpectedly_only_the_culprit_is_refused(clerk: Clerk) -> None:
    jamming = Clerk(replace(clerk.house, subscribers=(_jams_at("A-2"),)), clerk.folder)
    told = jamming.takes(*(row(number) for number in range(1, 5)))
    assert reasons(told) == {3: "unexpected: Jammed"} or reasons(told) == {4: "unexpected: Jammed"}
    assert [number for number in range(1, 5) if jamming.is_taken(number)] == [1, 3, 4]
    assert clerk.takes(*(row(number) for number in range(1, 5))).taken == 1, "later it can be taken"


def test_what_goes_wrong_everywhere_is_no_rows_fault(clerk: Clerk) -> None:
    def subscriber(_work: Work[Any], _facts: Sequence[Recorded]) -> None:
        raise Jammed

    jamming = Clerk(replace(clerk.house, subscribers=(subscriber,)), clerk.folder)
    with pytest.raises(actions.ImportStopped):
        jamming.takes(*(row(number) for number in range(1, 30)))


# -- repeated reports ------------------------------------------------------------------------------------------------


def test_an_exact_resubmission_is_marked_and_not_assigned_again(clerk: Clerk) -> None:
    told = clerk.takes(row(2, sama_dengan="A-1", dijawab=""), row(1))
    assert (told.duplicates, told.mains_missing, told.states) == (1, 0, {State.RESOLVED: 1, State.CLOSED: 1})
    assert clerk.kinds(2) == [*BEGUN, "marked_duplicate", "main_ended"]
    duplicate = clerk.problem(2)
    assert (duplicate.closing, duplicate.main_id) == (Closing.DUPLICATE, clerk.id_of(1))
    assert duplicate.main_outcome == "served"
    assert make_round(clerk.house) == 0, "nothing is left for the system to tell"


def test_it_is_marked_onto_the_root_of_its_chain_in_whatever_kelurahan_that_lies(clerk: Clerk) -> None:
    told = clerk.takes(
        row(3, sama_dengan="A-2"),
        row(2, sama_dengan="A-1", kelurahan="35.75.01.1001"),
        row(1, kelurahan="35.75.04.1013", dijawab=""),
    )
    assert told.duplicates == 2
    assert [clerk.problem(number).main_id for number in (2, 3)] == [clerk.id_of(1)] * 2
    assert clerk.kinds(3) == [*BEGUN, "marked_duplicate"]


def test_where_the_main_is_not_there_the_row_goes_its_ordinary_way(clerk: Clerk) -> None:
    told = clerk.takes(
        row(1, sama_dengan="A-99"),
        row(2, sama_dengan="A-3"),
        row(3, sama_dengan="A-2"),
        row(4, sama_dengan="A-4"),
        row(5, sama_dengan="A-6"),
        row(6, kelurahan=""),
    )
    assert (told.taken, told.duplicates, told.mains_missing) == (5, 0, 5)
    assert told.states == {State.RESOLVED: 5}


def test_a_main_of_an_earlier_file_is_found_and_one_that_was_rejected_is_none(clerk: Clerk) -> None:
    clerk.takes(row(1), row(2, ditangani="", dijawab=""), row(3, sama_dengan="A-1"))
    clerk.does(2, Reject(verb="reject", reason_code=Rejection.FALSE, reason="Tidak benar."))
    told = clerk.takes(row(4, sama_dengan="A-1"), row(5, sama_dengan="A-2"), row(6, sama_dengan="A-3"))
    assert (told.duplicates, told.mains_missing) == (2, 1)
    assert [clerk.problem(number).main_id for number in (4, 6)] == [clerk.id_of(1)] * 2
    assert clerk.problem(5).main_id is None


# -- cells that need a hand ------------------------------------------------------------------------------------------


def test_characters_that_no_text_may_hold_are_dropped_and_that_is_told(clerk: Clerk) -> None:
    told = clerk.takes(row(1, uraian="Saluran\x8f mampet \x9f", alamat="Jl.\x85 Wachid\x7f"), row(2))
    assert told.remarks["cleaned"] == 1
    assert (clerk.problem(1).description, clerk.problem(1).address) == ("Saluran mampet", "Jl. Wachid")


def test_what_does_not_fit_into_an_address_stands_in_the_description(clerk: Clerk) -> None:
    address = " ".join(f"gang {number}" for number in range(60))
    told = clerk.takes(row(1, alamat=address))
    problem = clerk.problem(1)
    assert told.remarks["address_shortened"] == 1
    assert problem.address is not None
    assert len(problem.address) <= 300
    assert address.startswith(problem.address.removesuffix("…"))
    assert problem.description is not None
    assert problem.description.endswith(f"\n\nAlamat: {address}")


def test_a_title_is_cut_behind_a_word_and_the_text_is_kept_whole(clerk: Clerk) -> None:
    text = "kata " * 60
    clerk.takes(row(1, uraian=text))
    assert clerk.problem(1).title == f"{'kata ' * 30}kata…"
    assert clerk.problem(1).description == text.strip()


@pytest.mark.parametrize("answered", ["2026-01-05 09:29", "2026-03-02 09:01", "1990-01-01"])
def test_an_answer_before_the_report_or_after_today_is_not_believed(clerk: Clerk, answered: str) -> None:
    told = clerk.takes(row(1, dijawab=answered))
    assert told.remarks["answer_not_believed"] == 1
    assert clerk.problem(1).state is State.ASSIGNED


def test_a_code_that_a_spreadsheet_took_for_a_number_and_a_name_of_the_mapping_are_understood(clerk: Clerk) -> None:
    clerk.takes(row(1, kelurahan="3575031005"), row(2, kelurahan="BAKALAN"))
    assert [clerk.problem(number).area_code for number in (1, 2)] == ["35.75.03.1005"] * 2


def test_times_are_read_as_the_mapping_says(clerk: Clerk) -> None:
    mapping = WITHOUT_ZONE.replace("source =", 'time_format = "%d/%m/%Y %H:%M %z"\nsource =')
    told = clerk.takes(
        row(1, tanggal="05/01/2026 09:30 +0700", dijawab=""), row(2, tanggal="2026-01-05", dijawab=""), mapping=mapping
    )
    assert reasons(told) == {3: "reported_at: not a time written as %d/%m/%Y %H:%M %z"}
    assert clerk.entries(1)[0].happened_at == REPORTED


def test_a_time_without_a_zone_is_not_guessed(clerk: Clerk) -> None:
    told = clerk.takes(row(1), row(2, tanggal="2026-01-05T09:30+07:00", dijawab=""), mapping=WITHOUT_ZONE)
    assert reasons(told) == {2: "reported_at: a time without a zone, and the mapping names no time_zone"}
    assert clerk.entries(2)[0].happened_at == REPORTED


# -- again -----------------------------------------------------------------------------------------------------------


ROWS = [row(1), row(2, kelurahan=""), row(3, sama_dengan="A-1"), row(4, ditangani="Kelurahan Bakalan")]


def test_a_dry_run_tells_what_a_real_one_does_and_keeps_nothing(clerk: Clerk) -> None:
    rows = [*ROWS, row(5, sama_dengan="A-9"), row(1), row(6, dijawab="", alamat=""), row(7, ditangani="UPT")]
    clerk.opens_an_agency_that_works_in_gadingrejo_alone()
    before = clerk.stored()
    dry = clerk.takes(*rows, mapping=MAPPING, dry_run=True)
    assert clerk.stored() == before
    real = clerk.takes(*rows, mapping=MAPPING)
    assert dry.counts | {"run": 1} == real.counts
    assert dry.refused == real.refused
    assert (dry.run, real.run, real.taken, real.duplicates) == (None, 1, 5, 1)


def test_a_second_run_takes_nothing(clerk: Clerk) -> None:
    clerk.takes(*ROWS)
    before = clerk.stored()
    told = clerk.takes(*ROWS)
    assert (told.run, told.taken, told.taken_before, told.differing) == (2, 0, 3, 0)
    assert reasons(told) == {3: "area: empty"}
    after = clerk.stored()
    assert {table: count for table, count in after.items() if before[table] != count} == {
        ImportRun: 2,
        Administration: 4,
    }


def test_a_row_that_a_later_file_has_otherwise_is_told_and_left_as_it_is(clerk: Clerk) -> None:
    clerk.takes(row(1), row(2))
    told = clerk.takes(row(1, tanggal="2026-01-06 09:30"), row(2), row(3))
    assert (told.taken, told.taken_before, told.differing) == (1, 2, 1)
    assert clerk.entries(1)[0].happened_at == REPORTED


def test_an_interrupted_run_goes_on_under_its_number(clerk: Clerk) -> None:
    rows = [row(number, kelurahan=code) for number, code in enumerate(("35.75.01.1001", "35.75.03.1005"))]
    order = Order(clerk.write(rows), clerk.mapping(), MONITOR)
    jamming = replace(clerk.house, subscribers=(_stops_at("35.75.03.1005"),))
    with pytest.raises(KeyboardInterrupt):
        import_problems(jamming, order)
    assert [clerk.is_taken(number) for number in (0, 1)] == [True, False]
    told = import_problems(clerk.house, order)
    assert (told.run, told.taken, told.taken_before) == (1, 1, 1)
    with clerk.house.database.read() as session:
        (run,) = session.scalars(select(ImportRun))
    assert (run.finished_at, run.counts) == (clerk.house.clock(), told.counts)
    assert (run.on_behalf_of, run.file_name, run.register_name) == (MONITOR, "buku.csv", "buku-aduan")


def _stops_at(log: str) -> Any:
    def subscriber(_work: Work[Any], facts: Sequence[Recorded]) -> None:
        if any(each.log == log for each in facts):
            raise KeyboardInterrupt

    return subscriber


def test_two_imports_of_one_file_at_once_take_each_row_once(clerk: Clerk) -> None:
    codes = ("35.75.01.1001", "35.75.02.1001", "35.75.03.1005")
    rows = [row(number, kelurahan=codes[number % 3], dijawab="") for number in range(60)]
    rows += [row(60 + number, kelurahan=codes[number % 2], sama_dengan=f"A-{number}") for number in range(20)]
    order = Order(clerk.write(rows), clerk.mapping(), MONITOR)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: import_problems(clerk.house, order), range(2))
    assert (one.refused, other.refused) == ([], [])
    assert one.taken + other.taken == len(rows)
    assert (one.taken_before, other.taken_before) == (other.taken, one.taken)
    assert clerk.stored()[ProblemRow] == clerk.stored()[TakenRow] == len(rows)


def test_progress_is_told_up_to_the_last_row(clerk: Clerk) -> None:
    seen: list[tuple[int, int]] = []
    clerk.takes(*ROWS, progress=lambda done, rows: seen.append((done, rows)))
    assert (seen[0], seen[-1]) == ((0, 4), (4, 4))
    assert seen == sorted(seen)


def test_statements_do_not_grow_with_the_rows_of_a_log(clerk: Clerk, statements: list[str]) -> None:
    clerk.takes(row(0))  # from now on its log is there
    statements.clear()
    clerk.takes(*(row(number) for number in range(1, 4)))
    few = len(statements)
    statements.clear()
    clerk.takes(*(row(number) for number in range(10, 60)))
    assert len(statements) == few


def test_a_transaction_takes_at_most_200_problems_of_one_log(clerk: Clerk) -> None:
    batches: list[int] = []
    logs: list[int] = []

    def subscriber(_work: Work[Any], facts: Sequence[Recorded]) -> None:
        batches.append(len({each.subject for each in facts}))
        logs.append(len({each.log for each in facts}))

    listening = Clerk(replace(clerk.house, subscribers=(subscriber,)), clerk.folder)
    codes = ("35.75.03.1005", "35.75.01.1001")
    told = listening.takes(
        *(row(number, kelurahan=codes[number % 5 == 0], dijawab="") for number in range(300)),
        *(row(300 + number, kelurahan=codes[number % 2], sama_dengan=f"A-{number}") for number in range(8)),
    )
    assert (told.taken, told.duplicates) == (308, 8)
    assert max(batches) == 200
    assert set(logs) == {1}
    with clerk.house.database.read() as session:
        for log in codes:
            positions = session.scalars(select(col(Entry.position)).where(col(Entry.log) == log)).all()
            assert sorted(positions) == list(range(1, session.get_one(LogHead, log).position + 1))


# -- on whose behalf -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "post", ["", "monitor", "admin", "mayor:35.75", "officer:PUPR", "wali:35.75", "import:1", "system"]
)
def test_a_post_that_records_no_problems_cannot_stand_behind_it(clerk: Clerk, post: str) -> None:
    with pytest.raises(PostUnknown):
        clerk.takes(row(1), on_behalf_of=post)
    assert clerk.stored()[ImportRun] == 0


def test_somebody_must_hold_the_post_now(clerk: Clerk) -> None:
    with clerk.house.database.write() as session:
        session.connection().execute(
            update(Post).where(col(Post.kind) == "monitor").values(until=datetime(2026, 3, 2, 2, tzinfo=UTC))
        )
    for post in (MONITOR, "monitor:35.78", "lurah:35.75.03.1099"):
        with pytest.raises(PostVacant):
            clerk.takes(row(1), on_behalf_of=post)


def test_rows_outside_the_area_of_the_post_are_refused(clerk: Clerk) -> None:
    rows = [row(1), row(2, kelurahan="35.75.03.1001"), row(3, kelurahan="35.75.01.1001")]
    told = clerk.takes(*rows, on_behalf_of="lurah:35.75.03.1005")
    assert reasons(told) == dict.fromkeys((3, 4), "area: unknown, or outside 35.75.03.1005")
    told = clerk.takes(*rows, on_behalf_of="camat:35.75.03")
    assert (told.taken, told.taken_before, len(told.refused)) == (1, 1, 1)


def test_the_journal_of_administration_knows_of_it(clerk: Clerk) -> None:
    clerk.takes(*ROWS)
    with clerk.house.database.read() as session:
        notes = session.scalars(select(Administration).where(col(Administration.kind).startswith("import."))).all()
    assert {each.kind: each.data for each in notes} == {
        "import.started": {"run": 1, "on_behalf_of": MONITOR},
        "import.finished": {"run": 1, "taken": 3},
    }
    assert {each.subject for each in notes} == {"buku-aduan"}
