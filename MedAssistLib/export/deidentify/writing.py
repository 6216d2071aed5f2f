"""Writing one cleaned file after another, and counting what was done."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from MedAssistLib.errors import UsageError
from MedAssistLib.export.deidentify.dicom_file import Cleaned, clean_dicom, save_dicom
from MedAssistLib.export.deidentify.faces import Faces, deface_image
from MedAssistLib.export.deidentify.meta import clean_meta
from MedAssistLib.export.deidentify.nifti import clean_nifti
from MedAssistLib.export.deidentify.nrrd import clean_nrrd
from MedAssistLib.export.deidentify.options import DeidentifyOptions
from MedAssistLib.export.deidentify.output import suffix_of
from MedAssistLib.export.deidentify.pseudonyms import Pseudonyms
from MedAssistLib.export.deidentify.sorting import Item
from MedAssistLib.export.deidentify.tally import Deeds, Tally
from MedAssistLib.progress import Progress
from MedAssistLib.read.kinds import Kind

Place = Callable[[Item, Cleaned | None], Path]
"""Gives the path of a cleaned file; a DICOM file's depends on what is in it."""


class Writer:
    """Cleans and writes files.

    Args:
        options: How.
        faces: Where the faces are; ``None`` to leave them.

    Attributes:
        tally: What was done.
        files: How many were written.
    """

    def __init__(self, options: DeidentifyOptions, faces: Faces | None) -> None:
        self._options, self._faces = options, faces
        self._pseudonyms = Pseudonyms(options.key, options.patients, keep_uids=options.keep_uids)
        self._patients: set[str] = set()
        self._heads = self._unsaid = self._made = 0
        self.tally = Tally()
        self.files = 0

    def write(self, item: Item, place: Place, progress: Progress) -> None:
        """Clean one file and write it where ``place`` says.

        Raises:
            InputError: If it is damaged or cannot be cleaned.
            UsageError: If one brain was given for several patients.
            OSError: If it cannot be written.
        """
        if item.kind is Kind.DICOM:
            cleaned = self._clean_dicom(item)
            with _whole(place(item, cleaned)) as target:
                save_dicom(cleaned, target)
            self._heads += cleaned.face is True
            self._unsaid += cleaned.face is None
            self._made += cleaned.text
            deeds = cleaned.deeds
        else:
            with _whole(place(item, None)) as target:
                deeds = self._write_image(item, target, progress)
        self.tally.add(deeds)
        self.files += 1

    def warnings(self) -> tuple[str, ...]:
        """Return what a person must know before giving the files away."""
        told = []
        if self._heads:
            told.append(
                f"{self._heads} images show a head: its face can be rebuilt from them, and found. "
                "Defacing takes it out."
            )
        if self._unsaid:
            told.append(
                f"{self._unsaid} images do not say what they show. If it is a head, its face can "
                "be rebuilt from them; defacing takes it out."
            )
        if self._made and not self._options.allow_burned_in:
            told.append(
                f"{self._made} images were made of others or are in colour, and do not say that "
                "they are free of text: look at them before you give them away."
            )
        if self._options.allow_burned_in:
            told.append("Nothing looked at the pictures: text drawn into them is still there.")
        if self._options.keep_uids:
            told.append("UIDs were kept: whoever has the originals can tell which is which.")
        return tuple(told)

    def _clean_dicom(self, item: Item) -> Cleaned:
        cleaned = clean_dicom(item.path, self._options, self._pseudonyms, self._faces)
        self._patients.add(cleaned.place[0])
        if self._options.brain and len(self._patients) > 1:
            hint = "Give one patient at a time"
            what = "is one brain for several patients"
            raise UsageError(what, where=self._options.brain, hint=hint)
        return cleaned

    def _write_image(self, item: Item, target: Path, progress: Progress) -> Deeds:
        drawn = item.path.name.lower().endswith(".seg.nrrd")
        if self._faces is None or drawn:
            self._unsaid += not drawn
            return _clean(item, item.path, target, progress)
        with tempfile.TemporaryDirectory(prefix="medassist-") as folder:
            defaced = Path(folder) / f"image{suffix_of(item)}"
            deface_image(item.path, item.kind, self._faces, defaced, progress)
            deeds = _clean(item, defaced, target, progress)
        return deeds | {("Face", "set to background")}


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """Remove a file that was not written to its end: the others may be handed out without it."""
    try:
        yield target
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _clean(item: Item, source: Path, target: Path, progress: Progress) -> Deeds:
    if item.kind is Kind.NIFTI:
        return clean_nifti(source, target, progress)
    return clean_nrrd(source, target) if item.kind is Kind.NRRD else clean_meta(source, target)
