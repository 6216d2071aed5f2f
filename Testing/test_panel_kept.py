"""Results whose volume or scene has gone meanwhile: kept, offered, and put where they belong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from MedAssistLib.errors import ResourceError
from MedAssistLib.panel import delivery
from MedAssistLib.panel.trial import bright_box
from Testing.panel_bench import WorkerThread

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)

CODE = {"value": "10200004", "scheme": "SCT", "meaning": "Liver"}


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
    bench.host.wait(lambda: bench.jobs, what="the kept result")
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


@pytest.mark.parametrize("step", ["read_found", "land_found"])
def test_a_result_that_memory_is_too_short_for_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """An hour's work was thrown away because another program had the memory at that moment."""

    def too_much(*_given: Any) -> None:
        raise MemoryError

    bench.panel.context.lanes["work"]._start = WorkerThread
    volume = bench.add_volume(bright_box()[0])
    bench.choose_model("bright")
    with monkeypatch.context() as patch:
        patch.setattr(delivery, step, too_much)
        job = bench.run()
        assert bench.until_over(job) == "kept", job.problem
    row = bench.row(job)
    assert "not enough memory" in row.message.text
    assert row.action.text == "Add to scene"
    row.action.click()
    assert bench.until_over(job, 10) == "done"
    assert np.array_equal(bench.found_in(bench.segmentations()[0], volume), bright_box()[1])


def test_a_result_that_cannot_be_noted_lands_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full by then: what is there already must not be lost for want of a note."""

    def full(*_given: Any) -> None:
        raise ResourceError("cannot be written", where="result.json")

    monkeypatch.setattr(delivery, "note_result", full)
    bench.panel.context.lanes["work"]._start = WorkerThread
    bench.add_volume(bright_box()[0])
    bench.choose_model("bright")
    assert bench.until_over(bench.run()) == "done"
    assert len(bench.segmentations()) == 1


def test_a_kept_result_whose_files_are_gone_offers_nothing_that_cannot_be_done(
    bench: Bench,
) -> None:
    """To run it again nothing is left of an earlier session's request."""
    job = _run_and(bench, lambda _volume: bench.host.scene.Clear())
    (kept,) = bench.panel.runs.kept()
    bench.panel.jobs.show(kept)
    (job.folder / "output.npy").unlink()
    bench.row(kept).action.click()
    assert bench.until_over(kept, 10) == "failed"
    assert bench.row(kept).action.text == ""
    assert bench.row(kept).dismiss.text == "Dismiss"


@pytest.mark.alone
def test_a_large_result_lands_while_the_window_goes_on(bench: Bench) -> None:
    """A large CT with many organs would freeze Slicer for half a second."""
    import slicer

    shape, folder = (300, 512, 512), bench.folder / "jobs" / "large"
    grid = {
        "spacing": [0.8, 0.8, 1.0],
        "origin": [0, 0, 0],
        "direction": np.eye(3).ravel().tolist(),
    }
    labels = np.zeros(shape, np.uint8)
    corner = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0]], np.float32)
    surfaces, segments = {}, []
    for label in range(1, 13):  # Slicer needs long to let go of each
        labels[5 * label : 5 * label + 40, 10 * label : 10 * label + 12, 20:480] = label
        surfaces |= {f"points_{label}": corner, f"normals_{label}": corner}
        surfaces[f"triangles_{label}"] = np.array([[0, 1, 2]])
        segments.append({"label": label, "name": f"Organ {label}", "colour": [label, 90, 90]})
        segments[-1] |= {"category": CODE, "type": CODE}
    folder.mkdir(parents=True)
    np.save(folder / "output.npy", labels)
    np.savez(folder / "surfaces.npz", **surfaces)
    asked = {
        "verb": "segment",
        "what": "organs",
        "scan": {**grid, "shape": shape, "array": "x.npy"},
    }
    answered = {"output": "output.npy", "surfaces": "surfaces.npz", "segments": segments}
    (folder / "job.json").write_text(json.dumps(asked))
    (folder / "result.json").write_text(json.dumps({**answered, "made_by": "test"}))
    voxels = np.zeros(shape, np.int16)
    volume = bench.add_volume(voxels, "CT", np.diag([-0.8, -0.8, 1.0, 1.0]))
    (job,) = bench.panel.runs.kept()
    bench.panel.jobs.show(job)
    bench.host.process(0.3)
    with bench.host.longest_gap() as gap:
        bench.row(job).action.click()
        assert bench.until_over(job) == "done", job.problem
        bench.host.process(0.2)
    print(f"longest gap of the event loop: {gap[0]:.3f} s")
    assert gap[0] < 0.1
    (node,) = bench.segmentations()
    assert node.GetSegmentation().GetNumberOfSegments() == 12
    name = node.GetSegmentation().GetNthSegmentID(11)
    found = slicer.util.arrayFromSegmentBinaryLabelmap(node, name, volume)
    assert np.array_equal(found > 0, labels == 12)


def _run_and(bench: Bench, change: Any) -> Any:
    """Start a run, change the scene meanwhile, and return the job when it was kept."""
    volume = bench.add_volume(bright_box()[0])
    bench.choose_model("bright")
    job = bench.run()
    bench.host.wait(lambda: job.state == "running", 30)
    change(volume)
    assert bench.until_over(job) == "kept"
    return job
