"""Who may do what, in every state: the matrix, written by hand, against the HTTP route and against `may`.

A line names verbs, and behind the colon who may take them in this situation; a verb without a line is closed to all.
The rest follows. Who may not see the problem: 404. Whose post can never take the verb: 403. A closed verb: 409. An open
one, but not for this caller: 403.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from httpx import Response

from tests.problems.situations import NOW, SITUATIONS, Found, Stage, cast, seen_by_all, soon
from tests.town import Someone, Town, picture

Table = Mapping[str, frozenset[str]]
"""A verb and who may take it, by what the stage calls them."""

TERRITORY: Final = frozenset(
    {"operator", "colleague", "lurah", "staff", "camat", "first_monitor", "second_monitor", "mayor"}
)
"""Everybody of the place, who sees all of its problems; a situation names the agencies that see it too."""

EVER: Final = """
    edit withdraw: operator lurah staff camat officer monitor
    recategorise prioritise: lurah camat
    move: camat monitor
    propose_move forward endorse handle_locally send_back object appeal: lurah
    call_up: camat
    accept take_up: staff camat
    ask: staff camat officer head
    answer: operator lurah staff camat officer head monitor
    assign: camat monitor
    decide_authority decide_appeal: monitor
    finish: lurah staff camat
    hold resume: lurah camat
    confirm dispute: lurah staff camat monitor
    reopen: lurah camat monitor
    reject defer_to_planning escalate: camat monitor
    mark_duplicate unmark: lurah staff camat
    comment attach link: operator lurah staff camat officer head monitor mayor
"""
"""Kinds of post that can take a verb at all, in one situation or another."""

REMARKS: Final = """
    comment attach link: everyone
    propose_move: lurah
    move escalate: camat monitor
    mark_duplicate: lurah staff camat
"""
"""Open in every open state."""

EARLY: Final = f"{REMARKS} recategorise prioritise: lurah"
LATER: Final = f"""{REMARKS}
    recategorise prioritise: camat
    edit: staff camat
