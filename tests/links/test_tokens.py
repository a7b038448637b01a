"""What opens a link: signed under the newest key, verified under all of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from httpx import ASGITransport, AsyncClient

from app.assembly import create_app
from app.kit.ids import new_id
from app.kit.vault import Vault
from app.links.tokens import is_signed, read_token, token_of
from tests.links.browser import assigned, browser, given, part_of
from tests.town import Town

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
UNTIL = datetime(2026, 4, 1, tzinfo=UTC)


def test_a_new_key_spoils_no_link_and_one_that_is_gone_does() -> None:
    link_id = new_id()
    before = token_of(Vault([OLD]), link_id, UNTIL)
    after = token_of(Vault([NEW, OLD]), link_id, UNTIL)
    assert before != after

    def opens(token: str, *keys: str) -> bool:
        claimed = read_token(token)
        assert claimed is not None
        assert claimed[0] == link_id
        return is_signed(Vault(list(keys)), link_id, UNTIL, claimed[1])

    assert opens(before, NEW, OLD)
    assert opens(after, NEW, OLD)
    assert opens(after, NEW)
    assert not opens(before, NEW)
    assert not opens(after, OLD)


@pytest.mark.parametrize("other", [timedelta(seconds=1), timedelta(days=-1)])
def test_the_end_is_signed_along(other: timedelta) -> None:
    link_id, vault = new_id(), Vault([OLD])
    claimed = read_token(token_of(vault, link_id, UNTIL))
    assert claimed is not None
    assert is_signed(vault, link_id, UNTIL, claimed[1])
    assert not is_signed(vault, link_id, UNTIL + other, claimed[1])
    assert not is_signed(vault, new_id(), UNTIL, claimed[1])


@pytest.mark.parametrize("spelling", ["", "A" * 63, "A" * 65, "A" * 62 + "==", "+" * 64, "é" * 64, "A" * 63 + "\n"])
def test_no_other_spelling_is_read(spelling: str) -> None:
    assert read_token(spelling) is None


async def test_a_link_given_before_the_key_was_changed_opens_and_is_told_anew(town: Town) -> None:
    problem = await assigned(town)
    link = await given(town, problem)
    vault = town.house.vault
    rotated = replace(town.house, vault=Vault([NEW, *vault._keys]))
    app = create_app(town.house.settings, house=rotated)
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://testserver") as client:
        old = browser(town, link["url"])
        old.client = client
        await old.do("accept")
        listed = await client.get(
            f"/api/v1/assignments/{part_of(problem)}/links", headers=town.camat("Bugul Kidul").headers
        )
        url = listed.json()["items"][0]["url"]
        assert url != link["url"]
        new = browser(town, url)
        new.client = client
        await new.do("progress", note="Ya.")
