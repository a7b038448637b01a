"""Bytes of photos: they go in pieces, and after an interruption on from where the server stands."""

from collections.abc import Callable

from app.client.backoff import Backoff
from app.client.protocol import Refused, Server, Unreachable
from app.client.store import Store

CHUNK_BYTES = 65_536
_ELSEWHERE = (404, 409, 410, 460)
"""It expired, stands elsewhere, or was garbled on the way: nothing that asking again could not mend."""
_DAMAGED = "upload_damaged"
_TURNED_BACK_MAXIMUM = 3

Told = Callable[[int, int], None]
"""Hears how many of how many bytes have arrived."""


def send_photo(store: Store, server: Server, backoff: Backoff, photo: str, chunk: int, told: Told) -> None:
    """Sends what is missing of one photo. Called again after anything at all, it goes on where the server stands."""
    (row,) = store.rows("SELECT size, sha256, number FROM photo JOIN photo_bytes ON photo = id WHERE id = ?", photo)
    arrived: int | None = None  # unknown: ask

    def step() -> None:
        nonlocal arrived
        at = arrived if arrived is not None else _standing(server, photo, row["size"], row["sha256"])
        arrived = None
        if at < row["size"]:
            with store.connection.blobopen("photo_bytes", "bytes", row["number"], readonly=True) as blob:
                blob.seek(at)
                moved = server.append(photo, at, blob.read(chunk))
            if moved <= at:
                raise Unreachable("The upload does not move.")
            at = moved
        arrived = at
        told(at, row["size"])

    turned_back = 0
    while arrived is None or arrived < row["size"]:
        try:
            backoff.keep_trying(step)
        except Refused as refused:
            turned_back += 1
            mendable = refused.status in _ELSEWHERE or refused.code == _DAMAGED
            if not mendable or turned_back == _TURNED_BACK_MAXIMUM:
                raise


def _standing(server: Server, photo: str, size: int, sha256: str) -> int:
    """How many bytes have arrived; an upload that is not there, or no longer, is begun."""
    try:
        return server.offset(photo)
    except Refused as refused:
        if refused.status not in (404, 410):
            raise
    server.begin_upload(photo, size, sha256)
    return 0
