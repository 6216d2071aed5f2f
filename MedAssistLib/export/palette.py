"""What the pictures have in common: grey tones and letter sizes."""

from __future__ import annotations

PAGE = (16, 18, 21)
BRIGHT = (236, 238, 240)
DIM = (150, 157, 165)
TEXT_PX = 18
SMALL_TEXT_PX = 15
