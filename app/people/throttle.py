"""Slows down guessing: counts failed logins by name and by network address."""

import ipaddress
import time

from limits import parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from app.kit.house import House
from app.kit.refusals import TooManyAttempts
from app.kit.settings import Settings

_IPV6_NETWORK_BITS = 64
"""What one subscriber is given; its addresses are all the same caller."""


class Throttle:
    """The house's part `throttle`. Only failures count, so an office that shares one address is not slowed."""

    def __init__(self, settings: Settings) -> None:
        self._window = MovingWindowRateLimiter(storage_from_string(settings.throttle_storage))
        self._limits = {
            "name": parse(settings.login_attempts),
            "address": parse(settings.login_attempts_per_address),
        }

    def check(self, name: str, address: str | None) -> None:
        """Refuses an attempt when this name, or this address, has failed too often of late."""
        waits = [
            self._window.get_window_stats(self._limits[kind], kind, value).reset_time - time.time()
            for kind, value in _keys(name, address)
            if not self._window.test(self._limits[kind], kind, value)
        ]
        if waits:
            raise TooManyAttempts(int(max(waits)) + 1)

    def count_failure(self, name: str, address: str | None) -> None:
        """Notes one more failed attempt."""
        for kind, value in _keys(name, address):
            self._window.hit(self._limits[kind], kind, value)


def _keys(name: str, address: str | None) -> list[tuple[str, str]]:
    return [("name", name), ("address", _network(address))]


def _network(address: str | None) -> str:
    """The address, or the network a subscriber of IPv6 has; never what a header of just anybody says."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "local"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_NETWORK_BITS), strict=False))


def throttle(house: House) -> Throttle:
    """The house's part of this room."""
    part: Throttle = house.parts["throttle"]
    return part
