"""A structure as every mesh file holds it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Segment
from MedAssistLib.export.surface_volume import point_normals
from MedAssistLib.export.surfaces import GLASS_OPACITY, Surface

_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Mesh:
    """The surface of one structure, ready to be written.

    Attributes:
        name: What a person calls it, without line breaks.
        id: A name without blanks, different for each structure of a segmentation.
        colour: RGB, each in [0, 255].
        opacity: 1, or less where it hides another structure, as the 3-D picture draws it.
        points: Corners (n, 3), mm, in LPS or RAS.
        normals: Outward unit normal at each corner (n, 3).
        triangles: Which three corners each triangle has (m, 3), anticlockwise from outside.
    """

    name: str
    id: str
    colour: tuple[int, int, int]
    opacity: float
    points: npt.NDArray[np.float32]
    normals: npt.NDArray[np.float32]
    triangles: npt.NDArray[np.int32]


def make_mesh(surface: Surface, identifier: str, space: str) -> Mesh:
    """Return the mesh of a surface with its corners in ``"LPS"`` or ``"RAS"``."""
    # Both axes turn round, which leaves the sense of the triangles as it is.
    signs = _LPS_TO_RAS if space == "RAS" else np.ones(3)
    segment: Segment = surface.segment
    return Mesh(
        name=" ".join(segment.name.split()),
        id=identifier,
        colour=segment.colour,
        opacity=GLASS_OPACITY if surface.covers else 1.0,
        points=(surface.points * signs).astype(np.float32),
        normals=(point_normals(surface.points, surface.triangles) * signs).astype(np.float32),
        triangles=surface.triangles.astype(np.int32),
    )
