"""Structures, or parts of them, that fit the model's better if they are pushed aside."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.compared import Compared
from MedAssistLib.check.context import Context
from MedAssistLib.check.directions import ACROSS, across, towards
from MedAssistLib.check.rule import Need, Place, Rule, Sign
from MedAssistLib.check.thresholds import Threshold

Step = tuple[int, int, int]
Numbers = npt.NDArray[np.float64]

_NAME = "opinion.moved"
_WHOLE = "whole"
_TOUCHING = np.ones((3, 3, 3), dtype=bool)
_STEPS: tuple[Step, ...] = tuple(
    (a, b, c) for a, b, c in itertools.product((-1, 0, 1), repeat=3) if a or b or c
)
# A part of fewer slices is an end, which is another matter.
_FEWEST_SLICES = 2


@dataclass(frozen=True)
class _Push:
    """What is gained if a structure's slices from ``first`` up to ``stop`` along an axis move.

    ``kind`` says across which way through the body these slices lie, or that it is the whole.
    """

    kind: str
    gain: float
    step: Step
    axis: int
    first: int
    stop: int


@dataclass(frozen=True, eq=False)
class _Rim:
    """The voxels at a structure's surface: only there a push by a voxel changes anything."""

    pair: Compared

    @cached_property
    def indices(self) -> npt.NDArray[np.intp]:
        """Their indices (k, j, i), shape (3, n)."""
        mask = self.pair.drawn.mask
        rim = ndimage.binary_dilation(mask, _TOUCHING) & ~ndimage.binary_erosion(mask, _TOUCHING)
        return np.stack(np.nonzero(rim))

    def gains(self, step: Step) -> Numbers:
        """Return how much better each voxel fits the model after a push by a step, in voxels.

        Per voxel's length of the step, because a longer one crosses more.
        """
        mask = self.pair.drawn.mask
        before = mask[tuple(self.indices)].astype(np.int8)
        after = mask[tuple(self.indices - np.array(step)[:, np.newaxis])].astype(np.int8)
        gained: Numbers = (after - before) * self.pair.trust[tuple(self.indices)]
        return gained.astype(np.float64) / float(np.linalg.norm(step))


def _measure(context: Context) -> Iterator[Sign]:
    for pair in context.compared():
        best: dict[str, _Push] = {}
        for push in _pushes(pair):
            if push.gain > (best[push.kind].gain if push.kind in best else 0.0):
                best[push.kind] = push
        for push in best.values():
            yield _sign(pair, push)


def _pushes(pair: Compared) -> Iterator[_Push]:
    """Yield the best push of the whole, and of the part before or after a slice, for each step."""
    rim = _Rim(pair)
    slices = pair.drawn.mask.shape
    (box,) = ndimage.find_objects(pair.drawn.mask.astype(np.uint8))
    kinds = [across(pair.drawn.grid, axis) for axis in range(3)]
    for step in _STEPS:
        gains = rim.gains(step)
        yield _Push(_WHOLE, float(gains.sum()), step, 0, 0, slices[0])
        for axis in range(3):
            if step[axis] != 0:
                continue
            first, stop = box[axis].start + _FEWEST_SLICES, box[axis].stop - _FEWEST_SLICES
            if first > stop:
                continue
            by_slice = np.bincount(rim.indices[axis], gains, minlength=slices[axis])
            below = np.cumsum(by_slice)[first - 1 : stop]
            above = by_slice.sum() - below
            at, end = int(below.argmax()), int(above.argmax())
            kind = kinds[axis]
            yield _Push(kind, float(below[at]), step, axis, 0, first + at)
            yield _Push(kind, float(above[end]), step, axis, first + end, slices[axis])


def _sign(pair: Compared, push: _Push) -> Sign:
    whole = push.kind == _WHOLE
    way, far = towards(pair.drawn.grid, push.step)
    what = pair.name if whole else f"A part of {pair.name}"
    mean = push.gain * pair.drawn.voxel_volume / pair.area
    return Sign(
        rule=_NAME,
        kind=push.kind,
        structure=pair.name,
        score=mean / pair.width,
        severity=Severity.REVIEW,
        title=f"{what} fits where the model sees it better if it moves {far:.1f} mm to the {way}.",
        explanation="Correct labels lie where the model sees them, however their surfaces differ.",
        place=pair.whole if whole else _place(pair, push),
        evidence=(
            Evidence(
                quantity="by how much both surfaces come nearer, weighed by how sure the model is",
                measured=mean,
                expected="",
                unit="mm",
            ),
        ),
    )


def _place(pair: Compared, push: _Push) -> Place:
    """Return where the part that is pushed is: its worst voxel, and its box."""
    kept = np.zeros_like(pair.drawn.mask)
    np.moveaxis(kept, push.axis, 0)[push.first : push.stop] = True
    wrong = np.where(kept, pair.outside + pair.inside, 0.0).astype(np.float32)
    around = np.where(wrong > 0.0, pair.around(wrong, 1.0), 0.0)
    top = np.unravel_index(int(around.argmax()), around.shape)
    (box,) = ndimage.find_objects((pair.drawn.mask & kept).astype(np.uint8))
    corners = pair.drawn.box_of([side.start for side in box], [side.stop for side in box])
    return Place(pair.drawn.point(np.array(top)), corners)


RULE = Rule(
    name=_NAME,
    looks_for="Structures, or parts of them, that fit the model's better if pushed aside.",
    advice="Look at both outlines from three sides; push it back if the edges in the image agree.",
    needs=frozenset({Need.SEGMENTATION, Need.OPINION}),
    thresholds={
        kind: Threshold(
            value=0.1, unit="1", source="voxels; up to 0.1 in 200 of 208 clean hippocampi"
        )
        for kind in (_WHOLE, *ACROSS.values())
    },
    measure=_measure,
)
