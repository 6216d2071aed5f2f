"""Numbers as people read them."""

from __future__ import annotations


def plain(value: float, digits: int = 3) -> str:
    """Return a number with so many digits that count, and never as a power of ten."""
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text else text
