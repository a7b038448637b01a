"""docs/agencies.md says what is so: events, verbs, delays, settings, files and addresses are those of the code."""

import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.kit.refusals import refusals_by_code
from app.kit.settings import Settings
from app.people.words import KeyVerb
from app.webhooks.actions.endpoints import FORMER_SECRET_SIGNS, RECOVERED_BACK
from app.webhooks.actions.events import KEPT
from app.webhooks.payloads import SHAPES
from app.webhooks.schedule import ATTEMPTS, DELAYS, DISABLED_AFTER, PAUSE_MAXIMUM, PROBED_EVERY, RETRY_AFTER_MAXIMUM
from app.webhooks.signing import new_secret, signed_headers
from app.webhooks.words import PAYLOAD_MAXIMUM, EventType
from tests.conftest import MONDAY_MORNING

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "agencies.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under this head."""
    table = GUIDE.split(f"{heading}\n", 1)[1].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def test_the_table_of_events_is_that_of_the_code() -> None:
    told = "\n".join(f"| `{type_.value}` | {shape.meaning} |" for type_, shape in SHAPES.items())
    assert set(SHAPES) == set(EventType)
    assert told in GUIDE, told


def test_the_table_of_verbs_is_that_of_the_code() -> None:
    assert [verb.strip("`") for verb, _ in rows("| verb | with it a system may |")] == [verb.value for verb in KeyVerb]


def test_the_table_of_delays_is_that_of_the_code() -> None:
    told: list[timedelta] = []
    for attempt, wait in rows("| attempt | after the one before |"):
        first, _, last = attempt.partition(" to ")
        if wait != "at once":
            number, unit = wait.split()
            told += [timedelta(**{unit: int(number)})] * (int(last or first) - int(first) + 1)
    assert tuple(told) == DELAYS
    assert f"{ATTEMPTS} times in about eight days" in GUIDE


@pytest.mark.parametrize(
    ("told", "constant", "value"),
    [
        ("fails for 120 hours", DISABLED_AFTER, timedelta(hours=120)),
        ("a ping each hour", PROBED_EVERY, timedelta(hours=1)),
        ("an hour at most", PAUSE_MAXIMUM, timedelta(hours=1)),
        ("up to 24 hours", RETRY_AFTER_MAXIMUM, timedelta(hours=24)),
        ("For 24 hours everything is signed with both", FORMER_SECRET_SIGNS, timedelta(hours=24)),
        ("at most 90 days back", RECOVERED_BACK, timedelta(days=90)),
        ("is kept for it, for 90 days", KEPT, timedelta(days=90)),
        ("a body of at most 20,000 bytes", PAYLOAD_MAXIMUM, 20_000),
    ],
)
def test_the_numbers_are_those_of_the_code(told: str, constant: object, value: object) -> None:
    assert told in GUIDE
    assert constant == value


def test_every_setting_for_this_is_told_with_its_default() -> None:
    told = {name for row in rows("| setting | |") for name in re.findall(r"`(UJUNG_\w+)`", row[0])}
    told |= {f"UJUNG_WEBHOOK{name}" for row in rows("| setting | |") for name in re.findall(r"`…(\w+)`", row[0])}
    concerned = {name for name in Settings.model_fields if name.startswith(("webhook_", "mail_", "link_", "public_"))}
    assert told == {f"UJUNG_{name.upper()}" for name in concerned}
    settings = Settings(_env_file=None)
    assert settings.link_days == 30
    assert settings.webhook_ports == (443, 8443)
    assert settings.webhook_timeout_seconds == 15
    assert (settings.webhook_in_flight, settings.webhook_in_flight_per_endpoint) == (64, 8)
    assert settings.webhook_catching_up_per_second == 20


def test_every_address_in_it_is_served(town_app: FastAPI) -> None:
    shapes = {re.sub(r"\{\w+\}", "{}", path) for path in town_app.openapi()["paths"]}
    named = {re.sub(r"\{\w+\}", "{}", path) for path in re.findall(r"/api/v1/[a-z-]+(?:/(?:\{\w+\}|[a-z-]+))*", GUIDE)}
    assert len(named) > 12
    assert named <= shapes


def test_every_code_and_file_in_it_exists() -> None:
    assert set(re.findall(r"\d{3} `([a-z_]+)`", GUIDE)) <= refusals_by_code().keys()
    linked = re.findall(r"\]\(((?!https)[^)#]+)\)", GUIDE)
    assert {"receivers/receive.py", "receivers/receive.php", "receivers/receive.mjs"} <= set(linked)
    for file in [*linked, *re.findall(r"docs/(receivers/\S+)", GUIDE)]:
        assert (DOCS / file).is_file(), file
    assert {f"receivers/{file.name}" for file in (DOCS / "receivers").iterdir() if file.is_file()} <= set(linked)


def test_what_is_signed_with_curl_is_signed_as_we_do() -> None:
    for program in ("bash", "base64", "xxd", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    script = GUIDE.split("to try your receiver:\n\n```\n")[1].partition("curl ")[0]
    secret, message_id, at = new_secret(), "0196f0c2-5b1e-7c3a-9d2f-4a6b8c0d1e2f", int(MONDAY_MORNING.timestamp())
    script = script.replace("$(uuidgen)", message_id).replace("$(date +%s)", str(at))
    told = subprocess.run(
        ["bash", "-euc", f'{script}printf %s "v1,$signature"'],
        env={"WEBHOOK_SECRET": secret, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    signed = signed_headers([secret], message_id, MONDAY_MORNING, b'{"type":"webhook.ping"}')
    assert told == signed["webhook-signature"]
