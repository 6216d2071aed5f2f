"""The engine gives nnU-Net's own answer: step by step, and from scan to labels."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from nnunetv2.inference import predict_from_raw_data
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import (
    compute_gaussian,
    compute_steps_for_sliding_window,
)
from nnunetv2.preprocessing.normalization import default_normalization_schemes as oracle
from nnunetv2.preprocessing.resampling.default_resampling import (
    compute_new_shape,
    resample_data_or_seg_to_shape,
)
from skimage.transform import resize

from MedAssistLib.case import Scan
from MedAssistLib.models.formats import describe, load_tiled
from MedAssistLib.models.plan import Normalisation, Resampling, Scheme
from MedAssistLib.segment.engine import TiledOptions, run_tiled
from MedAssistLib.segment.engine.normalise import normalise
from MedAssistLib.segment.engine.resample import Interpolation, interpolation, new_size, resample
from MedAssistLib.segment.engine.tiles import gaussian, starts
from Testing.conftest import dice
from Testing.parity.tiny_nnunet import Task, scan, write

SIZES = [((9, 31, 22), (17, 20, 41)), ((40, 12, 15), (12, 30, 15)), ((3, 50, 7), (80, 9, 7))]


def noise(*size: int) -> np.ndarray:
    return np.random.default_rng(3).normal(50.0, 20.0, size).astype(np.float32)


def close(ours: torch.Tensor, theirs: np.ndarray) -> bool:
    scale = np.abs(theirs).max()
    return bool(np.abs(ours.numpy() - theirs).max() <= 1e-5 * scale)


@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize("order", [0, 1, 3])
def test_interpolation_is_scikit_images(
    old: tuple[int, int, int], new: tuple[int, int, int], order: int
) -> None:
    volume = noise(*old)
    expected = resize(volume.astype(float), new, order, mode="edge", anti_aliasing=False)
    ours = resample(torch.from_numpy(volume)[None], new, Interpolation((order,) * 3))[0]
    assert close(ours, expected)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((5.0, 0.8, 0.8), (5.0, 1.3, 1.3)),
        ((5.0, 0.8, 0.8), (1.0, 1.0, 1.0)),
        ((0.7, 6.0, 0.9), (1.1, 4.0, 1.1)),
        ((1.0, 1.0, 1.0), (0.9, 0.8, 4.5)),
        ((0.24, 1.25, 1.25), (0.3, 1.0, 1.0)),
        ((2.0, 1.0, 1.5), (1.3, 1.3, 1.3)),
        ((2.0, 2.0, 2.0), (2.0, 2.0, 2.0)),
    ],
)
@pytest.mark.parametrize(("order", "order_apart"), [(3, 0), (1, 0), (3, 1), (3, 3)])
@pytest.mark.parametrize("apart", [None, True, False])
def test_coarse_axes_are_resampled_as_nnunet_does(
    before: tuple[float, ...],
    after: tuple[float, ...],
    order: int,
    order_apart: int,
    apart: bool | None,
) -> None:
    volume = noise(2, 14, 23, 18)
    size = new_size(volume.shape[1:], before, after)
    assert size == tuple(compute_new_shape(volume.shape[1:], before, after))
    expected = resample_data_or_seg_to_shape(
        volume.copy(), size, before, after, False, order, order_apart, apart
    )
    how = interpolation(
        Resampling(order=order, order_apart=order_apart, apart=apart), before, after
    )
    assert close(resample(torch.from_numpy(volume), size, how), expected)


@pytest.mark.parametrize(
    ("scheme", "name", "mask"),
    [
        (Scheme.Z_SCORE, "ZScoreNormalization", False),
        (Scheme.Z_SCORE, "ZScoreNormalization", True),
        (Scheme.CT, "CTNormalization", False),
        (Scheme.NONE, "NoNormalization", False),
        (Scheme.RESCALE, "RescaleTo01Normalization", False),
        (Scheme.RGB, "RGBTo01Normalization", False),
    ],
)
def test_intensities_are_normalised_as_nnunet_does(scheme: Scheme, name: str, mask: bool) -> None:
    volume = noise(12, 15, 11).clip(0, 255)
    inside = np.zeros(volume.shape, dtype=bool)
    inside[3:9, 2:12, 1:8] = True
    if mask:
        volume[~inside] = 0.0
    properties = {"mean": 47.0, "std": 11.0, "percentile_00_5": 20.0, "percentile_99_5": 90.0}
    scheme_of = getattr(oracle, name)(mask, properties)
    expected = scheme_of.run(volume.copy(), np.where(inside, 0, -1))
    ours = torch.from_numpy(volume.copy())[None]
    plan = Normalisation(
        scheme=scheme, within_mask=mask, low=20.0, high=90.0, mean=47.0, deviation=11.0
    )
    normalise(ours, [plan], torch.from_numpy(inside))
    assert close(ours[0], expected)


@pytest.mark.parametrize("size", [64, 65, 96, 110, 128, 300, 511])
@pytest.mark.parametrize("step", [0.5, 0.8, 1.0, 0.33])
def test_tiles_lie_where_nnunets_do(size: int, step: float) -> None:
    assert [starts(size, 64, step)] == compute_steps_for_sliding_window((size,), (64,), step)


@pytest.mark.parametrize("patch", [(32, 48, 40), (28, 17), (5, 64, 64)])
def test_tiles_are_weighted_as_nnunets_are(patch: tuple[int, ...]) -> None:
    expected = compute_gaussian(patch, dtype=torch.float32, device=torch.device("cpu"))
    assert torch.allclose(gaussian(patch), expected, rtol=1e-5)


@dataclass(frozen=True)
class Case:
    """A model, a scan and how it is run."""

    task: Task = field(default_factory=Task)
    size: tuple[int, int, int] = (30, 50, 44)
    spacing: tuple[float, float, float] = (1.5, 0.8, 0.9)
    folds: int = 1
    mirror: tuple[int, ...] = ()
    transpose: tuple[int, int, int] = (0, 1, 2)
    step: float = 0.5
    changes: Mapping[str, Any] = field(default_factory=dict)


COARSE = {"spacing": [4.0, 1.0, 1.1], "patch_size": [8, 32, 28]}
CASES = {
    "3d": Case(),
    "3d of another step": Case(step=0.8),
    "3d smaller than a patch": Case(size=(18, 35, 30)),
    "3d in one tile": Case(size=(24, 32, 28), spacing=(1.2, 1.0, 1.1)),
    "3d anisotropic": Case(size=(12, 50, 44), spacing=(4.5, 0.8, 0.9), changes=COARSE),
    "3d, fine model, coarse scan": Case(size=(10, 44, 46), spacing=(4.8, 0.9, 0.9)),
    "3d coarse along i": Case(size=(46, 44, 11), spacing=(0.9, 0.9, 4.2)),
    "3d mirrored": Case(size=(24, 40, 30), mirror=(0, 1, 2)),
    "3d of three folds": Case(folds=3),
    "3d transposed": Case(transpose=(2, 0, 1)),
    "3d regions of two channels": Case(task=Task(channels=2, regions=True)),
    "3d z-score within a mask": Case(
        task=Task(channels=2, regions=True),
        changes={
            "normalization_schemes": ["ZScoreNormalization", "CTNormalization"],
            "use_mask_for_norm": [True, False],
        },
    ),
    "3d cubic scores": Case(
        changes={
            "resampling_fn_probabilities_kwargs": {
                "is_seg": False,
                "order": 3,
                "order_z": 0,
                "force_separate_z": None,
            }
        }
    ),
    "2d": Case(task=Task(2), size=(9, 50, 44), spacing=(3.0, 0.8, 0.9)),
    "2d mirrored, transposed": Case(
        task=Task(2), size=(40, 9, 44), spacing=(0.8, 2.0, 0.9), mirror=(0, 1), transpose=(1, 2, 0)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_labels_are_nnunets(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every voxel, once nnU-Net does not round its sums to half precision."""
    case = CASES[name]
    with exactly(monkeypatch):
        expected, labels = both(case, tmp_path)
    assert min(np.count_nonzero(expected == label) for label in (1, 2)) > 50
    # Of two outputs that are equal to the last bit, either may win.
    assert np.count_nonzero(labels != expected) <= 1


