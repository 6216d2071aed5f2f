"""NIfTI-2, which large studies and HCP pipelines write: the same scan as nibabel reads."""

from __future__ import annotations

import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.errors import InputError
from MedAssistLib.read import ReadOptions, read_scan
from Testing.orientations import ALL

VALUES = np.arange(7 * 6 * 5, dtype=np.int16).reshape(7, 6, 5)


def saved(path: Path, values: np.ndarray, affine: np.ndarray, order: str = "<") -> nib.Nifti2Image:
    header = nib.Nifti2Header(endianness=order)
    header.set_data_dtype(values.dtype)
    image = nib.Nifti2Image(values, affine, header)
    nib.save(image, path)
    return image


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_scan_lies_where_nibabel_says(tmp_path: Path, suffix: str, order: str) -> None:
    path = tmp_path / f"scan{suffix}"
    for axes, flips in ALL:
        turned = np.eye(3)[:, axes] * np.where(flips, -1.0, 1.0) * (0.7, 1.5, 3.0)
        check(path, order, turned)


def check(path: Path, order: str, axes: np.ndarray) -> None:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes, (11.0, -23.5, 40.25)
    saved(path, VALUES, affine, order)
    scan = read_scan(path)
    assert np.array_equal(sitk.GetArrayFromImage(scan.image).T, VALUES)
    for index in ((0, 0, 0), (6, 5, 4), (3, 1, 2)):
        x, y, z = affine[:3] @ (*index, 1)
        assert scan.image.TransformIndexToPhysicalPoint(index) == pytest.approx(
            (-x, -y, z), abs=1e-4
        )


def test_scaled_values_and_time_points_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    image = saved(path, np.stack([VALUES, VALUES + 9], -1), np.eye(4))
    image.header.set_slope_inter(2.0, -5.0)
    nib.save(image, path)
    second = read_scan(path, ReadOptions(series="2"))
    expected = nib.load(path).get_fdata()[..., 1]
    assert np.allclose(sitk.GetArrayFromImage(second.image).T, expected)


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    saved(path, VALUES, np.eye(4))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="cut off"):
        read_scan(path)


def test_a_side_that_is_too_long_is_told(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    saved(path, np.zeros((40000, 1, 1), np.uint8), np.eye(4))
    with pytest.raises(InputError, match="32767"):
        read_scan(path)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<4s", raw, 4, b"ni2\0")
    path.write_bytes(raw)
    with pytest.raises(InputError):
        read_scan(path)
