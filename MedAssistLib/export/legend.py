"""The corner of a picture that says what is shown and which colour is which structure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image, ImageDraw

from MedAssistLib.case import Segment
from MedAssistLib.export.lettering import shorten
from MedAssistLib.export.palette import BRIGHT, DIM, PAGE, SMALL_TEXT_PX, TEXT_PX

_PAD = 26
_TOP = 6
_TITLE_LINE = 28
_LINE = 23
_SWATCH = 13
_TEXT_FROM = 22
_COLUMN = 205
_FEWEST_LINES = 16


class _Look(NamedTuple):
    """Size and colour of letters."""

    size: int
    colour: tuple[int, int, int]


_HEADING = _Look(TEXT_PX, BRIGHT)
_LOUD = _Look(SMALL_TEXT_PX, BRIGHT)
_QUIET = _Look(SMALL_TEXT_PX, DIM)


@dataclass(frozen=True)
class Legend:
    """What stands beside the planes.

    Attributes:
        title: The scan's name.
        facts: A few lines about it.
        shown: Structures that the planes cut.
        elsewhere: Structures that they do not.
    """

    title: str
    facts: tuple[str, ...]
    shown: tuple[Segment, ...]
    elsewhere: tuple[Segment, ...]


def draw_legend(legend: Legend, width: int, height: int) -> Image.Image:
    """Return the legend, of this size in pixels or larger where it needs more."""
    begin = _TOP + _TITLE_LINE + _LINE * len(legend.facts) + _LINE // 2
    lines: list[Segment | str] = [*legend.shown]
    if legend.elsewhere:
        lines += ["Not on these planes:", *legend.elsewhere]
    rows = max((height - begin) // _LINE, _FEWEST_LINES)
    columns = max(1, math.ceil(len(lines) / rows))
    size = (max(width, 2 * _PAD + columns * _COLUMN), max(height, begin + rows * _LINE))
    column = (size[0] - 2 * _PAD) // columns
    tile = Image.new("RGB", size, PAGE)
    pen = ImageDraw.Draw(tile)
    _write(pen, (_PAD, _TOP), legend.title, _HEADING, size[0] - 2 * _PAD)
    for row, fact in enumerate(legend.facts):
        place = (_PAD, _TOP + _TITLE_LINE + row * _LINE)
        _write(pen, place, fact, _QUIET, size[0] - 2 * _PAD)
    for number, line in enumerate(lines):
        place = (_PAD + number // rows * column, begin + number % rows * _LINE)
        _draw_line(pen, place, line, column, shown=number < len(legend.shown))
    return tile


def _draw_line(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    line: Segment | str,
    width: int,
    *,
    shown: bool,
) -> None:
    """Draw a structure's swatch (hollow when it is not shown) and name, or a heading."""
    if isinstance(line, str):
        _write(pen, place, line, _QUIET, width)
        return
    left, top = place[0], place[1] + 2
    inside = line.colour if shown else None
    corners = (left, top, left + _SWATCH, top + _SWATCH)
    pen.rectangle(corners, fill=inside, outline=line.colour, width=2)
    text_place = (left + _TEXT_FROM, place[1])
    _write(pen, text_place, line.name, _LOUD if shown else _QUIET, width - _TEXT_FROM - 8)


def _write(
    pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, look: _Look, width: int
) -> None:
    kept, font = shorten(text, look.size, width)
    pen.text(place, kept, fill=look.colour, font=font)
