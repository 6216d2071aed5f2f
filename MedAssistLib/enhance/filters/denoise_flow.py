"""Curvature flow (Sethian 1999, Level Set Methods and Fast Marching Methods)."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.blocks import Array, iterated
from MedAssistLib.enhance.diffusion import time_step
from MedAssistLib.enhance.diffusion_steps import flowed
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.pieces import run_in_pieces
from MedAssistLib.enhance.voxels import Slices, finest
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
    flow.SetTimeStep(time_step(finest(image)))
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


def _part(
    image: sitk.Image, options: FlowOptions, progress: Progress, _state: None, keep: Slices
) -> sitk.Image:
    step = time_step(finest(image))
    scales = [1.0 / spacing for spacing in reversed(image.GetSpacing())]

    def work(block: Array, _number: int) -> Array:
        return flowed(block, scales, step)

    return iterated(image, keep, options.iterations, work, progress)


FILTER = FilterKind(
    name="denoise.flow",
    help="Straightens ragged contours at any contrast: use it before drawing surfaces; thin "
    "vessels shrink.",
    options=FlowOptions,
    compute=_compute,
    part=_part,
    # Where the scan is flat its contours turn at the least change, however far away that is.
    reach=lambda options, spacing: options.iterations * spacing,
    tolerance=0.001,
)
