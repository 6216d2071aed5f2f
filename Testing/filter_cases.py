"""Every filter by name, and how the tests run one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MedAssistLib.enhance.filters import filter_kinds
from MedAssistLib.progress import Progress

KINDS = filter_kinds()
# Its own tests are beside it: it runs on the graphics card as well.
ELSEWHERE = {"denoise.nonlocal"}
NAMES = [name for name in KINDS if name not in ELSEWHERE]
SAME_GRID = [name for name in NAMES if KINDS[name].keeps_grid]


def options_of(name: str, reference: Path, given: str = "") -> object:
    """Return a filter's options, those of ``a=1,b=2`` in place of the defaults."""
    values = dict(pair.split("=") for pair in given.split(",") if pair)
    if name == "contrast.match":
        values["reference"] = str(reference)
    if name == "bias.n4":  # A rough field is found sooner.
        values = {"iterations": "5", "levels": "2"} | values
    return KINDS[name].options.make(values)


def applied(name: str, image: sitk.Image, reference: Path, given: str = "") -> sitk.Image:
    return KINDS[name].apply(image, options_of(name, reference, given), Progress())


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def spread(image: sitk.Image) -> float:
    return float(np.ptp(array(image))) or 1.0
