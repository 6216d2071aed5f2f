"""Training sets in which some labels are wrong, and networks that know better."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Segmentation
from MedAssistLib.models.anatomy import segments
from MedAssistLib.train.answers import ANSWERS, Answers
from MedAssistLib.train.dataset import TrainingSet, read_dataset
from MedAssistLib.train.dataset.cases import LabelledCase
from MedAssistLib.train.dataset.reading import label_image, read_case
from MedAssistLib.train.preparation import WORK
from Testing.check_errors import KINDS, inject, swapped

SWAP, OTHER = "swap", "labels of another case"


@dataclass(frozen=True, kw_only=True)
class Corrupted:
    """One wrong label image.

    Attributes:
        case: Name of the case.
        kind: What was done.
        size: How large it is, mm; 0 where it has no size.
    """

    case: str
    kind: str
    size: float


def corrupt(
    source: Path,
    output: Path,
    count: int,
    rng: np.random.Generator,
    kinds: Sequence[str] = (*KINDS, SWAP, OTHER),
) -> tuple[Corrupted, ...]:
    """Copy a training set in the Medical Segmentation Decathlon's layout and spoil some labels.

    Kinds take turns, in an order drawn at random. Of kinds with several sizes, one that is not the
    smallest is drawn.

    Args:
        source: The training set; its structures exclude one another.
        output: The folder of the copy, which must not exist.
        count: How many label images are spoilt.
        rng: Draws cases, structures and sizes.
        kinds: What may be done.
    """
    shutil.copytree(source, output, ignore=shutil.ignore_patterns("imagesTs"))
    dataset, correct = read_dataset(output), read_dataset(source)
    chosen = [dataset.cases[n] for n in rng.permutation(len(dataset.cases))[:count]]
    order: list[str] = []
    done = []
    for case in chosen:
        while True:
            order = order or [kinds[n] for n in rng.permutation(len(kinds))]
            kind = order.pop()
            made = _spoilt(correct, case, kind, rng)
            if made is not None:
                break
        labels, size = made
        sitk.WriteImage(labels, str(case.label))
        done.append(Corrupted(case=case.name, kind=kind, size=size))
    return tuple(done)


def answered(source: Path, model: Path) -> Path:
    """Make the folder of a training whose networks drew each case as it is in ``source``."""
    dataset = read_dataset(source)
    answers = Answers(model / WORK / ANSWERS)
    for case in dataset.cases:
        _, indexed = read_case(case, dataset.structures)
        labels = dataset.structures.drawn(indexed)
        sure = np.stack([labels == label for label in dataset.structures.painted])
        answers.keep(case.name, labels, np.where(sure, 0.98, 0.01).astype(np.float32))
    return model


def _spoilt(
    correct: TrainingSet, case: LabelledCase, kind: str, rng: np.random.Generator
) -> tuple[sitk.Image, float] | None:
    """Return wrong labels and the size of the error; ``None`` where it cannot be done."""
    structures = correct.structures
    names = dict(zip(structures.painted, structures.names, strict=True))
    made = Segmentation(labels=label_image(case, structures, None), segments=segments(names))
    if kind == OTHER:
        return _of_another(correct, case, made.labels, rng), 0.0
    if kind == SWAP:
        first, second = rng.permutation(len(made.segments))[:2]
        return swapped(made, made.segments[first], made.segments[second]).segmentation.labels, 0.0
    sizes = KINDS[kind][1]
    size = float(rng.choice(sizes[1:] or sizes))
    one = made.segments[rng.integers(len(made.segments))]
    error = inject(kind, made, one, size, rng)
    return None if error is None else (error.segmentation.labels, size)


def _of_another(
    correct: TrainingSet, case: LabelledCase, labels: sitk.Image, rng: np.random.Generator
) -> sitk.Image:
    """Return the labels of another case, on the grid of this one, corner on corner."""
    others = [other for other in correct.cases if other.name != case.name]
    chosen = others[rng.integers(len(others))]
    other = sitk.GetArrayFromImage(label_image(chosen, correct.structures, None))
    array = np.zeros(labels.GetSize()[::-1], dtype=other.dtype)
    part = tuple(slice(min(a, b)) for a, b in zip(array.shape, other.shape, strict=True))
    array[part] = other[part]
    return geometry.from_array(array, labels)
