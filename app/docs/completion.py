"""What FastAPI cannot know of an operation: whom its door turns away, what headers it reads, where an answer leads."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.kit.refusals import MEDIA_TYPE, Refusal, refusals_by_code, refused
from app.people.queries import KeyNotAdmitted, NoPost, PasswordChangeRequired, PostNotHeld, VerbNotGranted

Operation = dict[str, Any]

AT_THE_DOOR: tuple[type[Refusal], ...] = (PostNotHeld, NoPost, PasswordChangeRequired)
"""Who is logged in may meet these wherever a post acts; rooms below that of people cannot name them."""
_UPLOADING = ("read_upload_options", "create_upload", "read_upload", "append_to_upload", "end_upload")
FOR_ACCOUNT: Mapping[str, tuple[type[Refusal], ...]] = dict.fromkeys(
    ("read_me", "change_password", "log_out", *_UPLOADING), (PostNotHeld,)
)
"""What concerns the caller's own account needs neither a post nor a changed password."""

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^[!-~]{1,190}$"},
    "description": "A name of your own for this request. Sent again with it, it is answered as the first time.",
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": r'^(\*|(W/)?"?[0-9]{1,9}(\.[0-9a-z]{0,32})?"?)$'},
    "description": "The ETag you read. Refused where the problem has moved on since.",
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag you hold. Answered with 304, and no body, where it is still the present one.",
}

_PROBLEM = ("read_problem", "edit_problem", "take_step", "read_history", "list_comments", "comment_on_problem")
_PROBLEM_ALSO = ("send_photo", "read_reporter")
_ASSIGNMENT = ("read_assignment", "take_assignment_step", "create_link", "list_links")
_PROPOSAL = ("accept_proposal", "dismiss_proposal")
_QUARANTINED = ("adopt_operation", "dismiss_operation")
_ENDPOINT = (
    *("read_endpoint", "change_endpoint", "remove_endpoint", "rotate_secret", "ping_endpoint"),
    *("recover_events", "list_recoveries", "list_endpoint_deliveries"),
)
_DELIVERY = ("read_delivery", "retry_delivery", "cancel_delivery")
_ACCOUNT = ("read_account", "reset_password", "disable_account", "enable_account", "list_account_devices")

