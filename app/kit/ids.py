"""UUIDv7 (RFC 9562 §5.7): ids that a client may choose, and that sort by the time they were made."""

import secrets
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def new_id() -> UUID:
    """A new UUIDv7: 48 bits of milliseconds, then 74 bits that rise within one millisecond of this process."""
    global _last  # noqa: PLW0603 - one counter for the process, under its lock
    with _lock:
        candidate = (time.time_ns() // 1_000_000) << 74 | secrets.randbits(73)
        _last = candidate if candidate > _last else _last + 1
        value = _last
    milliseconds, high, low = value >> 74, (value >> 62) & 0xFFF, value & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
