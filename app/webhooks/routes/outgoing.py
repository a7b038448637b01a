"""What is sent to endpoints, as the document tells it: each type with its headers, its body, and what answers mean.

Nothing here is served; these are the requests that an agency's own server takes.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header

from app.webhooks.payloads import PAYLOADS, SHAPES, Payload
from app.webhooks.words import EventType

router = APIRouter(tags=["webhooks"])

MessageId = Annotated[
    UUID, Header(description="Of the event; the same however often, and to how many endpoints, it is sent.")
]
MessageTimestamp = Annotated[
    int, Header(description="Seconds since 1970 at this attempt. Refuse what is older than five minutes.")
]
Signatures = Annotated[
    str,
    Header(
        pattern=r"^v1,[A-Za-z0-9+/]{43}=( v1,[A-Za-z0-9+/]{43}=)*$",
        description=(
            "`v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}` with your secret, as "
            "Standard Webhooks 1.0 has it. For 24 hours after a rotation there are two, one for each secret; one that "
            "fits is enough."
        ),
        examples=["v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="],
    ),
]
RETRY_AFTER: Final = {
    "Retry-After": {
        "description": "Seconds, or a date: it is not tried again before, though after 24 hours at the latest.",
        "schema": {"type": "string"},
    }
}
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    204: {"description": "Any 2xx: you have it. Answer within 15 seconds, and do the work afterwards."},
    410: {"description": "You want no more: the endpoint is disabled until somebody activates it again."},
    "3XX": {"description": "Redirects are not followed; it counts as failed."},
    "4XX": {"description": "Failed; it is tried again, 15 times in about 8 days.", "headers": RETRY_AFTER},
    "5XX": {"description": "Failed; it is tried again, 15 times in about 8 days.", "headers": RETRY_AFTER},
}
"""What the answer of an endpoint means to the sender."""


def _request(model: type[Payload]) -> Callable[..., Any]:
    """The request that carries one type."""

    async def send(
        body: model,  # type: ignore[valid-type]  # of a table
        webhook_id: MessageId,
        webhook_timestamp: MessageTimestamp,
        webhook_signature: Signatures,
    ) -> None: ...

    return send


def _name(type_: EventType) -> str:
    return f"send_{type_.value.replace('.', '_')}"


for _type, _shape in SHAPES.items():
    router.add_api_route(
        _type.value,
        _request(PAYLOADS[_type]),
        methods=["POST"],
        operation_id=_name(_type),
        status_code=204,
        summary=_type.value,
        description=_shape.meaning,
        responses=ANSWERS,
    )
