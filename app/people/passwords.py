"""Passwords: argon2id, few at once, and as much work for a name nobody has as for one somebody has."""

import functools
import secrets

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr

from app.kit.doors import Turns
from app.kit.house import House
from app.kit.settings import Settings

_ARGON2ID = PasswordHash((Argon2Hasher(),))
_PLAIN_CHARACTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Letters and digits that are not mistaken for one another when read aloud or from paper."""


class Passwords:
    """The house's part `passwords`. Hashing is never done inside a transaction; a route first waits for a turn."""

    def __init__(self, settings: Settings, hashing: PasswordHash = _ARGON2ID) -> None:
        self._hashing = hashing
        self._nobodys = _hash_of_nobody(hashing)
        self.turns = Turns(
            settings.password_threads, settings.pool_wait_seconds, "Too many people are logging in at once."
        )
        """Bounds the hashes computed at once: each takes 64 MiB."""

    def hash(self, password: SecretStr) -> str:
        return self._hashing.hash(password.get_secret_value())

    def verify(self, password: SecretStr, hashed: str | None) -> tuple[bool, str | None]:
        """Whether the password is the one hashed, and a new hash where the old is of weaker parameters.

        None is the hash of nobody: it is never right, and takes as long to find out.
        """
        right, renewed = self._hashing.verify_and_update(password.get_secret_value(), hashed or self._nobodys)
        return (right, renewed) if hashed is not None else (False, None)


@functools.lru_cache(maxsize=4)
def _hash_of_nobody(hashing: PasswordHash) -> str:
    return hashing.hash(secrets.token_urlsafe(32))


def passwords(house: House) -> Passwords:
    """The house's part of this room."""
    part: Passwords = house.parts["passwords"]
    return part


def one_time_password() -> SecretStr:
    """A password to be read out once: 16 characters that cannot be mistaken, some 79 bits."""
    groups = ("".join(secrets.choice(_PLAIN_CHARACTERS) for _ in range(4)) for _ in range(4))
    return SecretStr("-".join(groups))
