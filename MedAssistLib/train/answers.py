"""What networks said of the cases that they had not seen, kept so that checks can learn from it."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from MedAssistLib import files
from MedAssistLib.errors import InputError

ANSWERS = "held_out"
"""Folder of the answers, within that of what a training needs to go on."""

# Logarithms of odds are kept as whole numbers of these, from -12.7 to 12.7.
_STEP, _MOST = 0.1, 127
_LEAST = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What a network said of one case.

    Attributes:
        labels: Label values, axes (k, j, i) of the case's first channel.
        probabilities: Of each structure, in the structures' order, axes (structure, k, j, i).
    """

    labels: npt.NDArray[np.uint16]
    probabilities: npt.NDArray[np.float16]


class Answers:
    """The answers that a training keeps: one file a case.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(
        self,
        case: str,
        labels: npt.NDArray[np.integer],
        probabilities: npt.NDArray[np.float32],
    ) -> None:
        """Keep an answer; an earlier one to the same case is replaced.

        Args:
            case: Name of the case.
            labels: Label values, axes (k, j, i).
            probabilities: Of each structure, axes (structure, k, j, i).

        Raises:
            ResourceError: If it cannot be written.
        """
        odds = np.stack([_odds(each) for each in probabilities])
        files.make_folder(self._folder)
        with files.replacing(self._path(case)) as temporary:
            np.savez_compressed(temporary, labels=labels.astype(np.uint16), odds=odds)

    def __contains__(self, case: str) -> bool:
        return self._path(case).is_file()

    def of(self, case: str) -> Answer:
        """Return the answer to a case.

        Raises:
            InputError: If it cannot be read.
        """
        path = self._path(case)
        try:
            with np.load(path, allow_pickle=False) as kept:
                labels, odds = kept["labels"], kept["odds"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            hint = "Delete it; the case is then left out"
            raise InputError("is no answer of a network", where=path, hint=hint) from error
        # Half precision: large scans with many structures take much memory.
        table = (1.0 / (1.0 + np.exp(-_STEP * np.arange(-128, 128)))).astype(np.float16)
        return Answer(labels=labels, probabilities=table[odds.astype(np.int16) + 128])

    def _path(self, case: str) -> Path:
        # A case's name need not be one that every system takes for a file.
        digest = hashlib.sha256(case.encode()).hexdigest()[:32]
        return self._folder / f"{digest}.npz"


def _odds(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Return the logarithms of odds in steps."""
    within = np.clip(probabilities.astype(np.float32), _LEAST, 1.0 - _LEAST)
    steps = np.log(within / (1.0 - within)) / _STEP
    return np.clip(np.rint(steps), -_MOST, _MOST).astype(np.int8)
