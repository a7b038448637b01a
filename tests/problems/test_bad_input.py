"""What must not be taken: each no has its status and its own code, tells nothing back, and changes nothing."""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Request, Response
from sqlalchemy import select
from sqlmodel import SQLModel

from app.kit.doors import Door
from app.kit.house import House
from app.kit.ids import new_id
from app.kit.paging import MAXIMUM, encode
from app.kit.refusals import MEDIA_TYPE
from app.people.models import DeviceSession
from tests.evidence.pictures import encoded, png_header, street
from tests.town import Someone, Town, picture

SILUMAN = "siluman"
"""Hidden in what is sent; a ghost that must never be seen in an answer."""
ANOTHER = "01936f0e-8d3c-7000-8000-000000000000"
JSON = {"Content-Type": "application/json"}
MEGABYTE = 1_048_576
DEEP = 100_000


@dataclass(frozen=True)
class Bad:
    """One thing that is wrong with one request, and the no that it must meet.

    `path` and the values of `json` may name what the scene has, such as `{submitted}`. `report` changes a good report.
    """

    wrong: str
    status: int
    code: str
    path: str = "/problems"
    method: str = "POST"
    who: str = "operator"
    report: Mapping[str, Any] | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)
    """What the client is given besides: json, content, files, data, headers, params."""
    at: str = ""
    """The one field that is complained of, where the shape is wrong."""

    def is_told_at_its_place(self, answer: Response) -> bool:
        """Nothing but what is wrong may be what was refused."""
        places = {"query": self.sent.get("params", ()), "body": self.report or ()}
        expected = [self.at] if self.at else [f"{part}/{name}" for part, names in places.items() for name in names]
        told = {"/".join(each["at"].split("/")[:2]) for each in answer.json().get("errors", ())}
        return self.code != "invalid_request" or not expected or told == set(expected)


def report(wrong: str, code: str = "invalid_request", status: int = 422, who: str = "operator", **other: Any) -> Bad:
    return Bad(wrong, status, code, who=who, report=other)


def raw(
    wrong: str,
    content: bytes | str,
    code: str = "invalid_request",
    status: int = 422,
    headers: Mapping[str, str] = JSON,
) -> Bad:
    return Bad(wrong, status, code, sent={"content": content, "headers": headers})


def step(wrong: str, status: int, code: str, at: str, who: str, verb: str, /, **said: Any) -> Bad:
    path = f"/assignments/{{{at}}}/steps" if "part" in at else f"/problems/{{{at}}}/steps"
    return Bad(wrong, status, code, path, who=who, sent={"json": {"verb": verb} | said})


def ask(wrong: str, code: str = "invalid_request", path: str = "/problems", **params: Any) -> Bad:
    return Bad(wrong, 422, code, path, "GET", sent={"params": params})


def photo(wrong: str, code: str, data: bytes, name: str = "bukti.jpg", kind: str = "image/jpeg", **form: str) -> Bad:
    status = 413 if code == "photo_too_large" else 422
    return Bad(
        wrong, status, code, "/problems/{submitted}/photos", sent={"files": files(data, name, kind), "data": form}
    )


def files(data: bytes, name: str = "bukti.jpg", kind: str = "image/jpeg") -> dict[str, Any]:
    return {"file": (name, data, kind)}


def form(data: bytes, **fields: str) -> dict[str, Any]:
    """A form with a photo, as bytes, so that exactly it can be sent again, or half of it."""
    made = Request("POST", "http://testserver", files=files(data), data=fields)
    return {"content": made.read(), "headers": {"Content-Type": made.headers["content-type"]}}


GOOD = {
    "title": "Lampu padam",
    "category": "lampu-jalan",
    "area": "35.75.03.1005",
    "seen_on": "2026-03-02",
    "landmark": "Balai RW 02",
}


def good(**other: Any) -> str:
    """A report as JSON text, for what no encoder writes."""
    return json.dumps(GOOD | other)


def written(name: str, value: str) -> str:
    """A report in which one value is written by hand, as no encoder would."""
    return good(**{name: "@"}).replace('"@"', value)


def spoilt(wrong: str, name: str, value: str) -> Bad:
    sent = {"content": written(name, value), "headers": JSON}
    return Bad(wrong, 422, "invalid_request", sent=sent, at=f"body/{name}")


# -- tables of what is wrong -----------------------------------------------------------------------------------------

