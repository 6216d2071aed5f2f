"""A picture of a scan and its structures: three anatomical planes, in radiological convention."""

from __future__ import annotations

import math
import os

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from MedAssistLib.case import Point, Scan, Segment, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.export.legend import Legend, draw_legend
from MedAssistLib.export.lettering import built_in_font
from MedAssistLib.export.outline import FINER, draw_structures
from MedAssistLib.export.palette import BRIGHT, DIM, PAGE, TEXT_PX
from MedAssistLib.export.planes import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    Box,
    LabelPlane,
    View,
    centre,
    cut_labels,
    cut_scan,
    plane_grid,
    position,
)
from MedAssistLib.export.window import choose_window
from MedAssistLib.files import replacing
from MedAssistLib.geometry import box_lps, same_grid

_LONGEST_PX = 640
_SECOND_LONGEST_PX = 400
_LIMIT_PX = 1600
_CLOSE_PX = 300
_LEAST_SIDE_MM = 90.0
_WIDER = 2.5
_MARGIN = 12
_GUTTER = 26
_TITLE = 32
_SCALE_ROW = 22
_NARROWEST = 190
_MARK_GAP, _MARK_LEAST, _MARK_ARM, _MARK_LINE = 5, 12, 9, 2


def write_slices(
    scan: Scan, segmentation: Segmentation | None, path: str | os.PathLike[str]
) -> None:
    """Write a PNG with the axial, coronal and sagittal plane through the structures' centre.

    Raises:
        InputError: If the segmentation does not lie on the scan's grid.
        ResourceError: If the file cannot be written.
    """
    picture = draw_slices(scan, segmentation)
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG")


def draw_slices(scan: Scan, segmentation: Segmentation | None) -> Image.Image:
    """Return the picture that :func:`write_slices` writes.

    The planes share one scale and line up: coronal below axial, sagittal to the right of coronal,
    and the legend in the fourth corner.
    """
    _require_same_grid(scan, segmentation)
    painter = _Painter(scan, segmentation)
    axial, coronal, sagittal = (painter.tile(view) for view in (AXIAL, CORONAL, SAGITTAL))
    legend = draw_legend(painter.legend(), sagittal.width, axial.height)
    left = max(axial.width, coronal.width)
    top = max(axial.height, legend.height)
    size = (left + max(sagittal.width, legend.width), top + max(coronal.height, sagittal.height))
    page = Image.new("RGB", (size[0] + 2 * _MARGIN, size[1] + 2 * _MARGIN), PAGE)
    page.paste(axial, (_MARGIN, _MARGIN))
    page.paste(legend, (_MARGIN + left, _MARGIN))
    page.paste(coronal, (_MARGIN, _MARGIN + top))
    page.paste(sagittal, (_MARGIN + left, _MARGIN + top))
    return page


def draw_close_up(
    scan: Scan, segmentation: Segmentation | None, point: Point, marked: Box
) -> Image.Image:
    """Return the three planes through a point side by side, with a box on them marked.

    Args:
        scan: The scan.
        segmentation: The structures that are outlined.
        point: Where the planes are cut, LPS mm.
        marked: Two corners of what is looked at, LPS mm; what is around it is shown too.

    Raises:
        InputError: If the segmentation does not lie on the scan's grid.
    """
    _require_same_grid(scan, segmentation)
    painter = _Painter(scan, segmentation)
    painter.look_at(point, marked)
    tiles = [painter.tile(view) for view in (AXIAL, CORONAL, SAGITTAL)]
    page = Image.new("RGB", (sum(tile.width for tile in tiles), tiles[0].height), PAGE)
    for number, tile in enumerate(tiles):
        page.paste(tile, (number * tile.width, 0))
    return page


