"""How well two segmentations agree: overlap, distances between surfaces, volumes.

Distances are between surfaces that run through the corners of voxels, each element weighted with
its area (Nikolov et al., "Clinically applicable segmentation of head and neck anatomy", J Med
Internet Res 2021, doi:10.2196/26151), as in the package ``surface-distance``. What a number is when
a structure is missing follows Maier-Hein, Reinke et al., "Metrics reloaded", Nature Methods 2024,
doi:10.1038/s41592-023-02151-z:

============== ===================== ========================
number         one of them is empty  both are empty
============== ===================== ========================
Dice, NSD      0                     NaN: nothing to compare
distances      infinite              NaN
============== ===================== ========================

In files and JSON, what is not a finite number is empty or ``null``.
"""

from __future__ import annotations

from MedAssistLib.measure.agreement.distances import (
    average_distance,
    hausdorff_distance,
    surface_dice,
)
from MedAssistLib.measure.agreement.evaluation import (
    EvaluateOptions,
    Evaluation,
    evaluate,
    spacing_of,
)
from MedAssistLib.measure.agreement.masks import Agreement, Found, agreement, dice
from MedAssistLib.measure.agreement.summary import Summary, summarise
from MedAssistLib.measure.agreement.surfaces import SurfaceDistances, compare_surfaces

__all__ = [
    "Agreement",
    "EvaluateOptions",
    "Evaluation",
    "Found",
    "Summary",
    "SurfaceDistances",
    "agreement",
    "average_distance",
    "compare_surfaces",
    "dice",
    "evaluate",
    "hausdorff_distance",
    "spacing_of",
    "summarise",
    "surface_dice",
]
