"""The fingerprint of a training set: what a plan is made from, and what a model's card records.

It names no case and no patient.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from MedAssistLib.errors import InputError
from MedAssistLib.files import readable, write_text
from MedAssistLib.train.dataset.cases import TrainingSet
from MedAssistLib.train.facts import CaseFacts, upright_axes

_MOST_BYTES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How a number is spread over the cases."""

    minimum: float
    percentile_10: float
    median: float
    percentile_90: float
    maximum: float


@dataclass(frozen=True, kw_only=True)
class ChannelStatistics:
    """Intensities of a channel within the structures; every case weighs the same.

    Attributes:
        name: Name of the channel.
        mean: Mean.
        standard_deviation: Standard deviation.
        minimum: Lowest.
        percentile_00_5: 0.5th percentile.
        median: Median.
        percentile_99_5: 99.5th percentile.
        maximum: Highest.
        medians: Spread of the cases' own medians: wide where scans differ in their scale.
    """

    name: str
    mean: float
    standard_deviation: float
    minimum: float
    percentile_00_5: float
    median: float
    percentile_99_5: float
    maximum: float
    medians: Spread


@dataclass(frozen=True, kw_only=True)
class StructureStatistics:
    """A structure over the cases that have it.

    Attributes:
        name: Its name.
        cases: How many cases have it.
        voxels: Spread of its number of voxels; ``None`` if no case has it.
        volume_ml: Spread of its volume in mL; ``None`` if no case has it.
    """

    name: str
    cases: int
    voxels: Spread | None
    volume_ml: Spread | None


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """A training set in numbers. The axes are left-right, front-back and bottom-top.

    Attributes:
        cases: How many cases were counted: those that can be read and whose labels fit.
        spacing: Distance of the voxels along each axis, mm.
        size: Voxels along each axis.
        content: Voxels along each axis of the box outside of which all channels are 0.
        extent: Size of the images along each axis, mm.
        channels: Intensities of each channel; none if no case has a label.
        structures: Sizes of the structures.
        data: Hash of names and voxels of images and labels: tells whether it is the same set.
    """

    cases: int
    spacing: tuple[Spread, ...]
    size: tuple[Spread, ...]
    content: tuple[Spread, ...]
    extent: tuple[Spread, ...]
    channels: tuple[ChannelStatistics, ...]
    structures: tuple[StructureStatistics, ...]
    data: str


def fingerprint(dataset: TrainingSet, facts: Sequence[CaseFacts]) -> Fingerprint:
    """Return the fingerprint of a training set.

    Args:
        dataset: The training set.
        facts: The facts on the cases that are to be learned from.

    Raises:
        InputError: If no case can be read.
    """
    usable = [case for case in facts if case.fits and len(case.channels) == len(dataset.channels)]
    if not usable:
        hint = "Look at the audit"
        raise InputError("has no case to learn from", where=dataset.folder, hint=hint)
    axes = np.array([upright_axes(case.channels[0].grid) for case in usable])
    spacing = _turned([case.channels[0].grid.spacing for case in usable], axes)
    size = _turned([case.channels[0].grid.size for case in usable], axes)
    box = _turned([case.box[1] for case in usable if case.box], axes)
    return Fingerprint(
        cases=len(usable),
        spacing=_spreads(spacing),
        size=_spreads(size),
        content=_spreads(box),
        extent=_spreads(size * spacing),
        channels=_channels(dataset, usable),
        structures=_structures(dataset, usable, np.prod(spacing, axis=1)),
        data=_hash(usable),
    )


def content_hash(facts: CaseFacts) -> str:
    """Return a hash of the voxels of a case's images and labels."""
    return f"{facts.images_hash} {facts.labels_hash}"


def write_fingerprint(path: Path, found: Fingerprint) -> None:
    """Write a fingerprint as JSON.

    Raises:
        ResourceError: If the file cannot be written.
    """
    write_text(path, json.dumps(asdict(found), indent=1, ensure_ascii=False) + "\n")


def read_fingerprint(path: Path) -> Fingerprint:
    """Read a fingerprint.

    Raises:
        InputError: If it is none.
    """
    with readable(path) as stream:
        text = stream.read(_MOST_BYTES)
    try:
        return _from(json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError("is not the fingerprint of a training set", where=path) from error


def _from(fields: dict[str, Any]) -> Fingerprint:
    along = {
        name: tuple(Spread(**axis) for axis in fields[name])
        for name in ("spacing", "size", "content", "extent")
    }
    channels = [{**entry, "medians": Spread(**entry["medians"])} for entry in fields["channels"]]
    structures = [
        {**entry, **{k: entry[k] and Spread(**entry[k]) for k in ("voxels", "volume_ml")}}
        for entry in fields["structures"]
    ]
    return Fingerprint(
        cases=int(fields["cases"]),
        **along,
        channels=tuple(ChannelStatistics(**entry) for entry in channels),
        structures=tuple(StructureStatistics(**entry) for entry in structures),
        data=str(fields["data"]),
    )


def _channels(dataset: TrainingSet, cases: Sequence[CaseFacts]) -> tuple[ChannelStatistics, ...]:
    found = []
    for number, name in enumerate(dataset.channels):
        within = [case.channels[number].foreground for case in cases]
        inside = [values for values in within if values is not None]
        if not inside:
            return ()
        mean = float(np.mean([values.mean for values in inside]))
        square = float(np.mean([values.square for values in inside]))
        # Evenly spaced quantiles of each case stand for its voxels.
        pooled = np.concatenate([values.quantiles for values in inside]).astype(np.float64)
        low, median, high = np.percentile(pooled, (0.5, 50.0, 99.5))
        found.append(
            ChannelStatistics(
                name=name,
                mean=mean,
                standard_deviation=float(np.sqrt(max(square - mean**2, 0.0))),
                minimum=float(pooled.min()),
                percentile_00_5=float(low),
                median=float(median),
                percentile_99_5=float(high),
                maximum=float(pooled.max()),
                medians=_spread(np.array([np.median(values.quantiles) for values in inside])),
            )
        )
    return tuple(found)


def _structures(
    dataset: TrainingSet, cases: Sequence[CaseFacts], voxel_mm3: npt.NDArray[np.float64]
) -> tuple[StructureStatistics, ...]:
    found = []
    for number, name in enumerate(dataset.structures.names):
        voxels = np.array([case.structures[number].voxels for case in cases], dtype=np.float64)
        there = voxels > 0
        found.append(
            StructureStatistics(
                name=name,
                cases=int(there.sum()),
                voxels=_spread(voxels[there]) if there.any() else None,
                volume_ml=_spread((voxels * voxel_mm3)[there] / 1000.0) if there.any() else None,
            )
        )
    return tuple(found)


def _turned(
    values: Sequence[Sequence[float]], axes: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return one row a case, with what was along i, j, k put along the body's axes."""
    return np.take_along_axis(np.array(values, dtype=np.float64), axes, axis=1)


def _spreads(values: npt.NDArray[np.float64]) -> tuple[Spread, ...]:
    return tuple(_spread(along) for along in values.T)


def _spread(values: npt.NDArray[np.float64]) -> Spread:
    low, median, high = np.percentile(values, (10.0, 50.0, 90.0))
    return Spread(
        minimum=float(values.min()),
        percentile_10=float(low),
        median=float(median),
        percentile_90=float(high),
        maximum=float(values.max()),
    )


def _hash(cases: Sequence[CaseFacts]) -> str:
    lines = sorted(f"{case.case.name} {content_hash(case)}" for case in cases)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
