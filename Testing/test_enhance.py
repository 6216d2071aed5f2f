"""Enhancing: each filter is ITK's own, on the scan's grid, and the scan itself is never changed."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.enhance import default_chain, enhance, filter_kinds, parse_step
from MedAssistLib.errors import CancelledError, UsageError
from MedAssistLib.progress import Cancellation, Progress, ProgressEvent
from Testing import orientations


@pytest.fixture(scope="module")
def half_head(mni_scan: Scan) -> Scan:
    """The MNI head at 2 mm, so that filters take a moment only."""
    return Scan(image=sitk.Shrink(mni_scan.image, [2, 2, 2]), modality="MR")


def test_curvature_equals_the_direct_itk_call(half_head: Scan) -> None:
    image = sitk.Cast(half_head.image, sitk.sitkFloat32)
    expected = sitk.CurvatureAnisotropicDiffusion(
        image, timeStep=2.0 / 16.0, conductanceParameter=2.0, numberOfIterations=3
    )
    step = parse_step("denoise.curvature:iterations=3,conductance=2")
    assert sitk.Hash(enhance(half_head, (step,)).image) == sitk.Hash(expected)


def test_n4_equals_the_direct_itk_call(half_head: Scan) -> None:
    image = sitk.Cast(half_head.image, sitk.sitkFloat32)
    small = sitk.Shrink(image, [2, 2, 2])
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([10, 10])
    n4.Execute(small, sitk.OtsuThreshold(small, 0, 1, 200))
    expected = image / sitk.Cast(sitk.Exp(n4.GetLogBiasFieldAsImage(image)), sitk.sitkFloat32)
    enhanced = enhance(half_head, (parse_step("bias.n4:iterations=10,levels=2"),))
    assert sitk.Hash(enhanced.image) == sitk.Hash(expected)


def test_n4_removes_a_bias_that_was_put_in(half_head: Scan) -> None:
    image = sitk.Cast(half_head.image, sitk.sitkFloat32)
    ramp = np.linspace(0.7, 1.3, image.GetSize()[0], dtype=np.float32)
    values = sitk.GetArrayFromImage(image)
    biased = geometry.from_array(values * ramp, image)
    corrected = enhance(Scan(image=biased, modality="MR"), (parse_step("bias.n4"),)).image
    white = values > 200

    def unevenness(image: sitk.Image) -> float:
        tissue = sitk.GetArrayFromImage(image)[white]
        return float(tissue.std() / tissue.mean())

    assert unevenness(corrected) < 0.6 * unevenness(biased)


def test_curvature_removes_noise_but_not_edges(half_head: Scan) -> None:
    clean = sitk.GetArrayFromImage(half_head.image).astype(np.float32)
    noise = np.random.default_rng(5).normal(0.0, 12.0, clean.shape).astype(np.float32)
    noisy = Scan(image=geometry.from_array(clean + noise, half_head.image), modality="MR")
    smooth = sitk.GetArrayFromImage(enhance(noisy, (parse_step("denoise.curvature"),)).image)
    assert np.square(smooth - clean).mean() < 0.5 * np.square(noise).mean()


@pytest.mark.parametrize("name", filter_kinds())
def test_a_filter_keeps_the_grid_and_leaves_the_scan_alone(small_scan: Scan, name: str) -> None:
    before = sitk.Hash(small_scan.image)
    enhanced = enhance(small_scan, (parse_step(name),))
    assert geometry.same_grid(enhanced.image, small_scan.image)
    assert sitk.Hash(small_scan.image) == before
    assert sitk.Hash(sitk.Cast(small_scan.image, sitk.sitkFloat32)) != sitk.Hash(enhanced.image)
    assert enhanced.enhancement[0].startswith(f"{name}:")


@pytest.mark.parametrize(("order", "flips"), orientations.ALL[5::7])
def test_orientation_does_not_change_the_result(
    half_head: Scan, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    step = parse_step("denoise.curvature:iterations=2")
    straight = sitk.Cast(enhance(half_head, (step,)).image, sitk.sitkFloat32)
    turned = enhance(Scan(image=orientations.stored(half_head.image, order, flips)), (step,)).image
    expected = orientations.stored(straight, order, flips)
    assert np.allclose(
        sitk.GetArrayViewFromImage(turned), sitk.GetArrayViewFromImage(expected), atol=0.01
    )


def test_default_chain_follows_the_modality() -> None:
    names = {kind: [step.kind.name for step in default_chain(kind)] for kind in ("MR", "CT", "")}
    assert names["MR"] == ["bias.n4", "denoise.curvature"]
    assert names["CT"] == names[""] == ["denoise.curvature"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("denois.curvature", 'Did you mean "denoise.curvature"'),
        ("bias.n4:iteration=3", 'Did you mean "iterations"'),
        ("bias.n4:iterations=3.5", "not a whole number"),
        ("bias.n4:iterations=many", "not a whole number"),
        ("bias.n4:working_spacing=-1", "from 1 to 10"),
        ("denoise.curvature:conductance=nan", "from 0.1 to 20"),
        ("denoise.curvature:conductance", "not a number"),
    ],
)
def test_a_mistyped_filter_or_option_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_step(text)


def test_a_step_is_written_as_it_is_read() -> None:
    text = "bias.n4:working_spacing=3.5,iterations=20,levels=2"
    assert str(parse_step(text)) == text


def test_progress_rises_to_the_end(half_head: Scan) -> None:
    events: list[ProgressEvent] = []
    enhance(half_head, progress=Progress(events.append))
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert {event.stage for event in events} == {
        "Enhancing (bias.n4)",
        "Enhancing (denoise.curvature)",
    }


@pytest.mark.parametrize("name", ["bias.n4:iterations=500", "denoise.curvature:iterations=100"])
def test_a_running_filter_can_be_cancelled(half_head: Scan, name: str) -> None:
    cancellation = Cancellation()
    timer = threading.Timer(0.3, cancellation.cancel)
    timer.start()
    with pytest.raises(CancelledError):
        enhance(half_head, (parse_step(name),), Progress(cancellation=cancellation))
    timer.join()
