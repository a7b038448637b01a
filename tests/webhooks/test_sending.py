"""An attempt ends within its limits whatever the receiver does, and the next one, to a decent receiver, arrives."""

import asyncio
import gzip
import socket
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from app.kit.settings import Settings
from app.kit.version import app_version
from app.webhooks.guard import Guard
from app.webhooks.sending import KEPT_CONNECTIONS, Answer, Sender, SenderUnsafe
from app.webhooks.wire import ANSWER_BYTES
from app.webhooks.words import ANSWER_KEPT, Fault
from tests.conftest import MONDAY_MORNING, settings_for
from tests.webhooks import receiver as receivers
from tests.webhooks.receiver import (
    BOMB,
    LOOPBACK,
    Arrived,
    Hostile,
    Line,
    Reply,
    certificate_for,
    never_accepting,
    nobody_there,
    receiving,
    redirecting,
)

LIMIT_SECONDS = 1.0
"""Of attempts that are to end by it."""
GENEROUS_SECONDS = 20.0
"""Of all others, for a machine that is busy with other things."""
ROOM_IN_KERNELS = 200_000
"""What a receiver gets rid of without anybody reading it: its own buffer and ours, counted generously."""
BODY = '{"type":"webhook.ping","teks":"saluran ✓"}\n'.encode()
HEADERS = {"webhook-id": "0198", "webhook-timestamp": "1772416800", "webhook-signature": "v1,abc v1,def"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for("sqlite://", tmp_path, webhook_timeout_seconds=GENEROUS_SECONDS, **LOOPBACK)


@pytest.fixture
def hasty(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_timeout_seconds": LIMIT_SECONDS})


@pytest.fixture
async def sender(settings: Settings) -> AsyncIterator[Sender]:
    sending = Sender(settings)
    yield sending
    await sending.close()


async def sent(sender: Sender, url: str, body: bytes = BODY) -> Answer:
    return await sender.send(url, HEADERS, body, MONDAY_MORNING)


async def test_body_and_headers_arrive_byte_for_byte(sender: Sender) -> None:
    body = bytes(range(256)) * 70
    with receiving() as receiver:
        answer = await sent(sender, receiver.url_of("/hook;a=1?b=%2F&c"), body)
        [arrived] = receiver.arrived
    assert arrived.body == body
    assert (arrived.method, arrived.path) == ("POST", "/hook;a=1?b=%2F&c")
    assert arrived.headers == HEADERS | {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": f"ujung-tombak/{app_version()}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(body)),
    }
    assert answer.arrived
    assert (answer.status, answer.fault, answer.detail, answer.text, answer.retry_after) == (
        200,
        None,
        None,
        None,
        None,
    )
    assert 0 <= answer.milliseconds < GENEROUS_SECONDS * 1000


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_success(sender: Sender, status: int) -> None:
    with receiving() as receiver:
        receiver.answer = Reply(status)
        assert (await sent(sender, receiver.url)).arrived


@pytest.mark.parametrize("status", [400, 401, 404, 409, 410, 413, 429, 500, 502, 503, 599])
async def test_every_other_status_is_a_fault(sender: Sender, status: int) -> None:
    with receiving() as receiver:
        receiver.answer = Reply(status, body=b"tidak")
        answer = await sent(sender, receiver.url)
    assert (answer.status, answer.fault, answer.text) == (status, Fault.STATUS, "tidak")
    assert not answer.arrived


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
async def test_a_redirect_is_not_followed(sender: Sender, status: int) -> None:
    with receiving() as receiver:
        receiver.answer = redirecting(receiver.url_of("/elsewhere"), status)
        answer = await sent(sender, receiver.url)
        assert [each.path for each in receiver.arrived] == ["/hook"]
    assert (answer.status, answer.fault) == (status, Fault.REDIRECT)


async def test_the_environment_names_no_proxy(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, nobody_there())
    with receiving() as receiver:
        assert (await sent(sender, receiver.url)).arrived


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("120", timedelta(minutes=2)),
        (" 0 ", timedelta(0)),
        ("999999999", timedelta(seconds=999_999_999)),
        ("Mon, 02 Mar 2026 02:10:00 GMT", timedelta(minutes=10)),
        ("Mon, 02 Mar 2026 09:10:00 +0700", timedelta(minutes=10)),
        ("Mon, 02 Mar 2026 02:10:00 -0000", timedelta(minutes=10)),
        ("Mon, 02 Mar 2026 01:00:00 GMT", timedelta(0)),
        ("besok", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 5000, None),
        ("Mon, 02 Mar 99999 02:10:00 GMT", None),
        ("Mon, 32 Feb 2026 02:10:00 GMT", None),
        ("", None),
    ],
)
async def test_retry_after(sender: Sender, said: str, meant: timedelta | None) -> None:
    with receiving() as receiver:
        receiver.answer = Reply(503, {"Retry-After": said})
        answer = await sent(sender, receiver.url)
    assert (answer.status, answer.fault, answer.retry_after) == (503, Fault.STATUS, meant)


