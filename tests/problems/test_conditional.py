"""What a caller already has is not sent again; what has changed meanwhile is not overwritten."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from httpx import Response

from app.kit.ids import new_id
from tests.town import Someone, Town, picture

JAKARTA = ZoneInfo("Asia/Jakarta")


async def read(who: Someone, problem: dict[str, Any], known: str | None = None) -> Response:
    headers = {} if known is None else {"If-None-Match": known}
    return await who.get(f"/problems/{problem['id']}", headers=headers)


def is_the_same(answer: Response, etag: str) -> bool:
    return (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


def is_another(answer: Response, etag: str) -> bool:
    return answer.status_code == 200 and answer.json()["version"] and answer.headers["etag"] != etag


def version_in(etag: str) -> int:
    match = re.fullmatch(r'"(\d+)\.[0-9a-f]{12}"', etag)
    assert match, etag
    return int(match[1])


# -- If-None-Match ---------------------------------------------------------------------------------------------------


async def test_what_is_known_is_not_sent_again(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem = await lurah.report()
    first = await read(lurah, problem)
    etag = first.headers["etag"]
    assert version_in(etag) == problem["version"] == 1
    for known in (etag, f"W/{etag}", f'"7.0123456789ab", {etag}', f'{etag}, "x"'):
        again = await read(lurah, problem, known)
        assert is_the_same(again, etag), known
        assert "content-type" not in again.headers
        assert re.fullmatch(r"[0-9a-f]{16}", again.headers["x-request-id"])
    for unknown in ('"1.0123456789ab"', '"1"', "1", etag.replace('"', ""), "siluman", "", "\t", '"' * 5_000):
        assert (await read(lurah, problem, unknown)).json() == first.json(), unknown


async def test_what_has_changed_is_sent(town: Town) -> None:
    lurah, camat = town.lurah("Bakalan"), town.camat("Bugul Kidul")
    problem = await lurah.report()
    etag = (await read(lurah, problem)).headers["etag"]
    await camat.step(problem, "accept")
    changed = await read(lurah, problem, etag)
    assert is_another(changed, etag)
    assert version_in(changed.headers["etag"]) == changed.json()["version"] == 2
    for path, sent in (
        ("comments", {"json": {"text": "Air sudah surut."}}),
        ("photos", {"files": {"file": ("bukti.jpg", picture(), "image/jpeg")}}),
    ):
        etag = (await read(lurah, problem)).headers["etag"]
        assert (await lurah.post(f"/problems/{problem['id']}/{path}", **sent)).status_code == 201
        assert is_another(await read(lurah, problem, etag), etag)


async def test_what_one_post_sees_is_not_what_another_sees(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem = await lurah.report()
    readers = [lurah, town.operator("Bakalan"), town.staff("Bugul Kidul"), town.camat("Bugul Kidul"), town.monitor]
    etags = [(await read(who, problem)).headers["etag"] for who in (*readers, town.mayor)]
    assert len(set(etags)) == len(etags)
    assert {version_in(etag) for etag in etags} == {1}
    for who in readers:
        own = (await read(who, problem)).headers["etag"]
        for etag in etags:
            answer = await read(who, problem, etag)
            assert is_the_same(answer, own) if etag == own else is_another(answer, etag)
    refused = await read(town.lurah("Gentong"), problem, etags[0])
    assert (refused.status_code, refused.json()["code"]) == (404, "problem_not_found"), "not even that it is the same"


async def test_what_was_known_yesterday_is_sent_again(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problem = await lurah.report()
    etag = (await read(lurah, problem)).headers["etag"]
    town.clock.now = datetime(2026, 3, 2, 21, 59, tzinfo=JAKARTA).astimezone(UTC)
    assert is_the_same(await read(lurah, problem, etag), etag)
    town.clock.now = datetime(2026, 3, 3, 9, tzinfo=JAKARTA).astimezone(UTC)
    assert is_another(await read(lurah, problem, etag), etag)


async def test_it_is_sent_again_when_a_limit_passes_at_midnight(town: Town) -> None:
    operator = town.operator("Bakalan")
    problem = await operator.report()
    assert problem["next_step"]["until"] == "2026-03-03T16:59:59Z", "one working day, until midnight in Pasuruan"
    town.clock.now = datetime(2026, 3, 3, 23, 50, tzinfo=JAKARTA).astimezone(UTC)
    evening = await read(operator, problem)
    assert not evening.json()["overdue"]
    town.clock.now = datetime(2026, 3, 4, 0, 10, tzinfo=JAKARTA).astimezone(UTC)
    night = await read(operator, problem, evening.headers["etag"])
    assert is_another(night, evening.headers["etag"])
    assert night.json()["overdue"]


async def test_it_is_sent_again_when_an_hour_passes(town: Town) -> None:
    """An emergency's limits are hours: what may be done changes within the day."""
    operator, camat = town.operator("Mayangan"), town.camat("Panggungrejo")
    problem = await operator.report("Mayangan", title="Banjir sepinggang", category="banjir")
    before = await read(camat, problem)
    assert is_the_same(await read(camat, problem, before.headers["etag"]), before.headers["etag"])
    town.clock.advance(timedelta(hours=2))
    later = await read(camat, problem, before.headers["etag"])
    assert is_another(later, before.headers["etag"])
    assert later.json()["overdue"]


