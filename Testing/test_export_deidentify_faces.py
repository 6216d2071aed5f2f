"""Faces: told where there may be one, and cut out without touching the brain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.export.deidentify import DeidentifyOptions, deidentify
from MedAssistLib.export.deidentify.face_cut import cut_of, face_of
from MedAssistLib.export.deidentify.faces import MARGIN_MM
from MedAssistLib.export.deidentify.heads import shows_head
from MedAssistLib.read import read_scan
from Testing.deidentify_cases import mr_image, save
from Testing.dicom_series import write_series
from Testing.orientations import ALL, stored


@pytest.fixture(scope="module")
def small_head(mni_scan: Scan) -> sitk.Image:
    """The MNI head at 4 mm."""
    return sitk.Cast(sitk.Shrink(mni_scan.image, [4, 4, 4]), sitk.sitkInt16)


@pytest.fixture(scope="module")
def small_brain(mni: dict[str, Path], small_head: sitk.Image) -> sitk.Image:
    """Its brain: where grey or white matter is likely."""
    grey, white = (sitk.ReadImage(mni[kind], sitk.sitkFloat32) for kind in ("gm", "wm"))
    near = sitk.Resample(grey + white, small_head, sitk.Transform(), sitk.sitkLinear)
    return near > 0.5 * float(voxels(near).max())


@pytest.fixture(scope="module")
def brain_file(small_brain: sitk.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("brain") / "brain.nii.gz"
    sitk.WriteImage(small_brain, path)
    return path


def voxels(image: sitk.Image) -> np.ndarray:
    """Return values, axes (k, j, i)."""
    return sitk.GetArrayFromImage(image)


def coordinates(image: sitk.Image) -> np.ndarray:
    """Return L, P and S of each voxel in mm, axes (LPS, k, j, i)."""
    k, j, i = np.indices(voxels(image).shape)
    matrix = geometry.index_to_lps(image)
    return np.einsum("ab,b...->a...", matrix[:3, :3], [i, j, k]) + matrix[:3, 3, None, None, None]


def series_of(
    head: sitk.Image, folder: Path, *, modality: str = "MR", packed: bool = False, **changes: object
) -> Path:
    """Write a head as a DICOM series of axial slices."""
    upright = sitk.DICOMOrient(head, "LPS")
    values = voxels(upright)
    places = [upright.TransformIndexToPhysicalPoint((0, 0, k)) for k in range(len(values))]

    def change(_number: int, data: Dataset) -> None:
        data.PixelSpacing = list(upright.GetSpacing()[:2])
        data.BodyPartExamined = "HEAD"
        for keyword, value in changes.items():
            setattr(data, keyword, value)
        if packed:
            data.compress(RLELossless, generate_instance_uid=False)

    return write_series(folder, values, places, modality=modality, change=change)


@pytest.mark.parametrize("way", ALL[::7], ids=str)
def test_the_cut_takes_the_face_and_never_the_brain(
    small_head: sitk.Image, small_brain: sitk.Image, way: tuple[tuple[int, ...], tuple[bool, ...]]
) -> None:
    """However the scan is stored: who keeps a face is recognised, a brain that goes is lost."""
    image = stored(small_head, *way)
    face = face_of(image, cut_of(stored(small_brain, *way), MARGIN_MM))
    brain = voxels(stored(small_brain, *way)) > 0
    _, p, s = coordinates(image)
    assert not (face & brain).any()
    assert face[p < p[brain].min() - MARGIN_MM - 1.0].all()
    assert face[s < s[brain].min() - MARGIN_MM - 1.0].all()
    behind_and_above = (p > np.median(p[brain])) & (s > np.median(s[brain]))
    assert not face[behind_and_above].any()
    assert 0.1 < face.mean() < 0.6
    unturned = geometry.stored_as(geometry.from_array(face.astype(np.uint8), image), small_head)
    assert unturned is not None
    back = face_of(small_head, cut_of(small_brain, MARGIN_MM))
    assert np.array_equal(voxels(unturned) > 0, back)


@pytest.mark.parametrize(("modality", "packed"), [("MR", False), ("CT", True)])
def test_a_dicom_series_loses_its_face_only(  # noqa: PLR0913, PLR0917  (a test's facts, by name)
    small_head: sitk.Image,
    small_brain: sitk.Image,
    brain_file: Path,
    tmp_path: Path,
    modality: str,
    packed: bool,
) -> None:
    source = series_of(small_head, tmp_path / "in", modality=modality, packed=packed)
    options = DeidentifyOptions(deface=True, brain=brain_file)
    report = deidentify([source], tmp_path / "out", options)
    before, after = read_scan(source).image, read_scan(tmp_path / "out").image
    assert geometry.same_grid(before, after)
    face = face_of(before, cut_of(small_brain, MARGIN_MM))
    assert np.array_equal(voxels(before)[~face], voxels(after)[~face])
    assert voxels(after)[face].max() <= np.percentile(voxels(before), 1)
    first = pydicom.dcmread(next((tmp_path / "out").rglob("*.dcm")))
    assert first.RecognizableVisualFeatures == "NO"
    codes = [item.CodeValue for item in first.DeidentificationMethodCodeSequence]
    assert "113102" in codes
    assert not any("head" in warning for warning in report.warnings)


def test_an_enhanced_file_loses_its_face_only(shared_data: Path, tmp_path: Path) -> None:
    """Its many slices lie in one file, each with a place of its own."""
    source = shared_data / "dicom" / "mr_enhanced_siemens" / "XA10" / "6_1.dcm"
    before = read_scan(source).image
    brain = sitk.Image(before.GetSize(), sitk.sitkUInt8)
    brain.CopyInformation(before)
    middle = [slice(n // 3, 2 * n // 3) for n in before.GetSize()]
    brain[tuple(middle)] = 1
    sitk.WriteImage(brain, tmp_path / "brain.nrrd")
    options = DeidentifyOptions(deface=True, brain=tmp_path / "brain.nrrd")
    deidentify([source], tmp_path / "out.dcm", options)
    after = read_scan(tmp_path / "out.dcm").image
    face = face_of(before, cut_of(brain, MARGIN_MM))
    assert geometry.same_grid(before, after)
    assert 0.1 < face.mean() < 0.9
    assert np.array_equal(voxels(before)[~face], voxels(after)[~face])
    assert (voxels(after)[face] == voxels(before).min()).all()


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_an_image_file_loses_its_face_by_the_brain_that_the_model_finds(
    small_head: sitk.Image,
    small_brain: sitk.Image,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = Segmentation(labels=small_brain, segments=())
    monkeypatch.setattr("MedAssistLib.segment.segment", lambda *_args, **_options: found)
    sitk.WriteImage(small_head, tmp_path / name)
    deidentify([tmp_path / name], tmp_path / f"b{name}", DeidentifyOptions(deface=True))
    after = read_scan(tmp_path / f"b{name}").image
    face = face_of(small_head, cut_of(small_brain, MARGIN_MM))
    assert np.array_equal(voxels(small_head)[~face], voxels(after)[~face])
    assert (voxels(after)[face] == voxels(small_head).min()).all()


def test_no_face_is_cut_by_a_brain_that_cannot_be_one(
    small_head: sitk.Image, small_brain: sitk.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that fails finds a crumb, and everything in front of a crumb is not a face."""
    crumb = small_brain * 0
    crumb[20:22, 20:22, 20:22] = 1
    found = Segmentation(labels=crumb, segments=())
    monkeypatch.setattr("MedAssistLib.segment.segment", lambda *_args, **_options: found)
    source = series_of(small_head, tmp_path / "in")
    with pytest.raises(InputError, match="no whole brain"):
        deidentify([source], tmp_path / "out", DeidentifyOptions(deface=True))
    assert not (tmp_path / "out").exists()