REPORTS = [
    report("another kelurahan's", "outside_scope", 403, area="35.75.03.1003"),
    report("another kecamatan's", "outside_scope", 403, area="35.75.01.1001"),
    report("a camat's, outside", "outside_scope", 403, "camat", area="35.75.01.1001"),
    report("a head's", "outside_scope", 403, "head"),
    report("a mayor's", "outside_scope", 403, "mayor"),
    report("an admin's", "outside_scope", 403, "admin"),
    report("an unknown kelurahan", "unknown_code", area="35.75.03.9999"),
    report("an unknown kelurahan, for the monitor", "unknown_code", who="monitor", area="35.75.03.9999"),
    report("a kecamatan as area", "unknown_code", area="35.75.03"),
    report("a kecamatan as area, from its camat", "unknown_code", who="camat", area="35.75.03"),
    report("a province as area", "unknown_code", area="35"),
    report("no code as area", area="Bakalan"),
    report("an area code with a newline", area="35.75.03.1005\n"),
    report("an unknown category", "unknown_code", category="siluman-jalan"),
    report("no slug as category", category="Siluman Jalan"),
    report("a category of a thousand letters", category="siluman" * 200),
    report("seen tomorrow", "seen_in_future", seen_on="2026-03-03"),
    report("seen in the year one", seen_on="0001-01-01"),
    report("seen in the last year there is", seen_on="9999-12-31"),
    report("seen in a year there is not", seen_on="10000-01-01"),
    report("seen on a day there is not", seen_on="2026-02-30"),
    report("seen siluman", seen_on=SILUMAN),
    report("no place", "place_required", landmark=None),
    report("an empty title", title=""),
    report("a title of blanks", title="   "),
    report("a title too long", title=SILUMAN * 40),
    report("a description too long", description=SILUMAN * 2_000),
    report("a title that is a number", title=12345),
    report("a title that is a list", title=[SILUMAN]),
    report("NUL in the title", title="siluman\x00"),
    report("NUL in the description", description="siluman\x00"),
    report("a bell in the landmark", landmark="siluman\x07"),
    report("an escape sequence", description="siluman\x1b[2J"),
    report("two lines in the title", title="siluman\nsiluman"),
    report("NUL in the source's reference", source_ref="\x00siluman"),
    report("a latitude beyond the pole", point={"lat": 90.1, "lon": 112.9}),
    report("half a point", point={"lat": -7.6}),
    report("a point in words", point={"lat": SILUMAN, "lon": 112.9}),
    report("a point with height", point={"lat": -7.6, "lon": 112.9, SILUMAN: 3}),
    report("an RT in letters", rt=SILUMAN),
    report("an RT in other digits", rt="٠٠٢"),
    report("an unknown source", source=SILUMAN),
    report("an unknown priority", priority=SILUMAN),
    report("no UUID as id", id=SILUMAN),
    report("a number as id", id=7),
    report("a field we do not have", siluman=True),
    report("a state of one's own choice", state="resolved"),
    report("a number of one's own choice", number="35.75.03.1005-0001"),
    report("handled locally, said an operator", "local_not_yours", local={"plan": SILUMAN, "target_on": "2026-03-05"}),
    report(
        "handled locally by yesterday",
        "day_not_possible",
        who="lurah",
        local={"plan": SILUMAN, "target_on": "2026-03-01"},
    ),
    report(
        "handled locally at the end of time",
        who="lurah",
        local={"plan": SILUMAN, "target_on": "9999-12-31"},
    ),
    report("a phone number in words", reporter={"name": "Warga", "phone": SILUMAN}),
    report("NUL in the reporter's name", reporter={"name": "siluman\x00"}),
]

BODIES = [
    raw("nothing at all", ""),
    raw("half of it", '{"title": "siluman'),
    raw("something behind it", good() + " siluman"),
    raw("null", "null"),
    raw("a list", '["siluman"]'),
    raw("a text", '"siluman"'),
    raw("a number", "1"),
    raw("no UTF-8", b'{"title": "siluman \xff\xfe"}'),
    raw("lists in lists", "[" * DEEP),
    raw("lists in lists, closed", "[" * DEEP + "]" * DEEP),
    raw("objects in objects", '{"title":' * DEEP + "1" + "}" * DEEP),
    raw("a title of lists in lists", written("title", "[" * DEEP + "]" * DEEP)),
    spoilt("half a surrogate pair", "title", '"siluman \\ud800"'),
    spoilt("the other half", "description", '"siluman \\udfff"'),
    raw("half a pair as a field's name", '{"siluman \\ud800": 1}'),
    *(spoilt(f"half a pair as {name}", name, '"\\ud800"') for name in ("id", "area", "category", "seen_on", "rt")),
    spoilt("NUL as an escape", "title", '"siluman\\u0000"'),
    spoilt("not a number", "point", '{"lat": NaN, "lon": 112.9}'),
    spoilt("infinity", "point", '{"lat": -7.6, "lon": Infinity}'),
    spoilt("minus infinity", "point", '{"lat": -Infinity, "lon": 112.9}'),
    spoilt("a number beyond floats", "point", '{"lat": 1e400, "lon": 112.9}'),
    spoilt("an integer of 400 digits", "point", f'{{"lat": {"9" * 400}, "lon": 1}}'),
    raw("an integer of 10,000 digits", written("title", "9" * 10_000)),
    raw("JSON called text", good(), headers={"Content-Type": "text/plain"}),
    raw("JSON called a form", good(), headers={"Content-Type": "application/x-www-form-urlencoded"}),
    raw("JSON called XML", good(), headers={"Content-Type": "application/xml"}),
    raw("JSON called siluman", good(), headers={"Content-Type": SILUMAN}),
    raw("XML", "<siluman/>", headers={"Content-Type": "application/xml"}),
    raw("more than we take", good(description="x" * MEGABYTE), "body_too_large", 413),
    raw("more than we take, it says", "{}", "body_too_large", 413, headers=JSON | {"Content-Length": "1048577"}),
    raw("a length that is no number", "{}", "body_too_large", 413, headers=JSON | {"Content-Length": SILUMAN}),
    raw("a negative length", "{}", "body_too_large", 413, headers=JSON | {"Content-Length": "-1"}),
    raw("a length beyond all", "{}", "body_too_large", 413, headers=JSON | {"Content-Length": "9" * 4_000}),
]

