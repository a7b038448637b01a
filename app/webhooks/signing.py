"""Signatures by Standard Webhooks 1.0, so that an agency may check with a published library what came from us."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from secrets import token_bytes
from typing import Final

PREFIX: Final = "whsec_"
_KEY_BYTES: Final = 32


def new_secret() -> str:
    """A secret as the agency is shown it once: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(token_bytes(_KEY_BYTES)).decode()


def signed_headers(secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers that sign a body: with one signature for each secret, as during a rotation.

    `at` is when it is sent, not when the event happened: a receiver refuses what is some minutes old. It must be aware.
    """
    if at.tzinfo is None:
        raise ValueError("the moment of a signature must say its zone")
    timestamp = int(at.timestamp())
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(_key(secret), signed) for secret in secrets),
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
