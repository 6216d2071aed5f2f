"""Who made a segmentation is still known when its file is read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import SimpleITK as sitk

from MedAssistLib.case import EDITED, Segmentation
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.read import read_segmentation

MODEL = "model brain (deepbet 1.0.2)"


@pytest.mark.parametrize("made_by", [MODEL, "by hand", MODEL + EDITED])
def test_the_maker_is_kept(small_segmentation: Segmentation, tmp_path: Path, made_by: str) -> None:
    """A report or DICOM export made later would else not say which model drew it."""
    path = tmp_path / "a.seg.nrrd"
    write_seg_nrrd(replace(small_segmentation, made_by=made_by), path)
    assert read_segmentation(path).made_by == made_by


def test_labels_that_were_changed_since_are_not_the_models_alone(
    small_segmentation: Segmentation, tmp_path: Path
) -> None:
    """What a person corrected must not be passed off as the model's."""
    path = tmp_path / "a.seg.nrrd"
    write_seg_nrrd(replace(small_segmentation, made_by=MODEL), path)
    image = sitk.ReadImage(str(path))
    image[1, 1, 1] = 1
    sitk.WriteImage(image, str(path))
    assert read_segmentation(path).made_by == MODEL + EDITED