async def test_what_is_kept_of_the_answer_is_bounded_and_printable(sender: Sender) -> None:
    with receiving() as receiver:
        receiver.answer = Reply(500, body=b"a\x00b\x1b[31m\nc\xff\xed\xa0\x80" + "é".encode() * 5000)
        answer = await sent(sender, receiver.url)
    assert answer.text is not None
    assert answer.text.startswith("ab[31m\nc\ufffd")
    assert len(answer.text) == ANSWER_KEPT


async def test_an_answer_may_be_as_long_as_we_read_and_no_longer(sender: Sender) -> None:
    with receiving() as receiver:
        head = len(Reply(body=b"x" * 10_000).to_bytes()) - 10_000
        receiver.answer_next(Reply(body=b"x" * (ANSWER_BYTES - head)), Reply(body=b"x" * (ANSWER_BYTES - head + 1)))
        assert (await sent(sender, receiver.url)).arrived
        too_long = await sent(sender, receiver.url)
    assert (too_long.status, too_long.fault) == (200, Fault.PROTOCOL)


HOSTILE: dict[str, tuple[Hostile, Fault]] = {
    "drips head": (receivers.drips_head, Fault.TIMEOUT),
    "drips body": (receivers.drips_body, Fault.TIMEOUT),
    "never answers": (receivers.never_answers, Fault.TIMEOUT),
    "endless head": (receivers.endless_head, Fault.PROTOCOL),
    "endless hints": (receivers.endless_hints, Fault.PROTOCOL),
    "endless body": (receivers.endless_body, Fault.PROTOCOL),
    "garbage": (receivers.garbage, Fault.PROTOCOL),
    "closes amid": (receivers.closes_amid, Fault.PROTOCOL),
    "closes": (receivers.closes, Fault.CONNECTION),
    "resets": (receivers.resets, Fault.CONNECTION),
    "resets amid": (receivers.resets_amid, Fault.CONNECTION),
}