"""

MATRIX: Final[Mapping[str, str]] = {
    "submitted": f"""{EARLY}
        edit withdraw: operator lurah
        forward handle_locally send_back: lurah
    """,
    "submitted long ago": f"""{EARLY}
        edit withdraw: operator lurah
        forward handle_locally send_back: lurah
        call_up: camat
    """,
    "sent back": f"""{EARLY}
        edit withdraw: operator lurah
        answer: operator colleague lurah
    """,
    "sent back long ago": f"""{EARLY}
        edit withdraw: operator lurah
        answer: operator colleague lurah
        call_up: camat
    """,
    "objected to the kecamatan": f"""{REMARKS}
        recategorise prioritise: camat
        edit withdraw: staff lurah
        answer: staff camat
    """,
    "objected to the kecamatan long ago": f"""{REMARKS}
        recategorise prioritise: camat
        edit withdraw: staff lurah
        answer: staff camat
        call_up: camat
    """,
    "objected to an agency": f"""{REMARKS}
        seen by: officer head
        recategorise prioritise: camat
        edit withdraw: officer lurah
        answer: officer head
    """,
    "objected to the monitor": f"""{REMARKS}
        recategorise prioritise: camat
        edit withdraw: first_monitor lurah
        answer: monitor
    """,
    "asked before acceptance": f"""{REMARKS}
        recategorise prioritise: camat
        edit withdraw: operator lurah
        answer: operator colleague lurah
    """,
    "asked by the lead": f"""{REMARKS}
        seen by: officer head helper helper_head
        recategorise prioritise: camat
        edit: operator lurah
        answer: operator colleague lurah
    """,
    "handled locally": f"""{EARLY}
        edit: staff camat
        withdraw: operator lurah
        forward finish hold: lurah
    """,
    "local work on hold": f"""{EARLY}
        edit: staff camat
        resume: lurah
        defer_to_planning: camat monitor
    """,
    "forwarded": f"""{LATER}
        withdraw: operator lurah
        handle_locally: lurah
        accept ask: staff camat
        reject: camat monitor
    """,
    "emergency": f"""{REMARKS}
        seen by: officer head
        recategorise prioritise: camat
        edit: lurah staff camat
        withdraw: operator lurah
        handle_locally endorse: lurah
        accept ask: staff camat
        assign reject: camat monitor
    """,
    "recorded by the kecamatan": f"""{LATER}
        withdraw: staff lurah
        handle_locally object: lurah
        accept ask: staff camat
        reject: camat monitor
    """,
    "recorded by the kecamatan long ago": f"""{LATER}
        withdraw: staff lurah
        handle_locally: lurah
        accept ask: staff camat
        reject: camat monitor
    """,
    "accepted": f"""{LATER}
        ask take_up: staff camat
        hold: camat
        assign reject defer_to_planning: camat monitor
        decide_authority: monitor
    """,
    "bounced": f"""{LATER}
        seen by: officer head helper helper_head
        ask take_up: staff camat
        hold: camat
        assign reject defer_to_planning: camat monitor
        decide_authority: monitor
    """,
    "bounced twice": f"""{LATER}
        seen by: officer head helper helper_head
        ask take_up: staff camat
        hold: camat
        reject defer_to_planning: camat monitor
        decide_authority: monitor
    """,
    "part revoked": f"""{LATER}
        seen by: helper helper_head
        ask take_up: staff camat
        hold: camat
        assign reject defer_to_planning: camat monitor
        decide_authority: monitor
    """,
    "accepted, on hold": f"""{LATER}
        resume: camat
        defer_to_planning: camat monitor
    """,
    "assigned": f"""{LATER}
        seen by: officer head helper helper_head
        ask: staff camat officer head
        assign: camat monitor
    """,
    "decided by the monitor": f"""{LATER}
        seen by: officer head helper helper_head
        ask: staff camat officer head
        assign: camat monitor
    """,
    "by hand": f"""{LATER}
        ask: staff camat
        assign: camat monitor
    """,
    "by hand for the city": f"""{LATER}
        ask: staff camat
        assign: camat monitor
    """,
    "taken up by the kecamatan": f"""{LATER}
        ask finish: staff camat
        hold: camat
        assign defer_to_planning: camat monitor
    """,
    "agency took it": f"""{LATER}
        seen by: officer head helper helper_head
        ask: staff camat officer head
        hold: camat
        assign defer_to_planning: camat monitor
    """,
    "agency works": f"""{LATER}
        seen by: officer head helper helper_head
        ask: staff camat officer head
        hold: camat
        assign defer_to_planning: camat monitor
    """,
    "agency waits for support": f"""{LATER}
        seen by: officer head helper helper_head
        ask: staff camat officer head
        hold: camat
        assign defer_to_planning: camat monitor
    """,
    "hold proposed": f"""{LATER}
        seen by: officer head helper helper_head
        ask: staff camat officer head
        hold: camat
        assign defer_to_planning: camat monitor
    """,
    "by hand, taken": f"""{LATER}
        ask: staff camat
        hold: camat
        assign defer_to_planning: camat monitor
    """,
    "by hand, working": f"""{LATER}
        ask: staff camat
        hold: camat
        assign defer_to_planning: camat monitor
    """,
    "by hand, hold proposed": f"""{LATER}
        ask: staff camat
        hold: camat
        assign defer_to_planning: camat monitor
    """,
    "agency's work held by the camat": f"""{LATER}
        seen by: officer head helper helper_head
        resume: camat
        defer_to_planning: camat monitor
    """,
    "agency on hold": f"""{LATER}
        seen by: officer head helper helper_head
        resume: camat
        defer_to_planning: camat monitor
    """,
    "by hand, on hold": f"""{LATER}
        resume: camat
        defer_to_planning: camat monitor
    """,
    "kelurahan is done": f"""{EARLY}
        edit: staff camat
        confirm dispute: staff camat
    """,
    "kecamatan is done": f"""{LATER}
        confirm dispute: lurah
    """,
    "kecamatan is done since last week": f"""{LATER}
        confirm dispute: lurah monitor
    """,
    "agency is done": f"""{LATER}
        seen by: officer head helper helper_head
        confirm dispute: lurah
    """,
    "agency is done since last week": f"""{LATER}
        seen by: officer head helper helper_head
        confirm dispute: lurah camat
    """,
    "by hand, done since last week": f"""{LATER}
        confirm dispute: lurah
    """,
    "resolved": """
        seen by: officer head helper helper_head
        reopen: lurah camat monitor
    """,
    "resolved last month": """
        seen by: officer head helper helper_head
    """,
    "resolved by the kelurahan": "reopen: lurah camat monitor",
    "withdrawn": "reopen: lurah camat monitor",
    "rejected": "appeal: lurah",
    "rejected long ago": "",
    "appealed": "decide_appeal: monitor",
    "appealed against a monitor": "decide_appeal: second_monitor",
    "appeal upheld": "",
    "duplicate": "unmark: lurah staff camat",
    "planned": "reopen: lurah camat monitor",
}

PART_EVER: Final = """
    accept start progress delegate hold resume finish: officer head staff camat monitor
    refuse: head staff camat monitor
    agree_hold decline_hold: camat
    revoke: camat monitor
