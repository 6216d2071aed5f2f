"""The button "Fix it": what it says, what it changes, and that it can be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from MedAssistLib.scene import add_segmentation
from Testing.check_cases import array, body, changed, stored
from Testing.panel_bench import WorkerThread
from Testing.panel_check_cases import add_body, add_drawing, choose, island, press, run_check

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)


@pytest.fixture
def desk(bench: Bench) -> Bench:
    """The panel with a worker that starts in no time."""
    bench.panel.context.lanes["work"]._start = WorkerThread
    return bench


def in_front(bench: Bench) -> None:
    """Put the panel in front of the user, whose keys reach it then."""
    bench.host.show()
    bench.host.window.activateWindow()
    bench.host.process(0.1)


def drawn_as(node: Any, volume: Any) -> dict[str, np.ndarray]:
    """Return where each segment of a node is, on the volume's grid."""
    import slicer

    own = node.GetSegmentation()
    return {
        own.GetSegment(key).GetName(): slicer.util.arrayFromSegmentBinaryLabelmap(node, key, volume)
        > 0
        for key in own.GetSegmentIDs()
    }


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(first[name], second[name]) for name in first)


def test_islands_go_by_one_key_and_come_back_by_another(desk: Bench) -> None:
    """The drawing would be changed without being asked, elsewhere, or for good."""
    in_front(desk)
    volume, drawn = add_body(desk, 2)
    drawn.CreateClosedSurfaceRepresentation()
    before = drawn_as(drawn, volume)
    run_check(desk)
    ui, review = desk.panel.check.ui, desk.panel.check.review
    choose(desk, island(desk, 0))
    assert ui.fixText.text == "Fix it removes the island: 48 voxels (576 mm³) are removed."
    assert same(drawn_as(drawn, volume), before), "looking changes nothing"
    island(desk, 0)["comment"] = "no liver"
    choose(desk, island(desk, 0))
    ui.findings.setFocus()
    press(desk, "X")
    entry = island(desk, 0)
    assert (entry["state"], entry["comment"]) == ("accepted", "no liver; repaired")
    assert review.current is entry
    assert not ui.fix.enabled
    now = drawn_as(drawn, volume)
    correct = array(body()[1])
    assert np.array_equal(now.pop("Liver"), correct == 1)
    assert same(now, before), "no other structure changes"
    segment = drawn.GetSegmentation().GetSegmentIdBySegmentName("Liver")
    bounds = drawn.GetClosedSurfaceInternalRepresentation(segment).GetBounds()
    assert bounds[5] < 45.0, "the surface has no island either"
    press(desk, "Z")
    assert same(drawn_as(drawn, volume), before)
    assert (entry["state"], entry["comment"]) == ("open", "no liver")
    assert ui.fix.enabled
    assert not ui.undoFix.enabled
    assert drawn.GetClosedSurfaceInternalRepresentation(segment).GetBounds()[5] != bounds[5]


def spoilt() -> Any:
    """Return the body's labels with an island, a hole and a missing slice in three organs."""
    labels = array(body()[1])
    labels[2:5, 62:66, 4:8] = 1  # Liver
    k, j, i = np.argwhere(labels == 2).mean(axis=0).astype(int)
    labels[k : k + 2, j : j + 3, i : i + 3] = 0
    k = int(np.argwhere(labels == 3).mean(axis=0)[0])
    labels[k][labels[k] == 3] = 0
    return changed(body()[1], labels)


