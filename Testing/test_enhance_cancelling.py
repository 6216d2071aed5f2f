"""Filters: each stops soon after it is told to."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import pytest
import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.errors import CancelledError
from MedAssistLib.progress import Cancellation, Progress
from Testing.filter_cases import KINDS, options_of

# What takes longest; the others take their defaults.
SLOW = {
    "bias.n4": "iterations=500,levels=6,working_spacing=1",
    "denoise.bilateral": "sigma=3",
    "denoise.median": "radius=5",
    "denoise.curvature": "iterations=100",
    "denoise.gradient": "iterations=100",
    "denoise.flow": "iterations=100",
    "denoise.gaussian": "sigma=10",
    "denoise.nonlocal": "search=20,patch=5",
    "morphology.opening": "radius=10",
    "morphology.closing": "radius=10",
    "morphology.tophat": "radius=10",
    "sharpen.laplacian": "sigma=10",
    "sharpen.unsharp": "sigma=10",
    "structure.gradient": "sigma=10",
    "structure.log": "sigma=10",
    "structure.vesselness": "smallest=2,largest=20,sizes=10",
    "structure.sheetness": "smallest=2,largest=20,sizes=10",
    "contrast.clahe": "tile=20",
    "geometry.resample": "spacing=0.5,interpolation=cubic",
}
STOPS_WITHIN_S = 1.0
# Other programs may have the cores meanwhile.
LOAD_S = 1.0


@pytest.mark.alone
@pytest.mark.parametrize("name", KINDS)
def test_a_running_filter_stops_within_a_second(mni_scan: Scan, reference: Path, name: str) -> None:
    image = sitk.Cast(mni_scan.image, sitk.sitkFloat32)
    image.SetSpacing((0.7, 0.7, 1.5))
    cancellation = Cancellation()
    asked: list[float] = []

    def ask() -> None:
        asked.append(time.monotonic())
        cancellation.cancel()

    timer = threading.Timer(0.1, ask)
    timer.start()
    options = options_of(name, reference, SLOW.get(name, ""))
    with contextlib.suppress(CancelledError):
        KINDS[name].apply(image, options, Progress(cancellation=cancellation))
        assert name not in SLOW, "it was done before it could be stopped"
    late = time.monotonic() - asked[0] if asked else 0.0
    timer.cancel()
    assert late < STOPS_WITHIN_S + LOAD_S
