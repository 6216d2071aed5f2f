"""The section Export in a test: the hand of the person in front of it, and what is in the scene."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from MedAssistLib import geometry
from MedAssistLib.case import Segmentation
from MedAssistLib.export import report_findings, report_pictures
from MedAssistLib.models import anatomy
from MedAssistLib.read import read_scan
from MedAssistLib.scene import add_scan, add_segmentation
from Testing.check_cases import body
from Testing.dicom_database import Database
from Testing.dicom_series import up, write_series
from Testing.panel_bench import WorkerThread, bench, host, own_folders

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

__all__ = ["Desk", "add_body", "add_series", "bench", "body_on", "desk", "host", "own_folders"]

INSTANCES = "DICOM.instanceUIDs"


class Desk:
    """The section Export, and the hand of the person in front of it."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.section = bench, bench.panel.export
        self.ui, self.folder = bench.panel.export.ui, bench.folder / "out"
        self.ui.exportFolder.text = str(self.folder)
        self.ui.exportFolder.editingFinished.emit()

    def tick(self, *names: str) -> None:
        """Tick boxes; what is ticked already stays so."""
        for name in names:
            if not getattr(self.ui, name).checked:
                getattr(self.ui, name).click()

    def only(self, *kinds: str) -> None:
        """Let only these kinds leave."""
        for name in ("segmentation", "surfaces", "measurements", "findings", "report", "scan"):
            box = getattr(self.ui, f"{name}Kind")
            if box.checked != (name in kinds):
                box.click()
        if self.ui.dicomReportKind.checked != ("dicomReport" in kinds):
            self.ui.dicomReportKind.click()

    def format(self, kind: str, text: str) -> None:
        """Choose a format by its name."""
        box = getattr(self.ui, f"{kind}Format")
        box.activated.emit([box.itemText(row) for row in range(box.count)].index(text))

    def write(self) -> Any:
        """Press "Write" and wait for the job's end; return the job."""
        before = len(self.bench.jobs)
        assert self.ui.write.enabled, self.ui.exportState.text
        self.ui.write.click()
        self.bench.host.wait(lambda: len(self.bench.jobs) > before, 10, "the job")
        job = self.bench.jobs[-1]
        self.bench.until_over(job)
        self.bench.host.process(0.1)
        return job

    def written(self) -> list[str]:
        """Write, which has to succeed; return the names of what is in the folder."""
        job = self.write()
        assert str(job.state) == "done", job.problem
        return sorted(path.name for path in self.folder.iterdir())

    @property
    def state(self) -> str:
        return self.ui.exportState.text.replace("\u200b", "")

    @property
    def told(self) -> str:
        return self.ui.written.text.replace("\u200b", "")


@pytest.fixture
def desk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The section, unfolded, with a worker that starts in no time."""
    import qt

    qt.QSettings().clear()
    # Drawing takes long, and has tests of its own.
    drawing = [(report_pictures, "draw_slices"), (report_pictures, "draw_render")]
    for module, name in [*drawing, (report_findings, "draw_close_up")]:
        monkeypatch.setattr(module, name, lambda *_given: Image.new("RGB", (4, 3)))
    bench.panel.context.lanes["work"]._start = WorkerThread
    bench.panel.ui.exportSection.collapsed = False
    bench.host.show()
    return Desk(bench)


def add_body(desk: Desk, name: str = "CT abdomen") -> tuple[Any, Any]:
    """Put a made-up body and what is drawn on it into the scene."""
    scan, drawn = body()
    scene = desk.bench.host.scene
    volume = add_scan(scene, scan)
    volume.SetName(name)
    node = add_segmentation(scene, drawn, volume)
    desk.bench.panel.input.ui.volume.setCurrentNode(volume)
    desk.bench.host.wait(lambda: desk.section.segmentation is node, 5, "the choice")
    return volume, node


def add_series(desk: Desk, monkeypatch: pytest.MonkeyPatch, **known: Any) -> tuple[Any, Any, Path]:
    """Put a volume into the scene as Slicer loads it from its database, and draw on it."""
    import slicer

    folder = desk.bench.folder / "series"
    values = np.random.default_rng(3).integers(0, 99, (6, 9, 8), dtype=np.int16)

    def change(_number: int, data: pydicom.Dataset) -> None:
        data.update(known)

    write_series(folder, values, up([2.0 * n for n in range(6)]), change=change)
    files = sorted(folder.iterdir())
    monkeypatch.setattr(slicer, "dicomDatabase", Database(files), raising=False)
    scan = read_scan(folder)
    scene = desk.bench.host.scene
    volume = add_scan(scene, scan)
    volume.SetAttribute(INSTANCES, " ".join(slicer.dicomDatabase.files))
    node = add_segmentation(scene, body_on(scan), volume)
    desk.bench.panel.input.ui.volume.setCurrentNode(volume)
    desk.bench.host.wait(lambda: desk.section.segmentation is node, 5, "the choice")
    return volume, node, folder


def body_on(scan: Any) -> Any:
    """Draw a box on a scan."""
    labels = np.zeros(scan.image.GetSize()[::-1], np.uint8)
    labels[1:4, 2:6, 1:5] = 1
    image = geometry.from_array(labels, scan.image)
    return Segmentation(labels=image, segments=anatomy.segments({1: "liver"}), made_by="by hand")