STEPS = [
    step("no such verb", 422, "invalid_request", "submitted", "lurah", SILUMAN),
    Bad("no verb", 422, "invalid_request", "/problems/{submitted}/steps", who="lurah", sent={"json": {}}),
    Bad(
        "a verb that is a number",
        422,
        "invalid_request",
        "/problems/{submitted}/steps",
        who="lurah",
        sent={"json": {"verb": 1}},
    ),
    Bad(
        "half a surrogate pair for a verb",
        422,
        "invalid_request",
        "/problems/{submitted}/steps",
        who="lurah",
        sent={"content": '{"verb": "siluman \\ud800"}', "headers": JSON},
    ),
    step("a field the verb has not", 422, "invalid_request", "submitted", "lurah", "forward", siluman="x"),
    step("another post's verb", 403, "not_permitted", "submitted", "operator", "forward"),
    step("a step of an admin", 404, "problem_not_found", "submitted", "admin", "forward"),
    step("a step of the mayor", 403, "not_permitted", "submitted", "mayor", "forward"),
    step("not yet forwarded", 409, "step_not_allowed", "submitted", "camat", "accept"),
    step("nothing to confirm", 409, "step_not_allowed", "submitted", "lurah", "confirm"),
    step("forwarded already", 409, "step_not_allowed", "assigned", "lurah", "forward"),
    step("withdrawn too late", 409, "step_not_allowed", "assigned", "lurah", "withdraw", reason=SILUMAN),
    step("nothing to unmark", 409, "step_not_allowed", "submitted", "lurah", "unmark"),
    step("called up too early", 409, "too_early", "submitted", "camat", "call_up", reason=SILUMAN),
    step("somebody else's problem", 404, "problem_not_found", "elsewhere", "lurah", "forward"),
    step("nobody's problem", 404, "problem_not_found", "nobody", "lurah", "forward"),
    step("no UUID", 422, "invalid_request", "garbage", "lurah", "forward"),
    step("no reason", 422, "invalid_request", "forwarded", "camat", "reject", reason_code="privacy"),
    step("a blank reason", 422, "invalid_request", "submitted", "lurah", "send_back", reason=" "),
    step("NUL in the reason", 422, "invalid_request", "submitted", "lurah", "send_back", reason="siluman\x00"),
    step(
        "no such reason code", 422, "invalid_request", "forwarded", "camat", "reject", reason_code=SILUMAN, reason="x"
    ),
    step("no such agency", 422, "unknown_code", "accepted", "camat", "assign", lead="SILUMAN"),
    step("no code of an agency", 422, "invalid_request", "accepted", "camat", "assign", lead=SILUMAN),
    step("no such supporter", 422, "unknown_code", "accepted", "camat", "assign", lead="PUPR", support=["SILUMAN"]),
    step("an agency twice", 422, "invalid_request", "accepted", "camat", "assign", lead="PUPR", support=["PUPR"]),
    step(
        "an agency nobody knows", 422, "unknown_code", "accepted", "monitor", "decide_authority", agency="X", reason="x"
    ),
    step("no such category", 422, "unknown_code", "submitted", "lurah", "recategorise", category=SILUMAN, reason="x"),
    step("moved into a kecamatan", 422, "unknown_code", "accepted", "camat", "move", area="35.75.03", reason="x"),
    step("moved to where it lies", 422, "unknown_code", "accepted", "camat", "move", area="35.75.03.1005", reason="x"),
    step("moved to nowhere", 422, "unknown_code", "accepted", "camat", "move", area="35.75.03.9999", reason="x"),
    step("moved out of reach", 403, "outside_scope", "accepted", "camat", "move", area="35.75.01.1001", reason="x"),
    step("linked with itself", 422, "unknown_code", "submitted", "lurah", "link", problem="{submitted}"),
    step("linked with nothing", 422, "unknown_code", "submitted", "lurah", "link", problem=ANOTHER),
    step("linked with what one may not see", 422, "unknown_code", "submitted", "lurah", "link", problem="{elsewhere}"),
    step("its own duplicate", 409, "main_not_possible", "submitted", "lurah", "mark_duplicate", main="{submitted}"),
    step("nobody's duplicate", 409, "main_not_possible", "submitted", "lurah", "mark_duplicate", main=ANOTHER),
    step(
        "a hidden one's duplicate", 409, "main_not_possible", "submitted", "lurah", "mark_duplicate", main="{elsewhere}"
    ),
    step(
        "on hold until yesterday",
        422,
        "day_not_possible",
        "accepted",
        "camat",
        "hold",
        reason_code="budget",
        review_on="2026-03-01",
    ),
    step(
        "on hold since the year one",
        422,
        "invalid_request",
        "accepted",
        "camat",
        "hold",
        reason_code="budget",
        review_on="0001-01-01",
    ),
    step(
        "on hold for ever",
        422,
        "invalid_request",
        "accepted",
        "camat",
        "hold",
        reason_code="budget",
        review_on="9999-12-31",
    ),
    step("six stars", 422, "invalid_request", "submitted", "lurah", "confirm", rating=6),
    step("stars without number", 422, "invalid_request", "submitted", "lurah", "confirm", rating=10**30),
    step("half a star", 422, "invalid_request", "submitted", "lurah", "confirm", rating=4.5),
    step("started unasked", 409, "assignment_step_not_allowed", "part", "officer", "start"),
    step("another agency's part", 404, "assignment_not_found", "part", "other_officer", "accept"),
    step("the lurah for the agency", 403, "not_permitted", "part", "lurah", "accept"),
    step("an officer's refusal", 403, "not_permitted", "part", "officer", "refuse", reason=SILUMAN),
    step(
        "not ours, but nobody's",
        422,
        "owner_required",
        "part",
        "head",
        "refuse",
        reason_code="not_our_authority",
        reason=SILUMAN,
    ),
    step(
        "not ours, but an unknown one's",
        422,
        "unknown_code",
        "part",
        "head",
        "refuse",
        reason=SILUMAN,
        belongs_to="SILUMAN",
    ),
    step("no such part", 404, "assignment_not_found", "nobodys_part", "officer", "accept"),
    step("no UUID as part", 422, "invalid_request", "garbage_part", "officer", "accept"),
    step(
        "finished without proof",
        422,
        "proof_required",
        "working_part",
        "officer",
        "finish",
        resolution="repaired",
        note=SILUMAN,
    ),
    step(
        "proved by nothing",
        422,
        "unknown_photo",
        "working_part",
        "officer",
        "finish",
        resolution="repaired",
        note=SILUMAN,
        photos=[ANOTHER],
    ),
    step(
        "proved by another problem's photo",
        422,
        "unknown_photo",
        "working_part",
        "officer",
        "finish",
        resolution="repaired",
        note=SILUMAN,
        photos=["{photo}"],
    ),
    step("more than done", 422, "invalid_request", "working_part", "officer", "progress", note=SILUMAN, percent=101),
    Bad("no steps", 422, "invalid_request", "/problems/steps", sent={"json": {"items": []}}),
    Bad(
        "more steps than we take",
        422,
        "invalid_request",
        "/problems/steps",
        sent={"json": {"items": [{"problem": "{submitted}", "step": {"verb": "forward"}}] * 501}},
    ),
    Bad("nothing to change", 422, "invalid_request", "/problems/{submitted}", "PATCH", sent={"json": {}}),
    Bad("a title taken away", 422, "invalid_request", "/problems/{submitted}", "PATCH", sent={"json": {"title": None}}),
    Bad(
        "a place taken away", 422, "place_required", "/problems/{submitted}", "PATCH", sent={"json": {"landmark": None}}
    ),
    Bad(
        "seen later", 422, "seen_in_future", "/problems/{submitted}", "PATCH", sent={"json": {"seen_on": "2026-03-03"}}
    ),
    Bad("an area edited", 422, "invalid_request", "/problems/{submitted}", "PATCH", sent={"json": {"area": "35"}}),
    Bad(
        "a change without why",
        422,
        "reason_required",
        "/problems/{accepted}",
        "PATCH",
        "camat",
        sent={"json": {"title": SILUMAN}},
    ),
    Bad("a silent comment", 422, "invalid_request", "/problems/{submitted}/comments", sent={"json": {"text": "\t"}}),
    Bad(
        "half a surrogate pair said",
        422,
        "invalid_request",
        "/problems/{submitted}/comments",
        sent={"content": '{"text": "siluman \\udc00"}', "headers": JSON},
    ),
    Bad(
        "a base before the first",
        422,
        "invalid_request",
        "/problems/{submitted}/comments",
        sent={"json": {"text": SILUMAN, "base": 0}},
    ),
    Bad(
        "a base beyond all",
        422,
        "invalid_request",
        "/problems/{submitted}/comments",
        sent={"json": {"text": SILUMAN, "base": 10**40}},
    ),
    Bad(
        "a comment where nothing is seen",
        404,
        "problem_not_found",
        "/problems/{elsewhere}/comments",
        sent={"json": {"text": SILUMAN}},
    ),
    Bad("a reporter one may not know", 403, "not_permitted", "/problems/{assigned}/reporter", who="officer"),
]


