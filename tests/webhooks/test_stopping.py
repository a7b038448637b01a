"""The API is told to stop while a client is slow and a receiver hangs: it is gone in time, and claims nothing more."""

import socket
import threading
import time
from pathlib import Path
from uuid import UUID

from app.assembly import assemble
from app.webhooks.words import DeliveryState
from tests.conftest import Databases, SettableClock, settings_for
from tests.deploy.serving import Serving, environment, serving
from tests.town import populate
from tests.webhooks.queues import Depot
from tests.webhooks.receiver import LOOPBACK, Receiver, never_answers

GONE_SECONDS = 25
HALF = (
    b"POST /api/v1/auth/sessions HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
)
SETTINGS = {
    "background": "true",
    "webhook_http": "true",
    "webhook_ports": "0",
    "webhook_networks": "127.0.0.0/8",
    "webhook_timeout_seconds": "60",
}


def test_from_the_signal_on_nothing_is_claimed_and_the_process_leaves_in_time(
    databases: Databases, database_kind: str, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answer_at("/hangs", never_answers)
    with databases.fresh(database_kind, populate) as address:
        house = assemble(settings_for(address, tmp_path, **LOOPBACK))
        depot = Depot(house, SettableClock(), receiver)
        try:
            with serving(tmp_path, environment(tmp_path, SETTINGS | {"database_url": address})) as api:
                depot.waiting(depot.endpoint("/hangs"))
                receiver.wait_for(1)
                late = stopped_amid_a_request(api, depot)
                assert api.process.returncode == 0, api.log.read_text()
            assert [each.path for each in receiver.arrived] == ["/hangs"]
            row = depot.delivery(late)
            assert (row.state, row.lease) == (DeliveryState.WAITING, None)
            assert "left to their leases" in [each["event"] for each in api.lines()]
        finally:
            house.database.close()


def stopped_amid_a_request(api: Serving, depot: Depot) -> UUID:
    """Tells it to stop, and waits for it; answers a delivery that became due after the signal."""
    host, _, port = api.place.partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(HALF)
        wait_for_request(api)
        begun = time.monotonic()
        api.process.terminate()
        wait_until_told(api)
        (late,) = depot.waiting(depot.endpoint("/late"))
        api.process.wait(2 * GONE_SECONDS)
    assert time.monotonic() - begun < GONE_SECONDS
    return late


def wait_for_request(api: Serving) -> None:
    """Until the server has taken in what was sent before: it answers who comes behind."""
    with socket.create_connection(("127.0.0.1", int(api.place.partition(":")[2]))) as behind:
        behind.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert behind.recv(1)


def wait_until_told(api: Serving) -> None:
    """Until its log tells that it leaves."""
    never, until = threading.Event(), time.monotonic() + GONE_SECONDS
    while "Shutting down" not in api.log.read_text():
        assert time.monotonic() < until, api.log.read_text()
        never.wait(0.05)
