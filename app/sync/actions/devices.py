"""Revoking a device: the next time it speaks, it is told to erase what it holds."""

from uuid import UUID

from app.journal import actions as journal
from app.kit.house import Work
from app.kit.refusals import NotFound, NotPermitted
from app.people.actors import Actor
from app.people.queries import known_account
from app.sync import policy
from app.sync.models import SyncDevice
from app.sync.queries.devices import device_out
from app.sync.schemas import SyncDeviceOut


class SyncDeviceNotFound(NotFound):
    code = "sync_device_not_found"
    title, judul = "No such device has synchronised", "Belum ada perangkat ini yang menyinkronkan data"


class DeviceRevoked(NotPermitted):
    code = "device_revoked"
    title = "This device was revoked: erase what you hold"
    judul = "Perangkat ini dicabut: hapus data yang tersimpan di dalamnya"


def revoke(work: Work[Actor], device_id: UUID, account_id: UUID | None) -> SyncDeviceOut:
    """Revokes a device of one's own or, as admin, of an account. One that was revoked stays as it was."""
    owner = policy.devices_account(work.caller, account_id)
    device = work.session.get(SyncDevice, (owner, device_id), with_for_update=True)
    if device is None:
        raise SyncDeviceNotFound
    if device.revoked_at is None:
        device.revoked_at = work.now
        username = known_account(work.session, owner).username
        journal.administration(work, "sync_device.revoked", username, device=str(device_id))
    return device_out(device)
