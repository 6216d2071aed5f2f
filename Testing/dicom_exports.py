"""What other programs make of MedAssist's DICOM files: highdicom, dcmqi, and dciodvfy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset

from MedAssistLib import geometry
from MedAssistLib.case import ANATOMICAL_STRUCTURE, Case, Code, Scan, Segment, Segmentation
from MedAssistLib.read.dicom.segmentation import read_dicom_segmentation

SEGMENTS = (
    Segment(
        label=2,
        name="Liver",
        colour=(221, 130, 101),
        category=ANATOMICAL_STRUCTURE,
        type=Code("10200004", "SCT", "Liver"),
        region=Code("818983003", "SCT", "Abdomen"),
    ),
    Segment(
        label=7,
        name="Left kidney, Größe",
        colour=(185, 102, 83),
        category=ANATOMICAL_STRUCTURE,
        type=Code("64033007", "SCT", "Kidney"),
        modifier=Code("7771000", "SCT", "Left"),
    ),
)
"""Two structures whose labels are not the numbers that DICOM gives them."""

MODEL = "model organs (tiny 1.2)"


def complete(number: int, data: Dataset) -> None:
    """Add what scanners say and the readers' tests do not need."""
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.826.0.1.1", "1.2.826.0.1.2"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3.{number}"
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = "1.2.826.0.1.4", ""
    data.StudyID, data.StudyDate, data.StudyTime = "S1", "20240229", "101500"
    data.PatientBirthDate, data.PatientSex = "19700101", "F"
    data.AccessionNumber, data.ReferringPhysicianName = "A1", "Roe^Richard"


def drawn_on(scan: Scan, made_by: str = MODEL) -> Case:
    """Return a case with labels strewn at random: no turn or shift of them looks the same."""
    size = scan.image.GetSize()[::-1]
    chance = min(0.4, 20_000 / np.prod(size))
    thrown = np.random.default_rng(3).random(size, dtype=np.float32)
    labels = np.where(thrown < chance, np.where(thrown < chance / 4, 7, 2), 0).astype(np.uint8)
    image = geometry.from_array(labels, scan.image)
    made = Segmentation(labels=image, segments=SEGMENTS, made_by=made_by)
    return Case(scan=scan, segmentations=(made,))


def assert_read_alike_by_all(path: Path, case: Case, out: Path) -> None:
    """Read a DICOM segmentation with three programs; each voxel has to lie where the case has it.

    Args:
        path: The file.
        case: What was exported.
        out: A folder for what dcmqi writes.
    """
    made = case.segmentations[-1]
    by_number = sorted(made.segments, key=lambda segment: segment.label)
    numbers = sitk.ChangeLabel(
        sitk.Cast(made.labels, sitk.sitkUInt16),
        {float(segment.label): float(n) for n, segment in enumerate(by_number, 1)},
    )
    assert_same_voxels(numbers, _by_highdicom(path))
    assert_same_voxels(numbers, read_dicom_segmentation(path).labels)
    assert_same_voxels(numbers, _by_dcmqi(path, out))
    again = read_dicom_segmentation(path, case.scan)
    assert "nearest" not in again.made_by
    assert np.array_equal(
        sitk.GetArrayViewFromImage(again.labels), sitk.GetArrayViewFromImage(numbers)
    )
    for number, (mine, other) in enumerate(zip(by_number, again.segments, strict=True), 1):
        assert (other.label, other.name, other.colour) == (number, mine.name, mine.colour)
        assert (other.category, other.type) == (mine.category, mine.type)
        assert (other.modifier, other.region) == (mine.modifier, mine.region)


def assert_same_voxels(ours: sitk.Image, theirs: sitk.Image) -> None:
    """Compare two label images in space: the same labelled voxels, none more, none elsewhere.

    The other may hold a part of the grid only, with its axes in any order and direction.
    """
    found = sitk.GetArrayViewFromImage(theirs)
    k, j, i = np.nonzero(found)
    places = geometry.index_to_lps(theirs) @ np.stack([i, j, k, np.ones(len(i))])
    exact = (np.linalg.inv(geometry.index_to_lps(ours)) @ places)[:3]
    index = np.rint(exact).astype(int)
    assert np.abs(exact - index).max(initial=0.0) < 1e-3
    array = sitk.GetArrayViewFromImage(ours)
    assert np.array_equal(array[index[2], index[1], index[0]], found[k, j, i])
    assert len(i) == np.count_nonzero(array)


def _by_highdicom(path: Path) -> sitk.Image:
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array, dtype=np.uint16))
    columns = np.array(volume.affine)[:3, 2::-1]
    spacing = np.linalg.norm(columns, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(np.array(volume.affine)[:3, 3].tolist())
    image.SetDirection((columns / spacing).ravel().tolist())
    return image


def _by_dcmqi(path: Path, out: Path) -> sitk.Image:
    out.mkdir(parents=True, exist_ok=True)
    run_dcmqi(
        "segimage2itkimage",
        *("--inputDICOM", path, "--outputDirectory", out, "-t", "nrrd", "-p", "s"),
        "--mergeSegments",
    )
    (written,) = out.glob("s-*.nrrd")
    described = json.loads((out / "s-meta.json").read_text("utf-8"))["segmentAttributes"]
    labels = [entry["labelID"] for group in described for entry in group]
    assert labels == list(range(1, len(labels) + 1))
    return sitk.ReadImage(str(written))


def run_dcmqi(program: str, *arguments: object) -> str:
    """Run one of dcmqi's programs and return what it said."""
    where = shutil.which(program, path=str(Path(sys.executable).parent))
    assert where, "dcmqi is not installed: pip install dcmqi"
    command = [where, *(str(argument) for argument in arguments)]
    done = subprocess.run(command, check=False, capture_output=True)
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, said
    return said


def faults_by_dciodvfy(path: Path) -> list[str]:
    """Return what dciodvfy, the validator of dicom3tools, calls an error."""
    where = shutil.which("dciodvfy")
    assert where, "dciodvfy is not installed: sudo apt-get install -y dicom3tools"
    done = subprocess.run([where, str(path)], check=False, capture_output=True)
    said = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    return [line for line in said if line.startswith(("Error", "Abort"))]


def content(path: Path) -> dict[str, Any]:
    """Return all that a file says, but for when and as which instance it was written."""
    data = pydicom.dcmread(path)
    told = data.to_json_dict()
    for keyword in (
        *("SOPInstanceUID", "InstanceCreationDate", "InstanceCreationTime"),
        *("ContentDate", "ContentTime", "ContributingEquipmentSequence"),
    ):
        told.pop(f"{pydicom.datadict.tag_for_keyword(keyword):08X}", None)
    return told
