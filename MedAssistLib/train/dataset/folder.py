"""Image files of folders, and what is told of files that make no case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.errors import InputError
from MedAssistLib.read.images import header_of, stem
from MedAssistLib.read.kinds import IMAGES, kind_of
from MedAssistLib.train.dataset.cases import LabelledCase

_MOST_NAMED = 5
_SUBJECT = re.compile(r"(sub-[A-Za-z0-9]+)(_.*)?")
# A patient's number, then which of the patient's scans it is: patient001_frame12, P7-week-044.
_VISIT = re.compile(
    r"(?i)(.*?\d.*?)[-_. ]"
    r"(?:(?:frame|phase|visit|ses|session|scan|time|timepoint|tp|day|week|month|year|exam|fu)"
    r"[-_. ]?\d+|ed|es|baseline|followup|pre|post)(?:[-_. ].*)?"
)


def images_in(folder: Path) -> tuple[Path, ...]:
    """Return the image files of a folder without its subfolders; of a pair, that with the header.

    Raises:
        InputError: If there is no such folder, or it cannot be read.
    """
    return tuple(path for path in _files(folder) if not _hidden(path) and _is_image(path))


def left_over(folders: Iterable[Path], used: Collection[Path]) -> tuple[Finding, ...]:
    """Return findings on the files of some folders that are in no case.

    Args:
        folders: Where the images and labels lie.
        used: The files that are in a case, or of which something is told already.

    Raises:
        InputError: If a folder cannot be read.
    """
    known = {path.resolve() for path in used}
    paths = [path for folder in sorted(set(folders)) for path in _files(folder)]
    hidden = [path.name for path in paths if _hidden(path)]
    others = [path for path in paths if not _hidden(path) and path.resolve() not in known]
    unused = [path.name for path in others if _is_image(path)]
    strange = [path.name for path in others if path.name not in unused and not _is_data(path)]
    return (
        *left_out("dataset.hidden-files", hidden, "hidden file", Severity.INFO),
        *left_out("dataset.other-files", strange, "file that is no image", Severity.INFO),
        *left_out("dataset.unused-images", unused, "image file that no case has"),
    )


def left_out(
    rule: str, names: Collection[str], what: str, severity: Severity = Severity.REVIEW
) -> tuple[Finding, ...]:
    """Return the finding that something was left out; none if there is nothing.

    Args:
        rule: Name of the rule.
        names: Names of what was left out.
        what: What one of them is, such as ``"image without a label"``.
        severity: How much it matters.
    """
    if not names:
        return ()
    finding = Finding(
        rule=rule,
        severity=severity,
        title=f"Left out: {len(names)} × {what} ({named(names)}).",
        evidence=(Evidence(quantity="left out", measured=len(names), expected="0", unit="1"),),
    )
    return (finding,)


def named(names: Collection[str]) -> str:
    """Return the first of some names, and how many more there are."""
    shown = ", ".join([*names][:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def present(
    cases: Iterable[LabelledCase],
) -> tuple[tuple[LabelledCase, ...], tuple[Finding, ...]]:
    """Return the cases whose files are there, and a finding on the others."""
    whole: list[LabelledCase] = []
    broken: list[LabelledCase] = []
    for case in cases:
        there = all(path.exists() for path in (*case.images, case.label))
        (whole if there else broken).append(case)
    names = [case.name for case in broken]
    return tuple(whole), left_out("dataset.missing-files", names, "case of which a file is missing")


def require_cases(
    cases: Collection[LabelledCase], source: Path, findings: Iterable[Finding]
) -> None:
    """Refuse a training set without a case, or with two of one name.

    Raises:
        InputError: If it is one.
    """
    if not cases:
        told = " ".join(finding.title for finding in findings).rstrip(".")
        what = "has no case with an image and a label" + (f" ({told})" if told else "")
        hint = (
            "Give images and labels of the same names, a CSV with the columns image and label, or "
            "a folder as those of the Decathlon or nnU-Net"
        )
        raise InputError(what, where=source, hint=hint)
    name, count = Counter(case.name for case in cases).most_common(1)[0]
    if count > 1:
        hint = "Give each case a name of its own"
        raise InputError(f'has {count} cases called "{name}"', where=source, hint=hint)


def group_of(name: str) -> str:
    """Return the patient that a case belongs to, as far as its name tells.

    BIDS names begin with the subject, such as ``sub-01_ses-2_T1w``; others have a number and after
    it a word for one of several scans, such as ``patient001_frame12``. Else every case is its own.
    """
    match = _SUBJECT.fullmatch(name) or _VISIT.fullmatch(name)
    return match[1] if match else name


def names_of(paths: Collection[Path], root: Path) -> tuple[str, ...]:
    """Return a name for each file: its own if no other has it, else with its folders.

    Args:
        paths: Files or folders.
        root: The folder whose name none of them needs.
    """
    short = tuple(stem(path) for path in paths)
    if len(set(short)) == len(short):
        return short
    return tuple("_".join((*_folders(path, root), stem(path))) for path in paths)


def _folders(path: Path, root: Path) -> tuple[str, ...]:
    folder = path.parent
    parts = folder.relative_to(root).parts if folder.is_relative_to(root) else folder.parts[1:]
    return tuple(part for part in parts if part != "..")


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "Check that the folder is there and may be read"
        raise InputError(f"cannot be read ({reason})", where=folder, hint=hint) from error


def _hidden(path: Path) -> bool:
    """Tell files such as ``._scan.nii.gz``, which macOS leaves behind."""
    return path.name.startswith(".")


def _is_image(path: Path) -> bool:
    return not _is_data(path) and kind_of(path) in IMAGES


def _is_data(path: Path) -> bool:
    """Tell whether it holds the voxels of a pair, whose header lies beside it."""
    return header_of(path) != path