def headed(wrong: str, status: int, code: str, /, path: str = "/problems", method: str = "GET", **headers: str) -> Bad:
    return Bad(wrong, status, code, path, method, sent={"headers": headers})


def matched(wrong: str, status: int, code: str, header: str | bytes, where: str = "") -> Bad:
    """A write under this If-Match: the verb that would otherwise be done."""
    path, method, who, body = {
        "": ("/problems/{submitted}/steps", "POST", "lurah", {"verb": "forward"}),
        "edit": ("/problems/{submitted}", "PATCH", "operator", {"title": SILUMAN}),
        "part": ("/assignments/{part}/steps", "POST", "officer", {"verb": "accept"}),
        "comment": ("/problems/{submitted}/comments", "POST", "lurah", {"text": SILUMAN}),
        "photo": ("/problems/{submitted}/photos", "POST", "lurah", None),
    }[where]
    sent = {"files": files(picture())} if body is None else {"json": body}
    return Bad(wrong, status, code, path, method, who, sent=sent | {"headers": {"If-Match": header}})


HEADERS = [
    *(
        matched(f"a stale version: {where or 'step'}", 412, "version_mismatch", '"7.abc"', where)
        for where in ("", "edit", "part", "comment", "photo")
    ),
    matched("a stale version, bare", 412, "version_mismatch", "7"),
    matched("a stale version, weak", 412, "version_mismatch", 'W/"7.abc"'),
    matched("no ETag of ours", 422, "bad_if_match", f'"{SILUMAN}"'),
    matched("no ETag of ours: edit", 422, "bad_if_match", f'"{SILUMAN}"', "edit"),
    matched("no ETag of ours: photo", 422, "bad_if_match", f'"{SILUMAN}"', "photo"),
    matched("two ETags", 422, "bad_if_match", '"1.a", "2.b"'),
    matched("a version beyond all", 422, "bad_if_match", '"99999999999999999999"'),
    matched("a negative version", 422, "bad_if_match", '"-1"'),
    matched("a version in other digits", 422, "bad_if_match", '"٧"'.encode()),
    matched("bytes", 422, "bad_if_match", b'"\xff"'),
    matched("an empty If-Match", 422, "bad_if_match", ""),
    headed("no UUID as post", 422, "invalid_request", **{"X-Post": SILUMAN}),
    headed("nobody's post", 403, "post_not_held", **{"X-Post": ANOTHER}),
    headed("another one's post", 403, "post_not_held", **{"X-Post": "{lurahs_post}"}),
    headed("no token", 401, "unauthenticated", Authorization=""),
    headed("no bearer", 401, "unauthenticated", Authorization=f"Basic {SILUMAN}"),
    headed("an empty token", 401, "unauthenticated", Authorization="Bearer "),
    headed("nobody's token", 401, "unauthenticated", Authorization=f"Bearer {SILUMAN}"),
    headed("a token of a megabyte", 401, "unauthenticated", Authorization=f"Bearer {SILUMAN * 10_000}"),
    headed("an expired token", 401, "unauthenticated", Authorization="Bearer {expired}"),
    headed("a revoked token", 401, "unauthenticated", Authorization="Bearer {revoked}"),
    *(
        Bad(wrong, 422, "invalid_request", report={}, sent={"headers": {"Idempotency-Key": key}})
        for wrong, key in (
            ("an empty key", ""),
            ("a key with blanks", "si lu man"),
            ("a key too long", SILUMAN * 50),
            ("a key in other letters", "kunci-é".encode()),
        )
    ),
]


def cursor(*values: Any) -> str:
    return encode(values)


