"""Exporting: what other programs read is what the case holds, and no file is ever half written."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicerio

from MedAssistLib import geometry
from MedAssistLib.case import Code, Scan, Segment, Segmentation
from MedAssistLib.errors import InputError, ResourceError, UsageError
from MedAssistLib.export.formats import (
    MEASUREMENT_FORMATS,
    SCAN_FORMATS,
    SEGMENTATION_FORMATS,
    suffix_of,
    writer,
)
from MedAssistLib.export.images import write_scan
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.files import replacing
from MedAssistLib.measure import measure
from MedAssistLib.read import read_scan, read_segmentation
from MedAssistLib.terminology import from_slicer, to_slicer
from Testing import orientations


def test_a_seg_nrrd_reads_back_as_it_was(small_segmentation: Segmentation, tmp_path: Path) -> None:
    write_seg_nrrd(small_segmentation, tmp_path / "x.seg.nrrd")
    again = read_segmentation(tmp_path / "x.seg.nrrd")
    assert again.segments == small_segmentation.segments
    assert geometry.same_grid(again.labels, small_segmentation.labels)
    assert sitk.Hash(again.labels) == sitk.Hash(small_segmentation.labels)


@pytest.mark.parametrize(("order", "flips"), orientations.ALL[::7])
def test_slicerio_finds_each_structure_by_its_code_in_its_place(
    small_segmentation: Segmentation,
    tmp_path: Path,
    order: tuple[int, ...],
    flips: tuple[bool, ...],
) -> None:
    """An independent reader of Slicer's format must see what Slicer would."""
    labels = orientations.stored(small_segmentation.labels, order, flips)
    path = tmp_path / "x.seg.nrrd"
    write_seg_nrrd(Segmentation(labels=labels, segments=small_segmentation.segments), path)
    found = slicerio.read_segmentation(str(path))
    assert np.array_equal(found["voxels"], sitk.GetArrayViewFromImage(labels).transpose(2, 1, 0))
    lps = found["ijkToLPS"]
    assert np.allclose(lps, geometry.index_to_lps(labels), atol=1e-6)
    liver, kidney = found["segments"]
    assert (liver["name"], liver["labelValue"]) == ("Liver", 1)
    assert np.allclose(np.array(liver["color"]) * 255, (221, 130, 101), atol=0.01)
    assert liver["terminology"]["type"] == ["SCT", "10200004", "Liver"]
    assert kidney["terminology"]["typeModifier"] == ["SCT", "7771000", "Left"]


