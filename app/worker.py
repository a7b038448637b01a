"""The worker as a process of its own: rounds of what becomes due, and deliveries, beside an API that does neither."""

import asyncio
import signal

import structlog

from app.assembly import assemble, work_in_background
from app.kit.house import House
from app.kit.leaving import leave_within
from app.kit.logs import configure_logs
from app.kit.settings import Settings

_log = structlog.get_logger("ujung.worker")


async def work(house: House) -> None:
    """Works until the process is told to stop. What is under way is finished first, if it ends in time to leave."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def leave() -> None:
        leave_within()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(leave))
    _log.info("worker started")
    await work_in_background(house, stop)
    _log.info("worker stopped")


def main() -> None:
    """What `ujung worker` becomes."""
    settings = Settings()
    configure_logs(as_json=settings.log_json)
    house = assemble(settings)
    try:
        asyncio.run(work(house))
    finally:
        house.database.close()


if __name__ == "__main__":
    main()
