"""What a tus client says."""

import hashlib
from base64 import b64encode
from uuid import UUID

UPLOADS = "/sync/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = TUS | {"Content-Type": "application/offset+octet-stream"}


def base64(data: bytes | str) -> str:
    return b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def promise(data: bytes, photo_id: UUID, **other: str) -> dict[str, str]:
    sha256 = hashlib.sha256(data).hexdigest()
    metadata = f"filename {base64('bukti.jpg')},id {base64(str(photo_id))},sha256 {base64(sha256)},keep"
    return TUS | {"Upload-Length": str(len(data)), "Upload-Metadata": metadata} | other
