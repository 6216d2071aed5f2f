"""What the voxels of an image hold, in numbers that can be kept for a whole training set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

_QUANTILES = 1001
_MOST_VOXELS = 1_000_000
_GOLDEN = 0.6180339887498949
_BLOCKS = 12
_FINER = 4

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, kw_only=True, eq=False)
class Intensities:
    """Intensities of some voxels.

    Attributes:
        mean: Their mean.
        square: The mean of their squares.
        quantiles: Evenly spaced quantiles from the lowest to the highest, ascending.
    """

    mean: float
    square: float
    quantiles: npt.NDArray[np.float32]


def intensities(values: Array) -> Intensities:
    """Return the intensities of some voxels, at least one.

    Of more than a million voxels, a million is looked at, evenly spread; the lowest and the highest
    are exact.
    """
    flat = values.ravel()
    picked = flat
    if flat.size > _MOST_VOXELS:
        # Steps of the golden ratio spread evenly, and never along a row or column.
        share = np.arange(_MOST_VOXELS) * _GOLDEN % 1.0
        picked = flat[(share * flat.size).astype(np.int64)]
    exact = picked.astype(np.float64)
    quantiles = np.quantile(exact, np.linspace(0.0, 1.0, _QUANTILES)).astype(np.float32)
    quantiles[[0, -1]] = flat.min(), flat.max()
    return Intensities(
        mean=float(exact.mean()), square=float(np.square(exact).mean()), quantiles=quantiles
    )


def upright(image: sitk.Image) -> Array:
    """Return the voxels of an image, axes (k, j, i) nearest to S, P and L."""
    array: Array = sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS"))
    return array


def hash_of(array: Array) -> str:
    """Return a hash of voxels, axes (k, j, i), that does not depend on their number of bits."""
    digest = hashlib.blake2b(str(array.shape).encode(), digest_size=16)
    for plane in array:
        digest.update(np.ascontiguousarray(plane, dtype=np.float32).data)
    return digest.hexdigest()


def look_of(array: Array) -> npt.NDArray[np.float32]:
    """Return a small picture of voxels, axes (k, j, i), to find images that look alike.

    Returns:
        Means of 12×12×12 blocks less their mean, as a vector of length 1: the product of two is the
        correlation of the images.
    """
    steps = [max(size // (_BLOCKS * _FINER), 1) for size in array.shape]
    means: npt.NDArray[np.float64] = array[:: steps[0], :: steps[1], :: steps[2]].astype(np.float64)
    for axis, size in enumerate(means.shape):
        edges = np.linspace(0, size, _BLOCKS + 1).astype(int)
        sums = np.add.reduceat(means, edges[:-1], axis=axis)
        widths = np.maximum(np.diff(edges), 1)
        means = sums / np.expand_dims(widths, tuple(n for n in range(3) if n != axis))
    look = (means - means.mean()).ravel()
    length = float(np.linalg.norm(look))
    small: npt.NDArray[np.float32] = (look / length if length else look).astype(np.float32)
    return small


def content_box(arrays: Sequence[Array]) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return start and size (i, j, k) of the box in which some array, axes (k, j, i), is not 0."""
    filled = np.logical_or.reduce([array != 0 for array in arrays])
    start, size = [], []
    for axis in (2, 1, 0):
        along = np.flatnonzero(filled.any(axis=tuple(n for n in range(3) if n != axis)))
        start.append(int(along[0]) if len(along) else 0)
        size.append(int(along[-1] - along[0] + 1) if len(along) else filled.shape[axis])
    return (start[0], start[1], start[2]), (size[0], size[1], size[2])
