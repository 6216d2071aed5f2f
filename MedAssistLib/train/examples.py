"""The cases as the network sees them: turned, resampled and normalised once, then kept.

They lie as arrays in the training's folder, so that a set that is larger than the memory can be
read piece by piece, and a training that goes on does not prepare them anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from MedAssistLib import files
from MedAssistLib.errors import InputError
from MedAssistLib.models.plan import InferencePlan
from MedAssistLib.progress import Progress
from MedAssistLib.segment.engine.prepare import place_labels, prepare
from MedAssistLib.train.dataset import LabelledCase, Structures
from MedAssistLib.train.dataset.reading import read_case
from MedAssistLib.train.dataset.threads import in_threads
from MedAssistLib.train.facts import case_facts
from MedAssistLib.train.fingerprint import content_hash

# So many voxels of each structure are remembered as places for patches.
_PLACES = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """A case on the network's grid.

    Attributes:
        name: Of the case.
        image: Normalised intensities, axes (channel, k, j, i).
        labels: Index of each voxel's value among :attr:`Structures.values`, -1 where it is
            ignored, axes (k, j, i).
        places: For each value above 0 that is there, voxels that have it, axes (voxel, 3).
    """

    name: str
    image: torch.Tensor
    labels: torch.Tensor
    places: tuple[npt.NDArray[np.int32], ...]


def prepare_examples(  # noqa: PLR0913
    cases: Sequence[LabelledCase],
    structures: Structures,
    plan: InferencePlan,
    folder: Path,
    progress: Progress,
    *,
    hashes: Mapping[str, str] | None = None,
) -> tuple[Example, ...]:
    """Prepare cases, or take what an earlier run prepared in the same way.

    Args:
        cases: The cases.
        structures: What their label values mean.
        plan: How a scan becomes the network's input; the same as when the model is run.
        folder: Where the arrays are kept.
        progress: Told how far it is.
        hashes: What :func:`~MedAssistLib.train.fingerprint.content_hash` gave for each case when
            the training began, by name; only of a training that goes on.

    Raises:
        InputError: If a case is missing or damaged, or is not what it was.
        ResourceError: If the disk is full.
        CancelledError: If the user asked to stop.
    """
    files.make_folder(folder)

    def prepared(case: LabelledCase) -> Example:
        path = folder / f"{_key(case, structures, plan)}.npy"
        if not _places(path).is_file():
            _require_same(case, structures, hashes or {})
            _prepare(case, structures, plan, path)
        return _kept(case, path)

    # One at a time, because each takes much memory; in a thread, so that it can be stopped at once.
    return in_threads(prepared, cases, progress, workers=1)


def _places(path: Path) -> Path:
    return path.with_suffix(".places.npz")


def _kept(case: LabelledCase, path: Path) -> Example:
    """Return what was prepared."""
    stored = np.load(path, mmap_mode="c")
    with np.load(_places(path)) as found:
        points = tuple(found[key] for key in sorted(found.files))
    image = torch.from_numpy(stored[:-1])
    return Example(name=case.name, image=image, labels=torch.from_numpy(stored[-1]), places=points)


def _require_same(case: LabelledCase, structures: Structures, hashes: Mapping[str, str]) -> None:
    """Refuse a case that was changed after the training had begun.

    Its files may be newer, as copies are; what counts is what they hold.
    """
    if case.name in hashes and content_hash(case_facts(case, structures)) != hashes[case.name]:
        hint = "Put it back as it was, or train anew in another folder, with --from this one"
        raise InputError("was changed since the training began", where=case.label, hint=hint)


def _prepare(case: LabelledCase, structures: Structures, plan: InferencePlan, path: Path) -> None:
    scans, indexed = read_case(case, structures)
    seen = prepare(scans, plan, "cpu")
    labels = place_labels(indexed, seen.placement).numpy()
    # One file a case; small whole numbers are exact in half precision, and so are the labels.
    stack = np.concatenate([seen.data.numpy(), labels[None]]).astype(np.float16)
    if not np.isfinite(stack).all():
        hint = "Check its intensities, or leave the case out"
        raise InputError("has values that cannot be used", where=case.images[0], hint=hint)
    random = np.random.default_rng(0)
    found = {}
    for value in range(1, len(structures.values)):
        where = np.argwhere(labels == value)
        if len(where):
            chosen = random.permutation(len(where))[:_PLACES]
            found[f"{value:05d}"] = where[np.sort(chosen)].astype(np.int32)
    with files.replacing(path) as temporary:
        np.save(temporary, stack)
    with files.replacing(_places(path)) as temporary:
        np.savez(temporary, allow_pickle=False, **found)


def _key(case: LabelledCase, structures: Structures, plan: InferencePlan) -> str:
    """Return a name that changes with the case's files and with all that is done to them."""
    stamps = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in (*case.images, case.label)
        if path.exists()
    ]
    told = [case.name, stamps, asdict(structures), asdict(plan)]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
    return digest[:32]
