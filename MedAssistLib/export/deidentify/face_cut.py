"""Where a face is: in front of and below the brain.

Cut out is whatever does not lie behind and above some point of the brain, with a margin. Ears and
the skin of the upper forehead stay; so do the voxels of the brain, whatever its mask misses within
the margin. It is made for heads that lie straight in the scanner's frame (LPS): one that nods by
more than some 20 degrees keeps a part of its face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.geometry import index_to_lps

Mask = npt.NDArray[np.bool_]
Coordinates = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_STEP_MM = 1.0


@dataclass(frozen=True, eq=False)
class FaceCut:
    """Which points lie in a face.

    Attributes:
        front: The coordinate P of the brain's foremost point, LPS mm.
        lowest: S of the lowest point of all brain in front of each coronal plane, from ``front``
            backwards by a millimetre each.
        margin: Distance to the brain that is kept, mm.
    """

    front: float
    lowest: Coordinates
    margin: float

    def removes(self, p: Coordinates, s: Coordinates) -> Mask:
        """Tell of points whether they are cut out.

        Args:
            p: Their coordinates P (towards the back), LPS mm.
            s: Their coordinates S (upwards), LPS mm; of the same shape.
        """
        plane = np.floor((p + self.margin - self.front) / _STEP_MM).astype(np.int64)
        floor = self.lowest[np.clip(plane, 0, len(self.lowest) - 1)] - self.margin
        removed: Mask = (plane < 0) | (s < floor)
        return removed


def cut_of(brain: sitk.Image, margin: float) -> FaceCut:
    """Return where the face of a brain's owner is.

    Args:
        brain: Label image, not empty; all its labels are the brain.
        margin: Distance to the brain that is kept, mm.
    """
    k, j, i = np.nonzero(sitk.GetArrayViewFromImage(brain))
    p, s = _places(brain, i, j, k)
    front = float(p.min())
    plane = np.floor((p - front) / _STEP_MM).astype(np.int64)
    lowest = np.full(int(plane.max()) + 1, np.inf)
    np.minimum.at(lowest, plane, s)
    return FaceCut(front, np.minimum.accumulate(lowest), margin)


def face_of(image: sitk.Image, cut: FaceCut) -> Mask:
    """Return which voxels of an image are cut out, axes (k, j, i)."""
    size = image.GetSize()
    k, j, i = np.ogrid[: size[2], : size[1], : size[0]]
    p, s = _places(image, i, j, k)
    return cut.removes(p, s)


def _places(
    image: sitk.Image, i: Indices, j: Indices, k: Indices
) -> tuple[Coordinates, Coordinates]:
    """Return the coordinates P and S of voxels, LPS mm."""
    _, p, s, _ = index_to_lps(image)
    return p[0] * i + p[1] * j + p[2] * k + p[3], s[0] * i + s[1] * j + s[2] * k + s[3]
