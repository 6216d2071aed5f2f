"""Models of several networks that know different structures: one after the other, then merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Scan
from MedAssistLib.errors import UsageError
from MedAssistLib.models.plan import PartedModel
from MedAssistLib.progress import Progress
from MedAssistLib.segment.engine import TiledOptions, TiledResult, run_tiled

Labels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def run_parts(
    scans: Sequence[Scan], model: PartedModel, options: TiledOptions, progress: Progress
) -> TiledResult:
    """Run a model part after part, with one network in memory at a time.

    Args:
        scans: One for each channel of the model, on one grid, in any orientation.
        model: The model.
        options: How to run it.
        progress: Told about each part and its tiles; stops the run when asked to.

    Returns:
        Labels exactly on the grid of the first scan; where parts disagree, those of the later.

    Raises:
        ModelError: If the scans do not fit the model, or a network does not fit its plan.
        InputError: If the scans do not share one grid.
        ResourceError: If memory does not suffice for even the most frugal way.
        UsageError: If the probabilities are wanted.
        CancelledError: If the user asked to stop.
    """
    if options.probabilities:
        what = "a model of several networks gives no probabilities"
        raise UsageError(what, hint="Leave them out, or run one of its parts alone")
    count = len(model.parts)
    largest = max(max(part.labels.values()) for part in model.parts)
    dtype = np.uint8 if largest < 256 else np.uint16
    merged: Labels = np.zeros(scans[0].image.GetSize()[::-1], dtype=dtype)
    steps: list[str] = []
    seconds: dict[str, float] = {}
    backends: dict[str, None] = {}
    for number, part in enumerate(model.parts):
        stage = f"Part {number + 1} of {count}, {part.name}"
        share = progress.part(stage, number / count, (number + 1) / count)
        result = run_tiled(scans, part.model, options, share)
        _paint(merged, result.labels, part.labels)
        steps += [f"{part.name}: {step}" for step in result.steps]
        backends[result.backend] = None
        for name, spent in result.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + spent
    ran = "; ".join(backends)
    return TiledResult(labels=merged, steps=tuple(steps), seconds=seconds, backend=ran)


def _paint(merged: Labels, found: Labels, labels: Mapping[int, int]) -> None:
    """Paint what a part found over what is there, slice by slice to spare memory."""
    table = np.zeros(max(int(found.max()), *labels) + 1, dtype=merged.dtype)
    table[list(labels)] = list(labels.values())
    for below, plane in zip(merged, found, strict=True):
        above = table[plane]
        np.copyto(below, above, where=above != 0)
