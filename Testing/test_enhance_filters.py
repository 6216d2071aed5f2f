"""Filters: each is ITK's own call, needs no more of the image than it says, and turns with it."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.enhance import Step, enhance
from MedAssistLib.enhance.filters import filter_kinds
from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.errors import CancelledError, InputError, UsageError
from MedAssistLib.progress import Cancellation, Progress
from Testing import orientations

KINDS = filter_kinds()
# Its own tests are beside it: it runs on the graphics card as well.
ELSEWHERE = {"denoise.nonlocal"}
NAMES = [name for name in KINDS if name not in ELSEWHERE]
SAME_GRID = [name for name in NAMES if KINDS[name].keeps_grid]


@pytest.fixture(scope="module")
def head(mni_scan: Scan) -> sitk.Image:
    """A part of the MNI head with slices twice as thick as its voxels are wide: 2×2×4 mm."""
    image = sitk.Shrink(sitk.Cast(mni_scan.image, sitk.sitkFloat32), [2, 2, 4])
    return image[10:80, 14:94, 6:40]


@pytest.fixture(scope="module")
def reference(head: sitk.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The head with other grey values, as a file."""
    path = tmp_path_factory.mktemp("reference") / "reference.nii.gz"
    sitk.WriteImage(sitk.Sqrt(head) * 30 + 5, path)
    return path


def options_of(name: str, reference: Path, given: str = "", modality: str = "") -> object:
    values = dict(pair.split("=") for pair in given.split(",") if pair)
    if name == "contrast.match":
        values["reference"] = str(reference)
    if name == "bias.n4":  # A rough field is found sooner.
        values = {"iterations": "5", "levels": "2"} | values
    return KINDS[name].options.make(values, modality)


def applied(name: str, image: sitk.Image, reference: Path, given: str = "") -> sitk.Image:
    return KINDS[name].apply(image, options_of(name, reference, given), Progress())


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def spread(image: sitk.Image) -> float:
    return float(np.ptp(array(image))) or 1.0


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


@pytest.mark.parametrize(("name", "given", "direct"), DIRECT, ids=lambda v: str(v)[:40])
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


@pytest.mark.parametrize("name", NAMES)
def test_the_image_stays_as_it_was(head: sitk.Image, reference: Path, name: str) -> None:
    before = sitk.Hash(head)
    result = applied(name, head, reference)
    assert sitk.Hash(head) == before
    assert result.GetPixelID() == sitk.sitkFloat32
    assert np.isfinite(array(result)).all()
    if KINDS[name].keeps_grid:
        assert geometry.same_grid(result, head)
        assert sitk.Hash(result) != before


def slab_of(image: sitk.Image, axis: int, at: int, reach: float) -> tuple[sitk.Image, int]:
    """Return the slices within ``reach`` mm of one, and where this one is among them."""
    around = math.ceil(reach / image.GetSpacing()[axis] - 1e-6)
    first, stop = max(at - around, 0), min(at + around + 1, image.GetSize()[axis])
    if stop - first < 2:  # A volume has two slices at least.
        first, stop = (at, at + 2) if at + 2 <= image.GetSize()[axis] else (at - 1, at + 1)
    cut = [slice(None)] * 3
    cut[axis] = slice(first, stop)
    return image[tuple(cut)], at - first


def plane(image: sitk.Image, axis: int, at: int) -> np.ndarray:
    return np.take(array(image), at, 2 - axis)


@pytest.mark.parametrize("name", SAME_GRID)
def test_a_slab_gives_the_same_slice_as_the_whole(
    head: sitk.Image, reference: Path, name: str
) -> None:
    """The preview runs a filter on a slab: a reach that is too short would show another image."""
    kind = KINDS[name]
    options = options_of(name, reference)
    whole = kind.apply(head, options, Progress())
    limit = kind.tolerance * spread(whole)
    state = kind.prepare(head, options, Progress()) if kind.prepare else None
    for axis, at in ((2, 17), (0, 33), (2, 0)):
        reach = kind.reach(options, head.GetSpacing()[axis])
        slab, middle = slab_of(head, axis, at, reach)
        if kind.part:
            wanted = (axis, middle, middle + 1)
            part, middle = kind.part(slab, options, Progress(), state, wanted), 0
        else:
            part = kind.apply(slab, options, Progress(), state)
        apart = np.abs(plane(part, axis, middle) - plane(whole, axis, at)).max()
        assert apart <= limit, f"{apart / spread(whole):.2g} of the range, axis {axis}, slice {at}"


