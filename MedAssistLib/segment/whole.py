"""Models that see the whole scan at once: turn it, run the network, decide, turn it back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Scan
from MedAssistLib.errors import ResourceError
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.formats import Network
from MedAssistLib.progress import Progress
from MedAssistLib.segment.upright import UprightScan

_HALF = 0.5

Labels = npt.NDArray[np.integer]


def run_whole(scan: Scan, card: ModelCard, network: Network, progress: Progress) -> Labels:
    """Return the labels on the scan's grid, axes (k, j, i).

    Raises:
        ModelError: If the scan does not fit the model.
        ResourceError: If memory does not suffice.
        CancelledError: If the user asked to stop.
    """
    upright = UprightScan(scan.image, card.orientation)
    try:
        probabilities = network(upright.volume, progress)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error):
            hint = "Close other programs, or use --device cpu"
            raise ResourceError(f"the model {card.name} needs more memory", hint=hint) from error
        raise
    return _decide(np.stack([upright.back(layer) for layer in probabilities]), card)


def _decide(probabilities: npt.NDArray[np.float32], card: ModelCard) -> Labels:
    """Give each voxel the label of its likeliest structure, if that is likelier than not."""
    values = np.array([entry.label for entry in card.segments])
    labels: Labels = values.astype(np.min_scalar_type(values.max()))[probabilities.argmax(axis=0)]
    labels[probabilities.max(axis=0) <= _HALF] = 0
    return labels
