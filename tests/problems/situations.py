"""Problems as they stand in every state of their life, each made by its officials through the API, at its own time."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI
from sqlalchemy import update

from app.kit.ids import new_id
from app.people.actors import Actor
from app.people.models import Account, DeviceSession, Post
from app.people.words import PostKind
from tests.town import CITY, NEVER, SINCE, Someone, Town

NOW: Final = datetime(2026, 7, 22, 2, 0, tzinfo=UTC)
"""Nine o'clock on a Wednesday in Pasuruan, with no holiday near."""
YESTERDAY: Final = NOW - timedelta(days=1)
LAST_WEEK: Final = NOW - timedelta(days=9)
"""Seven working days ago: longer than five, shorter than ten."""
LONG_AGO: Final = NOW - timedelta(days=20)
"""Fourteen working days ago."""
BEFORE_THAT: Final = NOW - timedelta(days=31)

Found = dict[str, Any]
"""A problem as the API answers it."""


def _soon(town: Town, days: int = 12) -> str:
    return (town.today() + timedelta(days=days)).isoformat()


# -- how they come about ---------------------------------------------------------------------------------------------


async def submitted(town: Town) -> Found:
    return await town.operator("Bakalan").report()


async def returned_by_lurah(town: Town) -> Found:
    return await town.lurah("Bakalan").step(await submitted(town), "send_back", reason="Di depan rumah siapa?")


async def handled_locally(town: Town) -> Found:
    problem = await submitted(town)
    return await town.lurah("Bakalan").step(problem, "handle_locally", plan="Kerja bakti", target_on=_soon(town))


async def local_on_hold(town: Town) -> Found:
    problem = await handled_locally(town)
    return await town.lurah("Bakalan").step(problem, "hold", reason_code="weather_season", review_on=_soon(town))


async def local_awaiting(town: Town) -> Found:
    """Work of the kelurahan that the kecamatan looks at, as it does in the class oversight always."""
    problem = await town.operator("Bakalan").report(category="pungutan-liar")
    problem = await town.lurah("Bakalan").step(problem, "handle_locally", plan="Musyawarah", target_on=_soon(town))
    return await town.lurah("Bakalan").step(problem, "finish", resolution="explained")


async def local_resolved(town: Town) -> Found:
    return await town.staff("Bugul Kidul").step(await local_awaiting(town), "confirm")


async def forwarded(town: Town) -> Found:
    return await town.lurah("Bakalan").step(await submitted(town), "forward")


async def forwarded_emergency(town: Town) -> Found:
    """It went up at once; the agency that is responsible for disasters was told."""
    return await town.operator("Bakalan").report(category="pohon-tumbang")


async def forwarded_by_kecamatan(town: Town) -> Found:
    return await town.staff("Bugul Kidul").report()


async def objected_to_kecamatan(town: Town) -> Found:
    problem = await forwarded_by_kecamatan(town)
    return await town.lurah("Bakalan").step(problem, "object", reason="Sudah dibersihkan kemarin.")


async def objected_to_agency(town: Town) -> Found:
    problem = await town.officer("PUPR").report()
    return await town.lurah("Bakalan").step(problem, "object", reason="Bukan di kelurahan kami.")


async def objected_to_monitor(town: Town) -> Found:
    problem = await town.monitor.report()
    return await town.lurah("Bakalan").step(problem, "object", reason="Bukan di kelurahan kami.")


async def asked_before_acceptance(town: Town) -> Found:
    return await town.staff("Bugul Kidul").step(await forwarded(town), "ask", question="Sejak kapan?")


async def asked_by_lead(town: Town) -> Found:
    return await town.officer("PUPR").step(await agency_working(town), "ask", question="Lebar saluran?")


async def accepted(town: Town) -> Found:
    return await town.staff("Bugul Kidul").step(await forwarded(town), "accept")


async def assigned(town: Town) -> Found:
    """Offered to PUPR; DLHKP supports."""
    return await _assign(town, await accepted(town))


async def _assign(town: Town, problem: Found, lead: str = "PUPR", *support: str) -> Found:
    camat = town.camat("Bugul Kidul")
    return await camat.step(problem, "assign", lead=lead, support=support or ["DLHKP"], instruction="Mohon ditangani.")


async def bounced_once(town: Town) -> Found:
    return await town.head("PUPR").part(await assigned(town), "refuse", reason="Saluran lingkungan.")


async def bounced_twice(town: Town) -> Found:
    problem = await town.camat("Bugul Kidul").step(await bounced_once(town), "assign", lead="PERKIM")
    return await town.head("PERKIM").part(problem, "refuse", reason="Saluran kota.")


async def decided(town: Town) -> Found:
    """The monitor decided that it is PUPR's."""
    problem = await bounced_twice(town)
    return await town.monitor.step(problem, "decide_authority", agency="PUPR", reason="Saluran sekunder.")


async def agency_took_it(town: Town) -> Found:
    return await town.officer("PUPR").part(await assigned(town), "accept")


async def agency_working(town: Town) -> Found:
    return await town.officer("PUPR").part(await agency_took_it(town), "start")


async def agency_waits_for_support(town: Town) -> Found:
    """The lead is done, its supporter works."""
    problem = await agency_working(town)
    await town.officer("DLHKP").part(problem, "accept")
    await town.officer("DLHKP").part(problem, "start")
    return await town.officer("PUPR").part(problem, "finish", resolution="explained", note="Selesai.")


async def agency_proposes_hold(town: Town) -> Found:
    problem = await agency_working(town)
    return await town.officer("PUPR").part(problem, "hold", reason_code="budget", review_on=_soon(town))


async def agency_on_hold(town: Town) -> Found:
    return await town.camat("Bugul Kidul").try_and_read(await agency_proposes_hold(town), "agree_hold", "PUPR")


async def agency_done(town: Town) -> Found:
    problem = await agency_waits_for_support(town)
    return await town.officer("DLHKP").part(problem, "finish", resolution="explained", note="Selesai.")


async def agency_resolved(town: Town) -> Found:
    return await town.lurah("Bakalan").step(await agency_done(town), "confirm", rating=4)


async def part_revoked(town: Town) -> Found:
    problem = await assigned(town)
    return town.good(await town.camat("Bugul Kidul").try_part(problem, "revoke", "PUPR", reason="Keliru."), 200)
