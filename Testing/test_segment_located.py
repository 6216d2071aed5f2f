"""The hippocampus model finds its place on a whole head, and refuses what shows none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.errors import MedAssistError
from MedAssistLib.models import find
from MedAssistLib.read import read_scan, read_segmentation
from MedAssistLib.read.options import ReadOptions
from MedAssistLib.segment import segment

# The middle of the left hippocampus of the MNI152 head, LPS mm.
LEFT = np.array((26.0, 21.0, -13.0))


def sides(made: Segmentation) -> dict[str, tuple[float, np.ndarray]]:
    """Volume in mL and centre in LPS mm of each side's hippocampus."""
    array = sitk.GetArrayViewFromImage(made.labels)
    found = {}
    for side in ("Left", "Right"):
        labels = [entry.label for entry in made.segments if entry.name.startswith(side)]
        voxels = np.argwhere(np.isin(array, labels))[:, ::-1]
        places = geometry.index_to_lps(made.labels) @ np.append(voxels.mean(0), 1.0)
        volume = len(voxels) * geometry.voxel_volume(made.labels) / 1000
        found[side] = (volume, places[:3])
    return found


@pytest.mark.parametrize("stored", ["RAS", "LIP"])
def test_both_hippocampi_of_a_head_are_found_however_it_is_stored(
    mni_scan: Scan, stored: str
) -> None:
    """A side that is lost or exchanged would send a surgeon to the wrong one."""
    scan = replace(mni_scan, image=sitk.DICOMOrient(mni_scan.image, stored))
    found = sides(segment(scan, find("hippocampus")))
    for volume, _ in found.values():
        assert 2.0 < volume < 5.5
    assert 0.75 < found["Left"][0] / found["Right"][0] < 1.33
    assert np.linalg.norm(found["Left"][1] - LEFT) < 8.0
    assert np.linalg.norm(found["Right"][1] - LEFT * (-1, 1, 1)) < 8.0


def test_a_crop_about_one_is_segmented_as_it_is(shared_data: Path) -> None:
    """People who train on crops run on crops."""
    folder = shared_data / "hippocampus"
    scan = read_scan(folder / "imagesTr/hippocampus_008.nii.gz", ReadOptions(modality="MR"))
    truth = read_segmentation(folder / "labelsTr/hippocampus_008.nii.gz", scan)
    made = segment(scan, find("hippocampus"))
    drawn, true = (sitk.GetArrayViewFromImage(each.labels) > 0 for each in (made, truth))
    assert 2 * (drawn & true).sum() / (drawn.sum() + true.sum()) > 0.9
    assert not any(entry.name.startswith(("Left", "Right")) for entry in made.segments)


def test_a_scan_without_a_head_is_refused(shared_data: Path) -> None:
    """Hippocampi in a belly would be believed by whoever only reads the table."""
    scan = read_scan(shared_data / "ct/example_ct.nii.gz", ReadOptions(modality="MR"))
    with pytest.raises(MedAssistError, match="brain"):
        segment(scan, find("hippocampus"))
