"""Keeps webhooks out of our own network. It is decided where the socket is opened, on every address of one answer.

A look at the URL alone would not do: a name may lead anywhere, and elsewhere the next time it is looked up. So a name
is looked up once, each address of the answer is judged, and the socket is opened to a judged address, not to the name.
"""

import asyncio
import os
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

import httpcore

from app.kit.refusals import Unprocessable
from app.kit.settings import Settings
from app.webhooks.wire import ANSWER_BYTES, Wire

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Looks a name up and answers with all its addresses; raises `NameNotFound`."""

PATIENCE_SECONDS: Final = 2.0
"""After so long without a connection the next address of a name is tried; the last one has what time is left."""
ANY_PORT: Final = 0

_LOOPBACK: Final = IPv4Address("127.0.0.1")
_HTTP: Final = {"http": 80, "https": 443}
_NAME_MAXIMUM: Final = 253

_URL = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?]+)(?P<path>[^?]*)(?P<query>\?.*)?")
_URL_CHARACTERS = re.compile(r"(?:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]+)(?::(?P<port>[1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

_REFUSED_IPV4: Final = (
    (IPv4Network("0.0.0.0/32"), "unspecified"),
    (IPv4Network("0.0.0.0/8"), "reserved"),
    (IPv4Network("10.0.0.0/8"), "private"),
    (IPv4Network("100.64.0.0/10"), "shared by customers of a provider"),
    (IPv4Network("127.0.0.0/8"), "loopback"),
    (IPv4Network("168.63.129.16/32"), "metadata of a cloud"),
    (IPv4Network("169.254.0.0/16"), "link-local"),
    (IPv4Network("172.16.0.0/12"), "private"),
    (IPv4Network("192.0.0.0/24"), "reserved"),
    (IPv4Network("192.0.2.0/24"), "documentation"),
    (IPv4Network("192.88.99.0/24"), "6to4"),
    (IPv4Network("192.168.0.0/16"), "private"),
    (IPv4Network("198.18.0.0/15"), "benchmarking"),
    (IPv4Network("198.51.100.0/24"), "documentation"),
    (IPv4Network("203.0.113.0/24"), "documentation"),
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv4Network("255.255.255.255/32"), "broadcast"),
    (IPv4Network("240.0.0.0/4"), "reserved"),
)
_REFUSED_IPV6: Final = (
    (IPv6Network("::/128"), "unspecified"),
    (IPv6Network("::1/128"), "loopback"),
    (IPv6Network("::/96"), "IPv4-compatible"),
    (IPv6Network("::ffff:0:0/96"), "IPv4-mapped"),
    (IPv6Network("::ffff:0:0:0/96"), "IPv4-translated"),
    (IPv6Network("64:ff9b::/96"), "NAT64"),
    (IPv6Network("64:ff9b:1::/48"), "NAT64"),
    (IPv6Network("100::/64"), "discarded"),
    (IPv6Network("2001::/32"), "Teredo"),
    (IPv6Network("2001:2::/48"), "benchmarking"),
    (IPv6Network("2001::/23"), "reserved"),
    (IPv6Network("2001:db8::/32"), "documentation"),
    (IPv6Network("2002::/16"), "6to4"),
    (IPv6Network("3fff::/20"), "documentation"),
    (IPv6Network("fc00::/7"), "unique local"),
    (IPv6Network("fe80::/10"), "link-local"),
    (IPv6Network("fec0::/10"), "site-local"),
    (IPv6Network("ff00::/8"), "multicast"),
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)
"""The third quarter of an IPv6 address whose last one is an IPv4 address."""
_NAMES_AT_HOME: Final = ("local", "internal", "localdomain", "home.arpa")


class EndpointUrlRefused(Unprocessable):
    code, title, judul = "endpoint_url_refused", "Nothing is sent to this address", "Alamat ini tidak dapat dikirimi"


class AddressRefused(Exception):
    """It leads into a network that we do not send into; no connection was tried."""


class NameNotFound(Exception):
    """The name could not be looked up, or has no address."""


@dataclass(frozen=True)
class Target:
    """A URL taken apart, by the same reading that it was judged by."""

    scheme: str
    host: str
    """A name in lower case, or an IP address without brackets."""
    port: int
    path: str
    """With the query; `/` at least."""

    @property
    def authority(self) -> str:
        """Host and port as the header `Host` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _HTTP[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True)