@pytest.mark.parametrize("name", [n for n in SAME_GRID if KINDS[n].prepare and KINDS[n].coarse])
def test_a_coarse_copy_of_the_whole_is_enough_to_prepare(
    head: sitk.Image, reference: Path, name: str
) -> None:
    kind = KINDS[name]
    options = options_of(name, reference)
    whole = kind.apply(head, options, Progress())
    state = kind.prepare(sitk.Shrink(head, [2, 2, 1]), options, Progress())
    coarse = kind.apply(head, options, Progress(), state)
    apart = np.abs(array(coarse) - array(whole))
    assert np.percentile(apart, 99) <= kind.tolerance * spread(whole)


@pytest.mark.parametrize("name", SAME_GRID)
def test_orientation_does_not_change_the_result(
    head: sitk.Image, reference: Path, name: str
) -> None:
    expected = applied(name, head, reference)
    for order, flips in orientations.ALL[9::19]:
        turned = applied(name, orientations.stored(head, order, flips), reference)
        apart = array(turned) - array(orientations.stored(expected, order, flips))
        assert np.abs(apart).max() <= 1e-3 * spread(expected)


@pytest.mark.parametrize("name", ["geometry.crop", "geometry.resample", "geometry.reorient"])
def test_a_filter_that_moves_the_grid_moves_it_the_same_way_in_every_orientation(
    head: sitk.Image, reference: Path, name: str
) -> None:
    given = {"geometry.resample": "spacing=3"}.get(name, "")
    expected = sitk.DICOMOrient(applied(name, head, reference, given), "LPS")
    for order, flips in orientations.ALL[9::19]:
        result = applied(name, orientations.stored(head, order, flips), reference, given)
        turned = sitk.DICOMOrient(result, "LPS")
        assert geometry.same_grid(turned, expected)
        assert np.allclose(array(turned), array(expected), atol=1e-3 * spread(expected))


