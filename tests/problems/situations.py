"""Problems as they stand in every state of their life, each made by its officials through the API, at its own time."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import update

from app.assembly import assemble, create_app
from app.kit.doors import Hops
from app.kit.house import House
from app.kit.settings import Settings
from app.people.models import DeviceSession
from app.people.words import PostKind
from tests.conftest import SettableClock
from tests.town import CITY, Someone, Town

NOW: Final = datetime(2026, 7, 22, 2, 0, tzinfo=UTC)
"""Nine o'clock on a Wednesday in Pasuruan, with no holiday near."""
YESTERDAY: Final = NOW - timedelta(days=1)
LAST_WEEK: Final = NOW - timedelta(days=9)
"""Seven working days ago: more than five, less than ten."""
LONG_AGO: Final = NOW - timedelta(days=20)
"""Fourteen working days ago."""
LAST_MONTH: Final = NOW - timedelta(days=31)

Found = dict[str, Any]
"""A problem as the API answers it."""
Making = Callable[[Town], Awaitable[Found]]


# -- on the kelurahan's desk -----------------------------------------------------------------------------------------


async def submitted(town: Town) -> Found:
    return await town.operator("Bakalan").report()


async def sent_back(town: Town) -> Found:
    return await town.lurah("Bakalan").step(await submitted(town), "send_back", reason="Di depan rumah siapa?")


async def handled_locally(town: Town) -> Found:
    problem = await submitted(town)
    return await town.lurah("Bakalan").step(problem, "handle_locally", plan="Kerja bakti.", target_on=soon(town))


async def local_on_hold(town: Town) -> Found:
    problem = await handled_locally(town)
    return await town.lurah("Bakalan").step(problem, "hold", reason_code="weather_season", review_on=soon(town))


async def local_awaiting(town: Town) -> Found:
    """Work of the kelurahan that the kecamatan looks at, as it always does in the class oversight."""
    problem = await town.operator("Bakalan").report(category="pungutan-liar")
    problem = await town.lurah("Bakalan").step(problem, "handle_locally", plan="Musyawarah.", target_on=soon(town))
    return await town.lurah("Bakalan").step(problem, "finish", resolution="explained")


async def local_resolved(town: Town) -> Found:
    return await town.staff("Bugul Kidul").step(await local_awaiting(town), "confirm")


# -- on the kecamatan's ----------------------------------------------------------------------------------------------


async def forwarded(town: Town) -> Found:
    return await town.lurah("Bakalan").step(await submitted(town), "forward")


async def emergency(town: Town) -> Found:
    """It went up at once, and the agency responsible for disasters was told."""
    return await town.operator("Bakalan").report(category="pohon-tumbang")


async def recorded_by_kecamatan(town: Town) -> Found:
    return await town.staff("Bugul Kidul").report()


async def objected_to_kecamatan(town: Town) -> Found:
    return await _object(town, await recorded_by_kecamatan(town))


async def objected_to_agency(town: Town) -> Found:
    return await _object(town, await town.officer("PUPR").report())


async def objected_to_monitor(town: Town) -> Found:
    return await _object(town, await town.monitor.report())


async def _object(town: Town, problem: Found) -> Found:
    return await town.lurah("Bakalan").step(problem, "object", reason="Sudah dibersihkan kemarin.")


async def asked_before_acceptance(town: Town) -> Found:
    return await town.staff("Bugul Kidul").step(await forwarded(town), "ask", question="Sejak kapan?")


async def accepted(town: Town) -> Found:
    return await town.staff("Bugul Kidul").step(await forwarded(town), "accept")


async def accepted_on_hold(town: Town) -> Found:
    problem = await accepted(town)
    return await town.camat("Bugul Kidul").step(problem, "hold", reason_code="land_dispute", review_on=soon(town))


async def taken_up(town: Town) -> Found:
    return await town.staff("Bugul Kidul").step(await accepted(town), "take_up", plan="Satgas kecamatan.")


async def kecamatan_done(town: Town) -> Found:
    return await town.staff("Bugul Kidul").step(await taken_up(town), "finish", resolution="explained")


# -- on an agency's --------------------------------------------------------------------------------------------------


async def assigned(town: Town) -> Found:
    """Offered to PUPR, with DLHKP to support it."""
    return await _assign(town, await accepted(town), "PUPR", ["DLHKP"])


