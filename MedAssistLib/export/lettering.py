"""Fonts for what is written into pictures.

Pillow brings one font with it, which has the ASCII letters only; names in other scripts need a
font of the system.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont

_SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSans-Regular.ttf",
    "Arial Unicode.ttf",
    "arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "msyh.ttc",
    "meiryo.ttc",
    "malgun.ttf",
    "PingFang.ttc",
)
_NO_LETTER = "\uffff"


def lettering(text: str, size: int) -> tuple[str, Font]:
    """Return ``text`` and a font of ``size`` pixels that has all its letters.

    When there is no such font, accents are dropped and other letters become question marks.
    """
    if not text.isascii():
        for name in _SYSTEM_FONTS:
            font = _system_font(name, size)
            if font is not None and _has_letters(font, text):
                return text, font
        plain = unicodedata.normalize("NFKD", text)
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
        text = plain.encode("ascii", "replace").decode("ascii")
    return text, built_in_font(size)


def shorten(text: str, size: int, width: float) -> tuple[str, Font]:
    """Return ``text`` and its font, cut so that it is no wider than ``width`` pixels."""
    kept, font = lettering(text, size)
    if font.getlength(kept) > width:
        while kept and font.getlength(kept + "...") > width:
            kept = kept[:-1]
        kept += "..."
    return kept, font


@cache
def built_in_font(size: int) -> Font:
    """Return Pillow's own font, which has the ASCII letters."""
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType")
    return font


@cache
def _system_font(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _has_letters(font: Font, text: str) -> bool:
    missing = _shape(font, _NO_LETTER)
    return all(_shape(font, letter) != missing for letter in set(text) if not letter.isspace())


def _shape(font: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter, mode="L")
    return mask.size, bytes(mask)
