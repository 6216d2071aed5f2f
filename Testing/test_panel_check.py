"""The section Check as a doctor uses it: going through the findings, and coming back to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from Testing.panel_bench import WorkerThread
from Testing.panel_check_cases import (
    ISLANDS,
    add_body,
    centre,
    choose,
    island,
    press,
    run_check,
)

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)


@pytest.fixture
def desk(bench: Bench) -> Bench:
    """The panel with a worker that starts in no time, in front of the user."""
    bench.panel.context.lanes["work"]._start = WorkerThread
    bench.host.show()
    bench.host.window.activateWindow()
    bench.host.process(0.1)
    return bench


def test_ten_findings_are_reviewed_by_keyboard_alone(desk: Bench) -> None:
    """Hands leave the keyboard for each of forty findings: nobody reviews forty findings so."""
    add_body(desk)
    run_check(desk)
    check = desk.panel.check
    for number in range(ISLANDS):
        island(desk, number)
    total = len(check.review.entries)
    assert total >= ISLANDS
    press(desk, "N")
    first = check.review.current
    assert first is check.review.entries[0]
    press(desk, "N")
    assert check.review.current is check.review.entries[1]
    press(desk, "P")
    assert check.review.current is first
    for number in range(total):
        assert check.review.left == total - number
        press(desk, "A" if number % 2 else "D")
    states = [entry["state"] for entry in check.review.entries]
    assert set(states) == {"accepted", "dismissed"}
    assert check.ui.checkState.text == f"{total} findings, 0 without an answer"
    press(desk, "A" if check.review.current["state"] == "accepted" else "D")
    assert check.review.left == 1, "the same key takes an answer back"


def test_letters_in_a_comment_are_no_commands(desk: Bench) -> None:
    """Writing "and" would go on, accept and dismiss."""
    add_body(desk, 2)
    run_check(desk)
    check = desk.panel.check
    choose(desk, island(desk, 1))
    check.ui.comment.setFocus()
    press(desk, "A", "N", "D", "Return")
    found = island(desk, 1)
    assert check.review.current is found
    assert (found["comment"], found["state"]) == ("and", "open")


def test_answers_outlive_the_next_check_and_the_scene(desk: Bench, tmp_path: Path) -> None:
    """A morning's review would be lost by pressing Check again, or by closing Slicer."""
    scene = desk.host.scene
    _volume, drawn = add_body(desk, 4)
    run_check(desk)
    answers = {0: ("accepted", "shave it off"), 1: ("dismissed", 'a "vessel", ≥ 3 mm'), 2: ("", "")}
    for number, (state, words) in answers.items():
        choose(desk, island(desk, number))
        desk.panel.check.ui.comment.text = words
        if state:
            getattr(desk.panel.check.ui, "accept" if state == "accepted" else "dismiss").click()

    def held() -> None:
        for number, (state, words) in answers.items():
            found = island(desk, number)
            assert (found["state"], found["comment"]) == (state or "open", words)

    held()
    run_check(desk)
    held()
    desk.host.dialogs.answer(str(tmp_path / "findings.json"))
    desk.panel.check.ui.saveFindings.click()
    from MedAssistLib.check.findings_file import read_json

    saved = read_json(tmp_path / "findings.json")
    assert sorted(f.comment for f in saved.findings if f.comment) == sorted(
        words for _state, words in answers.values() if words
    )
    name = drawn.GetName()
    scene.SetURL(str(tmp_path / "scene.mrml"))
    for node in (drawn, _volume):
        node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        storage.SetFileName(str(tmp_path / f"{node.GetID()}.nrrd"))
        assert storage.WriteData(node)
    assert scene.Commit()
    scene.Clear()
    desk.host.process(0.1)
    assert desk.panel.check.review.entries == []
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Import()
    desk.host.wait(lambda: desk.panel.check.review.entries, 5, "the findings of the saved scene")
    assert desk.panel.check.segmentation.GetName() == name
    held()
    run_check(desk)
    held()


def test_an_answer_given_during_a_check_is_kept(desk: Bench) -> None:
    add_body(desk, 2)
    run_check(desk)
    desk.panel.check.ui.check.click()
    choose(desk, island(desk, 1))
    desk.panel.check.ui.dismiss.click()
    assert desk.until_over(desk.jobs[-1]) == "done"
    assert island(desk, 1)["state"] == "dismissed"


def test_a_click_leads_to_the_place_also_below_a_turned_transform(desk: Bench) -> None:
    """The views would show another place than the sentence is about: the worst a check can do."""
    import slicer

    volume, drawn = add_body(desk, 3)
    turn = desk.host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turned")
    matrix = np.array([[0.8, -0.6, 0, 30], [0.6, 0.8, 0, -12], [0, 0, 1, 4], [0, 0, 0, 1.0]])
    turn.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    volume.SetAndObserveTransformNodeID(turn.GetID())
    drawn.SetAndObserveTransformNodeID(turn.GetID())
    run_check(desk)
    choose(desk, island(desk, 2))
    expected = (matrix @ [*(centre(2) * [-1, -1, 1]), 1.0])[:3]
    for name in ("Red", "Green", "Yellow"):
        view = desk.host.app.layoutManager().sliceWidget(name).mrmlSliceNode()
        place = [view.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
        assert np.linalg.norm(np.array(place) - expected) < 4.0, name
    camera = desk.host.scene.GetFirstNodeByClass("vtkMRMLCameraNode")
    assert np.linalg.norm(np.array(camera.GetFocalPoint()) - expected) < 4.0
    point, box = desk.panel.check.review.mark.nodes
    marked = [0.0] * 3
    point.GetNthControlPointPositionWorld(0, marked)
    assert np.linalg.norm(np.array(marked) - expected) < 4.0
    middle = [0.0] * 3
    box.GetCenterWorld(middle)
    assert np.linalg.norm(np.array(middle) - expected) < 4.0
    assert np.allclose(box.GetSize(), [8.0, 8.0, 9.0])
    assert point.GetLocked()
    assert box.GetLocked()


def test_the_list_is_filtered_and_sorted(desk: Bench) -> None:
    add_body(desk, 3)
    run_check(desk)
    ui, review = desk.panel.check.ui, desk.panel.check.review
    table = ui.findings

    def column(number: int) -> list[str]:
        return [table.item(row, number).text() for row in range(table.rowCount)]

    assert table.rowCount == len(review.entries)
    shown = column(1)
    table.horizontalHeader().sectionClicked.emit(1)
    assert column(1) == sorted(shown, key=str.lower)
    table.horizontalHeader().sectionClicked.emit(1)
    assert column(1) == sorted(shown, key=str.lower, reverse=True)
    names = [ui.structureFilter.itemText(row) for row in range(ui.structureFilter.count)]
    ui.structureFilter.activated.emit(names.index("Spleen"))
    assert set(column(1)) == {"Spleen"}
    count = table.rowCount
    ui.stateFilter.activated.emit(1)
    ui.next.click()
    ui.accept.click()
    assert table.rowCount == count - 1, "an answered finding leaves the open ones"
    ui.structureFilter.activated.emit(0)
    ui.stateFilter.activated.emit(0)
    assert table.rowCount == len(review.entries)
    assert json.dumps(review.entries[0])
