"""The worker, until standard input ends: `python -m bench.webhooks_worker CORE`."""

import os
import signal
import sys
import threading

from app import worker


def main() -> None:
    """What `ujung worker` becomes, on one core where one is named; it ends as a service manager ends it."""
    if len(sys.argv) > 1:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    print("here", flush=True)
    worker.main()


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
