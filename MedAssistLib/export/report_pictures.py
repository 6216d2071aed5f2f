"""Pictures as a page holds them: in the page itself, so that it stands alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from MedAssistLib.case import Point, Scan, Segmentation
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.export.render3d import draw_render
from MedAssistLib.export.slices import draw_slices


@dataclass(frozen=True)
class Picture:
    """A picture as the page holds it.

    Attributes:
        source: The picture as a ``data:`` address.
        alt: What it shows, in words.
        width: Its width in pixels.
        height: Its height in pixels.
    """

    source: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Figure:
    """The pictures of one segmentation, or of the bare scan.

    Attributes:
        title: What they show.
        slices: The three planes.
        render: The surfaces; ``None`` if there are none.
        why_no_render: Why there are none; empty if nothing stood in the way.
    """

    title: str
    slices: Picture
    render: Picture | None
    why_no_render: str


def in_page(picture: Image.Image, alt: str) -> Picture:
    """Return a picture as the page holds it."""
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    text = base64.b64encode(stream.getvalue()).decode("ascii")
    return Picture(f"data:image/png;base64,{text}", alt, *picture.size)


def figure(scan: Scan, made: Segmentation | None, marks: Mapping[str, Point]) -> Figure:
    """Draw a segmentation, or the bare scan.

    Args:
        scan: The scan.
        made: The segmentation.
        marks: Places, LPS mm, that are marked in 3-D, by the text that is written there.

    Raises:
        InputError: If the segmentation does not lie on the scan's grid.
    """
    planes = "Axial, coronal and sagittal plane of the scan"
    if made is None:
        return Figure("The scan", in_page(draw_slices(scan, None), f"{planes}."), None, "")
    names = ", ".join(segment.name for segment in made.segments)
    slices = in_page(draw_slices(scan, made), f"{planes}, with outlines of: {names}.")
    title = f"Structures by {made.made_by}" if made.made_by else "Structures"
    try:
        drawing = draw_render(scan, made, marks)
    except (InputError, ResourceError) as error:
        return Figure(title, slices, None, str(error))
    alt = f"Surfaces seen from the patient's front, left and above: {names}."
    return Figure(title, slices, in_page(drawing, alt), "")
