"""What a volume is, in words, and what is odd about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from MedAssistLib import geometry
from MedAssistLib.errors import InputError
from MedAssistLib.panel.handover import modality_of
from MedAssistLib.panel.text import tr as _
from MedAssistLib.scene.grid import grid_of

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode

_THICK = 4.0  # the coarsest spacing over the finest: above it, surfaces are stairs
_OBLIQUE = 1.0  # degrees


@dataclass(frozen=True)
class Facts:
    """What there is to say of a volume.

    Attributes:
        lines: Facts, one a line.
        odd: What deserves a look before the volume is used, one sentence each.
    """

    lines: tuple[str, ...]
    odd: tuple[str, ...]


def facts_of(node: vtkMRMLScalarVolumeNode) -> Facts:
    """Describe a volume from its header alone; its voxels are not looked at."""
    data = node.GetImageData()
    if data is None or min(data.GetDimensions()) < 1:
        return Facts((), (_("It has no voxels: load it again."),))
    size, spacing = data.GetDimensions(), node.GetSpacing()
    lines = [
        _("{size} voxels of {spacing} mm").format(
            size=" × ".join(map(str, size)), spacing=" × ".join(f"{mm:.3g}" for mm in spacing)
        )
    ]
    try:
        grid = grid_of(node)
    except InputError as error:
        return Facts(tuple(lines), (f"{error.what[:1].upper()}{error.what[1:]}. {error.hint}.",))
    angle = geometry.obliqueness(grid)
    lines.append(
        _("axes to {code}, {type} values").format(
            code=geometry.orientation(grid), type=data.GetScalarTypeAsString()
        )
    )
    odd = []
    if angle > _OBLIQUE:
        odd.append(_("It is oblique by {angle:.1f}°.").format(angle=angle))
    if min(size) < 2:
        odd.append(_("It is a single slice: it cannot be segmented."))
    elif max(spacing) / min(spacing) > _THICK:
        odd.append(
            _("Its slices are thick ({mm:.3g} mm): thin structures will be missed.").format(
                mm=max(spacing)
            )
        )
    if np.linalg.det(geometry.direction(grid)) < 0:
        odd.append(_("Its axes are left-handed; results will be stored right-handed."))
    if node.GetParentTransformNode() is not None:
        odd.append(
            _("It lies below the transform {name}; results will too.").format(
                name=node.GetParentTransformNode().GetName()
            )
        )
    if not modality_of(node):
        odd.append(_("Its file does not say its modality: choose it above."))
    return Facts(tuple(lines), tuple(odd))