async def _assign(town: Town, problem: Found, lead: str, support: list[str]) -> Found:
    return await town.camat("Bugul Kidul").step(problem, "assign", lead=lead, support=support, instruction="Mohon.")


async def agency_took_it(town: Town) -> Found:
    return await town.officer("PUPR").part(await assigned(town), "accept")


async def agency_works(town: Town) -> Found:
    return await town.officer("PUPR").part(await agency_took_it(town), "start")


async def agency_waits_for_support(town: Town) -> Found:
    """The lead is done; its supporter is still at work."""
    problem = await agency_works(town)
    for verb in ("accept", "start"):
        await town.officer("DLHKP").part(problem, verb)
    return await town.officer("PUPR").part(problem, "finish", resolution="explained", note="Selesai.")


async def agency_done(town: Town) -> Found:
    problem = await agency_waits_for_support(town)
    return await town.officer("DLHKP").part(problem, "finish", resolution="explained", note="Selesai.")


async def agency_resolved(town: Town) -> Found:
    return await town.lurah("Bakalan").step(await agency_done(town), "confirm", rating=4)


async def lead_asks(town: Town) -> Found:
    return await town.officer("PUPR").step(await agency_works(town), "ask", question="Selebar apa salurannya?")


async def camat_holds(town: Town) -> Found:
    problem = await agency_works(town)
    return await town.camat("Bugul Kidul").step(problem, "hold", reason_code="procurement", review_on=soon(town))


async def hold_proposed(town: Town) -> Found:
    problem = await agency_works(town)
    return await town.officer("PUPR").part(problem, "hold", reason_code="budget", review_on=soon(town))


async def hold_agreed(town: Town) -> Found:
    return await part(town.camat("Bugul Kidul"), await hold_proposed(town), "agree_hold", "PUPR")


async def part_revoked(town: Town) -> Found:
    return await part(town.camat("Bugul Kidul"), await assigned(town), "revoke", "PUPR", reason="Keliru alamat.")


async def bounced(town: Town) -> Found:
    return await town.head("PUPR").part(await assigned(town), "refuse", reason="Saluran lingkungan.")


async def bounced_twice(town: Town) -> Found:
    problem = await _assign(town, await bounced(town), "PERKIM", [])
    return await town.head("PERKIM").part(problem, "refuse", reason="Saluran kota.")


async def decided(town: Town) -> Found:
    """After two bounces the monitor has decided that it is PUPR's."""
    problem = await bounced_twice(town)
    return await town.monitor.step(problem, "decide_authority", agency="PUPR", reason="Saluran sekunder.")


# -- on that of an agency that is not here ---------------------------------------------------------------------------


async def by_hand(town: Town) -> Found:
    """Offered to PLN, which has no accounts: the kecamatan moves its part."""
    return await _assign(town, await accepted(town), "PLN", [])


async def by_hand_for_city(town: Town) -> Found:
    """The same, but the monitor assigned it."""
    return await town.monitor.step(await accepted(town), "assign", lead="PLN")


async def by_hand_taken(town: Town) -> Found:
    return await part(town.staff("Bugul Kidul"), await by_hand(town), "accept", "PLN", letter="005/12/2026")


async def by_hand_working(town: Town) -> Found:
    return await part(town.staff("Bugul Kidul"), await by_hand_taken(town), "start", "PLN", letter="005/13/2026")


async def by_hand_hold_proposed(town: Town) -> Found:
    said = {"reason_code": "procurement", "review_on": soon(town), "letter": "005/14/2026"}
    return await part(town.staff("Bugul Kidul"), await by_hand_working(town), "hold", "PLN", **said)


async def by_hand_on_hold(town: Town) -> Found:
    return await part(town.camat("Bugul Kidul"), await by_hand_hold_proposed(town), "agree_hold", "PLN")


async def by_hand_done(town: Town) -> Found:
    """The camat wrote down that it is done."""
    said = {"resolution": "explained", "note": "Sudah normal.", "letter": "005/15/2026"}
    return await part(town.camat("Bugul Kidul"), await by_hand_working(town), "finish", "PLN", **said)


# -- ended without being resolved ------------------------------------------------------------------------------------


async def withdrawn(town: Town) -> Found:
    return await town.operator("Bakalan").step(await submitted(town), "withdraw", reason="Sudah surut sendiri.")


