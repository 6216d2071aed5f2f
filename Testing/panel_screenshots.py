"""Pictures of the panel in each of its states: ``python -m Testing.panel_screenshots FOLDER``.

They need ../shared/data (a CT) and nilearn (an MR head), as the tests do.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from Testing.conftest import REPOSITORY
from Testing.host.boot import boot
from Testing.panel_bench import Bench

_SHARED = REPOSITORY.parent / "shared" / "data"
_HEAD = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


class Photographer:
    """Takes the pictures one after the other in one opened panel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = boot()
        self.bench = Bench(self.host, Path(tempfile.mkdtemp()))

    def take(self, name: str, **more: Any) -> None:
        """Take a picture, unless ``as_is`` with all in view; tell of what does not fit."""
        path = self.folder / f"panel-{name}.png"
        self.host.show(more.get("size", (1280, 800)))
        if not more.pop("as_is", False):
            self.host.reset_views()
        self.host.process(0.2)
        self.host.screenshot(path, **more)
        cut = self.host.cut_off(**more)
        print(f"{path.name}: {cut or 'nothing cut off'}", flush=True)

    def only(self, *sections: str) -> None:
        """Unfold only these sections."""
        for name in ("input", "enhance", "segment", "check", "train", "export"):
            getattr(self.bench.panel.ui, f"{name}Section").collapsed = name not in sections

    def dismiss(self) -> None:
        """Empty the list of jobs."""
        for job in self.bench.jobs:
            self.bench.row(job).dismiss.click()

    def load(self, path: Path, modality: str) -> Any:
        """Load a volume as a person does."""
        import slicer

        volume = slicer.util.loadVolume(str(path))
        ui = self.bench.panel.input.ui
        ui.volume.setCurrentNode(volume)
        row = [ui.modality.itemText(n) for n in range(ui.modality.count)].index(modality)
        ui.modality.activated.emit(row)
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        return volume


def head() -> Path:
    """Return the MR head that nilearn carries."""
    from importlib import metadata

    return Path(str(metadata.distribution("nilearn").locate_file(_HEAD)))


