"""A body of which every direction is known, and what a picture shows of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from PIL import Image
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segment, Segmentation
from MedAssistLib.export.palette import PAGE

MIDDLE, LEFT, FRONT, TOP = 1, 2, 3, 4
COLOURS = {MIDDLE: (230, 220, 60), LEFT: (230, 60, 60), FRONT: (60, 220, 60), TOP: (80, 90, 240)}
# The body: boxes in LPS mm, all cut by the planes through their common centre.
BOXES = {
    MIDDLE: ((-10, -10, -10), (10, 10, 10)),
    LEFT: ((14, -4, -4), (30, 4, 4)),
    FRONT: ((-4, -34, -4), (4, -14, 4)),
    TOP: ((-4, -4, 14), (4, 4, 26)),
}
LOW, HIGH = np.array([-36.0, -40.0, -24.0]), np.array([36.0, 32.0, 30.0])

Pixels = npt.NDArray[np.uint8]


def body(grid: sitk.Image) -> tuple[Scan, Segmentation]:
    """The body on any grid: each voxel holds what lies at its centre."""
    index = np.stack(np.meshgrid(*map(np.arange, grid.GetSize()), indexing="ij"), axis=-1)
    matrix = geometry.index_to_lps(grid)
    place = index @ matrix[:3, :3].T + matrix[:3, 3]
    labels = np.zeros(grid.GetSize(), dtype=np.uint8)
    for label, (low, high) in BOXES.items():
        labels[((place > low) & (place < high)).all(axis=-1)] = label
    grey = 40.0 + 3.0 * (place[..., 0] - LOW[0]) + 20.0 * labels
    scan = geometry.from_array(np.ascontiguousarray(grey.T.astype(np.float32)), grid)
    image = geometry.from_array(np.ascontiguousarray(labels.T), grid)
    names = {MIDDLE: "Middle", LEFT: "Left", FRONT: "Front", TOP: "Top"}
    segments = tuple(Segment(label=n, name=names[n], colour=COLOURS[n]) for n in BOXES)
    return Scan(image=scan, modality="MR", name="body"), Segmentation(
        labels=image, segments=segments
    )


def upright(spacing: tuple[float, float, float] = (2.0, 2.0, 3.0)) -> sitk.Image:
    size = np.rint((HIGH - LOW) / spacing).astype(int)
    grid = sitk.Image(size.tolist(), sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetOrigin((LOW + np.array(spacing) / 2.0).tolist())
    return grid


def oblique() -> sitk.Image:
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.3, -0.2, 0.45)
    matrix = np.array(turn.GetMatrix()).reshape(3, 3)
    grid = sitk.Image(70, 66, 50, sitk.sitkUInt8)
    grid.SetSpacing((1.4, 1.5, 1.9))
    grid.SetDirection(matrix.ravel().tolist())
    middle = matrix @ (np.array([69, 65, 49]) / 2.0 * np.array([1.4, 1.5, 1.9]))
    grid.SetOrigin((-middle + np.array([0.0, -4.0, 3.0])).tolist())
    return grid


def panels(picture: Image.Image) -> tuple[Pixels, Pixels, Pixels]:
    """The axial, coronal and sagittal plane: the three largest areas that are not page."""
    pixels = np.asarray(picture)
    areas, _ = ndimage.label((pixels != PAGE).any(axis=-1))
    boxes = ndimage.find_objects(areas)
    largest = sorted(boxes, key=lambda box: np.prod([s.stop - s.start for s in box]))[-3:]
    axial, *below = sorted(largest, key=lambda box: box[0].start)
    coronal, sagittal = sorted(below, key=lambda box: box[1].start)
    return pixels[axial], pixels[coronal], pixels[sagittal]


def cube() -> tuple[Scan, Segmentation]:
    """A cube of 40 mm in the middle of 100 mm of grey 100, whose corners stretch the window."""
    grey = np.full((50, 50, 50), 100.0, dtype=np.float32)
    grey[0], grey[-1] = 0.0, 400.0
    labels = np.zeros((50, 50, 50), dtype=np.uint8)
    labels[15:35, 15:35, 15:35] = 9
    images = [sitk.GetImageFromArray(values) for values in (grey, labels)]
    for image in images:
        image.SetSpacing((2.0, 2.0, 2.0))
    segments = (Segment(label=9, name="Cube", colour=(250, 60, 30)),)
    return Scan(image=images[0], modality="MR"), Segmentation(labels=images[1], segments=segments)


class Pen:
    """Keeps what is drawn in place of drawing it."""

    def __init__(self) -> None:
        self.lines: list[list[tuple[float, float]]] = []
        self.texts: dict[str, tuple[float, float]] = {}

    def line(self, points: list[tuple[float, float]], **_: object) -> None:
        self.lines.append(points)

    def text(self, place: tuple[float, float], text: str, **_: object) -> None:
        self.texts[text] = place


SIDES = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1)}
SIDES["I"] = (0, 0, -1)
