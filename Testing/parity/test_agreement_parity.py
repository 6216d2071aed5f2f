"""Our agreement of masks is MONAI's, where MONAI means the same: Dice, and all with subvoxels.

MONAI's own HD95 and surface distances take centres of voxels and do not weight them with areas.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.metrics import compute_dice, compute_surface_dice
from monai.metrics.utils import get_edge_surface_distance

from MedAssistLib.measure.agreement import agreement
from MedAssistLib.measure.agreement.elements import Spacing
from MedAssistLib.volumes import Mask

SPACINGS = [(1.0, 1.0, 1.0), (2.5, 0.7, 0.9)]


def assert_as_monai(predicted: Mask, reference: Mask, spacing: Spacing) -> None:
    ours = agreement(predicted, reference, spacing, tolerance=2.0)
    masks = [torch.from_numpy(mask.astype(np.float32)) for mask in (predicted, reference)]
    batch = [mask[None, None] for mask in masks]
    settings = {"include_background": True, "spacing": spacing, "use_subvoxels": True}
    _, distances, _ = get_edge_surface_distance(
        *masks, spacing=spacing, use_subvoxels=True, symmetric=True
    )
    expected = {
        "dice": compute_dice(*batch, include_background=True).item(),
        "nsd_1mm": compute_surface_dice(*batch, class_thresholds=[1.0], **settings).item(),
        "nsd": compute_surface_dice(*batch, class_thresholds=[2.0], **settings).item(),
        "hd": max(found.max().item() for found in distances),
    }
    assert {name: getattr(ours, name) for name in expected} == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_random_masks_have_monais_numbers(spacing: Spacing) -> None:
    chance = np.random.default_rng(3)
    for density in (0.02, 0.2, 0.6, 0.9):
        for first, second in chance.random((5, 2, 8, 10, 11)) < density:
            assert_as_monai(first, second, spacing)


def test_real_organs_have_monais_numbers(shared_data: Path) -> None:
    image = sitk.ReadImage(str(shared_data / "ct" / "example_seg.nii.gz"))
    labels = sitk.GetArrayFromImage(image)
    for label in np.unique(labels)[1:12]:
        mask = labels == label
        assert_as_monai(np.roll(mask, 1, axis=1), mask, image.GetSpacing()[::-1])


def test_real_hippocampi_have_monais_numbers(shared_data: Path) -> None:
    paths = sorted((shared_data / "hippocampus" / "labelsTr").glob("*.nii.gz"))[:6]
    arrays = [sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in paths]
    for one, other in itertools.pairwise(arrays):
        part = tuple(slice(n) for n in np.minimum(one.shape, other.shape))
        for label in (1, 2):
            assert_as_monai(one[part] == label, other[part] == label, (1.0, 1.0, 1.0))
