"""Trainings as jobs: beginning one, going on with one that was stopped, looking at the data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.folders import new_folder, remove_folder, trainings_folder
from MedAssistLib.panel.jobs import Job
from MedAssistLib.panel.text import tr as _

_LANE = "train"
# As MedAssistLib.train and the worker's train_jobs call them, which need PyTorch or long to import.
_WORK, _DATA, _REQUEST = "training", "data", "request.json"

Pairs = Sequence[tuple[Any, Any]]
Hear = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Stopped:
    """A training that can go on.

    Attributes:
        name: What its model is to be called.
        output: Its folder.
        asked: What it was asked for: ``source``, ``name`` and ``options``.
    """

    name: str
    output: Path
    asked: Mapping[str, Any]


class Trainings:
    """Makes the jobs and takes care of their folders.

    Args:
        context: The panel's.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._exchanges: dict[str, Path] = {}
        context.job_changed.append(self._tidy)

    def begin(  # noqa: PLR0913, PLR0917
        self,
        name: str,
        folder: str,
        source: str,
        pairs: Pairs,
        options: Mapping[str, Any],
        hear: Hear,
    ) -> Job:
        """Queue a training.

        Args:
            name: What the model is to be called.
            folder: Where to keep it besides; empty for nowhere.
            source: The data set; empty to learn from ``pairs``.
            pairs: Segmentation nodes, each with its volume's node.
            options: The fields of :class:`MedAssistLib.train.TrainOptions`.
            hear: Called with what the worker tells meanwhile.

        Raises:
            InputError: If a volume cannot be learned from.
            ResourceError: If there is no place for the job's files.
        """
        output = (Path(folder) if folder else trainings_folder()) / name
        data = output / _WORK / _DATA
        prepare = _writing([] if source else pairs, data)
        return self._submit(name, output, source or str(data), options, hear, prepare)

    def go_on(self, stopped: Stopped, device: str, hear: Hear) -> Job:
        """Queue a training that was stopped, as it was begun, on a device.

        Raises:
            ResourceError: If there is no place for the job's files.
        """
        options = {**stopped.asked["options"], "device": device, "resume": True}
        source = str(stopped.asked["source"])
        return self._submit(stopped.name, stopped.output, source, options, hear, dict)

    def look(self, source: str, pairs: Pairs, land: Callable[[Any], None]) -> Job:
        """Queue a look at the data; its answer lands as the worker's verb ``look`` gives it.

        Raises:
            InputError: If a volume cannot be learned from.
            ResourceError: If there is no place for the job's files.
        """
        job = Job(title=_("Look at the data"), verb="look")
        folder = self._exchanges[job.id] = new_folder(job.id)
        data = folder / _DATA
        job.request = {"source": source or str(data)}
        job.prepare = _writing([] if source else pairs, data)
        job.land = lambda _job, answer: land(answer)
        return self._context.submit(_LANE, job)

    def stopped(self, folder: str = "") -> dict[str, Stopped]:
        """Return the trainings that can go on, by name: in the usual folder and another one."""
        folders = [trainings_folder(), *([Path(folder)] if folder else [])]
        found = {}
        for path in (path for place in folders for path in sorted(place.glob(f"*/{_WORK}"))):
            try:
                asked = json.loads((path / _REQUEST).read_text(encoding="utf-8"))
                name = str(asked["name"])
                found[name] = Stopped(name, path.parent, asked)
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def discard(self, stopped: Stopped, then: Callable[[], None]) -> None:
        """Delete what a stopped training has learned; its model, if there is one, stays."""
        whole = stopped.output.parent == trainings_folder()
        doomed = stopped.output if whole else stopped.output / _WORK
        self._context.run(lambda: shutil.rmtree(doomed, ignore_errors=True), lambda _none: then())

    def _submit(  # noqa: PLR0913, PLR0917
        self,
        name: str,
        output: Path,
        source: str,
        options: Mapping[str, Any],
        hear: Hear,
        prepare: Callable[[], Mapping[str, Any]],
    ) -> Job:
        job = Job(title=_("Train {model}").format(model=name), verb="train", prepare=prepare)
        folder = self._exchanges[job.id] = new_folder(job.id)
        job.request = {
            "source": source,
            "output": str(output),
            "name": name,
            "previews": str(folder),
            "options": dict(options),
        }
        job.hear = lambda _job, news: hear(news)
        job.land = lambda _job, _answer: self._done(output)
        return self._context.submit(_LANE, job)

    def _done(self, output: Path) -> None:
        """Let the model be listed; what its training needed is not needed any more."""
        self._context.models_changed()
        if output.parent == trainings_folder():
            self._context.run(lambda: shutil.rmtree(output, ignore_errors=True), lambda _none: None)

    def _tidy(self, job: Job) -> None:
        if job.state.over and job.id in self._exchanges:
            remove_folder(self._exchanges.pop(job.id))


def _writing(pairs: Pairs, folder: Path) -> Callable[[], Mapping[str, Any]]:
    """Return what writes nodes as a training set, in any thread."""
    if not pairs:
        return dict
    from MedAssistLib.scene.labelled import take, write_training_set

    drawn = [take(*pair) for pair in pairs]

    def write() -> Mapping[str, Any]:
        # Of an earlier try, which may have had other cases.
        shutil.rmtree(folder, ignore_errors=True)
        written = write_training_set(drawn, folder)
        odd = [[name, finding.title] for name, finding in written.findings]
        return {"odd": odd, "cases": written.cases}

    return cache(write)
