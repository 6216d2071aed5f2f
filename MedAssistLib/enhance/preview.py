"""A chain of filters on one slice, fast: what the person sees while choosing filters.

A slice depends on its surroundings only as far as the filters of the chain reach, and on the whole
scan only through what they prepare. So the exact result needs a slab, and what was prepared once.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.enhance.chain import Chain, Step
from MedAssistLib.enhance.preview_slab import (
    Plane,
    coarse_copy,
    contexts,
    nearest_plane,
    plane_of,
    slab_around,
    slab_sizes,
)
from MedAssistLib.enhance.preview_whole import Background, Whole
from MedAssistLib.enhance.voxels import Slices, slices, with_numbers
from MedAssistLib.progress import Cancellation, Progress

# A filter that never ran is taken to need this long a voxel; a cautious guess.
_UNKNOWN_RATE_S = 1e-6
# On finer voxels a filter may look at more neighbours.
_FINER_RATE = 2.0
# A rate may rise by so much at once: the least is right, the others were taken on a busy machine.
_RISE = 1.25
# How much of the budget a draft waits for what filters must know of the whole scan.
_PATIENCE = 0.4
_EXACT = 0
# Drafts see one slice on each side, at ever coarser voxels within the slice.
_DRAFT_CONTEXT = 1
_DRAFT_SHRINKS = (1, 2, 4, 8)


@dataclass(frozen=True, eq=False)
class Shown:
    """One slice of an enhanced scan.

    Attributes:
        image: The slice, float32, three-dimensional with one voxel across, in its place.
        exact: Whether it equals the same slice of a full run, within the filters' tolerances;
            otherwise it is a draft.
    """

    image: sitk.Image
    exact: bool


class Preview:
    """Previews of chains on a scan.

    Args:
        scan: The scan; it is not changed.
        budget_s: How long a draft may take, in seconds.

    Example:
        >>> with Preview(scan) as preview:
        ...     for shown in preview.show(chain, "axial", 40):
        ...         display(shown.image)
    """

    def __init__(self, scan: Scan, budget_s: float = 0.15) -> None:
        self._image, self._budget = with_numbers(scan.image), budget_s
        self._whole = Whole(self._image)
        self._coarse = Whole(coarse_copy(self._image))
        self._background, self._coarse_background = Background(), Background()
        self._rates: dict[Step, dict[int, float]] = {}
        self._lock = threading.Lock()
        self._current = Cancellation()

    def show(self, chain: Sequence[Step], axis: int | str, index: int) -> Iterator[Shown]:
        """Give a draft if the exact slice takes longer than the budget, then the exact slice.

        Args:
            chain: The filters.
            axis: The image's axis (0, 1, 2) across the slice, or ``"axial"``, ``"coronal"``,
                ``"sagittal"`` for the axis that is nearest to across it.
            index: Which slice of the scan; with filters that make another grid, the slice of theirs
                that is nearest to it.

        Raises:
            CancelledError: If this method was called again meanwhile.
            UsageError: If there is no such slice, or the options do not fit the scan.
        """
        with self._lock:
            self._current.cancel()
            mine = self._current = Cancellation()
        return self._draft_then_exact(chain, axis, index, Progress(cancellation=mine))

    def slice(
        self,
        chain: Sequence[Step],
        axis: int | str,
        index: int,
        progress: Progress | None = None,
    ) -> Shown:
        """Return the exact slice, however long it takes; see :meth:`show`."""
        progress = progress or Progress()
        steps, plane = tuple(chain), plane_of(self._image, axis, index)
        base, rest = _split(steps)
        image, states = self._image, []
        if base or not self._whole.has_states(steps):

            def work(job: Progress) -> tuple[sitk.Image, list[Any]]:
                whole = self._whole.after(base, job) if base else self._image
                return whole, self._whole.states(steps, job)

            image, states = self._background.result(steps, work, progress)
        else:
            states = self._whole.states(steps, progress)
        place = nearest_plane(self._image, plane, image)
        work_left = list(zip(rest, states[len(base) :], strict=True))
        return Shown(self._exact(image, work_left, place, progress), exact=True)

    def draft(
        self,
        chain: Sequence[Step],
        axis: int | str,
        index: int,
        progress: Progress | None = None,
    ) -> Shown:
        """Return the exact slice if it is there within the budget, or a draft; see :meth:`show`.

        Filters that make another grid are left out of drafts, and those that are still learning
        what they must know of the whole scan from a coarse copy, and such after them.
        """
        progress = progress or Progress()
        steps, plane = tuple(chain), plane_of(self._image, axis, index)
        base, rest = _split(steps)
        if not base and self._whole.has_states(steps):
            sizes = slab_sizes(self._image, steps, plane.axis)
            if self._cost(steps, sizes, _EXACT) <= self._budget:
                return self.slice(steps, plane.axis, index, progress)
        context = min(_DRAFT_CONTEXT, contexts(self._image, rest, plane.axis)[0])
        slab, middle = slab_around(self._image, plane, context)
        depth = slab.GetSize()[plane.axis]
        shrink = self._shrink(rest, math.prod(slab.GetSize()))
        grid = slices(slab, plane.axis, middle, middle + 1)
        factors = [min(shrink, n) for n in slab.GetSize()]
        factors[plane.axis] = 1
        slab = sitk.Shrink(slab, factors) if shrink > 1 else slab
        ready = not base and self._whole.has_states(steps)
        known = True
        for number, step in enumerate(rest):
            if ready or step.kind.coarse:
                state, known = self._known(rest[: number + 1], ready, known, progress)
                if not known and step.kind.prepare is not None:
                    continue
            else:
                prepare = step.kind.prepare
                state = prepare(slab, step.options, progress) if prepare else None
            wanted = (middle, middle + 1) if number == len(rest) - 1 else (0, depth)
            slab = self._timed(step, slab, state, (plane.axis, *wanted), progress, shrink)
            if number == len(rest) - 1:
                depth = 1
        drafted = slab if depth == 1 else slices(slab, plane.axis, middle, middle + 1)
        if shrink > 1:
            # The last True continues the outermost voxels.
            drafted = sitk.Resample(
                drafted, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32, True
            )
        return Shown(drafted, exact=False)

    def close(self) -> None:
        """Stop what runs in the background."""
        self._current.cancel()
        self._background.close()
        self._coarse_background.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _known(
        self, chain: Chain, ready: bool, known: bool, progress: Progress
    ) -> tuple[Any, bool]:
        """Return the state of a chain's last filter, if it is there or soon will be; else False."""
        if ready or chain[-1].kind.prepare is None:
            return (self._whole.state(chain, progress) if ready else None), known
        if not known:
            return None, False
        try:
            state = self._coarse_background.result(
                chain,
                lambda job: self._coarse.state(chain, job),
                progress,
                _PATIENCE * self._budget,
            )
        except TimeoutError:
            return None, False
        return state, True

    def _draft_then_exact(
        self, chain: Sequence[Step], axis: int | str, index: int, progress: Progress
    ) -> Iterator[Shown]:
        shown = self.draft(chain, axis, index, progress)
        yield shown
        if not shown.exact:
            yield self.slice(chain, axis, index, progress)

    def _exact(
        self,
        image: sitk.Image,
        work: Sequence[tuple[Step, Any]],
        plane: Plane,
        progress: Progress,
    ) -> sitk.Image:
        """Run filters on the slab that one slice needs; the slab gets thinner at each."""
        axis = plane.axis
        context, *after = contexts(image, tuple(step for step, _ in work), axis)
        slab, middle = slab_around(image, plane, context)
        for (step, state), needed in zip(work, after, strict=True):
            # Two slices at least: ITK's gradients need them.
            first = max(min(middle - needed, slab.GetSize()[axis] - 2), 0)
            stop = min(max(middle + needed + 1, first + 2), slab.GetSize()[axis])
            slab = self._timed(step, slab, state, (axis, first, stop), progress, _EXACT)
            middle -= first
        return slices(slab, axis, middle, middle + 1)

    def _timed(  # noqa: PLR0913, PLR0917 - each is a fact about the work
        self,
        step: Step,
        slab: sitk.Image,
        state: Any,
        keep: Slices,
        progress: Progress,
        shrink: int,
    ) -> sitk.Image:
        """Run a filter on a slab, keep some slices of it, and remember how long it took."""
        began = time.perf_counter()
        progress.check()
        kind = step.kind
        if kind.part is not None:
            made = kind.part(slab, step.options, progress, state, keep)
            worked = made
        else:
            made = slices(kind.apply(slab, step.options, progress, state), *keep)
            worked = slab
        rate = (time.perf_counter() - began) / math.prod(worked.GetSize())
        rates = self._rates.setdefault(step, {})
        rates[shrink] = min(rate, _RISE * rates.get(shrink, rate))
        return made

    def _rate(self, step: Step, shrink: int) -> float:
        """Return how long a filter takes a voxel, in seconds; from coarser voxels if need be."""
        known = self._rates.get(step, {})
        if shrink in known:
            return known[shrink]
        coarser = [rate for other, rate in known.items() if other > shrink]
        return _FINER_RATE * min(coarser) if coarser else _UNKNOWN_RATE_S

    def _cost(self, steps: Chain, voxels: Sequence[int], shrink: int) -> float:
        """Return how long filters will probably take on slabs of so many voxels, in seconds."""
        rates = (self._rate(step, shrink) for step in steps)
        return sum(rate * count for rate, count in zip(rates, voxels, strict=True))

    def _shrink(self, steps: Chain, voxels: int) -> int:
        """Return how much coarser within the slice a draft must be to keep the budget."""
        for shrink in _DRAFT_SHRINKS:
            if self._cost(steps, [voxels // shrink**2] * len(steps), shrink) <= self._budget:
                return shrink
        return _DRAFT_SHRINKS[-1]


def _split(chain: Chain) -> tuple[Chain, Chain]:
    """Return the filters up to the last that makes another grid, and those after it."""
    last = max((n + 1 for n, step in enumerate(chain) if not step.kind.keeps_grid), default=0)
    return chain[:last], chain[last:]
