"""Damaged DICOM files: cut off, shrunk or with other bytes than they had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom import load_volume
from Testing.dicom_series import (
    STORED,
    ZS,
    found_in,
    loading_errors,
    rules,
    slice_of,
    write,
    write_series,
)


def test_a_cut_off_slice_is_refused_and_its_gap_named(tmp_path: Path) -> None:
    folder = write_series(tmp_path, STORED, ZS)
    for path in folder.iterdir():
        if pydicom.dcmread(path).InstanceNumber == 2:
            path.write_bytes(path.read_bytes()[:-100])
    found = found_in(folder)
    (refused,) = found.refused
    assert refused.reason == "is cut off: 284 bytes of 384"
    assert rules(load_volume(found.volumes[0], Progress())) == ["scan.missing-slices"]


def test_a_file_that_shrinks_after_it_was_found_is_an_error(tmp_path: Path) -> None:
    folder = write_series(tmp_path, STORED, ZS)
    (volume,) = found_in(folder).volumes
    volume.paths[1].write_bytes(volume.paths[1].read_bytes()[:-100])
    with pytest.raises(InputError, match="cut off"):
        load_volume(volume, Progress())
    volume.paths[2].unlink()
    with pytest.raises(InputError, match=r"cannot be read|cut off"):
        load_volume(volume, Progress())


@pytest.mark.parametrize("seed", range(300))
def test_damaged_headers_are_read_or_refused_never_a_crash(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(write(slice_of(STORED[0], (0, 0, 0)), tmp_path / "0.dcm").read_bytes())
    write(slice_of(STORED[1], (0, 0, 2)), tmp_path / "1.dcm")
    for place in rng.integers(132, len(content) - STORED[0].nbytes, 3):
        content[place] = rng.integers(0, 256)
    (tmp_path / "0.dcm").write_bytes(content)
    found = found_in(tmp_path)
    assert "\n" not in loading_errors(found)
    assert "\n" not in "".join(refused.reason for refused in found.refused)
