"""The engine from scans to labels: any orientation, any size, any amount of memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.errors import CancelledError, InputError, ModelError, ResourceError
from MedAssistLib.models.plan import Normalisation, Scheme, TiledModel
from MedAssistLib.progress import Cancellation, Progress, ProgressEvent
from MedAssistLib.segment.engine import TiledOptions, estimate, run_tiled
from MedAssistLib.segment.engine.memory import Settings
from MedAssistLib.segment.engine.prepare import prepare, turned_size
from MedAssistLib.segment.engine.resample import interpolation, resample
from MedAssistLib.segment.engine.tiles import gaussian, tile
from Testing import orientations, tiny_models

CT = Normalisation(scheme=Scheme.CT, low=0.0, high=120.0, mean=60.0, deviation=20.0)


def all_at_once(scan: Scan, model: TiledModel, step: float) -> np.ndarray:
    """Return the labels computed the plain way, with every array in full, axes (k, j, i)."""
    plan, (load,) = model.plan, model.members
    prepared = prepare([scan], plan, "cpu")
    tiling = tile(prepared.data.shape[1:], plan, step)
    data = tiling.pad(prepared.data)
    total, weights = torch.zeros(plan.outputs, *tiling.size), torch.zeros(tiling.size)
    for start in tiling.starts:
        box = tuple(slice(s, s + p) for s, p in zip(start, tiling.patch, strict=True))
        patch = data[:, *box]
        scores = load("cpu")(patch[:, 0][None] if plan.flat else patch[None])[0]
        total[:, *box] += scores.detach().view(plan.outputs, *tiling.patch) * gaussian(tiling.patch)
        weights[box] += gaussian(tiling.patch)
    place = prepared.placement
    how = interpolation(plan.scores, place.model_spacing, place.spacing)
    scores = resample((total / weights)[:, *tiling.inner], place.box_size, how)
    labels = np.zeros(place.scan_size, dtype=np.uint8)
    place.turn.there(labels)[place.box] = scores.argmax(0).numpy()
    return labels


def flat_network() -> torch.nn.Module:
    return tiny_models.network(dimensions=2)


CASES: dict[str, tuple[Callable[[], TiledModel], tuple[int, int, int], tuple[float, ...]]] = {
    "several tiles": (tiny_models.model, (40, 41, 19), (1.0, 0.9, 1.6)),
    "smaller than a patch": (tiny_models.model, (5, 6, 4), (1.3, 1.2, 1.5)),
    "one tile": (tiny_models.model, (8, 12, 10), (1.3, 1.2, 1.5)),
    "two slices": (tiny_models.model, (2, 30, 30), (0.9, 0.9, 6.0)),
    "thick slices": (tiny_models.model, (9, 31, 33), (0.8, 0.8, 5.0)),
    "slice by slice": (
        lambda: tiny_models.model(flat_network(), patch=(12, 10), spacing=(1.2, 1.3)),
        (7, 30, 22),
        (0.8, 0.9, 4.0),
    ),
    "as it is": (
        lambda: tiny_models.model(spacing=(), orientation=""),
        (20, 15, 17),
        (0.8, 0.9, 4.0),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_labels_by_slab_are_those_of_all_at_once(name: str) -> None:
    """The answer would depend on how it is computed."""
    make, size, spacing = CASES[name]
    model, scan = make(), tiny_models.scan(size, spacing)
    result = run_tiled([scan], model, TiledOptions(step=0.6, batch=3))
    assert result.labels.shape == size
    assert np.array_equal(result.labels, all_at_once(scan, model, 0.6))
    assert len(np.unique(result.labels)) == 3
    assert result.steps == ()


def test_all_48_ways_to_store_a_scan_give_the_same_labels() -> None:
    """Left would become right for scans stored otherwise than the model's."""
    scan, model = tiny_models.scan((9, 14, 12)), tiny_models.model()
    first = geometry.from_array(run_tiled([scan], model).labels, scan.image)
    for order, flips in orientations.ALL:
        image = orientations.stored(scan.image, order, flips)
        result = geometry.from_array(run_tiled([Scan(image=image)], model).labels, image)
        assert geometry.same_grid(result, image)
        expected = orientations.stored(first, order, flips)
        assert sitk.Hash(result) == sitk.Hash(expected), (order, flips)


