"""From the bytes that somebody sent to a picture that holds nothing but what can be seen on it."""

import hashlib
import threading
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import PurePath

from PIL import ExifTags, Image, UnidentifiedImageError
from pillow_heif import register_heif_opener

from app.kit.refusals import BodyTooLarge, Unprocessable

MEDIA_TYPE = "image/jpeg"
LONGEST_SIDE = 2560
THUMBNAIL_SIDE = 320
_QUALITY = 85

_FORMATS = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "WEBP": "WEBP", "HEIF": "HEIF"}
"""What Pillow calls the formats we take. MPO is a JPEG with a second picture behind it, as many phones make them."""
_BY_EXTENSION = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".heic": "HEIF", ".heif": "HEIF"}
_BY_MEDIA_TYPE = {
    "image/jpeg": "JPEG",
    "image/jpg": "JPEG",
    "image/pjpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
}
_NO_CLAIM = {"", "application/octet-stream"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to undo what EXIF's orientation says."""

_at_once = threading.BoundedSemaphore(2)  # a picture of 40 megapixels takes 160 MB while it is decoded

register_heif_opener()


class PhotoTooLarge(BodyTooLarge):
    code, title, judul = "photo_too_large", "The photo's file is too large", "Berkas foto terlalu besar"


class PhotoTooManyPixels(Unprocessable):
    code, title, judul = "photo_too_many_pixels", "The photo has too many pixels", "Resolusi foto terlalu besar"


class PhotoFormat(Unprocessable):
    code = "photo_format"
    title, judul = "Photos are JPEG, PNG, WebP or HEIC", "Foto harus berformat JPEG, PNG, WebP, atau HEIC"


class PhotoUnreadable(Unprocessable):
    code = "photo_unreadable"
    title, judul = "The photo is broken or incomplete", "Foto rusak atau tidak lengkap"


@dataclass(frozen=True)
class Claim:
    """What the sender says the bytes are. It must not be a lie, but need not be said."""

    media_type: str | None = None
    file_name: str | None = None


@dataclass(frozen=True)
class Picture:
    """A picture made anew, as JPEG: upright, at most `LONGEST_SIDE` on a side, without any metadata."""

    sha256: str
    perceptual_hash: str
    width: int
    height: int
    data: bytes
    thumbnail: bytes


def develop(data: bytes, claim: Claim, *, max_bytes: int, max_pixels: int) -> Picture:
    """Checks the bytes by their header, and only then decodes them; refuses what is no photo."""
    if len(data) > max_bytes:
        raise PhotoTooLarge(limit=max_bytes)
    with _at_once:
        try:
            image = _opened(data, claim, max_pixels)
            upright = _bare(image)
        except (PhotoFormat, PhotoTooManyPixels):
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise PhotoTooManyPixels(limit=max_pixels) from error
        except Exception as error:  # decoders meet hostile bytes with every kind of exception
            raise PhotoUnreadable from error
        small = upright.copy()
        small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        return Picture(
            sha256=hashlib.sha256(data).hexdigest(),
            perceptual_hash=_difference_hash(upright),
            width=upright.width,
            height=upright.height,
            data=_encoded(upright),
            thumbnail=_encoded(small),
        )


def _opened(data: bytes, claim: Claim, max_pixels: int) -> Image.Image:
    """The image with only its header read, once the header is acceptable."""
    try:
        image: Image.Image = Image.open(BytesIO(data))
    except UnidentifiedImageError as error:
        raise PhotoFormat from error
    found = _FORMATS.get(image.format or "")
    if found is None:
        raise PhotoFormat
    if image.width * image.height > max_pixels:
        raise PhotoTooManyPixels(limit=max_pixels)
    if found in ("PNG", "WEBP") and getattr(image, "n_frames", 1) > 1:
        raise PhotoFormat("It moves: one still picture, please.")
    claimed = {_claimed_by_name(claim.file_name, found), _claimed_by_media_type(claim.media_type, found)}
    if claimed != {found}:
        raise PhotoFormat("It is not what its name or its content type says.")
    return image


def _claimed_by_name(name: str | None, found: str) -> str:
    extension = PurePath(name or "").suffix.lower()
    return _BY_EXTENSION.get(extension, found)  # a name without an extension that we know claims nothing


def _claimed_by_media_type(media_type: str | None, found: str) -> str | None:
    kind = (media_type or "").partition(";")[0].strip().lower()
    return found if kind in _NO_CLAIM else _BY_MEDIA_TYPE.get(kind)


def _bare(image: Image.Image) -> Image.Image:
    """The pixels alone: upright, no larger than we keep them, and without whatever came with them."""
    image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # lets JPEG decode at a fraction of its size
    image.load()
    bare = _opaque(image)
    bare.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    turn = _TURNS.get(_orientation(image))
    if turn is not None:
        bare = bare.transpose(turn)
    bare.info.clear()
    return bare


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey
        return image.point(lambda value: value / 256).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    seen = image.convert("RGBA")
    paper = Image.new("RGB", seen.size, "white")
    paper.paste(seen, mask=seen)
    return paper


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - broken metadata must not cost us the photo
        return 1


def _encoded(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def _difference_hash(image: Image.Image) -> str:
    """64 bits: for 8 × 8 places, whether the picture is brighter there than one place to the right."""
    rows = image.convert("L").resize((9, 8), Image.Resampling.LANCZOS).tobytes()
    bits = "".join("1" if left > right else "0" for row in range(8) for left, right in pairwise(rows[row * 9 :][:9]))
    return f"{int(bits, 2):016x}"
