"""De-identifying files: all that can hold a scan, in folders, zips and one by one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.export.deidentify import output as outputs
from MedAssistLib.export.deidentify.dicom_file import Cleaned
from MedAssistLib.export.deidentify.faces import find_faces
from MedAssistLib.export.deidentify.options import DeidentifyOptions
from MedAssistLib.export.deidentify.sorting import Item, sort_files
from MedAssistLib.export.deidentify.tally import LeftOut, Report
from MedAssistLib.export.deidentify.writing import Writer
from MedAssistLib.files import replacing
from MedAssistLib.progress import Progress
from MedAssistLib.read.kinds import Kind
from MedAssistLib.read.sources import files_of

_UNPACKED, _FACES_FOUND = 0.1, 0.6
_MOST_REASONS = 3


def deidentify(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    options: DeidentifyOptions | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write copies of scans that say nothing about who was scanned, where and by whom.

    DICOM after the Basic Profile of PS3.15 Annex E; NIfTI, NRRD and MetaImage without all free
    text. What else lies in a folder or a zip is left out, and said.

    Args:
        inputs: Folders, searched with their subfolders; zips; DICOMDIRs; single files.
        output: A folder that is new or empty; a name ending with ``.zip``; or, for one file, a
            name of its format.
        options: How.
        progress: Told how far it is.

    Returns:
        What was done.

    Raises:
        InputError: If something is damaged or cannot be cleaned; then nothing is written.
        UsageError: If the output does not fit the input.
        ModelError: If the brain model is needed and missing.
        ResourceError: If the output cannot be written; then it is as it was.
        CancelledError: If the user asked to stop.
    """
    paths, target = [Path(path) for path in inputs], Path(output)
    options, progress = options or DeidentifyOptions(), progress or Progress()
    _require_apart(paths, target)
    outputs.require_possible(target)
    with ExitStack() as stack:
        unpacking = progress.part("Unpacking", 0.0, _UNPACKED)
        found = sort_files([stack.enter_context(files_of(p, unpacking)) for p in paths])
        left = [*found.left_out, *_left_out(found.refused, options)]
        writer = _writer(found.items, options, progress)
        begun = _FACES_FOUND if options.deface else _UNPACKED
        writing = progress.part("Writing", begun, 1.0)
        if outputs.is_one_file(target) and found.items:
            outputs.require_fits(target, found.items)
            with replacing(target) as file:
                writer.write(found.items[0], lambda _item, _cleaned: file, writing)
        elif found.items:
            with outputs.new_folder(target) as folder:
                left += _write_all(found.items, folder, writer, options, writing)
                _require_some(writer.files, left, paths[0])
        _require_some(writer.files, left, paths[0])
    return Report(
        output=target,
        files=writer.files,
        rows=writer.tally.rows(),
        left_out=tuple(left),
        warnings=writer.warnings(),
    )


def _require_apart(paths: Sequence[Path], output: Path) -> None:
    for path in paths:
        # Path.exists fails on names that are too long.
        if not os.path.exists(path):  # noqa: PTH110
            raise InputError("does not exist", where=path, hint="Check the path")
        if path.resolve() == output.resolve():
            hint = "Give the output another name"
            raise UsageError("is an input and would be replaced", where=path, hint=hint)


def _writer(items: Sequence[Item], options: DeidentifyOptions, progress: Progress) -> Writer:
    if not options.deface:
        return Writer(options, None)
    paths = [item.path for item in items if item.kind is Kind.DICOM]
    finding = progress.part("Finding faces", _UNPACKED, _FACES_FOUND)
    return Writer(options, find_faces(paths, options.brain, finding))


def _write_all(
    items: Sequence[Item],
    folder: Path,
    writer: Writer,
    options: DeidentifyOptions,
    progress: Progress,
) -> list[LeftOut]:
    """Write files below a folder; return those that could not be, if they may be left out."""
    names = outputs.Names(keep=options.keep_names)
    left = []

    def place(item: Item, cleaned: Cleaned | None) -> Path:
        name = names.name(item, cleaned.place if cleaned else None)
        if options.keep_names and cleaned and cleaned.identity.is_in(" ".join(name.parts)):
            hint = "Leave --keep-names away, or rename it"
            raise InputError("names somebody in its path", where=item.shown, hint=hint)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        return folder / name

    for number, item in enumerate(items):
        part = progress.part("Writing", number / len(items), (number + 1) / len(items))
        part.update(0.0)
        try:
            writer.write(item, place, part)
        except InputError as error:
            left += _left_out([(item.shown, error)], options)
    return left


def _left_out(
    refused: Sequence[tuple[Path, InputError]], options: DeidentifyOptions
) -> list[LeftOut]:
    """Return why files are left out, or raise the first reason if none may be."""
    if refused and not options.leave_out:
        raise refused[0][1]
    return [LeftOut(path, error.what) for path, error in refused]


def _require_some(files: int, left: Sequence[LeftOut], source: Path) -> None:
    if files:
        return
    reasons = Counter(one.reason for one in left).most_common(_MOST_REASONS)
    told = "; ".join(f"{count} × {reason}" for reason, count in reasons) or "nothing"
    hint = "MedAssist cleans DICOM, NIfTI, NRRD and MetaImage"
    raise InputError(f"holds nothing that can be de-identified ({told})", where=source, hint=hint)
