"""The host runs a scripted module's life, answers dialogs and reports what a test leaves."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from Testing.host.dialogs import UnexpectedDialogError
from Testing.host.errors import MissingStandInError
from Testing.host.fixture import host  # noqa: F401 the fixture
from Testing.host_cases import EXAMPLE, block, segmented

# pytest finds fixtures by the names of arguments, which here are those of what is imported.
# ruff: noqa: F811


def test_a_module_lives_as_in_slicer(host: Any) -> None:
    import slicer

    widget = host.load(EXAMPLE)
    host.start_up()
    assert slicer.modules.ExampleInstance.started
    assert slicer.modules.ExampleWidget is widget
    assert slicer.util.getModuleWidget("Example") is widget
    widget.ui.runButton.click()
    node = block()
    widget.ui.inputSelector.setCurrentNode(node)
    widget.parent.exit()
    slicer.mrmlScene.Clear()
    expected = ["setup", "enter", "run False", "node Block", "exit", "close", "node none"]
    assert widget.events == expected
    assert host.close() == []
    assert widget.events[-1] == "cleanup"


def test_choosing_another_module_leaves_this_one(host: Any) -> None:
    import slicer

    widget = host.load(EXAMPLE)
    slicer.util.selectModule("Volumes")
    assert not widget.parent.isEntered
    assert not widget.uiWidget.visible
    slicer.util.selectModule("Example")
    assert slicer.util.selectedModule() == "Example"
    assert widget.events == ["setup", "enter", "exit", "enter"]


def test_reloading_makes_a_new_panel_and_lets_the_old_one_go(host: Any) -> None:
    import slicer

    old = host.load(EXAMPLE)
    slicer.util.reloadScriptedModule("Example")
    new = slicer.modules.ExampleWidget
    assert old.events[-1] == "cleanup"
    assert new is not old
    assert new.events == ["setup", "enter"]
    assert new.parent is old.parent


def test_a_parameter_node_is_one_and_survives_closing(host: Any) -> None:
    import slicer

    logic = host.load(EXAMPLE).logic
    node = logic.getParameterNode()
    node.SetParameter("model", "brain")
    assert logic.getParameterNode() is node
    slicer.mrmlScene.Clear()
    assert logic.getParameterNode().GetAttribute("ModuleName") == "Example"
    assert logic.getParameterNode().GetParameter("model") == ""


def test_a_modules_own_test_runs(host: Any) -> None:
    import slicer

    host.load(EXAMPLE)
    slicer.selfTests["Example"]()
    assert sys.modules["Example"].ExampleTest.ran == 1


@pytest.mark.alone
def test_a_process_is_followed_without_blocking(host: Any) -> None:
    import slicer

    lines, ends = [], []
    program = "import time; print('one', flush=True); time.sleep(0.3); print('two')"
    with host.longest_gap() as gap:
        slicer.util.launchConsoleProcess(
            [sys.executable, "-c", program],
            blocking=False,
            logCallback=lines.append,
            completedCallback=ends.append,
        )
        host.wait(lambda: ends, 10)
    assert (lines, ends) == (["one", "two"], [0])
    assert gap[0] < 0.3


@pytest.mark.alone
def test_a_gap_in_the_event_loop_is_measured(host: Any) -> None:
    import time

    import qt

    with host.longest_gap() as gap:
        qt.QTimer.singleShot(0, lambda: time.sleep(0.2))
        host.process(0.1)
    assert gap[0] == pytest.approx(0.2, abs=0.1)


def test_dialogs_are_answered_and_remembered(host: Any) -> None:
    import qt
    import slicer

    slicer.util.infoDisplay("Done.")
    host.dialogs.answer(qt.QMessageBox.Ok, qt.QMessageBox.No, lambda box: qt.QMessageBox.Yes)
    assert slicer.util.confirmOkCancelDisplay("Download 1.2 GB?")
    assert not slicer.util.confirmYesNoDisplay("Replace it?")
    assert qt.QMessageBox.question(None, "Quit", "Really?") == qt.QMessageBox.Yes
    texts = [shown.text for shown in host.dialogs.shown]
    assert texts == ["Done.", "Download 1.2 GB?", "Replace it?", "Really?"]


def test_a_menu_is_answered_with_one_of_its_actions(host: Any) -> None:
    import qt

    got, menu = [], qt.QMenu("Add")
    for text in ("File", "Folder"):
        menu.addAction(text).connect("triggered()", lambda text=text: got.append(text))
    host.dialogs.answer(lambda menu: menu.actions()[1])
    menu.exec_(qt.QCursor.pos())
    assert got == ["Folder"]


def test_an_exception_in_an_observer_is_told(host: Any) -> None:
    import slicer

    tag = slicer.mrmlScene.AddObserver(slicer.mrmlScene.EndCloseEvent, lambda *_: 1 / 0)
    slicer.mrmlScene.Clear()
    slicer.mrmlScene.RemoveObserver(tag)
    assert ["ZeroDivisionError" in fault for fault in host.faults] == [True]
    host.faults.clear()


def test_a_closed_module_hears_no_more_of_the_application(host: Any) -> None:
    import slicer

    host.load(EXAMPLE)
    described = slicer.modules.ExampleInstance
    host.close()
    host.start_up()
    assert not described.started


def test_a_dialog_that_nobody_expected_fails_the_test(host: Any) -> None:
    import slicer

    with pytest.raises(UnexpectedDialogError, match="Delete all"):
        slicer.util.confirmOkCancelDisplay("Delete all?")


def test_testing_mode_refuses_as_slicer_does(host: Any) -> None:
    import slicer

    host.testing(enabled=True)
    assert not slicer.util.confirmOkCancelDisplay("Download?")
    assert not slicer.util.confirmYesNoDisplay("Download?")


def test_nodes_get_their_place_in_the_subject_hierarchy(host: Any) -> None:
    import slicer

    tree = slicer.mrmlScene.GetSubjectHierarchyNode()
    item = tree.GetItemByDataNode(segmented(block()))
    assert tree.GetItemName(item) == "Box"
    assert tree.GetItemParent(item) == tree.GetSceneItemID()


def test_what_a_test_leaves_behind_is_named_and_removed(host: Any) -> None:
    import qt
    import slicer

    timer = qt.QTimer()
    timer.start(60_000)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    slicer.mrmlScene.AddObserver(slicer.mrmlScene.EndCloseEvent, lambda *_: None)
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    composite.AddObserver("ModifiedEvent", lambda *_: None)
    selector = slicer.qMRMLNodeComboBox()
    selector.name = "inputSelector"
    selector.setMRMLScene(slicer.mrmlScene)
    host.dialogs.answer("never asked")
    block()
    left = "\n".join(host.close())
    for expected in (
        "timer of 60000 ms",
        "time.sleep(60)",
        "scene: ",
        "vtkMRMLSliceCompositeNodeRed: ModifiedEvent",
        "inputSelector still has the scene",
        "never asked",
    ):
        assert expected in left
    assert not timer.active
    assert process.poll() is not None
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    assert composite.GetBackgroundVolumeID() is None
    assert host.close() == []


@pytest.mark.parametrize(
    ("owner", "name"),
    [("slicer", "qSlicerMouseModeToolBar"), ("app", "userGuideUrl"), ("modules", "dicom")],
)
def test_what_the_host_lacks_is_named(host: Any, owner: str, name: str) -> None:
    import slicer

    place = slicer if owner == "slicer" else getattr(slicer, owner)
    with pytest.raises(MissingStandInError, match=name):
        getattr(place, name)


def test_extensions_that_are_not_installed_are_missing(host: Any) -> None:
    import slicer

    with pytest.raises(ModuleNotFoundError):
        __import__("PyTorchUtils")
    assert not hasattr(slicer.modules, "pytorchutils")
