"""The second reader in the section Check: asked, shown over the slices, and taken over."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from MedAssistLib.panel.trial import bright_box
from MedAssistLib.worker.second_reader import apart
from Testing.check_cases import body
from Testing.panel_bench import WorkerThread
from Testing.panel_check_cases import choose, run_check

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)

_VIEWS = "vtkMRMLSliceCompositeNode"


@pytest.fixture
def desk(bench: Bench, bright_models: Path) -> Bench:
    """A bright box, drawn without one of its ends, and a model that sees all of it."""
    import slicer

    shutil.copytree(bright_models, bench.folder / "models", dirs_exist_ok=True)
    bench.panel.context.lanes["work"]._start = WorkerThread
    voxels, box = bright_box()
    volume = bench.add_volume(voxels)
    bench.panel.ui.checkSection.collapsed = False
    node = bench.host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    name = node.GetSegmentation().AddEmptySegment("bright", "Bright", [1.0, 0.5, 0.0])
    box[:, :, : box.shape[2] // 3] = False
    slicer.util.updateSegmentBinaryLabelmapFromArray(box.astype(np.uint8), node, name, volume)
    bench.host.wait(lambda: bench.panel.check.segmentation is node, 5, "the drawing's choice")
    return bench


def views(bench: Bench) -> list[tuple[str | None, float]]:
    """Return what every slice view shows in front, and how opaque."""
    scene = bench.host.scene
    nodes = [scene.GetNthNodeByClass(n, _VIEWS) for n in range(3)]
    return [(node.GetForegroundVolumeID(), node.GetForegroundOpacity()) for node in nodes]


def asked(bench: Bench) -> dict[str, Any]:
    """Check with the model, and go to the first finding of the second reader."""
    bench.panel.context.choices.check_model = "bright"
    run_check(bench)
    review = bench.panel.check.review
    found = next(e for e in review.entries if e["rule"].startswith("opinion."))
    choose(bench, found)
    return found


def test_the_second_reader_is_chosen_shown_and_taken_over(desk: Bench) -> None:
    """The model's answer would stay unseen, or change the drawing by itself."""
    check = desk.panel.check
    volume, node = desk.panel.context.volume, check.segmentation
    truth, drawn = bright_box()[1], desk.found_in(node, volume)
    run_check(desk)
    assert check.ui.checkModel.itemText(0) == "No model"
    assert not any(e["rule"].startswith("opinion.") for e in check.review.entries)
    assert not check.ui.showDisagreement.visible
    before = views(desk)
    entry = asked(desk)
    layer = check.review.second.layer
    shown = layer.node
    assert [foreground for foreground, _opacity in views(desk)] == [shown.GetID()] * 3
    assert not shown.GetSaveWithScene()
    check.ui.showDisagreement.click()
    assert views(desk) == before
    assert layer.node is None
    check.ui.showDisagreement.click()
    assert layer.node is not None
    assert np.array_equal(desk.found_in(node, volume), drawn), "looking changes nothing"
    assert "takes the second reader's drawing" in check.ui.fixText.text
    check.ui.fix.click()
    assert entry["state"] == "accepted"
    repaired = desk.found_in(node, volume)
    assert np.count_nonzero(repaired ^ truth) < 0.8 * np.count_nonzero(drawn ^ truth)
    assert not (repaired & ~truth).any()
    assert not (drawn & ~repaired).any()
    check.ui.undoFix.click()
    assert np.array_equal(desk.found_in(node, volume), drawn)


def test_the_map_lies_on_what_differs(desk: Bench) -> None:
    """Colours a voxel off would accuse the wrong boundary; here the grid is turned."""
    import slicer

    check = desk.panel.check
    volume, node = desk.panel.context.volume, check.segmentation
    turn = desk.host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turned")
    matrix = np.array([[0.8, -0.6, 0, 30], [0.6, 0.8, 0, -12], [0, 0, 1, 4], [0, 0, 0, 1.0]])
    turn.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    for moved in (volume, node):
        moved.SetAndObserveTransformNodeID(turn.GetID())
    missing = np.argwhere(bright_box()[1] & ~desk.found_in(node, volume))
    asked(desk)
    shown = check.review.second.layer.node
    assert shown.GetTransformNodeID() == turn.GetID()
    to_ras, to_ijk = _matrices(volume, shown)
    places = np.column_stack([missing[:, ::-1], np.ones(len(missing))]) @ (to_ijk @ to_ras).T
    indices = np.rint(places[:, 2::-1]).astype(int)
    assert np.abs(places[:, 2::-1] - indices).max() < 1e-3
    values = slicer.util.arrayFromVolume(shown)
    assert (values[tuple(indices.T)] < 0).all()
    assert np.count_nonzero(values) == len(missing)


def _matrices(volume: Any, shown: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrices from the volume's voxels to RAS, and from there to the map's."""
    import slicer
    import vtk

    matrices = []
    for node in (volume, shown):
        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        matrices.append(slicer.util.arrayFromVTKMatrix(matrix))
    return matrices[0], np.linalg.inv(matrices[1])


def test_the_map_goes_with_its_check(desk: Bench) -> None:
    """Colours of one patient would lie over the next one."""
    check = desk.panel.check
    before = views(desk)
    asked(desk)
    assert views(desk) != before
    desk.panel.context.choices.check_model = ""
    run_check(desk)
    assert views(desk) == before
    assert not check.ui.showDisagreement.visible
    asked(desk)
    desk.host.scene.Clear()
    desk.host.process(0.1)
    assert check.review.second.layer.node is None
    assert not check.review.second.reader.structures
    assert desk.host.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_distances_are_those_of_the_definition() -> None:
    """By brute force: a wrong sign or spacing would show a small slip as a large one."""
    rng = np.random.default_rng(4)
    ours, theirs = (rng.random((5, 6, 7)) < 0.3 for _ in range(2))
    grid = body()[0].image
    places = np.argwhere(np.ones(ours.shape, dtype=bool)).reshape(*ours.shape, 3) * (3.0, 2.0, 2.0)

    def to(mask: np.ndarray, place: np.ndarray) -> float:
        return float(np.linalg.norm(places[mask] - place, axis=1).min())

    found = apart(ours, theirs, grid)
    for index in np.ndindex(ours.shape):
        if ours[index] == theirs[index]:
            assert found[index] == 0.0
        elif ours[index]:
            assert found[index] == pytest.approx(to(theirs, places[index]), abs=1e-4)
        else:
            assert found[index] == pytest.approx(-to(ours, places[index]), abs=1e-4)
    assert (apart(ours, np.zeros_like(ours), grid)[ours] >= 0.0).all()
