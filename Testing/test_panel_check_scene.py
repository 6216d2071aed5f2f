"""The section Check and the scene: what is handed over, what may come between, what is left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from MedAssistLib.panel.findings_node import findings_node
from MedAssistLib.panel.label_layers import layers_of
from Testing.check_cases import array, body
from Testing.conftest import REPOSITORY
from Testing.panel_bench import WorkerThread
from Testing.panel_check_cases import add_body, centre, choose, island, run_check

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)


@pytest.fixture
def desk(bench: Bench) -> Bench:
    """The panel with a worker that starts in no time."""
    bench.panel.context.lanes["work"]._start = WorkerThread
    return bench


def titles(bench: Bench) -> list[str]:
    return [entry["title"] for entry in bench.panel.check.review.entries]


def test_a_check_runs_in_the_background_and_can_be_cancelled(bench: Bench) -> None:
    """Slicer would freeze for as long as the check takes, without a way out."""
    add_body(bench)
    check = bench.panel.check
    check.ui.check.click()
    check.ui.check.click()
    assert len(bench.jobs) == 1, "a second click queues nothing"
    job = bench.jobs[-1]
    assert check.ui.checkState.text == "Checking…"
    bench.host.wait(lambda: job.state == "running" and job.fraction > 0.05, 30, "the check")
    assert "Checking" in bench.row(job).message.text
    bench.row(job).action.click()
    assert bench.until_over(job, 20) == "cancelled"
    assert titles(bench) == []
    run_check(bench)
    assert len(titles(bench)) >= 10
    assert list((bench.folder / "jobs").glob("*")) == []


_GAP = """
from pathlib import Path
from Testing.host.boot import boot
from Testing.panel_bench import Bench
from Testing.panel_check_cases import add_body, run_check

host = boot()
bench = Bench(host, Path({folder!r}))
add_body(bench)
host.process(0.5)
for _try in range(3):
    with host.longest_gap() as gap:
        run_check(bench)
    print("GAP", gap[0])
    if gap[0] < 0.1:  # the machine itself may stall a try
        break