def test_resampling_puts_values_where_they_were(reference: Path) -> None:
    """A grid shifted by half a voxel is the classic mistake."""
    k, j, i = np.mgrid[:12, :20, :24].astype(np.float32)
    image = sitk.GetImageFromArray(5 * i + 3 * j + 2 * k)
    image.SetSpacing((0.8, 0.9, 3.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    for spacing in (0.7, 1.0, 2.0):
        result = applied("geometry.resample", image, reference, f"spacing={spacing}")
        assert result.GetSpacing() == pytest.approx((spacing,) * 3)
        centre = result.TransformContinuousIndexToPhysicalPoint(
            [(n - 1) / 2 for n in result.GetSize()]
        )
        assert image.TransformPhysicalPointToContinuousIndex(centre) == pytest.approx(
            [11.5, 9.5, 5.5]
        )
        index = [n // 2 for n in result.GetSize()]
        at = image.TransformPhysicalPointToContinuousIndex(
            result.TransformIndexToPhysicalPoint(index)
        )
        assert result[index] == pytest.approx(np.dot(at, (5, 3, 2)), abs=0.01)


def test_resampling_coarser_leaves_no_false_pattern(reference: Path) -> None:
    """Every other row bright: without a blur, each fourth voxel would show stripes or nothing."""
    values = np.zeros((8, 40, 40), dtype=np.float32)
    values[:, ::2] = 100.0
    result = array(
        applied("geometry.resample", sitk.GetImageFromArray(values), reference, "spacing=3")
    )
    inner = result[1:-1, 2:-2, 2:-2]
    assert np.abs(inner - 50.0).max() < 15.0


def test_a_resampling_that_no_machine_can_hold_is_refused(reference: Path) -> None:
    image = sitk.Image(512, 512, 20, sitk.sitkFloat32)
    with pytest.raises(UsageError, match="Give a larger spacing"):
        applied("geometry.resample", image, reference, "spacing=0.05")


def test_cropping_keeps_the_body_with_its_margin(reference: Path) -> None:
    values = np.full((20, 60, 50), -1000.0, dtype=np.float32)
    values[6:15, 20:40, 10:30] = 40.0
    values[:, 55, :] = 200.0  # A table below, as thin as tables are.
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.0, 1.0, 2.0))
    options = KINDS["geometry.crop"].options.make({"margin": 4}, "CT")
    result = KINDS["geometry.crop"].apply(image, options, Progress())
    first = np.array(image.TransformPhysicalPointToIndex(result.GetOrigin()))
    last = first + result.GetSize() - 1
    # The body is found on voxels of 3 mm.
    assert (np.array((6, 16, 4)) - first).tolist() == pytest.approx([1.5, 1.5, 0.5], abs=1.5)
    assert (last - (33, 43, 16)).tolist() == pytest.approx([1.5, 1.5, 0.5], abs=1.5)


def test_a_tube_answers_to_vesselness_and_a_plate_to_sheetness(reference: Path) -> None:
    """Exchanged dimensions would show bones as vessels."""
    values = np.zeros((30, 40, 40), dtype=np.float32)
    values[:, 9:12, 9:12] = 200.0
    values[:, 28:30, :] = 200.0
    image = sitk.GetImageFromArray(values)
    given = "smallest=1,largest=2,sizes=2,contrast=100"
    tubes = array(applied("structure.vesselness", image, reference, given))
    plates = array(applied("structure.sheetness", image, reference, given))
    assert tubes[15, 10, 10] > 0.5
    assert tubes[15, 28, 20] < 0.2
    assert plates[15, 28, 20] > 0.5 > plates[15, 10, 10]
    dark = array(applied("structure.vesselness", image * -1, reference, given + ",side=dark"))
    assert np.allclose(dark, tubes, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_volume_of_two_slices_is_no_obstacle(
    head: sitk.Image, reference: Path, name: str
) -> None:
    """ITK's recursive Gaussians, for one, refuse fewer than four."""
    assert np.isfinite(array(applied(name, head[:, :, 16:18], reference))).all()


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_image_gives_a_result_or_one_line(
    head: sitk.Image, reference: Path, name: str
) -> None:
    with contextlib.suppress(InputError):  # Which is one line by what it is.
        result = applied(name, head[:20, :20, :6] * 0 + 7, reference)
        assert np.isfinite(array(result)).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_a_hole_of_no_number_does_not_stop_a_filter(
    head: sitk.Image, reference: Path, name: str
) -> None:
    image = head[:30, :30, :10]
    image[3, 4, 5] = math.nan
    step = Step(KINDS[name], options_of(name, reference))
    assert np.isfinite(array(enhance(Scan(image=image), (step,)).image)).all()


def test_gamma_makes_a_number_of_the_darkest_value(reference: Path) -> None:
    """A lower end that float32 rounds up would leave a little less than 0 there, and its power."""
    values = np.linspace(0.1, 5.0, 4096, dtype=np.float32).reshape(4, 32, 32)
    image = sitk.GetImageFromArray(values)
    for low in np.random.default_rng(2).uniform(0.1, 4.0, 50):
        result = array(applied("contrast.gamma", image, reference, f"low={low!s},high=5"))
        assert np.isfinite(result).all()


@pytest.mark.parametrize("name", ["denoise.median", "denoise.bilateral", "denoise.gaussian"])
def test_a_denoiser_works_on_coarse_voxels_too(
    head: sitk.Image, reference: Path, name: str
) -> None:
    """A default in mm that is less than a voxel would do nothing."""
    noise = np.random.default_rng(8).normal(0.0, 5.0, head.GetSize()[::-1]).astype(np.float32)
    for spacing in (0.3, 1.0, 5.0):
        image = sitk.GetImageFromArray(noise)
        image.SetSpacing([spacing] * 3)
        assert array(applied(name, image, reference)).std() < 0.7 * noise.std()


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


@pytest.mark.parametrize("name", KINDS)
def test_a_running_filter_stops_within_a_second(mni_scan: Scan, reference: Path, name: str) -> None:
    image = sitk.Cast(mni_scan.image, sitk.sitkFloat32)
    image.SetSpacing((0.7, 0.7, 1.5))
    cancellation = Cancellation()
    asked: list[float] = []

    def ask() -> None:
        asked.append(time.monotonic())
        cancellation.cancel()

    timer = threading.Timer(0.3, ask)
    timer.start()
    options = options_of(name, reference, SLOW.get(name, ""))
    with contextlib.suppress(CancelledError):
        KINDS[name].apply(image, options, Progress(cancellation=cancellation))
        assert name not in SLOW, "it was done before it could be stopped"
    late = time.monotonic() - asked[0] if asked else 0.0
    timer.cancel()
    assert late < STOPS_WITHIN_S + LOAD_S


@pytest.mark.parametrize("kind", [KINDS[name] for name in NAMES], ids=lambda kind: kind.name)
def test_a_filter_explains_itself(kind: FilterKind) -> None:
    """The command line and the panel show only what is written here."""
    assert kind.help.endswith(".")
    assert "use it" in kind.help.lower()
    assert 0.0 < kind.tolerance <= 0.05
    for entry in dataclasses.fields(kind.options):
        about = kind.options.domains()[entry.name]
        assert about.help
        assert not about.help.endswith(".")
        assert about.unit not in ("voxel", "voxels", "px")
        assert about.limits()


@pytest.mark.parametrize("kind", [KINDS[name] for name in NAMES], ids=lambda kind: kind.name)
def test_options_are_read_back_as_they_are_written(kind: FilterKind) -> None:
    given = {"reference": "scan.nii.gz"} if kind.name == "contrast.match" else {}
    for modality in ("", "CT", "MR"):
        options = kind.options.make(given, modality)
        assert kind.options.make(options.texts(), modality) == options


def test_defaults_follow_the_modality_and_give_way_to_the_user() -> None:
    window = KINDS["contrast.window"].options
    assert (window.make({}, "CT").width, window.make({}, "MR").width) == (400.0, None)
    assert (window.make({"width": "auto"}, "CT").width, window.make({}, "CT").level) == (None, 40.0)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("denoise.gaussian", {"sigma": "-1"}, "sigma=-1 is out of range. Give a value from 0.1"),
        ("denoise.gaussian", {"sigma": "nan"}, "sigma=nan is out of range"),
        ("denoise.gaussian", {"sgma": "1"}, 'no option "sgma". Did you mean "sigma"'),
        ("structure.log", {"sigma": "auto"}, "sigma=auto is not a number"),
        ("denoise.flow", {"iterations": "2.5"}, "iterations=2.5 is not a whole number"),
        ("denoise.flow", {"iterations": 2.5}, "iterations=2.5 is not a whole number"),
        ("contrast.window", {"width": "0"}, "width=0 is out of range"),
        ("contrast.match", {}, "reference= is missing. Give the path of a file"),
        ("contrast.rescale", {"minimum": 2}, "minimum=2 is not below maximum=1"),
        ("morphology.tophat", {"side": "brigth"}, 'not possible. Did you mean "bright"'),
        ("geometry.reorient", {"orientation": "RAX"}, "orientation=RAX is not possible"),
        ("structure.vesselness", {"largest": 0.5}, "largest=0.5 is below smallest=1"),
    ],
)
def test_a_bad_option_is_one_line(name: str, given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        KINDS[name].options.make(given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_range_is_refused(head: sitk.Image, reference: Path) -> None:
    with pytest.raises(UsageError, match="from 50 to 20 is empty"):
        applied("contrast.gamma", head, reference, "low=50,high=20")


@pytest.mark.parametrize("content", [None, b"no image"])
def test_a_reference_that_is_no_image_is_named(
    head: sitk.Image, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "reference.nrrd"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        applied("contrast.match", head, path)
    assert "reference.nrrd" in str(caught.value)


def test_an_error_of_itk_becomes_one_line() -> None:
    tiny = sitk.Image(2, 2, 2, sitk.sitkFloat32)
    with pytest.raises(InputError, match="cannot be used on this scan") as caught:
        run(sitk.SmoothingRecursiveGaussianImageFilter(), Progress(), tiny)
    assert "\n" not in str(caught.value)