@pytest.mark.parametrize("name", ["3d", "3d mirrored", "3d of three folds", "2d"])
def test_labels_of_a_usual_run_are_nnunets(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    size = tuple(n if s > 2.5 else 2 * n for n, s in zip(case.size, case.spacing, strict=True))
    expected, labels = both(replace(case, size=size), tmp_path)
    assert (labels == expected).mean() >= 0.9999
    for label in (1, 2):
        assert dice(labels == label, expected == label) >= 0.999


@pytest.mark.parametrize("name", ["3d", "3d mirrored", "3d of three folds"])
def test_reduced_precision_keeps_nearly_every_voxel(name: str, tmp_path: Path) -> None:
    """The precision that is twice as fast on a processor would cost a structure's rim."""
    expected, labels = both(CASES[name], tmp_path, reduced=True)
    for label in (1, 2):
        assert dice(labels == label, expected == label) >= 0.998


def both(case: Case, parent: Path, *, reduced: bool | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return nnU-Net's labels and ours, for a scan with a rim of zeros, which nnU-Net crops."""
    values, _ = scan(case.size, case.spacing, 5)
    values[:2] = values[:, -3:] = 0.0
    channels = np.stack([values, -values][: case.task.channels])
    folder = write(
        parent,
        case.task,
        folds=case.folds,
        mirror=case.mirror,
        transpose=case.transpose,
        **case.changes,
    )
    predictor = nnunet(
        folder, case.folds, tile_step_size=case.step, use_mirroring=bool(case.mirror)
    )
    properties = {"spacing": list(case.spacing)}
    expected = predictor.predict_single_npy_array(channels, properties)
    how = {"step": case.step, "mirror": bool(case.mirror), "reduced": reduced}
    labels = ours(folder, channels, case.spacing, **how)
    assert labels.shape == expected.shape
    return expected, labels


def test_both_stages_of_a_cascade_are_nnunets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last stage would see the first one's labels in another place, or not at all."""
    size, spacing = (30, 50, 44), (1.3, 0.8, 0.9)
    values, _ = scan(size, spacing, 5)
    values[:2] = 0.0
    coarse = write(tmp_path, Task(), name="3d_lowres", spacing=[1.9, 1.6, 1.7])
    last = write(tmp_path, Task(cascade=True), name="3d_cascade_fullres")
    with exactly(monkeypatch):
        before = nnunet(coarse).predict_single_npy_array(values[None], {"spacing": spacing})
        # nnU-Net reads them from a file, as it reads scans.
        before = before[None].astype(np.float32)
        expected = nnunet(last).predict_single_npy_array(values[None], {"spacing": spacing}, before)
    labels = ours(last, values[None], spacing)
    # Where two labels have an equal share, the last bit of a double decides in nnU-Net.
    assert (labels == expected).mean() >= 0.9999
    assert dice(labels == 2, expected == 2) >= 0.999
    assert (before[0] != expected).mean() > 0.001


@contextmanager
def exactly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep nnU-Net from rounding its sums of scores to half precision."""
    weigh = functools.partial(compute_gaussian, dtype=torch.float32)
    with monkeypatch.context() as exact:
        exact.setattr(predict_from_raw_data, "compute_gaussian", weigh)
        exact.setattr(predict_from_raw_data, "torch", _SinglePrecision())
        yield


class _SinglePrecision:
    """Torch, but what is made in half precision is made in single."""

    half = torch.float32

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def nnunet(folder: Path, folds: int = 1, **options: Any) -> nnUNetPredictor:
    """Return nnU-Net's own predictor of a model folder."""
    options = {"use_mirroring": False, **options}
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False, **options)
    predictor.initialize_from_trained_model_folder(str(folder), tuple(range(folds)))
    return predictor


def ours(
    folder: Path, channels: np.ndarray, spacing: Sequence[float], **options: Any
) -> np.ndarray:
    """Return our labels, from the model's folder and the scan's channels."""
    scans = []
    for channel in channels:
        image = sitk.GetImageFromArray(channel)
        image.SetSpacing(spacing[::-1])
        scans.append(Scan(image=image))
    return run_tiled(scans, load_tiled(describe(folder)), TiledOptions(**options)).labels
