"""The arithmetic of working days."""

import csv
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from holidays import GOVERNMENT, PUBLIC, country_holidays
from hypothesis import given
from hypothesis import strategies as st

from app.workdays.calendar import Calendar, SpecialDay, national_days
from app.workdays.words import DayKind
from tests.areas.registers import SHARED

JAKARTA, JAYAPURA = ZoneInfo("Asia/Jakarta"), ZoneInfo("Asia/Jayapura")
PLAIN = Calendar(JAKARTA)

days = st.dates(date(2004, 1, 1), date(2090, 12, 31))
counts = st.integers(-400, 400)


def decided(day: date, kind: DayKind) -> SpecialDay:
    return SpecialDay(day, "Ketetapan", kind)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Calendars of three time zones, with decisions of both kinds in near years, on weekends and holidays too."""
    zone = ZoneInfo(draw(st.sampled_from(["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"])))
    near = st.dates(date(2024, 12, 1), date(2026, 2, 1))
    kinds = draw(st.dictionaries(near, st.sampled_from([DayKind.OPENED, DayKind.CLOSED]), max_size=40))
    return Calendar(zone, {day: decided(day, kind) for day, kind in kinds.items()})


near_days = st.dates(date(2024, 6, 1), date(2026, 8, 1))


def walked(calendar: Calendar, day: date, count: int) -> date:
    """The same as `add`, one day at a time."""
    step = timedelta(days=1 if count > 0 else -1)
    while count:
        day += step
        if calendar.is_working(day):
            count -= step.days
    return day


@given(calendars(), near_days, st.integers(-150, 150))
def test_adding_is_walking_day_by_day(calendar: Calendar, day: date, count: int) -> None:
    assert calendar.add(day, count) == walked(calendar, day, count)


@given(days, counts)
def test_adding_agrees_with_the_library(day: date, count: int) -> None:
    library = country_holidays("ID", categories=(GOVERNMENT, PUBLIC), language="id")
    assert PLAIN.add(day, count) == (library.get_nth_working_day(day, count) if count else day)


@given(calendars(), near_days, st.integers(1, 300))
def test_where_adding_ends_offices_work_and_the_way_back_is_as_long(calendar: Calendar, day: date, count: int) -> None:
    there = calendar.add(day, count)
    assert calendar.is_working(there)
    back = calendar.add(there, -count)
    assert back == (day if calendar.is_working(day) else calendar.add(day, -1))


@given(calendars(), near_days, st.integers(0, 200), st.integers(0, 200))
def test_adding_twice_is_adding_the_sum(calendar: Calendar, day: date, first: int, second: int) -> None:
    assert calendar.add(calendar.add(day, first), second) == calendar.add(day, first + second)


moments = st.datetimes(datetime(2024, 6, 1), datetime(2026, 8, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given one


@given(calendars(), moments, st.integers(1, 300))
def test_what_is_due_in_n_working_days_is_n_working_days_away(calendar: Calendar, start: datetime, count: int) -> None:
    due = calendar.due(start, count)
    assert calendar.working_days_between(start, due) == count
    assert calendar.working_days_between(start, due + timedelta(seconds=1)) in (count, count + 1)
    assert due.tzinfo is UTC
    assert due > start
    assert due.astimezone(calendar.zone).time().isoformat() == "23:59:59"


@given(calendars(), moments, moments, moments)
def test_stretches_add_up(calendar: Calendar, first: datetime, second: datetime, third: datetime) -> None:
    between = calendar.working_days_between
    assert between(first, second) + between(second, third) == between(first, third)
    assert between(first, second) == -between(second, first)


@given(calendars(), st.integers(2024, 2027))
def test_a_year_is_told_as_it_is_counted(calendar: Calendar, year: int) -> None:
    special = {special.day: special.working for special in calendar.special_days(year)}
    assert list(special) == sorted(special)
    first = date(year, 1, 1)
    whole = [first + timedelta(days=count) for count in range((date(year + 1, 1, 1) - first).days)]
    working = [day for day in whole if special.get(day, day.weekday() < 5)]
    assert tuple(working) == calendar.working_days(year)


def test_the_99th_working_day_of_the_mayor() -> None:
    assert PLAIN.add(date(2025, 2, 20), 99) == date(2025, 7, 31)
    assert PLAIN.due(datetime(2025, 2, 20, 3, tzinfo=UTC), 99) == datetime(2025, 7, 31, 16, 59, 59, tzinfo=UTC)


def test_today_is_judged_where_the_office_is() -> None:
    half_past_midnight_in_pasuruan = datetime(2026, 3, 1, 17, 30, tzinfo=UTC)
    assert PLAIN.local_day(half_past_midnight_in_pasuruan) == date(2026, 3, 2)
    assert PLAIN.due(half_past_midnight_in_pasuruan, 1) == datetime(2026, 3, 3, 16, 59, 59, tzinfo=UTC)
    late_in_jayapura = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
    assert Calendar(JAYAPURA).due(late_in_jayapura, 1) == datetime(2026, 3, 4, 14, 59, 59, tzinfo=UTC)
    assert PLAIN.due(late_in_jayapura, 1) == datetime(2026, 3, 3, 16, 59, 59, tzinfo=UTC)


def test_lebaran_is_no_time_to_work() -> None:
    last_day_before = datetime(2026, 3, 17, 2, tzinfo=UTC)
    assert PLAIN.add(PLAIN.local_day(last_day_before), 1) == date(2026, 3, 25)
    assert PLAIN.working_days_between(last_day_before, datetime(2026, 3, 24, 12, tzinfo=UTC)) == 0


def test_a_decision_counts_before_the_national_calendar() -> None:
    friday, saturday, new_year = date(2026, 3, 6), date(2026, 3, 7), date(2026, 1, 1)
    here = Calendar(
        JAKARTA,
        {
            friday: decided(friday, DayKind.CLOSED),
            saturday: decided(saturday, DayKind.OPENED),
            new_year: decided(new_year, DayKind.OPENED),
        },
    )
    assert here.add(date(2026, 3, 5), 1) == saturday
    assert here.add(saturday, -1) == date(2026, 3, 5)
    assert here.add(date(2025, 12, 31), 1) == new_year
    assert len(here.working_days(2026)) == len(PLAIN.working_days(2026)) + 1
    kinds = {special.day: special.kind for special in here.special_days(2026)}
    assert (kinds[friday], kinds[saturday], kinds[new_year]) == (DayKind.CLOSED, DayKind.OPENED, DayKind.OPENED)
    assert len(kinds) == len(national_days(2026)) + 2


@pytest.mark.parametrize("language", ["en_US", "th", "id"])
def test_holidays_have_indonesian_names_whatever_the_machine_speaks(
    monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("LANGUAGE", language)
    national_days.cache_clear()
    assert national_days(2025)[date(2025, 3, 28)] == SpecialDay(
        date(2025, 3, 28), "Cuti Bersama Hari Suci Nyepi", DayKind.JOINT_LEAVE
    )
    assert national_days(2025)[date(2025, 8, 17)].name == "Hari Kemerdekaan Republik Indonesia"


@pytest.mark.parametrize("kind", DayKind)
def test_every_kind_of_day_has_an_indonesian_name(kind: DayKind) -> None:
    assert kind.label[0].isupper()


KNOWN_DISAGREEMENTS = {"yes": 143, "no_lib": 11, "lib_only": 2}
"""By the file's own judgement. `no_lib`: some private calendars list a day that we do not (dates before a decree moved
them, Easter before it was listed); `lib_only`: election day of 2024 and one day of Idul Adha 2023."""


def test_four_sources_of_holidays_agree() -> None:
    file = SHARED / "holidays_id_2021_2026.csv"
    if not file.exists():
        pytest.skip(f"no {file}: the comparison of four sources of holidays is not on this machine")
    with file.open(encoding="utf-8", newline="") as lines:
        rows = {date.fromisoformat(row["date"]): row for row in csv.DictReader(lines)}
    ours = {day: special for year in range(2021, 2027) for day, special in national_days(year).items()}
    assert Counter(row["agree"] for row in rows.values()) == KNOWN_DISAGREEMENTS
    assert ours.keys() <= rows.keys()
    assert {day for day, row in rows.items() if row["agree"] != "no_lib"} == ours.keys()
    joint = {day for day, row in rows.items() if row["holidays_lib_0_109_cuti_bersama"]}
    assert joint == {day for day, special in ours.items() if special.kind is DayKind.JOINT_LEAVE}
    weekdays = [day for day, row in rows.items() if row["agree"] == "no_lib" and day.weekday() < 5]
    print(
        f"\n{len(ours)} of {len(rows)} days are ours; the others would cost {len(weekdays)} working days in six years"
    )
    assert len(weekdays) == 6


def test_years_follow_each_other_without_a_gap() -> None:
    for year, following in pairwise(range(2020, 2030)):
        assert PLAIN.add(PLAIN.working_days(year)[-1], 1) == PLAIN.working_days(following)[0]
