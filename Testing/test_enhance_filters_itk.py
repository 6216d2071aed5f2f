"""Filters: each is ITK's own call, or does what its help says where ITK has no such call."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from Testing.filter_cases import NAMES, applied, array, spread


def blur(image: sitk.Image, sigma: float) -> sitk.Image:
    return sitk.DiscreteGaussian(
        image, variance=[sigma**2] * 3, maximumError=0.001, maximumKernelWidth=4096
    )


def vessels(image: sitk.Image, dimension: int) -> sitk.Image:
    answers = [
        sitk.ObjectnessMeasure(
            blur(image, radius / math.sqrt(2)) * (radius**2 / 2),
            alpha=0.5, beta=0.5, gamma=20.0, scaleObjectnessMeasure=False,
            objectDimension=dimension, brightObject=True,
        )
        for radius in (2.0, 4.0)
    ]  # fmt: skip
    return sitk.Maximum(*answers)


def n4(image: sitk.Image) -> sitk.Image:
    upright = sitk.DICOMOrient(image, "LPS")
    small = sitk.Shrink(upright, [2, 2, 1])
    correction = sitk.N4BiasFieldCorrectionImageFilter()
    correction.SetMaximumNumberOfIterations([10, 10])
    mask = sitk.OtsuThreshold(small, 0, 1, 200)
    even = correction.Execute(small, mask)
    field = correction.GetLogBiasFieldAsImage(small)
    inside = array(mask) > 0
    kept = array(even)[inside].mean() / array(small)[inside].mean()
    fine = sitk.Resample(
        sitk.Cast(field, sitk.sitkFloat32) + math.log(kept), image, sitk.Transform(),
        sitk.sitkLinear, 0.0, sitk.sitkFloat32, True,
    )  # fmt: skip
    return image / sitk.Exp(fine)


STEP = 2.0 / 16.0
BALL = sitk.sitkBall
TUBES = "smallest=2,largest=4,sizes=2,contrast=40"
# Each as a person would write it for a grid of 2×2×4 mm.
DIRECT: list[tuple[str, str, Callable[[sitk.Image], sitk.Image]]] = [
    ("bias.n4", "iterations=10,levels=2", n4),
    ("denoise.median", "radius=4", lambda i: sitk.Median(i, [2, 2, 1])),
    ("denoise.median", "radius=1.9", lambda i: sitk.Median(i, [1, 1, 0])),
    ("denoise.gaussian", "sigma=3", lambda i: blur(i, 3.0)),
    ("denoise.bilateral", "sigma=1.5,contrast=20", lambda i: sitk.Bilateral(i, 1.5, 20.0, 200)),
    (
        "denoise.curvature",
        "iterations=3,conductance=2",
        lambda i: sitk.CurvatureAnisotropicDiffusion(i, STEP, 2.0, 1, 3),
    ),
    (
        "denoise.gradient",
        "iterations=3,conductance=2",
        lambda i: sitk.GradientAnisotropicDiffusion(i, STEP, 2.0, 1, 3),
    ),
    ("denoise.flow", "iterations=3", lambda i: sitk.CurvatureFlow(i, STEP, 3)),
    ("sharpen.unsharp", "sigma=2,amount=0.8", lambda i: i + 0.8 * (i - blur(i, 2.0))),
    ("sharpen.laplacian", "sigma=2,amount=0.3", lambda i: i - 1.2 * sitk.Laplacian(blur(i, 2.0))),
    ("contrast.window", "width=100,level=90", lambda i: sitk.Clamp(i, sitk.sitkFloat32, 40, 140)),
    (
        "contrast.gamma",
        "gamma=0.5,low=20,high=120",
        lambda i: 100.0 * sitk.Sqrt((sitk.Maximum(i, 20.0) - 20.0) / 100.0) + 20.0,
    ),
    (
        "contrast.rescale",
        "minimum=-1,maximum=3,darkest=0,brightest=100",
        lambda i: sitk.RescaleIntensity(i, -1.0, 3.0),
    ),
    ("contrast.normalise", "of=all", sitk.Normalize),
    ("structure.gradient", "sigma=2", lambda i: sitk.GradientMagnitude(blur(i, 2.0))),
    ("structure.log", "sigma=3", lambda i: 9.0 * sitk.Laplacian(blur(i, 3.0))),
    ("structure.vesselness", TUBES, lambda i: vessels(i, 1)),
    ("structure.sheetness", TUBES, lambda i: vessels(i, 2)),
    (
        "morphology.opening",
        "radius=4",
        lambda i: sitk.GrayscaleMorphologicalOpening(i, [2, 2, 1], BALL),
    ),
    (
        "morphology.closing",
        "radius=4",
        lambda i: sitk.GrayscaleMorphologicalClosing(i, [2, 2, 1], BALL),
    ),
    ("morphology.tophat", "radius=4", lambda i: sitk.WhiteTopHat(i, [2, 2, 1], BALL)),
    ("morphology.tophat", "radius=4,side=dark", lambda i: sitk.BlackTopHat(i, [2, 2, 1], BALL)),
    ("geometry.reorient", "orientation=RAI", lambda i: sitk.DICOMOrient(i, "RAI")),
]


@pytest.mark.parametrize(
    ("name", "given", "direct"), DIRECT, ids=[f"{name}:{given}" for name, given, _ in DIRECT]
)
def test_a_filter_equals_the_direct_itk_call(
    head: sitk.Image,
    reference: Path,
    name: str,
    given: str,
    direct: Callable[[sitk.Image], sitk.Image],
) -> None:
    """A radius in mm taken for voxels, or a wrong parameter, would give another image."""
    result, expected = applied(name, head, reference, given), direct(head)
    assert geometry.same_grid(result, expected)
    assert np.abs(array(result) - array(expected)).max() <= 2e-6 * spread(expected)


def test_every_filter_is_compared_with_something() -> None:
    by_hand = {"contrast.clahe", "contrast.equalise", "contrast.match"}
    moved = {"geometry.crop", "geometry.resample"}
    assert {name for name, _, _ in DIRECT} | by_hand | moved == set(NAMES)


def test_matching_agrees_with_itk(head: sitk.Image, reference: Path) -> None:
    """ITK's own needs the whole image; ours must do the same with a curve that fits a slab too."""
    target = sitk.ReadImage(reference, sitk.sitkFloat32)
    expected = sitk.HistogramMatching(head, target, 1024, 15, True)
    result = applied("contrast.match", head, reference)
    assert np.abs(array(result) - array(expected)).max() < 0.01 * spread(expected)


