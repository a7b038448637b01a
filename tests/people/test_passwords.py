"""Changing one's own password, and the one-time password that must be changed first."""

from typing import Any

import pytest

from app.people.words import PostKind
from tests.people.townsfolk import BAKALAN, PASSWORD, Townsfolk, refusal

NEW = "yang-lain-sekali"


async def change(town: Townsfolk, headers: dict[str, str], current: str = PASSWORD, new: str = NEW) -> Any:
    return await town.call("POST", "/me/password", headers, json={"current": current, "new": new})


async def test_a_new_password_logs_the_other_devices_out(town: Townsfolk) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    phone, laptop = await town.headers("lurah.bakalan"), await town.headers("lurah.bakalan")
    assert (await change(town, phone)).json() == {"revoked": 1}
    assert (await town.call("GET", "/me", phone)).status_code == 200
    assert refusal(await town.call("GET", "/me", laptop)) == (401, "unauthenticated")
    assert refusal(await town.log_in("lurah.bakalan")) == (401, "wrong_credentials")
    assert (await town.log_in("lurah.bakalan", NEW)).status_code == 201


async def test_the_old_password_must_be_right_and_guessing_it_is_slowed(town: Townsfolk) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN))
    headers = await town.headers("lurah.bakalan")
    answers = [refusal(await change(town, headers, current="salah-sekali")) for _ in range(11)]
    assert answers == [(422, "wrong_password")] * 10 + [(429, "too_many_attempts")]
    assert (await town.call("GET", "/me", headers)).status_code == 200


@pytest.mark.parametrize("new", ["lurah.bakalan", "Lurah.Bakalan", PASSWORD])
async def test_neither_the_username_nor_the_old_password(town: Townsfolk, new: str) -> None:
    town.person("lurah.bakalan")
    headers = await town.headers("lurah.bakalan")
    assert refusal(await change(town, headers, new=new)) == (422, "password_not_acceptable")
    assert (await town.log_in("lurah.bakalan")).status_code == 201


@pytest.mark.parametrize("new", ["kurang-10", "x" * 201, "sepuluh\u0000huruf"])
async def test_a_password_has_at_least_ten_characters(town: Townsfolk, new: str) -> None:
    town.person("lurah.bakalan")
    headers = await town.headers("lurah.bakalan")
    answer = await change(town, headers, new=new)
    assert refusal(answer) == (422, "invalid_request")
    assert PASSWORD not in answer.text


async def test_a_one_time_password_is_good_for_choosing_another_and_nothing_else(town: Townsfolk) -> None:
    town.person("lurah.bakalan", (PostKind.LURAH, BAKALAN), one_time=True)
    answer = await town.log_in("lurah.bakalan")
    assert answer.json()["must_change_password"] is True
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert (await town.call("GET", "/me", headers)).json()["must_change_password"] is True
    for path in ("/agencies", "/auth/sessions", "/areas"):
        assert refusal(await town.call("GET", path, headers)) == (403, "password_change_required")
    assert (await change(town, headers)).status_code == 200
    assert (await town.call("GET", "/agencies", headers)).status_code == 200
    assert (await town.call("GET", "/me", headers)).json()["must_change_password"] is False


async def test_somebody_with_a_one_time_password_can_log_out(town: Townsfolk) -> None:
    town.person("lurah.bakalan", one_time=True)
    headers = await town.headers("lurah.bakalan")
    assert (await town.call("DELETE", "/auth/sessions/current", headers)).json() == {"revoked": 1}
