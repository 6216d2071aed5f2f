"""One structure in a label map that lies somewhere in space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.volumes import Mask

Points = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """A label map. Arrays and indices have the axes (k, j, i).

    Attributes:
        values: Its label values; a view will do, because nothing here writes to it.
        grid: An image, of whatever size, whose first voxels lie where those of ``values`` do.
        label: Value of the structure that is meant; 0 if all of them are.
    """

    values: npt.NDArray[np.integer]
    grid: sitk.Image
    label: int = 0

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of voxels along (k, j, i), mm."""
        i, j, k = self.grid.GetSpacing()
        return k, j, i

    @cached_property
    def _to_lps(self) -> npt.NDArray[np.float64]:
        return geometry.index_to_lps(self.grid)

    def points(self, indices: npt.ArrayLike) -> Points:
        """Return the LPS points, mm, shape (n, 3), of indices (k, j, i), shape (n, 3)."""
        ijk = np.asarray(indices, dtype=np.float64)[:, ::-1]
        found: Points = ijk @ self._to_lps[:3, :3].T + self._to_lps[:3, 3]
        return found

    def coordinates(self, start: npt.ArrayLike, shape: tuple[int, ...]) -> Iterator[Points]:
        """Yield the L, P and S, mm, of the voxels of a block, each of the block's shape."""
        first = np.asarray(start)
        k, j, i = (
            axis + n for axis, n in zip(np.ogrid[tuple(map(slice, shape))], first, strict=True)
        )
        for row in self._to_lps[:3]:
            yield row[0] * i + row[1] * j + row[2] * k + row[3]

    def indices(self, points: npt.ArrayLike) -> Indices:
        """Return the indices (k, j, i), shape (n, 3), of the voxels nearest to LPS points, mm."""
        to_index = np.linalg.inv(self._to_lps)
        ijk = np.asarray(points, dtype=np.float64) @ to_index[:3, :3].T + to_index[:3, 3]
        found: Indices = np.rint(ijk[:, ::-1]).astype(np.int64)
        return found

    def block(self, start: npt.ArrayLike, stop: npt.ArrayLike) -> npt.NDArray[np.integer]:
        """Return the values from ``start`` up to ``stop`` (k, j, i), with 0 outside the array."""
        first, end = np.asarray(start, dtype=np.int64), np.asarray(stop, dtype=np.int64)
        low, high = np.maximum(first, 0), np.minimum(end, self.values.shape)
        found = np.zeros(end - first, dtype=self.values.dtype)
        if (low < high).all():
            there = tuple(slice(a, b) for a, b in zip(low - first, high - first, strict=True))
            here = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            found[there] = self.values[here]
        return found

    def mask(self, start: npt.ArrayLike, stop: npt.ArrayLike) -> Mask:
        """Return where in a block the structure is; see :meth:`block`."""
        values = self.block(start, stop)
        found: Mask = values == self.label if self.label else values > 0
        return found

    def there(self, points: Points) -> npt.NDArray[np.bool_]:
        """Tell at which LPS points the structure is, shape (n,); it is nowhere outside."""
        indices = self.indices(points)
        inside = ((indices >= 0) & (indices < self.values.shape)).all(axis=1)
        found = np.zeros(len(indices), dtype=bool)
        values = self.values[tuple(indices[inside].T)]
        found[inside] = values == self.label if self.label else values > 0
        return found