class _Painter:
    """What the three planes of one picture share."""

    def __init__(self, scan: Scan, segmentation: Segmentation | None) -> None:
        self.scan = scan
        self.labels = segmentation.labels if segmentation is not None else None
        self.segments = segmentation.segments if segmentation is not None else ()
        self.window = choose_window(scan, segmentation)
        self.point = centre(scan.image, segmentation)
        self.box = box_lps(scan.image, (0, 0, 0), scan.image.GetSize())
        self.pixel = _pixel_size(self.box)
        self.marked: Box | None = None
        self.drawn: set[int] = set()

    def look_at(self, point: Point, marked: Box) -> None:
        """Show a box and what is around it, as a cube, instead of the whole scan."""
        whole = float(np.ptp(self.box, axis=0).max())
        side = min(max(_WIDER * float(np.ptp(marked, axis=0).max()), _LEAST_SIDE_MM), whole)
        low, high = (np.mean(marked, axis=0) + sign * side / 2.0 for sign in (-1.0, 1.0))
        self.point, self.marked = point, marked
        self.box = (tuple(low.tolist()), tuple(high.tolist()))
        self.pixel = side / _CLOSE_PX

    def tile(self, view: View) -> Image.Image:
        """Return one plane with its title, letters and scale bar."""
        plane = self.plane(view)
        width, height = plane.size
        size = (
            max(width, _NARROWEST) + 2 * _GUTTER,
            _TITLE + height + 2 * _GUTTER + _SCALE_ROW,
        )
        tile = Image.new("RGB", size, PAGE)
        left, top = _GUTTER, _TITLE + _GUTTER
        tile.paste(plane, (left, top))
        pen = ImageDraw.Draw(tile)
        if self.marked is not None:
            _draw_mark(pen, (left, top), self._placed(view, self.marked))
        font = built_in_font(TEXT_PX)
        pen.text((left, 6), view.name, fill=BRIGHT, font=font)
        place = position(self.point, view.normal)
        pen.text((left + font.getlength(view.name + "  "), 6), place, fill=DIM, font=font)
        _draw_letters(pen, view.letters, (left, top, left + width, top + height))
        _draw_scale(pen, (left, top + height + _GUTTER), width, self.pixel)
        return tile

    def plane(self, view: View) -> Image.Image:
        """Return one plane of the scan with the structures on it."""
        values = cut_scan(self.scan.image, plane_grid(view, self.box, self.point, self.pixel))
        greys = np.nan_to_num(self.window.greys(values), nan=0.0)
        if self.labels is None:
            return Image.fromarray(np.rint(greys * 255.0).astype(np.uint8)).convert("RGB")
        fine = plane_grid(view, self.box, self.point, self.pixel, FINER)
        structures = _numbered(cut_labels(self.labels, fine), self.segments)
        self.drawn.update(np.unique(structures).tolist())
        colours = np.array([(0, 0, 0), *(segment.colour for segment in self.segments)])
        return Image.fromarray(draw_structures(greys, structures, colours))

    def _placed(self, view: View, box: Box) -> tuple[float, float, float, float]:
        """Return the left, top, right and bottom of a box on a plane, in pixels."""
        grid = plane_grid(view, self.box, self.point, self.pixel)
        corners = [grid.TransformPhysicalPointToContinuousIndex(corner) for corner in box]
        (left, top), (right, bottom) = np.min(corners, axis=0)[:2], np.max(corners, axis=0)[:2]
        return left, top, right, bottom

    def legend(self) -> Legend:
        """Return what there is to say beside the planes, once all of them are drawn."""
        numbered = list(enumerate(self.segments, start=1))
        size = " x ".join(str(n) for n in self.scan.image.GetSize())
        spacing = " x ".join(f"{s:.2f}" for s in self.scan.image.GetSpacing())
        return Legend(
            title=self.scan.name,
            facts=(
                ", ".join(filter(None, (self.scan.modality, f"{size} voxels"))),
                f"{spacing} mm",
                f"Window {self.window.width:.4g}, level {self.window.level:.4g}",
            ),
            shown=tuple(segment for n, segment in numbered if n in self.drawn),
            elsewhere=tuple(segment for n, segment in numbered if n not in self.drawn),
        )


def _require_same_grid(scan: Scan, segmentation: Segmentation | None) -> None:
    if segmentation is not None and not same_grid(scan.image, segmentation.labels):
        raise InputError("the segmentation does not lie on the scan's grid", where=scan.name)


def _pixel_size(box: Box) -> float:
    """Return mm a pixel: the longest side fills the picture, the next one is not too small."""
    sides = (high - low for low, high in zip(*box, strict=True))
    longest, second, _ = sorted(sides, reverse=True)
    pixel = min(longest / _LONGEST_PX, second / _SECOND_LONGEST_PX)
    return max(pixel, longest / _LIMIT_PX)


def _numbered(labels: LabelPlane, segments: tuple[Segment, ...]) -> npt.NDArray[np.uint16]:
    """Return 1 for pixels with the label of the first segment, 2 for the second, …, else 0."""
    known = np.array([0, *(segment.label for segment in segments)])
    order = np.argsort(known)
    numbers = order[np.searchsorted(known[order], labels).clip(max=len(known) - 1)]
    return np.where(known[numbers] == labels, numbers, 0).astype(np.uint16)


def _draw_letters(pen: ImageDraw.ImageDraw, letters: str, edges: tuple[int, int, int, int]) -> None:
    """Write what lies beyond the left, right, top and bottom edge of a plane beside it."""
    left, top, right, bottom = edges
    across, down, half = (left + right) / 2, (top + bottom) / 2, _GUTTER / 2
    spots = [(left - half, down), (right + half, down), (across, top - half)]
    spots.append((across, bottom + half))
    for letter, spot in zip(letters, spots, strict=True):
        pen.text(spot, letter, fill=BRIGHT, font=built_in_font(TEXT_PX), anchor="mm")


def _draw_scale(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], width: int, pixel: float
) -> None:
    """Draw a bar of a round length, at most a third of the plane, with that length in mm."""
    limit = width * pixel / 3.0
    power = 10.0 ** math.floor(math.log10(limit))
    length = max(step for step in (power, 2 * power, 5 * power) if step <= limit)
    left, middle, right = corner[0], corner[1] + _SCALE_ROW // 2, corner[0] + length / pixel
    pen.line([(left, middle), (right, middle)], fill=BRIGHT, width=2)
    for x in (left, right):
        pen.line([(x, middle - 5), (x, middle + 5)], fill=BRIGHT, width=2)
    font = built_in_font(TEXT_PX - 3)
    pen.text((right + 8, middle), f"{length:g} mm", fill=BRIGHT, font=font, anchor="lm")


def _draw_mark(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], box: tuple[float, float, float, float]
) -> None:
    """Draw the four corners of a frame around a box, which leave free what lies in it."""
    left, top, right, bottom = box
    across, down = corner[0] + (left + right) / 2, corner[1] + (top + bottom) / 2
    half_width, half_height = (
        max((high - low) / 2 + _MARK_GAP, _MARK_LEAST)
        for low, high in ((left, right), (top, bottom))
    )
    for width, colour in ((_MARK_LINE + 2, PAGE), (_MARK_LINE, BRIGHT)):
        for right_or_left in (-1, 1):
            for up_or_down in (-1, 1):
                x, y = across + right_or_left * half_width, down + up_or_down * half_height
                ends = (x - right_or_left * _MARK_ARM, y), (x, y), (x, y - up_or_down * _MARK_ARM)
                pen.line(ends, fill=colour, width=width)