@pytest.mark.parametrize("suffix", SCAN_FORMATS)
def test_a_scan_reads_back_as_it_was(small_scan: Scan, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    writer(SCAN_FORMATS, path)(small_scan, path)
    again = read_scan(path)
    assert geometry.same_grid(again.image, small_scan.image)
    assert sitk.Hash(again.image) == sitk.Hash(small_scan.image)
    assert again.modality == ("MR" if suffix in (".nrrd", ".mha") else "")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_labels_read_back_as_they_were(
    small_segmentation: Segmentation, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"x{suffix}"
    writer(SEGMENTATION_FORMATS, path)(small_segmentation, path)
    again = read_segmentation(path)
    assert sitk.Hash(again.labels) == sitk.Hash(small_segmentation.labels)
    assert [segment.label for segment in again.segments] == [1, 2]


def test_tables_hold_every_measurement(
    small_scan: Scan, small_segmentation: Segmentation, tmp_path: Path
) -> None:
    lost = Segment(label=9, name='Spleen, "left"', colour=(1, 2, 3))
    segments = (*small_segmentation.segments, lost)
    measured = measure(
        small_scan, Segmentation(labels=small_segmentation.labels, segments=segments)
    )
    for suffix in (".csv", ".json"):
        writer(MEASUREMENT_FORMATS, f"x{suffix}")(measured, tmp_path / f"x{suffix}")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    objects = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert len(table) == len(objects) == len(measured) == 3 * 13
    volumes = {row["structure"]: row["value"] for row in table if row["quantity"] == "volume"}
    assert float(volumes["Liver"]) == pytest.approx(measured[0].value, rel=1e-6)
    assert volumes['Spleen, "left"'] == "0.0"
    assert [o["value"] for o in objects if o["structure"].startswith("Sp")][1:] == [None] * 12


def test_codes_survive_slicers_text_form() -> None:
    segment = Segment(
        label=1,
        name="x",
        colour=(0, 0, 0),
        type=Code("64033007", "SCT", "Kidney"),
        modifier=Code("7771000", "SCT", "Left"),
        region=Code("818983003", "SCT", "Abdomen"),
    )
    assert from_slicer(to_slicer(segment)) == (
        segment.category,
        segment.type,
        segment.modifier,
        segment.region,
    )
    assert from_slicer("nonsense").type.meaning == "Tissue"


def test_a_name_that_would_break_the_header_does_not(
    small_segmentation: Segmentation, tmp_path: Path
) -> None:
    odd = Segment(label=1, name="a|b:=c\nd", colour=(0, 0, 0), type=Code("1", "SCT", "x~y^z|w"))
    path = tmp_path / "x.seg.nrrd"
    both = (odd, small_segmentation.segments[1])
    write_seg_nrrd(Segmentation(labels=small_segmentation.labels, segments=both), path)
    again, _ = read_segmentation(path).segments
    assert again.name == "a|b:=c d"
    assert again.type == Code("1", "SCT", "x-y-z-w")


def test_an_unknown_suffix_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"\.seg\.nrrd"):
        suffix_of("result.doc", SEGMENTATION_FORMATS)
    with pytest.raises(UsageError):
        suffix_of(".nrrd", SEGMENTATION_FORMATS)
    assert suffix_of("A.SEG.NRRD", SEGMENTATION_FORMATS) == ".seg.nrrd"


@pytest.mark.parametrize("name", ["missing/x.nii.gz", "folder", "file.txt/x.nii.gz"])
def test_a_path_that_cannot_be_written_is_an_error_in_one_line(
    small_scan: Scan, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(ResourceError) as caught:
        write_scan(small_scan, tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")

    def fail_halfway() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


_ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import SimpleITK as sitk
from MedAssistLib.case import Scan, Segment, Segmentation
from MedAssistLib.errors import ResourceError
from MedAssistLib.export.formats import SEGMENTATION_FORMATS, writer
import numpy as np
noise = np.random.default_rng(0).integers(0, 250, (60, 60, 60), dtype=np.uint8)
labels = sitk.GetImageFromArray(noise)
segmentation = Segmentation(labels=labels, segments=(Segment(label=1, name="x", colour=(0, 0, 0)),))
path = Path(sys.argv[1])
write = writer(SEGMENTATION_FORMATS, path)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write(segmentation, path)
except ResourceError as error:
    print(error)
    sys.exit(error.exit_status)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
@pytest.mark.parametrize("suffix", SEGMENTATION_FORMATS)
def test_on_a_full_disk_the_old_file_stays(tmp_path: Path, suffix: str) -> None:
    """ITK's writers do not all notice that the disk is full: the user must still be told."""
    path = tmp_path / f"x{suffix}"
    path.write_text("old")
    run = subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK, str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 5, run.stderr
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_scan_with_voxels_that_are_no_numbers_is_written(tmp_path: Path, suffix: str) -> None:
    """What was resampled or divided has NaN at its rim: it seemed that the disk was full."""
    values = np.linspace(-5.0, 5.0, 5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)
    values[0], values[1, 2, 3] = np.nan, np.inf
    path = tmp_path / f"scan{suffix}"
    write_scan(Scan(image=sitk.GetImageFromArray(values), name="scan"), path)
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    finite = np.isfinite(values)
    np.testing.assert_array_equal(found[finite], values[finite])


def test_axes_that_nifti_cannot_hold_are_named(tmp_path: Path) -> None:
    """A tilted scan as Slicer shears it: more space on the disk would not help."""
    image = sitk.GetImageFromArray(np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7))
    image.SetDirection([1.0, np.sin(0.3), 0.0, 0.0, np.cos(0.3), 0.0, 0.0, 0.0, 1.0])
    scan = Scan(image=image, name="scan")
    with pytest.raises(InputError, match="not at right angles") as caught:
        write_scan(scan, tmp_path / "scan.nii.gz")
    assert ".nrrd" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    write_scan(scan, tmp_path / "scan.nrrd")
    written = sitk.ReadImage(str(tmp_path / "scan.nrrd"))
    np.testing.assert_allclose(written.GetDirection(), image.GetDirection(), atol=1e-9)
