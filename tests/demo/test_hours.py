from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.town.hours import OfficeHours, minutes_of
from app.town.stories import STORIES as FILE
from app.town.stories import deeds_of, read_stories
from app.workdays.calendar import Calendar

JAKARTA = ZoneInfo("Asia/Jakarta")
STORIES = read_stories(FILE)
any_moment = some.datetimes(datetime(2025, 6, 1), datetime(2027, 6, 1), timezones=some.just(UTC))  # noqa: DTZ001


def hours_at(text: str) -> OfficeHours:
    return OfficeHours(Calendar(JAKARTA), datetime.fromisoformat(text))


@pytest.mark.parametrize(("span", "minutes"), [("40m", 40), ("3h", 180), ("1d", 480), ("2d3h10m", 1150)])
def test_a_day_has_eight_hours(span: str, minutes: int) -> None:
    assert minutes_of(span) == minutes


@pytest.mark.parametrize("span", ["", "2 days", "-1d", "3h1d"])
def test_what_is_no_span_is_refused(span: str) -> None:
    with pytest.raises(ValueError, match="a span looks like"):
        minutes_of(span)


@pytest.mark.parametrize(
    ("now", "minutes", "then"),
    [
        ("2026-03-02T10:30+07:00", 0, "2026-03-02T10:30+07:00"),
        ("2026-03-02T10:30+07:00", 60, "2026-03-02T09:30+07:00"),
        ("2026-03-02T10:30+07:00", 180, "2026-02-27T15:30+07:00"),  # a weekend lies between
        ("2026-03-02T23:10+07:00", 0, "2026-03-02T15:59+07:00"),
        ("2026-03-02T05:00+07:00", 0, "2026-02-27T15:59+07:00"),
        ("2026-03-22T12:00+07:00", 479, "2026-03-17T08:00+07:00"),  # Nyepi and Idulfitri with their collective leave
    ],
)
def test_looking_back_skips_nights_weekends_and_holidays(now: str, minutes: int, then: str) -> None:
    assert hours_at(now).back(minutes) == datetime.fromisoformat(then)


@given(any_moment)
def test_on_any_day_the_stories_lie_in_order_in_the_past_and_in_office_hours(now: datetime) -> None:
    calendar = Calendar(JAKARTA)
    deeds = deeds_of(STORIES, OfficeHours(calendar, now))

    assert all(earlier.at <= later.at for earlier, later in pairwise(deeds))
    assert deeds[-1].at <= now
    assert deeds[0].at > now - timedelta(days=100)
    for deed in deeds:
        local = deed.at.astimezone(JAKARTA)
        assert calendar.is_working(local.date())
        assert 8 <= local.hour < 16
    for story in STORIES:
        own = [deed for deed in deeds if deed.key == story.key]
        assert [deed.place for deed in own] == list(range(len(story.steps) + 1))
        assert all(earlier.at < later.at for earlier, later in pairwise(own))
