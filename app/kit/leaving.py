"""How a process ends that was told to: when what is under way has ended, or when its time is over."""

import os
import sys
import threading
from typing import Final

import structlog

LEAVING_SECONDS: Final = 24.0
"""From the signal on. Whoever gives it waits longer (30 s in `deploy` and in `compose.yaml`) before it kills."""
_log = structlog.get_logger("ujung")


def leave_within(seconds: float = LEAVING_SECONDS) -> None:
    """Ends the process after so long, with exit code 0, if it has not ended by then, whatever hangs in whatever thread.

    That is safe at any moment, as being killed is: transactions are rolled back, and leases end.
    """
    timer = threading.Timer(seconds, _leave)
    timer.daemon = True
    timer.start()


def _leave() -> None:
    _log.warning("time to leave is over: ends amid work")
    sys.stdout.flush()
    os._exit(0)
