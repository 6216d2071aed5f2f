"""The host draws the real scene into its window, and finds what does not fit there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Testing.conftest import REPOSITORY
from Testing.host.fixture import host  # noqa: F401 the fixture
from Testing.host_cases import EXAMPLE, SPACING, block, segmented

# pytest finds fixtures by the names of arguments, which here are those of what is imported.
# ruff: noqa: F811


def middle(picture: np.ndarray) -> list[int]:
    return picture[picture.shape[0] // 2, picture.shape[1] // 2].tolist()


def test_a_slice_is_drawn_with_the_volumes_values(host: Any) -> None:
    import slicer

    slicer.util.setSliceViewerLayers(background=block(), fit=True)
    for view in ("Red", "Yellow", "Green"):
        # Window 400 and level 200: a value of 300 is three quarters of white.
        assert middle(host.pixels(view)) == pytest.approx([191] * 3, abs=2)


def test_a_segmentation_lies_over_its_volume_and_stands_in_3d(host: Any) -> None:
    import slicer

    volume = block()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    before = middle(host.pixels("3D"))
    segmented(volume)
    red, green, blue = middle(host.pixels("Red"))
    assert red > green + 50
    assert green == blue
    slicer.app.layoutManager().resetThreeDViews()
    red, green, blue = middle(host.pixels("3D"))
    assert red > 2 * green
    assert [red, green, blue] != before


def test_a_preview_in_front_of_a_volume_is_drawn(host: Any) -> None:
    import slicer

    volume, preview = block(), block("Preview")
    slicer.util.updateVolumeFromArray(preview, np.zeros((40, 40, 40), np.int16))
    slicer.util.setSliceViewerLayers(background=volume, foreground=preview, fit=True)
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    composite.SetForegroundOpacity(1.0)
    assert middle(host.pixels("Red")) == [0, 0, 0]
    composite.SetForegroundOpacity(0.0)
    assert middle(host.pixels("Red")) == pytest.approx([191] * 3, abs=2)


def test_views_still_draw_after_the_scene_was_closed(host: Any) -> None:
    import slicer

    for _ in range(2):
        slicer.util.setSliceViewerLayers(background=block(), fit=True)
        assert middle(host.pixels("Red")) == pytest.approx([191] * 3, abs=2)
        slicer.mrmlScene.Clear()
        assert middle(host.pixels("Red")) == [0, 0, 0]


def test_the_mouse_moves_slices_and_the_camera(host: Any) -> None:
    import qt
    import slicer
    from PySide6 import QtCore, QtGui, QtTest

    volume = block()
    segmented(volume)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    host.show()
    layout = slicer.app.layoutManager()
    red, three_d = layout.sliceWidget("Red"), layout.threeDWidget(0).threeDView()
    before = red.sliceLogic().GetSliceOffset()
    view = red.sliceView()
    centre = QtCore.QPointF(view.width / 2, view.height / 2)
    wheel = QtGui.QWheelEvent(
        centre,
        view.mapToGlobal(centre),
        QtCore.QPoint(),
        QtCore.QPoint(0, 120),
        qt.Qt.NoButton,
        qt.Qt.NoModifier,
        qt.Qt.NoScrollPhase,
        False,
    )
    QtCore.QCoreApplication.sendEvent(view, wheel)
    assert abs(red.sliceLogic().GetSliceOffset() - before) == pytest.approx(SPACING)
    camera = three_d.renderer().GetActiveCamera()
    place = camera.GetPosition()
    start = QtCore.QPoint(100, 100)
    QtTest.QTest.mousePress(three_d, qt.Qt.LeftButton, qt.Qt.NoModifier, start)
    QtTest.QTest.mouseMove(three_d, start + QtCore.QPoint(40, 0))
    QtTest.QTest.mouseRelease(three_d, qt.Qt.LeftButton, qt.Qt.NoModifier, start)
    assert camera.GetPosition() != pytest.approx(place)


def test_a_volume_from_a_file_is_shown_at_once(host: Any, tmp_path: Path) -> None:
    import slicer

    path = str(tmp_path / "scan.nrrd")
    assert slicer.util.saveNode(block(), path)
    slicer.mrmlScene.Clear()
    loaded = slicer.util.loadVolume(path)
    assert loaded.GetName() == "scan"
    assert max(middle(host.pixels("Green"))) > 0
    with pytest.raises(RuntimeError, match="Failed to load"):
        slicer.util.loadVolume(str(tmp_path / "none.nrrd"))


def test_views_look_their_own_way_again_after_a_test(host: Any) -> None:
    import slicer

    node = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    node.SetOrientation("Sagittal")
    host.close()
    assert node.GetOrientation() == "Axial"


@pytest.mark.parametrize("size", [(1280, 800), (900, 600)])
def test_a_picture_of_the_window_has_its_size(
    host: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    host.load(EXAMPLE)
    path = tmp_path / "window.png"
    made = host.screenshot(path, size=size, panel_width=350)
    assert (made.width(), made.height()) == size
    assert path.stat().st_size > 5000


def test_texts_that_do_not_fit_are_found(host: Any) -> None:
    import qt

    widget = host.load(EXAMPLE)
    assert host.cut_off(font_scale=1.5) == []
    made = {
        "combo": (qt.QComboBox(), "a volume with a name that nobody can read at a glance"),
        "search": (qt.QLineEdit(), "Search for models by name, organ, modality or licence"),
        "list": (qt.QListWidget(), "a-model-of-many-organs · CT · 1.5 mm · Apache-2.0"),
    }
    made["combo"][0].addItem(made["combo"][1])
    made["combo"][0].minimumWidth = 40
    made["combo"][0].setSizeAdjustPolicy(qt.QComboBox.AdjustToMinimumContentsLengthWithIcon)
    made["search"][0].placeholderText = made["search"][1]
    made["list"][0].addItem(made["list"][1])
    for name, (child, _text) in made.items():
        child.name = name
        widget.layout.addWidget(child)
    assert host.cut_off() == []
    found = " ".join(host.cut_off(font_scale=1.5))
    assert all(f"'{name}' is" in found for name in made)
    label = qt.QLabel(" ".join(text for _child, text in made.values()))
    widget.layout.addWidget(label)
    assert "horizontal scroll bar" in host.cut_off()
    label.wordWrap = True
    assert host.cut_off() == []
    label.maximumHeight = 15
    assert any("high" in entry for entry in host.cut_off())


def test_the_window_for_a_person_can_be_tried_without_a_display(tmp_path: Path) -> None:
    """``make panel`` in a container or over a network: a picture instead of a window."""
    path = tmp_path / "panel.png"
    command = [sys.executable, "-m", "Testing.host", "--module", str(EXAMPLE)]
    ended = subprocess.run([*command, "--screenshot", str(path)], cwd=REPOSITORY, check=False)
    assert ended.returncode == 0
    assert path.stat().st_size > 5000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be without a display")
def test_a_missing_display_is_told_in_a_sentence() -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("DISPLAY")
    }
    command = [sys.executable, "-m", "Testing.host"]
    ended = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "xvfb-run" in ended.stderr
