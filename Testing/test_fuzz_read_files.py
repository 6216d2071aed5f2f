"""Damaged files of every kind: read or refused, never a crash or a hang, never a place made up."""

from __future__ import annotations

import contextlib
import gzip
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given

from MedAssistLib.case import Segment, Segmentation
from MedAssistLib.errors import MedAssistError
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.read import read_segmentation
from Testing.dicom_series import pydicom_file
from Testing.fuzzing import (
    DAMAGE,
    SPACING,
    damaged,
    effort,
    for_a_while,
    listed_and_read,
    place_of,
    require_sound,
)
from Testing.sagittal_series import write_sagittal

DOUBT = {"scan.no-place", "scan.two-places", "scan.no-origin", "scan.minc-places"}
VALUES = np.random.default_rng(6).integers(-50, 900, (5, 6, 7), dtype=np.int16)


@dataclass(frozen=True)
class Target:
    """What is damaged: how a good file is made, and who else says where its voxels lie."""

    name: str
    make: Callable[[Path], None]
    corner_and_steps: Callable[[Path], np.ndarray | None] | None = None


def _image() -> sitk.Image:
    image = sitk.GetImageFromArray(VALUES)
    image.SetSpacing(SPACING)
    image.SetOrigin((-20.0, 30.5, 12.25))
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.2, -0.1, 0.3)
    image.SetDirection(turn.GetMatrix())
    return image


def _with_itk(suffix: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        named = path.with_name(f"made{suffix}")
        sitk.WriteImage(_image(), str(named))
        named.replace(path)

    return make


def _nifti_place(path: Path) -> np.ndarray | None:
    """Return 3×4 from index to LPS mm, as nibabel says."""
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    kind = nib.Nifti2Image if raw[4:7] == b"n+2" else nib.Nifti1Image
    image: nib.Nifti1Image = kind.from_bytes(raw)
    # The low three bits are the unit of length (nifti1.h, xyzt_units).
    unit = {1: 1000.0, 3: 0.001}.get(int(image.header["xyzt_units"]) & 7, 1.0)
    return np.diag([-1.0, -1.0, 1.0]) @ image.affine[:3] * unit


def _make_nifti2(path: Path) -> None:
    _with_itk(".nii")(path)
    image = nib.Nifti1Image.from_bytes(path.read_bytes())
    path.write_bytes(nib.Nifti2Image.from_image(image).to_bytes())


def _nrrd_place(path: Path) -> np.ndarray | None:
    header = nrrd.read_header(str(path))
    signs = {
        "left-posterior-superior": (1, 1, 1), "lps": (1, 1, 1),
        "right-anterior-superior": (-1, -1, 1), "ras": (-1, -1, 1),
        "left-anterior-superior": (1, -1, 1), "las": (1, -1, 1),
    }.get(header["space"].lower())  # fmt: skip
    if signs is None:
        return None
    axes = np.array(header["space directions"], dtype=np.float64).T
    origin = np.array(header["space origin"], dtype=np.float64)
    return np.diag(signs) @ np.column_stack([axes, origin])


def _meta_place(path: Path) -> np.ndarray | None:
    text = path.read_bytes().split(b"ElementDataFile")[0].decode("latin-1")
    fields = dict(re.findall(r"^(\w+) = (.*?)\r?$", text, re.MULTILINE))
    turn = np.array(fields["TransformMatrix"].split(), dtype=np.float64).reshape(3, 3).T
    spacing = np.array(fields["ElementSpacing"].split(), dtype=np.float64)
    origin = np.array(fields["Offset"].split(), dtype=np.float64)
    return np.column_stack([turn * spacing, origin])


def _dicom_zip(path: Path) -> None:
    folder = path.with_name("zipped")
    write_sagittal(folder, [(float(x), -10.0, 20.0) for x in range(4)], "1.2.3")
    with zipfile.ZipFile(path, "w") as zipped:
        for file in sorted(folder.iterdir()):
            zipped.write(file, file.name)


def _multiframe(path: Path) -> None:
    shutil.copyfile(pydicom_file("liver_1frame.dcm"), path)


def _directory(path: Path) -> None:
    shutil.copyfile(pydicom_file("dicomdirtests/DICOMDIR-implicit"), path)


def _array(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, VALUES)


def _arrays(path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, a=VALUES, b=VALUES + 1)


def _segments(path: Path) -> None:
    labels = sitk.Cast(_image() > 800, sitk.sitkUInt8)
    parts = (
        Segment(label=1, name="Liver", colour=(221, 130, 101)),
        Segment(label=2, name="Left kidney", colour=(185, 102, 83)),
    )
    write_seg_nrrd(Segmentation(labels=labels, segments=parts), path)


def _analyze(path: Path) -> None:
    pair = path.with_name("pair.img")
    nib.save(nib.AnalyzeImage(VALUES.T.copy(), np.diag([-0.5, 1.0, 2.0, 1.0])), pair)
    path.with_suffix(".img").write_bytes(pair.read_bytes())
    path.write_bytes(pair.with_suffix(".hdr").read_bytes())


TARGETS = (
    Target("x.nii", _with_itk(".nii"), _nifti_place),
    Target("x.nii.gz", _with_itk(".nii.gz"), _nifti_place),
    Target("two.nii", _make_nifti2, _nifti_place),
    Target("x.nrrd", _with_itk(".nrrd"), _nrrd_place),
    Target("x.mha", _with_itk(".mha"), _meta_place),
    Target("x.mnc", _with_itk(".mnc")),
    Target("x.hdr", _analyze),
    Target("x.npy", _array),
    Target("x.seg.nrrd", _segments),
    Target("x.npz", _arrays),
    Target("x.zip", _dicom_zip),
    Target("seg.dcm", _multiframe),
    Target("DICOMDIR", _directory),
)


def _require_writable(segmentation: Segmentation) -> None:
    for segment in segmentation.segments:
        segment.name.encode()


def _check_file(target: Target, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    scan = listed_and_read(path)[1]
    if "seg" in target.name:
        with contextlib.suppress(MedAssistError):
            _require_writable(read_segmentation(path))
    if scan is None:
        return
    require_sound(scan)
    doubtful = DOUBT & {finding.rule for finding in scan.findings}
    if target.corner_and_steps is None or doubtful:
        return
    try:
        expected = target.corner_and_steps(path)
    except Exception:  # noqa: BLE001  # The other reader refuses the file; nothing to compare.
        return
    if expected is not None and np.isfinite(expected).all() and expected.shape == (3, 4):
        ours = place_of(scan)
        scale = max(1.0, float(np.abs(expected).max()))
        assert np.allclose(ours, expected, atol=2e-3 * scale), (ours, expected)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_read_or_refused_and_its_place_is_never_made_up(
    target: Target, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / target.name
    target.make(path)
    good = path.read_bytes()
    _check_file(target, path, good)

    @effort()
    @given(DAMAGE)
    def check(edits: list[tuple[str, int, bytes]]) -> None:
        _check_file(target, path, damaged(good, edits))

    for_a_while(check, request)
