"""How a MONAI bundle is run, from its chains of transforms and its inferer.

MedAssist runs MONAI's usual transforms itself. One that it does not know is refused by name: an
answer from scans that were prepared in another way than in the training would be wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from MedAssistLib.errors import ModelError
from MedAssistLib.geometry import is_orientation
from MedAssistLib.models.card import PostProcessing
from MedAssistLib.models.formats.monai_bundle_answer import Answer, read_answer
from MedAssistLib.models.formats.monai_bundle_config import BundleConfig, is_plain
from MedAssistLib.models.formats.monai_bundle_intensity import INTENSITY, bright, chained
from MedAssistLib.models.plan import (
    Blend,
    Foreground,
    InferencePlan,
    Moment,
    Normalisation,
    Resampling,
    Window,
)

# What reads, converts and moves a scan, and changes no value.
_HARMLESS = frozenset(
    {"LoadImaged", "EnsureChannelFirstd", "EnsureTyped", "CastToTyped", "ToTensord", "ToDeviced"}
)
_INFERERS = ("SlidingWindowInferer", "SlidingWindowInfererAdapt")
# What says how fast, and not what, an inferer or a transform computes.
_SPEED = frozenset(
    {"sw_batch_size", "device", "sw_device", "progress", "cache_roi_weight_map", "cpu_thresh"}
    | {"buffer_steps", "buffer_dim", "keys", "dtype", "lazy", "allow_missing_keys", "meta_keys"}
    | {"meta_key_postfix", "align_corners", "labels"}
)
# MONAI takes spacings that differ by less for the same.
_ROUNDING_MM = 1e-3


@dataclass
class _Chain:
    """What the transforms read so far do."""

    channels: int
    orientation: str = ""
    pixdim: tuple[float, ...] = ()
    kept: tuple[tuple[float, float], ...] = ()
    crop: Foreground | None = None
    steps: list[Normalisation] = field(default_factory=list)
    moment: Moment | None = None
    keys: set[str] = field(default_factory=set)


def inference_plan(
    config: BundleConfig, channels: int, outputs: int
) -> tuple[InferencePlan, PostProcessing]:
    """Say how a bundle is run, and what is done with its labels in the end.

    Args:
        config: Its configuration.
        channels: How many scans it is given.
        outputs: Channels of its network's answer.

    Raises:
        ModelError: If it names something that is not known here.
        KeyError, TypeError, ValueError: If something is missing or makes no sense.
    """
    chain = _Chain(channels)
    for kind, settings in config.transforms("preprocessing"):
        _take(chain, kind, settings)
    if len(chain.keys) > 1:
        raise ModelError(f"it prepares several images apart ({', '.join(sorted(chain.keys))})")
    patch, window = _window(config)
    answer: Answer = read_answer(config.transforms("postprocessing"), outputs)
    plan = InferencePlan(
        orientation=chain.orientation,
        # MONAI's arrays have the axes (i, j, k).
        transpose=(2, 1, 0),
        spacing=chain.pixdim,
        kept_spacing=chain.kept,
        patch=patch,
        normalisation=(chained(chain.steps),) * channels,
        moment=chain.moment or Moment.CROPPED,
        crop_to_nonzero=False,
        foreground=chain.crop,
        data=Resampling(order=1, first_voxels=True),
        scores=Resampling(order=1 if answer.interpolated else 0, first_voxels=True),
        mirror_axes=(),
        outputs=outputs,
        regions=(1,) if answer.apart else (),
        window=window,
        likelihoods=answer.likelihoods,
    )
    return plan, answer.after


def _take(chain: _Chain, kind: str, settings: dict[str, Any]) -> None:
    """Add one transform.

    Raises:
        ModelError: If it, or one of its settings, is not known here.
    """
    keys = settings.get("keys")
    chain.keys.add(str(keys[0] if isinstance(keys, list) and len(keys) == 1 else keys))
    if kind in _HARMLESS:
        return
    left = {key: value for key, value in settings.items() if key not in _SPEED}
    if not is_plain(left):
        raise ModelError(f"its {kind} needs a program to be run")
    if kind == "Orientationd":
        _orient(chain, left)
    elif kind == "Spacingd":
        _space(chain, left)
    elif kind == "CropForegroundd":
        _crop(chain, left)
    elif kind in INTENSITY:
        _normalise(chain, kind, left)
    else:
        hint = f"Known are Orientationd, Spacingd, CropForegroundd, {', '.join(INTENSITY)}"
        raise ModelError(f"its preparation has the unknown transform {kind}", hint=hint)
    if left:
        raise ModelError(f'its {kind} has the unknown setting "{next(iter(left))}"')


def _orient(chain: _Chain, settings: dict[str, Any]) -> None:
    canonical = bool(settings.pop("as_closest_canonical", False))
    codes = settings.pop("axcodes", None)
    orientation = "RAS" if canonical else "".join(codes or ())
    if not is_orientation(orientation) or chain.pixdim:
        raise ModelError(f'it turns scans to "{orientation}" where that is not known here')
    chain.orientation = orientation


def _space(chain: _Chain, settings: dict[str, Any]) -> None:
    usual = {"mode": "bilinear", "padding_mode": "border"}
    for name, value in usual.items():
        given = settings.pop(name, value)
        if (given[0] if isinstance(given, list) and len(given) == 1 else given) != value:
            raise ModelError(f'its Spacingd has the unknown {name} "{given}"')
    for name in ("diagonal", "scale_extent", "recompute_affine"):
        if settings.pop(name, False):
            raise ModelError(f'its Spacingd has the unknown setting "{name}"')
    if chain.pixdim:
        raise ModelError("it resamples twice")
    target = _triple(settings.pop("pixdim"))
    least = _triple(settings.pop("min_pixdim", None) or target)
    most = _triple(settings.pop("max_pixdim", None) or target)
    kept = [
        # What is not above zero is the scan's own.
        (min(a, t) - _ROUNDING_MM, max(b, t) + _ROUNDING_MM) if t > 0 else (0.0, math.inf)
        for t, a, b in zip(target, least, most, strict=True)
    ]
    chain.pixdim = tuple(length if length > 0 else 1.0 for length in target)
    chain.kept = tuple(kept)


def _crop(chain: _Chain, settings: dict[str, Any]) -> None:
    source = settings.pop("source_key", None)
    margin = settings.pop("margin", 0)
    # Without it MONAI goes on beyond the scan.
    smaller = bool(settings.pop("allow_smaller", False))
    unusual = settings.pop("k_divisible", 1) != 1 or settings.pop("mode", "constant") != "constant"
    for name in ("start_coord_key", "end_coord_key"):
        settings.pop(name, None)
    if unusual or chain.pixdim or chain.crop or str(source) not in chain.keys:
        raise ModelError("it crops to what is bright in a way that is not known here")
    if not isinstance(margin, int) or margin < 0 or (margin and not smaller):
        raise ModelError(f"it crops with the margin {margin} in a way that is not known here")
    chain.crop = Foreground(above=bright(chain.steps), margin=margin, first_only=False)
    if chain.steps:
        chain.moment = Moment.WHOLE


def _normalise(chain: _Chain, kind: str, settings: dict[str, Any]) -> None:
    now = Moment.RESAMPLED if chain.pixdim else Moment.CROPPED if chain.crop else Moment.WHOLE
    if chain.moment not in (None, now):
        raise ModelError("it changes intensities both before and after it crops or resamples")
    chain.moment = now
    chain.steps.append(INTENSITY[kind](settings, chain.channels))


def _window(config: BundleConfig) -> tuple[tuple[int, ...], Window]:
    kind, settings = config.target(config.get("inferer"), "its inferer")
    if kind not in _INFERERS:
        hint = f"Known are {' and '.join(_INFERERS)}"
        raise ModelError(f"it has the unknown inferer {kind}", hint=hint)
    left = {key: value for key, value in settings.items() if key not in _SPEED}
    if not is_plain(left):
        raise ModelError("its inferer needs a program to be run")
    size = left.pop("roi_size")
    patch = (size,) * 3 if isinstance(size, int) else tuple(int(length) for length in size)
    overlap = float(left.pop("overlap", 0.25))
    mode = str(left.pop("mode", "constant"))
    blends = {"constant": Blend.CONSTANT, "gaussian": Blend.MONAI}
    padding = left.pop("padding_mode", "constant")
    unusual = left.pop("sigma_scale", 0.125) != 0.125 or left.pop("cval", 0.0) != 0.0
    if mode not in blends or unusual or padding not in ("constant", "replicate") or left:
        raise ModelError("its inferer has settings that are not known here")
    if len(patch) != 3 or min(patch) < 1 or not 0 <= overlap < 1:
        raise ModelError(f"its inferer has the patch {size} and the overlap {overlap}")
    window = Window(
        step=1 - overlap, even=False, blend=blends[mode], replicate=padding == "replicate"
    )
    return patch, window


def _triple(value: Any) -> tuple[float, float, float]:
    given = [value] * 3 if isinstance(value, (int, float)) else list(value)
    i, j, k = (float(length) for length in given)
    if not all(map(math.isfinite, (i, j, k))):
        raise ValueError(f"a spacing of {value}")
    return i, j, k