def test_an_oblique_scan_is_taken_along_its_own_axes() -> None:
    """nnU-Net does the same: a scan tilted by 20 degrees has the labels of the level one."""
    level = tiny_models.scan()
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.35, -0.1, 0.2)
    tilted = sitk.Image(level.image)
    tilted.SetDirection(turn.GetMatrix())
    model = tiny_models.model()
    labels = run_tiled([Scan(image=tilted)], model).labels
    assert np.array_equal(labels, run_tiled([level], model).labels)


def test_empty_surroundings_change_nothing() -> None:
    """A scan with a black frame would be segmented otherwise than without."""
    scan, model = tiny_models.scan(), tiny_models.model()
    inside = run_tiled([scan], model).labels
    framed = Scan(image=sitk.ConstantPad(scan.image, [3, 0, 5], [2, 4, 0], 0.0))
    labels = run_tiled([framed], model).labels
    assert np.array_equal(labels[5:, :-4, 3:-2], inside)
    assert labels.sum() == inside.sum()


def test_a_black_scan_has_labels_too() -> None:
    image = geometry.empty_like(tiny_models.scan().image, sitk.sitkFloat32)
    assert run_tiled([Scan(image=image)], tiny_models.model()).labels.shape == (17, 22, 19)


def test_folds_are_averaged_and_mirrored_tiles_too() -> None:
    scan = tiny_models.scan()
    nets = [tiny_models.network(seed=seed) for seed in (1, 2)]

    def mean(patches: torch.Tensor) -> torch.Tensor:
        axes = ([], [3], [4], [3, 4])
        return sum(net(patches.flip(a)).flip(a) for net in nets for a in axes) / 8

    options = TiledOptions(mirror=True)
    result = run_tiled([scan], tiny_models.model(*nets, mirror_axes=(1, 2)), options)
    always = tiny_models.model(*nets, mirror_axes=(1, 2), mirrored=True)
    assert np.array_equal(run_tiled([scan], always).labels, result.labels)
    plain = run_tiled([scan], tiny_models.model(mean, mirror_axes=(1, 2)))
    assert (result.labels == plain.labels).mean() > 0.9999
    other = run_tiled([scan], tiny_models.model(*nets, mirror_axes=(1, 2)))
    assert (other.labels != result.labels).any()


def test_a_small_scan_is_not_padded_to_a_patch() -> None:
    """Zeros around it shift what the network normalises by: half a percent of Dice in crops."""
    scan = tiny_models.scan((9, 10, 11), (1.3, 1.2, 1.5))
    shapes: list[tuple[int, ...]] = []
    network = tiny_models.network()

    def noted(patches: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(patches.shape[2:]))
        return network(patches)

    large: dict[str, Any] = {"patch": (64, 64, 64), "spacing": (1.5, 1.2, 1.3)}
    small = run_tiled([scan], tiny_models.model(noted, multiple=(2, 4, 8), **large))
    assert set(shapes) == {(10, 12, 16)}
    exact = tiny_models.model(noted, patch=(10, 12, 16), spacing=large["spacing"])
    assert np.array_equal(small.labels, run_tiled([scan], exact).labels)
    shapes.clear()
    run_tiled([scan], tiny_models.model(noted, multiple=(16, 4, 8), **large))
    assert set(shapes) == {(32, 12, 16)}, "one voxel alone would be left at the coarsest stage"


def test_regions_are_painted_in_order() -> None:
    scan = tiny_models.scan()
    model = tiny_models.model(tiny_models.network(outputs=3), regions=(4, 7, 2))
    result = run_tiled([scan], model, TiledOptions(probabilities=True))
    expected = np.zeros_like(result.labels)
    assert result.probabilities is not None
    for label, likely in zip((4, 7, 2), result.probabilities, strict=True):
        expected[likely > 0.5] = label
    assert set(np.unique(expected)) == {0, 2, 4, 7}
    assert np.array_equal(result.labels, expected)
    assert np.array_equal(run_tiled([scan], model).labels, expected)