async def test_it_is_sent_again_when_the_main_problem_moves(town: Town) -> None:
    lurah, camat = town.lurah("Bakalan"), town.camat("Bugul Kidul")
    main, double = await lurah.report(), await lurah.report()
    await lurah.step(double, "mark_duplicate", main=main["id"])
    before = await read(lurah, double)
    assert before.json()["main"]["state"] == "forwarded"
    await camat.step(main, "accept")
    after = await read(lurah, double, before.headers["etag"])
    assert is_another(after, before.headers["etag"])
    assert after.json()["main"]["state"] == "accepted"
    assert after.json()["version"] == before.json()["version"]


# -- If-Match --------------------------------------------------------------------------------------------------------


async def test_a_write_answers_with_the_etag_of_what_it_made(town: Town) -> None:
    lurah, camat = town.lurah("Bakalan"), town.camat("Bugul Kidul")
    reported = await lurah.post("/problems", town.problem())
    problem = reported.json()
    assert is_the_same(await read(lurah, problem, reported.headers["etag"]), reported.headers["etag"])
    accepted = await camat.try_step(problem, "accept")
    assert is_the_same(await read(camat, problem, accepted.headers["etag"]), accepted.headers["etag"])
    edited = await camat.patch(f"/problems/{problem['id']}", {"title": "Saluran runtuh", "reason": "Sudah dilihat."})
    assert is_the_same(await read(camat, problem, edited.headers["etag"]), edited.headers["etag"])
    assert [version_in(each.headers["etag"]) for each in (reported, accepted, edited)] == [1, 2, 3]


async def assigned(town: Town) -> dict[str, Any]:
    """A problem of version 3, offered to an agency."""
    problem = await town.lurah("Bakalan").report()
    await town.camat("Bugul Kidul").step(problem, "accept")
    return await town.camat("Bugul Kidul").step(problem, "assign", lead="PUPR")


WRITES = {
    "step": ("camat", "POST", "/problems/{id}/steps", {"verb": "escalate", "reason": "Sudah lama."}),
    "edit": ("camat", "PATCH", "/problems/{id}", {"title": "Saluran runtuh", "reason": "Sudah dilihat."}),
    "part": ("officer", "POST", "/assignments/{part}/steps", {"verb": "accept"}),
    "comment": ("lurah", "POST", "/problems/{id}/comments", {"text": "Air sudah surut."}),
}


