"""The engine's parts: interpolation, tiles, sums by slab, labels between voxels."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from MedAssistLib.errors import InputError, ModelError, UsageError
from MedAssistLib.models.plan import Normalisation, Resampling, Scheme
from MedAssistLib.segment.engine import TiledOptions, estimate
from MedAssistLib.segment.engine.accumulate import Accumulator
from MedAssistLib.segment.engine.memory import Settings, is_out_of_memory, ladder
from MedAssistLib.segment.engine.normalise import normalise
from MedAssistLib.segment.engine.place import Stream, Whole, label_table, placer
from MedAssistLib.segment.engine.prepare import Placement, Turn, prepare
from MedAssistLib.segment.engine.resample import (
    Interpolation,
    interpolation,
    new_size,
    resample,
)
from MedAssistLib.segment.engine.tiles import gaussian, starts, tile
from Testing import tiny_models

sizes = st.tuples(*[st.integers(1, 13)] * 3)


def noise(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=size).astype(np.float32))


@pytest.mark.parametrize(("old", "new"), [((9, 20, 14), (13, 11, 14)), ((3, 5, 30), (30, 1, 4))])
@pytest.mark.parametrize("order", [0, 1, 3])
def test_interpolation_is_scipys(
    old: tuple[int, int, int], new: tuple[int, int, int], order: int
) -> None:
    """A model would see another scan than the one it was trained on."""
    volume = noise(1, *old)
    zoom = np.divide(new, old)
    expected = ndimage.zoom(
        volume[0].double().numpy(), zoom, order=order, mode="nearest", grid_mode=True
    ).clip(float(volume.min()), float(volume.max()))
    ours = resample(volume, new, Interpolation((order,) * 3))
    assert ours.shape == (1, *new)
    assert np.abs(ours[0].numpy() - expected).max() < 1e-5


@pytest.mark.parametrize(("order", "axis"), [(3, None), (3, 0), (3, 2), (1, None), (1, 0), (0, 0)])
def test_a_slab_is_the_same_as_in_the_whole(order: int, axis: int | None) -> None:
    """There would be a seam between slabs."""
    volume, size = noise(2, 12, 9, 10), (31, 12, 7)
    orders = tuple(0 if a == axis else order for a in range(3))
    how = Interpolation(orders, axis)  # type: ignore[arg-type]
    whole = resample(volume, size, how)
    slabs = [resample(volume, size, how, rows) for rows in ((0, 1), (1, 14), (14, 31))]
    assert torch.allclose(torch.cat(slabs, 1), whole, atol=1e-6)


def test_a_cubic_never_leaves_the_range_of_the_scan() -> None:
    """Air would become darker than air beside bone."""
    volume = torch.zeros(1, 10, 10, 10)
    volume[:, 5:] = 1000.0
    result = resample(volume, (27, 10, 10), Interpolation((3, 3, 3)))
    assert (float(result.min()), float(result.max())) == (0.0, 1000.0)


@pytest.mark.parametrize(
    ("old", "new", "apart", "axis"),
    [
        ((1.0, 1.0, 1.0), (2.0, 2.0, 2.0), None, None),
        ((5.0, 1.0, 1.0), (1.0, 1.0, 1.0), None, 0),
        ((1.0, 1.0, 1.0), (1.0, 1.0, 5.0), None, 2),
        ((3.0, 1.0, 1.0), (1.0, 1.0, 1.0), None, None),
        ((1.0, 5.0, 5.0), (1.0, 1.0, 1.0), None, None),
        ((5.0, 1.0, 1.0), (1.0, 1.0, 1.0), False, None),
        ((1.0, 1.2, 1.0), (1.0, 1.0, 1.0), True, 1),
    ],
)
def test_a_coarse_axis_is_taken_apart(
    old: tuple[float, ...], new: tuple[float, ...], apart: bool | None, axis: int | None
) -> None:
    """Thick slices would be blurred into each other."""
    how = interpolation(Resampling(order=3, apart=apart), old, new)
    assert how.apart == axis
    assert how.orders == tuple(0 if a == axis else 3 for a in range(3))


def test_an_unknown_spline_is_refused() -> None:
    with pytest.raises(ModelError, match="order 2"):
        resample(noise(1, 4, 4, 4), (5, 5, 5), Interpolation((2, 2, 2)))


def test_colours_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="colours from 0 to 255"):
        normalise(noise(1, 4, 4, 4), [Normalisation(scheme=Scheme.RGB)])


def test_a_mask_keeps_the_outside_at_zero() -> None:
    """The empty surroundings would become a grey that no training scan had."""
    volume = noise(1, 6, 6, 6) + 50.0
    volume[:, :3] = 0.0
    how = Normalisation(scheme=Scheme.Z_SCORE, within_mask=True)
    normalise(volume, [how], volume[0] != 0)
    assert not volume[:, :3].any()
    assert abs(float(volume[:, 3:].mean())) < 1e-5
    assert float(volume[:, 3:].std(correction=0)) == pytest.approx(1.0, abs=1e-5)


@given(size=st.integers(1, 400), patch=st.integers(1, 90), step=st.floats(0.1, 1.0))
@settings(max_examples=200, deadline=None)
def test_tiles_leave_no_gap(size: int, patch: int, step: float) -> None:
    """Part of the scan would not be segmented."""
    size = max(size, patch)
    line = starts(size, patch, step)
    assert line[0] == 0
    assert line[-1] == size - patch
    assert all(0 <= b - a <= max(patch * step + 1, 1) for a, b in itertools.pairwise(line))


def test_a_tiles_middle_counts_most_and_nothing_counts_zero() -> None:
    weight = gaussian((32, 20, 7))
    assert weight[16, 10, 3] == weight.max() == 1.0
    assert weight.min() > 0.0


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("size", [(31, 14, 23), (5, 30, 9), (8, 12, 10)])
def test_sums_by_slab_are_the_sums(size: tuple[int, int, int], flat: bool) -> None:
    """Labels would depend on how much memory there was."""
    plan = tiny_models.plan(patch=tiny_models.PATCH[1:] if flat else tiny_models.PATCH)
    tiling = tile(size, plan, 0.4)
    total, weights = torch.zeros(2, *tiling.size), torch.zeros(tiling.size)
    slabs: list[torch.Tensor] = []
    sums = Accumulator(tiling, 2, torch.float32, "cpu", lambda rows: slabs.append(rows.clone()))
    for number, start in enumerate(tiling.starts):
        scores = noise(2, *tiling.patch, seed=number)
        box = tuple(slice(s, s + p) for s, p in zip(start, tiling.patch, strict=True))
        total[:, *box] += scores * gaussian(tiling.patch)
        weights[box] += gaussian(tiling.patch)
        sums.add(start, scores)
    sums.finish()
    expected = (total / weights)[:, *tiling.inner]
    assert torch.allclose(torch.cat(slabs, 1), expected, atol=1e-5)
    assert len(slabs) > 1 or size[0] <= tiling.patch[0]


def scores_like(size: tuple[int, int, int], outputs: int, seed: int) -> torch.Tensor:
    """Return scores with structures in them: smooth, each output best somewhere."""
    coarse = noise(1, outputs, 3, 3, 3, seed=seed)
    smooth = torch.nn.functional.interpolate(coarse, size, mode="trilinear")[0]
    return 8.0 * smooth + 0.3 * noise(outputs, *size, seed=seed + 1)


def placement(model: tuple[int, int, int], native: tuple[int, int, int]) -> Placement:
    spacing = tuple(n / m for n, m in zip(native, model, strict=True))
    turn = Turn((0, 1, 2), ())
    box = tuple(slice(0, n) for n in native)
    return Placement(turn, native, box, (1.0, 1.0, 1.0), model, spacing)  # type: ignore[arg-type]


@given(
    grids=st.tuples(sizes, sizes),
    outputs=st.sampled_from([1, 2, 3, 9, 40]),
    regions=st.booleans(),
    apart=st.sampled_from([None, False]),
    seed=st.integers(0, 5),
)
@settings(max_examples=80, deadline=None)
def test_labels_row_by_row_are_those_of_all_scores_at_once(
    grids: tuple[tuple[int, int, int], tuple[int, int, int]],
    outputs: int,
    regions: bool,
    apart: bool | None,
    seed: int,
) -> None:
    """A structure's border would move, or a small structure vanish."""
    painted = tuple(range(1, outputs + 1)) if regions else ()
    plan = tiny_models.plan(
        outputs=outputs, regions=painted, scores=Resampling(order=1, apart=apart)
    )
    place = placement(*grids)
    scores = scores_like(grids[0], outputs, seed)
    stream = placer(plan, place, "cpu", whole=False)
    whole = placer(plan, place, "cpu", whole=True)
    assert isinstance(stream, Stream)
    assert isinstance(whole, Whole)
    for one in (stream, whole):
        one.add(scores[:, :1])
        one.add(scores[:, 1:])
    differ = stream.labels() != whole.labels()
    # Two outputs may be equal to the last bit.
    likely = np.sort(whole.probabilities(), axis=0)
    top = likely[-1] - likely[-2] if outputs > 1 and not regions else np.abs(likely - 0.5).min(0)
    assert top[differ].max(initial=0.0) < 1e-5


