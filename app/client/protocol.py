"""The calls of the protocol over HTTP, and every way in which one can fail, each an exception of its own."""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import httpx

from app.client.words import Request

API = "/api/v1"
PULL, PUSH = f"{API}/sync/pull", f"{API}/sync/push"
UPLOADS = f"{API}/sync/uploads"
_EXPECTED = {
    PULL: {"documents", "gone", "after", "from", "more", "resync", "scope", "device"},
    PUSH: {"outcomes", "device", "pull"},
}
"""What an answer of this server has at the least."""
_BUSY = (httpx.codes.LOCKED, httpx.codes.TOO_MANY_REQUESTS)
_TUS = {"Tus-Resumable": "1.0.0"}


class Unreachable(Exception):
    """No answer, or none of this server's: no signal, a proxy's page, a hotel's login. Try again later."""


class Refused(Exception):
    """The server said no."""

    def __init__(self, status: int, body: Mapping[str, Any], retry_after: float | None = None) -> None:
        super().__init__(body.get("detail") or body.get("title") or f"refused with status {status}")
        self.status = status
        self.code = str(body.get("code", ""))
        self.body = dict(body)
        self.retry_after = retry_after
        """Seconds."""


class Busy(Refused):
    """423, 429 or 5xx: nothing is wrong with what was sent. Try again, and not before `retry_after`."""


class LoggedOut(Refused):
    """401: log in again. Everything is kept."""


class Revoked(Refused):
    """This device was revoked: everything on it is to be erased, the outbox too."""


class Rewound(Refused):
    """The server was restored from a backup: send again what is retained."""

    @property
    def accepted(self) -> int:
        """The highest number it knows."""
        return int(self.body.get("accepted", 0))


class AppTooOld(Refused):
    """The server no longer knows, or does not know yet, the shapes this app speaks. Everything is kept."""


_BY_CODE: Mapping[str, type[Refused]] = {
    "device_revoked": Revoked,
    "server_rewound": Rewound,
    "schema_unknown": AppTooOld,
}


class Server:
    """Speaks through a client whose base address is the server's."""

    def __init__(self, http: httpx.Client, token: str | None = None) -> None:
        self._http = http
        self.token = token

    def log_in(self, username: str, password: str, device: str) -> dict[str, Any]:
        body = {"username": username, "password": password, "device": device}
        return self._json(self._send("POST", f"{API}/auth/sessions", json=body))

    def me(self) -> dict[str, Any]:
        """Who is logged in, and the posts held."""
        return self._json(self._send("GET", f"{API}/me"))

    def send(self, request: Request) -> dict[str, Any]:
        """A pull or a push; answers its answer as it came."""
        content = json.dumps(request.body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json"}
        if request.path == PUSH:
            content = gzip.compress(content)
            headers["Content-Encoding"] = "gzip"
        if request.post is not None:
            headers["X-Post"] = request.post
        answer = self._json(self._send("POST", request.path, content=content, headers=headers))
        if not _EXPECTED[request.path] <= answer.keys():
            raise Unreachable("Something else answered in the server's place.")
        return answer

    def pack(self, name: str, etag: str | None, post: str | None) -> tuple[str, str] | None:
        """The ETag and the text of a pack of this post's city; None where the one held is the present one."""
        told = {"If-None-Match": etag, "X-Post": post}
        headers = {header: value for header, value in told.items() if value is not None}
        answer = self._send("GET", f"{API}/sync/reference/{name}", headers=headers)
        if answer.status_code == httpx.codes.NOT_MODIFIED:
            return None
        self._json(answer)
        return answer.headers.get("ETag", ""), answer.text

    # -- photos, by tus 1.0 ------------------------------------------------------------------------------------------

    def begin_upload(self, photo: str, size: int, sha256: str) -> None:
        """Tells the server of bytes that will come."""
        said = {"id": photo, "sha256": sha256}
        metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items())
        self._send("POST", UPLOADS, headers=_TUS | {"Upload-Length": str(size), "Upload-Metadata": metadata})

    def offset(self, photo: str) -> int:
        """How many bytes of a photo have arrived."""
        return self._offset(self._send("HEAD", f"{UPLOADS}/{photo}", headers=_TUS))

    def append(self, photo: str, offset: int, chunk: bytes) -> int:
        """Sends bytes that begin at an offset; answers how many have arrived now."""
        checksum = base64.b64encode(hashlib.sha256(chunk).digest()).decode()
        headers = {
            "Upload-Offset": str(offset),
            "Upload-Checksum": f"sha256 {checksum}",
            "Content-Type": "application/offset+octet-stream",
        }
        return self._offset(self._send("PATCH", f"{UPLOADS}/{photo}", headers=_TUS | headers, content=chunk))

    # -- answers -----------------------------------------------------------------------------------------------------

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Accept": "application/json"} | options.pop("headers", {})
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            answer = self._http.request(method, path, headers=headers, **options)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Unreachable(f"No answer: {error}") from error
        if answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED:
            return answer
        raise _refusal(answer)

    @staticmethod
    def _json(answer: httpx.Response) -> dict[str, Any]:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Unreachable("Something else answered in the server's place.")
        return body

    @staticmethod
    def _offset(answer: httpx.Response) -> int:
        try:
            return int(answer.headers["Upload-Offset"])
        except (KeyError, ValueError):
            raise Unreachable("Something else answered in the server's place.") from None


def _refusal(answer: httpx.Response) -> Exception:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    said = body if isinstance(body, dict) else {}
    status = answer.status_code
    if status in _BUSY or answer.is_server_error:
        return Busy(status, said, _seconds(answer.headers.get("Retry-After")))
    if answer.is_redirect or (answer.request.method != "HEAD" and "code" not in said):  # every refusal has a code
        return Unreachable(f"Something else answered in the server's place, with status {status}.")
    if status == httpx.codes.UNAUTHORIZED:
        return LoggedOut(status, said)
    return _BY_CODE.get(str(said.get("code")), Refused)(status, said)


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
