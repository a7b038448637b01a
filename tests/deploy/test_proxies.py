"""Whose word about a client's address is taken: logins are throttled by it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.kit.settings import Settings
from tests.deploy.serving import environment, serving

PROXY, OTHER = "127.0.0.1", "127.0.0.2"
"""Two peers of a server on this machine."""


@contextmanager
def served(folder: Path, **settings: str) -> Iterator[str]:
    given = environment(folder, {"background": "false", "login_attempts_per_address": "2/minute", **settings})
    with serving(folder, given) as running:
        yield running.address


def fails(address: str, name: str, *, peer: str = PROXY, forwarded: str | None = None) -> int:
    """The status of a login that cannot succeed."""
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    with httpx.Client(transport=httpx.HTTPTransport(local_address=peer), headers=headers) as client:
        body = {"username": name, "password": "salah-sekali"}
        return client.post(f"{address}/api/v1/auth/sessions", json=body, timeout=30).status_code


def test_by_itself_the_server_believes_nobody(tmp_path: Path) -> None:
    with served(tmp_path) as address:
        statuses = [fails(address, f"nobody.{each}", forwarded=f"203.0.113.{each}") for each in range(3)]
    assert statuses == [401, 401, 429]


def test_a_trusted_proxy_tells_who_calls_and_nobody_else_does(tmp_path: Path) -> None:
    with served(tmp_path, trusted_proxies=f"{PROXY}, ::1") as address:
        # forged by a peer that is no proxy
        forged = [fails(address, f"a.{each}", peer=OTHER, forwarded=f"203.0.113.{each}") for each in range(3)]
        assert forged == [401, 401, 429]
        # one client behind the proxy is slowed, another one is not
        assert [fails(address, f"b.{each}", forwarded="198.51.100.1") for each in range(3)] == [401, 401, 429]
        assert fails(address, "c", forwarded="198.51.100.2") == 401
        # only the last hop counts, which the proxy has added; what the client wrote before it does not
        hops = [fails(address, f"d.{each}", forwarded=f"203.0.113.{each}, 198.51.100.3") for each in range(3)]
        assert hops == [401, 401, 429]
        # the proxy's own address is nobody's fault yet
        assert fails(address, "e") == 401


def test_a_network_of_proxies_may_be_named(tmp_path: Path) -> None:
    with served(tmp_path, trusted_proxies="127.0.0.0/8") as address:
        statuses = [fails(address, f"a.{each}", peer=OTHER, forwarded=f"198.51.100.{each}") for each in range(4)]
    assert statuses == [401] * 4


@pytest.mark.parametrize("said", ["*", "nginx", "10.0.0.1/8", "127.0.0.1;10.0.0.1"])
def test_what_is_neither_an_address_nor_a_network_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UJUNG_TRUSTED_PROXIES", said)
    with pytest.raises(ValueError, match="trusted_proxies"):
        Settings(_env_file=None)


def test_nobody_is_trusted_where_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UJUNG_TRUSTED_PROXIES", " ")
    assert Settings(_env_file=None).trusted_proxies == ()