def test_more_than_255_labels_fit() -> None:
    """Label 256 would become background."""
    table = label_table(tiny_models.plan(outputs=300))
    assert table[299] == 299
    assert label_table(tiny_models.plan(outputs=256)).dtype == np.uint8


def test_the_model_sees_its_spacing_orientation_and_axes() -> None:
    scan = tiny_models.scan((17, 22, 19), (1.0, 0.9, 1.6))
    plan = tiny_models.plan(
        orientation="SRA",
        transpose=(1, 2, 0),
        spacing=(),
        crop_to_nonzero=False,
        normalisation=(Normalisation(scheme=Scheme.NONE),),
    )
    prepared = prepare([scan], plan, "cpu")
    # Axes (k, j, i) are (A, R, S), then in the order (j, k... of the plan: R, S, A.
    assert prepared.placement.spacing == (1.0, 1.6, 0.9)
    turned = sitk.GetArrayFromImage(sitk.DICOMOrient(scan.image, "SRA"))
    assert np.array_equal(prepared.data[0].numpy(), turned.transpose(1, 2, 0))


def test_the_ladder_asks_for_less_at_every_rung() -> None:
    """It would try the same thing again, or give up although less would do."""
    first = Settings(device="cuda", keep="cuda", batch=4)
    rungs = list(ladder(first))
    words = [word for word, _ in rungs]
    assert words == [
        "2 tiles at once",
        "one tile",
        "sums of scores in half precision",
        "scan and scores in main memory",
        "everything on the processor",
    ]
    plan = tiny_models.plan(outputs=60, patch=(96, 96, 96))
    needs = [
        estimate((400, 500, 500), (1.5, 0.8, 0.8), plan, rung).on("cuda", rung)
        for rung in (first, *(rung for _, rung in rungs))
    ]
    assert all(a > b for a, b in itertools.pairwise(needs))
    assert needs[-1] == 0


def test_an_estimate_grows_with_what_is_asked_for() -> None:
    plan, rung = tiny_models.plan(outputs=118), Settings(device="cpu", keep="cpu", batch=1)
    size, spacing = (400, 512, 512), (1.7, 0.7, 0.7)
    usual = estimate(size, spacing, plan, rung)
    everything = estimate(size, spacing, plan, rung, probabilities=True)
    native = 4 * 118 * math.prod(size)
    # By slab, the scores on the scan's grid are never there at once.
    assert usual.on("cpu", rung) < native / 4
    assert everything.on("cpu", rung) > native


def test_out_of_memory_is_known_on_every_device() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert is_out_of_memory(
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
    )
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


@pytest.mark.parametrize("wrong", [{"step": 0.0}, {"step": 1.5}, {"batch": 0}])
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        TiledOptions(**wrong)  # type: ignore[arg-type]


def test_sizes_are_rounded_like_nnunets() -> None:
    assert new_size((10, 5, 3), (1.0, 1.0, 1.0), (4.0, 2.0, 20.0)) == (2, 2, 1)
