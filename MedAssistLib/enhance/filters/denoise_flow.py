"""Curvature flow (Sethian 1999, Level Set Methods and Fast Marching Methods)."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.diffusion import diffusion_reach, time_step
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.pieces import run_in_pieces
from MedAssistLib.progress import Progress

# Time for one voxel.
_COST_S = 6e-8


@dataclass(frozen=True, kw_only=True)
class FlowOptions(Options):
    """How strongly contours are straightened."""

    iterations: int = option(
        5,
        least=1,
        most=100,
        unit="1",
        help="How often it is smoothed: more smooths more",
        by_modality={"CT": 10, "MR": 3},
    )


def _compute(
    image: sitk.Image, options: FlowOptions, progress: Progress, _state: None
) -> sitk.Image:
    flow = sitk.CurvatureFlowImageFilter()
    # One by one: ITK can be stopped only between iterations.
    flow.SetNumberOfIterations(1)
    flow.SetTimeStep(time_step(min(image.GetSpacing())))
    for number in range(options.iterations):
        image = run_in_pieces(
            flow,
            progress,
            image,
            around=[1, 1, 1],
            cost_s=_COST_S,
            start=number / options.iterations,
            stop=(number + 1) / options.iterations,
        )
    return image


FILTER = FilterKind(
    name="denoise.flow",
    help="Straightens ragged contours at any contrast: use it before drawing surfaces; thin "
    "vessels shrink.",
    options=FlowOptions,
    compute=_compute,
    reach=lambda options, spacing: diffusion_reach(options.iterations, spacing),
    tolerance=0.005,
)
