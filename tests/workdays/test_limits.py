"""How long each stage may take."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, select

from app.journal.models import Administration
from app.kit.house import House
from app.workdays.actions import seed_limits
from app.workdays.calendar import Calendar
from app.workdays.limits import NATIONAL_NORMS, Allowance, Limits
from app.workdays.models import Limit
from app.workdays.queries import load_limits
from app.workdays.words import Stage, Unit
from tests.areas.callers import speaking

PASURUAN = Calendar(ZoneInfo("Asia/Jakarta"))
NORMS = Limits({(name, stage): norm for name, stages in NATIONAL_NORMS.items() for stage, norm in stages.items()})
FRIDAY_EVENING = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("class_code", ["information", "ordinary", "oversight", "emergency"])
@pytest.mark.parametrize("stage", Stage)
def test_every_class_has_every_limit(class_code: str, stage: Stage) -> None:
    assert NORMS.of(class_code, stage).amount > 0
    assert stage.label[0].isupper()


def test_the_national_norms() -> None:
    assert [NORMS.amount(name, "resolve") for name in ("information", "ordinary", "oversight")] == [5, 14, 60]
    ordinary = [NORMS.amount("ordinary", stage) for stage in Stage]
    assert ordinary == [1, 3, 5, 14, 10, 3]
    assert NORMS.of("emergency", "resolve") == Allowance(4, Unit.HOURS)
    assert NORMS.of("emergency", "confirm") == Allowance(10, Unit.WORKING_DAYS)


def test_working_days_end_with_the_day_and_hours_run_through_the_weekend() -> None:
    ordinary = NORMS.due(PASURUAN, "ordinary", "endorse", FRIDAY_EVENING)
    emergency = NORMS.due(PASURUAN, "emergency", "resolve", FRIDAY_EVENING.astimezone(ZoneInfo("Asia/Jayapura")))
    assert ordinary == datetime(2026, 3, 9, 16, 59, 59, tzinfo=UTC)
    assert emergency == datetime(2026, 3, 6, 16, 0, tzinfo=UTC)
    assert emergency.tzinfo is UTC


def test_a_limit_that_nobody_set_is_told_as_such() -> None:
    with pytest.raises(LookupError, match="no limit is set for accept of class unheard_of"):
        NORMS.of("unheard_of", "accept")


def seed(house: House) -> int:
    with house.database.write() as session:
        return seed_limits(session)


def limits(house: House) -> Limits:
    with house.database.read() as session:
        return load_limits(session)


def test_seeding_gives_what_is_missing_and_changes_nothing(house: House) -> None:
    assert seed(house) == 24
    with house.database.write() as session:
        change(session, amount=7)
        session.delete(session.get_one(Limit, ("information", Stage.ACCEPT)))
    assert seed(house) == 1
    assert seed(house) == 0
    assert limits(house).amount("ordinary", "accept") == 7
    assert limits(house).of("information", "accept") == Allowance(3, Unit.WORKING_DAYS)


def change(session: Session, amount: int) -> None:
    session.get_one(Limit, ("ordinary", Stage.ACCEPT)).amount = amount


async def test_an_admin_reads_and_sets_limits(house: House) -> None:
    seed(house)
    async with speaking(house, "admin") as admin:
        pages = [(await admin.get("/admin/limits?limit=10")).json()]
        while pages[-1]["next"]:
            following = await admin.get("/admin/limits", params={"limit": 10, "after": pages[-1]["next"]})
            pages.append(following.json())
        assert [len(page["items"]) for page in pages] == [10, 10, 4]
        listed = [(limit["class"], limit["stage"]) for page in pages for limit in page["items"]]
        assert listed == sorted((name, stage.value) for name in NATIONAL_NORMS for stage in Stage)
        path, body = "/admin/limits/ordinary/resolve", {"amount": 10, "unit": "working_days"}
        answer = await admin.put(path, json=body, headers={"Idempotency-Key": "k1"})
        again = await admin.put(path, json=body, headers={"Idempotency-Key": "k1"})
        assert again.headers["idempotent-replayed"] == "true"
        assert answer.status_code == again.status_code == 200
        assert answer.json() == again.json()
        assert answer.json() == {
            "class": "ordinary",
            "stage": "resolve",
            "stage_label": "Penyelesaian",
            "amount": 10,
            "unit": "working_days",
            "unit_label": "hari kerja",
        }
        await admin.put(path, json=body)
    assert limits(house).amount("ordinary", "resolve") == 10
    with house.database.read() as session:
        (entry,) = session.exec(select(Administration)).all()
        assert (entry.kind, entry.subject) == ("limit.changed", "ordinary resolve")
        assert entry.data == {"before": {"amount": 14, "unit": "working_days"}, "after": body}


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("unheard_of/resolve", {"amount": 1, "unit": "hours"}, 404, "limit_not_found"),
        ("ordinary/lunch", {"amount": 1, "unit": "hours"}, 422, "invalid_request"),
        ("ordinary/resolve", {"amount": 0, "unit": "hours"}, 422, "invalid_request"),
        ("ordinary/resolve", {"amount": 10**30, "unit": "hours"}, 422, "invalid_request"),
        ("ordinary/resolve", {"amount": 1, "unit": "weeks"}, 422, "invalid_request"),
        ("ordinary/resolve", {"amount": 1, "unit": "hours", "class": "x"}, 422, "invalid_request"),
        ("Ordinary%00/resolve", {"amount": 1, "unit": "hours"}, 422, "invalid_request"),
    ],
)
async def test_a_limit_set_wrongly_is_refused(
    house: House, path: str, body: dict[str, object], status: int, code: str
) -> None:
    seed(house)
    async with speaking(house, "admin") as admin:
        answer = await admin.put(f"/admin/limits/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert limits(house).amount("ordinary", "resolve") == 14
