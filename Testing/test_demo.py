"""The demo: what a newcomer sees first must be there, right, and the same when loaded back."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.read import read_segmentation
from Testing.conftest import dice, mask_of
from Testing.scene_cases import nodes
from Testing.test_segment import deepbet_mask


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("demo")
    run = subprocess.run(
        [sys.executable, "-m", "MedAssistLib", "demo", "-o", str(folder), "--json"],
        capture_output=True, text=True, check=False, encoding="utf-8",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return folder, json.loads(run.stdout)


def test_all_files_are_there_and_not_trivial(demo: tuple[Path, dict]) -> None:
    folder, printed = demo
    least = {
        "scene.mrb": 1_000_000,
        "brain.seg.nrrd": 20_000,
        "hippocampi.seg.nrrd": 5_000,
        "slices.png": 100_000,
        "hippocampi.png": 100_000,
        "render3d.png": 50_000,
        "measurements.csv": 500,
        "report.html": 200_000,
    }
    assert {path.name for path in folder.iterdir()} == set(least)
    assert {Path(path).name for path in printed["outputs"]} == set(least)
    for name, size in least.items():
        assert (folder / name).stat().st_size > size, name


def test_the_brain_is_right(demo: tuple[Path, dict], mni: dict[str, Path], mni_scan: Scan) -> None:
    segmentation = read_segmentation(demo[0] / "brain.seg.nrrd")
    assert geometry.same_grid(segmentation.labels, mni_scan.image)
    mask = mask_of(segmentation.labels)
    assert dice(mask, deepbet_mask(mni["t1"])) >= 0.995
    for kind in ("gm", "wm"):
        probable = sitk.GetArrayFromImage(sitk.ReadImage(str(mni[kind]))) > 127
        assert mask[probable].mean() >= 0.999


def test_the_hippocampi_are_on_their_sides(demo: tuple[Path, dict]) -> None:
    """A swapped side would send a surgeon to the wrong half of the brain."""
    made = read_segmentation(demo[0] / "hippocampi.seg.nrrd")
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(made.labels)
    assert len(made.segments) == 4
    for segment in made.segments:
        side = 1.0 if segment.name.startswith("Left") else -1.0
        assert side * shapes.GetCentroid(segment.label)[0] > 15.0, segment.name
        assert 1_500.0 < shapes.GetPhysicalSize(segment.label) < 3_500.0, segment.name


def test_the_printed_and_written_numbers_agree(demo: tuple[Path, dict]) -> None:
    folder, printed = demo
    with (folder / "measurements.csv").open(encoding="utf-8", newline="") as stream:
        written = {
            (row["structure"], row["quantity"]): float(row["value"])
            for row in csv.DictReader(stream)
        }
    assert written == {
        (entry["structure"], entry["quantity"]): entry["value"] for entry in printed["measurements"]
    }
    assert 1800 <= written["Brain", "volume"] <= 2100
    mask = mask_of(read_segmentation(folder / "brain.seg.nrrd").labels)
    assert written["Brain", "volume"] == pytest.approx(np.count_nonzero(mask) / 1000.0)


def test_the_scene_loads_back_in_slicer_core(demo: tuple[Path, dict], mni_scan: Scan) -> None:
    import slicer

    from MedAssistLib.scene import headless_scene, image_from_volume, segmentation_from_node

    expected = read_segmentation(demo[0] / "brain.seg.nrrd")
    with headless_scene() as headless:
        messages = slicer.vtkMRMLMessageCollection()
        assert headless.scene.ReadFromMRB(str(demo[0] / "scene.mrb"), False, messages)
        node, hippocampi = nodes(headless.scene, "vtkMRMLSegmentationNode")
        assert hippocampi.GetSegmentation().GetNumberOfSegments() == 4
        volumes = nodes(headless.scene, "vtkMRMLScalarVolumeNode")
        images = [image_from_volume(volume) for volume in volumes]
        assert len(images) == 2
        assert all(geometry.same_grid(image, mni_scan.image) for image in images)
        found = segmentation_from_node(node, volumes[0])
        assert found.findings == ()
        assert found.segmentation.segments == expected.segments
        assert sitk.Hash(found.segmentation.labels) == sitk.Hash(expected.labels)
        assert node.GetDisplayNode().GetVisibility3D()


def test_slicer_core_loads_the_seg_nrrd(demo: tuple[Path, dict]) -> None:
    import slicer

    from MedAssistLib.scene import headless_scene

    with headless_scene() as headless:
        storage = slicer.vtkMRMLSegmentationStorageNode()
        headless.scene.AddNode(storage)
        node = headless.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        storage.SetFileName(str(demo[0] / "brain.seg.nrrd"))
        assert storage.ReadData(node)
        segment = node.GetSegmentation().GetNthSegment(0)
        assert segment.GetName() == "Brain"
        assert "SCT^12738006^Brain" in segment.GetTerminology()
        assert tuple(round(c * 255) for c in segment.GetColor()) == (250, 250, 225)
