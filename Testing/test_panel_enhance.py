"""Enhancing from the panel: chains, their options, the preview and the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from MedAssistLib.panel.trial import bright_box

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)


def add(bench: Bench, name: str) -> None:
    """Choose a filter in the box "Add"."""
    ui = bench.panel.enhance.ui
    row = [ui.addFilter.itemText(n) for n in range(ui.addFilter.count)].index(name)
    ui.addFilter.currentIndex = row
    ui.addFilter.activated.emit(row)


def rows(bench: Bench) -> list[str]:
    steps = bench.panel.enhance.ui.steps
    return [steps.item(row).text().split()[0] for row in range(steps.count)]


def look_at(view: str, volume: Any) -> None:
    """Let a slice view show the middle of a volume, along its own slices."""
    import slicer

    node = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{view}")
    logic = slicer.app.layoutManager().sliceWidget(view).sliceLogic()
    logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    node.RotateToVolumePlane(volume)
    logic.FitSliceToBackground()
    logic.SnapSliceOffsetToIJK()


def test_two_filters_are_previewed_and_applied(bench: Bench) -> None:
    """The preview would show something else than what Apply makes, or in another place."""
    import slicer

    volume = bench.add_volume(bright_box()[0])
    look_at("Red", volume)
    ui = bench.panel.enhance.ui
    add(bench, "denoise.gaussian")
    add(bench, "sharpen.unsharp")
    assert rows(bench) == ["denoise.gaussian", "sharpen.unsharp"]
    ui.preview.click()
    layer = bench.panel.enhance.preview.layer
    bench.host.wait(lambda: "Preview of this slice" in ui.previewState.text, 30)
    composite = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    assert composite.GetForegroundVolumeID() == layer.node.GetID()
    assert composite.GetForegroundOpacity() == 1.0
    ui.before.click()
    assert composite.GetForegroundOpacity() == 0.0
    previewed = slicer.util.arrayFromVolume(layer.node).copy()
    centre = np.array(_ijk_to_ras(layer.node))

    ui.apply.click()
    assert bench.until_over(bench.jobs[-1]) == "done", bench.jobs[-1].problem
    assert not ui.preview.checked
    assert composite.GetForegroundVolumeID() is None
    assert bench.panel.enhance.preview.layer.node is None
    enhanced = slicer.util.getNode("Box enhanced")
    whole = slicer.util.arrayFromVolume(enhanced)
    to_index = np.linalg.inv(_ijk_to_ras(enhanced)) @ centre
    i, j, k = np.rint(to_index[:3, 3]).astype(int)
    size = previewed.shape
    same = whole[k : k + size[0], j : j + size[1], i : i + size[2]]
    assert same.shape == size
    assert np.allclose(previewed, same, atol=0.01 * np.ptp(whole))
    assert np.array_equal(slicer.util.arrayFromVolume(volume), bright_box()[0])
    assert list((bench.folder / "jobs").glob("*")) == []


def _ijk_to_ras(volume: Any) -> Any:
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def test_the_preview_follows_the_view_and_the_options(bench: Bench) -> None:
    """The user would judge a filter by a slice of another place or other options."""
    import slicer

    volume = bench.add_volume(bright_box()[0])
    look_at("Green", volume)
    ui, enhance = bench.panel.enhance.ui, bench.panel.enhance
    add(bench, "denoise.gaussian")
    names = [ui.view.itemText(n) for n in range(ui.view.count)]
    ui.view.currentIndex = names.index("Green")
    ui.view.activated.emit(ui.view.currentIndex)
    ui.preview.click()
    bench.host.wait(lambda: "Preview of this slice" in ui.previewState.text, 30)
    first = _ijk_to_ras(enhance.preview.layer.node)[:, 3].copy()
    node = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeGreen")
    node.SetSliceOffset(node.GetSliceOffset() + 2 * 2.4)
    moved = lambda: np.linalg.norm(_ijk_to_ras(enhance.preview.layer.node)[:, 3] - first) > 1.5  # noqa: E731
    bench.host.wait(moved, 30)
    bench.host.wait(lambda: "Preview of this slice" in ui.previewState.text, 30)
    weak = slicer.util.arrayFromVolume(enhance.preview.layer.node).std()
    spin = enhance.options.widgets["sigma"]
    spin.value = 3.0
    assert "sigma" in ui.steps.item(0).text()
    stronger = lambda: slicer.util.arrayFromVolume(enhance.preview.layer.node).std() < weak  # noqa: E731
    bench.host.wait(stronger, 30)


def test_nothing_of_the_preview_stays(bench: Bench) -> None:
    """The temporary volume would be saved with the scene, or block the view for ever."""
    import slicer

    volume = bench.add_volume(bright_box()[0])
    look_at("Red", volume)
    composite = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    composite.SetForegroundVolumeID(volume.GetID())
    composite.SetForegroundOpacity(0.25)
    ui = bench.panel.enhance.ui
    add(bench, "denoise.gaussian")
    for end in (ui.preview.click, bench.widget.parent.exit):
        ui.preview.click()
        bench.host.wait(lambda: bench.panel.enhance.preview.layer.node is not None, 30)
        node = bench.panel.enhance.preview.layer.node
        assert node.GetHideFromEditors()
        assert not node.GetSaveWithScene()
        end()
        assert composite.GetForegroundVolumeID() == volume.GetID()
        assert composite.GetForegroundOpacity() == 0.25
        kinds = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        assert list(kinds) == [volume]
        bench.widget.parent.enter()
    assert list((bench.folder / "jobs").glob("*")) == []
    ui.preview.click()
    bench.host.wait(lambda: bench.panel.enhance.preview.layer.node is not None, 30)
    other = slicer.util.addVolumeFromArray(bright_box(9)[0], name="Chosen meanwhile")
    composite.SetForegroundVolumeID(other.GetID())
    ui.preview.click()
    assert composite.GetForegroundVolumeID() == other.GetID()
    ui.preview.click()
    bench.host.wait(lambda: bench.panel.enhance.preview.layer.node is not None, 30)
    bench.host.scene.Clear()
    bench.host.process(0.3)
    assert not ui.preview.checked


def test_steps_are_moved_and_removed(bench: Bench) -> None:
    bench.add_volume(bright_box()[0])
    ui = bench.panel.enhance.ui
    for name in ("denoise.median", "denoise.gaussian", "sharpen.unsharp"):
        add(bench, name)
    ui.up.click()
    assert rows(bench) == ["denoise.median", "sharpen.unsharp", "denoise.gaussian"]
    ui.up.click()
    assert not ui.up.enabled
    ui.removeStep.click()
    assert rows(bench) == ["denoise.median", "denoise.gaussian"]
    ui.down.click()
    assert rows(bench) == ["denoise.gaussian", "denoise.median"]
    assert ui.steps.currentRow == 1


def test_every_filter_has_a_form_within_its_limits(bench: Bench) -> None:
    """An option would have no widget, or the widget would let a value in that is refused."""
    import qt

    bench.add_volume(bright_box()[0])
    enhance = bench.panel.enhance
    for kind in enhance._kinds:
        bench.panel.context.choices.chain = []
        files = [name for name, known in kind.options.domains().items() if known.kind == "file"]
        bench.host.dialogs.answer(*[str(bench.folder / "reference.nii.gz") for _name in files])
        add(bench, kind.name)
        assert set(enhance.options.widgets) == set(kind.options.domains())
        for widget in enhance.options.widgets.values():
            if isinstance(widget, (qt.QSpinBox, qt.QDoubleSpinBox)):
                for value in (widget.minimum, widget.maximum):
                    widget.value = value
                    # Two options may contradict each other: then the old value stays, and a line
                    # says so.
                    help_text = enhance.ui.filterHelp.text
                    assert widget.value == pytest.approx(value) or "other way round" in help_text
    assert {shown.kind for shown in bench.host.dialogs.shown} == {"getOpenFileName"}


def test_a_chain_is_saved_and_loaded(bench: Bench, tmp_path: Path) -> None:
    bench.add_volume(bright_box()[0])
    add(bench, "denoise.median")
    add(bench, "denoise.gaussian")
    before = bench.panel.context.choices.chain
    path = tmp_path / "mine.json"
    bench.host.dialogs.answer(str(path))
    bench.panel.enhance.menu.save()
    bench.panel.context.choices.chain = []
    bench.host.dialogs.answer(str(path))
    bench.panel.enhance.menu.load()
    assert bench.panel.context.choices.chain == before
    path.write_text("nonsense")
    bench.host.dialogs.answer(str(path))
    ui = bench.panel.enhance.ui
    load = next(a for a in ui.more.menu().actions() if a.text.startswith("Load"))
    load.trigger()
    assert str(path) in bench.host.dialogs.shown[-1].text
    assert bench.panel.context.choices.chain == before


def test_a_preset_fills_the_chain(bench: Bench) -> None:
    bench.add_volume(bright_box()[0])
    ui = bench.panel.enhance.ui
    ui.preset.currentIndex = 1
    ui.preset.activated.emit(1)
    assert rows(bench)
    assert ui.apply.enabled


@pytest.mark.parametrize("wrong", ["unknown.filter:x=1", "denoise.gaussian:sigma=-5", "[", ""])
def test_a_scene_with_a_broken_chain_opens(bench: Bench, wrong: str) -> None:
    """A scene of another version would make the panel unusable."""
    bench.add_volume(bright_box()[0])
    add(bench, "denoise.median")
    bench.panel.context.choices.chain = [wrong, *bench.panel.context.choices.chain]
    assert rows(bench) == ["denoise.median"]
    bench.panel.context.choices.node.SetParameter("Chain", wrong)
    assert rows(bench) == []


def test_a_volume_without_voxels_is_named_instead_of_previewed(bench: Bench) -> None:
    """A volume whose file was not found has none: that is no fault of MedAssist."""
    empty = bench.host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    bench.panel.input.ui.volume.setCurrentNode(empty)
    bench.panel.context.choices.chain = ["denoise.median"]
    bench.panel.enhance.ui.preview.click()
    bench.host.process(0.2)
    (shown,) = bench.host.dialogs.shown
    assert shown.text == "Empty: is a volume without voxels. Load or create its voxels first."
