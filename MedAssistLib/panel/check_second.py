"""What a second reader drew, in memory: to be shown over the slices, and to be taken over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.panel.handover import grid_at

if TYPE_CHECKING:
    from MedAssistLib.check.repair import Labels


@dataclass(frozen=True, eq=False)
class Drawn:
    """A structure as the second reader drew it. Axes (k, j, i).

    Attributes:
        mask: Its voxels.
        apart: How far off the other reader's structure a voxel lies, mm; see
            :func:`MedAssistLib.worker.second_reader.write_second`.
        grid: An image whose first voxels lie where those of both do, below the volume's transform.
    """

    mask: npt.NDArray[np.uint8]
    apart: npt.NDArray[np.float32]
    grid: sitk.Image


@dataclass(frozen=True, eq=False)
class SecondReader:
    """A second reader's drawing; nothing without one.

    Attributes:
        structures: The structures that findings are about, by the names of the findings.
        drawn_as: What they are called in the first reader's drawing.
    """

    structures: Mapping[str, Drawn] = field(default_factory=dict)
    drawn_as: Mapping[str, str] = field(default_factory=dict)

    def labels(self, name: str) -> Labels | None:
        """Return a structure for a repair; ``None`` if it is not known."""
        from MedAssistLib.check.repair import Labels

        found = self.structures.get(name)
        return Labels(values=found.mask, grid=found.grid, label=1) if found else None


NOBODY = SecondReader()
"""That there was no second reader."""


def read_second(result: Mapping[str, Any]) -> SecondReader:
    """Read the second reader's part of the result of a check. For any thread.

    Raises:
        OSError: If its file is gone.
    """
    second, drawn_as = result.get("second"), result["drawn_as"]
    if not second:
        return SecondReader(drawn_as=drawn_as)
    with np.load(second["file"], allow_pickle=False) as arrays:
        return SecondReader(
            {
                entry["name"]: Drawn(
                    arrays[f"mask_{number}"], arrays[f"apart_{number}"], grid_at(entry)
                )
                for number, entry in enumerate(second["structures"])
            },
            drawn_as,
        )
