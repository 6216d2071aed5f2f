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

from MedAssistLib.panel.trial import install_bright_models
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
        path = self.folder / f"{name}.png"
        self.host.screenshot(path, size=(1280, 800), panel_width=400, **more)
        cut = self.host.cut_off()
        print(f"{path.name}: {cut or 'nothing cut off'}")

    def only(self, *sections: str) -> None:
        """Unfold only these sections."""
        for name in ("input", "enhance", "segment"):
            getattr(self.bench.panel.ui, f"{name}Section").collapsed = name not in sections

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
    install_bright_models(Path(tempfile.mkdtemp()))
    camera = Photographer(folder)
    for take in (loaded, enhancing, running, failed, not_ready):
        take(camera)
    camera.host.close()


def loaded(camera: Photographer) -> None:
    """A CT, and what it is."""
    camera.load(next((_SHARED / "ct").glob("*.nii.gz")), "CT")
    camera.take("1-loaded")
    camera.take("1-loaded-large-letters", font_scale=1.5)


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
    camera.take("2-enhance")
    camera.take("2-enhance-large-letters", font_scale=1.5)
    panel.enhance.preview.stop()


def running(camera: Photographer) -> None:
    """A run of the brain model, and its result."""
    camera.only("segment")
    camera.bench.choose_model("brain")
    job = camera.bench.run()
    camera.bench.until_running(job)
    camera.take("3-running")
    camera.bench.until_over(job, 120)
    camera.host.wait(lambda: "free" in camera.bench.panel.segment.ui.details.text, 60)
    camera.bench.panel.ui.segmentSection.collapsed = False
    camera.take("4-done")
    camera.take("4-done-large-letters", font_scale=1.5)


def failed(camera: Photographer) -> None:
    """A worker that was killed, and one that has too little memory."""
    job = camera.bench.run()
    camera.bench.until_running(job)
    os.kill(camera.bench.panel.context.lanes["work"].process.process_id, signal.SIGKILL)
    camera.bench.until_over(job)
    camera.take("5-failed")


def not_ready(camera: Photographer) -> None:
    """What is missing on a first run."""
    from MedAssistLib.panel.machine import Machine

    setup = camera.bench.panel.segment.setup
    for number, machine in enumerate(
        (
            Machine(torch="", extension=False, cuda=False, nvidia=True),
            Machine(torch="", extension=True, cuda=False, nvidia=True),
            Machine(torch="2.9.0+cpu", extension=True, cuda=False, nvidia=True),
        ),
        start=6,
    ):
        setup._machine = machine
        camera.bench.panel.refresh()
        camera.take(f"{number}-first-run")


if __name__ == "__main__":
    take_all(Path(sys.argv[1]))
