"""How an Auto3DSeg model was trained, from the ``config`` in its checkpoint.

The answer is that of the Slicer extension MONAIAuto3DSeg, which runs these models with MONAI, but
for one thing: the box around the bright voxels is found in the scan as the network sees it. The
extension finds it in the scan as it is stored, and so cuts off the mirror image of the box where
these differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from MedAssistLib.errors import ModelError
from MedAssistLib.models.plan import (
    Blend,
    Foreground,
    InferencePlan,
    Moment,
    Normalisation,
    Resampling,
    Scheme,
    Window,
)

Config = Mapping[str, Any]

_OVERLAP = 0.625
_MARGIN = 10
# Spacings as near to the training's as this are left as they are, and those that only rounding
# takes farther off.
_LEAST, _MOST, _ROUNDING_MM = 0.75, 1.25, 1e-3
# Of the three nested outputs of the models of the BraTS challenge, what each has for itself: whole
# tumour 2, core 1, enhancing 3.
_BRATS_CHANNELS, _BRATS_LABELS = 4, (2, 1, 3)


def channel_modes(config: Config) -> list[str]:
    """Return how each channel is normalised, by Auto3DSeg's names."""
    modes = [str(config["normalize_mode"])]
    extra = config.get("extra_modalities") or {}
    modes += [str(mode) for mode in extra.values()]
    count = int(config["network"]["in_channels"])
    if len(modes) == 1:
        return modes * count
    if len(modes) != count:
        raise ValueError(f"{len(modes)} modalities for {count} channels")
    return modes


def inference_plan(config: Config) -> InferencePlan:
    """Say how a model is run.

    Args:
        config: The checkpoint's.

    Raises:
        ModelError: If it names something that is not known here.
        KeyError, TypeError, ValueError: If something is missing or makes no sense.
    """
    modes = channel_modes(config)
    together = len(modes) > 1 and not config.get("extra_modalities")
    resolution = config.get("resample_resolution")
    spacing = () if resolution is None else tuple(float(length) for length in resolution)
    patch = tuple(int(length) for length in config["roi_size"])
    if len(patch) != 3 or min(patch) < 1 or len(spacing) not in (0, 3):
        raise ValueError(f"the patch {patch} at a spacing of {spacing} mm")
    if not all(0 < length < math.inf for length in spacing):
        raise ValueError(f"a spacing of {spacing} mm")
    outputs = int(config["network"]["out_channels"])
    crop = Foreground(above=0.0, margin=_MARGIN, first_only=not together)
    return InferencePlan(
        orientation="RAS" if config.get("orientation_ras", False) else "",
        # MONAI's arrays have the axes (i, j, k).
        transpose=(2, 1, 0),
        spacing=spacing,
        kept_spacing=tuple(
            (_LEAST * length - _ROUNDING_MM, _MOST * length + _ROUNDING_MM) for length in spacing
        ),
        patch=patch,
        normalisation=tuple(_normalisation(mode, config) for mode in modes),
        # The extension normalises scans that it reads together where MONAI's training does.
        moment=Moment.RESAMPLED if together else Moment.WHOLE,
        crop_to_nonzero=False,
        foreground=crop if config.get("crop_foreground", True) else None,
        data=Resampling(order=1, first_voxels=True),
        scores=Resampling(order=0, first_voxels=True),
        mirror_axes=(),
        outputs=outputs,
        regions=_regions(config, outputs) if config.get("sigmoid", False) else (),
        window=Window(step=1 - _OVERLAP, even=False, blend=Blend.MONAI),
    )


def _normalisation(mode: str, config: Config) -> Normalisation:
    match mode:
        case "none":
            return Normalisation(scheme=Scheme.NONE)
        case "range" | "ct":
            low, high = (float(bound) for bound in config["intensity_bounds"])
            if not -math.inf < low < high < math.inf:
                raise ValueError(f"intensities from {low} to {high}")
            # The bounds go to -1 and 1, and what lies beyond is not clipped.
            return Normalisation(
                scheme=Scheme.CT,
                low=-math.inf,
                high=math.inf,
                mean=(low + high) / 2,
                deviation=(high - low) / 2,
                then=Normalisation(scheme=Scheme.SIGMOID),
            )
        case "meanstd" | "mri":
            return Normalisation(scheme=Scheme.Z_SCORE_NONZERO)
        case "meanstdtanh":
            tanh = Normalisation(scheme=Scheme.TANH)
            return Normalisation(scheme=Scheme.Z_SCORE_NONZERO, then=tanh)
        case "pet":
            return Normalisation(scheme=Scheme.PET)
    raise ModelError(f'uses the unknown normalisation "{mode}"')


def _regions(config: Config, outputs: int) -> tuple[int, ...]:
    """Return the label of each output where they may overlap: what no later one has."""
    members: Sequence[Sequence[int]] = config.get("class_index") or ()
    if not members:
        if outputs == 1:
            return (1,)
        if outputs == len(_BRATS_LABELS) and len(channel_modes(config)) == _BRATS_CHANNELS:
            return _BRATS_LABELS
        raise ModelError("its structures may overlap, and it does not say which labels they have")
    found: list[int] = []
    for position, own in enumerate(members):
        later = {int(label) for other in members[position + 1 :] for label in other}
        rest = {int(label) for label in own} - later
        if len(rest) != 1 or min(rest) < 1:
            raise ModelError(f"its structures overlap in a way that is not known ({members})")
        found += rest
    if len(found) != outputs:
        raise ValueError(f"{len(found)} classes for {outputs} outputs")
    return tuple(found)
