"""A check as a job: what it is about, and its way to the worker and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from MedAssistLib.errors import InputError
from MedAssistLib.files import write_text
from MedAssistLib.panel.check_second import SecondReader, read_second
from MedAssistLib.panel.context import Context
from MedAssistLib.panel.findings_node import to_text
from MedAssistLib.panel.folders import new_folder
from MedAssistLib.panel.handover import Snapshot, snapshot
from MedAssistLib.panel.jobs import Job
from MedAssistLib.panel.label_layers import Layer, layers_of
from MedAssistLib.panel.text import tr as _

Found = Mapping[str, Any]


class Checked:
    """The volume and the segmentation that are checked, as long as they are in the scene."""

    def __init__(self, context: Context, volume: Any, segmentation: Any) -> None:
        self._context, self._scene_number = context, context.scene_number
        self._ids = [volume.GetID()]
        if segmentation is not None:
            self._ids.append(segmentation.GetID())
        self.name = (segmentation or volume).GetName()

    def nodes(self) -> tuple[Any, Any]:
        """Return the volume and the segmentation, which is None if there was none.

        Raises:
            InputError: If one of them has left the scene.
        """
        there = [self._context.scene.GetNodeByID(name) for name in self._ids]
        if self._scene_number != self._context.scene_number or None in there:
            what = _("left the scene while it was checked")
            raise InputError(what, where=self.name, hint=_("Check it again once it is there"))
        return there[0], there[1] if len(there) > 1 else None


def check_job(
    about: Checked,
    request: Mapping[str, Any],
    earlier: Found | None,
    land: Callable[[Checked, Found, SecondReader], None],
) -> Job:
    """Return the job of checking; its request's ``folder`` is to be removed when it is over.

    Args:
        about: What is checked.
        request: What else is known; see :func:`MedAssistLib.worker.check_jobs.check`.
        earlier: The findings file of an earlier check, whose answers the same findings keep.
        land: Takes the findings file and what a second reader drew, in the window's thread.

    Raises:
        InputError: If the volume or the segmentation cannot be handed over.
        ResourceError: If there is no place for the files.
    """
    volume, segmentation = about.nodes()
    taken = snapshot(volume)
    layers = layers_of(segmentation, volume) if segmentation is not None else []
    job = Job(title=_("Check {name}").format(name=about.name), verb="check")
    folder = new_folder(job.id)
    job.request = {**request, "folder": str(folder)}
    job.prepare = lambda: _written(taken, layers, earlier, folder)
    job.load = lambda result: (result["found"], read_second(result))
    job.land = lambda _job, loaded: land(about, *loaded)
    return job


def _written(
    taken: Snapshot, layers: Sequence[Layer], earlier: Found | None, folder: Path
) -> dict[str, Any]:
    """Write what the worker reads; runs in a thread."""
    written: dict[str, Any] = {
        "scan": taken.write(folder / "scan.npy"),
        "layers": [layer.write(folder / f"layer-{n}.npy") for n, layer in enumerate(layers)],
        "second": str(folder / "second.npz"),
    }
    if earlier:
        write_text(folder / "earlier.json", to_text(earlier))
        written["earlier"] = str(folder / "earlier.json")
    return written
