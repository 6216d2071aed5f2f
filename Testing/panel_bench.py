"""What the tests of the panel share: the opened panel, and acting on it as a person does."""

from __future__ import annotations

import json
import queue
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from Testing.conftest import REPOSITORY
from Testing.host.fixture import host

__all__ = ["Bench", "bench", "bright_models", "host", "own_folders"]


def turned() -> np.ndarray:
    """Return a matrix from voxels to mm that is turned and stretched: what is mixed up shows."""
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.2, -0.1, 2.8)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(turn.GetMatrix()).reshape(3, 3) * [1.6, 1.9, 2.4]
    matrix[:3, 3] = 5, 7, 9
    return matrix


class Bench:
    """The opened panel and the host around it.

    Attributes:
        host: The host.
        widget: The module's widget.
        panel: The panel.
        folder: A folder for files.
    """

    def __init__(self, host: Any, folder: Path) -> None:
        self.host, self.folder = host, folder
        self.widget = host.load(REPOSITORY / "MedAssist" / "MedAssist.py")

    @property
    def panel(self) -> Any:
        return self.widget.panel

    @property
    def jobs(self) -> list[Any]:
        """The jobs in the list, oldest first."""
        return [row.job for row in self.panel.jobs.rows.values()]

    def row(self, job: Any) -> Any:
        """Return the widgets of a job's row."""
        return self.panel.jobs.rows[job.id].ui

    def add_volume(self, voxels: Any, name: str = "Box", matrix: Any = None) -> Any:
        """Put a volume into the scene and choose it as the input."""
        import slicer

        placed = turned() if matrix is None else matrix
        volume = slicer.util.addVolumeFromArray(voxels, placed, name)
        self.panel.input.ui.volume.setCurrentNode(volume)
        return volume

    def choose_model(self, name: str) -> None:
        """Find a model by typing its name, and click it."""
        ui = self.panel.segment.ui
        self.host.wait(lambda: ui.models.count > 0, what="the list of models")
        ui.search.text = name
        ui.models.setCurrentRow(0)
        assert self.panel.context.choices.model == name

    def run(self) -> Any:
        """Press "Segment"; return the job."""
        ui = self.panel.segment.ui
        self.host.wait(lambda: ui.run.enabled, what=f"the button ({ui.runState.text})")
        ui.run.click()
        return self.jobs[-1]

    def segmentations(self) -> list[Any]:
        """Return the scene's segmentation nodes."""
        import slicer

        return list(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))

    def found_in(self, node: Any, volume: Any) -> Any:
        """Return where the only segment of a node is, on the volume's grid."""
        import slicer

        name = node.GetSegmentation().GetNthSegmentID(0)
        return slicer.util.arrayFromSegmentBinaryLabelmap(node, name, volume) > 0

    def yes(self) -> Any:
        """Return the answer "OK" of a message box."""
        import qt

        return qt.QMessageBox.Ok

    def no(self) -> Any:
        """Return the answer "Cancel" of a message box."""
        import qt

        return qt.QMessageBox.Cancel

    def until_over(self, job: Any, timeout: float = 60.0) -> str:
        """Wait for a job's end; return its state."""
        self.host.wait(lambda: job.state.over, timeout, what=f"the end of {job.title}")
        return str(job.state)

    def until_running(self, job: Any) -> None:
        """Wait until a job is at work."""
        started = lambda: job.state == "running" and job.fraction > 0.15  # noqa: E731
        self.host.wait(started, 60, what=f"the start of {job.title}")


class WorkerThread:
    """The worker's own loop in a thread of this process, which starts in no time."""

    exit_status, last_words = 0, ()

    def __init__(self) -> None:
        from MedAssistLib.worker.loop import Worker

        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        self._heard: queue.Queue[str | None] = queue.Queue()
        requests = iter(self._heard.get, None)
        self._thread = threading.Thread(target=Worker(self).serve, args=(requests,), daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive() and self._said.empty()

    def write(self, line: str) -> None:
        self._said.put(json.loads(line))

    def flush(self) -> None:
        """Be a stream."""

    def send(self, **message: Any) -> None:
        self._heard.put(json.dumps(message))

    def receive(self) -> list[dict[str, Any]]:
        return [self._said.get() for _ in range(self._said.qsize())]

    def ask_to_end(self) -> None:
        self._heard.put(None)

    kill = ask_to_end

    def wait(self, seconds: float) -> None:
        self._thread.join(seconds)


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Leave the user's models and jobs alone."""
    monkeypatch.setenv("MEDASSIST_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("MEDASSIST_JOBS", str(tmp_path / "jobs"))
    return tmp_path


@pytest.fixture
def bench(host: Any, own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The opened panel; its quick questions are answered in a thread, not in a process more."""
    from MedAssistLib.panel.context import Context
    from MedAssistLib.panel.estimates import Estimates

    made = Context.__init__

    def make(self: Any, *given: Any) -> None:
        made(self, *given)
        self.lanes["ask"]._start = WorkerThread

    monkeypatch.setattr(Context, "__init__", make)
    monkeypatch.setattr(Estimates, "of", lambda *_given: None)
    return Bench(host, own_folders)


@pytest.fixture(scope="session")
def bright_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder of models with ``bright`` and ``slow``, which does the same slowly."""
    from MedAssistLib.panel.trial import install_bright_models

    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDASSIST_MODELS", str(folder / "models"))
        install_bright_models(folder)
    return folder / "models"