def test_probabilities_belong_to_the_labels_and_add_up() -> None:
    framed = Scan(image=sitk.ConstantPad(tiny_models.scan().image, [3, 0, 0], [0, 4, 0], 0.0))
    result = run_tiled([framed], tiny_models.model(), TiledOptions(probabilities=True))
    assert result.probabilities is not None
    assert result.probabilities.shape == (3, *result.labels.shape)
    assert np.allclose(result.probabilities.sum(0), 1.0, atol=1e-5)
    assert np.array_equal(result.probabilities.argmax(0), result.labels)
    assert np.array_equal(run_tiled([framed], tiny_models.model()).labels, result.labels)


def test_a_cascade_sees_the_labels_of_the_stage_before() -> None:
    """The last stage would segment without what the first one found."""
    scan = tiny_models.scan()
    seen: list[torch.Tensor] = []
    net = tiny_models.network(channels=3)

    def network(patches: torch.Tensor) -> torch.Tensor:
        seen.append(patches[0, 1:])
        return net(patches)

    before = tiny_models.model()
    last = tiny_models.model(
        network, cascade=(1, 2), spacing=(), orientation="", patch=(17, 22, 19)
    )
    result = run_tiled([scan], replace(last, previous=before), TiledOptions(batch=1))
    labels = run_tiled([scan], before).labels
    assert np.array_equal(seen[0][0].numpy() == 1.0, labels == 1)
    assert np.array_equal(seen[0][1].numpy() == 1.0, labels == 2)
    assert set(result.seconds) == {"prepare", "load", "network", "place"}


def test_several_channels_share_a_grid() -> None:
    first, second = tiny_models.scan(seed=1), tiny_models.scan(seed=2)
    model = tiny_models.model(tiny_models.network(channels=2), normalisation=(CT, CT))
    one, other = run_tiled([first, second], model), run_tiled([second, first], model)
    assert (one.labels != other.labels).any()
    with pytest.raises(ModelError, match="needs 2 scans, not 1"):
        run_tiled([first], model)
    with pytest.raises(InputError, match="does not lie on the grid"):
        run_tiled([first, tiny_models.scan(spacing=(1.0, 1.0, 1.0))], model)


def test_a_network_that_is_not_its_plans_is_refused() -> None:
    with pytest.raises(ModelError, match="has 3 outputs, its plan 5"):
        run_tiled([tiny_models.scan()], tiny_models.model(outputs=5))


def test_air_is_run_once() -> None:
    """Half of a body scan is air: minutes would be spent on it, over and over."""
    values = np.full((20, 40, 40), -500.0, dtype=np.float32)
    values[5:15, 10:20, 10:20] = np.random.default_rng(0).normal(60.0, 20.0, (10, 10, 10))
    scan = Scan(image=sitk.GetImageFromArray(values))
    runs = []
    net = tiny_models.network()

    def network(patches: torch.Tensor) -> torch.Tensor:
        runs.append(len(patches))
        return net(patches)

    settings: dict[str, Any] = {"normalisation": (CT,), "spacing": (), "crop_to_nonzero": False}
    model = tiny_models.model(network, **settings)
    result = run_tiled([scan], model)
    tiles = len(tile((20, 40, 40), model.plan, 0.5).starts)
    assert sum(runs) < tiles / 2
    plain = tiny_models.model(net, **settings)
    assert np.array_equal(result.labels, all_at_once(scan, plain, 0.5))


class Greedy:
    """A network for which memory never suffices beyond some tiles at once."""

    def __init__(self, most: int) -> None:
        self.most, self.net = most, tiny_models.network()

    def __call__(self, patches: torch.Tensor) -> torch.Tensor:
        if len(patches) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.net(patches)


