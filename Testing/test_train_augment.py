"""Patches: image and labels move together, nothing shears, and what is outside is background."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from MedAssistLib.train.augment import (
    Augmentation,
    Intensity,
    Random,
    Spatial,
    places,
    sample,
    vary,
)
from MedAssistLib.train.batches import Batches, BatchPlan
from MedAssistLib.train.dataset.cases import exclusive, regions
from MedAssistLib.train.examples import Example

CPU = torch.device("cpu")
STILL = Spatial(chance_turn=0.0, chance_scale=0.0, chance_bend=0.0)
PLAIN = Intensity(
    chance_noise=0.0,
    chance_blur=0.0,
    chance_brightness=0.0,
    chance_contrast=0.0,
    chance_coarse=0.0,
    chance_gamma=0.0,
)
SIZE = (14, 18, 22)


def example(labels: np.ndarray) -> Example:
    """A case whose image is its own labels, so that both can be compared after moving."""
    image = np.where(labels > 0, labels, 0).astype(np.float16)
    places_of = tuple(
        np.argwhere(labels == value).astype(np.int32) for value in range(1, labels.max() + 1)
    )
    return Example(
        name="case",
        image=torch.from_numpy(image[None]),
        labels=torch.from_numpy(labels.astype(np.float16)),
        places=places_of,
    )


def blob() -> np.ndarray:
    k, j, i = np.ogrid[: SIZE[0], : SIZE[1], : SIZE[2]]
    return ((k - 7) ** 2 / 9 + (j - 9) ** 2 / 25 + (i - 12) ** 2 / 49 < 1).astype(np.int16)


def drawn(  # noqa: PLR0913
    labels: np.ndarray,
    spatial: Spatial,
    membership: np.ndarray,
    *,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    patch: tuple[int, int, int] = SIZE,
    seed: int = 0,
) -> tuple[torch.Tensor, torch.Tensor]:
    plan = BatchPlan(
        patch=patch,
        batch=4,
        foreground=0.5,
        spacing=spacing,
        augmentation=Augmentation(spatial=spatial, intensity=PLAIN),
    )
    return next(Batches([example(labels)], plan, membership, CPU).epoch(1, seed))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), coarse=st.floats(1.0, 4.0))
def test_labels_move_with_the_image(seed: int, coarse: float) -> None:
    """Labels that lie beside their structure teach a network to draw beside it."""
    strong = Spatial(chance_turn=1.0, chance_scale=1.0, chance_bend=1.0, bend=1.0, mirror=(0, 1, 2))
    images, shares = drawn(
        blob(), strong, np.eye(2, dtype=bool), spacing=(coarse, 1.0, 1.0), seed=seed
    )
    assert torch.allclose(images[:, 0], shares[:, 1], atol=1e-3)
    assert torch.allclose(shares[:, :2].sum(1), shares[:, 2], atol=1e-4)


def test_a_patch_that_is_not_moved_is_the_case() -> None:
    labels = blob()
    spots = places(STILL, [6.5, 8.5, 10.5], SIZE, (1.0, 1.0, 1.0), Random(CPU, 1))
    volume = torch.from_numpy(labels.astype(np.float32))[None]
    assert torch.allclose(sample(volume, spots.voxels), volume, atol=1e-4)
    np.testing.assert_allclose(spots.low, 0, atol=1e-9)
    np.testing.assert_allclose(spots.high, np.array(SIZE) - 1, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), coarse=st.floats(1.0, 5.0))
def test_turning_keeps_distances_in_millimetres(seed: int, coarse: float) -> None:
    """With thick slices, a turn in voxels would teach sheared anatomy."""
    turning = Spatial(chance_turn=1.0, chance_scale=0.0, chance_bend=0.0)
    spacing = (coarse, 0.8, 1.1)
    spots = places(turning, [7.0, 9.0, 11.0], SIZE, spacing, Random(CPU, seed)).voxels
    mm = spots.double() * torch.tensor(spacing, dtype=torch.float64)
    for axis, step in enumerate(spacing):
        apart = mm.diff(dim=axis).norm(dim=-1)
        assert torch.allclose(apart, torch.full_like(apart, step), atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), fine=st.floats(0.01, 1.0))
def test_bending_never_folds(seed: int, fine: float) -> None:
    """In a micro-CT a bend of millimetres turned the anatomy inside out."""
    bending = Spatial(chance_turn=0.0, chance_scale=0.0, chance_bend=1.0)
    spots = places(bending, [7, 9, 11], SIZE, (fine, fine, fine), Random(CPU, seed)).voxels
    changes = np.stack(np.gradient(spots.numpy(), axis=(0, 1, 2)), axis=-1)
    assert np.linalg.det(changes).min() > 0
    assert np.abs(spots.numpy() - np.indices(SIZE).transpose(1, 2, 3, 0)).max() > 0.1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_part_that_is_read_holds_all_that_is_needed(seed: int) -> None:
    """A part that is too small would fill the patch's edges with nothing."""
    strong = Spatial(chance_turn=1.0, chance_scale=1.0, chance_bend=0.0)
    found = places(strong, [7.0, 9.0, 11.0], SIZE, (2.0, 1.0, 1.0), Random(CPU, seed))
    seen = found.voxels.reshape(-1, 3).numpy()
    assert (seen.min(0) >= found.low - 1e-3).all()
    assert (seen.max(0) <= found.high + 1e-3).all()


