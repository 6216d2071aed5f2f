"""Colours for structures that come without."""

from __future__ import annotations

import colorsys

_GOLDEN_ANGLE = 0.381966


def distinct_colour(label: int) -> tuple[int, int, int]:
    """Return an RGB colour that differs from its neighbours' (hues a golden angle apart)."""
    red, green, blue = colorsys.hsv_to_rgb(label * _GOLDEN_ANGLE % 1.0, 0.6, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)
