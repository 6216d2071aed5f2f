"""The section Input, and how the panel fits into its place."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from MedAssistLib.panel.facts import facts_of
from MedAssistLib.panel.trial import bright_box

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)


def straight(*spacing: float) -> np.ndarray:
    return np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])


def test_it_says_what_a_volume_is(bench: Bench) -> None:
    """The user would segment the wrong series."""
    bench.add_volume(np.zeros((30, 40, 50), np.int16), matrix=straight(0.5, 0.5, 1.25))
    ui = bench.panel.input.ui
    assert ui.facts.text.splitlines() == [
        "50 × 40 × 30 voxels of 0.5 × 0.5 × 1.25 mm",
        "axes to LPS, short values",
    ]
    assert "does not say its modality" in ui.oddities.text
    ui.modality.activated.emit(2)
    assert ui.modality.currentText == "MR"
    assert ui.oddities.text == ""


@pytest.mark.parametrize(
    ("matrix", "shape", "words"),
    [
        (None, (9, 9, 9), "oblique by"),
        (straight(0.5, 0.5, 8.0), (9, 9, 9), "thick (8 mm)"),
        (np.diag([1.0, 1.0, -1.0, 1.0]), (9, 9, 9), "left-handed"),
        (straight(1, 1, 1), (1, 9, 9), "single slice"),
        (np.zeros((4, 4)) + np.diag([0, 0, 0, 1.0]), (9, 9, 9), "do not span space"),
    ],
)
def test_what_is_odd_is_said(bench: Bench, matrix: Any, shape: Any, words: str) -> None:
    """The user would learn of it only from a bad result."""
    volume = bench.add_volume(np.zeros(shape, np.int16), matrix=matrix)
    assert words in " ".join(facts_of(volume).odd)
    assert words in bench.panel.input.ui.oddities.text.replace("\u200b", "")


def test_what_dicom_says_of_the_modality_is_not_for_the_user_to_change(bench: Bench) -> None:
    import slicer

    volume = bench.add_volume(np.zeros((9, 9, 9), np.int16))
    tree = slicer.mrmlScene.GetSubjectHierarchyNode()
    tree.SetItemAttribute(tree.GetItemByDataNode(volume), "DICOM.Modality", "PT")
    bench.panel.refresh()
    ui = bench.panel.input.ui
    assert ui.modality.currentText == "PT"
    assert not ui.modality.enabled


def test_a_volume_is_rendered_with_the_preset_of_its_modality(bench: Bench) -> None:
    """CT would be shown as fog."""
    import slicer

    volume = bench.add_volume(bright_box()[0])
    volume.SetAttribute("MedAssist.modality", "CT")
    bench.panel.refresh()
    ui = bench.panel.input.ui
    logic = slicer.modules.volumerendering.logic()
    ui.render.click()
    display = logic.GetFirstVolumeRenderingDisplayNode(volume)
    assert display.GetVisibility()
    ui.render.click()
    assert not display.GetVisibility()


def test_the_volume_in_sight_is_taken_when_the_module_is_opened(bench: Bench) -> None:
    import slicer

    bench.widget.parent.exit()
    bench.host.scene.Clear()
    first = slicer.util.addVolumeFromArray(np.zeros((5, 5, 5), np.int16), name="first")
    seen = slicer.util.addVolumeFromArray(np.zeros((5, 5, 5), np.int16), name="seen")
    composite = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    composite.SetBackgroundVolumeID(seen.GetID())
    bench.widget.parent.enter()
    assert bench.panel.context.volume is seen
    bench.host.scene.RemoveNode(seen)
    bench.host.process()
    assert bench.panel.context.volume is first
    bench.host.scene.RemoveNode(first)
    bench.host.process()
    assert bench.panel.context.volume is None
    assert "Load a volume" in bench.panel.input.ui.facts.text


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_nothing_is_cut_off_in_400_pixels(bench: Bench, bright_models: Path, scale: float) -> None:
    """Buttons would be out of reach on a laptop, or with large letters."""
    import qt

    shutil.copytree(bright_models, bench.folder / "models", dirs_exist_ok=True)
    bench.panel.segment.list_models()
    bench.host.wait(lambda: bench.panel.segment.offers("bright"))
    bench.add_volume(bright_box()[0], "t1_mprage_sag_p2_iso")
    bench.choose_model("bright")
    ui, segment = bench.panel.ui, bench.panel.segment.ui
    for section in (ui.inputSection, ui.enhanceSection, ui.segmentSection, segment.advancedBox):
        section.collapsed = False
    bench.panel.context.choices.chain = ["denoise.nonlocal", "contrast.window", "bias.n4"]
    job = bench.run()
    bench.until_over(job)
    usual = qt.QApplication.font()
    large = qt.QFont(usual)
    large.setPointSizeF(usual.pointSizeF() * scale)
    qt.QApplication.setFont(large)
    try:
        for row in range(3):
            bench.panel.enhance.ui.steps.setCurrentRow(row)
            bench.host.show((1280, 800), 400)
            bench.host.process(0.1)
            assert bench.host.cut_off() == []
    finally:
        qt.QApplication.setFont(usual)