@pytest.mark.parametrize("write", WRITES)
async def test_a_write_is_done_to_the_version_that_was_read(town: Town, write: str) -> None:
    who, method, path, body = WRITES[write]
    problem = await assigned(town)
    people = {
        "camat": town.camat("Bugul Kidul"),
        "officer": town.officer("PUPR"),
        "lurah": town.lurah("Bakalan"),
    }
    place = path.format(id=problem["id"], part=problem["assignments"][0]["id"])

    async def send(if_match: str) -> Response:
        return await town.speak(people[who], method, place, json=body, headers={"If-Match": if_match})

    stale = (await read(people[who], problem)).headers["etag"]
    await town.lurah("Bakalan").post(f"/problems/{problem['id']}/comments", {"text": "Masih tergenang."})
    for old in (stale, f"W/{stale}", "3", '"3"', '"5.0123456789ab"', '"0"'):
        refused = await send(old)
        assert (refused.status_code, refused.json()["code"]) == (412, "version_mismatch"), old
        assert refused.json()["version"] == 4, "so that it can be read again"
    assert (await people[who].see(problem))["version"] == 4
    fresh = (await read(people[who], problem)).headers["etag"]
    assert (await send(fresh)).is_success
    assert (await send(fresh)).status_code == 412, "the second of two who read the same"
    assert (await people[who].see(problem))["version"] == 5


@pytest.mark.parametrize("if_match", ["*", "1", '"1"', 'W/"1"', '"1.0123456789ab"', None])
async def test_a_version_may_be_named_in_several_ways_or_not_at_all(town: Town, if_match: str | None) -> None:
    problem = await town.operator("Bakalan").report()
    others = (await read(town.camat("Bugul Kidul"), problem)).headers["etag"]
    headers = {} if if_match is None else {"If-Match": if_match}
    path = f"/problems/{problem['id']}/steps"
    assert (await town.lurah("Bakalan").post(path, {"verb": "forward"}, headers=headers)).status_code == 200
    assert version_in(others) == 1


async def test_anybodys_etag_of_a_version_names_that_version(town: Town) -> None:
    problem = await town.operator("Bakalan").report()
    etag = (await read(town.camat("Bugul Kidul"), problem)).headers["etag"]
    answer = await town.lurah("Bakalan").post(
        f"/problems/{problem['id']}/steps", {"verb": "forward"}, headers={"If-Match": etag}
    )
    assert answer.status_code == 200


async def test_who_may_not_see_it_is_not_told_that_it_changed(town: Town) -> None:
    problem = await town.operator("Bakalan").report()
    stranger = town.lurah("Gentong")
    answer = await stranger.post(
        f"/problems/{problem['id']}/steps", {"verb": "forward"}, headers={"If-Match": '"7.0123456789ab"'}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "problem_not_found")


async def test_of_several_steps_each_may_name_its_version(town: Town) -> None:
    lurah = town.lurah("Bakalan")
    problems = [await town.operator("Bakalan").report() for _ in range(3)]
    items = [
        {"problem": each["id"], "step": {"verb": "forward"}, "version": version}
        for each, version in zip(problems, (1, 2, None), strict=True)
    ]
    outcomes = town.good(await lurah.post("/problems/steps", {"items": items}), 200)["items"]
    assert [each["done"] for each in outcomes] == [True, False, True]
    assert outcomes[1]["refusal"]["code"] == "version_mismatch"
    assert outcomes[1]["refusal"]["status"] == 412


async def test_a_problem_and_a_comment_may_have_been_given_the_same_id(town: Town) -> None:
    operator = town.operator("Bakalan")
    problem = await operator.report(id=str(new_id()))
    said = {"id": problem["id"], "text": "Sudah kami cek."}
    first = await operator.post(f"/problems/{problem['id']}/comments", said)
    again = await operator.post(f"/problems/{problem['id']}/comments", said)
    assert town.good(first, 201) == town.good(again, 201)
    assert again.headers["idempotent-replayed"] == "true"
    other = await operator.report()
    elsewhere = await operator.post(f"/problems/{other['id']}/comments", said)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "id_reused")
