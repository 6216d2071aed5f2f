"""Results whose volume or scene has gone meanwhile: kept, offered, and put where they belong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from MedAssistLib.panel.trial import bright_box

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)


@pytest.fixture(autouse=True)
def models(own_folders: Path, bright_models: Path) -> None:
    shutil.copytree(bright_models, own_folders / "models")


def test_a_result_lands_though_the_volume_was_renamed_and_the_module_left(bench: Bench) -> None:
    volume = bench.add_volume(bright_box()[0])
    bench.choose_model("bright")
    job = bench.run()
    volume.SetName("Another name")
    bench.widget.parent.exit()
    assert bench.until_over(job) == "done"
    assert bench.segmentations()[0].GetName() == "Another name segmentation"


def test_a_result_whose_volume_was_deleted_is_kept_and_brings_it_back(bench: Bench) -> None:
    """Minutes of work would be lost."""
    import slicer

    voxels, box = bright_box()
    job_of = _run_and(bench, slicer.mrmlScene.RemoveNode)
    row = bench.row(job_of)
    assert "volume was deleted" in row.message.text
    row.action.click()
    assert bench.until_over(job_of, 10) == "done"
    brought = slicer.util.getNode("Scan of a kept result")
    assert np.array_equal(slicer.util.arrayFromVolume(brought), voxels)
    assert np.array_equal(bench.found_in(bench.segmentations()[0], brought), box)


def test_a_result_of_a_closed_scene_is_offered_at_the_next_opening(bench: Bench) -> None:
    """Whoever closes the scene while it runs would lose it, or get it in another case's scene."""
    import slicer

    _voxels, box = bright_box()
    job = _run_and(bench, lambda _volume: bench.host.scene.Clear())
    assert "scene was closed" in bench.row(job).message.text
    # The new scene has a volume of the same ID, on another grid.
    bench.add_volume(bright_box(20)[0], "Another patient")
    assert bench.segmentations() == []
    slicer.util.reloadScriptedModule("MedAssist")
    bench.widget = slicer.modules.MedAssistWidget
    (kept,) = bench.jobs
    assert kept.title.startswith("bright, 20")
    assert bench.row(kept).action.text == "Add to scene"
    bench.row(kept).action.click()
    assert bench.until_over(kept, 10) == "done", kept.problem
    brought = slicer.util.getNode("Scan of a kept result")
    assert np.array_equal(bench.found_in(bench.segmentations()[0], brought), box)
    assert list((bench.folder / "jobs").glob("*")) == []


def test_a_kept_result_goes_onto_the_same_scan_if_it_is_there_again(bench: Bench) -> None:
    import slicer

    voxels, box = bright_box()
    job = _run_and(bench, lambda _volume: bench.host.scene.Clear())
    again = bench.add_volume(voxels, "Loaded again")
    bench.row(job).action.click()
    assert bench.until_over(job, 10) == "done"
    assert np.array_equal(bench.found_in(bench.segmentations()[0], again), box)
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 1


def test_a_kept_result_can_be_discarded(bench: Bench) -> None:
    job = _run_and(bench, lambda _volume: bench.host.scene.Clear())
    assert bench.row(job).dismiss.text == "Discard"
    bench.row(job).dismiss.click()
    assert bench.jobs == []
    assert list((bench.folder / "jobs").glob("*")) == []


def _run_and(bench: Bench, change: Any) -> Any:
    """Start a run, change the scene meanwhile, and return the job when it was kept."""
    volume = bench.add_volume(bright_box()[0])
    bench.choose_model("bright")
    job = bench.run()
    bench.host.wait(lambda: job.state == "running", 30)
    change(volume)
    assert bench.until_over(job) == "kept"
    return job