LINKS: tuple[tuple[str, Mapping[str, str], tuple[str, ...]], ...] = (
    ("report_problem", {"problem_id": "$response.body#/id"}, (*_PROBLEM, *_PROBLEM_ALSO)),
    ("list_problems", {"problem_id": "$response.body#/items/0/id"}, _PROBLEM),
    ("edit_problem", {"problem_id": "$response.body#/id"}, ("take_step",)),
    ("take_step", {"problem_id": "$response.body#/id"}, ("read_problem", "take_step")),
    ("take_step", {"assignment_id": "$response.body#/assignments/0/id"}, _ASSIGNMENT),
    ("read_problem", {"assignment_id": "$response.body#/assignments/0/id"}, _ASSIGNMENT),
    ("list_assignments", {"assignment_id": "$response.body#/items/0/id"}, _ASSIGNMENT),
    ("take_assignment_step", {"problem_id": "$response.body#/id"}, ("read_problem", "take_step")),
    ("take_assignment_step", {"assignment_id": "$request.path.assignment_id"}, _ASSIGNMENT),
    (
        "send_photo",
        {"problem_id": "$response.body#/problem_id", "photo_id": "$response.body#/id"},
        ("see_photo",),
    ),
    ("list_areas", {"code": "$response.body#/items/0/code"}, ("read_area",)),
    ("list_agencies", {"code": "$response.body#/items/0/code"}, ("read_agency",)),
    ("list_devices", {"id": "$response.body#/items/0/id"}, ("revoke_device",)),
    ("list_accounts", {"id": "$response.body#/items/0/id"}, _ACCOUNT),
    ("create_account", {"id": "$response.body#/account/id"}, _ACCOUNT),
    ("appoint", {"id": "$response.body#/id"}, ("end_post",)),
    ("create_agency", {"code": "$response.body#/code"}, ("read_agency", "change_agency")),
    ("create_category", {"code": "$response.body#/code"}, ("change_category",)),
    (
        "put_responsibility",
        {"category": "$request.path.category", "area": "$request.path.area"},
        ("delete_responsibility",),
    ),
    ("pull_documents", {"problem_id": "$response.body#/documents/0/id"}, ("read_problem", "read_history")),
    ("list_proposals", {"proposal_id": "$response.body#/items/0/id"}, ("read_proposal", *_PROPOSAL)),
    ("read_proposal", {"proposal_id": "$response.body#/id"}, _PROPOSAL),
    ("list_quarantine", {"operation_id": "$response.body#/items/0/id"}, ("read_quarantined", *_QUARANTINED)),
    ("read_quarantined", {"operation_id": "$response.body#/id"}, _QUARANTINED),
    ("adopt_operation", {"problem_id": "$response.body#/problem"}, ("read_problem",)),
    ("list_sync_devices", {"device_id": "$response.body#/items/0/id"}, ("revoke_sync_device",)),
    (
        "read_board",
        {"area": "$response.body#/items/0/area"},
        ("list_proposals", "list_quarantine", "list_sync_devices"),
    ),
    ("read_upload", {"upload_id": "$request.path.upload_id"}, ("append_to_upload", "end_upload")),
    ("append_to_upload", {"upload_id": "$request.path.upload_id"}, ("read_upload",)),
    ("list_api_keys", {"key_id": "$response.body#/items/0/id"}, ("revoke_api_key",)),
    ("create_api_key", {"key_id": "$response.body#/key/id"}, ("revoke_api_key",)),
    ("list_endpoints", {"endpoint_id": "$response.body#/items/0/id"}, _ENDPOINT),
    ("create_endpoint", {"endpoint_id": "$response.body#/id"}, _ENDPOINT),
    ("list_endpoint_deliveries", {"delivery_id": "$response.body#/items/0/id"}, _DELIVERY),
    ("ping_endpoint", {"delivery_id": "$response.body#/delivery"}, _DELIVERY),
    ("list_links", {"link_id": "$response.body#/items/0/id"}, ("revoke_link",)),
    ("create_link", {"link_id": "$response.body#/id"}, ("revoke_link",)),
    ("put_override", {"day": "$request.path.day", "area": "$request.query.area"}, ("delete_override",)),
)
"""From an operation's good answer to those that go on from there, with what they are given."""


def complete(operations: Mapping[str, Operation]) -> None:
    """Completes each operation, known by its operationId."""
    refusals = refusals_by_code()
    for name, operation in operations.items():
        told = {code: refusals[code] for codes in _codes(operation) for code in codes}
        if operation.get("security"):
            to_key = VerbNotGranted if {"API key": []} in operation["security"] else KeyNotAdmitted
            told |= {each.code: each for each in (*FOR_ACCOUNT.get(name, AT_THE_DOOR), to_key)}
        responses = operation["responses"] | {str(status): each for status, each in refused(*told.values()).items()}
        operation["responses"] = dict(sorted(responses.items()))
        headers = [header for header, is_read in _headers(told, responses) if is_read]
        if headers:
            operation["parameters"] = [*operation.get("parameters", ()), *headers]
    for source, given, targets in LINKS:
        links = _good(operations[source]).setdefault("links", {})
        for target in targets:
            links[f"{target} by {' and '.join(given)}"] = {"operationId": target, "parameters": dict(given)}


def _headers(told: Mapping[str, object], responses: Mapping[str, object]) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each header that an operation may read, with whether this one does."""
    yield IDEMPOTENCY_KEY, "idempotency_key_reused" in told
    yield IF_MATCH, "version_mismatch" in told
    yield IF_NONE_MATCH, "304" in responses


def _codes(operation: Operation) -> list[list[str]]:
    contents = [response.get("content", {}) for response in operation["responses"].values()]
    return [list(content.get(MEDIA_TYPE, {}).get("examples", ())) for content in contents]


def _good(operation: Operation) -> dict[str, Any]:
    response: dict[str, Any] = next(each for status, each in operation["responses"].items() if status.startswith("2"))
    return response