NOW = "2026-03-02T02:00:00+00:00"
LISTS = ("/problems", "/assignments", "/problems/{submitted}/comments")
CURSORS = {
    "garbage": "!!!",
    "a word": SILUMAN,
    "not base64": "a",
    "no JSON": "c2lsdW1hbg",
    "no list": cursor() and "eyJzaWx1bWFuIjoxfQ",
    "too few values": cursor(NOW),
    "too many values": cursor(NOW, ANOTHER, SILUMAN),
    "numbers": "WzEsMl0",
    "nulls": "W251bGwsbnVsbF0",
    "no moment": cursor(SILUMAN, ANOTHER),
    "a moment without a zone": cursor("2026-03-02T02:00:00", ANOTHER),
    "a day": cursor("2026-03-02", ANOTHER),
    "no UUID": cursor(NOW, SILUMAN),
    "before the first year": cursor("0001-01-01T00:00:00+14:00", ANOTHER),
    "after the last year": cursor("9999-12-31T23:59:59-14:00", ANOTHER),
    "lists in lists": "W1tbW1tbW1tbW1tb" * 20,
    "letters of elsewhere": "é" * 40,
    "a null byte": "\x00",
    "another list's": cursor("bakalan", "35.75.03.1005"),
}

QUERIES = [
    *(
        ask(f"{name} as cursor of {path}", "bad_cursor", path, after=after)
        for path in LISTS
        for name, after in CURSORS.items()
    ),
    *(
        ask(f"{name} as cursor of a history", "bad_cursor", "/problems/{submitted}/history", after=after)
        for name, after in {
            "garbage": "!!!",
            "no number": cursor(SILUMAN),
            "a fraction": cursor("1.5"),
            "a number beyond all": cursor(2**63),
            "a number of 300 digits": cursor("9" * 290),
            "infinity": cursor("inf"),
            "too many values": cursor(1, 2),
        }.items()
    ),
    ask("a cursor of a thousand letters", after="A" * 1_000),
    ask("no items", limit=0),
    ask("a negative limit", limit=-1),
    ask("more items than we give", limit=MAXIMUM + 1),
    ask("a limit beyond all", limit=10**40),
    ask("half an item", limit=1.5),
    ask("a limit in words", limit=SILUMAN),
    ask("no code as area", area=SILUMAN),
    ask("NUL as area", area="\x00"),
    ask("no state of ours", state=SILUMAN),
    ask("more states than there are", state=["submitted"] * 12),
    ask("no slug as category", category="SILUMAN"),
    ask("no class of ours", **{"class": SILUMAN}),
    ask("no code as agency", agency=SILUMAN),
    ask("no priority of ours", priority=SILUMAN),
    ask("no day", recorded_from=SILUMAN),
    ask("a day there is not", recorded_to="2026-02-30"),
    ask("since the year one", recorded_from="0001-01-01"),
    ask("until the last day there is", recorded_to="9999-12-31"),
    ask("neither overdue nor not", overdue=SILUMAN),
    ask("no desk", desk=SILUMAN),
    ask("a desk with a newline", desk="kelurahan:35.75.03.1005\nx"),
    ask("NUL as words", words="siluman\x00"),
    ask("words too long", words=SILUMAN * 30),
    ask("no words", words=""),
    ask("no moment", updated_since=SILUMAN),
    ask("a moment without a zone", updated_since="2026-03-02T00:00:00"),
    ask("a moment before the first year", updated_since="0001-01-01T00:00:00+14:00"),
    ask("a moment after the last year", updated_since="9999-12-31T23:59:59-14:00"),
    ask("no UUID as problem", path=f"/problems/{SILUMAN}"),
    ask("NUL as problem", path="/problems/%00"),
    ask("bytes as problem", path="/problems/%ff%fe"),
    ask("no state of an assignment", path="/assignments", state="submitted"),
    ask("no agency's desk", path="/assignments", agency=SILUMAN),
    ask("a lead that is neither", path="/assignments", lead=SILUMAN),
    Bad("somebody else's problem", 404, "problem_not_found", "/problems/{elsewhere}", "GET"),
    Bad("somebody else's history", 404, "problem_not_found", "/problems/{elsewhere}/history", "GET"),
    Bad("nobody's problem", 404, "problem_not_found", f"/problems/{ANOTHER}", "GET"),
    Bad("nobody's part", 404, "assignment_not_found", f"/assignments/{ANOTHER}", "GET"),
    Bad("nobody's photo", 404, "photo_not_found", f"/problems/{{submitted}}/photos/{ANOTHER}", "GET"),
    Bad("another problem's photo", 404, "photo_not_found", "/problems/{submitted}/photos/{photo}", "GET"),
]

PATHS = [
    Bad("no such path", 404, "not_found", "/siluman", "GET"),
    Bad("no such path below", 404, "not_found", "/problems/{submitted}/siluman", "GET"),
    Bad("a path above", 404, "not_found", "/../../siluman", "GET"),
    Bad("no such asset", 404, "not_found", "/../../assets/siluman", "GET"),
    *(
        Bad(f"{method} {path}", 405, "method_not_allowed", path, method)
        for method, path in (
            ("DELETE", "/problems"),
            ("PUT", "/problems/{submitted}"),
            ("DELETE", "/problems/{submitted}"),
            ("GET", "/problems/{submitted}/steps"),
            ("POST", "/assignments"),
            ("SILUMAN", "/problems"),
            ("TRACE", "/problems"),
        )
    ),
]