"""
"""Officers and heads move their agency's part; staff, camat and monitor that of an agency which is not here."""

WORKING: Final = """
    seen by: officer head helper helper_head
    progress delegate hold finish: officer head
    revoke: camat monitor
"""

PARTS: Final[Mapping[tuple[str, str], str]] = {
    ("assigned", "PUPR"): """
        seen by: officer head helper helper_head
        accept delegate: officer head
        refuse: head
        revoke: camat monitor
    """,
    ("assigned", "DLHKP"): """
        seen by: officer head helper helper_head
        accept delegate: helper helper_head
        refuse: helper_head
        revoke: camat monitor
    """,
    ("agency took it", "PUPR"): """
        seen by: officer head helper helper_head
        start delegate: officer head
        refuse: head
        revoke: camat monitor
    """,
    ("agency works", "PUPR"): WORKING,
    ("asked by the lead", "PUPR"): WORKING,
    ("agency's work held by the camat", "PUPR"): WORKING,
    ("hold proposed", "PUPR"): """
        seen by: officer head helper helper_head
        progress delegate finish: officer head
        agree_hold decline_hold: camat
        revoke: camat monitor
    """,
    ("agency on hold", "PUPR"): """
        seen by: officer head helper helper_head
        resume: officer head
        revoke: camat monitor
    """,
    ("agency waits for support", "PUPR"): "seen by: officer head helper helper_head",
    ("agency waits for support", "DLHKP"): """
        seen by: officer head helper helper_head
        progress delegate hold finish: helper helper_head
        revoke: camat monitor
    """,
    ("agency is done", "PUPR"): "seen by: officer head helper helper_head",
    ("resolved", "PUPR"): "seen by: officer head helper helper_head",
    ("bounced", "PUPR"): "seen by: officer head helper helper_head",
    ("bounced", "DLHKP"): """
        seen by: officer head helper helper_head
        revoke: camat monitor
    """,
    ("part revoked", "PUPR"): "seen by: helper helper_head",
    ("decided by the monitor", "PUPR"): """
        seen by: officer head helper helper_head
        accept delegate: officer head
        refuse: head
        revoke: monitor
    """,
    ("by hand", "PLN"): """
        accept delegate refuse: staff camat
        revoke: camat monitor
    """,
    ("by hand for the city", "PLN"): "accept delegate refuse revoke: monitor",
    ("by hand, taken", "PLN"): """
        start delegate refuse: staff camat
        revoke: camat monitor
    """,
    ("by hand, working", "PLN"): """
        progress delegate hold finish: staff camat
        revoke: camat monitor
    """,
    ("by hand, hold proposed", "PLN"): """
        progress delegate finish: staff camat
        agree_hold decline_hold: camat
        revoke: camat monitor
    """,
    ("by hand, on hold", "PLN"): """
        resume: staff camat
        revoke: camat monitor
    """,
    ("by hand, done since last week", "PLN"): "",
}

WHOLE: Final = {
    "submitted",
    "sent back",
    "handled locally",
    "forwarded",
    "accepted",
    "assigned",
    "agency works",
    "agency on hold",
    "agency is done",
    "resolved",
    "rejected",
}
"""One situation of each state, in which every post tries every verb. In the others, whoever can ever take an open verb
tries it, and one of them each closed verb."""

EVERY_POST: Final = {"operator", "lurah", "staff", "camat", "officer", "head", "first_monitor", "mayor", "admin"}


