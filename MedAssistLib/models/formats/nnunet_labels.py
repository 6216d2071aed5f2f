"""What the outputs of an nnU-Net model mean, from its ``dataset.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from MedAssistLib.errors import ModelError

_BACKGROUND, _IGNORED = "background", "ignore"


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The labels of a model.

    Attributes:
        names: What the model calls each label that it may paint.
        outputs: Channels of the network's answer.
        regions: For region-based models, the label that each channel paints, in painting order.
        foreground: All labels of the training but the background, in ascending order.
    """

    names: Mapping[int, str]
    outputs: int
    regions: tuple[int, ...]
    foreground: tuple[int, ...]


def read_labels(dataset: Mapping[str, Any]) -> Labels:
    """Read the labels of a ``dataset.json``.

    Raises:
        ModelError: If they make no sense.
    """
    members = {name: _members(value) for name, value in dataset["labels"].items()}
    if members.get(_BACKGROUND) != (0,):
        raise ModelError("its labels have no background of value 0")
    # Voxels with the "ignore" label were left out of the training; nothing is ever given it.
    members.pop(_IGNORED, None)
    everything = tuple(sorted({label for labels in members.values() for label in labels}))
    structures = {name: labels for name, labels in members.items() if set(labels) != {0}}
    if any(len(labels) > 1 for labels in members.values()):
        return _regions(structures, everything, dataset.get("regions_class_order"))
    if everything != tuple(range(len(everything))):
        raise ModelError(f"its labels are {everything} and not 0, 1, 2 and so on")
    return Labels(
        names=_joined([(labels[0], name) for name, labels in structures.items()]),
        outputs=len(everything),
        regions=(),
        foreground=everything[1:],
    )


def _regions(
    structures: Mapping[str, tuple[int, ...]], everything: tuple[int, ...], order: Any
) -> Labels:
    if order is None or len(order) != len(structures):
        raise ModelError("its regions_class_order does not name one label for each region")
    painted = tuple(int(label) for label in order)
    if min(painted) < 1:
        raise ModelError("its regions_class_order names a label that is not above 0")
    rest = list(structures)
    names = []
    for label, name in zip(painted, structures, strict=True):
        rest.remove(name)
        names.append((label, name + overpainted(structures, name, rest)))
    return Labels(
        names=_joined(names),
        outputs=len(structures),
        regions=painted,
        foreground=tuple(label for label in everything if label),
    )


def overpainted(structures: Mapping[str, tuple[int, ...]], name: str, later: list[str]) -> str:
    """Say which later regions take voxels away from a region, the largest only.

    Args:
        structures: The label values that make up each region.
        name: The region.
        later: The regions that are painted over it.
    """
    over = [other for other in later if set(structures[other]) & set(structures[name])]
    largest = [
        other
        for other in over
        if not any(set(structures[other]) < set(structures[more]) for more in over)
    ]
    return f" without {' and '.join(largest)}" if largest else ""


def _joined(pairs: list[tuple[int, str]]) -> dict[int, str]:
    names: dict[int, str] = {}
    for label, name in pairs:
        names[label] = f"{names[label]} or {name}" if label in names else name
    return names


def _members(value: Any) -> tuple[int, ...]:
    return tuple(int(label) for label in value) if isinstance(value, list) else (int(value),)