def test_a_ct_needs_a_brain_from_elsewhere(small_head: sitk.Image, tmp_path: Path) -> None:
    """The model knows MR only; on CT it would find anything."""
    source = series_of(small_head, tmp_path / "in", modality="CT")
    with pytest.raises(InputError, match="--brain FILE"):
        deidentify([source], tmp_path / "out", DeidentifyOptions(deface=True))


def test_a_single_image_of_a_head_is_refused(
    small_head: sitk.Image, brain_file: Path, tmp_path: Path
) -> None:
    """A localiser shows the profile of a face, and is no volume in which to find it."""
    series_of(small_head, tmp_path / "in")
    series_of(small_head, tmp_path / "more", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (tmp_path / "more" / "0003.dcm").rename(tmp_path / "in" / "localiser.dcm")
    options = DeidentifyOptions(deface=True, brain=brain_file)
    with pytest.raises(InputError, match="no part of a volume"):
        deidentify([tmp_path / "in"], tmp_path / "out", options)


def test_one_brain_is_not_for_two_patients(
    small_head: sitk.Image, brain_file: Path, tmp_path: Path
) -> None:
    one = series_of(small_head, tmp_path / "in" / "1")
    other = series_of(small_head, tmp_path / "in" / "2", PatientID="4712", SeriesInstanceUID="1.9")
    options = DeidentifyOptions(deface=True, brain=brain_file)
    with pytest.raises(UsageError, match="several patients"):
        deidentify([one, other], tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "head"),
    [
        ({"BodyPartExamined": "HEAD"}, True),
        ({"SeriesDescription": "T1 MPRAGE sag"}, True),
        ({"BodyPartExamined": "WHOLEBODY"}, True),
        ({"StudyDescription": "Schädel nativ"}, True),
        ({"BodyPartExamined": "ABDOMEN"}, False),
        ({"BodyPartExamined": "ABDOMEN", "StudyDescription": "Brain metastases"}, True),
        ({}, None),
        ({"Modality": "US", "BodyPartExamined": "HEAD"}, False),
    ],
    ids=str,
)
def test_heads_are_told_by_their_descriptions(
    changes: dict[str, str], head: bool | None, tmp_path: Path
) -> None:
    """Who is not warned hands a face out; who is always warned no longer reads it."""
    data = mr_image(**changes)
    assert shows_head(data) is head
    options = DeidentifyOptions(allow_burned_in=True)
    warnings = deidentify([save(data, tmp_path / "a.dcm")], tmp_path / "b.dcm", options).warnings
    assert any("show a head" in warning for warning in warnings) is (head is True)
    assert any("do not say what they show" in warning for warning in warnings) is (head is None)
