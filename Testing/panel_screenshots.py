"""Pictures of the panel in each of its states: ``python -m Testing.panel_screenshots FOLDER``.

They need ../shared/data (a CT) and nilearn (an MR head), as the tests do.
"""

from __future__ import annotations

import os
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
        """Take a picture; tell of what does not fit."""
        path = self.folder / f"panel-{name}.png"
        self.host.show(more.get("size", (1280, 800)))
        self.host.reset_views()
        self.host.process(0.2)
        self.host.screenshot(path, **more)
        cut = self.host.cut_off(**more)
        print(f"{path.name}: {cut or 'nothing cut off'}", flush=True)

    def only(self, *sections: str) -> None:
        """Unfold only these sections."""
        for name in ("input", "enhance", "segment"):
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
    for take in (loaded, enhancing, running, failed, not_ready):
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
