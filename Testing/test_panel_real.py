"""The panel on real scans: a CT is enhanced, a head gets its brain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)


def load(bench: Bench, path: Path, modality: str) -> Any:
    """Load a volume as a person does, and say what it is."""
    import slicer

    volume = slicer.util.loadVolume(str(path))
    ui = bench.panel.input.ui
    ui.volume.setCurrentNode(volume)
    names = [ui.modality.itemText(row) for row in range(ui.modality.count)]
    ui.modality.activated.emit(names.index(modality))
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return volume


def test_a_ct_is_previewed_and_enhanced(bench: Bench, shared_data: Path) -> None:
    """What works on made-up noise might not on a scan with air, bone and 3 mm voxels."""
    import slicer

    volume = load(bench, shared_data / "ct" / "example_ct_sm.nii.gz", "CT")
    assert bench.panel.input.ui.oddities.text == ""
    enhance = bench.panel.enhance
    presets = [enhance.ui.preset.itemText(row) for row in range(enhance.ui.preset.count)]
    assert all(name.startswith("ct") for name in presets[1:])
    bench.panel.context.choices.chain = ["denoise.median", "contrast.window"]
    enhance.ui.preview.click()
    bench.host.wait(lambda: "Preview of this slice" in enhance.ui.previewState.text, 60)
    assert slicer.util.arrayFromVolume(enhance.preview.layer.node).size == 122 * 101
    enhance.ui.apply.click()
    assert bench.until_over(bench.jobs[-1]) == "done", bench.jobs[-1].problem
    enhanced = slicer.util.getNode(f"{volume.GetName()} enhanced")
    composite = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    assert composite.GetBackgroundVolumeID() == enhanced.GetID()
    assert np.ptp(slicer.util.arrayFromVolume(enhanced)) < np.ptp(
        slicer.util.arrayFromVolume(volume)
    )


def test_a_head_gets_its_brain(bench: Bench, mni: dict[str, Path]) -> None:
    """The model that comes with MedAssist would not run from the panel."""
    volume = load(bench, mni["t1"], "MR")
    bench.choose_model("brain")
    job = bench.run()
    assert bench.until_over(job, 120) == "done", job.problem
    (node,) = bench.segmentations()
    segment = node.GetSegmentation().GetNthSegment(0)
    assert "SCT^12738006^Brain" in segment.GetTerminology()
    millilitres = bench.found_in(node, volume).sum() * np.prod(volume.GetSpacing()) / 1000
    assert millilitres == pytest.approx(1953.1, abs=1.0)
    assert segment.GetRepresentation("Closed surface").GetNumberOfPoints() > 10_000