LARGE = b"\xff\xd8" + b"x" * 8 * MEGABYTE
PHOTOS = [
    photo("nothing", "photo_format", b""),
    photo("a text", "photo_format", SILUMAN.encode()),
    photo("a text that claims nothing", "photo_format", SILUMAN.encode(), SILUMAN, "application/octet-stream"),
    photo("SVG", "photo_format", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "siluman.svg", "image/svg+xml"),
    photo("GIF", "photo_format", encoded(street(64, 48), "GIF"), "siluman.gif", "image/gif"),
    photo("a PNG called JPEG", "photo_format", encoded(street(64, 48), "PNG")),
    photo("a JPEG of another type", "photo_format", picture(), "bukti.jpg", "image/png"),
    photo("a JPEG of another name", "photo_format", picture(), "siluman.png", "image/jpeg"),
    photo("a page with a JPEG's name", "photo_format", picture(), "siluman.jpg", "text/html"),
    photo("half a JPEG", "photo_unreadable", encoded(street())[:3_000]),
    photo("the head of a PNG", "photo_unreadable", png_header(64, 48), "siluman.png", "image/png"),
    photo("too many pixels", "photo_too_many_pixels", png_header(20_000, 20_000), "siluman.png", "image/png"),
    photo("a file too large", "photo_too_large", LARGE),
    photo("no UUID as its id", "invalid_request", picture(), id=SILUMAN),
    photo("a base beyond all", "invalid_request", picture(), base="9" * 40),
    Bad(
        "a body too large",
        413,
        "body_too_large",
        "/problems/{submitted}/photos",
        sent={"files": files(LARGE + b"x" * MEGABYTE)},
    ),
    Bad("no file", 422, "invalid_request", "/problems/{submitted}/photos", sent={"data": {"id": ANOTHER}}),
    Bad(
        "a file by another name",
        422,
        "invalid_request",
        "/problems/{submitted}/photos",
        sent={"files": {SILUMAN: ("bukti.jpg", picture(), "image/jpeg")}},
    ),
    Bad(
        "a text for a file",
        422,
        "invalid_request",
        "/problems/{submitted}/photos",
        sent={"files": {"file": (None, SILUMAN)}},
    ),
    Bad("JSON for a form", 422, "invalid_request", "/problems/{submitted}/photos", sent={"json": {"file": SILUMAN}}),
    Bad(
        "a form without a boundary",
        422,
        "invalid_request",
        "/problems/{submitted}/photos",
        sent={"content": b"siluman", "headers": {"Content-Type": "multipart/form-data"}},
    ),
    Bad(
        "a thousand and one fields",
        422,
        "invalid_request",
        "/problems/{submitted}/photos",
        sent={"files": [(f"f{number}", (None, "x")) for number in range(1_001)]},
    ),
    Bad(
        "a photo where nothing is seen",
        404,
        "problem_not_found",
        "/problems/{elsewhere}/photos",
        sent={"files": files(picture())},
    ),
]

TABLES = {
    "reports": REPORTS,
    "bodies": BODIES,
    "steps": STEPS,
    "headers": HEADERS,
    "queries": QUERIES,
    "paths": PATHS,
    "photos": PHOTOS,
}


# -- the scene they are tried on -------------------------------------------------------------------------------------


