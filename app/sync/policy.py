"""Who may look at how areas synchronise, take note for a kecamatan, and see or revoke devices."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from app.areas.words import Level, level_of, lies_in
from app.kit.refusals import NotPermitted, Unprocessable
from app.kit.rules import only_admin
from app.people.actors import Actor
from app.people.words import PostKind
from app.problems.lifecycle.context import OutsideScope

KECAMATAN: Final = frozenset({PostKind.STAFF, PostKind.CAMAT})


class AreaTooWide(Unprocessable):
    code, title, judul = "area_too_wide", "Name a city, or an area within one", "Sebutkan kota atau wilayah di dalamnya"


def board_area(actor: Actor, wanted: str | None, city: str) -> str:
    """The area whose board is shown: the one that is wanted, else the actor's own; an admin's is the `city`.

    Everybody looks within their own area, and an admin everywhere, for a board names no case. Agencies have none.
    """
    if actor.kind.in_agency:
        raise NotPermitted("Agencies have no kelurahan to look after.")
    return _within(actor, wanted or actor.area_code or city)


def devices_area(actor: Actor, wanted: str) -> str:
    """The area whose devices are listed: within their own for staff and camat, any for an admin."""
    if not actor.is_admin and actor.kind not in KECAMATAN:
        raise NotPermitted
    return _within(actor, wanted)


def devices_account(actor: Actor, wanted: UUID | None) -> UUID:
    """Whose devices are meant: one's own; an admin may name anybody."""
    if wanted is not None and wanted != actor.account_id:
        only_admin(actor)
    return wanted or actor.account_id


def take_note(actor: Actor, logs: Iterable[str]) -> None:
    """Refuses whoever is not staff or camat of the kecamatan that all these logs belong to."""
    if actor.kind not in KECAMATAN:
        raise NotPermitted("Only the kecamatan takes note.")
    if not all(lies_in(log, str(actor.area_code)) for log in logs):
        raise OutsideScope


def _within(actor: Actor, area: str) -> str:
    if not actor.is_admin and not lies_in(area, str(actor.area_code)):
        raise OutsideScope
    if level_of(area) is Level.PROVINCE:
        raise AreaTooWide
    return area