def take_all(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["MEDASSIST_MODELS"] = tempfile.mkdtemp()
    os.environ["MEDASSIST_JOBS"] = tempfile.mkdtemp()
    camera = Photographer(folder)
    everything = (
        loaded, enhancing, running, failed, checking, second_reader, learning, exporting, not_ready,
    )  # fmt: skip
    for take in everything:
        take(camera)
    camera.host.close()


def loaded(camera: Photographer) -> None:
    """A CT, and what it is."""
    camera.load(next((_SHARED / "ct").glob("*.nii.gz")), "CT")
    camera.take("loaded")
    camera.only("input", "enhance", "segment")
    for box in ("classesBox", "advancedBox"):
        getattr(camera.bench.panel.segment.ui, box).collapsed = False
    camera.take("all", size=(1280, 1060))
    camera.take("all-large", size=(1280, 1500), font_scale=1.5)
    for box in ("classesBox", "advancedBox"):
        getattr(camera.bench.panel.segment.ui, box).collapsed = True


def enhancing(camera: Photographer) -> None:
    """A chain with its preview."""
    camera.load(head(), "MR")
    camera.only("enhance")
    panel = camera.bench.panel
    panel.context.choices.chain = ["denoise.median", "sharpen.unsharp:amount=3"]
    camera.host.show()
    panel.enhance.ui.preview.click()
    exact: Callable[[], bool] = lambda: "Preview of" in panel.enhance.ui.previewState.text  # noqa: E731
    camera.host.wait(exact, 60)
    camera.take("enhance")
    camera.take("enhance-large", font_scale=1.5)
    panel.enhance.preview.stop()


def running(camera: Photographer) -> None:
    """A run of the brain model, and its result."""
    camera.only("segment")
    camera.bench.choose_model("brain")
    job = camera.bench.run()
    camera.bench.until_running(job)
    camera.take("running")
    camera.bench.until_over(job, 120)
    camera.host.wait(lambda: "free" in camera.bench.panel.segment.ui.details.text, 60)
    camera.bench.panel.ui.segmentSection.collapsed = False
    camera.take("done")
    camera.take("done-large", font_scale=1.5)


def failed(camera: Photographer) -> None:
    """A worker that was killed, and a result whose scan has left the scene."""
    camera.dismiss()
    job = camera.bench.run()
    camera.bench.until_running(job)
    os.kill(camera.bench.panel.context.lanes["work"].process.process_id, signal.SIGKILL)
    camera.bench.until_over(job)
    camera.take("failed")
    camera.dismiss()
    job = camera.bench.run()
    camera.bench.until_running(job)
    camera.host.scene.RemoveNode(camera.bench.panel.context.volume)
    camera.bench.until_over(job, 120)
    camera.take("kept")


def checking(camera: Photographer) -> None:
    """Real errors in a published segmentation: parts of one vertebra have its neighbour's label."""
    import json

    from MedAssistLib.models import anatomy
    from MedAssistLib.read import read_scan, read_segmentation
    from MedAssistLib.scene import add_scan, add_segmentation, show
    from Testing.check_cases import renamed_as

    camera.dismiss()
    camera.host.scene.Clear()
    camera.only("check")
    scan = read_scan(_SHARED / "dicom" / "ct_abdomen_20slices")
    made = read_segmentation(_SHARED / "ct" / "example_seg_dicom.nii.gz", scan)
    table = Path(anatomy.__file__).parent / "formats" / "totalsegmentator.json"
    classes = json.loads(table.read_text("utf-8"))["classes"]["total"]
    volume = add_scan(camera.host.scene, scan)
    drawn = add_segmentation(
        camera.host.scene, renamed_as(made, dict(enumerate(classes, 1))), volume
    )
    drawn.SetName("Published labels")
    show(camera.host.scene, drawn, volume)
    panel = camera.bench.panel
    panel.input.ui.volume.setCurrentNode(volume)
    camera.host.wait(lambda: panel.check.segmentation is drawn, 10, "the choice")
    camera.host.show()
    camera.host.reset_views()
    panel.check.ui.check.click()
    camera.bench.until_over(camera.bench.jobs[-1], 120)
    camera.dismiss()
    camera.host.process(0.2)
    ui, review = panel.check.ui, panel.check.review
    ui.next.click()
    ui.comment.text = "Labels of T11 and T12 mixed up"
    ui.accept.click()
    while review.current["rule"] != "geometry.islands":
        ui.next.click()
    camera.take("check", as_is=True)
    camera.take("check-large", size=(1280, 1060), font_scale=1.5, as_is=True)
    ui.fix.click()
    camera.take("check-fixed", as_is=True)
    ui.meaning.click()
    camera.host.process(0.2)
    review.meaning.window.grab().save(str(camera.folder / "panel-check-help.png"))
    review.meaning.close()
    camera.host.scene.Clear()


def second_reader(camera: Photographer) -> None:
    """A hippocampus whose label was moved by 3 mm, and a model that was asked about it."""
    import SimpleITK as sitk

    from MedAssistLib.case import Segment, Segmentation
    from MedAssistLib.read import read_scan
    from MedAssistLib.scene import add_scan, add_segmentation, show

    camera.dismiss()
    camera.only("check")
    folder = _SHARED / "hippocampus"
    name = sorted(path.name for path in (folder / "imagesTr").glob("hippocampus_*.nii.gz"))[3]
    scan = read_scan(folder / "imagesTr" / name)
    labels = sitk.Cast(sitk.ReadImage(str(folder / "labelsTr" / name)), sitk.sitkUInt8)
    move = sitk.TranslationTransform(3, (0.0, 0.0, 3.0))
    moved = sitk.Resample(labels, scan.image, move, sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    segments = (
        Segment(label=1, name="Anterior hippocampus", colour=(220, 160, 60)),
        Segment(label=2, name="Posterior hippocampus", colour=(90, 160, 220)),
    )
    volume = add_scan(camera.host.scene, scan)
    made = Segmentation(labels=moved, segments=segments)
    drawn = add_segmentation(camera.host.scene, made, volume)
    drawn.SetName("By hand")
    show(camera.host.scene, drawn, volume)
    panel = camera.bench.panel
    panel.input.ui.volume.setCurrentNode(volume)
    camera.host.wait(lambda: panel.check.segmentation is drawn, 10, "the choice")
    panel.context.choices.check_model = "hippocampus"
    camera.host.show()
    camera.host.reset_views()
    panel.check.ui.check.click()
    job = camera.bench.jobs[-1]
    assert camera.bench.until_over(job, 120) == "done", job.problem
    camera.dismiss()
    camera.host.process(0.2)
    panel.check.ui.next.click()
    camera.take("check-second", as_is=True)
    camera.take("check-second-large", size=(1280, 1060), font_scale=1.5, as_is=True)
    camera.host.scene.Clear()


def learning(camera: Photographer) -> None:
    """A training with its curves and a case that was held out; it is stopped then."""
    from Testing.panel_trainer import Trainer
    from Testing.train_cases import put_plan

    camera.dismiss()
    camera.only("train")
    trainer, folder = Trainer(camera.bench), _SHARED / "hippocampus"
    table = camera.bench.folder / "hippocampi.csv"
    names = sorted(path.name for path in (folder / "imagesTr").glob("hippocampus_*.nii.gz"))[:20]
    rows = [f"{folder / 'imagesTr' / name},{folder / 'labelsTr' / name}" for name in names]
    table.write_text("\n".join(["image,label", *rows]))
    table.with_suffix(".json").write_text(
        '{"labels": {"background": 0, "Anterior": 1, "Posterior": 2}, "channel_names": {"0": "T1"}}'
    )
    trainer.choose_path(table)
    trainer.ui.look.click()
    camera.host.wait(lambda: "20 cases" in trainer.ui.dataState.text, 120)
    camera.take("train-data")
    place = Path(os.environ["MEDASSIST_JOBS"]).parent / "trainings" / "my-hippocampus"
    shutil.rmtree(place, ignore_errors=True)
    size = {"patch": (32, 40, 32), "window": (40, 56, 40), "spacing": (1.0, 1.0, 1.0)}
    put_plan(place, **size, steps=25, epochs=30)
    trainer.name("my-hippocampus")
    trainer.as_planned()
    trainer.start()
    trainer.until_epoch(16)
    camera.host.process(1.0)
    camera.take("train")
    camera.take("train-large", font_scale=1.5, size=(1280, 1100))
    trainer.ui.cancelTraining.click()
    trainer.until_over()
    camera.take("train-stopped")
    shutil.rmtree(place, ignore_errors=True)


def exporting(camera: Photographer) -> None:
    """All that can leave, with its DICOM series and without, and what was written."""
    import slicer

    from MedAssistLib.panel.series_oddities import INSTANCES
    from MedAssistLib.read import read_scan, read_segmentation
    from MedAssistLib.scene import add_scan, add_segmentation, show
    from Testing.dicom_database import Database

    camera.dismiss()
    camera.host.scene.Clear()
    camera.only("export")
    folder = _SHARED / "dicom" / "ct_abdomen_20slices"
    scan = read_scan(folder)
    made = read_segmentation(_SHARED / "ct" / "example_seg_dicom.nii.gz", scan)
    volume = add_scan(camera.host.scene, scan)
    volume.SetName("4: Abdomen 1.5")
    drawn = add_segmentation(camera.host.scene, made, volume)
    show(camera.host.scene, drawn, volume)
    panel, ui = camera.bench.panel, camera.bench.panel.export.ui
    panel.input.ui.volume.setCurrentNode(volume)
    camera.host.wait(lambda: panel.export.segmentation is drawn, 10, "the choice")
    settings = panel.export.form.settings
    settings.export_folder = str(Path(tempfile.mkdtemp()) / "For the surgeon")
    for kind in ("segmentation", "surfaces", "measurements", "report", "dicom-report"):
        settings.choose_kind(kind, chosen=True)
    settings.choose_format("segmentation", ".seg.dcm")
    panel.refresh()
    camera.take("export-no-series")
    slicer.dicomDatabase = Database(sorted(folder.iterdir()))
    volume.SetAttribute(INSTANCES, " ".join(slicer.dicomDatabase.files))
    settings.choose_kind("scan", chosen=True)
    ui.withoutNames.click()
    camera.host.wait(lambda: ui.write.enabled, 10, "the files")
    camera.take("export")
    camera.take("export-large", font_scale=1.5, size=(1280, 1100))
    ui.write.click()
    camera.host.wait(lambda: camera.bench.jobs, 10, "the job")
    camera.host.wait(lambda: camera.bench.jobs[-1].fraction > 0.3, 60, "the work")
    camera.take("export-running", size=(1280, 900))
    camera.bench.until_over(camera.bench.jobs[-1], 180)
    camera.take("export-done", size=(1280, 900))
    camera.take("export-done-large", font_scale=1.5, size=(1280, 1300))
    del slicer.dicomDatabase
    camera.host.scene.Clear()


def not_ready(camera: Photographer) -> None:
    """What is missing on a first run."""
    from MedAssistLib.panel.machine import Machine

    camera.dismiss()
    camera.load(head(), "MR")
    setup = camera.bench.panel.segment.setup
    for name, machine in {
        "no-extension": Machine(torch="", extension=False, cuda=False, nvidia=True),
        "no-torch": Machine(torch="", extension=True, cuda=False, nvidia=True),
        "no-cuda": Machine(torch="2.9.0+cpu", extension=True, cuda=False, nvidia=True),
    }.items():
        setup._machine = machine
        camera.bench.panel.refresh()
        camera.take(name)


if __name__ == "__main__":
    take_all(Path(sys.argv[1]))
