"""The sample for nginx, in front of the real app, by the real nginx."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.kit.refusals import BodyTooLarge, Busy, Refusal, TooManyAttempts
from app.kit.settings import Settings
from tests.deploy.image import PROJECT
from tests.deploy.serving import PATIENCE_SECONDS, SERVE, Serving, environment, serving
from tests.town import picture

SAMPLE = PROJECT / "deploy" / "nginx" / "ujung-tombak.conf"
PROGRAM = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
NAME = "ujung-tombak.example.go.id"
PASSWORD = "hujan-di-muara-2026"
FORM_OVERHEAD = 64 * 1024
CUT_OFF_SECONDS = 8
"""Later than the shortened time-outs, sooner than those of the sample."""

needs_nginx = pytest.mark.skipif(PROGRAM is None, reason="needs nginx, such as Debian's nginx-light")
pytestmark = pytest.mark.xdist_group("nginx")


@dataclass(frozen=True)
class Proxy:
    """The sample, running, with other ports and files."""

    https: int
    http: int
    certificate: Path

    def client(self, address: str = "127.0.0.1", **options: Any) -> httpx.Client:
        """Somebody who calls from this address."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.check_hostname = False  # it is reached by its address
        transport = httpx.HTTPTransport(verify=context, local_address=address)
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.https}", transport=transport, timeout=PATIENCE_SECONDS, **options
        )

    def raw(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.certificate))
        return context.wrap_socket(socket.create_connection(("127.0.0.1", self.https)), server_hostname=NAME)


def sample() -> str:
    return SAMPLE.read_text(encoding="utf-8")


