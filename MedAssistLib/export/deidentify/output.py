"""Where cleaned files go: one file, a folder that appears in one step, or a zip of it."""

from __future__ import annotations

import secrets
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from MedAssistLib.errors import MedAssistError, ResourceError, UsageError, cannot_write
from MedAssistLib.export.deidentify.sorting import Item
from MedAssistLib.files import replacing, require_writable
from MedAssistLib.read.images import stem
from MedAssistLib.read.kinds import Kind

ZIP = ".zip"
_SUFFIXES = {
    Kind.DICOM: (".dcm",),
    Kind.NIFTI: (".nii.gz", ".nii"),
    Kind.NRRD: (".seg.nrrd", ".nrrd"),
    Kind.META: (".mha",),
}
_IMAGE_SUFFIXES = tuple(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)
# The moment in zips that stands for none.
_NO_MOMENT = (1980, 1, 1, 0, 0, 0)


def is_one_file(output: Path) -> bool:
    """Tell by its suffix whether an output is one image file, not a folder or a zip."""
    return output.name.lower().endswith(_IMAGE_SUFFIXES)


def require_possible(output: Path) -> None:
    """Refuse, before any work is done, an output that could not be written.

    Raises:
        ResourceError: If it is a folder with something in it, or its folder is missing.
    """
    if is_one_file(output) or output.name.lower().endswith(ZIP):
        require_writable(output)
    elif output.is_dir() and any(output.iterdir()):
        hint = "Give a new or empty one, so that nothing else is handed out with it"
        raise ResourceError("is a folder with something in it", where=output, hint=hint)
    elif output.is_file():
        raise ResourceError("is a file", where=output, hint="Give a folder")


def require_fits(output: Path, items: Sequence[Item]) -> None:
    """Refuse a name of one file for several, or one of another format.

    Raises:
        UsageError: If so: de-identifying does not convert.
    """
    if len(items) > 1:
        hint = f"Give a folder, or a name that ends with {ZIP}"
        raise UsageError(f"is one file for {len(items)}", where=output, hint=hint)
    kind = items[0].kind
    if not output.name.lower().endswith(_SUFFIXES[kind]):
        hint = f"Give a name that ends with {' or '.join(_SUFFIXES[kind])}"
        raise UsageError(f"is no name for {kind}", where=output, hint=hint)


@contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """Give a folder to write to; it becomes the output, or the zip, if all goes well.

    Raises:
        ResourceError: If it cannot be written; the output is as it was.
    """
    temporary = output.absolute().parent / f".medassist-{secrets.token_hex(6)}"
    try:
        temporary.mkdir()
        yield temporary
        if output.name.lower().endswith(ZIP):
            _zip(temporary, output)
        else:
            _become(temporary, output)
    except MedAssistError:
        raise
    except OSError as error:
        raise cannot_write(output, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _become(temporary: Path, output: Path) -> None:
    if output.is_dir():
        output.rmdir()  # It was empty; some systems rename onto nothing only.
    temporary.rename(output)


def _zip(folder: Path, output: Path) -> None:
    with replacing(output) as target, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _NO_MOMENT)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            with path.open("rb") as source, zipped.open(info, "w", force_zip64=True) as target_file:
                shutil.copyfileobj(source, target_file)


class Names:
    """Names for cleaned files within a folder, which tell nothing about the old ones.

    Args:
        keep: Whether the old names are kept instead.
    """

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._counts: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
        self._taken: set[str] = set()

    def name(self, item: Item, place: tuple[str, str, str] | None) -> Path:
        """Return the name of a cleaned file.

        Args:
            item: The file.
            place: Patient, study and series of a DICOM file; ``None`` for others.
        """
        if self._keep:
            return self._free(_with_new_suffix(item))
        if place is None:
            return Path(f"image-{self._number((), str(item.path)):03}{suffix_of(item)}")
        patient, study, series = place
        folder: tuple[str, ...] = (patient, f"study-{self._number((patient,), study):03}")
        folder = (*folder, f"series-{self._number(folder, series):03}")
        return Path(*folder, f"{self._number(folder, str(item.path)):04}.dcm")

    def _number(self, folder: tuple[str, ...], name: str) -> int:
        numbers = self._counts[folder]
        return numbers.setdefault(name, len(numbers) + 1)

    def _free(self, path: Path) -> Path:
        """Return a path that no other file has, for several inputs may hold the same."""
        wish, number = path, 1
        while str(wish).casefold() in self._taken:
            number += 1
            wish = path.with_name(f"{number}_{path.name}")
        self._taken.add(str(wish).casefold())
        return wish


def suffix_of(item: Item) -> str:
    """Return the suffix of a cleaned file; pairs of files become one."""
    name = item.path.name.lower()
    if item.kind is Kind.NIFTI:
        return ".nii.gz" if name.endswith(".gz") else ".nii"
    return ".seg.nrrd" if name.endswith(".seg.nrrd") else _SUFFIXES[item.kind][-1]


def _with_new_suffix(item: Item) -> Path:
    """Return the old path of a file; of a pair that becomes one file, with its suffix."""
    if item.kind is Kind.DICOM:
        return item.relative
    return item.relative.with_name(stem(item.relative) + suffix_of(item))
