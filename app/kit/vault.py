"""Encryption at rest for the little that must be kept secret: reporters' names and numbers, secrets of endpoints."""

import hashlib
import os
from base64 import urlsafe_b64decode
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.kit.settings import Settings


class Unreadable(Exception):
    """None of the keys in use opens this text."""


class Vault:
    """Fernet (AES-128-CBC with HMAC-SHA256) under one or more keys; the first one seals, all of them open."""

    def __init__(self, keys: list[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._keys = keys
        self.key_id = hashlib.sha256(keys[0].encode()).hexdigest()[:8]
        """Names the first key, which seals, and tells nothing of it."""

    def keys_for(self, purpose: str) -> list[bytes]:
        """32 bytes derived (HKDF) for one purpose from each of the keys, the newest first: one signs, all verify."""
        return [
            HKDF(SHA256(), 32, salt=None, info=f"ujung {purpose}".encode()).derive(urlsafe_b64decode(key))
            for key in self._keys
        ]

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text again; raises `Unreadable` where the key it was sealed with is gone."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise Unreadable from error

    def reseal(self, sealed: str) -> str:
        """The same text, sealed with the first key; raises `Unreadable` where the key it was sealed with is gone."""
        try:
            return self._fernet.rotate(sealed.encode()).decode()
        except InvalidToken as error:
            raise Unreadable from error


def open_vault(settings: Settings) -> Vault:
    """The vault under the keys of the settings, or under the key file, made on the first start."""
    if settings.encryption_keys is not None:
        return Vault([key.strip() for key in settings.encryption_keys.get_secret_value().split(",")])
    return Vault(_key_file(settings.data_dir / "keys").split())


def _key_file(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(Fernet.generate_key().decode())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # fails where another process was first, whose key then counts
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()