def test_what_is_outside_the_case_is_background_and_what_is_ignored_does_not_count() -> None:
    labels = blob()
    labels[:2] = -1
    images, shares = drawn(labels, STILL, np.eye(2, dtype=bool), patch=(20, 24, 28))
    background, structure, counted = shares.unbind(1)
    assert images.shape == (4, 1, 20, 24, 28)
    assert ((background + structure - counted).abs() < 1e-4).all()
    ignored = (counted < 0.5).sum((1, 2, 3))
    assert (ignored > 0).all()
    corner = background[:, -1, -1, -1]
    assert torch.equal(corner, torch.ones_like(corner))


def test_many_structures_are_told_apart_by_the_nearest_voxel() -> None:
    """With a hundred structures, shares of each would not fit into memory."""
    labels = np.zeros(SIZE, dtype=np.int16)
    for value in range(1, 12):
        labels[1 + value, 4:14, 4:18] = value
    structures = exclusive({value: f"part {value}" for value in range(1, 12)})
    _, shares = drawn(labels, STILL, structures.membership())
    assert shares.shape[1] == 13
    assert set(shares.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(shares[:, :-1].sum(1), shares[:, -1])


def test_regions_share_voxels() -> None:
    """A tumour's core belongs to the whole tumour too."""
    labels = np.zeros(SIZE, dtype=np.int16)
    labels[3:11, 4:14, 4:18] = 1
    labels[5:9, 6:12, 6:14] = 2
    structures = regions({"whole": (1, 2), "core": (2,)}, (1, 2))
    _, shares = drawn(labels, STILL, structures.membership())
    whole, core, counted = shares.unbind(1)
    assert (whole >= core).all()
    assert float(core.sum()) > 0
    assert (counted == 1).all()


@pytest.mark.parametrize(
    "name", ["noise", "blur", "brightness", "contrast", "coarse", "gamma", "bias"]
)
def test_every_change_of_intensities_changes_and_stays_finite(name: str) -> None:
    chances = {field: 0.0 for field in Intensity.__dataclass_fields__ if "chance" in field}
    how = Intensity(**{**chances, f"chance_{name}": 1.0})
    patch = torch.randn(2, 12, 14, 16, generator=torch.Generator().manual_seed(1))
    kept = patch.clone()
    changed = vary(patch, how, Random(CPU, 5))
    assert torch.equal(patch, kept)
    assert changed.shape == patch.shape
    assert bool(changed.isfinite().all())
    assert not torch.allclose(changed, patch, atol=1e-3)


def test_a_flat_patch_stays_finite() -> None:
    """Air around a body has no contrast, and a division by it would end the training."""
    chances = {field: 1.0 for field in Intensity.__dataclass_fields__ if "chance" in field}
    changed = vary(torch.zeros(1, 8, 8, 8), Intensity(**chances, noise=0.0), Random(CPU, 2))
    assert bool(changed.isfinite().all())


def test_the_same_seed_draws_the_same_and_another_epoch_does_not() -> None:
    def batch(*seed: int) -> torch.Tensor:
        plan = BatchPlan(
            patch=SIZE,
            batch=2,
            foreground=0.3,
            spacing=(1.0, 1.0, 1.0),
            augmentation=Augmentation(),
        )
        batches = Batches([example(blob())], plan, np.eye(2, dtype=bool), CPU)
        return next(batches.epoch(1, *seed))[0]

    assert torch.equal(batch(1, 2, 0), batch(1, 2, 0))
    assert not torch.equal(batch(1, 2, 0), batch(1, 3, 0))
    assert not torch.equal(batch(1, 2, 0), batch(1, 2, 1))
