"""The bell: whoever waits for deliveries in this process hears at once that there are some; others look by and by."""

import threading
from collections.abc import Callable

import structlog
from sqlalchemy import event
from sqlmodel import Session

from app.kit.house import House

Listener = Callable[[], None]
_log = structlog.get_logger("ujung")


class Bell:
    """Rung and listened to from any thread. A ring says that there may be news, and nothing else."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[object, Listener] = {}

    def listen(self, callback: Listener) -> Listener:
        """Calls back at each ring, in the thread that rings, so it must be quick. Answers what stops it."""
        name = object()
        with self._lock:
            self._listeners[name] = callback

        def stop() -> None:
            with self._lock:
                self._listeners.pop(name, None)

        return stop

    def ring(self) -> None:
        """Tells every listener. What fails in one of them harms neither the others nor whoever rings."""
        with self._lock:
            listeners = list(self._listeners.values())
        for callback in listeners:
            try:
                callback()
            except Exception:  # noqa: BLE001 - a change that is committed must not fail because nobody hears of it
                _log.exception("bell not heard")


def bell_of(house: House) -> Bell:
    """The bell of this process."""
    bell = house.parts["bell"]
    assert isinstance(bell, Bell)
    return bell


def ring_after_commit(session: Session, bell: Bell) -> None:
    """Rings once the session has committed, and not where it rolls back."""
    event.listen(session, "after_commit", lambda _session: bell.ring(), once=True)
