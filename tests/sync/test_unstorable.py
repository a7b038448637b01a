"""What no database holds, inside what an operation carries: it is kept as far as it can be, and harms no other."""

import json

import pytest

from app.sync.models import SyncOperation
from tests.sync.test_push import Phone, count
from tests.town import Town

MARK = "@@"
JSON = {"Content-Type": "application/json"}
UNSTORABLE = {
    "NUL": (r'"a\u0000b"', "ab"),
    "NUL in a name": (r'{"a\u0000b": 1}', {"ab": 1}),
    "half a surrogate pair": (r'["a\ud800b"]', ["ab"]),
    "half a pair in a name": (r'{"a\udfffb": [1]}', {"ab": [1]}),
    "a very long number": ("9" * 4_000, int("9" * 4_000)),
}
UNREADABLE = {
    "not a number": "NaN",
    "endless": "-Infinity",
    "beyond all numbers": "1e999",
    "deep": "[" * 400 + "]" * 400,
    "very deep": "[" * 4_000 + "]" * 4_000,
}


def batch(phone: Phone, landmark: str) -> tuple[str, str]:
    """Two reports as JSON, the first with such a landmark; and its operation's id."""
    bad, good = phone.report(landmark=MARK), phone.report()
    body = json.dumps({"device": phone.device, "operations": [bad, good]})
    return body.replace(f'"{MARK}"', landmark), bad["id"]


@pytest.mark.parametrize("what", UNSTORABLE)
async def test_what_no_database_holds_is_refused_and_kept_without_it(town: Town, what: str) -> None:
    sent, kept = UNSTORABLE[what]
    phone, lurah = Phone(town.operator("Bakalan")), town.lurah("Bakalan")
    body, operation = batch(phone, sent)
    answer = town.good(await phone.who.post("/sync/push", content=body, headers=JSON), 200)
    assert [each["outcome"] for each in answer["outcomes"]] == ["refused", "applied"]
    (listed,) = town.good(await lurah.get("/sync/quarantine"), 200)["items"]
    assert (listed["id"], listed["data"]["landmark"]) == (operation, kept)


@pytest.mark.parametrize("what", UNREADABLE)
async def test_what_is_no_json_here_is_refused_whole(town: Town, what: str) -> None:
    phone = Phone(town.operator("Bakalan"))
    body, _ = batch(phone, UNREADABLE[what])
    refused = await phone.who.post("/sync/push", content=body, headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert await count(town, SyncOperation) == 0


@pytest.mark.parametrize("name", ["reporter_sealed", "reporter_seal\x00ed"])
async def test_nobody_sends_what_is_already_sealed(town: Town, name: str) -> None:
    phone, lurah = Phone(town.operator("Bakalan")), town.lurah("Bakalan")
    report = phone.report(category="tidak-ada", **{name: "siluman"})
    assert await phone.outcomes(report) == ["refused"]
    adopted = await lurah.post(f"/sync/quarantine/{report['id']}/adopt", {})
    assert (adopted.status_code, adopted.json()["code"]) == (422, "unknown_code")