class Guard:
    """Where webhooks may go."""

    networks: tuple[Network, ...] = ()
    """Allowed although they are not public."""
    http: bool = False
    """Whether without TLS too."""
    ports: frozenset[int] = frozenset({443})

    def check_url(self, url: str) -> None:
        """Refuses a URL that nothing is sent to wherever its name leads; looks nothing up."""
        self.target_of(url)

    def target_of(self, url: str) -> Target:
        """The URL taken apart; raises `EndpointUrlRefused`, whose detail never repeats the URL.

        One strict reading: what two programs might read in two ways is refused, and not put right.
        """
        if "#" in url:
            raise EndpointUrlRefused("A fragment (#) has no meaning here.")
        if not url.isascii():
            raise EndpointUrlRefused("Letters beyond ASCII are written as xn--… in a name, and as %… behind it.")
        parts = _URL.fullmatch(url)
        if parts is None or not _URL_CHARACTERS.fullmatch(parts["path"] + (parts["query"] or "")):
            raise EndpointUrlRefused("This is not a URL such as https://host/path.")
        scheme = parts["scheme"].lower()
        if scheme != "https" and not (scheme == "http" and self.http):
            raise EndpointUrlRefused("It must begin with https://.")
        if "@" in parts["authority"]:
            raise EndpointUrlRefused("It must not name a user or a password.")
        authority = _AUTHORITY.fullmatch(parts["authority"].lower())
        if authority is None:
            raise EndpointUrlRefused("Host and port cannot be read.")
        port = int(authority["port"] or _HTTP[scheme])
        if port > 65_535 or not self.ports & {port, ANY_PORT}:
            raise EndpointUrlRefused("Nothing is sent to this port.")
        return Target(scheme, self._host(authority["host"]), port, (parts["path"] or "/") + (parts["query"] or ""))

    def _host(self, host: str) -> str:
        literal = _literal(host)
        if literal is not None:
            reason = self.refusal_of(literal)
            if reason is not None:
                raise EndpointUrlRefused(f"Nothing is sent to an address of this kind: {reason}.")
            return str(literal)
        if len(host) > _NAME_MAXIMUM or not all(_LABEL.fullmatch(label) for label in host.split(".")):
            raise EndpointUrlRefused("The host is not a name.")
        loopback = host == "localhost" or host.endswith(".localhost")
        if loopback and self.refusal_of(_LOOPBACK) is not None:
            raise EndpointUrlRefused("This name leads to this machine itself.")
        if host.endswith(tuple(f".{name}" for name in _NAMES_AT_HOME)) and not self.networks:
            raise EndpointUrlRefused("This name has a meaning only inside a network.")
        return host

    def refusal_of(self, address: Address) -> str | None:
        """Why nothing is sent to this address, in a word; None where it may be.

        IPv4 written as IPv6 is allowed where the IPv4 address lies in a network of ours, and nowhere else: no honest
        name leads to one. The same holds of every form that wraps an IPv4 address: somebody else unwraps it.
        """
        if isinstance(address, IPv4Address):
            return self._unless_allowed(address, _reason_in(address, _REFUSED_IPV4, is_public=address.is_global))
        if address.scope_id is not None:
            return "of one interface"
        if address.ipv4_mapped is not None and self._allows(address.ipv4_mapped):
            return None
        if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
            return self._unless_allowed(address, "ISATAP")
        return self._unless_allowed(
            address, _reason_in(address, _REFUSED_IPV6, is_public=address in _GLOBAL_UNICAST and address.is_global)
        )

    def _unless_allowed(self, address: Address, reason: str | None) -> str | None:
        return None if reason is None or self._allows(address) else reason

    def _allows(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def guard_of(settings: Settings) -> Guard:
    return Guard(settings.webhook_networks, settings.webhook_http, frozenset(settings.webhook_ports))


def _reason_in(address: Address, refused: Iterable[tuple[Network, str]], *, is_public: bool) -> str | None:
    known = next((reason for network, reason in refused if address in network), None)
    return known or (None if is_public else "not public")


def _literal(host: str) -> Address | None:
    """The IP address that a host is, None where it is a name; refuses an address in any but the usual notation.

    `127.1`, `0x7f.0.0.1` and `2130706433` are addresses to some programs and names to others. Whatever ends in a
    number is meant as an address.
    """
    is_version_6 = host.startswith("[")
    if not is_version_6 and not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    try:
        address = IPv6Address(host[1:-1]) if is_version_6 else IPv4Address(host)
    except ValueError:
        address = None
    if address is None or str(address) != host.strip("[]"):
        raise EndpointUrlRefused("The IP address is not written in the usual way.")
    return address


class Lookups:
    """Looks names up, each in a thread of its own: one name server that never answers holds up nobody else.

    Whoever asks for a name that is being looked up shares the answer. The threads end with the process, so that a
    look-up under way does not delay its end.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Future[Sequence[str] | NameNotFound]] = {}

    async def __call__(self, name: str) -> Sequence[str]:
        answer = self._under_way.get(name)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = self._under_way[name] = loop.create_future()
            answer.add_done_callback(lambda _: self._under_way.pop(name))
            threading.Thread(target=_look_up, args=(name, loop, answer), name="look-up", daemon=True).start()
        found = await asyncio.shield(answer)
        if isinstance(found, NameNotFound):
            raise NameNotFound(str(found))
        return found


def _look_up(
    name: str, loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[Sequence[str] | NameNotFound]"
) -> None:
    found: Sequence[str] | NameNotFound
    try:
        # as bytes: Python would make something else of a name that begins with xn-- or is longer than it should be
        found = [str(each[4][0]) for each in socket.getaddrinfo(name.encode(), None, type=socket.SOCK_STREAM)]
    except OSError as error:
        found = NameNotFound(error.strerror or "the name could not be looked up")
    with suppress(RuntimeError):  # the loop has ended meanwhile, and nobody waits
        loop.call_soon_threadsafe(answer.set_result, found)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for httpcore, to judged addresses alone."""

    def __init__(self, guard: Guard, resolve: Resolve) -> None:
        self._guard = guard
        self._resolve = resolve

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> Wire:
        """Connects within `timeout` seconds, to the first address of the name that answers.

        Raises `NameNotFound`, `AddressRefused` where one address of the name is refused, `httpcore.ConnectError` where
        none answers, and `TimeoutError`.
        """
        async with asyncio.timeout(timeout):
            addresses = await self._judged(host)
            for address in addresses[:-1]:
                with suppress(OSError):  # a TimeoutError too
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        return await _connect(address, port)
            try:
                return await _connect(addresses[-1], port)
            except OSError as error:
                raise httpcore.ConnectError(os.strerror(error.errno) if error.errno else "no connection") from error

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _judged(self, host: str) -> list[Address]:
        """All addresses of the host, none of which is refused, in the order in which they should be tried."""
        addresses = [ip_address(each) for each in await self._addresses_of(host)]
        if not addresses:
            raise NameNotFound("the name has no address")
        for address in addresses:
            reason = self._guard.refusal_of(address)
            if reason is not None:
                raise AddressRefused(reason)
        return list(dict.fromkeys(addresses))

    async def _addresses_of(self, host: str) -> Sequence[str]:
        try:
            return [str(ip_address(host))]
        except ValueError:
            return await self._resolve(host)


async def _connect(address: Address, port: int) -> Wire:
    opened = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ANSWER_BYTES)  # the kernel takes no more ahead of us
        await asyncio.get_running_loop().sock_connect(opened, (str(address), port))
    except BaseException:
        opened.close()
        raise
    return Wire(opened)
