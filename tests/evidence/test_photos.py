"""Taking photos in, and sweeping what nobody relies on."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from PIL import Image
from sqlmodel import Session

from app.evidence import actions, queries
from app.evidence.models import Photo
from app.evidence.pictures import Claim, PhotoTooManyPixels
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.kit.refusals import IdReused
from tests.conftest import SettableClock
from tests.evidence.pictures import encoded, from_a_phone, street


@dataclass(frozen=True)
class Someone:
    account_id: UUID
    post_id: UUID | None = None
    is_admin: bool = False
    view: str = "lurah:35.75.03.1005"


LURAH = Someone(new_id())


def work(house: House, session: Session, caller: Someone = LURAH) -> Work[Someone]:
    return Work(session, caller, house.clock(), house)


def send(house: House, data: bytes, photo_id: UUID | None = None, caller: Someone = LURAH) -> Photo:
    prepared = actions.receive(house, data, Claim("image/jpeg"))
    with house.database.write() as session:
        return actions.record(work(house, session, caller), prepared, photo_id)


def stored(house: House) -> set[str]:
    return {name for chunk in actions.store_of(house).names() for name in chunk}


def test_a_photo_has_bytes_and_a_row(house: House, clock: SettableClock) -> None:
    photo = send(house, from_a_phone())
    assert stored(house) == {photo.stored_name, photo.thumbnail_name}
    assert len(queries.data_of(house, photo, small=False)) == photo.size
    assert 0 < len(queries.data_of(house, photo, small=True)) < photo.size
    assert (photo.width, photo.height, photo.media_type) == (480, 640, "image/jpeg")
    assert (photo.account_id, photo.created_at) == (LURAH.account_id, clock.now)
    with house.database.read() as session:
        assert queries.find(session, [photo.id, new_id()]) == {photo.id: photo}


def test_a_refused_photo_leaves_nothing(house: House) -> None:
    small = house.settings.model_copy(update={"max_photo_megapixels": 1})
    with pytest.raises(PhotoTooManyPixels):
        actions.receive(House(**{**vars(house), "settings": small}), encoded(street(1001, 1000)))
    assert stored(house) == set()


def test_the_same_photo_under_the_same_id_is_one_photo(house: House) -> None:
    chosen, data = new_id(), from_a_phone()
    first, again = send(house, data, chosen), send(house, data, chosen)
    assert first.id == again.id == chosen
    assert again.stored_name == first.stored_name


def test_an_id_names_one_photo_of_one_sender(house: House) -> None:
    chosen = new_id()
    send(house, from_a_phone(), chosen)
    with pytest.raises(IdReused):
        send(house, encoded(street(50, 50)), chosen)
    with pytest.raises(IdReused):
        send(house, from_a_phone(), chosen, Someone(new_id()))


def await_bytes(house: House, data: bytes, caller: Someone = LURAH) -> Photo:
    sha256 = hashlib.sha256(data).hexdigest()
    photo = actions.await_photo(new_id(), sha256, len(data), caller.account_id, house.clock())
    with house.database.write() as session:
        session.add(photo)
    return photo


def test_a_photo_may_be_awaited(house: House, clock: SettableClock) -> None:
    data = from_a_phone()
    promised = await_bytes(house, data)
    assert promised.is_awaited
    assert promised.size == len(data)
    for small in (True, False):
        with pytest.raises(queries.PhotoAwaited):
            queries.data_of(house, promised, small=small)
    clock.advance(timedelta(days=3))
    came = send(house, data, promised.id)
    assert not came.is_awaited
    assert came.created_at == clock.now - timedelta(days=3)
    with house.database.read() as session:
        kept = queries.find(session, [promised.id])[promised.id]
    assert (kept.width, kept.height) == (480, 640)
    assert len(queries.data_of(house, kept, small=False)) == kept.size
    clock.advance(timedelta(days=2))
    assert actions.sweep(house) == 0


def test_nothing_but_what_is_awaited_takes_its_place(house: House) -> None:
    promised = await_bytes(house, from_a_phone())
    with pytest.raises(IdReused):
        send(house, encoded(street(50, 50)), promised.id)
    with pytest.raises(IdReused):
        send(house, from_a_phone(), promised.id, Someone(new_id()))
    with house.database.read() as session:
        assert queries.find(session, [promised.id])[promised.id].is_awaited


def test_what_is_awaited_looks_like_nothing_else(house: House) -> None:
    promised = [await_bytes(house, bytes([each])) for each in range(3)]
    with house.database.read() as session:
        assert not any(queries.alike(session, promised).values())


def test_the_same_proof_twice_is_seen(house: House) -> None:
    first, copy = send(house, from_a_phone(1)), send(house, from_a_phone(1))
    saved_again = send(house, encoded(street(), quality=95))
    other = send(house, encoded(street().rotate(90)))
    plain = [send(house, encoded(Image.new("RGB", (60, 60), colour))) for colour in ("black", "grey")]
    with house.database.read() as session:
        alike = queries.alike(session, [first, other, *plain])
        assert {each.id for each in alike[first.id]} == {copy.id, saved_again.id}
        assert alike[other.id] == []
        assert alike[plain[0].id] == alike[plain[1].id] == [], "pictures in one colour say nothing"


def test_files_without_a_row_are_swept_after_a_day(house: House, clock: SettableClock) -> None:
    kept = send(house, from_a_phone())
    orphan = actions.receive(house, encoded(street(50, 50)))
    actions.store_of(house).put("2026-03-02/README.txt", b"somebody else's")
    clock.advance(timedelta(hours=23, minutes=59))
    late = actions.receive(house, encoded(street(60, 60)))
    assert actions.sweep(house) == 0
    clock.advance(timedelta(minutes=2))
    assert actions.sweep(house) == 2
    assert orphan.stored_name not in stored(house)
    assert stored(house) == {
        "2026-03-02/README.txt",
        kept.stored_name,
        kept.thumbnail_name,
        late.stored_name,
        late.thumbnail_name,
    }
    assert actions.sweep(house) == 0