@contextmanager
def proxied(folder: Path, app: str, changes: Mapping[str, str] = MappingProxyType({})) -> Iterator[Proxy]:
    """nginx with the sample, in which only the places of this machine are other ones, and what `changes` names."""
    https, http = free_port(), free_port()
    certificate, key = make_certificate(folder)
    places = {
        "listen 80;": f"listen 127.0.0.1:{http};",
        "listen [::]:80;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{https} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        "server 127.0.0.1:8000;": f"server {app};",
        "/etc/ssl/ujung-tombak/fullchain.pem": str(certificate),
        "/etc/ssl/ujung-tombak/privkey.pem": str(key),
        "/var/log/nginx/ujung-tombak.log": str(folder / "access.log"),
    }
    text = sample()
    for old, new in {**places, **changes}.items():
        assert text.count(old) == 1, f"the sample has another line than {old!r}"
        text = text.replace(old, new)
    (folder / "sample.conf").write_text(text)
    temporary = "".join(
        f"{kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off;\nmaster_process off;\npid {folder / 'pid'};\nerror_log {folder / 'error.log'} notice;\n"
        f"events {{ worker_connections 256; }}\n"
        f"http {{ {temporary} access_log {folder / 'default.log'}; include {folder / 'sample.conf'}; }}\n"
    )
    words = [str(PROGRAM), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    subprocess.run([*words, "-t"], check=True, capture_output=True)
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        try:
            await_listening(https, process)
            yield Proxy(https, http, certificate)
        finally:
            process.terminate()


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def await_listening(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Returns once somebody listens there; fails once the process has ended."""
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            continue
        return
    raise AssertionError("nginx has ended")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "fullchain.pem", folder / "privkey.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The demo town, served by a process of its own that believes the proxy."""
    folder = tmp_path_factory.mktemp("served")
    given = environment(
        folder,
        {"trusted_proxies": "127.0.0.1", "demo_password": PASSWORD, "login_attempts_per_address": "3/minute"},
    )
    with serving(folder, given, [*SERVE, "--demo"]) as served:
        yield served


@pytest.fixture
def proxy(behind: Serving, tmp_path: Path) -> Iterator[Proxy]:
    with proxied(tmp_path, behind.place) as running:
        yield running


def is_told(response: httpx.Response, refusal: type[Refusal], language: str = "id") -> None:
    told = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == told["status"] == refusal.status
    assert told["code"] == refusal.code
    assert told["title"] == (refusal.title if language == "en" else refusal.judul)
    assert told["type"] == f"/docs/refusals#{refusal.code}"
    assert told["request_id"]


@needs_nginx
def test_a_login_a_list_and_a_photo_pass_through(proxy: Proxy, tmp_path: Path) -> None:
    with proxy.client() as client:
        said = {"username": "lurah.bakalan", "password": PASSWORD, "device": "HP kantor"}
        token = client.post("/api/v1/auth/sessions", json=said).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        listed = client.get("/api/v1/problems?limit=10")
        assert listed.headers["content-encoding"] == "gzip"
        assert listed.headers["strict-transport-security"]
        assert listed.headers["x-content-type-options"] == "nosniff"
        assert "server" not in listed.headers or "/" not in listed.headers["server"]
        problem = next(each for each in listed.json()["items"] if each["state"] not in ("closed", "resolved"))
        file = {"file": ("bukti.jpg", picture(), "image/jpeg")}
        sent = client.post(f"/api/v1/problems/{problem['id']}/photos", files=file)
        assert sent.status_code == 201, sent.text
        one = client.get(f"/api/v1/problems/{problem['id']}")
        again = client.get(f"/api/v1/problems/{problem['id']}", headers={"If-None-Match": one.headers["etag"]})
        assert again.status_code == 304, "also where gzip has made the ETag a weak one"
        for path in ("/docs", "/healthz", "/readyz"):
            assert client.get(path).status_code == 200
        photo = client.get(f"/api/v1/problems/{problem['id']}/photos/{sent.json()['id']}")
        assert photo.headers.get_list("x-content-type-options") == ["nosniff"]
    logged = (tmp_path / "access.log").read_text()
    assert '"GET /api/v1/problems" 200' in logged
    assert "limit=10" not in logged
    assert one.headers["x-request-id"] in logged
    assert "/healthz" not in logged


@needs_nginx
def test_the_secret_part_of_a_link_is_in_no_log(proxy: Proxy, behind: Serving, tmp_path: Path) -> None:
    secret = "rahasia-tautan"
    with proxy.client() as client:
        for path in (f"/t/{secret}", f"/t/{secret}/photos/1", f"/t//{secret}"):
            assert client.get(path).status_code == 404
    with proxied(tmp_path, f"127.0.0.1:{free_port()}") as alone, alone.client() as client:
        assert client.get(f"/t/{secret}").status_code == 503
    plain = httpx.get(f"http://127.0.0.1:{proxy.http}/t/{secret}", headers={"Host": NAME})
    assert plain.status_code == 301
    names = ("access.log", "error.log", "default.log")
    logs = "".join((tmp_path / name).read_text() for name in names)
    assert '"GET /t/-" 404' in logs
    assert '"GET /t/-" 503' in logs
    assert secret not in logs
    assert secret not in repr(behind.requests())


@needs_nginx
def test_plain_http_is_sent_to_tls(proxy: Proxy) -> None:
    answer = httpx.get(f"http://127.0.0.1:{proxy.http}/docs?lang=en", headers={"Host": "somebody-elses.example"})
    assert answer.status_code == 301
    assert answer.headers["location"] == f"https://{NAME}/docs?lang=en"


@needs_nginx
@pytest.mark.parametrize("language", ["id", "en"])
def test_too_large_a_body_is_refused_before_it_reaches_the_app(proxy: Proxy, language: str) -> None:
    file = {"file": ("besar.jpg", bytes(9_000_000), "image/jpeg")}
    with proxy.client(headers={"Accept-Language": language}) as client:
        is_told(client.post(f"/api/v1/problems/{'0' * 32}/photos", files=file), BodyTooLarge, language)


@needs_nginx
@pytest.mark.parametrize("language", ["id", "en"])
def test_without_the_app_callers_are_asked_to_come_back(tmp_path: Path, language: str) -> None:
    headers = {"Accept-Language": f"{language}-ID,fr;q=0.5"}
    with proxied(tmp_path, f"127.0.0.1:{free_port()}") as proxy, proxy.client(headers=headers) as client:
        answer = client.get("/api/v1/problems")
    is_told(answer, Busy, language)
    assert answer.headers["retry-after"] == "5"


@needs_nginx
def test_a_flood_of_logins_is_kept_from_the_app(behind: Serving, tmp_path: Path) -> None:
    slow = {"rate=5r/s": "rate=1r/m", "burst=50": "burst=1"}
    with proxied(tmp_path, behind.place, slow) as proxy, proxy.client() as client:
        answers = [client.get("/api/v1/auth/sessions") for _ in range(3)]
    assert [answer.status_code for answer in answers[:2]] == [401, 401], "the app's own answer"
    is_told(answers[2], TooManyAttempts)
    assert answers[2].headers["retry-after"]


@needs_nginx
def test_logins_are_counted_by_who_calls_and_not_by_what_they_say_of_themselves(proxy: Proxy) -> None:
    with proxy.client("127.0.0.2") as client:
        statuses = [
            client.post(
                "/api/v1/auth/sessions",
                json={"username": f"siapa.{number}", "password": "salah-sekali"},
                headers={"X-Forwarded-For": f"203.0.113.{number}"},
            ).status_code
            for number in range(4)
        ]
    assert statuses == [401, 401, 401, 429]


@needs_nginx
@pytest.mark.parametrize("part", ["header", "body"])
def test_who_drips_is_cut_off(behind: Serving, tmp_path: Path, part: str) -> None:
    """With the time-outs shortened; that the sample has finite ones is the last test's."""
    short = {
        "client_header_timeout 10s": "client_header_timeout 1s",
        "client_body_timeout 20s": "client_body_timeout 1s",
    }
    path = f"/api/v1/menetes-{part}"
    with proxied(tmp_path, behind.place, short) as proxy, proxy.raw() as wire:
        wire.settimeout(CUT_OFF_SECONDS)
        wire.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode())
        if part == "body":
            wire.sendall(b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        try:
            left = wire.recv(4096)
        except (ConnectionResetError, ssl.SSLEOFError):
            left = b""
    assert not left or b" 408 " in left.splitlines()[0]
    assert path not in {asked for _, asked, _ in behind.requests()}


@needs_nginx
def test_a_phone_that_goes_on_sending_is_waited_for_by_the_proxy_alone(behind: Serving, tmp_path: Path) -> None:
    body = b'{"username": "siapa.lambat", "password": "salah-sekali"}'
    begun = f"POST /api/v1/auth/token/lambat HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    asked = ("POST", "/api/v1/auth/token/lambat", 404)
    with proxied(
        tmp_path, behind.place, {"limit_conn ujung_connections 200": "limit_conn ujung_connections 1"}
    ) as proxy:
        with proxy.raw() as wire, proxy.client() as others:
            wire.settimeout(PATIENCE_SECONDS)
            wire.sendall(begun + body[:1])
            answers = (others.get("/healthz") for _ in range(1000))  # until the proxy has read the slow one's header
            is_told(next(answer for answer in answers if answer.status_code != 200), Busy)
            for place in range(1, len(body)):
                assert asked not in behind.requests()
                wire.sendall(body[place : place + 1])
            assert wire.recv(4096).startswith(b"HTTP/1.1 404 ")
        with proxy.client() as another:
            another.get("/healthz")  # what came before is in the log when this is answered
        assert asked in behind.requests()


def test_the_sample_is_finite_and_agrees_with_the_settings() -> None:
    text = sample()
    for directive in ("client_header_timeout", "client_body_timeout", "send_timeout", "proxy_read_timeout"):
        (line,) = [line.split() for line in text.splitlines() if line.split()[:1] == [directive]]
        assert 1 <= int(line[1].removesuffix(";").removesuffix("s")) <= 120
    (size,) = [line.split()[1] for line in text.splitlines() if "client_max_body_size" in line]
    assert int(size.removesuffix("k;")) * 1024 == Settings(_env_file=None).max_photo_bytes + FORM_OVERHEAD
    (idle,) = [line.split()[1] for line in text.partition("}")[0].splitlines() if "keepalive_timeout" in line]
    assert int(idle.removesuffix("s;")) < uvicorn.Config("app.main:app").timeout_keep_alive
