"""Curvature flow (Sethian 1999, Level Set Methods and Fast Marching Methods)."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.diffusion import diffusion_reach, time_step
from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class FlowOptions(Options):
    """How strongly contours are straightened."""

    iterations: int = option(
        10, least=1, most=100, unit="1", help="How often it is smoothed: more smooths more"
    )


def _compute(
    image: sitk.Image, options: FlowOptions, progress: Progress, _state: None
) -> sitk.Image:
    flow = sitk.CurvatureFlowImageFilter()
    flow.SetNumberOfIterations(int(options.iterations))
    flow.SetTimeStep(time_step(min(image.GetSpacing())))
    smooth: sitk.Image = run(flow, progress, image)
    return smooth


FILTER = FilterKind(
    name="denoise.flow",
    help="Straightens ragged contours at any contrast: use it before drawing surfaces; thin "
    "vessels shrink.",
    options=FlowOptions,
    compute=_compute,
    reach=lambda options, spacing: diffusion_reach(options.iterations, spacing),
    tolerance=0.005,
)