host.close()
"""


@pytest.mark.alone
def test_the_window_never_waits_for_a_check(own_folders: Path) -> None:
    """In a process of its own: here everything is imported already, which also takes time."""
    program = [sys.executable, "-c", _GAP.format(folder=str(own_folders))]
    run = subprocess.run(program, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    gaps = [float(line.split()[1]) for line in run.stdout.splitlines() if line.startswith("GAP")]
    print(f"longest gaps of the event loop: {[f'{gap:.3f} s' for gap in gaps]}")
    assert min(gaps) < 0.1


def test_closing_the_scene_during_a_check_leaves_nothing(desk: Bench) -> None:
    """Findings of one patient would stand in the scene of another."""
    add_body(desk, 2)
    desk.panel.check.ui.check.click()
    job = desk.jobs[-1]
    desk.host.scene.Clear()
    assert desk.until_over(job) == "failed"
    assert "left the scene" in desk.row(job).message.text
    assert titles(desk) == []
    assert desk.host.scene.GetNumberOfNodesByClass("vtkMRMLTextNode") == 0
    assert list((desk.folder / "jobs").glob("*")) == []
    add_body(desk, 2)
    run_check(desk)
    assert len(titles(desk)) >= 2


def test_deleting_the_segmentation_takes_its_findings_from_the_list(desk: Bench) -> None:
    _volume, drawn = add_body(desk, 2)
    run_check(desk)
    desk.panel.check.ui.next.click()
    desk.host.scene.RemoveNode(drawn)
    desk.host.wait(lambda: titles(desk) == [], 5, "the empty list")
    assert desk.panel.check.review.mark.nodes is None
    run_check(desk)
    assert all("island" not in title for title in titles(desk)), "the volume alone was checked"


def test_the_mark_is_gone_with_the_panel_and_is_never_saved(desk: Bench) -> None:
    scene = desk.host.scene
    volume, _drawn = add_body(desk, 2)
    display = volume.GetDisplayNode()
    before = display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()
    run_check(desk)
    ui = desk.panel.check.ui
    ui.next.click()
    ui.next.click()
    point, box = desk.panel.check.review.mark.nodes
    tree = scene.GetSubjectHierarchyNode()
    folder = tree.GetItemParent(tree.GetItemByDataNode(point))
    assert folder == tree.GetItemParent(tree.GetItemByDataNode(box))
    assert tree.GetItemName(folder) == "MedAssist finding"
    assert not point.GetSaveWithScene()
    assert not box.GetSaveWithScene()
    assert not tree.GetItemDataNode(folder), "the folder is no node"
    low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    assert -120 < low < high < 120, "window and level fit the place"
    ui.fitBrightness.click()
    assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == before
    ui.fitBrightness.click()
    desk.panel.close()
    assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == 0
    assert tree.GetItemByName("MedAssist finding") == 0
    assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == before
    assert scene.GetNumberOfNodesByClass("vtkMRMLTextNode") == 1, "the findings stay"


def test_what_a_person_drew_last_is_checked_by_default(desk: Bench) -> None:
    import slicer

    volume, _drawn = add_body(desk, 0)
    check = desk.panel.check
    own = desk.host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "By hand")
    own.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    name = own.GetSegmentation().AddEmptySegment("spleen", "Spleen", [1.0, 0.5, 0.0])
    labels = array(body()[1])
    mask = (labels == 2).astype(np.uint8)
    mask[2:5, 62:66, 4:8] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, own, name, volume)
    desk.host.wait(lambda: check.segmentation is own, 5, "the choice")
    run_check(desk)
    assert any(title.startswith("Spleen has an island") for title in titles(desk))
    assert not any(title.startswith("Liver") for title in titles(desk))


def test_a_drawing_below_a_transform_of_its_own_is_checked_where_it_lies(desk: Bench) -> None:
    """Every structure would be checked on grey values that are not its own."""
    import slicer

    volume, drawn = add_body(desk, 2)
    turn = desk.host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turned")
    matrix = np.array([[0.8, -0.6, 0, 30], [0.6, 0.8, 0, -12], [0, 0, 1, 4], [0, 0, 0, 1.0]])
    turn.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    # Both lie where they would below the transform, the volume without being there.
    for node in (volume, drawn):
        node.SetAndObserveTransformNodeID(turn.GetID())
    volume.HardenTransform()
    run_check(desk)
    islands = [e for e in desk.panel.check.review.entries if e["rule"] == "geometry.islands"]
    turned = np.diag([-1, -1, 1, 1.0]) @ matrix @ np.diag([-1, -1, 1, 1.0])
    truth = [(turned @ [*centre(number), 1.0])[:3] for number in range(2)]
    assert len(islands) == 2
    for entry, place in zip(islands, truth, strict=True):
        assert np.linalg.norm(entry["point_lps"] - place) < 4.0
    assert not any("another grid" in title for title in titles(desk))
    matrix[0, 1] += 0.5
    turn.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    desk.host.dialogs.answer(desk.yes())
    desk.panel.check.ui.check.click()
    assert "is warped against the volume" in desk.host.dialogs.shown[-1].text


def test_a_layer_of_one_slice_is_checked_too(desk: Bench) -> None:
    import slicer

    volume, drawn = add_body(desk, 1)
    labels = array(body()[1])
    name = drawn.GetSegmentation().AddEmptySegment("one", "One slice", [1.0, 0.5, 0.0])
    mask = np.zeros_like(labels)
    mask[20, 30:34, 20:60] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, drawn, name, volume)
    assert len(layers_of(drawn, volume)) == 2
    run_check(desk)
    assert any("overlap" in title for title in titles(desk)), titles(desk)
    assert not any("another grid" in title for title in titles(desk))


def test_an_empty_segmentation_is_refused_in_words(desk: Bench) -> None:
    add_body(desk, 0)
    node = desk.host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Nothing")
    desk.host.wait(lambda: desk.panel.check.segmentation is node, 5, "the choice")
    desk.host.dialogs.answer(desk.yes())
    desk.panel.check.ui.check.click()
    assert "has no segments" in desk.host.dialogs.shown[-1].text


def test_answers_that_came_from_elsewhere_are_shown_and_not_written_over(desk: Bench) -> None:
    """Undo, a script or another module writes an answer: the next click here would erase it."""
    volume, drawn = add_body(desk)
    run_check(desk)
    check = desk.panel.check
    node = findings_node(desk.host.scene, volume, drawn)
    found = json.loads(node.GetText())
    found["findings"][1] |= {"state": "accepted", "comment": "seen on the ward"}
    node.SetText(json.dumps(found))
    assert check.review.entries[1]["state"] == "accepted"
    check.ui.next.click()
    check.ui.dismiss.click()
    states = [(e["state"], e["comment"]) for e in json.loads(node.GetText())["findings"][:2]]
    assert states == [("dismissed", ""), ("accepted", "seen on the ward")]
    desk.host.scene.Clear()
    assert check.review.entries == []


def test_a_mark_that_was_saved_with_a_scene_leaves_no_folder_behind(
    desk: Bench, tmp_path: Path
) -> None:
    """Each time that a scene is saved in the middle of a review its tree would grow."""
    add_body(desk)
    run_check(desk)
    scene = desk.host.scene
    path = tmp_path / "case.mrml"
    for _time in range(2):
        placed = [entry for entry in desk.panel.check.review.entries if entry["point_lps"]]
        choose(desk, placed[0])
        assert scene.GetSubjectHierarchyNode().GetItemByName("MedAssist finding") != 0
        scene.SetRootDirectory(str(tmp_path))
        scene.SetURL(str(path))
        assert scene.Commit(str(path))
        assert scene.Connect()
        desk.host.process(0.1)
        assert len(desk.panel.check.review.entries) >= 10
        tree = scene.GetSubjectHierarchyNode()
        for name in ("MedAssist finding", "Place of the finding", "Box of the finding"):
            assert tree.GetItemByName(name) == 0, name


def test_what_a_person_put_into_the_folder_of_a_mark_stays(desk: Bench) -> None:
    """A drawing that was dropped there would vanish with the mark, at the next finding."""
    _volume, drawn = add_body(desk, 2)
    run_check(desk)
    choose(desk, next(e for e in desk.panel.check.review.entries if e["point_lps"]))
    tree = desk.host.scene.GetSubjectHierarchyNode()
    folder = tree.GetItemByName("MedAssist finding")
    tree.SetItemParent(tree.GetItemByDataNode(drawn), folder)
    assert tree.GetItemParent(tree.GetItemByDataNode(drawn)) == folder
    desk.panel.check.review.mark.remove()
    assert desk.host.scene.IsNodePresent(drawn)
    assert tree.GetItemByDataNode(drawn) != 0
    assert tree.GetItemByName("MedAssist finding") == 0


def test_a_repair_of_a_segment_that_is_gone_cannot_be_undone_twice(desk: Bench) -> None:
    """A button that stays and does nothing looks like a crash."""
    _volume, drawn = add_body(desk)
    run_check(desk)
    entry, ui = island(desk, 0), desk.panel.check.ui
    choose(desk, entry)
    ui.fix.click()
    own = drawn.GetSegmentation()
    names = {own.GetSegment(key).GetName(): key for key in own.GetSegmentIDs()}
    own.RemoveSegment(names[entry["structure"]])
    ui.undoFix.click()
    (shown,) = desk.host.dialogs.shown
    assert "has lost the segment" in shown.text
    assert not ui.undoFix.enabled