def read(text: str) -> Table:
    """The table that a text shows."""
    table: dict[str, frozenset[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        verbs, _, names = line.partition(":")
        callers = set(names.split())
        if "monitor" in callers:
            callers |= {"first_monitor", "second_monitor"}
        for verb in ["seen by"] if verbs == "seen by" else verbs.split():
            assert verb not in table, f"{verb} stands twice"
            table[verb] = frozenset(callers)
    return table


def status_of(table: Table, ever: Table, verb: str, caller: str, post: str) -> int:
    """What the route must say, by the rule at the head of this page."""
    if caller not in seers(table):
        return 404
    if post not in ever[verb]:
        return 403
    if verb not in table:
        return 409
    if caller in table[verb] or table[verb] == {"everyone"}:
        return 201 if verb in ("comment", "attach") else 200
    return 403


def seers(table: Table) -> frozenset[str]:
    return TERRITORY | table.get("seen by", frozenset())


def cells(stage: Stage, situation: str, table: Table, ever: Table) -> Iterator[tuple[str, Someone, str]]:
    """Who tries which verbs: (caller, somebody, verb)."""
    tried = set()
    for caller, who in stage.callers(situation).items():
        for verb in ever:
            can_ever = who.actor.kind in ever[verb]
            if situation in WHOLE:
                wanted = can_ever or caller in EVERY_POST
            else:  # a closed verb is closed to all alike
                wanted = can_ever and caller in seers(table) and (verb in table or verb not in tried)
                wanted = wanted and not (verb in read(REMARKS) and verb in table)
            if wanted:
                tried.add(verb)
                yield caller, who, verb


# -- what is said ----------------------------------------------------------------------------------------------------


def said(town: Town, main: Found) -> dict[str, dict[str, Any]]:
    """For each verb, content that nobody could object to."""
    why = {"reason": "Sesuai hasil rapat."}
    elsewhere = {"area": town.kelurahan("Kepel")}
    return {
        "edit": {"landmark": "Gapura RT 03"} | why,
        "recategorise": {"category": "sampah-menumpuk"} | why,
        "prioritise": {"priority": "high"} | why,
        "move": elsewhere | why,
        "propose_move": elsewhere | why,
        "handle_locally": {"plan": "Kerja bakti.", "target_on": soon(town)},
        "ask": {"question": "Sejak kapan?"},
        "answer": {"answer": "Sejak Senin."},
        "take_up": {"plan": "Satgas kecamatan."},
        "assign": {"lead": "PERKIM"},
        "decide_authority": {"agency": "PERKIM"} | why,
        "finish": {"resolution": "explained"},
        "hold": {"reason_code": "budget", "review_on": soon(town)},
        "reject": {"reason_code": "not_found"} | why,
        "decide_appeal": {"outcome": "overturned"} | why,
        "mark_duplicate": {"main": main["id"]},
        "defer_to_planning": {"planned_in": "Renja 2027"},
        "comment": {"text": "Sudah kami cek bersama ketua RT."},
        "link": {"problem": main["id"]},
    } | dict.fromkeys(("call_up", "send_back", "object", "withdraw", "dispute", "reopen", "appeal", "escalate"), why)


def said_of_part(town: Town) -> dict[str, dict[str, Any]]:
    letter = {"letter": "005/123/2026"}
    return {
        "accept": letter,
        "start": letter,
        "progress": {"note": "Baru separuh.", "percent": 50} | letter,
        "delegate": {"to": "UPT Drainase"} | letter,
        "hold": {"reason_code": "budget", "review_on": soon(town)} | letter,
        "resume": letter,
        "finish": {"resolution": "explained", "note": "Selesai."} | letter,
        "refuse": {"reason": "Bukan aset kami."} | letter,
        "revoke": {"reason": "Keliru alamat."},
    }


async def take(who: Someone, verb: str, problem: Found, content: Mapping[str, Any]) -> Response:
    """The verb, by its route."""
    here = f"/problems/{problem['id']}"
    match verb:
        case "edit":
            return await who.patch(here, dict(content))
        case "comment":
            return await who.post(f"{here}/comments", dict(content))
        case "attach":
            return await who.post(f"{here}/photos", files={"file": ("bukti.jpg", PICTURE, "image/jpeg")})
        case _:
            return await who.post(f"{here}/steps", {"verb": verb, **content})


PICTURE: Final = picture()


# -- the tests -------------------------------------------------------------------------------------------------------


def test_every_situation_and_every_verb_has_its_line() -> None:
    assert MATRIX.keys() == SITUATIONS.keys()
    assert len({SITUATIONS[name].state for name in WHOLE}) == len(WHOLE) == 11
    mentioned = {verb for text in MATRIX.values() for verb in read(text)} - {"seen by"}
    assert mentioned == read(EVER).keys(), "each verb is open in some situation"
    assert {verb for text in PARTS.values() for verb in read(text)} - {"seen by"} == read(PART_EVER).keys()


@pytest.mark.parametrize("situation", MATRIX)
async def test_who_may_take_which_step(rehearsal: Stage, situation: str) -> None:
    table, ever, problem = read(MATRIX[situation]), read(EVER), rehearsal.problems[situation]
    contents = said(rehearsal.town, rehearsal.main)
    wrong = []
    for caller, who, verb in cells(rehearsal, situation, table, ever):
        answer = await take(who, verb, problem, contents.get(verb, {}))
        expected = status_of(table, ever, verb, caller, who.actor.kind)
        if answer.status_code != expected:
            wrong.append(f"{caller} {verb}: {answer.status_code}, not {expected}: {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)
    assert (await rehearsal.town.mayor.see(problem))["version"] == problem["version"], "it was only a rehearsal"


@pytest.mark.parametrize(("situation", "agency"), PARTS)
async def test_who_may_take_which_step_on_a_part(rehearsal: Stage, situation: str, agency: str) -> None:
    table, ever, problem = read(PARTS[situation, agency]), read(PART_EVER), rehearsal.problems[situation]
    contents = said_of_part(rehearsal.town)
    wrong = []
    for caller, who, verb in cells(rehearsal, situation, table, ever):
        answer = await who.try_part(problem, verb, agency, **contents.get(verb, {}))
        expected = status_of(table, ever, verb, caller, who.actor.kind)
        if answer.status_code != expected:
            wrong.append(f"{caller} {verb}: {answer.status_code}, not {expected}: {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("situation", MATRIX)
async def test_may_says_the_same(stage: Stage, situation: str) -> None:
    table, problem = read(MATRIX[situation]), stage.problems[situation]
    parts = {agency: read(text) for (where, agency), text in PARTS.items() if where == situation}
    for caller, who in stage.callers(situation).items():
        answer = await who.get(f"/problems/{problem['id']}")
        assert answer.status_code == (200 if caller in seers(table) else 404), caller
        if answer.status_code == 404:
            continue
        seen = answer.json()
        assert set(seen["may"]) == allowed(table, caller), caller
        newest = {part["agency"]: part for part in seen["assignments"]}
        for agency, of_part in parts.items():
            assert set(newest[agency]["may"]) == allowed(of_part, caller), (caller, agency)


def allowed(table: Table, caller: str) -> set[str]:
    """The verbs that a table lets this caller take."""
    lines = table.items() - {("seen by", table.get("seen by"))}
    return {verb for verb, callers in lines if caller in callers or callers == {"everyone"}}


@pytest.mark.parametrize("situation", sorted(WHOLE))
async def test_what_was_rehearsed_also_happens(town: Town, situation: str) -> None:
    """With real commits: what the table allows is kept, what it does not leaves no trace."""
    main = await seen_by_all(town)
    town.clock.now = SITUATIONS[situation].since
    problem = await SITUATIONS[situation].made(town)
    town.clock.now = NOW
    table, ever, people, contents = read(MATRIX[situation]), read(EVER), cast(town), said(town, main)
    for caller, who in people.items():
        refused = [verb for verb in ever if status_of(table, ever, verb, caller, who.actor.kind) >= 400]
        for verb in refused[:3]:
            await take(who, verb, problem, contents.get(verb, {}))
    assert (await people["mayor"].see(problem))["version"] == problem["version"]
    moving = next(verb for verb in table if verb not in read(REMARKS) and verb != "seen by")
    caller = next(each for each in people if each in table[moving])
    answer = town.good(await take(people[caller], moving, problem, contents.get(moving, {})), 200)
    assert answer["version"] > problem["version"]
    assert await people[caller].see(problem) == answer
