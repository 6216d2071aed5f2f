"""What a training set is: labelled cases, and what the network is to answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Finding
from MedAssistLib.errors import InputError
from MedAssistLib.models.formats.nnunet_labels import overpainted

IGNORED = -1
"""Index of voxels that are left out of the training."""

_UNKNOWN = -2
_MOST_VALUE = 65_535


@dataclass(frozen=True, kw_only=True)
class LabelledCase:
    """A scan with the structures that a person drew on it.

    Attributes:
        name: What tells it from the others; no patient's name.
        images: One file or folder a channel, or one 4-D file of all channels.
        label: The label image.
        group: Cases of one group, such as one patient, never lie in two folds.
    """

    name: str
    images: tuple[Path, ...]
    label: Path
    group: str


@dataclass(frozen=True, kw_only=True)
class Structures:
    """What the network is to answer.

    Attributes:
        names: One for each structure, the background not among them.
        members: The label values in the files that make up each structure.
        painted: The label value that each gets in a result; a later one is painted over an
            earlier one.
        ignore: Voxels of this value are left out of the training.

    Raises:
        InputError: If they make no sense.
    """

    names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    painted: tuple[int, ...]
    ignore: int | None = None

    def __post_init__(self) -> None:
        _require(bool(self.names), "there is no structure to learn, only background")
        twice = [name for name, count in Counter(self.names).items() if count > 1]
        _require(not twice, f'two structures are called "{twice[0] if twice else ""}"')
        _require(all(name.strip() for name in self.names), "a structure has no name")
        numbered = len(self.members) == len(self.painted) == len(self.names)
        _require(numbered, f"{len(self.names)} structures do not have one label value each")
        used = [value for values in self.members for value in values]
        good = all(self.members) and all(0 < n <= _MOST_VALUE for n in (*self.painted, *used))
        values = [*self.painted, *used]
        _require(good, f"label values are not whole numbers from 1 to {_MOST_VALUE}: {values}")
        alone = self.ignore is None or (self.ignore not in used and self.ignore > 0)
        _require(alone, f"the value {self.ignore} is to be left out, but means something too")

    @property
    def overlapping(self) -> bool:
        """Whether they are regions: a value in several structures, or several in one."""
        once = len({value for values in self.members for value in values})
        return once != len(self.names) or sum(map(len, self.members)) != len(self.names)

    @cached_property
    def values(self) -> tuple[int, ...]:
        """All values of the files that mean something: 0 first, ascending, without ``ignore``."""
        return (0, *sorted({value for values in self.members for value in values}))

    def indexed(self, labels: npt.NDArray[np.integer]) -> npt.NDArray[np.int16]:
        """Return where in ``values`` each label value stands, and -1 where it is to be ignored.

        Args:
            labels: Label values of a file, any shape.

        Raises:
            InputError: If a value is not among them.
        """
        known = [*self.values, *([] if self.ignore is None else [self.ignore])]
        outside = labels[(labels < 0) | (labels > max(known))]
        if outside.size:
            raise self._unknown(int(outside[0]))
        table = np.full(max(known) + 1, _UNKNOWN, dtype=np.int16)
        table[list(self.values)] = np.arange(len(self.values))
        if self.ignore is not None:
            table[self.ignore] = IGNORED
        found: npt.NDArray[np.int16] = table[labels]
        if (found == _UNKNOWN).any():
            raise self._unknown(int(labels[found == _UNKNOWN][0]))
        return found

    def _unknown(self, value: int) -> InputError:
        known = ", ".join(map(str, self.values))
        hint = "Name that label in the data set's description, or correct the label image"
        return InputError(f"has voxels of label {value}, which is none of {known}", hint=hint)

    @property
    def titles(self) -> tuple[str, ...]:
        """What a result's labels mean: of a region, what no later one is painted over."""
        if not self.overlapping:
            return self.names
        members = dict(zip(self.names, self.members, strict=True))
        return tuple(
            name + overpainted(members, name, list(self.names[number + 1 :]))
            for number, name in enumerate(self.names)
        )

    @property
    def shown(self) -> tuple[tuple[int, ...], ...]:
        """The labels of a result that show each structure: its own, and those of later parts."""
        parts = list(zip(self.painted, self.members, strict=True))
        return tuple(
            (own, *(label for label, part in parts[number + 1 :] if set(part) <= set(whole)))
            for number, (own, whole) in enumerate(parts)
        )

    def drawn(self, indexed: npt.NDArray[np.int16]) -> npt.NDArray[np.uint16]:
        """Return the labels that a faultless result would have: later structures lie over earlier.

        Args:
            indexed: What :meth:`indexed` gives; what is to be ignored becomes background.
        """
        table = np.zeros(len(self.values) + 1, dtype=np.uint16)
        for members, label in zip(self.members, self.painted, strict=True):
            table[[self.values.index(value) for value in members]] = label
        # The last entry, which -1 finds, is background.
        found: npt.NDArray[np.uint16] = table[indexed]
        return found

    def membership(self) -> npt.NDArray[np.bool_]:
        """Return which value of ``values`` belongs to which output of the network.

        Returns:
            Axes (output, value). The outputs are background and the structures if they exclude one
            another; the structures alone if they overlap, as nnU-Net's regions.
        """
        rows = [np.isin(self.values, values) for values in self.members]
        table: npt.NDArray[np.bool_] = np.array(rows)
        if self.overlapping:
            return table
        return np.concatenate([~table.any(axis=0, keepdims=True), table])


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Labelled cases to learn from.

    Attributes:
        name: Short name for files and commands.
        title: What it is, in a few words.
        channels: Name of each channel, such as ``("T1", "FLAIR")``.
        modality: DICOM modality, empty if not known.
        structures: What is to be learned.
        cases: The cases, in the order of their names.
        licence: Licence of the data; empty if not stated.
        source: Who made it, and where it comes from; empty if not stated.
        folder: Where it lies.
        findings: What was left out or is odd about its files.
    """

    name: str
    title: str
    channels: tuple[str, ...]
    modality: str
    structures: Structures
    cases: tuple[LabelledCase, ...]
    licence: str
    source: str
    folder: Path
    findings: tuple[Finding, ...] = ()


def exclusive(names: Mapping[int, str], ignore: int | None = None) -> Structures:
    """Return structures that exclude one another; in a result they have the labels 1, 2 and so on.

    Args:
        names: What each value above 0 means; values may be left out, as in atlases.
        ignore: Voxels of this value are left out of the training.

    Raises:
        InputError: If they make no sense.
    """
    values = sorted(names)
    return Structures(
        names=tuple(names[value] for value in values),
        members=tuple((value,) for value in values),
        painted=tuple(range(1, len(values) + 1)),
        ignore=ignore,
    )


def regions(
    members: Mapping[str, Sequence[int]], painted: Sequence[int], ignore: int | None = None
) -> Structures:
    """Return structures that may overlap, in the order in which they are painted.

    Raises:
        InputError: If they make no sense.
    """
    return Structures(
        names=tuple(members),
        members=tuple(tuple(sorted(set(values))) for values in members.values()),
        painted=tuple(painted),
        ignore=ignore,
    )


def _require(right: bool, what: str) -> None:
    if not right:
        raise InputError(what, hint="Correct the labels in the data set's description")
