"""Which segmentation of one folder belongs to which of another: the one with the same name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from MedAssistLib.errors import InputError

_SUFFIXES = (
    *(".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".mnc", ".hdr"),
    *(".dcm", ".zip"),
)


@dataclass(frozen=True)
class LabelPairs:
    """The segmentations of two folders.

    Attributes:
        paths: The prediction and the reference of each case, by its name.
        only_predicted: Cases without a reference.
        only_reference: Cases without a prediction.
    """

    paths: dict[str, tuple[Path, Path]]
    only_predicted: tuple[str, ...] = ()
    only_reference: tuple[str, ...] = ()


def label_pairs(predicted: Path, reference: Path) -> LabelPairs:
    """Pair two files, or the files of two folders whose names differ at most in the suffix.

    Raises:
        InputError: If a folder cannot be read, two files of it have one name, or no names agree.
    """
    from MedAssistLib.read.images import stem

    if not (predicted.is_dir() and reference.is_dir()):
        return LabelPairs({stem(reference): (predicted, reference)})
    theirs, ours = _by_name(predicted), _by_name(reference)
    common = sorted(theirs.keys() & ours.keys())
    if not common:
        hint = "Name the files of both folders alike, such as case_1.nii.gz"
        raise InputError(f"no file has the name of one in {reference}", where=predicted, hint=hint)
    return LabelPairs(
        {name: (theirs[name], ours[name]) for name in common},
        tuple(sorted(theirs.keys() - ours.keys())),
        tuple(sorted(ours.keys() - theirs.keys())),
    )


def _by_name(folder: Path) -> dict[str, Path]:
    from MedAssistLib.read.images import stem

    found: dict[str, Path] = {}
    for path in _files(folder):
        # Archives made on a Mac hold a second file "._case.nii.gz" beside each.
        if path.name.startswith(".") or not path.name.lower().endswith(_SUFFIXES):
            continue
        name = stem(path)
        if name in found:
            hint = "Leave one of them"
            raise InputError(f"is a second file of {name}", where=path, hint=hint)
        found[name] = path
    return found


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "Check that you may read it"
        raise InputError(f"cannot be read ({reason})", where=folder, hint=hint) from error