@pytest.mark.parametrize(
    ("order", "flips"), [((0, 1, 2), (False,) * 3), ((2, 0, 1), (True, False, False))]
)
def test_all_is_repaired_below_a_turned_transform(
    desk: Bench, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    """The voxels beside the error would be changed, or those of another place."""
    import slicer

    scan, made = stored(body()[0], spoilt(), order, flips)
    volume, drawn = add_drawing(desk, scan, made)
    turn = desk.host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turned")
    matrix = np.array([[0.8, -0.6, 0, 30], [0.6, 0.8, 0, -12], [0, 0, 1, 4], [0, 0, 0, 1.0]])
    turn.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    for node in (volume, drawn):
        node.SetAndObserveTransformNodeID(turn.GetID())
    before = drawn_as(drawn, volume)
    run_check(desk)
    ui, review = desk.panel.check.ui, desk.panel.check.review
    rules = {
        "geometry.islands": ("Liver", 0),
        "geometry.holes": ("Spleen", 0),
        "geometry.gaps": ("Left kidney", 30),
    }
    for rule, (name, _wrong) in rules.items():
        (entry,) = [e for e in review.entries if (e["rule"], e["structure"]) == (rule, name)]
        choose(desk, entry)
        assert ui.fix.enabled, rule
        ui.fix.click()
    after = drawn_as(drawn, volume)
    truth = add_segmentation(desk.host.scene, stored(*body(), order, flips)[1], volume)
    correct = drawn_as(truth, volume)
    desk.host.scene.RemoveNode(truth)
    for name, allowed in rules.values():
        assert np.count_nonzero(after[name] ^ correct[name]) <= allowed, name
        assert not np.array_equal(after.pop(name), before[name])
    assert same(after, before)
    for _step in rules:
        assert ui.undoFix.enabled
        ui.undoFix.click()
    assert same(drawn_as(drawn, volume), before)
    assert not ui.undoFix.enabled
    assert {entry["state"] for entry in review.entries} == {"open"}
    assert not drawn.GetSegmentation().GetSegment("liver").HasTag("Segmentation.Status")


def test_what_was_said_is_done_or_nothing(desk: Bench) -> None:
    """Somebody has drawn on since the text was read: another change than the one agreed to."""
    import slicer

    volume, drawn = add_body(desk, 1)
    run_check(desk)
    ui, entry = desk.panel.check.ui, island(desk, 0)
    choose(desk, entry)
    assert ui.fix.enabled
    key = drawn.GetSegmentation().GetSegmentIdBySegmentName("Liver")
    mask = drawn_as(drawn, volume)["Liver"].astype(np.uint8)
    mask[2, 62:66, 4:8] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, drawn, key, volume)
    ui.fix.click()
    assert np.array_equal(drawn_as(drawn, volume)["Liver"], mask > 0)
    assert entry["state"] == "open"
    assert ui.fixText.text == "Fix it removes the island: 32 voxels (384 mm³) are removed."
    ui.fix.click()
    assert entry["state"] == "accepted"
    later = drawn_as(drawn, volume)["Spleen"]
    later[40:43, 2:5, 2:5] = True
    key = drawn.GetSegmentation().GetSegmentIdBySegmentName("Spleen")
    slicer.util.updateSegmentBinaryLabelmapFromArray(later.astype(np.uint8), drawn, key, volume)
    ui.undoFix.click()
    assert np.array_equal(drawn_as(drawn, volume)["Liver"], mask > 0)
    assert np.array_equal(drawn_as(drawn, volume)["Spleen"], later), "what came later stays"


def test_findings_without_a_safe_repair_offer_none(desk: Bench) -> None:
    volume, drawn = add_body(desk, 1)
    run_check(desk)
    ui, review = desk.panel.check.ui, desk.panel.check.review
    for entry in review.entries:
        choose(desk, entry)
        assert ui.fix.enabled == bool(ui.fixText.text) == (entry["rule"] == "geometry.islands")
    choose(desk, island(desk, 0))
    drawn.GetSegmentation().RemoveSegment("liver")
    before = drawn_as(drawn, volume)
    ui.fix.click()
    assert same(drawn_as(drawn, volume), before)
    assert not ui.fix.enabled
    drawn.GetSegmentation().RemoveAllSegments()
    ui.next.click()
    assert not ui.fix.enabled


def test_nothing_can_be_taken_back_in_another_scene(desk: Bench) -> None:
    add_body(desk, 1)
    run_check(desk)
    ui = desk.panel.check.ui
    choose(desk, island(desk, 0))
    ui.fix.click()
    assert ui.undoFix.enabled
    desk.host.scene.Clear()
    desk.host.process(0.1)
    volume, drawn = add_body(desk, 1)
    run_check(desk)
    before = drawn_as(drawn, volume)
    assert not ui.undoFix.enabled
    desk.panel.check.review.fix._undo()
    assert same(drawn_as(drawn, volume), before)


def test_a_repair_outlives_the_next_check(desk: Bench) -> None:
    """The finding would come back, or the undo would be lost, by checking again."""
    volume, drawn = add_body(desk, 2)
    before = drawn_as(drawn, volume)
    run_check(desk)
    choose(desk, island(desk, 0))
    desk.panel.check.ui.fix.click()
    run_check(desk)
    assert not any(
        (e["rule"], e["structure"]) == ("geometry.islands", "Liver")
        for e in desk.panel.check.review.entries
    )
    desk.panel.check.ui.undoFix.click()
    assert same(drawn_as(drawn, volume), before)
    run_check(desk)
    assert island(desk, 0)["state"] == "open"
