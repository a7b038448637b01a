"""HTTP of the devices that synchronise."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.areas.words import AreaCode
from app.kit.doors import WRITES
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import NotPermitted, Unauthenticated, refused
from app.people.actors import ActorDoor
from app.people.queries import AccountNotFound
from app.problems.lifecycle.context import OutsideScope
from app.sync.actions import devices as actions
from app.sync.actions.devices import SyncDeviceNotFound
from app.sync.policy import AreaTooWide
from app.sync.queries import devices
from app.sync.schemas import SyncDeviceOut

router = APIRouter(prefix="/sync/devices", tags=["sync"])

OfAccount = Annotated[UUID | None, Query(description="Of this account, for an admin; without it, your own.")]


@router.get(
    "",
    summary="List the devices that synchronise",
    responses=refused(Unauthenticated, NotPermitted, OutsideScope, AreaTooWide, AccountNotFound, BadCursor),
)
async def list_sync_devices(
    door: ActorDoor,
    slicing: Slicing,
    account: OfAccount = None,
    area: Annotated[
        AreaCode | None, Query(description="Those that last spoke for a post of this area, for its kecamatan.")
    ] = None,
) -> Page[SyncDeviceOut]:
    """My devices, newest first, with what each still held when it last spoke; a kecamatan lists those of its area."""
    page = await door.read(lambda work: devices.devices(work, slicing, account, area))
    door.link(page.next)
    return page


@router.post(
    "/{device_id}/revoke",
    summary="Revoke a device",
    responses=refused(Unauthenticated, NotPermitted, SyncDeviceNotFound, *WRITES),
)
async def revoke_sync_device(door: ActorDoor, device_id: UUID, account: OfAccount = None) -> SyncDeviceOut:
    """A lost phone: when it next speaks it is refused with `device_revoked`, and erases what it holds.

    What it had not sent is lost with it. Its login is another matter: `DELETE /auth/sessions/{id}`.
    """
    return await door.write(lambda work: actions.revoke(work, device_id, account))
