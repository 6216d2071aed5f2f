"""Drawing structures onto a grey picture: a crisp outline in the structure's colour."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatImage = npt.NDArray[np.float32]

FINER = 3
_LINE = 5
_SHADOW = 3
_FILL_OPACITY = 0.10
_SHADOW_OPACITY = 0.6


def draw_structures(
    greys: FloatImage, structures: npt.NDArray[np.integer], colours: npt.NDArray[np.integer]
) -> npt.NDArray[np.uint8]:
    """Return a picture (row, column, RGB) with each structure outlined and lightly filled.

    The line runs inside its structure, so that two that touch both show; a thin shadow around it
    parts it from bright tissue.

    Args:
        greys: The picture (row, column) in [0, 1].
        structures: The structure at each of ``FINER`` × ``FINER`` parts of a pixel; 0 for none.
        colours: RGB of each structure (n + 1, 3) in [0, 255]; the first is not used.
    """
    drawn = structures > 0
    opacity = np.where(drawn, _FILL_OPACITY, 0.0).astype(np.float32)
    opacity[~drawn & _near_another(drawn, _SHADOW)] = _SHADOW_OPACITY
    opacity[drawn & _near_another(structures, _LINE)] = 1.0
    ink = np.where(drawn[..., None], colours[structures], 0).astype(np.float32)
    behind = greys[..., None] * 255.0 * (1.0 - _pixels(opacity[..., None]))
    picture = behind + _pixels(ink * opacity[..., None])
    whole: npt.NDArray[np.uint8] = np.rint(picture).astype(np.uint8)
    return whole


def _near_another(values: npt.NDArray[np.generic], radius: int) -> npt.NDArray[np.bool_]:
    """Return where another value, or the picture's edge, lies within ``radius`` parts."""
    rows, columns = values.shape
    padded = np.pad(values, radius)
    near = np.zeros(values.shape, dtype=np.bool_)
    for down in range(-radius, radius + 1):
        reach = math.isqrt(radius**2 - down**2)
        for along in range(-reach, reach + 1):
            shifted = padded[radius + down :, radius + along :][:rows, :columns]
            near |= shifted != values
    return near


def _pixels(parts: FloatImage) -> FloatImage:
    """Return the mean over the parts of each pixel."""
    rows, columns, channels = parts.shape
    blocks = parts.reshape(rows // FINER, FINER, columns // FINER, FINER, channels)
    means: FloatImage = blocks.mean(axis=(1, 3))
    return means
