"""What is taken for a photo, what is refused, and what is left of it."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from app.evidence.pictures import (
    LONGEST_SIDE,
    THUMBNAIL_SIDE,
    Claim,
    PhotoFormat,
    PhotoTooLarge,
    PhotoTooManyPixels,
    PhotoUnreadable,
    Picture,
    develop,
)
from app.kit.refusals import Refusal
from tests.evidence.pictures import ORIENTATION, encoded, from_a_phone, png_header, street


def take(data: bytes, media_type: str | None = None, file_name: str | None = None, **limits: int) -> Picture:
    bounds = {"max_bytes": 8 * 1_048_576, "max_pixels": 40_000_000} | limits
    return develop(data, Claim(media_type, file_name), **bounds)


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_every_format_of_phones_and_browsers_becomes_a_plain_jpeg(kind: str) -> None:
    picture = take(encoded(street(), kind))
    assert (picture.width, picture.height) == (640, 480)
    assert opened(picture.data).format == "JPEG"
    assert opened(picture.thumbnail).size == (THUMBNAIL_SIDE, 240)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("LA", "PNG"), ("I;16", "PNG"), ("CMYK", "JPEG")],
)
def test_every_kind_of_colour_is_taken(mode: str, kind: str) -> None:
    image = street(64, 48)
    if mode == "I;16":
        image = image.convert("L").convert("I").point(lambda value: value * 256)
    picture = take(encoded(image.convert(mode), kind))
    before, after = street(64, 48).convert("L").resize((1, 1)), opened(picture.data).convert("L").resize((1, 1))
    assert abs(before.getpixel((0, 0)) - after.getpixel((0, 0))) < 12  # type: ignore[operator]


def test_what_is_transparent_becomes_white() -> None:
    picture = take(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "PNG"))
    assert opened(picture.data).getpixel((4, 4)) == (255, 255, 255)


def test_a_photo_is_turned_upright_and_nothing_else_is_left_of_its_metadata() -> None:
    data = from_a_phone(orientation=6)
    assert opened(data).getexif().get_ifd(0x8825)
    picture = take(data, "image/jpeg", "IMG_0001.JPG")
    assert (picture.width, picture.height) == (480, 640)
    for each in (picture.data, picture.thumbnail):
        after = opened(each)
        assert not after.getexif()
        assert set(after.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert not any(secret in each for secret in (b"Exif", b"Ponsel", b"Siti", b"rahasia"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_every_orientation_is_turned_as_viewers_turn_it(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(street(), kind, exif=exif)
    viewed = ImageOps.exif_transpose(opened(data)).convert("RGB")
    assert distance(take(data), take(encoded(viewed, "PNG"))) <= 1


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")  # says that it is broken
def test_broken_metadata_does_not_cost_us_the_photo() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12\0\x07\xff\xff\xff\xff" + b"\xff" * 40
    assert take(encoded(street(), exif=exif)).width == 640


def test_what_hides_behind_the_picture_is_gone() -> None:
    for kind in ("JPEG", "PNG"):
        picture = take(encoded(street(), kind) + b"PK\x03\x04 a hidden archive <script>")
        assert b"hidden" not in picture.data + picture.thumbnail


def test_a_phone_s_second_picture_behind_the_first_is_no_animation() -> None:
    data = encoded(street(), "MPO", save_all=True, append_images=[street(80, 60)])
    assert opened(data).format == "MPO"
    assert take(data, "image/jpeg", "IMG_0002.jpg").width == 640


def test_a_large_photo_is_made_smaller() -> None:
    picture = take(encoded(street(4000, 3000)))
    assert (picture.width, picture.height) == (LONGEST_SIDE, 1920)
    assert opened(picture.data).size == (LONGEST_SIDE, 1920)


def test_a_strip_stays_a_picture() -> None:
    picture = take(encoded(street(5000, 2), "PNG"))
    assert (picture.width, picture.height) == (LONGEST_SIDE, 1)


def test_the_look_of_a_picture_survives_scaling_and_saving_again() -> None:
    first = take(encoded(street()))
    again = take(encoded(street().resize((320, 240)), "WEBP", quality=60))
    other = take(encoded(street().rotate(90)))
    assert first.sha256 != again.sha256
    assert distance(first, again) <= 3
    assert distance(first, other) > 10
    assert len(first.perceptual_hash) == 16


def distance(one: Picture, other: Picture) -> int:
    return (int(one.perceptual_hash, 16) ^ int(other.perceptual_hash, 16)).bit_count()


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def moving(kind: str) -> bytes:
    return encoded(street(8, 8), kind, save_all=True, append_images=[street(8, 8).rotate(9)])


REFUSED: list[tuple[str, type[Refusal], bytes, dict[str, Any]]] = [
    ("nothing", PhotoFormat, b"", {}),
    ("a page", PhotoFormat, b"<!doctype html><script>alert(1)</script>", {}),
    ("a drawing", PhotoFormat, b"<svg xmlns='http://www.w3.org/2000/svg'/>", {}),
    ("a GIF", PhotoFormat, encoded(street(8, 8), "GIF"), {}),
    ("a TIFF", PhotoFormat, encoded(street(8, 8), "TIFF"), {}),
    ("an animated PNG", PhotoFormat, moving("PNG"), {}),
    ("an animated WebP", PhotoFormat, moving("WEBP"), {}),
    ("a PNG that says JPEG", PhotoFormat, encoded(street(8, 8), "PNG"), {"media_type": "image/jpeg"}),
    ("a PNG named JPEG", PhotoFormat, encoded(street(8, 8), "PNG"), {"file_name": "foto.jpg"}),
    ("a JPEG that says it is a page", PhotoFormat, encoded(street(8, 8)), {"media_type": "text/html"}),
    ("half a JPEG", PhotoUnreadable, half(from_a_phone()), {}),
    ("half a PNG", PhotoUnreadable, half(encoded(street(), "PNG")), {}),
    ("half a WebP", PhotoUnreadable, half(encoded(street(), "WEBP")), {}),
    ("half a HEIC", PhotoUnreadable, half(encoded(street(), "HEIF")), {}),
    ("only a beginning", PhotoFormat, b"\xff\xd8\xff\xe0", {}),
    ("more pixels than allowed", PhotoTooManyPixels, encoded(street(101, 100)), {"max_pixels": 10_000}),
    ("a bomb", PhotoTooManyPixels, png_header(60_000, 60_000), {}),
    ("a small bomb", PhotoTooManyPixels, png_header(11_000, 11_000), {}),
    ("more bytes than allowed", PhotoTooLarge, from_a_phone(), {"max_bytes": 1_000}),
]


@pytest.mark.parametrize(("refusal", "data", "said"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_what_is_no_photo_is_refused(refusal: type[Refusal], data: bytes, said: dict[str, Any]) -> None:
    with pytest.raises(refusal):
        take(data, **said)


@pytest.mark.parametrize("media_type", [None, "", "application/octet-stream", "image/jpeg", "image/pjpeg; q=1"])
@pytest.mark.parametrize("file_name", [None, "", "foto", "foto.tmp", "FOTO.JPEG", "a/b.jpg"])
def test_who_claims_nothing_wrong_is_believed(media_type: str | None, file_name: str | None) -> None:
    assert take(encoded(street(16, 16)), media_type, file_name).width == 16


SEEDS = [from_a_phone(), *(encoded(street(40, 30), kind) for kind in ("PNG", "WEBP", "HEIF"))]


@given(st.sampled_from(SEEDS), st.integers(0, 10_000), st.binary(min_size=1, max_size=12))
def test_broken_bytes_are_refused_or_taken_but_never_break_us(seed: bytes, place: int, noise: bytes) -> None:
    place %= len(seed)
    try:
        picture = take(seed[:place] + noise + seed[place + len(noise) :])
    except (PhotoFormat, PhotoUnreadable, PhotoTooManyPixels):
        return
    assert opened(picture.data).format == "JPEG"