@dataclass
class Scene:
    """A town with a few problems, each where a no can be met."""

    town: Town
    phone: AsyncClient
    names: dict[str, str]

    def person(self, who: str) -> Someone:
        town = self.town
        return {
            "operator": town.operator("Bakalan"),
            "lurah": town.lurah("Bakalan"),
            "camat": town.camat("Bugul Kidul"),
            "officer": town.officer("PUPR"),
            "other_officer": town.officer("DINKES"),
            "head": town.head("PUPR"),
            "monitor": town.monitor,
            "mayor": town.mayor,
            "admin": town.admin,
        }[who]

    async def send(self, bad: Bad) -> Response:
        sent = {name: self._filled(value) for name, value in bad.sent.items()}
        headers = {**self.person(bad.who).headers, **sent.pop("headers", {})}
        if bad.report is not None:
            sent["json"] = self.town.problem() | dict(bad.report)
        return await self.phone.request(bad.method, self._filled(f"/api/v1{bad.path}"), headers=headers, **sent)

    def _filled(self, value: Any) -> Any:
        """The value with the names of the scene filled in."""
        if isinstance(value, str):
            return re.sub(r"\{(\w+)\}", lambda named: self.names[named[1]], value)
        if isinstance(value, dict):
            return {name: self._filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        return value


@pytest.fixture
async def scene(town: Town, town_app: FastAPI) -> AsyncIterator[Scene]:
    operator, lurah, camat = town.operator("Bakalan"), town.lurah("Bakalan"), town.camat("Bugul Kidul")
    submitted, elsewhere = await operator.report(), await town.operator("Gentong").report("Gentong")
    forwarded, accepted, assigned, working = [await lurah.report() for _ in range(4)]
    for each in (accepted, assigned, working):
        await camat.step(each, "accept")
    offered = await camat.step(assigned, "assign", lead="PUPR")
    working = await camat.step(working, "assign", lead="PUPR")
    for verb in ("accept", "start"):
        working = await town.officer("PUPR").part(working, verb)
    names = {
        "submitted": submitted["id"],
        "forwarded": forwarded["id"],
        "accepted": accepted["id"],
        "assigned": assigned["id"],
        "elsewhere": elsewhere["id"],
        "part": offered["assignments"][0]["id"],
        "working_part": working["assignments"][0]["id"],
        "photo": await lurah.photo(assigned),
        "lurahs_post": str(lurah.actor.post_id),
        "nobody": ANOTHER,
        "nobodys_part": ANOTHER,
        "garbage": SILUMAN,
        "garbage_part": SILUMAN,
        "expired": log_in(town, expires_at=town.clock.now),
        "revoked": log_in(town, expires_at=datetime(2100, 1, 1, tzinfo=UTC), revoked_at=town.clock.now),
    }
    transport = ASGITransport(app=town_app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://testserver") as phone:
        yield Scene(town, phone, names)


def log_in(town: Town, **ended: datetime) -> str:
    """A token that was good once."""
    token = f"uji-{uuid4()}"
    device = DeviceSession(
        id=new_id(),
        account_id=town.operator("Bakalan").actor.account_id,
        token_hash=hashlib.sha256(token.encode()).hexdigest(),
        device="HP lama",
        created_at=town.clock.now - timedelta(days=90),
        last_used_at=town.clock.now,
        **ended,
    )
    with town.house.database.write() as session:
        session.add(device)
    return token


def stored(house: House) -> dict[str, str]:
    """A fingerprint of each table, and of the folder of photos."""
    with house.database.read() as session:
        found = {
            table.name: hashlib.sha256(repr(session.execute(select(table).order_by(*table.primary_key)).all()).encode())
            for table in SQLModel.metadata.sorted_tables
        }
    return {name: made.hexdigest() for name, made in found.items()}


def is_a_clear_no(answer: Response, status: int, code: str) -> None:
    assert answer.headers["content-type"] == MEDIA_TYPE
    body = answer.json()
    assert (answer.status_code, body["code"], body["status"]) == (status, code, status), answer.text
    assert body["request_id"] == answer.headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{16}", body["request_id"])
    assert body["type"] == f"/docs/refusals#{code}"
    assert body["title"]
    assert "Traceback" not in answer.text


def is_not_told_back(answer: Response) -> None:
    """The names of fields are told, nothing that stood in them."""
    body = answer.json()
    for error in body.get("errors", ()):
        error["at"] = error["at"].replace(SILUMAN, "")
    assert SILUMAN not in json.dumps(body).casefold()


# -- trying them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
async def test_each_meets_its_own_no_and_changes_nothing(scene: Scene, subtests: pytest.Subtests, table: str) -> None:
    before = stored(scene.town.house)
    for bad in TABLES[table]:
        with subtests.test(bad.wrong):
            answer = await scene.send(bad)
            is_a_clear_no(answer, bad.status, bad.code)
            is_not_told_back(answer)
            assert bad.is_told_at_its_place(answer), answer.text
            assert stored(scene.town.house) == before


async def test_what_is_spoilt_here_is_good_by_itself(scene: Scene) -> None:
    operator = scene.person("operator")
    assert (await operator.post("/problems", scene.town.problem())).status_code == 201
    assert (await operator.post("/problems", content=good(), headers=JSON)).status_code == 201
    assert (await operator.get("/problems", headers={"X-Post": str(operator.actor.post_id)})).status_code == 200
    assert (
        await scene.person("lurah").post(f"/problems/{scene.names['submitted']}/photos", **form(picture()))
    ).is_success
    for path in (*LISTS, "/problems/{submitted}/history"):
        page = await operator.get(path.format(**scene.names), params={"limit": 1, "after": ""})
        assert page.status_code == 422, "an empty cursor is none of ours"
        assert (await operator.get(path.format(**scene.names), params={"limit": MAXIMUM})).status_code == 200


@pytest.mark.filterwarnings(  # a file that never ended is left by the framework to the garbage collector
    "ignore:.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning"
)
async def test_a_photo_that_was_cut_off_on_the_way_is_none(scene: Scene) -> None:
    lurah, house = scene.person("lurah"), scene.town.house
    path, whole = f"/problems/{scene.names['submitted']}/photos", form(picture())
    before = stored(house)
    for kept in (0.2, 0.5, 0.9):
        half = whole["content"][: int(len(whole["content"]) * kept)]
        is_a_clear_no(await lurah.post(path, **whole | {"content": half}), 422, "invalid_request")
    assert stored(house) == before


async def test_a_body_that_says_nothing_of_its_length_is_counted(scene: Scene) -> None:
    lurah, house = scene.person("lurah"), scene.town.house
    sent = 0

    async def drip(head: bytes) -> AsyncIterator[bytes]:
        nonlocal sent
        yield head
        for _ in range(1_000):
            sent += MEGABYTE
            yield b"[" * MEGABYTE

    before = stored(house)
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="bukti.jpg"\r\n\r\n'
    for path, kind, head, limit in (
        ("/problems", "application/json", b"[", 1),
        (f"/problems/{scene.names['submitted']}/steps", "application/json", b'{"verb": ', 1),
        (f"/problems/{scene.names['submitted']}/photos", "multipart/form-data; boundary=x", form, 8),
    ):
        sent = 0
        headers = lurah.headers | {"Content-Type": kind}
        answer = await scene.phone.post(f"/api/v1{path}", content=drip(head), headers=headers)
        is_a_clear_no(answer, 413, "body_too_large")
        assert sent <= (limit + 2) * MEGABYTE, "it stops listening"
    assert stored(house) == before


# -- the same id again -----------------------------------------------------------------------------------------------


def same(first: Response, second: Response) -> bool:
    return (first.status_code, first.json()) == (second.status_code, second.json())


async def test_the_same_report_again_is_the_first_answer_again(scene: Scene) -> None:
    operator, lurah, house = scene.person("operator"), scene.person("lurah"), scene.town.house
    body = scene.town.problem(id=str(new_id()))
    first = await operator.post("/problems", body)
    assert (first.status_code, "idempotent-replayed" in first.headers) == (201, False)
    await lurah.step(first.json(), "forward")
    before = stored(house)
    again = await operator.post("/problems", body)
    assert same(first, again), "as it was then, though it has been forwarded since"
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == "application/json"
    is_a_clear_no(await operator.post("/problems", body | {"title": "Lain sekali"}), 409, "id_reused")
    is_a_clear_no(await operator.post("/problems", body | {"area": "35.75.03.1003"}), 409, "id_reused")
    assert stored(house) == before


@pytest.mark.parametrize("where", ["Bakalan", "Gentong"])
async def test_an_id_that_another_account_used_is_taken(scene: Scene, where: str) -> None:
    town = scene.town
    body = town.problem(id=str(new_id()))
    town.good(await town.operator("Bakalan").post("/problems", body), 201)
    before = stored(town.house)
    for other in (town.lurah(where), town.monitor, town.camat("Gadingrejo" if where == "Gentong" else "Bugul Kidul")):
        answer = await other.post("/problems", body | {"area": town.kelurahan(where)})
        is_a_clear_no(answer, 409, "id_reused")
    assert stored(town.house) == before


async def test_the_same_comment_again_is_the_first_answer_again(scene: Scene) -> None:
    operator, lurah, house = scene.person("operator"), scene.person("lurah"), scene.town.house
    path, elsewhere = f"/problems/{scene.names['submitted']}/comments", f"/problems/{scene.names['forwarded']}/comments"
    body = {"id": str(new_id()), "text": "Air sudah surut."}
    first = await operator.post(path, body)
    before = stored(house)
    again = await operator.post(path, body)
    assert same(first, again)
    assert again.headers["idempotent-replayed"] == "true"
    is_a_clear_no(await operator.post(path, body | {"text": "Belum."}), 409, "id_reused")
    is_a_clear_no(await operator.post(elsewhere, body), 409, "id_reused")
    is_a_clear_no(await lurah.post(path, body), 409, "id_reused")
    assert stored(house) == before


async def test_the_same_photo_again_is_the_first_one(scene: Scene) -> None:
    operator, lurah, house = scene.person("operator"), scene.person("lurah"), scene.town.house
    path, elsewhere = f"/problems/{scene.names['submitted']}/photos", f"/problems/{scene.names['forwarded']}/photos"
    photo_id = str(new_id())
    whole = form(picture(), id=photo_id)
    first = await operator.post(path, **whole)
    assert first.status_code == 201, first.text
    before = stored(house)
    assert same(first, await operator.post(path, **whole))
    is_a_clear_no(await operator.post(path, **form(picture("merah"), id=photo_id)), 409, "id_reused")
    is_a_clear_no(await operator.post(elsewhere, **whole), 409, "id_reused")
    is_a_clear_no(await lurah.post(path, **whole), 409, "id_reused")
    assert stored(house) == before


async def test_a_key_names_one_request(scene: Scene) -> None:
    lurah, operator, house = scene.person("lurah"), scene.person("operator"), scene.town.house
    path, headers = f"/problems/{scene.names['submitted']}/steps", {"Idempotency-Key": "kunci-1"}
    first = await lurah.post(path, {"verb": "forward"}, headers=headers)
    assert first.status_code == 200, first.text
    before = stored(house)
    again = await lurah.post(path, {"verb": "forward"}, headers=headers)
    assert same(first, again), "without the key it would be a 409: it is forwarded already"
    assert again.headers["idempotent-replayed"] == "true"
    other = f"/problems/{scene.names['forwarded']}/steps"
    is_a_clear_no(await lurah.post(path, {"verb": "endorse"}, headers=headers), 409, "idempotency_key_reused")
    is_a_clear_no(await lurah.post(other, {"verb": "forward"}, headers=headers), 409, "idempotency_key_reused")
    assert stored(house) == before
    assert (await operator.post("/problems", scene.town.problem(), headers=headers)).status_code == 201, (
        "a key is one's own"
    )


# -- several steps in one call, each its own no ----------------------------------------------------------------------


async def test_each_of_several_steps_is_refused_by_itself(scene: Scene) -> None:
    lurah, names = scene.person("lurah"), scene.names
    refused: dict[str, dict[str, Any]] = {
        "problem_not_found": {"problem": names["elsewhere"], "step": {"verb": "forward"}},
        "not_permitted": {"problem": names["submitted"], "step": {"verb": "accept"}},
        "step_not_allowed": {"problem": names["forwarded"], "step": {"verb": "forward"}},
        "version_mismatch": {"problem": names["submitted"], "step": {"verb": "forward"}, "version": 7},
        "unknown_code": {
            "problem": names["submitted"],
            "step": {"verb": "recategorise", "category": SILUMAN, "reason": SILUMAN},
        },
    }
    before = stored(scene.town.house)
    outcomes = scene.town.good(await lurah.post("/problems/steps", {"items": list(refused.values())}), 200)["items"]
    assert [each["refusal"]["code"] for each in outcomes] == list(refused)
    assert SILUMAN not in json.dumps(outcomes)
    assert stored(scene.town.house) == before
    among = [*refused.values(), {"problem": names["submitted"], "step": {"verb": "forward"}, "version": 1}]
    outcomes = scene.town.good(await lurah.post("/problems/steps", {"items": among}), 200)["items"]
    assert [each["done"] for each in outcomes] == [False] * len(refused) + [True]


# -- how a no is told ------------------------------------------------------------------------------------------------

LANGUAGES = {
    None: "Silakan masuk dahulu",
    "id": "Silakan masuk dahulu",
    "en": "Log in first",
    "en-GB,en;q=0.9,id;q=0.1": "Log in first",
    "id-ID,id;q=0.9,en;q=0.8": "Silakan masuk dahulu",
    "jv, id;q=0.5, en;q=0.9": "Log in first",
    "fr-FR": "Silakan masuk dahulu",
    "en;q=siluman": "Silakan masuk dahulu",
    "*;q=0.1, en;q=0": "Silakan masuk dahulu",
    "," * 10_000: "Silakan masuk dahulu",
}


async def test_a_no_is_told_in_the_language_asked_for(town: Town) -> None:
    for language, title in LANGUAGES.items():
        headers = {} if language is None else {"Accept-Language": language}
        answer = await town.client.get("/api/v1/problems", headers=headers)
        is_a_clear_no(answer, 401, "unauthenticated")
        assert answer.json()["title"] == title, language
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/problems"), ("GET", f"/problems/{ANOTHER}"), ("POST", f"/problems/{ANOTHER}/reporter")],
)
async def test_a_crash_tells_nothing_but_its_name_in_the_log(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str, path: str
) -> None:
    def crash(*_: Any) -> None:
        raise RuntimeError(SILUMAN)

    monkeypatch.setattr(Door, "_identified", crash)
    answer = await scene.phone.request(method, f"/api/v1{path}", headers=scene.person("lurah").headers)
    is_a_clear_no(answer, 500, "unexpected")
    is_not_told_back(answer)
    assert set(answer.json()) == {"type", "title", "status", "code", "request_id"}
    assert SILUMAN in caplog.text
    assert answer.json()["request_id"] in caplog.text
