"""Drawn pictures in the place of photos, each marked as an example, no two alike."""

import random
from io import BytesIO

from PIL import Image, ImageDraw

_SIZE = (800, 600)
_HORIZON = 250
_SKIES = ((176, 208, 230), (204, 214, 220), (150, 186, 216), (226, 214, 190))
_WALLS = ((214, 196, 160), (190, 206, 190), (222, 222, 214), (200, 170, 150))
_MUD, _CLEAN = (112, 92, 62), (146, 150, 152)


def draw(name: str, *, mended: bool) -> bytes:
    """A street as somebody might photograph it, broken or mended; the name decides every detail."""
    chance = random.Random(name)  # noqa: S311 - a drawing, not a secret
    image = Image.new("RGB", _SIZE, chance.choice(_SKIES))
    pen = ImageDraw.Draw(image)
    left = 0
    while left < _SIZE[0]:
        width = chance.randint(120, 240)
        roof = _HORIZON - chance.randint(60, 170)
        pen.rectangle((left, roof, left + width, _HORIZON + 20), fill=chance.choice(_WALLS))
        pen.polygon([(left - 8, roof), (left + width // 2, roof - 50), (left + width + 8, roof)], fill=(150, 84, 62))
        left += width + chance.randint(0, 50)
    pen.rectangle((0, _HORIZON + 20, *_SIZE), fill=(108, 110, 112))
    for _ in range(260):
        x, y, grey = chance.randint(0, 799), chance.randint(_HORIZON + 24, 599), chance.randint(90, 130)
        pen.ellipse((x, y, x + 5, y + 2), fill=(grey, grey, grey))
    for _ in range(3 if mended else 14):
        x, y, size = chance.randint(60, 680), chance.randint(330, 540), chance.randint(18, 70)
        pen.ellipse((x, y, x + 2 * size, y + size), fill=_CLEAN if mended else _MUD)
    pen.rectangle((0, 0, _SIZE[0], 26), fill=(30, 30, 30))
    pen.text((10, 7), f"GAMBAR CONTOH  {name}", fill=(255, 255, 255))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