def test_equalised_greys_are_equally_frequent(head: sitk.Image, reference: Path) -> None:
    values = array(applied("contrast.equalise", head, reference, "above=30"))
    body = values[array(head) > 30]
    assert values.min() == pytest.approx(30.0)
    tenths = np.percentile(body, np.arange(10, 100, 10))
    assert tenths == pytest.approx(np.linspace(30, body.max(), 11)[1:-1], abs=2.0)


def test_clahe_with_one_tile_and_no_limit_is_equalising(head: sitk.Image, reference: Path) -> None:
    ends = f"low=30,high={array(head).max():g}"
    one = applied("contrast.clahe", head, reference, f"tile=500,limit=100,{ends}")
    plain = applied("contrast.equalise", head, reference, "above=30")
    assert np.abs(array(one) - array(plain)).max() < 0.02 * spread(plain)


def test_clahe_raises_contrast_but_not_beyond_its_limit(reference: Path) -> None:
    """A faint step in a large range comes out, by the limit at most; flat noise stays small."""
    values = np.random.default_rng(3).normal(100.0, 2.0, (12, 64, 64)).astype(np.float32)
    values[:, :, 32:] += 10.0
    image = sitk.GetImageFromArray(values)
    result = array(applied("contrast.clahe", image, reference, "tile=32,limit=3,low=0,high=1000"))
    before = values[:, :, 40:].mean() - values[:, :, :24].mean()
    after = result[:, :, 40:].mean() - result[:, :, :24].mean()
    assert 1.3 * before < after <= 3.1 * before
    assert result[:, :, :24].std() < 3.2 * values[:, :, :24].std()
