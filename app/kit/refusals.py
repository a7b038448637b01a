"""Every no this API says: a class with a stable code, told as RFC 9457 `application/problem+json`.

A refusal is declared beside what raises it, listed on its route with `refused(…)`, and raised from anywhere below the
route. The base class is not called Problem because *problem* is our own word.

    Refusal
    ├── Unauthenticated     401   no valid token
    ├── NotPermitted        403   seen, but not yours to do
    ├── NotFound            404   absent, or not yours to see
    ├── Conflict            409   the record does not allow it now
    ├── VersionMismatch     412   If-Match names an older version
    ├── BodyTooLarge        413
    ├── UnknownEncoding     415   the body is packed in a way we do not read
    ├── InvalidRequest      422   the shape is wrong
    ├── Unprocessable       422   the shape is right, the content is not
    ├── TooManyAttempts     429
    └── Busy                503   come back in a moment
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from structlog.contextvars import get_contextvars

MEDIA_TYPE = "application/problem+json"


class ProblemDetails(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Address of the refusal's description.")
    title: str = Field(description="The refusal in one line, in the language asked for.")
    status: int = Field(description="The HTTP status again.")
    code: str = Field(description="Stable name of the refusal, for programs.")
    detail: str | None = Field(default=None, description="What was wrong this time.")
    request_id: str = Field(description="Name of this request in the server's log.")


class Refusal(Exception):
    """A no with its reason. `extra` becomes members of the answer; it never holds what the caller sent."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "Refused"
    judul: ClassVar[str] = "Ditolak"

    def __init__(self, detail: str | None = None, *, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra

    def body(self, language: str = "id") -> dict[str, Any]:
        """The answer's members but for the request id."""
        return {
            "type": f"/docs/refusals#{self.code}",
            "title": self.title if language == "en" else self.judul,
            "status": self.status,
            "code": self.code,
            **({"detail": self.detail} if self.detail else {}),
            **self.extra,
        }


class Unauthenticated(Refusal):
    status, code, title, judul = 401, "unauthenticated", "Log in first", "Silakan masuk dahulu"

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"}, **extra)


class NotPermitted(Refusal):
    status, code, title, judul = 403, "not_permitted", "Your post may not do this", "Jabatan Anda tidak berwenang"


class NotFound(Refusal):
    status, code, title, judul = 404, "not_found", "Not found", "Tidak ditemukan"


class MethodNotAllowed(Refusal):
    status, code, title, judul = 405, "method_not_allowed", "No such method here", "Metode tidak tersedia di sini"


class Conflict(Refusal):
    status, code, title, judul = 409, "conflict", "Not possible as things stand", "Tidak dapat dilakukan saat ini"


class IdReused(Conflict):
    code, title, judul = "id_reused", "This id names something else", "ID ini sudah dipakai untuk isi lain"


class VersionMismatch(Refusal):
    status, code = 412, "version_mismatch"
    title, judul = "The record has changed since you read it", "Data sudah berubah sejak Anda membacanya"


class BodyTooLarge(Refusal):
    status, code, title, judul = 413, "body_too_large", "The request is too large", "Permintaan terlalu besar"


class UnknownEncoding(Refusal):
    status, code = 415, "unknown_encoding"
    title, judul = "Send the body as it is, or packed with gzip", "Kirim isi apa adanya, atau dikemas dengan gzip"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Accept-Encoding": "gzip"})


class InvalidRequest(Refusal):
    status, code, title, judul = 422, "invalid_request", "The request is not well formed", "Bentuk permintaan keliru"


class Unprocessable(Refusal):
    status, code, title, judul = 422, "unprocessable", "The content is not acceptable", "Isi tidak dapat diterima"


class TooManyAttempts(Refusal):
    status, code, title, judul = 429, "too_many_attempts", "Too many attempts", "Terlalu banyak percobaan"

    def __init__(self, retry_after: int, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, retry_after))})


class Unexpected(Refusal):
    status, code, title, judul = 500, "unexpected", "Something went wrong here", "Terjadi kesalahan di server"


class Busy(Refusal):
    status, code, title, judul = 503, "busy", "Busy, please come back in a moment", "Sibuk, silakan coba sebentar lagi"

    def __init__(self, detail: str | None = None, *, retry_after: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class NotModified(Exception):
    """The caller's copy is the present one (304)."""

    def __init__(self, etag: str) -> None:
        super().__init__(etag)
        self.etag = etag


def every_refusal(root: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """Each declared refusal once, parents before children."""
    for child in root.__subclasses__():
        yield child
        yield from every_refusal(child)


def refusals_by_code() -> dict[str, type[Refusal]]:
    """Each declared refusal by its code."""
    return {refusal.code: refusal for refusal in every_refusal()}


def refused(*refusals: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may say these, besides what every route may say."""
    by_status: dict[int, list[type[Refusal]]] = {}
    said: tuple[type[Refusal], ...] = (*refusals, BodyTooLarge, UnknownEncoding, InvalidRequest, Busy)
    for refusal in said:
        by_status.setdefault(refusal.status, []).append(refusal)
    return {
        status: {
            "description": " · ".join(dict.fromkeys(each.title for each in group)),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/ProblemDetails"},
                    "examples": {each.code: {"value": _example(each)} for each in group},
                }
            },
        }
        for status, group in sorted(by_status.items())
    }


def _example(refusal: type[Refusal]) -> dict[str, Any]:
    return {
        "type": f"/docs/refusals#{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "code": refusal.code,
        "request_id": "01936f0e8d3c",
    }


def language_of(request: Request) -> str:
    """`en` where the caller prefers English, else `id`: Indonesian is the language of the house."""
    best, best_weight = "id", 0.0
    for entry in request.headers.get("accept-language", "").split(","):
        tag, _, parameters = entry.strip().partition(";")
        language = tag.lower().split("-")[0]
        try:
            weight = float(parameters.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if language in ("id", "en") and weight > best_weight:
            best, best_weight = language, weight
    return best


def answer_refusal(request: Request, refusal: Refusal) -> JSONResponse:
    """A refusal as its HTTP answer."""
    body = refusal.body(language_of(request)) | {"request_id": get_contextvars().get("request_id", "-")}
    return JSONResponse(body, refusal.status, headers=refusal.headers, media_type=MEDIA_TYPE)


def from_validation(error: RequestValidationError | ValidationError) -> Refusal:
    """Names where and what, never echoes the input: it may be private, and NaN would break the answer."""
    errors = [
        {"at": "/".join(_printable(part) for part in each["loc"]), "code": each["type"], "message": _message(each)}
        for each in error.errors()
    ]
    return InvalidRequest(errors=errors)


def _message(error: Mapping[str, Any]) -> str:
    """The message, without the word that was sent where it would repeat it."""
    if error["type"] == "union_tag_invalid":
        return f"not one of {error['ctx']['expected_tags']}"
    return str(error["msg"])


def _printable(part: object) -> str:
    return str(part).encode("unicode_escape").decode()[:80]


_BY_STATUS: dict[int, type[Refusal]] = {
    401: Unauthenticated,
    403: NotPermitted,
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
}


def from_http(error: HTTPException) -> Refusal:
    """What the framework itself refuses (unknown path, wrong method, unreadable body) in our words."""
    refusal = _BY_STATUS.get(error.status_code, InvalidRequest if error.status_code < 500 else Unexpected)()
    refusal.headers |= dict(error.headers or {})
    return refusal
