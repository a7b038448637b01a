"""Pictures for the tests, made here."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw

PASURUAN = {1: "S", 2: (7.0, 38.0, 43.0), 3: "E", 4: (112.0, 54.0, 27.0)}
ORIENTATION, GPS = 0x0112, 0x8825


def street(width: int = 640, height: int = 480) -> Image.Image:
    """A street with a pothole: bright sky left, dark road right, something round in it."""
    image = Image.linear_gradient("L").rotate(90).resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.2, height * 0.5, width * 0.5, height * 0.9), fill=(20, 10, 5))
    return image


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def from_a_phone(orientation: int = 6) -> bytes:
    """A photo lying on its side, with position, maker and a comment, as phones write them."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x010F] = "Pembuat Ponsel"
    exif[GPS] = PASURUAN
    return encoded(street(), exif=exif, comment=b"rumah Bu Siti", xmp=b"<x:xmpmeta>rahasia</x:xmpmeta>")


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises many pixels in few bytes."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"\0" * 1000)
    chunks = [struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in (head, body)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
