"""Which devices synchronise, and what they still hold."""

from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.areas.queries import within
from app.kit.house import Work
from app.kit.paging import Page, Slice
from app.people.actors import Actor
from app.people.queries import known_account
from app.sync import policy
from app.sync.models import SyncDevice
from app.sync.schemas import SyncDeviceOut


def devices(work: Work[Actor], slicing: Slice, account_id: UUID | None, area: str | None) -> Page[SyncDeviceOut]:
    """The devices of an account, or those that last spoke for a post of an area; else one's own. The newest first."""
    statement = select(SyncDevice)
    if area is not None:
        statement = statement.where(within(col(SyncDevice.area_code), policy.devices_area(work.caller, area)))
    if account_id is not None or area is None:
        owner = policy.devices_account(work.caller, account_id)
        if owner != work.caller.account_id:
            known_account(work.session, owner)
        statement = statement.where(col(SyncDevice.account_id) == owner)
    rows = work.session.scalars(slicing.apply(statement, col(SyncDevice.id), col(SyncDevice.account_id))).all()
    shown, after = slicing.cut(rows, "id", "account_id")
    return Page(items=[device_out(each) for each in shown], next=after)


def device_out(device: SyncDevice) -> SyncDeviceOut:
    """A device as the wire shows it."""
    return SyncDeviceOut(**device.model_dump(), account=device.account_id, area=device.area_code)
