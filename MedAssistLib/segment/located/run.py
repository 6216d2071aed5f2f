"""Running a network at each place where an atlas knows its structure to be.

The network was trained on crops: the structure in the middle, a small margin about it, normalised
over the crop. In larger boxes it takes neighbours for the structure. So it runs three times: in the
atlas's box; in one as large about the middle of what was found; and in the one with the training's
margin about what was found then, whose answer counts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from MedAssistLib.case import Scan
from MedAssistLib.errors import ModelError
from MedAssistLib.models.formats.located_card import LocatedModel
from MedAssistLib.models.plan import Part
from MedAssistLib.progress import Progress
from MedAssistLib.segment.engine import TiledOptions, TiledResult, run_tiled
from MedAssistLib.segment.located import boxes
from MedAssistLib.segment.located.atlas import read_atlas
from MedAssistLib.segment.located.head import LEAST_LIKENESS, find_head
from MedAssistLib.segment.located.whole import Whole
from MedAssistLib.segment.region import Slices


def run_located(
    scans: Sequence[Scan], model: LocatedModel, options: TiledOptions, progress: Progress
) -> TiledResult:
    """Run a located model on a scan of a head.

    Args:
        scans: One for each channel of the model, on one grid, in any orientation; the head is
            looked for in the first.
        model: The model.
        options: How to run it.
        progress: Told about each step; stops the run when asked to.

    Returns:
        Labels exactly on the grid of the first scan. A structure that is not found at its place
        has none. Probabilities, if asked for, are those of :class:`Whole`.

    Raises:
        ModelError: If no head is found, or a place lies outside the scan.
        InputError: If the scans do not share one grid.
        ResourceError: If memory does not suffice for even the most frugal way.
        CancelledError: If the user asked to stop.
    """
    began = time.perf_counter()
    blocks = _places(scans[0], model, progress.part("Finding the head", 0.0, 0.4))
    whole = Whole(scans[0].image, model, probabilities=options.probabilities)
    whole.seconds["find"] = time.perf_counter() - began
    for number, (part, block) in enumerate(zip(model.parts, blocks, strict=True)):
        start, stop = (0.4 + 0.6 * n / len(blocks) for n in (number, number + 1))
        share = progress.part(part.name, start, stop)
        _Place(scans, part, options, whole, share).find(block, model.margin)
    return whole.result()


def _places(scan: Scan, model: LocatedModel, progress: Progress) -> list[Slices]:
    """Return the block of voxels of each place, or refuse the scan."""
    head = find_head(scan.image, read_atlas(model.atlas), progress)
    where = scan.source or scan.name
    if head.likeness < LEAST_LIKENESS:
        what = (
            "shows no T1-weighted brain, upright where the scan's header says "
            f"(likeness {head.likeness:.2f}, not at least {LEAST_LIKENESS})"
        )
        hint = (
            "Give a scan of a whole head with a correct header, or the box about one structure, "
            f"at most {model.largest_crop:g} mm a side"
        )
        raise ModelError(what, where=where, hint=hint)
    blocks = []
    for part, corners in zip(model.parts, model.boxes, strict=True):
        block = boxes.placed(scan.image, head.transform, corners)
        if block is None:
            hint = "Give a scan of the whole head, or choose only structures that it shows"
            raise ModelError(f"does not show the whole {part.name}", where=where, hint=hint)
        blocks.append(block)
    return blocks


class _Place:
    """The runs at one place."""

    def __init__(
        self,
        scans: Sequence[Scan],
        part: Part,
        options: TiledOptions,
        whole: Whole,
        progress: Progress,
    ) -> None:
        self._scans, self._part, self._options = scans, part, options
        self._whole, self._progress = whole, progress

    def find(self, block: Slices, margin: float) -> None:
        """Find the structure in a block, and paint it."""
        image = self._scans[0].image
        sketch = replace(self._options, probabilities=False)
        labels = self._run(block, sketch, 0).labels
        middle = boxes.centred(labels, block, image)
        if middle is None:
            return
        labels = self._run(middle, sketch, 1).labels
        exact = boxes.about(labels, middle, image, margin)
        if exact is not None:
            self._whole.paint(self._part, exact, self._run(exact, self._options, 2))

    def _run(self, block: Slices, options: TiledOptions, number: int) -> TiledResult:
        cut = [replace(scan, image=scan.image[block]) for scan in self._scans]
        share = self._progress.part(self._part.name, number / 3, (number + 1) / 3)
        result = run_tiled(cut, self._part.model, options, share)
        self._whole.note(self._part, result)
        return result
