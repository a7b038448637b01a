"""Nothing is sent into our own network, however its address is written, and whatever a name leads to."""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import httpcore
import pytest
from pydantic import ValidationError

from app.kit.settings import Settings
from app.webhooks import guard as guarding
from app.webhooks.guard import (
    AddressRefused,
    EndpointUrlRefused,
    Guard,
    GuardedBackend,
    Lookups,
    NameNotFound,
    guard_of,
)
from tests.conftest import settings_for
from tests.webhooks.receiver import LOOPBACK, never_accepting, receiving

BAD_URLS = {
    "http": "http://sim.example/hook",
    "another scheme": "ftp://sim.example/hook",
    "no scheme": "//sim.example/hook",
    "a file": "file:///etc/passwd",
    "userinfo": "https://admin:rahasia@sim.example/hook",
    "userinfo that looks like a host": "https://sim.example@127.0.0.1/hook",
    "userinfo behind a backslash": "https://sim.example\\@127.0.0.1/hook",
    "a backslash": "https://127.0.0.1\\.sim.example/hook",
    "a fragment": "https://sim.example/hook#@127.0.0.1",
    "an empty fragment": "https://sim.example/hook#",
    "a space": "https://sim.example/ho ok",
    "a newline": "https://sim.example/hook\r\nHost: 127.0.0.1",
    "a newline at the end": "https://sim.example/hook\n",
    "a tab in the host": "https://sim\t.example/hook",
    "a percent sign in the host": "https://127.0.0%2e1/hook",
    "half a percent escape": "https://sim.example/%2",
    "an odd port": "https://sim.example:22/hook",
    "port 80": "https://sim.example:80/hook",
    "port 0": "https://sim.example:0/hook",
    "a port with a zero before it": "https://sim.example:0443/hook",
    "a port beyond all ports": "https://sim.example:70000/hook",
    "an empty port": "https://sim.example:/hook",
    "a port in other digits": "https://sim.example:४४३/hook",
    "no host": "https:///hook",
    "an empty label": "https://sim..example/hook",
    "a dot at the end": "https://sim.example./hook",
    "a dot at the end of an address": "https://127.0.0.1./hook",
    "a label of 64": f"https://{'a' * 64}.example/hook",
    "a name of 300": f"https://{'.'.join(['abcdefghi'] * 30)}/hook",
    "IDN look-alike (Cyrillic)": "https://ѕim.example/hook",
    "IDN look-alike (full width)": "https://１２７.0.0.1/hook",
    "IDN look-alike (circled)": "https://①②⑦.⓪.⓪.①/hook",
    "IDN look-alike (dot)": "https://127。0。0。1/hook",
    "localhost": "https://localhost/hook",
    "LOCALHOST": "https://LOCALHOST/hook",
    "below localhost": "https://sim.localhost/hook",
    "local": "https://printer.local/hook",
    "internal": "https://metadata.google.internal/computeMetadata/v1/",
    "loopback": "https://127.0.0.1/hook",
    "loopback elsewhere": "https://127.99.3.4:8443/hook",
    "decimal": "https://2130706433/hook",
    "hexadecimal": "https://0x7f000001/hook",
    "hexadecimal in parts": "https://0x7f.0x0.0x0.0x1/hook",
    "octal": "https://0177.0.0.1/hook",
    "octal in one": "https://017700000001/hook",
    "short": "https://127.1/hook",
    "shorter": "https://0/hook",
    "mixed notation": "https://0x7f.1/hook",
    "more than 255": "https://127.0.0.256/hook",
    "five parts": "https://127.0.0.0.1/hook",
    "a hexadecimal end": "https://sim.0x7f/hook",
    "unspecified": "https://0.0.0.0/hook",
    "private 10": "https://10.1.2.3/hook",
    "private 172": "https://172.31.255.254/hook",
    "private 192": "https://192.168.1.1/hook",
    "metadata": "https://169.254.169.254/latest/meta-data/",
    "IPv6 loopback": "https://[::1]/hook",
    "IPv6 loopback at length": "https://[0:0:0:0:0:0:0:1]/hook",
    "IPv6 mapped": "https://[::ffff:127.0.0.1]/hook",
    "IPv6 mapped in hexadecimal": "https://[::ffff:7f00:1]/hook",
    "IPv6 mapped public": "https://[::ffff:8.8.8.8]/hook",
    "IPv6 with %scope": "https://[fe80::1%eth0]/hook",
    "IPv6 with %25scope": "https://[fe80::1%25eth0]/hook",
    "a public one with %scope": "https://[2606:4700:4700::1111%1]/hook",
    "IPv6 without brackets": "https://::1/hook",
    "a name in brackets": "https://[sim.example]/hook",
    "IPv6 written at length": "https://[2606:4700:4700:0:0:0:0:1111]/hook",
    "something behind the bracket": "https://[2606:4700:4700::1111].sim.example/hook",
}
BAD_ADDRESSES = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "reserved",
    "10.0.0.1": "private",
    "100.64.0.1": "shared by customers of a provider",
    "100.100.100.200": "shared by customers of a provider",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "metadata of a cloud",
    "169.254.0.1": "link-local",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "reserved",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4",
    "192.168.0.1": "private",
    "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "IPv4-compatible",
    "::8.8.8.8": "IPv4-compatible",
    "::ffff:127.0.0.1": "IPv4-mapped",
    "::ffff:169.254.169.254": "IPv4-mapped",
    "::ffff:8.8.8.8": "IPv4-mapped",
    "::ffff:0:127.0.0.1": "IPv4-translated",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b::808:808": "NAT64",
    "64:ff9b:1::a00:1": "NAT64",
    "100::1": "discarded",
    "2001::1": "Teredo",
    "2001:0:53aa:64c:0:fbff:f5ff:fffe": "Teredo",
    "2001:2::1": "benchmarking",
    "2001:10::1": "reserved",
    "2001:20::1": "reserved",
    "2001:db8::1": "documentation",
    "2002:7f00:1::1": "6to4",
    "2002:808:808::1": "6to4",
    "3fff::1": "documentation",
    "2606:4700::5efe:127.0.0.1": "ISATAP",
    "2606:4700::200:5efe:10.0.0.1": "ISATAP",
    "4000::1": "not public",
    "5f00::1": "not public",
    "fc00::1": "unique local",
    "fd00:ec2::254": "unique local",
    "fd20:ce::254": "unique local",
    "fe80::1": "link-local",
    "fe80::1%2": "of one interface",
    "2606:4700:4700::1111%2": "of one interface",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
}
GOOD_URLS = [
    "https://sim.pupr.pasuruankota.example/ujung-tombak",
    "https://SIM.example:8443/a/b;c=1/%7Ehook?token=a+b&x=%2F",
    "https://xn--bcher-kva.example",
    "https://8.8.8.8/hook",
    "https://103.28.12.1:8443/hook",
    "https://[2606:4700:4700::1111]/hook",
    "https://[2404:6800:4003::200e]:8443/",
    "https://1.sim.example/hook",
    "https://0x7f.example/hook",
]
GOOD_ADDRESSES = [
    "8.8.8.8",
    "1.1.1.1",
    "103.28.12.1",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "2404:6800:4003::200e",
    "2a00:1450:4001::1",
]


