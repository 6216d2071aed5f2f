"""A plan for the data with the network of an earlier model, and what that network is used to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from MedAssistLib.models.plan import InferencePlan, Moment
from MedAssistLib.train.augment import Size
from MedAssistLib.train.dataset import Structures
from MedAssistLib.train.plan import TrainPlan
from MedAssistLib.train.start import Start, readable

_SIDES = "LR"
_PAIRS = ("RL", "AP", "SI")
# What a network knows already is kept by learning gently, as a share of the plan's rates, and by
# letting it count for so many steps in the running mean: 5 minutes with 16 more hippocampi changed
# the Dice of two networks by -0.001 ± 0.002, where 3 as usual cost one 0.007.
_GENTLY, _EARLIER_STEPS = 0.1, 1000


def adopted(plan: TrainPlan, start: Start, stored: str, structures: Structures) -> TrainPlan:
    """Return a plan with the network of a model to start from.

    Args:
        plan: The plan that suits the data.
        start: The model. Its grid is taken over, and how it sees intensities if it has as many
            channels; patches stay about as large as the plan's.
        stored: Directions of the axes i, j, k of most scans of the data, for a model that takes
            scans as they are stored.
        structures: What is to be learned. If it is what the model knows, it learns gently; new
            heads take the usual rates.
    """
    given, network = start.plan, start.network
    letters = _along(given.orientation or stored, given.transpose)
    # For each axis of the network, that of the plan that runs the same way, or against it.
    ours = [_axis_of(letter, plan.orientation) for letter in letters]
    spacing = _spacing(given, [plan.spacing[axis] for axis in ours])
    wanted = [
        plan.patch[axis] * plan.spacing[axis] / step
        for axis, step in zip(ours, spacing, strict=True)
    ]
    patch = _patch(wanted, network.multiple)
    same = len(given.normalisation) == len(plan.normalisation)
    spatial = plan.augmentation.spatial
    sideways = tuple(axis for axis, letter in enumerate(letters) if letter in _SIDES)
    k, j, i = (spatial.angles[axis] for axis in ours)
    turned = replace(spatial, angles=(k, j, i), mirror=sideways if spatial.mirror else ())
    moved = replace(
        plan,
        orientation="".join(reversed(letters)),
        spacing=spacing,
        crop_to_nonzero=_is_cropped(given),
        normalisation=given.normalisation if same else plan.normalisation,
        network=network.kind,
        arguments=network.arguments,
        patch=patch,
        batch=max(2, plan.batch * math.prod(plan.patch) // math.prod(patch)),
        augmentation=replace(plan.augmentation, spatial=turned),
        supervised=min(plan.supervised, len(network.heads())),
    )
    if not (same and _knows(start, structures)):
        return moved
    return replace(
        moved,
        learning_rate=_GENTLY * plan.learning_rate,
        other_rate=_GENTLY * plan.other_rate,
        earlier_steps=_EARLIER_STEPS,
    )


def _knows(start: Start, structures: Structures) -> bool:
    """Tell whether the outputs of a model are those that are to be learned."""
    alike = bool(start.plan.regions) is structures.overlapping
    return alike and start.structures == readable(structures.titles)


def _along(orientation: str, order: Sequence[int]) -> list[str]:
    """Return where each axis of the network points to.

    Args:
        orientation: Where the axes i, j, k of the turned scan point to.
        order: Which of its axes (k, j, i) each axis of the network is.
    """
    return [orientation[::-1][axis] for axis in order]


def _axis_of(letter: str, orientation: str) -> int:
    """Return which of the axes (k, j, i) of an orientation runs along a direction."""
    (pair,) = (pair for pair in _PAIRS if letter in pair)
    return next(axis for axis, own in enumerate(orientation[::-1]) if own in pair)


def _spacing(given: InferencePlan, ours: Sequence[float]) -> tuple[float, float, float]:
    """Return the model's spacing: the data's where it says none, or takes theirs as it is."""
    wanted = given.spacing or tuple(ours)
    kept = given.kept_spacing or ((math.inf, math.inf),) * 3
    k, j, i = (
        own if low <= own <= high else step
        for own, step, (low, high) in zip(ours, wanted, kept, strict=True)
    )
    return k, j, i


def _is_cropped(given: InferencePlan) -> bool:
    """Tell whether the model normalises what is bright, without what lies around it."""
    bright = given.foreground is not None and given.moment is not Moment.WHOLE
    return given.crop_to_nonzero or bright


def _patch(wanted: Sequence[float], whole: Sequence[int]) -> Size:
    """Return about a wanted size, at least two voxels wide at the bottom."""
    k, j, i = (max(round(n / w), 2) * w for n, w in zip(wanted, whole, strict=True))
    return k, j, i
