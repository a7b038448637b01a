"""Bytes of photos, in pieces, over a line that fails."""

import httpx
import pytest

from app.client.protocol import Unreachable
from tests.client.lines import Send, answer_lost, good, request_lost
from tests.client.places import Handset, Place
from tests.town import picture


def garbled(request: httpx.Request, send: Send) -> httpx.Response:
    """One byte of it is another on arrival."""
    content = bytearray(request.content)
    content[-1] ^= 1
    return send(httpx.Request(request.method, request.url, headers=request.headers, content=bytes(content)))


def uploads(handset: Handset) -> list[str]:
    return [method for method, path in handset.line.calls if "uploads" in path]


def with_photo(place: Place, content: bytes) -> tuple[Handset, str]:
    """A phone whose report is sent, and a photo of it that is not."""
    handset = place.operator()
    problem = place.report(handset)
    handset.sync()
    recorded = handset.phone.attach(problem, content)
    handset.line.calls.clear()
    handset.line.sent_bytes = 0
    assert recorded.photo is not None
    return handset, recorded.photo


def arrived(handset: Handset) -> list[str]:
    """The photos of the one problem, as the server tells of them."""
    handset.sync()
    (problem,) = handset.phone.problems()
    assert problem.document is not None
    photos: list[str] = problem.document["photos"]
    return photos


def test_a_photo_goes_up_in_pieces_and_on_from_where_the_line_broke(place: Place) -> None:
    content = picture()
    handset, photo = with_photo(place, content)
    push, head, create, piece = good, good, good, good
    handset.line.faults.extend([push, head, create, piece, answer_lost, request_lost])
    with pytest.raises(Unreachable):
        handset.sync(tries=2)
    (waiting,) = handset.phone.photos()
    assert (waiting.id, waiting.size, waiting.refusal) == (photo, len(content), None)
    handset.line.calls.clear()
    handset.line.sent_bytes = 0

    assert handset.sync().photos == 1
    pieces = -(-len(content) // handset.chunk)
    assert uploads(handset) == ["HEAD", *["PATCH"] * (pieces - 2)], "two pieces had arrived, one of them unheard"
    assert handset.phone.photos() == []
    assert arrived(handset) == [photo]


def test_a_piece_that_comes_garbled_is_sent_again(place: Place) -> None:
    handset, photo = with_photo(place, picture())
    handset.line.faults.extend([good, good, good, garbled])
    assert handset.sync().photos == 1
    assert uploads(handset)[:5] == ["HEAD", "POST", "PATCH", "HEAD", "PATCH"]
    assert arrived(handset) == [photo]


def test_what_is_no_photo_is_refused_once_and_keeps_no_other_from_going(place: Place) -> None:
    handset, _ = with_photo(place, b"no photo at all" * 20)
    (problem,) = handset.phone.problems()
    good_one = handset.phone.attach(problem.id, picture())
    summary = handset.sync()
    assert (summary.photos, len(summary.photo_refusals)) == (1, 1)
    (refused,) = handset.phone.photos()
    assert refused.refusal
    handset.line.calls.clear()
    assert handset.sync().photos == 0
    assert uploads(handset) == []
    assert good_one.photo in arrived(handset)


def test_a_server_that_was_set_back_gets_the_bytes_again(place: Place, set_back: str) -> None:
    handset, photo = with_photo(place, picture())
    handset.sync()
    handset.moved_to(set_back)
    assert handset.sync().photos == 1
    assert arrived(handset) == [photo]