@pytest.fixture
def public(tmp_path: Path) -> Guard:
    """As in production, with nothing allowed."""
    return guard_of(settings_for("sqlite://", tmp_path))


class Names:
    """A name server that answers what it is told, in turn, and counts how often it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


def test_the_table_is_long_enough() -> None:
    assert len(BAD_URLS) + len(BAD_ADDRESSES) >= 46
    assert len(GOOD_URLS) + len(GOOD_ADDRESSES) >= 7


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS)
def test_a_bad_url_is_refused(public: Guard, url: str) -> None:
    with pytest.raises(EndpointUrlRefused) as refused:
        public.check_url(url)
    assert refused.value.detail
    assert "rahasia" not in refused.value.detail


@pytest.mark.parametrize("url", GOOD_URLS)
def test_a_good_url_is_not_refused(public: Guard, url: str) -> None:
    public.check_url(url)


@pytest.mark.parametrize(("address", "reason"), BAD_ADDRESSES.items())
async def test_a_name_that_leads_to_a_bad_address_is_refused(public: Guard, address: str, reason: str) -> None:
    assert public.refusal_of(ip_address(address)) == reason
    with pytest.raises(AddressRefused, match=reason):
        await GuardedBackend(public, Names([address])).connect_tcp("sim.example", 443)


@pytest.mark.parametrize("address", BAD_ADDRESSES)
async def test_an_answer_is_refused_whole(public: Guard, address: str) -> None:
    """Good ones beside it do not help, wherever they stand: the audit hook of the tests would see a connection."""
    for answer in (["8.8.8.8", address], [address, "8.8.8.8"], ["2606:4700:4700::1111", "1.1.1.1", address]):
        with pytest.raises(AddressRefused):
            await GuardedBackend(public, Names(answer)).connect_tcp("sim.example", 443)


@pytest.mark.parametrize("address", GOOD_ADDRESSES)
async def test_a_good_address_is_not_refused(public: Guard, address: str) -> None:
    """It is tried: what stops it is the audit hook of the tests, which says whither it went."""
    assert public.refusal_of(ip_address(address)) is None
    with pytest.raises(httpcore.ConnectError) as tried:
        await GuardedBackend(public, Names([address])).connect_tcp("sim.example", 443)
    assert address in str(tried.value.__cause__)


def test_every_address_is_judged_at_the_edges_of_its_network(public: Guard) -> None:
    """What stands in the table is refused from its first address to its last."""
    for network, _reason in (*guarding._REFUSED_IPV4, *guarding._REFUSED_IPV6):
        for address in (network[0], network[-1], network[network.num_addresses // 2]):
            assert public.refusal_of(address) is not None


async def test_a_name_without_addresses_leads_nowhere(public: Guard) -> None:
    with pytest.raises(NameNotFound):
        await GuardedBackend(public, Names([])).connect_tcp("sim.example", 443)


def test_a_url_is_taken_apart_as_it_was_judged(public: Guard) -> None:
    target = public.target_of("https://SIM.example:8443/a/b?c=d%20e")
    assert (target.scheme, target.host, target.port, target.path) == ("https", "sim.example", 8443, "/a/b?c=d%20e")
    assert target.authority == "sim.example:8443"
    bare = public.target_of("HTTPS://[2606:4700:4700::1111]?x")
    assert (bare.host, bare.port, bare.path) == ("2606:4700:4700::1111", 443, "/?x")
    assert bare.authority == "[2606:4700:4700::1111]"


def test_an_operator_may_allow_networks(tmp_path: Path) -> None:
    intranet = guard_of(settings_for("sqlite://", tmp_path, webhook_networks=("10.20.0.0/16", "fd12::/16")))
    for allowed in ("10.20.1.2", "::ffff:10.20.1.2", "fd12::9", "8.8.8.8"):
        assert intranet.refusal_of(ip_address(allowed)) is None, allowed
    for refused in ("10.21.0.1", "::ffff:10.21.0.1", "fd13::9", "127.0.0.1", "::1", "169.254.169.254", "fd12::9%2"):
        assert intranet.refusal_of(ip_address(refused)) is not None, refused
    intranet.check_url("https://10.20.1.2/hook")
    intranet.check_url("https://sim.internal/hook")
    for url in ("https://localhost/hook", "https://10.21.1.2/hook", "http://10.20.1.2/hook", "https://10.20.1.2:80/"):
        with pytest.raises(EndpointUrlRefused):
            intranet.check_url(url)


def test_an_allowed_ipv4_network_allows_no_tunnel_into_it() -> None:
    intranet = Guard((ip_network("10.0.0.0/8"),))
    for tunnel in ("64:ff9b::a00:1", "2002:a00:1::1", "::10.0.0.1", "2606:4700::5efe:10.0.0.1"):
        assert intranet.refusal_of(ip_address(tunnel)) is not None, tunnel


def test_tests_and_demos_allow_loopback_and_http(tmp_path: Path) -> None:
    demo = guard_of(settings_for("sqlite://", tmp_path, **LOOPBACK))
    for url in ("http://127.0.0.1:9/hook", "http://localhost/hook", "http://[::1]:9/", "http://[::ffff:7f00:1]/"):
        demo.check_url(url)
    with pytest.raises(EndpointUrlRefused):
        demo.check_url("http://10.0.0.1/hook")


def test_ports_and_networks_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UJUNG_WEBHOOK_PORTS", "443, 9443")
    monkeypatch.setenv("UJUNG_WEBHOOK_NETWORKS", "10.0.0.0/8, fd12::/16")
    guard = guard_of(Settings(_env_file=None))
    guard.check_url("https://sim.example:9443/")
    with pytest.raises(EndpointUrlRefused):
        guard.check_url("https://sim.example:8443/")
    assert guard.networks == (ip_network("10.0.0.0/8"), ip_network("fd12::/16"))
    for wrong in ("https", "70000", "-1"):
        monkeypatch.setenv("UJUNG_WEBHOOK_PORTS", wrong)
        with pytest.raises(ValidationError):
            Settings(_env_file=None)


@pytest.fixture
def home(tmp_path: Path) -> Guard:
    return guard_of(settings_for("sqlite://", tmp_path, **LOOPBACK))


async def test_a_name_is_asked_once_and_the_socket_is_opened_to_what_was_judged(home: Guard) -> None:
    """A name that leads elsewhere the next time (DNS rebinding) is not asked a next time."""
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    with receiving() as receiver:
        wire = await GuardedBackend(home, names).connect_tcp("sim.example", receiver.port)
        await wire.aclose()
        assert names.asked == ["sim.example"]
        with pytest.raises(AddressRefused):
            await GuardedBackend(home, names).connect_tcp("sim.example", receiver.port)


async def test_an_address_that_refuses_makes_room_for_the_next(home: Guard) -> None:
    with receiving() as receiver:
        answer = ["127.0.0.2", "127.0.0.3", "127.0.0.1"]  # nobody listens at the first two
        wire = await GuardedBackend(home, Names(answer)).connect_tcp("sim.example", receiver.port)
        await wire.aclose()
        with pytest.raises(httpcore.ConnectError, match="refused"):
            await GuardedBackend(home, Names(answer[:2])).connect_tcp("sim.example", receiver.port)


async def test_an_address_that_is_silent_makes_room_for_the_next(home: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding, "PATIENCE_SECONDS", 0.1)
    with never_accepting() as silent:
        port = home.target_of(silent).port
        with socket.create_server(("127.0.0.5", port)):
            wire = await GuardedBackend(home, Names(["127.0.0.1", "127.0.0.5"])).connect_tcp("sim.example", port)
            await wire.aclose()
        with pytest.raises(TimeoutError):
            await GuardedBackend(home, Names(["127.0.0.1"])).connect_tcp("sim.example", port, 0.1)


async def test_names_are_looked_up_by_the_system() -> None:
    look_up = Lookups()
    assert "127.0.0.1" in await look_up("localhost")
    with pytest.raises(NameNotFound):
        await look_up("sim.example")  # which the audit hook of the tests refuses


async def test_who_asks_for_the_same_name_shares_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where who asked first has given up, so that a name server that never answers costs one thread."""
    asked: list[object] = []
    answering = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(name: bytes, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(name)
        asyncio.run_coroutine_threadsafe(answering.wait(), loop).result()
        return [(0, 0, 0, "", ("127.0.0.9", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    look_up = Lookups()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await look_up("sim.example")
    others = [asyncio.ensure_future(look_up("sim.example")) for _ in range(3)]
    await asyncio.sleep(0)
    answering.set()
    assert await asyncio.gather(*others) == [["127.0.0.9"]] * 3
    assert asked == [b"sim.example"]
    assert not look_up._under_way