def test_a_run_goes_down_the_ladder_until_it_fits() -> None:
    """A big scan would end in a crash instead of a slower run."""
    scan = tiny_models.scan((20, 40, 40))
    result = run_tiled([scan], tiny_models.model(Greedy(2)), TiledOptions(batch=9))
    assert result.steps == ("4 tiles at once", "2 tiles at once")
    assert np.array_equal(result.labels, run_tiled([scan], tiny_models.model()).labels)


def test_memory_that_never_suffices_is_said_in_plain_words() -> None:
    with pytest.raises(ResourceError, match=r"tried: one tile, sums of scores in half"):
        run_tiled([tiny_models.scan()], tiny_models.model(Greedy(0)), TiledOptions(batch=2))


def test_another_error_of_the_network_is_not_taken_for_memory() -> None:
    def broken(_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    with pytest.raises(ModelError, match=r"failed on a patch of 8×12×10 voxels \(shapes do not"):
        run_tiled([tiny_models.scan()], tiny_models.model(broken))


def test_a_limit_on_memory_is_kept_by_going_down_the_ladder_first() -> None:
    scan, model = tiny_models.scan((24, 40, 40)), tiny_models.model()
    size, spacing = turned_size(scan.image, model.plan)
    rung = Settings(device="cpu", keep="cpu", batch=1, half=True)
    limit = estimate(size, spacing, model.plan, rung).largest(rung)
    half = run_tiled([scan], model, TiledOptions(batch=1, max_memory=limit))
    assert half.steps == ("sums of scores in half precision",)
    # A network with random weights is undecided in many voxels.
    assert (half.labels == run_tiled([scan], model).labels).mean() > 0.99


def test_a_limit_that_nothing_can_keep_is_refused_before_the_run() -> None:
    ran = []
    model = tiny_models.model(ran.append)
    with pytest.raises(ResourceError, match="not enough memory"):
        run_tiled([tiny_models.scan()], model, TiledOptions(max_memory=10**6))
    assert not ran


def test_progress_names_each_stage_and_tile_and_ends_at_one() -> None:
    events: list[ProgressEvent] = []
    run_tiled([tiny_models.scan()], tiny_models.model(), progress=Progress(events.append))
    stages = [event.stage for event in events]
    assert stages[0] == "Preparing"
    assert any(stage.startswith("Segmenting: tile 2 of ") for stage in stages)
    assert [event.fraction for event in events] == sorted(event.fraction for event in events)
    assert events[-1].fraction == 1.0


def test_a_run_stops_within_a_tile_and_leaves_the_network_as_it_was() -> None:
    """On a laptop one tile takes half a minute: nobody waits that long for Cancel."""
    cancellation = Cancellation()
    net = tiny_models.network()
    net[0].register_forward_hook(lambda *_: cancellation.cancel())
    reached = []
    net[1].register_forward_hook(lambda *_: reached.append(1))
    with pytest.raises(CancelledError):
        run_tiled(
            [tiny_models.scan()],
            tiny_models.model(net),
            progress=Progress(cancellation=cancellation),
        )
    assert not reached
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_a_run_stops_between_tiles() -> None:
    cancellation = Cancellation()
    net, runs = tiny_models.network(), []

    def network(patches: torch.Tensor) -> torch.Tensor:
        runs.append(1)
        cancellation.cancel()
        return net(patches)

    with pytest.raises(CancelledError):
        run_tiled(
            [tiny_models.scan((20, 40, 40))],
            tiny_models.model(network),
            TiledOptions(batch=1),
            Progress(cancellation=cancellation),
        )
    assert len(runs) == 1


def test_reduced_precision_runs_the_network_in_less() -> None:
    kinds = []
    net = tiny_models.network()

    def network(patches: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = net(patches)
        kinds.append(scores.dtype)
        return scores

    scan = tiny_models.scan()
    reduced = run_tiled([scan], tiny_models.model(network), TiledOptions(reduced=True))
    full = run_tiled([scan], tiny_models.model(network))
    assert kinds[0] == torch.bfloat16
    assert kinds[-1] == torch.float32
    assert (reduced.labels == full.labels).mean() > 0.98