async def rejected(town: Town) -> Found:
    return await _reject(town.camat("Bugul Kidul"), await forwarded(town))


async def _reject(who: Someone, problem: Found) -> Found:
    return await who.step(problem, "reject", reason_code="not_found", reason="Tidak ditemukan di lokasi.")


async def appealed(town: Town) -> Found:
    return await _appeal(town, await rejected(town))


async def _appeal(town: Town, problem: Found) -> Found:
    return await town.lurah("Bakalan").step(problem, "appeal", reason="Masih ada, lihat foto.")


async def appealed_against_monitor(town: Town) -> Found:
    return await _appeal(town, await _reject(town.monitor, await accepted(town)))


async def appeal_upheld(town: Town) -> Found:
    return await town.monitor.step(await appealed(town), "decide_appeal", outcome="upheld", reason="Benar bersih.")


async def duplicate(town: Town) -> Found:
    main = await submitted(town)
    return await town.lurah("Bakalan").step(await forwarded(town), "mark_duplicate", main=main["id"])


async def planned(town: Town) -> Found:
    return await town.camat("Bugul Kidul").step(await accepted(town), "defer_to_planning", planned_in="Renja 2027")


async def seen_by_all(town: Town) -> Found:
    """One that all who are concerned with any other may see."""
    return await _assign(town, await accepted(town), "PUPR", ["DLHKP", "BPBD"])


def soon(town: Town) -> str:
    """A day two weeks ahead, fit for a target and for a review."""
    return (town.today() + timedelta(days=14)).isoformat()


async def part(who: Someone, problem: Found, verb: str, agency: str, **said: Any) -> Found:
    """A verb on an agency's part, by somebody who is not of that agency."""
    return who.town.good(await who.try_part(problem, verb, agency, **said), 200)


# -- all of them -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Situation:
    """How a problem came to stand as it does, and when."""

    made: Making
    state: str
    since: datetime = YESTERDAY
    lead: str = "PUPR"


SITUATIONS: Final[Mapping[str, Situation]] = {
    "submitted": Situation(submitted, "submitted"),
    "submitted long ago": Situation(submitted, "submitted", LONG_AGO),
    "sent back": Situation(sent_back, "returned"),
    "sent back long ago": Situation(sent_back, "returned", LONG_AGO),
    "objected to the kecamatan": Situation(objected_to_kecamatan, "returned"),
    "objected to the kecamatan long ago": Situation(objected_to_kecamatan, "returned", LONG_AGO),
    "objected to an agency": Situation(objected_to_agency, "returned"),
    "objected to the monitor": Situation(objected_to_monitor, "returned"),
    "asked before acceptance": Situation(asked_before_acceptance, "returned"),
    "asked by the lead": Situation(lead_asks, "returned"),
    "handled locally": Situation(handled_locally, "handled_locally"),
    "local work on hold": Situation(local_on_hold, "on_hold"),
    "forwarded": Situation(forwarded, "forwarded"),
    "emergency": Situation(emergency, "forwarded", lead="BPBD"),
    "recorded by the kecamatan": Situation(recorded_by_kecamatan, "forwarded"),
    "recorded by the kecamatan long ago": Situation(recorded_by_kecamatan, "forwarded", LONG_AGO),
    "accepted": Situation(accepted, "accepted"),
    "bounced": Situation(bounced, "accepted"),
    "bounced twice": Situation(bounced_twice, "accepted"),
    "part revoked": Situation(part_revoked, "accepted"),
    "accepted, on hold": Situation(accepted_on_hold, "on_hold"),
    "assigned": Situation(assigned, "assigned"),
    "decided by the monitor": Situation(decided, "assigned"),
    "by hand": Situation(by_hand, "assigned"),
    "by hand for the city": Situation(by_hand_for_city, "assigned"),
    "taken up by the kecamatan": Situation(taken_up, "in_progress"),
    "agency took it": Situation(agency_took_it, "in_progress"),
    "agency works": Situation(agency_works, "in_progress"),
    "agency waits for support": Situation(agency_waits_for_support, "in_progress"),
    "hold proposed": Situation(hold_proposed, "in_progress"),
    "by hand, taken": Situation(by_hand_taken, "in_progress"),
    "by hand, working": Situation(by_hand_working, "in_progress"),
    "by hand, hold proposed": Situation(by_hand_hold_proposed, "in_progress"),
    "agency's work held by the camat": Situation(camat_holds, "on_hold"),
    "agency on hold": Situation(hold_agreed, "on_hold"),
    "by hand, on hold": Situation(by_hand_on_hold, "on_hold"),
    "kelurahan is done": Situation(local_awaiting, "awaiting_confirmation"),
    "kecamatan is done": Situation(kecamatan_done, "awaiting_confirmation"),
    "kecamatan is done since last week": Situation(kecamatan_done, "awaiting_confirmation", LAST_WEEK),
    "agency is done": Situation(agency_done, "awaiting_confirmation"),
    "agency is done since last week": Situation(agency_done, "awaiting_confirmation", LAST_WEEK),
    "by hand, done since last week": Situation(by_hand_done, "awaiting_confirmation", LAST_WEEK),
    "resolved": Situation(agency_resolved, "resolved"),
    "resolved last month": Situation(agency_resolved, "resolved", LAST_MONTH),
    "resolved by the kelurahan": Situation(local_resolved, "resolved"),
    "withdrawn": Situation(withdrawn, "closed"),
    "rejected": Situation(rejected, "closed"),
    "rejected long ago": Situation(rejected, "closed", LONG_AGO),
    "appealed": Situation(appealed, "closed"),
    "appealed against a monitor": Situation(appealed_against_monitor, "closed"),
    "appeal upheld": Situation(appeal_upheld, "closed"),
    "duplicate": Situation(duplicate, "closed"),
    "planned": Situation(planned, "closed"),
}


