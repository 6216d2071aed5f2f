"""What the sections share: the scene, the choices of the case, and the jobs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from MedAssistLib.panel.choices import Choices
from MedAssistLib.panel.errands import Errands
from MedAssistLib.panel.jobs import Job
from MedAssistLib.panel.lane import Lane

_IDLE_S = {"work": 600.0, "models": 20.0, "ask": 20.0, "preview": 60.0, "train": 5.0}


class Context:
    """What the sections share.

    Args:
        scene: The MRML scene.
        resources: Folder of the ``.ui`` files.

    Attributes:
        choices: What was chosen for the case; ``None`` while a scene is being closed.
        lanes: The background processes by what they are for: ``work`` (one run after the other),
            ``models`` (downloads), ``ask`` (quick questions), ``preview`` and ``train``.
        errands: Work of a moment that is done in a thread.
        wake: Called when there is something to poll for.
        job_changed: Called with each job that has changed.
        scene_number: Grows when the scene is closed: node IDs of another number mean other nodes.
        models_changed: Called after a model came or went.
    """

    def __init__(self, scene: Any, resources: Path) -> None:
        self.scene, self.resources = scene, resources
        self.choices: Choices | None = None
        self.scene_number = 0
        self.wake: Callable[[], None] = lambda: None
        self.job_changed: list[Callable[[Job], None]] = []
        self.models_changed: Callable[[], None] = lambda: None
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="MedAssist")
        self.errands = Errands(self._threads)
        self.lanes = {
            name: Lane(self._changed, self._threads, idle_s=idle) for name, idle in _IDLE_S.items()
        }

    @property
    def volume(self) -> Any:
        """The input volume's node, or None."""
        return self.choices.volume if self.choices else None

    def submit(self, lane: str, job: Job) -> Job:
        """Queue a job."""
        self.lanes[lane].add(job)
        self.wake()
        return job

    def cancel(self, job: Job) -> None:
        """Stop a job, wherever it is."""
        for lane in self.lanes.values():
            lane.cancel(job)
        self.wake()

    def poll(self) -> bool:
        """Poll all lanes; return whether to go on polling."""
        for lane in self.lanes.values():
            lane.poll()
        self.errands.poll()
        return self.errands.awake or any(lane.awake for lane in self.lanes.values())

    def run(self, work: Callable[[], Any], land: Callable[[Any], None]) -> None:
        """Run an errand; see :class:`~MedAssistLib.panel.errands.Errands`."""
        self.errands.add(work, land)
        self.wake()

    def close(self) -> None:
        """End all background processes and threads."""
        for lane in self.lanes.values():
            lane.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _changed(self, job: Job) -> None:
        for call in self.job_changed:
            call(job)
