"""Segmenting: the brain model gives deepbet's own answer, however the scan is stored."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.errors import CancelledError, ModelError, ResourceError, UsageError
from MedAssistLib.models import find, formats, known, locate
from MedAssistLib.progress import Cancellation, Progress
from MedAssistLib.read import read_scan
from MedAssistLib.segment import SegmentOptions, segment
from MedAssistLib.segment.upright import UprightScan
from MedAssistLib.volumes import fill_holes, largest_component
from Testing import orientations
from Testing.conftest import dice, mask_of


@pytest.fixture(scope="module")
def brain(mni_scan: Scan) -> Segmentation:
    return segment(mni_scan, find("brain"))


def deepbet_mask(path: Path) -> np.ndarray:
    """Return deepbet's own mask of a file, axes (k, j, i) of the file."""
    from deepbet import BrainExtraction

    _, mask, _ = BrainExtraction(no_gpu=True).run(str(path))
    return np.asarray(mask.dataobj).T > 0


def test_the_mni_brain_is_deepbets_own(mni: dict[str, Path], brain: Segmentation) -> None:
    assert dice(mask_of(brain.labels), deepbet_mask(mni["t1"])) >= 0.9999


def test_a_real_head_is_deepbets_own(shared_data: Path) -> None:
    path = shared_data / "mr" / "t1_head.nii.gz"
    result = segment(read_scan(path), find("brain"))
    assert dice(mask_of(result.labels), deepbet_mask(path)) >= 0.9999


def test_the_brain_holds_grey_and_white_matter(mni: dict[str, Path], brain: Segmentation) -> None:
    mask = mask_of(brain.labels)
    probable = [sitk.GetArrayFromImage(sitk.ReadImage(str(mni[k]))) > 127 for k in ("gm", "wm")]
    tissue = probable[0] | probable[1]
    assert mask[tissue].mean() >= 0.999
    assert 1.8e6 <= mask.sum() * geometry.voxel_volume(brain.labels) <= 2.1e6


def test_the_result_has_name_colour_codes_and_the_exact_grid(
    mni_scan: Scan, brain: Segmentation
) -> None:
    (structure,) = brain.segments
    assert (structure.name, structure.type.value, structure.type.scheme) == (
        "Brain",
        "12738006",
        "SCT",
    )
    assert structure.colour == (250, 250, 225)
    assert brain.labels.GetOrigin() == mni_scan.image.GetOrigin()
    assert brain.labels.GetDirection() == mni_scan.image.GetDirection()
    assert brain.labels.GetSpacing() == mni_scan.image.GetSpacing()
    assert brain.labels.GetSize() == mni_scan.image.GetSize()
    assert "brain" in brain.made_by


@pytest.fixture
def networks_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the real network answer each distinct input once: equal inputs need not be run again."""
    answers: dict[bytes, np.ndarray] = {}
    network = formats.load_network(find("brain"), "cpu")

    def remembering(*_: object) -> Callable[..., np.ndarray]:
        def answer(volume: np.ndarray, progress: Progress) -> np.ndarray:
            key = volume.tobytes()
            if key not in answers:
                answers[key] = network(volume, progress)
            return answers[key]

        return answer

    monkeypatch.setattr(formats, "load", remembering)


def test_all_48_ways_to_store_a_scan_give_the_same_brain(
    mni_scan: Scan, brain: Segmentation, networks_run_once: None
) -> None:
    for order, flips in orientations.ALL:
        image = orientations.stored(mni_scan.image, order, flips)
        result = segment(Scan(image=image, modality="MR"), find("brain")).labels
        assert geometry.same_grid(result, image)
        expected = orientations.stored(brain.labels, order, flips)
        assert sitk.Hash(result) == sitk.Hash(expected), (order, flips)


@pytest.mark.parametrize("degrees", [4.0, 25.0])
def test_an_oblique_anisotropic_scan_gives_the_same_brain(
    mni_scan: Scan, brain: Segmentation, degrees: float
) -> None:
    oblique = _oblique(mni_scan.image, degrees)
    result = segment(Scan(image=oblique, modality="MR"), find("brain")).labels
    assert geometry.same_grid(result, oblique)
    expected = sitk.Resample(
        sitk.Cast(brain.labels, sitk.sitkFloat32), oblique, sitk.Transform(), sitk.sitkLinear
    )
    assert dice(mask_of(result), sitk.GetArrayFromImage(expected) > 0.5) >= 0.99


def _oblique(image: sitk.Image, degrees: float) -> sitk.Image:
    """Return a scan of the same head on a turned grid of 1×1.2×1.1 mm."""
    size, spacing = np.array([280, 240, 260]), np.array([1.0, 1.2, 1.1])
    angle = float(np.radians(degrees))
    turn = sitk.Euler3DTransform()
    turn.SetRotation(angle, 0.6 * angle, -0.4 * angle)
    turned = np.array(turn.GetMatrix()).reshape(3, 3) @ geometry.direction(image)
    middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    grid = sitk.Image([int(n) for n in size], sitk.sitkUInt8)
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection(turned.ravel().tolist())
    grid.SetOrigin((np.array(middle) - turned @ ((size - 1) / 2 * spacing)).tolist())
    return sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, 0.0)


@pytest.mark.parametrize(("order", "flips"), orientations.ALL)
def test_turning_upright_and_back_moves_no_voxel(
    small_scan: Scan, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    straight = sitk.Image(small_scan.image)
    straight.SetDirection(np.eye(3).ravel().tolist())
    image = orientations.stored(straight, order, flips)
    upright = UprightScan(image, "RAS")
    assert np.array_equal(upright.volume, UprightScan(straight, "RAS").volume)
    assert np.array_equal(upright.back(upright.volume), sitk.GetArrayFromImage(image))


def test_a_scan_of_another_modality_is_refused(small_scan: Scan) -> None:
    ct = dataclasses.replace(small_scan, modality="CT")
    with pytest.raises(ModelError, match="is CT, but the model brain is for MR"):
        segment(ct, find("brain"))


def test_a_scan_without_a_head_is_refused() -> None:
    dark = np.zeros((40, 40, 40), dtype=np.int16)
    dark[20, 20, 20] = 100
    with pytest.raises(ModelError, match="does not fit the model"):
        segment(Scan(image=sitk.GetImageFromArray(dark)), find("brain"))


def test_a_device_that_is_not_there_is_refused(mni_scan: Scan) -> None:
    import torch

    if torch.backends.mps.is_available():
        pytest.skip("this machine has an Apple GPU")
    with pytest.raises(ResourceError, match="mps is not available"):
        segment(mni_scan, find("brain"), SegmentOptions(device="mps"))
    with pytest.raises(UsageError, match="no device"):
        SegmentOptions(device="gpu7")


def test_options_that_would_do_nothing_are_refused(mni_scan: Scan) -> None:
    """A user who sets a memory limit must not be left in the belief that it holds."""
    with pytest.raises(UsageError, match="has no mirror, max_memory"):
        segment(mni_scan, find("brain"), SegmentOptions(max_memory=10**6, mirror=True))


def test_a_cancelled_run_stops(mni_scan: Scan) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(CancelledError):
        segment(mni_scan, find("brain"), progress=Progress(cancellation=cancellation))


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match='Did you mean "brain"\\? Known models: brain'):
        find("brian")


def _model_folder(tmp_path: Path) -> tuple[Path, dict]:
    """Return a model folder of its own with the brain model's weights, and its card."""
    folder = tmp_path / "mine"
    folder.mkdir()
    card = json.loads((find("brain").folder / "model.json").read_text("utf-8"))
    for role, entry in card["weights"]["files"].items():
        shutil.copy(locate(find("brain"), role), folder / f"{role}.pt")
        entry["path"] = f"{role}.pt"
    del card["weights"]["package"]
    card["name"] = "mine"
    return folder, card


