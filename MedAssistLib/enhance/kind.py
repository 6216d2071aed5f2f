"""What a filter is: a name, a sentence of help, typed options, and what it does to an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk

from MedAssistLib.enhance.options import Options
from MedAssistLib.enhance.voxels import Slices
from MedAssistLib.progress import Progress

# An image's values after float32 arithmetic in another order.
ROUNDING = 1e-5


def nothing_around(_options: Any, _spacing: float) -> float:
    """Return the reach of a filter that looks at each voxel by itself."""
    return 0.0


@dataclass(frozen=True, kw_only=True)
class FilterKind:
    """A filter.

    Call :meth:`apply` to run it. A preview of one slice calls :attr:`prepare` once on the whole
    image, keeps what it returns, and gives it to :meth:`apply` with a slab around the slice.

    Attributes:
        name: Its name in chains, ``group.filter``.
        help: One sentence: what it does and when to use it.
        options: Dataclass of its options; see :mod:`MedAssistLib.enhance.options`.
        compute: Called with a 3-D float32 image (the whole or a slab), the options, a progress and
            the state; returns a new image and leaves the given one alone.
        prepare: Called with the whole image, the options and a progress; returns the state: what
            the filter needs to know of the whole image. It may be given a coarser copy of the
            whole when ``coarse`` is true. ``None`` when the filter needs nothing.
        coarse: Whether a coarser copy of the whole gives a state within the tolerance.
        reach: Called with the options and the spacing along an axis in mm; returns how much of the
            image around a slice across this axis the slice's result depends on, in mm.
        tolerance: Largest difference, within a slice, between a preview with a slab of that reach
            and a full run, as a share of the range (largest less smallest) of the full result;
            that of ``part`` is within it, too.
        keeps_grid: Whether the result lies on the image's grid.
        keeps_unit: Whether values keep their unit, so that Hounsfield units stay what they are.
        state_for_part_only: Whether ``part`` alone needs what ``prepare`` returns.
        part: Like ``compute``, for a filter that can leave out what is not wanted: returns only
            some slices, given as their axis, the first, and the one after the last. It is what
            makes previews quick, and may go another way than ``compute``.
    """

    name: str
    help: str
    options: type[Options]
    compute: Callable[[sitk.Image, Any, Progress, Any], sitk.Image]
    prepare: Callable[[sitk.Image, Any, Progress], Any] | None = None
    coarse: bool = True
    reach: Callable[[Any, float], float] = nothing_around
    tolerance: float = ROUNDING
    keeps_grid: bool = True
    keeps_unit: bool = True
    state_for_part_only: bool = False
    part: Callable[[sitk.Image, Any, Progress, Any, Slices], sitk.Image] | None = None

    @property
    def stage(self) -> str:
        """What progress says while it runs."""
        return f"Enhancing ({self.name})"

    def apply(
        self, image: sitk.Image, options: Any, progress: Progress, state: Any = None
    ) -> sitk.Image:
        """Run the filter on a 3-D float32 image; returns a new float32 image.

        Args:
            image: The whole image, or a slab of it when ``state`` is given; numbers everywhere.
            options: An instance of :attr:`options`.
            progress: Told how far it is; looked at for cancellation.
            state: What :attr:`prepare` returned for the whole image; ``None`` to prepare now.

        Raises:
            CancelledError: If the user asked to stop.
            UsageError: If the options do not fit the image.
            InputError: If a file that the options name cannot be used.
        """
        if state is None and self.prepare is not None and not self.state_for_part_only:
            state = self.prepare(image, options, progress)
        result = self.compute(image, options, progress, state)
        # Some of ITK's filters answer in another type than they were asked in.
        exact: bool = result.GetPixelID() == sitk.sitkFloat32
        return result if exact else sitk.Cast(result, sitk.sitkFloat32)
