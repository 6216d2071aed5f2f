"""Runs on volumes of the scene as jobs: segmenting, enhancing, and results that were kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.delivery import Delivery
from MedAssistLib.panel.folders import (
    KeptResult,
    kept_results,
    new_folder,
    note_job,
    remove_folder,
)
from MedAssistLib.panel.handover import Snapshot, snapshot
from MedAssistLib.panel.jobs import Job, State
from MedAssistLib.panel.text import tr as _

_WORK = "work"


class Runs:
    """Makes jobs and takes care of their folders."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._deliveries: dict[str, Delivery] = {}
        self._failed: dict[str, Job] = {}
        context.job_changed.append(self._tidy)

    def segment(
        self,
        volumes: Sequence[Any],
        model: str,
        options: Mapping[str, Any],
        *,
        trusted: bool = False,
        measured: bool = True,
    ) -> Job:
        """Queue a run of a model; the first volume is the one that the result belongs to.

        Args:
            volumes: One for each channel.
            model: Name of the model.
            options: The fields of :class:`~MedAssistLib.segment.SegmentOptions`.
            trusted: The user's word that the model may run the program that its file holds.
            measured: Whether to measure the structures.

        Raises:
            InputError: If a volume cannot be segmented.
            ResourceError: If there is no place for the job's files.
        """
        request = {
            "model": model,
            "options": dict(options),
            "trusted": trusted,
            "measure": measured,
        }
        title = _("{model} on {volume}").format(model=model, volume=volumes[0].GetName())
        return self._submit("segment", title, volumes, request)

    def enhance(self, volume: Any, chain: Sequence[str]) -> Job:
        """Queue a chain of filters.

        Raises:
            InputError: If the volume cannot be enhanced.
            ResourceError: If there is no place for the job's files.
        """
        title = _("Enhance {volume}").format(volume=volume.GetName())
        return self._submit("enhance", title, [volume], {"filters": list(chain)})

    def again(self, job: Job) -> Job:
        """Queue a failed job once more, with what was handed over then."""
        new = Job(
            title=job.title,
            verb=job.verb,
            request=job.request,
            prepare=job.prepare,
            load=job.load,
            land=job.land,
            folder=job.folder,
        )
        self._failed.pop(job.id, None)
        self._deliveries[new.id] = self._deliveries.pop(job.id)
        return self._context.submit(_WORK, new)

    def kept(self) -> list[Job]:
        """Return the results of earlier sessions as jobs that were kept."""
        return [self._kept(found) for found in kept_results()]

    def add_kept(self, job: Job) -> None:
        """Put a kept result into the scene, if need be with the scan that it was made of."""
        self._deliveries[job.id].find_place_anew()
        self._context.lanes[_WORK].load_again(job)
        self._context.wake()

    def forget(self, job: Job) -> None:
        """Let go of a job that is over, with its files."""
        self._failed.pop(job.id, None)
        self._deliveries.pop(job.id, None)
        if job.folder:
            remove_folder(job.folder)

    def close(self) -> None:
        """Remove the files of what failed; results that were kept stay."""
        for job in list(self._failed.values()):
            self.forget(job)

    def _submit(
        self, verb: str, title: str, volumes: Sequence[Any], request: Mapping[str, Any]
    ) -> Job:
        taken = [snapshot(volume) for volume in volumes]
        job = Job(title=title, verb=verb)
        folder = new_folder(job.id)
        delivery = Delivery(self._context, folder, {"verb": verb}, volumes[0])
        job.folder, job.load, job.land = folder, delivery.load, delivery.land
        job.request = {**request, "output": str(folder / "output.npy")}
        if verb == "segment":
            job.request["surfaces"] = str(folder / "surfaces.npz")
        # Written once: a second try takes the same voxels, whatever became of the volume.
        job.prepare = cache(lambda: _written(taken, folder, delivery, request))
        self._deliveries[job.id] = delivery
        return self._context.submit(_WORK, job)

    def _kept(self, found: KeptResult) -> Job:
        delivery = Delivery(self._context, found.folder, found.asked, None)
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.made))
        what = str(found.asked.get("what", ""))
        job = Job(
            title=_("{what}, {when}").format(what=what, when=when),
            verb=str(found.asked["verb"]),
            load=delivery.load,
            land=delivery.land,
            folder=found.folder,
            result=found.answered,
            state=State.KEPT,
        )
        self._deliveries[job.id] = delivery
        return job

    def _tidy(self, job: Job) -> None:
        if job.state in (State.DONE, State.CANCELLED):
            self.forget(job)
        elif job.state is State.FAILED and job.folder:
            self._failed[job.id] = job


def _written(
    taken: Sequence[Snapshot], folder: Path, delivery: Delivery, request: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the scans, and note what is asked for; runs in a thread."""
    scans = [shot.write(folder / f"scan-{number}.npy") for number, shot in enumerate(taken)]
    what = request.get("model") or ", ".join(name.partition(":")[0] for name in request["filters"])
    scan = {**scans[0], "shape": list(taken[0].voxels.shape)}
    delivery.asked.update(scan=scan, what=what)
    note_job(folder, delivery.asked)
    return {"scan": scans if len(scans) > 1 else scans[0]}
