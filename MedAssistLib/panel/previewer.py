"""Previews of one slice, computed in a background process; only the latest wish counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.folders import new_folder, remove_folder
from MedAssistLib.panel.handover import Snapshot, snapshot
from MedAssistLib.panel.jobs import Job, State
from MedAssistLib.panel.slice_place import SlicePlace


@dataclass(frozen=True)
class Wish:
    """What is to be previewed: a chain on one slice of a volume with certain voxels."""

    volume: str
    changed: int
    chain: tuple[str, ...]
    place: SlicePlace


@dataclass(frozen=True, eq=False)
class Previewed:
    """A slice as the chain makes it, and whether a full run would give just this."""

    image: sitk.Image
    exact: bool


class Previewer:
    """Asks for previews.

    Args:
        context: The lanes.
        take: Called with each wish that came true.
        tell: Called with a job that has changed.
    """

    def __init__(
        self,
        context: Context,
        take: Callable[[Wish, Previewed], None],
        tell: Callable[[Job], None],
    ) -> None:
        self._context, self._take, self._tell = context, take, tell
        self._job: Job | None = None
        self._wish: Wish | None = None
        self._next: tuple[Wish, Any] | None = None
        self._folder: Path | None = None
        self._handed: tuple[str, int] = ("", 0)
        self._hand_over: Callable[[], Mapping[str, Any]] = dict
        context.job_changed.append(self._changed)

    def ask(self, volume: Any, chain: Sequence[str], place: SlicePlace) -> None:
        """Wish for a preview; one that is on its way is given up.

        Raises:
            InputError: If the volume cannot be enhanced.
            ResourceError: If there is no place for its voxels.
        """
        changed = volume.GetImageData().GetMTime()
        wish = Wish(volume.GetID(), changed, tuple(chain), place)
        if wish == self._wish:
            return
        self._wish, self._next = wish, (wish, volume)
        if self._job is None or self._job.state.over:
            self._begin()
        else:
            self._context.cancel(self._job)

    def stop(self) -> None:
        """Wish for nothing any more, and remove the voxels that were handed over."""
        self._wish = self._next = None
        if self._job is not None and not self._job.state.over:
            self._context.cancel(self._job)
        self._handed = ("", 0)
        if self._folder is not None:
            remove_folder(self._folder)
            self._folder = None

    def _begin(self) -> None:
        if self._next is None:
            return
        (wish, volume), self._next = self._next, None
        self._prepare(wish, volume)
        self._submit(wish, draft=True)

    def _submit(self, wish: Wish, *, draft: bool) -> None:
        folder = self._folder
        if folder is None:
            return
        request = {
            "filters": list(wish.chain),
            "axis": wish.place.axis,
            "index": wish.place.index,
            "output": str(folder / "slice.npy"),
            "draft": draft,
        }
        self._job = Job(
            title="",
            verb="preview",
            request=request,
            prepare=self._hand_over,
            load=_read,
            land=lambda _job, found: self._land(wish, found),
            quiet=True,
        )
        self._context.submit("preview", self._job)

    def _prepare(self, wish: Wish, volume: Any) -> None:
        """See to it that the voxels are handed over, once for each state of the volume."""
        if self._handed == (wish.volume, wish.changed):
            return
        taken = snapshot(volume)
        if self._folder is not None:
            remove_folder(self._folder)
        self._folder = new_folder(Job(title="", verb="preview").id)
        self._handed = (wish.volume, wish.changed)
        self._hand_over = cache(lambda folder=self._folder: _written(taken, folder))

    def _land(self, wish: Wish, found: Previewed) -> None:
        if wish != self._wish:
            return
        self._take(wish, found)
        if not found.exact:
            self._submit(wish, draft=False)

    def _changed(self, job: Job) -> None:
        if job is not self._job:
            return
        if job.state is State.FAILED:
            self._wish = None  # Asking for the same once more is a new try.
        if job.state.over and self._next is not None:
            self._begin()
        else:
            self._tell(job)


def _written(taken: Snapshot, folder: Path) -> dict[str, Any]:
    return {"scan": taken.write(folder / "scan.npy")}


def _read(result: Mapping[str, Any]) -> Previewed:
    image = sitk.GetImageFromArray(np.load(result["output"], allow_pickle=False))
    image.SetSpacing(result["spacing"])
    image.SetOrigin(result["origin"])
    image.SetDirection(result["direction"])
    return Previewed(image, bool(result["exact"]))