# -- the people who try everything -----------------------------------------------------------------------------------


def cast(town: Town, lead: str = "PUPR") -> dict[str, Someone]:
    """By what the tables call them: who is concerned with a problem in Bakalan, and who is not."""
    return {
        "operator": town.operator("Bakalan"),
        "lurah": town.lurah("Bakalan"),
        "staff": town.staff("Bugul Kidul"),
        "camat": town.camat("Bugul Kidul"),
        "officer": town.officer(lead),
        "head": town.head(lead),
        "helper": town.officer("DLHKP"),
        "helper_head": town.head("DLHKP"),
        "first_monitor": town.monitor,
        "mayor": town.mayor,
        "admin": town.admin,
        "other_agency": town.officer("DISHUB"),
        "other_operator": town.operator("Kepel"),
        "other_lurah": town.lurah("Kepel"),
        "other_camat": town.camat("Panggungrejo"),
    }


@dataclass
class Stage:
    """One town with a problem in every situation, and everybody who may come along. Nobody may change it."""

    town: Town
    app: FastAPI
    problems: dict[str, Found]
    main: Found
    """A problem that everybody concerned sees, for those that are to be linked to one."""
    extra: dict[str, Someone]

    def callers(self, situation: str) -> dict[str, Someone]:
        return self.extra | cast(self.town, SITUATIONS[situation].lead)

    def speaking(self) -> AsyncClient:
        """The app under a client of this test's event loop."""
        settings = self.town.house.settings
        self.app.state.hops = Hops(settings.pool_size, settings.pool_wait_seconds)
        self.town.client = AsyncClient(transport=ASGITransport(app=self.app), base_url="http://testserver")
        return self.town.client


async def set_stage(settings: Settings) -> Stage:
    """Makes every situation in a town that has just been populated."""
    clock = SettableClock(NOW)
    house: House = assemble(settings, clock=clock)
    app = create_app(settings, house=house)
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://testserver") as client:
        town = Town(house, client, clock)
        clock.now = LAST_MONTH
        main = await seen_by_all(town)
        problems = {}
        for name, situation in SITUATIONS.items():
            clock.now = situation.since
            problems[name] = await situation.made(town)
            assert problems[name]["state"] == situation.state, name
    clock.now = NOW
    with house.database.write() as session:
        extra = {
            "colleague": town.hire(session, PostKind.OPERATOR, town.kelurahan("Bakalan")),
            "second_monitor": town.hire(session, PostKind.MONITOR, CITY),
        }
        # so that no request has to note that its device was used
        session.connection().execute(update(DeviceSession).values(last_used_at=NOW))
    return Stage(town, app, problems, main, extra)
