"""What we sign is taken for good by the library that the standard publishes, and nothing else is."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError
from time_machine import travel

from app.webhooks.signing import PREFIX, new_secret, signed_headers

NOW = datetime(2026, 3, 2, 2, 0, 0, 900_000, tzinfo=UTC)
BODY = '{"type":"problem.assigned","data":{"area":"Bakalan","teks":"saluran ✓ \\u00e9"}}'.encode()


def verified(secret: str, headers: dict[str, str], body: bytes, at: datetime = NOW) -> bool:
    """By a receiver that got it at this moment."""
    with travel(at, tick=False):
        try:
            Webhook(secret).verify(body, headers, json_parse=False)
        except (WebhookVerificationError, ValueError):  # the library lets those of its own parts through
            return False
    return True


def test_a_secret_is_32_random_bytes() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(base64.b64decode(each.removeprefix(PREFIX), validate=True)) == 32 for each in secrets)


def test_the_published_library_takes_it_for_good() -> None:
    for _ in range(50):
        secret = new_secret()
        assert verified(secret, signed_headers([secret], "0198-abc", NOW, BODY), BODY)


def test_the_vector_of_the_standard() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_seconds_are_whole_and_the_zone_is_minded() -> None:
    secret = new_secret()
    in_pasuruan = NOW.astimezone(timezone(timedelta(hours=7)))
    headers = signed_headers([secret], "1", in_pasuruan, BODY)
    assert headers == signed_headers([secret], "1", NOW, BODY)
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert verified(secret, headers, BODY)
    with pytest.raises(ValueError, match="zone"):
        signed_headers([secret], "1", NOW.replace(tzinfo=None), BODY)


def test_during_a_rotation_either_secret_will_do() -> None:
    new, former, other = new_secret(), new_secret(), new_secret()
    headers = signed_headers([new, former], "1", NOW, BODY)
    assert headers["webhook-signature"].count("v1,") == 2
    assert [verified(secret, headers, BODY) for secret in (new, former, other)] == [True, True, False]


def test_whatever_was_changed_is_not_taken_for_good() -> None:
    secret = new_secret()
    headers = signed_headers([secret], "1", NOW, BODY)
    assert verified(secret, headers, BODY)
    assert not verified(secret, headers, BODY + b" ")
    assert not verified(secret, headers | {"webhook-id": "2"}, BODY)
    assert not verified(secret, headers | {"webhook-timestamp": str(int(NOW.timestamp()) + 1)}, BODY)
    assert not verified(secret, headers, BODY, NOW + timedelta(minutes=6))
    assert not verified(secret, headers, BODY, NOW - timedelta(minutes=6))
