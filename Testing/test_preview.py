"""The preview shows on one slice what the full run will give there, soon, and can be given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.enhance import (
    Chain,
    Preview,
    enhance,
    filter_kinds,
    make_step,
    parse_step,
    presets,
)
from MedAssistLib.errors import CancelledError, UsageError
from MedAssistLib.progress import Cancellation, Progress
from Testing import orientations

# Storage orders with each axis in each place, some of them flipped.
ORIENTATIONS = [orientations.ALL[0], orientations.ALL[21], orientations.ALL[38]]


@pytest.fixture(scope="module")
def thick(mni_scan: Scan) -> Scan:
    """A block of the MNI head with slices of 2.5 mm, oblique, with noise."""
    image = sitk.Cast(mni_scan.image[70:118, 90:134, 50:110], sitk.sitkFloat32)
    image = sitk.Resample(image, [48, 44, 24], sitk.Transform(), sitk.sitkLinear,
                          image.GetOrigin(), [1.0, 1.0, 2.5], image.GetDirection())  # fmt: skip
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.2, -0.1, 0.15)
    image.SetDirection(turn.GetMatrix())
    noise = np.random.default_rng(3).normal(0.0, 8.0, (24, 44, 48))
    values = np.maximum(sitk.GetArrayFromImage(image) + noise, 0.0).astype(np.float32)
    return Scan(image=geometry.from_array(values, image), modality="MR")


@pytest.fixture(scope="module")
def reference(thick: Scan, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("reference") / "other.nrrd"
    sitk.WriteImage(thick.image * 2.0, str(path))
    return str(path)


def steps_of(name: str, scan: Scan, reference: str) -> Chain:
    options = {"reference": reference} if name == "contrast.match" else {}
    return quick((make_step(name, options, scan.modality),))


def quick(chain: Chain) -> Chain:
    """The chain with a rougher bias field, which is found sooner."""
    rough = parse_step("bias.n4:iterations=5,levels=2")
    return tuple(rough if step.kind is rough.kind else step for step in chain)


def as_ct(scan: Scan) -> Scan:
    """The scan with values like those of CT."""
    return Scan(image=scan.image * 6.0 - 1000.0, modality="CT")


def exact(scan: Scan, chain: Chain, axis: int | str, index: int) -> sitk.Image:
    with Preview(scan) as preview:
        return preview.slice(chain, axis, index).image


def slice_of(image: sitk.Image, axis: int, index: int) -> sitk.Image:
    start, size = [0, 0, 0], list(image.GetSize())
    start[axis], size[axis] = index, 1
    return sitk.RegionOfInterest(image, size, start)


def require_same(shown: sitk.Image, full: sitk.Image, axis: int, index: int, share: float) -> None:
    """Fail unless a slice equals that of the full result within a share of its range."""
    expected = slice_of(full, axis, index)
    assert geometry.same_grid(shown, expected)
    values = sitk.GetArrayViewFromImage(full)
    apart = values_of(shown) - values_of(expected)
    assert np.abs(apart).max() <= share * (values.max() - values.min())


def values_of(image: sitk.Image) -> npt.NDArray[np.float64]:
    return sitk.GetArrayFromImage(image).astype(np.float64)


@pytest.mark.parametrize("number", range(len(ORIENTATIONS)))
@pytest.mark.parametrize("name", [n for n, k in filter_kinds().items() if k.keeps_grid])
def test_a_slice_of_every_filter_equals_the_full_run(
    thick: Scan, reference: str, name: str, number: int
) -> None:
    """Otherwise the person would choose a filter by a picture that its result is not like."""
    scan = Scan(image=orientations.stored(thick.image, *ORIENTATIONS[number]), modality="MR")
    chain = steps_of(name, scan, reference)
    full = enhance(scan, chain).image
    index = (0, 20, 23)[number]
    shown = exact(scan, chain, number, index)
    require_same(shown, full, number, index, filter_kinds()[name].tolerance)


@pytest.mark.parametrize("text", [
    "denoise.bilateral:sigma=1.5,contrast=30", "denoise.curvature:iterations=6,conductance=3",
    "denoise.flow:iterations=7", "denoise.gaussian:sigma=3", "denoise.gradient:iterations=6",
    "denoise.median:radius=2.4", "denoise.nonlocal:search=3,patch=2,rician=no",
    "denoise.nonlocal:search=1.2,rician=yes", "morphology.closing:radius=3.2",
    "morphology.opening:radius=5", "morphology.tophat:radius=4,side=dark",
    "sharpen.laplacian:sigma=3,amount=2", "sharpen.unsharp:sigma=4,amount=5",
    "structure.gradient:sigma=3", "structure.log:sigma=8",
    "structure.sheetness:contrast=20,sizes=1",
    "structure.vesselness:side=dark,smallest=0.5,largest=4,sizes=2",
])  # fmt: skip
def test_a_slice_equals_the_full_run_with_other_options_and_voxels(thick: Scan, text: str) -> None:
    """Slices are computed by another way than whole scans; long voxels would show a mixed axis."""
    image = thick.image[::-1, 3:, :]
    image.SetSpacing((0.6, 1.7, 1.1))
    scan = Scan(image=image, modality="MR")
    chain = (parse_step(text),)
    full = enhance(scan, chain).image
    with Preview(scan) as preview:
        for axis, size in enumerate(image.GetSize()):
            for index in (0, 1, size // 2, size - 1):
                shown = preview.slice(chain, axis, index).image
                require_same(shown, full, axis, index, chain[0].kind.tolerance)


@pytest.mark.parametrize("name", [n for n, k in filter_kinds().items() if k.part])
@pytest.mark.parametrize("thin", [0, 1, 2])
def test_a_slice_of_a_scan_of_two_equals_the_full_run(thick: Scan, name: str, thin: int) -> None:
    """What lies beyond the scan counts as in the full run on both sides at once."""
    cut = [slice(10, 12) if axis == thin else slice(0, 20) for axis in range(3)]
    scan = Scan(image=thick.image[tuple(cut)], modality="MR")
    chain = (make_step(name, {}, "MR"),)
    full = enhance(scan, chain).image
    for axis, index in ((thin, 1), ((thin + 1) % 3, 7)):
        require_same(exact(scan, chain, axis, index), full, axis, index, chain[0].kind.tolerance)


@pytest.mark.parametrize("name", presets())
def test_a_slice_of_every_preset_equals_the_full_run(thick: Scan, name: str) -> None:
    chosen = presets()[name]
    scan = as_ct(thick) if chosen.modality == "CT" else thick
    chain = quick(chosen.chain)
    full = enhance(scan, chain).image
    shown = exact(scan, chain, 2, 17)
    share = sum(step.kind.tolerance for step in chain)
    require_same(shown, full, 2, 17, share)


@pytest.mark.parametrize("name", ["denoise.median", "morphology.opening", "contrast.window"])
def test_where_a_scan_holds_no_number_the_slice_equals_the_full_run(thick: Scan, name: str) -> None:
    """The least value of the whole scan stands there, not that of the slices around."""
    image = thick.image + 50.0
    image[20, 20, 10] = -500.0
    image[30, 30, 20] = float("nan")
    scan = Scan(image=image, modality="MR")
    chain = (parse_step(name, "MR"),)
    full = enhance(scan, chain).image
    require_same(exact(scan, chain, 2, 20), full, 2, 20, 1e-5)


def test_a_long_chain_gets_the_context_that_all_its_filters_need(thick: Scan) -> None:
    names = ("denoise.median:radius=3", "sharpen.unsharp:sigma=2", "morphology.opening:radius=3")
    chain = tuple(parse_step(name) for name in names)
    full = enhance(thick, chain).image
    for axis, index in ((0, 30), (1, 0), (2, 23)):
        require_same(exact(thick, chain, axis, index), full, axis, index, 1e-5)


def test_what_a_filter_knows_of_the_whole_comes_from_the_image_that_it_gets(thick: Scan) -> None:
    """Equalising is spread over the greys after the median, not those of the noisy scan."""
    chain = (parse_step("denoise.median:radius=2"), parse_step("contrast.equalise"))
    full = enhance(thick, chain).image
    require_same(exact(thick, chain, 2, 10), full, 2, 10, 0.0)


@pytest.mark.parametrize("name", ["geometry.resample:spacing=2", "geometry.crop",
                                  "geometry.reorient:orientation=SAR"])  # fmt: skip
def test_with_another_grid_the_nearest_slice_of_it_is_shown(thick: Scan, name: str) -> None:
    chain = (parse_step(name), parse_step("denoise.gaussian"))
    full = enhance(thick, chain).image
    shown = exact(thick, chain, 2, 12)
    across = int(np.argmin(shown.GetSize()))
    wanted = thick.image.TransformContinuousIndexToPhysicalPoint([23.5, 21.5, 12])
    index = round(full.TransformPhysicalPointToContinuousIndex(wanted)[across])
    require_same(shown, full, across, index, 1e-5)


def test_planes_have_the_names_that_doctors_use(thick: Scan) -> None:
    turned = Scan(image=sitk.PermuteAxes(thick.image, [2, 0, 1]), modality="MR")
    with Preview(turned) as preview:
        sizes = {
            plane: preview.slice((), plane, 5).image.GetSize()
            for plane in ("axial", "sagittal", "coronal")
        }
    assert sizes == {"axial": (1, 48, 44), "sagittal": (24, 1, 44), "coronal": (24, 48, 1)}


def test_without_filters_the_scan_is_shown(thick: Scan) -> None:
    with Preview(thick) as preview:
        (shown,) = preview.show((), 1, 7)
    require_same(shown.image, thick.image, 1, 7, 0.0)


@pytest.fixture
def large() -> Scan:
    """A made-up CT of 512×512×24 with edges and noise, for times."""
    noise = np.random.default_rng(1).normal(0.0, 20.0, (24, 512, 512))
    noise[:, 100:400, 100:400] += 200.0
    image = sitk.GetImageFromArray(noise.astype(np.int16))
    image.SetSpacing((0.7, 0.7, 1.5))
    return Scan(image=image, modality="CT")


@pytest.mark.alone
def test_a_slow_filter_shows_a_draft_first_in_place(large: Scan) -> None:
    """A person who drags a slider must see something, and where it belongs."""
    chain = (parse_step("denoise.curvature:iterations=10"),)
    with Preview(large) as preview:
        began = time.perf_counter()
        drafted = preview.draft(chain, "axial", 12)
        first = time.perf_counter() - began
    assert not drafted.exact
    assert geometry.same_grid(drafted.image, slice_of(large.image, 2, 12))
    inside = values_of(drafted.image)[0, 150:350, 150:350]
    assert abs(inside.mean() - 200.0) < 2.0
    assert inside.std() < 15.0
    assert first < 5.0  # Generous: the machine may be busy.


def test_a_fast_chain_is_exact_at_once(large: Scan) -> None:
    chain = (parse_step("contrast.window", "CT"),)
    with Preview(large, budget_s=5.0) as preview:
        preview.slice(chain, 2, 3)
        (shown,) = preview.show(chain, 2, 4)
    assert shown.exact


def test_a_newer_request_ends_the_older_one(large: Scan) -> None:
    """Otherwise pictures of a chain that was given up would come in late."""
    chain = (parse_step("denoise.curvature:iterations=10"),)
    with Preview(large) as preview:
        older = preview.show(chain, 2, 12)
        next(older)
        newer = preview.show((), 2, 12)
        with pytest.raises(CancelledError):
            next(older)
        assert next(newer).exact


@pytest.mark.parametrize("name", [
    "denoise.curvature:iterations=100", "denoise.nonlocal:search=8", "denoise.median:radius=5",
    "denoise.bilateral:sigma=3", "morphology.opening:radius=10",
])  # fmt: skip
@pytest.mark.alone
def test_an_exact_slice_can_be_given_up_within_a_second(large: Scan, name: str) -> None:
    cancellation = Cancellation()
    cancelled = []

    def cancel() -> None:
        cancelled.append(time.perf_counter())
        cancellation.cancel()

    timer = threading.Timer(0.5, cancel)
    timer.start()
    with Preview(large) as preview, pytest.raises(CancelledError):
        preview.slice((parse_step(name),), 2, 12, Progress(cancellation=cancellation))
    assert time.perf_counter() - cancelled[0] < 2.0  # One, on a machine with nothing else to do.


def test_what_was_learnt_of_the_whole_scan_is_kept(thick: Scan, counted: list[str]) -> None:
    """Scrolling must not fit the bias field again for each slice."""
    chain = (parse_step("bias.n4:iterations=5,levels=2"), parse_step("contrast.equalise"))
    with Preview(thick) as preview:
        for index in (3, 4, 5):
            preview.slice(chain, 2, index)
    assert counted == ["contrast.equalise"]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the filters that prepared themselves."""
    names: list[str] = []
    kind = filter_kinds()["contrast.equalise"]
    prepare = kind.prepare

    def count(*arguments: object) -> object:
        names.append(kind.name)
        return prepare(*arguments)  # type: ignore[misc,arg-type]

    object.__setattr__(kind, "prepare", count)
    yield names
    object.__setattr__(kind, "prepare", prepare)


def test_the_scan_is_not_changed(thick: Scan) -> None:
    before = sitk.Hash(thick.image)
    with Preview(thick) as preview:
        for name in filter_kinds():
            if name != "contrast.match":
                preview.draft((make_step(name, {}, "MR"),), 2, 10)
    assert sitk.Hash(thick.image) == before


@pytest.mark.parametrize(
    ("axis", "index", "message"),
    [
        (3, 0, "Give 0, 1 or 2"),
        (2, 24, "from 0 to 23"),
        (2, -1, "from 0 to 23"),
        ("axail", 0, 'Did you mean "axial"'),
    ],
)
def test_a_slice_that_does_not_exist_is_named(
    thick: Scan, axis: int | str, index: int, message: str
) -> None:
    with Preview(thick) as preview, pytest.raises(UsageError) as caught:
        preview.draft((), axis, index)
    assert message in str(caught.value)
