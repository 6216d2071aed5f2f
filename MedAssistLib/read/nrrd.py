"""What ITK's NRRD reader lets pass: no spacing, units other than mm, spaces that it does not know.

Fields as in the definition of the format (teem.sourceforge.net/nrrd/format.html).
"""

from __future__ import annotations

import math
from pathlib import Path

from MedAssistLib.case import Finding
from MedAssistLib.errors import InputError
from MedAssistLib.files import readable
from MedAssistLib.read.stated import Stated, no_origin, no_place, numbers, usable

_MOST_LINES = 10_000
_LONGEST = 1 << 16
_MILLIMETRES = ("mm", "millimeter", "millimetre", "millimeters", "millimetres", "")
# The spaces that ITK turns into LPS; all others it takes for LPS.
_KNOWN_SPACES = (
    *("left-posterior-superior", "lps", "right-anterior-superior", "ras"),
    *("left-anterior-superior", "las"),
)
_FREE_TEXT = ("content", "labels", "units", "sample units")
_VOLUME_KINDS = ("list", "time")


def nrrd_stated(path: Path) -> Stated:
    """Return what an NRRD header states.

    Raises:
        InputError: If its data file is missing, or its spacing or units are not usable.
    """
    fields = _fields(path)
    data = _data_file(path, fields)
    units = [unit.strip().lower() for unit in fields.get("space units", "").split('"')]
    if any(unit not in _MILLIMETRES for unit in units):
        what = f"is measured in {fields['space units']}, not in mm"
        raise InputError(what, where=path, hint="Export it in millimetres")
    kinds = fields.get("kinds", "").lower().split()
    return Stated(
        spacing=_has_spacing(path, fields),
        volumes=any(kind in _VOLUME_KINDS for kind in kinds),
        data=data,
        packed=fields.get("encoding", "raw").lower() != "raw",
        findings=_findings(fields),
    )


def _fields(path: Path) -> dict[str, str]:
    """Return the header's fields, up to the empty line before the data."""
    fields: dict[str, str] = {}
    with readable(path) as stream:
        for _ in range(_MOST_LINES):
            line = stream.readline(_LONGEST).decode("latin-1").strip()
            if not line:
                break
            name, mark, value = line.partition(":")
            name = name.strip().lower()
            if not mark or value.startswith("=") or line.startswith("#"):
                continue
            # ITK ends a number at a damaged byte, and takes what it has.
            plain = line.isascii() and line.replace("\t", " ").isprintable()
            if name not in _FREE_TEXT and (name in fields or not plain):
                raise _damaged(path)
            fields[name] = value.strip()
    _require_three_numbers(path, fields.get("space origin", "(0,0,0)"))
    return fields


def _require_three_numbers(path: Path, text: str) -> None:
    try:
        good = len(numbers(text)) == 3 and all(map(math.isfinite, numbers(text)))
    except ValueError:
        good = False
    if not good:
        raise _damaged(path)


def _damaged(path: Path) -> InputError:
    return InputError("has a damaged header", where=path, hint="Copy or export it again")


def _data_file(path: Path, fields: dict[str, str]) -> Path | None:
    """Return the file with the voxels; a list or a pattern of files is left to ITK."""
    name = fields.get("data file", fields.get("datafile", ""))
    if not name:
        return path
    if name.upper().startswith("LIST") or "%" in name:
        return None
    require_beside(path, name)
    return path.parent / name


def require_beside(path: Path, name: str) -> None:
    """Refuse a header whose data file is missing, is elsewhere, or is no ordinary file.

    Raises:
        InputError: If so.
    """
    data = path.parent / name
    inside = path.parent.resolve() in data.resolve().parents
    if not inside or not data.is_file():
        what = f'needs the file "{name}", which is not in its folder'
        raise InputError(what, where=path, hint="Copy it there under its old name")


def _has_spacing(path: Path, fields: dict[str, str]) -> bool:
    try:
        if "space directions" in fields:
            vectors = fields["space directions"].replace("none", "").split(")")
            lengths = [math.hypot(*numbers(part)) for part in vectors if part.strip()]
        else:
            spacings = fields.get("spacings", "")
            lengths = [value for value in numbers(spacings) if not math.isnan(value)]
    except ValueError:
        lengths = [math.nan]
    if not lengths:
        return False
    if not usable(lengths):
        shown = " × ".join(f"{value:g}" for value in lengths)
        hint = "Correct its header or export it again"
        raise InputError(f"has an impossible voxel spacing ({shown} mm)", where=path, hint=hint)
    return True


def _findings(fields: dict[str, str]) -> tuple[Finding, ...]:
    space = fields.get("space", "").lower().removesuffix("-time")
    if space not in _KNOWN_SPACES or "space directions" not in fields:
        named = f'Its space is "{space}".' if space else "Its header has no space."
        return (no_place(f"{named} Left, posterior, superior was taken, as in 3D Slicer."),)
    return () if "space origin" in fields else (no_origin(),)
