"""Answers of a server, made by hand and held to the wire shapes."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.client.words import Request
from app.kit.ids import new_id
from app.sync.schemas import DocumentOut, PullIn, PullOut, PushIn, PushOut
from tests.conftest import MONDAY_MORNING

BAKALAN, KRAMPYANGAN = "35.75.03.1005", "35.75.03.1006"
POST = str(new_id())
DEVICE = {"accepted": 0, "safe": 0, "skew_seconds": 0, "clock_wrong": False, "upgrade": False, "rewound": False}

LOGGED_IN: dict[str, Any] = {
    "token": "uji-token",
    "posts": [
        {
            "id": POST,
            "kind_label": "Operator kelurahan",
            "area": {"code": BAKALAN, "name": "Bakalan"},
            "agency": None,
        }
    ],
}


def document(position: int, *, id: str | None = None, log: str = BAKALAN, **other: Any) -> dict[str, Any]:  # noqa: A002 - as it is sent
    """A problem of a log, its last fact at this position."""
    whole = {
        "id": id or str(new_id()),
        "number": f"{log}-0001",
        "version": 1,
        "position": position,
        "area": log,
        "state": "submitted",
        "title": "Saluran tersumbat di depan Balai RW 02",
        "description": None,
        "category": "saluran-tersumbat",
        "seen_on": "2026-03-02",
        "source": "own",
        "source_ref": None,
        "point": None,
        "address": None,
        "landmark": None,
        "rt": None,
        "rw": None,
        "priority": "normal",
        "escalation": 0,
        "origin": f"kelurahan:{log}",
        "mine": True,
        "endorsed": False,
        "plan": None,
        "target_on": None,
        "desk": None,
        "desk_until": None,
        "due_at": None,
        "promised_at": None,
        "hold_review_on": None,
        "resolution": None,
        "rating": None,
        "closing": None,
        "planned_in": None,
        "main": None,
        "created_at": "2026-03-02T02:00:00Z",
        "updated_at": "2026-03-02T02:00:00Z",
        "ended_at": None,
        "assignments": [],
        "facts": [],
        "comments": 0,
        "photos": [],
        "may": [],
        "may_parts": [],
    } | other
    return DocumentOut.model_validate(whole).model_dump(mode="json", by_alias=True)


def cursor(position: int, check: str = "9f3c21ab07de") -> str:
    return f"{position}.{check}"


def page(
    request: Request,
    *documents: dict[str, Any],
    scope: Sequence[str] = (BAKALAN,),
    unfinished: Sequence[str] = (),
    at: datetime = MONDAY_MORNING,
    device: dict[str, Any] | None = None,
    **other: Any,
) -> dict[str, Any]:
    """An answer to a pull, or to the pull in a push; the request is held to its shape as well."""
    asked = request.body.get("pull", request.body)
    said = PullIn.model_validate(asked)
    whole = {
        "documents": documents,
        "gone": [],
        "after": {},
        "from_": said.after,
        "more": bool(unfinished),
        "unfinished": unfinished,
        "resync": {},
        "scope": scope,
        "receipts": {},
        "reference": {},
        "digest": None,
        "details": None,
        "device": DEVICE | {"accepted": request.accepted} | (device or {}),
        "server_time": at,
    } | other
    return PullOut.model_validate(whole).model_dump(mode="json", by_alias=True)


def outcomes(
    request: Request,
    first: int = 1,
    became: Callable[[dict[str, Any]], dict[str, Any]] = lambda operation: {},
    *,
    at: datetime = MONDAY_MORNING,
    pull: dict[str, Any] | None = None,
    device: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An answer to a push: everything applied and numbered from `first`, unless told otherwise."""
    PushIn.model_validate(request.body)
    told, number = [], first
    for operation in request.body["operations"]:
        outcome = {
            "id": UUID(operation["id"]),
            "outcome": "applied",
            "replayed": False,
            "number": number,
            "version": operation["base"] + 1,
            "refusal": None,
            "proposal": None,
        } | became(operation)
        if outcome["outcome"] == "held":
            outcome |= {"number": None, "version": None}
        else:
            number += 1
        told.append(outcome)
    whole = {
        "outcomes": told,
        "device": DEVICE | {"accepted": number - 1} | (device or {}),
        "pull": None,
        "pull_refused": None,
        "server_time": at,
    }
    return PushOut.model_validate(whole).model_dump(mode="json", by_alias=True) | {"pull": pull}


REFUSAL = {"type": "/docs/refusals#not_permitted", "title": "Jabatan Anda tidak berwenang", "status": 403}
REFUSAL |= {"code": "not_permitted", "request_id": "01936f0e8d3c"}


def refused(_operation: dict[str, Any]) -> dict[str, Any]:
    return {"outcome": "refused", "refusal": REFUSAL, "version": None}


def held(_operation: dict[str, Any]) -> dict[str, Any]:
    return {"outcome": "held", "refusal": REFUSAL}