@pytest.mark.parametrize(("hostile", "fault"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("over", ["http", "https"])
async def test_hostile_receivers(
    settings: Settings, hasty: Settings, tmp_path: Path, over: str, hostile: Hostile, fault: Fault
) -> None:
    certificate = certificate_for(tmp_path)
    sender = Sender(hasty if fault == Fault.TIMEOUT else settings, context=certificate.trusting)
    with receiving(certificate.serving if over == "https" else None) as receiver:
        assert (await sent(sender, receiver.url)).arrived
        receiver.answer_next(hostile, hostile)
        began = time.monotonic()
        answer = await sent(sender, receiver.url)
        assert time.monotonic() - began < LIMIT_SECONDS + GENEROUS_SECONDS
        assert answer.fault == fault, answer
        assert not answer.arrived
        assert answer.detail
        assert receiver.written < ROOM_IN_KERNELS or over == "https"
        receiver.answer_next_as_ever()
        assert (await sent(sender, receiver.url)).arrived
    await sender.close()


async def test_no_more_is_read_than_16_kilobytes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted where the process gets it from the kernel."""
    loop = asyncio.get_running_loop()
    taken: list[int] = []

    class Counting(asyncio.SelectorEventLoop):
        async def sock_recv(self, sock: socket.socket, n: int) -> bytes:
            data = await super().sock_recv(sock, n)
            taken.append(len(data))
            return data

    def attempt(url: str) -> Answer:
        async def once() -> Answer:
            sender = Sender(settings)
            try:
                return await sent(sender, url)
            finally:
                await sender.close()

        with asyncio.Runner(loop_factory=Counting) as runner:
            return runner.run(once())

    with receiving() as receiver:
        for hostile in (receivers.endless_head, receivers.endless_hints, receivers.endless_body):
            taken.clear()
            receiver.answer = hostile
            answer = await loop.run_in_executor(None, attempt, receiver.url)
            assert answer.fault == Fault.PROTOCOL
            assert sum(taken) == ANSWER_BYTES


async def test_a_gzip_bomb_stays_packed(sender: Sender) -> None:
    with receiving() as receiver:
        receiver.answer_next(receivers.gzip_bomb, Reply(500, {"Content-Encoding": "gzip"}, gzip.compress(bytes(9_000))))
        answer = await sent(sender, receiver.url)
        small = await sent(sender, receiver.url)
    assert len(BOMB) < ANSWER_BYTES  # so it is read whole, and the receiver has said 200
    assert answer.arrived
    assert len(answer.text or "") <= ANSWER_KEPT
    assert len(small.text or "") < 100


async def test_a_port_that_never_accepts(hasty: Settings) -> None:
    with never_accepting() as url:
        began = time.monotonic()
        answer = await sent(Sender(hasty), url)
        assert time.monotonic() - began < LIMIT_SECONDS + GENEROUS_SECONDS
    assert (answer.status, answer.fault) == (None, Fault.TIMEOUT)
    assert answer.milliseconds >= LIMIT_SECONDS * 900


async def test_a_port_where_nobody_listens(sender: Sender) -> None:
    answer = await sent(sender, nobody_there())
    assert (answer.status, answer.fault, answer.detail) == (None, Fault.CONNECTION, "Connection refused")


async def test_a_certificate_that_nobody_vouches_for(sender: Sender, tmp_path: Path) -> None:
    with receiving(certificate_for(tmp_path).serving) as receiver:
        answer = await sent(sender, receiver.url)
        assert receiver.arrived == []
    assert (answer.status, answer.fault) == (None, Fault.TLS)
    assert "self-signed" in (answer.detail or "").replace("self signed", "self-signed")


async def test_a_certificate_of_another_host(settings: Settings, tmp_path: Path) -> None:
    certificate = certificate_for(tmp_path, "sim.example")
    sender = Sender(settings, context=certificate.trusting)
    with receiving(certificate.serving) as receiver:
        answer = await sent(sender, receiver.url)
        assert receiver.arrived == []
    assert answer.fault == Fault.TLS
    assert "127.0.0.1" in (answer.detail or "")


async def test_a_name_goes_into_the_handshake(settings: Settings, tmp_path: Path) -> None:
    certificate = certificate_for(tmp_path, "sim.example")

    async def names(name: str) -> Sequence[str]:
        return ["127.0.0.1"]

    sender = Sender(settings, context=certificate.trusting, resolve=names)
    with receiving(certificate.serving) as receiver:
        assert (await sent(sender, f"https://sim.example:{receiver.port}/hook")).arrived
        assert (await sent(sender, f"https://other.example:{receiver.port}/hook")).fault == Fault.TLS
        assert receiver.arrived[0].headers["host"] == f"sim.example:{receiver.port}"
    await sender.close()


async def test_a_receiver_that_speaks_no_tls(sender: Sender, hasty: Settings) -> None:
    async def plainly(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(Reply(400).to_bytes())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(plainly, "127.0.0.1", 0) as server:
        answer = await sent(sender, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook")
    assert (answer.status, answer.fault) == (None, Fault.TLS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = await sent(Sender(hasty), f"https://127.0.0.1:{silent.getsockname()[1]}/hook")
    assert (answer.status, answer.fault) == (None, Fault.TIMEOUT)


async def test_tls_is_spoken_and_kept(settings: Settings, tmp_path: Path) -> None:
    certificate = certificate_for(tmp_path)
    sender = Sender(settings, context=certificate.trusting)
    with receiving(certificate.serving) as receiver:
        for _ in range(3):
            assert (await sent(sender, receiver.url)).arrived
        assert [each.connection for each in receiver.arrived] == [1, 1, 1]
    await sender.close()


async def test_connections_are_kept(sender: Sender) -> None:
    with receiving() as receiver:
        receiver.answer_next(Reply(), Reply(500, body=b"x" * 5000), Reply(404))
        for _ in range(5):
            await sent(sender, receiver.url)
        assert [each.connection for each in receiver.arrived] == [1] * 5
        receiver.answer_next(Reply(closes=True))
        for _ in range(2):
            assert (await sent(sender, receiver.url)).arrived
        assert [each.connection for each in receiver.arrived][-2:] == [1, 2]


async def test_at_once_each_has_a_connection_and_few_are_kept(sender: Sender) -> None:
    with receiving() as receiver:
        count = KEPT_CONNECTIONS + 6
        answers = await asyncio.gather(*(sent(sender, receiver.url) for _ in range(count)))
        assert all(answer.arrived for answer in answers)
        assert len(sender._kept) <= KEPT_CONNECTIONS
        await sender.close()
        assert sender._kept == []


async def test_a_kept_connection_that_the_receiver_closed_is_no_fault(sender: Sender) -> None:
    """Whether the end of it was seen before, or only when the request was on its way."""

    async def closes_when_asked_again(_arrived: Arrived, line: Line) -> None:
        await line.write(Reply().to_bytes())

    with receiving() as receiver:
        receiver.answer_next(closes_when_asked_again)
        assert (await sent(sender, receiver.url)).arrived
        assert (await sent(sender, receiver.url)).arrived
        receiver.answer_next(receivers.resets)
        assert (await sent(sender, receiver.url)).arrived
        assert len({each.headers["webhook-id"] for each in receiver.arrived}) == 1


async def test_what_comes_unasked_is_no_answer_to_the_next_question(sender: Sender) -> None:
    """A second answer behind the first one, in the same breath, would otherwise be taken for the next one's."""

    async def twice(_arrived: Arrived, line: Line) -> None:
        await line.write(Reply().to_bytes() + Reply(204).to_bytes())
        await receivers.never_answers(_arrived, line)

    with receiving() as receiver:
        receiver.answer_next(twice, Reply(500))
        assert (await sent(sender, receiver.url)).status == 200
        assert (await sent(sender, receiver.url)).status == 500
        assert [each.connection for each in receiver.arrived] == [1, 2]


async def test_one_receiver_that_drips_holds_up_nobody(hasty: Settings) -> None:
    sender = Sender(hasty)
    with receiving() as receiver:
        receiver.answer_at("/slow", receivers.drips_body)
        slow = [asyncio.ensure_future(sent(sender, receiver.url_of("/slow"))) for _ in range(10)]
        quick = [await sent(sender, receiver.url) for _ in range(10)]
        assert all(answer.arrived for answer in quick)
        assert not any(each.done() and each.result().arrived for each in slow)
        assert {(await each).fault for each in slow} == {Fault.TIMEOUT}
    await sender.close()


async def test_a_cancelled_attempt_leaves_nothing_behind(sender: Sender) -> None:
    with receiving() as receiver:
        receiver.answer_next(receivers.never_answers)
        attempt = asyncio.ensure_future(sent(sender, receiver.url))
        await receiver.came(1)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        assert sender._kept == []
        assert (await sent(sender, receiver.url)).arrived


async def test_a_name_that_leads_elsewhere_the_next_time_is_asked_once(settings: Settings) -> None:
    asked: list[str] = []

    async def rebinding(name: str) -> Sequence[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    sender = Sender(settings, resolve=rebinding)
    with receiving() as receiver:
        url = f"http://sim.example:{receiver.port}/hook"
        assert (await sent(sender, url)).arrived
        assert asked == ["sim.example"]
        receiver.answer_next(Reply(closes=True))
        assert (await sent(sender, url)).arrived
        assert asked == ["sim.example"]
        answer = await sent(sender, url)  # a new connection asks anew, and judges anew
        assert (answer.status, answer.fault) == (None, Fault.ADDRESS)
        assert len(asked) == 2
        assert len(receiver.arrived) == 2
    await sender.close()


async def test_a_name_that_is_not_known(settings: Settings) -> None:
    answer = await sent(Sender(settings), "http://sim.example/hook")  # the audit hook of the tests knows no name
    assert (answer.status, answer.fault) == (None, Fault.NAME)


async def test_in_production_nothing_goes_home(tmp_path: Path) -> None:
    async def names(name: str) -> Sequence[str]:
        return ["127.0.0.1"]

    production = Sender(settings_for("sqlite://", tmp_path), resolve=names)
    with receiving() as receiver:
        urls = (receiver.url, "https://127.0.0.1/hook", "https://sim.example/hook", "https://localhost:8443/hook")
        assert [(await sent(production, url)).fault for url in urls] == [Fault.ADDRESS] * 4
        assert receiver.connections == 0


class Blind(Guard):
    """Refuses nothing."""

    def refusal_of(self, address: IPv4Address | IPv6Address) -> str | None:
        return None


class Forgetful(Guard):
    """Does not know that IPv4 may be written as IPv6."""

    def refusal_of(self, address: IPv4Address | IPv6Address) -> str | None:
        return None if address.version == 6 and address.ipv4_mapped else super().refusal_of(address)


async def test_the_self_test_is_passed(settings: Settings, tmp_path: Path) -> None:
    """With what production allows, and with what tests allow."""
    await Sender(settings).check_itself()
    await Sender(settings_for("sqlite://", tmp_path)).check_itself()


@pytest.mark.parametrize("broken", [Blind, Forgetful])
async def test_a_sender_whose_guard_does_not_see_sends_nothing(settings: Settings, broken: type[Guard]) -> None:
    with receiving() as receiver:
        sender = Sender(settings, guard=broken(http=True, ports=frozenset({0})))
        with pytest.raises(SenderUnsafe):
            await sender.check_itself()
        with pytest.raises(SenderUnsafe):
            await sent(sender, receiver.url)
        assert receiver.connections == 0


async def test_a_self_test_that_cannot_be_made_is_not_passed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more_sockets(*_: object, **__: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "create_server", no_more_sockets)
    with pytest.raises(SenderUnsafe):
        await sent(Sender(settings), "https://sim.example/hook")
