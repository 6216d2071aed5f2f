"""What the intensity transforms of a MONAI bundle do, as steps of a plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from MedAssistLib.errors import ModelError
from MedAssistLib.models.plan import Normalisation, Scheme

Settings = dict[str, Any]


def scale_range(settings: Settings, _: int) -> Normalisation:
    """Return ``ScaleIntensityRanged``: one range goes to another."""
    low, high = _number(settings.pop("a_min")), _number(settings.pop("a_max"))
    bottom, top = _number(settings.pop("b_min")), _number(settings.pop("b_max"))
    clip = bool(settings.pop("clip", False))
    if not (low < high and bottom < top):
        raise ValueError(f"intensities from {low} to {high} become {bottom} to {top}")
    deviation = (high - low) / (top - bottom)
    return Normalisation(
        scheme=Scheme.CT,
        low=low if clip else -math.inf,
        high=high if clip else math.inf,
        mean=low - bottom * deviation,
        deviation=deviation,
    )


def scale(settings: Settings, channels: int) -> Normalisation:
    """Return ``ScaleIntensityd``: least and greatest value go to two others."""
    low, high = _number(settings.pop("minv", 0.0)), _number(settings.pop("maxv", 1.0))
    settings.pop("factor", None)
    _require_by_channel(settings, channels)
    if not low < high:
        raise ValueError(f"intensities become {low} to {high}")
    if (low, high) == (0.0, 1.0):
        return Normalisation(scheme=Scheme.RESCALE)
    stretched = Normalisation(
        scheme=Scheme.CT,
        low=-math.inf,
        high=math.inf,
        mean=-low / (high - low),
        deviation=1 / (high - low),
    )
    return Normalisation(scheme=Scheme.RESCALE, then=stretched)


def standardise(settings: Settings, channels: int) -> Normalisation:
    """Return ``NormalizeIntensityd``: mean and standard deviation go to 0 and 1."""
    nonzero = bool(settings.pop("nonzero", False))
    mean, deviation = settings.pop("subtrahend", None), settings.pop("divisor", None)
    if mean is None and deviation is None:
        _require_by_channel(settings, channels)
        return Normalisation(scheme=Scheme.Z_SCORE_NONZERO if nonzero else Scheme.Z_SCORE)
    settings.pop("channel_wise", None)
    if nonzero or mean is None or deviation is None or channels > 1:
        raise ModelError("its NormalizeIntensityd is of a kind that is not known here")
    mean, deviation = (
        _number(part[0] if isinstance(part, list) and len(part) == 1 else part)
        for part in (mean, deviation)
    )
    if deviation <= 0:
        raise ValueError(f"a deviation of {deviation}")
    return Normalisation(
        scheme=Scheme.CT, low=-math.inf, high=math.inf, mean=mean, deviation=deviation
    )


INTENSITY: Mapping[str, Callable[[Settings, int], Normalisation]] = {
    "ScaleIntensityRanged": scale_range,
    "ScaleIntensityd": scale,
    "NormalizeIntensityd": standardise,
}


def chained(steps: list[Normalisation]) -> Normalisation:
    """Return one step that is all of these, one after the other."""
    result = Normalisation(scheme=Scheme.NONE)
    for step in reversed(steps):
        result = _before(step, result)
    return result


def bright(steps: list[Normalisation]) -> float:
    """Return the intensity of a scan that these steps take to zero.

    Raises:
        ModelError: If that depends on the rest of the scan.
    """
    if not steps:
        return 0.0
    if len(steps) > 1 or steps[0].scheme is not Scheme.CT:
        raise ModelError("it crops to what is bright after its intensities were changed")
    (step,) = steps
    if not step.low <= step.mean < step.high:
        raise ModelError("it crops to what is bright in a way that is not known here")
    return step.mean


def _before(step: Normalisation, rest: Normalisation) -> Normalisation:
    then = rest if step.then is None else _before(step.then, rest)
    return Normalisation(
        scheme=step.scheme,
        low=step.low,
        high=step.high,
        mean=step.mean,
        deviation=step.deviation,
        then=None if then.scheme is Scheme.NONE else then,
    )


def _require_by_channel(settings: Settings, channels: int) -> None:
    if not settings.pop("channel_wise", False) and channels > 1:
        raise ModelError("it normalises all channels together")


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"an intensity of {number}")
    return number