def _save_card(folder: Path, card: dict) -> None:
    (folder / "model.json").write_text(json.dumps(card), "utf-8")


def test_a_model_folder_of_ones_own_runs(
    mni_scan: Scan, brain: Segmentation, tmp_path: Path
) -> None:
    folder, card = _model_folder(tmp_path)
    _save_card(folder, card)
    with pytest.raises(ModelError, match="is a program"):
        segment(mni_scan, find(str(folder)))
    result = segment(mni_scan, dataclasses.replace(find(str(folder)), trusted=True))
    assert sitk.Hash(result.labels) == sitk.Hash(brain.labels)


def test_weights_that_are_not_those_of_the_card_do_not_run(mni_scan: Scan, tmp_path: Path) -> None:
    folder, card = _model_folder(tmp_path)
    _save_card(folder, card)
    weights = folder / "mask.pt"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="not the file that the model's card means"):
        segment(mni_scan, dataclasses.replace(find(str(folder)), trusted=True))
    weights.unlink()
    with pytest.raises(ModelError, match="weights are not there"):
        segment(mni_scan, dataclasses.replace(find(str(folder)), trusted=True))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("segments", [{"label": 0, "name": "x", "colour": [0, 0, 0]}]),
        ("channels", None),
        ("format", "pickle"),
    ],
)
def test_a_wrong_card_is_refused(mni_scan: Scan, tmp_path: Path, key: str, value: object) -> None:
    folder, card = _model_folder(tmp_path)
    _save_card(folder, {**card, key: value})
    with pytest.raises(ModelError):
        segment(mni_scan, find(str(folder)))


def test_every_known_model_has_a_full_card() -> None:
    for card in known():
        assert card.intended_use
        assert card.accuracy
        assert card.licence
        assert all(len(entry.sha256) == 64 for entry in card.weights.values())


def test_the_largest_component_is_the_largest_and_corners_connect() -> None:
    mask = np.zeros((6, 6, 6), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 2, 2] = True
    mask[5, 4:, 5] = True
    assert np.array_equal(np.argwhere(largest_component(mask)), [[0, 0, 0], [1, 1, 1], [2, 2, 2]])


def test_holes_are_filled_but_bays_are_not() -> None:
    mask = np.zeros((7, 7, 7), dtype=bool)
    mask[1:6, 1:6, 1:6] = True
    hollow, bay = mask.copy(), mask.copy()
    hollow[2:5, 2:5, 2:5] = False
    bay[3, 3, 1:4] = False
    assert np.array_equal(fill_holes(hollow), mask)
    assert np.array_equal(fill_holes(bay), bay)
    touching = np.ones((4, 4, 4), dtype=bool)
    touching[0, 0, 0] = False
    assert np.array_equal(fill_holes(touching), touching)
