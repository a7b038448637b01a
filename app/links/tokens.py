"""The secret part of a link: the link's id and a signature over it. Nothing of it is stored.

The signature is an HMAC-SHA256 over the id and the end of the link, under keys derived from the vault's. The newest key
signs and all of them verify, so a new key spoils no link that was given before.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from uuid import UUID

from app.kit.house import House
from app.kit.vault import Vault

_ID_BYTES = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]{64}")
"""Of 16 bytes of the id and 32 of the signature: a multiple of three, so no token has a second spelling."""


def address_of(house: House, link_id: UUID, expires_at: datetime) -> str:
    """The whole address that opens the link."""
    return f"{house.settings.public_url}/t/{token_of(house.vault, link_id, expires_at)}"


def token_of(vault: Vault, link_id: UUID, expires_at: datetime) -> str:
    return urlsafe_b64encode(link_id.bytes + _signatures(vault, link_id, expires_at)[0]).decode()


def read_token(token: str) -> tuple[UUID, bytes] | None:
    """The link's id and the signature that a token claims; None where it has not the shape of one."""
    if not _TOKEN.fullmatch(token):
        return None
    data = urlsafe_b64decode(token)
    return UUID(bytes=data[:_ID_BYTES]), data[_ID_BYTES:]


def is_signed(vault: Vault, link_id: UUID, expires_at: datetime, signature: bytes) -> bool:
    """Whether one of our keys made this signature for this link."""
    return any(hmac.compare_digest(each, signature) for each in _signatures(vault, link_id, expires_at))


def _signatures(vault: Vault, link_id: UUID, expires_at: datetime) -> list[bytes]:
    said = link_id.bytes + int(expires_at.timestamp()).to_bytes(8)
    return [hmac.digest(key, said, "sha256") for key in vault.keys_for("links")]
